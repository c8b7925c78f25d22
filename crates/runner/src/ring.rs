//! Building the ring: one function per op, in the plan's order.

mod living;

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringfence_ops::Need;
use ringfence_ops::linux::landlock::{self as rights, Ruleset};
use ringfence_ops::linux::{Caches, Clone, Located, Mask, Op, PROC_HIDDEN, Upper};
use ringfence_sys_linux::mount::{self, Attributes};
use ringfence_sys_linux::namespaces::{self, Network};
use ringfence_sys_linux::spawn::{Resource, Restrictions};
use ringfence_sys_linux::{SysError, landlock, listing, object, process};
use ringfence_wire::{Failure, Note, Stage};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::files::{
    Files, HARMLESS, IDENTITY, Nodes, Parts, SEALED, make_mount_point, open_verified,
};
use crate::keeper::Keeper;

/// A ring that stands, as far as its commands need to know it.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    /// What every command takes on.
    pub(crate) restrictions: Arc<Restrictions>,
    pub(crate) keeper: Keeper,
    /// Files that are protected, and files that are covered: where one is replaced from outside, its mount
    /// goes with what it was on.
    protected: Vec<PathBuf>,
    covered: Vec<PathBuf>,
    /// What is covered with.
    files: Option<Files>,
    /// What lies under directories that are covered as a whole.
    under: Vec<Under>,
    /// Tells when a mount has come or gone in this namespace.
    mounts: Option<File>,
}

/// A directory of the host's under one of the ring's own.
#[derive(Debug)]
struct Under {
    path: PathBuf,
    handle: OwnedFd,
    /// The ring's own is read-only.
    sealed: bool,
}

/// The namespaces of a ring to be built.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// The network's, which may still be in the making, and is entered when the ring stands.
    network: Option<Network>,
    parts: Parts,
}

impl Namespaces {
    /// Makes them, and enters all but the network's, which a thread may be making.
    pub(crate) fn make(net: bool) -> Result<Namespaces, SysError> {
        let network = namespaces::unshare(net)?;
        Ok(Namespaces {
            network,
            // The plan is not there yet, as a rule.
            parts: Parts::make(),
        })
    }
}

/// A ring being built.
#[derive(Debug, Default)]
struct Builder {
    ring: Ring,
    restrictions: Restrictions,
    held: HashMap<PathBuf, OwnedFd>,
    files: Option<Files>,
    namespaces: Option<Namespaces>,
    /// The step that wants `lo` up in it.
    loopback: Option<u32>,
    /// The caller's terminal, of which the plan speaks later than it must be saved.
    console: Option<Located>,
    nodes: Option<Nodes>,
    parts: Parts,
    /// Masks that are made read-only once everything is in place.
    unsealed: Vec<OwnedFd>,
    notes: Vec<Note>,
}

/// A step that needs another before it.
const UNPLANNED: SysError = SysError {
    call: "plan",
    errno: Errno::INVAL.raw_os_error(),
};

/// Does the steps in order, and does not return a ring outside of its network namespace.
pub(crate) fn build(
    steps: Vec<(Need, Op)>,
    mut namespaces: Option<Namespaces>,
) -> Result<(Ring, Vec<Note>), Failure> {
    let mut builder = Builder {
        parts: namespaces
            .as_mut()
            .map(|made| std::mem::take(&mut made.parts))
            .unwrap_or_default(),
        namespaces,
        console: steps.iter().find_map(|(_, op)| match op {
            Op::Devices { console } => console.clone(),
            _ => None,
        }),
        ..Builder::default()
    };
    for (index, (need, op)) in steps.into_iter().enumerate() {
        let index = index as u32;
        match builder.step(op, index) {
            Ok(()) => {}
            Err(error) if need == Need::Must => return Err(failure(index, error)),
            Err(error) => builder.note(index, error),
        }
    }
    builder.seal().map_err(|e| failed(Stage::Step, e))?;
    // Last: until now a thread may have made it.
    builder
        .enter_network()
        .map_err(|e| failed(Stage::Namespaces, e))?;
    builder.ring.files = builder.files.take();
    builder.ring.restrictions = Arc::new(builder.restrictions);
    Ok((builder.ring, builder.notes))
}

fn failed(stage: Stage, error: SysError) -> Failure {
    Failure {
        stage,
        step: None,
        call: error.call.to_owned(),
        errno: error.errno,
    }
}

fn failure(index: u32, error: SysError) -> Failure {
    Failure {
        stage: if error.call == IDENTITY {
            Stage::Identity
        } else {
            Stage::Step
        },
        step: Some(index),
        call: error.call.to_owned(),
        errno: error.errno,
    }
}

impl Builder {
    fn note(&mut self, step: u32, error: SysError) {
        self.notes.push(Note {
            step,
            call: error.call.to_owned(),
            errno: error.errno,
        });
    }

