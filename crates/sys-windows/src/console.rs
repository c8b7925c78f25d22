//! Consoles: what standard handles are, modes, sizes, signals, and consoles of our own making.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::{NO_ERROR, SetLastError};
use windows_sys::Win32::Storage::FileSystem as file;
use windows_sys::Win32::System::Console as win;

use crate::error::{SysError, done};

mod pseudo;
mod signal;

pub use pseudo::{Ends, PseudoConsole};
pub use signal::{Signal, Signals, ignore_ctrl_c, signal_all, signal_group, signals};

/// What is behind a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file of a disk.
    Disk,
    /// A console.
    Console,
    /// Another character device, such as `NUL`.
    Character,
    /// A pipe or a socket.
    Pipe,
    /// Something else.
    Unknown,
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: i16,
    /// Rows.
    pub rows: i16,
}

/// What is behind a handle (`GetFileType`, and `GetConsoleMode` to tell a console).
///
/// # Errors
/// What the function says, such as of a handle that is closed.
pub fn kind(handle: BorrowedHandle<'_>) -> Result<Kind, SysError> {
    // SAFETY: sets a number of this thread: an unknown kind can be told from a failure by it.
    unsafe { SetLastError(NO_ERROR) };
    // SAFETY: a live handle.
    let kind = unsafe { file::GetFileType(handle.as_raw_handle()) };
    match kind {
        file::FILE_TYPE_DISK => Ok(Kind::Disk),
        file::FILE_TYPE_PIPE => Ok(Kind::Pipe),
        file::FILE_TYPE_CHAR if mode(handle).is_ok() => Ok(Kind::Console),
        file::FILE_TYPE_CHAR => Ok(Kind::Character),
        _ => {
            let error = SysError::last("GetFileType");
            if error.is(NO_ERROR) {
                Ok(Kind::Unknown)
            } else {
                Err(error)
            }
        }
    }
}

/// One of this process's standard handles (`GetStdHandle`); `None` when it has none. Nobody may
/// close it meanwhile, which is why it lives as long as the process.
///
/// # Errors
/// What the function says.
pub fn standard(which: Standard) -> Result<Option<BorrowedHandle<'static>>, SysError> {
    let which = match which {
        Standard::Input => win::STD_INPUT_HANDLE,
        Standard::Output => win::STD_OUTPUT_HANDLE,
        Standard::Error => win::STD_ERROR_HANDLE,
    };
    // SAFETY: an integer only.
    let handle = unsafe { win::GetStdHandle(which) };
    if handle.is_null() {
        return Ok(None);
    }
    let handle = crate::error::made("GetStdHandle", handle)?;
    // SAFETY: not null and not -1. Standard handles are kept open, as the standard library
    // relies on too.
    Ok(Some(unsafe { BorrowedHandle::borrow_raw(handle) }))
}

/// The mode of a console's input or output (`GetConsoleMode`).
///
/// # Errors
/// `ERROR_INVALID_HANDLE`: it is no console.
pub fn mode(console: BorrowedHandle<'_>) -> Result<u32, SysError> {
    let mut mode = 0;
    // SAFETY: a live handle and a live place.
    let answer = unsafe { win::GetConsoleMode(console.as_raw_handle(), &raw mut mode) };
    done("GetConsoleMode", answer)?;
    Ok(mode)
}

/// Sets that mode (`SetConsoleMode`). Programs that share the console share it too.
///
/// # Errors
/// `ERROR_INVALID_HANDLE`: it is no console. `ERROR_INVALID_PARAMETER`: flags that this Windows
/// does not know.
pub fn set_mode(console: BorrowedHandle<'_>, mode: u32) -> Result<(), SysError> {
    // SAFETY: a live handle.
    let answer = unsafe { win::SetConsoleMode(console.as_raw_handle(), mode) };
    done("SetConsoleMode", answer)
}

/// A mode that is put back when this is dropped.
#[derive(Debug)]
pub struct Raw<'a> {
    console: BorrowedHandle<'a>,
    before: u32,
}

impl<'a> Raw<'a> {
    /// Lets a console's input be read as it comes, key by key, in terminal sequences: no lines,
    /// no echo, and Ctrl-C is a byte.
    ///
    /// # Errors
    /// As of [`mode`] and [`set_mode`].
    pub fn input(console: BorrowedHandle<'a>) -> Result<Raw<'a>, SysError> {
        let before = mode(console)?;
        let cooked = win::ENABLE_LINE_INPUT | win::ENABLE_ECHO_INPUT | win::ENABLE_PROCESSED_INPUT;
        set_mode(
            console,
            before & !cooked | win::ENABLE_VIRTUAL_TERMINAL_INPUT,
        )?;
        Ok(Raw { console, before })
    }

    /// Lets a console's output be written in terminal sequences.
    ///
    /// # Errors
    /// As of [`mode`] and [`set_mode`].
    pub fn output(console: BorrowedHandle<'a>) -> Result<Raw<'a>, SysError> {
        let before = mode(console)?;
        let raw = win::ENABLE_PROCESSED_OUTPUT
            | win::ENABLE_VIRTUAL_TERMINAL_PROCESSING
            | win::DISABLE_NEWLINE_AUTO_RETURN;
        set_mode(console, before | raw)?;
        Ok(Raw { console, before })
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        // A console that is gone has no mode to put back.
        let _gone = set_mode(self.console, self.before);
    }
}

/// The size of a console's window (`GetConsoleScreenBufferInfo`).
///
/// # Errors
/// `ERROR_INVALID_HANDLE`: it is no console's output.
pub fn size(console: BorrowedHandle<'_>) -> Result<Size, SysError> {
    let mut info = win::CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: a live handle and a live place.
    let answer = unsafe { win::GetConsoleScreenBufferInfo(console.as_raw_handle(), &raw mut info) };
    done("GetConsoleScreenBufferInfo", answer)?;
    let window = info.srWindow;
    Ok(Size {
        columns: window.Right.saturating_sub(window.Left).saturating_add(1),
        rows: window.Bottom.saturating_sub(window.Top).saturating_add(1),
    })
}

/// The encoding of what is written to this process's console and read from it, put back when this is dropped.
#[derive(Debug)]
pub struct Encoding {
    input: u32,
    output: u32,
}

impl Encoding {
    /// UTF-8, as a pseudo console writes (`SetConsoleCP`, `SetConsoleOutputCP`). Programs that share the console share it too.
    ///
    /// # Errors
    /// What the functions say, such as that this process has no console.
    pub fn utf8() -> Result<Encoding, SysError> {
        const UTF8: u32 = 65001;
        // SAFETY: takes nothing.
        let input = unsafe { win::GetConsoleCP() };
        // SAFETY: takes nothing.
        let output = unsafe { win::GetConsoleOutputCP() };
        if input == 0 || output == 0 {
            return Err(SysError::last("GetConsoleCP"));
        }
        let before = Encoding { input, output };
        // SAFETY: an integer only.
        done("SetConsoleCP", unsafe { win::SetConsoleCP(UTF8) })?;
        // SAFETY: an integer only.
        done("SetConsoleOutputCP", unsafe {
            win::SetConsoleOutputCP(UTF8)
        })?;
        Ok(before)
    }
}

impl Drop for Encoding {
    fn drop(&mut self) {
        // A console that is gone has none to put back.
        // SAFETY: an integer only.
        unsafe { win::SetConsoleCP(self.input) };
        // SAFETY: an integer only.
        unsafe { win::SetConsoleOutputCP(self.output) };
    }
}
