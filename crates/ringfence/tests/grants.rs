//! Rings that stand and are made wider, or are changed from outside; with the real runner.
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
#[path = "place/replacing.rs"]
mod replacing;

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command as Outside;

use place::{Place, line, piped, sh};
use ringfence::ring::Grant;
use ringfence::{Error, Ring};

#[test]
fn a_ring_that_stands_can_be_made_wider() {
    let Some(place) = Place::of("a_ring_that_stands_can_be_made_wider") else {
        return;
    };
    let other = place.home.join("other");
    std::fs::create_dir_all(other.join("deep/.git/hooks")).unwrap();
    std::fs::write(other.join("deep/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
    std::fs::write(other.join("deep/.git/config"), "[core]\n").unwrap();
    std::fs::create_dir_all(other.join("deep/.git/objects")).unwrap();
    std::fs::create_dir_all(other.join("deep/.git/refs")).unwrap();
    let ring = place.ring();
    let (mut runs, mut printed) = piped(
        &ring,
        "while read path; do if (echo x > $path) 2>/dev/null; then echo wrote; else echo not; fi; done",
    );
    let mut ask = |path: &str| {
        let path = other.join(path);
        let stdin = runs.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", path.display()).unwrap();
        line(&mut printed)
    };
    let try_to = |path: &str| {
        let script = format!("echo x > {}/{path}", other.display());
        let mut command = ring.command("sh");
        let output = command.args(["-c", &script]).output().unwrap();
        output.status.success()
    };
    assert!(!try_to("file"));
    assert_eq!(ask("file"), "not\n");
    // The kernel drops what covers a path elsewhere that somebody else removes meanwhile.
    let own = format!("grep -cF ' {}/' /proc/self/mounts", place.home.display());
    let mounts = |ring: &Ring| sh(ring, &own);
    ring.grant(&Grant::Write(other.clone())).unwrap();
    assert!(try_to("file") && try_to("deep/work") && try_to("deep/.git/index"));
    // What is protected in a write root is in this one, whoever moves what leads there.
    for path in [
        "deep/.git/hooks/pre-commit",
        "deep/.git/config",
        "../beside",
    ] {
        assert!(!try_to(path), "{path}");
    }
    let away = format!("mv {0}/deep/.git {0}/deep/git", other.display());
    let moved = ring.command("sh").args(["-c", &away]).output().unwrap();
    assert!(!moved.status.success());
    sh(
        &ring,
        &format!(
            "mkdir {0}/.vscode; echo x > {0}/.vscode/settings.json; rm {0}/file",
            other.display()
        ),
    );
    assert!(!other.join(".vscode/settings.json").exists());
    // One that runs is held to what it began with.
    assert_eq!(ask("late"), "not\n");
    // Twice is once; and the workspace has always been. (Whoever asks for the outcome has the repositories that
    // commands made looked for, and protected.)
    assert!(ring.outcome().shortfalls.len() < 100);
    let before = mounts(&ring);
    ring.grant(&Grant::Write(other.clone())).unwrap();
    ring.grant(&Grant::Write(place.workspace())).unwrap();
    assert_eq!(mounts(&ring), before);
    assert_eq!(ring.outcome(), ring.outcome());
    // What may not be had is refused, and nothing changes.
    for path in [
        PathBuf::from("/"),
        place.home.clone(),
        place.home.join("missing"),
        place.home.join(".local/state/ringfence"),
    ] {
        let error = ring.grant(&Grant::Write(path.clone()));
        assert!(error.is_err(), "{}", path.display());
    }
    let temporary = tempdir_in_tmp();
    let error = ring.grant(&Grant::Write(temporary.clone())).unwrap_err();
    std::fs::remove_dir(temporary).unwrap();
    assert!(matches!(error, Error::NeedsNewRing { .. }), "{error}");
    assert_eq!(mounts(&ring), before);
    assert!(try_to("again") && !try_to("../beside"));
    // A second grant keeps the first.
    let third = place.home.join("third");
    std::fs::create_dir(&third).unwrap();
    ring.grant(&Grant::Write(third.clone())).unwrap();
    sh(&ring, &format!("echo x > {}/file", third.display()));
    assert!(try_to("still"));
    drop(runs.stdin.take());
    runs.wait().unwrap();
}

/// `git config` on the host replaces the file, and the kernel drops what was mounted on the old one.
#[test]
fn what_is_replaced_from_outside_is_protected_again() {
    let Some(place) = Place::of("what_is_replaced_from_outside_is_protected_again") else {
        return;
    };
    let git = |arguments: &[&str]| {
        let mut command = Outside::new("git");
        let done = command.current_dir(place.workspace()).args(arguments);
        assert!(done.status().unwrap().success());
    };
    git(&["init", "-q"]);
    std::fs::write(place.home.join(".npmrc"), "token\n").unwrap();
    let ring = place.ring();
    let attack = "git config core.fsmonitor evil 2>/dev/null && echo wrote || echo kept; \
                  echo x >> .git/config && echo wrote; cat ~/.npmrc; true";
    assert_eq!(sh(&ring, attack), "kept\n");
    for round in 0..3 {
        git(&["config", "user.name", &format!("person {round}")]);
        let new = place.home.join("new");
        std::fs::write(&new, "another token\n").unwrap();
        std::fs::rename(&new, place.home.join(".npmrc")).unwrap();
        assert_eq!(sh(&ring, attack), "kept\n", "{round}");
        assert_eq!(
            sh(&ring, "git config user.name"),
            format!("person {round}\n")
        );
    }
    std::fs::remove_file(place.home.join(".npmrc")).unwrap();
    assert_eq!(sh(&ring, "echo on"), "on\n");
    git(&["config", "--get", "user.name"]);
    let control = Outside::new("git")
        .current_dir(place.workspace())
        .args(["config", "core.fsmonitor"])
        .status();
    assert!(!control.unwrap().success());
}

/// Between the plan that a person is shown and the grant minutes may pass.
/// Also while it is replaced over and over: each command starts, and finds it protected.
#[test]
fn what_is_being_replaced_from_outside_keeps_no_command_from_starting() {
    let Some(place) =
        Place::of("what_is_being_replaced_from_outside_keeps_no_command_from_starting")
    else {
        return;
    };
    if !needs::tool("/usr/bin/git") {
        return;
    }
    let git = place.workspace().join(".git");
    let made = std::process::Command::new("git")
        .arg("init")
        .arg("-q")
        .arg(place.workspace())
        .status();
    assert!(made.unwrap().success());
    let ring = place.ring();
    let config = std::fs::read(git.join("config")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let replacing = scope.spawn(|| {
            let mut times = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::write(git.join("config.lock"), &config).unwrap();
                std::fs::rename(git.join("config.lock"), git.join("config")).unwrap();
                times += 1;
            }
            times
        });
        for _ in 0..300 {
            let status = ring.command("true").status();
            if status.is_err() {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            assert!(status.unwrap().success());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(replacing.join().unwrap() > 300);
    });
    sh(&ring, "! (echo x >> .git/config) 2>/dev/null");
}

/// What is hidden is written anew from when the policy has been read until it is read once more: for a second look.
#[test]
fn what_is_replaced_while_a_ring_is_made_is_looked_at_again() {
    let Some(place) = Place::of("what_is_replaced_while_a_ring_is_made_is_looked_at_again") else {
        return;
    };
    // What lies in the workspace is read for more than that.
    let policy = place.home.join(".config/ringfence/policy.toml");
    std::fs::create_dir_all(policy.parent().unwrap()).unwrap();
    std::fs::write(&policy, "[filesystem]\nhide = [\"~/secret\"]\n").unwrap();
    let secret = place.home.join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let looked_again = (0..500).any(|_| {
        replacing::looked_again(&policy, &secret, || {
            Ring::open(place.request()).unwrap();
        })
    });
    assert!(looked_again);
    sh(&place.ring(), "! cat ../secret 2>/dev/null");
}

#[test]
fn what_was_planned_is_what_is_made_or_nothing() {
    let Some(place) = Place::of("what_was_planned_is_what_is_made_or_nothing") else {
        return;
    };
    let other = place.home.join("other");
    let beside = place.home.join("beside");
    for dir in [&other, &beside] {
        std::fs::create_dir(dir).unwrap();
    }
    let ring = place.ring();
    let try_to = |path: &str| {
        let script = format!("echo x > {}/{path}", place.home.display());
        let mut command = ring.command("sh");
        let output = command.args(["-c", &script]).output().unwrap();
        output.status.success()
    };
    // Another directory stands there by then, or a link to one.
    for swap in 0..2 {
        let planned = ring.plan_grant(&Grant::Write(other.clone())).unwrap();
        assert_eq!(planned.paths(), [other.as_path()]);
        std::fs::rename(&other, place.home.join(format!("was{swap}"))).unwrap();
        if swap == 0 {
            std::fs::create_dir(&other).unwrap();
        } else {
            std::os::unix::fs::symlink(&beside, &other).unwrap();
        }
        let error = ring.make(&planned).unwrap_err();
        assert!(matches!(error, Error::NeedsNewRing { .. }), "{error}");
        assert!(!try_to("other/file") && !try_to("beside/file"));
        assert!(!try_to(&format!("was{swap}/file")));
    }
    std::fs::remove_file(&other).unwrap();
    std::fs::create_dir(&other).unwrap();
    // What came into it meanwhile is protected as what was there.
    let planned = ring.plan_grant(&Grant::Write(other.clone())).unwrap();
    let git = Outside::new("git")
        .current_dir(&other)
        .args(["init", "-q", "made"])
        .status();
    assert!(git.unwrap().success());
    ring.make(&planned).unwrap();
    assert!(try_to("other/file") && try_to("other/made/file"));
    assert!(!try_to("other/made/.git/config"));
    // A policy that was widened since does not make a living ring wider.
    let policy = place.home.join(".config/ringfence");
    std::fs::create_dir_all(&policy).unwrap();
    std::fs::write(
        policy.join("policy.toml"),
        format!(
            "[filesystem]\nwrite = [{:?}]\n",
            beside.display().to_string()
        ),
    )
    .unwrap();
    std::fs::create_dir(beside.join("below")).unwrap();
    let error = ring.grant(&Grant::Write(beside.join("below"))).unwrap_err();
    assert!(matches!(error, Error::NeedsNewRing { .. }), "{error}");
    assert!(!try_to("beside/below/file"));
}

/// A directory that is in the ring's own `/tmp` another one.
fn tempdir_in_tmp() -> PathBuf {
    let path = PathBuf::from(format!("/tmp/rf-grant-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    path
}

#[test]
fn what_is_hidden_can_be_shown_in_a_ring_that_stands() {
    let Some(place) = Place::of("what_is_hidden_can_be_shown_in_a_ring_that_stands") else {
        return;
    };
    std::fs::create_dir(place.home.join(".ssh")).unwrap();
    std::fs::write(place.home.join(".ssh/id_ed25519"), "key\n").unwrap();
    std::fs::write(place.home.join(".npmrc"), "token\n").unwrap();
    let ring = place.ring();
    let (mut runs, mut printed) = piped(
        &ring,
        "while read path; do cat $path 2>/dev/null || echo not; done",
    );
    let mut ask = |path: &str| {
        let path = place.home.join(path);
        let stdin = runs.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", path.display()).unwrap();
        line(&mut printed)
    };
    assert_eq!(ask(".npmrc"), "not\n");
    let error = ring.grant(&Grant::Reveal("hide.nonsense".to_owned()));
    assert!(error.is_err());
    for _ in 0..2 {
        ring.grant(&Grant::Reveal("hide.npm".to_owned())).unwrap();
    }
    assert_eq!(ask(".npmrc"), "token\n");
    assert_eq!(ask(".ssh/id_ed25519"), "not\n");
    let write = format!("echo x > {}/.npmrc", place.home.display());
    let wrote = ring.command("sh").args(["-c", &write]).output().unwrap();
    assert!(!wrote.status.success());
    assert_eq!(
        std::fs::read_to_string(place.home.join(".npmrc")).unwrap(),
        "token\n"
    );
    drop(runs.stdin.take());
    runs.wait().unwrap();
}

/// A service that says `hello` to whoever connects.
fn service(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let _gone = connection.unwrap().write_all(b"hello\n");
        }
    });
}

/// A program that connects to each path it reads, and says what it hears, or why not.
const CONNECTS: &str = r#"exec perl -MIO::Socket::UNIX -e '$| = 1; while (<STDIN>) { chomp;
    my $s = IO::Socket::UNIX->new(Peer => $_); print $s ? <$s> : "no: $!\n" }'"#;

