//! The ring in namespaces: the default, which needs no setup.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use ringfence_ops::linux::landlock::{self, Rule, Ruleset};
use ringfence_ops::linux::seccomp::Filter;
use ringfence_ops::linux::{
    Caches, Clone, DEVICES, Located, Mask, Op, PROC_HIDDEN, Upper, WATCHES_MOST,
};
use ringfence_ops::{Availability, Facts, Need};
use ringfence_policy::{Effective, NetworkMode};

use crate::site::{CacheSite, Missing, Site};
use crate::{DEFAULT_PROCESSES, Draft, promise};

pub(crate) fn draft(draft: &mut Draft<'_>, policy: &Effective, site: &Site, facts: &Facts) {
    if let Availability::No { why, remedy } = &facts.userns {
        draft.lack(promise::RING, format!("user namespaces: {why}"), remedy);
    }
    if facts.kernel < (5, 12) {
        draft.lack(
            promise::RING,
            format!(
                "kernel {}.{} has no mount_setattr(2)",
                facts.kernel.0, facts.kernel.1
            ),
            "use a kernel of 5.12 or newer",
        );
    }
    let offline = offline(policy);
    draft.must(promise::RING, Op::Namespaces(Clone { net: offline }));
    draft.must(
        promise::RING,
        Op::MapIds {
            uid: facts.uid,
            gid: facts.gid,
        },
    );
    if offline {
        draft.should(promise::NETWORK_LOCALHOST, Op::Loopback);
    }
    limits(draft, policy, facts);
    mounts(draft, policy, site, facts);
    landlock_layer(draft, site, facts);
    own_group(draft, facts);
    draft.must(promise::PRIVILEGES, Op::DropCapabilities);
    draft.must(promise::PRIVILEGES, Op::NoNewPrivs);
    seccomp_layer(draft, policy, facts, true);
}

fn offline(policy: &Effective) -> bool {
    policy.network.mode.value != NetworkMode::On
}

pub(crate) fn seccomp_layer(
    draft: &mut Draft<'_>,
    policy: &Effective,
    facts: &Facts,
    namespaces: bool,
) {
    if facts.seccomp {
        let filter = Filter {
            arch: facts.arch,
            inet: namespaces || policy.network.mode.value == NetworkMode::On,
            unix: true,
            nested: policy.linux.nested.value,
            ipc_isolated: namespaces,
            pids_isolated: namespaces,
            signals_scoped: scopes_signals(facts),
        };
        draft.must(promise::SYSCALLS, Op::Seccomp(filter.program().to_bytes()));
    } else {
        draft.lack(
            promise::SYSCALLS,
            "the kernel has no seccomp filters".to_owned(),
            "use a kernel built with CONFIG_SECCOMP_FILTER",
        );
    }
}

/// Whether Landlock keeps signals in the ring.
fn scopes_signals(facts: &Facts) -> bool {
    landlock::scopes(facts.landlock) & landlock::SCOPE_SIGNAL != 0
}

/// The one way to a process outside that a pid namespace leaves: the command's process group
/// is its caller's, so that keys on the terminal reach it.
fn own_group(draft: &mut Draft<'_>, facts: &Facts) {
    if scopes_signals(facts) {
        return;
    }
    draft.tell(
        promise::PROCESSES,
        if facts.seccomp {
            "a signal to the own process group, kill(0), is refused, also where a script means \
             its own children: the group is the caller's"
        } else {
            "a signal to the own process group, kill(0), reaches the caller and its pipeline"
        }
        .to_owned(),
        "use a kernel with Landlock ABI 6 or newer",
    );
}

/// Who counts the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counter {
    /// `RLIMIT_NPROC`, counted per user namespace since kernel 5.14.
    Rlimit,
    /// `pid_max` of the pid namespace, since kernel 6.14. `RLIMIT_NPROC` does not bind
    /// the host's uid 0, with or without capabilities.
    PidMax,
    /// `pids.max` of a delegated group: it takes files made and removed, so it comes last.
    Group,
    /// Nobody.
    None,
}

