//! Where work happens: a directory of one test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::command::Run;
use crate::person::Person;

/// One test's own place below the person's home (never `/tmp`, which a ring replaces):
/// `ws` to work in, `tmp`, `state` and `run` for `TMPDIR`, `XDG_STATE_HOME` and `XDG_RUNTIME_DIR`.
///
/// Removed when dropped, unless `RINGFENCE_KEEP` is set or the test is failing.
#[derive(Debug)]
pub struct Workspace {
    /// The whole place; `../x` seen from the workspace is outside of it.
    pub base: PathBuf,
    /// Whose it is.
    pub person: Person,
    /// Found in the environment of every process that was started from here.
    pub mark: String,
}

impl Workspace {
    /// A new empty place for `person`.
    pub fn new(person: &Person, name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        crate::leftovers::adopt_orphans();
        let unique = format!(
            "{name}-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let base = person.dir("work").join(&unique);
        fs::create_dir(&base).unwrap();
        person.own(&base);
        let made = Self {
            base,
            person: person.clone(),
            mark: unique,
        };
        for below in ["ws", "tmp", "state", "run"] {
            made.dir(&format!("../{below}"));
        }
        fs::set_permissions(made.base.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        made
    }

    /// The same, with a fresh empty home in it, for what is about `$HOME`.
    pub fn with_fresh_home(person: &Person, name: &str) -> Self {
        let mut made = Self::new(person, name);
        let home = made.dir("../home");
        made.person = person.with_home(&home);
        made
    }

    /// The workspace itself.
    pub fn path(&self) -> PathBuf {
        self.base.join("ws")
    }

    /// A path in the workspace (`../x` lies beside it).
    pub fn at(&self, below: &str) -> PathBuf {
        match below.strip_prefix("../") {
            Some(beside) => self.base.join(beside),
            None => self.path().join(below),
        }
    }

    /// Makes a directory and those above it, the person's.
    pub fn dir(&self, below: &str) -> PathBuf {
        let path = self.at(below);
        let mut at = self.base.clone();
        for part in path.strip_prefix(&self.base).unwrap() {
            at.push(part);
            if fs::create_dir(&at).is_ok() {
                self.person.own(&at);
            }
        }
        path
    }

    /// Writes a file of the person's, and the directories above it.
    pub fn file(&self, below: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(below);
        let parent = path.parent().unwrap().strip_prefix(&self.base).unwrap();
        self.dir(&format!("../{}", parent.display()));
        fs::write(&path, text).unwrap();
        self.person.own(&path);
        path
    }

    /// Reads a file.
    pub fn read(&self, below: &str) -> String {
        let path = self.at(below);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Whether something is there, a dangling link too.
    pub fn has(&self, below: &str) -> bool {
        fs::symlink_metadata(self.at(below)).is_ok()
    }

    /// A command without a ring.
    pub fn bare<S: Into<std::ffi::OsString>>(&self, argv: impl IntoIterator<Item = S>) -> Run {
        Run::bare(self, argv)
    }

    /// A shell script without a ring.
    pub fn bare_sh(&self, script: &str) -> Run {
        self.bare(["sh", "-ec", script])
    }

    /// `ringfence run -- argv`.
    pub fn ring<S: Into<std::ffi::OsString>>(&self, argv: impl IntoIterator<Item = S>) -> Run {
        Run::ring(self, argv)
    }

    /// A shell script inside the ring.
    pub fn ring_sh(&self, script: &str) -> Run {
        self.ring(["sh", "-ec", script])
    }

    /// `ringfence args`: any other verb.
    pub fn ringfence<S: Into<std::ffi::OsString>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::ringfence(self, args)
    }

    /// All that is recorded of what ran here, by `ringfence log export`.
    pub fn records(&self) -> Vec<Value> {
        let all = self.ringfence(["log", "export"]).run().ok().out();
        let records = all.lines().map(serde_json::from_str);
        records.map(Result::unwrap).collect()
    }

    /// A git repository with one commit in `below`.
    pub fn repository(&self, below: &str) -> PathBuf {
        let path = self.dir(below);
        self.file(&format!("{below}/README"), "read me\n");
        self.bare_sh("git init -q -b main && git add . && git commit -q -m first")
            .dir(&path)
            .ok();
        path
    }
}

/// The records of one kind.
pub fn of<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|r| r["type"] == kind).collect()
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if std::env::var_os("RINGFENCE_KEEP").is_some() || std::thread::panicking() {
            return;
        }
        remove(&self.base);
    }
}

/// Go's module cache and an overlay's work directory are closed even to their owner.
fn remove(path: &Path) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    if !meta.is_dir() {
        let _ = fs::remove_file(path);
        return;
    }
    if meta.permissions().mode() & 0o700 != 0o700 {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        remove(&entry.path());
    }
    let _ = fs::remove_dir(path);
}
