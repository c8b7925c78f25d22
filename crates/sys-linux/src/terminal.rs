//! Terminals: state, size, foreground group, pairs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize};

use crate::error::{Named, SysError};

/// Whether it is a terminal.
#[must_use]
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    rustix::termios::isatty(fd)
}

/// Whether it is this process' terminal, and another process group has its foreground.
#[must_use]
pub fn is_others(fd: BorrowedFd<'_>) -> bool {
    rustix::termios::tcgetpgrp(fd).is_ok_and(|group| group != rustix::process::getpgrp())
}

/// A terminal's settings and foreground process group, to be put back.
#[derive(Debug)]
pub struct Saved {
    fd: OwnedFd,
    settings: Termios,
    foreground: Option<Pid>,
}

/// Remembers a terminal's state; `None` for what is no terminal.
#[must_use]
pub fn save(fd: BorrowedFd<'_>) -> Option<Saved> {
    let settings = rustix::termios::tcgetattr(fd).ok()?;
    let own = rustix::process::getpgrp();
    let foreground = rustix::termios::tcgetpgrp(fd).ok();
    Some(Saved {
        fd: fd.try_clone_to_owned().ok()?,
        settings,
        // Only who had the terminal takes it back.
        foreground: foreground.filter(|g| *g == own),
    })
}

impl Saved {
    /// Whether this process' group had the terminal's foreground.
    #[must_use]
    pub fn in_foreground(&self) -> bool {
        self.foreground.is_some()
    }

    /// Puts the state back, if this process had the terminal and its process group
    /// lives. `SIGTTOU` must be blocked or ignored.
    pub fn restore(&self) {
        if let Some(group) = self.foreground {
            // A terminal that has hung up has no state to put back.
            let _gone = rustix::termios::tcsetpgrp(&self.fd, group);
            let _gone =
                rustix::termios::tcsetattr(&self.fd, OptionalActions::Drain, &self.settings);
        }
    }
}

/// A new pseudo terminal.
#[derive(Debug)]
pub struct Pty {
    /// The side that the one who shows it reads and writes.
    pub controller: OwnedFd,
    /// The side that is a terminal.
    pub terminal: OwnedFd,
}

/// Opens a pseudo terminal with this size.
///
/// # Errors
/// What `posix_openpt(3)` and its kin say.
pub fn open_pty(size: Option<Winsize>) -> Result<Pty, SysError> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let controller = rustix::pty::openpt(flags).named("posix_openpt")?;
    rustix::pty::grantpt(&controller).named("grantpt")?;
    rustix::pty::unlockpt(&controller).named("unlockpt")?;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, flags).named("TIOCGPTPEER")?;
    if let Some(size) = size {
        rustix::termios::tcsetwinsize(&terminal, size).named("TIOCSWINSZ")?;
    }
    Ok(Pty {
        controller,
        terminal,
    })
}

/// A terminal's size.
#[must_use]
pub fn size(fd: BorrowedFd<'_>) -> Option<Winsize> {
    rustix::termios::tcgetwinsize(fd).ok()
}

/// Sets a terminal's size.
///
/// # Errors
/// What `TIOCSWINSZ` says.
pub fn set_size(fd: BorrowedFd<'_>, size: Winsize) -> Result<(), SysError> {
    rustix::termios::tcsetwinsize(fd.as_fd(), size).named("TIOCSWINSZ")
}

/// Hands every key on unprocessed; the returned state is put back with
/// [`Saved::restore`].
///
/// # Errors
/// What `tcsetattr(3)` says.
pub fn raw(fd: BorrowedFd<'_>) -> Result<(), SysError> {
    let mut settings = rustix::termios::tcgetattr(fd).named("tcgetattr")?;
    settings.make_raw();
    rustix::termios::tcsetattr(fd, OptionalActions::Now, &settings).named("tcsetattr")
}

/// The key that tells a program on this terminal that nothing more is typed, given its
/// controlling side. `None` while there is something it has not read yet, and for a
/// terminal on which no key has a meaning (raw mode).
#[must_use]
pub fn end_key(controller: BorrowedFd<'_>) -> Option<u8> {
    let settings = rustix::termios::tcgetattr(controller).ok()?;
    // A line editor takes keys as they come, yet leaves the signals on: it is a person it
    // expects, and takes this key as a terminal would.
    let keys = LocalModes::ICANON | LocalModes::ISIG;
    let key = settings.special_codes[SpecialCodeIndex::VEOF];
    if key == 0 || !settings.local_modes.intersects(keys) {
        return None;
    }
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = rustix::pty::ioctl_tiocgptpeer(controller, flags).ok()?;
    let mut unread = [PollFd::new(&terminal, PollFlags::IN)];
    matches!(poll(&mut unread, Some(&Timespec::default())), Ok(0)).then_some(key)
}
