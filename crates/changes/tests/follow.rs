//! Following: marks, what is lost, what cannot be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod ground;

use std::sync::atomic::{AtomicBool, Ordering};

use ground::{Ground, LONG, lines, tick};
use ringfence_changes::{Before, Changes, Follow, How, Options, Reason, Snapshot};

#[test]
fn marks_know_nothing_of_each_other() {
    let ground = Ground::new();
    ground.file("a", "1").file("b", "1");
    let follow = ground.follow(Options::default());
    let first = follow.mark();
    ground.file("a", "12");
    let second = follow.mark();
    ground.file("b", "12").remove("a");
    assert_eq!(
        lines(&follow.since(&second)),
        ["deleted a 2 -", "modified b 1 2"]
    );
    assert_eq!(
        lines(&follow.since(&first)),
        ["deleted a 1 -", "modified b 1 2"]
    );
    drop(first);
    assert_eq!(
        lines(&follow.since(&second)),
        ["deleted a 2 -", "modified b 1 2"]
    );
    drop(second);
    let third = follow.mark();
    assert!(lines(&follow.since(&third)).is_empty());
    assert_eq!(follow.held().notes, 0, "nobody needs them");
}

#[test]
fn what_happens_between_commands_is_told_to_none() {
    let ground = Ground::new();
    ground.file("a/b", "1");
    let follow = ground.follow(Options::default());
    ground
        .file("a/b", "12")
        .file("new/c", "1")
        .rename("a", "a2");
    let mark = follow.mark();
    ground.file("a2/b", "123");
    assert_eq!(lines(&follow.since(&mark)), ["modified a2/b 2 3"]);
}

#[test]
fn a_mark_of_another_is_not_known() {
    let ground = Ground::new();
    let (one, other) = (
        ground.follow(Options::default()),
        ground.follow(Options::default()),
    );
    let changes = one.since(&other.mark());
    assert_eq!(changes.incomplete, [Reason::Forgotten]);
    assert!(one.since(&one.mark()).incomplete.is_empty());
}

#[test]
fn more_than_may_be_noted_is_forgotten_and_told() {
    let ground = Ground::new();
    let options = Options {
        log: 10,
        ..Options::default()
    };
    let follow = ground.follow(options);
    let (few, many) = (follow.mark(), 40);
    for n in 0..10 {
        ground.file(&n.to_string(), "");
    }
    let changes = follow.since(&few);
    assert_eq!(
        (changes.roots[0].counts.added, changes.incomplete.len()),
        (10, 0)
    );
    for n in 10..many {
        ground.file(&n.to_string(), "");
    }
    assert_eq!(follow.since(&few).incomplete, [Reason::Forgotten]);
    assert!(follow.held().notes <= 10);
    let mark = follow.mark();
    ground.file("0", "1");
    assert_eq!(lines(&follow.since(&mark)), ["modified 0 0 1"]);
}

#[test]
fn without_watches_it_is_told_or_walked() {
    let ground = Ground::new();
    for n in 0..8 {
        ground.file(&format!("d{n}/f"), "1");
    }
    let act = || {
        for n in 0..8 {
            ground
                .file(&format!("d{n}/f"), "12")
                .file(&format!("d{n}/s/new"), "");
        }
    };
    let limited = Options {
        watches: Some(4),
        ..Options::default()
    };
    let follow = ground.follow(limited.clone());
    assert_eq!(follow.held().watched, 4);
    let mark = follow.mark();
    act();
    let changes = follow.since(&mark);
    assert!(
        matches!(
            changes.incomplete[..],
            [Reason::Unwatched {
                directories: 5..,
                ..
            }]
        ),
        "{changes:?}"
    );
    let told = changes.roots[0].counts.modified;
    assert_eq!(told, 3, "the root and three more are watched");

    for n in 0..8 {
        ground
            .file(&format!("d{n}/f"), "1")
            .remove(&format!("d{n}/s"));
    }
    for watches in [0, 4] {
        let walked = Options {
            watches: Some(watches),
            walk_unwatched: true,
            ..Options::default()
        };
        let follow = ground.follow(walked);
        let mark = follow.mark();
        act();
        let changes = follow.since(&mark);
        assert!(changes.incomplete.is_empty(), "{changes:?}");
        let counts = changes.roots[0].counts;
        assert_eq!((counts.modified, counts.added), (8, 16));
        for n in 0..8 {
            ground
                .file(&format!("d{n}/f"), "1")
                .remove(&format!("d{n}/s"));
        }
        let counts = follow.since(&mark).roots[0].counts;
        assert_eq!(
            (counts.modified, counts.all()),
            (8, 8),
            "the times are others"
        );
    }
}

