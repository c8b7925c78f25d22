//! What was not seen.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::path;

/// Why [`Changes`](crate::Changes) are not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The mark was set before the first walk had come to its end. What was changed later than the mark, by its times, is
    /// told; what was deleted in directories that had not been reached cannot be.
    NotWalked {
        /// The walk has ended since. Else directories are missing that it has still to reach.
        ended: bool,
    },
    /// A root is not there, or was deleted, moved or replaced.
    RootGone {
        /// The root, as it was given.
        #[serde(with = "path")]
        root: PathBuf,
    },
    /// Directories that are not watched, and were not walked either.
    Unwatched {
        /// How many.
        directories: u64,
        /// One of them, as a whole path.
        #[serde(with = "path")]
        one: PathBuf,
    },
    /// Directories that could not be read, or lie too deep (4096 bytes of path).
    Unreadable {
        /// How many.
        directories: u64,
        /// One of them, as a whole path.
        #[serde(with = "path")]
        one: PathBuf,
    },
    /// Directories that are not looked into: other filesystems are mounted there, or they stand at two places at once.
    OtherMount {
        /// How many.
        directories: u64,
        /// One of them, as a whole path.
        #[serde(with = "path")]
        one: PathBuf,
    },
    /// Directories were being changed as fast as they could be looked at, and some were not looked at to the end.
    Unsettled,
    /// More was changed since the mark than is kept ([`Options::log`](crate::Options::log)). Nothing is told.
    Forgotten,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directories = |n: &u64| if *n == 1 { "directory" } else { "directories" };
        match self {
            Reason::NotWalked { ended: true } => f.write_str(
                "the first walk had not ended when this began: deletions may be missing",
            ),
            Reason::NotWalked { ended: false } => {
                f.write_str("the first walk has not ended: directories are missing")
            }
            Reason::RootGone { root } => write!(
                f,
                "`{}` is gone, or another directory stands there",
                root.display()
            ),
            Reason::Unwatched {
                directories: n,
                one,
            } => write!(
                f,
                "{n} {} not watched: the kernel or `watches` allows no more; one is `{}`",
                directories(n),
                one.display()
            ),
            Reason::Unreadable {
                directories: n,
                one,
            } => write!(
                f,
                "{n} {} that could not be read; one is `{}`",
                directories(n),
                one.display()
            ),
            Reason::OtherMount {
                directories: n,
                one,
            } => write!(
                f,
                "{n} {} not looked into: something else is mounted there; one is `{}`",
                directories(n),
                one.display()
            ),
            Reason::Unsettled => {
                f.write_str("files were being changed as fast as they could be looked at")
            }
            Reason::Forgotten => f.write_str("more was changed than is kept"),
        }
    }
}