fn limits(draft: &mut Draft<'_>, policy: &Effective, facts: &Facts) {
    let asked = policy.limits.processes.as_ref().map(|n| n.value);
    let wanted = asked.unwrap_or(DEFAULT_PROCESSES);
    let memory = policy.limits.memory.as_ref().map(|m| m.value);
    let group = facts.cgroup.as_ref();
    let exempt = facts.is_uid_zero();
    let counter = if !exempt && facts.kernel >= (5, 14) {
        Counter::Rlimit
    } else if exempt && facts.kernel >= (6, 14) && wanted > PID_MAX_LEAST {
        Counter::PidMax
    } else if group.is_some_and(|g| g.pids) {
        Counter::Group
    } else if exempt && facts.kernel >= (6, 14) {
        // A limit that somebody asked for is not a thirtieth of one.
        draft.lack(
            promise::LIMIT_PROCESSES,
            format!(
                "as root, without a delegated cgroup, the least limit is {PID_MAX_LEAST}, not \
                 {wanted}"
            ),
            DELEGATE,
        );
        Counter::PidMax
    } else {
        Counter::None
    };
    match counter {
        Counter::Rlimit => draft.must(promise::LIMIT_PROCESSES, Op::LimitProcesses(wanted)),
        Counter::PidMax => draft.must(
            promise::LIMIT_PROCESSES,
            Op::PidMax(wanted.max(PID_MAX_LEAST)),
        ),
        Counter::Group => {}
        Counter::None => {
            let what = "no cgroup v2 subtree is delegated, and this kernel has no limit that \
                        would count this ring's processes alone"
                .to_owned();
            if asked.is_some() {
                draft.lack(promise::LIMIT_PROCESSES, what, DELEGATE);
            } else {
                draft.tell(promise::LIMIT_PROCESSES, what, DELEGATE);
            }
        }
    }
    let memory_by_group = memory.filter(|_| group.is_some_and(|g| g.memory));
    if let Some(group) = group
        && (memory_by_group.is_some() || counter == Counter::Group)
    {
        draft.must(
            if memory_by_group.is_some() {
                promise::LIMIT_MEMORY
            } else {
                promise::LIMIT_PROCESSES
            },
            Op::Cgroup {
                dir: group.parent.clone(),
                memory: memory_by_group,
                processes: (counter == Counter::Group).then_some(wanted),
            },
        );
    }
    if let Some(bytes) = memory
        && memory_by_group.is_none()
    {
        draft.must(promise::LIMIT_MEMORY, Op::LimitMemory(bytes));
        draft.tell(
            promise::LIMIT_MEMORY,
            "by address space of each process (RLIMIT_AS), not of the ring as a whole".to_owned(),
            DELEGATE,
        );
    }
}

/// The kernel's least `pid_max` (`RESERVED_PIDS` + 1).
const PID_MAX_LEAST: u32 = 301;

const DELEGATE: &str = "delegate a cgroup v2 subtree to the user (systemd: Delegate=yes)";

