//! What happens in one ring, on its way to the ledger.
//!
//! A command is recorded before it starts: what cannot be recorded is not started, unless that was accepted by name
//! (`accept = ["ledger"]`). Its end is recorded before anybody is told of it.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use ringfence_ledger::{
    CommandEnded, CommandStarted, Denial, Digest, Event, Keep, Known, Ledger, RingEnded, RingMade,
    RingRefused, RingWidened, Text,
};
use ringfence_ops::{Facts, Outcome, Shortfall};
use ringfence_plan::{Plan, promise};
use ringfence_policy::{Effective, Snapshot};
use ringfence_undo::{Key, Store};
use ringfence_wire::Widening;

use crate::changed::{self, Began, Changes, Following};
use crate::error::Error;
use crate::keeping::{self, Keeping};
use crate::prepare::Prepared;
use crate::recorded::{By, recorded, shortfalls, shown};
use crate::site::Made;
use crate::state::State;
use crate::traced::Refusal;

mod answers;

/// What records what happens in one ring.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// `None` where there is no place for one.
    ledger: Option<Ledger>,
    /// A person accepted that what cannot be recorded runs.
    accepted: bool,
    by: By,
    /// The number of the record that made the ring; 0 before.
    ring: AtomicU64,
    /// What was known then to be less than whole: it is not told twice.
    planned: Mutex<Vec<Shortfall>>,
    /// What the plan enforces.
    enforced: OnceLock<Outcome>,
    /// The record of its first command.
    first: AtomicU64,
    ended: AtomicBool,
    unwritten: AtomicU64,
    /// Why the first of those could not be written.
    why: Mutex<Option<String>>,
    /// The commands that run: the numbers of their records, and since when.
    running: Mutex<HashMap<u32, (u64, Instant)>>,
    /// Repositories that were recorded.
    planted: Mutex<HashSet<PathBuf>>,
    /// What follows the write roots, in a ring that stays.
    pub(crate) following: Following,
    /// Whether what files held before commands is kept, and where.
    snapshot: Snapshot,
    store: Option<Store>,
    /// What keeps it, in a ring that stays.
    keeping: OnceLock<Keeping>,
    /// By what the commands that run are known to who keeps.
    keys: Mutex<HashMap<u32, Key>>,
    /// Too many other rings are followed.
    unfollowed: AtomicBool,
    /// Where the commands that run began, and whether others ran at the same time.
    began: Mutex<HashMap<u32, (Began, bool)>>,
    /// Questions that were asked: what about, and the numbers of their records. The newest last.
    asked: Mutex<Vec<(Digest, u64)>>,
}

