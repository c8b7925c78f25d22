//! What can be written and is not enforced yet: refused, never ignored.

use std::fmt;

use crate::model::{Effective, NetworkMode, Origin};
use crate::names::quoted;

/// A part of a policy that this version reads but cannot enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYet {
    /// The key and the value.
    pub what: String,
    /// Where it stands.
    pub origin: Origin,
    /// What to write instead.
    pub remedy: &'static str,
}

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            origin,
            remedy,
        } = self;
        write!(
            f,
            "{}: {what} cannot be enforced by this version; {remedy}",
            origin.place()
        )
    }
}

/// Each part that cannot be enforced yet. Whoever runs a command refuses while this is not empty.
pub fn not_yet(effective: &Effective) -> Vec<NotYet> {
    let mut parts = Vec::new();
    let mode = &effective.network.mode;
    if mode.value == NetworkMode::Allow {
        let what = "network.mode: `allow`".to_owned();
        parts.push(NotYet {
            what,
            origin: mode.origin.clone(),
            remedy: "write \"off\" or \"on\"",
        });
    }
    for entry in &effective.network.allow {
        let what = format!("network.allow: {}", quoted(&entry.value));
        parts.push(NotYet {
            what,
            origin: entry.origin.clone(),
            remedy: "remove it",
        });
    }
    parts
}