fn mounts(draft: &mut Draft<'_>, policy: &Effective, site: &Site, facts: &Facts) {
    let covers = Covers::new(site);
    for root in &site.roots {
        draft.must(promise::WRITE, Op::Hold(root.at.clone()));
    }
    for shared in &site.shared {
        draft.must(promise::CACHES, Op::Hold(shared.clone()));
    }
    for socket in &site.granted_sockets {
        draft.must(promise::SOCKETS, Op::Hold(socket.clone()));
    }
    for cache in layered(site) {
        draft.should(
            promise::CACHES,
            Op::PrivateCache(Caches {
                tool: cache.tool.clone(),
                at: cache.at.clone(),
                upper: Upper::Kept {
                    upper: cache.upper.clone(),
                    work: cache.work.clone(),
                },
            }),
        );
    }
    for kept in &site.kept {
        draft.should(
            promise::CACHES,
            Op::KeepDir {
                from: kept.from.clone(),
                at: kept.at.clone(),
            },
        );
    }
    draft.must(promise::WRITE, Op::ReadOnlyRoot);
    draft.must(
        promise::DEVICES,
        Op::Devices {
            console: site.console.clone(),
        },
    );
    let mut empty: Vec<&Path> = Vec::new();
    for (index, temp) in site.temps.iter().enumerate() {
        // An overlay is costly to make. What agents and tools leave for each other is in
        // the first, /tmp; the others start empty unless the work itself is there.
        let worked_in = site.roots.iter().any(|r| r.at.path.starts_with(&temp.path))
            || site.cwd.path.starts_with(&temp.path);
        let overlay = facts.overlay && (index == 0 || worked_in);
        if !overlay {
            empty.push(&temp.path);
        }
        draft.must(
            promise::TEMP,
            Op::PrivateDir {
                at: temp.clone(),
                overlay,
            },
        );
    }
    if !facts.overlay && !site.temps.is_empty() {
        draft.tell(
            promise::TEMP,
            "temporary directories start empty: this kernel has no overlayfs in user namespaces"
                .to_owned(),
            "use a kernel of 5.11 or newer",
        );
    }
    match &facts.proc {
        Availability::Yes => draft.should(
            promise::PROC,
            Op::Proc {
                root: facts.is_uid_zero(),
            },
        ),
        Availability::No { why, remedy } => hosts_proc(draft, facts, why, remedy),
    }
    for mask in &site.socket_dirs {
        draft.must(promise::SOCKETS, Op::MaskDir(mask.clone()));
    }
    // A path sorts before all paths below it: a write root in a cache stays one.
    let mut places: BTreeMap<&Path, (Need, &'static str, &Located)> = BTreeMap::new();
    for cache in layered(site) {
        let at = &cache.at;
        places.insert(&at.path, (Need::Should, promise::CACHES, at));
    }
    for at in site.roots.iter().map(|r| &r.at).chain(&site.shared) {
        places.insert(&at.path, (Need::Must, promise::WRITE, at));
    }
    for (need, promise, at) in places.into_values() {
        draft.push(need, promise, Op::Place(covers.relocated(at)));
    }
    for kept in &site.kept {
        draft.should(
            promise::CACHES,
            Op::Place(Located::made(kept.at.clone(), true)),
        );
    }
    protections(draft, site);
    for hidden in &site.hidden {
        let path = &hidden.mask.at.path;
        // Of the host's /dev a ring has these alone.
        let absent = match path.strip_prefix("/dev") {
            Ok(node) => !DEVICES.iter().any(|device| node == Path::new(device)),
            Err(_) => empty.iter().any(|e| path.starts_with(e)),
        };
        if absent && !covers.is_in_root(path) {
            // It is not there at all.
            continue;
        }
        draft.must(
            promise::HIDE,
            Op::Hide(whatever_is_there(covers.relocated_mask(&hidden.mask))),
        );
    }
    for second in &site.second {
        let path = &second.mask.at.path;
        if covers.is_in_root(path) || !covers.is_covered(path) {
            draft.must(second.promise, Op::Hide(second.mask.clone()));
        }
    }
    for socket in &site.sockets {
        // Through an overlay a socket cannot be reached, being another inode there; in an
        // empty directory there is none.
        if covers.is_covered(&socket.path) {
            continue;
        }
        draft.should(promise::SOCKETS, Op::MaskSocket(covers.relocated(socket)));
    }
    for socket in &site.granted_sockets {
        draft.must(promise::SOCKETS, Op::Place(covers.relocated(socket)));
    }
    // Abstract sockets belong to a network namespace; with the host's, Landlock scopes them.
    if !offline(policy) && facts.landlock < 6 {
        draft.lack(
            promise::SOCKETS,
            "with the network on, abstract unix sockets outside (X11, D-Bus) can be connected to"
                .to_owned(),
            "use a kernel with Landlock ABI 6 or newer",
        );
    }
    if facts.landlock < 9 {
        draft.tell(
            promise::SOCKETS,
            "a unix socket of a service outside, beyond /run and the temporary directories, can be \
             connected to if it is made after the ring, or stands at another path than the \
             absolute one it was bound to (bound relatively, renamed, hard-linked)"
                .to_owned(),
            "use a kernel with Landlock ABI 9 or newer",
        );
    }
    watches(draft, site);
    for doubt in &site.doubts {
        if doubt.refused {
            draft.lack(doubt.promise, doubt.what.clone(), "");
        } else {
            draft.tell(doubt.promise, doubt.what.clone(), "");
        }
    }
}

/// No fresh `/proc` is to be had: the host's stays, read-only as all is.
fn hosts_proc(draft: &mut Draft<'_>, facts: &Facts, why: &str, remedy: &str) {
    draft.tell(
        promise::PROC,
        format!("the host's /proc is seen, read-only: {why}"),
        remedy,
    );
    draft.tell(promise::PROCESSES, HOSTS_PROCESSES.to_owned(), remedy);
    if facts.is_uid_zero() {
        // Its modes let uid 0 read what a fresh one would hide.
        for name in PROC_HIDDEN {
            draft.should(
                promise::PROC,
                Op::Hide(Mask {
                    at: Located::made(format!("/proc/{name}"), false),
                    keep: Vec::new(),
                }),
            );
        }
    }
}

/// What the host's `/proc` shows of processes; their memory and environment stay closed,
/// since they belong to another user namespace.
const HOSTS_PROCESSES: &str =
    "processes outside can be seen, with their command lines, in the host's /proc";

/// What else is lost where a step turns out not to be done, besides its own promise.
pub(crate) fn also_lost(op: &Op) -> Option<(&'static str, &'static str)> {
    match op {
        Op::Proc { .. } => Some((promise::PROCESSES, HOSTS_PROCESSES)),
        _ => None,
    }
}

/// Caches that are layered: one in a write root is the person's to have written.
fn layered(site: &Site) -> impl Iterator<Item = &CacheSite> {
    let in_root = |at: &Located| site.roots.iter().any(|r| at.path.starts_with(&r.at.path));
    site.caches.iter().filter(move |c| !in_root(&c.at))
}

/// Pins before what they lead to, outermost first, each once.
fn protections(draft: &mut Draft<'_>, site: &Site) {
    let mut ordered: BTreeMap<&Path, (bool, &Located, &'static str)> = BTreeMap::new();
    for guarded in site.roots.iter().flat_map(|r| &r.guarded) {
        for pin in &guarded.pins {
            ordered
                .entry(&pin.path)
                .or_insert((true, pin, guarded.promise));
        }
        // Protected wins over pinned where both are asked for.
        ordered.insert(
            &guarded.object.path,
            (false, &guarded.object, guarded.promise),
        );
    }
    let pins = site.hidden.iter().flat_map(|hidden| &hidden.pins);
    for pin in pins {
        ordered
            .entry(&pin.path)
            .or_insert((true, pin, promise::HIDE));
    }
    let mut within: Option<&Path> = None;
    // A path sorts before all paths below it.
    for (path, (pin, at, promise)) in ordered {
        if within.is_some_and(|above| path.starts_with(above)) {
            // Already read-only with what it lies in.
            continue;
        }
        if pin {
            draft.must(promise, Op::Pin(at.clone()));
        } else {
            within = Some(path);
            draft.must(promise, Op::Protect(at.clone()));
        }
    }
}

fn watches(draft: &mut Draft<'_>, site: &Site) {
    // A path's ancestors are few, what is guarded may be much.
    let closed: HashSet<&Path> = site
        .roots
        .iter()
        .flat_map(|r| &r.guarded)
        .map(|g| g.object.path.as_path())
        .chain(site.hidden.iter().map(|h| h.mask.at.path.as_path()))
        .collect();
    // What policies name in the write roots themselves first: what a command made (links,
    // repositories) must not take their place.
    let own = |of_root: bool| {
        site.roots.iter().flat_map(move |root| {
            let chosen = move |m: &&Missing| (m.dir.path == root.at.path) == of_root;
            root.missing.iter().filter(chosen)
        })
    };
    // A link in one write root may lead to what is missing in another.
    let mut dirs: Vec<(&Located, Vec<&PathBuf>)> = Vec::new();
    let mut known: HashMap<&Path, usize> = HashMap::new();
    for missing in own(true).chain(own(false)) {
        let at = *known.entry(&missing.dir.path).or_insert_with(|| {
            dirs.push((&missing.dir, Vec::new()));
            dirs.len() - 1
        });
        dirs[at].1.extend(&missing.names);
    }
    let mut told: Vec<(Vec<&Path>, Vec<&PathBuf>)> = Vec::new();
    let mut count = 0;
    for (at, mut names) in dirs {
        let dir = &at.path;
        if dir.ancestors().any(|up| closed.contains(up)) {
            // Nothing can be made there at all.
            continue;
        }
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.as_os_str()));
        count += names.len();
        draft.should(
            promise::PROTECT_MISSING,
            Op::Watch {
                dir: at.clone(),
                names: names.iter().map(|name| (*name).clone()).collect(),
            },
        );
        match told.last_mut() {
            // Most write roots lack the same: it is told once of all that follow each other.
            Some((dirs, said)) if is_same(said, &names) => dirs.push(dir),
            _ => told.push((vec![dir], names)),
        }
    }
    if count > WATCHES_MOST {
        draft.lack(
            promise::PROTECT_MISSING,
            format!(
                "{count} protected names do not exist, more than the {WATCHES_MOST} that can be watched"
            ),
            "remove repositories, and links in protected directories, that nobody needs, or name \
             fewer write roots",
        );
    }
    let told: Vec<String> = told
        .iter()
        .map(|(dirs, names)| {
            let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_string_lossy()).collect();
            let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
            format!("{}: {}", dirs.join(", "), names.join(" "))
        })
        .collect();
    if !told.is_empty() {
        draft.tell(
            promise::PROTECT_MISSING,
            format!(
                "protected names that do not exist are not prevented but taken away as they \
                 appear, in {}",
                told.join("; ")
            ),
            "",
        );
    }
}

