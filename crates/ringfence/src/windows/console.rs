//! The caller's own streams, and its console while a command has it.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};

use ringfence_sys_windows::console::{Encoding, Kind, Raw, Size, Standard, kind, size, standard};
use ringfence_sys_windows::handle::{Access, duplicate};

use crate::error::Error;
use crate::sys;

/// Where nothing says how large a terminal is.
const USUAL: Size = Size {
    columns: 80,
    rows: 25,
};

/// One of the three, and what is behind it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) handle: OwnedHandle,
    pub(super) kind: Kind,
}

impl Stream {
    pub(super) fn is_console(&self) -> bool {
        self.kind == Kind::Console
    }

    /// A console that was opened to be written alone does not say that it is one, and a command that had it could open it to
    /// read.
    pub(super) fn may_be_console(&self) -> bool {
        !matches!(self.kind, Kind::Disk | Kind::Pipe)
    }
}

/// The caller's; what it has not is none.
pub(super) fn own() -> Result<[Option<Stream>; 3], Error> {
    let one = |which| -> io::Result<Option<Stream>> {
        let Some(handle) = standard(which).map_err(sys::from_windows)? else {
            return Ok(None);
        };
        // One that is closed is none.
        let Ok(kind) = kind(handle) else {
            return Ok(None);
        };
        let handle = duplicate(handle, Access::Same, false).map_err(sys::from_windows)?;
        Ok(Some(Stream { handle, kind }))
    };
    let streams = || {
        Ok([
            one(Standard::Input)?,
            one(Standard::Output)?,
            one(Standard::Error)?,
        ])
    };
    streams().map_err(|error| Error::Streams { error })
}

/// How large the caller's console is, if it has one.
pub(super) fn own_size(streams: &[Option<Stream>; 3]) -> Option<Size> {
    let outputs = streams.iter().skip(1).flatten();
    outputs
        .filter(|stream| stream.is_console())
        .find_map(|stream| size(stream.handle.as_handle()).ok())
}

pub(super) fn size_or_usual(streams: &[Option<Stream>; 3]) -> Size {
    own_size(streams).unwrap_or(USUAL)
}

/// The caller's console, lent to a command in a terminal of its own: keys go there as they come, and what it draws is drawn.
/// Put back when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Lent<'a> {
    _input: Option<Raw<'a>>,
    _output: Option<Raw<'a>>,
    _encoding: Option<Encoding>,
}

impl<'a> Lent<'a> {
    pub(super) fn of(streams: &'a [Option<Stream>; 3]) -> Lent<'a> {
        let console = |n: usize| -> Option<BorrowedHandle<'a>> {
            let stream = streams.get(n)?.as_ref()?;
            stream.is_console().then(|| stream.handle.as_handle())
        };
        let any = (0..3).any(|n| console(n).is_some());
        // A console that does not take a mode is used as it is.
        Lent {
            _input: console(0).and_then(|input| Raw::input(input).ok()),
            _output: console(1).and_then(|output| Raw::output(output).ok()),
            _encoding: any.then(|| Encoding::utf8().ok()).flatten(),
        }
    }
}
