//! Undoing what a command changed.
//!
//! What is kept of a command is found by the number and the hash of the record that it started with. The undo is recorded before it
//! begins, and is known by that record: it can be undone as a command can.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringfence_ledger::{
    Event, FilesChanged, Keep, Known, Ledger, Record, Text, UndoEnded, UndoStarted, entries,
};
use ringfence_policy::defaults::WORKSPACE_PROTECTED;
use ringfence_policy::{Flags, Protect};
use ringfence_undo::{Key, Manifest, Obeyed, Store};
pub use ringfence_undo::{Left, Plan, Planned, Step, Verdict, What, Why};

use crate::keeping;
use crate::record::key;
use crate::state::State;
use crate::{layers, workspace};

mod last;

use last::{Last, last};

/// Which command is to be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// That whose record has this number; or an undo.
    Number(u64),
    /// The last that changed something in the workspace around this directory, and was not undone: one whose undo failed or was killed
    /// is meant again.
    LastIn(PathBuf),
}

/// Why nothing can be undone.
#[derive(Debug, thiserror::Error)]
pub enum NoUndo {
    /// There is no place for a ledger.
    #[error("you have no home to keep a ledger in; set HOME or XDG_STATE_HOME")]
    NoHome,
    /// The ledger cannot be read or written.
    #[error("the ledger: {0}")]
    Ledger(String),
    /// No record has this number.
    #[error("no record has the number {0}; `ringfence log` lists commands by theirs")]
    NoRecord(u64),
    /// It is of something else.
    #[error(
        "record {0} is no command's start ({1}); `ringfence log` lists commands by their numbers"
    )]
    NoCommand(u64, &'static str),
    /// The command has not ended.
    #[error("command {0} still runs; it is undone when it has ended")]
    Runs(u64),
    /// It changed nothing.
    #[error(
        "command {0} changed no file that was seen; `ringfence log show {0}` tells what is known of it"
    )]
    Nothing(u64),
    /// None of them did.
    #[error("no command is recorded that changed something in {} and was not undone", .0.display())]
    NoLast(PathBuf),
    /// The last was undone but for something: whether that is meant, or the one before, is for a person to say.
    #[error(
        "of command {command} undo {undo} left {left} changes alone: `ringfence undo-command {command}` tries them again{}",
        or_the_older(*.older)
    )]
    Unclear {
        /// The last command that changed something, and is not undone as a whole.
        command: u64,
        /// Its undo.
        undo: u64,
        /// So many changes it left.
        left: u64,
        /// The one before that was not undone.
        older: Option<u64>,
    },
    /// Nothing is kept of what was before.
    #[error("of command {number} nothing is kept: {why}")]
    NotKept {
        /// The command.
        number: u64,
        /// Why.
        why: String,
    },
    /// What is kept cannot be used.
    #[error("{0}")]
    Store(#[from] ringfence_undo::Error),
}

fn or_the_older(older: Option<u64>) -> String {
    older.map_or_else(String::new, |older| {
        format!(", `ringfence undo-command {older}` undoes the one before")
    })
}

/// A command that can be undone, and what that would do.
#[derive(Debug)]
pub struct Undo {
    store: Store,
    ledger: PathBuf,
    number: u64,
    argv: Vec<Text>,
    plan: Plan,
    forced: bool,
    /// Commands of other rings ran at the same time, and could write there.
    others: bool,
    /// The undo of it that did not come to its end, where that is why it was chosen.
    unfinished: Option<u64>,
}

/// What became of an undo.
#[derive(Debug)]
pub struct Undone {
    /// The undo: with this number it can be undone.
    pub number: u64,
    /// Each change, and what became of it: [`Verdict::Undo`] where it was undone.
    pub plan: Plan,
}

/// What is kept may be written a moment after the end is recorded.
const LATE: Duration = Duration::from_secs(3);
/// Of a command that ended longer ago nothing comes any more.
const LONG_AGO: i64 = 30;

/// What is recorded of a command.
#[derive(Default)]
struct Told {
    started: Option<Record>,
    changed: Option<FilesChanged>,
    ended: Option<Record>,
    /// By what its ring was made.
    by: String,
    /// Commands of other rings ran at the same time, and could write where it could.
    others: bool,
}

