//! What is kept, what is not, and what is put back where somebody is in the way on purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, FileType, Mode};

use crate::below::Root;
use crate::take::take;
use crate::{
    Before, Begun, Bounds, Content, Detail, Error, Keeper, Key, Kind, Left, Manifest, Most, Obeyed,
    State, Stood, Store, Verdict, What, Why, plan, restore,
};

mod keeping;
mod kinds;
mod others;

/// A directory that is removed in the end.
pub(crate) struct Ground {
    dir: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) store: Arc<Store>,
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Ground {
    fn new() -> Ground {
        Ground::bounded(Bounds::default())
    }

    fn bounded(bounds: Bounds) -> Ground {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rf-undo-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let root = dir.join("root");
        fs::create_dir_all(&root).unwrap();
        let store = Arc::new(Store::new(dir.join("undo"), bounds));
        Ground { dir, root, store }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn keeper(&self) -> Keeper {
        let mut keeper = Keeper::open(Arc::clone(&self.store), &self.root, ["target"]).unwrap();
        keeper.begin(Most::ALL, &|| false).unwrap();
        while keeper.is_unsettled() {
            keeper.settle().unwrap();
        }
        keeper
    }

    fn seen(&self, path: &str) -> Option<Stood> {
        let meta = fs::symlink_metadata(self.at(path)).ok()?;
        let is = meta.file_type();
        let kind = if is.is_dir() {
            Kind::Directory
        } else if is.is_symlink() {
            Kind::Symlink
        } else if is.is_file() {
            Kind::File
        } else {
            Kind::Special
        };
        let nanos = |seconds: i64, nanos: i64| seconds * 1_000_000_000 + nanos;
        let dir = kind == Kind::Directory;
        Some(Stood {
            kind,
            mode: meta.mode() & 0o7777,
            size: if dir { 0 } else { meta.size() },
            modified: if dir {
                0
            } else {
                nanos(meta.mtime(), meta.mtime_nsec())
            },
            changed: if dir {
                0
            } else {
                nanos(meta.ctime(), meta.ctime_nsec())
            },
        })
    }

    /// A command that does this, and changes something at these places. What it changed is kept under this number.
    fn command(
        &self,
        seq: u64,
        keeper: &mut Keeper,
        places: &[&str],
        act: impl FnOnce(),
    ) -> Manifest {
        let before: Vec<Option<Stood>> = places.iter().map(|path| self.seen(path)).collect();
        act();
        let changes = places.iter().zip(before).map(|(path, before)| Detail {
            path: path.into(),
            from: None,
            before: before.map_or(Before::Nothing, Before::Stood),
            after: self.seen(path),
        });
        let captured = keeper.capture(changes.collect()).unwrap();
        let mut manifest = Manifest::new(of(seq));
        manifest.more = captured.more;
        manifest.generated = captured.generated;
        manifest.roots.push(captured.steps);
        self.store.keep(manifest).unwrap();
        self.store.manifest(&of(seq)).unwrap().unwrap()
    }

    fn undo(&self, seq: u64, by: u64, force: bool) -> Vec<(What, Verdict)> {
        let manifest = self.store.manifest(&of(seq)).unwrap().unwrap();
        let plan = plan(&self.store, manifest, force, &Obeyed::default()).unwrap();
        let done = restore(&self.store, plan, of(by)).unwrap();
        let planned = done.plan.planned.into_iter();
        planned
            .map(|planned| (planned.what, planned.verdict))
            .collect()
    }

    fn objects(&self) -> u64 {
        let mut size = 0;
        for file in fs::read_dir(self.store.dir().join("objects")).unwrap() {
            size += file.unwrap().metadata().unwrap().len();
        }
        size
    }
}

fn of(seq: u64) -> Key {
    Key {
        seq,
        hash: format!("{seq:064}"),
    }
}

fn content(manifest: &Manifest, at: usize) -> &Content {
    &manifest.roots[0].steps[at].before.as_ref().unwrap().content
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
}
