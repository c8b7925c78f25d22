//! Puts things back, one at a time: each looked at by handle, and taken for what was looked at only if it still is.

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::below::{self, Root};
use crate::plan::Left;
use crate::state::{Content, Hash, Kind, Stat, State, Why};
use crate::store::Store;
use crate::take::take;

/// What works in one root.
pub(crate) struct Hands<'a> {
    pub(crate) root: &'a Root,
    pub(crate) store: &'a Store,
    /// How its own names begin.
    pub(crate) tag: String,
}

impl Hands<'_> {
    fn temporary(&self, step: usize) -> PathBuf {
        PathBuf::from(format!("{}-{step}", self.tag))
    }

    /// Puts a file or a link where `now` stands, or where nothing does.
    pub(crate) fn put(
        &self,
        step: usize,
        path: &Path,
        before: &State,
        now: Option<&Stat>,
    ) -> Result<(), Left> {
        let (dir, name) = self.root.parent(path)?;
        let linked = now.filter(|now| {
            now.links > 1 && now.kind == Kind::File && now.is_same_object(&before.stat)
        });
        if let (Some(now), Content::Kept(hash)) = (linked, &before.content) {
            // Its other names are to hold the same again, so it stays the same file.
            return self.write_into(path, now, *hash, before);
        }
        let temporary = self.temporary(step);
        self.clear(&dir, path, &temporary)?;
        self.make(&dir, &temporary, before)?;
        let placed = place(&dir, &temporary, name, now);
        if placed.is_err() {
            // Where it is not there any more there is nothing to remove.
            let _none = rustix::fs::unlinkat(&dir, &temporary, AtFlags::empty());
        }
        placed
    }

    /// Removes what an undo that was killed left beside a change.
    pub(crate) fn sweep(&self, step: usize, path: &Path) {
        if let Ok((dir, _)) = self.root.parent(path) {
            // What is not known stays.
            let _left = self.clear(&dir, path, &self.temporary(step));
        }
    }

    /// What an undo that was killed left under its own name: removed where it is kept.
    fn clear(&self, dir: &OwnedFd, path: &Path, temporary: &Path) -> Result<(), Left> {
        let left = path.with_file_name(temporary);
        let Some(taken) = take(self.root, &left, None, self.store.bounds.file)? else {
            return Ok(());
        };
        match taken.state.content {
            Content::Link(_) => {}
            Content::Kept(hash) if self.store.has(hash) || taken.state.stat.size == 0 => {}
            _ => return Err(Left::InTheWay),
        }
        rustix::fs::unlinkat(dir, temporary, AtFlags::empty())?;
        Ok(())
    }

    /// Makes a file or a link of this name, whole or not at all.
    fn make(&self, dir: &OwnedFd, name: &Path, before: &State) -> Result<(), Left> {
        let hash = match &before.content {
            Content::Kept(hash) => *hash,
            Content::Link(target) => {
                rustix::fs::symlinkat(target, dir, name)?;
                return Ok(());
            }
            Content::None | Content::Not(_) => return Err(Left::Damaged),
        };
        let mode = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        // It has no name before it is whole.
        match rustix::fs::openat(dir, c".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => {
                let mut file = File::from(file);
                self.fill(&mut file, hash)?;
                self.dress(&file, before)?;
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                rustix::fs::linkat(CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)?;
                Ok(())
            }
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let mut file = File::from(rustix::fs::openat(dir, name, flags, mode)?);
                let made = self.fill(&mut file, hash);
                let made = made.and_then(|()| self.dress(&file, before));
                if made.is_err() {
                    let _none = rustix::fs::unlinkat(dir, name, AtFlags::empty());
                }
                made
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// What was kept. It was there when this was planned; others may have needed the room since.
    fn kept(&self, hash: Hash) -> Result<Vec<u8>, Left> {
        self.store.read(hash).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Left::NotKept(Why::Collected),
            _ => Left::Damaged,
        })
    }

    fn fill(&self, file: &mut File, hash: Hash) -> Result<(), Left> {
        // Read in any case: what is put back is what was kept.
        let bytes = self.kept(hash)?;
        if bytes.len() >= 64 << 10
            && let Ok(object) = self.store.open(hash)
            && rustix::fs::ioctl_ficlone(&*file, &object).is_ok()
        {
            return Ok(());
        }
        write_sparsely(file, &bytes)
            .map_err(|error| Left::Failed(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())))
    }

    /// Owner, as far as this user may, and permissions.
    fn dress(&self, file: &File, before: &State) -> Result<(), Left> {
        own(file.as_fd(), before)?;
        // What a directory gives its files by default would open it to others (`acl(5)`). Most have none.
        let _none = rustix::fs::fremovexattr(file, c"system.posix_acl_access");
        let (was, is) = (&before.stat, below::itself(file.as_fd())?);
        let same = was.uid == u32::MAX || (was.uid, was.gid) == (is.uid, is.gid);
        // To be run as another (set-user-ID, set-group-ID) is for who owned it.
        let mode = if same { was.mode } else { was.mode & 0o1777 };
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
        Ok(())
    }

    /// Writes into a file that has other names.
    fn write_into(&self, path: &Path, now: &Stat, hash: Hash, before: &State) -> Result<(), Left> {
        let handle = self.root.handle(path)?;
        if !below::itself(handle.as_fd())?.is_unwritten(now) {
            return Err(Left::Changed);
        }
        if now.mode & 0o200 == 0 {
            below::set_mode(handle.as_fd(), now.mode | 0o200)?;
        }
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.root.open_at(path, flags)?;
        let opened = below::itself(file.as_fd())?;
        if !opened.is_same_object(now) || opened.modified != now.modified {
            return Err(Left::Changed);
        }
        // Read before anything is cut off.
        let bytes = self.kept(hash)?;
        let mut file = File::from(file);
        let written = file
            .write_all(&bytes)
            .and_then(|()| file.set_len(bytes.len() as u64));
        written.map_err(|error| {
            Left::Failed(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()))
        })?;
        self.dress(&file, before)
    }

    /// Removes a file, a link or a FIFO.
    pub(crate) fn remove(&self, step: usize, path: &Path, now: &Stat) -> Result<(), Left> {
        let (dir, name) = self.root.parent(path)?;
        let aside = self.temporary(step);
        self.clear(&dir, path, &aside)?;
        move_to(&dir, name, &dir, &aside)?;
        // Nobody else knows it by this name; what was looked at is what is removed.
        if below::entry(dir.as_fd(), &aside)?.is_unwritten(now) {
            rustix::fs::unlinkat(&dir, &aside, AtFlags::empty())?;
            Ok(())
        } else {
            move_to(&dir, &aside, &dir, name)?;
            Err(Left::Changed)
        }
    }

    /// Removes a directory, if nothing is in it.
    pub(crate) fn remove_dir(&self, path: &Path) -> Result<(), Left> {
        let (dir, name) = self.root.parent(path)?;
        rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR)?;
        Ok(())
    }

    /// Makes a directory, writable until all is in it.
    /// Which it is: by device and inode.
    pub(crate) fn make_dir(&self, path: &Path, before: &State) -> Result<(u64, u64), Left> {
        let (dir, name) = self.root.parent(path)?;
        let made = match rustix::fs::mkdirat(&dir, name, Mode::RWXU) {
            Ok(()) => true,
            // An undo that was killed made it, or somebody did who wants it as well.
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno.into()),
        };
        let handle = self.root.handle(path)?;
        let is = below::itself(handle.as_fd())?;
        if is.kind != Kind::Directory {
            return Err(Left::InTheWay);
        }
        // Another one may stand there by now: nothing is given away that is not as it was just made.
        let own_one = is.uid == rustix::process::geteuid().as_raw() && is.mode == 0o700;
        if made && own_one {
            own(handle.as_fd(), before)?;
        }
        Ok((is.dev, is.ino))
    }

    /// Gives something another place in the root.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), Left> {
        let (from_dir, from_name) = self.root.parent(from)?;
        let (to_dir, to_name) = self.root.parent(to)?;
        move_to(&from_dir, from_name, &to_dir, to_name)
    }

    /// Sets permissions of what was looked at.
    pub(crate) fn set_mode(&self, path: &Path, is: &Stat, mode: u32) -> Result<(), Left> {
        let handle = self.root.handle(path)?;
        if !below::itself(handle.as_fd())?.is_same_object(is) {
            return Err(Left::Changed);
        }
        below::set_mode(handle.as_fd(), mode)?;
        Ok(())
    }
}

