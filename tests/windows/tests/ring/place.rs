//! A person with a workspace, and what they run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// What a ring of the user's does not keep, on a machine that keeps a token to its restrictions.
const AS_THE_USER: [&str; 8] = [
    "network",
    "processes",
    "descendants",
    "write.delete",
    "hide",
    "protect.git",
    "protect.workspace",
    "protect.paths",
];
/// What Wine accepts and does not do, and that its user is an administrator.
const LIES: [&str; 7] = [
    "ring",
    "write",
    "privileges",
    "limits.processes",
    "limits.memory",
    "ipc",
    "read",
];

pub(crate) fn program(name: &str) -> PathBuf {
    // Where nextest unpacked it; where it was built others may not look. Under Wine the path is the host's.
    let unpacked = std::env::var("NEXTEST_BIN_EXE_ringfence-test-child");
    let child = unpacked.unwrap_or_else(|_| env!("CARGO_BIN_EXE_ringfence-test-child").to_owned());
    let child = std::path::absolute(child.replace('/', "\\")).unwrap();
    child.with_file_name(name)
}

pub(crate) struct Place {
    pub(crate) dir: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rf ring {}-{number}", std::process::id());
        let place = Place {
            dir: std::env::temp_dir().join(name),
        };
        for below in ["home", "roaming", "local", "temp", r"home\work"] {
            std::fs::create_dir_all(place.dir.join(below)).unwrap();
        }
        place
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.dir.join(r"home\work")
    }

    /// `ringfence` with these words, as a person with nothing in their folders.
    pub(crate) fn ringfence(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(program("ringfence.exe"));
        command
            .args(words)
            .current_dir(self.workspace())
            .env("USERPROFILE", self.dir.join("home"))
            .env("APPDATA", self.dir.join("roaming"))
            .env("LOCALAPPDATA", self.dir.join("local"))
            .env("TEMP", self.dir.join("temp"))
            .env("TMP", self.dir.join("temp"))
            .env_remove("RINGFENCE")
            .stdin(Stdio::null());
        command
    }

    /// The words to run a child of ours with all accepted.
    pub(crate) fn words(&self, flags: &[&str], child: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["run".into()];
        for name in AS_THE_USER.iter().chain(&LIES) {
            words.push(format!("--accept={name}").into());
        }
        words.extend(flags.iter().map(OsString::from));
        words.push("--".into());
        words.push(program("ringfence-test-child.exe").into());
        words.extend(child.iter().map(OsString::from));
        words
    }

    /// Runs one of our children in a ring, with all accepted.
    pub(crate) fn runs(&self, flags: &[&str], child: &[&str]) -> Said {
        Said::of(&self.ringfence(&self.words(flags, child)).output().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.dir);
    }
}

/// How it ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    /// All 32 bits.
    pub(crate) code: u32,
    pub(crate) out: Vec<u8>,
    /// Its own lines on stderr; Wine has others.
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Said {
        Said {
            code: output.status.code().unwrap().cast_unsigned(),
            out: output.stdout.clone(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.out.clone())
            .unwrap()
            .replace('\r', "")
    }

    /// The last line of JSON on stderr.
    pub(crate) fn report(&self) -> Value {
        let mut lines = self.err.lines().rev();
        let line = lines.find(|line| line.starts_with('{'));
        let line = line.unwrap_or_else(|| panic!("no report: {self:?}"));
        serde_json::from_str(line).unwrap()
    }
}

pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