/// Looks at what a command changed, and whether it can be undone. Nothing is written. With `force` what changed since is undone as
/// well.
///
/// # Errors
/// [`NoUndo`].
pub fn look(which: &Which, force: bool) -> Result<Undo, NoUndo> {
    let home = layers::home();
    let state = State::of_user(home.as_deref()).ok_or(NoUndo::NoHome)?;
    let ledger = state.ledger();
    let store = keeping::store(&state);
    let (number, unfinished) = match which {
        Which::Number(number) => (*number, None),
        Which::LastIn(directory) => {
            let around = workspace::around(directory, home.as_deref());
            match last(records(&ledger)?, &around) {
                Last::None => return Err(NoUndo::NoLast(around)),
                Last::Command(number) => (number, None),
                Last::Again { command, undo } => (command, Some(undo)),
                Last::Partly {
                    command,
                    undo,
                    left,
                    older,
                } => {
                    return Err(NoUndo::Unclear {
                        command,
                        undo,
                        left,
                        older,
                    });
                }
            }
        }
    };
    let told = told(&ledger, number)?;
    let Some(started) = &told.started else {
        return Err(NoUndo::NoRecord(number));
    };
    let argv = match &started.event {
        Event::CommandStarted(started) => started.argv.clone(),
        Event::UndoStarted(started) => [
            "ringfence".to_owned(),
            "undo-command".to_owned(),
            started.command.to_string(),
        ]
        .map(|word| Text::from(Path::new(&word)))
        .to_vec(),
        other => return Err(NoUndo::NoCommand(number, other.name())),
    };
    let is_command = matches!(started.event, Event::CommandStarted(_));
    let of = key(&Known {
        seq: started.seq,
        hash: started.hash,
    });
    let manifest = kept(&store, &of, &told)?;
    let Some(manifest) = manifest else {
        return Err(match (&told.changed, &told.ended) {
            (_, None) if is_command => NoUndo::Runs(number),
            (None, _) if is_command && !told.is_alone() => NoUndo::Nothing(number),
            _ => NoUndo::NotKept {
                number,
                why: told.why_not(),
            },
        });
    };
    if manifest.roots.is_empty() {
        let why = match &manifest.nothing {
            Some(why) => why.clone(),
            None => format!(
                "its {} changes are in generated directories",
                manifest.generated
            ),
        };
        return Err(NoUndo::NotKept { number, why });
    }
    let obeyed = obeyed(&manifest, home.as_deref(), &state);
    let plan = ringfence_undo::plan(&store, manifest, force, &obeyed)?;
    Ok(Undo {
        store,
        ledger,
        number,
        argv,
        plan,
        forced: force,
        others: told.others,
        unfinished,
    })
}

/// What programs outside of rings obey below a root, as the policy that holds there has it.
fn obeyed(manifest: &Manifest, home: Option<&Path>, state: &State) -> Obeyed {
    let each = || WORKSPACE_PROTECTED.iter().map(PathBuf::from);
    let mut paths: Vec<PathBuf> = each().collect();
    for root in &manifest.roots {
        let none = Flags::default();
        // One that cannot be read protects what it does by itself.
        let policy = layers::effective(none, &root.root, &root.root, home, Some(state), &[]);
        let protect = policy.into_iter().flat_map(|policy| policy.protect);
        paths.extend(protect.filter_map(|protect| match protect.value {
            Protect::Relative(path) => Some(path),
            Protect::Absolute(path) => path.strip_prefix(&root.root).ok().map(Path::to_owned),
        }));
    }
    // A repository below may be opened by itself.
    Obeyed::new(paths).in_repositories(each())
}

impl Told {
    /// It was the only command of its ring.
    fn is_alone(&self) -> bool {
        matches!(self.by.as_str(), "run" | "shell")
    }

    fn why_not(&self) -> String {
        if self.is_alone() {
            "`ringfence run` and `ringfence shell` keep what files held only where they are asked to: with `--snapshot`, or with \
             `snapshot = true` under [filesystem] in your policy"
                .to_owned()
        } else {
            "its ring kept nothing (`snapshot = false` in your policy, or too many rings at once), or what it kept is gone, since \
             newer ones need the room"
                .to_owned()
        }
    }

    fn is_late(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let ended = self.ended.as_ref().map(|ended| ended.time.as_second());
        self.changed.is_some() && ended.is_some_and(|ended| now - ended < LONG_AGO)
    }
}

