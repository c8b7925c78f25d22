//! What a probe is told about the arena. It travels in one environment variable.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The environment variable that carries [`Facts`] as JSON.
pub const VARIABLE: &str = "RINGFENCE_ARENA";

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Sets this arena apart from every other; in every name and content it makes.
    pub nonce: String,
    /// The workspace: a repository with a nested one, a submodule, a worktree and a hooks path.
    pub workspace: PathBuf,
    /// A directory that is no write root.
    pub outside: PathBuf,
    /// The stand-in home, which holds workspace and secrets.
    pub home: PathBuf,
    /// The directory of everything the arena made.
    pub root: PathBuf,
    /// The stand-in for `$XDG_RUNTIME_DIR`.
    pub runtime: PathBuf,
    /// A directory in the host's `/tmp`.
    pub tmp: PathBuf,
    /// A directory in the host's `/run`; root only.
    pub run: Option<PathBuf>,
    /// This probe, where the ring can start it.
    pub probe: PathBuf,
    /// The harness under test.
    pub harness: Option<PathBuf>,
    /// The process outside to be reached for.
    pub victim: i32,
    /// Where in the victim's memory its secret is, and how long that is (bytes).
    pub victim_secret: (usize, usize),
    /// The TCP listener, on every IPv4 address.
    pub tcp: u16,
    /// The TCP listener on the IPv6 loopback.
    pub tcp6: Option<u16>,
    /// The UDP listener, which answers.
    pub udp: u16,
    /// A port nobody listens on, which a caller outside tries.
    pub visited: u16,
    /// An address of the host that is not loopback.
    pub address: Option<std::net::Ipv4Addr>,
    /// The key of System V objects.
    pub ipc_key: i32,
    /// The name of a POSIX queue, if there could be one.
    pub queue: Option<String>,
    /// The name of a key in the user's keyring, if there could be one.
    pub key: Option<String>,
    /// A program owned by another user with the set-user-id bit; root only.
    pub setuid: Option<PathBuf>,
    /// A program with a file capability; root only.
    pub capable: Option<PathBuf>,
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

    /// The abstract socket's name.
    #[must_use]
    pub fn abstract_name(&self) -> String {
        format!("ringfence-abstract-{}", self.nonce)
    }
}
