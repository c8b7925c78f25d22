//! Makes changes out of what is known now and what places held before.
//!
//! Two trees are held against each other: the one that is known, and the same with the log's notes laid over it. What they
//! share is not looked at. Directories are matched first by their place; one that is gone and one that is new are the same
//! where their identity is; and below directories that are matched the same is done again.

mod dirs;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::changes::{How, Kind};
use crate::log::{Before, Log, Point};
use crate::tree::{Meta, NodeId, Tree};

/// A change of one root, with its path as bytes.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) root: NodeId,
    pub(crate) path: Vec<u8>,
    /// Where it was, of what was renamed.
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) how: How,
    pub(crate) kind: Kind,
    /// What stood there before, where that is known.
    pub(crate) was: Option<Meta>,
    /// What stands there.
    pub(crate) is: Option<Meta>,
}

impl Raw {
    /// Its size before, in bytes.
    pub(crate) fn before(&self) -> Option<u64> {
        self.was.as_ref().and_then(Meta::told_size)
    }

    /// And after.
    pub(crate) fn after(&self) -> Option<u64> {
        self.is.as_ref().and_then(Meta::told_size)
    }
}

/// Changes since a mark, in no order. `None` where the log does not reach back so far.
pub(crate) fn since(tree: &Tree, log: &Log, point: Point) -> Option<Vec<Raw>> {
    let mut over: HashMap<NodeId, BTreeMap<&[u8], Past>> = HashMap::new();
    for note in log.notes_since(point.at)? {
        let place = over.entry(note.dir).or_default();
        let past = place
            .entry(&note.name)
            .or_insert_with(|| Past::of(&note.before, point.time));
        past.written |= note.written;
    }
    let mut net = Net {
        tree,
        was_at: HashMap::new(),
        over,
        moved: HashMap::new(),
        seen: HashSet::new(),
        pairs: Vec::new(),
        gone: Side::default(),
        new: Side::default(),
        ahead: HashSet::new(),
        raw: Vec::new(),
    };
    net.run();
    Some(net.raw)
}

/// What a place held at the mark.
#[derive(Debug, Clone, Copy)]
struct Past {
    meta: Option<Meta>,
    /// It held something of this kind, and no more is known.
    vague: bool,
    written: bool,
}

impl Past {
    fn of(before: &Before, time: i64) -> Past {
        let (meta, vague) = match before {
            Before::Nothing => (None, false),
            Before::Was(meta) => (Some(*meta), false),
            Before::Seen(_, born) if *born >= time => (None, false),
            Before::Seen(meta, _) => (Some(*meta), !meta.is_dir() && meta.changed >= time),
        };
        Past {
            meta,
            vague,
            written: false,
        }
    }
}

/// Something that is gone from its place, or has come there.
#[derive(Debug)]
struct Item<'a> {
    dir: NodeId,
    name: &'a [u8],
    meta: Meta,
    /// What took its place, or what was there before it: its number on the other side.
    twin: Option<usize>,
    /// It is told: as renamed, or with its twin.
    done: bool,
    /// What is in it has been looked at.
    opened: bool,
}

/// What is gone, or what is new.
#[derive(Debug, Default)]
struct Side<'a> {
    items: Vec<Item<'a>>,
    /// Directories that are neither told nor opened.
    waiting: Vec<usize>,
}

impl<'a> Side<'a> {
    fn add(&mut self, dir: NodeId, name: &'a [u8], meta: Meta) -> usize {
        let number = self.items.len();
        if meta.is_dir() {
            self.waiting.push(number);
        }
        self.items.push(Item {
            dir,
            name,
            meta,
            twin: None,
            done: false,
            opened: false,
        });
        number
    }

    /// Those that were told or opened wait no more.
    fn prune(&mut self) {
        let items = &self.items;
        self.waiting
            .retain(|n| !items[*n].done && !items[*n].opened);
    }
}

