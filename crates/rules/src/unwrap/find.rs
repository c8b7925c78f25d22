//! `find -exec` and `xargs`: commands that are given words from elsewhere.

use super::Inside;
use super::options::{XARGS, operands};
use crate::glob::Glob;
use crate::read::Why;
use crate::word::Word;

const ACTIONS: [&str; 4] = ["-exec", "-execdir", "-ok", "-okdir"];

/// What stands between each `-exec` and its `;` or `+`.
pub(super) fn find(words: &[Word]) -> Vec<Inside> {
    let mut inside = Vec::new();
    let mut at = 1;
    while at < words.len() {
        let word = &words[at];
        at += 1;
        match word {
            Word::Known(text) if ACTIONS.contains(&text.as_str()) => {
                let ends = |word: &Word| matches!(word.known(), Some(";" | "+"));
                let Some(length) = words[at..].iter().position(ends) else {
                    inside.push(Inside::Unknown(Why::Expansion));
                    return inside;
                };
                if length > 0 {
                    inside.push(Inside::Command {
                        at,
                        words: words[at..at + length]
                            .iter()
                            .map(|word| filled(word, "{}"))
                            .collect(),
                        set: Vec::new(),
                        inexact: None,
                    });
                }
                at += length + 1;
            }
            Word::Known(_) => {}
            // It may be `-exec`.
            Word::Open(_) | Word::Each(_) if ACTIONS.iter().any(|action| word.may_be(action)) => {
                if word.is_one() {
                    inside.push(Inside::Among(at));
                } else {
                    inside.push(Inside::Unknown(Why::Expansion));
                    return inside;
                }
            }
            Word::Open(_) | Word::Each(_) => {}
        }
    }
    inside
}

/// A word in which each `mark` is replaced by what is not known.
fn filled(word: &Word, mark: &str) -> Word {
    match word {
        Word::Known(text) if text.contains(mark) => {
            let mut glob = Glob::default();
            for (index, part) in text.split(mark).enumerate() {
                if index > 0 {
                    glob.push_gap();
                }
                glob.push_text(part);
            }
            Word::of(glob)
        }
        other => other.clone(),
    }
}

/// The words of the command, and then any number that are read; or some of them filled in.
pub(super) fn xargs(words: &[Word]) -> Inside {
    // The options of old with an optional value (`-i`, `-l`, `-e`) are not among those that are known.
    let Ok(at) = operands(words, 1, &XARGS) else {
        return Inside::Unknown(Why::Language);
    };
    let options: Vec<&str> = words[1..at].iter().filter_map(Word::known).collect();
    let mut mark = None;
    for (index, option) in options.iter().enumerate() {
        if let Some(text) = option.strip_prefix("--replace=") {
            mark = Some(text);
        } else if *option == "-I" || *option == "--replace" {
            mark = options.get(index + 1).copied();
        } else if let Some(text) = option.strip_prefix("-I") {
            mark = Some(text);
        } else if option.starts_with('-') && !option.starts_with("--") && option.contains('I') {
            return Inside::Unknown(Why::Language);
        }
    }
    if at >= words.len() {
        return Inside::Among(words.len());
    }
    let inner: Vec<Word> = match mark {
        Some("") => return Inside::Unknown(Why::Language),
        Some(mark) => words[at..].iter().map(|word| filled(word, mark)).collect(),
        None => {
            let read = [Word::many()];
            words[at..].iter().chain(&read).cloned().collect()
        }
    };
    Inside::Command {
        at,
        words: inner,
        set: Vec::new(),
        inexact: None,
    }
}
