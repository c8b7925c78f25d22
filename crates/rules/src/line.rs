//! From what is to run to the commands that are judged: argv or shell string, and what stands inside of it.

mod among;

use std::ffi::OsStr;

use crate::effects::effects;
use crate::names::{self, Variable};
use crate::read::{self, DEEPEST, Dialect, Reading, Redirect, Simple, Why};
use crate::unwrap::{self, Inside};
use crate::word::{Word, all_known};

/// What a segment is to the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is run.
    Command,
    /// It runs what stands inside it, and nothing beside: only what a rule says of it counts.
    Wrapper,
    /// It was found where it may be run: it can ask and forbid, and allows nothing.
    Found,
    /// Anything may run.
    Opaque,
}

/// One command that is judged.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) kind: Kind,
    pub(crate) words: Vec<Word>,
    /// Why rules that allow do not hold for it, unless they name it exactly.
    pub(crate) inexact: Option<Why>,
    /// The segment it stands inside of.
    pub(crate) parent: Option<usize>,
    /// In a wrapper: where what it runs begins. A rule that reaches past it speaks of what is inside too.
    pub(crate) inside_at: usize,
    /// The whole text, of what could not be read.
    pub(crate) text: Option<String>,
    /// Files that are written by redirection.
    pub(crate) writes: Vec<String>,
}

/// The most segments of one command; past that it is opaque.
const MOST: usize = 1024;

/// The most bytes of text that are read for one command, each time they are read: past that a text is opaque. A text
/// that many words may begin would be read anew for each.
const MOST_READ: usize = 4 * read::LONGEST;

/// What is to run.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) segments: Vec<Segment>,
    full: bool,
    read: usize,
}

/// What is known about where something stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    parent: Option<usize>,
    depth: usize,
    inexact: Option<Why>,
    kind: Kind,
    in_shell: bool,
    /// Whether variables or parameters there may be texts.
    text_set: bool,
}

impl Line {
    pub(crate) fn of_argv<S: AsRef<OsStr>, V: AsRef<OsStr>>(argv: &[S], set: &[(V, V)]) -> Self {
        let mut line = Self::default();
        let size: usize = argv.iter().map(|word| word.as_ref().len()).sum();
        let words: Vec<Word> = argv.iter().map(|w| Word::of_argv(w.as_ref())).collect();
        if !words.is_empty() {
            let place = Place {
                parent: None,
                depth: 0,
                inexact: None,
                kind: Kind::Command,
                in_shell: false,
                text_set: false,
            };
            let set: Vec<(String, Word)> = set
                .iter()
                .map(|(name, value)| {
                    let name = name.as_ref().to_string_lossy().into_owned();
                    (name, Word::of_argv(value.as_ref()))
                })
                .collect();
            // Hardly a program is started with more, and no person reads it.
            if size > 16 * read::LONGEST {
                line.opaque(Why::Size, None, place);
            } else {
                line.command(words, &set, None, Vec::new(), place);
            }
        }
        line
    }

    pub(crate) fn of_shell(text: &OsStr, dialect: Dialect) -> Self {
        let mut line = Self::default();
        let place = Place {
            parent: None,
            depth: 0,
            inexact: None,
            kind: Kind::Command,
            in_shell: true,
            text_set: false,
        };
        match text.to_str() {
            Some(text) => line.shell(text, dialect, place),
            None => {
                let lossy = text.to_string_lossy();
                line.opaque(Why::Character, Some(&lossy), place);
                line.crude(&lossy, place);
            }
        }
        line
    }

    fn push(&mut self, segment: Segment) -> Option<usize> {
        if self.segments.len() >= MOST {
            if !self.full {
                self.full = true;
                self.segments.push(Segment {
                    kind: Kind::Opaque,
                    words: vec![Word::many()],
                    inexact: Some(Why::Size),
                    parent: None,
                    inside_at: usize::MAX,
                    text: None,
                    writes: Vec::new(),
                });
            }
            return None;
        }
        self.segments.push(segment);
        Some(self.segments.len() - 1)
    }

    fn opaque(&mut self, why: Why, text: Option<&str>, place: Place) {
        self.push(Segment {
            kind: Kind::Opaque,
            words: vec![Word::many()],
            inexact: Some(why),
            parent: place.parent,
            inside_at: usize::MAX,
            text: text.map(str::to_owned),
            writes: Vec::new(),
        });
    }

