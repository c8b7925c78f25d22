//! One layer as it was written: checked by itself, not yet against the other layers.

mod checks;
mod flags;
mod rule;
mod toml;

use std::path::PathBuf;
use std::time::Duration;

use crate::environment::NamePattern;
use crate::model::{
    Ask, CacheMode, Hide, LinuxMode, Mode, NetworkMode, Origin, Protect, Read, Snapshot, Sourced,
};
use crate::rule::Rule;

pub(crate) use flags::{from_flags, granted};
pub(crate) use toml::from_toml;
pub use toml::read_rules;

/// A list that can widen: whether it was written at all matters, since a bound may be empty.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    /// Where the list begins.
    pub(crate) origin: Origin,
    /// Its entries.
    pub(crate) items: Vec<Sourced<T>>,
}

/// A layer. Lists that only tighten need no "was it written".
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) mode: Option<Sourced<Mode>>,
    pub(crate) write: Option<Listed<PathBuf>>,
    pub(crate) protect: Vec<Sourced<Protect>>,
    pub(crate) hide: Vec<Sourced<Hide>>,
    pub(crate) reveal: Option<Listed<String>>,
    pub(crate) read: Option<Sourced<Read>>,
    pub(crate) snapshot: Option<Sourced<Snapshot>>,
    pub(crate) network: Option<Sourced<NetworkMode>>,
    pub(crate) allow: Option<Listed<String>>,
    pub(crate) cache_mode: Option<Sourced<CacheMode>>,
    pub(crate) cache_tools: Option<Sourced<Vec<String>>>,
    pub(crate) pass: Option<Listed<NamePattern>>,
    pub(crate) drop: Vec<Sourced<NamePattern>>,
    pub(crate) time: Option<Sourced<Duration>>,
    pub(crate) memory: Option<Sourced<u64>>,
    pub(crate) processes: Option<Sourced<u32>>,
    pub(crate) output: Option<Sourced<u64>>,
    pub(crate) accept: Option<Listed<String>>,
    pub(crate) approval_ask: Option<Sourced<Ask>>,
    pub(crate) approval_within: Option<Sourced<Duration>>,
    pub(crate) approval_most: Option<Sourced<u32>>,
    pub(crate) approval_program: Option<Sourced<Vec<String>>>,
    pub(crate) ledger_keep: Option<Sourced<Duration>>,
    pub(crate) ledger_size: Option<Sourced<u64>>,
    pub(crate) linux_mode: Option<Sourced<LinuxMode>>,
    pub(crate) sockets: Option<Listed<PathBuf>>,
    pub(crate) nested: Option<Sourced<bool>>,
    pub(crate) rules: Vec<Sourced<Rule>>,
}