/// As they are written, which takes less than to compare paths.
fn is_same(some: &[&PathBuf], others: &[&PathBuf]) -> bool {
    some.len() == others.len()
        && some
            .iter()
            .zip(others)
            .all(|(one, other)| one.as_os_str() == other.as_os_str())
}

fn landlock_layer(draft: &mut Draft<'_>, site: &Site, facts: &Facts) {
    let abi = facts.landlock;
    if abi == 0 {
        draft.tell(
            promise::WRITE_SECOND_LAYER,
            "the kernel has no Landlock: descriptors the caller hands over are not bounded by it"
                .to_owned(),
            "use a kernel with Landlock enabled (lsm=landlock,...)",
        );
        if site.readable.is_some() {
            draft.lack(
                promise::READ,
                "reading less than everything takes Landlock, which the kernel has not".to_owned(),
                "use a kernel with Landlock enabled (lsm=landlock,...)",
            );
        }
        return;
    }
    let write = landlock::write_rights(abi);
    let mut rules = readable_rules(site);
    let all = |at: Located| Rule { at, rights: write };
    rules.extend(site.roots.iter().map(|r| all(unchecked(&r.at))));
    rules.extend(site.shared.iter().map(|at| all(unchecked(at))));
    rules.extend(site.temps.iter().map(|at| all(unchecked(at))));
    rules.extend(site.caches.iter().map(|c| all(unchecked(&c.at))));
    rules.extend(
        site.kept
            .iter()
            .map(|k| all(Located::made(k.at.clone(), true))),
    );
    rules.extend(site.granted_sockets.iter().map(|s| all(unchecked(s))));
    rules.push(all(Located::made("/dev/shm", true)));
    rules.push(Rule {
        at: Located::made("/dev", true),
        rights: device_rights(abi),
    });
    rules.push(Rule {
        at: Located::made("/proc", true),
        rights: (landlock::READ | landlock::WRITE_FILE | landlock::TRUNCATE)
            & landlock::fs_rights(abi),
    });
    draft.must(
        promise::WRITE_SECOND_LAYER,
        Op::Landlock(Ruleset {
            fs: landlock::fs_rights(abi),
            // TCP is bounded by the network namespace, which lets localhost live.
            net: 0,
            scoped: landlock::scopes(abi),
            rules,
        }),
    );
}

