//! Tools' caches: the user's as they are, written privately per workspace.

mod kept;

use std::cell::LazyCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_plan::{CacheSite, Doubt, KeptDir, promise};
use ringfence_policy::{CacheMode, Effective};

use crate::environment::ChildEnvironment;
use crate::error::Error;
use crate::locate::follow;
use crate::prepare::Purpose;
use crate::state::State;

pub use kept::{Cleared, Kept, clear, kept};

/// One cache directory of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    /// The tool, as `[caches] tools` names it.
    pub tool: &'static str,
    /// Variable by which the tool finds it.
    pub variable: &'static str,
    /// Where it is below the home directory when the variable is not set.
    pub place: &'static str,
    /// Files in a workspace that show the tool is used there.
    pub markers: &'static [&'static str],
    /// Programs of the tool.
    pub programs: &'static [&'static str],
}

/// Every cache Ringfence knows. Sources: each tool's own documentation of the variable.
pub const CACHES: &[Cache] = &[
    Cache {
        tool: "cargo",
        variable: "CARGO_HOME",
        place: ".cargo",
        markers: &["Cargo.toml"],
        programs: &["cargo", "cargo-nextest", "rustup", "rustc"],
    },
    Cache {
        tool: "npm",
        variable: "npm_config_cache",
        place: ".npm",
        markers: &["package.json"],
        programs: &["npm", "npx", "node"],
    },
    Cache {
        tool: "pip",
        variable: "PIP_CACHE_DIR",
        place: ".cache/pip",
        markers: &["pyproject.toml", "requirements.txt", "setup.py"],
        programs: &["pip", "pip3", "python", "python3"],
    },
    Cache {
        tool: "uv",
        variable: "UV_CACHE_DIR",
        place: ".cache/uv",
        markers: &["uv.lock", "pyproject.toml"],
        programs: &["uv", "uvx"],
    },
    Cache {
        tool: "go",
        variable: "GOCACHE",
        place: ".cache/go-build",
        markers: &["go.mod", "go.work"],
        programs: &["go", "gofmt", "gopls"],
    },
    Cache {
        tool: "go",
        variable: "GOMODCACHE",
        place: "go/pkg/mod",
        markers: &["go.mod", "go.work"],
        programs: &["go", "gofmt", "gopls"],
    },
    Cache {
        tool: "maven",
        variable: MAVEN_OPTS,
        place: ".m2",
        markers: &["pom.xml"],
        programs: &["mvn", "mvnw"],
    },
    Cache {
        tool: "gradle",
        variable: "GRADLE_USER_HOME",
        place: ".gradle",
        markers: &[
            "build.gradle",
            "build.gradle.kts",
            "settings.gradle",
            "settings.gradle.kts",
        ],
        programs: &["gradle", "gradlew"],
    },
];

/// Maven has no variable for its repository; a property in its JVM options names it.
const MAVEN_OPTS: &str = "MAVEN_OPTS";

/// Programs that run other tools: with them every cache that exists is layered. By the beginning of the name, behind which a
/// version may stand (`python3.12`).
const DRIVERS: [&str; 55] = [
    "sh", "bash", "dash", "zsh", "fish", "ksh", "busybox", "make", "gmake", "ninja", "just",
    "task", "cmake", "ctest", "meson", "bazel", "tox", "nox", "env", "nice", "timeout", "xargs",
    "nohup", "setsid", "stdbuf", "script", "time", "watch", "parallel", "find", "strace", "ltrace",
    "gdb", "rr", "valgrind", "perf", "chrt", "ionice", "taskset", "flock", "unbuffer", "expect",
    "screen", "tmux", "vim", "nvim", "emacs", "python", "node", "perl", "ruby", "php", "lua",
    "java", "scons",
];

/// What of git runs hooks, or commands of the caller's.
const GIT_RUNS: [&str; 14] = [
    "commit",
    "push",
    "pull",
    "merge",
    "rebase",
    "am",
    "cherry-pick",
    "revert",
    "checkout",
    "switch",
    "worktree",
    "bisect",
    "submodule",
    "filter-branch",
];

