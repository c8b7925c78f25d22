//! The arena: everything the rows reach for, made outside any ring and gone when dropped.

mod listeners;
mod privileged;
mod shared;
mod tree;
mod victim;

use crate::facts::Facts;
use crate::row::Need;
use listeners::Listeners;
use shared::Shared;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tree::Tree;
use victim::Victim;

/// How to make an [`Arena`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The probe's binary; a copy of it is what runs.
    pub probe: PathBuf,
    /// The harness under test, for the rows that reach for its files.
    pub harness: Option<PathBuf>,
    /// Where to make it; not below `/tmp`, which is private in a ring. `None`: the user's cache directory.
    pub base: Option<PathBuf>,
}

impl Options {
    /// With this probe, no harness, in the user's cache directory.
    #[must_use]
    pub const fn new(probe: PathBuf) -> Self {
        Self {
            probe,
            harness: None,
            base: None,
        }
    }
}

/// Why there is no arena.
#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    /// Neither `HOME` nor a base says where.
    #[error("no place for the arena: HOME is not set and no base was given")]
    NoPlace,
    /// A ring has its own `/tmp`, `/var/tmp`, `/dev/shm` and `/run`, so nothing there can be found in it.
    #[error("{} lies in a directory that every ring has for itself; give another base", .0.display())]
    PrivatePlace(PathBuf),
    /// A socket's address holds 107 bytes.
    #[error("{} is too long for the sockets below it; give a shorter base", .0.display())]
    LongPlace(PathBuf),
    /// Something could not be made.
    #[error("{what}: {}", .path.display())]
    Make {
        /// What was being made.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A listener could not be opened.
    #[error("open a listener")]
    Listen(#[source] io::Error),
    /// The process to be reached for could not be started.
    #[error("start the victim")]
    Victim(#[source] io::Error),
}

/// Attaches what and where to an error.
pub(crate) fn making(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArenaError {
    let path = path.to_owned();
    move |source| ArenaError::Make { what, path, source }
}

/// Everything the rows reach for.
#[derive(Debug)]
pub struct Arena {
    facts: Facts,
    tree: Tree,
    environment: HashMap<OsString, OsString>,
    victim: RefCell<Victim>,
    is_root: bool,
    /// A ring stands, whose own directories are not to be cleared away.
    pub(crate) has_ring: Cell<bool>,
    // Held for their `Drop`.
    _listeners: Listeners,
    _shared: Shared,
    _terminal: (File, File),
}

impl Arena {
    /// Makes an arena. Everything that could be made before a failure is gone again when this returns.
    pub fn make(options: &Options) -> Result<Self, ArenaError> {
        let nonce = nonce();
        let base = match &options.base {
            Some(base) => base.clone(),
            None => {
                PathBuf::from(std::env::var_os("HOME").ok_or(ArenaError::NoPlace)?).join(".cache")
            }
        };
        let root = base.join(format!("rf-verify-{nonce}"));
        if ["/tmp", "/var/tmp", "/dev/shm", "/run"]
            .iter()
            .any(|private| root.starts_with(private))
        {
            return Err(ArenaError::PrivatePlace(base));
        }
        if root.as_os_str().len() > 60 {
            return Err(ArenaError::LongPlace(base));
        }
        fs::create_dir_all(&root).map_err(making("make the arena's directory", &root))?;
        let root =
            fs::canonicalize(&root).map_err(making("resolve the arena's directory", &root))?;
        let made = Self::make_in(options, root.clone(), nonce);
        if made.is_err() {
            let _ = fs::remove_dir_all(&root);
        }
        made
    }

    fn make_in(options: &Options, root: PathBuf, nonce: String) -> Result<Self, ArenaError> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
        let (home, outside, runtime) = (
            root.join("home"),
            root.join("outside"),
            root.join("runtime"),
        );
        let workspace = home.join("src/ws");
        let bin = root.join("bin");
        let probe = bin.join("ringfence-probe");
        for dir in [&home, &outside, &runtime, &bin] {
            fs::create_dir_all(dir).map_err(making("make a directory", dir))?;
        }
        fs::copy(&options.probe, &probe).map_err(making("copy the probe", &options.probe))?;
        fs::set_permissions(&probe, Permissions::from_mode(0o755))
            .map_err(making("let the probe run", &probe))?;
        let tmp = PathBuf::from(format!("/tmp/rf-verify-{nonce}"));
        let run = is_root.then(|| PathBuf::from(format!("/run/rf-verify-{nonce}")));

        let mut facts = Facts {
            nonce,
            workspace,
            outside,
            home,
            root,
            runtime,
            tmp,
            run,
            probe,
            harness: options.harness.clone(),
            victim: 0,
            victim_secret: (0, 0),
            tcp: 0,
            tcp6: None,
            udp: 0,
            visited: 0,
            address: listeners::host_address(),
            ipc_key: 0,
            queue: None,
            key: None,
            setuid: None,
            capable: None,
        };
        let shared = Shared::make(&mut facts)?;
        let terminal = ringfence_sys_linux::attempt::terminal::open_pair()
            .map_err(making("open a terminal", Path::new("/dev/ptmx")))?;
        let tree = Tree::of(&facts, &terminal.1);
        tree.mend(&facts.root, false)
            .map_err(making("lay out the arena", &facts.root))?;
        let listeners = Listeners::open(&mut facts)?;
        if is_root {
            privileged::prepare(&mut facts)?;
        }
        let victim = Victim::start(&facts).map_err(ArenaError::Victim)?;
        let environment = environment(&facts);
        let mut arena = Self {
            facts,
            tree,
            environment,
            victim: RefCell::new(victim),
            is_root,
            has_ring: Cell::new(false),
            _listeners: listeners,
            _shared: shared,
            _terminal: terminal,
        };
        arena.facts.victim = arena.victim.borrow().pid();
        arena.facts.victim_secret = arena.victim.borrow().secret();
        Ok(arena)
    }

    /// What the probes are told.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The environment the harness is started with, less the facts themselves.
    pub(crate) const fn environment(&self) -> &HashMap<OsString, OsString> {
        &self.environment
    }

    /// Puts everything back that a row may have changed, and answers the facts as they are now.
    pub(crate) fn mend(&self) -> io::Result<Facts> {
        self.tree.mend(&self.facts.root, self.has_ring.get())?;
        let mut victim = self.victim.borrow_mut();
        if !victim.lives() {
            *victim = Victim::start(&self.facts)?;
        }
        Ok(Facts {
            victim: victim.pid(),
            victim_secret: victim.secret(),
            ..self.facts.clone()
        })
    }

    /// Why a need is not met here, if it is not.
    #[must_use]
    pub fn unmet(&self, need: Need) -> Option<&'static str> {
        let met = match need {
            Need::Root => self.is_root,
            Need::NotRoot => !self.is_root,
            Need::Ipv6 => self.facts.tcp6.is_some(),
            Need::HostAddress => self.facts.address.is_some(),
            Need::CaseFolding => self.facts.workspace.join(".GIT").exists(),
            Need::Harness => self.facts.harness.is_some(),
            Need::MemoryGroup => memory_group(),
            Need::X86 => cfg!(target_arch = "x86_64"),
        };
        (!met).then_some(match need {
            Need::Root => "only root could do it outside",
            Need::NotRoot => "root is not held to it outside",
            Need::Ipv6 => "there is no IPv6 loopback here",
            Need::HostAddress => "this host has no address but the loopback's",
            Need::CaseFolding => "names differ by case in this directory",
            Need::Harness => "the harness's path is not known",
            Need::MemoryGroup => "no cgroup v2 subtree with the memory controller is delegated",
            Need::X86 => "it is a way of x86-64 only",
        })
    }
}

/// Whether a group beside or below the tester's own gets the memory controller, and the
/// tester may make one there.
fn memory_group() -> bool {
    let root = Path::new("/sys/fs/cgroup");
    let Ok(own) = fs::read_to_string("/proc/self/cgroup") else {
        return false;
    };
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return false;
    };
    let own = root.join(own);
    [Some(own.as_path()), own.parent()]
        .into_iter()
        .flatten()
        .any(|dir| {
            fs::read_to_string(dir.join("cgroup.subtree_control"))
                .is_ok_and(|given| given.split_whitespace().any(|c| c == "memory"))
                && fs::OpenOptions::new()
                    .write(true)
                    .open(dir.join("cgroup.procs"))
                    .is_ok()
        })
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.victim.borrow_mut().end();
        let _ = fs::remove_dir_all(&self.facts.root);
        let _ = fs::remove_dir_all(&self.facts.tmp);
        if let Some(run) = &self.facts.run {
            let _ = fs::remove_dir_all(run);
        }
    }
}