pub(crate) fn device_rights(abi: u32) -> u64 {
    (landlock::READ | landlock::WRITE_FILE | landlock::TRUNCATE | landlock::IOCTL_DEV)
        & landlock::fs_rights(abi)
}

pub(crate) fn readable_rules(site: &Site) -> Vec<Rule> {
    let read = |at: Located| Rule {
        at,
        rights: landlock::READ,
    };
    match &site.readable {
        None => vec![read(Located::made("/", true))],
        Some(paths) => paths.iter().map(|p| read(unchecked(p))).collect(),
    }
}

/// A hidden file is covered whatever it is by then: shells and tools replace their
/// histories and credentials at any moment, and one name must not hide less for it.
fn whatever_is_there(mask: Mask) -> Mask {
    if mask.at.dir {
        return mask;
    }
    Mask {
        at: unchecked(&mask.at),
        keep: mask.keep,
    }
}

/// The same place, whatever stands there in the ring.
pub(crate) fn unchecked(at: &Located) -> Located {
    Located::made(at.path.clone(), at.dir)
}

/// Places whose objects are not the host's own in the ring: there an identity says
/// nothing.
struct Covers {
    temps: Vec<PathBuf>,
    others: Vec<PathBuf>,
    /// None lies in another.
    roots: HashSet<PathBuf>,
}

