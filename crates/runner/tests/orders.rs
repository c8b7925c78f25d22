//! What the runner answers to orders, good and bad.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;
mod support;

use std::os::fd::AsFd;

use ringfence_ops::Need::{May, Must, Should};
use ringfence_ops::linux::{Mask, Op};
use ringfence_wire::{End, Failure, Note, Order, Report, Spawn, Stage, encode};
use rustix::io::Errno;
use support::{Dir, Ring, located, pipe, read, read_until, sh, steps, swapped};

fn failure(stage: Stage, step: Option<u32>, call: &str, errno: Errno) -> Failure {
    Failure {
        stage,
        step,
        call: call.to_owned(),
        errno: errno.raw_os_error(),
    }
}

fn protocol() -> Report {
    Report::Failed {
        id: None,
        failure: failure(Stage::Protocol, None, "decode", Errno::PROTO),
    }
}

#[test]
fn a_command_runs_with_what_it_was_given_and_its_end_is_told() {
    let ring = Ring::built(false, Vec::new());
    let mut spawn = sh(7, "echo \"$A $0 $1\"; pwd; exit 3");
    spawn.argv.extend(["zero".into(), "one".into()]);
    spawn.env.push("A=b".into());
    spawn.cwd = located("/usr");
    let (text, write) = pipe();
    ring.spawn(spawn, write.as_fd());
    drop(write);
    assert_eq!(ring.report(), Report::Started { id: 7 });
    assert_eq!(read(text.into()), "b zero one\n/usr\n");
    match ring.report() {
        Report::Ended {
            id: 7,
            end,
            max_rss_kib,
            ..
        } => {
            assert_eq!(end, End::Exited(3));
            assert!(max_rss_kib > 0);
        }
        other => panic!("{other:?}"),
    }
    // And the next one.
    assert_eq!(
        ring.run(8, "kill -TERM $$"),
        (String::new(), End::Signalled(15))
    );
}

#[test]
fn a_step_that_must_be_and_cannot_is_named_with_call_and_error() {
    let missing = ringfence_ops::linux::Located::made("/nonexistent/ringfence", true);
    let ring = Ring::start(false);
    let built = ring.build(vec![
        (May, Op::NoNewPrivs),
        (
            Must,
            Op::Watch {
                dir: missing.clone(),
                names: vec!["x".into()],
            },
        ),
    ]);
    assert_eq!(
        built,
        Err(failure(Stage::Step, Some(1), "openat2", Errno::NOENT))
    );
    // Not what the plan asked for is built: nothing stands, and nothing runs.
    ring.order(&Order::Spawn(sh(1, "true")));
    assert_eq!(ring.report(), protocol());
    // A place for what was never held.
    let built = ring.build(vec![(Must, Op::Place(missing))]);
    assert_eq!(
        built,
        Err(failure(Stage::Step, Some(0), "plan", Errno::INVAL))
    );
}

#[test]
fn a_step_that_need_not_be_is_noted_and_the_rest_is_built() {
    let missing = ringfence_ops::linux::Located::made("/nonexistent/ringfence", true);
    let ring = Ring::start(false);
    let watch = || Op::Watch {
        dir: missing.clone(),
        names: vec!["x".into()],
    };
    let notes = ring.build(vec![
        (Must, Op::NoNewPrivs),
        (Should, watch()),
        (May, watch()),
    ]);
    let note = |step| Note {
        step,
        call: "openat2".to_owned(),
        errno: Errno::NOENT.raw_os_error(),
    };
    assert_eq!(notes, Ok(vec![note(1), note(2)]));
    assert_eq!(ring.run(1, "echo on").0, "on\n");
}

#[test]
fn an_object_that_was_swapped_is_refused() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let root = dir.dir("root");
    let secret = dir.file("secret", "x");
    let identity = |step| {
        Err(failure(
            Stage::Identity,
            Some(step),
            "identity",
            Errno::STALE,
        ))
    };
    let ring = Ring::start(true);
    assert_eq!(
        ring.build(vec![(Must, Op::Hold(swapped(&root)))]),
        identity(0)
    );
    let place = |op: Op| {
        let ring = Ring::start_offline(true);
        let mut all = steps(&root);
        let index = all.len() as u32;
        all.push((Must, op));
        (ring.build(all), index)
    };
    for op in [
        Op::Protect(swapped(&root)),
        Op::Pin(swapped(&root)),
        Op::Hide(Mask {
            at: swapped(&secret),
            keep: Vec::new(),
        }),
        Op::MaskSocket(swapped(&secret)),
        Op::MaskDir(Mask {
            at: located(&dir.0),
            keep: vec![swapped(&secret)],
        }),
        Op::Watch {
            dir: swapped(&root),
            names: vec!["x".into()],
        },
    ] {
        let text = op.to_string();
        let (built, index) = place(op);
        assert_eq!(built, identity(index), "{text}");
    }
    // The control: with its own identity each is taken.
    let (built, _) = place(Op::Protect(located(&root)));
    assert_eq!(built, Ok(Vec::new()));
}

