//! The table: everything that is tried, one row each.

mod desktop;
mod hide;
mod ipc;
mod lifetime;
mod network;
mod place;
mod process;
mod protect;
mod registry;
mod ringfence;
mod write;

pub use lifetime::linger;

use crate::row::Row;

const PARTS: &[&[Row]] = &[
    write::ROWS,
    protect::ROWS,
    hide::ROWS,
    process::ROWS,
    ipc::ROWS,
    desktop::ROWS,
    registry::ROWS,
    network::ROWS,
    lifetime::ROWS,
    ringfence::ROWS,
];

const fn count() -> usize {
    let (mut total, mut part) = (0, 0);
    while part < PARTS.len() {
        total += PARTS[part].len();
        part += 1;
    }
    total
}

const fn joined() -> [Row; count()] {
    let mut rows = [PARTS[0][0]; count()];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut row = 0;
        while row < PARTS[part].len() {
            rows[at] = PARTS[part][row];
            at += 1;
            row += 1;
        }
        part += 1;
    }
    rows
}

static ROWS: [Row; count()] = joined();

/// Every row.
pub static TABLE: &[Row] = &ROWS;

/// The row of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::TABLE;
    use crate::row::Judged;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn names_are_unique_and_plain() {
        let mut seen = HashSet::new();
        for row in TABLE {
            assert!(seen.insert(row.name), "{} stands twice", row.name);
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
            };
            assert!(row.name.bytes().all(plain), "{}", row.name);
            assert!(
                !row.what.is_empty() && !row.promise.is_empty(),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn no_two_rows_try_the_same() {
        let mut seen = HashMap::new();
        for row in TABLE {
            let key = (row.attempt as usize, row.argument);
            if let Some(other) = seen.insert(key, row.name) {
                panic!("{} and {other} try the same", row.name);
            }
        }
    }

    /// The attempts of the system crate are there to be made: one that no row makes proves nothing.
    #[test]
    fn every_attempt_is_made_by_a_row() {
        let ours = concat!(
            include_str!("desktop.rs"),
            include_str!("ipc.rs"),
            include_str!("process.rs"),
            include_str!("../arena/mod.rs"),
        );
        for module in [
            include_str!("../../../../../crates/sys-windows/src/attempt/clipboard.rs"),
            include_str!("../../../../../crates/sys-windows/src/attempt/console.rs"),
            include_str!("../../../../../crates/sys-windows/src/attempt/files.rs"),
            include_str!("../../../../../crates/sys-windows/src/attempt/processes.rs"),
        ] {
            for line in module
                .lines()
                .filter_map(|line| line.strip_prefix("pub fn "))
            {
                let (name, _) = line.split_once('(').unwrap();
                assert!(ours.contains(&format!("{name}(")), "no row makes {name}");
            }
        }
    }

    #[test]
    fn what_is_judged_after_has_a_judge() {
        for row in TABLE {
            assert_eq!(
                row.judged == Judged::After,
                row.judge.is_some(),
                "{}",
                row.name
            );
        }
    }
}
