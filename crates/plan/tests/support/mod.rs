//! Pretend policies, sites and machines.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ringfence_ops::Facts;
use ringfence_ops::linux::{Located, Mask};
use ringfence_plan::{
    CacheSite, Guarded, Hidden, KeptDir, Missing, Plan, Refusal, Root, Site, plan, promise,
};
use ringfence_policy::{Context, Effective, FileText, Flags, Sources, load};

/// The policy of a person who wrote this.
pub fn policy(text: &str) -> Effective {
    let none = |_: &str| -> Option<OsString> { None };
    let sources = Sources {
        user: Some(FileText {
            path: PathBuf::from("/home/ada/.config/ringfence/policy.toml"),
            text: text.to_owned(),
        }),
        flags: Flags::default(),
        ..Sources::default()
    };
    let context = Context {
        account_home: None,
        home: Some("/home/ada".into()),
        cwd: "/home/ada/work".into(),
        variable: &none,
    };
    load(&sources, &context).expect("a valid policy")
}

/// A directory whose identity follows from its path.
pub fn dir(path: impl Into<PathBuf>) -> Located {
    at(path, true)
}

/// A file whose identity follows from its path.
pub fn file(path: impl Into<PathBuf>) -> Located {
    at(path, false)
}

pub fn at(path: impl Into<PathBuf>, dir: bool) -> Located {
    let path = path.into();
    let inode = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(7_u64, |n, b| n.wrapping_mul(31).wrapping_add(u64::from(*b)));
    Located {
        path,
        device: 1,
        inode,
        dir,
    }
}

/// An object below a root, with the pins that lead to it.
pub fn guarded(root: &Path, below: &str, is_dir: bool, promise: &'static str) -> Guarded {
    let object = at(root.join(below), is_dir);
    let mut pins: Vec<Located> = object
        .path
        .ancestors()
        .skip(1)
        .take_while(|p| *p != root)
        .map(dir)
        .collect();
    pins.reverse();
    Guarded {
        pins,
        object,
        promise,
    }
}

pub fn missing(dir_path: &str, name: &str) -> Missing {
    Missing {
        dir: dir(dir_path),
        names: vec![PathBuf::from(name)],
    }
}

/// A write root with a repository and an editor's settings in it.
pub fn root(path: &str) -> Root {
    let at = Path::new(path);
    Root {
        at: dir(path),
        inner: Vec::new(),
        guarded: vec![
            guarded(
                at,
                ".vscode/settings.json",
                false,
                promise::PROTECT_WORKSPACE,
            ),
            guarded(at, ".git/hooks", true, promise::PROTECT_GIT),
            guarded(at, ".git/config", false, promise::PROTECT_GIT),
        ],
        missing: vec![
            missing(path, ".envrc"),
            missing(&format!("{path}/.git"), "info/attributes"),
        ],
    }
}

/// Nothing but where it stands.
pub fn empty_site() -> Site {
    Site {
        workspace: "/home/ada/work".into(),
        roots: Vec::new(),
        cwd: dir("/home/ada/work"),
        hidden: Vec::new(),
        temps: Vec::new(),
        temp_own: None,
        socket_dirs: Vec::new(),
        sockets: Vec::new(),
        granted_sockets: Vec::new(),
        second: Vec::new(),
        caches: Vec::new(),
        kept: Vec::new(),
        shared: Vec::new(),
        readable: None,
        console: None,
        doubts: Vec::new(),
    }
}

/// What a survey of an ordinary person's machine gives.
pub fn site() -> Site {
    Site {
        roots: vec![root("/home/ada/work")],
        hidden: vec![
            hidden("hide.ssh", dir("/home/ada/.ssh"), &["known_hosts"]),
            hidden("hide.netrc", file("/home/ada/.netrc"), &[]),
        ],
        temps: vec![dir("/tmp"), dir("/var/tmp")],
        socket_dirs: vec![Mask {
            at: dir("/run"),
            keep: vec![file("/run/utmp")],
        }],
        sockets: vec![file("/srv/docker.sock"), file("/tmp/.X11-unix/X0")],
        ..empty_site()
    }
}

pub fn hidden(name: &str, at: Located, keep: &[&str]) -> Hidden {
    let keep = keep.iter().map(|k| file(at.path.join(k))).collect();
    Hidden {
        mask: Mask { at, keep },
        name: name.to_owned(),
        pins: Vec::new(),
        link: None,
    }
}

pub fn cache(tool: &str, path: &str) -> CacheSite {
    let slot = PathBuf::from("/home/ada/.local/state/ringfence/workspaces/w/caches/0");
    CacheSite {
        tool: tool.to_owned(),
        at: dir(path),
        upper: dir(slot.join("upper")),
        work: dir(slot.join("work")),
    }
}

pub fn kept(tool: &str) -> KeptDir {
    KeptDir {
        tool: tool.to_owned(),
        from: dir("/home/ada/.local/state/ringfence/workspaces/w/caches/0/upper"),
        at: PathBuf::from("/tmp/.ringfence/CACHE"),
    }
}

/// An ordinary user's current machine, with changes.
pub fn machine(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = Facts::current_linux();
    change(&mut facts);
    facts
}

/// What a person reads: the plan, or why there is none. The length of the filter is the
/// filter's affair.
pub fn shown(result: &Result<Plan, Refusal>) -> String {
    let text = match result {
        Ok(plan) => plan.to_string(),
        Err(refusal) => format!("refused: {refusal}\n"),
    };
    text.lines()
        .map(|line| match line.split_once("seccomp filter of ") {
            Some((before, after)) => {
                let rest = after
                    .split_once("instructions")
                    .map_or("", |(_, rest)| rest);
                format!("{before}seccomp filter{rest}\n")
            }
            None => format!("{line}\n"),
        })
        .collect()
}

/// The lines in which one machine's plan differs from another's; numbers of steps do not
/// count.
pub fn difference(base: &Result<Plan, Refusal>, other: &Result<Plan, Refusal>) -> String {
    if base.is_ok() != other.is_ok() {
        return shown(other);
    }
    let lines = |text: String| -> Vec<String> {
        text.lines()
            .map(|line| {
                let line = line.trim_start();
                match line.split_once(' ') {
                    Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                        rest.trim_start().to_owned()
                    }
                    _ => line.to_owned(),
                }
            })
            .collect()
    };
    let (old, new) = (lines(shown(base)), lines(shown(other)));
    let without = |all: &[String], less: &[String], sign: &str| -> String {
        let mut less: Vec<&String> = less.iter().collect();
        all.iter()
            .filter(|line| match less.iter().position(|l| l == line) {
                Some(at) => {
                    less.remove(at);
                    false
                }
                None => true,
            })
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    let text = without(&old, &new, "-") + &without(&new, &old, "+");
    if text.is_empty() {
        "the same\n".to_owned()
    } else {
        text
    }
}

/// The plan on an ordinary machine for a policy and a site.
pub fn planned(text: &str, site: &Site, facts: &Facts) -> Result<Plan, Refusal> {
    plan(&policy(text), site, facts)
}
