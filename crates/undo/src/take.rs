//! Reads how an entry stands, and what it holds.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::time::ClockId;

use crate::below::{self, Root};
use crate::state::{Content, Hash, Kind, State, Why};
use crate::store::Locked;

/// An entry that was read.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) state: State,
    /// It changed so shortly before that another change would show nowhere.
    pub(crate) recent: bool,
}

/// Filesystems note times by the clock's tick, which is 10 ms at most: two changes in one tick have one time.
const TICK: i64 = 20_000_000;

fn now() -> i64 {
    let time = rustix::time::clock_gettime(ClockId::RealtimeCoarse);
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

/// Reads what is there; `None` where nothing is. With a store the content is kept there, without one it is only known by its
/// digest.
pub(crate) fn take(
    root: &Root,
    path: &Path,
    keep: Option<&Locked<'_>>,
    most: u64,
) -> Result<Option<Taken>, Errno> {
    let began = now();
    let handle = match root.handle(path) {
        Ok(handle) => handle,
        Err(errno) if below::is_nothing(errno) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let stat = below::itself(handle.as_fd())?;
    let recent = stat.changed.saturating_add(TICK) > began;
    let told = |stat, content| {
        Ok(Some(Taken {
            state: State { stat, content },
            recent,
        }))
    };
    match stat.kind {
        Kind::Directory => told(stat, Content::None),
        Kind::Special => told(stat, Content::Not(Why::Special)),
        Kind::Symlink => {
            let link = rustix::fs::readlinkat(&handle, c"", Vec::new())?;
            let link = PathBuf::from(std::ffi::OsString::from_vec(link.into_bytes()));
            told(stat, Content::Link(link))
        }
        Kind::File if stat.size > most => told(stat, Content::Not(Why::Large)),
        Kind::File => {
            // To open a device is to act on it, and a FIFO waits: only what is known to be a file is opened.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
            let file = match root.open_at(path, flags) {
                Ok(file) => File::from(file),
                Err(Errno::ACCESS | Errno::PERM) => {
                    return told(stat, Content::Not(Why::Unreadable));
                }
                Err(_) => return told(stat, Content::Not(Why::Changed)),
            };
            if below::itself(file.as_fd()) != Ok(stat) {
                return told(stat, Content::Not(Why::Changed));
            }
            let bytes = match below::read(&file, most) {
                Ok(bytes) if bytes.len() as u64 == stat.size => bytes,
                Ok(_) => return told(stat, Content::Not(Why::Changed)),
                Err(_) => return told(stat, Content::Not(Why::Unreadable)),
            };
            let hash = Hash(blake3::hash(&bytes));
            let kept = match keep {
                Some(store) => store.keep(hash, &bytes, &file),
                None => Ok(()),
            };
            let after = below::itself(file.as_fd())?;
            if after != stat {
                // What was written is the content all the same, and harms nobody; but of no state that is known.
                return told(after, Content::Not(Why::Changed));
            }
            match kept {
                Ok(()) => told(stat, Content::Kept(hash)),
                Err(_) => told(stat, Content::Not(Why::Unwritten)),
            }
        }
    }
}
