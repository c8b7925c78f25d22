//! Directories that are not seen, and why.

use std::collections::{BTreeSet, HashMap};

use crate::tree::{Name, NodeId};

/// Why a directory is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Why {
    Unwatched,
    Unreadable,
}

/// Counted, so that telling of them costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    why: HashMap<NodeId, Why>,
    unwatched: BTreeSet<NodeId>,
    unreadable: BTreeSet<NodeId>,
    /// Places where something else is mounted.
    mounts: BTreeSet<(NodeId, Name)>,
}

impl Unseen {
    pub(crate) fn add(&mut self, dir: NodeId, why: Why) {
        self.remove(dir);
        self.why.insert(dir, why);
        self.set(why).insert(dir);
    }

    pub(crate) fn remove(&mut self, dir: NodeId) {
        if let Some(why) = self.why.remove(&dir) {
            self.set(why).remove(&dir);
        }
    }

    pub(crate) fn has(&self, dir: NodeId) -> Option<Why> {
        self.why.get(&dir).copied()
    }

    fn set(&mut self, why: Why) -> &mut BTreeSet<NodeId> {
        match why {
            Why::Unwatched => &mut self.unwatched,
            Why::Unreadable => &mut self.unreadable,
        }
    }

    pub(crate) fn all(&self, why: Why) -> &BTreeSet<NodeId> {
        match why {
            Why::Unwatched => &self.unwatched,
            Why::Unreadable => &self.unreadable,
        }
    }

    pub(crate) fn mounts(&self) -> &BTreeSet<(NodeId, Name)> {
        &self.mounts
    }

    pub(crate) fn set_mount(&mut self, dir: NodeId, name: &[u8], is: bool) {
        if is {
            self.mounts.insert((dir, name.into()));
        } else if !self.mounts.is_empty() {
            self.mounts.remove(&(dir, Name::from(name)));
        }
    }

    pub(crate) fn remove_mounts(&mut self, dir: NodeId) {
        if self.mounts.is_empty() {
            return;
        }
        let mine: Vec<_> = self
            .mounts
            .range((dir, Name::default())..)
            .take_while(|(of, _)| *of == dir)
            .cloned()
            .collect();
        for mount in mine {
            self.mounts.remove(&mount);
        }
    }
}
