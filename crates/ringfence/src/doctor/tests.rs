#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Binary, Finding, Machine, NoRing, PolicyFile, StateDir, Status, Trial, findings};
use ringfence_ops::{Availability, Cgroup, Container, Facts, Outcome, Shortfall};
use ringfence_plan::RingMode;

/// A machine that has everything.
fn whole() -> Machine {
    Machine {
        release: "6.18.0-generic".to_owned(),
        facts: Facts {
            landlock: 9,
            cgroup: Some(Cgroup {
                parent: "/sys/fs/cgroup/user".into(),
                memory: true,
                pids: true,
            }),
            ..Facts::current_linux()
        },
        apparmor_restricts: false,
        userns_clone: None,
        userns_max: Some(15000),
        inotify_watches: Some(524_288),
        inotify_instances: Some(512),
        inside: None,
        runner: Binary::Present("/usr/bin/ringfence-runner".into()),
        probe: Binary::Present("/usr/bin/ringfence-probe".into()),
        state: StateDir::Writable("/home/ada/.local/state/ringfence".into()),
        policies: vec![PolicyFile {
            layer: "user",
            path: "/home/ada/.config/ringfence/policy.toml".into(),
            exists: false,
            trusted: false,
        }],
        policy_error: None,
        ring: Ok(Trial {
            mode: Some(RingMode::Namespaces),
            outcome: Outcome::of(Vec::new()),
        }),
    }
}

fn refused() -> Result<Trial, NoRing> {
    let lack = |promise: &str| Shortfall {
        promise: promise.to_owned(),
        what: "not kept".to_owned(),
        remedy: "sudo sysctl".to_owned(),
        accepted: false,
    };
    Err(NoRing {
        why: "this machine cannot enforce the policy".to_owned(),
        lacking: vec![lack("hide"), lack("sockets")],
        before: false,
    })
}

fn of(machine: &Machine, name: &str) -> Vec<Finding> {
    let rows: Vec<Finding> = findings(machine)
        .into_iter()
        .filter(|row| row.name == name)
        .collect();
    assert!(!rows.is_empty(), "no row is called {name}");
    rows
}

fn one(machine: &Machine, name: &str) -> Finding {
    of(machine, name).remove(0)
}

#[test]
fn a_whole_machine_lacks_nothing() {
    let machine = whole();
    assert!(machine.can_enforce());
    for row in findings(&machine) {
        assert!(matches!(row.status, Status::Have | Status::Note), "{row:?}");
        assert_eq!(row.remedy, "", "{row:?}");
    }
}

#[test]
fn whatever_is_lacking_has_a_way_to_get_it() {
    let mut machine = whole();
    machine.facts = Facts {
        kernel: (5, 4),
        landlock: 0,
        seccomp: false,
        overlay: false,
        cgroup: None,
        proc: Availability::No {
            why: "parts of /proc are masked: /proc/kcore".to_owned(),
            remedy: "in a container: --security-opt systempaths=unconfined".to_owned(),
        },
        userns: Availability::No {
            why: "user.max_user_namespaces is 0".to_owned(),
            remedy: "sudo sysctl -w user.max_user_namespaces=15000".to_owned(),
        },
        container: Some(Container::Docker),
        ..machine.facts
    };
    machine.userns_max = Some(0);
    machine.userns_clone = Some(0);
    machine.apparmor_restricts = true;
    machine.inotify_watches = Some(10);
    machine.runner = Binary::Missing("/usr/bin/ringfence-runner".into());
    machine.state = StateDir::ReadOnly("/s".into(), "read-only".to_owned());
    machine.ring = refused();
    assert!(!machine.can_enforce());
    for name in [
        "kernel",
        "user-namespaces",
        "apparmor",
        "unprivileged-userns-clone",
        "max-user-namespaces",
        "landlock",
        "seccomp",
        "proc",
        "overlay",
        "cgroup",
        "inotify",
        "runner",
        "state",
    ] {
        let row = one(&machine, name);
        assert!(matches!(row.status, Status::Lack | Status::Less), "{row:?}");
        assert_ne!(row.remedy, "", "{row:?}");
    }
    assert_eq!(one(&machine, "container").status, Status::Note);
    assert!(one(&machine, "kernel").what.contains("mount_setattr"));
}

#[test]
fn apparmor_is_a_reason_only_where_it_bites() {
    let mut machine = whole();
    machine.apparmor_restricts = true;
    assert_eq!(one(&machine, "apparmor").status, Status::Note);
    machine.ring = refused();
    assert_eq!(one(&machine, "apparmor").status, Status::Lack);
    assert_eq!(one(&machine, "user-namespaces").status, Status::Lack);
    machine.facts.root = true;
    assert!(!findings(&machine).iter().any(|row| row.name == "apparmor"));
}

#[test]
fn a_refused_ring_names_each_promise_and_a_shared_remedy_once() {
    let mut machine = whole();
    machine.ring = refused();
    let rows = of(&machine, "ring");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1].what, "hide: not kept");
    assert_eq!(
        (rows[1].remedy.as_str(), rows[2].remedy.as_str()),
        ("sudo sysctl", "")
    );
}

#[test]
fn each_newer_landlock_says_what_it_would_add() {
    let mut machine = whole();
    machine.facts.landlock = 5;
    let row = one(&machine, "landlock");
    assert_eq!(row.status, Status::Less);
    assert!(row.what.contains("6 signals") && !row.what.contains("4 TCP"));
    machine.facts.landlock = 7;
    let row = one(&machine, "landlock");
    assert_eq!(row.status, Status::Have);
    assert!(row.what.contains("9 unix sockets"));
}

#[test]
fn a_ring_that_is_less_than_whole_names_what_is_missing() {
    let mut machine = whole();
    machine.ring = Ok(Trial {
        mode: Some(RingMode::LandlockOnly),
        outcome: Outcome::of(vec![Shortfall {
            promise: "processes".to_owned(),
            what: "processes outside can be seen".to_owned(),
            remedy: "sudo sysctl".to_owned(),
            accepted: true,
        }]),
    });
    assert!(machine.can_enforce());
    let rows = of(&machine, "ring");
    assert!(rows[0].what.contains("landlock-only") && rows[0].what.contains("partial"));
    assert_eq!(
        rows[1].what,
        "processes: processes outside can be seen (accepted)"
    );
    assert_eq!(rows[1].remedy, "sudo sysctl");
}

#[test]
fn an_invalid_policy_and_no_boundary_are_no_enforcement() {
    let mut machine = whole();
    machine.policy_error = Some("/p:1: a\n/p:2: b".to_owned());
    assert!(!machine.can_enforce());
    let lacks = of(&machine, "policy")
        .into_iter()
        .filter(|row| row.status == Status::Lack)
        .count();
    assert_eq!(lacks, 2);

    let mut machine = whole();
    machine.ring = Ok(Trial {
        mode: None,
        outcome: Outcome::none(),
    });
    assert!(!machine.can_enforce());
    assert_eq!(one(&machine, "ring").status, Status::Lack);
}
