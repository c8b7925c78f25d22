//! `cmd /c` and `powershell -Command`: read where their text is plain in every language.

use super::Inside;
use crate::read::{Dialect, Why};
use crate::word::Word;

/// `cmd /c TEXT`: the rest of the line.
pub(super) fn cmd(words: &[Word]) -> Option<Inside> {
    for (at, word) in words.iter().enumerate().skip(1) {
        let Word::Known(text) = word else {
            return Some(Inside::Unknown(Why::Made));
        };
        let lower = text.to_ascii_lowercase();
        // Options may stand together: `/d/s/c`.
        if !lower.starts_with('/') {
            return None;
        }
        if let Some(at_switch) = ["/c", "/k", "/r"]
            .iter()
            .filter_map(|s| lower.find(s))
            .min()
        {
            // Lower case takes as many bytes; what stands behind the switch begins the text.
            let attached = text.get(at_switch + 2..).unwrap_or_default();
            return Some(if attached.is_empty() {
                rest(words, at + 1, None)
            } else {
                rest(words, at, Some(attached))
            });
        }
    }
    None
}

fn rest(words: &[Word], at: usize, attached: Option<&str>) -> Inside {
    let from = if attached.is_some() { at + 1 } else { at };
    let mut texts: Vec<&str> = attached.into_iter().collect();
    for word in words.get(from..).unwrap_or_default() {
        match word.known() {
            Some(text) => texts.push(text),
            None => return Inside::Unknown(Why::Made),
        }
    }
    if texts.is_empty() {
        return Inside::among(words.len());
    }
    Inside::Text {
        at,
        text: Word::Known(texts.join(" ")),
        dialect: Dialect::Foreign,
        set: Vec::new(),
        given_text: false,
        inexact: None,
    }
}

/// Parameters without a value, and with one; each may be cut short as long as it is clear.
const SWITCHES: &[&str] = &[
    "noprofile",
    "nologo",
    "noninteractive",
    "noexit",
    "mta",
    "sta",
    "login",
    "interactive",
];
const VALUES: &[&str] = &[
    "executionpolicy",
    "ep",
    "windowstyle",
    "inputformat",
    "outputformat",
    "version",
    "workingdirectory",
    "wd",
    "configurationname",
    "psconsolefile",
    "settingsfile",
    "custompipename",
];

/// `powershell -Command TEXT`.
pub(super) fn powershell(words: &[Word]) -> Option<Inside> {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let Word::Known(text) = word else {
            return Some(Inside::Unknown(Why::Made));
        };
        let Some(parameter) = text.strip_prefix(['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'])
        else {
            // The first operand is a command to the old one, and a file to the new one.
            let name = super::program(&words[0]);
            return (name.as_deref() == Some("powershell")).then(|| rest(words, at, None));
        };
        let parameter = parameter.trim_start_matches('-').to_ascii_lowercase();
        at += 1;
        if parameter.is_empty() {
            return Some(Inside::Unknown(Why::Language));
        }
        if "command".starts_with(&parameter) || parameter == "cwa" {
            return match words.get(at).and_then(Word::known) {
                // It reads its input.
                Some("-") => Some(Inside::Unknown(Why::Made)),
                _ => Some(rest(words, at, None)),
            };
        }
        if "encodedcommand".starts_with(&parameter) || parameter == "ec" {
            return Some(Inside::Unknown(Why::Language));
        }
        if "file".starts_with(&parameter) {
            return None;
        }
        if SWITCHES.iter().any(|switch| switch.starts_with(&parameter)) {
            continue;
        }
        if VALUES.iter().any(|value| value.starts_with(&parameter)) {
            at += 1;
            continue;
        }
        return Some(Inside::Unknown(Why::Language));
    }
    None
}
