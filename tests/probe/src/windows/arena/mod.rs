//! The arena: everything the rows reach for, made outside any ring and gone when dropped, or when whoever made it is.

mod keeper;
mod listeners;
mod tree;
#[path = "../../arena/victim.rs"]
mod victim;

pub use keeper::keep;

use crate::facts::Facts;
use crate::row::Need;
use keeper::Keeper;
use listeners::Listeners;
use ringfence_sys_windows::attempt::files::short;
use ringfence_sys_windows::attempt::sections::Section;
use ringfence_sys_windows::file::{self, PathForm};
use ringfence_sys_windows::job::{Job, Limits};
use ringfence_sys_windows::registry::{self, Root, Value};
use ringfence_sys_windows::sync::{Event, EventOptions, Mutex};
use ringfence_sys_windows::token::{self, Token};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::windows::io::AsHandle as _;
use std::path::{Path, PathBuf};
use tree::Tree;
pub(crate) use tree::{JUNCTION, SYMLINK, make_junction};
use victim::Victim;

/// How to make an [`Arena`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The probe's binary; a copy of it is what runs.
    pub probe: PathBuf,
    /// The harness under test, for the rows that reach for its files.
    pub harness: Option<PathBuf>,
    /// Where to make it. `None`: `%LOCALAPPDATA%`.
    pub base: Option<PathBuf>,
}

