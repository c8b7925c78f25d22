//! A string is any bytes but NUL.

use crate::Malformed;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub(crate) fn to_bytes(text: &OsStr) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

/// Any bytes are one; the error is for systems where it is otherwise.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<OsString, Malformed> {
    Ok(OsString::from_vec(bytes.to_vec()))
}
