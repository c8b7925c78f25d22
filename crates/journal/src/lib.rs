//! Lasting changes to the host: noted before each is made, made, and taken back.
//!
//! On Windows a write root gets ACEs (`ringfence-plan` says which), and so does all that is in it. [`grant()`] puts them there,
//! [`undo()`] takes them back. For each root there is one file:
//!
//! ```text
//! JOURNALS/VOLUME-FILE.jsonl   whose it is, each plan, each object's descriptor before it was changed, whether the walk ended
//! JOURNALS/VOLUME-FILE.lock    held by who walks or takes back
//! ```
//!
//! - An object is noted, and that is on the disk, before its descriptor is written. The first note of an object stays.
//! - A walk that was broken off goes on with the next: what has its ACEs is not written again.
//! - A tree that was walked is not walked again: the journal's last line, the root and what is protected in it are looked at, as many
//!   objects in a tree of 100 files as in one of a million.
//! - Objects are opened by name in the directory that was opened before, and known by their numbers. Nothing that leads
//!   elsewhere is entered or changed.
//! - What somebody else changed meanwhile stays; what is ours goes.
//!
//! What is done to a volume is behind [`Disk`]: Windows, or a simulation that is stopped after each step.
#![forbid(unsafe_code)]

mod aims;
mod back;
mod book;
mod crew;
mod disk;
mod grant;
mod left;
mod line;
mod name;
mod shelf;
#[cfg(windows)]
mod sys;
#[cfg(test)]
mod tests;
mod undo;

pub use book::JournalError;
pub use disk::{Disk, DiskError, Entry, Facts, Kind};
pub use grant::{Grant, GrantError, Granted, Way, grant};
pub use left::{Control, Left, NAMED, Part, Progress, Reason};
pub use name::{Below, Name};
#[cfg(windows)]
pub use sys::windows;
pub use undo::{Place, Root, State, UndoError, Undone, list, path_of, undo};
