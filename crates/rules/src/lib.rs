//! Command rules: what a command line runs, and whether it may.
#![forbid(unsafe_code)]

mod error;
mod glob;
pub mod import;
mod judge;
mod line;
mod names;
mod pattern;
mod read;
mod starting;
mod tool;
mod unwrap;
mod verdict;
mod word;

pub use error::RuleError;
pub use judge::{RuleSet, Shell};
pub use starting::{STARTING, starting};
pub use verdict::{Judged, MatchedRule, SegmentKind, Verdict};
