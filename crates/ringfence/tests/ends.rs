//! How rings and their commands end, and what keeps neither from it: processes that turn on the others, the
//! death of a runner or of the program that has the ring; with the real runner.
#![cfg(target_os = "linux")] // where rings are
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;
mod place;

use std::io::BufReader;
use std::process::Command as Outside;
use std::time::Duration;

use place::{Place, line, sh, until};
use ringfence::ring::Stdio;
use ringfence::{Error, Ring};

/// Processes whose environment has this ring's mark.
fn living(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            std::fs::read(entry.path().join("environ"))
                .is_ok_and(|text| String::from_utf8_lossy(&text).contains(mark))
        })
        .count()
}

/// The process that stands ready in this process' ring: its number here and in there.
fn spare() -> Option<(i32, i32)> {
    let stat = |pid: &str, field: usize| -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = text.rsplit(')').next()?;
        Some(rest.split_whitespace().nth(field - 3)?.to_owned())
    };
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let runner = stat(entry.file_name().to_str()?, 4)?;
            if !status.starts_with("Name:\tspares\n") || stat(&runner, 4)? != own {
                return None;
            }
            let numbers = status
                .lines()
                .find_map(|line| line.strip_prefix("NSpid:"))?;
            let mut numbers = numbers.split_whitespace().map(|n| n.parse().unwrap());
            Some((numbers.next()?, numbers.next_back()?))
        })
}

/// What stands ready for the next command has the runner's memory. What an earlier one left running, of
/// the same user, neither sees that nor keeps the next from starting.
#[test]
fn what_stands_ready_cannot_be_looked_into_and_its_end_keeps_no_command_from_starting() {
    let name = "what_stands_ready_cannot_be_looked_into_and_its_end_keeps_no_command_from_starting";
    let Some(place) = Place::of(name) else {
        return;
    };
    let ring = place.ring();
    let script =
        "mkfifo go did; (while :; do read -r how < go; eval \"$how\"; echo x > did; done) &";
    let mut command = ring.command("sh");
    let status = command
        .args(["-c", script])
        .keep_background(true)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let at = |name: &str| place.workspace().join(name);
    let have_it = |what: &str| {
        until("it stands ready", || spare().is_some());
        let pid = spare().unwrap();
        std::fs::write(at("go"), format!("P={}; {what}\n", pid.1)).unwrap();
        assert_eq!(std::fs::read_to_string(at("did")).unwrap(), "x\n");
        pid
    };
    let looks = "cat $D/environ $D/maps $D/io > seen 2> /dev/null; head -c 1 $D/mem >> seen 2> /dev/null; \
                 ls $D/cwd/ >> seen 2> /dev/null; readlink $D/fd/* $D/exe $D/root $D/ns/uts >> seen";
    have_it(&format!("D=/proc/$P; {looks}"));
    assert_eq!(std::fs::read_to_string(at("seen")).unwrap(), "");
    have_it(&format!("D=/proc/self; {looks}"));
    assert_ne!(
        std::fs::read_to_string(at("seen")).unwrap(),
        "",
        "the control"
    );
    for signal in ["KILL", "STOP", "TERM", "INT", "USR1", "CONT"] {
        let (outside, _) = have_it(&format!("kill -s {signal} $P"));
        assert_eq!(sh(&ring, "echo on"), "on\n", "{signal}");
        until("it is gone", || {
            spare().is_none_or(|(now, _)| now != outside)
        });
    }
    // Beside a command there is none to be seen.
    until("it stands ready", || spare().is_some());
    let seen = sh(&ring, "for p in /proc/[0-9]*; do cat $p/comm; done");
    assert!(!seen.contains("spares"), "{seen}");
    assert!(seen.contains("ringfence"), "{seen}");
}

