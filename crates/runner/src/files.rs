//! The ring's private files: one tmpfs, of which every private place is a part.
//!
//! It is attached over `/dev`, where the ring's own `/dev` soon covers it: a part can
//! only be cloned from a tree that is attached, and nothing may see the whole.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use ringfence_ops::linux::{DEVICES, Located};
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::mount::{self, Attributes};
use ringfence_sys_linux::{SysError, object};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Not even nosuid and nodev are left to chance on what the ring makes itself.
pub(crate) const HARMLESS: Attributes = Attributes {
    read_only: None,
    nosuid: true,
    nodev: true,
    noexec: false,
    private: true,
};

pub(crate) const SEALED: Attributes = Attributes {
    read_only: Some(true),
    ..HARMLESS
};

/// Device nodes cloned while they still are device nodes: on a root that was made nodev
/// they are not.
#[derive(Debug)]
pub(crate) struct Nodes {
    named: Vec<(CString, OwnedFd)>,
    console: Option<OwnedFd>,
}

impl Nodes {
    pub(crate) fn save() -> Result<Nodes, SysError> {
        let host = object::open_exact(Path::new("/dev"))?;
        let mut named = Vec::new();
        for name in DEVICES {
            let name = CString::new(name).unwrap_or_default();
            match mount::clone_named(host.as_fd(), &name, false) {
                Ok(tree) => named.push((name, tree)),
                // A container's /dev may lack /dev/full or the like; so does the ring's.
                Err(e) if e.errno == rustix::io::Errno::NOENT.raw_os_error() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Nodes {
            named,
            console: None,
        })
    }

    /// The caller's terminal, too.
    pub(crate) fn save_console(&mut self, at: &Located) -> Result<(), SysError> {
        let handle = open_verified(at)?;
        self.console = Some(mount::clone_tree(handle.as_fd(), false)?);
        Ok(())
    }
}

/// What every ring in namespaces has, whatever its plan: made while there is none yet. What could not be made is tried again when
/// the plan wants it, and tells why not.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    nodes: Option<Nodes>,
    tmpfs: Option<OwnedFd>,
    devpts: Option<OwnedFd>,
    proc: Option<OwnedFd>,
}

impl Parts {
    pub(crate) fn make() -> Parts {
        Parts {
            nodes: Nodes::save().ok(),
            tmpfs: new_tmpfs().ok(),
            devpts: new_devpts().ok(),
            proc: new_proc().ok(),
        }
    }

    pub(crate) fn nodes(&mut self) -> Result<Nodes, SysError> {
        self.nodes.take().map_or_else(Nodes::save, Ok)
    }

    fn tmpfs(&mut self) -> Result<OwnedFd, SysError> {
        self.tmpfs.take().map_or_else(new_tmpfs, Ok)
    }

    fn devpts(&mut self) -> Result<OwnedFd, SysError> {
        self.devpts.take().map_or_else(new_devpts, Ok)
    }

    pub(crate) fn proc(&mut self) -> Result<OwnedFd, SysError> {
        self.proc.take().map_or_else(new_proc, Ok)
    }
}

fn new_tmpfs() -> Result<OwnedFd, SysError> {
    mount::new_filesystem(c"tmpfs", &[(c"mode", c"0755")], &[], HARMLESS)
}

fn new_devpts() -> Result<OwnedFd, SysError> {
    mount::new_filesystem(
        c"devpts",
        &[(c"mode", c"0620"), (c"ptmxmode", c"0666")],
        &[],
        Attributes {
            nosuid: true,
            noexec: true,
            ..Attributes::default()
        },
    )
}

fn new_proc() -> Result<OwnedFd, SysError> {
    mount::new_filesystem(
        c"proc",
        &[],
        &[],
        Attributes {
            noexec: true,
            ..HARMLESS
        },
    )
}

