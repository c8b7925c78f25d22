//! What is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::path;
use crate::reason::Reason;

/// What changed, root by root, and what could not be seen.
///
/// # In JSON
/// Field by field as here, names in snake case. A path is a string where it is UTF-8, else `{"base64": "…"}` (RFC 4648 §4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// One for each root, in the order in which they were given. A root inside of another is told with that one.
    pub roots: Vec<RootChanges>,
    /// So many entries and summaries more than are listed, in all roots together. They are counted.
    pub unlisted: u64,
    /// What was not seen, and why. Empty where all was.
    pub incomplete: Vec<Reason>,
}

/// What changed in one root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootChanges {
    /// The root, as it was given.
    #[serde(with = "path")]
    pub root: PathBuf,
    /// How many changes there are outside of the summaries, listed or not.
    pub counts: Counts,
    /// Changes, sorted by path.
    pub entries: Vec<Entry>,
    /// Generated directories in which something changed, sorted by path.
    pub summaries: Vec<Summary>,
}

/// One change.
///
/// All changes of a root are read as one step: first what is gone under its path from before (deleted, renamed) is taken away,
/// then what came is put there. Below a renamed directory, what was deleted has its path from before, all else its path from
/// after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where, relative to the root.
    #[serde(with = "path")]
    pub path: PathBuf,
    /// What it is; of what was deleted, what it was.
    pub kind: Kind,
    /// What happened.
    #[serde(flatten)]
    pub how: How,
    /// Its size before, in bytes. Of files and links; none where it was not there or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Its size after, in bytes. Of files and links; none where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum How {
    /// It was not there before.
    Added,
    /// Its size, its time of modification or its inode number is another; or it was written to, and none of them tells.
    Modified,
    /// It is not there any more.
    Deleted,
    /// It has another path now. A directory is told alone, not with what lies in it.
    Renamed {
        /// Where it was, relative to the root.
        #[serde(with = "path")]
        from: PathBuf,
        /// Its size, its time of modification or its permissions are others as well.
        modified: bool,
    },
    /// Only its permissions are others: the last twelve bits of `st_mode(2)`.
    Mode {
        /// Before.
        was: u32,
        /// And after.
        mode: u32,
    },
    /// Something of another kind stands there.
    Replaced {
        /// What stood there.
        was: Kind,
    },
    /// Only its time of change is another: owner, extended attributes, a rename there and back, another name that came and
    /// went, or a write after which its time of modification was set back.
    Touched,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket, a device.
    Special,
}

/// How many there are of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// [`How::Added`].
    pub added: u64,
    /// [`How::Modified`].
    pub modified: u64,
    /// [`How::Deleted`].
    pub deleted: u64,
    /// [`How::Renamed`].
    pub renamed: u64,
    /// [`How::Mode`].
    pub mode: u64,
    /// [`How::Replaced`].
    pub replaced: u64,
    /// [`How::Touched`].
    pub touched: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, how: &How) {
        let one = match how {
            How::Added => &mut self.added,
            How::Modified => &mut self.modified,
            How::Deleted => &mut self.deleted,
            How::Renamed { .. } => &mut self.renamed,
            How::Mode { .. } => &mut self.mode,
            How::Replaced { .. } => &mut self.replaced,
            How::Touched => &mut self.touched,
        };
        *one += 1;
    }

    /// All of them together.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.added
            + self.modified
            + self.deleted
            + self.renamed
            + self.mode
            + self.replaced
            + self.touched
    }
}

/// A generated directory in which something changed: itself, and what lies in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The directory, relative to the root.
    #[serde(with = "path")]
    pub path: PathBuf,
    /// Changes in it, directories among them.
    pub counts: Counts,
    /// How large is what was added, modified or renamed in it now, in bytes.
    pub written: u64,
    /// And what was deleted, before.
    pub deleted: u64,
}
