//! What is known of the trees: a node for each directory, and in it what is needed to tell what becomes of each entry.
//!
//! Some 130 bytes an entry, its name among them. A node is a directory itself and not its path: when the directory is
//! renamed, the node changes its place and nothing below it is touched.

use std::collections::{BTreeMap, HashMap};

use crate::changes::Kind;

/// A name in a directory.
pub(crate) type Name = Box<[u8]>;

/// A directory that is known. Numbers are not given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// No directory, or one that is not looked into.
    pub(crate) const NONE: NodeId = NodeId(0);

    pub(crate) fn some(self) -> Option<NodeId> {
        (self != NodeId::NONE).then_some(self)
    }
}

/// What is noted of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// The same for the same object, under whatever name.
    pub(crate) ident: u64,
    /// In bytes.
    pub(crate) size: u64,
    /// When its content last changed, in nanoseconds since 1970.
    pub(crate) modified: i64,
    /// When anything about it last did.
    pub(crate) changed: i64,
    /// Kind and permissions, as in `st_mode`.
    pub(crate) mode: u16,
    /// How many names it has, as far as there is room, and whether its time of birth is known.
    pub(crate) links: u16,
    /// Its node, where it is a directory that is looked into.
    pub(crate) dir: NodeId,
}

const UNBORN: u16 = 1 << 15;
const PERMISSIONS: u16 = 0o7777;

impl Meta {
    pub(crate) fn links(names: u32, born: bool) -> u16 {
        let names = u16::try_from(names).unwrap_or(UNBORN - 1).min(UNBORN - 1);
        if born { names } else { names | UNBORN }
    }

    /// How many names it has, as far as there is room.
    pub(crate) fn names(&self) -> usize {
        usize::from(self.links & !UNBORN)
    }

    /// It has another name.
    pub(crate) fn is_linked(&self) -> bool {
        self.names() > 1
    }

    /// Its `ident` tells it from what had its inode number before.
    pub(crate) fn is_sure(&self) -> bool {
        self.links & UNBORN == 0
    }

    pub(crate) fn kind(&self) -> Kind {
        use rustix::fs::FileType;
        match FileType::from_raw_mode(u32::from(self.mode)) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Special,
        }
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind() == Kind::Directory
    }

    pub(crate) fn permissions(&self) -> u32 {
        u32::from(self.mode & PERMISSIONS)
    }

    /// What a person is told as its size.
    pub(crate) fn told_size(&self) -> Option<u64> {
        matches!(self.kind(), Kind::File | Kind::Symlink).then_some(self.size)
    }

    /// The same kind of thing: not a FIFO for a socket.
    pub(crate) fn same_type(&self, other: &Meta) -> bool {
        self.mode & !PERMISSIONS == other.mode & !PERMISSIONS
    }

    /// Another object or another content, as far as size and time tell.
    pub(crate) fn differs(&self, other: &Meta) -> bool {
        self.ident != other.ident || self.size != other.size || self.modified != other.modified
    }
}

/// A directory.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where it is or, once it is gone, was last.
    pub(crate) parent: NodeId,
    pub(crate) name: Name,
    /// It is there: its parent has it under its name. A directory below one that is gone still is in that one.
    pub(crate) attached: bool,
    /// It and all below it is let go of, and kept only for what was before.
    pub(crate) dead: bool,
    /// It has been listed.
    pub(crate) listed: bool,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) ident: u64,
    /// Its watch.
    pub(crate) watch: Option<i32>,
    /// The end of the log when it came to be known as new; 0 where it may have been there before.
    pub(crate) born: u64,
    /// Notes in the log that say it was somewhere.
    pub(crate) held: u32,
    /// The last walk that came by.
    pub(crate) walk: u32,
    pub(crate) children: BTreeMap<Name, Meta>,
}

/// All directories.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: HashMap<NodeId, Node>,
    last: u32,
    /// By device and inode number.
    by_inode: HashMap<(u64, u64), NodeId>,
}

impl Tree {
    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(&id)
    }

    pub(crate) fn child(&self, id: NodeId, name: &[u8]) -> Option<&Meta> {
        self.get(id)?.children.get(name)
    }

    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        self.last += 1;
        let id = NodeId(self.last);
        self.by_inode.insert((node.device, node.inode), id);
        self.nodes.insert(id, node);
        id
    }

    pub(crate) fn at_inode(&self, device: u64, inode: u64) -> Option<NodeId> {
        self.by_inode.get(&(device, inode)).copied()
    }

    /// The directory is not to be found by its inode number any more.
    pub(crate) fn forget_inode(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get(&id)
            && self.at_inode(node.device, node.inode) == Some(id)
        {
            self.by_inode.remove(&(node.device, node.inode));
        }
    }

    pub(crate) fn remove(&mut self, id: NodeId) {
        self.forget_inode(id);
        self.nodes.remove(&id);
    }

    /// Directories that lie in a directory.
    pub(crate) fn dirs_in(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let children = self.get(id).into_iter().flat_map(|node| &node.children);
        children.filter_map(move |(name, meta)| {
            // Not one that was found elsewhere since.
            let node = self.get(meta.dir)?;
            (node.parent == id && node.name == *name).then_some(meta.dir)
        })
    }

    /// Directories that are known, of now and of before.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Entries in them.
    pub(crate) fn entries(&self) -> usize {
        self.nodes.values().map(|node| node.children.len()).sum()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// From a directory up to its root, itself first. Ends early where one of them is gone.
    pub(crate) fn up(&self, id: NodeId) -> impl Iterator<Item = (NodeId, &Node)> {
        let mut next = id.some();
        std::iter::from_fn(move || {
            let id = next?;
            let node = self.get(id)?;
            next = node.parent.some().filter(|_| node.attached);
            Some((id, node))
        })
    }

    /// A directory's root, and its path below that. `None` where it is not there any more.
    pub(crate) fn path(&self, id: NodeId) -> Option<(NodeId, Vec<u8>)> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut root = None;
        for (id, node) in self.up(id) {
            if node.parent == NodeId::NONE {
                root = Some(id).filter(|_| node.attached);
                break;
            }
            names.push(&node.name);
        }
        names.reverse();
        Some((root?, names.join(&b'/')))
    }
}