/// Gives something the owner that it had, where it is another's and this user may.
fn own(fd: std::os::fd::BorrowedFd<'_>, before: &State) -> Result<(), Left> {
    let (was, is) = (&before.stat, below::itself(fd)?);
    if was.uid == u32::MAX || (was.uid, was.gid) == (is.uid, is.gid) {
        return Ok(());
    }
    let uid = rustix::fs::Uid::from_raw(was.uid);
    let gid = rustix::fs::Gid::from_raw(was.gid);
    // Most may not, and then it is theirs.
    let _kept = rustix::fs::chownat(fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH);
    Ok(())
}

/// Puts what was made in its place, where `now` stands or nothing.
fn place(dir: &OwnedFd, made: &Path, name: &Path, now: Option<&Stat>) -> Result<(), Left> {
    let Some(now) = now else {
        return move_to(dir, made, dir, name);
    };
    match rustix::fs::renameat_with(dir, made, dir, name, RenameFlags::EXCHANGE) {
        Ok(()) => {
            // What came out is what was looked at; if somebody was faster it goes back.
            if below::entry(dir.as_fd(), made)?.is_unwritten(now) {
                rustix::fs::unlinkat(dir, made, AtFlags::empty())?;
                return Ok(());
            }
            rustix::fs::renameat_with(dir, made, dir, name, RenameFlags::EXCHANGE)?;
            Err(Left::Changed)
        }
        // The filesystem cannot.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if !below::entry(dir.as_fd(), name)?.is_unwritten(now) {
                return Err(Left::Changed);
            }
            rustix::fs::renameat(dir, made, dir, name)?;
            Ok(())
        }
        Err(Errno::NOENT) => Err(Left::Gone),
        Err(errno) => Err(errno.into()),
    }
}

