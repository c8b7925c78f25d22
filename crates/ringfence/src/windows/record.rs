//! What happens in one ring, on its way to the ledger, as on Linux: before the command starts, and when it has ended.

use std::ffi::OsString;
use std::path::Path;

use ringfence_ledger::{
    CommandEnded, CommandStarted, Denial, Digest, Event, Keep, Ledger, RingEnded, RingMade,
    RingRefused, Text,
};
use ringfence_ops::{Outcome, Shortfall};
use ringfence_plan::promise;
use ringfence_policy::Effective;

use super::prepare::Prepared;
use super::{Finished, Request};
use crate::error::Error;
use crate::recorded::{By, command, recorded, shortfalls, shown};
use crate::state::State;

/// What records one command and its ring.
#[derive(Debug)]
pub(super) struct Recorder {
    ledger: Option<Ledger>,
    /// A person accepted that what cannot be recorded runs.
    accepted: bool,
    by: By,
    /// What could not be written, and why the first was not.
    unwritten: u64,
    why: Option<String>,
    /// The records of the ring and of the command; 0 where they could not be written.
    ring: u64,
    command: u64,
    planned: Vec<Shortfall>,
}

impl Recorder {
    pub(super) fn new(policy: &Effective, state: Option<&State>, request: &Request) -> Recorder {
        let keep = Keep {
            time: policy.ledger.keep.value,
            size: policy.ledger.size.value,
        };
        Recorder {
            ledger: state.map(|state| Ledger::new(state.ledger(), keep)),
            accepted: ringfence_plan::accepts(policy, promise::LEDGER),
            by: request.by.clone(),
            unwritten: 0,
            why: None,
            ring: 0,
            command: 0,
            planned: Vec::new(),
        }
    }

