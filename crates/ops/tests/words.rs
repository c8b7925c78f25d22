//! What a person reads of steps, needs and outcomes.
#![allow(missing_docs)]

use std::fmt::Write as _;

use ringfence_ops::linux::landlock::{Rule, Ruleset};
use ringfence_ops::linux::{Caches, Clone, Located, Mask, Op, Step, Upper};
use ringfence_ops::{Container, Enforcement, Need, Outcome, Shortfall};

fn at(path: &str) -> Located {
    Located {
        path: path.into(),
        device: 1,
        inode: 2,
        dir: true,
    }
}

fn ops() -> Vec<Op> {
    let mask = |keep: &[&str]| Mask {
        at: at("/run"),
        keep: keep.iter().map(|k| at(k)).collect(),
    };
    let cache = |upper| {
        Op::PrivateCache(Caches {
            tool: "npm".to_owned(),
            at: at("/home/a/.npm"),
            upper,
        })
    };
    vec![
        Op::Namespaces(Clone { net: true }),
        Op::Namespaces(Clone { net: false }),
        Op::MapIds { uid: 1, gid: 2 },
        Op::Loopback,
        Op::PidMax(301),
        Op::Hold(at("/w")),
        Op::ReadOnlyRoot,
        Op::PrivateFiles,
        Op::PrivateDir {
            at: at("/tmp"),
            overlay: true,
        },
        Op::PrivateDir {
            at: at("/tmp"),
            overlay: false,
        },
        cache(Upper::Ring),
        cache(Upper::Kept {
            upper: at("/state/upper"),
            work: at("/state/work"),
        }),
        Op::Devices { console: None },
        Op::Devices {
            console: Some(at("/dev/pts/3")),
        },
        Op::Proc { root: false },
        Op::Proc { root: true },
        Op::MaskDir(mask(&[])),
        Op::MaskDir(mask(&["/run/utmp", "/elsewhere"])),
        Op::MaskSocket(at("/srv/docker.sock")),
        Op::Place(at("/w")),
        Op::Pin(at("/w/.git")),
        Op::Protect(at("/w/.git/hooks")),
        Op::Hide(mask(&[])),
        Op::Watch {
            dir: at("/w"),
            names: vec![".envrc".into(), ".git/hooks".into()],
        },
        Op::KeepDir {
            from: at("/state"),
            at: "/tmp/.ringfence/X".into(),
        },
        Op::Landlock(Ruleset {
            fs: 0x1fff,
            net: 3,
            scoped: 1,
            rules: vec![Rule {
                at: at("/"),
                rights: 13,
            }],
        }),
        Op::DropCapabilities,
        Op::NoNewPrivs,
        Op::Seccomp(vec![0; 24]),
        Op::Cgroup {
            dir: "/sys/fs/cgroup/a".into(),
            memory: Some(1024),
            processes: Some(9),
        },
        Op::LimitProcesses(9),
        Op::LimitMemory(1024),
        Op::Subreaper,
    ]
}

#[test]
fn each_step_in_words_with_its_subject() {
    let mut text = String::new();
    for op in ops() {
        let subject = op.subject().map(|p| p.display().to_string());
        let _infallible = writeln!(text, "{op}  ({})", subject.as_deref().unwrap_or("-"));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn needs_keep_to_their_column_and_their_order() {
    let shown: Vec<String> = [Need::Must, Need::Should, Need::May]
        .iter()
        .map(|n| format!("{n:6}|"))
        .collect();
    assert_eq!(shown, ["must  |", "should|", "may   |"]);
    assert!(Need::Must < Need::Should && Need::Should < Need::May);
    assert_eq!(Step::must("ring", Op::Loopback).need, Need::Must);
    assert_eq!(Step::should("ring", Op::Loopback).need, Need::Should);
    assert_eq!(Step::may("ring", Op::Loopback).need, Need::May);
}

#[test]
fn an_outcome_is_full_only_without_a_shortfall() {
    let short = |accepted| Shortfall {
        promise: "protect.missing".to_owned(),
        what: "a name".to_owned(),
        remedy: String::new(),
        accepted,
    };
    assert_eq!(Outcome::of(Vec::new()).enforcement, Enforcement::Full);
    // Accepted is not kept.
    for accepted in [false, true] {
        let outcome = Outcome::of(vec![short(accepted)]);
        assert_eq!(outcome.enforcement, Enforcement::Partial);
        assert_eq!(outcome.shortfalls, [short(accepted)]);
    }
    assert_eq!(Outcome::none().enforcement, Enforcement::None);
    let words: Vec<String> = [Enforcement::Full, Enforcement::Partial, Enforcement::None]
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(words, ["full", "partial", "none"]);
}

#[test]
fn what_the_runner_makes_has_no_identity_to_check() {
    assert!(Located::made("/tmp", true).is_made());
    assert!(!at("/tmp").is_made());
    let device_only = Located {
        inode: 0,
        ..at("/tmp")
    };
    assert!(!device_only.is_made(), "inode 0 on a device is an identity");
}

#[test]
fn containers_by_name() {
    let all = [
        Container::Docker,
        Container::Podman,
        Container::Kubernetes,
        Container::Other,
    ];
    let words: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["Docker", "Podman", "Kubernetes", "a container"]);
}
