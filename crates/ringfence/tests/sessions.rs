//! Rings that stay, by way of the library, with the real runner.
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

use std::collections::BTreeSet;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command as Outside;
use std::time::Duration;

use ringfence::ring::{Child, Grant, Size, Stdio};
use ringfence::{Error, Ring};

use place::{Place, line, piped, sh};

#[test]
fn a_ring_is_made_once_and_holds_for_each_of_its_commands() {
    let Some(place) = Place::of("a_ring_is_made_once_and_holds_for_each_of_its_commands") else {
        return;
    };
    std::fs::create_dir(place.home.join(".ssh")).unwrap();
    std::fs::write(place.home.join(".ssh/id_ed25519"), "key").unwrap();
    let ring = place.ring();
    let pid = "readlink /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/pid";
    let first = sh(&ring, pid);
    for round in 0..3 {
        assert_eq!(sh(&ring, pid), first, "the same ring");
        let script = format!(
            "echo {round} > inside && echo {round} > /tmp/kept-{round} &&
             ! echo x > {0}/outside 2>/dev/null && ! cat {0}/.ssh/id_ed25519 2>/dev/null &&
             ! (exec 3<>/dev/tcp/1.1.1.1/80) 2>/dev/null && pwd",
            place.home.display()
        );
        assert_eq!(
            sh(&ring, &script).trim(),
            place.workspace().to_str().unwrap()
        );
    }
    // What they share is the ring's alone.
    assert_eq!(sh(&ring, "ls /tmp | grep -c '^kept-'"), "3\n");
    assert!(!Path::new("/tmp/kept-0").exists());
    assert_eq!(
        std::fs::read(place.workspace().join("inside")).unwrap(),
        b"2\n"
    );
    assert!(!place.home.join("outside").exists());
    // The control: outside all of it works.
    let outside = Outside::new("sh")
        .args(["-c", "echo x > outside && cat .ssh/id_ed25519"])
        .current_dir(&place.home)
        .output()
        .unwrap();
    assert_eq!(outside.stdout, b"key");
}

#[test]
fn a_command_is_put_together_as_std_does_it() {
    let Some(place) = Place::of("a_command_is_put_together_as_std_does_it") else {
        return;
    };
    std::fs::create_dir(place.workspace().join("below")).unwrap();
    let ring = place.ring();
    let output = ring
        .command("sh")
        .arg("-c")
        .arg("echo \"$A,$B,$1,$PWD\"; echo wrong >&2; exit 9")
        .args(["sh", "a b"])
        .env("A", "1")
        .envs([("B", "2")])
        .current_dir("below")
        .output()
        .unwrap();
    let below = place.workspace().join("below");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("1,2,a b,{}\n", below.display())
    );
    assert_eq!(output.stderr, b"wrong\n");
    assert_eq!(
        (output.status.code(), output.status.signal()),
        (Some(9), None)
    );
    assert!(!output.status.success());
    let bare = ring
        .command("/usr/bin/env")
        .env("C", "0")
        .env_clear()
        .env("A", "1")
        .env("B", "2")
        .env_remove("B")
        .output()
        .unwrap();
    assert_eq!(bare.stdout, b"A=1\n");
    let killed = ring
        .command("sh")
        .args(["-c", "kill -9 $$"])
        .status()
        .unwrap();
    assert_eq!((killed.code(), killed.signal()), (None, Some(9)));
    // From one command to the next, and from a file.
    let mut first = ring
        .command("printf")
        .arg("b\na\n")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sorted = ring
        .command("sort")
        .stdin(first.stdout.take().unwrap())
        .output()
        .unwrap();
    assert_eq!(sorted.stdout, b"a\nb\n");
    assert!(first.wait().unwrap().success());
    std::fs::write(place.workspace().join("file"), "text").unwrap();
    let file = std::fs::File::open(place.workspace().join("file")).unwrap();
    let read = ring.command("cat").stdin(file).output().unwrap();
    assert_eq!(read.stdout, b"text");
    // More than a pipe holds, on both at once.
    let much = ring
        .command("sh")
        .args([
            "-c",
            "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2",
        ])
        .output()
        .unwrap();
    assert_eq!((much.stdout.len(), much.stderr.len()), (300_000, 300_000));
}

