//! Rings on Windows, as the user: a token that is asked twice before it writes, and a job.
//!
//! The same way as on Linux ([`crate`]), with parts of its own: the machine is tried ([`machine`]), paths are looked at by
//! their handles ([`survey`]), what is planned with [`ringfence_plan::windows`] is granted in the journal
//! ([`grant`]), and the command is started by the runner's library with handles and a console that are its own
//! ([`relay`]).

mod advice;
mod console;
pub(crate) mod convert;
mod grant;
mod hold;
mod machine;
mod not_started;
mod prepare;
mod program;
mod record;
mod relay;
mod supervise;
mod survey;
mod sweep;
mod temp;
#[cfg(test)]
mod tests;
mod undecided;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ringfence_ops::Outcome;
use ringfence_policy::Flags;
use ringfence_sys_windows::process::{Process, access};

use crate::pty::PtyMode;
use crate::recorded::By;

pub use grant::{Control, Place, Progress, Root, Stage, Undone, Unreadable, roots, undo, which};
pub use machine::facts;
pub use prepare::{Begun, begin};
pub use supervise::{run, run_watched};

/// Whether a process lives that was started before a time, but for two seconds.
#[must_use]
pub fn lives(pid: u32, then: SystemTime) -> bool {
    /// Between 1601, where Windows begins to count, and 1970.
    const EPOCHS: Duration = Duration::from_secs(11_644_473_600);
    let Ok(process) = Process::open(pid, access::QUERY_LIMITED | access::SYNCHRONIZE) else {
        return false;
    };
    let Ok(None) = process.exit_code() else {
        return false;
    };
    let then = then
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    process.created().is_ok_and(|created| {
        // In 100 ns.
        let created = Duration::from_micros(created / 10);
        created <= EPOCHS + then + Duration::from_secs(2)
    })
}

/// What a person asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The command: program and arguments.
    pub argv: Vec<OsString>,
    /// The workspace; where it is not named, the current directory.
    pub workspace: Option<PathBuf>,
    /// Where the command starts, and from where policies are looked for; where it is not named, the
    /// current directory.
    pub directory: Option<PathBuf>,
    /// What the flags say of the policy.
    pub flags: Flags,
    /// How the command's terminal is made.
    pub pty: PtyMode,
    /// The built-in rules about commands hold too, below those of the policy: for commands that an agent
    /// chose, and no person.
    pub starting_rules: bool,
    /// Who asks, as the ledger names it.
    pub by: By,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code, all 32 bits of it.
    Exited(u32),
    /// Its time was up.
    TimedOut,
    /// It printed more than it may.
    TooMuchOutput,
}

impl Ended {
    /// Its name in reports and in the ledger, and the exit code.
    #[must_use]
    pub fn named(self) -> (&'static str, Option<u32>) {
        match self {
            Ended::Exited(code) => ("exited", Some(code)),
            Ended::TimedOut => ("timed-out", None),
            Ended::TooMuchOutput => ("too-much-output", None),
        }
    }
}

/// What was done on the machine for one command, beside the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Security descriptors written on objects that were there.
    pub descriptors: u64,
    /// Processes started, the command's own among them.
    pub processes: u64,
}

/// A protected name that appeared and was taken away; or that was not, or that another object has now: with why it is to be looked
/// at.
pub type Taken = (PathBuf, Option<String>);

/// A command that ran.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// `unelevated`; none for a command that ran without a ring.
    pub ring: Option<&'static str>,
    /// What was really enforced.
    pub outcome: Outcome,
    /// What became of protected names.
    pub taken_away: Vec<Taken>,
    /// What commands cannot write although it was asked for, and why.
    pub left_out: Vec<String>,
    /// Processor time of all its processes, microseconds.
    pub cpu_us: u64,
    /// Wall-clock time.
    pub elapsed: Duration,
    /// What was done on the machine for it.
    pub done: Done,
}
