//! What came of a command that ran in a ring of its own.

use std::path::PathBuf;
use std::time::Duration;

use ringfence_ops::Outcome;
use ringfence_plan::RingMode;

use crate::changed::Changes;
use crate::launch::Leaving;
use crate::offer::Ran;
use crate::site::Made;
use crate::traced::{Refusal, Traced};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// Its time was up.
    TimedOut,
    /// It printed more than it may.
    TooMuchOutput,
    /// It made protected names over and over.
    Insisted,
}

impl Ended {
    /// Its name in reports and in the ledger, and the exit code or the signal.
    #[must_use]
    pub fn named(self) -> (&'static str, Option<i32>) {
        match self {
            Ended::Exited(status) => ("exited", Some(status)),
            Ended::Signalled(signal) => ("signalled", Some(signal)),
            Ended::TimedOut => ("timed-out", None),
            Ended::TooMuchOutput => ("too-much-output", None),
            Ended::Insisted => ("insisted", None),
        }
    }
}

/// A command that ran.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// How the ring was built; `None` for a command that ran without one.
    pub mode: Option<RingMode>,
    /// What was really enforced.
    pub outcome: Outcome,
    /// Protected names that appeared and were taken away (or, with an error number,
    /// were not).
    pub taken_away: Vec<(PathBuf, Option<i32>)>,
    /// Which files changed meanwhile, where that was asked for.
    pub changes: Option<Changes>,
    /// What the ring refused the command, the latest last, where that was asked for ([`Request::trace`](crate::Request::trace)).
    pub refusals: Vec<Refusal>,
    /// Why it was not seen, in spite of that.
    pub untraced: Option<String>,
    /// What of what it changed is not kept to be undone, where that was asked for, and why.
    pub unkept: Option<String>,
    pub(crate) traced: Option<Traced>,
    /// The ring, as long as it is not wholly gone.
    pub(crate) leaving: Option<Leaving>,
    /// What it was, where something may be offered.
    pub(crate) ran: Option<Ran>,
    /// Repositories that were made or changed in a ring and in which git would run programs, and files that it runs.
    pub made: Vec<Made>,
    /// Largest resident set of the command's own process, KiB.
    pub max_rss_kib: u64,
    /// Processor time, microseconds.
    pub cpu_us: u64,
    /// Wall-clock time.
    pub elapsed: Duration,
}
