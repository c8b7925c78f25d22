//! A volume in memory, which stops at any step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ringfence_nt_access::{
    Child, Control, Doubt, FileObject, Mask, SecurityDescriptor, Token, create, file_access,
    file_right, object,
};
use ringfence_plan::windows::FileId;

use crate::disk::{Disk, DiskError, Entry, Facts, Kind};
use crate::name::Name;

pub(super) const VOLUME: u64 = 0x1234;

/// After so many steps by which something lasting changes, nothing changes any more.
#[derive(Debug)]
pub(super) struct Kill {
    pub(super) after: AtomicU64,
    pub(super) steps: AtomicU64,
}

impl Kill {
    pub(super) fn step(&self) -> bool {
        self.steps.fetch_add(1, Ordering::SeqCst) < self.after.load(Ordering::SeqCst)
    }

    pub(super) fn set(&self, after: u64) {
        self.steps.store(0, Ordering::SeqCst);
        self.after.store(after, Ordering::SeqCst);
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parent: Option<u128>,
    pub(super) name: Name,
    pub(super) kind: Kind,
    pub(super) sd: SecurityDescriptor,
    /// Nobody can open it.
    pub(super) deaf: bool,
    /// It takes descriptors and keeps none.
    pub(super) lies: bool,
    /// It became what it is after it was listed as a directory.
    pub(super) disguised: bool,
    /// A second name.
    pub(super) also: Option<(u128, Name)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) opened: u64,
    pub(super) listed: u64,
    pub(super) read: u64,
    pub(super) written: u64,
}

/// What somebody does to an object.
type Meddle = Box<dyn Fn(&mut Node) + Send>;

#[derive(Default)]
pub(super) struct Files {
    pub(super) nodes: BTreeMap<u128, Node>,
    /// What is in each directory.
    inside: BTreeMap<u128, BTreeSet<u128>>,
    pub(super) counts: Counts,
    last: u128,
    /// The volume opens nothing by number.
    pub(super) no_numbers: bool,
    pub(super) unplugged: bool,
    /// The number of what is gone is another's now.
    pub(super) reused: Option<(u128, u128)>,
    /// After each reading: of which object, and what.
    pub(super) meddle: Option<(u128, Meddle)>,
    /// Of this one the second name is gone as soon as it was opened.
    pub(super) fleeting: Option<u128>,
}

/// A volume, as this user sees it.
pub(super) struct Volume {
    pub(super) files: Mutex<Files>,
    pub(super) user: Token,
    pub(super) kill: Arc<Kill>,
}

pub(super) struct Handle {
    id: u128,
    rights: Mask,
    /// The name by which it was opened.
    by: Option<(u128, Name)>,
}

impl Files {
    pub(super) fn add(
        &mut self,
        parent: Option<u128>,
        name: &str,
        kind: Kind,
        sd: SecurityDescriptor,
    ) -> u128 {
        // A number is never another's.
        self.last += 1;
        let id = self.last;
        let node = Node {
            parent,
            name: Name::from(name),
            kind,
            // As it is stored.
            sd: SecurityDescriptor::parse(&sd.to_bytes().unwrap()).unwrap(),
            deaf: false,
            lies: false,
            disguised: false,
            also: None,
        };
        self.nodes.insert(id, node);
        self.inside
            .entry(parent.unwrap_or_default())
            .or_default()
            .insert(id);
        id
    }

    /// Gives it another name, in this directory. What it has stays, as on one volume.
    pub(super) fn rename(&mut self, id: u128, parent: u128, name: &str) {
        let node = self.nodes.get_mut(&id).unwrap();
        let from = node.parent.replace(parent).unwrap();
        node.name = Name::from(name);
        self.inside.get_mut(&from).unwrap().remove(&id);
        self.inside.entry(parent).or_default().insert(id);
    }

    /// Gives it a second name.
    pub(super) fn link(&mut self, id: u128, parent: u128, name: &str) {
        self.nodes.get_mut(&id).unwrap().also = Some((parent, Name::from(name)));
        self.inside.entry(parent).or_default().insert(id);
    }

