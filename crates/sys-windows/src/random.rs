//! Random bytes from the system.

use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom,
};

use crate::error::{SysError, nt_success};

/// Fills a buffer with random bytes that nobody can guess (`BCryptGenRandom`).
///
/// # Errors
/// What the function says.
pub fn fill(bytes: &mut [u8]) -> Result<(), SysError> {
    for part in bytes.chunks_mut(1 << 20) {
        let len = u32::try_from(part.len()).unwrap_or_default();
        // SAFETY: a live buffer of that length; with this flag no algorithm is named.
        let answer = unsafe {
            BCryptGenRandom(
                std::ptr::null_mut(),
                part.as_mut_ptr(),
                len,
                BCRYPT_USE_SYSTEM_PREFERRED_RNG,
            )
        };
        nt_success("BCryptGenRandom", answer)?;
    }
    Ok(())
}
