//! Security descriptors as text, by the system's own reader and writer.

use std::ffi::OsStr;

use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};

use crate::acl::Parts;
use crate::descriptor::SecurityDescriptor;
use crate::error::{SysError, done};
use crate::memory::Local;
use crate::wide;

/// The descriptor a text says (`ConvertStringSecurityDescriptorToSecurityDescriptorW`). Two
/// letters that mean accounts of a domain are of this machine's.
///
/// # Errors
/// What the function says of a text it does not understand: `ERROR_INVALID_PARAMETER`,
/// `ERROR_INVALID_ACL`, `ERROR_INVALID_SID`, and others.
pub fn parse(text: &str) -> Result<SecurityDescriptor, SysError> {
    const CALL: &str = "ConvertStringSecurityDescriptorToSecurityDescriptorW";
    let text = wide::terminated(CALL, OsStr::new(text))?;
    let mut descriptor = std::ptr::null_mut();
    let mut size = 0;
    // SAFETY: a NUL-terminated text, and places for the result and its size.
    let answer = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            &raw mut size,
        )
    };
    done(CALL, answer)?;
    let descriptor = Local(descriptor);
    // SAFETY: the function succeeded, so as many bytes are there.
    let bytes = unsafe { descriptor.copied(size as usize) };
    SecurityDescriptor::from_answer(CALL, &bytes)
}

/// A descriptor's text (`ConvertSecurityDescriptorToStringSecurityDescriptorW`).
///
/// # Errors
/// What the function says, such as of an entry it has no letters for.
pub fn show(descriptor: &SecurityDescriptor, parts: Parts) -> Result<String, SysError> {
    const CALL: &str = "ConvertSecurityDescriptorToStringSecurityDescriptorW";
    let mut text = std::ptr::null_mut();
    // SAFETY: a whole descriptor and a place for the result; the length is not asked for.
    let answer = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.as_ptr(),
            SDDL_REVISION_1,
            parts.0,
            &raw mut text,
            std::ptr::null_mut(),
        )
    };
    done(CALL, answer)?;
    let text = Local(text.cast());
    // SAFETY: the function succeeded, so a NUL-terminated text is there.
    let shown = unsafe { wide::at(text.0.cast_const().cast()) };
    Ok(shown.to_string_lossy().into_owned())
}