/// What commands have made in its place leads the runner nowhere: not by a link on the way, nor by the name itself.
#[test]
fn what_is_handed_in_is_that_and_no_other() {
    let Some(place) = Place::of("what_is_handed_in_is_that_and_no_other") else {
        return;
    };
    let ring = place.ring();
    let temporary = PathBuf::from(format!("/tmp/rf-session-{}", std::process::id()));
    std::fs::create_dir(&temporary).unwrap();
    std::fs::write(temporary.join("comm"), "handed in").unwrap();
    for made in ["ln -s /proc/1", "mkdir -p"] {
        let name = temporary.display();
        sh(
            &ring,
            &format!("rm -rf {name}; {made} {name}; test -e {name}/comm || echo own > {name}/comm"),
        );
        let file = std::fs::File::open(temporary.join("comm")).unwrap();
        let read = ring.command("cat").stdin(file).output().unwrap();
        assert_eq!(read.stdout, b"handed in", "{made}");
        let dir = std::fs::File::open(&temporary).unwrap();
        let listed = ring
            .command("ls")
            .arg("/proc/self/fd/0/")
            .stdin(dir)
            .output();
        assert!(listed.is_err(), "{made}: {listed:?}");
    }
    std::fs::remove_dir_all(&temporary).unwrap();
}

