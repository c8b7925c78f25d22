//! Terminals: state, size, foreground group, pairs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
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

/// Whether this process' group has the foreground of its terminal, whatever its streams are.
#[must_use]
pub fn has_foreground() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(terminal) = rustix::fs::open(c"/dev/tty", flags, Mode::empty()) else {
        return false;
    };
    let group = rustix::termios::tcgetpgrp(&terminal);
    group.is_ok_and(|group| group == rustix::process::getpgrp())
}

/// A terminal whose settings are as a question needs them: a line at a time, shown as it is typed, with the usual keys.
/// As they were again when this is dropped.
#[derive(Debug)]
pub struct Sane<'a> {
    fd: BorrowedFd<'a>,
    before: Option<Termios>,
}

/// Makes its settings those, whatever a command left: raw, without echo, with another key that ends a line.
#[must_use]
pub fn sane(fd: BorrowedFd<'_>) -> Sane<'_> {
    use rustix::termios::{InputModes, OutputModes};
    let before = rustix::termios::tcgetattr(fd).ok();
    if let Some(before) = &before {
        let mut settings = before.clone();
        let (input, output) = (&mut settings.input_modes, &mut settings.output_modes);
        input.insert(InputModes::ICRNL);
        input.remove(InputModes::IGNCR | InputModes::INLCR | InputModes::ISTRIP);
        output.insert(OutputModes::OPOST | OutputModes::ONLCR);
        let local = &mut settings.local_modes;
        local.insert(
            LocalModes::ICANON
                | LocalModes::ECHO
                | LocalModes::ECHOE
                | LocalModes::ISIG
                | LocalModes::IEXTEN,
        );
        local.remove(LocalModes::NOFLSH | LocalModes::ECHONL);
        // `termios(3)`: what a terminal has from the beginning.
        for (key, code) in [
            (SpecialCodeIndex::VINTR, 3),
            (SpecialCodeIndex::VQUIT, 28),
            (SpecialCodeIndex::VERASE, 127),
            (SpecialCodeIndex::VKILL, 21),
            (SpecialCodeIndex::VEOF, 4),
            (SpecialCodeIndex::VSUSP, 26),
            (SpecialCodeIndex::VEOL, 0),
            (SpecialCodeIndex::VEOL2, 0),
        ] {
            settings.special_codes[key] = code;
        }
        // One that has hung up has none.
        let _gone = rustix::termios::tcsetattr(fd, OptionalActions::Now, &settings);
    }
    Sane { fd, before }
}

impl Drop for Sane<'_> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _gone = rustix::termios::tcsetattr(self.fd, OptionalActions::Drain, before);
        }
    }
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

    /// Puts the state back, if this process had the terminal and nobody else has it by now: who was given it meanwhile, as by a
    /// shell to which this process was stopped, keeps it as it is. The `settings` too, unless others in the foreground may
    /// have made them. `SIGTTOU` must be blocked or ignored.
    pub fn restore(&self, settings: bool) {
        let Some(group) = self.foreground else { return };
        // A terminal that has hung up has no state to put back.
        let Ok(now) = rustix::termios::tcgetpgrp(&self.fd) else {
            return;
        };
        let lives = |group| rustix::process::test_kill_process_group(group) != Err(Errno::SRCH);
        if now != group && lives(now) {
            return;
        }
        let _gone = rustix::termios::tcsetpgrp(&self.fd, group);
        if settings {
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
