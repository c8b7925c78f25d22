//! What holds of every plan: proved over directory trees with hostile descriptors, and shown to be proved by plans that are
//! wrong on purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use ringfence_nt_access::Mask;
use ringfence_nt_access::file_right;

mod faults;
mod holds;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod tree;

use faults::Faults;
use tree::Tree;

/// All rights by which something changes.
const CHANGES: Mask = Mask(0x0000_0116)
    .or(file_right::DELETE_CHILD)
    .or(Mask::DELETE)
    .or(Mask::WRITE_DAC)
    .or(Mask::WRITE_OWNER);
/// Those that a restricted token is not asked twice about.
const BY_DIRECTORY: Mask = file_right::DELETE_CHILD.or(Mask::DELETE);
/// What work in a write root needs.
const WORK: Mask = Mask(0x0013_01bf);

/// So many trees: 10,000 where nothing else is said.
fn trees() -> u64 {
    std::env::var("RINGFENCE_TREES").map_or(10_000, |trees| trees.parse().unwrap())
}

#[test]
fn no_tree_is_planned_wrongly() {
    let trees = trees();
    let policy = tree::accepting_all();
    let mut told = tree::Told::default();
    for seed in 0..trees {
        for elevated in [false, true] {
            let tree = Tree::random(seed, elevated);
            if let Err(wrong) = tree.check(&policy, Faults::default(), &mut told) {
                panic!("seed {seed}, elevated: {elevated}: {wrong}");
            }
        }
    }
    println!("{told:?}");
    // What is looked for was there.
    assert!(told.deleted > trees / 10, "{told:?}");
    assert!(told.written > trees / 100, "{told:?}");
    assert!(told.stamped > trees * 3, "{told:?}");
    assert!(told.left > trees / 10, "{told:?}");
    assert!(told.linked > trees / 2, "{told:?}");
}

/// Plans that are wrong, each in one way, are found by the same check.
#[test]
fn each_wrong_plan_is_found() {
    let policy = tree::accepting_all();
    for (name, faults, elevated) in Faults::all() {
        let found = (0..2_000).find(|seed| {
            let tree = Tree::random(*seed, elevated);
            tree.check(&policy, faults, &mut tree::Told::default())
                .is_err()
        });
        println!("{name}: {found:?}");
        assert!(found.is_some(), "{name} is not found");
    }
}