#[test]
fn what_cannot_be_started_is_said_and_the_ring_goes_on() {
    let Some(place) = Place::of("what_cannot_be_started_is_said_and_the_ring_goes_on") else {
        return;
    };
    let script = place.workspace().join("script");
    std::fs::write(&script, "#!/nonexistent/interpreter\n").unwrap();
    std::fs::write(place.workspace().join("plain"), "").unwrap();
    std::fs::create_dir_all(place.home.join(".ssh/below")).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let ring = place.ring();
    let error = |name: &str| ring.command(name).spawn().unwrap_err();
    assert!(matches!(error("no-such-program"), Error::NotFound { .. }));
    assert!(matches!(error("./plain"), Error::NotExecutable { .. }));
    assert!(matches!(error("./script"), Error::NotFound { .. }));
    // The same where nobody waits for the start.
    let error = ring.command("./script").output().unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let error = ring
        .command("true")
        .current_dir("gone")
        .spawn()
        .unwrap_err();
    assert!(matches!(error, Error::Path { .. }), "{error}");
    // A directory that is hidden, and by what; until it is not.
    let mut hidden = ring.command("pwd");
    let hidden = hidden.current_dir(place.home.join(".ssh/below"));
    for error in [hidden.spawn().unwrap_err(), hidden.output().unwrap_err()] {
        assert!(matches!(error, Error::HiddenDirectory { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("/.ssh/below: hidden")
                && text.contains("hide.ssh")
                && text.contains("built-in"),
            "{text}"
        );
    }
    ring.grant(&Grant::Reveal("hide.ssh".to_owned())).unwrap();
    assert!(hidden.output().unwrap().status.success());
    assert_eq!(sh(&ring, "echo on"), "on\n");
    assert_eq!(ring.list().unwrap(), []);
}

#[test]
fn commands_end_by_themselves_or_by_kill_with_all_they_started() {
    let Some(place) = Place::of("commands_end_by_themselves_or_by_kill_with_all_they_started")
    else {
        return;
    };
    let ring = place.ring();
    let (mut stays, mut out) = piped(&ring, "echo up; read x; echo $x");
    assert_eq!(line(&mut out), "up\n");
    let (mut killed, mut killed_out) =
        piped(&ring, "setsid sleep 1000 & sleep 1000 & echo up; wait");
    assert_eq!(line(&mut killed_out), "up\n");
    assert_eq!(killed.try_wait().unwrap(), None);
    let listed: BTreeSet<u32> = ring.list().unwrap().iter().map(|p| p.id).collect();
    assert_eq!(listed, [stays.id(), killed.id()].into());
    killed.kill().unwrap();
    assert_eq!(killed.wait().unwrap().signal(), Some(9));
    killed.kill().unwrap();
    // All that had its stdout are gone.
    let mut rest = Vec::new();
    killed_out.read_to_end(&mut rest).unwrap();
    assert_eq!(ring.list().unwrap().len(), 1);
    stays.stdin.as_mut().unwrap().write_all(b"lives\n").unwrap();
    assert_eq!(line(&mut out), "lives\n");
    let ended = stays.wait().unwrap();
    assert!(ended.success());
    assert_eq!(stays.try_wait().unwrap(), Some(ended));
    // A signal is the first process' own.
    let (mut told, mut out) = piped(&ring, "trap 'echo told; exit 4' USR1; echo up; read x");
    assert_eq!(line(&mut out), "up\n");
    told.signal(10).unwrap();
    assert_eq!(line(&mut out), "told\n");
    assert_eq!(told.wait().unwrap().code(), Some(4));
}

#[test]
fn what_may_stay_in_the_background_is_listed_and_stopped() {
    let Some(place) = Place::of("what_may_stay_in_the_background_is_listed_and_stopped") else {
        return;
    };
    let ring = place.ring();
    let mut started = ring
        .command("sh")
        .args(["-c", "sleep 1000 & echo $! > pid"])
        .keep_background(true)
        .spawn()
        .unwrap();
    assert!(started.wait().unwrap().success());
    let listed = ring.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].runs), (started.id(), false));
    // Commands of one ring reach each other, and signal nobody else: not by their group, either,
    // which is this process' where they have none of their own.
    assert_eq!(sh(&ring, "kill -0 $(cat pid) && echo lives"), "lives\n");
    let signalled = ring
        .command("sh")
        .args(["-c", "kill -TERM 0"])
        .output()
        .unwrap();
    assert_eq!(signalled.status.signal(), Some(15));
    assert_eq!(sh(&ring, "kill -0 $(cat pid) && echo lives"), "lives\n");
    ring.stop(started.id()).unwrap();
    assert_eq!(ring.list().unwrap(), []);
    assert_eq!(
        sh(&ring, "kill -0 $(cat pid) 2>/dev/null || echo gone"),
        "gone\n"
    );
}

#[test]
fn threads_share_a_ring() {
    let Some(place) = Place::of("threads_share_a_ring") else {
        return;
    };
    let ring = place.ring();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let ring = ring.clone();
            scope.spawn(move || {
                for round in 0..25 {
                    let text = format!("{number} {round}\n");
                    let output = ring.command("echo").arg(text.trim()).output().unwrap();
                    assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
                }
            });
        }
    });
    assert_eq!(ring.list().unwrap(), []);
}

