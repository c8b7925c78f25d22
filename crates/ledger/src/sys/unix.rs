//! The files of a ledger on Unix.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// To open a file of ours: private where it is made, and neither a link nor anything that would have to be
/// waited for.
pub(crate) fn options() -> OpenOptions {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = File::options();
    options.mode(0o600).custom_flags(flags.bits() as i32);
    options
}

/// To open one to read it.
pub(crate) fn reading() -> OpenOptions {
    let mut options = options();
    options.read(true);
    options
}

/// Whether what was opened is a regular file of this user.
pub(crate) fn is_own(meta: &Metadata) -> bool {
    meta.is_file() && meta.uid() == rustix::process::geteuid().as_raw()
}

/// Whether opening failed since a link stands there.
pub(crate) fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Whether an open file has a name still; with a path, whether it is that one.
pub(crate) fn is_named(file: &Metadata, path: Option<&Path>) -> bool {
    let Some(path) = path else {
        return file.nlink() > 0;
    };
    let there = std::fs::symlink_metadata(path);
    there.is_ok_and(|there| (there.dev(), there.ino()) == (file.dev(), file.ino()))
}

/// Makes a directory, and those above it, private to the user.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Has the names in a directory on disk.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The file to lock in place of the head; none, since a lock keeps nobody from reading that.
pub(crate) fn beside_to_lock(_dir: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Who has a file locked (proc_locks(5)).
pub(crate) fn holder_of(file: &File) -> Option<u32> {
    let inode = format!(":{}", file.metadata().ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        (words.next()? == "FLOCK").then_some(())?;
        let pid = words.nth(2)?.parse().ok()?;
        words.next()?.ends_with(&inode).then_some(pid)
    })
}

pub(crate) fn read_at(file: &File, to: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(to, at)
}

pub(crate) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

/// What names are made of.
pub(crate) type Unit = u8;

pub(crate) fn unit(ascii: u8) -> Unit {
    ascii
}

pub(crate) fn units(name: &OsStr) -> Cow<'_, [Unit]> {
    Cow::Borrowed(name.as_bytes())
}

pub(crate) fn of_units(units: Vec<Unit>) -> OsString {
    OsString::from_vec(units)
}

/// A name as bytes.
pub(crate) fn bytes(name: &OsStr) -> Cow<'_, [u8]> {
    Cow::Borrowed(name.as_bytes())
}

/// The name that has these bytes; `None` where none has.
pub(crate) fn of_bytes(bytes: Vec<u8>) -> Option<OsString> {
    Some(OsString::from_vec(bytes))
}

/// A name that is not UTF-8.
#[cfg(test)]
pub(crate) fn odd(before: &str, after: &str) -> OsString {
    OsString::from_vec([before.as_bytes(), b"\xff", after.as_bytes()].concat())
}
