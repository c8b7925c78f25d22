//! What the kernel tells (`inotify(7)`): events are queued before the call that causes them returns.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::tree::{Name, NodeId};

/// Directories being watched.
pub(crate) struct Watches {
    fd: OwnedFd,
    by_number: HashMap<i32, NodeId>,
    most: usize,
    buffer: Vec<MaybeUninit<u8>>,
}

/// What events tell of a place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// What stands there was written to.
    pub(crate) written: bool,
    /// Something came there or went, so that it is not known what was written to.
    pub(crate) another: bool,
}

impl Told {
    pub(crate) fn and(&mut self, other: Told) {
        self.written |= other.written;
        self.another |= other.another;
    }
}

const ANOTHER: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO);

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Under this name.
    At { dir: NodeId, name: Name, how: Told },
    /// To the directory itself.
    Itself(NodeId),
    /// The watch ended.
    Ended(NodeId),
    /// There were too many, and some are lost.
    Lost,
}

/// Each change of an entry, and the end of the directory. `CLOSE_WRITE` as well as `MODIFY`: what is written through a
/// mapping is told by nothing else.
const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

/// Why a directory has no watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There are as many as there may be.
    Limit,
    /// It may not be read.
    Unreadable,
    /// It is watched already, as another.
    Known,
}

impl Watches {
    /// `None` where the user may have no more instances, or the kernel has none.
    pub(crate) fn new(most: Option<usize>) -> Option<Watches> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        Some(Watches {
            fd,
            by_number: HashMap::new(),
            most: most.unwrap_or_else(most_of_the_user),
            buffer: vec![MaybeUninit::uninit(); 64 * 1024],
        })
    }

    /// Watches the directory a handle is of.
    pub(crate) fn add(&mut self, dir: BorrowedFd<'_>, node: NodeId) -> Result<i32, Refused> {
        if self.by_number.len() >= self.most {
            return Err(Refused::Limit);
        }
        // There is no call that takes a handle; this path is the handle.
        let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let number = match inotify::add_watch(&self.fd, path, EVENTS) {
            Ok(number) => number,
            Err(Errno::ACCESS) => return Err(Refused::Unreadable),
            Err(_) => return Err(Refused::Limit),
        };
        match self.by_number.get(&number) {
            Some(known) if *known != node => Err(Refused::Known),
            _ => {
                self.by_number.insert(number, node);
                Ok(number)
            }
        }
    }

    pub(crate) fn remove(&mut self, number: i32) {
        self.by_number.remove(&number);
        // Where the directory is gone, so is the watch.
        let _gone = inotify::remove_watch(&self.fd, number);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Whether no more waits to be taken than is taken in no time (inotify(7), `FIONREAD`).
    pub(crate) fn is_quiet(&self) -> bool {
        rustix::io::ioctl_fionread(&self.fd).is_ok_and(|bytes| bytes <= QUIET)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What happened since the last call. It does not wait. Whether there is more.
    pub(crate) fn take(&mut self, mut each: impl FnMut(Event)) -> bool {
        let mut reader = Reader::new(&self.fd, &mut self.buffer);
        let mut taken = 0;
        // Somebody may go on without end: a full queue is enough for one round. What the buffer holds would be lost with the
        // reader.
        while taken < MOST_AT_ONCE || !reader.is_buffer_empty() {
            let Ok(event) = reader.next() else {
                return false;
            };
            taken += 1;
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Event::Lost);
                continue;
            }
            let Some(dir) = self.by_number.get(&event.wd()).copied() else {
                continue;
            };
            if flags.contains(ReadFlags::IGNORED) {
                self.by_number.remove(&event.wd());
                each(Event::Ended(dir));
                continue;
            }
            each(match event.file_name() {
                Some(name) if !name.is_empty() => Event::At {
                    dir,
                    name: name.to_bytes().into(),
                    how: Told {
                        written: flags.contains(ReadFlags::MODIFY),
                        another: flags.intersects(ANOTHER),
                    },
                },
                _ => Event::Itself(dir),
            });
        }
        true
    }
}

const MOST_AT_ONCE: usize = 32_768;

/// Some hundred to a thousand events, each a few microseconds' work.
const QUIET: u64 = 32 << 10;

/// A quarter of the watches a user may have: editors and other rings want some.
fn most_of_the_user() -> usize {
    let most = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
    let most = most.ok().and_then(|text| text.trim().parse::<usize>().ok());
    most.map_or(8192, |most| most / 4).min(65_536)
}
