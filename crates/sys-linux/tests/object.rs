//! Objects by handle: links that are not followed, identities, names.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::io::Seek;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use ringfence_sys_linux::{SysError, object};
use rustix::fs::FileType;
use rustix::io::Errno;
use support::Dir;

fn errno_of<T: std::fmt::Debug>(result: Result<T, SysError>) -> Errno {
    Errno::from_raw_os_error(result.unwrap_err().errno)
}

#[test]
fn exact_means_that_no_directory_is_a_link() {
    let dir = Dir::new();
    let file = dir.file("real/file", "x");
    symlink("real", dir.0.join("link")).unwrap();
    let real = object::open_exact(&file).unwrap();
    assert_eq!(
        errno_of(object::open_exact(&dir.0.join("link/file"))),
        Errno::LOOP
    );
    // With a directory more between.
    dir.file("real/deep/file", "y");
    assert_eq!(
        errno_of(object::open_exact(&dir.0.join("link/deep/file"))),
        Errno::LOOP
    );
    // The control: following, it is the same object.
    let followed = object::open_following(&dir.0.join("link/file")).unwrap();
    let identity = |fd: &std::os::fd::OwnedFd| object::identity(fd.as_fd()).unwrap();
    assert_eq!(identity(&followed), identity(&real));
}

#[test]
fn exact_opens_a_last_link_itself() {
    let dir = Dir::new();
    dir.file("file", "x");
    symlink("file", dir.0.join("link")).unwrap();
    symlink("nothing", dir.0.join("dangling")).unwrap();
    for name in ["link", "dangling"] {
        let handle = object::open_exact(&dir.0.join(name)).unwrap();
        let kind = object::identity(handle.as_fd()).unwrap().kind();
        assert_eq!(kind, FileType::Symlink, "{name}");
    }
}

#[test]
fn exact_passes_no_magic_link() {
    // /proc/self is a link, and so is /proc/<pid>/root.
    let root = format!("/proc/{}/root/etc/passwd", std::process::id());
    assert_eq!(errno_of(object::open_exact(root.as_ref())), Errno::LOOP);
    assert_eq!(
        errno_of(object::open_exact("/proc/self/status".as_ref())),
        Errno::LOOP
    );
}

#[test]
fn what_is_not_there_has_no_identity_and_that_is_no_error() {
    let dir = Dir::new();
    let file = dir.file("file", "x");
    symlink("nothing", dir.0.join("dangling")).unwrap();
    assert_eq!(object::identity_of(&dir.0.join("none")), Ok(None));
    // A file stands where a directory would have to.
    assert_eq!(object::identity_of(&file.join("below")), Ok(None));
    let link = object::identity_of(&dir.0.join("dangling"))
        .unwrap()
        .unwrap();
    assert_eq!(link.kind(), FileType::Symlink);
    let handle = object::open_following(&dir.0).unwrap();
    assert_eq!(object::identity_at(handle.as_fd(), c"none"), Ok(None));
    let at = object::identity_at(handle.as_fd(), c"file").unwrap();
    assert_eq!(at, object::identity_of(&file).unwrap());
    assert_eq!(
        errno_of(object::open_exact(&dir.0.join("none"))),
        Errno::NOENT
    );
}

#[test]
fn a_replaced_file_has_another_identity() {
    let dir = Dir::new();
    let file = dir.file("file", "x");
    let before = object::open_exact(&file).unwrap();
    let other = dir.file("other", "x");
    std::fs::rename(&other, &file).unwrap();
    let after = object::identity_of(&file).unwrap().unwrap();
    let before = object::identity(before.as_fd()).unwrap();
    assert_ne!((before.device, before.inode), (after.device, after.inode));
}

#[test]
fn an_open_object_knows_its_path_until_it_is_unlinked() {
    let dir = Dir::new();
    let file = dir.file("file", "x");
    let handle = object::open_following(&file).unwrap();
    assert_eq!(object::path_of(handle.as_fd()).as_ref(), Ok(&file));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(errno_of(object::path_of(handle.as_fd())), Errno::NOENT);
    // One that is really called so.
    let odd = dir.file("odd (deleted)", "x");
    let handle = object::open_following(&odd).unwrap();
    assert_eq!(object::path_of(handle.as_fd()).as_ref(), Ok(&odd));
    // The lie of the two: unlinked, and its name's lie made true by another file.
    let gone = dir.file("gone", "x");
    let handle = object::open_following(&gone).unwrap();
    std::fs::remove_file(&gone).unwrap();
    dir.file("gone (deleted)", "another");
    assert_eq!(errno_of(object::path_of(handle.as_fd())), Errno::NOENT);
    let (read, _write) = rustix::pipe::pipe().unwrap();
    assert_eq!(errno_of(object::path_of(read.as_fd())), Errno::NOENT);
}

#[test]
fn opening_for_reading_follows_no_link_and_waits_for_nobody() {
    let dir = Dir::new();
    dir.file("file", "x");
    symlink("file", dir.0.join("link")).unwrap();
    assert_eq!(
        errno_of(object::open_read(&dir.0.join("link"))),
        Errno::LOOP
    );
    let fifo = dir.0.join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
    let handle = object::open_read(&fifo).unwrap();
    assert_eq!(
        object::identity(handle.as_fd()).unwrap().kind(),
        FileType::Fifo
    );
}

#[test]
fn a_descriptor_knows_its_offset_and_its_access() {
    let dir = Dir::new();
    let path = dir.file("file", "0123456789");
    let mut file = std::fs::File::open(&path).unwrap();
    file.seek(std::io::SeekFrom::Start(4)).unwrap();
    assert_eq!(object::offset(file.as_fd()), Some(4));
    assert_eq!(object::access_of(file.as_fd()), Ok((true, false)));
    let write = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    assert_eq!(object::access_of(write.as_fd()), Ok((false, true)));
    let both = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    assert_eq!(object::access_of(both.as_fd()), Ok((true, true)));
    let (read, _write) = rustix::pipe::pipe().unwrap();
    assert_eq!(object::offset(read.as_fd()), None);
}
