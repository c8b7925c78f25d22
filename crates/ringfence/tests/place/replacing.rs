//! A file that is written anew and renamed, as programs do, while a ring is being made.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// Sets it when dropped, also by a panic.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does this while `file` is replaced over and over, from when `policy` has been read until it is read once more: that is for
/// a second look. Whether there was one.
pub(crate) fn looked_again(policy: &Path, file: &Path, make: impl FnOnce()) -> bool {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (ready, is_ready) = channel();
        let replaced = scope.spawn(|| replace(policy, file, &over, ready));
        is_ready.recv().unwrap();
        let ends = Ends(&over);
        make();
        drop(ends);
        replaced.join().unwrap()
    })
}

fn replace(policy: &Path, file: &Path, over: &AtomicBool, ready: Sender<()>) -> bool {
    let read = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    let wanted = WatchFlags::OPEN | WatchFlags::CLOSE_NOWRITE;
    inotify::add_watch(&read, policy, wanted).unwrap();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
    let mut events = inotify::Reader::new(&read, &mut buffer);
    ready.send(()).unwrap();
    let new = file.with_extension("new");
    let mut begun = false;
    while !over.load(Ordering::Relaxed) {
        while let Ok(event) = events.next() {
            if begun && event.events().contains(ReadFlags::OPEN) {
                return true;
            }
            begun |= event.events().contains(ReadFlags::CLOSE_NOWRITE);
        }
        if begun {
            std::fs::write(&new, "anew").unwrap();
            std::fs::rename(&new, file).unwrap();
        }
    }
    false
}
