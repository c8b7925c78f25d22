//! Places, and the directories that come to them and leave them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::scan::Scan;
use super::{Index, merge};
use crate::log::{Before, Note};
use crate::tree::{Meta, Name, Node, NodeId};
use crate::unseen::Why;
use crate::walk::{self, Found};

impl Index {
    /// Looks at one place of a directory that has been opened.
    pub(super) fn look_at(&mut self, dir: NodeId, fd: BorrowedFd<'_>, name: &[u8], written: bool) {
        let new = match walk::found(fd, name) {
            Ok(found) => Some(found),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => None,
            Err(_) => return self.unreadable(dir),
        };
        let old = self.tree.child(dir, name).copied();
        match (old, new) {
            (None, None) => {}
            (Some(old), Some(new)) if old.ident == new.meta.ident && old.same_type(&new.meta) => {
                if old.is_dir() {
                    self.same_dir(dir, name, old, &new);
                } else {
                    self.same_file(dir, name, old, new.meta, written);
                }
            }
            (old, new) => self.another(dir, name, old, new.as_ref()),
        }
    }

    fn same_dir(&mut self, dir: NodeId, name: &[u8], old: Meta, new: &Found) {
        if old.dir == NodeId::NONE {
            // It could not be placed when it was seen first; perhaps now.
            let node = self.place(dir, name, new, Scan::Made);
            if node != NodeId::NONE {
                self.unseen.set_mount(dir, name, false);
                self.set(
                    dir,
                    name,
                    Meta {
                        dir: node,
                        ..new.meta
                    },
                );
            }
            return;
        }
        if old.mode == new.meta.mode {
            return;
        }
        self.note(dir, name, Before::Was(old), false);
        self.set(
            dir,
            name,
            Meta {
                dir: old.dir,
                ..new.meta
            },
        );
        if self.unseen.has(old.dir) == Some(Why::Unreadable) {
            let listed = self.tree.get(old.dir).is_some_and(|node| node.listed);
            self.queue(old.dir, if listed { Scan::Here } else { Scan::Found });
        }
    }

    fn same_file(&mut self, dir: NodeId, name: &[u8], old: Meta, new: Meta, written: bool) {
        if old == new && !written {
            return;
        }
        self.note(dir, name, Before::Was(old), written);
        self.set(dir, name, new);
        self.linked(dir, name, Some(&old), Some(&new));
    }

    /// Something else stands there, or nothing.
    fn another(&mut self, dir: NodeId, name: &[u8], old: Option<Meta>, new: Option<&Found>) {
        self.note(dir, name, old.map_or(Before::Nothing, Before::Was), false);
        if let Some(old) = &old {
            self.take_out(dir, name, old);
        }
        let meta = new.map(|found| self.settled(dir, name, found, Scan::Made));
        if let Some(meta) = meta {
            self.set(dir, name, meta);
        }
        self.linked(dir, name, old.as_ref(), meta.as_ref());
    }

    fn take_out(&mut self, dir: NodeId, name: &[u8], old: &Meta) {
        self.unseen.set_mount(dir, name, false);
        if let Some(node) = self.tree.get_mut(dir) {
            node.children.remove(name);
        }
        // It may have been found elsewhere already.
        if let Some(node) = self.tree.get_mut(old.dir)
            && node.parent == dir
            && *node.name == *name
        {
            node.attached = false;
            self.limbo.push(old.dir);
        }
    }

    fn set(&mut self, dir: NodeId, name: &[u8], meta: Meta) {
        if let Some(node) = self.tree.get_mut(dir) {
            match node.children.get_mut(name) {
                Some(known) => *known = meta,
                None => {
                    node.children.insert(name.into(), meta);
                }
            }
        }
    }

    /// What is noted of something that was found, with its node where it is a directory.
    pub(super) fn settled(&mut self, dir: NodeId, name: &[u8], found: &Found, how: Scan) -> Meta {
        let mut meta = found.meta;
        if meta.is_dir() {
            meta.dir = self.place(dir, name, found, how);
        }
        meta
    }

    /// The node of a directory that was found at a place: a new one, or the one that came there.
    fn place(&mut self, dir: NodeId, name: &[u8], found: &Found, how: Scan) -> NodeId {
        let Some(device) = self.tree.get(dir).map(|node| node.device) else {
            return NodeId::NONE;
        };
        if found.device != device {
            self.unseen.set_mount(dir, name, true);
            return NodeId::NONE;
        }
        let known = self.tree.at_inode(device, found.inode);
        if let Some(known) = known
            && let Some(node) = self.tree.get(known)
            && !node.dead
            && node.ident == found.meta.ident
        {
            return self.come(known, dir, name);
        }
        let born = match how {
            Scan::Found => 0,
            _ => self.log.end(),
        };
        let node = Node {
            parent: dir,
            name: name.into(),
            attached: true,
            dead: false,
            listed: false,
            device,
            inode: found.inode,
            ident: found.meta.ident,
            watch: None,
            born,
            held: 0,
            walk: 0,
            children: BTreeMap::new(),
        };
        let id = self.tree.add(node);
        self.queue(id, how);
        id
    }

