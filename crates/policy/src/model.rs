//! The merged policy: every value with the layer, file and line it came from.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment::Environment;
use crate::names::words;
use crate::rule::Rule;

/// Who said something, from the weakest word to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// What Ringfence does when nobody says anything.
    Builtin,
    /// The person's own file.
    User,
    /// `.ringfence.toml` of the project; untrusted, it can only tighten.
    Project,
    /// A person's answer to a question, kept for a project or a terminal's session.
    Grant,
    /// The person's words on the command line, for one command.
    Flags,
    /// The administrator's bounds, which nothing below can widen.
    Managed,
}

words!(Layer {
    Builtin = "built-in",
    User = "user",
    Project = "project",
    Grant = "grant",
    Flags = "flag",
    Managed = "managed",
});

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Who said it.
    pub layer: Layer,
    /// The file, for a layer that is one.
    pub file: Option<PathBuf>,
    /// The line in the file, from 1; for [`Layer::Grant`] the grant's number.
    pub line: Option<u32>,
    /// The flag with its dashes, for [`Layer::Flags`].
    pub flag: Option<&'static str>,
}

impl Origin {
    /// A value nobody wrote.
    pub const fn built_in() -> Self {
        Self {
            layer: Layer::Builtin,
            file: None,
            line: None,
            flag: None,
        }
    }

    /// A value that a person granted; `number` is how `ringfence grants` names it.
    pub const fn grant(number: u32) -> Self {
        Self {
            layer: Layer::Grant,
            file: None,
            line: Some(number),
            flag: None,
        }
    }

    /// A value of the command line; `name` has its dashes, for example `--write`.
    pub const fn flag(name: &'static str) -> Self {
        Self {
            layer: Layer::Flags,
            file: None,
            line: None,
            flag: Some(name),
        }
    }

    /// A value of a policy file; `line` counts from 1.
    pub fn file(layer: Layer, file: &Path, line: u32) -> Self {
        Self {
            layer,
            file: Some(file.to_owned()),
            line: Some(line),
            flag: None,
        }
    }

    /// As [`Display`](fmt::Display), with the home directory written as `~`.
    pub fn display<'a>(&'a self, home: Option<&'a Path>) -> impl fmt::Display + 'a {
        OriginDisplay { origin: self, home }
    }

    /// `file:line` or the flag: how an error line begins.
    pub(crate) fn place(&self) -> String {
        match (&self.file, self.line, self.flag) {
            (Some(file), Some(line), _) => format!("{}:{line}", one_line(&file.to_string_lossy())),
            (Some(file), None, _) => one_line(&file.to_string_lossy()).into_owned(),
            (None, _, Some(flag)) => format!("flag {flag}"),
            (None, Some(number), None) => {
                format!("grant {number} (ringfence grants revoke {number} takes it back)")
            }
            (None, None, None) => self.layer.name().to_owned(),
        }
    }
}

struct OriginDisplay<'a> {
    origin: &'a Origin,
    home: Option<&'a Path>,
}

impl fmt::Display for OriginDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin.layer.name())?;
        if let Some(flag) = self.origin.flag {
            write!(f, " {flag}")?;
        }
        if let (Layer::Grant, Some(number)) = (self.origin.layer, self.origin.line) {
            write!(f, " {number}")?;
        }
        if let Some(file) = &self.origin.file {
            write!(f, " {}", one_line(&short(file, self.home)))?;
            if let Some(line) = self.origin.line {
                write!(f, ":{line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OriginDisplay {
            origin: self,
            home: None,
        }
        .fmt(f)
    }
}

/// A path for people: `~` for the home directory, lossy where it is not UTF-8.
pub(crate) fn short(path: &Path, home: Option<&Path>) -> String {
    if let Some(home) = home.filter(|home| home.parent().is_some())
        && let Ok(rest) = path.strip_prefix(home)
    {
        return if rest.as_os_str().is_empty() {
            "~".to_owned()
        } else {
            format!("~/{}", rest.to_string_lossy())
        };
    }
    path.to_string_lossy().into_owned()
}

