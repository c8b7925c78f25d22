//! Before-images: what files held before a command changed them, and putting it back.
//!
//! A directory of the user's, hidden in every ring:
//!
//! ```text
//! undo/lock            what whoever writes here holds
//! undo/size            how much the objects take up, as far as it was counted
//! undo/objects/…       contents of files, by their BLAKE3 digest
//! undo/known/…         for each directory that may be written: each file's state, and the digest of its content
//! undo/commands/…      for each command that changed something: what was before and what was after (a [`Manifest`])
//! ```
//!
//! # How
//! 1. [`Keeper::begin`] walks a directory and reads what is not known yet. What is known already costs a `statx(2)`.
//! 2. A command runs. Somebody else sees what it changes, and how that stood before it.
//! 3. [`Keeper::capture`] is told so, and looks up what those files held: by their size, their times and their permissions as they
//!    were before the command. A file that became another before it was read has no before-image, and the manifest says so.
//! 4. [`plan()`] holds a manifest against what is there now. What is not as the command left it is left alone.
//! 5. [`restore()`] does what the plan says, and keeps what it takes away, with a manifest of its own.
//!
//! # What it stands on
//! The trees are writable by commands, at that very time. A file is opened from its root's handle, below it, and through no link
//! (`openat2(2)`); nothing but a regular file is read. A content is taken for that of a state only when the file's state was the
//! same before and after it was read, and older than the clock's tick.
#![forbid(unsafe_code)]

mod below;
mod bounds;
mod error;
mod exclude;
mod keeper;
mod known;
mod manifest;
mod obeyed;
mod plan;
mod put;
mod restore;
mod state;
mod store;
mod take;
mod walk;

#[cfg(test)]
mod tests;

pub use bounds::{Bounds, Most};
pub use error::Error;
pub use keeper::{Begun, Captured, Keeper};
pub use manifest::{Key, Manifest, RootSteps, Step};
pub use obeyed::Obeyed;
pub use plan::{Left, Plan, Planned, Verdict, What, plan};
pub use restore::{Done, restore};
/// What whoever follows a command tells of it.
pub use ringfence_changes::{Before, Detail, Kind, Stood};
pub use state::{Content, Hash, Stat, State, Why};
pub use store::Store;
