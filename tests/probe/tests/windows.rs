//! The table for Windows itself, outside any ring: what fails here would prove nothing inside.
#![cfg(windows)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ringfence_probe::{Answer, Arena, Need, Options, Reason, TABLE};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn probe() -> PathBuf {
    // Run from an archive, by a user who may not see where it was built, nextest says where it is.
    let probe = std::env::var_os("NEXTEST_BIN_EXE_ringfence-probe")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_ringfence-probe").into());
    PathBuf::from(probe)
}

fn arena() -> Arena {
    Arena::make(&Options::new(probe())).expect("an arena")
}

/// What Wine does not have, besides what [`Need`]s tell: places and names that are not there, and a text on the clipboard.
const NOT_IN_WINE: [&str; 6] = [
    "write.global-root",
    "write.machine-keys",
    "write.windows-tracing",
    "protect.global-root",
    "desktop.clipboard",
    "registry.classes",
];

/// Every row works outside, or says which need is not met. None may be at a loss but those above, whose reason is told too.
#[test]
fn every_row_works_outside_or_says_why() {
    let arena = arena();
    let (mut works, mut lost) = (0, Vec::new());
    for row in TABLE {
        match arena.control(row) {
            Ok(tried) if tried.answer == Answer::Allowed => works += 1,
            Ok(tried) => {
                println!(
                    "fails here: {}: {:?}: {}",
                    row.name, tried.answer, tried.detail
                );
                if !NOT_IN_WINE.contains(&row.name) {
                    lost.push(row.name);
                }
            }
            Err(reason @ Reason::Need(..)) => println!("not tried: {}: {reason:?}", row.name),
            Err(reason) => panic!("{}: {reason:?}", row.name),
        }
    }
    println!("{works} of {} work", TABLE.len());
    // On Windows itself a machine may refuse more (C:\Windows is bounded by its owner), but little.
    let most = if arena.unmet(Need::Streams).is_some() {
        0
    } else {
        5
    };
    assert!(lost.len() <= most, "{lost:#?}");
    assert!(works >= 110, "only {works} rows work outside");
}

/// Dropping the arena leaves no directory.
#[test]
fn an_arena_leaves_nothing() {
    let arena = arena();
    let root = arena.facts().root.clone();
    assert!(arena.facts().workspace.join(r".git\HEAD").exists());
    drop(arena);
    assert!(!root.exists(), "{} is left", root.display());
}

/// Killed in the midst of it, the probe takes everything along all the same.
#[test]
fn a_probe_that_is_killed_leaves_nothing() {
    let base = std::env::temp_dir().join(format!("rf-killed-{}", std::process::id()));
    std::fs::create_dir_all(&base).unwrap();
    let within = |done: &dyn Fn() -> bool, what: &str| {
        let end = Instant::now() + Duration::from_secs(40);
        while !done() {
            assert!(Instant::now() < end, "{what}");
            std::thread::yield_now();
        }
    };
    let arenas = || std::fs::read_dir(&base).unwrap().flatten();
    let mut probe = Command::new(probe())
        // It never ends by itself: its only row waits for a word that nobody says.
        .args([
            "verify",
            "--ring",
            "cmd /d /k",
            "--only",
            "write.existing",
            "--base",
        ])
        .arg(&base)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let laid_out = || arenas().any(|arena| arena.path().join(r"outside\file.txt").exists());
    within(&laid_out, "there is no arena");
    probe.kill().unwrap();
    probe.wait().unwrap();
    within(&|| arenas().next().is_none(), "the arena is left");
    std::fs::remove_dir(&base).unwrap();
}
