//! What a command changed: how it was before, and how it left it.

use std::collections::HashSet;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ringfence_changes::path;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::state::{Content, Hash, State, Why};
use crate::store::{Locked, Store};

const FORMAT: u32 = 1;

/// A command: the number of the record that it started with, and that record's hash, which tells it from one of the same number in
/// another ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The record's number.
    pub seq: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

impl Key {
    fn file(&self, store: &Store) -> PathBuf {
        // Only what is a digest becomes a part of a name.
        let digest = blake3::hash(self.hash.as_bytes()).to_hex();
        store
            .commands()
            .join(format!("{}-{}.json", self.seq, &digest[..16]))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seq.fmt(f)
    }
}

/// What a command changed: how it was before, and how it left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form in which this is written.
    pub format: u32,
    /// Whose changes these are.
    pub of: Key,
    /// The command that was undone, where this is of an undo.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undid: Option<u64>,
    /// Other commands ran at the same time: some of it may be theirs.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub shared: bool,
    /// One for each directory in which something changed.
    pub roots: Vec<RootSteps>,
    /// So many changes more than are in it.
    pub more: u64,
    /// Changes in generated directories, which are not kept.
    pub generated: u64,
    /// Why nothing is kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nothing: Option<String>,
    /// What was not seen.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub incomplete: Vec<String>,
}

/// What changed in one directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSteps {
    /// The directory.
    #[serde(with = "path")]
    pub root: PathBuf,
    /// Its filesystem and number: another directory under its name is not touched.
    pub dev: u64,
    /// See [`RootSteps::dev`].
    pub ino: u64,
    /// The changes.
    pub steps: Vec<Step>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where it is; of what was deleted, where it was. Relative to the root.
    #[serde(with = "path")]
    pub path: PathBuf,
    /// Where it was, of what was renamed.
    #[serde(
        with = "path::perhaps",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub from: Option<PathBuf>,
    /// What stood there before; `None` for nothing.
    pub before: Option<State>,
    /// What the command left there; `None` for nothing.
    pub after: Option<State>,
}

impl Step {
    /// Where it was before.
    #[must_use]
    pub fn was_at(&self) -> &Path {
        self.from.as_deref().unwrap_or(&self.path)
    }
}

impl Manifest {
    /// One in which there is nothing yet.
    #[must_use]
    pub fn new(of: Key) -> Manifest {
        Manifest {
            format: FORMAT,
            of,
            undid: None,
            shared: false,
            roots: Vec::new(),
            more: 0,
            generated: 0,
            nothing: None,
            incomplete: Vec::new(),
        }
    }

    /// Changes in it.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.roots.iter().map(|root| root.steps.len()).sum()
    }

    /// All contents that it refers to.
    pub(crate) fn hashes(&self) -> HashSet<Hash> {
        let steps = self.roots.iter().flat_map(|root| &root.steps);
        let states = steps.flat_map(|step| step.before.iter());
        states.filter_map(|state| state.content.kept()).collect()
    }

    /// Marks before-images that are gone.
    pub(crate) fn forget(&mut self, gone: impl Fn(Hash) -> bool) {
        let steps = self.roots.iter_mut().flat_map(|root| &mut root.steps);
        for state in steps.filter_map(|step| step.before.as_mut()) {
            if state.content.kept().is_some_and(&gone) {
                state.content = Content::Not(Why::Collected);
            }
        }
    }
}

/// Reads a manifest.
pub(crate) fn read(path: &Path) -> Result<Manifest, Error> {
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    let bytes = read_file(path).map_err(|error| Error::io(path, error))?;
    let damaged = |source| Error::Damaged {
        path: path.to_owned(),
        source,
    };
    let Form { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if format != FORMAT {
        return Err(Error::Form {
            path: path.to_owned(),
            form: format,
        });
    }
    serde_json::from_slice(&bytes).map_err(damaged)
}

/// What a file of the store holds. What is no file is neither followed nor waited for.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "it is no regular file",
        ));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Store {
    /// What is kept of a command; `None` where nothing is.
    ///
    /// # Errors
    /// [`Error`]: it is there, and cannot be read.
    pub fn manifest(&self, of: &Key) -> Result<Option<Manifest>, Error> {
        let path = of.file(self);
        match read(&path) {
            Ok(manifest) => Ok(Some(manifest).filter(|manifest| manifest.of == *of)),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps a command's manifest.
    ///
    /// # Errors
    /// [`Error`]: the store cannot be written to.
    pub fn keep(&self, manifest: Manifest) -> Result<(), Error> {
        self.lock()?.keep_manifest(manifest)
    }
}

impl Locked<'_> {
    pub(crate) fn keep_manifest(&self, mut manifest: Manifest) -> Result<(), Error> {
        self.checked(&mut manifest);
        let path = manifest.of.file(self.store);
        let bytes = serde_json::to_vec(&manifest).map_err(|source| Error::Damaged {
            path: path.clone(),
            source,
        })?;
        self.write(&path, &bytes)?;
        self.prune();
        Ok(())
    }

    /// Removes the oldest manifests, where there are very many.
    fn prune(&self) {
        let files = || {
            let files = std::fs::read_dir(self.store.commands());
            files.into_iter().flatten().flatten()
        };
        // Some at once: to ask about each takes longer than to count them.
        let most = self.store.bounds.commands;
        if files().count() <= most + most / 64 {
            return;
        }
        let mut all: Vec<_> = files()
            .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
            .collect();
        all.sort();
        let old = all.len().saturating_sub(most);
        for (_, path) in all.drain(..old) {
            let _gone = std::fs::remove_file(path);
        }
    }
}
