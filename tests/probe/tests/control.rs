//! The table itself, outside any ring: what fails here would prove nothing inside.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ringfence_probe::{Answer, Arena, Options, TABLE};
use std::path::PathBuf;

fn arena() -> Arena {
    // Run from an archive, by a user who may not see where it was built, nextest says where it is.
    let probe = std::env::var_os("NEXTEST_BIN_EXE_ringfence-probe")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_ringfence-probe").into());
    let mut options = Options::new(PathBuf::from(probe));
    // A home below `/tmp` is no place for an arena; that is seen where root runs tests, who may write this.
    if std::env::var_os("HOME").is_none_or(|home| PathBuf::from(home).starts_with("/tmp")) {
        options.base = Some(PathBuf::from("/var/lib"));
    }
    Arena::make(&options).expect("an arena")
}

/// Every row works outside, or says which need is not met, or is refused by this very machine (a kernel without that
/// family, a container without that capability). None may be at a loss.
#[test]
fn every_row_works_outside_or_says_why() {
    let arena = arena();
    let (mut works, mut lost) = (0, Vec::new());
    for row in TABLE {
        match arena.control(row) {
            Err(reason) => println!("not tried here: {}: {reason:?}", row.name),
            Ok(tried) => match tried.answer {
                Answer::Allowed => works += 1,
                Answer::Denied => println!("this machine refuses {}: {}", row.name, tried.detail),
                Answer::NotFound | Answer::CouldNotTry => {
                    lost.push(format!("{}: {}", row.name, tried.detail))
                }
            },
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(works >= 200, "only {works} rows work outside");
}

/// Dropping the arena leaves no directory and no process.
#[test]
fn an_arena_leaves_nothing() {
    let arena = arena();
    let facts = arena.facts().clone();
    assert!(facts.workspace.join(".git/HEAD").exists());
    assert!(PathBuf::from(format!("/proc/{}", facts.victim)).exists());
    drop(arena);
    for path in [&facts.root, &facts.tmp] {
        assert!(!path.exists(), "{} is left", path.display());
    }
    let marker = facts.marker("victim");
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let found = line
            .windows(marker.len())
            .any(|window| window == marker.as_bytes());
        assert!(!found, "{} is left", entry.path().display());
    }
}
