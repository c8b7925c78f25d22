//! Keeps what one directory holds, and finds what it held before a command.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ringfence_changes::{Before, Detail, Stood};

use crate::below::Root;
use crate::bounds::Most;
use crate::error::Error;
use crate::exclude::Exclude;
use crate::known::Known;
use crate::manifest::{RootSteps, Step};
use crate::state::{Content, Kind, Stat, State, Why};
use crate::store::{Locked, Store};
use crate::take::{Taken, take};
use crate::walk::{Ended, walk};

/// Keeps what one directory holds, and finds what it held before a command.
#[derive(Debug)]
pub struct Keeper {
    store: Arc<Store>,
    at: PathBuf,
    root: Root,
    exclude: Exclude,
    known: Known,
    /// What is kept of it, in bytes.
    size: u64,
    /// What changed so shortly before it was read that it has to be read again, and how much of it is kept.
    recent: BTreeMap<PathBuf, u64>,
    /// Nothing of that is read before this.
    not_before: Option<Instant>,
    keeps: bool,
}

/// What was written too shortly before it was read is read again in one part of so many of the time.
const SETTLE_SHARE: u32 = 20;

/// How [`Keeper::begin`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// All that may be kept is kept. So much had to be read.
    Whole {
        /// Files.
        files: usize,
        /// Bytes.
        bytes: u64,
    },
    /// Nothing is kept: more would have to be read than may be, so much at least.
    TooMuch {
        /// Files.
        files: usize,
        /// Bytes.
        bytes: u64,
    },
    /// Nothing is kept: it has more entries than are looked at.
    TooMany,
    /// It was stopped. What was read until then is kept.
    Stopped,
}

/// So much is read in one go; then other processes get in.
const FILES_AT_ONCE: usize = 256;