#[test]
fn a_link_is_never_followed_to_what_it_names() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let root = dir.dir("real/root");
    std::os::unix::fs::symlink("real", dir.0.join("link")).unwrap();
    let mut through = located(&root);
    through.path = dir.0.join("link/root");
    let ring = Ring::start(true);
    let built = ring.build(vec![(Must, Op::Hold(through))]);
    assert_eq!(
        built,
        Err(failure(Stage::Step, Some(0), "openat2", Errno::LOOP))
    );
}

#[test]
fn there_is_no_ring_without_the_network_it_was_to_have() {
    let offline = || {
        vec![(
            Must,
            Op::Namespaces(ringfence_ops::linux::Clone { net: true }),
        )]
    };
    // Nobody ordered it.
    let ring = Ring::start(false);
    assert_eq!(
        ring.build(offline()),
        Err(failure(Stage::Step, Some(0), "plan", Errno::INVAL))
    );
    // It cannot be made: nobody but root may outside of a user namespace.
    let ring = Ring::start(false);
    ring.order(&Order::Namespaces { net: true });
    if ringfence_sys_linux::capability::is_root() {
        assert_eq!(ring.build(offline()), Ok(Vec::new()));
    } else {
        let failure = failure(Stage::Namespaces, None, "unshare", Errno::PERM);
        assert_eq!(ring.report(), Report::Failed { id: None, failure });
        assert!(ring.socket().receive().unwrap().is_none(), "it is gone");
    }
    // Only one, and only before the ring.
    let ring = Ring::start(false);
    assert_eq!(ring.build(Vec::new()), Ok(Vec::new()));
    ring.order(&Order::Namespaces { net: true });
    assert_eq!(ring.report(), protocol());
    assert_eq!(ring.run(1, "echo on").0, "on\n");
    if !needs::userns() {
        return;
    }
    let ring = Ring::start_offline(true);
    ring.order(&Order::Namespaces { net: true });
    assert_eq!(ring.report(), protocol());
    assert_eq!(ring.build(offline()), Ok(Vec::new()));
}

#[test]
fn orders_out_of_turn_and_bytes_that_are_none_are_refused_and_change_nothing() {
    let ring = Ring::start(false);
    let spawn = || Order::Spawn(sh(1, "true"));
    let signal = || Order::Signal {
        id: 1,
        signal: 9,
        all: false,
    };
    let protect = || Order::Protect {
        pins: Vec::new(),
        objects: Vec::new(),
    };
    for order in [spawn(), signal(), protect()] {
        ring.order(&order);
        assert_eq!(
            ring.report(),
            protocol(),
            "{order:?} before there is a ring"
        );
    }
    let good = encode(&signal());
    let other_version = [&[99], &good[1..]].concat();
    let too_long = [&good[..], b"x"].concat();
    for bytes in [
        &b""[..],
        b"\x00",
        b"\x01\xff",
        &good[..3],
        &other_version,
        &too_long,
    ] {
        ring.socket().send(bytes, &[]).unwrap();
        assert_eq!(ring.report(), protocol(), "{bytes:?}");
    }
    assert_eq!(ring.build(Vec::new()), Ok(Vec::new()));
    ring.order(&Order::Build {
        steps: Vec::new(),
        announce: false,
    });
    assert_eq!(ring.report(), protocol());
    assert_eq!(ring.run(1, "echo lives").0, "lives\n");
}

#[test]
fn a_command_takes_its_three_descriptors_and_no_other_number_of_them() {
    let ring = Ring::built(false, Vec::new());
    let null = std::fs::File::open("/dev/null").unwrap();
    for count in [0, 1, 2] {
        let fds = vec![null.as_fd(); count];
        ring.socket()
            .send(&encode(&Order::Spawn(sh(1, "true"))), &fds)
            .unwrap();
        let expected = failure(Stage::Protocol, None, "recvmsg", Errno::BADF);
        assert_eq!(
            ring.report(),
            Report::Failed {
                id: Some(1),
                failure: expected
            }
        );
    }
    assert_eq!(ring.run(1, "echo three").0, "three\n");
}