    fn files(&mut self) -> Result<&mut Files, SysError> {
        self.files.as_mut().ok_or(UNPLANNED)
    }

    fn step(&mut self, op: Op, index: u32) -> Result<(), SysError> {
        match op {
            // Made already, or there is no ring.
            Op::Namespaces(Clone { net }) => match &self.namespaces {
                Some(made) if made.network.is_some() == net => Ok(()),
                _ => Err(UNPLANNED),
            },
            // Done by the harness as it started this process.
            Op::MapIds { .. } | Op::Cgroup { .. } => Ok(()),
            // Done in every command, between clone and exec; there is no ring without.
            Op::DropCapabilities | Op::NoNewPrivs => Ok(()),
            // What became of it is known when the network is entered.
            Op::Loopback if self.namespaces.is_some() => {
                self.loopback = Some(index);
                Ok(())
            }
            Op::Loopback => Err(UNPLANNED),
            Op::PidMax(n) => write("/proc/sys/kernel/pid_max", &n.to_string()),
            Op::Hold(at) => {
                let handle = open_verified(&at)?;
                let tree = mount::clone_tree(handle.as_fd(), true)?;
                mount::set(tree.as_fd(), HARMLESS, true)?;
                self.held.insert(at.path, tree);
                Ok(())
            }
            Op::KeepDir { from, at } => {
                let handle = open_verified(&from)?;
                let tree = mount::clone_tree(handle.as_fd(), true)?;
                mount::set(tree.as_fd(), HARMLESS, true)?;
                self.held.insert(at, tree);
                Ok(())
            }
            Op::PrivateCache(cache) => self.private_cache(cache),
            Op::ReadOnlyRoot => {
                let mut nodes = self.parts.nodes()?;
                if let Some(console) = &self.console {
                    nodes.save_console(console)?;
                }
                self.nodes = Some(nodes);
                let root = object::open_exact(Path::new("/"))?;
                mount::set(root.as_fd(), SEALED, true)
            }
            // Made by `Devices`, which knows what to save from /dev first.
            Op::PrivateFiles => Ok(()),
            Op::Devices { .. } => {
                let nodes = self.nodes.take().ok_or(UNPLANNED)?;
                let mut files = Files::new(&mut self.parts)?;
                files.devices(&nodes, &mut self.parts)?;
                self.files = Some(files);
                Ok(())
            }
            Op::PrivateDir { at, overlay } => self.private_dir(&at, overlay, index),
            Op::Proc { root } => self.proc(root),
            Op::MaskDir(mask) => {
                let handle = self.mask_dir(&mask, 0o755)?;
                self.ring.under.push(Under {
                    path: mask.at.path,
                    handle,
                    sealed: true,
                });
                Ok(())
            }
            Op::Hide(mask) if mask.keep.is_empty() => self.cover(&mask.at),
            Op::Hide(mask) => self.mask_dir(&mask, 0o555).map(drop),
            Op::MaskSocket(at) => self.cover(&at),
            Op::Place(at) => self.place(&at),
            Op::Pin(at) => pin(&at),
            Op::Protect(at) => {
                protect(&at)?;
                self.ring.remember(&at);
                Ok(())
            }
            Op::Watch { dir, names } => self.ring.keeper.watch(&dir, names),
            Op::Landlock(ruleset) => {
                self.restrictions.landlock(ruleset_of(&ruleset)?);
                Ok(())
            }
            Op::Seccomp(bytes) => self.restrictions.seccomp(&bytes),
            Op::LimitProcesses(n) => {
                self.restrictions.limit(Resource::Processes, n.into());
                Ok(())
            }
            Op::LimitMemory(bytes) => {
                self.restrictions.limit(Resource::AddressSpace, bytes);
                Ok(())
            }
            Op::Subreaper => {
                process::subreaper()?;
                // Without a pid namespace nothing dies with this process: it must live on
                // to end what it adopted when its socket says that the harness is gone. Where a
                // command can stop this process it would not hear that, and the signal is what ends
                // it, and the command with it.
                if rights::scopes(landlock::abi()) & rights::SCOPE_SIGNAL != 0 {
                    process::outlive_parent()?;
                }
                Ok(())
            }
        }
    }

    fn enter_network(&mut self) -> Result<(), SysError> {
        let Some(network) = self.namespaces.take().and_then(|made| made.network) else {
            return Ok(());
        };
        if let (Err(error), Some(step)) = (network.enter()?, self.loopback) {
            self.note(step, error);
        }
        Ok(())
    }

