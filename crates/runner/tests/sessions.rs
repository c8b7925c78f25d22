//! Many commands in one ring, each with processes of its own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;
mod support;

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use ringfence_ops::Need::Must;
use ringfence_ops::linux::{Located, Mask, Op};
use ringfence_wire::{End, Listed, Order, Report, Spawn, Stage, Widening};
use rustix::io::Errno;
use support::{Dir, Ring, is_closed, located, pipe, read, read_until, sh, steps, swapped};

/// A ring in which many commands may run, and its one write root.
fn ring() -> Option<(Ring, Dir)> {
    if !needs::userns() {
        return None;
    }
    let dir = Dir::new();
    let ring = Ring::built(true, steps(&dir.dir("root")));
    Some((ring, dir))
}

/// What is told next of the end of any command.
fn next_end(ring: &Ring) -> (u32, End) {
    match ring.report() {
        Report::Ended { id, end, .. } => (id, end),
        other => panic!("{other:?}"),
    }
}

fn list(ring: &Ring) -> Vec<Listed> {
    ring.order(&Order::List);
    match ring.report() {
        Report::Listed { commands } => commands,
        other => panic!("{other:?}"),
    }
}

fn signal(ring: &Ring, id: u32, signal: i32, all: bool) {
    ring.order(&Order::Signal { id, signal, all });
}

/// Starts a script that reads from the pipe that is given back.
fn reading(ring: &Ring, spawn: Spawn) -> (File, File) {
    let (stdin, ours) = pipe();
    let (output, theirs) = pipe();
    let id = spawn.id;
    ring.socket()
        .send(
            &ringfence_wire::encode(&Order::Spawn(spawn)),
            &[stdin.as_fd(), theirs.as_fd(), theirs.as_fd()],
        )
        .unwrap();
    assert_eq!(ring.report(), Report::Started { id });
    (File::from(ours), File::from(output))
}

#[test]
fn commands_run_beside_each_other_and_end_each_for_itself() {
    let Some((ring, _dir)) = ring() else { return };
    let (mut first, first_out) = reading(&ring, sh(1, "read x; echo first $x; exit 3"));
    let (second, second_out) = reading(&ring, sh(2, "read x; echo second $x; kill -TERM $$"));
    // A third comes and goes meanwhile.
    assert_eq!(ring.run(3, "echo third").0, "third\n");
    first.write_all(b"a\n").unwrap();
    assert_eq!(next_end(&ring), (1, End::Exited(3)));
    assert_eq!(read(first_out), "first a\n");
    drop(second);
    assert_eq!(next_end(&ring), (2, End::Signalled(15)));
    assert_eq!(read(second_out), "second\n");
    assert_eq!(list(&ring), []);
}

/// Processes that left their parent, their group and their session.
const STRAYS: &str = "setsid sh -c 'setsid sleep 1000 & setsid sleep 1000 & sleep 1000' &
    (sleep 1000 &) ; nohup sleep 1000 >/dev/null 2>&1 &
    while [ $(ls /proc/[0-9]*/comm | xargs cat 2>/dev/null | grep -c sleep) -lt 5 ]; do :; done
    echo there;";

#[test]
fn what_a_command_leaves_ends_with_it_and_nothing_of_another_does() {
    let Some((ring, _dir)) = ring() else { return };
    let (mut other, other_out) =
        reading(&ring, sh(1, "sleep 1000 & read x; kill $! && echo lived"));
    let mut strays = ring.script(2, &format!("{STRAYS} exit 7"));
    read_until(&mut strays, "there\n");
    assert_eq!(next_end(&ring), (2, End::Exited(7)));
    // What it was written to is closed: not one of them lives.
    assert!(is_closed(&strays));
    let left = list(&ring);
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].id, left[0].runs), (1, true));
    assert_eq!(left[0].processes.len(), 2, "the shell and its sleep");
    other.write_all(b"\n").unwrap();
    assert_eq!(next_end(&ring), (1, End::Exited(0)));
    assert_eq!(read(other_out), "lived\n");
}