/// A command that stops whatever else there is, over and over, keeps nobody from starting others, from
/// ending it, and from ending the ring.
#[test]
fn what_stops_all_others_does_not_stop_the_ring() {
    let Some(place) = Place::of("what_stops_all_others_does_not_stop_the_ring") else {
        return;
    };
    if !needs::tool("/usr/bin/perl") {
        return;
    }
    let ring = place.ring();
    sh(&ring, "true");
    let stops = "$| = 1; print qq(up\n); kill STOP => -1 while 1";
    let mut attacker = ring
        .command("perl")
        .args(["-e", stops])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = BufReader::new(attacker.stdout.take().unwrap());
    assert_eq!(line(&mut up), "up\n");
    let (told, tells) = std::sync::mpsc::channel();
    let at_once = ring.clone();
    std::thread::spawn(move || {
        let started: Vec<_> = (0..4)
            .map(|_| {
                let (ring, told) = (at_once.clone(), told.clone());
                std::thread::spawn(move || {
                    // It may not come to run; that is told, or it is there to be ended.
                    if let Ok(mut child) = ring.command("sleep").arg("1000").spawn() {
                        child.kill().unwrap();
                        child.wait().unwrap();
                    }
                    told.send(()).unwrap();
                })
            })
            .collect();
        started.into_iter().for_each(|one| one.join().unwrap());
    });
    for _ in 0..4 {
        tells.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    attacker.kill().unwrap();
    assert_eq!(attacker.wait().unwrap().signal(), Some(9));
    assert_eq!(sh(&ring, "echo on"), "on\n");
}

/// The number of any thread stands for its process: none of the runner's, nor that of what stands ready, is let
/// through by which a command would limit them.
#[test]
fn no_command_limits_the_runner_or_the_next_command() {
    let Some(place) = Place::of("no_command_limits_the_runner_or_the_next_command") else {
        return;
    };
    if !needs::tool("/usr/bin/prlimit") {
        return;
    }
    let ring = place.ring();
    // After the first something stands ready.
    sh(&ring, "true");
    until("it stands ready", || spare().is_some());
    let script = "tried=0
        for task in /proc/[0-9]*/task/*; do
            number=${task##*/}
            case $number in $$) continue;; esac
            for limit in --nofile=4 --as=4096 --fsize=0; do
                tried=$((tried + 1))
                prlimit --pid $number $limit 2>/dev/null && echo limited $task $limit
            done
        done
        ls -d /proc/1/task/* | wc -l
        ulimit -S -n 99 && ulimit -n && echo tried $tried";
    let said = sh(&ring, script);
    let lines: Vec<&str> = said.lines().collect();
    assert!(!said.contains("limited"), "{said}");
    assert!(
        lines[0].parse::<u32>().unwrap() > 1 && lines[1] == "99",
        "{said}"
    );
    assert!(
        lines[2]
            .strip_prefix("tried ")
            .unwrap()
            .parse::<u32>()
            .unwrap()
            >= 6,
        "{said}"
    );
    sh(&ring, "ls /proc/self/fd > /dev/null && echo x > file");
}

#[test]
fn a_ring_ends_with_its_last_handle_and_with_its_runner() {
    let Some(place) = Place::of("a_ring_ends_with_its_last_handle_and_with_its_runner") else {
        return;
    };
    let mark = format!("RF_RING_ENDS={}", std::process::id());
    let (name, value) = mark.split_once('=').unwrap();
    let start = |ring: &Ring| {
        let mut command = ring.command("sh");
        command.args([
            "-c",
            "setsid sleep 1000 & setsid sleep 1000 & echo up; wait",
        ]);
        command.env(name, value).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        line(&mut BufReader::new(child.stdout.take().unwrap()));
        until("all are there", || living(&mark) == 3);
        child
    };
    let ring = place.ring();
    let child = start(&ring);
    let other = ring.clone();
    drop(ring);
    // One that executes has no environment for a moment.
    until("a handle is left, and all live", || living(&mark) == 3);
    assert_eq!(sh(&other, "echo on"), "on\n");
    drop(child);
    drop(other);
    assert_eq!(living(&mark), 0);
    // The runner is killed: nothing lives on, and who waits hears of it.
    let ring = place.ring();
    let mut child = start(&ring);
    let runner = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find(|entry| {
            std::fs::read_to_string(entry.path().join("status")).is_ok_and(|text| {
                let parent = format!("PPid:\t{}\n", std::process::id());
                text.contains(&parent) && text.starts_with("Name:\tringfence-runne")
            })
        })
        .unwrap();
    let killed = Outside::new("kill")
        .arg("-9")
        .arg(runner.file_name())
        .status();
    assert!(killed.unwrap().success());
    assert!(matches!(child.wait(), Err(Error::RingGone)));
    until("all are gone", || living(&mark) == 0);
    assert!(matches!(
        ring.command("true").status(),
        Err(Error::RingGone)
    ));
    // Another ring is another.
    assert_eq!(sh(&place.ring(), "echo on"), "on\n");
}

/// However the program that made a ring ends, nothing of the ring is left.
#[test]
fn nothing_is_left_of_a_ring_whose_program_is_killed() {
    const TEST: &str = "nothing_is_left_of_a_ring_whose_program_is_killed";
    const VICTIM: &str = "RINGFENCE_TEST_VICTIM";
    let Some(place) = Place::of(TEST) else { return };
    if let Some(mark) = std::env::var_os(VICTIM) {
        let ring = place.ring();
        let mut command = ring.command("sh");
        command.args([
            "-c",
            "setsid sleep 1000 & (setsid sleep 1000 &) ; echo x > up; wait",
        ]);
        let _child = command.env(VICTIM, mark).spawn().unwrap();
        // Until it is killed.
        loop {
            std::thread::park();
        }
    }
    let up = place.workspace().join("up");
    for round in 0..10 {
        let mark = format!("{}-{round}", std::process::id());
        let mut victim = Outside::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST])
            .env(VICTIM, &mark)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mark = format!("{VICTIM}={mark}");
        // Killed at other points of its life each time: also before the ring stands.
        match round {
            0 => {}
            1..=3 => until("it has begun", || living(&mark) > 0),
            _ => until("its command runs", || up.exists()),
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        until("nothing is left", || living(&mark) == 0);
        let _unmade = std::fs::remove_file(&up);
    }
}
