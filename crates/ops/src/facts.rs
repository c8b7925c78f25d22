use std::fmt;

/// The instruction set a child runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

/// Whether a thing is to be had on this machine, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It is.
    Yes,
    /// It is not.
    No {
        /// What stands in the way.
        why: String,
        /// What a person can do about it; empty where nothing can be done.
        remedy: String,
    },
}

impl Availability {
    /// Whether it is to be had.
    #[must_use]
    pub fn is_yes(&self) -> bool {
        matches!(self, Availability::Yes)
    }
}

/// The kind of container the harness itself runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Kubernetes.
    Kubernetes,
    /// Some other one.
    Other,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Docker => "Docker",
            Container::Podman => "Podman",
            Container::Kubernetes => "Kubernetes",
            Container::Other => "a container",
        })
    }
}

/// What control groups the harness may make groups in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// A directory of a cgroup v2 tree in which this user may make a group and
    /// whose children get the controllers below.
    pub parent: std::path::PathBuf,
    /// `memory` is delegated.
    pub memory: bool,
    /// `pids` is delegated.
    pub pids: bool,
}

/// What this machine can enforce. Plain data: tests build pretend machines from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Kernel version, major and minor.
    pub kernel: (u32, u32),
    /// Instruction set.
    pub arch: Arch,
    /// Effective user id of the harness.
    pub uid: u32,
    /// Effective group id of the harness.
    pub gid: u32,
    /// The harness runs with the capabilities of the host's root.
    pub root: bool,
    /// Landlock ABI version; 0 where the kernel has none.
    pub landlock: u32,
    /// User namespaces can be made, with their capabilities.
    pub userns: Availability,
    /// seccomp filters can be installed.
    pub seccomp: bool,
    /// A fresh procfs may be mounted in a new pid namespace (not where /proc is masked).
    pub proc: Availability,
    /// overlayfs may be mounted in a user namespace (kernel 5.11 and newer).
    pub overlay: bool,
    /// A cgroup v2 tree this user may make groups in.
    pub cgroup: Option<Cgroup>,
    /// The harness runs in a container.
    pub container: Option<Container>,
    /// The kernel is WSL's.
    pub wsl: bool,
}

impl Facts {
    /// Whether the kernel's exceptions for uid 0 may hold: files of `/proc` that only their
    /// mode guards, and no limit by `RLIMIT_NPROC`. They go by the uid, also where a
    /// container has taken the capabilities away.
    #[must_use]
    pub fn is_uid_zero(&self) -> bool {
        self.root || self.uid == 0
    }

    /// A pretend machine that has everything a current kernel offers to an ordinary
    /// user. Tests take things away from it.
    #[must_use]
    pub fn current_linux() -> Facts {
        Facts {
            kernel: (6, 18),
            arch: Arch::X86_64,
            uid: 1000,
            gid: 1000,
            root: false,
            landlock: 7,
            userns: Availability::Yes,
            seccomp: true,
            proc: Availability::Yes,
            overlay: true,
            cgroup: None,
            container: None,
            wsl: false,
        }
    }
}