#[test]
fn what_may_stay_stays_until_it_is_ended_or_ends() {
    let Some((ring, _dir)) = ring() else { return };
    let keeping = |id, script: &str| Spawn {
        keep_background: true,
        ..sh(id, script)
    };
    let (_stdin, mut output) = reading(&ring, keeping(1, &format!("{STRAYS} exit 0")));
    read_until(&mut output, "there\n");
    assert_eq!(next_end(&ring), (1, End::Exited(0)));
    assert!(!is_closed(&output));
    // Another command's end is nothing to them.
    assert_eq!(ring.run(2, "echo two").1, End::Exited(0));
    let left = list(&ring);
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].id, left[0].runs), (1, false));
    assert!(left[0].processes.len() >= 5, "{left:?}");
    // Its number is taken as long as they live.
    ring.order(&Order::Spawn(sh(1, "true")));
    assert!(
        matches!(ring.report(), Report::Failed { failure, .. } if failure.stage == Stage::Protocol)
    );
    signal(&ring, 1, 9, true);
    ring.settle();
    assert!(is_closed(&output));
    // One that ends by itself is forgotten.
    let (mut stdin, output) = reading(
        &ring,
        keeping(3, "exec 3<&0; (read x <&3; echo end $x) & exit 0"),
    );
    assert_eq!(next_end(&ring), (3, End::Exited(0)));
    assert_eq!(list(&ring).len(), 1);
    stdin.write_all(b"x\n").unwrap();
    assert_eq!(read(output), "end x\n");
    while !list(&ring).is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(ring.run(3, "echo again").0, "again\n");
}

#[test]
fn a_signal_reaches_the_first_process_or_all_of_a_command_and_no_other() {
    let Some((ring, _dir)) = ring() else { return };
    let script = "trap 'echo told' TERM; (trap 'echo told too; exit' TERM; echo up; while :; do sleep 0.01; done) &
        while :; do read x; done";
    let (other_in, other_out) = reading(&ring, sh(2, "trap 'echo told' TERM; read x; echo quiet"));
    let (stdin, mut output) = reading(&ring, sh(1, script));
    read_until(&mut output, "up\n");
    signal(&ring, 1, 15, false);
    read_until(&mut output, "told\n");
    signal(&ring, 1, 15, true);
    read_until(&mut output, "told too\n");
    signal(&ring, 1, 9, true);
    assert_eq!(next_end(&ring), (1, End::Signalled(9)));
    drop((stdin, other_in));
    assert_eq!(next_end(&ring), (2, End::Exited(0)));
    assert_eq!(read(other_out), "quiet\n");
    // One that is not there is nobody.
    signal(&ring, 77, 9, true);
    ring.settle();
}

/// Nobody hides from the end of its command, neither by what it does to itself nor by being many.
#[test]
fn no_process_hides_from_the_end_of_its_command() {
    let Some((ring, _dir)) = ring() else { return };
    if !needs::tool("/usr/bin/perl") {
        return;
    }
    // Whose memory nobody may look at, the kernel shows nobody's namespaces of.
    let prctl = if cfg!(target_arch = "aarch64") {
        167
    } else {
        157
    };
    let hides = format!(
        "perl -e 'syscall({prctl}, 4, 0, 0, 0, 0) == 0 or die; fork and exit; setpgrp;
            $| = 1; print \"hidden\\n\"; 1 while 1'"
    );
    let mut output = ring.script(1, &format!("{hides}; read x < /dev/zero & wait"));
    read_until(&mut output, "hidden\n");
    signal(&ring, 1, 9, true);
    assert_eq!(next_end(&ring), (1, End::Signalled(9)));
    assert!(is_closed(&output));
    // Each starts the next and ends.
    let chain = "f() { (f &) ; }; for i in 1 2 3 4 5 6 7 8; do f; done; echo going";
    let mut output = ring.script(2, chain);
    read_until(&mut output, "going\n");
    assert_eq!(next_end(&ring), (2, End::Exited(0)));
    assert!(is_closed(&output));
    assert_eq!(list(&ring), []);
    assert_eq!(ring.run(3, "echo on").0, "on\n");
}

