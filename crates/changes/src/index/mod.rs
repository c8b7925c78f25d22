//! Brings what is known of the trees up to date, and notes what was before.
//!
//! Events say where to look, never what is there: each place that something happened at is asked about, by handle, and what is
//! found counts. So it does not matter in which order things are looked at, or that they go on meanwhile: where a directory is
//! not found at its place, its own place has become another, and is looked at next.

mod links;
mod place;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::time::ClockId;

use crate::lister::Lister;
use crate::log::{Before, Log, Note, Point};
use crate::options::Options;
use crate::tree::{Name, Node, NodeId, Tree};
use crate::unseen::{Unseen, Why};
use crate::walk;
use crate::watch::{Event, Told, Watches};

use links::Links;
use scan::Scan;

/// A root.
pub(crate) struct Root {
    pub(crate) path: PathBuf,
    pub(crate) at: RootAt,
    /// Nothing stands at its path, or another directory.
    pub(crate) gone: bool,
}

/// Where a root is.
pub(crate) enum RootAt {
    /// It is a directory.
    Here {
        fd: OwnedFd,
        device: u64,
        node: NodeId,
    },
    /// It lies in another root, and is told with that.
    Within,
    /// It was not there.
    Nowhere,
}

/// What is known of all roots.
pub(crate) struct Index {
    pub(crate) roots: Vec<Root>,
    pub(crate) tree: Tree,
    pub(crate) log: Log,
    pub(crate) unseen: Unseen,
    /// The kernel is asked to tell.
    following: bool,
    watches: Option<Watches>,
    walk_unwatched: bool,
    lister: Lister,
    /// Where to look, and what was told of it.
    dirty: HashMap<NodeId, HashMap<Name, Told>>,
    /// The same in directories that are nowhere at the moment.
    aside: HashMap<NodeId, HashMap<Name, Told>>,
    /// Directories to list.
    fresh: Vec<(NodeId, Scan)>,
    /// The same, where something else stood at their place: in the next round.
    later: Vec<(NodeId, Scan)>,
    /// The same, where they are nowhere at the moment.
    unplaced: Vec<(NodeId, Scan)>,
    /// Directories that the first walk has still to reach.
    ahead: Vec<NodeId>,
    walked: bool,
    /// Directories that are nowhere at the moment.
    limbo: Vec<NodeId>,
    /// Events were lost.
    lost: bool,
    /// A walk over all of it is under way, and its number.
    again: bool,
    walk: u32,
    links: Links,
}

/// Rounds in which it has to come to rest. One is enough, two where directories were moved. Only who swaps directories on
/// purpose, while they are looked at, keeps it busy so long.
const ROUNDS: usize = 64;

/// Walks because of lost events, of those.
const WALKS: usize = 3;

/// Directories that could not be read, and are tried again for each command.
const TRIED_AGAIN: usize = 64;

/// What a mark remembers.
#[derive(Debug)]
pub(crate) struct Marked {
    pub(crate) point: Point,
    /// As long as somebody has it, the mark counts.
    pub(crate) _alive: Arc<()>,
    pub(crate) walked: bool,
    pub(crate) settled: bool,
}

impl Index {
    pub(crate) fn new<P: AsRef<Path>>(
        roots: impl IntoIterator<Item = P>,
        options: &Options,
        following: bool,
    ) -> Index {
        let mut index = Index {
            roots: Vec::new(),
            tree: Tree::default(),
            log: Log::new(options.log),
            unseen: Unseen::default(),
            following,
            watches: following.then(|| Watches::new(options.watches)).flatten(),
            walk_unwatched: options.walk_unwatched,
            lister: Lister::new(),
            dirty: HashMap::new(),
            aside: HashMap::new(),
            fresh: Vec::new(),
            later: Vec::new(),
            unplaced: Vec::new(),
            ahead: Vec::new(),
            walked: false,
            limbo: Vec::new(),
            lost: false,
            again: false,
            walk: 0,
            links: Links::default(),
        };
        for root in roots {
            let root = index.open_root(root.as_ref());
            index.roots.push(root);
        }
        index.fold();
        index
    }

