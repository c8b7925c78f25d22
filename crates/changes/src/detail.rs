//! Changes with how each place stood before and stands after: for who keeps what files held.

use std::path::PathBuf;

use crate::changes::{How, Kind};
use crate::net::Raw;
use crate::report::as_path;
use crate::tree::Meta;

/// How an entry stands, as far as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// What it is.
    pub kind: Kind,
    /// Its permissions: the last twelve bits of `st_mode(2)`.
    pub mode: u32,
    /// In bytes; 0 for a directory.
    pub size: u64,
    /// When its content last changed, in nanoseconds since 1970; 0 for a directory.
    pub modified: i64,
    /// When anything about it last did; 0 for a directory.
    pub changed: i64,
}

/// What stood somewhere before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// This.
    Stood(Stood),
    /// Something of this kind, and no more is known.
    Unknown(Kind),
}

/// A change, in generated directories too. Paths are as an [`Entry`](crate::Entry) has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Where, relative to the root.
    pub path: PathBuf,
    /// Where it was, of what was renamed.
    pub from: Option<PathBuf>,
    /// What stood there before.
    pub before: Before,
    /// What stands there; `None` where nothing does.
    pub after: Option<Stood>,
}

/// All changes of a root, in the order of their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootDetails {
    /// The root, as it was given.
    pub root: PathBuf,
    /// None is left out.
    pub details: Vec<Detail>,
}

impl From<&Meta> for Stood {
    fn from(meta: &Meta) -> Stood {
        Stood {
            kind: meta.kind(),
            mode: meta.permissions(),
            size: meta.size,
            modified: meta.modified,
            changed: meta.changed,
        }
    }
}

impl Detail {
    pub(crate) fn of(raw: &Raw) -> Detail {
        let before = match (&raw.how, &raw.was) {
            (How::Added, _) => Before::Nothing,
            (_, Some(was)) => Before::Stood(was.into()),
            (_, None) => Before::Unknown(raw.kind),
        };
        Detail {
            path: as_path(raw.path.clone()),
            from: raw.from.clone().map(as_path),
            before,
            after: raw.is.as_ref().map(Stood::from),
        }
    }
}