/// The tmpfs.
#[derive(Debug)]
pub(crate) struct Files {
    root: OwnedFd,
    parts: u32,
    /// The empty file and the empty directory are mounts of their own, read-only.
    sealed: [bool; 2],
    /// An empty file that was not needed. To close one that was never attached takes a grace period of the kernel's (`namespace_unlock`
    /// waits for one), some 0.1 ms.
    unused: Option<OwnedFd>,
}

/// Name of the empty, unreadable file.
const NOTHING_FILE: &CStr = c"nothing";
/// Name of the empty, unreadable directory.
const NOTHING_DIR: &CStr = c"nowhere";

impl Files {
    pub(crate) fn new(parts: &mut Parts) -> Result<Files, SysError> {
        let host = object::open_exact(Path::new("/dev"))?;
        let tree = parts.tmpfs()?;
        mount::attach(tree.as_fd(), host.as_fd())?;
        let root = object::open_exact(Path::new("/dev"))?;
        make_file(root.as_fd(), NOTHING_FILE, 0)?;
        make_dir(root.as_fd(), NOTHING_DIR, 0)?;
        Ok(Files {
            root,
            parts: 0,
            sealed: [false; 2],
            unused: None,
        })
    }

    /// A new, empty directory, as a detached tree.
    pub(crate) fn part(&mut self, mode: u32) -> Result<OwnedFd, SysError> {
        let name = self.part_dir(mode)?;
        mount::clone_named(self.root.as_fd(), &name, false)
    }

    /// A new, empty directory, as its name in the tmpfs.
    fn part_dir(&mut self, mode: u32) -> Result<CString, SysError> {
        self.parts += 1;
        let name = CString::new(format!("part{}", self.parts)).unwrap_or_default();
        make_dir(self.root.as_fd(), &name, mode)?;
        Ok(name)
    }

    /// A new, empty directory, opened.
    pub(crate) fn part_handle(&mut self, mode: u32) -> Result<OwnedFd, SysError> {
        let name = self.part_dir(mode)?;
        open_dir(self.root.as_fd(), &name)
    }

    /// A tree that is empty and unreadable, a directory or a file.
    ///
    /// The first is made read-only and attached over what it is a clone of: clones of that
    /// are read-only as they are made, and a ring hides many things.
    pub(crate) fn nothing(&mut self, dir: bool) -> Result<OwnedFd, SysError> {
        if let Some(unused) = self.unused.take_if(|_| !dir) {
            return Ok(unused);
        }
        let name = if dir { NOTHING_DIR } else { NOTHING_FILE };
        let sealed = &mut self.sealed[usize::from(dir)];
        if !*sealed {
            let tree = mount::clone_named(self.root.as_fd(), name, false)?;
            mount::set(tree.as_fd(), SEALED, false)?;
            mount::attach_named(tree.as_fd(), self.root.as_fd(), name)?;
            *sealed = true;
        }
        mount::clone_named(self.root.as_fd(), name, false)
    }

    /// Takes back an empty file that was not attached, for whoever needs one next.
    pub(crate) fn take_back(&mut self, nothing: OwnedFd) {
        self.unused = Some(nothing);
    }

    /// Attaches what nobody needed where nobody sees it.
    pub(crate) fn finish(&mut self) -> Result<(), SysError> {
        match self.unused.take() {
            Some(unused) => mount::attach_named(unused.as_fd(), self.root.as_fd(), NOTHING_FILE),
            None => Ok(()),
        }
    }

