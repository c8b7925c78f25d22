//! What whoever follows a command tells of it.

use std::path::PathBuf;

use crate::state::{Kind, State};

/// How an entry stood, as far as whoever follows a command noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub kind: Kind,
    /// Its permissions: the last twelve bits of `st_mode`.
    pub mode: u32,
    /// In bytes. Nothing of directories.
    pub size: u64,
    /// When its content last changed, in nanoseconds since 1970. Nothing of directories.
    pub modified: i64,
    /// When anything about it last did. Nothing of directories.
    pub changed: i64,
}

impl Seen {
    /// Whether a state is this one.
    pub(crate) fn is(&self, state: &State) -> bool {
        let stat = &state.stat;
        let same = stat.kind == self.kind && stat.mode == self.mode;
        same && (self.kind == Kind::Directory
            || (stat.size, stat.modified, stat.changed) == (self.size, self.modified, self.changed))
    }
}

/// What stood somewhere before a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Was {
    /// Nothing.
    Nothing,
    /// This.
    Seen(Seen),
    /// Something of this kind, and no more is known.
    Unknown(Kind),
}

/// One change, relative to its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where; of what was deleted, where it was.
    pub path: PathBuf,
    /// Where it was, of what was renamed.
    pub from: Option<PathBuf>,
    /// Before.
    pub before: Was,
    /// After; `None` where nothing is there any more.
    pub after: Option<Seen>,
}