#[test]
fn a_root_that_goes_is_told() {
    let ground = Ground::new();
    ground
        .file("root/a", "1")
        .file("moved/b", "1")
        .file("stays/c", "1");
    let roots = ["root", "moved", "stays", "never"].map(|name| ground.at(name));
    let follow = Follow::start(&roots, Options::default());
    assert!(follow.walked(LONG));
    let mark = follow.mark();
    let snapshot = Snapshot::take(&roots, Options::default());
    let gone = |name: &str| Reason::RootGone {
        root: ground.at(name),
    };
    assert_eq!(follow.since(&mark).incomplete, [gone("never")]);
    ground
        .remove("root")
        .rename("moved", "elsewhere")
        .file("moved/another", "");
    ground.file("stays/c", "12");
    for changes in [follow.since(&mark), snapshot.changes()] {
        assert_eq!(
            changes.incomplete,
            [gone("root"), gone("moved"), gone("never")]
        );
        let roots = &changes.roots;
        assert_eq!((roots[0].counts.deleted, roots[0].counts.all()), (1, 1));
        assert_eq!(
            roots[1].counts.all(),
            0,
            "what stands there now is not the root"
        );
        assert_eq!((roots[2].counts.modified, roots[2].counts.all()), (1, 1));
        assert_eq!(roots[3].counts.all(), 0);
    }
}

/// No event tells of it: who follows has it open.
#[test]
fn the_only_root_is_removed_and_comes_back_as_another() {
    let ground = Ground::new();
    ground.file("root/a", "1");
    let root = ground.at("root");
    let follow = Follow::start([&root], Options::default());
    assert!(follow.walked(LONG));
    let mark = follow.mark();
    assert!(follow.since(&mark).incomplete.is_empty());
    ground.remove("root");
    let changes = follow.since(&mark);
    assert_eq!(lines(&changes), ["deleted a 1 -"]);
    assert_eq!(
        changes.incomplete,
        [Reason::RootGone { root: root.clone() }]
    );
    ground.file("root/b", "1");
    let changes = follow.since(&mark);
    assert_eq!(lines(&changes), ["deleted a 1 -"]);
    assert_eq!(changes.incomplete, [Reason::RootGone { root }]);
}

#[test]
fn roots_in_each_other_are_told_once_and_moves_between_roots_in_both() {
    let ground = Ground::new();
    ground.file("a/in/f", "1").dir("b");
    let roots = ["a/in", "a", "b", "a"].map(|name| ground.at(name));
    let follow = Follow::start(&roots, Options::default());
    assert!(follow.walked(LONG));
    let mark = follow.mark();
    let snapshot = Snapshot::take(&roots, Options::default());
    ground
        .file("a/in/g", "")
        .rename("a/in", "b/in")
        .file("b/in/f", "12");
    let since = follow.since(&mark);
    assert_eq!(since, snapshot.changes());
    let counts: Vec<_> = since
        .roots
        .iter()
        .map(|r| (r.counts.added, r.counts.deleted))
        .collect();
    assert_eq!(counts, [(0, 0), (0, 2), (3, 0), (0, 0)]);
}

#[test]
fn links_and_fifos_are_neither_followed_nor_opened() {
    let ground = Ground::new();
    let outside = Ground::new();
    outside.file("d/f", "1");
    ground.dir("deep/er");
    let made = std::process::Command::new("mkfifo")
        .arg(ground.at("deep/p"))
        .status();
    assert!(made.unwrap().success());
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    ground
        .remove("deep/er")
        .link(outside.at("d").to_str().unwrap(), "deep/er");
    outside.file("d/g", "");
    let told = lines(&follow.since(&mark));
    let size = outside.at("d").as_os_str().len();
    assert_eq!(
        told,
        [format!("replaced deep/er Directory by Symlink - {size}")]
    );
    assert_eq!(follow.held().watched, 2);
}