/// Where something was, and its number.
type At = (Vec<u8>, usize);

struct Net<'a> {
    tree: &'a Tree,
    over: HashMap<NodeId, BTreeMap<&'a [u8], Past>>,
    /// Where directories were, of those that the notes tell of.
    was_at: HashMap<NodeId, (NodeId, &'a [u8])>,
    /// Directories with notes, by the nearest above them that changed its place.
    moved: HashMap<NodeId, Vec<NodeId>>,
    seen: HashSet<(NodeId, NodeId)>,
    /// Directories to be held against each other: as before, as after.
    pairs: Vec<(NodeId, NodeId)>,
    gone: Side<'a>,
    new: Side<'a>,
    /// Directories that were told as renamed before their place came up.
    ahead: HashSet<NodeId>,
    raw: Vec<Raw>,
}

impl<'a> Net<'a> {
    fn run(&mut self) {
        for (dir, places) in &self.over {
            for (name, past) in places {
                if let Some(at) = past.meta.and_then(|meta| meta.dir.some()) {
                    self.was_at.insert(at, (*dir, name));
                }
            }
        }
        let dirs: Vec<NodeId> = self.over.keys().copied().collect();
        for dir in dirs {
            let mut at = dir;
            while let Some(node) = self.tree.get(at) {
                if node.parent == NodeId::NONE {
                    self.pairs.push((dir, dir));
                    break;
                }
                match (self.place_before(at), self.place_after(at)) {
                    (Some(before), Some(after)) if before == after => at = before.0,
                    (Some(_), Some(_)) => {
                        self.moved.entry(at).or_default().push(dir);
                        break;
                    }
                    _ => break,
                }
            }
        }
        self.match_dirs();
        self.match_files();
        self.tell_the_rest();
    }

    fn before(&self, dir: NodeId, name: &[u8]) -> Option<Meta> {
        match self.over.get(&dir).and_then(|places| places.get(name)) {
            Some(past) => past.meta,
            None => self.tree.child(dir, name).copied(),
        }
    }

    fn place_before(&self, dir: NodeId) -> Option<(NodeId, &'a [u8])> {
        if let Some(place) = self.was_at.get(&dir) {
            return Some(*place);
        }
        let node = self.tree.get(dir)?;
        // Nothing is noted of where it was: where it is, or was last. There something else may have been.
        let here = self.before(node.parent, &node.name)?;
        (here.dir == dir).then_some((node.parent, &node.name))
    }

    fn place_after(&self, dir: NodeId) -> Option<(NodeId, &'a [u8])> {
        let node = self.tree.get(dir)?;
        (node.attached && node.parent != NodeId::NONE).then_some((node.parent, &*node.name))
    }

