//! A rule's prefix, and which commands begin with it.

use ringfence_policy::{Piece, Rule, Word as RuleWord, pieces};

use crate::glob::Glob;
use crate::tool::{Arity, Tool};
use crate::unwrap::program_name;
use crate::word::{Word, normal};

/// One word of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    any_of: Vec<Glob>,
}

/// A prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

/// How sure it is that a command begins with a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sure {
    No,
    /// What is not known may be so.
    Might,
    Yes,
}

/// A word that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadWord(pub(crate) String);

impl Token {
    fn of(word: &RuleWord) -> Result<Self, BadWord> {
        let texts = match word {
            RuleWord::One(text) => std::slice::from_ref(text),
            RuleWord::AnyOf(texts) => texts.as_slice(),
        };
        let glob = |text: &String| {
            let mut glob = Glob::default();
            for piece in pieces(text).map_err(|_| BadWord(text.clone()))? {
                match piece {
                    Piece::Text(text) => glob.push_text(&text),
                    Piece::Any => glob.push_gap(),
                }
            }
            Ok(glob)
        };
        Ok(Self {
            any_of: texts.iter().map(glob).collect::<Result<_, _>>()?,
        })
    }

    fn matches(&self, text: &str) -> bool {
        self.any_of.iter().any(|glob| glob.matches(text))
    }

    fn may_match(&self, word: &Glob) -> bool {
        self.any_of.iter().any(|glob| glob.meets(word))
    }

    fn matches_all(&self) -> bool {
        self.any_of.iter().any(Glob::is_any)
    }

    fn is_literal(&self) -> bool {
        self.any_of.iter().all(|glob| glob.known().is_some())
    }

    /// Whether it speaks of options only: they are looked for by themselves.
    fn is_option(&self) -> bool {
        self.options().count() == self.any_of.len()
    }

    /// What it says of options.
    fn options(&self) -> impl Iterator<Item = &Glob> {
        let is_option = |glob: &&Glob| glob.head().starts_with('-');
        self.any_of.iter().filter(is_option)
    }
}

/// Directories of the system: what lies in them has its own name. They are read-only in a ring.
const SYSTEM: &[&str] = &[
    "/bin/",
    "/sbin/",
    "/usr/bin/",
    "/usr/sbin/",
    "/usr/local/bin/",
    "/usr/local/sbin/",
    "/opt/homebrew/bin/",
];

impl Pattern {
    pub(crate) fn of(rule: &Rule) -> Result<Self, BadWord> {
        Ok(Self {
            tokens: rule
                .prefix
                .iter()
                .map(Token::of)
                .collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it is one word, which is this text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        matches!(self.tokens.as_slice(), [one] if one.is_literal() && one.matches(text))
    }

    /// Whether its words from `from` on are no patterns.
    pub(crate) fn is_literal_from(&self, from: usize) -> bool {
        self.tokens.iter().skip(from).all(Token::is_literal)
    }

    /// Whether a command surely begins with it, as a rule that allows asks it: under its own name, with the options
    /// that change nothing passed over.
    pub(crate) fn begins(&self, words: &[Word]) -> bool {
        let Some((name, rest)) = words.split_first() else {
            return false;
        };
        let Some(name) = name.known() else {
            return false;
        };
        let bare = SYSTEM
            .iter()
            .find_map(|directory| name.strip_prefix(directory))
            .filter(|bare| !bare.contains('/') && !bare.is_empty());
        let named = |token: &Token| {
            token.matches(name) && named_alike(token, name)
                || bare.is_some_and(|bare| token.matches(bare))
        };
        let Some((first, tokens)) = self.tokens.split_first() else {
            return false;
        };
        if !named(first) {
            return false;
        }
        let plain = |rest: &[Word]| {
            rest.len() >= tokens.len()
                && tokens
                    .iter()
                    .zip(rest)
                    .all(|(token, word)| word.known().is_some_and(|word| token.matches(word)))
        };
        plain(rest) || plain(Tool::of(bare.unwrap_or(name)).without_harmless(rest))
    }

    /// How sure it is that a command begins with it, as rules that ask and forbid ask it: under whatever path,
    /// whatever options stand between its words.
    pub(crate) fn occurs(&self, words: &[Word]) -> Sure {
        let (Some((name, rest)), Some((first, tokens))) =
            (words.split_first(), self.tokens.split_first())
        else {
            return Sure::No;
        };
        let named = match name {
            Word::Known(text) if is_called(first, text) => Sure::Yes,
            Word::Known(_) => Sure::No,
            Word::Open(glob) | Word::Each(glob) => {
                let tail = glob.tail();
                match tail.rsplit_once('/') {
                    // The end of the path is known.
                    Some(_) if name.is_one() => {
                        if is_called(first, tail) {
                            Sure::Yes
                        } else {
                            Sure::No
                        }
                    }
                    _ => Sure::Might,
                }
            }
        };
        if named == Sure::No {
            return Sure::No;
        }
        let tool = match name {
            Word::Known(text) => Tool::of(&program_name(text)),
            Word::Open(glob) => Tool::of(&program_name(glob.tail())),
            Word::Each(_) => Tool::unknown(),
        };
        // Any number of words may begin with any number of the prefix's.
        let rest = if name.is_one() { rest } else { words };
        let mut search = Search {
            tokens,
            words: rest,
            tool,
            later: Sure::No,
            known: vec![None; (tokens.len() + 1) * (rest.len() + 1)],
        };
        let found = if name.is_one() {
            search.run()
        } else {
            // Nothing of it is known but that it may be so.
            Sure::Might
        };
        found.min(named)
    }
}

/// A name with a `*` for its whole is not meant to stand for a path.
fn named_alike(token: &Token, name: &str) -> bool {
    let speaks_of_paths = token
        .any_of
        .iter()
        .any(|glob| glob.texts().any(|text| text.contains(['/', '\\'])));
    speaks_of_paths || !name.contains(['/', '\\'])
}

/// Whether a rule's first word names a program that is called like this, by whatever path and in whatever case.
fn is_called(token: &Token, name: &str) -> bool {
    if token.matches(name) || token.matches(&normal(name)) {
        return true;
    }
    let bare = program_name(name);
    token.any_of.iter().any(|glob| {
        let glob = glob.to_ascii_lowercase();
        let speaks_of_paths = glob.texts().any(|text| text.contains('/'));
        if speaks_of_paths {
            glob.matches(&normal(&name.to_ascii_lowercase()))
        } else {
            glob.matches(&bare)
        }
    })
}

/// The words of a prefix looked for among those of a command, options passed over.
struct Search<'a> {
    tokens: &'a [Token],
    words: &'a [Word],
    tool: Tool,
    /// Whether the option that is looked for stands further behind.
    later: Sure,
    /// What is known for the first of each, once.
    known: Vec<Option<Sure>>,
}

impl Search<'_> {
    /// Fills the table from its end: each place depends on later ones only.
    fn run(&mut self) -> Sure {
        for token in (0..=self.tokens.len()).rev() {
            self.later = Sure::No;
            for word in (0..=self.words.len()).rev() {
                let sure = self.at(token, word);
                let place = self.place(token, word);
                self.known[place] = Some(sure);
                self.later = self.option_at_or_behind(token, word);
            }
        }
        self.get(0, 0)
    }

