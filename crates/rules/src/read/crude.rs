//! The last resort: a text looked through for commands, whatever its grammar.

use super::{LONGEST, Simple};
use crate::word::Word;

/// The most pieces that are looked at.
const MOST: usize = 512;

/// Cuts a text at everything that may begin a command in any shell, and takes each piece for one. Quotes count
/// for nothing. What is found can ask and forbid, never allow.
pub(crate) fn crude(text: &str) -> Vec<Simple> {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let joined = text[..end].replace("\\\n", " ");
    let cuts = |character: char| ";&|()<>{}`$\"'\n\r%^!".contains(character);
    joined
        .split(cuts)
        .map(|piece| piece.split_whitespace().map(clean).collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .take(MOST)
        .map(|words| Simple {
            words: words.into_iter().map(Word::Known).collect(),
            ..Simple::default()
        })
        .collect()
}

/// A word without backslashes and NULs, as a shell that takes them away sees it.
fn clean(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '\\' | '\0')).collect()
}
