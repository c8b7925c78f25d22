//! Memory that Windows fills, and memory that it allocates.

use std::ffi::c_void;

use windows_sys::Win32::Foundation::{
    ERROR_BAD_LENGTH, ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA, LocalFree,
};

use crate::error::{Refusal, SysError};

/// No answer of Windows that is asked for here comes near this.
const MOST: usize = 16 << 20;

/// Bytes aligned as every structure of Windows wants it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Buffer {
    words: Vec<u64>,
    len: usize,
}

impl Buffer {
    /// Zeroes.
    pub(crate) fn zeroed(len: usize) -> Buffer {
        let words = vec![0; len.div_ceil(8)];
        Buffer { words, len }
    }

    /// A copy.
    pub(crate) fn of(bytes: &[u8]) -> Buffer {
        let word = |chunk: &[u8]| {
            let mut word = [0; 8];
            word.iter_mut()
                .zip(chunk)
                .for_each(|(to, from)| *to = *from);
            u64::from_ne_bytes(word)
        };
        let words = bytes.chunks(8).map(word).collect();
        let len = bytes.len();
        Buffer { words, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The length as Windows takes it. No buffer made here is longer.
    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.len).unwrap_or(u32::MAX)
    }

    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.words.as_ptr().cast_mut().cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut c_void {
        self.words.as_mut_ptr().cast()
    }

    /// Forgets what is behind.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let start: *const u8 = self.words.as_ptr().cast();
        // SAFETY: `len` bytes of the words were initialized by `zeroed` or `of`, and every byte
        // is a `u8`. `truncate` makes it only less.
        unsafe { std::slice::from_raw_parts(start, self.len) }
    }

    /// What lies from the place a pointer into this buffer names.
    pub(crate) fn at_address(&self, pointer: usize) -> Option<&[u8]> {
        let offset = pointer.checked_sub(self.as_ptr().addr())?;
        self.bytes().get(offset..)
    }
}

impl From<Vec<u64>> for Buffer {
    fn from(words: Vec<u64>) -> Buffer {
        let len = words.len() * 8;
        Buffer { words, len }
    }
}

impl From<Buffer> for Vec<u64> {
    fn from(buffer: Buffer) -> Vec<u64> {
        buffer.words
    }
}

/// Fills a buffer by a function that is told its size and says how much it filled or wants.
///
/// The answer may grow between two calls, so it is asked until it fits.
pub(crate) fn filled(
    call: &'static str,
    first: usize,
    mut ask: impl FnMut(*mut c_void, u32, &mut u32) -> Result<(), SysError>,
) -> Result<Buffer, SysError> {
    let mut len = first;
    loop {
        let mut buffer = Buffer::zeroed(len);
        let mut needed = 0;
        let size = buffer.size();
        let failure = match ask(buffer.as_mut_ptr(), size, &mut needed) {
            Ok(()) => return Ok(buffer),
            Err(failure) => failure,
        };
        let short = [ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA, ERROR_BAD_LENGTH];
        if !short.iter().any(|code| failure.is(*code)) {
            return Err(failure);
        }
        len = (needed as usize).max(len.saturating_mul(2)).max(64);
        if len > MOST {
            return Err(SysError::refused(call, Refusal::TooLong));
        }
    }
}

/// The `u32` at an offset.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*part))
}

/// The `u16` at an offset.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*part))
}

/// The `u64` at an offset.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let part = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*part))
}

/// The pointer at an offset, as an address.
pub(crate) fn address_at(bytes: &[u8], at: usize) -> Option<usize> {
    let part = bytes.get(at..)?.first_chunk()?;
    Some(usize::from_le_bytes(*part))
}

/// Memory that a function allocated and that `LocalFree` frees.
pub(crate) struct Local(pub(crate) *mut c_void);

impl Local {
    /// A copy of what is there.
    ///
    /// # Safety
    /// At least `len` initialized bytes are there.
    pub(crate) unsafe fn copied(&self, len: usize) -> Vec<u8> {
        if len == 0 || self.0.is_null() {
            return Vec::new();
        }
        // SAFETY: the caller's word; nobody else has this memory.
        unsafe { std::slice::from_raw_parts(self.0.cast::<u8>(), len) }.to_vec()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: allocated by a function that says so, and freed only here. Null does nothing.
        unsafe { LocalFree(self.0) };
    }
}
