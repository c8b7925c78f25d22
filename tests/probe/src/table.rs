//! The table: everything that is tried, one row each.

mod descriptor;
mod device;
mod hide;
mod host;
mod ipc;
mod kernel;
mod lifetime;
mod limit;
mod mount;
mod network;
mod place;
mod privilege;
mod process;
mod protect;
mod ringfence;
mod socket;
mod write;

pub use lifetime::linger;
pub use limit::{hold_memory, report_identity};

use crate::row::Row;

const PARTS: &[&[Row]] = &[
    write::ROWS,
    descriptor::ROWS,
    protect::ROWS,
    hide::ROWS,
    mount::ROWS,
    process::ROWS,
    socket::ROWS,
    network::ROWS,
    kernel::ROWS,
    ipc::ROWS,
    device::ROWS,
    host::ROWS,
    privilege::ROWS,
    lifetime::ROWS,
    limit::ROWS,
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
            assert!(
                row.name.bytes().all(|byte| byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || b".-".contains(&byte)),
                "{}",
                row.name
            );
            assert!(
                !row.what.is_empty() && !row.promise.is_empty(),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_table_is_large_enough() {
        assert!(TABLE.len() >= 80, "{}", TABLE.len());
    }

    #[test]
    fn no_two_rows_try_the_same() {
        let mut seen = HashMap::new();
        for row in TABLE {
            let key = (
                row.attempt as usize,
                row.argument,
                format!("{:?}{:?}{:?}", row.stdin, row.extra, row.flags),
            );
            if let Some(other) = seen.insert(key, row.name) {
                panic!("{} and {other} try the same", row.name);
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

    /// The attempts of the system crate are there to be made: one that no row makes proves nothing.
    #[test]
    fn every_attempt_is_made_by_a_row() {
        let source = |path: &str| {
            std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        let mut ours = String::new();
        for dir in ["src", "src/table", "src/arena"] {
            for entry in std::fs::read_dir(format!("{}/{dir}", env!("CARGO_MANIFEST_DIR"))).unwrap()
            {
                let path = entry.unwrap().path();
                if path.is_file() {
                    ours.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        for module in [
            "files",
            "ipc",
            "kernel",
            "launch",
            "mounts",
            "namespaces",
            "privilege",
            "processes",
            "sockets",
            "terminal",
        ] {
            let text = source(&format!("../../crates/sys-linux/src/attempt/{module}.rs"));
            for line in text.lines().filter_map(|line| line.strip_prefix("pub fn ")) {
                let name = line.split(['(', '<']).next().unwrap();
                assert!(
                    ours.contains(&format!("{module}::{name}")),
                    "no row makes {module}::{name}"
                );
            }
        }
    }
}
