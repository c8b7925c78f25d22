//! Who runs: root, or an ordinary user.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs::Who;

/// The account made for the tests when they run as root.
const ACCOUNT: &str = "ringfence-test";

/// Somebody who runs commands: a uid, a home that belongs to the tests, a clean environment.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account's name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// `$HOME`: for the account made for the tests its own; else a directory inside the caller's
    /// real home, so that nobody's own caches and settings are touched.
    pub home: PathBuf,
    /// What every command of theirs gets, and nothing else.
    pub env: Vec<(String, String)>,
    /// Whether commands must change to that uid first.
    switch: bool,
}

impl Person {
    /// The person, or why there is none here.
    ///
    /// # Errors
    /// One sentence: no root here, or no account could be made.
    pub fn find(who: Who) -> Result<Self, String> {
        let root = rustix::process::geteuid().is_root();
        match (who, root) {
            (Who::Root, false) => Err("the tests do not run as root".into()),
            (Who::Root, true) => Ok(Self::ourselves()),
            (Who::User, false) => Ok(Self::ourselves()),
            (Who::User, true) => Self::made_for_the_tests(),
        }
    }

    fn ourselves() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let (name, gid, real) = account(|line| line.uid == uid).unwrap_or_else(|| {
            (
                uid.to_string(),
                rustix::process::getegid().as_raw(),
                "/".into(),
            )
        });
        // Under no name with a dot: what lies in such is minded (`Offer::notes`).
        let home = real.join("ringfence-e2e/home");
        fs::create_dir_all(&home).unwrap();
        let mut env = basics(&name, &home);
        let path = std::env::var("PATH").unwrap_or_default();
        env.push(("PATH".into(), path));
        // The toolchain stays where rustup put it; only what a build writes goes to the test's home.
        let rustup =
            std::env::var_os("RUSTUP_HOME").map_or_else(|| real.join(".rustup"), PathBuf::from);
        env.push(("RUSTUP_HOME".into(), rustup.display().to_string()));
        // Java takes the home of the account, whatever HOME says.
        let gradle = home.join(".gradle").display().to_string();
        env.push(("GRADLE_USER_HOME".into(), gradle));
        let maven = format!("-Duser.home={}", home.display());
        env.push(("MAVEN_OPTS".into(), maven));
        Self {
            name,
            uid,
            gid,
            home,
            env,
            switch: false,
        }
    }

    fn made_for_the_tests() -> Result<Self, String> {
        let _alone = Lock::take(Path::new("/run/ringfence-e2e-account.lock"));
        if account(|line| line.name == ACCOUNT).is_none() {
            let made = Command::new("useradd")
                .args(["--create-home", "--shell", "/bin/bash", ACCOUNT])
                .output()
                .map_err(|e| format!("useradd cannot be started: {e}"))?;
            if !made.status.success() {
                return Err(format!(
                    "useradd {ACCOUNT}: {}",
                    String::from_utf8_lossy(&made.stderr).trim()
                ));
            }
        }
        let (uid, (name, gid, home)) = entries()
            .find(|line| line.name == ACCOUNT)
            .map(|line| (line.uid, (line.name, line.gid, line.home)))
            .ok_or_else(|| format!("no account {ACCOUNT} after useradd"))?;
        let mut env = basics(&name, &home);
        let own = home.join(".cargo/bin");
        env.push((
            "PATH".into(),
            format!(
                "{}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
                own.display()
            ),
        ));
        env.push((
            "RUSTUP_HOME".into(),
            home.join(".rustup").display().to_string(),
        ));
        Ok(Self {
            name,
            uid,
            gid,
            home,
            env,
            switch: true,
        })
    }

    /// The same person with another, empty home (its directory must exist and be theirs).
    #[must_use]
    pub fn with_home(&self, home: &Path) -> Self {
        let mut other = self.clone();
        home.clone_into(&mut other.home);
        for (key, value) in &mut other.env {
            if key == "HOME" {
                *value = home.display().to_string();
            }
        }
        other
    }

    /// Whether this is uid 0.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// A variable of their environment.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Where their `PATH` has `tool`.
    pub fn tool(&self, tool: &str) -> Option<PathBuf> {
        std::env::split_paths(self.var("PATH").unwrap_or_default())
            .map(|dir| dir.join(tool))
            .find(|file| file.is_file())
    }

    /// A command that this person runs, in `dir`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .current_dir(dir);
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes a path theirs.
    pub fn own(&self, path: &Path) {
        if self.switch {
            std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid)).unwrap();
        }
    }

    /// A directory of theirs below their home, made if missing.
    pub fn dir(&self, below: &str) -> PathBuf {
        let mut at = self.home.clone();
        for part in Path::new(below) {
            at.push(part);
            if fs::create_dir(&at).is_ok() {
                self.own(&at);
            }
        }
        at
    }
}

fn basics(name: &str, home: &Path) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = [
        ("USER", name),
        ("LOGNAME", name),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm"),
        ("GIT_AUTHOR_NAME", "A Tester"),
        ("GIT_AUTHOR_EMAIL", "tester@example.com"),
        ("GIT_COMMITTER_NAME", "A Tester"),
        ("GIT_COMMITTER_EMAIL", "tester@example.com"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    env.push(("HOME".into(), home.display().to_string()));
    env
}

struct Entry {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
}

/// /etc/passwd read directly: the tests are linked statically, where getpwnam needs libraries at run time.
fn entries() -> impl Iterator<Item = Entry> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let field: Vec<&str> = line.split(':').collect();
            Some(Entry {
                name: (*field.first()?).to_owned(),
                uid: field.get(2)?.parse().ok()?,
                gid: field.get(3)?.parse().ok()?,
                home: PathBuf::from(field.get(5)?),
            })
        })
        .collect::<Vec<_>>()
        .into_iter()
}

fn account(which: impl Fn(&Entry) -> bool) -> Option<(String, u32, PathBuf)> {
    entries()
        .find(which)
        .map(|line| (line.name, line.gid, line.home))
}

/// Test processes run side by side; what they share is made by one of them at a time.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, and let go when dropped")] fs::File);

impl Lock {
    pub(crate) fn take(path: &Path) -> Self {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .unwrap();
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
        Self(file)
    }
}
