//! A machine's facts, row by row.

use ringfence_ops::{Availability, Shortfall};
use ringfence_plan::promise;

use super::finding::{have, row};
use super::place::rows as policy_rows;
use super::{Binary, Finding, Machine, NoRing, StateDir, Status};

/// Calls a ring is built with, the kernel that brought each, and what is done without.
const CALLS: &[(&str, (u32, u32), &str)] = &[
    ("pidfd_open(2), waitid(P_PIDFD)", (5, 4), ""),
    (
        "openat2(2)",
        (5, 6),
        "paths are then resolved with less certainty",
    ),
    ("close_range(2)", (5, 9), ""),
    (
        "overlayfs in user namespaces",
        (5, 11),
        "temporary directories start empty, caches are not layered",
    ),
    ("mount_setattr(2)", (5, 12), ""),
    (
        "RLIMIT_NPROC per user namespace",
        (5, 14),
        "processes are then bounded by a cgroup alone",
    ),
    (
        "pid_max per pid namespace",
        (6, 14),
        "as root, processes are then bounded by a cgroup alone",
    ),
];

/// What each Landlock ABI adds for a ring.
const LANDLOCK: &[(u32, &str)] = &[
    (1, "files by path"),
    (2, "renames between directories"),
    (3, "truncating"),
    (4, "TCP"),
    (5, "ioctl on devices"),
    (6, "signals and abstract sockets outside"),
    (7, "audit records"),
    (8, "all threads at once"),
    (9, "unix sockets made after the ring"),
];

/// Least number of inotify watches with which editors and test runners get along.
const WATCHES: u64 = 8192;
/// A ring needs one instance while it watches protected names.
const INSTANCES: u64 = 16;

/// Everything about a machine, in the order a person reads it.
#[must_use]
pub fn findings(machine: &Machine) -> Vec<Finding> {
    let mut rows = vec![kernel(machine)];
    rows.extend(place(machine));
    rows.extend(namespaces(machine));
    rows.push(landlock(machine.facts.landlock));
    rows.push(if machine.facts.seccomp {
        have("seccomp", "filters can be installed")
    } else {
        row(
            "seccomp",
            Status::Lack,
            "the kernel has no seccomp filters",
            "use a kernel built with CONFIG_SECCOMP_FILTER",
        )
    });
    rows.push(match &machine.facts.proc {
        Availability::Yes => have("proc", "a fresh /proc can be mounted"),
        Availability::No { why, remedy } => row(
            "proc",
            Status::Less,
            format!("the ring sees the host's /proc, read-only: {why}"),
            remedy.clone(),
        ),
    });
    rows.push(if machine.facts.overlay {
        have("overlay", "caches and /tmp are layered in user namespaces")
    } else {
        row(
            "overlay",
            Status::Less,
            "no overlayfs in user namespaces: caches are not layered, /tmp starts empty",
            "use a kernel of 5.11 or newer",
        )
    });
    rows.push(cgroup(machine));
    rows.push(inotify(machine));
    rows.extend(own(machine));
    rows.extend(policy_rows(
        &machine.policies,
        machine.policy_error.as_deref(),
    ));
    rows.extend(ring(machine));
    rows
}

fn kernel(machine: &Machine) -> Finding {
    let version = machine.facts.kernel;
    let missing: Vec<String> = CALLS
        .iter()
        .filter(|(_, since, _)| version < *since)
        .map(|(call, since, without)| {
            let without = match *without {
                "" => String::new(),
                without => format!(": {without}"),
            };
            format!("no {call} ({}.{}){without}", since.0, since.1)
        })
        .collect();
    if missing.is_empty() {
        return have(
            "kernel",
            format!("{}, all that a ring uses", machine.release),
        );
    }
    // Below this there is no ring in namespaces.
    let enough = version >= (5, 12);
    row(
        "kernel",
        if enough { Status::Less } else { Status::Lack },
        format!("{}: {}", machine.release, missing.join("; ")),
        if enough {
            "use a kernel of 6.14 or newer"
        } else {
            "use a kernel of 5.12 or newer; 6.14 for all"
        },
    )
}

