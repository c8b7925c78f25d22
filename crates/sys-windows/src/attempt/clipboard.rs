//! What the user copied.

use windows_sys::Win32::System::DataExchange as win;

use crate::error::{SysError, done};

/// `CF_UNICODETEXT`
const TEXT: u32 = 13;

/// Asks for the text on the clipboard (`GetClipboardData`), and says whether there is one. What it says is not looked at.
///
/// # Errors
/// `ERROR_ACCESS_DENIED`: another program has it open; or a text is there, and is not given.
pub fn ask_for_text() -> Result<bool, SysError> {
    // SAFETY: without a window.
    let answer = unsafe { win::OpenClipboard(std::ptr::null_mut()) };
    done("OpenClipboard", answer)?;
    // SAFETY: an integer only.
    let there = unsafe { win::IsClipboardFormatAvailable(TEXT) } != 0;
    // SAFETY: an integer only. What it answers belongs to the clipboard, and is not used.
    let text = unsafe { win::GetClipboardData(TEXT) };
    let refused = SysError::last("GetClipboardData");
    // SAFETY: opened above.
    let answer = unsafe { win::CloseClipboard() };
    done("CloseClipboard", answer)?;
    if there && text.is_null() {
        return Err(refused);
    }
    Ok(!text.is_null())
}
