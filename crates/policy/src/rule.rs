//! Command rules, parsed and kept; what they match is decided elsewhere (`ringfence-rules`).

use crate::names::words;

/// May it run?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// Without a question.
    Allow,
    /// When a person says so.
    Ask,
    /// No.
    Forbid,
}

words!(Decision { Allow = "allow", Ask = "ask", Forbid = "forbid" });

/// Inside which ring?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Inside the ring.
    Inside,
    /// Outside any ring; always asks.
    Outside,
}

words!(Placement { Inside = "inside", Outside = "outside" });

/// One word of a rule's prefix. `*` in it stands for any run of characters, also for none; `\*` and `\\` for
/// themselves ([`pieces`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word {
    /// This word.
    One(String),
    /// Any of these.
    AnyOf(Vec<String>),
}

/// A part of a word of a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// These characters.
    Text(String),
    /// Any run of characters, also none.
    Any,
}

/// A backslash in a word of a prefix that stands before something else than `*` or another backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a backslash stands before something else than `*` and `\\`")]
pub struct BadEscape;

/// The parts of a word of a prefix.
///
/// # Errors
/// A backslash that stands before neither `*` nor a backslash.
pub fn pieces(word: &str) -> Result<Vec<Piece>, BadEscape> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Any);
            }
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => text.push(escaped),
                _ => return Err(BadEscape),
            },
            other => text.push(other),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// A rule about commands that begin with certain words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The words a command must begin with; never empty, no empty word.
    pub prefix: Vec<Word>,
    /// May it run?
    pub decision: Decision,
    /// Inside which ring?
    pub ring: Placement,
    /// Shown to the person and to the model; one line.
    pub why: Option<String>,
    /// Commands that must match: self-tests.
    pub match_: Vec<String>,
    /// Commands that must not match: self-tests.
    pub not_match: Vec<String>,
}