    fn private_cache(&mut self, cache: Caches) -> Result<(), SysError> {
        let lower = open_verified(&cache.at)?;
        let Upper::Kept { upper, work } = &cache.upper else {
            return Err(UNPLANNED);
        };
        let upper = open_verified(upper)?;
        let work = open_verified(work)?;
        let tree = overlay(&lower, &upper, &work)?;
        self.held.insert(cache.at.path, tree);
        Ok(())
    }

    fn private_dir(&mut self, at: &Located, wanted: bool, index: u32) -> Result<(), SysError> {
        let place = open_verified(at)?;
        if wanted {
            let upper = self.files()?.part_handle(0o1777)?;
            let work = self.files()?.part_handle(0o700)?;
            match overlay(&place, &upper, &work) {
                Ok(tree) => return self.put_over(at, place, &tree),
                Err(error) => self.note(index, error),
            }
        }
        let tree = self.files()?.part(0o1777)?;
        self.put_over(at, place, &tree)
    }

    /// Puts a directory of the ring's own over one of the host's.
    fn put_over(&mut self, at: &Located, handle: OwnedFd, tree: &OwnedFd) -> Result<(), SysError> {
        mount::attach(tree.as_fd(), handle.as_fd())?;
        self.ring.under.push(Under {
            path: at.path.clone(),
            handle,
            sealed: false,
        });
        Ok(())
    }

    fn proc(&mut self, root: bool) -> Result<(), SysError> {
        let hidden: &[&str] = if root { &PROC_HIDDEN } else { &[] };
        let place = object::open_exact(Path::new("/proc"))?;
        let fresh = self
            .parts
            .proc()
            .and_then(|tree| mount::attach(tree.as_fd(), place.as_fd()));
        if let Err(error) = fresh {
            // The host's is seen, read-only as all is. What of it is none of a ring's
            // business is hidden there as well.
            self.proc_hidden(&place, hidden)?;
            return Err(error);
        }
        let proc = object::open_exact(Path::new("/proc"))?;
        let covered = proc_read_only(&proc, root).and_then(|()| self.proc_hidden(&proc, hidden));
        if covered.is_err() {
            // Then rather nothing of it is written.
            mount::set(proc.as_fd(), SEALED, true)?;
        }
        covered
    }