/// What is kept of a command; of one that has just ended it may have to be waited for.
#[expect(
    clippy::disallowed_methods,
    reason = "another process writes it, and tells nobody"
)]
fn kept(store: &Store, of: &Key, told: &Told) -> Result<Option<Manifest>, NoUndo> {
    let began = Instant::now();
    loop {
        let manifest = store.manifest(of)?;
        if manifest.is_some() || told.is_alone() || !told.is_late() || began.elapsed() > LATE {
            return Ok(manifest);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn records(ledger: &Path) -> Result<impl Iterator<Item = Record>, NoUndo> {
    let all = entries(ledger).map_err(|error| NoUndo::Ledger(error.to_string()))?;
    // What is no record tells nothing; `ringfence log verify` tells of it.
    Ok(all.filter_map(|entry| entry.record.ok()))
}

/// What is recorded of a command.
fn told(ledger: &Path, number: u64) -> Result<Told, NoUndo> {
    let mut told = Told::default();
    let mut rings = std::collections::HashMap::new();
    // Of each ring where it may write; of each command its ring, and from when to when.
    let mut writes: HashMap<u64, Vec<PathBuf>> = HashMap::new();
    let mut ran: HashMap<u64, (u64, i128, Option<i128>)> = HashMap::new();
    for record in records(ledger)? {
        match &record.event {
            Event::RingMade(made) => {
                let roots = made.write.iter().map(|root| root.as_path().to_owned());
                writes.insert(record.seq, roots.collect());
            }
            Event::RingWidened(widened) => {
                let roots = widened.write.iter().map(|root| root.as_path().to_owned());
                writes.entry(widened.ring).or_default().extend(roots);
            }
            Event::CommandStarted(started) => {
                ran.insert(
                    record.seq,
                    (started.ring, record.time.as_nanosecond(), None),
                );
            }
            Event::CommandEnded(ended) => {
                if let Some((.., end)) = ran.get_mut(&ended.command) {
                    *end = Some(record.time.as_nanosecond());
                }
            }
            _ => {}
        }
        match &record.event {
            Event::RingMade(made) => {
                rings.insert(record.seq, made.by.clone());
            }
            Event::FilesChanged(changed) if changed.command == number => {
                told.changed = Some((**changed).clone());
            }
            Event::CommandEnded(ended) if ended.command == number => {
                told.ended = Some(record.clone());
            }
            Event::CommandStarted(started) if record.seq == number => {
                let by = rings.get(&started.ring).cloned();
                told.by = by.unwrap_or_default();
            }
            _ => {}
        }
        if record.seq == number {
            told.started = Some(record);
        }
    }
    if let Some((ring, from, to)) = ran.get(&number) {
        let own = writes.get(ring).cloned().unwrap_or_default();
        let near = |other: &PathBuf| {
            let mut own = own.iter();
            own.any(|root| root.starts_with(other) || other.starts_with(root))
        };
        told.others = ran.values().any(|(other, began, ended)| {
            // Of one whose end is not told, since its harness was killed, it is known when it began.
            let after = ended.map_or(began >= from, |ended| ended > *from);
            let beside = after && to.is_none_or(|to| *began < to);
            let theirs = writes
                .get(other)
                .is_some_and(|roots| roots.iter().any(near));
            other != ring && beside && theirs
        });
    }
    Ok(told)
}

impl Undo {
    /// The command's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The command, as it is recorded.
    #[must_use]
    pub fn argv(&self) -> Vec<&std::ffi::OsStr> {
        self.argv.iter().map(Text::as_os_str).collect()
    }

    /// The undo of it that failed or was killed, where [`Which::LastIn`] means it again for that.
    #[must_use]
    pub fn unfinished(&self) -> Option<u64> {
        self.unfinished
    }

    /// What would be done.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Other commands ran at the same time: what changed may be theirs.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.plan.manifest.shared || self.others
    }

    /// Undoes it. It is recorded before, and what came of it after.
    ///
    /// # Errors
    /// [`NoUndo`]: then nothing was done.
    pub fn run(self) -> Result<Undone, NoUndo> {
        let ledger = Ledger::new(self.ledger, Keep::ALL);
        let failed = |error: ringfence_ledger::Error| NoUndo::Ledger(error.to_string());
        let started = UndoStarted {
            command: self.number,
            roots: self
                .plan
                .manifest
                .roots
                .iter()
                .map(|root| Text::from(&root.root))
                .collect(),
            changes: self.plan.undone() as u64,
            left: self.plan.left() as u64,
            forced: self.forced,
        };
        let (_, records) = ledger
            .append_known(|_| vec![Event::UndoStarted(started)])
            .map_err(failed)?;
        let Some(record) = records.last() else {
            return Err(NoUndo::Ledger("nothing was written".to_owned()));
        };
        let number = record.seq;
        let done = ringfence_undo::restore(&self.store, self.plan, key(record));
        let ended = match &done {
            Ok(done) => UndoEnded {
                undo: number,
                undone: done.plan.undone() as u64,
                left: done.plan.left() as u64,
                error: None,
            },
            Err(error) => UndoEnded {
                undo: number,
                error: Some(error.to_string()),
                ..UndoEnded::default()
            },
        };
        let written = ledger.append(|_| vec![Event::UndoEnded(ended)]);
        let plan = done?.plan;
        // What was done is done; that its end is not recorded is told.
        written.map_err(failed)?;
        Ok(Undone { number, plan })
    }
}
