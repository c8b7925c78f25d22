//! Wrappers of which it is not known where the command begins.

use super::{Kind, Line, Place};
use crate::read::{Dialect, Why};
use crate::unwrap::{self, Inside};
use crate::word::Word;

/// The most words of a wrapper of unknown form that are looked at.
const MOST_STARTS: usize = 64;

impl Line {
    /// Each word from `from` on may begin a command, or be a text that a shell reads. Of these `own` operands are no
    /// commands, if they are not known either; with `texts` each is read as a text that is not a plain word.
    pub(super) fn among(
        &mut self,
        words: &[Word],
        from: usize,
        own: usize,
        texts: bool,
        place: Place,
    ) {
        let place = Place {
            kind: Kind::Found,
            inexact: Some(place.inexact.unwrap_or(Why::Made)),
            ..place
        };
        let mut operands = 0;
        for (at, word) in words.iter().enumerate().skip(from) {
            if at - from >= MOST_STARTS {
                self.opaque(Why::Size, None, place);
                return;
            }
            let Word::Known(text) = word else {
                let behind = at.checked_sub(1).and_then(|at| words[at].known());
                if texts && behind.is_some_and(takes_text) {
                    self.opaque(Why::Made, None, place);
                    self.crude(&word.marked(), place);
                } else if operands == own {
                    // Behind a word that is known this is an argument, most likely.
                    self.found(words[at..].to_vec(), place);
                } else if operands < own {
                    operands += 1;
                }
                continue;
            };
            let mut read = false;
            for text in values(text).filter(|text| is_text(text, texts)) {
                self.shell(text, Dialect::Posix, place);
                read = true;
            }
            if text.starts_with('-') {
                continue;
            }
            operands += 1;
            let rest = words[at..].to_vec();
            if read {
                // Or a path with blanks in it.
                self.found(rest, place);
                continue;
            }
            // What is looked through already is not looked through again.
            let again = unwrap::inside(&rest, None, false)
                .iter()
                .any(|inside| matches!(inside, Inside::Among { .. } | Inside::Unknown(_)));
            if again {
                self.found(rest, place);
            } else {
                self.command(rest, &[], None, Vec::new(), place);
            }
        }
    }
}

/// A word, and what may be the value in it where it is an option: `-c'…'`, `-qc'…'`, `--command='…'`.
fn values(word: &str) -> impl Iterator<Item = &str> {
    let mut values: [Option<&str>; 2] = [None, None];
    if let Some(long) = word.strip_prefix("--") {
        values[0] = long.split_once('=').map(|(_, value)| value);
    } else if let Some(letters) = word.strip_prefix('-') {
        values[0] = letters.split_once('c').map(|(_, value)| value);
        let mut rest = letters.chars();
        rest.next();
        values[1] = Some(rest.as_str());
    } else {
        values[0] = Some(word);
    }
    values.into_iter().flatten()
}

/// Whether it may be more than a word to a shell; with `all`, whatever it would do to a word.
fn is_text(text: &str, all: bool) -> bool {
    // `{}` and `{1}` stand for what comes from elsewhere, and are none.
    let braces = text.contains('{') && (text.contains(',') || text.contains(".."));
    text.contains([' ', '\t', '\n', ';', '|', '&', '<', '>', '`'])
        || text.contains("$(")
        || all && (braces || text.contains(['$', '\'', '"', '\\', '*', '?', '[', '~']))
}

/// Whether an option takes a text that a shell reads, in its many names.
fn takes_text(option: &str) -> bool {
    option.starts_with('-')
        && (option.ends_with('c') || option.ends_with("command") || option.ends_with("run"))
}