/// Directories and links change places as fast as they can while all is walked and followed.
#[test]
fn nothing_outside_is_seen_while_directories_are_swapped_for_links() {
    let ground = Ground::new();
    let outside = Ground::new();
    for n in 0..40 {
        outside.file(&format!("o/secret{n}/s"), "1");
        ground.file(&format!("a/b/c{n}/f"), "1");
    }
    ground.link(outside.at("o").to_str().unwrap(), "l");
    let made = std::process::Command::new("mkfifo")
        .arg(ground.at("p"))
        .status();
    assert!(made.unwrap().success());
    let stop = AtomicBool::new(false);
    let swap = |a: &str, b: &str| {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, ground.at(a), CWD, ground.at(b), RenameFlags::EXCHANGE).unwrap();
    };
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut times = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                swap("a/b", "l");
                swap("a", "p");
                swap("a", "p");
                swap("a/b", "l");
                times += 1;
            }
            times
        });
        for _ in 0..10 {
            let follow = ground.follow(Options::default());
            let snapshot = Snapshot::take([&ground.0], Options::default());
            let mark = follow.mark();
            for _ in 0..10 {
                nothing_secret(&follow.since(&mark));
            }
            nothing_secret(&snapshot.changes());
        }
        stop.store(true, Ordering::Relaxed);
        assert!(swapper.join().unwrap() > 0);
    });
    // At rest it is right again.
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    ground.file("a/b/c7/f", "12");
    let changes = follow.since(&mark);
    assert_eq!(lines(&changes), ["modified a/b/c7/f 1 2"]);
    assert!(changes.incomplete.is_empty());
}

fn nothing_secret(changes: &Changes) {
    for entry in &changes.roots[0].entries {
        let from = match &entry.how {
            How::Renamed { from, .. } => from.to_string_lossy(),
            _ => "".into(),
        };
        let path = entry.path.to_string_lossy();
        assert!(
            !path.contains("secret") && !from.contains("secret"),
            "{entry:?}"
        );
    }
}

/// A follower that lives through the swapping finds its feet when it ends.
#[test]
fn after_swapping_ends_what_is_known_is_what_is_there() {
    let ground = Ground::new();
    for n in 0..30 {
        ground
            .file(&format!("a/b/c{n}/f"), "1")
            .file(&format!("x/y{n}"), "1");
    }
    tick();
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                ground
                    .rename("a/b", "x/b")
                    .rename("x", "a/x")
                    .rename("a", "z");
                ground
                    .rename("z/x/b", "b")
                    .rename("z", "a")
                    .rename("b", "a/b")
                    .rename("a/x", "x");
            }
        });
        for _ in 0..300 {
            let _told = follow.since(&mark);
        }
        stop.store(true, Ordering::Relaxed);
        mover.join().unwrap();
    });
    let changes = follow.since(&mark);
    assert!(lines(&changes).is_empty(), "{:?}", lines(&changes));
    assert!(changes.incomplete.is_empty());
    // As long as a mark lives, what stood where is held for it.
    drop(mark);
    let mark = follow.mark();
    let _told = follow.since(&mark);
    let held = follow.held();
    assert_eq!((held.directories, held.watched), (34, 34));
    ground.file("a/b/c3/f", "12").remove("x");
    let told = lines(&follow.since(&mark));
    assert_eq!((told.len(), &*told[0]), (32, "modified a/b/c3/f 1 2"));
}