/// Where this runs: in a container, in WSL, in a ring.
fn place(machine: &Machine) -> Vec<Finding> {
    let mut rows = Vec::new();
    if let Some(mode) = &machine.inside {
        rows.push(row(
            "inside",
            Status::Note,
            format!("this runs in a ring already ({mode}), which makes no others; what follows is about the ring, not the machine"),
            "run it outside",
        ));
    }
    if let Some(container) = machine.facts.container {
        rows.push(row(
            "container",
            Status::Note,
            format!("this runs in {container}: its profile decides what a ring can be"),
            "",
        ));
    }
    if machine.facts.wsl {
        rows.push(row(
            "wsl",
            Status::Note,
            "the kernel is WSL's; the sockets to Windows programs are masked in a ring",
            "",
        ));
    }
    rows
}

fn namespaces(machine: &Machine) -> Vec<Finding> {
    const NAME: &str = "user-namespaces";
    let mut rows = Vec::new();
    let made = matches!(&machine.ring, Ok(trial) if trial.mode == Some(ringfence_plan::RingMode::Namespaces));
    rows.push(match (&machine.facts.userns, made) {
        (_, true) => have(NAME, "made, with all others a ring uses"),
        (Availability::No { why, remedy }, false) => {
            row(NAME, Status::Lack, why.clone(), remedy.clone())
        }
        (Availability::Yes, false) if matches!(&machine.ring, Err(NoRing { before: true, .. })) => {
            row(
                NAME,
                Status::Note,
                "allowed by every setting that can be read; none was made, for a reason of its own: see `ring` below",
                "",
            )
        }
        (Availability::Yes, false) => {
            // What the kernel said is in the trial; whose word it was, in what follows.
            row(
                NAME,
                Status::Lack,
                "allowed by every setting that can be read, but no ring was made",
                "see `ring` below",
            )
        }
    });
    if machine.apparmor_restricts && !machine.facts.root {
        rows.push(row(
            "apparmor",
            if made { Status::Note } else { Status::Lack },
            "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns = 1, \
             Ubuntu 23.10 and newer)",
            "add an AppArmor profile with `userns,` for ringfence, ringfence-tools and ringfence-runner; or sudo \
             sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ));
    }
    if machine.userns_clone == Some(0) && !machine.facts.root {
        rows.push(row(
            "unprivileged-userns-clone",
            Status::Lack,
            "kernel.unprivileged_userns_clone is 0 (Debian's switch)",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ));
    }
    if machine.userns_max == Some(0) {
        rows.push(row(
            "max-user-namespaces",
            Status::Lack,
            "user.max_user_namespaces is 0",
            "sudo sysctl -w user.max_user_namespaces=15000",
        ));
    }
    rows
}

fn landlock(abi: u32) -> Finding {
    const NAME: &str = "landlock";
    let missing: Vec<String> = LANDLOCK
        .iter()
        .filter(|(since, _)| *since > abi)
        .map(|(since, adds)| format!("{since} {adds}"))
        .collect();
    match (abi, missing.is_empty()) {
        (0, _) => row(
            NAME,
            Status::Less,
            "the kernel has no Landlock: the mounts have no second layer behind them",
            "use a kernel built with it, and with landlock in its lsm= list",
        ),
        (_, true) => have(NAME, format!("ABI {abi}")),
        (_, false) => row(
            NAME,
            if abi >= 6 { Status::Have } else { Status::Less },
            format!("ABI {abi}; newer kernels add: {}", missing.join(", ")),
            "",
        ),
    }
}

fn cgroup(machine: &Machine) -> Finding {
    const NAME: &str = "cgroup";
    let less = |what: String| {
        row(
            NAME,
            Status::Less,
            format!("{what}: memory is bounded for each process, not for the ring"),
            "systemd: Delegate=yes for the session, or systemd-run --user --scope -p Delegate=yes",
        )
    };
    match &machine.facts.cgroup {
        None => less("no cgroup v2 subtree is delegated to this user".to_owned()),
        Some(group) => {
            let dir = group.parent.display();
            match (group.memory, group.pids) {
                (true, true) => have(NAME, format!("{dir}: memory and pids are delegated")),
                (true, false) => have(NAME, format!("{dir}: memory is delegated")),
                (false, _) => less(format!("{dir}: pids is delegated, memory is not")),
            }
        }
    }
}

fn inotify(machine: &Machine) -> Finding {
    const NAME: &str = "inotify";
    match (machine.inotify_watches, machine.inotify_instances) {
        (Some(watches), Some(instances)) => {
            let what = format!("{watches} watches, {instances} instances");
            if watches < WATCHES || instances < INSTANCES {
                row(
                    NAME,
                    Status::Less,
                    format!(
                        "{what}: few, so protected names may be looked at only at a command's end"
                    ),
                    "sudo sysctl -w fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
                )
            } else {
                have(NAME, what)
            }
        }
        _ => row(
            NAME,
            Status::Less,
            "its limits cannot be read: protected names may be looked at only at a command's end",
            "",
        ),
    }
}

/// Ringfence's own binaries and state.
fn own(machine: &Machine) -> Vec<Finding> {
    let runner = match &machine.runner {
        Binary::Present(path) => have("runner", path.display().to_string()),
        Binary::Other(path) => row(
            "runner",
            Status::Lack,
            format!("{} is of another version", path.display()),
            "install ringfence, ringfence-tools and ringfence-runner together",
        ),
        Binary::Missing(path) => row(
            "runner",
            Status::Lack,
            format!("{} is missing", path.display()),
            "install ringfence-runner beside ringfence",
        ),
    };
    let probe = match &machine.probe {
        Binary::Present(path) | Binary::Other(path) => have("probe", path.display().to_string()),
        Binary::Missing(path) => row(
            "probe",
            Status::Note,
            format!("{} is missing: `ringfence verify` needs it", path.display()),
            "install ringfence-probe beside ringfence",
        ),
    };
    let state = match &machine.state {
        StateDir::Writable(path) => have("state", path.display().to_string()),
        StateDir::ReadOnly(path, why) => row(
            "state",
            Status::Less,
            format!(
                "{}: {why}: caches are not kept, and each command looks for repositories anew",
                path.display()
            ),
            "make it writable, or set XDG_STATE_HOME",
        ),
        StateDir::None => row(
            "state",
            Status::Less,
            "no home directory: caches are not kept, and no project file can be trusted",
            "set HOME or XDG_STATE_HOME",
        ),
    };
    vec![runner, probe, state]
}

fn ring(machine: &Machine) -> Vec<Finding> {
    const NAME: &str = "ring";
    let trial = match &machine.ring {
        Ok(trial) => trial,
        Err(NoRing { why, lacking, .. }) => {
            let mut rows = vec![row(NAME, Status::Lack, format!("not made: {why}"), "")];
            let mut told = "";
            for short in lacking {
                // What mends one often mends all: it is said once.
                let remedy = if short.remedy == told {
                    ""
                } else {
                    &short.remedy
                };
                told = &short.remedy;
                rows.push(row(NAME, Status::Lack, shortfall(short), remedy));
            }
            return rows;
        }
    };
    let Some(mode) = trial.mode else {
        return vec![row(
            NAME,
            Status::Lack,
            "the policy's mode is full-access: commands run without any boundary",
            "write mode = \"workspace-write\"",
        )];
    };
    let mut rows = vec![have(
        NAME,
        format!(
            "made and used: {mode}, enforcement {}",
            trial.outcome.enforcement
        ),
    )];
    for short in &trial.outcome.shortfalls {
        let accepted = if short.accepted { " (accepted)" } else { "" };
        rows.push(row(
            NAME,
            Status::Less,
            format!("{}{accepted}", shortfall(short)),
            short.remedy.clone(),
        ));
    }
    rows
}

fn shortfall(short: &Shortfall) -> String {
    // Which names do not exist in the trial's empty workspace says nothing.
    let what = if short.promise == promise::PROTECT_MISSING {
        short.what.split(':').next().unwrap_or_default()
    } else {
        &short.what
    };
    format!("{}: {what}", short.promise)
}