    fn open_root(&mut self, path: &Path) -> Root {
        let nowhere = Root {
            path: path.to_owned(),
            at: RootAt::Nowhere,
            gone: true,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(fd) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else {
            return nowhere;
        };
        let Ok(found) = walk::itself(fd.as_fd()) else {
            return nowhere;
        };
        if self.tree.at_inode(found.device, found.inode).is_some() {
            return Root {
                at: RootAt::Within,
                gone: false,
                ..nowhere
            };
        }
        let node = Node {
            parent: NodeId::NONE,
            name: Name::default(),
            attached: true,
            dead: false,
            listed: false,
            device: found.device,
            inode: found.inode,
            ident: found.meta.ident,
            watch: None,
            born: 0,
            held: 0,
            walk: 0,
            children: BTreeMap::new(),
        };
        let node = self.tree.add(node);
        self.ahead.push(node);
        Root {
            path: path.to_owned(),
            at: RootAt::Here {
                fd,
                device: found.device,
                node,
            },
            gone: false,
        }
    }

    /// A root that another root's walk comes by is told with that one.
    fn fold(&mut self) {
        let whole: Vec<Option<PathBuf>> = self
            .roots
            .iter()
            .map(|root| root.path.canonicalize().ok())
            .collect();
        let device = |path: &Path| {
            rustix::fs::openat(CWD, path, walk::AT, Mode::empty())
                .and_then(|fd| walk::itself(fd.as_fd()))
                .map(|found| found.device)
        };
        for inner in 0..self.roots.len() {
            let RootAt::Here {
                node, device: on, ..
            } = self.roots[inner].at
            else {
                continue;
            };
            let (node, on) = (node, on);
            let reached = whole.iter().enumerate().any(|(outer, path)| {
                let (Some(outer_path), Some(path)) = (path, &whole[inner]) else {
                    return false;
                };
                outer != inner
                    && matches!(self.roots[outer].at, RootAt::Here { .. })
                    && path.starts_with(outer_path)
                    // All the way down: a walk stays on its filesystem.
                    && path
                        .ancestors()
                        .take_while(|up| up.starts_with(outer_path))
                        .all(|up| device(up) == Ok(on))
            });
            if reached {
                self.roots[inner].at = RootAt::Within;
                self.tree.remove(node);
                self.ahead.retain(|ahead| *ahead != node);
            }
        }
    }

    /// Lists one directory that the first walk has not reached. How many entries it has; `None` where there was none.
    pub(crate) fn step(&mut self) -> Option<usize> {
        let Some(dir) = self.ahead.pop() else {
            self.walked = true;
            return None;
        };
        self.scan(dir, Scan::Found);
        Some(self.tree.get(dir).map_or(0, |node| node.children.len()))
    }

    /// The first walk has come to its end.
    pub(crate) fn is_walked(&self) -> bool {
        self.walked
    }

    /// What to wait on for events.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watches.as_ref().map(Watches::fd)
    }

    pub(crate) fn watched(&self) -> usize {
        self.watches.as_ref().map_or(0, Watches::len)
    }

    /// Whether little is to be taken in.
    pub(crate) fn is_quiet(&self) -> bool {
        let nothing = self.dirty.is_empty() && self.fresh.is_empty() && self.later.is_empty();
        let told = self.watches.as_ref().is_none_or(Watches::is_quiet);
        nothing && !self.lost && !self.walk_unwatched && told
    }

    /// All is looked at again, as if events had been lost.
    pub(crate) fn look_everywhere(&mut self) {
        self.lost = true;
    }

    /// From here on.
    pub(crate) fn mark(&mut self) -> Marked {
        let settled = self.catch_up_with_all();
        let (point, alive) = self.log.mark(now());
        Marked {
            point,
            _alive: alive,
            walked: self.is_walked(),
            settled,
        }
    }

    /// Takes in what happened, where nothing is told as well. Whether all of it was.
    pub(crate) fn catch_up_with_all(&mut self) -> bool {
        if self.walk_unwatched {
            let all = self.unseen.all(Why::Unwatched);
            self.fresh.extend(all.iter().map(|dir| (*dir, Scan::Here)));
        }
        // What could not be read for want of descriptors, or because of what is above it, may be read now.
        let unreadable = self.unseen.all(Why::Unreadable).iter().take(TRIED_AGAIN);
        for dir in unreadable {
            if let Some(node) = self.tree.get(*dir) {
                let how = if node.listed { Scan::Here } else { Scan::Found };
                self.fresh.push((*dir, how));
            }
        }
        let settled = self.catch_up();
        self.look_at_roots();
        settled
    }

    /// Takes in what the kernel has told. Whether all of it was: what is told while this is at work is for the next time.
    pub(crate) fn catch_up(&mut self) -> bool {
        let mut walks = 0;
        let mut settled = false;
        self.fresh.append(&mut self.later);
        for _ in 0..ROUNDS {
            // A directory that is nowhere may come to a place with the next events. Then no more.
            let limbo = std::mem::take(&mut self.limbo);
            let more = self.drain();
            if self.lost && walks < WALKS {
                walks += 1;
                self.lost = false;
                self.walk_again();
            }
            self.look();
            while let Some((dir, how)) = self.fresh.pop() {
                self.scan(dir, how);
            }
            self.find_links();
            self.let_go(limbo);
            self.fresh.append(&mut self.later);
            let at_rest = self.dirty.is_empty() && self.fresh.is_empty() && self.limbo.is_empty();
            if at_rest && !more && !self.lost {
                settled = true;
                break;
            }
        }
        self.again = false;
        self.forget();
        settled
    }

    fn walk_again(&mut self) {
        self.walk = self.walk.wrapping_add(1);
        self.again = true;
        for root in &self.roots {
            if let RootAt::Here { node, .. } = root.at {
                self.fresh.push((node, Scan::Again));
            }
        }
    }

