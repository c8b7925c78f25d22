//! What [`load`](crate::load) works from.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{CacheMode, LinuxMode, Mode, NetworkMode, Snapshot};

/// A policy file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    /// Its absolute path: the base of its relative paths, and its name in errors.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// Whether a person accepted the exact content of a project file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Nobody did: it can only tighten.
    Untrusted,
    /// A person did: it is a layer between user and flags, but for `full-access` and `reveal`.
    Trusted,
}

/// Every layer as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The administrator's bounds.
    pub managed: Option<FileText>,
    /// The person's own file.
    pub user: Option<FileText>,
    /// The project's files, the outermost directory's first, and whether a person accepted each.
    pub projects: Vec<(FileText, Trust)>,
    /// What a person has granted, and holds here.
    pub grants: Vec<Granted>,
    /// The command line.
    pub flags: Flags,
}

/// A grant that a person gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its number.
    pub number: u32,
    /// A write root, absolute.
    pub write: Option<PathBuf>,
    /// The name of a built-in hidden entry.
    pub reveal: Option<String>,
    /// A socket, absolute.
    pub socket: Option<PathBuf>,
    /// Wall-clock time of one command.
    pub time: Option<Duration>,
    /// What one command may print, in bytes.
    pub output: Option<u64>,
}

/// What the command line said. Relative paths are relative to [`Context::cwd`], but for
/// `protect`, where they lie below every write root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--mode`
    pub mode: Option<Mode>,
    /// `--write`
    pub write: Vec<PathBuf>,
    /// `--protect`
    pub protect: Vec<PathBuf>,
    /// `--hide`
    pub hide: Vec<PathBuf>,
    /// `--reveal`: names of built-in hidden entries, for example `hide.ssh`.
    pub reveal: Vec<String>,
    /// `--read`: `all` or `minimal` alone, or paths.
    pub read: Option<Vec<String>>,
    /// `--network`
    pub network: Option<NetworkMode>,
    /// `--allow`
    pub allow: Vec<String>,
    /// `--caches`
    pub cache_mode: Option<CacheMode>,
    /// `--cache-tools`
    pub cache_tools: Option<Vec<String>>,
    /// `--pass-env`
    pub pass_env: Vec<String>,
    /// `--drop-env`
    pub drop_env: Vec<String>,
    /// `--time`
    pub time: Option<Duration>,
    /// `--memory`, in bytes.
    pub memory: Option<u64>,
    /// `--processes`
    pub processes: Option<u32>,
    /// `--output`, in bytes.
    pub output: Option<u64>,
    /// `--accept`
    pub accept: Vec<String>,
    /// `--linux-mode`
    pub linux_mode: Option<LinuxMode>,
    /// `--socket`
    pub sockets: Vec<PathBuf>,
    /// `--snapshot`
    pub snapshot: Option<Snapshot>,
    /// `--nested`
    pub nested: Option<bool>,
}

/// What paths are resolved against. Nothing else of the machine is asked.
pub struct Context<'a> {
    /// The person's home directory, absolute; what `~` is.
    pub home: Option<PathBuf>,
    /// The home directory of the person's account, absolute. Hidden in it is what is hidden in `home`,
    /// where that is another.
    pub account_home: Option<PathBuf>,
    /// The current directory, absolute: the base of the flags' relative paths.
    pub cwd: PathBuf,
    /// The environment; asked only for [`defaults::VARIABLES`](crate::defaults::VARIABLES) and for
    /// [`defaults::MOVED_BY`](crate::defaults::MOVED_BY).
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("home", &self.home)
            .field("account_home", &self.account_home)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}
