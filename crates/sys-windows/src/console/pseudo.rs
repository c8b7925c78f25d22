//! A console of our own making (ConPTY): what its programs write is read from a pipe, as
//! terminal sequences, and what is written to another is what they read.

use std::os::windows::io::{AsRawHandle, OwnedHandle};

use windows_sys::Win32::System::Console as win;

use crate::console::Size;
use crate::error::{SysError, com_success};
use crate::pipe;

/// A pseudo console. Dropping it ends the programs that are in it.
///
/// The order of the end: the program is waited for, this is dropped, then the output ends. Before
/// Windows 11 24H2 the drop waits until the rest of the output was read, so **another thread must
/// be reading it**; the thread ends when the output does. A console whose output nobody wants
/// is ended by dropping the output first.
#[derive(Debug)]
pub struct PseudoConsole(win::HPCON);

/// The two ends of a pseudo console that are this process's.
#[derive(Debug)]
pub struct Ends {
    /// What is written here its programs read.
    pub input: OwnedHandle,
    /// What its programs write is read here.
    pub output: OwnedHandle,
}

impl PseudoConsole {
    /// Makes a console (`CreatePseudoConsole`) and the pipes to it.
    ///
    /// # Errors
    /// What the functions say.
    pub fn create(size: Size) -> Result<(PseudoConsole, Ends), SysError> {
        let (its_input, input) = pipe::anonymous()?;
        let (output, its_output) = pipe::anonymous()?;
        let mut console = 0;
        // SAFETY: two live handles, which the console duplicates, and a live place.
        let answer = unsafe {
            win::CreatePseudoConsole(
                coordinates(size),
                its_input.as_raw_handle(),
                its_output.as_raw_handle(),
                0,
                &raw mut console,
            )
        };
        com_success("CreatePseudoConsole", answer)?;
        Ok((PseudoConsole(console), Ends { input, output }))
    }

    /// Changes its size (`ResizePseudoConsole`).
    ///
    /// # Errors
    /// What the function says.
    pub fn resize(&self, size: Size) -> Result<(), SysError> {
        // SAFETY: a live console.
        let answer = unsafe { win::ResizePseudoConsole(self.0, coordinates(size)) };
        com_success("ResizePseudoConsole", answer)
    }

    /// For the list of attributes.
    pub(crate) fn raw(&self) -> win::HPCON {
        self.0
    }
}

impl Drop for PseudoConsole {
    fn drop(&mut self) {
        // SAFETY: made by `create`, and closed only here.
        unsafe { win::ClosePseudoConsole(self.0) };
    }
}

fn coordinates(size: Size) -> win::COORD {
    win::COORD {
        X: size.columns,
        Y: size.rows,
    }
}
