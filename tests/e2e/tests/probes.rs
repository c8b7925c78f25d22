//! The probe's table, all of it, as root and as an ordinary user: nothing gets out of the default ring, and what gets
//! out of a landlock-only one was refused by name before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use ringfence_e2e::{Workspace, binaries, rings};
use serde_json::Value;

/// Rows that some machines cannot do outside either (a kernel built without that family, a container without that
/// device), so that they prove nothing there. Any other row must be tried.
const MAY_BE_IMPOSSIBLE: &[&str] = &[
    "family.",
    "device.",
    "host.",
    "kernel.",
    "ns.enter-",
    "privilege.limit",
    "write.init-root",
    // Directories in which case does not matter are few, and so are delegated groups.
    "protect.hook-case",
    "limit.memory-sum",
];

/// The account made for the tests may not write the directory of the binaries.
const IMPOSSIBLE_TO_A_USER: &[&str] = &["self."];

/// A ring that keeps less.
const LESS: &[&str] = &["--linux-mode", "landlock-only"];

/// The table as tried in rings made with these flags: what each row said.
fn verify(ws: &Workspace, flags: &[&str]) -> BTreeMap<String, Value> {
    let found = binaries();
    let mut argv: Vec<PathBuf> = vec![found.probe.clone(), "verify".into(), "--json".into()];
    argv.extend(["--ringfence".into(), found.ringfence.clone(), "--".into()]);
    argv.extend(flags.iter().map(PathBuf::from));
    let done = ws.bare(argv).run();
    let rows: BTreeMap<String, Value> = done
        .out()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| (row["probe"].as_str().unwrap().to_owned(), row))
        .collect();
    assert!(rows.len() > 300, "only {} rows: {done}", rows.len());
    rows
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

rings! {
    nothing_gets_out needs ["userns"] |ws| {
        let root = ws.person.is_root();
        let rows = verify(ws, &[]);
        let mut wrong = Vec::new();
        let mut kept = 0;
        for (name, row) in &rows {
            let detail = text(row, "detail");
            let excused = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
            match text(row, "verdict") {
                "kept" => kept += 1,
                "untried" if excused(MAY_BE_IMPOSSIBLE) => println!("not tried here: {name}: {detail}"),
                "untried" if !root && (detail.starts_with("only root could") || excused(IMPOSSIBLE_TO_A_USER)) => {}
                verdict => wrong.push(format!("{verdict}: {name}: {detail}")),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        // A table that has nothing to try any more is no proof.
        assert!(kept >= if root { 330 } else { 240 }, "only {kept} rows were stopped");
    }

    /// Landlock alone cannot keep everything: each row that gets out was refused before, for that very promise.
    landlock_only_refuses_what_it_cannot_keep needs ["landlock>=4"] |ws| {
        let refused = verify(ws, LESS);
        let mut lacking = std::collections::BTreeSet::new();
        for (name, row) in &refused {
            assert_eq!(text(row, "verdict"), "untried", "{name} ran without a word: {row}");
            for line in text(row, "detail").split("; ") {
                if let Some((promise, _)) = line.trim_start().split_once(": ")
                    && !promise.contains(' ') {
                    lacking.insert(promise.to_owned());
                }
            }
        }
        let mut flags: Vec<&str> = LESS.to_vec();
        for promise in &lacking {
            flags.extend(["--accept", promise]);
        }
        let (mut wrong, mut out, mut kept) = (Vec::new(), 0, 0);
        for (name, row) in verify(ws, &flags) {
            let said = text(&refused[&name], "detail");
            let named = said.contains(&format!("  {}: ", text(&row, "promise")));
            match text(&row, "verdict") {
                "kept" => kept += 1,
                "broken" if named => out += 1,
                "untried" if text(&row, "control") != "Allowed" => {}
                verdict => wrong.push(format!("{verdict}: {name} ({}): {}", text(&row, "promise"), text(&row, "detail"))),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(kept >= 120, "only {kept} rows were stopped");
        // As long as Landlock can only grant, some do get out; if not, this test has lost its teeth.
        assert!(out >= 20, "only {out} rows got out");
    }
}
