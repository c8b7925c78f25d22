//! Why a path is readable, writable or neither in a ring: the plan's own answer, with who
//! said so and the smallest remedy.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use ringfence_ops::linux::{Mask, Op};
use ringfence_plan::{Access, Judgement, Plan, Site, judge, promise};
use ringfence_policy::{Effective, Layer, Mode, Origin, Protect, Read, Sourced};
use rustix::fs::FileType;

use crate::locate::trail;
use crate::prepare::Preview;
use crate::site::too_wide;

/// What answers are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The policy in force.
    pub policy: &'a Effective,
    /// The plan; `None` for `mode = "full-access"`.
    pub plan: Option<&'a Plan>,
    /// What the policy's paths are on disk.
    pub site: &'a Site,
    /// Write roots that follow from the workspace, and why.
    pub derived: &'a [(PathBuf, &'static str)],
    /// The person's home directory.
    pub home: Option<&'a Path>,
}

impl Preview {
    /// The ground for answers about this command's ring.
    #[must_use]
    pub fn ground<'a>(&'a self, home: Option<&'a Path>) -> Ground<'a> {
        Ground {
            policy: &self.policy,
            plan: self.plan.as_ref(),
            site: &self.site,
            derived: &self.derived,
            home,
        }
    }
}

/// A path as a ring will see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Canonical; of a path that does not exist, its deepest parent that does is.
    pub path: PathBuf,
    /// What stands there; `None` for nothing.
    pub kind: Option<FileType>,
    /// The deepest part of it that exists.
    pub existing: PathBuf,
}

/// Resolves a path as far as it exists.
#[must_use]
pub fn place(path: &Path, cwd: &Path) -> Place {
    let path = cwd.join(path);
    let mut existing = path.as_path();
    let mut missing: Vec<&OsStr> = Vec::new();
    let (canonical, whole) = loop {
        if let Ok(canonical) = std::fs::canonicalize(existing) {
            break (canonical, missing.is_empty());
        }
        match (existing.parent(), existing.components().next_back()) {
            (Some(parent), Some(last)) => {
                missing.push(last.as_os_str());
                existing = parent;
            }
            _ => break (PathBuf::from("/"), false),
        }
    };
    let mut resolved = canonical.clone();
    for name in missing.into_iter().rev() {
        match Path::new(name).components().next() {
            Some(Component::ParentDir) => {
                resolved.pop();
            }
            Some(Component::Normal(name)) => resolved.push(name),
            _ => {}
        }
    }
    let kind = if whole {
        rustix::fs::stat(&resolved)
            .ok()
            .map(|stat| FileType::from_raw_mode(stat.st_mode))
    } else {
        None
    };
    Place {
        path: resolved,
        kind,
        existing: canonical,
    }
}

/// What a ring does with a path, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What may be done.
    pub access: Access,
    /// The same in a word or two: readable, writable, private, hidden, masked, taken away.
    pub word: &'static str,
    /// Why, for a person.
    pub because: String,
    /// Number and text of the plan's step that decides; `None` where none grants more.
    pub step: Option<(usize, String)>,
    /// The promise that step keeps.
    pub promise: Option<&'static str>,
    /// Who said so.
    pub origin: Origin,
    /// The least that would change it; empty where nothing does.
    pub remedy: String,
    /// The name under which it is hidden (`hide.npm`), where who runs a command may reveal it.
    pub reveal: Option<String>,
    /// It cannot be renamed or removed, since something below it is protected.
    pub pinned: bool,
}

impl Answer {
    /// Whether its contents can be read, as far as the ring is concerned.
    #[must_use]
    pub fn may_read(&self) -> bool {
        match self.access {
            Access::ReadOnly | Access::Private | Access::Writable => true,
            Access::Hidden | Access::TakenAway => false,
        }
    }

    /// Whether it can be written, be it for the ring alone.
    #[must_use]
    pub fn may_write(&self) -> bool {
        match self.access {
            Access::Private | Access::Writable => true,
            Access::ReadOnly | Access::Hidden | Access::TakenAway => false,
        }
    }
}

