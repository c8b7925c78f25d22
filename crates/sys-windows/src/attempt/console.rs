//! What is typed on a console.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::System::Console as win;

use crate::error::{SysError, done};

/// So many events of a console are looked at.
const MOST: usize = 4096;

/// Types a text, as if a person did (`WriteConsoleInputW`). The handle is of `CONIN$`, with reading and writing.
///
/// # Errors
/// What the function says.
pub fn type_in(console: BorrowedHandle<'_>, text: &str) -> Result<(), SysError> {
    const CALL: &str = "WriteConsoleInputW";
    let key = |unit: u16| win::INPUT_RECORD {
        EventType: u16::try_from(win::KEY_EVENT).unwrap_or_default(),
        Event: win::INPUT_RECORD_0 {
            KeyEvent: win::KEY_EVENT_RECORD {
                bKeyDown: 1,
                wRepeatCount: 1,
                uChar: win::KEY_EVENT_RECORD_0 { UnicodeChar: unit },
                ..win::KEY_EVENT_RECORD::default()
            },
        },
    };
    let keys: Vec<win::INPUT_RECORD> = text.encode_utf16().map(key).collect();
    let len = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    let mut written = 0;
    // SAFETY: a live handle, as many records as are said, a live place.
    let answer = unsafe {
        win::WriteConsoleInputW(
            console.as_raw_handle(),
            keys.as_ptr(),
            len,
            &raw mut written,
        )
    };
    done(CALL, answer)
}

/// What was typed on a console and nobody has read (`PeekConsoleInputW`). It stays there.
///
/// # Errors
/// What the function says.
pub fn typed(console: BorrowedHandle<'_>) -> Result<String, SysError> {
    let mut keys = vec![win::INPUT_RECORD::default(); MOST];
    let mut found = 0;
    // SAFETY: a live handle, room for as many records as are said, a live place.
    let answer = unsafe {
        win::PeekConsoleInputW(
            console.as_raw_handle(),
            keys.as_mut_ptr(),
            4096,
            &raw mut found,
        )
    };
    done("PeekConsoleInputW", answer)?;
    let mut units = Vec::new();
    for key in keys.iter().take(found as usize) {
        if u32::from(key.EventType) != win::KEY_EVENT {
            continue;
        }
        // SAFETY: the type says that this is what the event has.
        let event = unsafe { key.Event.KeyEvent };
        // SAFETY: both of its fields are plain numbers, of at least these bytes.
        let unit = unsafe { event.uChar.UnicodeChar };
        if event.bKeyDown != 0 {
            units.push(unit);
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

/// Forgets all that was typed and nobody has read (`FlushConsoleInputBuffer`).
///
/// # Errors
/// What the function says.
pub fn forget(console: BorrowedHandle<'_>) -> Result<(), SysError> {
    // SAFETY: a live handle.
    let answer = unsafe { win::FlushConsoleInputBuffer(console.as_raw_handle()) };
    done("FlushConsoleInputBuffer", answer)
}
