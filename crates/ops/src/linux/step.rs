use std::fmt;
use std::path::{Path, PathBuf};

use super::landlock::Ruleset;
use crate::Need;

/// A file system object the harness resolved once: its canonical path, and the
/// identity it had. The runner opens the path in its own mount namespace without
/// following a symbolic link and refuses another identity, so that a name swapped
/// in between is an error and never another object.
///
/// A descriptor of the harness would not do: `open_tree(2)` refuses to clone a mount
/// of another mount namespace (`EINVAL`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Located {
    /// Canonical absolute path.
    pub path: PathBuf,
    /// Device number (`st_dev`); 0 with inode 0 where the runner makes the object.
    pub device: u64,
    /// Inode number (`st_ino`).
    pub inode: u64,
    /// It is a directory.
    pub dir: bool,
}

impl Located {
    /// An object that the runner itself makes at this path.
    #[must_use]
    pub fn made(path: impl Into<PathBuf>, dir: bool) -> Located {
        Located {
            path: path.into(),
            device: 0,
            inode: 0,
            dir,
        }
    }

    /// Whether the runner makes it.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.device == 0 && self.inode == 0
    }
}

/// Device nodes of the small `/dev` of a ring.
pub const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Names that one ring watches at most ([`Op::Watch`]): those of hundreds of write roots, and an end to
/// what a command can have the next one watch.
pub const WATCHES_MOST: usize = 16 * 1024;

/// Parts of `/proc` that show what is none of a ring's business: the kernel's memory and
/// how it is used, keys and timers. They cannot be read. Each that a machine has costs a
/// mount, so those are left out that the kernel itself shows to nobody without a capability.
pub const PROC_HIDDEN: [&str; 14] = [
    "kcore",
    "vmcore",
    "kpagecount",
    "kpageflags",
    "kpagecgroup",
    "slabinfo",
    "vmallocinfo",
    "allocinfo",
    "pagetypeinfo",
    "keys",
    "key-users",
    "timer_list",
    "sched_debug",
    "latency_stats",
];

/// The namespaces made in the one `clone(2)` that starts the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clone {
    /// A network namespace of its own.
    pub net: bool,
}

/// A place that is covered by an empty directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// What is covered.
    pub at: Located,
    /// What stays visible of it, read-only.
    pub keep: Vec<Located>,
}

/// Where the writes of a private overlay go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upper {
    /// Memory of the ring; gone with it.
    Ring,
    /// Two directories on disk, kept for the next ring of this workspace.
    Kept {
        /// overlayfs' `upperdir`.
        upper: Located,
        /// overlayfs' `workdir`, on the same file system.
        work: Located,
    },
}

/// A cache directory that is written privately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caches {
    /// The tool it belongs to (`cargo`).
    pub tool: String,
    /// The user's directory.
    pub at: Located,
    /// Where writes go.
    pub upper: Upper,
}

