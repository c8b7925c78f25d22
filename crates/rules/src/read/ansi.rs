//! `$'…'`: the escapes of C.

use crate::glob::Glob;

/// Decodes what stands between the quotes; what depends on the locale, or ends the word early, is a gap.
///
/// `rest` begins behind `$'`; gives how many bytes were read with the closing quote, `None` without one.
pub(super) fn decode(rest: &str, into: &mut Glob) -> Option<usize> {
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Some(at + 1),
            '\\' => {
                let (_, escape) = characters.next()?;
                let mut number = |digits: usize, radix: u32, first: Option<char>| {
                    let mut value = first.and_then(|first| first.to_digit(radix)).unwrap_or(0);
                    let mut count = usize::from(first.is_some());
                    while count < digits
                        && let Some(digit) =
                            characters.peek().and_then(|(_, next)| next.to_digit(radix))
                    {
                        value = value * radix + digit;
                        count += 1;
                        characters.next();
                    }
                    (count, value)
                };
                let (count, value) = match escape {
                    'a' => (1, 7),
                    'b' => (1, 8),
                    'e' | 'E' => (1, 27),
                    'f' => (1, 12),
                    'n' => (1, 10),
                    'r' => (1, 13),
                    't' => (1, 9),
                    'v' => (1, 11),
                    '\\' | '\'' | '"' | '?' => (1, u32::from(escape)),
                    '0'..='7' => number(3, 8, Some(escape)),
                    'x' => number(2, 16, None),
                    'u' => number(4, 16, None),
                    'U' => number(8, 16, None),
                    'c' => {
                        characters.next()?;
                        (0, 0)
                    }
                    other => {
                        into.push_text("\\");
                        into.push_text(other.encode_utf8(&mut [0; 4]));
                        continue;
                    }
                };
                // NUL ends the word, and what is not ASCII depends on the locale or is no character.
                match u8::try_from(value) {
                    Ok(byte @ 1..=127) if count > 0 => {
                        into.push_text(char::from(byte).encode_utf8(&mut [0; 4]));
                    }
                    _ => into.push_gap(),
                }
            }
            other => into.push_text(other.encode_utf8(&mut [0; 4])),
        }
    }
    None
}