/// Renames something to where nothing stands.
fn move_to(from: &OwnedFd, name: &Path, to: &OwnedFd, other: &Path) -> Result<(), Left> {
    match rustix::fs::renameat_with(from, name, to, other, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            // The filesystem cannot; so it is looked, and a moment is left in which somebody may come.
            match below::entry(to.as_fd(), other) {
                Ok(_) => Err(Left::InTheWay),
                Err(Errno::NOENT) => Ok(rustix::fs::renameat(from, name, to, other)?),
                Err(errno) => Err(errno.into()),
            }
        }
        renamed => Ok(renamed?),
    }
}

/// Writes without what is nothing but zeros, block by block.
pub(crate) fn write_sparsely(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    const BLOCK: usize = 4096;
    let mut at = 0;
    while at < bytes.len() {
        let zero = |block: &[u8]| block.iter().all(|byte| *byte == 0);
        let is_hole = |from: usize| bytes.get(from..from + BLOCK).is_some_and(zero);
        if is_hole(at) {
            at += BLOCK;
            continue;
        }
        let mut end = (at + BLOCK).min(bytes.len());
        while end < bytes.len() && !is_hole(end) {
            end = (end + BLOCK).min(bytes.len());
        }
        file.seek(SeekFrom::Start(at as u64))?;
        file.write_all(&bytes[at..end])?;
        at = end;
    }
    file.set_len(bytes.len() as u64)
}
