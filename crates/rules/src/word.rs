//! The words of a command, as far as they are known before it runs.

use std::ffi::OsStr;

use crate::glob::Glob;

/// Stands for what is not known in a text; what no text can be made of is replaced by it as well.
const OPEN: &str = "\u{fffd}";

/// One word, or what will be any number of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Exactly this.
    Known(String),
    /// One word with gaps: `"$HOME/bin/tool"`.
    Open(Glob),
    /// Any number of words, also none, each of this form: `*.c`; of any form: `$x`.
    Each(Glob),
}

impl Word {
    /// Any number of any words.
    pub(crate) fn many() -> Self {
        Self::Each(Glob::any())
    }

    pub(crate) fn of(glob: Glob) -> Self {
        match glob.known() {
            Some(text) => Self::Known(text.to_owned()),
            None => Self::Open(glob),
        }
    }

    /// A word of an argv. What is not UTF-8 in it is open: no rule names it.
    pub(crate) fn of_argv(word: &OsStr) -> Self {
        let text = match word.to_str() {
            Some(text) if !text.contains('\0') => return Self::Known(text.to_owned()),
            Some(text) => text.replace('\0', OPEN),
            None => word.to_string_lossy().into_owned(),
        };
        let mut glob = Glob::default();
        for (index, part) in text.split(OPEN).enumerate() {
            if index > 0 {
                glob.push_gap();
            }
            glob.push_text(part);
        }
        Self::Open(glob)
    }

    /// What is known of it, with a mark for each gap.
    pub(crate) fn marked(&self) -> String {
        match self {
            Self::Known(text) => text.clone(),
            Self::Open(glob) | Self::Each(glob) => glob.marked(OPEN),
        }
    }

    pub(crate) fn known(&self) -> Option<&str> {
        match self {
            Self::Known(text) => Some(text),
            Self::Open(_) | Self::Each(_) => None,
        }
    }

    /// Whether it is one word, known or not.
    pub(crate) fn is_one(&self) -> bool {
        !matches!(self, Self::Each(_))
    }

    /// Whether it may be this word, or one of these words.
    pub(crate) fn may_be(&self, text: &str) -> bool {
        match self {
            Self::Known(known) => known == text,
            Self::Open(glob) | Self::Each(glob) => glob.matches(text),
        }
    }

    /// Whether it begins with a dash, if that is known.
    pub(crate) fn is_option(&self) -> Option<bool> {
        match self {
            Self::Known(text) => Some(text.starts_with('-') && text.len() > 1),
            Self::Open(glob) | Self::Each(glob) if !glob.head().is_empty() => {
                Some(glob.head().starts_with('-'))
            }
            Self::Open(_) | Self::Each(_) => None,
        }
    }

    /// For people: what is open is `…`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Known(text) => text.clone(),
            Self::Open(glob) | Self::Each(glob) => {
                let mut shown = glob.head().to_owned();
                shown.push('…');
                shown.push_str(glob.tail());
                shown
            }
        }
    }
}

/// Whether every word is known.
pub(crate) fn all_known(words: &[Word]) -> bool {
    words.iter().all(|word| word.known().is_some())
}

/// A path without `.`, `..` and doubled slashes, as far as its text says.
pub(crate) fn normal(path: &str) -> String {
    if !path.contains('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}