    fn place(&self, token: usize, word: usize) -> usize {
        token * (self.words.len() + 1) + word.min(self.words.len())
    }

    fn get(&self, token: usize, word: usize) -> Sure {
        self.known[self.place(token, word)].unwrap_or(Sure::No)
    }

    /// Whether the option that is looked for stands here or further behind: it may stand anywhere, up to `--`.
    fn option_at_or_behind(&self, token: usize, at: usize) -> Sure {
        let (Some(want), Some(word)) = (self.tokens.get(token), self.words.get(at)) else {
            return Sure::No;
        };
        let found = match word {
            Word::Known(text) if text == "--" => return Sure::No,
            Word::Known(text) if want.options().any(|glob| glob.matches(text)) => Sure::Yes,
            Word::Known(_) => Sure::No,
            Word::Open(glob) | Word::Each(glob) if want.options().any(|want| want.meets(glob)) => {
                Sure::Might
            }
            Word::Open(_) | Word::Each(_) => Sure::No,
        };
        self.get(token + 1, at + 1).min(found).max(self.later)
    }

    fn at(&self, token: usize, at: usize) -> Sure {
        let Some(want) = self.tokens.get(token) else {
            return Sure::Yes;
        };
        let Some(word) = self.words.get(at) else {
            return Sure::No;
        };
        match word {
            Word::Known(text) => {
                let taken = if want.matches(text) {
                    self.get(token + 1, at + 1)
                } else {
                    Sure::No
                };
                if text == "--" && want.is_option() {
                    return taken;
                }
                let taken = taken.max(self.later);
                if want.is_option() {
                    return taken;
                }
                if word.is_option() != Some(true) {
                    // Each operand may be a subcommand, or the first is none.
                    let passes = self.tool.goals && token == 0
                        || self.tool.plus && token == 0 && at == 0 && text.starts_with('+');
                    return if passes {
                        taken.max(self.get(token, at + 1))
                    } else {
                        taken
                    };
                }
                // What it takes may be any number of words.
                let value = match self.words.get(at + 1) {
                    Some(Word::Each(_)) => self
                        .get(token, at + 1)
                        .max(self.get(token, at + 2))
                        .max(self.get(token, at + 3))
                        .min(Sure::Might),
                    _ => self.get(token, at + 2),
                };
                let passed = match self.tool.arity(text, token == 0) {
                    Arity::None => self.get(token, at + 1),
                    Arity::One => value,
                    // It is taken for a flag; that the next word is its value may be.
                    Arity::Unknown => self.get(token, at + 1).max(value.min(Sure::Might)),
                };
                taken.max(passed)
            }
            Word::Open(glob) => {
                let mut best = Sure::No;
                if want.matches_all() {
                    best = self.get(token + 1, at + 1);
                } else if want.may_match(glob) {
                    best = self.get(token + 1, at + 1).min(Sure::Might);
                }
                if !want.is_option() && word.is_option() != Some(false) {
                    let passed = self.get(token, at + 1).max(self.get(token, at + 2));
                    best = best.max(passed.min(Sure::Might));
                }
                let plus = self.tool.plus && at == 0 && glob.head().starts_with('+');
                if token == 0 && (self.tool.goals || plus) {
                    best = best.max(self.get(token, at + 1));
                }
                best.max(self.later)
            }
            Word::Each(glob) => {
                // None of them, or any number of them.
                let mut best = self.get(token, at + 1);
                if want.may_match(glob) {
                    best = best
                        .max(self.get(token + 1, at))
                        .max(self.get(token + 1, at + 1));
                }
                // Its last may be an option that takes the next word.
                if word.is_option() != Some(false) {
                    best = best.max(self.get(token, at + 2));
                }
                best.max(self.later).min(Sure::Might)
            }
        }
    }
}
