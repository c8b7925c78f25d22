//! The names Windows gives to what has no other.

use std::fmt;

/// A GUID, its digits in the order they are written in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(u128);

impl Guid {
    /// From its 32 digits, as they are written.
    #[must_use]
    pub const fn new(digits: u128) -> Guid {
        Guid(digits)
    }

    /// Its 32 digits, as they are written: what `GUID::from_u128` takes.
    #[must_use]
    pub const fn digits(self) -> u128 {
        self.0
    }

    /// The GUID of this one for a subject: the same for the same, so nothing has to remember it.
    ///
    /// The subject's FNV-1a hash over the digits, marked as version 8 (RFC 9562 §5.8: made as its
    /// maker likes). No defence against who looks for collisions: administrators alone write where it is used.
    #[must_use]
    pub fn of(self, subject: &str) -> Guid {
        let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
        for byte in subject.bytes() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
        let version = 0xf << 76;
        let variant = 0x3 << 62;
        let mixed = self.0 ^ hash;
        Guid((mixed & !(version | variant)) | 0x8 << 76 | 0x2 << 62)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = self.0;
        write!(
            f,
            "{{{:08x}-{:04x}-{:04x}-{:04x}-{:012x}}}",
            d >> 96,
            d >> 80 & 0xffff,
            d >> 64 & 0xffff,
            d >> 48 & 0xffff,
            d & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_windows_does_and_its_children_are_marked() {
        let guid = Guid::new(0xc38d57d1_05a7_4c33_904f_7fbceee60e82);
        assert_eq!(guid.to_string(), "{c38d57d1-05a7-4c33-904f-7fbceee60e82}");
        let one = guid.of("S-1-5-21-1-2-3-1001");
        let other = guid.of("S-1-5-21-1-2-3-1002");
        assert_ne!(one, other);
        assert_eq!(one, guid.of("S-1-5-21-1-2-3-1001"));
        for child in [one, other] {
            let text = child.to_string();
            assert_eq!(&text[15..16], "8", "{text}");
            assert!("89ab".contains(&text[20..21]), "{text}");
        }
    }
}