impl Options {
    /// With this probe, no harness, in the user's own directory.
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
    /// Neither `LOCALAPPDATA` nor a base says where.
    #[error("no place for the arena: LOCALAPPDATA is not set and no base was given")]
    NoPlace,
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
    /// An object of the kernel, or a key, could not be made.
    #[error("make something to reach for")]
    Object(#[source] io::Error),
    /// The process to be reached for could not be started.
    #[error("start the victim")]
    Victim(#[source] io::Error),
}

/// Attaches what and where to an error.
fn making(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArenaError {
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
    job: Job,
    elevated: bool,
    streams: bool,
    // Held for their `Drop`, the last one last: it takes away what is left.
    _listeners: Listeners,
    _objects: (Event, Mutex, Section),
    _keeper: Keeper,
}

impl Arena {
    /// Makes an arena. Everything that could be made before a failure is gone again when this returns.
    pub fn make(options: &Options) -> Result<Self, ArenaError> {
        let nonce = nonce();
        let base = match &options.base {
            Some(base) => base.clone(),
            None => PathBuf::from(std::env::var_os("LOCALAPPDATA").ok_or(ArenaError::NoPlace)?),
        };
        let root = base.join(format!("rf-verify-{nonce}"));
        fs::create_dir_all(&root).map_err(making("make the arena's directory", &root))?;
        // As it is written on the disk, and as people write it: forms of paths are what some rows try.
        let whole =
            fs::canonicalize(&root).map_err(making("resolve the arena's directory", &root))?;
        let root = match whole.to_str().and_then(|whole| whole.strip_prefix(r"\\?\")) {
            Some(plain) if !plain.starts_with("UNC") => PathBuf::from(plain),
            _ => root,
        };
        let user = user().map_err(ArenaError::Object)?;
        // From here on what is made is taken away, whatever becomes of this process.
        let keeper = Keeper::start(&options.probe, &root, &nonce, &user)
            .map_err(making("start what tidies up", &options.probe))?;
        Self::make_in(options, root, nonce, user, keeper)
    }

    fn make_in(
        options: &Options,
        root: PathBuf,
        nonce: String,
        user: String,
        keeper: Keeper,
    ) -> Result<Self, ArenaError> {
        let (home, outside) = (root.join("home"), root.join("outside"));
        let workspace = home.join(r"src\ws");
        // In the workspace, which every ring can read: a principal of its own sees nothing else of the profile.
        let bin = workspace.join(tree::BIN);
        let probe = bin.join("ringfence-probe.exe");
        for dir in [&home, &outside, &bin] {
            fs::create_dir_all(dir).map_err(making("make a directory", dir))?;
        }
        fs::copy(&options.probe, &probe).map_err(making("copy the probe", &options.probe))?;
        let named = |variable: &str, otherwise: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from);
            named.unwrap_or_else(|| PathBuf::from(otherwise))
        };
        let mut facts = Facts {
            workspace,
            harness: options.harness.clone(),
            victim: 0,
            victim_secret: (0, 0),
            tcp: 0,
            tcp6: None,
            udp: 0,
            address: listeners::host_address(),
            windows: named("SystemRoot", r"C:\Windows"),
            public: named("PUBLIC", r"C:\Users\Public"),
            data: named("ProgramData", r"C:\ProgramData"),
            volume: None,
            short: Vec::new(),
            nonce,
            outside,
            home,
            root,
            probe,
            user,
        };
        let tree = Tree::of(&facts);
        tree.mend(&facts.root)
            .map_err(making("lay out the arena", &facts.root))?;
        facts.volume = volume_name(&facts.root);
        facts.short = tree::shortened(&facts)
            .filter_map(|path| {
                let short = PathBuf::from(short(&path).ok()?);
                (short != path && short.exists()).then_some((path, short))
            })
            .collect();
        let streams = has_streams(&facts.root);
        let listeners = Listeners::open(&mut facts).map_err(ArenaError::Listen)?;
        let objects = objects(&facts).map_err(|error| ArenaError::Object(crate::sys(error)))?;
        let job = job().map_err(|error| ArenaError::Object(crate::sys(error)))?;
        let victim = Victim::start(&facts).map_err(ArenaError::Victim)?;
        let environment = environment(&facts);
        let elevated = Token::own(token::access::QUERY)
            .and_then(|own| own.is_elevated())
            .unwrap_or_default();
        let mut arena = Self {
            facts,
            tree,
            environment,
            victim: RefCell::new(victim),
            job,
            elevated,
            streams,
            _listeners: listeners,
            _objects: objects,
            _keeper: keeper,
        };
        arena.facts.victim = arena.victim.borrow().pid().unsigned_abs();
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

    /// What ends the runs with the tester. Who wants to leave it may.
    pub(crate) const fn job(&self) -> &Job {
        &self.job
    }

    /// Puts everything back that a row may have changed, and answers the facts as they are now.
    pub(crate) fn mend(&self) -> io::Result<Facts> {
        self.tree.mend(&self.facts.root)?;
        key(&self.facts).map_err(crate::sys)?;
        let mut victim = self.victim.borrow_mut();
        if !victim.lives() {
            *victim = Victim::start(&self.facts)?;
        }
        Ok(Facts {
            victim: victim.pid().unsigned_abs(),
            victim_secret: victim.secret(),
            ..self.facts.clone()
        })
    }

    /// Why a need is not met here, if it is not.
    #[must_use]
    pub fn unmet(&self, need: Need) -> Option<&'static str> {
        let facts = &self.facts;
        let met = match need {
            Need::Administrator => self.elevated,
            Need::Streams => self.streams,
            Need::Junctions => facts
                .workspace
                .join(tree::JUNCTION)
                .join("file.txt")
                .exists(),
            Need::Symlinks => fs::read_link(facts.workspace.join(tree::SYMLINK)).is_ok(),
            Need::ShortNames => !facts.short.is_empty(),
            Need::VolumeName => facts.volume.is_some(),
            Need::Ipv6 => facts.tcp6.is_some(),
            Need::HostAddress => facts.address.is_some(),
            Need::Console => OpenOptions::new()
                .read(true)
                .write(true)
                .open("CONIN$")
                .is_ok(),
            Need::Harness => facts.harness.is_some(),
        };
        (!met).then_some(need.words())
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.victim.borrow_mut().end();
        // The keeper does the rest as soon as its input ends, which is when that field is dropped.
    }
}

/// The user's SID in words.
fn user() -> io::Result<String> {
    let own = Token::own(token::access::QUERY).and_then(|own| own.user());
    Ok(own.map_err(crate::sys)?.to_string())
}

/// What others may open by name, with what the user's token gives to what it makes.
fn objects(facts: &Facts) -> Result<(Event, Mutex, Section), ringfence_sys_windows::SysError> {
    let (event, _) = Event::create(EventOptions {
        name: Some(OsStr::new(&facts.object("event"))),
        manual: true,
        ..EventOptions::default()
    })?;
    let (mutex, _) = Mutex::create(Some(OsStr::new(&facts.object("mutex"))), None)?;
    let section = Section::create(OsStr::new(&facts.object("section")))?;
    Ok((event, mutex, section))
}

/// A key of a program's, with a value and a key below.
fn key(facts: &Facts) -> Result<(), ringfence_sys_windows::SysError> {
    let key = facts.key(&format!(r"Software\{}", facts.value()));
    let (key, _) = Root::Users.create(OsStr::new(&key), registry::access::ALL, None)?;
    key.create(OsStr::new("below"), registry::access::READ, None)?;
    key.set(OsStr::new("secret"), &Value::number(1))
}

fn job() -> Result<Job, ringfence_sys_windows::SysError> {
    let job = Job::create(None, None)?;
    job.set_limits(&Limits {
        kill_on_close: true,
        // Whether it can be left is for the ring's own job to say.
        breakaway: true,
        ..Limits::default()
    })?;
    Ok(job)
}

fn volume_name(root: &Path) -> Option<PathBuf> {
    let opened = file::open(root, file::access::READ_ATTRIBUTES).ok()?;
    let named = file::final_path(opened.as_handle(), PathForm::Guid).ok()?;
    let named = PathBuf::from(named);
    named.join("home").exists().then_some(named)
}

/// Whether a file can have a stream beside its content: where it has none, a file with a colon in its name comes of it.
fn has_streams(root: &Path) -> bool {
    let file = root.join("streams");
    let made = fs::write(&file, "content").and_then(|()| {
        let stream = root.join("streams:beside");
        fs::write(stream, "beside")?;
        fs::read_dir(root)
    });
    let is_file = |entries: fs::ReadDir| {
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().contains(':'))
    };
    let has = made.is_ok_and(|entries| !is_file(entries));
    let _ = fs::remove_file(&file);
    let _ = fs::remove_file(root.join("streams:beside"));
    has
}

/// Eight hexadecimal digits that no other arena has.
fn nonce() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // The standard library seeds its hash tables from the kernel's random numbers.
    let random = RandomState::new().hash_one(std::process::id());
    format!("{:08x}", random & 0xffff_ffff)
}

/// This process's, with the stand-in profile in the place of the user's.
fn environment(facts: &Facts) -> HashMap<OsString, OsString> {
    let mut environment: HashMap<OsString, OsString> = std::env::vars_os().collect();
    // Windows does not tell names by their case, and a map does.
    environment.retain(|name, _| {
        let name = name.to_string_lossy().to_ascii_uppercase();
        !["USERPROFILE", "APPDATA", "LOCALAPPDATA", "RINGFENCE"].contains(&name.as_str())
    });
    for (name, path) in [
        ("USERPROFILE", facts.home.clone()),
        ("APPDATA", facts.home.join(r"AppData\Roaming")),
        ("LOCALAPPDATA", facts.home.join(r"AppData\Local")),
    ] {
        environment.insert(OsString::from(name), path.into_os_string());
    }
    environment
}
