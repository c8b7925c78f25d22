//! Names that appear, and terminals.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::fd::AsFd;

use ringfence_sys_linux::terminal;
use ringfence_sys_linux::watch::Watches;
use rustix::io::Errno;
use support::Dir;

#[test]
fn made_and_moved_names_appear_and_others_do_not() {
    let dir = Dir::new();
    let before = dir.file("a/before", "x");
    dir.file("b/other", "x");
    let watches = Watches::new().unwrap();
    let a = watches.add(&dir.0.join("a"), false).unwrap();
    let b = watches.add(&dir.0.join("b"), false).unwrap();
    assert_ne!(a, b);
    assert_eq!(watches.take().len(), 0);
    // Neither written, nor read, nor removed names are new ones.
    std::fs::write(&before, "y").unwrap();
    std::fs::read(&before).unwrap();
    std::fs::remove_file(&before).unwrap();
    assert_eq!(watches.take().len(), 0);
    dir.file("a/new", "x");
    std::fs::create_dir(dir.0.join("a/dir")).unwrap();
    std::fs::rename(dir.0.join("b/other"), dir.0.join("b/moved")).unwrap();
    std::os::unix::fs::symlink("x", dir.0.join("b/link")).unwrap();
    let appeared: Vec<(i32, String)> = watches
        .take()
        .into_iter()
        .map(|e| (e.watch, e.name.into_string().unwrap()))
        .collect();
    let expected = [(a, "new"), (a, "dir"), (b, "moved"), (b, "link")];
    assert_eq!(appeared, expected.map(|(w, n)| (w, n.to_owned())));
}

#[test]
fn only_directories_are_watched() {
    let dir = Dir::new();
    let file = dir.file("file", "x");
    let watches = Watches::new().unwrap();
    let error = watches.add(&file, false).unwrap_err();
    assert_eq!(error.errno, Errno::NOTDIR.raw_os_error());
    let error = watches.add(&dir.0.join("none"), false).unwrap_err();
    assert_eq!(error.errno, Errno::NOENT.raw_os_error());
}

#[test]
fn a_pair_is_a_terminal_with_the_size_that_was_asked_for() {
    let size = rustix::termios::Winsize {
        ws_row: 33,
        ws_col: 99,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = terminal::open_pty(Some(size)).unwrap();
    assert!(terminal::is_terminal(pty.terminal.as_fd()));
    let of = |fd: std::os::fd::BorrowedFd<'_>| {
        let size = terminal::size(fd).unwrap();
        (size.ws_row, size.ws_col)
    };
    assert_eq!(of(pty.terminal.as_fd()), (33, 99));
    let smaller = rustix::termios::Winsize { ws_row: 5, ..size };
    terminal::set_size(pty.controller.as_fd(), smaller).unwrap();
    assert_eq!(of(pty.terminal.as_fd()), (5, 99));
}

#[test]
fn a_raw_terminal_hands_on_every_key() {
    let pty = terminal::open_pty(None).unwrap();
    terminal::raw(pty.terminal.as_fd()).unwrap();
    rustix::io::write(&pty.controller, b"\x03\x04a\r").unwrap();
    let mut buffer = [0; 16];
    let n = rustix::io::read(&pty.terminal, &mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"\x03\x04a\r");
}

#[test]
fn what_is_no_terminal_has_no_state() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(!terminal::is_terminal(file.as_fd()));
    assert!(terminal::save(file.as_fd()).is_none());
    assert!(terminal::size(file.as_fd()).is_none());
    let error = terminal::raw(file.as_fd()).unwrap_err();
    assert_eq!(error.errno, Errno::NOTTY.raw_os_error());
}