impl Keeper {
    /// For this directory; `generated` names directories that are not kept, by how their paths end.
    ///
    /// # Errors
    /// [`Error::Root`]: it cannot be opened.
    pub fn open<'a>(
        store: Arc<Store>,
        at: &Path,
        generated: impl IntoIterator<Item = &'a str>,
    ) -> Result<Keeper, Error> {
        let root = Root::open(at)?;
        let known = Known::load(&store, at, &root);
        Ok(Keeper {
            size: known.size(),
            store,
            at: at.to_owned(),
            root,
            exclude: Exclude::new(generated),
            known,
            recent: BTreeMap::new(),
            not_before: None,
            keeps: false,
        })
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.at
    }

    /// Walks it, and reads what is not known yet, if that is not more than `most`.
    ///
    /// # Errors
    /// [`Error`]: the store cannot be written to.
    pub fn begin(&mut self, most: Most, stop: &dyn Fn() -> bool) -> Result<Begun, Error> {
        let mut wanted: Vec<PathBuf> = Vec::new();
        let mut bytes = 0;
        let mut there: HashSet<PathBuf> = HashSet::new();
        let bounds = self.store.bounds;
        let known = &self.known;
        // What is too much is so before all of it is counted.
        let too_much = Cell::new(false);
        let ended = walk(
            &self.root,
            &self.exclude,
            bounds.entries,
            &|| too_much.get() || stop(),
            |path, stat| {
                let is_known = known
                    .get(&path)
                    .is_some_and(|state| is_current(state, &stat));
                if !is_known {
                    if stat.kind == Kind::File && stat.size <= bounds.file {
                        bytes += stat.size;
                    }
                    wanted.push(path.clone());
                    too_much.set(wanted.len() > most.files || bytes > most.bytes);
                }
                there.insert(path);
            },
        );
        let files = wanted.len();
        if too_much.get() {
            return Ok(Begun::TooMuch { files, bytes });
        }
        match ended {
            Ended::Whole => {}
            Ended::More => return Ok(Begun::TooMany),
            Ended::Stopped => return Ok(Begun::Stopped),
        }
        self.known.retain(|path| there.contains(path));
        self.known.forget_past();
        self.size = self.known.size();
        self.keeps = true;
        let store = Arc::clone(&self.store);
        for some in wanted.chunks(FILES_AT_ONCE) {
            if stop() {
                return Ok(Begun::Stopped);
            }
            let locked = store.lock()?;
            for path in some {
                self.take(path, &locked);
            }
            self.known.write(&locked)?;
            locked.collect()?;
        }
        if wanted.is_empty() {
            let locked = store.lock()?;
            self.known.write(&locked)?;
        }
        Ok(Begun::Whole { files, bytes })
    }

    /// How much of an entry is kept, in bytes.
    fn held(&self, path: &Path) -> u64 {
        let known = self.known.get(path);
        let kept = known.filter(|state| state.content.kept().is_some());
        let recent = self.recent.get(path).copied();
        kept.map_or(0, |state| state.stat.size) + recent.unwrap_or(0)
    }

    /// Reads an entry and takes note of it.
    fn take(&mut self, path: &Path, store: &Locked<'_>) -> Option<State> {
        self.size -= self.held(path).min(self.size);
        let room = self.store.bounds.root.saturating_sub(self.size);
        let most = self.store.bounds.file;
        let taken = match take(&self.root, path, Some(store), most.min(room)) {
            Ok(Some(taken)) => taken,
            // What cannot be reached is as good as not there.
            Ok(None) | Err(_) => {
                self.known.remove(path);
                self.recent.remove(path);
                return None;
            }
        };
        let Taken { mut state, recent } = taken;
        if state.content == Content::Not(Why::Large) && state.stat.size <= most {
            state.content = Content::Not(Why::Bound);
        }
        let size = state.content.kept().map_or(0, |_| state.stat.size);
        self.size += size;
        // Where another change would not show, what is known now may be wrong without anybody seeing it.
        let unsure = recent || state.content == Content::Not(Why::Changed);
        if unsure && state.stat.kind == Kind::File {
            self.recent.insert(path.to_owned(), size);
            self.known.remove(path);
        } else {
            self.recent.remove(path);
            self.known.set(path, state.clone());
        }
        Some(state)
    }

    /// No command runs that began before now: what was before that is not asked for any more.
    pub fn forget_past(&mut self) {
        self.known.forget_past();
    }

    /// Whether something has to be read again, a moment after it was written.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        !self.recent.is_empty()
    }

    /// Reads again what changed too shortly before it was read.
    ///
    /// # Errors
    /// [`Error`]: the store cannot be written to.
    pub fn settle(&mut self) -> Result<(), Error> {
        let again: Vec<PathBuf> = self.recent.keys().cloned().collect();
        let begun = Instant::now();
        if again.is_empty() || !self.keeps || self.not_before.is_some_and(|at| begun < at) {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        for some in again.chunks(FILES_AT_ONCE) {
            let locked = store.lock()?;
            for path in some {
                self.take(path, &locked);
            }
            self.known.write(&locked)?;
            locked.collect()?;
        }
        // What is written over and over is read in one twentieth of the time.
        self.not_before = begun.checked_add(begun.elapsed() * SETTLE_SHARE);
        Ok(())
    }

    /// Takes in what became another: what was before as far as it is known, and what is there now. How many changes lie in
    /// directories that are not kept, or are more than may be, is told as well.
    ///
    /// # Errors
    /// [`Error`]: the store cannot be written to.
    pub fn capture(&mut self, mut changes: Vec<Detail>) -> Result<Captured, Error> {
        let all = changes.len();
        // What lies in a directory that was renamed is judged by where it was: the renaming is undone, and it comes along.
        let renames = renames_of(&changes);
        changes.retain(|change| !self.is_generated(change, &renames));
        let generated = (all - changes.len()) as u64;
        let bound = self.store.bounds.changes;
        let more = changes.len().saturating_sub(bound) as u64;
        changes.truncate(bound);
        let renames = renames_of(&changes);
        let befores: Vec<Option<State>> = changes
            .iter()
            .map(|change| self.before(change, &renames))
            .collect();
        self.forget(&changes, &renames);
        let mut steps = Vec::with_capacity(changes.len());
        let store = Arc::clone(&self.store);
        let mut pairs = changes.into_iter().zip(befores).peekable();
        while pairs.peek().is_some() {
            let locked = store.lock()?;
            for (change, before) in pairs.by_ref().take(FILES_AT_ONCE) {
                let after = self.after(&change, &locked);
                let step = Step {
                    path: change.path,
                    from: change.from,
                    before,
                    after,
                };
                // Written anew with what it held, or touched: there is nothing to undo.
                let same = match (&step.before, &step.after) {
                    (Some(before), Some(after)) => step.from.is_none() && is_equal(before, after),
                    (None, None) => true,
                    _ => false,
                };
                if !same {
                    steps.push(step);
                }
            }
            self.known.write(&locked)?;
            locked.collect()?;
        }
        Ok(Captured {
            steps: RootSteps {
                root: self.at.clone(),
                dev: self.root.stat.dev,
                ino: self.root.stat.ino,
                steps,
            },
            generated,
            more,
        })
    }

    /// Whether all of a change is in directories that are not kept.
    fn is_generated(&self, change: &Detail, renames: &Renames) -> bool {
        let dir = |seen: Option<Kind>| seen == Some(Kind::Directory);
        let before = match change.before {
            Before::Nothing => None,
            Before::Stood(seen) => Some(seen.kind),
            Before::Unknown(kind) => Some(kind),
        };
        let after = change.after.map(|seen| seen.kind);
        let held = |path: &Path, kind| self.exclude.holds(path, dir(kind));
        let was_at = place_before(change, renames);
        // What was added to a directory that had another name stays in it when that gets its name back.
        (before.is_none() || held(&was_at, before))
            && (after.is_none() || held(&change.path, after) && held(&was_at, after))
    }

    /// What stood there before, and what it held.
    fn before(&self, change: &Detail, renames: &Renames) -> Option<State> {
        let seen = match change.before {
            Before::Nothing => return None,
            Before::Unknown(kind) => return Some(unknown(kind, Why::Unknown)),
            Before::Stood(seen) => seen,
        };
        let at = place_before(change, renames);
        match self.known.seen(&at, &seen) {
            Some(state) => Some(state.clone()),
            None => Some(of_seen(&seen, Why::Changed)),
        }
    }

    /// Takes out what is gone, and moves what was renamed.
    fn forget(&mut self, changes: &[Detail], renames: &Renames) {
        for change in changes.iter().filter(|change| change.after.is_none()) {
            let recent = self.recent.remove(&change.path);
            self.size -= recent.unwrap_or(0).min(self.size);
            for (_, state) in self.known.take_out(&change.path) {
                if state.content.kept().is_some() {
                    self.size -= state.stat.size.min(self.size);
                }
            }
        }
        // The deeper ones first: each is taken out by itself.
        let mut deeper: Vec<(&PathBuf, &PathBuf)> = renames.iter().collect();
        deeper.sort_by_key(|(_, from)| std::cmp::Reverse(from.components().count()));
        let mut moved = Vec::new();
        for (to, from) in deeper {
            for (path, state) in self.known.take_out(from) {
                let below = path.strip_prefix(from).unwrap_or(Path::new(""));
                // To join an empty path leaves a slash.
                moved.push((
                    to.components()
                        .chain(below.components())
                        .collect::<PathBuf>(),
                    state,
                ));
            }
        }
        for (path, state) in moved {
            self.known.set(&path, state);
        }
    }

    /// What the command left there.
    fn after(&mut self, change: &Detail, store: &Locked<'_>) -> Option<State> {
        let seen = change.after?;
        if self.keeps
            && let Some(known) = self.known.get(&change.path)
            && known.stat.kind == Kind::File
            && known.is_seen(&seen)
        {
            return Some(known.clone());
        }
        let now = if self.keeps {
            self.take(&change.path, store)
        } else {
            None
        };
        match now {
            Some(state) if state.is_seen(&seen) => Some(state),
            _ => Some(of_seen(&seen, Why::Changed)),
        }
    }
}

