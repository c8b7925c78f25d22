//! What was left as it is, and how far a walk is.

use std::fmt;
use std::sync::Mutex;

use ringfence_plan::windows::Why;
use thiserror::Error;

use crate::disk::DiskError;
use crate::name::Below;

/// So many of what was left are named; all are counted. The root and what is protected are named however many they are.
pub const NAMED: usize = 64;

/// What an object is to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The root: without its ACEs nothing in it has any.
    Root,
    /// Something protected, or on the way to it: this promise is not kept there.
    Guard(&'static str),
    /// Any other.
    Other,
}

/// Why an object was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    /// It grants everything to everybody.
    #[error("it has no DACL: give it one (`icacls PATH /reset`)")]
    NoDacl,
    /// This user may not change its permissions.
    #[error("you may not change its permissions: its owner or an administrator can grant you that")]
    NotYours,
    /// The user would lose a right.
    #[error("you would lose a right to it")]
    WouldTakeFromYou,
    /// It has names by which it may lie elsewhere: no grant is put on it.
    #[error(
        "it has other names (hard links), which may lie elsewhere: what commands shall write has to be a copy, or made by them"
    )]
    OtherNames,
    /// The volume said that it was written, and has something else.
    #[error("its volume took the permissions and did not keep them: move it to an NTFS volume")]
    NotKept,
    /// It was changed each time between reading and writing.
    #[error("its permissions are being changed by another program: try again")]
    Changing,
    /// The volume.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<Why> for Reason {
    fn from(why: Why) -> Reason {
        match why {
            Why::NoDacl => Reason::NoDacl,
            Why::NotYours => Reason::NotYours,
            Why::WouldTakeFromYou => Reason::WouldTakeFromYou,
        }
    }
}

/// An object that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub path: Below,
    /// What it is to the plan.
    pub part: Part,
    /// Why.
    pub why: Reason,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Root => write!(f, "the directory itself: {}", self.why),
            Part::Guard(promise) => write!(f, "{} [{promise}]: {}", self.path, self.why),
            Part::Other => write!(f, "{}: {}", self.path, self.why),
        }
    }
}

/// How far a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Objects looked at.
    pub seen: u64,
    /// Descriptors written.
    pub written: u64,
    /// Objects left as they are, for a reason.
    pub left: u64,
    /// Reparse points, which are passed by.
    pub passed: u64,
}

/// Who waits for a walk.
pub trait Control: Sync {
    /// It went on. Called by several threads.
    fn progress(&self, progress: Progress) {
        let _unwanted = progress;
    }

    /// Whether it is to stop. What was written stays, and the next walk goes on from there.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Another process walks here; it is waited for.
    fn waiting(&self) {}
}

/// Nobody.
impl Control for () {}

/// What several threads count together.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<(Progress, Vec<Left>)>);

impl Tally {
    fn with<T>(&self, change: impl FnOnce(&mut Progress, &mut Vec<Left>) -> T) -> T {
        let mut both = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (progress, left) = &mut *both;
        change(progress, left)
    }

    pub(crate) fn saw(&self, objects: usize) {
        self.with(|progress, _| progress.seen += objects as u64);
    }

    pub(crate) fn wrote(&self, descriptors: u64) {
        self.with(|progress, _| progress.written += descriptors);
    }

    pub(crate) fn passed(&self) {
        self.with(|progress, _| progress.passed += 1);
    }

    pub(crate) fn left(&self, path: Below, part: Part, why: Reason) {
        self.with(|progress, left| {
            progress.left += 1;
            if part != Part::Other || left.len() < NAMED {
                left.push(Left { path, part, why });
            }
        });
    }

    pub(crate) fn has_left(&self, part: Part) -> bool {
        self.with(|_, left| left.iter().any(|left| left.part == part))
    }

    pub(crate) fn progress(&self) -> Progress {
        self.with(|progress, _| *progress)
    }

    pub(crate) fn take(&self) -> (Progress, Vec<Left>) {
        self.with(|progress, left| (*progress, std::mem::take(left)))
    }
}
