//! A terminal of a command's own.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use ringfence_sys_linux::SysError;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::terminal;
use rustix::io::Errno;
use rustix::termios::Winsize;

use crate::error::Error;

/// A terminal's size, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl From<Size> for Winsize {
    fn from(size: Size) -> Winsize {
        Winsize {
            ws_row: size.rows,
            ws_col: size.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    }
}

/// The side of a terminal at which a person sits: what is written is typed, what is read is shown.
/// Reading ends when the command, and all that it left on the terminal, has.
#[derive(Debug)]
pub struct Terminal(File);

impl Terminal {
    /// One of this size, and its other side, thrice.
    pub(super) fn open(size: Size) -> Result<(Terminal, [OwnedFd; 3]), Error> {
        let system = |error: SysError| Error::System {
            what: "making a terminal",
            error,
        };
        let pty = terminal::open_pty(Some(size.into())).map_err(system)?;
        let dup = || pty.terminal.try_clone().named("dup").map_err(system);
        let theirs = [dup()?, dup()?, dup()?];
        Ok((Terminal(pty.controller.into()), theirs))
    }

    /// Gives it another size; the programs in front are told (`SIGWINCH`).
    ///
    /// # Errors
    /// What `TIOCSWINSZ` says.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        terminal::set_size(self.0.as_fd(), size.into())
            .map_err(|error| io::Error::from_raw_os_error(error.errno))
    }

    /// A second hold on the same terminal.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn try_clone(&self) -> io::Result<Terminal> {
        self.0.try_clone().map(Terminal)
    }
}

/// That nobody is on a terminal any more is an error for the kernel.
fn hung_up(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(e) if e.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(0),
        read => read,
    }
}

impl Read for Terminal {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        hung_up(self.0.read(to))
    }
}

impl Read for &Terminal {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        hung_up((&self.0).read(to))
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Terminal {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<Terminal> for OwnedFd {
    fn from(terminal: Terminal) -> OwnedFd {
        terminal.0.into()
    }
}
