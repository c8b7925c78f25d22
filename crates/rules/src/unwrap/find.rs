//! `find -exec` and `xargs`: commands that are given words from elsewhere.

use super::Inside;
use super::options::{XARGS, each_option};
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
                let Some(length) = command_length(text, &words[at..]) else {
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
                    inside.push(Inside::among(at));
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

/// How many words stand before the `;` or `+` that ends them, where that can be told.
fn command_length(action: &str, words: &[Word]) -> Option<usize> {
    let mut marked = false;
    for (length, word) in words.iter().enumerate() {
        match word {
            Word::Known(text) if text == ";" => return Some(length),
            // Anywhere else it is a word of the command. Behind `-ok` not every find has it.
            Word::Known(text) if text == "+" && marked => {
                return action.starts_with("-exec").then_some(length);
            }
            Word::Known(text) => marked = text == "{}",
            // What follows may be find's own again.
            Word::Each(glob) if glob.matches(";") || glob.matches("+") => return None,
            Word::Open(glob) if glob.matches(";") => {
                let acts = |word: &Word| word.known().is_some_and(|text| ACTIONS.contains(&text));
                if words[length..].iter().any(acts) {
                    return None;
                }
                marked = glob.matches("{}");
            }
            Word::Open(glob) | Word::Each(glob) => {
                if glob.matches("+") && marked {
                    return None;
                }
                marked = false;
            }
        }
    }
    None
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
    let (mut mark, mut unclear, mut counts) = (None, false, false);
    let operands = each_option(words, 1, &XARGS, |option| match option.name {
        "I" => {
            mark = option.value;
            unclear |= mark.is_none_or(str::is_empty);
        }
        "i" | "replace" => mark = Some(option.value.unwrap_or("{}")),
        // Of these and a mark the last one counts, but not in every xargs.
        "n" | "L" | "l" | "max-args" | "max-lines" => counts = true,
        _ => {}
    });
    let Ok(at) = operands else {
        return Inside::Unknown(Why::Language);
    };
    if unclear || mark.is_some_and(str::is_empty) {
        return Inside::Unknown(Why::Language);
    }
    if at >= words.len() {
        return Inside::among(words.len());
    }
    let filled = |word| mark.map_or_else(|| Word::clone(word), |mark| filled(word, mark));
    let mut inner: Vec<Word> = words[at..].iter().map(filled).collect();
    if mark.is_none() || counts {
        inner.push(Word::many());
    }
    Inside::Command {
        at,
        words: inner,
        set: Vec::new(),
        inexact: None,
    }
}

/// `fd -x CMD`: up to `;`, with the path in place of each `{}` and its like, or at the end.
pub(super) fn fd(words: &[Word]) -> Vec<Inside> {
    let mut inside = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        let Word::Known(text) = word else { continue };
        let attached = match text.as_str() {
            "--" => return inside,
            "-x" | "-X" | "--exec" | "--exec-batch" => None,
            other => match other
                .strip_prefix("--exec=")
                .or_else(|| other.strip_prefix("--exec-batch="))
            {
                Some(text) => Some(text),
                None if !other.starts_with("--") && other.starts_with('-') => {
                    // Behind other letters, which may be the value of one of them.
                    match other.find(['x', 'X']) {
                        Some(letter) => Some(&other[letter + 1..]).filter(|rest| !rest.is_empty()),
                        None => continue,
                    }
                }
                None => continue,
            },
        };
        let end = words[at..]
            .iter()
            .position(|word| word.known() == Some(";"))
            .map_or(words.len(), |length| at + length);
        let open = |word: &Word| {
            ["{}", "{/}", "{//}", "{.}", "{/.}"]
                .iter()
                .fold(word.clone(), |word, mark| filled(&word, mark))
        };
        let first = attached.map(|text| Word::Known(text.to_owned()));
        let given: Vec<Word> = first.into_iter().chain(words[at..end].to_vec()).collect();
        let mut inner: Vec<Word> = given.iter().map(open).collect();
        if inner == given {
            inner.push(Word::many());
        }
        inside.push(Inside::Command {
            at,
            words: inner,
            set: Vec::new(),
            inexact: Some(Why::Made),
        });
        at = end + 1;
    }
    inside
}