/// What [`Keeper::capture`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The changes.
    pub steps: RootSteps,
    /// So many lie in directories that are not kept.
    pub generated: u64,
    /// So many are more than may be kept of one command.
    pub more: u64,
}

fn is_current(state: &State, stat: &Stat) -> bool {
    let again = matches!(state.content, Content::Not(Why::Bound | Why::Unwritten));
    match stat.kind {
        // Its times and its size follow from what is in it.
        Kind::Directory => {
            let what = |s: &Stat| (s.kind, s.mode, s.uid, s.gid, s.dev, s.ino);
            what(&state.stat) == what(stat)
        }
        _ => state.stat == *stat && !again,
    }
}

/// The same kind of thing, with the same permissions, that holds the same.
fn is_equal(a: &State, b: &State) -> bool {
    a.is_as(b) && a.stat.mode == b.stat.mode && !matches!(a.content, Content::Not(_))
}

/// What was renamed: where from, by where it is now.
pub(crate) type Renames = HashMap<PathBuf, PathBuf>;

fn renames_of(changes: &[Detail]) -> Renames {
    let renamed = |change: &Detail| Some((change.path.clone(), change.from.clone()?));
    changes.iter().filter_map(renamed).collect()
}

/// Where something was before the command, or would have been.
fn place_before(change: &Detail, renames: &Renames) -> PathBuf {
    match (&change.from, change.after) {
        (Some(from), _) => from.clone(),
        // Of what is gone, it is its path from before.
        (None, None) => change.path.clone(),
        (None, Some(_)) => path_before(&change.path, renames),
    }
}

/// Where something was whose path now is this one.
pub(crate) fn path_before(path: &Path, renames: &Renames) -> PathBuf {
    for above in path.ancestors() {
        if let Some(from) = renames.get(above) {
            let below = path.strip_prefix(above).unwrap_or(Path::new(""));
            // To join an empty path leaves a slash.
            return from.components().chain(below.components()).collect();
        }
    }
    path.to_owned()
}

fn unknown(kind: Kind, why: Why) -> State {
    let nothing = Stood {
        kind,
        mode: 0,
        size: 0,
        modified: 0,
        changed: 0,
    };
    of_seen(&nothing, why)
}

/// What is known of something that was not read.
fn of_seen(seen: &Stood, why: Why) -> State {
    State {
        stat: Stat {
            kind: seen.kind,
            mode: seen.mode,
            size: seen.size,
            modified: seen.modified,
            changed: seen.changed,
            uid: u32::MAX,
            gid: u32::MAX,
            dev: 0,
            ino: 0,
            born: 0,
            links: 1,
        },
        content: match seen.kind {
            // A directory holds nothing of its own.
            Kind::Directory if why != Why::Unknown => Content::None,
            Kind::Special => Content::Not(Why::Special),
            _ => Content::Not(why),
        },
    }
}
