//! Follows what happens in a ring that stays.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::changes::Changes;
use crate::detail::RootDetails;
use crate::generated::Table;
use crate::index::{Index, Marked};
use crate::options::Options;
use crate::report::{Report, Standing};

/// Follows what happens under the roots.
///
/// [`Follow::mark`] before a command and [`Follow::since`] after it; marks know nothing of each other, and any number of them
/// may be open. The kernel queues what happens before the call that does it returns: what a command did is told once the
/// command has ended.
///
/// Nothing here fails. What cannot be seen is told as [`Changes::incomplete`].
///
/// # Costs
/// A command costs what it changes. Each entry under the roots takes some 130 bytes, each directory a watch and, in the
/// kernel, about 1 KiB. A thread takes in what happens meanwhile, so that the kernel's queue does not run over; it sleeps while
/// nothing does. It ends soon after this is dropped, and is not waited for.
///
/// # What it does not see
/// - What is written through a name that a file has outside of the roots; or through one that was made, written through and
///   removed again before the thread looked (`ln x t; echo >> t; rm t`). A [`Snapshot`](crate::Snapshot) sees both.
/// - What is written through a mapping, until the last mapping of the file goes.
/// - What other machines do on a network filesystem.
pub struct Follow {
    shared: Arc<Shared>,
    /// Written to when the thread shall end.
    wake: Option<Arc<OwnedFd>>,
}

/// Where a command began. Let go of it when the command's changes have been told: as long as it lives, all that becomes
/// another is noted.
#[derive(Debug)]
pub struct Mark {
    marked: Marked,
    of: u64,
}

/// What is held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Directories that are known.
    pub directories: usize,
    /// Entries that are known, directories among them.
    pub entries: usize,
    /// Directories that are watched.
    pub watched: usize,
    /// Places of which is noted what they held before.
    pub notes: usize,
}

struct Shared {
    number: u64,
    /// Held while waiting for the index: the thread goes from one directory to the next, and others shall get in between.
    door: Mutex<()>,
    index: Mutex<Index>,
    walked: Condvar,
    report: Report,
    walk_unwatched: bool,
    /// Who wants to know that something was taken in.
    news: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// How long the thread lets events come together, so that it does not wake for each.
const TOGETHER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

impl Follow {
    /// Begins to follow. The first walk goes on in a thread of its own; [`Follow::walked`] waits for it.
    pub fn start<P: AsRef<Path>>(roots: impl IntoIterator<Item = P>, options: Options) -> Follow {
        let shared = Arc::new(Shared {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            door: Mutex::new(()),
            index: Mutex::new(Index::new(roots, &options, true)),
            walked: Condvar::new(),
            report: Report {
                table: Table::new(&options.generated),
                most: options.most,
            },
            walk_unwatched: options.walk_unwatched,
            news: Mutex::new(None),
        });
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = wake.ok().map(Arc::new);
        let thread = wake.clone().and_then(|wake| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("follow".to_owned())
                .spawn(move || run(&shared, &wake))
                .ok()
        });
        if thread.is_none() {
            // No thread is to be had: then now. What happens is taken in at each mark.
            walk(&shared, || false);
        }
        Follow { shared, wake }
    }

