//! Directories by handle: opened below a root without following anything, listed, asked about.
//!
//! A command may swap what lies here while it is looked at. So a directory is opened from its root's handle, and is what it
//! was taken for only when its device and inode say so; nothing but a directory is opened at all, so that no FIFO makes this
//! wait and no device is touched.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

use crate::tree::{Meta, NodeId};

/// What a name leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) meta: Meta,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// When it was made, in nanoseconds since 1970; what the filesystem does not keep is 0.
    pub(crate) born: i64,
    /// A directory's time of change, which its [`Meta`] leaves out.
    pub(crate) changed: i64,
}

const FOUND: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// What a name in a directory leads to; of a link, the link.
pub(crate) fn found<P: rustix::path::Arg>(dir: BorrowedFd<'_>, name: P) -> Result<Found, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    rustix::fs::statx(dir, name, flags, FOUND).map(|s| of(&s))
}

/// What a handle is of.
pub(crate) fn itself(fd: BorrowedFd<'_>) -> Result<Found, Errno> {
    rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, FOUND).map(|s| of(&s))
}

/// What a root's path leads to, links followed: it is the caller's.
pub(crate) fn behind(path: &std::path::Path) -> Result<Found, Errno> {
    rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), FOUND).map(|s| of(&s))
}

fn of(stat: &rustix::fs::Statx) -> Found {
    let nanos = |t: rustix::fs::StatxTimestamp| {
        t.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(t.tv_nsec))
    };
    let born = match stat.stx_mask & StatxFlags::BTIME.bits() {
        0 => 0,
        _ => nanos(stat.stx_btime),
    };
    let mut meta = Meta {
        ident: ident(stat.stx_ino, born),
        size: stat.stx_size,
        modified: nanos(stat.stx_mtime),
        changed: nanos(stat.stx_ctime),
        mode: stat.stx_mode,
        links: Meta::links(stat.stx_nlink, born != 0),
        dir: NodeId::NONE,
    };
    let changed = meta.changed;
    if meta.is_dir() {
        // They follow from what is in it, which is told by itself.
        (meta.size, meta.modified, meta.changed) = (0, 0, 0);
        meta.links = Meta::links(1, born != 0);
    }
    Found {
        meta,
        device: (u64::from(stat.stx_dev_major) << 32) | u64::from(stat.stx_dev_minor),
        inode: stat.stx_ino,
        born,
        changed,
    }
}

/// Inode number and time of birth in one: an inode number is given again, often at once.
fn ident(inode: u64, born: i64) -> u64 {
    let mut x = inode ^ born.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 29)
}

const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// For looking at names in it: needs leave to search it, not to read it.
pub(crate) const AT: OFlags = DIRECTORY.union(OFlags::PATH);
/// For listing it.
pub(crate) const LIST: OFlags = DIRECTORY.union(OFlags::NONBLOCK);

/// The longest path that the kernel takes, in bytes.
const LONGEST: usize = 4096;

/// Opens a directory below a root by its names, none of which may be a link.
pub(crate) fn open(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return rustix::fs::openat(root, c".", flags, Mode::empty());
    }
    let below = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), below) {
        // An old kernel, or a filter that does not know the call. Not for a path that is too long: that a command makes as deep
        // as it likes, and each name would be a call.
        Err(Errno::NOSYS | Errno::PERM) if path.len() < LONGEST => step(root, path, flags),
        other => other,
    }
}

/// The same, name by name.
fn step(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = path.split(|b| *b == b'/').peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let flags = if names.peek().is_some() { AT } else { flags };
        let from = at.as_ref().map_or(root, |fd| fd.as_fd());
        at = Some(rustix::fs::openat(from, name, flags, Mode::empty())?);
    }
    at.ok_or(Errno::NOENT)
}