#[test]
fn the_last_has_the_ring_for_itself() {
    let Some((ring, _dir)) = ring() else { return };
    let last = |id| Spawn {
        last: true,
        ..sh(id, "exit 5")
    };
    let refused = |spawn: Spawn| {
        ring.order(&Order::Spawn(spawn));
        match ring.report() {
            Report::Failed { failure, .. } => assert_eq!(failure.stage, Stage::Protocol),
            other => panic!("{other:?}"),
        }
    };
    let (stdin, _output) = reading(&ring, sh(1, "read x"));
    refused(last(2));
    refused(sh(1, "true"));
    drop(stdin);
    next_end(&ring);
    let (_stdin, _output) = reading(&ring, last(2));
    assert_eq!(next_end(&ring), (2, End::Exited(5)));
    assert!(ring.socket().receive().unwrap().is_none(), "it is over");
}

#[test]
fn a_thousand_commands_at_once() {
    let Some((ring, _dir)) = ring() else { return };
    const MANY: u32 = 1000;
    let (stdin, ours) = pipe();
    let (output, theirs) = pipe();
    for id in 1..=MANY {
        let spawn = Spawn {
            program: "/bin/cat".into(),
            argv: vec!["cat".into()],
            announce: false,
            ..sh(id, "")
        };
        ring.socket()
            .send(
                &ringfence_wire::encode(&Order::Spawn(spawn)),
                &[stdin.as_fd(), theirs.as_fd(), theirs.as_fd()],
            )
            .unwrap();
    }
    drop((stdin, theirs));
    assert_eq!(list(&ring).len(), MANY as usize);
    drop(ours);
    let mut ended: Vec<u32> = (0..MANY)
        .map(|_| {
            let (id, end) = next_end(&ring);
            assert_eq!(end, End::Exited(0));
            id
        })
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, (1..=MANY).collect::<Vec<u32>>());
    assert_eq!(read(File::from(output)), "");
    assert_eq!(list(&ring), []);
}

/// By the order alone, whoever gave it: what is let in is what the order is of.
#[test]
fn what_lies_under_a_cover_is_let_in_by_what_it_is() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let under = dir.dir("covered/deep");
    let here = dir.file("covered/deep/here", "here");
    let mut all = steps(&dir.dir("root"));
    let mask = Mask {
        at: located(dir.0.join("covered")),
        keep: Vec::new(),
    };
    all.push((Must, Op::MaskDir(mask)));
    let ring = Ring::built(true, all);
    let let_in = |at: Located| {
        ring.order(&Order::Widen(Widening {
            write: None,
            objects: Vec::new(),
            pins: Vec::new(),
            watch: Vec::new(),
            reveal: Vec::new(),
            sockets: vec![at],
            landlock: None,
        }));
        ring.report()
    };
    let stale = |report: Report| {
        matches!(report, Report::Failed { failure, .. }
            if failure.stage == Stage::Widen && failure.errno == Errno::STALE.raw_os_error())
    };
    let list = format!("ls -R {} 2>&1 | grep here || echo none", under.display());
    assert_eq!(ring.run(1, &list).0, "none\n");
    assert!(stale(let_in(swapped(&here))));
    // Nor what is not covered at all.
    assert!(stale(let_in(swapped(dir.file("beside", "")))));
    assert_eq!(ring.run(2, &list).0, "none\n");
    assert_eq!(let_in(located(&here)), Report::Widened);
    assert_eq!(ring.run(3, &format!("cat {}", here.display())).0, "here");
    let write = format!("echo x > {} || echo not", here.display());
    assert!(ring.run(4, &write).0.ends_with("not\n"));
}