/// Where programs lie that the system brought.
const OF_THE_SYSTEM: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Whether a command may run any tool: by its name; as a script, or a program that is not the system's and not a
/// tool's own, of which nothing is known.
fn drives(program: &Path, argv: &[OsString]) -> bool {
    let name = program.file_name().unwrap_or_default().as_bytes();
    let version = |rest: &[u8]| {
        rest.iter()
            .all(|b| b.is_ascii_digit() || *b == b'.' || *b == b'-')
    };
    let is = |known: &&str| name.strip_prefix(known.as_bytes()).is_some_and(version);
    if DRIVERS.iter().any(is) {
        return true;
    }
    if name == b"git" {
        return argv
            .iter()
            .skip(1)
            .any(|word| GIT_RUNS.iter().any(|run| word == *run));
    }
    if CACHES
        .iter()
        .flat_map(|cache| cache.programs)
        .any(|own| name == own.as_bytes())
    {
        return false;
    }
    let of_the_system = program
        .parent()
        .is_some_and(|dir| OF_THE_SYSTEM.iter().any(|s| dir == Path::new(s)));
    !of_the_system || is_script(program)
}

/// Whether an interpreter runs it.
fn is_script(program: &Path) -> bool {
    use std::io::Read;
    let mut begins = [0_u8; 2];
    let read = File::open(program).and_then(|mut file| file.read_exact(&mut begins));
    read.is_ok() && begins == *b"#!"
}

/// Caches of a ring, and what must live as long as it does.
#[derive(Debug, Default)]
pub struct Layers {
    pub(crate) overlays: Vec<CacheSite>,
    pub(crate) kept: Vec<KeptDir>,
    pub(crate) shared: Vec<ringfence_ops::linux::Located>,
    pub(crate) locks: Vec<File>,
    pub(crate) set: Vec<(&'static str, OsString)>,
    /// Caches that cannot be written here, and why.
    pub(crate) doubts: Vec<Doubt>,
}

/// Decides which caches a command gets, and makes the directories its writes go to.
pub(crate) fn layers(
    policy: &Effective,
    workspace: &Path,
    (program, argv): (&Path, &[OsString]),
    environment: &ChildEnvironment,
    home: Option<&Path>,
    state: Option<&State>,
    purpose: Purpose,
) -> Result<Layers, Error> {
    let mut layers = Layers::default();
    let (Some(home), Some(state)) = (home, state) else {
        return Ok(layers);
    };
    if policy.caches.mode.value == CacheMode::None {
        return Ok(layers);
    }
    let name = program.file_name().unwrap_or_default();
    let driver = LazyCell::new(|| drives(program, argv));
    let usable = LazyCell::new(|| state.is_usable());
    for cache in CACHES {
        let named = match &policy.caches.tools {
            Some(tools) => {
                if !tools.value.iter().any(|t| t == cache.tool) {
                    continue;
                }
                true
            }
            None => uses(cache, workspace, name),
        };
        if !named && !*driver {
            continue;
        }
        let place = place(cache, environment, home);
        if place.starts_with(workspace) || workspace.starts_with(&place) {
            // Writable with the workspace, or the workspace lies in it.
            continue;
        }
        match follow(&place) {
            Ok(found) if policy.caches.mode.value == CacheMode::Shared => {
                layers.shared.push(found.at);
            }
            // Nowhere to write to: then it is seen as it is, and read-only.
            Ok(found) if found.identity.is_dir() && !*usable => {
                layers.doubts.push(Doubt {
                    promise: promise::CACHES,
                    what: format!(
                        "the cache of {} is read-only: {} cannot be written to, where its layer \
                         would be kept",
                        cache.tool,
                        state.dir().display()
                    ),
                    refused: false,
                });
            }
            Ok(found) if found.identity.is_dir() => {
                let slot = Slot::of(state, workspace, cache, purpose)?;
                layers.overlays.push(CacheSite {
                    tool: cache.tool.to_owned(),
                    at: found.at,
                    upper: slot.dir(state, "upper")?,
                    work: slot.dir(state, "work")?,
                });
                layers.locks.extend(slot.lock);
            }
            // The user has none: one is kept for this workspace, if the tool is used.
            _ if named && *usable => {
                let slot = Slot::of(state, workspace, cache, purpose)?;
                let at = PathBuf::from("/tmp/.ringfence").join(cache.variable);
                layers.kept.push(KeptDir {
                    tool: cache.tool.to_owned(),
                    from: slot.dir(state, "upper")?,
                    at: at.clone(),
                });
                layers.locks.extend(slot.lock);
                layers
                    .set
                    .push((cache.variable, value(cache, &at, environment)));
            }
            _ => {}
        }
    }
    Ok(layers)
}

fn uses(cache: &Cache, workspace: &Path, program: &OsStr) -> bool {
    cache.programs.iter().any(|p| program == *p)
        || cache
            .markers
            .iter()
            .any(|m| rustix::fs::access(workspace.join(m), rustix::fs::Access::EXISTS).is_ok())
}

fn place(cache: &Cache, environment: &ChildEnvironment, home: &Path) -> PathBuf {
    if cache.variable != MAVEN_OPTS
        && let Some(set) = environment.get(cache.variable).map(Path::new)
        && set.is_absolute()
    {
        return set.to_owned();
    }
    if cache.variable == "GOMODCACHE"
        && let Some(path) = environment.get("GOPATH").map(Path::new)
        && path.is_absolute()
    {
        return path.join("pkg/mod");
    }
    home.join(cache.place)
}

fn value(cache: &Cache, at: &Path, environment: &ChildEnvironment) -> OsString {
    if cache.variable != MAVEN_OPTS {
        return at.into();
    }
    let mut options = environment
        .get(MAVEN_OPTS)
        .map(OsStr::to_owned)
        .unwrap_or_default();
    if !options.is_empty() {
        options.push(" ");
    }
    options.push("-Dmaven.repo.local=");
    options.push(at);
    options
}

/// A directory for the writes of one ring at a time. Two rings of one workspace get two:
/// overlayfs leaves sharing an upper layer undefined.
struct Slot {
    path: PathBuf,
    /// Held by a ring; none where nothing is to be run.
    lock: Option<File>,
}

impl Slot {
    fn of(state: &State, workspace: &Path, cache: &Cache, purpose: Purpose) -> Result<Slot, Error> {
        let base = state
            .workspace(workspace)
            .join(kept::CACHES_DIR)
            .join(format!("{}-{}", cache.tool, cache.variable));
        if purpose == Purpose::Look {
            return Ok(Slot {
                path: base.join("0"),
                lock: None,
            });
        }
        state.make_dir(&base)?;
        kept::name_workspace(state, workspace)?;
        let mut number = 0_u32;
        loop {
            let path = base.join(number.to_string());
            state.make_dir(&path)?;
            if let Some(lock) = state.try_lock(&path.join(kept::LOCK))? {
                return Ok(Slot {
                    path,
                    lock: Some(lock),
                });
            }
            number += 1;
        }
    }