    /// Root and path of a directory, by what `place` says.
    fn climb(
        &self,
        dir: NodeId,
        place: impl Fn(&Self, NodeId) -> Option<(NodeId, &'a [u8])>,
    ) -> Option<(NodeId, Vec<u8>)> {
        let mut names = Vec::new();
        let mut at = dir;
        // No deeper than there are directories: what was and what is never go round in a circle, and a mistake shall not
        // either.
        for _ in 0..=self.tree.len() {
            if self.tree.get(at)?.parent == NodeId::NONE {
                names.reverse();
                return Some((at, names.join(&b'/')));
            }
            let (parent, name) = place(self, at)?;
            names.push(name);
            at = parent;
        }
        None
    }

    fn path_before(&self, dir: NodeId, name: &[u8]) -> Option<(NodeId, Vec<u8>)> {
        let (root, path) = self.climb(dir, Self::place_before)?;
        Some((root, join(path, name)))
    }

    fn path_after(&self, dir: NodeId, name: &[u8]) -> Option<(NodeId, Vec<u8>)> {
        let (root, path) = self.climb(dir, Self::place_after)?;
        Some((root, join(path, name)))
    }

    /// Holds directories against each other until none is left.
    fn hold_pairs(&mut self) {
        while let Some((before, after)) = self.pairs.pop() {
            if !self.seen.insert((before, after)) {
                continue;
            }
            let tree = self.tree;
            let mut names: Vec<&'a [u8]> = Vec::new();
            if let Some(places) = self.over.get(&before) {
                names.extend(places.keys());
            }
            if before != after {
                let children = [before, after].map(|dir| tree.get(dir));
                let children = children.into_iter().flatten();
                names.extend(children.flat_map(|node| node.children.keys().map(|name| &**name)));
                names.sort_unstable();
                names.dedup();
            }
            for name in names {
                let was = self.before(before, name);
                let is = tree.child(after, name).copied();
                self.hold(before, after, name, was, is);
            }
        }
    }

    fn add_gone(&mut self, dir: NodeId, name: &'a [u8], was: Meta) -> usize {
        let number = self.gone.add(dir, name, was);
        self.gone.items[number].done = self.ahead.contains(&was.dir);
        number
    }

    fn hold(
        &mut self,
        before: NodeId,
        after: NodeId,
        name: &'a [u8],
        was: Option<Meta>,
        is: Option<Meta>,
    ) {
        match (was, is) {
            (None, None) => {}
            (Some(was), None) => {
                self.add_gone(before, name, was);
            }
            (None, Some(is)) => {
                self.new.add(after, name, is);
            }
            (Some(was), Some(is)) if was.is_dir() && is.is_dir() && was.ident == is.ident => {
                self.same_dir(after, name, &was, &is);
            }
            (Some(was), Some(is)) if was.same_type(&is) && !was.is_dir() => {
                let past = self.over.get(&before).and_then(|places| places.get(name));
                let (vague, written) = past.map_or((false, false), |p| (p.vague, p.written));
                self.same_place(after, name, &was, &is, vague, written);
            }
            (Some(was), Some(is)) => {
                let gone = self.add_gone(before, name, was);
                let new = self.new.add(after, name, is);
                self.gone.items[gone].twin = Some(new);
                self.new.items[new].twin = Some(gone);
            }
        }
    }

    /// A directory that stayed, at its place or under another name.
    fn same_dir(&mut self, dir: NodeId, name: &'a [u8], was: &Meta, is: &Meta) {
        if was.mode != is.mode {
            let how = How::Mode {
                was: was.permissions(),
                mode: is.permissions(),
            };
            self.tell_after(dir, name, how, Some(was), is);
        }
        self.go_below(was, is);
    }

    fn go_below(&mut self, was: &Meta, is: &Meta) {
        let (Some(before), Some(after)) = (was.dir.some(), is.dir.some()) else {
            return;
        };
        if before != after {
            self.pairs.push((before, after));
        }
        if let Some(dirs) = self.moved.remove(&before).filter(|_| before == after) {
            self.pairs.extend(dirs.into_iter().map(|dir| (dir, dir)));
        }
    }

    /// A file, link or other that has the kind that stood there before.
    fn same_place(
        &mut self,
        dir: NodeId,
        name: &'a [u8],
        was: &Meta,
        is: &Meta,
        vague: bool,
        written: bool,
    ) {
        let how = if was.differs(is) || written || vague {
            How::Modified
        } else if was.mode != is.mode {
            How::Mode {
                was: was.permissions(),
                mode: is.permissions(),
            }
        } else if was.changed != is.changed && was.links == is.links {
            How::Touched
        } else {
            return;
        };
        let was = (!vague).then_some(was);
        self.tell_after(dir, name, how, was, is);
    }

    fn tell_after(&mut self, dir: NodeId, name: &[u8], how: How, was: Option<&Meta>, is: &Meta) {
        if let Some((root, path)) = self.path_after(dir, name) {
            self.raw.push(Raw {
                root,
                path,
                from: None,
                how,
                kind: is.kind(),
                was: was.copied(),
                is: Some(*is),
            });
        }
    }

    /// Finds files that were renamed.
    fn match_files(&mut self) {
        let mut by_ident: HashMap<(NodeId, u64), Vec<At>> = HashMap::new();
        for (number, item) in self.gone.items.iter().enumerate() {
            if item.meta.is_dir() {
                continue;
            }
            if let Some((root, path)) = self.path_before(item.dir, item.name) {
                let known = by_ident.entry((root, item.meta.ident)).or_default();
                known.push((path, number));
            }
        }
        if by_ident.is_empty() {
            return;
        }
        // The first path that is gone goes to the first that is new.
        for known in by_ident.values_mut() {
            known.sort_unstable_by(|a, b| b.cmp(a));
        }
        let mut new: Vec<(Vec<u8>, NodeId, usize)> = Vec::new();
        for (number, item) in self.new.items.iter().enumerate() {
            if !item.meta.is_dir()
                && let Some((root, path)) = self.path_after(item.dir, item.name)
                && by_ident.contains_key(&(root, item.meta.ident))
            {
                new.push((path, root, number));
            }
        }
        new.sort_unstable();
        for (_, root, number) in new {
            let is = self.new.items[number].meta;
            let Some(known) = by_ident.get_mut(&(root, is.ident)) else {
                continue;
            };
            let fits = |gone: usize| {
                let was = self.gone.items[gone].meta;
                was.same_type(&is) && (was.is_sure() || !was.differs(&is))
            };
            if let Some((_, gone)) = known.pop_if(|(_, gone)| fits(*gone)) {
                let was = self.gone.items[gone].meta;
                self.renamed(gone, number, was.differs(&is) || was.mode != is.mode);
            }
        }
    }

    fn renamed(&mut self, gone: usize, new: usize, modified: bool) {
        self.gone.items[gone].done = true;
        self.new.items[new].done = true;
        let (was, is) = (&self.gone.items[gone], &self.new.items[new]);
        let from = self.path_before(was.dir, was.name);
        let to = self.path_after(is.dir, is.name);
        if let (Some((_, from)), Some((root, path))) = (from, to) {
            self.raw.push(Raw {
                root,
                path,
                from: Some(from),
                how: How::Renamed {
                    from: Default::default(),
                    modified,
                },
                kind: is.meta.kind(),
                was: Some(was.meta),
                is: Some(is.meta),
            });
        }
    }

    /// What has not been told is there or is gone.
    fn tell_the_rest(&mut self) {
        for number in 0..self.new.items.len() {
            let item = &self.new.items[number];
            if item.done {
                continue;
            }
            let (dir, name, is) = (item.dir, item.name, item.meta);
            let twin = item.twin.filter(|twin| !self.gone.items[*twin].done);
            let was = twin.map(|twin| self.gone.items[twin].meta);
            let how = match (twin, &was) {
                (_, Some(was)) if was.kind() != is.kind() => How::Replaced { was: was.kind() },
                (_, Some(_)) if !is.is_dir() => How::Modified,
                // One directory in another's place, each opened by itself.
                (Some(twin), Some(_)) => {
                    self.gone.items[twin].done = true;
                    continue;
                }
                _ => How::Added,
            };
            if let Some(twin) = twin {
                self.gone.items[twin].done = true;
            }
            self.tell_after(dir, name, how, was.as_ref(), &is);
        }
        for number in 0..self.gone.items.len() {
            let item = &self.gone.items[number];
            if item.done {
                continue;
            }
            if let Some((root, path)) = self.path_before(item.dir, item.name) {
                self.raw.push(Raw {
                    root,
                    path,
                    from: None,
                    how: How::Deleted,
                    kind: item.meta.kind(),
                    was: Some(item.meta),
                    is: None,
                });
            }
        }
    }
}

fn join(mut path: Vec<u8>, name: &[u8]) -> Vec<u8> {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
