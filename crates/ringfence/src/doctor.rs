//! What this machine can enforce, what it lacks, and how to get that.
//!
//! [`examine`] asks the machine, by making a real ring too; [`findings`] reads the answers
//! and is pure, so that tests can pretend.

mod finding;
mod machine;
mod place;
mod rows;

use std::path::PathBuf;

use ringfence_ops::{Facts, Outcome, Shortfall};
use ringfence_plan::RingMode;

pub use finding::{Finding, Status};
pub use machine::examine;
pub use place::{PolicyFile, StateDir};
pub use rows::findings;

/// What was found out about a machine.
#[derive(Debug)]
pub struct Machine {
    /// The kernel's release (`6.18.44-generic`).
    pub release: String,
    /// What plans are made from.
    pub facts: Facts,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu 23.10 and newer).
    pub apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone`, on kernels that have it (Debian's).
    pub userns_clone: Option<u64>,
    /// `user.max_user_namespaces`.
    pub userns_max: Option<u64>,
    /// `fs.inotify.max_user_watches`.
    pub inotify_watches: Option<u64>,
    /// `fs.inotify.max_user_instances`.
    pub inotify_instances: Option<u64>,
    /// The ring this runs in itself: what `RINGFENCE` says.
    pub inside: Option<String>,
    /// The runner's binary.
    pub runner: Binary,
    /// The probe's binary, for `ringfence verify`.
    pub probe: Binary,
    /// The state directory.
    pub state: StateDir,
    /// The policy files of this place.
    pub policies: Vec<PolicyFile>,
    /// What the files are together invalid for; one error a line.
    pub policy_error: Option<String>,
    /// A ring that was really made, with the policy of the managed and the user's file.
    pub ring: Result<Trial, NoRing>,
}

/// Why no ring was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRing {
    /// In words, one line.
    pub why: String,
    /// The promises that could not be kept, where that is why.
    pub lacking: Vec<Shortfall>,
    /// The kernel was not asked for one: something else was in the way before.
    pub before: bool,
}

/// A ring that was made and has run a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// How it was built; `None` where the policy says `full-access`.
    pub mode: Option<RingMode>,
    /// What it really enforced.
    pub outcome: Outcome,
}

/// A binary of Ringfence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binary {
    /// It is there.
    Present(PathBuf),
    /// It is there and speaks another version's protocol.
    Other(PathBuf),
    /// It is not there.
    Missing(PathBuf),
}

impl Machine {
    /// Whether the policy that holds by default can be enforced here: a ring was made.
    #[must_use]
    pub fn can_enforce(&self) -> bool {
        self.policy_error.is_none() && self.ring.as_ref().is_ok_and(|trial| trial.mode.is_some())
    }
}

#[cfg(test)]
#[path = "doctor/tests.rs"]
mod tests;