    fn dir(&self, state: &State, name: &str) -> Result<ringfence_ops::linux::Located, Error> {
        let path = self.path.join(name);
        if self.lock.is_none() {
            return Ok(ringfence_ops::linux::Located::made(path, true));
        }
        state.make_dir(&path)?;
        follow(&path).map(|f| f.at).map_err(|error| Error::System {
            what: "opening a cache layer",
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::drives;
    use std::ffi::OsString;
    use std::path::Path;

    #[test]
    fn what_may_run_any_tool() {
        let dir = crate::tests::Dir::new();
        let script = dir.file("build", "#!/bin/sh\n");
        let drives = |line: &str| {
            let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            drives(Path::new(&argv[0]), &argv)
        };
        for line in [
            "/usr/bin/sh",
            "/usr/bin/python3",
            "/usr/bin/python3.12",
            "/usr/bin/make",
            "/opt/x/bin/task",
            "/usr/bin/git commit -m x",
            "/usr/bin/git -C x rebase main",
            "/home/ada/ws/build.sh",
            "/home/ada/.local/bin/tool",
            script.to_str().unwrap(),
        ] {
            assert!(drives(line), "{line}");
        }
        for line in [
            "/usr/bin/true",
            "/usr/bin/shuf",
            "/usr/bin/git status",
            "/usr/bin/cat commit",
            "/home/ada/.cargo/bin/cargo build",
        ] {
            assert!(!drives(line), "{line}");
        }
    }
}