#[test]
fn one_command_at_a_time() {
    let ring = Ring::built(false, Vec::new());
    let mut first = ring.script(1, "echo here; exec sleep 1000");
    read_until(&mut first, "here\n");
    let null = std::fs::File::open("/dev/null").unwrap();
    ring.spawn(sh(2, "true"), null.as_fd());
    assert_eq!(ring.report(), protocol());
    ring.order(&Order::Signal {
        id: 1,
        signal: 15,
        all: false,
    });
    assert_eq!(ring.ended(1), End::Signalled(15));
    assert_eq!(ring.run(2, "echo next").0, "next\n");
}

#[test]
fn only_the_named_command_is_signalled() {
    let ring = Ring::built(false, Vec::new());
    let script = "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.01; done";
    let mut output = ring.script(5, script);
    read_until(&mut output, "ready\n");
    for id in [4, 6, 0] {
        ring.order(&Order::Signal {
            id,
            signal: 9,
            all: false,
        });
    }
    ring.settle();
    ring.order(&Order::Signal {
        id: 5,
        signal: 10,
        all: false,
    });
    read_until(&mut output, "usr1\n");
    ring.order(&Order::Signal {
        id: 5,
        signal: 9,
        all: false,
    });
    assert_eq!(ring.ended(5), End::Signalled(9));
    // One that has ended is not there to be signalled.
    ring.order(&Order::Signal {
        id: 5,
        signal: 9,
        all: false,
    });
    ring.settle();
}

#[test]
fn that_the_last_command_stopped_is_told_and_it_goes_on() {
    let ring = Ring::built(false, Vec::new());
    // Before it, one of those that nobody hears of: what stopped it lets it go on.
    let watched = "(until grep -q '^State:.*stopped' /proc/$$/status; do :; done; kill -CONT $$) &
                   kill -STOP $$; wait; echo on";
    assert_eq!(ring.run(1, watched), ("on\n".to_owned(), End::Exited(0)));
    let (output, write) = pipe();
    let mut last = sh(2, "kill -STOP $$; echo on");
    last.last = true;
    ring.spawn(last, write.as_fd());
    drop(write);
    assert_eq!(ring.report(), Report::Started { id: 2 });
    assert_eq!(ring.report(), Report::Stopped { id: 2, signal: 19 });
    ring.order(&Order::Signal {
        id: 2,
        signal: 18,
        all: false,
    });
    assert_eq!(read(output.into()), "on\n");
    assert_eq!(ring.ended(2), End::Exited(0));
}

#[test]
fn where_spawning_failed_is_told_and_the_next_may_do_better() {
    let dir = Dir::new();
    let file = dir.file("plain", "no program");
    let ring = Ring::built(false, Vec::new());
    let null = std::fs::File::open("/dev/null").unwrap();
    let fails = |spawn: Spawn, stage, call, errno| {
        ring.spawn(spawn, null.as_fd());
        let expected = failure(stage, None, call, errno);
        assert_eq!(
            ring.report(),
            Report::Failed {
                id: Some(1),
                failure: expected
            }
        );
    };
    let with = |change: &dyn Fn(&mut Spawn)| {
        let mut spawn = sh(1, "true");
        change(&mut spawn);
        spawn
    };
    let none = with(&|s| s.program = "/nonexistent/program".into());
    fails(none, Stage::Exec, "execve", Errno::NOENT);
    let plain = with(&|s| s.program.clone_from(&file));
    fails(plain, Stage::Exec, "execve", Errno::ACCESS);
    let moved = with(&|s| s.cwd = swapped("/usr"));
    fails(moved, Stage::Cwd, "identity", Errno::STALE);
    let no_dir = with(&|s| s.cwd = located(&file));
    fails(no_dir, Stage::Cwd, "fchdir", Errno::NOTDIR);
    let no_terminal = with(&|s| {
        s.new_session = true;
        s.terminal = true;
    });
    fails(no_terminal, Stage::Session, "TIOCSCTTY", Errno::NOTTY);
    let nul = with(&|s| s.argv.push("a\0b".into()));
    fails(nul, Stage::Exec, "execve", Errno::INVAL);
    assert_eq!(ring.run(1, "echo well").0, "well\n");

    let ring = Ring::built(false, vec![(Must, Op::Seccomp(vec![0; 8]))]);
    ring.spawn(sh(1, "true"), null.as_fd());
    let expected = failure(Stage::Seccomp, None, "seccomp", Errno::INVAL);
    assert_eq!(
        ring.report(),
        Report::Failed {
            id: Some(1),
            failure: expected
        }
    );
}
