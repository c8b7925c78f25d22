//! Listing directories.

use std::collections::{BTreeSet, HashSet};
use std::os::fd::AsFd;

use super::{Index, NotOpened};
use crate::log::Before;
use crate::tree::{Meta, Name, NodeId};
use crate::unseen::Why;
use crate::walk;
use crate::watch::Refused;

/// What a directory is listed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// It is new: so is all that is in it.
    Made,
    /// It is seen for the first time, and may have been there for long.
    Found,
    /// Events were lost: it and all below it is looked at once more.
    Again,
    /// It has no watch: its own entries are looked at once more.
    Here,
}

impl Index {
    pub(super) fn scan(&mut self, dir: NodeId, how: Scan) {
        let Some(node) = self.tree.get(dir).filter(|node| !node.dead) else {
            return;
        };
        let mut how = how;
        if how == Scan::Again {
            if node.walk == self.walk {
                return;
            }
            if !node.listed {
                // It is about to be, or could not be.
                if self.unseen.has(dir) != Some(Why::Unreadable) {
                    return;
                }
                how = Scan::Found;
            }
        }
        let listed = self.tree.get(dir).is_some_and(|node| node.listed);
        let fd = match self.open(dir, walk::LIST) {
            Ok(fd) => fd,
            // Where it comes to a place again, it is listed there.
            Err(NotOpened::Nowhere) => return self.unplaced.push((dir, how)),
            Err(NotOpened::Away) => {
                self.soil_place(dir);
                return self.later.push((dir, how));
            }
            Err(NotOpened::Unreadable) => return self.unreadable(dir),
        };
        // Before it is listed: what is made meanwhile is listed, told of, or both.
        self.watch(dir, &fd);
        let Ok(names) = self.lister.names(fd.as_fd()) else {
            return self.unreadable(dir);
        };
        if let Some(node) = self.tree.get_mut(dir) {
            node.listed = true;
            if how != Scan::Here {
                node.walk = self.walk;
            }
        }
        if listed {
            self.list_again(dir, &fd, names, how);
        } else {
            self.list_first(dir, &fd, names, how);
        }
    }

    fn watch(&mut self, dir: NodeId, fd: &std::os::fd::OwnedFd) {
        let has = self.tree.get(dir).is_some_and(|node| node.watch.is_some());
        if has || !self.following {
            return self.unseen.remove(dir);
        }
        let refused = match &mut self.watches {
            Some(watches) => watches.add(fd.as_fd(), dir),
            None => Err(Refused::Limit),
        };
        match refused {
            Ok(number) => {
                if let Some(node) = self.tree.get_mut(dir) {
                    node.watch = Some(number);
                }
                self.unseen.remove(dir);
            }
            Err(Refused::Limit | Refused::Known) => self.unseen.add(dir, Why::Unwatched),
            Err(Refused::Unreadable) => self.unseen.add(dir, Why::Unreadable),
        }
    }

    fn list_first(
        &mut self,
        dir: NodeId,
        fd: &std::os::fd::OwnedFd,
        names: Vec<std::ffi::CString>,
        how: Scan,
    ) {
        let since = match how {
            Scan::Found => self.log.since(),
            _ => None,
        };
        let mut children: Vec<(Name, Meta)> = Vec::with_capacity(names.len());
        for name in names {
            // What went meanwhile was never there.
            let Ok(found) = walk::found(fd.as_fd(), &*name) else {
                continue;
            };
            let name = Name::from(name.into_bytes());
            let meta = self.settled(dir, &name, &found, how);
            // When a directory last changed says nothing: what is in it is told by itself.
            let at = if meta.is_dir() {
                found.born
            } else {
                found.changed
            };
            if since.is_some_and(|since| at >= since) {
                self.note(dir, &name, Before::Seen(meta, found.born), false);
            }
            match how {
                Scan::Found => self.linked_before(dir, &name, &meta),
                _ => self.linked(dir, &name, None, Some(&meta)),
            }
            children.push((name, meta));
        }
        if let Some(node) = self.tree.get_mut(dir) {
            // From many at once, in their order: a tree without gaps.
            children.sort_by(|(a, _), (b, _)| a.cmp(b));
            node.children = children.into_iter().collect();
        }
    }

    fn list_again(
        &mut self,
        dir: NodeId,
        fd: &std::os::fd::OwnedFd,
        names: Vec<std::ffi::CString>,
        how: Scan,
    ) {
        let listed: HashSet<&[u8]> = names.iter().map(|name| name.to_bytes()).collect();
        let mut gone: BTreeSet<Name> = BTreeSet::new();
        if let Some(node) = self.tree.get(dir) {
            let missing = node
                .children
                .keys()
                .filter(|name| !listed.contains(&***name));
            gone.extend(missing.cloned());
        }
        for name in &gone {
            self.look_at(dir, fd.as_fd(), name, false);
        }
        for name in &names {
            self.look_at(dir, fd.as_fd(), name.to_bytes(), false);
        }
        if how == Scan::Again {
            let below: Vec<NodeId> = self.tree.dirs_in(dir).collect();
            self.fresh.extend(below.into_iter().map(|dir| (dir, how)));
        }
    }
}