    fn found(&mut self, words: Vec<Word>, place: Place) {
        if !words.is_empty() {
            self.push(Segment {
                kind: Kind::Found,
                words,
                inexact: Some(place.inexact.unwrap_or(Why::Syntax)),
                parent: place.parent,
                inside_at: usize::MAX,
                text: None,
                writes: Vec::new(),
            });
        }
    }

    /// What can be found in a text that cannot be read.
    fn crude(&mut self, text: &str, place: Place) {
        for found in read::crude(text) {
            self.found(found.words, place);
        }
    }

    /// A command, and what it runs.
    fn command(
        &mut self,
        words: Vec<Word>,
        assigned: &[(String, Word)],
        input: Option<&Redirect>,
        writes: Vec<String>,
        place: Place,
    ) {
        if place.depth > DEEPEST {
            self.opaque(Why::Size, None, place);
            return;
        }
        let mut place = place;
        self.variables(assigned, &mut place);
        self.variables(&declared(&words), &mut place);
        if words.is_empty() {
            return;
        }
        let open = (!all_known(&words)).then_some(Why::Expansion);
        let inexact = place.inexact.or(open);
        let inside = unwrap::inside(&words, input, place.in_shell);
        let wraps = inside
            .iter()
            .any(|inside| matches!(inside, Inside::Command { .. } | Inside::Text { .. }))
            && unwrap::is_wrapper(&words);
        let kind = match place.kind {
            Kind::Command if wraps => Kind::Wrapper,
            kind => kind,
        };
        let inside_at = inside
            .iter()
            .filter_map(|inside| match inside {
                Inside::Command { at, .. } | Inside::Text { at, .. } => Some(*at),
                _ => None,
            })
            .min()
            .unwrap_or(usize::MAX);
        let pushed = self.push(Segment {
            kind,
            words: words.clone(),
            inexact,
            parent: place.parent,
            inside_at,
            text: None,
            writes,
        });
        let Some(parent) = pushed else { return };
        for inside in inside {
            let mut within = Place {
                parent: Some(parent),
                depth: place.depth + 1,
                ..place
            };
            match inside {
                Inside::Command {
                    at: _,
                    words,
                    set,
                    inexact,
                } => {
                    within.inexact = within.inexact.or(inexact);
                    self.command(words, &set, None, Vec::new(), within);
                }
                Inside::Text {
                    at: _,
                    text,
                    dialect,
                    set,
                    given_text,
                    inexact,
                } => {
                    within.inexact = within.inexact.or(inexact);
                    within.in_shell = true;
                    within.text_set |= given_text;
                    self.variables(&set, &mut within);
                    match text {
                        Word::Known(text) => self.shell(&text, dialect, within),
                        Word::Open(_) | Word::Each(_) => {
                            self.opaque(Why::Made, None, within);
                            self.crude(&text.marked(), within);
                        }
                    }
                }
                Inside::Unknown(why) => {
                    self.opaque(why, None, within);
                    self.among(&words, 1, 0, false, within);
                }
                Inside::Among { from, own, texts } => {
                    self.among(&words, from, own, texts, within);
                }
                Inside::Alike(words) => {
                    within.kind = Kind::Found;
                    within.inexact.get_or_insert(Why::Names);
                    // What was found is looked into once, or there is no end to it.
                    if place.kind == Kind::Found {
                        self.found(words, within);
                    } else {
                        self.command(words, &[], None, Vec::new(), within);
                    }
                }
            }
        }
    }

    /// Variables that are set for a command: some values are commands themselves.
    fn variables(&mut self, assigned: &[(String, Word)], place: &mut Place) {
        for (name, value) in assigned {
            // `x+=…`, `x[1]=…`.
            let name = name.split(['+', '[']).next().unwrap_or_default();
            if !names::harmless_variable(name) {
                place.inexact.get_or_insert(Why::Variable);
            }
            let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            place.text_set |= !value.known().is_some_and(number);
            let beside = Place {
                kind: Kind::Found,
                inexact: Some(Why::Variable),
                depth: place.depth + 1,
                in_shell: true,
                ..*place
            };
            let text = value.known();
            let is_safe = match names::variable(name) {
                // Shells of old take such a value for a function, whatever its name.
                Variable::Plain => !text.is_some_and(|text| text.starts_with("() {")),
                Variable::Run => match text {
                    Some(text) => {
                        self.shell(text, Dialect::Posix, beside);
                        true
                    }
                    None => false,
                },
                Variable::Expanded => text.is_some_and(|text| {
                    !["$(", "${", "$[", "`"]
                        .iter()
                        .any(|open| text.contains(open))
                        && !unwrap::may_be_input(value)
                }),
                Variable::Setting => {
                    text.is_some_and(|key| names::setting(key) == names::Setting::Harmless)
                }
                Variable::Names => text == Some(""),
            };
            if !is_safe {
                self.opaque(Why::Variable, None, beside);
                self.crude(&value.marked(), beside);
            }
        }
    }

