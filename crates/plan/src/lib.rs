//! Policy, site and facts in; a plan out. Pure and deterministic: no clock, no
//! environment, no file system.
//!
//! A [`Site`] is what the harness found on disk for one policy (write roots, protected
//! and hidden objects, sockets), each resolved once. [`plan()`] turns it into the steps
//! that build the ring on a machine with these [`Facts`], and
//! says which promises that ring keeps less than whole. [`judge()`] reads a plan back: it
//! answers what the ring will do with a path, from the very steps that build it.
#![forbid(unsafe_code)]

mod judge;
mod landlock_only;
mod namespaces;
pub mod promise;
mod site;
pub mod windows;

pub use judge::{Access, Judgement, judge};
pub use site::{CacheSite, Doubt, Guarded, Hidden, KeptDir, Missing, Root, SecondPlace, Site};

use std::fmt;

use ringfence_ops::linux::{Op, Step};
use ringfence_ops::{Facts, Need, Outcome, Shortfall};
use ringfence_policy::{Effective, LinuxMode, Mode};

/// Processes a ring may have when the policy does not say.
pub const DEFAULT_PROCESSES: u32 = ringfence_policy::defaults::PROCESSES;

/// How a ring is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingMode {
    /// User, mount, pid and network namespaces, with Landlock and seccomp in them.
    Namespaces,
    /// Landlock and seccomp alone.
    LandlockOnly,
}

impl fmt::Display for RingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RingMode::Namespaces => "namespaces",
            RingMode::LandlockOnly => "landlock-only",
        })
    }
}

/// How a ring is built here, and what it will not keep whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which way.
    pub mode: RingMode,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Promises that are known beforehand to be kept less than whole.
    pub shortfalls: Vec<Shortfall>,
}

/// A policy that cannot be enforced here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Each promise that cannot be kept, with what is missing and how to get it.
    pub lacking: Vec<Shortfall>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this machine cannot enforce the policy:")?;
        for lack in &self.lacking {
            write!(f, "\n  {}: {}", lack.promise, lack.what)?;
            if !lack.remedy.is_empty() {
                write!(f, "; {}", lack.remedy)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Plans the ring of a policy on a machine.
///
/// # Errors
/// [`Refusal`] when the policy requires what this machine cannot enforce and the user
/// has not accepted to do without.
pub fn plan(policy: &Effective, site: &Site, facts: &Facts) -> Result<Plan, Refusal> {
    debug_assert!(
        policy.mode.value != Mode::FullAccess,
        "no ring is planned for full access"
    );
    let mut draft = Draft::new(policy);
    let mode = mode(policy, facts);
    match mode {
        RingMode::Namespaces => namespaces::draft(&mut draft, policy, site, facts),
        RingMode::LandlockOnly => landlock_only::draft(&mut draft, policy, site, facts),
    }
    draft.finish(mode)
}

/// The way a ring of this policy is built on this machine.
#[must_use]
pub fn mode(policy: &Effective, facts: &Facts) -> RingMode {
    match (policy.linux.mode.value, facts.userns.is_yes()) {
        (LinuxMode::LandlockOnly, _) | (LinuxMode::Auto, false) => RingMode::LandlockOnly,
        (LinuxMode::Namespaces | LinuxMode::Auto, _) => RingMode::Namespaces,
    }
}

impl Plan {
    /// The outcome when every step was done as planned, plus what the runner noted.
    pub fn outcome(&self, noted: Vec<Shortfall>) -> Outcome {
        let mut shortfalls = self.shortfalls.clone();
        shortfalls.extend(noted);
        Outcome::of(shortfalls)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ring: {}", self.mode)?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(
                f,
                "{index:4} {:6} {}  [{}]",
                step.need, step.op, step.promise
            )?;
        }
        for short in &self.shortfalls {
            write!(f, "less than whole: {}: {}", short.promise, short.what)?;
            if short.accepted {
                f.write_str(" (accepted)")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The promise that is kept less than whole, besides a step's own, where the step turns out
/// not to be done; and in which way.
#[must_use]
pub fn also_lost(op: &Op) -> Option<(&'static str, &'static str)> {
    namespaces::also_lost(op)
}

/// Whether a policy accepts to do without a promise, by its name or that of a group.
#[must_use]
pub fn accepts(policy: &Effective, promise: &str) -> bool {
    policy.accept.iter().any(|accepted| {
        promise
            .strip_prefix(accepted.value.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// A plan being drawn up.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    policy: &'a Effective,
    steps: Vec<Step>,
    shortfalls: Vec<Shortfall>,
    lacking: Vec<Shortfall>,
}

impl<'a> Draft<'a> {
    fn new(policy: &'a Effective) -> Draft<'a> {
        Draft {
            policy,
            steps: Vec::new(),
            shortfalls: Vec::new(),
            lacking: Vec::new(),
        }
    }

    fn accepts(&self, promise: &str) -> bool {
        accepts(self.policy, promise)
    }

    pub(crate) fn must(&mut self, promise: &'static str, op: Op) {
        self.push(Need::Must, promise, op);
    }

    pub(crate) fn should(&mut self, promise: &'static str, op: Op) {
        self.push(Need::Should, promise, op);
    }

    /// A step that is required unless the user accepted to do without it.
    pub(crate) fn push(&mut self, need: Need, promise: &'static str, op: Op) {
        let need = if need == Need::Must && self.accepts(promise) {
            Need::Should
        } else {
            need
        };
        self.steps.push(Step { op, need, promise });
    }

    /// A promise of the default policy that is kept less than whole: told, not refused.
    pub(crate) fn tell(&mut self, promise: &'static str, what: String, remedy: &str) {
        let accepted = self.accepts(promise);
        self.shortfalls.push(Shortfall {
            promise: promise.to_owned(),
            what,
            remedy: remedy.to_owned(),
            accepted,
        });
    }

    /// A promise that is not kept at all: refused, unless accepted by name.
    pub(crate) fn lack(&mut self, promise: &'static str, what: String, remedy: &str) {
        let accepted = self.accepts(promise);
        let shortfall = Shortfall {
            promise: promise.to_owned(),
            what,
            remedy: remedy.to_owned(),
            accepted,
        };
        if accepted {
            self.shortfalls.push(shortfall);
        } else {
            self.lacking.push(shortfall);
        }
    }

    /// What cannot be done without at all, whatever is accepted.
    pub(crate) fn must_not_do_without(&mut self, promise: &'static str, what: String) {
        self.lacking.push(Shortfall {
            promise: promise.to_owned(),
            what,
            remedy: String::new(),
            accepted: false,
        });
    }

    fn finish_windows(self, plan: windows::Plan) -> Result<windows::Plan, Refusal> {
        if self.lacking.is_empty() {
            Ok(windows::Plan {
                shortfalls: self.shortfalls,
                ..plan
            })
        } else {
            Err(Refusal {
                lacking: self.lacking,
            })
        }
    }

    fn finish(self, mode: RingMode) -> Result<Plan, Refusal> {
        if self.lacking.is_empty() {
            Ok(Plan {
                mode,
                steps: self.steps,
                shortfalls: self.shortfalls,
            })
        } else {
            Err(Refusal {
                lacking: self.lacking,
            })
        }
    }
}
