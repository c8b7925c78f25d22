//! Strings as Windows takes them: UTF-16, ended by a NUL.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};

use crate::error::{Refusal, SysError};

/// The units of a string and a NUL.
pub(crate) fn terminated(call: &'static str, text: &OsStr) -> Result<Vec<u16>, SysError> {
    let mut units: Vec<u16> = text.encode_wide().collect();
    if units.contains(&0) {
        return Err(SysError::refused(call, Refusal::InteriorNul));
    }
    units.push(0);
    Ok(units)
}

/// The units of a secret, which are overwritten when this goes.
pub(crate) struct Secret(Vec<u16>);

impl Secret {
    pub(crate) fn of(call: &'static str, text: &OsStr) -> Result<Secret, SysError> {
        // Counted first: a vector that grows leaves copies behind.
        let mut units = Vec::with_capacity(text.encode_wide().count() + 1);
        units.extend(text.encode_wide());
        let mut secret = Secret(units);
        if secret.0.contains(&0) {
            return Err(SysError::refused(call, Refusal::InteriorNul));
        }
        secret.0.push(0);
        Ok(secret)
    }

    pub(crate) fn as_ptr(&self) -> *const u16 {
        self.0.as_ptr()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u16 {
        self.0.as_mut_ptr()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        for unit in &mut self.0 {
            let unit: *mut u16 = unit;
            // SAFETY: a live unit. Volatile, so that it is not left out as useless.
            unsafe { unit.write_volatile(0) };
        }
    }
}

/// As [`terminated`], for what may be left out.
pub(crate) fn optional(
    call: &'static str,
    text: Option<&OsStr>,
) -> Result<Option<Vec<u16>>, SysError> {
    text.map(|text| terminated(call, text)).transpose()
}

/// The pointer of what may be left out.
pub(crate) fn pointer(units: Option<&Vec<u16>>) -> *const u16 {
    units.map_or(std::ptr::null(), |units| units.as_ptr())
}

/// The string in a buffer, up to its NUL if there is one.
pub(crate) fn text(units: &[u16]) -> OsString {
    let end = units.iter().position(|unit| *unit == 0);
    OsString::from_wide(units.get(..end.unwrap_or(units.len())).unwrap_or_default())
}

/// The string at a pointer; empty for null.
///
/// # Safety
/// Null, or units that stay as they are during the call and are ended by a NUL.
pub(crate) unsafe fn at(pointer: *const u16) -> OsString {
    if pointer.is_null() {
        return OsString::new();
    }
    let mut len = 0;
    // SAFETY: no unit before this one is the NUL, so it still belongs to the string.
    while unsafe { *pointer.wrapping_add(len) } != 0 {
        len += 1;
    }
    // SAFETY: `len` units were just read there.
    OsString::from_wide(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// A string from a function that fills a buffer of units and says how many it filled, or,
/// when they did not fit, how many (with the NUL) it wants.
pub(crate) fn filled(
    call: &'static str,
    mut ask: impl FnMut(*mut u16, u32) -> u32,
) -> Result<OsString, SysError> {
    let mut buffer = vec![0_u16; 300];
    loop {
        let room = u32::try_from(buffer.len());
        let room = room.map_err(|_| SysError::refused(call, Refusal::TooLong))?;
        let len = ask(buffer.as_mut_ptr(), room) as usize;
        if len == 0 {
            return Err(SysError::last(call));
        }
        if let (true, Some(units)) = (len < buffer.len(), buffer.get(..len)) {
            return Ok(OsString::from_wide(units));
        }
        // The name may have grown between two calls, so more than was asked for.
        buffer.resize(len.saturating_add(64).max(buffer.len() * 2), 0);
        if buffer.len() > 1 << 20 {
            return Err(SysError::refused(call, Refusal::TooLong));
        }
    }
}
