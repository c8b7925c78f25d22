//! The ring without namespaces: Landlock and seccomp alone.
//!
//! Landlock can only grant below a path, never take back: what lies inside a write root
//! cannot be protected, what lies inside what is readable cannot be hidden. Each promise
//! that is lost so is refused by name unless the user accepted it.

use ringfence_ops::linux::Op;
use ringfence_ops::linux::landlock::{self, Rule, Ruleset};
use ringfence_ops::{Availability, Facts};
use ringfence_policy::{Effective, NetworkMode};

use crate::namespaces::{device_rights, readable_rules, seccomp_layer, unchecked};
use crate::site::Site;
use crate::{DEFAULT_PROCESSES, Draft, promise};

pub(crate) fn draft(draft: &mut Draft<'_>, policy: &Effective, site: &Site, facts: &Facts) {
    let remedy = match &facts.userns {
        Availability::No { why, remedy } if remedy.is_empty() => {
            format!("needs user namespaces ({why})")
        }
        Availability::No { remedy, .. } => remedy.clone(),
        Availability::Yes => "use [linux] mode = \"auto\"".to_owned(),
    };
    let remedy = remedy.as_str();
    if facts.landlock < 4 {
        draft.lack(
            promise::RING,
            format!(
                "neither user namespaces nor Landlock ABI 4 (this kernel has ABI {})",
                facts.landlock
            ),
            remedy,
        );
        if facts.landlock == 0 {
            draft.lack(
                promise::WRITE,
                "every file of the user can be written".to_owned(),
                remedy,
            );
            if site.readable.is_some() {
                draft.lack(promise::READ, "all is readable".to_owned(), remedy);
            }
        } else if facts.landlock < 3 {
            draft.lack(
                promise::WRITE,
                format!(
                    "Landlock ABI {} does not bound all that writes (truncating needs 3)",
                    facts.landlock
                ),
                remedy,
            );
        }
    }
    refuse_paths(draft, site, facts, remedy);
    refuse_processes(draft, policy, facts, remedy);
    limits(draft, policy, facts, remedy);
    draft.must(promise::DESCENDANTS, Op::Subreaper);
    if facts.landlock > 0 {
        rules(draft, policy, site, facts);
    }
    draft.must(promise::PRIVILEGES, Op::DropCapabilities);
    draft.must(promise::PRIVILEGES, Op::NoNewPrivs);
    seccomp_layer(draft, policy, facts, false);
}

fn refuse_paths(draft: &mut Draft<'_>, site: &Site, facts: &Facts, remedy: &str) {
    for name in [
        promise::PROTECT_GIT,
        promise::PROTECT_WORKSPACE,
        promise::PROTECT_PATHS,
        promise::PROTECT_OWN,
    ] {
        let paths: Vec<String> = site
            .roots
            .iter()
            .flat_map(|r| &r.guarded)
            .filter(|g| g.promise == name)
            .map(|g| g.object.path.display().to_string())
            .collect();
        if !paths.is_empty() {
            draft.lack(
                name,
                format!(
                    "writable, since they lie in a write root: {}",
                    paths.join(" ")
                ),
                remedy,
            );
        }
    }
    let missing: Vec<String> = site
        .roots
        .iter()
        .flat_map(|r| &r.missing)
        .flat_map(|m| m.names.iter().map(|name| m.dir.path.join(name)))
        .map(|path| path.display().to_string())
        .collect();
    if !missing.is_empty() {
        draft.lack(
            promise::PROTECT_MISSING,
            format!("can be made: {}", missing.join(" ")),
            remedy,
        );
    }
    let readable = |path: &std::path::Path| match &site.readable {
        None => true,
        Some(_) if facts.landlock == 0 => true,
        Some(list) => list.iter().any(|l| path.starts_with(&l.path)),
    };
    let hidden: Vec<String> = site
        .hidden
        .iter()
        .filter(|h| readable(&h.mask.at.path))
        .map(|h| h.mask.at.path.display().to_string())
        .collect();
    if !hidden.is_empty() {
        draft.lack(
            promise::HIDE,
            format!("readable, since all is: {}", hidden.join(" ")),
            remedy,
        );
    }
    draft.lack(
        promise::TEMP,
        "the host's /tmp, /var/tmp and /dev/shm are seen (read-only)".to_owned(),
        remedy,
    );
    draft.lack(
        promise::WRITE_METADATA,
        "modes, times and extended attributes of the user's own files anywhere can be changed"
            .to_owned(),
        remedy,
    );
    if !site.caches.is_empty() || !site.kept.is_empty() {
        draft.lack(
            promise::CACHES,
            "caches cannot be layered: tools find them read-only".to_owned(),
            remedy,
        );
    }
}

