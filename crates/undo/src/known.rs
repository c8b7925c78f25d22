//! What is known of a directory's entries, from session to session.
//!
//! A file of lines: the first names the directory, each other one an entry and its state, or that it is gone; later lines
//! count. What is no such line ends it, and what was behind is found out anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ringfence_changes::{Stood, path};
use serde::{Deserialize, Serialize};

use crate::below::Root;
use crate::error::Error;
use crate::state::{Hash, State};
use crate::store::{Locked, Store};

const FORMAT: u32 = 1;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct First {
    format: u32,
    #[serde(with = "path")]
    root: PathBuf,
    dev: u64,
    ino: u64,
}

#[derive(Serialize, Deserialize)]
struct Line(#[serde(with = "path")] PathBuf, Option<State>);

/// What is known of a directory's entries.
#[derive(Debug)]
pub(crate) struct Known {
    file: PathBuf,
    first: First,
    all: BTreeMap<PathBuf, State>,
    /// Lines that the file holds.
    lines: usize,
    /// The file is not what is known: it is written anew.
    stale: bool,
    /// What became another since the file was written.
    news: HashSet<PathBuf>,
    /// What stood somewhere until a moment ago: a command that began before may ask for it.
    past: HashMap<PathBuf, Vec<State>>,
}

/// So many places are remembered as they were.
const PAST: usize = 20_000;

impl Known {
    pub(crate) fn load(store: &Store, at: &Path, root: &Root) -> Known {
        let first = First {
            format: FORMAT,
            root: at.to_owned(),
            dev: root.stat.dev,
            ino: root.stat.ino,
        };
        let name = blake3::hash(format!("{first:?}").as_bytes()).to_hex();
        // Of what somebody took away with its contents nothing is known.
        let contents = store.has_objects();
        let mut known = Known {
            file: store.known().join(&name[..16]),
            first,
            all: BTreeMap::new(),
            lines: 0,
            stale: true,
            news: HashSet::new(),
            past: HashMap::new(),
        };
        if contents {
            known.read();
        }
        known
    }

    fn read(&mut self) {
        let Ok(file) = File::open(&self.file) else {
            return;
        };
        let mut lines = BufReader::new(file).split(b'\n');
        let first = lines.next().and_then(Result::ok);
        let first = first.and_then(|line| serde_json::from_slice::<First>(&line).ok());
        if first.as_ref() != Some(&self.first) {
            return;
        }
        self.stale = false;
        for line in lines {
            let line = line.ok().and_then(|l| serde_json::from_slice(&l).ok());
            let Some(Line(path, state)) = line else {
                self.stale = true;
                break;
            };
            self.lines += 1;
            match state {
                Some(state) => self.all.insert(path, state),
                None => self.all.remove(&path),
            };
        }
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&State> {
        self.all.get(path)
    }

    /// What stood somewhere when it was seen so: now, or a moment ago.
    pub(crate) fn seen(&self, path: &Path, seen: &Stood) -> Option<&State> {
        let past = self.past.get(path).into_iter().flatten().rev();
        let mut all = self.all.get(path).into_iter().chain(past);
        all.find(|state| state.is_seen(seen))
    }

    /// Nobody asks any more for what was.
    pub(crate) fn forget_past(&mut self) {
        self.past.clear();
    }

    fn was(&mut self, path: &Path, state: State) {
        if self.past.len() >= PAST {
            self.past.clear();
        }
        self.past.entry(path.to_owned()).or_default().push(state);
    }

    pub(crate) fn set(&mut self, path: &Path, state: State) {
        if self.all.get(path) != Some(&state) {
            self.news.insert(path.to_owned());
            if let Some(was) = self.all.insert(path.to_owned(), state) {
                self.was(path, was);
            }
        }
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        if let Some(was) = self.all.remove(path) {
            self.news.insert(path.to_owned());
            self.was(path, was);
        }
    }

    /// Takes out an entry with all below it.
    pub(crate) fn take_out(&mut self, path: &Path) -> Vec<(PathBuf, State)> {
        // Not only what follows it directly: `a-b` is between `a` and `a/b` for no order of paths, which go name by name.
        let its: Vec<PathBuf> = self
            .all
            .range::<Path, _>((std::ops::Bound::Included(path), std::ops::Bound::Unbounded))
            .map(|(at, _)| at)
            .take_while(|at| at.starts_with(path))
            .cloned()
            .collect();
        let taken = its.into_iter().filter_map(|at| {
            let state = self.all.remove(&at)?;
            self.news.insert(at.clone());
            self.was(&at, state.clone());
            Some((at, state))
        });
        taken.collect()
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let gone: Vec<PathBuf> = self.all.keys().filter(|at| !keep(at)).cloned().collect();
        for path in gone {
            self.remove(&path);
        }
    }

    /// How much of it is kept, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let kept = self.all.values().filter(|s| s.content.kept().is_some());
        kept.map(|state| state.stat.size).sum()
    }

    /// Writes what became another.
    pub(crate) fn write(&mut self, store: &Locked<'_>) -> Result<(), Error> {
        // Somebody may have removed it.
        let there = self.file.is_file();
        let anew = self.stale || !there || self.lines > 2 * self.all.len() + 1024;
        if !anew && self.news.is_empty() {
            // That it is in use is seen by its time, and harms nobody where it is not.
            let used = OpenOptions::new().append(true).open(&self.file);
            let _untold = used.and_then(|file| file.set_modified(SystemTime::now()));
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut line = |line: &dyn erased::Json| {
            line.to(&mut bytes);
            bytes.push(b'\n');
        };
        let written = if anew {
            line(&self.first);
            for (path, state) in &self.all {
                line(&Line(path.clone(), Some(state.clone())));
            }
            self.lines = self.all.len();
            store.write(&self.file, &bytes)
        } else {
            for path in &self.news {
                line(&Line(path.clone(), self.all.get(path).cloned()));
            }
            self.lines += self.news.len();
            OpenOptions::new()
                .append(true)
                .mode(0o600)
                .open(&self.file)
                .and_then(|mut file| file.write_all(&bytes))
                .map_err(|error| Error::io(&self.file, error))
        };
        // A half of a line may stand there now.
        self.stale = written.is_err();
        if written.is_ok() {
            self.news.clear();
        }
        written
    }
}

/// What serialises, whatever it is.
mod erased {
    pub(super) trait Json {
        fn to(&self, bytes: &mut Vec<u8>);
    }

    impl<T: serde::Serialize> Json for T {
        fn to(&self, bytes: &mut Vec<u8>) {
            // Into memory, and of types that are always written: there is nothing that fails.
            let _written = serde_json::to_writer(bytes, self);
        }
    }
}

/// What a file of these refers to.
pub(crate) fn hashes(file: &Path) -> HashSet<Hash> {
    let mut all: BTreeMap<PathBuf, Hash> = BTreeMap::new();
    let Ok(file) = File::open(file) else {
        return HashSet::new();
    };
    for line in BufReader::new(file).split(b'\n').skip(1) {
        let line = line.ok().and_then(|l| serde_json::from_slice(&l).ok());
        let Some(Line(path, state)) = line else { break };
        match state.and_then(|state| state.content.kept()) {
            Some(hash) => all.insert(path, hash),
            None => all.remove(&path),
        };
    }
    all.into_values().collect()
}