/// Eight hexadecimal digits that no other arena has.
fn nonce() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // The standard library seeds its hash tables from the kernel's random numbers.
    let random = RandomState::new().hash_one(std::process::id());
    format!("{:08x}", random & 0xffff_ffff)
}

/// What a developer's session has, secrets included. None of them is real.
fn environment(facts: &Facts) -> HashMap<OsString, OsString> {
    let runtime = facts.runtime.display();
    let variables = [
        ("HOME", facts.home.display().to_string()),
        ("USER", "tester".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
        ("XDG_RUNTIME_DIR", runtime.to_string()),
        (
            "DBUS_SESSION_BUS_ADDRESS",
            format!("unix:path={runtime}/bus"),
        ),
        ("SSH_AUTH_SOCK", format!("{runtime}/ssh-agent.sock")),
        // Assembled, so that no scanner of this repository takes them for somebody's.
        (
            "GITHUB_TOKEN",
            format!("{}_{}", "ghp", "0123456789abcdefghijABCDEFGHIJ012345"),
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            format!("{}{}", "wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY"),
        ),
        (
            "NPM_TOKEN",
            format!("{}_{}", "npm", "0123456789abcdefghijABCDEFGHIJ012345"),
        ),
        (
            "ANTHROPIC_API_KEY",
            format!(
                "{}-{}",
                "sk-ant", "api03-0123456789abcdefghijABCDEFGHIJ0123456789"
            ),
        ),
        (
            "OPENAI_API_KEY",
            format!(
                "{}-{}",
                "sk", "0123456789abcdefghijABCDEFGHIJ0123456789abcdefgh"
            ),
        ),
        ("DB_PASSWORD", "correct-horse".to_owned()),
        (
            "BUILD_LABEL",
            format!("{}_{}", "ghp", "543210JIHGFEDCBAjihgfedcba9876543210"),
        ),
        ("RELEASE_NOTE", format!("{}{}", "AKIA", "IOSFODNN7EXAMPLE")),
    ];
    let mut environment: HashMap<OsString, OsString> = variables
        .into_iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect();
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            environment.insert(OsStr::new(name).to_owned(), value);
        }
    }
    environment
}