/// One effect. In a plan they stand in the order in which they are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// New user, mount, pid, ipc and uts namespaces, and perhaps network: user and pid by the
    /// harness as it starts the runner, the others by the runner itself. No cgroup namespace: seen from
    /// another one, the mounts of /sys/fs/cgroup have roots like `/../..`, on which JVMs
    /// fail; the files there are read-only by mount.
    Namespaces(Clone),
    /// Map one user and one group id, each to itself. Done at the clone.
    MapIds {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
    /// Bring up `lo`. Done where the network namespace is made.
    Loopback,
    /// Limit the processes of the pid namespace through its own `pid_max`
    /// (kernel 6.14 and newer).
    PidMax(u32),
    /// Clone the mount tree at a place before anything is made read-only, to put it
    /// back writable (or, a socket, to put it back through a mask).
    Hold(Located),
    /// Set every mount read-only, nosuid, nodev, and private.
    ReadOnlyRoot,
    /// A tmpfs of the ring, that private places are taken from.
    PrivateFiles,
    /// A private directory over the place: the host's files are seen, writes stay in
    /// the ring (overlayfs); where that is refused, an empty one.
    PrivateDir {
        /// What is covered.
        at: Located,
        /// Show the host's files.
        overlay: bool,
    },
    /// Hold an overlay of a cache directory: writes below it stay in the ring or in its
    /// workspace's state. Before the root is read-only, since an upper layer must be
    /// writable when the overlay is made.
    PrivateCache(Caches),
    /// A small `/dev`.
    Devices {
        /// The caller's terminal, bound to `/dev/console` so that `ttyname(3)` works.
        console: Option<Located>,
    },
    /// A fresh procfs of the ring's pid namespace, its `sys` read-only.
    Proc {
        /// More parts of it read-only or hidden: for the host's root, whom their modes
        /// would let write and read.
        root: bool,
    },
    /// Cover a directory of sockets.
    MaskDir(Mask),
    /// Cover one unix socket.
    MaskSocket(Located),
    /// Put a held tree back, writable.
    Place(Located),
    /// Make a directory a mount point of its own, so that it cannot be renamed.
    Pin(Located),
    /// Make an object read-only by a mount on itself.
    Protect(Located),
    /// Make an object unreadable.
    Hide(Mask),
    /// Take away at once what appears under protected names that do not exist.
    Watch {
        /// The directory that exists.
        dir: Located,
        /// The names in it.
        names: Vec<PathBuf>,
    },
    /// Hold a directory kept on disk, to be placed somewhere else in the ring.
    KeepDir {
        /// The directory on disk.
        from: Located,
        /// Where it is seen.
        at: PathBuf,
    },
    /// `landlock_restrict_self(2)` on the child.
    Landlock(Ruleset),
    /// Empty every capability set, the bounding set too.
    DropCapabilities,
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivs,
    /// A seccomp filter, as bytes of `struct sock_filter`.
    Seccomp(Vec<u8>),
    /// Enter a control group made for this ring. Done by the harness.
    Cgroup {
        /// The group's directory.
        dir: PathBuf,
        /// `memory.max`, bytes.
        memory: Option<u64>,
        /// `pids.max`.
        processes: Option<u32>,
    },
    /// `RLIMIT_NPROC`.
    LimitProcesses(u32),
    /// `RLIMIT_AS`, bytes, of each process.
    LimitMemory(u64),
    /// Adopt and kill what the command leaves behind (`PR_SET_CHILD_SUBREAPER`).
    Subreaper,
}

/// One op with how much it matters and which promise it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The effect.
    pub op: Op,
    /// What happens when it cannot be done.
    pub need: Need,
    /// The promise it keeps, as `[enforcement] accept` names it.
    pub promise: &'static str,
}

impl Step {
    /// A step without which there is no ring.
    #[must_use]
    pub fn must(promise: &'static str, op: Op) -> Step {
        Step {
            op,
            need: Need::Must,
            promise,
        }
    }

    /// A step whose lack is told in the outcome.
    #[must_use]
    pub fn should(promise: &'static str, op: Op) -> Step {
        Step {
            op,
            need: Need::Should,
            promise,
        }
    }

    /// A step for convenience.
    #[must_use]
    pub fn may(promise: &'static str, op: Op) -> Step {
        Step {
            op,
            need: Need::May,
            promise,
        }
    }
}

