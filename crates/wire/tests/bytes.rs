//! The bytes of each message, as harness and runner of one version speak them.
#![cfg(unix)] // names are other bytes on Windows
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::ffi::OsString;
use std::fmt::Write as _;

use ringfence_ops::Need;
use ringfence_ops::linux::landlock::{Rule, Ruleset};
use ringfence_ops::linux::{Caches, Clone, Located, Mask, Op, Upper};
use ringfence_wire::{
    End, Failure, Listed, Malformed, Names, Note, Order, Reader, Report, Spawn, VERSION, Widening,
    Wire, decode, encode,
};

fn at(path: &str) -> Located {
    Located {
        path: path.into(),
        device: 1,
        inode: 2,
        dir: true,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn name(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap()
        .to_owned()
}

/// One of each op, in the order of their tags.
fn ops() -> Vec<Op> {
    let mask = || Mask {
        at: at("/m"),
        keep: vec![at("/m/k")],
    };
    vec![
        Op::Namespaces(Clone { net: true }),
        Op::MapIds { uid: 1, gid: 2 },
        Op::Loopback,
        Op::PidMax(301),
        Op::Hold(at("/h")),
        Op::ReadOnlyRoot,
        Op::PrivateFiles,
        Op::PrivateDir {
            at: at("/t"),
            overlay: true,
        },
        Op::PrivateCache(Caches {
            tool: "npm".to_owned(),
            at: at("/c"),
            upper: Upper::Kept {
                upper: at("/u"),
                work: at("/w"),
            },
        }),
        Op::Devices {
            console: Some(at("/dev/pts/0")),
        },
        Op::Proc { root: true },
        Op::MaskDir(mask()),
        Op::MaskSocket(at("/s")),
        Op::Place(at("/p")),
        Op::Pin(at("/i")),
        Op::Protect(at("/r")),
        Op::Hide(mask()),
        Op::Watch {
            dir: at("/d"),
            names: vec!["n".into(), "m".into()],
        },
        Op::KeepDir {
            from: at("/f"),
            at: "/t".into(),
        },
        Op::Landlock(Ruleset {
            fs: 1,
            net: 2,
            scoped: 3,
            rules: vec![Rule {
                at: at("/l"),
                rights: 4,
            }],
        }),
        Op::DropCapabilities,
        Op::NoNewPrivs,
        Op::Seccomp(vec![6, 0, 0, 0, 0, 0, 255, 127]),
        Op::Cgroup {
            dir: "/g".into(),
            memory: Some(5),
            processes: None,
        },
        Op::LimitProcesses(6),
        Op::LimitMemory(7),
        Op::Subreaper,
    ]
}

#[test]
#[cfg_attr(windows, ignore = "strings have other bytes there: two for each unit")]
fn ops_have_these_bytes() {
    let mut text = String::new();
    for (tag, op) in ops().iter().enumerate() {
        let mut bytes = Vec::new();
        op.put(&mut bytes);
        assert_eq!(usize::from(bytes[0]), tag, "{op:?}");
        writeln!(text, "{:15} {}", name(op), hex(&bytes)).unwrap();
    }
    let mut bytes = Vec::new();
    Upper::Ring.put(&mut bytes);
    writeln!(text, "{:15} {}", name(&Upper::Ring), hex(&bytes)).unwrap();
    for need in [Need::Must, Need::Should, Need::May] {
        let mut bytes = Vec::new();
        need.put(&mut bytes);
        writeln!(text, "{:15} {}", name(&need), hex(&bytes)).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_tag_after_the_last_op_stands_for_nothing() {
    let next = u8::try_from(ops().len()).unwrap();
    for tag in next..=255 {
        let bytes = [tag, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            Op::get(&mut Reader::new(&bytes)),
            Err(Malformed::Tag(tag)),
            "an op of tag {tag} is not in this test's list"
        );
    }
}

#[test]
#[cfg_attr(windows, ignore = "strings have other bytes there: two for each unit")]
fn messages_have_these_bytes() {
    let spawn = Spawn {
        id: 1,
        program: "/bin/true".into(),
        argv: vec![OsString::from("true")],
        env: vec![OsString::from("A=b")],
        cwd: at("/w"),
        new_session: true,
        own_group: false,
        terminal: false,
        stdin_inside: None,
        stdin_outside: false,
        report: false,
        announce: true,
        last: false,
        keep_background: true,
        time_ms: Some(1500),
        memory: Some(1 << 30),
    };
    let orders = [
        Order::Build {
            steps: vec![(Need::Should, Op::Loopback)],
            announce: true,
        },
        Order::Spawn(spawn),
        Order::Signal {
            id: 1,
            signal: 15,
            all: true,
        },
        Order::Protect {
            pins: vec![at("/p")],
            objects: vec![at("/p/o")],
        },
        Order::Namespaces { net: true },
        Order::List,
        Order::Widen(Widening {
            write: Some(at("/w")),
            objects: vec![at("/w/o")],
            pins: vec![at("/w/p")],
            watch: vec![Names {
                dir: at("/w"),
                names: vec!["n".into()],
            }],
            reveal: vec![at("/h")],
            sockets: vec![at("/s")],
            landlock: None,
        }),
    ];
    let reports = [
        Report::Built {
            notes: vec![Note {
                step: 3,
                call: "mount".to_owned(),
                errno: 1,
            }],
        },
        Report::Failed {
            id: Some(1),
            failure: Failure {
                stage: support::STAGES[12],
                step: None,
                call: "execve".to_owned(),
                errno: 2,
            },
        },
        Report::Started { id: 1 },
        Report::Stopped { id: 1, signal: 20 },
        Report::Ended {
            id: 1,
            end: End::Signalled(9),
            max_rss_kib: 1024,
            cpu_us: 99,
            timed_out: false,
        },
        Report::TakenAway {
            path: "/w/.envrc".into(),
            errno: Some(13),
        },
        Report::Unwatched {
            call: "inotify_init1".to_owned(),
            errno: 24,
        },
        Report::StdinAsIs { errno: 13 },
        Report::Insists { id: 1 },
        Report::Listed {
            commands: vec![Listed {
                id: 1,
                runs: true,
                processes: vec![2, 3],
            }],
        },
        Report::Widened,
    ];
    let mut text = String::new();
    for (tag, order) in orders.iter().enumerate() {
        let bytes = encode(order);
        assert_eq!((bytes[0], usize::from(bytes[1])), (VERSION, tag));
        writeln!(text, "order  {:10} {}", name(order), hex(&bytes)).unwrap();
    }
    for (tag, report) in reports.iter().enumerate() {
        let bytes = encode(report);
        assert_eq!((bytes[0], usize::from(bytes[1])), (VERSION, tag));
        writeln!(text, "report {:10} {}", name(report), hex(&bytes)).unwrap();
    }
    for (number, stage) in support::STAGES.iter().enumerate() {
        let mut bytes = Vec::new();
        stage.put(&mut bytes);
        assert_eq!(bytes, [u8::try_from(number).unwrap()], "{stage:?}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_count_that_cannot_be_is_refused_before_anything_is_made() {
    // Build, with four thousand million steps in no bytes.
    let order = [VERSION, 0, 255, 255, 255, 255];
    assert_eq!(decode::<Order>(&order), Err(Malformed::Count));
    // A path as long, and a list of notes.
    let report = [VERSION, 5, 255, 255, 255, 255, b'/'];
    assert_eq!(decode::<Report>(&report), Err(Malformed::Count));
    let report = [VERSION, 0, 3, 0, 0, 0, 1, 1];
    assert_eq!(decode::<Report>(&report), Err(Malformed::Count));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(decode::<Order>(&[]), Err(Malformed::Short));
    assert_eq!(decode::<Order>(&[9]), Err(Malformed::Version(9)));
    assert_eq!(decode::<Order>(&[VERSION, 99]), Err(Malformed::Tag(99)));
    // A truth value of 2.
    let mut bytes = encode(&Report::TakenAway {
        path: "/a".into(),
        errno: None,
    });
    *bytes.last_mut().unwrap() = 2;
    assert_eq!(decode::<Report>(&bytes), Err(Malformed::Tag(2)));
    // A call's name that is no text.
    let bytes = [VERSION, 6, 1, 0, 0, 0, 0xff, 0, 0, 0, 0];
    assert_eq!(decode::<Report>(&bytes), Err(Malformed::Text));
}