/// As root without the capability to read what no mode lets it.
#[test]
fn what_cannot_be_read_is_told_and_read_when_it_can_be() {
    const NAME: &str = "what_cannot_be_read_is_told_and_read_when_it_can_be";
    const WITHIN: &str = "RINGFENCE_CHANGES_UNREADABLE";
    if rustix::process::geteuid().is_root() && std::env::var_os(WITHIN).is_none() {
        let ran = std::process::Command::new("setpriv")
            .args(["--bounding-set=-all", "--inh-caps=-all", "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(WITHIN, "1")
            .status();
        assert!(ran.unwrap().success());
        return;
    }
    let ground = Ground::new();
    ground.file("d/f", "1").file("e/f", "1").mode("d", 0o000);
    tick();
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    let one = Reason::Unreadable {
        directories: 1,
        one: ground.at("d"),
    };
    assert_eq!(follow.since(&mark).incomplete, [one]);
    ground.mode("d", 0o755).file("d/f", "12");
    let changes = follow.since(&mark);
    assert!(changes.incomplete.is_empty());
    let told = lines(&changes);
    assert_eq!(told, ["mode d 0 to 755 Directory", "modified d/f - 2"]);
    let mark = follow.mark();
    ground.remove("d/f");
    assert_eq!(lines(&follow.since(&mark)), ["deleted d/f 2 -"]);
}

#[test]
fn a_change_is_told_with_what_was_before() {
    let ground = Ground::new();
    ground.file("f", "one");
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    let snapshot = Snapshot::take([&ground.0], Options::default());
    ground.file("f", "more");
    for (_, roots) in [follow.since_in_detail(&mark), snapshot.changes_in_detail()] {
        let [told] = &roots[0].details[..] else {
            panic!("{roots:?}");
        };
        assert_eq!(told.path, std::path::Path::new("f"));
        assert!(matches!(told.before, Before::Stood(before) if before.size == 3));
        assert_eq!(told.after.unwrap().size, 4);
    }
}

/// Deeper than a path can say.
#[test]
fn what_lies_too_deep_is_told_and_costs_no_more() {
    let ground = Ground::new();
    ground.file("f", "1");
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    let snapshot = Snapshot::take([&ground.0], Options::default());
    let name = "n".repeat(250);
    let mut at = rustix::fs::open(&ground.0, rustix::fs::OFlags::PATH, 0.into()).unwrap();
    for _ in 0..30 {
        rustix::fs::mkdirat(&at, &*name, 0o755.into()).unwrap();
        at = rustix::fs::openat(&at, &*name, rustix::fs::OFlags::PATH, 0.into()).unwrap();
    }
    ground.file("f", "12");
    for changes in [follow.since(&mark), snapshot.changes()] {
        assert!(matches!(
            changes.incomplete[..],
            [Reason::Unreadable { directories: 1, .. }]
        ));
        let counts = changes.roots[0].counts;
        assert_eq!((counts.modified, counts.added), (1, 4096 / 251 + 1));
    }
}

/// In a mount namespace of its own.
#[test]
fn what_is_mounted_inside_is_told_and_not_looked_into() {
    const NAME: &str = "what_is_mounted_inside_is_told_and_not_looked_into";
    const WITHIN: &str = "RINGFENCE_CHANGES_MOUNTS";
    if std::env::var_os(WITHIN).is_none() {
        let own = std::env::current_exe().unwrap();
        let ran = std::process::Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--propagation",
                "private",
                "--",
            ])
            .arg(own)
            .args(["--exact", NAME, "--nocapture"])
            .env(WITHIN, "1")
            .status();
        match ran {
            Ok(status) if status.code() == Some(1) => {
                println!("skipped: needs userns: no mount namespace is to be had");
            }
            Err(error) => println!("skipped: needs unshare: {error}"),
            Ok(status) => assert!(status.success()),
        }
        return;
    }
    let mount = |args: &[&str], to: &std::path::Path| {
        let ran = std::process::Command::new("mount")
            .args(args)
            .arg(to)
            .status();
        assert!(ran.unwrap().success());
    };
    let ground = Ground::new();
    ground.dir("other").dir("again").file("d/f", "1");
    mount(&["-t", "tmpfs", "none"], &ground.at("other"));
    mount(
        &["--bind", ground.at("d").to_str().unwrap()],
        &ground.at("again"),
    );
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    let snapshot = Snapshot::take([&ground.0], Options::default());
    ground.file("other/f", "1").file("again/f", "12");
    for changes in [follow.since(&mark), snapshot.changes()] {
        assert!(matches!(
            changes.incomplete[..],
            [Reason::OtherMount { directories: 2, .. }]
        ));
        // One file, at the place where it was found first.
        let told = lines(&changes);
        assert!(
            told == ["modified d/f 1 2"] || told == ["modified again/f 1 2"],
            "{told:?}"
        );
    }
    // A filesystem that is a root itself is told as that.
    let roots = [ground.0.clone(), ground.at("other")];
    let follow = Follow::start(&roots, Options::default());
    assert!(follow.walked(LONG));
    let mark = follow.mark();
    ground.file("other/f", "12");
    let changes = follow.since(&mark);
    assert_eq!(changes.roots[0].counts.all(), 0);
    assert_eq!(changes.roots[1].counts.modified, 1);
    for at in ["other", "again"] {
        let ran = std::process::Command::new("umount")
            // Whoever follows a root holds it.
            .arg("--lazy")
            .arg(ground.at(at))
            .status();
        assert!(ran.unwrap().success());
    }
}