    /// Covers `/dev` with a small one.
    pub(crate) fn devices(&mut self, nodes: &Nodes, parts: &mut Parts) -> Result<(), SysError> {
        let name = self.part_dir(0o755)?;
        let tree = mount::clone_named(self.root.as_fd(), &name, false)?;
        let place = object::open_exact(Path::new("/dev"))?;
        mount::attach(tree.as_fd(), place.as_fd())?;
        let dev = tree.as_fd();
        make_dir(dev, c"pts", 0o755)?;
        make_dir(dev, c"shm", 0o1777)?;
        for (target, name) in [
            (c"/proc/self/fd", c"fd"),
            (c"/proc/self/fd/0", c"stdin"),
            (c"/proc/self/fd/1", c"stdout"),
            (c"/proc/self/fd/2", c"stderr"),
            (c"pts/ptmx", c"ptmx"),
        ] {
            rustix::fs::symlinkat(target, dev, name).named("symlinkat")?;
        }
        for (name, node) in &nodes.named {
            make_file(dev, name, 0)?;
            mount::attach_named(node.as_fd(), dev, name)?;
        }
        if let Some(node) = &nodes.console {
            make_file(dev, c"console", 0)?;
            mount::attach_named(node.as_fd(), dev, c"console")?;
        }
        // A node is read and written all the same; but its mode and times are the host's, and root's to change.
        let read_only = |read_only| Attributes {
            read_only: Some(read_only),
            nosuid: false,
            nodev: false,
            noexec: false,
            private: false,
        };
        mount::set(dev, read_only(true), true)?;
        mount::set(dev, read_only(false), false)?;
        mount::attach_named(parts.devpts()?.as_fd(), dev, c"pts")
    }
}

fn make_dir(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<(), SysError> {
    rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(mode)).named("mkdirat")?;
    // The umask is the caller's affair, not the ring's.
    rustix::fs::chmodat(
        dir,
        name,
        Mode::from_raw_mode(mode),
        rustix::fs::AtFlags::empty(),
    )
    .named("fchmodat")
}

fn make_file(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<(), SysError> {
    rustix::fs::mknodat(
        dir,
        name,
        rustix::fs::FileType::RegularFile,
        Mode::from_raw_mode(mode),
        0,
    )
    .named("mknodat")
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, SysError> {
    rustix::fs::openat(
        dir,
        name,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .named("openat")
}

/// Opens what the plan located, in this mount namespace, and holds its identity
/// against the plan's.
pub(crate) fn open_verified(at: &Located) -> Result<OwnedFd, SysError> {
    let handle = object::open_exact(&at.path)?;
    same(&handle, at)?;
    Ok(handle)
}

/// Holds a handle's identity against the plan's.
pub(crate) fn same(handle: &OwnedFd, at: &Located) -> Result<(), SysError> {
    if at.is_made() {
        return Ok(());
    }
    let found = object::identity(handle.as_fd())?;
    if (found.device, found.inode) == (at.device, at.inode) {
        Ok(())
    } else {
        Err(SysError::new(IDENTITY, Errno::STALE.raw_os_error()))
    }
}

/// The call a changed identity is reported under.
pub(crate) const IDENTITY: &str = "identity";

/// Makes a mount point at a path the ring's private files cover, its parents too.
pub(crate) fn make_mount_point(path: &Path, dir: bool) -> Result<(), SysError> {
    if dir {
        return std::fs::create_dir_all(path).named("mkdir");
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).named("mkdir")?;
    }
    std::fs::File::create_new(path).named("open").map(|_| ())
}

/// As [`make_mount_point`] for a file, below a directory in which commands may have made anything: by handle,
/// through no link. What is there already may be what it is.
pub(crate) fn make_mount_point_below(base: BorrowedFd<'_>, path: &Path) -> Result<(), SysError> {
    let mut at = base.try_clone_to_owned().named("dup")?;
    let mut names = path
        .components()
        .map(|c| Path::new(c.as_os_str()))
        .peekable();
    while let Some(name) = names.next() {
        let made = if names.peek().is_some() {
            rustix::fs::mkdirat(&at, name, Mode::from(0o755))
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&at, name, flags, Mode::from(0o600)).map(drop)
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(SysError::new("making a mount point", e.raw_os_error())),
        }
        if names.peek().is_some() {
            at = object::open_below(at.as_fd(), name)?;
        }
    }
    Ok(())
}
