//! What others wrote, as one line shows it.

/// Marks after one letter. More paint over what stands around it.
const MARKS_MAX: usize = 3;

/// A text that others wrote, on one line and so that it cannot look like anything else: letters of all languages with their own marks,
/// digits and plain ASCII stay, and all that moves the cursor, turns the direction, shows as nothing or as a quotation
/// mark of ours is escaped.
///
/// ```
/// use ringfence_policy::plain;
///
/// assert_eq!(plain("josé データ हिन्दी"), "josé データ हिन्दी");
/// assert_eq!(plain("a\u{1b}[2J\u{202e}b\n"), r"a\u{1b}[2J\u{202e}b\n");
/// ```
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut marks = None;
    for c in text.chars() {
        let shows = if is_mark(c) {
            // On a letter of their own script: those that go onto any are not needed to read one.
            marks = marks.map(|marks| marks + 1);
            !is_common_mark(c) && marks.is_some_and(|marks| marks <= MARKS_MAX)
        } else {
            let letter = c.is_alphanumeric() && !is_filler(c);
            marks = (letter && !c.is_ascii()).then_some(0);
            letter || c == ' ' || c == '…' || c.is_ascii_graphic() || is_east_asian(c)
        };
        if shows {
            plain.push(c);
        } else {
            plain.extend(c.escape_default());
        }
    }
    plain
}

/// Whether it joins the character before it (`Grapheme_Extend`): only as the first of a text is it escaped there.
fn is_mark(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    let after_another = String::from_iter(['a', c]);
    let mut after = after_another.escape_debug().skip(1);
    c.escape_debug().nth(1).is_some() && after.next() == Some(c) && after.next().is_none()
}

/// Marks that no script calls its own, and those that show as nothing.
fn is_common_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{200c}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe2f}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Letters that show as nothing.
fn is_filler(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Punctuation that names in Chinese and Japanese have.
fn is_east_asian(c: char) -> bool {
    matches!(c, '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{30fb}' | '\u{ff01}'..='\u{ff5e}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn letters_of_all_languages_stay() {
        for text in [
            "/home/josé/naïve x_1.rs",
            "データ（最終）、【東京】",
            "Привет",
            "مُحَمَّد",
            "שָׁלוֹם",
            "हिन्दी क्षेत्र",
            "ภาษาไทย น้ำ",
            "தமிழ்",
            "မြန်မာ",
            "ភាសាខ្មែរ",
            "한국어",
            "a…b",
            r#"~!@#$%^&*()'"\`"#,
        ] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn what_could_look_like_something_else_is_escaped() {
        for odd in [
            "\n",
            "\r",
            "\t",
            "\0",
            "\u{7f}",
            "\u{9b}",
            "\u{1b}[2J",
            "\u{a0}",
            "\u{ad}",
            "\u{34f}",
            "\u{301}",
            "\u{61c}",
            "\u{115f}",
            "\u{180e}",
            "\u{200b}",
            "\u{200d}",
            "\u{202e}",
            "\u{2028}",
            "\u{2066}",
            "\u{2800}",
            "\u{3000}",
            "\u{3164}",
            "\u{fe0f}",
            "\u{feff}",
            "\u{ffa0}",
            "\u{e0041}",
            "\u{e0100}",
            "”",
            "“",
        ] {
            // After a letter of another script as well: no mark of these is its own.
            for before in ["a", "é", "ก"] {
                let shown = plain(&format!("{before}{odd}b"));
                let rest = shown.strip_prefix(before).unwrap_or_default();
                assert!(
                    rest.starts_with('\\') && rest.ends_with('b'),
                    "{odd:?}: {shown}"
                );
            }
        }
    }

    #[test]
    fn marks_cannot_be_heaped() {
        assert_eq!(plain("ก็็็็"), "ก็็็\\u{e47}");
        assert_eq!(
            plain("x\u{e47}"),
            "x\\u{e47}",
            "of no letter of their script"
        );
    }
}