/// Judges a place by the plan that builds the ring.
#[must_use]
pub fn explain(ground: &Ground<'_>, place: &Place) -> Answer {
    let Some(plan) = ground.plan else {
        return Answer {
            access: Access::Writable,
            word: "unbounded",
            because: "mode is full-access: there is no ring".to_owned(),
            step: None,
            promise: None,
            origin: ground.policy.mode.origin.clone(),
            remedy: "--mode workspace-write".to_owned(),
            reveal: None,
            pinned: false,
        };
    };
    let judgement = judge(plan, &place.path);
    let reason = Reason::of(ground, plan, place, &judgement);
    let op = judgement.step.map(|(_, step)| &step.op);
    Answer {
        access: judgement.access,
        word: match (judgement.access, op) {
            (Access::Hidden, Some(Op::MaskDir(_) | Op::MaskSocket(_))) => "masked",
            (Access::Hidden, _) => "hidden",
            (Access::ReadOnly, _) => "readable",
            (Access::Private, _) => "private",
            (Access::TakenAway, _) => "taken away",
            (Access::Writable, _) => "writable",
        },
        because: reason.because,
        step: judgement
            .step
            .map(|(number, step)| (number, first_line(&step.op.to_string()))),
        promise: judgement.step.map(|(_, step)| step.promise),
        origin: reason.origin,
        remedy: reason.remedy,
        reveal: reason.reveal,
        pinned: plan
            .steps
            .iter()
            .any(|step| matches!(&step.op, Op::Pin(at) if at.path == place.path)),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

struct Reason {
    because: String,
    origin: Origin,
    remedy: String,
    reveal: Option<String>,
}

impl Reason {
    fn new(because: impl Into<String>, origin: &Origin, remedy: impl Into<String>) -> Reason {
        // What the administrator said, no flag takes back.
        let remedy = if origin.layer == Layer::Managed {
            "ask who manages this machine".to_owned()
        } else {
            remedy.into()
        };
        Reason {
            because: because.into(),
            origin: origin.clone(),
            remedy,
            reveal: None,
        }
    }

    fn built_in(because: impl Into<String>, remedy: impl Into<String>) -> Reason {
        Reason::new(because, &Origin::built_in(), remedy)
    }

    fn of(ground: &Ground<'_>, plan: &Plan, place: &Place, judgement: &Judgement<'_>) -> Reason {
        let Some((_, step)) = judgement.step else {
            return Reason::not_written(ground, place);
        };
        match &step.op {
            Op::PrivateDir { .. } => Reason::built_in(
                "temporary directories are the ring's own: what is written there goes with it",
                match writable_part(place, ground.home) {
                    Some(part) => format!("--write {} writes it for good", word(part)),
                    None => String::new(),
                },
            ),
            Op::Devices { .. } => {
                Reason::built_in("a ring has a small /dev of its own, without disks", "")
            }
            Op::Proc { .. } if judgement.access == Access::Private => {
                Reason::built_in("a ring has a /proc of its own processes", "")
            }
            Op::Proc { .. } => Reason::built_in(
                "a ring has a /proc of its own; what is the kernel's is read-only, and memory, keys and timers are hidden",
                "",
            ),
            Op::MaskDir(mask) => Reason::sockets(mask, place),
            Op::MaskSocket(_) => Reason::built_in(
                "a service outside listens on it",
                format!("--socket {}", word(&place.path)),
            ),
            Op::Hide(mask) => Reason::hidden(ground, mask, &judgement.access),
            Op::Place(at) => Reason::placed(ground, &at.path, place),
            Op::Protect(at) => Reason::protected(ground, step.promise, &at.path),
            Op::Watch { .. } => {
                let Reason {
                    because, origin, ..
                } = Reason::protected(ground, step.promise, &place.path);
                Reason::new(
                    format!("{because}; it does not exist, and what is made there is taken away"),
                    &origin,
                    "make it outside first",
                )
            }
            Op::Landlock(_) if judgement.access == Access::Hidden => Reason::unread(ground, place),
            Op::Landlock(ruleset) => {
                let root = ruleset
                    .rules
                    .iter()
                    .filter(|rule| place.path.starts_with(&rule.at.path))
                    .map(|rule| &rule.at.path)
                    .find(|path| ground.site.roots.iter().any(|root| root.at.path == **path));
                match root {
                    Some(root) => Reason::placed(ground, root, place),
                    None => Reason::built_in(
                        "the ring's own temporary directory, gone with it",
                        String::new(),
                    ),
                }
            }
            _ => {
                debug_assert!(plan.steps.contains(step));
                Reason::not_written(ground, place)
            }
        }
    }

    /// Read-only with everything else.
    fn not_written(ground: &Ground<'_>, place: &Place) -> Reason {
        let mode = &ground.policy.mode;
        if mode.value == Mode::ReadOnly {
            return Reason::new(
                "mode is read-only: nothing is written but temporary files",
                &mode.origin,
                "--mode workspace-write",
            );
        }
        let secret = ground
            .policy
            .hide
            .iter()
            .filter(|_| place.kind.is_none())
            .find(|hide| place.path.starts_with(&hide.value.path));
        if let Some(secret) = secret {
            return Reason::new(
                format!(
                    "nothing is there to be hidden ({}), and it lies in no write root",
                    secret.value.name
                ),
                &secret.origin,
                "make it outside first",
            );
        }
        // To make it a write root would not open it.
        let protect = ground.policy.protect.iter().find(|entry| {
            matches!(&entry.value, Protect::Absolute(_))
                && leads_to(ground, &entry.value, &place.path)
        });
        if let Some(entry) = protect {
            return Reason::new(
                "it is protected, and it lies in no write root",
                &entry.origin,
                match entry.origin.layer {
                    Layer::Builtin => "change it outside".to_owned(),
                    _ => taken_out(&entry.origin),
                },
            );
        }
        if let Some(why) = too_wide(&place.path, ground.home) {
            return Reason::built_in(
                format!("no write root has it, and none can be: it {why}"),
                "",
            );
        }
        match writable_part(place, ground.home) {
            Some(part) => Reason::built_in(
                "it lies in no write root, and all else is read-only",
                format!("--write {}", word(part)),
            ),
            None => Reason::built_in(
                "it lies in no write root, and all else is read-only",
                "make it outside first, then --write it",
            ),
        }
    }

    fn sockets(mask: &Mask, place: &Place) -> Reason {
        let dir = mask.at.path.display();
        if mask.keep.iter().any(|k| place.path.starts_with(&k.path)) {
            return Reason::built_in(
                format!("{dir} is covered, but for this, which has no socket in it"),
                "",
            );
        }
        let because = format!("{dir} is where services outside listen: it is covered");
        if place.kind == Some(FileType::Socket) {
            Reason::built_in(because, format!("--socket {}", word(&place.path)))
        } else {
            Reason::built_in(because, "--socket PATH opens one socket in it")
        }
    }

    fn hidden(ground: &Ground<'_>, mask: &Mask, access: &Access) -> Reason {
        let mut all = ground.site.hidden.iter();
        let hidden = all.find(|hidden| hidden.mask.at.path == mask.at.path);
        let name = hidden.map_or("hide", |hidden| hidden.name.as_str());
        let link = hidden.and_then(|hidden| hidden.link.as_deref());
        let named = || ground.policy.hide.iter().filter(|h| h.value.name == name);
        let entry = match link {
            // The innermost that has the link, or leads to where it is.
            Some(link) => named()
                .filter(|h| link.starts_with(canonical(&h.value.path)))
                .max_by_key(|h| h.value.path.components().count()),
            None => named().find(|h| same(&h.value.path, &mask.at.path)),
        };
        let mut second = ground.site.second.iter();
        if hidden.is_none()
            && let Some(second) = second.find(|second| second.mask.at.path == mask.at.path)
        {
            return Reason::built_in(
                match second.promise {
                    promise::SOCKETS => {
                        "services outside listen in it: it is a second place of a directory of sockets"
                    }
                    _ => {
                        "a ring has a /proc of its own, and what else is the kernel's is read-only: this is a second place of it"
                    }
                },
                "",
            );
        }
        let entry = entry.or_else(|| named().next());
        let Some(entry) = entry else {
            return Reason::built_in("it is hidden", "");
        };
        let mut because = match name {
            "hide" => "the policy hides it".to_owned(),
            name => format!("{name}: {}", entry.value.why),
        };
        if let Some(link) = link {
            because = format!("{} leads to it, and is hidden ({because})", link.display());
        }
        if *access != Access::Hidden {
            because = format!("it stays visible in a hidden place ({because})");
            return Reason::new(because, &entry.origin, "");
        }
        match entry.origin.layer {
            // It is never.
            Layer::Builtin if name == "hide.ringfence" => Reason::new(because, &entry.origin, ""),
            Layer::Builtin => Reason {
                reveal: Some(name.to_owned()),
                ..Reason::new(because, &entry.origin, format!("--reveal {name}"))
            },
            _ => Reason::new(because, &entry.origin, taken_out(&entry.origin)),
        }
    }

    fn placed(ground: &Ground<'_>, root: &Path, place: &Place) -> Reason {
        let policy = ground.policy;
        // A write root may have the workspace in it.
        let workspace = &ground.site.workspace;
        if workspace.starts_with(root) && place.path.starts_with(workspace) {
            return Reason::new("it lies in the workspace", &policy.mode.origin, "");
        }
        // The innermost that was asked for.
        let entry = policy
            .write
            .iter()
            .map(|entry| (canonical(&entry.value), entry))
            .filter(|(at, _)| at.starts_with(root) && place.path.starts_with(at))
            .max_by_key(|(at, _)| at.components().count());
        if let Some((at, entry)) = entry {
            return Reason::new(
                format!("it lies in the write root {}", at.display()),
                &entry.origin,
                "",
            );
        }
        if let Some((_, why)) = ground.derived.iter().find(|(path, _)| path == root) {
            return Reason::built_in(format!("the workspace needs it: {why}"), "");
        }
        if let Some(socket) = policy.linux.sockets.iter().find(|s| same(&s.value, root)) {
            return Reason::new("the policy lets this socket through", &socket.origin, "");
        }
        let caches = &policy.caches;
        let origin = caches
            .tools
            .as_ref()
            .map_or(&caches.mode.origin, |tools| &tools.origin);
        if ground.site.shared.iter().any(|at| at.path == root) {
            return Reason::new("caches are shared", &caches.mode.origin, "");
        }
        let tool = ground
            .site
            .caches
            .iter()
            .find(|cache| cache.at.path == root)
            .map_or("a tool", |cache| cache.tool.as_str());
        Reason::new(
            format!(
                "the cache of {tool} is seen as it is, and written for this workspace's rings alone"
            ),
            origin,
            "--caches shared writes it for good",
        )
    }

    fn protected(ground: &Ground<'_>, promise: &str, path: &Path) -> Reason {
        const OUTSIDE: &str = "change it outside";
        let by_policy = || {
            let leads = |entry: &&Sourced<Protect>| leads_to(ground, &entry.value, path);
            ground.policy.protect.iter().find(leads)
        };
        const GIT: &str = "git runs or obeys it outside the ring, so it is read-only";
        match (promise, by_policy()) {
            (promise::PROTECT_OWN, _) => {
                Reason::built_in("Ringfence's own programs are read-only", OUTSIDE)
            }
            (promise::PROTECT_GIT, _) => Reason::built_in(GIT, OUTSIDE),
            (_, Some(entry)) if entry.origin.layer == Layer::Builtin => Reason::new(
                "programs outside the ring obey it, so it is read-only",
                &entry.origin,
                OUTSIDE,
            ),
            (_, Some(entry)) => Reason::new(
                "the policy protects it",
                &entry.origin,
                taken_out(&entry.origin),
            ),
            // A name without an entry is one of the repositories'; elsewhere it was reached
            // through a link from a protected one.
            (promise::PROTECT_MISSING, None) => Reason::built_in(GIT, OUTSIDE),
            (_, None) => Reason::built_in("a protected name leads to it", OUTSIDE),
        }
    }

    fn unread(ground: &Ground<'_>, place: &Place) -> Reason {
        let read = &ground.policy.read;
        let because = match read.value {
            Read::All => "nothing grants reading it".to_owned(),
            Read::Minimal => {
                "read is minimal: the system, the toolchains and the workspace".to_owned()
            }
            Read::Paths(_) => "it is not in the list of what may be read".to_owned(),
        };
        Reason::new(
            because,
            &read.origin,
            format!("--read {}", word(&place.path)),
        )
    }
}

/// What to change where a value was written.
fn taken_out(origin: &Origin) -> String {
    match (&origin.file, origin.line, origin.flag) {
        (Some(file), Some(line), _) => format!("take it out of {}:{line}", file.display()),
        (Some(file), None, _) => format!("take it out of {}", file.display()),
        (None, _, Some(flag)) => format!("leave out {flag}"),
        (None, _, None) => String::new(),
    }
}

/// Whether a path is protected by an entry: it is what the entry leads to, lies below
/// that, or is a link by which the entry leads there.
fn leads_to(ground: &Ground<'_>, entry: &Protect, path: &Path) -> bool {
    let roots = ground.site.roots.iter();
    let written: Vec<PathBuf> = match entry {
        Protect::Absolute(place) => vec![place.clone()],
        Protect::Relative(below) => roots
            .flat_map(|root| std::iter::once(&root.at.path).chain(&root.inner))
            .map(|root| root.join(below))
            .collect(),
    };
    written.iter().any(|place| {
        path.starts_with(place)
            || trail(place).is_ok_and(|trail| {
                path.starts_with(&trail.end) || trail.links.iter().any(|link| link == path)
            })
    })
}

/// A path of the policy as it is on disk, where it is.
fn canonical(written: &Path) -> PathBuf {
    std::fs::canonicalize(written).unwrap_or_else(|_| written.to_owned())
}

/// Whether a path of the policy leads to this canonical one.
fn same(written: &Path, canonical: &Path) -> bool {
    written == canonical || std::fs::canonicalize(written).is_ok_and(|path| path == canonical)
}

/// What `--write` would take to open a place: itself, or the deepest parent that exists.
fn writable_part<'a>(place: &'a Place, home: Option<&Path>) -> Option<&'a Path> {
    // What Ringfence itself lies in, or keeps its state in, is refused as a write root.
    let own = crate::layers::own_places();
    let has_own = |path: &Path| {
        own.iter()
            .any(|own| own.starts_with(path) || canonical(own).starts_with(path))
    };
    let usable = |path: &Path| too_wide(path, home).is_none() && !has_own(path);
    match place.kind {
        Some(FileType::Directory | FileType::RegularFile) if usable(&place.path) => {
            Some(&place.path)
        }
        None if usable(&place.existing) => Some(&place.existing),
        _ => None,
    }
}

/// A path as a word of a shell's command line.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
#[path = "why_tests.rs"]
mod tests;
