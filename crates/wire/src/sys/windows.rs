//! A string is 16-bit units, which need not be valid UTF-16: each travels as it is, so that a
//! name with half a surrogate arrives as the same name.

use crate::Malformed;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};

pub(crate) fn to_bytes(text: &OsStr) -> Cow<'_, [u8]> {
    text.encode_wide().flat_map(u16::to_le_bytes).collect()
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Result<OsString, Malformed> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Malformed::Text);
    }
    let units: Vec<u16> = units.iter().copied().map(u16::from_le_bytes).collect();
    Ok(OsString::from_wide(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_arrives_and_half_a_unit_is_refused() {
        let text = OsString::from_wide(&[0x61, 0xd800, 0x62]);
        let bytes = to_bytes(&text);
        assert_eq!(*bytes, [0x61, 0, 0, 0xd8, 0x62, 0]);
        assert_eq!(from_bytes(&bytes), Ok(text.clone()));
        assert_eq!(from_bytes(&bytes[..5]), Err(Malformed::Text));
    }
}