/// A name that may hold anything, as part of one line.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let plain = crate::plain(text);
    if plain == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(plain)
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value with its origin.
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// A value nobody wrote.
    pub const fn built_in(value: T) -> Self {
        Self {
            value,
            origin: Origin::built_in(),
        }
    }
}

/// What a command may write, in one word. Ordered from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing but the ring's own temporary directory.
    ReadOnly,
    /// The workspace and the extra write roots, less what is protected.
    WorkspaceWrite,
    /// No boundary. Loud, and never from a project file.
    FullAccess,
}

words!(Mode {
    ReadOnly = "read-only",
    WorkspaceWrite = "workspace-write",
    FullAccess = "full-access",
});

/// What a command may read; hidden paths are unreadable in each case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Read {
    /// Everything but the hidden paths.
    All,
    /// The system, the toolchains and the workspace.
    Minimal,
    /// What `Minimal` has, and these absolute paths with all below them.
    Paths(Vec<PathBuf>),
}

/// Whether what files held before a command is kept, so that the command can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Snapshot {
    /// Nothing is kept.
    Off,
    /// In a ring that stays, where that is cheap.
    Auto,
    /// As much as is kept at all, also where it takes a walk before a command and one after it.
    On,
}

words!(Snapshot { Off = "off", Auto = "auto", On = "on" });

impl Snapshot {
    /// As a policy file says it.
    pub(crate) fn written(self) -> &'static str {
        match self {
            Self::Off => "false",
            Self::Auto => "\"auto\"",
            Self::On => "true",
        }
    }
}

/// What a command may reach. Ordered from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkMode {
    /// Nothing but the ring's own loopback.
    Off,
    /// The listed hosts.
    Allow,
    /// All that the person reaches.
    On,
}

words!(NetworkMode { Off = "off", Allow = "allow", On = "on" });

/// How a command sees the tools' caches below the home directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheMode {
    /// Layered over the person's own: reads pass through, writes stay in the ring.
    Private,
    /// The person's own, writable.
    Shared,
    /// As any other path: no cache is made writable.
    None,
}

words!(CacheMode { Private = "private", Shared = "shared", None = "none" });

impl CacheMode {
    /// From narrow to wide: none, private, shared.
    pub(crate) fn width(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Private => 1,
            Self::Shared => 2,
        }
    }
}

/// Which way of building the ring is used on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinuxMode {
    /// The strongest that this machine has.
    Auto,
    /// User, mount, pid and network namespaces, or nothing.
    Namespaces,
    /// Landlock and seccomp alone; what they cannot enforce is refused unless accepted.
    LandlockOnly,
}

words!(LinuxMode { Auto = "auto", Namespaces = "namespaces", LandlockOnly = "landlock-only" });

impl LinuxMode {
    /// From narrow to wide: namespaces, auto, landlock-only.
    pub(crate) fn width(self) -> u8 {
        match self {
            Self::Namespaces => 0,
            Self::Auto => 1,
            Self::LandlockOnly => 2,
        }
    }
}

/// A path that is read-only inside a write root, whether it exists yet or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Protect {
    /// Below every write root; lexically normalised, never empty, no `..`.
    Relative(PathBuf),
    /// One place; lexically normalised.
    Absolute(PathBuf),
}

impl Protect {
    /// The path as it was meant.
    pub fn path(&self) -> &Path {
        match self {
            Self::Relative(path) | Self::Absolute(path) => path,
        }
    }
}

/// A path that is unreadable, with all below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hide {
    /// Absolute, lexically normalised; it need not exist.
    pub path: PathBuf,
    /// Names directly below `path` that stay visible, for example `known_hosts`.
    pub except: Vec<PathBuf>,
    /// What is kept there and who says so.
    pub why: Cow<'static, str>,
    /// The name by which a built-in entry is switched off (`[filesystem] reveal`), for example
    /// `hide.ssh`; several entries may share one. An entry of a policy is named `hide`, and is
    /// switched off where it was written.
    pub name: String,
}

/// What a command may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Network {
    /// Off, the listed hosts, or on.
    pub mode: Sourced<NetworkMode>,
    /// `host`, `host:port`, `*.host`, `*.host:port`, `[ipv6]:port` or `preset:name`, lower case.
    pub allow: Vec<Sourced<String>>,
}

