//! The ledger: what ran, in which ring, who allowed it, and how it ended.
//!
//! A directory of the user's, hidden in every ring:
//!
//! ```text
//! ledger/00000001.jsonl   records, one JSON object a line, each with the hash of the one before
//! ledger/00000002.jsonl   the same chain goes on: a file a day, or each 8 MiB
//! ledger/head             where the chain ends; what writers lock
//! ledger/policies/        the policies that records name, by their digests
//! ```
//!
//! Any number of processes append; each append is locked, one write, and acknowledged when it is written. What a writer
//! that died left behind is mended by the next one. What somebody changed is found by [`verify`](verify::verify), and where the
//! end is not as it was left a new chain begins that says so: nothing is ever mended that was acknowledged.
//! Why files and no database: `docs/adr/0012-the-ledger.md`.
//!
//! ```
//! use ringfence_ledger::{CommandEnded, Event, Keep, Ledger, verify::verify};
//!
//! let dir = std::env::temp_dir().join(format!("ledger-doc-{}", std::process::id()));
//! let ledger = Ledger::new(dir.clone(), Keep::default());
//! let ended = CommandEnded { command: 1, how: "exited".to_owned(), value: Some(0), ..CommandEnded::default() };
//! let seq = ledger.append(|_| vec![Event::CommandEnded(ended)])?;
//! // The first record says that a ledger begins.
//! assert_eq!(seq, 2);
//! assert!(verify(&dir, &[])?.is_whole());
//! # std::fs::remove_dir_all(dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod digest;
mod event;
pub mod export;
mod head;
mod keep;
mod read;
mod record;
mod segment;
pub mod shell;
mod store;
pub mod story;
mod sys;
mod text;
pub mod verify;

pub use digest::{Digest, NoDigest};
pub use event::{
    ApprovalAnswered, ApprovalAsked, Beginning, CommandEnded, CommandRefused, CommandStarted,
    Denial, Event, FileChanged, FilesChanged, GeneratedChanged, HostChanged, Known, Opened,
    PolicyKept, Removed, RingEnded, RingMade, RingRefused, RingWidened, RootChanged, Shortfall,
    UndoEnded, UndoStarted,
};
pub use keep::Keep;
pub use read::{Entries, Entry, Place, entries, kept_policy, latest};
pub use record::{NoRecord, Record};
pub use store::{Error, Ledger};
pub use text::{REDACTED, Text, without_secrets, words};