    /// Records that a ring is made and the command started. It is not where that cannot be recorded, unless it was accepted.
    pub(super) fn starts(&mut self, prepared: &Prepared, outcome: &Outcome) -> Result<(), Error> {
        match self.written(prepared, outcome) {
            Ok(()) => Ok(()),
            Err(error) if self.accepted => {
                self.count(&error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn written(&mut self, prepared: &Prepared, outcome: &Outcome) -> Result<(), Error> {
        let ledger = self.ledger.as_ref().ok_or(Error::NoLedger)?;
        let policy = &prepared.policy;
        let digest = Digest::of_value(policy);
        let kept = ledger.keep_policy(digest, || shown::policy(policy))?;
        let before = u64::from(kept.is_some());
        let made = RingMade {
            by: self.by.name(),
            client: self.by.client.clone(),
            harness: std::process::id(),
            sid: Some(prepared.facts.user.user.to_string()),
            ring: prepared.ring_name().map(str::to_owned),
            mode: policy.mode.value.name().to_owned(),
            network: policy.network.mode.value.name().to_owned(),
            workspace: Text::from(&prepared.workspace),
            write: prepared.roots().map(Text::from).collect(),
            accept: policy
                .accept
                .iter()
                .map(|name| name.value.clone())
                .collect(),
            policy: digest,
            plan: prepared
                .plan
                .as_ref()
                .map(|plan| Digest::of(plan.to_string().as_bytes())),
            facts: facts(prepared),
            enforcement: outcome.enforcement.to_string(),
            shortfalls: shortfalls(&outcome.shortfalls),
            granted: prepared.granted.clone(),
            ..RingMade::default()
        };
        let command = CommandStarted {
            approval: prepared.answer,
            ..command(&prepared.argv, &prepared.cwd, &prepared.program.path, &[])
        };
        let first = ledger.append(|first| {
            let ring = first + before;
            let mut events: Vec<Event> = kept.into_iter().collect();
            events.push(Event::RingMade(Box::new(made)));
            events.push(Event::CommandStarted(CommandStarted { ring, ..command }));
            events
        })?;
        self.ring = first + before;
        self.command = self.ring + 1;
        self.planned.clone_from(&outcome.shortfalls);
        Ok(())
    }

    /// Why nothing was run, or not to its end.
    pub(super) fn failed(&mut self, argv: &[OsString], cwd: &Path, error: &Error) {
        // What is not made because it cannot be recorded cannot be recorded.
        if matches!(error, Error::Ledger(_) | Error::NoLedger) {
            return;
        }
        if self.ring > 0 {
            let ended = CommandEnded {
                command: self.command,
                how: "not-started".to_owned(),
                error: Some(error.to_string()),
                ..CommandEnded::default()
            };
            let over = self.over(&Outcome::none());
            self.note(vec![Event::CommandEnded(ended), over]);
            return;
        }
        let (argv, _, _) = recorded(argv);
        let refused = RingRefused {
            by: self.by.name(),
            argv,
            cwd: Text::from(cwd),
            error: error.to_string(),
        };
        self.note(vec![Event::RingRefused(refused)]);
    }

    /// The command ended, and its ring with it.
    pub(super) fn ended(&mut self, finished: &Finished) {
        if self.ring == 0 {
            return;
        }
        let (how, value) = finished.ended.named();
        let micros =
            |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut events: Vec<Event> = finished
            .taken_away
            .iter()
            .map(|one| self.taken(one))
            .collect();
        events.push(Event::CommandEnded(CommandEnded {
            command: self.command,
            how: how.to_owned(),
            value: value.map(u32::cast_signed),
            cpu_us: finished.cpu_us,
            elapsed_us: micros(finished.elapsed),
            ..CommandEnded::default()
        }));
        events.push(self.over(&finished.outcome));
        self.note(events);
    }

    fn taken(&self, (path, why): &(std::path::PathBuf, Option<String>)) -> Event {
        let what = if why.is_none() {
            "moved-aside"
        } else {
            "left-in-place"
        };
        Event::Denial(Denial {
            ring: self.ring,
            command: Some(self.command),
            what: what.to_owned(),
            path: Text::from(path),
            why: why.clone(),
        })
    }

    fn over(&self, outcome: &Outcome) -> Event {
        let more = outcome.shortfalls.iter();
        Event::RingEnded(RingEnded {
            ring: self.ring,
            enforcement: outcome.enforcement.to_string(),
            more: shortfalls(more.filter(|short| !self.planned.contains(short))),
            unwritten: self.unwritten,
        })
    }

    fn note(&mut self, events: Vec<Event>) {
        let written = match &self.ledger {
            Some(ledger) => ledger.append(|_| events).map_err(Error::Ledger),
            None => Err(Error::NoLedger),
        };
        if let Err(error) = written {
            self.count(&error);
        }
    }

    fn count(&mut self, error: &Error) {
        self.unwritten += 1;
        self.why.get_or_insert_with(|| error.to_string());
    }

    /// What could not be recorded, as what is kept less than whole.
    pub(super) fn shortfall(&self) -> Option<Shortfall> {
        let why = self.why.as_deref().unwrap_or_default();
        (self.unwritten > 0).then(|| Shortfall {
            promise: promise::LEDGER.to_owned(),
            what: format!("not recorded, {} times: {why}", self.unwritten),
            remedy: String::new(),
            accepted: self.accepted,
        })
    }
}

fn facts(prepared: &Prepared) -> Vec<String> {
    let facts = &prepared.facts;
    let (major, minor, build) = facts.version;
    let mut said = vec![format!("windows {major}.{minor}.{build}")];
    let has = [
        (facts.restricted_tokens.is_yes(), "restricted tokens"),
        (facts.jobs.is_yes(), "jobs"),
        (facts.job_limits.is_yes(), "job limits"),
        (facts.desktop.is_yes(), "desktop limits"),
    ];
    let has = has.iter().filter(|(has, _)| *has);
    said.extend(has.map(|(_, name)| (*name).to_owned()));
    said
}
