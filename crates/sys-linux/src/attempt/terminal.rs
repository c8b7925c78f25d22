//! Terminals: putting words in the mouth of the person who types.

use super::checked;
use super::files::owned;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Makes a pseudo-terminal: the side of the emulator, and the side of the program.
pub fn open_pair() -> io::Result<(File, File)> {
    let (mut emulator, mut program) = (-1_i32, -1_i32);
    let none = std::ptr::null_mut::<libc::c_char>();
    let (one, two) = (&raw mut emulator, &raw mut program);
    // SAFETY: two live ints are written; no name, settings or size is passed.
    checked(unsafe { libc::openpty(one, two, none, std::ptr::null_mut(), std::ptr::null_mut()) })?;
    let pair = (
        File::from(owned(emulator.into())),
        File::from(owned(program.into())),
    );
    for side in [&pair.0, &pair.1] {
        // SAFETY: F_SETFD takes an integer; the descriptor is borrowed open.
        checked(unsafe { libc::fcntl(side.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    Ok(pair)
}

/// Puts a byte in a terminal's input as if it were typed (`TIOCSTI`). With `disguised`, bits are set above the 32 the
/// kernel looks at, which fools a filter that compares all 64.
pub fn type_byte(terminal: impl AsFd, byte: u8, disguised: bool) -> io::Result<()> {
    let fd = terminal.as_fd().as_raw_fd();
    let request = libc::TIOCSTI | if disguised { 1 << 32 } else { 0 };
    // SAFETY: TIOCSTI reads one byte from a live variable.
    checked(unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            libc::c_long::from(fd),
            request,
            &raw const byte,
        )
    })
    .map(drop)
}

/// Asks a virtual console for the state of its shift keys (`TIOCLINUX` 6): the same call that pastes.
pub fn ask_console(terminal: impl AsFd) -> io::Result<()> {
    let mut code: u8 = 6;
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: TIOCLINUX 6 reads the code and writes one byte to the same place.
    checked(unsafe { libc::ioctl(fd, libc::TIOCLINUX, &raw mut code) }).map(drop)
}
