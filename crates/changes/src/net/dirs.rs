//! Finds directories that were renamed, and opens those that came, went, or stand in another's place.

use std::collections::{HashMap, HashSet};

use super::Net;
use crate::tree::{Meta, NodeId};

impl Net<'_> {
    /// Until each directory is matched, told or opened.
    pub(super) fn match_dirs(&mut self) {
        loop {
            self.hold_pairs();
            if self.pair_dirs() {
                continue;
            }
            // What is nowhere on the other side is opened first: in it may lie what a directory that is somewhere is to be
            // matched with.
            let new = self.choose(true, false);
            let gone = self.choose(false, false);
            if self.pair_twins(&new, &gone) || self.open_new(&new) || self.open_gone(&gone) {
                continue;
            }
            let new = self.choose(true, true);
            if self.pair_ahead(&new) {
                continue;
            }
            let gone = self.choose(false, true);
            let one = |mut all: Vec<usize>| {
                all.truncate(1);
                all
            };
            if self.pair_twins(&new, &gone)
                || self.open_new(&one(new))
                || self.open_gone(&one(gone))
            {
                continue;
            }
            break;
        }
    }

    fn pair_dirs(&mut self) -> bool {
        self.new.prune();
        self.gone.prune();
        if self.new.waiting.is_empty() || self.gone.waiting.is_empty() {
            return false;
        }
        let mut by_ident: HashMap<(NodeId, u64), usize> = HashMap::new();
        for number in &self.gone.waiting {
            let item = &self.gone.items[*number];
            if let Some((root, _)) = self.climb(item.dir, Self::place_before) {
                by_ident.insert((root, item.meta.ident), *number);
            }
        }
        let mut any = false;
        for new in self.new.waiting.clone() {
            let item = &self.new.items[new];
            let Some((root, _)) = self.climb(item.dir, Self::place_after) else {
                continue;
            };
            if let Some(gone) = by_ident.remove(&(root, item.meta.ident)) {
                any = true;
                let (was, is) = (self.gone.items[gone].meta, item.meta);
                self.renamed(gone, new, was.mode != is.mode);
                self.go_below(&was, &is);
            }
        }
        any
    }

    /// Directories that were moved into what they lay in, or out of what was moved into them: each waits for the other. What
    /// was their place is empty, whatever became of what it was in.
    fn pair_ahead(&mut self, chosen: &[usize]) -> bool {
        let mut any = false;
        for new in chosen {
            let is = &self.new.items[*new];
            let (at, is_in, is) = (is.meta.dir, is.dir, is.meta);
            let Some((dir, name)) = self.place_before(at) else {
                continue;
            };
            let roots = [
                self.climb(dir, Self::place_before),
                self.climb(is_in, Self::place_after),
            ];
            let [Some((was_root, _)), Some((root, _))] = roots else {
                continue;
            };
            let Some(was) = self.before(dir, name) else {
                continue;
            };
            if was_root != root || self.tree.child(dir, name).is_some() || !self.ahead.insert(at) {
                continue;
            }
            let gone = self.gone.add(dir, name, was);
            self.renamed(gone, *new, was.mode != is.mode);
            self.go_below(&was, &is);
            any = true;
        }
        any
    }

    /// Directories still to be opened; not those that are somewhere on the other side as well, unless all are asked for.
    fn choose(&self, new: bool, all: bool) -> Vec<usize> {
        let side = if new { &self.new } else { &self.gone };
        let elsewhere = |n: &usize| {
            let Some(dir) = side.items[*n].meta.dir.some() else {
                return false;
            };
            let there = if new {
                self.climb(dir, Self::place_before)
            } else {
                self.climb(dir, Self::place_after)
            };
            there.is_some()
        };
        let chosen = side.waiting.iter().filter(|n| all || !elsewhere(n));
        chosen.copied().collect()
    }

    /// A directory in another's place, where neither is anywhere else: what is in them is held against each other.
    fn pair_twins(&mut self, new: &[usize], gone: &[usize]) -> bool {
        let gone: HashSet<usize> = gone.iter().copied().collect();
        let mut any = false;
        for new in new {
            let is = &self.new.items[*new];
            let Some(twin) = is.twin.filter(|twin| gone.contains(twin)) else {
                continue;
            };
            let (dir, name, is) = (is.dir, is.name, is.meta);
            let was = self.gone.items[twin].meta;
            self.new.items[*new].done = true;
            self.gone.items[twin].done = true;
            self.same_dir(dir, name, &was, &is);
            any = true;
        }
        any
    }

    fn open_new(&mut self, chosen: &[usize]) -> bool {
        let tree = self.tree;
        for number in chosen {
            self.new.items[*number].opened = true;
            let dir = self.new.items[*number].meta.dir;
            let children = tree.get(dir).into_iter().flat_map(|node| &node.children);
            for (name, meta) in children {
                self.new.add(dir, name, *meta);
            }
        }
        !chosen.is_empty()
    }

    fn open_gone(&mut self, chosen: &[usize]) -> bool {
        let tree = self.tree;
        for number in chosen {
            self.gone.items[*number].opened = true;
            let dir = self.gone.items[*number].meta.dir;
            let over = self.over.get(&dir);
            let noted = |name: &[u8]| over.is_some_and(|places| places.contains_key(name));
            let children = tree.get(dir).into_iter().flat_map(|node| &node.children);
            let known = children.map(|(name, meta)| (&**name, *meta));
            let mut was: Vec<(&[u8], Meta)> = known.filter(|(name, _)| !noted(name)).collect();
            let places = over.into_iter().flatten();
            was.extend(places.filter_map(|(name, past)| Some((*name, past.meta?))));
            for (name, meta) in was {
                self.add_gone(dir, name, meta);
            }
        }
        !chosen.is_empty()
    }
}