    /// Waits until the first walk has come to its end, for so long at most. Whether it has.
    #[must_use]
    pub fn walked(&self, most: Duration) -> bool {
        let begun = Instant::now();
        let mut index = self.shared.index();
        while !index.is_walked() {
            let Some(left) = most.checked_sub(begun.elapsed()) else {
                return false;
            };
            index = match self.shared.walked.wait_timeout(index, left) {
                Ok((index, _)) => index,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    /// From here on. Takes in what happened before, which mostly is nothing.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            marked: self.shared.index().mark(),
            of: self.shared.number,
        }
    }

    /// What has become another since. May be asked more than once of one mark.
    ///
    /// Of a mark of another [`Follow`] nothing is known: it is told as [`Reason::Forgotten`](crate::Reason::Forgotten).
    #[must_use]
    pub fn since(&self, mark: &Mark) -> Changes {
        let mut index = self.shared.index();
        let standing = self.standing(&mut index, mark);
        self.shared.report.make(&index, standing)
    }

    /// The same, and each change with how its place stood.
    #[must_use]
    pub fn since_in_detail(&self, mark: &Mark) -> (Changes, Vec<RootDetails>) {
        let mut index = self.shared.index();
        let standing = self.standing(&mut index, mark);
        self.shared.report.make_in_detail(&index, standing)
    }

    fn standing(&self, index: &mut Index, mark: &Mark) -> Standing {
        let settled = index.catch_up_with_all();
        let mut standing = Standing::of(&mark.marked, settled);
        standing.unwatched_told = !self.shared.walk_unwatched;
        standing.known = mark.of == self.shared.number;
        standing
    }

    /// Has the thread call this each time that it has taken in something. It waits for that.
    pub fn on_news(&self, told: impl Fn() + Send + 'static) {
        let mut news = self
            .shared
            .news
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *news = Some(Box::new(told));
    }

    /// Whether so little is to be taken in that a mark, and what has become another since one, are a matter of no time. It does
    /// not wait: for who must not wait for a command that changes more than can be taken in.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let index = match (self.shared.door.try_lock(), self.shared.index.try_lock()) {
            (Ok(_door), Ok(index)) => index,
            _ => return false,
        };
        index.is_quiet()
    }

    /// What is held in memory. Counts all there is.
    #[must_use]
    pub fn held(&self) -> Held {
        let index = self.shared.index();
        Held {
            directories: index.tree.len(),
            entries: index.tree.entries(),
            watched: index.watched(),
            notes: index.log.len(),
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if let Some(wake) = &self.wake {
            // It takes any number; only a full counter refuses one, and that wakes as well.
            let _woken = rustix::io::write(wake, &1u64.to_ne_bytes());
        }
    }
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").finish_non_exhaustive()
    }
}

/// The thread: the first walk, then what happens.
fn run(shared: &Shared, wake: &OwnedFd) {
    let stopped = |within| is_ready(&[wake], Some(within)).is_some();
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if !walk(shared, || stopped(now)) {
        return;
    }
    let events = shared.index().fd().map(|fd| fd.try_clone_to_owned());
    let Some(Ok(events)) = events else {
        return;
    };
    while is_ready(&[wake, &events], None) == Some(1) {
        if stopped(TOGETHER) {
            return;
        }
        // Whether all was taken in is told to who asks; here there is a next time.
        let _settled = shared.index().catch_up();
        let news = shared.news.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = &*news {
            told();
        }
    }
}

/// The first walk, directory by directory. Whether it came to its end.
fn walk(shared: &Shared, mut stopped: impl FnMut() -> bool) -> bool {
    let mut steps = 0_u32;
    loop {
        let mut index = shared.index();
        let mut taken = 0;
        // Small directories together: getting in costs more than they do.
        while taken < ENTRIES_AT_ONCE {
            match index.step() {
                Some(entries) => taken += entries + 1,
                None => {
                    shared.walked.notify_all();
                    return true;
                }
            }
        }
        steps = steps.wrapping_add(1);
        drop(index);
        if steps.is_multiple_of(16) {
            // The kernel's queue does not wait for the walk.
            let _settled = shared.index().catch_up();
            if stopped() {
                return false;
            }
        }
    }
}

/// Entries between which others get in: some hundred microseconds.
const ENTRIES_AT_ONCE: usize = 128;

/// Which of them became readable first in the list; `None` after that time.
fn is_ready(fds: &[&OwnedFd], within: Option<Timespec>) -> Option<usize> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
        .collect();
    loop {
        match poll(&mut polled, within.as_ref()) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    polled.iter().position(|fd| !fd.revents().is_empty())
}