    /// Takes the events that have come. Whether there are more.
    fn drain(&mut self) -> bool {
        let Some(mut watches) = self.watches.take() else {
            return false;
        };
        let more = watches.take(|event| match event {
            Event::Lost => self.lost = true,
            Event::At { dir, name, how } => self.soil_as(dir, name, how),
            Event::Itself(dir) => self.soil_place(dir),
            Event::Ended(dir) => {
                if let Some(node) = self.tree.get_mut(dir) {
                    node.watch = None;
                }
                self.soil_place(dir);
                // Mostly it is gone. But another may have come to its place and have its inode number.
                self.fresh.push((dir, Scan::Here));
            }
        });
        self.watches = Some(watches);
        more
    }

    /// Something happened at a place.
    fn soil(&mut self, dir: NodeId, name: Name) {
        self.soil_as(dir, name, Told::default());
    }

    fn soil_as(&mut self, dir: NodeId, name: Name, how: Told) {
        if self.tree.get(dir).is_some_and(|node| !node.dead) {
            let names = self.dirty.entry(dir).or_default();
            names.entry(name).or_default().and(how);
        }
    }

    /// Something happened to a directory.
    fn soil_place(&mut self, dir: NodeId) {
        let Some(node) = self.tree.get(dir) else {
            return;
        };
        if node.parent != NodeId::NONE && node.attached {
            let (parent, name) = (node.parent, node.name.clone());
            self.soil(parent, name);
        }
    }

    /// Looks where something happened.
    fn look(&mut self) {
        for (dir, names) in std::mem::take(&mut self.dirty) {
            if self.tree.get(dir).is_none_or(|node| node.dead) {
                continue;
            }
            match self.open(dir, walk::AT) {
                Ok(fd) => {
                    for (name, how) in names {
                        let written = how.written && !how.another;
                        self.look_at(dir, fd.as_fd(), &name, written);
                    }
                }
                Err(NotOpened::Nowhere) => merge(&mut self.aside, dir, names),
                Err(NotOpened::Away) => {
                    merge(&mut self.dirty, dir, names);
                    self.soil_place(dir);
                }
                Err(NotOpened::Unreadable) => self.unreadable(dir),
            }
        }
    }

    /// Opens a directory where it is known to be, if it is there.
    fn open(&self, dir: NodeId, flags: OFlags) -> Result<OwnedFd, NotOpened> {
        let (top, path) = self.tree.path(dir).ok_or(NotOpened::Nowhere)?;
        let (root, device) = self.root_at(top).ok_or(NotOpened::Nowhere)?;
        let node = self.tree.get(dir).ok_or(NotOpened::Nowhere)?;
        let fd = walk::open(root, &path, flags).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV => NotOpened::Away,
            _ => NotOpened::Unreadable,
        })?;
        match walk::itself(fd.as_fd()) {
            Ok(found)
                if found.device == device
                    && found.inode == node.inode
                    && found.meta.ident == node.ident =>
            {
                Ok(fd)
            }
            Ok(_) => Err(NotOpened::Away),
            Err(_) => Err(NotOpened::Unreadable),
        }
    }

    fn root_at(&self, top: NodeId) -> Option<(BorrowedFd<'_>, u64)> {
        self.roots.iter().find_map(|root| match &root.at {
            RootAt::Here { fd, device, node } if *node == top => Some((fd.as_fd(), *device)),
            _ => None,
        })
    }

    /// A root that is removed is not told of as long as somebody has it open, and this has.
    fn look_at_roots(&mut self) {
        for root in &mut self.roots {
            let RootAt::Here { device, node, .. } = root.at else {
                continue;
            };
            let inode = self.tree.get(node).map(|node| node.inode);
            let there = walk::behind(&root.path);
            root.gone =
                !there.is_ok_and(|found| found.device == device && Some(found.inode) == inode);
        }
    }

    /// Lets go of notes that nobody needs, and of directories that only they knew.
    fn forget(&mut self) {
        while let Some(Note { before, .. }) = self.log.pop() {
            let (Before::Was(meta) | Before::Seen(meta, _)) = before else {
                continue;
            };
            let Some(node) = self.tree.get_mut(meta.dir) else {
                continue;
            };
            node.held = node.held.saturating_sub(1);
            if node.dead && node.held == 0 {
                let (parent, name) = (node.parent, node.name.clone());
                let kept = self.tree.child(parent, &name);
                if kept.is_none_or(|kept| kept.dir != meta.dir) {
                    self.free(meta.dir);
                }
            }
        }
    }
}

/// The clock that filesystems take their times from, in nanoseconds since 1970.
fn now() -> i64 {
    let now = rustix::time::clock_gettime(ClockId::RealtimeCoarse);
    now.tv_sec.saturating_mul(1_000_000_000) + now.tv_nsec
}

/// Why a directory was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotOpened {
    /// It has no place at the moment.
    Nowhere,
    /// Something else stands at its place, or nothing.
    Away,
    /// It is there, and may not be read.
    Unreadable,
}

fn merge(into: &mut HashMap<NodeId, HashMap<Name, Told>>, dir: NodeId, names: HashMap<Name, Told>) {
    let known = into.entry(dir).or_default();
    for (name, how) in names {
        known.entry(name).or_default().and(how);
    }
}