    /// A shell string.
    fn shell(&mut self, text: &str, dialect: Dialect, place: Place) {
        if place.depth > DEEPEST {
            self.opaque(Why::Size, Some(text), place);
            return;
        }
        self.read += text.len().min(read::LONGEST);
        if self.read > MOST_READ {
            self.opaque(Why::Size, Some(text), place);
            return;
        }
        let mut reading = read::read(text, dialect);
        effects(&mut reading);
        if reading.calculates && place.text_set {
            reading.is_opaque(Why::Arithmetic);
        }
        let Reading {
            commands,
            inexact,
            opaque,
            sets_text,
            ..
        } = reading;
        if let Some(why) = opaque {
            self.opaque(why, Some(text), place);
        }
        let place = Place {
            inexact: place.inexact.or(inexact),
            kind: match (place.kind, opaque) {
                (Kind::Command, Some(_)) => Kind::Found,
                (kind, _) => kind,
            },
            text_set: place.text_set || sets_text,
            ..place
        };
        for command in commands {
            let Simple {
                words,
                assigned,
                redirects,
                input,
                ..
            } = command;
            let writes = redirects.iter().filter_map(written).collect();
            let mut place = place;
            if redirects.iter().any(open_file) {
                place.inexact.get_or_insert(Why::Expansion);
            }
            self.command(words, &assigned, input.as_ref(), writes, place);
        }
    }
}

/// What `export NAME=value` and its like set.
fn declared(words: &[Word]) -> Vec<(String, Word)> {
    let name = words.first().and_then(Word::known);
    let declares = name.is_some_and(names::declares);
    let operands = words.iter().skip(1).filter(|_| declares);
    operands.filter_map(unwrap::assignment).collect()
}

/// The file that a redirection writes, for people.
fn written(redirect: &Redirect) -> Option<String> {
    match redirect {
        Redirect::Output(word) => {
            let shown = word.shown();
            let descriptor = shown.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            (!descriptor && shown != "/dev/null").then_some(shown)
        }
        Redirect::Input(_) | Redirect::Here(_) => None,
    }
}

/// Whether it is not known which file it is. What stands in a here-document is input like any other.
fn open_file(redirect: &Redirect) -> bool {
    match redirect {
        Redirect::Output(word) | Redirect::Input(word) => word.known().is_none(),
        Redirect::Here(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes were read for a command.
    fn work(argv: &[&str]) -> usize {
        read::work::take();
        Line::of_argv::<_, &str>(argv, &[]);
        read::work::take()
    }

    #[test]
    fn what_many_words_may_begin_is_not_read_anew_without_end() {
        let text = "x ".repeat(10_000);
        // What is read once costs what it is long.
        assert_eq!(work(&["bash", "-c", &text]), text.len());
        for many in ["eval", "bash -c", "script -c", "watch"] {
            for first in ["npx", "script"] {
                let mut argv: Vec<&str> = first.split(' ').collect();
                argv.extend(std::iter::repeat_n(many.split(' '), 60).flatten());
                argv.push(&text);
                let done = work(&argv);
                assert!(done <= MOST_READ, "{first} {many}: {done}");
                let line = argv.join(" ");
                read::work::take();
                Line::of_shell(OsStr::new(&line), Dialect::Bash);
                let done = read::work::take();
                assert!(done <= MOST_READ, "{first} {many}: {done}");
            }
        }
    }

    #[test]
    fn what_is_read_too_often_is_opaque() {
        let text = "x ".repeat(10_000);
        let mut argv = vec!["npx"];
        argv.extend(std::iter::repeat_n("eval", 60));
        argv.push(&text);
        let line = Line::of_argv::<_, &str>(&argv, &[]);
        let opaque =
            |segment: &Segment| segment.kind == Kind::Opaque && segment.inexact == Some(Why::Size);
        assert!(line.segments.iter().any(opaque));
    }
}