    /// Makes something in a directory, as a token does that says nothing of who may.
    pub(super) fn make(&mut self, parent: u128, name: &str, kind: Kind, by: &Token) -> u128 {
        let child = match kind {
            Kind::Directory => Child::Container,
            _ => Child::Leaf,
        };
        let above = &self.nodes[&parent].sd;
        let sd = create(Some(above), None, child, by, &object::FILE);
        self.add(Some(parent), name, kind, sd)
    }

    pub(super) fn remove(&mut self, id: u128) {
        for child in self.children(id) {
            self.remove(child);
        }
        if let Some(node) = self.nodes.remove(&id) {
            for above in [node.parent, node.also.map(|also| also.0)]
                .into_iter()
                .flatten()
            {
                self.inside.entry(above).or_default().remove(&id);
            }
        }
    }

    pub(super) fn children(&self, of: u128) -> Vec<u128> {
        let inside = self.inside.get(&of);
        inside.map_or_else(Vec::new, |inside| inside.iter().copied().collect())
    }

    /// The names of an object, by directory.
    fn names(&self, id: u128) -> Vec<(u128, Name)> {
        let node = &self.nodes[&id];
        let own = node.parent.map(|parent| (parent, node.name.clone()));
        own.into_iter().chain(node.also.clone()).collect()
    }

    fn named(&self, parent: u128, name: &Name) -> Option<u128> {
        let lower = |name: &Name| name.to_string().to_lowercase();
        let wanted = lower(name);
        let is = |id: &u128| {
            let node = &self.nodes[id];
            let own = node.parent == Some(parent) && lower(&node.name) == wanted;
            own || node.also.as_ref() == Some(&(parent, name.clone()))
        };
        self.children(parent).into_iter().find(|id| is(id))
    }

    pub(super) fn path(&self, id: u128) -> String {
        let node = &self.nodes[&id];
        match node.parent {
            None => node.name.to_string(),
            Some(parent) => format!(r"{}\{}", self.path(parent), node.name),
        }
    }

    pub(super) fn is_in(&self, id: u128, of: u128) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if id == of {
                return true;
            }
            at = self.nodes[&id].parent;
        }
        false
    }

    /// All descriptors, in bytes.
    pub(super) fn bytes(&self) -> BTreeMap<u128, Vec<u8>> {
        let bytes = |node: &Node| node.sd.to_bytes().unwrap();
        self.nodes.iter().map(|(id, n)| (*id, bytes(n))).collect()
    }
}

impl Volume {
    pub(super) fn with<T>(&self, with: impl FnOnce(&mut Files) -> T) -> T {
        with(&mut self.files.lock().unwrap())
    }

    pub(super) fn counts(&self) -> Counts {
        self.with(|files| std::mem::take(&mut files.counts))
    }

    fn handle(
        &self,
        files: &mut Files,
        id: u128,
        by: Option<(u128, &Name)>,
    ) -> Result<Handle, DiskError> {
        files.counts.opened += 1;
        let node = files.nodes.get(&id).ok_or(DiskError::NotThere)?;
        if node.deaf {
            return Err(DiskError::Denied);
        }
        let own = FileObject {
            own: &node.sd,
            parent: node
                .parent
                .and_then(|parent| files.nodes.get(&parent))
                .map(|n| &n.sd),
        };
        let rights = file_access(&self.user, own, Doubt::Grants);
        if rights.is_none() {
            return Err(DiskError::Denied);
        }
        // As it is written there, whatever case it was opened by.
        let lower = |name: &Name| name.to_string().to_lowercase();
        let is = |name: &(u128, Name)| {
            by.is_some_and(|by| (by.0, lower(by.1)) == (name.0, lower(&name.1)))
        };
        let by = files.names(id).into_iter().find(is);
        if files.fleeting == Some(id) && by.is_some() && by == files.nodes[&id].also {
            files.nodes.get_mut(&id).unwrap().also = None;
        }
        Ok(Handle { id, rights, by })
    }
}

pub(super) const fn id(file: u128) -> FileId {
    FileId {
        volume: VOLUME,
        file,
    }
}

impl Disk for Volume {
    type Object = Handle;