#[test]
fn a_socket_outside_can_be_let_into_a_ring_that_stands() {
    let Some(place) = Place::of("a_socket_outside_can_be_let_into_a_ring_that_stands") else {
        return;
    };
    if !needs::tool("/usr/bin/perl") {
        return;
    }
    // Where sockets are kept, by itself, and where everybody's temporary files are.
    let runtime = place.home.join("run/deep/one");
    let beside = place.home.join("run/deep/other");
    let alone = place.home.join("alone");
    let temporary = PathBuf::from(format!("/tmp/rf-socket-{}/one", std::process::id()));
    for path in [&runtime, &beside, &alone, &temporary] {
        service(path);
    }
    let ring = place.ring();
    let (mut runs, mut heard) = piped(&ring, CONNECTS);
    let mut connect = |path: &Path| {
        let stdin = runs.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", path.display()).unwrap();
        line(&mut heard)
    };
    for path in [&runtime, &beside, &alone, &temporary] {
        assert!(connect(path).starts_with("no: "), "{}", path.display());
    }
    for path in [&runtime, &alone, &temporary] {
        let planned = ring.plan_grant(&Grant::Socket(path.clone())).unwrap();
        assert_eq!(planned.paths(), [path.as_path()]);
        ring.make(&planned).unwrap();
        // A command that ran before, and one that starts now.
        assert_eq!(connect(path), "hello\n", "{}", path.display());
        let script = format!("echo {} | ({CONNECTS})", path.display());
        assert_eq!(sh(&ring, &script), "hello\n");
        // Twice is once.
        ring.grant(&Grant::Socket(path.clone())).unwrap();
        let again = ring.plan_grant(&Grant::Socket(path.clone())).unwrap();
        assert!(again.paths().is_empty());
    }
    assert!(connect(&beside).starts_with("no: "), "not that one");
    let there = format!("ls {}", beside.parent().unwrap().display());
    assert_eq!(sh(&ring, &there), "one\n");
    // What covers them is not to be written for that.
    let run = place.home.join("run");
    let write = format!("! touch {0}/new {0}/deep/new 2>&1", run.display());
    assert!(sh(&ring, &write).contains("Read-only"));
    let unlink = format!("! rm -f {} 2>&1", runtime.display());
    sh(&ring, &unlink);
    assert_eq!(connect(&runtime), "hello\n");
    let _left = std::fs::remove_dir_all(temporary.parent().unwrap());
}