/// Nobody waits for hundreds of commands, and the ring goes on all the same.
#[test]
fn commands_nobody_waits_for_keep_nobody_waiting() {
    let Some(place) = Place::of("commands_nobody_waits_for_keep_nobody_waiting") else {
        return;
    };
    let ring = place.ring();
    let mut children = Vec::new();
    for _ in 0..600 {
        let mut command = ring.command("true");
        children.push(command.stdin(Stdio::null()).spawn().unwrap());
    }
    drop(children.split_off(300));
    assert_eq!(sh(&ring, "echo on"), "on\n");
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

/// `cargo xtask soak` sets this, and has time.
const SOAK: &str = "RINGFENCE_SOAK";

fn many(soak: usize, otherwise: usize) -> usize {
    std::env::var_os(SOAK).map_or(otherwise, |_| soak)
}

#[test]
fn a_thousand_commands_run_at_once() {
    let Some(place) = Place::of("a_thousand_commands_run_at_once") else {
        return;
    };
    let ring = place.ring();
    let number = many(1000, 300);
    let mut all: Vec<(Child, BufReader<_>)> = (0..number)
        .map(|number| piped(&ring, &format!("read line; echo {number} $line; exit 7")))
        .collect();
    assert_eq!(ring.list().unwrap().len(), number);
    // Every other one is ended; the rest are as they were.
    let mut held = Vec::new();
    for (child, _) in all.iter_mut().step_by(2) {
        child.kill().unwrap();
        // To wait closes it, and the runner may not have come to the order yet: it would end by itself.
        held.push(child.stdin.take());
    }
    for (number, (child, stdout)) in all.iter_mut().enumerate() {
        if number % 2 == 0 {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
            continue;
        }
        child.stdin.take().unwrap().write_all(b"said\n").unwrap();
        assert_eq!(line(stdout), format!("{number} said\n"));
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }
    assert_eq!(ring.list().unwrap(), []);
    assert_eq!(sh(&ring, "echo on"), "on\n");
}

/// Each is its own: they see none of the others' processes, and the end of one ends nothing of them.
#[test]
fn hundreds_of_rings_stand_at_once() {
    let Some(place) = Place::of("hundreds_of_rings_stand_at_once") else {
        return;
    };
    let number = many(200, 40);
    let rings: Vec<Ring> = (0..number).map(|_| place.ring()).collect();
    let mut waiting: Vec<_> = rings
        .iter()
        .enumerate()
        .map(|(number, ring)| {
            piped(
                ring,
                &format!("echo {number} > /tmp/own; read line; cat /tmp/own"),
            )
        })
        .collect();
    let mut spaces = BTreeSet::new();
    for ring in &rings {
        spaces.insert(sh(
            ring,
            "readlink /proc/self/ns/pid /proc/self/ns/net /proc/self/ns/mnt",
        ));
        assert_eq!(ring.list().unwrap().len(), 1);
    }
    assert_eq!(spaces.len(), number);
    for (number, (ring, (child, stdout))) in rings.into_iter().zip(&mut waiting).enumerate() {
        if number % 2 == 0 {
            ring.close();
            assert!(matches!(child.wait(), Err(Error::RingGone)));
            continue;
        }
        drop(child.stdin.take());
        assert_eq!(line(stdout), format!("{number}\n"));
        assert!(child.wait().unwrap().success());
    }
}

/// A repository that one command made is protected from a later one in the same ring.
#[test]
fn a_repository_made_in_the_ring_is_protected_from_later_commands() {
    let Some(place) = Place::of("a_repository_made_in_the_ring_is_protected_from_later_commands")
    else {
        return;
    };
    if !needs::tool("/usr/bin/git") {
        return;
    }
    let ring = place.ring();
    sh(&ring, "git init -q made");
    let hook = place.workspace().join("made/.git/hooks/post-checkout");
    // While a command runs for longer than a moment the write roots are looked through.
    let (mut waits, mut out) = piped(
        &ring,
        "while echo x 2>/dev/null > made/.git/hooks/post-checkout; do
            rm -f made/.git/hooks/post-checkout; sleep 0.05; done; echo protected; read x",
    );
    assert_eq!(line(&mut out), "protected\n");
    drop(waits.stdin.take());
    waits.wait().unwrap();
    // The last that was written before may be there still; it stays as it is.
    let before = std::fs::read(&hook).ok();
    sh(
        &ring,
        "! (echo other > made/.git/hooks/post-checkout) 2>/dev/null",
    );
    assert_eq!(std::fs::read(&hook).ok(), before);
    // What a command wrote into one it made is told.
    assert!(ring.made().is_empty());
    sh(
        &ring,
        "git init -q other && git -C other config core.fsmonitor ./x",
    );
    // At once: whoever asks has the write roots looked through, for however short it was.
    assert_eq!(ring.made().len(), 1);
    let told = |shortfall: &ringfence_ops::Shortfall| shortfall.what.contains("core.fsmonitor");
    assert!(ring.outcome().shortfalls.iter().any(told));
    // Work in it goes on.
    sh(
        &ring,
        "cd made && git config --get core.bare && echo a > a && git add a &&
         git -c user.name=n -c user.email=e@x commit -qm a",
    );
}

/// The bound on protected names is one command's, as far as can be told whose they are: what came before
/// and has ended is not held against a later one.
#[test]
fn names_that_earlier_commands_made_end_no_later_one() {
    let Some(place) = Place::of("names_that_earlier_commands_made_end_no_later_one") else {
        return;
    };
    let ring = place.ring();
    // Each of them is told, and as many as one command may make end none.
    for bound in [32, 70] {
        for _ in 0..bound {
            sh(&ring, "echo x > .envrc");
            assert!(!place.workspace().join(".envrc").exists());
        }
        assert_eq!(ring.taken_away().len(), bound);
    }
    for _ in 0..32 {
        sh(&ring, "echo x > .envrc");
    }
    // Long enough to be looked at while it runs.
    let script = "echo x > .envrc; while [ -e .envrc ]; do sleep 0.05; done; sleep 0.1; echo on";
    assert_eq!(sh(&ring, script), "on\n");
    // One that makes them over and over by itself is ended as before.
    let insists = "while :; do echo x > .envrc; done";
    let status = ring.command("sh").args(["-c", insists]).status().unwrap();
    assert!(status.insisted && status.signal() == Some(9), "{status:?}");
    assert_eq!(sh(&ring, "echo on"), "on\n");
}

#[test]
fn a_policy_without_a_ring_that_stays_is_refused() {
    let Some(place) = Place::of("a_policy_without_a_ring_that_stays_is_refused") else {
        return;
    };
    std::fs::create_dir_all(place.home.join(".config/ringfence")).unwrap();
    let policy = place.home.join(".config/ringfence/policy.toml");
    std::fs::write(&policy, "mode = \"full-access\"\n").unwrap();
    let error = Ring::open(place.request()).unwrap_err();
    assert!(matches!(error, Error::NoSession("full-access")), "{error}");
    std::fs::write(&policy, "[limits]\noutput = \"1MiB\"\n").unwrap();
    let error = Ring::open(place.request()).unwrap_err();
    assert!(error.to_string().starts_with("limits.output"), "{error}");
    std::fs::write(&policy, "nonsense = 1\n").unwrap();
    let error = Ring::open(place.request()).unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn a_command_whose_time_is_up_ends_with_all_it_started_and_no_other_does() {
    let Some(place) =
        Place::of("a_command_whose_time_is_up_ends_with_all_it_started_and_no_other_does")
    else {
        return;
    };
    let ring = place.ring();
    let (mut other, _printed) = piped(&ring, "echo; read line; exit 7");
    let short = Duration::from_millis(50);
    // One that heeds the word.
    let status = ring
        .command("sh")
        .args(["-c", "trap 'exit 3' TERM; sleep 1000 & wait"])
        .time_limit(short)
        .status()
        .unwrap();
    assert!(status.timed_out);
    assert_eq!(status.code(), Some(3));
    // One that does not, with one that left its group.
    let status = ring
        .command("sh")
        .args([
            "-c",
            "trap '' TERM; setsid sleep 1000 & sleep 1000; sleep 1000",
        ])
        .time_limit(short)
        .status()
        .unwrap();
    assert!(status.timed_out);
    assert_eq!(status.signal(), Some(9));
    let left = ring.list().unwrap();
    assert!(left.iter().all(|l| l.id == other.id()), "{left:?}");
    // One that has time enough.
    let status = ring
        .command("true")
        .time_limit(Duration::from_secs(1000))
        .status()
        .unwrap();
    assert!(status.success() && !status.timed_out);
    drop(other.stdin.take());
    let status = other.wait().unwrap();
    assert_eq!((status.code(), status.timed_out), (Some(7), false));

    // What the policy says holds for each, and is not made longer.
    let policy = place.home.join(".config/ringfence");
    std::fs::create_dir_all(&policy).unwrap();
    std::fs::write(policy.join("policy.toml"), "[limits]\ntime = \"1s\"\n").unwrap();
    let ring = place.ring();
    let status = ring
        .command("sleep")
        .arg("1000")
        .time_limit(Duration::from_secs(900))
        .status()
        .unwrap();
    assert!(status.timed_out);
    assert_eq!(status.signal(), Some(15));
}

#[test]
fn memory_is_bounded_for_one_command() {
    let Some(place) = Place::of("memory_is_bounded_for_one_command") else {
        return;
    };
    let ring = place.ring();
    let takes = |ring: &Ring, mebibytes: u32, limit: Option<u64>| {
        let mut dd = ring.command("dd");
        dd.args(["if=/dev/zero", "of=/dev/null", "count=1"]);
        dd.arg(format!("bs={mebibytes}M"));
        if let Some(limit) = limit {
            dd.memory_limit(limit);
        }
        let output = dd.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said.contains("memory exhausted"))
    };
    let (well, exhausted) = ((true, false), (false, true));
    // The first is started from nothing, the next by what stands ready.
    for _ in 0..2 {
        assert_eq!(takes(&ring, 300, Some(200 << 20)), exhausted);
        assert_eq!(takes(&ring, 300, Some(600 << 20)), well);
        assert_eq!(takes(&ring, 300, None), well);
    }
    // What no program fits in is that command's end, and no other's.
    let none = ring.command("true").memory_limit(1).output();
    assert!(!none.is_ok_and(|output| output.status.success()));
    assert_eq!(takes(&ring, 1, None), well);

    // What the policy says is not made more.
    let policy = place.home.join(".config/ringfence");
    std::fs::create_dir_all(&policy).unwrap();
    std::fs::write(
        policy.join("policy.toml"),
        "[limits]\nmemory = \"200MiB\"\n",
    )
    .unwrap();
    let ring = place.ring();
    assert_eq!(takes(&ring, 300, Some(600 << 20)), exhausted);
    assert_eq!(takes(&ring, 20, Some(600 << 20)), well);
    assert_eq!(takes(&ring, 20, Some(16 << 20)), exhausted);
}

#[test]
fn a_command_can_have_a_terminal_of_its_own() {
    let Some(place) = Place::of("a_command_can_have_a_terminal_of_its_own") else {
        return;
    };
    let ring = place.ring();
    let size = |rows, columns| Size { rows, columns };
    // `wait` and not `read`: a signal that comes between its look and its sleep is not missed.
    let mut child = ring
        .command("sh")
        .args([
            "-c",
            "test -t 0 && test -t 1 && test -t 2 && stty size; exec 3</dev/tty; read line <&3; \
             echo \"[$line]\"; trap 'stty size; exit 4' WINCH; sleep 600 & echo ready; wait",
        ])
        .terminal(size(31, 97))
        .spawn()
        .unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none());
    let terminal = child.terminal.take().unwrap();
    let mut typed = terminal.try_clone().unwrap();
    let mut shown = BufReader::new(terminal);
    assert_eq!(line(&mut shown), "31 97\r\n");
    typed.write_all(b"word\n").unwrap();
    assert_eq!(line(&mut shown), "word\r\n");
    assert_eq!(line(&mut shown), "[word]\r\n");
    assert_eq!(line(&mut shown), "ready\r\n");
    typed.resize(size(10, 20)).unwrap();
    assert_eq!(line(&mut shown), "10 20\r\n");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert_eq!(line(&mut shown), "");
    // Keys that signal do.
    let mut child = ring.command("cat").terminal(size(24, 80)).spawn().unwrap();
    let mut terminal = child.terminal.take().unwrap();
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}
