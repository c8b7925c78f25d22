//! What a probe is told about the arena. It travels in one environment variable.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The environment variable that carries [`Facts`] as JSON.
pub const VARIABLE: &str = "RINGFENCE_ARENA";

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Sets this arena apart from every other; in every name and content it makes.
    pub nonce: String,
    /// The workspace: a repository.
    pub workspace: PathBuf,
    /// A directory that is no write root.
    pub outside: PathBuf,
    /// The stand-in profile, which holds workspace and secrets.
    pub home: PathBuf,
    /// The directory of everything the arena made.
    pub root: PathBuf,
    /// This probe, where the ring can start it.
    pub probe: PathBuf,
    /// The harness under test.
    pub harness: Option<PathBuf>,
    /// The process outside to be reached for.
    pub victim: u32,
    /// Where in the victim's memory its secret is, and how long that is (bytes).
    pub victim_secret: (usize, usize),
    /// The TCP listener on the IPv4 loopback, and on [`Facts::address`].
    pub tcp: u16,
    /// The TCP listener on the IPv6 loopback.
    pub tcp6: Option<u16>,
    /// The UDP listener, which answers.
    pub udp: u16,
    /// An address of the host that is not loopback.
    pub address: Option<std::net::Ipv4Addr>,
    /// The user, as a SID in words: whose part of the registry is reached for, whoever the command is.
    pub user: String,
    /// `C:\Windows`.
    pub windows: PathBuf,
    /// `C:\Users\Public`.
    pub public: PathBuf,
    /// `C:\ProgramData`.
    pub data: PathBuf,
    /// The volume's name and the path from it (`\\?\Volume{…}\…`) of the arena's directory, where it has one.
    pub volume: Option<PathBuf>,
    /// Paths, and the same with names of eight letters, where there are such.
    pub short: Vec<(PathBuf, PathBuf)>,
}

impl Facts {
    /// The content of everything secret in the arena.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("hidden {}", self.nonce)
    }

    /// What a listener says to whoever connects.
    #[must_use]
    pub fn banner(&self) -> String {
        format!("outside {}\n", self.nonce)
    }

    /// What stands in the command line of a process started for a row.
    #[must_use]
    pub fn marker(&self, name: &str) -> String {
        format!("ringfence-marker-{}-{name}", self.nonce)
    }

    /// The name of an object of the kernel: an event, a mutex, a section, a survivor.
    #[must_use]
    pub fn object(&self, kind: &str) -> String {
        format!(r"Local\ringfence-{}-{kind}", self.nonce)
    }

    /// The named pipe.
    #[must_use]
    pub fn pipe(&self) -> String {
        format!(r"\\.\pipe\ringfence-{}", self.nonce)
    }

    /// What is set in the registry.
    #[must_use]
    pub fn value(&self) -> String {
        format!("ringfence-probe-{}", self.nonce)
    }

    /// A key of the user's in the registry, below `HKEY_USERS`.
    #[must_use]
    pub fn key(&self, below: &str) -> String {
        format!(r"{}\{below}", self.user)
    }

    /// The path with short names, where it has them.
    #[must_use]
    pub fn short_of(&self, path: &Path) -> Option<&Path> {
        let found = self.short.iter().find(|(long, _)| long == path);
        found.map(|(_, short)| short.as_path())
    }
}
