//! Why a policy is refused: each error one line, `file:line: key: reason; remedy`.

use std::fmt;

use crate::keys;
use crate::model::Origin;
use crate::names::{quoted, remedy};

/// A policy that cannot be taken. An invalid file is never a default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is no TOML.
    #[error("{}: not valid TOML: {reason}; mend this line", at.place())]
    Syntax {
        /// Where the parser stopped.
        at: Origin,
        /// The parser's words.
        reason: String,
    },
    /// A key that no policy has.
    #[error("{}: {}: unknown key; {}", at.place(), keys::dotted(table, key), keys::Nearest { table, key })]
    UnknownKey {
        /// Where it stands.
        at: Origin,
        /// The table it stands in; empty at the top.
        table: &'static str,
        /// The key.
        key: String,
    },
    /// A rule without a key that it must have.
    #[error("{}: {key}: missing; add {example}", at.place())]
    MissingKey {
        /// Where the rule begins.
        at: Origin,
        /// The key.
        key: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// A value of another type.
    #[error("{}: {key}: expected {expected}, found {found}; write for example {example}", at.place())]
    WrongType {
        /// Where the value stands. In a box: with a path of Windows it is 128 bytes and more.
        at: Box<Origin>,
        /// The key.
        key: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// A value of the right type that means nothing, or nothing good.
    #[error("{}: {key}: {problem}", at.place())]
    BadValue {
        /// Where the value stands.
        at: Origin,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
    /// An untrusted project file that would allow more than the person's own words.
    #[error("{}: {key}: {asked} would allow more than {} does, and this project file is not trusted; remove it, or read the file and run `ringfence trust`", at.place(), Below(below))]
    Untrusted {
        /// Where the value stands.
        at: Origin,
        /// The key.
        key: &'static str,
        /// What it asks for.
        asked: String,
        /// What it would widen, where that is one value.
        below: Option<Box<Origin>>,
    },
    /// A project file that asks for what no project file may have, trusted or not.
    #[error("{}: {key}: no project file may set {asked}; remove it, or say it in your own policy or as a flag", at.place())]
    NeverFromProject {
        /// Where the value stands.
        at: Origin,
        /// The key.
        key: &'static str,
        /// What it asks for.
        asked: String,
    },
    /// A value beyond what the administrator allows.
    #[error("{}: {key}: {asked} is beyond the bound that {bound} sets; remove it, or ask who manages this machine", at.place())]
    BeyondManaged {
        /// Where the value stands.
        at: Origin,
        /// The key.
        key: &'static str,
        /// What it asks for.
        asked: String,
        /// Where the bound stands.
        bound: Box<Origin>,
    },
    /// A managed file that would grant: it only sets bounds.
    #[error("{}: {key}: {asked} would allow something, and a managed file only sets bounds; remove it, or write \"ask\" or \"forbid\" inside the ring", at.place())]
    ManagedGrants {
        /// Where the value stands.
        at: Origin,
        /// The key.
        key: &'static str,
        /// What it asks for.
        asked: String,
    },
    /// More than one error of the above kinds, one a line, in the order of the files.
    #[error("{}", Lines(.0))]
    Several(Vec<PolicyError>),
}

impl PolicyError {
    /// One error for one or several; `None` for none.
    pub(crate) fn of(mut errors: Vec<PolicyError>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// Each error by itself.
    pub fn each(&self) -> &[PolicyError] {
        match self {
            Self::Several(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// Where it stands; of several, the first.
    pub fn at(&self) -> Option<&Origin> {
        match self {
            Self::Syntax { at, .. }
            | Self::UnknownKey { at, .. }
            | Self::MissingKey { at, .. }
            | Self::BadValue { at, .. }
            | Self::Untrusted { at, .. }
            | Self::NeverFromProject { at, .. }
            | Self::BeyondManaged { at, .. }
            | Self::ManagedGrants { at, .. } => Some(at),
            Self::WrongType { at, .. } => Some(at),
            Self::Several(all) => all.first().and_then(Self::at),
        }
    }
}

struct Below<'a>(&'a Option<Box<Origin>>);

impl fmt::Display for Below<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(origin) if origin.file.is_some() => write!(f, "your own policy ({origin})"),
            Some(_) => f.write_str("the built-in default"),
            None => f.write_str("your own policy"),
        }
    }
}

struct Lines<'a>(&'a [PolicyError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}

/// What is wrong with a value, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// An empty text.
    #[error("is empty; write a value or remove it")]
    Empty,
    /// NUL, newline or another control character.
    #[error("{} holds a control character; remove it", quoted(.0))]
    Control(String),
    /// `*` or `?` in a path.
    #[error("{} is no pattern, paths are taken as they are; name the directory or each file", quoted(.0))]
    Glob(String),
    /// `..` that leads above the root, or out of the write root.
    #[error("{} leads above where it begins; write where it should end", quoted(.0))]
    AboveRoot(String),
    /// `$NAME` of an unknown variable.
    #[error("{} begins with a variable that paths cannot name; use {}", quoted(.0), Listed(crate::defaults::VARIABLES))]
    UnknownVariable(String),
    /// `$NAME` elsewhere than at the beginning.
    #[error("{} has a variable elsewhere than at its beginning; write it first, or the place itself", quoted(.0))]
    VariableNotFirst(String),
    /// `$NAME` that is not set to an absolute path.
    #[error("{} begins with a variable that is not set to an absolute path; set it, or write the place itself", quoted(.0))]
    VariableUnset(String),
    /// `~` where no home is known.
    #[error("{} needs a home directory and there is none; set HOME, or write the place itself", quoted(.0))]
    NoHome(String),
    /// `~name`.
    #[error("{} would be another person's home; write the place itself, or `./~…` for a file of that name", quoted(.0))]
    OtherHome(String),
    /// A path that cannot be made absolute.
    #[error("{} cannot be made absolute; write the whole path", quoted(.0))]
    NotAbsolute(String),
    /// A form of path that Windows reads in another way than it looks.
    #[error("{} is {why}; write the plain path with its drive", quoted(.path))]
    WindowsForm {
        /// The path.
        path: String,
        /// What is odd about it.
        why: &'static str,
    },
    /// The root of the whole disk.
    #[error("{} is the whole disk; name the directories", quoted(.0))]
    WholeDisk(String),
    /// A write root that is or holds the home directory.
    #[error("{} holds your whole home directory, with what your shell and Ringfence itself obey; name the directories in it", quoted(.0))]
    WholeHome(String),
    /// A relative protected path that is the write root itself.
    #[error("{} is the write root itself; say mode = \"read-only\"", quoted(.0))]
    WriteRootItself(String),
    /// No duration.
    #[error("{} is no time; write a whole number with its unit, for example \"90s\", \"10m\" or \"1h30m\"", quoted(.0))]
    Duration(String),
    /// No size.
    #[error("{} is no size; write a number with its unit, for example \"512MiB\" or \"1.5 GiB\"", quoted(.0))]
    Size(String),
    /// A number outside its range.
    #[error("{given} is out of range; it must be {least} to {most}")]
    Range {
        /// What was written.
        given: String,
        /// The least that does.
        least: &'static str,
        /// The most that does.
        most: &'static str,
    },
    /// None of the known words.
    #[error("unknown value {}; {}", quoted(.given), Choice { given, known })]
    Unknown {
        /// What was written.
        given: String,
        /// The words that would do.
        known: &'static [&'static str],
    },
    /// A built-in hidden entry that stays hidden.
    #[error("{} keeps the record of what was done, and is hidden in every ring; remove it", quoted(.0))]
    NeverRevealed(String),
    /// No variable's name.
    #[error("{} is no name of a variable; write a name such as \"RUST_LOG\" or a pattern such as \"MY_*\"", quoted(.0))]
    VariableName(String),
    /// No host.
    #[error("{} is no host: {why}; write for example \"example.com:443\", \"*.example.com\", \"[::1]:8080\" or \"preset:npm\"", quoted(.given))]
    Host {
        /// What was written.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No name of a part of the enforcement.
    #[error("{} is no name of a part; write it as the refusal named it, for example \"protect.git\"", quoted(.0))]
    AcceptName(String),
    /// `all` in a list of `read`.
    #[error("{} is a word of its own; write it alone, or only paths", quoted(.0))]
    ReadWord(String),
    /// A text of more than one line where one is shown.
    #[error("{} is more than one line; write one", quoted(.0))]
    OneLine(String),
    /// An empty list where something must stand.
    #[error("is an empty list; write at least one word")]
    EmptyList,
    /// A backslash in a word of a prefix that escapes nothing.
    #[error("{} has a backslash that stands before neither `*` nor another; write `\\\\` for a backslash, and between \"\" each twice, or use ''", quoted(.0))]
    Escape(String),
    /// A rule that allows without asking what is outside the ring.
    #[error("allows a command outside the ring without asking; outside always asks: write \"ask\"")]
    OutsideAllows,
}

impl From<crate::UnknownName> for Problem {
    fn from(unknown: crate::UnknownName) -> Self {
        Self::Unknown {
            given: unknown.given,
            known: unknown.known,
        }
    }
}

struct Choice<'a> {
    given: &'a str,
    known: &'a [&'static str],
}

impl fmt::Display for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        remedy(f, self.given, self.known)
    }
}

struct Listed(&'static [&'static str]);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index == 0 { "$" } else { ", $" };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}
