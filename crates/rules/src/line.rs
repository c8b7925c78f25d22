//! From what is to run to the commands that are judged: argv or shell string, and what stands inside of it.

use std::ffi::OsStr;

use crate::names::{self, Effect};
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

/// The most words of a wrapper of unknown form that are looked at.
const MOST_STARTS: usize = 64;

/// What is to run.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) segments: Vec<Segment>,
    full: bool,
}

/// What is known about where something stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    parent: Option<usize>,
    depth: usize,
    inexact: Option<Why>,
    kind: Kind,
    in_shell: bool,
}

impl Line {
    pub(crate) fn of_argv<S: AsRef<OsStr>, V: AsRef<OsStr>>(argv: &[S], set: &[(V, V)]) -> Self {
        let mut line = Self::default();
        let words: Vec<Word> = argv.iter().map(|w| Word::of_argv(w.as_ref())).collect();
        if !words.is_empty() {
            let size: usize = argv.iter().map(|word| word.as_ref().len()).sum();
            let place = Place {
                parent: None,
                depth: 0,
                inexact: None,
                kind: Kind::Command,
                in_shell: false,
            };
            let set: Vec<(String, Word)> = set
                .iter()
                .map(|(name, value)| {
                    let name = name.as_ref().to_string_lossy().into_owned();
                    (name, Word::of_argv(value.as_ref()))
                })
                .collect();
            line.command(words, &set, None, Vec::new(), place);
            if size > 16 * read::LONGEST {
                line.opaque(Why::Size, None, place);
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
                    inexact,
                } => {
                    within.inexact = within.inexact.or(inexact);
                    within.in_shell = true;
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
                    self.among(&words, 1, within);
                }
                Inside::Among(from) => self.among(&words, from, within),
            }
        }
    }

    /// Each word from `from` on may begin a command, or be a text that a shell reads.
    fn among(&mut self, words: &[Word], from: usize, place: Place) {
        let place = Place {
            kind: Kind::Found,
            inexact: Some(place.inexact.unwrap_or(Why::Made)),
            ..place
        };
        let mut starts = 0;
        for (at, word) in words.iter().enumerate().skip(from) {
            starts += 1;
            if starts > MOST_STARTS {
                self.opaque(Why::Size, None, place);
                return;
            }
            match word {
                Word::Known(text) if text.contains([' ', '\t', '\n', ';']) => {
                    self.shell(text, Dialect::Posix, place);
                }
                Word::Known(text) if text.starts_with('-') => {}
                Word::Known(_) => {
                    let rest = words[at..].to_vec();
                    // What is looked through already is not looked through again.
                    let again = unwrap::inside(&rest, None, false)
                        .iter()
                        .any(|inside| matches!(inside, Inside::Among(_) | Inside::Unknown(_)));
                    if again {
                        self.found(rest, place);
                    } else {
                        self.command(rest, &[], None, Vec::new(), place);
                    }
                }
                Word::Open(_) | Word::Each(_) => {}
            }
        }
    }

    /// Variables that are set for a command: some values are commands themselves.
    fn variables(&mut self, assigned: &[(String, Word)], place: &mut Place) {
        for (name, value) in assigned {
            if !names::harmless_variable(name) {
                place.inexact.get_or_insert(Why::Variable);
            }
            if !names::variable_is_run(name) {
                continue;
            }
            let beside = Place {
                kind: Kind::Found,
                inexact: Some(Why::Variable),
                depth: place.depth + 1,
                in_shell: true,
                ..*place
            };
            match value {
                Word::Known(text) => self.shell(text, Dialect::Posix, beside),
                Word::Open(_) | Word::Each(_) => self.opaque(Why::Variable, None, beside),
            }
        }
    }

    /// A shell string.
    fn shell(&mut self, text: &str, dialect: Dialect, place: Place) {
        if place.depth > DEEPEST {
            self.opaque(Why::Size, Some(text), place);
            return;
        }
        let mut reading = read::read(text, dialect);
        effects(&mut reading);
        let Reading {
            commands,
            inexact,
            opaque,
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
            ..place
        };
        for command in commands {
            let Simple {
                words,
                assigned,
                redirects,
                ..
            } = command;
            let writes = redirects.iter().filter_map(written).collect();
            let mut place = place;
            if redirects.iter().any(open_file) {
                place.inexact.get_or_insert(Why::Expansion);
            }
            let input = redirects
                .iter()
                .rev()
                .find(|redirect| !matches!(redirect, Redirect::Output(_)));
            self.command(words, &assigned, input, writes, place);
        }
    }
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

/// What the commands of a string do to each other.
fn effects(reading: &mut Reading) {
    let mut effects = Vec::new();
    let mut set_text = false;
    for command in &reading.commands {
        if command.words.is_empty() {
            let harmless = |(name, _): &(String, Word)| names::harmless_variable(name);
            if !command.assigned.iter().all(harmless) {
                effects.push(Effect::None);
                set_text = true;
            }
        }
        let mut words = command.words.as_slice();
        // `builtin export …`, `command . file`.
        while let Some(name) = words.first().and_then(unwrap::program)
            && matches!(name.as_str(), "builtin" | "command")
        {
            words = &words[1..];
        }
        let Some((first, rest)) = words.split_first() else {
            continue;
        };
        let Some(name) = unwrap::program(first) else {
            continue;
        };
        let rest: Vec<Option<&str>> = rest.iter().map(Word::known).collect();
        effects.push(names::effect(&name, &rest));
        if names::calculates_names(&name)
            && rest.iter().flatten().any(|word| names::runs_in_index(word))
        {
            effects.push(Effect::Alias);
        }
        // A word that is open and has a beginning is no option.
        let options: Vec<Option<&str>> = words[1..]
            .iter()
            .map(|word| match word.is_option() {
                Some(false) => Some(""),
                _ => word.known(),
            })
            .collect();
        reading.calculates |= names::calculates_values(&name, &options);
    }
    if set_text {
        reading.not_exact(Why::Variable);
    }
    for effect in effects {
        match effect {
            Effect::None => {}
            Effect::Names => reading.not_exact(Why::Names),
            Effect::Sets => {
                reading.sets_text = true;
                reading.not_exact(Why::Variable);
            }
            Effect::Alias => reading.is_opaque(Why::Alias),
        }
    }
    if reading.calculates && reading.sets_text {
        reading.is_opaque(Why::Arithmetic);
    }
}
