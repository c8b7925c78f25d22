//! The probe's table, all of it, as root and as an ordinary user: nothing gets out of the default ring, whether it is
//! made for one command or stays, and what gets out of a landlock-only one was refused by name before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// As which commands of a ring that stays the rows are tried.
const AT: [u32; 2] = [2, 500];

/// What a row says that proves nothing here, and may.
fn may_be_untried(ws: &Workspace, name: &str, detail: &str) -> bool {
    let excused = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    if excused(MAY_BE_IMPOSSIBLE) {
        println!("not tried here: {name}: {detail}");
        return true;
    }
    !ws.person.is_root() && (detail.starts_with("only root could") || excused(IMPOSSIBLE_TO_A_USER))
}

/// A table that has nothing to try any more is no proof: so many rows are stopped at least.
fn enough(ws: &Workspace) -> usize {
    if ws.person.is_root() { 330 } else { 240 }
}

/// Rows as tried in rings that stay, which this program makes.
fn verify_stays(ws: &Workspace, program: &Path, only: &str) -> Vec<Value> {
    let found = binaries();
    let mut argv: Vec<PathBuf> = vec![found.probe.clone(), "verify".into(), "--json".into()];
    argv.extend(["--ringfence".into(), found.ringfence.clone()]);
    argv.extend([
        "--stays".into(),
        program.into(),
        "--only".into(),
        only.into(),
    ]);
    for at in AT {
        argv.extend(["--at".into(), at.to_string().into()]);
    }
    let done = ws.bare(argv).run();
    // Its last word; one that ended before says why.
    assert!(done.err().contains(" kept, "), "{done}");
    let rows: Vec<Value> = done
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!rows.is_empty(), "{done}");
    rows
}

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
        let rows = verify(ws, &[]);
        let mut wrong = Vec::new();
        let mut kept = 0;
        for (name, row) in &rows {
            let detail = text(row, "detail");
            match text(row, "verdict") {
                "kept" => kept += 1,
                "untried" if may_be_untried(ws, name, detail) => {}
                verdict => wrong.push(format!("{verdict}: {name}: {detail}")),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(kept >= enough(ws), "only {kept} rows were stopped");
    }

    /// Each row is stopped as the second command of a ring that stays, or one soon after it, and as one after the
    /// 499th. No row is passed over for what commands of one ring may do to each other (ADR 6): all of the table is
    /// about what is outside of the ring.
    nothing_gets_out_of_a_ring_that_stays needs ["userns"] |ws| {
        let (mut wrong, mut seen) = (Vec::new(), Vec::new());
        let mut kept = BTreeMap::new();
        for row in verify_stays(ws, &binaries().stays, "*") {
            let (name, detail) = (text(&row, "probe"), text(&row, "detail"));
            let at = row["at"].as_u64().unwrap();
            seen.push((at, name.to_owned()));
            match text(&row, "verdict") {
                "kept" => *kept.entry(at).or_insert(0) += 1,
                "untried" if may_be_untried(ws, name, detail) => {}
                verdict => wrong.push(format!("{verdict}: {name} after {at}: {detail}")),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(kept.len(), AT.len(), "{kept:?}");
        assert!(kept.values().all(|kept| *kept >= enough(ws)), "{kept:?} rows were stopped");
        // Every row of the table was tried, or said why not, as often.
        let listed = ws.bare([binaries().probe.as_os_str(), "list".as_ref(), "--json".as_ref()]).ok();
        let mut all: Vec<(u64, String)> = Vec::new();
        for line in listed.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            all.extend(AT.map(|at| (u64::from(at), text(&row, "probe").to_owned())));
        }
        all.sort();
        seen.sort();
        assert_eq!(seen, all);
    }

    /// The same test has teeth: of a "ring that stays" that is none, all gets out.
    what_is_no_ring_that_stays_is_found needs ["userns"] |ws| {
        let script = "#!/bin/sh
            case $1 in
                hold) echo held; cat > /dev/null;;
                fill) ;;
                in) shift 2; exec \"$@\";;
                one) while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\";;
            esac";
        let none = ws.file("none", script);
        std::fs::set_permissions(&none, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for only in ["process.vm*", "write.*", "stdin.*", "net*"] {
            let rows = verify_stays(ws, &none, only);
            let tried: Vec<&Value> = rows.iter().filter(|row| row["control"] == "Allowed").collect();
            let kept: Vec<_> = tried.iter().filter(|row| row["verdict"] != "broken").collect();
            assert!(!tried.is_empty() && kept.is_empty(), "{only}: {kept:#?}");
        }
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