/// So many questions are known by their records.
const ASKED_MAX: usize = 64;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    pub(crate) fn new(policy: &Effective, state: Option<&State>, by: By) -> Recorder {
        let keep = Keep {
            time: policy.ledger.keep.value,
            size: policy.ledger.size.value,
        };
        Recorder {
            ledger: state.map(|state| Ledger::new(state.ledger(), keep)),
            accepted: ringfence_plan::accepts(policy, promise::LEDGER),
            by,
            ring: AtomicU64::new(0),
            planned: Mutex::default(),
            enforced: OnceLock::new(),
            first: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            unwritten: AtomicU64::new(0),
            why: Mutex::default(),
            running: Mutex::default(),
            planted: Mutex::default(),
            following: Following::default(),
            snapshot: policy.snapshot.value,
            store: state.map(keeping::store),
            keeping: OnceLock::new(),
            keys: Mutex::default(),
            unfollowed: AtomicBool::new(false),
            began: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// Records what must be recorded before something may be: the number of the first record, or 0 where that it
    /// cannot be is accepted.
    fn must(&self, make: impl FnOnce(u64) -> Vec<Event>) -> Result<u64, Error> {
        self.must_known(make).map(|(first, _)| first)
    }

    /// The same, with each record's hash.
    fn must_known(&self, make: impl FnOnce(u64) -> Vec<Event>) -> Result<(u64, Vec<Known>), Error> {
        let written = match &self.ledger {
            Some(ledger) => ledger.append_known(make).map_err(Error::Ledger),
            None => Err(Error::NoLedger),
        };
        match written {
            Err(error) if self.accepted => {
                self.count(&error);
                Ok((0, Vec::new()))
            }
            written => written,
        }
    }

    /// A command is known by its record from now on.
    fn known(&self, id: u32, record: Option<&Known>) {
        if let Some(record) = record {
            held(&self.keys).insert(id, key(record));
        }
    }

    /// Where what files held is kept for a command that runs alone, where that is wanted.
    pub(crate) fn keeps_alone(&self) -> Option<Store> {
        self.store.clone().filter(|_| self.snapshot == Snapshot::On)
    }

    /// By what the only command of a ring is known to who keeps.
    pub(crate) fn only_key(&self) -> Option<Key> {
        held(&self.keys).get(&FIRST).cloned()
    }

    /// Records what has happened already.
    fn note(&self, make: impl FnOnce(u64) -> Vec<Event>) {
        let written = match &self.ledger {
            Some(ledger) => ledger.append(make).map_err(Error::Ledger),
            None => Err(Error::NoLedger),
        };
        if let Err(error) = written {
            self.count(&error);
        }
    }

    fn count(&self, error: &Error) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        held(&self.why).get_or_insert_with(|| error.to_string());
    }

    fn ring(&self) -> u64 {
        self.ring.load(Ordering::Relaxed)
    }

    fn known_ring(&self) -> Option<u64> {
        Some(self.ring()).filter(|ring| *ring > 0)
    }

    /// What could not be recorded, as what is kept less than whole.
    pub(crate) fn shortfall(&self) -> Option<Shortfall> {
        let unwritten = self.unwritten.load(Ordering::Relaxed);
        (unwritten > 0).then(|| Shortfall {
            promise: promise::LEDGER.to_owned(),
            what: format!(
                "not recorded, {unwritten} times: {}",
                held(&self.why).clone().unwrap_or_default()
            ),
            remedy: String::new(),
            accepted: self.accepted,
        })
    }

    /// Which files the ring's commands change is followed from now on.
    pub(crate) fn follow(&self, roots: Vec<PathBuf>) {
        if self.following.begin() {
            self.follow_also(roots);
        } else {
            self.unfollowed.store(true, Ordering::Relaxed);
        }
    }

    /// And in these as well.
    pub(crate) fn follow_also(&self, roots: Vec<PathBuf>) {
        let Some(follow) = self.following.follow(&roots) else {
            return;
        };
        if self.snapshot == Snapshot::Off || self.ledger.is_none() {
            return;
        }
        if self.keeping.get().is_none()
            && let Some(store) = self.store.clone()
            && let Some(keeping) = Keeping::start(store, self.snapshot)
        {
            // Nobody else begins: a ring is made once.
            let _begun = self.keeping.set(keeping);
        }
        if let Some(keeping) = self.keeping.get() {
            keeping.roots(roots, follow);
        }
    }

    /// A ring is being made; for one command, if there is one.
    pub(crate) fn made(
        &self,
        prepared: &Prepared,
        plan: Option<&Plan>,
        order: Option<&[u8]>,
        runner: Option<u32>,
        command: Option<CommandStarted>,
    ) -> Result<(), Error> {
        let policy = &prepared.policy;
        let digest = Digest::of_value(policy);
        // Its text is some 25 KB, and the same for most commands.
        let shown = || shown::policy(policy);
        let kept = match &self.ledger {
            Some(ledger) => ledger.keep_policy(digest, shown).map_err(Error::Ledger),
            None => Err(Error::NoLedger),
        };
        let kept = match kept {
            Err(error) if self.accepted => {
                self.count(&error);
                None
            }
            kept => kept?,
        };
        let outcome = plan.map_or_else(Outcome::none, |plan| plan.outcome(Vec::new()));
        let made = RingMade {
            by: self.by.name(),
            client: self.by.client.clone(),
            harness: std::process::id(),
            runner,
            uid: Some(prepared.facts.uid),
            gid: Some(prepared.facts.gid),
            sid: None,
            ring: plan.map(|plan| plan.mode.to_string()),
            mode: policy.mode.value.name().to_owned(),
            network: policy.network.mode.value.name().to_owned(),
            workspace: Text::from(&prepared.workspace),
            write: prepared
                .roots
                .iter()
                .map(|root| Text::from(&root.path))
                .collect(),
            accept: policy
                .accept
                .iter()
                .map(|name| name.value.clone())
                .collect(),
            policy: digest,
            plan: order.map(Digest::of),
            facts: {
                let mut facts = facts(&prepared.facts);
                if self.unfollowed.load(Ordering::Relaxed) {
                    facts.push("changed files are not followed".to_owned());
                }
                facts
            },
            enforcement: outcome.enforcement.to_string(),
            shortfalls: shortfalls(&outcome.shortfalls),
            granted: prepared.granted.clone(),
        };
        let _once = self.enforced.set(outcome.clone());
        *held(&self.planned) = outcome.shortfalls;
        let with_command = command.is_some();
        let before = u64::from(kept.is_some());
        let (first, records) = self.must_known(|first| {
            let ring = first + before;
            let mut events: Vec<Event> = kept.into_iter().collect();
            events.push(Event::RingMade(Box::new(made)));
            events.extend(
                command.map(|command| Event::CommandStarted(CommandStarted { ring, ..command })),
            );
            events
        })?;
        let ring = if first > 0 { first + before } else { 0 };
        self.ring.store(ring, Ordering::Relaxed);
        if with_command {
            let seq = if ring > 0 { ring + 1 } else { 0 };
            self.first.store(seq, Ordering::Relaxed);
            self.known(FIRST, records.last());
            held(&self.running).insert(FIRST, (seq, Instant::now()));
        }
        Ok(())
    }

    /// Why a ring, or a command's ring, was not made.
    pub(crate) fn refused(&self, argv: &[OsString], cwd: &Path, error: &Error) {
        // What is not made because it cannot be recorded cannot be recorded.
        if matches!(error, Error::Ledger(_) | Error::NoLedger) {
            return;
        }
        let (argv, _, _) = recorded(argv);
        let refused = RingRefused {
            by: self.by.name(),
            argv,
            cwd: Text::from(cwd),
            error: error.to_string(),
        };
        self.note(|_| vec![Event::RingRefused(refused)]);
    }

    /// A command of a ring that stays is about to start.
    pub(crate) fn started(&self, id: u32, command: CommandStarted) -> Result<(), Error> {
        let command = CommandStarted {
            ring: self.ring(),
            ..command
        };
        let (seq, records) = self.must_known(|_| vec![Event::CommandStarted(command)])?;
        held(&self.running).insert(id, (seq, Instant::now()));
        if let Some(keeping) = self.keeping.get() {
            keeping.starts();
            self.known(id, records.last());
        }
        let mark = self.following.mark();
        let mut began = held(&self.began);
        let shared = !began.is_empty();
        for (_, shared) in began.values_mut() {
            *shared = true;
        }
        began.insert(id, (mark, shared));
        Ok(())
    }

    /// A command ended. What it was that ended it, and what it used, is for who tells.
    pub(crate) fn ended(&self, id: u32, ended: CommandEnded) {
        let began = held(&self.began).remove(&id);
        let changes = began.map(|(began, shared)| (self.since(id, began, shared), shared));
        let command = self.record_of(id);
        let changes =
            changes.and_then(|(changes, shared)| changed::recorded(command?, shared, &changes));
        let mut events: Vec<Event> = changes
            .map(|changes| Event::FilesChanged(Box::new(changes)))
            .into_iter()
            .collect();
        events.extend(self.end_of(id, ended));
        if !events.is_empty() {
            self.note(|_| events);
        }
    }

    /// What a command changed; who keeps is told.
    fn since(&self, id: u32, began: Began, shared: bool) -> Arc<Changes> {
        let Some(keeping) = self.keeping.get() else {
            return self.following.since(id, began, None);
        };
        let mut details = Vec::new();
        let changes = self.following.since(id, began, Some(&mut details));
        let of = held(&self.keys).remove(&id);
        let told = of.filter(|_| !details.is_empty()).map(|of| keeping::Ended {
            of,
            shared,
            details,
            changes: Arc::clone(&changes),
        });
        keeping.ends(told);
        changes
    }

    /// The record that a command began with, where it could be written.
    fn record_of(&self, id: u32) -> Option<u64> {
        let known = held(&self.running).get(&id).map(|(seq, _)| *seq);
        known.filter(|seq| *seq > 0)
    }

    fn end_of(&self, id: u32, ended: CommandEnded) -> Option<Event> {
        let (command, since) = held(&self.running).remove(&id)?;
        // Of one that could not be recorded there is nothing to end.
        if command == 0 {
            return None;
        }
        Some(Event::CommandEnded(CommandEnded {
            command,
            elapsed_us: u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX),
            ..ended
        }))
    }

    /// The only command of a ring ended, and the ring with it.
    pub(crate) fn all_ended(
        &self,
        ended: CommandEnded,
        outcome: &Outcome,
        changes: Option<&Changes>,
    ) {
        let command = self.record_of(FIRST);
        let changes = changes.and_then(|changes| changed::recorded(command?, false, changes));
        let mut events: Vec<Event> = changes
            .map(|changes| Event::FilesChanged(Box::new(changes)))
            .into_iter()
            .collect();
        events.extend(self.end_of(FIRST, ended));
        self.end(events, outcome);
    }

    /// A run came to nothing: before its ring was made, or after.
    pub(crate) fn failed(&self, error: &Error, refused: impl Fn(&Error)) {
        if self.known_ring().is_none() {
            refused(error);
            return;
        }
        // It ran until then, in all of its ring.
        let died = matches!(error, Error::RunnerDied { .. });
        let ended = CommandEnded {
            how: if died { "with-its-ring" } else { "not-started" }.to_owned(),
            error: Some(error.to_string()),
            ..CommandEnded::default()
        };
        let outcome = self.enforced.get().filter(|_| died);
        self.all_ended(ended, outcome.unwrap_or(&Outcome::none()), None);
    }

    /// The ring is gone, with what ran in it.
    pub(crate) fn ring_ended(&self, outcome: &Outcome) {
        self.end(Vec::new(), outcome);
    }

    fn end(&self, mut events: Vec<Event>, outcome: &Outcome) {
        if self.ended.swap(true, Ordering::Relaxed) || self.known_ring().is_none() {
            return;
        }
        if let Some(keeping) = self.keeping.get() {
            keeping.finish();
        }
        let mut left: Vec<_> = held(&self.running).drain().map(|(_, at)| at).collect();
        left.sort_unstable_by_key(|(command, _)| *command);
        events.extend(left.into_iter().map(|(command, since)| {
            Event::CommandEnded(CommandEnded {
                command,
                how: "with-its-ring".to_owned(),
                elapsed_us: u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX),
                ..CommandEnded::default()
            })
        }));
        events.push(Event::RingEnded(RingEnded {
            ring: self.ring(),
            enforcement: outcome.enforcement.to_string(),
            more: {
                let planned = held(&self.planned);
                let more = outcome.shortfalls.iter().filter(|s| !planned.contains(s));
                shortfalls(more)
            },
            unwritten: self.unwritten.load(Ordering::Relaxed),
        }));
        self.note(|_| events);
    }

    /// The ring kept something from being, or set it right.
    fn denied(&self, id: Option<u32>, what: &str, path: &Path, why: Option<String>) {
        let running = held(&self.running);
        let of = |(command, _): &(u64, Instant)| *command;
        let command = match id {
            Some(id) => running.get(&id).map(of),
            // Of one that runs alone it is known.
            None if running.len() == 1 => running.values().next().map(of),
            None => None,
        };
        drop(running);
        let denial = Denial {
            ring: self.ring(),
            command,
            what: what.to_owned(),
            path: Text::from(path),
            why,
        };
        self.note(|_| vec![Event::Denial(denial)]);
    }

    /// Repositories that commands made and in which git would run programs; each is recorded once.
    pub(crate) fn planted(&self, made: &[Made]) {
        for made in made {
            let new = held(&self.planted).insert(made.path.clone());
            if new {
                let runs = made.runs.join(", ");
                self.denied(None, "planted-repository", &made.path, Some(runs));
            }
        }
    }

    /// What was made under a protected name.
    pub(crate) fn taken_away(&self, path: &Path, errno: Option<i32>) {
        match errno {
            None => self.denied(None, "moved-aside", path, None),
            Some(errno) => {
                let why = std::io::Error::from_raw_os_error(errno).to_string();
                self.denied(None, "left-in-place", path, Some(why));
            }
        }
    }

    /// What a traced command was refused.
    pub(crate) fn refused_calls(&self, refusals: &[Refusal]) {
        for refusal in refusals {
            let what = format!("refused-{}", refusal.tried);
            let why = format!("{}: {}; {}", refusal.call, refusal.said(), refusal.because);
            self.denied(Some(FIRST), &what, Path::new(&refusal.of), Some(why));
        }
    }

    /// The ring is about to be made wider.
    pub(crate) fn widened(&self, widening: &Widening) -> Result<(), Error> {
        let texts = |all: &[ringfence_ops::linux::Located]| {
            all.iter().map(|at| Text::from(&at.path)).collect()
        };
        let widened = RingWidened {
            ring: self.ring(),
            read: texts(&widening.reveal),
            write: widening
                .write
                .iter()
                .map(|at| Text::from(&at.path))
                .collect(),
            sockets: texts(&widening.sockets),
        };
        self.must(|_| vec![Event::RingWidened(widened)])?;
        Ok(())
    }

    /// Who speaks for a person where nobody says it.
    pub(crate) fn speaker(&self) -> String {
        self.by.name()
    }
}

/// The number of the only command in a ring of one.
pub(crate) const FIRST: u32 = 1;

fn facts(facts: &Facts) -> Vec<String> {
    let (major, minor) = facts.kernel;
    let mut out = vec![
        format!("linux {major}.{minor}"),
        format!("landlock {}", facts.landlock),
    ];
    let has = [
        (facts.userns.is_yes(), "userns"),
        (facts.seccomp, "seccomp"),
        (facts.proc.is_yes(), "proc"),
        (facts.overlay, "overlay"),
        (facts.cgroup.is_some(), "cgroup"),
        (facts.container.is_some(), "container"),
        (facts.wsl, "wsl"),
        (facts.root, "root"),
    ];
    out.extend(
        has.iter()
            .filter(|(has, _)| *has)
            .map(|(_, name)| (*name).to_owned()),
    );
    out
}

/// By what a record is known to who keeps what files held.
pub(crate) fn key(record: &Known) -> Key {
    Key {
        seq: record.seq,
        hash: record.hash.to_string(),
    }
}
