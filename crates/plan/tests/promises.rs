//! The list of promises is whole: what is named is listed, and what is listed is used.
#![allow(clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;

use ringfence_plan::promise::{self, ALL, is_known};

const LIST: &str = include_str!("../src/promise.rs");
const PLANNERS: [&str; 3] = [
    include_str!("../src/namespaces.rs"),
    include_str!("../src/landlock_only.rs"),
    include_str!("../src/windows/ring.rs"),
];

/// Constant and name of each promise, as they are written.
fn written() -> Vec<(&'static str, &'static str)> {
    LIST.lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = \""))
        .map(|(constant, rest)| (constant, rest.trim_end_matches("\";")))
        .collect()
}

#[test]
fn every_promise_is_in_the_list_once() {
    let names: BTreeSet<&str> = written().iter().map(|(_, name)| *name).collect();
    assert!(names.len() > 20, "the source is read: {names:?}");
    assert_eq!(names, ALL.iter().copied().collect());
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn every_promise_is_one_that_a_planner_gives() {
    for (constant, name) in written() {
        // What the harness keeps, and no ring.
        if name == promise::LEDGER {
            continue;
        }
        let used = PLANNERS.iter().any(|source| {
            source
                .split(&format!("promise::{constant}"))
                .skip(1)
                .any(|after| !after.starts_with(|c: char| c == '_' || c.is_ascii_uppercase()))
        });
        assert!(used, "no planner uses {constant} ({name})");
    }
}

#[test]
fn names_and_groups_are_known_and_nothing_else() {
    for name in ALL {
        assert!(is_known(name));
        let group = name.split('.').next().expect("a name");
        assert!(is_known(group));
        assert!(!is_known(&format!("{name}.")));
        assert!(!is_known(&format!("{name}x")));
    }
    for wrong in ["", ".", "prot", "protect.", "git", "all", "*", "PROTECT"] {
        assert!(!is_known(wrong), "{wrong:?}");
    }
}
