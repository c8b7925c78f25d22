//! Files with several names: what is written through one of them is told of that one alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Index;
use crate::tree::{Meta, Name, NodeId};

/// Names of files that have several.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_ident: HashMap<u64, Linked>,
    /// Files that may have been written to through a name of several: how many they have.
    wanted: BTreeMap<u64, usize>,
}

#[derive(Debug, Default)]
struct Linked {
    names: BTreeSet<(NodeId, Name)>,
    /// All names in the roots are known. Not so for a file that had one name when it was noted.
    whole: bool,
}

impl Index {
    /// A place was seen for the first time. A walk that comes by all of them finds each name by itself.
    pub(super) fn linked_before(&mut self, dir: NodeId, name: &[u8], is: &Meta) {
        if !is.is_dir() && is.is_linked() {
            let known = self.links.by_ident.entry(is.ident).or_default();
            known.names.insert((dir, Name::from(name)));
        }
    }

    /// A place held `old` and holds `new`.
    pub(super) fn linked(
        &mut self,
        dir: NodeId,
        name: &[u8],
        old: Option<&Meta>,
        new: Option<&Meta>,
    ) {
        let linked = |meta: &&Meta| !meta.is_dir() && meta.is_linked();
        if let Some(old) = old
            && new.is_none_or(|new| new.ident != old.ident)
            && let Some(known) = self.links.by_ident.get_mut(&old.ident)
        {
            known.names.remove(&(dir, Name::from(name)));
            if known.names.is_empty() {
                self.links.by_ident.remove(&old.ident);
            } else {
                // It may have been written to through the name that is gone.
                let others: Vec<_> = known.names.iter().cloned().collect();
                for (at, other) in others {
                    self.soil(at, other);
                }
            }
        }
        let Some(new) = new.filter(linked) else {
            return;
        };
        let known = self.links.by_ident.entry(new.ident).or_default();
        known.names.insert((dir, Name::from(name)));
        let written = match old.filter(|old| old.ident == new.ident) {
            Some(old) => old.differs(new) || old.mode != new.mode,
            // A name that was added; through it the file may have been written to meanwhile.
            None => true,
        };
        if !written {
            return;
        }
        if !known.whole {
            self.links.wanted.insert(new.ident, new.names());
        }
        let others: Vec<_> = known.names.iter().cloned().collect();
        for (at, other) in others {
            let known = self.tree.child(at, &other);
            let stale = known.is_some_and(|meta| meta.differs(new) || meta.mode != new.mode);
            if stale && (at, &*other) != (dir, name) {
                self.soil(at, other);
            }
        }
    }

    /// A directory is let go of, and its names with it.
    pub(super) fn forget_links(&mut self, dir: NodeId) {
        if self.links.by_ident.is_empty() {
            return;
        }
        let children = self
            .tree
            .get(dir)
            .into_iter()
            .flat_map(|node| &node.children);
        let linked = children.filter(|(_, meta)| self.links.by_ident.contains_key(&meta.ident));
        let linked: Vec<(Name, Meta)> = linked.map(|(name, meta)| (name.clone(), *meta)).collect();
        for (name, meta) in linked {
            self.linked(dir, &name, Some(&meta), None);
        }
    }

    /// How many names are known of files that have several.
    #[cfg(test)]
    pub(super) fn linked_names(&self) -> usize {
        let known = self.links.by_ident.values();
        known.map(|linked| linked.names.len()).sum()
    }

    /// Looks for names that are not known, of files that were written to or given another name: once a file, through all that
    /// is known, and only for these.
    pub(super) fn find_links(&mut self) {
        let mut wanted = std::mem::take(&mut self.links.wanted);
        wanted.retain(|ident, names| {
            let known = self.links.by_ident.get(ident);
            known.is_some_and(|known| known.names.len() < *names)
        });
        if wanted.is_empty() {
            return;
        }
        let mut found: Vec<(u64, NodeId, Name)> = Vec::new();
        for (dir, node) in self.tree.nodes().filter(|(_, node)| !node.dead) {
            let here = node.children.iter();
            let here = here.filter(|(_, meta)| wanted.contains_key(&meta.ident) && !meta.is_dir());
            found.extend(here.map(|(name, meta)| (meta.ident, dir, name.clone())));
        }
        for ident in wanted.keys() {
            self.links.by_ident.entry(*ident).or_default().whole = true;
        }
        for (ident, dir, name) in found {
            let known = self.links.by_ident.entry(ident).or_default();
            if known.names.insert((dir, name.clone())) {
                self.soil(dir, name);
            }
        }
    }
}