    fn proc_hidden(&mut self, proc: &OwnedFd, hidden: &[&str]) -> Result<(), SysError> {
        // By its name, which is the kernel's: one lookup for each, of which a ring of root's has many. Each after the first is the
        // first once more.
        let mut covered: Option<CString> = None;
        for name in hidden {
            let path = CString::new(format!("/proc/{name}")).unwrap_or_default();
            let done = if let Some(covered) = &covered {
                mount::bind(covered, &path)
            } else {
                let name = CString::new(*name).unwrap_or_default();
                let files = self.files()?;
                let nothing = files.nothing(false)?;
                let done = mount::attach_named(nothing.as_fd(), proc.as_fd(), &name);
                match &done {
                    Ok(()) => covered = Some(path),
                    Err(_) => files.take_back(nothing),
                }
                done
            };
            match done {
                Ok(()) => {}
                Err(e) if e.errno == Errno::NOENT.raw_os_error() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Covers an object with nothing.
    fn cover(&mut self, at: &Located) -> Result<(), SysError> {
        let place = match open_verified(at) {
            Ok(place) => place,
            // Gone since it was seen: there is nothing to cover.
            Err(e) if at.is_made() && e.errno == Errno::NOENT.raw_os_error() => return Ok(()),
            Err(e) => return Err(e),
        };
        let nothing = self.files()?.nothing(at.dir)?;
        mount::attach(nothing.as_fd(), place.as_fd())?;
        if !at.dir {
            self.ring.covered.push(at.path.clone());
        }
        Ok(())
    }

    /// Covers a directory with an empty one in which only what is kept is seen; what lies under it.
    fn mask_dir(&mut self, mask: &Mask, mode: u32) -> Result<OwnedFd, SysError> {
        let place = open_verified(&mask.at)?;
        let mut kept = Vec::new();
        for keep in &mask.keep {
            let handle = open_verified(keep)?;
            kept.push((keep, mount::clone_tree(handle.as_fd(), true)?));
        }
        // Writable until everything stands: mount points are made in it.
        let tree = self
            .files()?
            .part(if mode & 0o200 == 0 { 0o755 } else { mode })?;
        mount::attach(tree.as_fd(), place.as_fd())?;
        for (keep, part) in kept {
            make_mount_point(&keep.path, keep.dir)?;
            let onto = object::open_exact(&keep.path)?;
            mount::attach(part.as_fd(), onto.as_fd())?;
        }
        self.unsealed.push(tree);
        Ok(place)
    }

    fn place(&mut self, at: &Located) -> Result<(), SysError> {
        let Some(tree) = self.held.remove(&at.path) else {
            return Err(UNPLANNED);
        };
        let onto = match object::open_exact(&at.path) {
            Ok(onto) => onto,
            Err(e) if e.errno == Errno::NOENT.raw_os_error() => {
                make_mount_point(&at.path, at.dir)?;
                object::open_exact(&at.path)?
            }
            Err(e) => return Err(e),
        };
        // A socket is connected to, and no more: its mode is its server's.
        if !at.dir && object::identity(tree.as_fd())?.kind() == FileType::Socket {
            mount::set(tree.as_fd(), SEALED, false)?;
        }
        mount::attach(tree.as_fd(), onto.as_fd())
    }

    fn seal(&mut self) -> Result<(), SysError> {
        for tree in self.unsealed.drain(..) {
            mount::set(tree.as_fd(), SEALED, false)?;
        }
        self.files.as_mut().map_or(Ok(()), Files::finish)
    }
}

/// Makes parts of a procfs read-only, those that the kernel has.
fn proc_read_only(proc: &OwnedFd, root: bool) -> Result<(), SysError> {
    let names: Vec<CString> = if root {
        // Of all that is no process' the mode is the host's, and root's to change. What is hidden is covered anyway.
        let not_hidden = |name: &OsStr| !PROC_HIDDEN.iter().any(|hidden| name == *hidden);
        let entries = listing::entries(Path::new("/proc"));
        let entries = entries.map_err(|errno| SysError::new("open", errno.raw_os_error()))?;
        let of_the_host = |entry: &listing::Entry| {
            entry.kind != FileType::Symlink
                && !entry
                    .name
                    .as_bytes()
                    .first()
                    .is_some_and(u8::is_ascii_digit)
                && not_hidden(&entry.name)
        };
        let path = |name: &OsStr| CString::new([b"/proc/", name.as_bytes()].concat()).ok();
        let entries = entries.collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|errno| SysError::new("getdents64", errno.raw_os_error()))?;
        let names = entries.iter().filter(|entry| of_the_host(entry));
        names.filter_map(|entry| path(&entry.name)).collect()
    } else {
        vec![c"/proc/sys".to_owned()]
    };
    // Clones of what is read-only are; by name, which is the kernel's, one call for each.
    mount::set(proc.as_fd(), SEALED, false)?;
    for name in &names {
        match mount::bind(name, name) {
            Ok(()) => {}
            Err(e) if e.errno == Errno::NOENT.raw_os_error() => {}
            Err(e) => return Err(e),
        }
    }
    let writable = Attributes {
        read_only: Some(false),
        ..SEALED
    };
    mount::set(proc.as_fd(), writable, false)
}

/// Makes an object a mount point of its own.
pub(crate) fn pin(at: &Located) -> Result<(), SysError> {
    let handle = open_verified(at)?;
    let tree = mount::clone_tree(handle.as_fd(), true)?;
    mount::attach(tree.as_fd(), handle.as_fd())
}

/// Makes an object read-only.
pub(crate) fn protect(at: &Located) -> Result<(), SysError> {
    seal(&open_verified(at)?)
}

/// Puts a read-only clone of an object onto it.
fn seal(handle: &OwnedFd) -> Result<(), SysError> {
    let tree = mount::clone_tree(handle.as_fd(), true)?;
    mount::set(tree.as_fd(), SEALED, true)?;
    mount::attach(tree.as_fd(), handle.as_fd())
}

/// A detached overlay of three directories.
fn overlay(lower: &OwnedFd, upper: &OwnedFd, work: &OwnedFd) -> Result<OwnedFd, SysError> {
    // By way of /proc: no name is resolved again, and no character needs escaping.
    let by_handle = |fd: &OwnedFd| {
        CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default()
    };
    let (lower, upper, work) = (by_handle(lower), by_handle(upper), by_handle(work));
    mount::new_filesystem(
        c"overlay",
        &[
            (c"lowerdir", &lower),
            (c"upperdir", &upper),
            (c"workdir", &work),
        ],
        &[c"userxattr"],
        HARMLESS,
    )
}

fn ruleset_of(wanted: &Ruleset) -> Result<OwnedFd, SysError> {
    let ruleset = landlock::create(landlock::abi(), wanted.fs, wanted.net, wanted.scoped)?;
    for rule in &wanted.rules {
        let handle = match object::open_exact(&rule.at.path) {
            Ok(handle) => handle,
            // Less is granted than could be.
            Err(_) if rule.at.is_made() => continue,
            Err(e) => return Err(e),
        };
        let granted = if rule.at.dir {
            rule.rights
        } else {
            rule.rights & rights::OF_A_FILE
        };
        landlock::grant(ruleset.as_fd(), handle.as_fd(), granted)?;
    }
    Ok(ruleset)
}

fn write(path: &str, text: &str) -> Result<(), SysError> {
    use ringfence_sys_linux::error::Named;
    std::fs::write(path, text).named("write")
}
