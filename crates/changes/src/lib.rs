//! Which files a command changed under the write roots.
//!
//! Two ways, one answer ([`Changes`]):
//!
//! - [`Follow`], for a ring that stays. The roots are walked once, in a thread of its own; after that the kernel tells what
//!   happens (`inotify(7)`), and a command costs what it changes, however large the tree is.
//! - [`Snapshot`], for one command: a walk before it and a walk after it.
//!
//! ```
//! use ringfence_changes::{How, Options, Snapshot};
//!
//! let root = std::env::temp_dir().join(format!("rf-changes-doc-{}", std::process::id()));
//! std::fs::create_dir(&root)?;
//! let before = Snapshot::take([&root], Options::default());
//! std::fs::write(root.join("made"), "by a command")?;
//! let changes = before.changes();
//! std::fs::remove_dir_all(&root)?;
//!
//! let made = &changes.roots[0].entries[0];
//! assert_eq!((made.path.to_str(), &made.how, made.after), (Some("made"), &How::Added, Some(12)));
//! assert!(changes.incomplete.is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What is told, and what is not
//! The state before is held against the state after: what was made and removed in between is no change. No content is read: a
//! file is [`How::Modified`] when its size, its time of modification or its inode number became another. A file is taken for
//! the same under another name when inode number and time of birth are the same; where a filesystem has no time of birth, its
//! size and time of modification have to be the same as well.
//!
//! Events have no author. What changes while two commands run is told to both, and what a person's editor writes meanwhile as
//! well.
//!
//! # How
//! 1. `walk` opens directories below a root by handle, lists them, and asks about each entry. No link is followed, nothing but
//!    a directory is opened.
//! 2. `tree` is what is known: a node for each directory, and for each entry what tells another state from this one.
//! 3. `index` brings the tree up to date, from events (`watch`) or from a walk, and notes in the `log` what each place held
//!    before.
//! 4. `net` makes changes out of the log and the tree: what was before is the tree with the log's notes laid over it.
//! 5. `report` sums up, sorts and bounds.
#![forbid(unsafe_code)]

mod changes;
mod compare;
mod detail;
mod follow;
mod generated;
mod index;
mod lister;
mod log;
mod net;
mod options;
pub mod path;
mod reason;
mod report;
mod tree;
mod unseen;
mod walk;
mod watch;

// Unit and integration tests stand on the same ground.
#[cfg(test)]
extern crate self as ringfence_changes;

pub use changes::{Changes, Counts, Entry, How, Kind, RootChanges, Summary};
pub use compare::Snapshot;
pub use detail::{Before, Detail, RootDetails, Stood};
pub use follow::{Follow, Held, Mark};
pub use generated::{GENERATED, Generated};
pub use lister::Lister;
pub use options::Options;
pub use reason::Reason;
