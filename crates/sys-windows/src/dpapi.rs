//! Data that only this user can read again, on this machine (DPAPI).

use std::ffi::{OsStr, OsString};

use windows_sys::Win32::Security::Cryptography as win;

use crate::error::{Refusal, SysError, done};
use crate::memory::Local;
use crate::wide;

/// What was protected, and its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The data.
    pub data: Vec<u8>,
    /// The description, which is kept in the open.
    pub description: OsString,
}

/// Protects data for this user (`CryptProtectData`), never for the machine. Whoever runs as the
/// user and has `entropy` can read it.
///
/// # Errors
/// What the function says, such as that the user's profile is not loaded.
pub fn protect(data: &[u8], entropy: &[u8], description: &OsStr) -> Result<Vec<u8>, SysError> {
    const CALL: &str = "CryptProtectData";
    let description = wide::terminated(CALL, description)?;
    let (data, entropy) = (blob(CALL, data)?, blob(CALL, entropy)?);
    let mut answer = win::CRYPT_INTEGER_BLOB::default();
    // SAFETY: two live inputs of the lengths they say, a NUL-terminated description, and a live
    // place for the result.
    let said = unsafe {
        win::CryptProtectData(
            &raw const data,
            description.as_ptr(),
            &raw const entropy,
            std::ptr::null(),
            std::ptr::null(),
            win::CRYPTPROTECT_UI_FORBIDDEN,
            &raw mut answer,
        )
    };
    done(CALL, said)?;
    let made = Local(answer.pbData.cast());
    // SAFETY: the function succeeded, so as many bytes are there.
    Ok(unsafe { made.copied(answer.cbData as usize) })
}

/// Reads what [`protect`] made (`CryptUnprotectData`).
///
/// # Errors
/// `ERROR_INVALID_DATA`: other entropy, or a byte was changed. `NTE_BAD_KEY_STATE`: it is another
/// user's.
pub fn open(protected: &[u8], entropy: &[u8]) -> Result<Opened, SysError> {
    const CALL: &str = "CryptUnprotectData";
    let (data, entropy) = (blob(CALL, protected)?, blob(CALL, entropy)?);
    let mut answer = win::CRYPT_INTEGER_BLOB::default();
    let mut description = std::ptr::null_mut();
    // SAFETY: two live inputs of the lengths they say, and live places for the results.
    let said = unsafe {
        win::CryptUnprotectData(
            &raw const data,
            &raw mut description,
            &raw const entropy,
            std::ptr::null(),
            std::ptr::null(),
            win::CRYPTPROTECT_UI_FORBIDDEN,
            &raw mut answer,
        )
    };
    done(CALL, said)?;
    let description = Local(description.cast());
    let made = Local(answer.pbData.cast());
    let len = answer.cbData as usize;
    // SAFETY: the function succeeded, so as many bytes are there.
    let data = unsafe { made.copied(len) };
    // SAFETY: the same bytes, which nobody reads any more.
    unsafe { clear(answer.pbData, len) };
    Ok(Opened {
        data,
        // SAFETY: null or a NUL-terminated string.
        description: unsafe { wide::at(description.0.cast_const().cast()) },
    })
}

fn blob(call: &'static str, bytes: &[u8]) -> Result<win::CRYPT_INTEGER_BLOB, SysError> {
    let len = u32::try_from(bytes.len());
    Ok(win::CRYPT_INTEGER_BLOB {
        cbData: len.map_err(|_| SysError::refused(call, Refusal::TooLong))?,
        pbData: bytes.as_ptr().cast_mut(),
    })
}

/// Overwrites a secret before its memory is freed.
///
/// # Safety
/// `len` bytes are there, to be written to.
unsafe fn clear(bytes: *mut u8, len: usize) {
    for n in 0..len {
        // SAFETY: the caller's word. Volatile, so that it is not left out as useless.
        unsafe { bytes.wrapping_add(n).write_volatile(0) };
    }
}
