//! `$'…'`: the escapes of C.

use crate::glob::Glob;

/// Decodes what stands between the quotes. What depends on the locale or on the shell is a gap; what bash itself reads
/// in more than one way is not read at all.
///
/// `rest` begins behind `$'`; gives how many bytes were read with the closing quote.
pub(super) fn decode(rest: &str, into: &mut Glob) -> Option<usize> {
    let end = closing(rest)?;
    let mut characters = rest.get(..end)?.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            into.push_text(character.encode_utf8(&mut [0; 4]));
            continue;
        }
        let escape = characters.next()?;
        let next = characters.peek().copied();
        let mut number = |digits: usize, radix: u32, first: Option<char>| {
            let mut value = first.and_then(|first| first.to_digit(radix)).unwrap_or(0);
            let mut count = usize::from(first.is_some());
            while count < digits
                && let Some(digit) = characters.peek().and_then(|next| next.to_digit(radix))
            {
                value = value * radix + digit;
                count += 1;
                characters.next();
            }
            (count > 0).then_some(value)
        };
        let value = match escape {
            'a' => Some(7),
            'b' => Some(8),
            'e' | 'E' => Some(27),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            '\\' | '\'' | '"' | '?' => Some(u32::from(escape)),
            // bash takes away all but eight bits.
            '0'..='7' => number(3, 8, Some(escape)).map(|value| value & 0xff),
            // Any number of digits in braces, which need not close.
            'x' if next == Some('{') => return None,
            'x' => number(2, 16, None),
            'u' => number(4, 16, None),
            'U' => number(8, 16, None),
            'c' => {
                // Which control character does not matter; an escaped backslash is one.
                if characters.next()? == '\\' && characters.peek() == Some(&'\\') {
                    characters.next();
                }
                None
            }
            // bash keeps the backslash, others do not.
            _ => {
                into.push_gap();
                into.push_text(escape.encode_utf8(&mut [0; 4]));
                continue;
            }
        };
        match value.map(u8::try_from) {
            Some(Ok(byte @ 1..=127)) => {
                into.push_text(char::from(byte).encode_utf8(&mut [0; 4]));
            }
            // To bash the text ends here, whatever follows between the quotes.
            Some(Ok(0)) => {
                into.push_gap();
                return Some(end + 1);
            }
            _ => into.push_gap(),
        }
    }
    Some(end + 1)
}

/// Where the closing quote is: a backslash takes the next character with it, whatever that means afterwards.
fn closing(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Some(at),
            '\\' => {
                characters.next()?;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_as_bash_does() {
        for (text, expected) in [
            ("a'b", Some((2, "a"))),
            (r"\x41\101\u0041'", Some((15, "AAA"))),
            (r"\'\\'", Some((5, r"'\"))),
            (r"a\c\\b'x", Some((7, "a…b"))),
            (r"a\c'b'", None),
            (r"a\cxb'", Some((6, "a…b"))),
            (r"a\0bc'", Some((6, "a…"))),
            (r"a\400bc'", Some((8, "a…"))),
            (r"a\x00b'", Some((7, "a…"))),
            (r"a\xe9b'", Some((7, "a…b"))),
            (r"a\xgb'", Some((6, "a…gb"))),
            (r"a\qb'", Some((5, "a…qb"))),
            (r"\ud800'", Some((7, "…"))),
            (r"\U7fffffff'", Some((11, "…"))),
            (r"\x{41}'", None),
            (r"a\'", None),
            (r"a\", None),
            ("a", None),
        ] {
            let mut glob = Glob::default();
            let read = decode(text, &mut glob).map(|length| (length, glob.marked("…")));
            let expected = expected.map(|(length, text)| (length, text.to_owned()));
            assert_eq!(read, expected, "{text}");
        }
    }
}