impl Op {
    /// The path the op acts on, for error messages.
    #[must_use]
    pub fn subject(&self) -> Option<&Path> {
        match self {
            Op::Hold(l) | Op::Place(l) | Op::Pin(l) | Op::Protect(l) | Op::MaskSocket(l) => {
                Some(&l.path)
            }
            Op::PrivateDir { at, .. } => Some(&at.path),
            Op::PrivateCache(c) => Some(&c.at.path),
            Op::MaskDir(m) | Op::Hide(m) => Some(&m.at.path),
            Op::Watch { dir, .. } => Some(&dir.path),
            Op::KeepDir { at, .. } => Some(at),
            Op::Cgroup { dir, .. } => Some(dir),
            _ => None,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Namespaces(c) => write!(
                f,
                "namespaces user mount pid ipc uts{}",
                if c.net { " net" } else { "" }
            ),
            Op::MapIds { uid, gid } => write!(f, "map uid {uid} gid {gid}, each to itself"),
            Op::Loopback => f.write_str("loopback up"),
            Op::PidMax(n) => write!(f, "pid_max {n}"),
            Op::Hold(l) => write!(f, "hold {}", l.path.display()),
            Op::ReadOnlyRoot => f.write_str("every mount read-only nosuid nodev private"),
            Op::PrivateFiles => f.write_str("tmpfs for the ring's private files"),
            Op::PrivateDir { at, overlay } => write!(
                f,
                "private {} ({})",
                at.path.display(),
                if *overlay { "overlay" } else { "empty" }
            ),
            Op::PrivateCache(c) => write!(
                f,
                "private cache {} {} ({})",
                c.tool,
                c.at.path.display(),
                match &c.upper {
                    Upper::Ring => "in memory".to_owned(),
                    Upper::Kept { upper, .. } => format!("upper {}", upper.path.display()),
                }
            ),
            Op::Devices { console } => {
                write!(f, "dev {}", DEVICES.join(" "))?;
                match console {
                    Some(l) => write!(f, " console={}", l.path.display()),
                    None => Ok(()),
                }
            }
            Op::Proc { root: false } => f.write_str("proc of the ring (read-only: sys)"),
            Op::Proc { root: true } => write!(
                f,
                "proc of the ring (read-only: all but processes; hidden: {})",
                PROC_HIDDEN.join(" ")
            ),
            Op::MaskDir(m) => mask(f, "mask", m),
            Op::MaskSocket(l) => write!(f, "mask socket {}", l.path.display()),
            Op::Place(l) => write!(f, "writable {}", l.path.display()),
            Op::Pin(l) => write!(f, "pin {}", l.path.display()),
            Op::Protect(l) => write!(f, "protect {}", l.path.display()),
            Op::Hide(m) => mask(f, "hide", m),
            Op::Watch { dir, names } => {
                write!(f, "watch {} for", dir.path.display())?;
                names
                    .iter()
                    .try_for_each(|name| write!(f, " {}", name.display()))
            }
            Op::KeepDir { from, at } => {
                write!(f, "keep {} at {}", from.path.display(), at.display())
            }
            Op::Landlock(r) => {
                write!(
                    f,
                    "landlock fs={:#x} net={:#x} scoped={:#x}",
                    r.fs, r.net, r.scoped
                )?;
                for rule in &r.rules {
                    write!(f, "\n      {:#07x} {}", rule.rights, rule.at.path.display())?;
                }
                Ok(())
            }
            Op::DropCapabilities => f.write_str("drop every capability"),
            Op::NoNewPrivs => f.write_str("no new privileges"),
            Op::Seccomp(bytes) => write!(f, "seccomp filter of {} instructions", bytes.len() / 8),
            Op::Cgroup {
                dir,
                memory,
                processes,
            } => {
                write!(f, "cgroup {}", dir.display())?;
                if let Some(bytes) = memory {
                    write!(f, " memory.max={bytes}")?;
                }
                if let Some(n) = processes {
                    write!(f, " pids.max={n}")?;
                }
                Ok(())
            }
            Op::LimitProcesses(n) => write!(f, "rlimit nproc {n}"),
            Op::LimitMemory(bytes) => write!(f, "rlimit as {bytes}"),
            Op::Subreaper => f.write_str("adopt and kill what the command leaves behind"),
        }
    }
}

fn mask(f: &mut fmt::Formatter<'_>, word: &str, mask: &Mask) -> fmt::Result {
    write!(f, "{word} {}", mask.at.path.display())?;
    if !mask.keep.is_empty() {
        f.write_str(" but for")?;
        for keep in &mask.keep {
            let name = keep.path.strip_prefix(&mask.at.path).unwrap_or(&keep.path);
            write!(f, " {}", name.display())?;
        }
    }
    Ok(())
}
