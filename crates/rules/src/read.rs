//! What a shell string runs.
//!
//! Two readers look at each string: our own ([`scan`]), which decodes every word and says what it does not know,
//! and the grammar of tree-sitter ([`tree`]). Only what both see alike is read exactly. Where they differ,
//! or the string cannot be read, it is opaque: anything might run.

mod ansi;
mod crude;
mod expansion;
mod here;
mod raw;
mod scan;
mod structure;
mod tree;

use std::ops::Range;

use crate::word::Word;

pub(crate) use crude::crude;

/// Past this many bytes a string is opaque: a program takes no longer word (`MAX_ARG_STRLEN`, execve(2)).
pub(crate) const LONGEST: usize = 128 * 1024;

/// Substitutions and shells inside each other, past which a string is opaque.
pub(crate) const DEEPEST: usize = 16;

/// The most commands in one string; past that it is opaque.
const MOST_COMMANDS: usize = 400;

/// The most `[` in patterns of one string.
const MOST_CLASSES: usize = 200;

/// Why a string, or a part of it, is not read exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Why {
    /// `$x`, `$(…)`, `*.c`, `~`, `{a,b}` or the like in a word.
    Expansion,
    /// `if`, `for`, `(…)`, `{ …; }`, `[[ … ]]`.
    Structure,
    /// A function is defined.
    Function,
    /// A variable is set that may change what runs.
    Variable,
    /// A builtin that changes what later names mean: `source`, `hash`, `set`, …
    Names,
    /// What is run is made while it runs: `eval "$x"`, `bash -c "$x"`, `| sh`.
    Made,
    /// A name means something else from now on: `alias`.
    Alias,
    /// Arithmetic on variables that were set to text: it is evaluated, and can run commands.
    Arithmetic,
    /// Syntax that is not known here, or is wrong.
    Syntax,
    /// Two readers of the grammar do not agree.
    Disagreement,
    /// A character that shells treat differently.
    Character,
    /// Too long, too deep, too much.
    Size,
    /// An encoded or foreign language.
    Language,
}

impl Why {
    /// For people: follows on "because".
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Expansion => "a word of it is only known when it runs",
            Self::Structure => "it is a program, not a list of commands",
            Self::Function => "it defines a function",
            Self::Variable => "it sets a variable that may change what runs",
            Self::Names => "a builtin in it may change what names mean",
            Self::Made => "what it runs is only made when it runs",
            Self::Alias => "it defines an alias",
            Self::Arithmetic => "it calculates with text, which can run commands",
            Self::Syntax => "it cannot be read as shell",
            Self::Disagreement => "it can be read in two ways",
            Self::Character => "it holds a character that shells do not agree on",
            Self::Size => "it is too long or too deeply nested",
            Self::Language => "it is in a language that is not read here",
        }
    }
}

/// The shell that reads a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// bash, zsh, ksh: `$'…'` is known.
    Bash,
    /// `sh`, which is any of several.
    Posix,
    /// Another one (fish, csh, PowerShell, cmd): only what is plain everywhere is read.
    Foreign,
}

/// A simple command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Simple {
    pub(crate) words: Vec<Word>,
    /// Where each word stands.
    pub(crate) spans: Vec<Range<usize>>,
    /// Leading assignments, in their order.
    pub(crate) assigned: Vec<(String, Word)>,
    pub(crate) redirects: Vec<Redirect>,
    /// Of these the last one of descriptor 0: what it reads.
    pub(crate) input: Option<Redirect>,
}

impl Simple {
    /// Adds a redirection, of descriptor 0 or of another one.
    fn redirect(&mut self, redirect: Redirect, of_input: bool) {
        if of_input {
            self.input = Some(redirect.clone());
        }
        self.redirects.push(redirect);
    }
}

/// Where input comes from or output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// A file is written, or a descriptor is copied.
    Output(Word),
    /// A file is read.
    Input(Word),
    /// Text that stands in the string itself, where it is known.
    Here(Option<String>),
}

/// What was found in a string.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) commands: Vec<Simple>,
    /// Why none of it is exact.
    pub(crate) inexact: Option<Why>,
    /// Whether something in it is expanded: words that are open say where.
    pub(crate) expands: bool,
    /// Why anything might run beside what was found.
    pub(crate) opaque: Option<Why>,
    /// How many `[` stand in words.
    pub(crate) classes: usize,
    /// Whether a word calculates with variables.
    pub(crate) calculates: bool,
    /// Whether a variable is set to what may not be a number.
    pub(crate) sets_text: bool,
}

impl Reading {
    pub(crate) fn not_exact(&mut self, why: Why) {
        if why == Why::Expansion {
            self.expands = true;
        } else {
            self.inexact.get_or_insert(why);
        }
    }

    pub(crate) fn is_opaque(&mut self, why: Why) {
        self.opaque.get_or_insert(why);
        self.inexact.get_or_insert(why);
    }
}

/// Reads a shell string.
pub(crate) fn read(text: &str, dialect: Dialect) -> Reading {
    #[cfg(test)]
    work::done(text.len());
    let mut reading = Reading::default();
    if text.len() > LONGEST {
        reading.is_opaque(Why::Size);
        reading.commands = crude(text);
        return reading;
    }
    if dialect == Dialect::Foreign && !plain_everywhere(text) {
        reading.is_opaque(Why::Language);
    }
    scan::scan(text, dialect, &mut reading);
    // The grammar's parser takes time that grows with the square of what it recovers from, and of long lists: it is only
    // asked where it may contradict.
    let second = if reading.opaque.is_some()
        || reading.commands.len() > MOST_COMMANDS
        || reading.classes > MOST_CLASSES
    {
        None
    } else {
        tree::read(text)
    };
    match second {
        Some(seen) if seen.agrees(&reading, text) => {}
        Some(seen) => {
            reading.is_opaque(Why::Disagreement);
            reading.commands.extend(seen.into_commands());
        }
        None => reading.is_opaque(Why::Size),
    }
    if reading.calculates && reading.sets_text {
        reading.is_opaque(Why::Arithmetic);
    }
    // What cannot be followed is also looked through word by word: it can only become stricter by that.
    if reading.opaque.is_some() {
        reading.commands.extend(crude(text));
    }
    reading
}

/// Whether a text means the same to every shell, cmd and PowerShell among them.
fn plain_everywhere(text: &str) -> bool {
    text.chars().all(|character| {
        character.is_ascii_alphanumeric() || " _./:=,+-@&|;'\"\n".contains(character)
    }) && !text.contains("'\"")
        && !text.contains("\"'")
}

/// How much was read, for tests that bound it.
#[cfg(test)]
#[allow(
    clippy::missing_const_for_thread_local,
    reason = "it is const; clippy does not see that for windows-gnu"
)]
pub(crate) mod work {
    use std::cell::Cell;

    thread_local!(static BYTES: Cell<usize> = const { Cell::new(0) });

    pub(super) fn done(bytes: usize) {
        BYTES.with(|all| all.set(all.get() + bytes));
    }

    /// The bytes that were read since this was last asked, in this thread.
    pub(crate) fn take() -> usize {
        BYTES.with(|all| all.replace(0))
    }
}