#[test]
fn a_socket_is_let_in_by_what_it_is_and_not_by_its_name() {
    let Some(place) = Place::of("a_socket_is_let_in_by_what_it_is_and_not_by_its_name") else {
        return;
    };
    if !needs::tool("/usr/bin/perl") {
        return;
    }
    let one = place.home.join("run/one");
    let two = place.home.join("run/two");
    let temporary = PathBuf::from(format!("/tmp/rf-socket-{}/one", std::process::id()));
    let covered = place.home.join("holds/one");
    service(&covered);
    service(&one);
    service(&temporary);
    let ring = place.ring();
    let says = |path: &Path| sh(&ring, &format!("echo {} | ({CONNECTS})", path.display()));
    let refused = |grant: &Grant, why: &str| {
        let error = ring.grant(grant).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    // Another stands there by now.
    let planned = ring.plan_grant(&Grant::Socket(one.clone())).unwrap();
    std::fs::rename(&one, &two).unwrap();
    service(&one);
    assert!(ring.make(&planned).is_err());
    assert!(says(&one).starts_with("no: "));
    // A link is shown as where it leads.
    let link = place.home.join("link");
    std::os::unix::fs::symlink(&two, &link).unwrap();
    let planned = ring.plan_grant(&Grant::Socket(link)).unwrap();
    assert_eq!(planned.paths(), [two.as_path()]);
    ring.make(&planned).unwrap();
    assert_eq!(says(&two), "hello\n");
    // What a command has made in its own temporary directory leads nowhere else.
    let name = temporary.parent().unwrap().display().to_string();
    sh(&ring, &format!("rm -rf {name}; ln -s $HOME/run {name}"));
    assert!(ring.grant(&Grant::Socket(temporary.clone())).is_err());
    assert!(says(&temporary).starts_with("no: "));
    sh(&ring, &format!("rm {name}; mkdir -p {name}/one"));
    assert!(ring.grant(&Grant::Socket(temporary.clone())).is_err());
    sh(&ring, &format!("rmdir {name}/one"));
    ring.grant(&Grant::Socket(temporary.clone())).unwrap();
    assert_eq!(says(&temporary), "hello\n");
    // What is no socket, is not there, or holds more than sockets.
    let file = place.home.join("run/file");
    std::fs::write(&file, "").unwrap();
    refused(&Grant::Socket(file), "socket");
    refused(&Grant::Socket(place.home.join("run/none")), "No such file");
    refused(&Grant::Socket(place.home.clone()), "own servers listen");
    // A directory would be seen with all that is in it.
    let many = covered.parent().unwrap().to_path_buf();
    refused(&Grant::Socket(many), "this is no socket");
    let _left = std::fs::remove_dir_all(temporary.parent().unwrap());
}