impl Covers {
    fn new(site: &Site) -> Covers {
        Covers {
            temps: site.temps.iter().map(|t| t.path.clone()).collect(),
            others: layered(site)
                .map(|c| c.at.path.clone())
                .chain(site.socket_dirs.iter().map(|m| m.at.path.clone()))
                .collect(),
            roots: site.roots.iter().map(|r| r.at.path.clone()).collect(),
        }
    }

    /// There may be many roots, and a path has few ancestors.
    fn root_of<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.ancestors().find(|up| self.roots.contains(*up))
    }

    fn is_in_root(&self, path: &Path) -> bool {
        self.root_of(path).is_some()
    }

    fn is_covered(&self, path: &Path) -> bool {
        below(&self.temps, path).is_some_and(|cover| {
            self.root_of(path)
                .is_none_or(|root| cover.starts_with(root))
        })
    }

    fn relocated(&self, at: &Located) -> Located {
        let cover = below(&self.temps, &at.path).or_else(|| below(&self.others, &at.path));
        match cover {
            // A write root under a cover is the host's own again, but not its top,
            // whose mount point lies in the cover.
            Some(cover) => match self.root_of(&at.path) {
                Some(root) if root.starts_with(cover) && root != at.path => at.clone(),
                _ => unchecked(at),
            },
            None => at.clone(),
        }
    }

    fn relocated_mask(&self, mask: &Mask) -> Mask {
        Mask {
            at: self.relocated(&mask.at),
            keep: mask.keep.iter().map(|k| self.relocated(k)).collect(),
        }
    }
}

fn below<'a>(covers: &'a [PathBuf], path: &Path) -> Option<&'a Path> {
    covers
        .iter()
        .map(PathBuf::as_path)
        .find(|cover| path.starts_with(cover))
}
