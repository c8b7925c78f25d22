//! Command rules: what a command line runs, and whether it may.
//!
//! This crate is pure: argv, shell strings and rules come in as data, a [`Verdict`] goes out. `docs/rules.md` says how
//! rules are written and judged; ADR 10 why.
//!
//! ```
//! use ringfence_policy::{Decision, FileText, Layer, read_rules};
//! use ringfence_rules::{RuleSet, Shell};
//!
//! let file = FileText {
//!     path: "rules.toml".into(),
//!     text: r#"
//!         [[rule]]
//!         prefix = ["git", "push"]
//!         decision = "ask"
//!         why = "publishes work"
//!         match = ["git -C sub push origin main"]
//!     "#
//!     .to_owned(),
//! };
//! let rules = read_rules(&file, Layer::User)?;
//! let rules = RuleSet::new(&rules)?;
//! let verdict = rules.judge_shell("cargo test && git push", Shell::Bash);
//! assert_eq!(verdict.decision, Decision::Ask);
//! assert_eq!(
//!     verdict.line(),
//!     "ask: `git push`: publishes work; says user rules.toml:2"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How
//! 1. `read` takes a shell string apart into simple commands, each word known or with gaps.
//! 2. `unwrap` says what a command runs that runs commands: `env`, `sh -c`, `xargs`, `find -exec`, …
//! 3. `line` makes segments of both: commands, wrappers, what was found, what is opaque.
//! 4. `pattern` holds a rule's prefix against a segment: surely, perhaps, not.
//! 5. `judge` takes the strictest over segments, rules and layers.
#![forbid(unsafe_code)]

mod effects;
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
