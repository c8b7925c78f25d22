//! Command rules, parsed and kept; what they match is decided elsewhere.

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

/// One word of a rule's prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word {
    /// This word.
    One(String),
    /// Any of these.
    AnyOf(Vec<String>),
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
