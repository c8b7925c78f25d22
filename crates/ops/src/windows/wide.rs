//! Strings as Windows has them.

use std::fmt;

/// UTF-16 code units, well-formed or not: names and words on Windows may hold unpaired
/// surrogates, and those have to arrive as they were.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wide(Vec<u16>);

impl Wide {
    /// The code units.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// The code units, to be kept.
    #[must_use]
    pub fn into_units(self) -> Vec<u16> {
        self.0
    }

    /// How many code units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No code unit at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Equal as Windows compares names: unit by unit, in upper case.
    ///
    /// The upper case is near that of `RtlUpcaseUnicodeChar`, not from its table: exact for
    /// ASCII; beyond it, a pair of single units that are each other's upper and lower case
    /// counts as one. What has no such pair (ß, the dotless ı, the long ſ, every surrogate)
    /// is left alone, there and here.
    #[must_use]
    pub fn is_like(&self, other: &Wide) -> bool {
        self.folded() == other.folded()
    }

    /// The units in upper case, see [`Wide::is_like`].
    #[must_use]
    pub fn folded(&self) -> Vec<u16> {
        self.0.iter().copied().map(upper).collect()
    }
}

/// One unit in upper case, see [`Wide::is_like`].
fn upper(unit: u16) -> u16 {
    if let Ok(byte) = u8::try_from(unit)
        && byte.is_ascii()
    {
        return u16::from(byte.to_ascii_uppercase());
    }
    let Some(lower) = char::from_u32(u32::from(unit)) else {
        return unit;
    };
    let Some(upper) = only(lower.to_uppercase()) else {
        return unit;
    };
    match u16::try_from(u32::from(upper)) {
        Ok(mapped) if only(upper.to_lowercase()) == Some(lower) => mapped,
        _ => unit,
    }
}

fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

impl From<&str> for Wide {
    fn from(text: &str) -> Wide {
        Wide(text.encode_utf16().collect())
    }
}

impl From<Vec<u16>> for Wide {
    fn from(units: Vec<u16>) -> Wide {
        Wide(units)
    }
}

impl From<&[u16]> for Wide {
    fn from(units: &[u16]) -> Wide {
        Wide(units.to_vec())
    }
}

/// For a person: what is not well-formed, or moves a cursor, is shown as U+FFFD.
impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in char::decode_utf16(self.0.iter().copied()) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            let shown = if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            };
            write!(f, "{shown}")?;
        }
        Ok(())
    }
}

/// Every unit can be told: unpaired surrogates and control characters as `\u{…}`.
impl fmt::Debug for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in char::decode_utf16(self.0.iter().copied()) {
            match c {
                Ok(c) => write!(f, "{}", c.escape_debug())?,
                Err(e) => write!(f, "\\u{{{:x}}}", e.unpaired_surrogate())?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_upper_case() {
        for (one, other, like) in [
            ("Path", "PATH", true),
            ("pfad_ä", "PFAD_Ä", true),
            ("α", "Α", true),
            ("ÿ", "Ÿ", true),
            ("я", "Я", true),
            // Each has an upper case in Unicode, and none of one unit that leads back.
            ("ß", "SS", false),
            ("ı", "I", false),
            ("ſ", "S", false),
            ("a", "b", false),
            ("a", "aa", false),
        ] {
            assert_eq!(
                Wide::from(one).is_like(&Wide::from(other)),
                like,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn every_unit_is_kept_and_can_be_told() {
        let odd = Wide::from(vec![0x61, 0xd800, 0x0a, 0xd83d, 0xde00]);
        assert_eq!(odd.units(), [0x61, 0xd800, 0x0a, 0xd83d, 0xde00]);
        assert_eq!(format!("{odd:?}"), "\"a\\u{d800}\\n😀\"");
        assert_eq!(odd.to_string(), "a\u{fffd}\u{fffd}😀");
    }
}