/// How the tools' caches are seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caches {
    /// Private, shared or none.
    pub mode: Sourced<CacheMode>,
    /// Which tools' caches, of [`defaults::CACHE_TOOLS`](crate::defaults::CACHE_TOOLS); `None`:
    /// detected from the workspace.
    pub tools: Option<Sourced<Vec<String>>>,
}

/// What a command may use up; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Wall-clock time of one command.
    pub time: Option<Sourced<Duration>>,
    /// Memory of the whole ring, in bytes.
    pub memory: Option<Sourced<u64>>,
    /// Processes and threads of the whole ring.
    pub processes: Option<Sourced<u32>>,
    /// What one command may print, in bytes.
    pub output: Option<Sourced<u64>>,
}

/// When a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// Never: what would be asked about is refused.
    Never,
    /// Where a rule says so, or an agent asks for a grant.
    OnRequest,
    /// And where the ring refuses a command something: the smallest grant is offered.
    OnDenial,
    /// About each command.
    Always,
}

words!(Ask {
    Never = "never",
    OnRequest = "on-request",
    OnDenial = "on-denial",
    Always = "always",
});

/// How a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Approval {
    /// When.
    pub ask: Sourced<Ask>,
    /// No answer within this time is no.
    pub within: Sourced<Duration>,
    /// So many questions in ten minutes; what would be asked beyond is refused.
    pub most: Sourced<u32>,
    /// A program that may answer too: its absolute path, and its arguments. Empty for none.
    pub program: Sourced<Vec<String>>,
}

/// How much of the past the ledger keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// Records older than this are removed.
    pub keep: Sourced<Duration>,
    /// The oldest are removed when all take up more, in bytes.
    pub size: Sourced<u64>,
}

/// What concerns Linux alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Linux {
    /// Which way of building the ring.
    pub mode: Sourced<LinuxMode>,
    /// Absolute paths of Unix sockets that may be connected to.
    pub sockets: Vec<Sourced<PathBuf>>,
    /// Whether user namespaces may be made inside.
    pub nested: Sourced<bool>,
}

/// Lists by which the administrator bounds others', for those who resolve paths: a merge
/// compares names, and behind a name may be a link to elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Where extra write roots may lie; `None` for anywhere.
    pub write: Option<Sourced<Vec<PathBuf>>>,
    /// Where sockets that may be connected to may lie; `None` for anywhere.
    pub sockets: Option<Sourced<Vec<PathBuf>>>,
}

/// All layers merged: what holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Effective {
    /// What may be written, in one word.
    pub mode: Sourced<Mode>,
    /// Absolute extra write roots. The workspace itself is not in it.
    pub write: Vec<Sourced<PathBuf>>,
    /// Read-only inside the write roots. The built-in
    /// [`WORKSPACE_PROTECTED`](crate::defaults::WORKSPACE_PROTECTED) are in it;
    /// [`REPOSITORY_PROTECTED`](crate::defaults::REPOSITORY_PROTECTED), which need the
    /// repositories to be found first, are not.
    pub protect: Vec<Sourced<Protect>>,
    /// Unreadable, the built-in entries first.
    pub hide: Vec<Sourced<Hide>>,
    /// Names of the built-in hidden entries that are switched off, and so not in `hide`.
    pub reveal: Vec<Sourced<String>>,
    /// What may be read.
    pub read: Sourced<Read>,
    /// Whether what files held before a command is kept.
    pub snapshot: Sourced<Snapshot>,
    /// What may be reached.
    pub network: Network,
    /// How caches are seen.
    pub caches: Caches,
    /// Which variables pass.
    pub environment: Environment,
    /// What may be used up.
    pub limits: Limits,
    /// Names of what the person accepts to do without on this machine.
    pub accept: Vec<Sourced<String>>,
    /// How a person is asked.
    pub approval: Approval,
    /// How much of the past the ledger keeps.
    pub ledger: Ledger,
    /// What concerns Linux alone.
    pub linux: Linux,
    /// Command rules of all layers, from the strongest layer to the weakest.
    pub rules: Vec<Sourced<Rule>>,
    /// What the paths above must lie in when they are resolved.
    pub bounds: Bounds,
}