    fn open_root(&self, path: &str) -> Result<Handle, DiskError> {
        self.with(|files| {
            if files.unplugged {
                return Err(DiskError::NotThere);
            }
            let mut parts = path.split('\\');
            let first = Name::from(parts.next().unwrap_or_default());
            let roots = files
                .nodes
                .iter()
                .find(|(_, node)| node.parent.is_none() && node.name == first);
            let mut at = roots.map(|(id, _)| *id).ok_or(DiskError::NotThere)?;
            for part in parts {
                at = files
                    .named(at, &Name::from(part))
                    .ok_or(DiskError::NotThere)?;
                if files.nodes[&at].kind == Kind::ReparsePoint {
                    return Err(DiskError::LeadsElsewhere);
                }
            }
            self.handle(files, at, None)
        })
    }

    fn open(&self, directory: &Handle, name: &Name, _: Kind) -> Result<Handle, DiskError> {
        self.with(|files| {
            let id = files.named(directory.id, name).ok_or(DiskError::NotThere)?;
            self.handle(files, id, Some((directory.id, name)))
        })
    }

    fn open_by_id(&self, near: &str, id: FileId) -> Result<Handle, DiskError> {
        self.with(|files| {
            if files.unplugged || !near.starts_with("C:") {
                return Err(DiskError::NoVolume);
            }
            if files.no_numbers {
                return Err(DiskError::NoNumbers);
            }
            let number = match files.reused {
                Some((of, is)) if of == id.file => is,
                _ => id.file,
            };
            self.handle(files, number, None)
        })
    }

    fn facts(&self, object: &Handle) -> Result<Facts, DiskError> {
        self.with(|files| {
            let node = files.nodes.get(&object.id).ok_or(DiskError::NotThere)?;
            let names = files.names(object.id);
            let own = object.by.as_ref().is_none_or(|by| names.contains(by));
            Ok(Facts {
                id: id(object.id),
                kind: node.kind,
                other_names: u32::try_from(names.len()).unwrap() - u32::from(own),
            })
        })
    }

    fn list(&self, directory: &Handle) -> Result<Vec<Entry>, DiskError> {
        self.with(|files| {
            files.counts.listed += 1;
            let node = files.nodes.get(&directory.id).ok_or(DiskError::NotThere)?;
            assert_eq!(node.kind, Kind::Directory, "nothing else is listed");
            if !directory.rights.has(file_right::READ_DATA) {
                return Err(DiskError::Denied);
            }
            let mut entries = Vec::new();
            for child in files.children(directory.id) {
                let node = &files.nodes[&child];
                let names = [
                    (node.parent, Some(&node.name)),
                    (
                        node.also.as_ref().map(|also| also.0),
                        node.also.as_ref().map(|also| &also.1),
                    ),
                ];
                for (above, name) in names {
                    if let (Some(above), Some(name)) = (above, name)
                        && above == directory.id
                    {
                        entries.push(Entry {
                            name: name.clone(),
                            kind: if node.disguised {
                                Kind::Directory
                            } else {
                                node.kind
                            },
                        });
                    }
                }
            }
            Ok(entries)
        })
    }

    fn read(&self, object: &Handle) -> Result<SecurityDescriptor, DiskError> {
        self.with(|files| {
            files.counts.read += 1;
            if !object.rights.has(Mask::READ_CONTROL) {
                return Err(DiskError::Denied);
            }
            let node = files.nodes.get_mut(&object.id).ok_or(DiskError::NotThere)?;
            let now = node.sd.clone();
            if let Some((whom, change)) = &files.meddle
                && *whom == object.id
            {
                change(node);
            }
            Ok(now)
        })
    }

    fn write(&self, object: &Handle, to: &SecurityDescriptor) -> Result<(), DiskError> {
        const BITS: Control = Control::DACL_PROTECTED.with(Control::DACL_AUTO_INHERITED);
        self.with(|files| {
            files.counts.written += 1;
            if !object.rights.has(Mask::WRITE_DAC) {
                return Err(DiskError::Denied);
            }
            to.to_bytes()?;
            let node = files.nodes.get_mut(&object.id).ok_or(DiskError::NotThere)?;
            assert_ne!(node.kind, Kind::ReparsePoint, "none of these is written");
            if !self.kill.step() {
                return Err(DiskError::Failed {
                    call: "killed",
                    code: 0,
                });
            }
            if !node.lies {
                node.sd.dacl.clone_from(&to.dacl);
                node.sd.control = Control(node.sd.control.0 & !BITS.0 | to.control.0 & BITS.0);
            }
            Ok(())
        })
    }
}