    /// A directory that is known was found at a place.
    fn come(&mut self, known: NodeId, dir: NodeId, name: &[u8]) -> NodeId {
        let Some(node) = self.tree.get(known) else {
            return NodeId::NONE;
        };
        let (was_in, was) = (node.parent, node.name.clone());
        if node.attached {
            if was_in == dir && *was == *name {
                return known;
            }
            if self.is_there(known) {
                // Mounted a second time: it is looked at where it was found first.
                self.unseen.set_mount(dir, name, true);
                return NodeId::NONE;
            }
            if self.tree.up(dir).any(|(up, _)| up == known) {
                // Two directories changed places while they were looked at.
                self.soil_place(known);
                self.soil(dir, name.into());
                return NodeId::NONE;
            }
            if let Some(meta) = self.tree.child(was_in, &was).copied() {
                self.note(was_in, &was, Before::Was(meta), false);
            }
            if let Some(node) = self.tree.get_mut(was_in) {
                node.children.remove(&was);
            }
            self.soil(was_in, was);
        }
        if let Some(node) = self.tree.get_mut(known) {
            node.parent = dir;
            node.name = name.into();
            node.attached = true;
        }
        for (dir, names) in std::mem::take(&mut self.aside) {
            merge(&mut self.dirty, dir, names);
        }
        self.fresh.append(&mut self.unplaced);
        if self.again {
            // The walk may have been where it was before, and does not come by what is new.
            self.fresh.push((known, Scan::Again));
        }
        known
    }

    /// Whether a directory still is where it is known to be.
    fn is_there(&self, dir: NodeId) -> bool {
        let Some(node) = self.tree.get(dir) else {
            return false;
        };
        if node.parent == NodeId::NONE {
            return true;
        }
        let Ok(parent) = self.open(node.parent, walk::AT) else {
            return false;
        };
        walk::found(parent.as_fd(), &*node.name)
            .is_ok_and(|found| found.inode == node.inode && found.meta.ident == node.ident)
    }

    pub(super) fn queue(&mut self, dir: NodeId, how: Scan) {
        // The first walk goes on by itself, piece by piece.
        if how == Scan::Found && !self.walked {
            self.ahead.push(dir);
        } else {
            self.fresh.push((dir, how));
        }
    }

    /// Notes what a place held, if some mark needs it.
    pub(super) fn note(&mut self, dir: NodeId, name: &[u8], before: Before, written: bool) {
        let Some(node) = self.tree.get(dir) else {
            return;
        };
        if !self.log.needs(node.born) {
            return;
        }
        let note = Note {
            dir,
            name: Name::from(name),
            before,
            written,
        };
        if self.log.note(note)
            && let Before::Was(meta) | Before::Seen(meta, _) = before
            && let Some(node) = self.tree.get_mut(meta.dir)
        {
            node.held += 1;
        }
    }

    pub(super) fn unreadable(&mut self, dir: NodeId) {
        self.unseen.add(dir, Why::Unreadable);
    }

    /// Lets go of directories that are nowhere any more.
    pub(super) fn let_go(&mut self, limbo: Vec<NodeId>) {
        let any = !limbo.is_empty();
        for top in limbo {
            if self.tree.get(top).is_none_or(|node| node.attached) {
                continue;
            }
            let mut below = vec![top];
            while let Some(dir) = below.pop() {
                below.extend(self.tree.dirs_in(dir));
                self.tree.forget_inode(dir);
                let Some(node) = self.tree.get_mut(dir) else {
                    continue;
                };
                node.dead = true;
                let watch = node.watch.take();
                // One that was moved out would go on telling of what happens there.
                if let (Some(number), Some(watches)) = (watch, &mut self.watches) {
                    watches.remove(number);
                }
                self.unseen.remove(dir);
                self.unseen.remove_mounts(dir);
                self.dirty.remove(&dir);
                self.forget_links(dir);
            }
            if self.tree.get(top).is_some_and(|node| node.held == 0) {
                self.free(top);
            }
        }
        if any && self.limbo.is_empty() {
            self.aside.clear();
            self.unplaced.clear();
        }
    }

    /// Forgets a directory and what only it knows.
    pub(super) fn free(&mut self, top: NodeId) {
        let mut below = vec![top];
        while let Some(dir) = below.pop() {
            let held = |dir: &NodeId| self.tree.get(*dir).is_some_and(|node| node.held > 0);
            below.extend(self.tree.dirs_in(dir).filter(|dir| !held(dir)));
            self.tree.remove(dir);
        }
    }
}