fn refuse_processes(draft: &mut Draft<'_>, policy: &Effective, facts: &Facts, remedy: &str) {
    if facts.landlock < 9 {
        draft.lack(
            promise::SOCKETS,
            "unix sockets outside (docker, D-Bus, agents) can be connected to".to_owned(),
            remedy,
        );
    }
    draft.lack(promise::PROCESSES, reached(facts), remedy);
    draft.lack(
        promise::DESCENDANTS,
        "a detached process outlives the runner if the runner itself is killed".to_owned(),
        remedy,
    );
    draft.lack(
        promise::DEVICES,
        "the host's /dev is seen; its modes alone bound it".to_owned(),
        remedy,
    );
    draft.lack(
        promise::PROC,
        if facts.is_uid_zero() {
            "the host's /proc and /sys are seen; root's modes on them are not bounded by Landlock \
             for what is read"
        } else {
            "the host's /proc and /sys are seen, with its network's interfaces and mounts"
        }
        .to_owned(),
        remedy,
    );
    if policy.network.mode.value != NetworkMode::On {
        draft.lack(
            promise::NETWORK_LOCALHOST,
            "no internet socket can be made, not even for localhost".to_owned(),
            remedy,
        );
    }
    if !facts.seccomp {
        if policy.network.mode.value != NetworkMode::On {
            draft.lack(
                promise::NETWORK,
                "without seccomp filters only TCP can be bounded".to_owned(),
                remedy,
            );
        }
        draft.lack(
            promise::IPC,
            "System V IPC and POSIX queues outside can be reached".to_owned(),
            remedy,
        );
    }
}

/// What a command can do to processes outside. Signals are Landlock's to stop, limits and
/// priorities the filter's; their memory and descriptors are closed by Landlock's first
/// version already.
fn reached(facts: &Facts) -> String {
    let mut what = "processes outside can be seen, with their command lines".to_owned();
    if facts.landlock < 6 {
        what += ", and signalled";
    }
    if !facts.seccomp {
        what += ", and given limits that end them";
    }
    if facts.landlock == 0 {
        what += ", and read and written";
    }
    what
}

fn limits(draft: &mut Draft<'_>, policy: &Effective, facts: &Facts, remedy: &str) {
    let group = facts.cgroup.as_ref();
    let asked = policy.limits.processes.as_ref().map(|n| n.value);
    let processes = asked
        .or(Some(DEFAULT_PROCESSES))
        .filter(|_| group.is_some_and(|c| c.pids));
    let memory = policy
        .limits
        .memory
        .as_ref()
        .map(|m| m.value)
        .filter(|_| group.is_some_and(|c| c.memory));
    if let Some(group) = group
        && (memory.is_some() || processes.is_some())
    {
        draft.must(
            if memory.is_some() {
                promise::LIMIT_MEMORY
            } else {
                promise::LIMIT_PROCESSES
            },
            Op::Cgroup {
                dir: group.parent.clone(),
                memory,
                processes,
            },
        );
    }
    if processes.is_none() {
        let what = "without namespaces or a delegated cgroup, RLIMIT_NPROC would count all the \
                    user's processes"
            .to_owned();
        if asked.is_some() {
            draft.lack(promise::LIMIT_PROCESSES, what, remedy);
        } else {
            draft.tell(promise::LIMIT_PROCESSES, what, remedy);
        }
    }
    if let Some(memory) = &policy.limits.memory
        && !group.is_some_and(|c| c.memory)
    {
        draft.must(promise::LIMIT_MEMORY, Op::LimitMemory(memory.value));
        draft.tell(
            promise::LIMIT_MEMORY,
            "by address space of each process (RLIMIT_AS), not of the ring as a whole".to_owned(),
            remedy,
        );
    }
}

fn rules(draft: &mut Draft<'_>, policy: &Effective, site: &Site, facts: &Facts) {
    let abi = facts.landlock;
    let write = landlock::write_rights(abi);
    let mut rules = readable_rules(site);
    rules.extend(
        site.roots
            .iter()
            .map(|r| &r.at)
            .chain(&site.shared)
            .chain(&site.granted_sockets)
            .chain(&site.temp_own)
            .map(|at| Rule {
                at: at.clone(),
                rights: write,
            }),
    );
    for node in ringfence_ops::linux::DEVICES {
        rules.push(Rule {
            at: Located::made(format!("/dev/{node}"), false),
            rights: device_rights(abi),
        });
    }
    // Where terminals are made: a directory, and a node that Landlock takes no directory's
    // rights for.
    for (path, dir) in [("/dev/pts", true), ("/dev/ptmx", false)] {
        rules.push(Rule {
            at: Located::made(path, dir),
            rights: device_rights(abi),
        });
    }
    if let Some(console) = &site.console {
        rules.push(Rule {
            at: unchecked(console),
            rights: device_rights(abi),
        });
    }
    let offline = policy.network.mode.value != NetworkMode::On;
    draft.must(
        promise::WRITE,
        Op::Landlock(Ruleset {
            fs: landlock::fs_rights(abi),
            net: if offline {
                landlock::net_rights(abi)
            } else {
                0
            },
            scoped: landlock::scopes(abi),
            rules,
        }),
    );
}

use ringfence_ops::linux::Located;
