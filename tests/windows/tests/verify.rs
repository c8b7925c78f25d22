//! The verdict on rings whose verdict is known, by the probe's own program and by `ringfence.exe verify`.
#![cfg(windows)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ringfence_sys_windows::console::{PseudoConsole, Size};
use ringfence_sys_windows::process::Start;
use serde_json::Value;

fn ring() -> PathBuf {
    // Where nextest unpacked it; where it was built others may not look.
    let unpacked = std::env::var_os("NEXTEST_BIN_EXE_ringfence-test-ring");
    unpacked.map_or_else(
        || env!("CARGO_BIN_EXE_ringfence-test-ring").into(),
        PathBuf::from,
    )
}

/// Another program, which is built beside it.
fn beside(name: &str) -> PathBuf {
    let program = ring().with_file_name(name);
    assert!(program.exists(), "{} is not built", program.display());
    program
}

/// How the probe ended, and its rows.
fn verified(kind: &str, only: &str) -> (Option<i32>, Vec<Value>) {
    let output = Command::new(beside("ringfence-probe.exe"))
        .args(["verify", "--json", "--only", only, "--ringfence"])
        .arg(ring())
        .env("RINGFENCE_TEST_RING", kind)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), rows(&output))
}

fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

/// Tries rows in a ring that keeps nothing: how many are broken, which is each that works outside.
fn broken(only: &str) -> usize {
    let (code, rows) = verified("nothing", only);
    let mut broken = 0;
    for row in &rows {
        // What does not work outside says why, and is not held against the ring.
        let expected = if row["control"] == "Allowed" {
            broken += 1;
            "broken"
        } else {
            assert_ne!(row["detail"], "", "{row}");
            "untried"
        };
        assert_eq!(row["verdict"], expected, "{row}");
    }
    println!("{only}: {broken} of {} broken", rows.len());
    assert_eq!(code, Some(1));
    broken
}

#[test]
fn a_ring_that_keeps_nothing_is_broken_in_every_row_about_writing() {
    assert!(broken("write.*") >= 30);
}

#[test]
fn a_ring_that_keeps_nothing_is_broken_in_every_row_about_what_is_protected_and_hidden() {
    assert!(broken("protect.*") >= 25);
    assert!(broken("hide.*") >= 15);
}

#[test]
fn a_ring_that_keeps_nothing_is_broken_in_every_other_row() {
    for (only, least) in [
        ("process.*", 8),
        ("ipc.*", 4),
        ("desktop.*", 3),
        ("registry.*", 6),
        ("network.*", 3),
        ("survive.*", 4),
        ("self.*", 5),
    ] {
        assert!(broken(only) >= least, "{only}");
    }
}

#[test]
fn a_ring_that_keeps_everything_holds() {
    let (code, rows) = verified("everything", "write.*");
    assert_eq!(code, Some(0), "{rows:?}");
    assert!(rows.iter().any(|row| row["verdict"] == "kept"));
    for row in &rows {
        let kept = row["control"] == "Allowed";
        assert_eq!(
            row["verdict"],
            if kept { "kept" } else { "untried" },
            "{row}"
        );
    }
}

#[test]
fn where_every_ring_is_refused_nothing_is_proved() {
    let (code, rows) = verified("refused", "process.*");
    assert_eq!(code, Some(1), "{rows:?}");
    for row in &rows {
        assert_eq!(row["verdict"], "untried", "{row}");
    }
    let refused = "the ring refused: ringfence: the test refuses";
    assert!(rows.iter().any(|row| row["detail"] == refused), "{rows:?}");
}

/// `ringfence.exe run` refuses until something is accepted, under Wine and as the user.
#[test]
fn the_program_says_that_every_ring_was_refused() {
    let verify = |words: &[&str]| {
        let mut command = Command::new(beside("ringfence.exe"));
        command.arg("verify").args(words).env_remove("RINGFENCE");
        command.stdin(Stdio::null()).output().unwrap()
    };
    let said = verify(&["--only", "ipc.*", "--json"]);
    let mut found = rows(&said);
    let tally = found.pop().unwrap();
    assert_eq!(
        (&tally["rows"], &tally["broken"]),
        (&4.into(), &0.into()),
        "{tally}"
    );
    assert!(found.iter().all(|row| row["what"] != ""), "{found:?}");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    let refused = tally["untried"] == 4;
    println!("refused: {refused}");
    if refused {
        assert_eq!(said.status.code(), Some(1), "{words}");
        assert!(
            words.contains("every ring was refused, so that nothing was proved"),
            "{words}"
        );
    }
    let none = verify(&["--only", "none.*"]);
    assert_eq!(none.status.code(), Some(125));
}

/// In a console the row about typing works outside, where a test has none else.
#[test]
fn what_is_typed_on_the_callers_console_is_seen() {
    let probe = beside("ringfence-probe.exe");
    // Under Wine the path is the host's, and `cmd` takes a slash for an option.
    let probe = std::path::absolute(probe.to_str().unwrap().replace('/', "\\")).unwrap();
    let said = std::env::temp_dir().join(format!("rf-typed-{}.txt", std::process::id()));
    let line = format!(
        "cmd.exe /d /s /c \"\"{}\" control --only console.input > \"{}\"\"",
        probe.display(),
        said.display()
    );
    let cmd = std::env::var_os("ComSpec").unwrap();
    let size = Size {
        columns: 80,
        rows: 25,
    };
    let (console, ends) = PseudoConsole::create(size).unwrap();
    let started = Start {
        console: Some(&console),
        ..Start::new(Path::new(&cmd), OsStr::new(&line))
    };
    let started = started.start().unwrap();
    let mut output = File::from(ends.output);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ends = output.read_to_end(&mut all);
        all
    });
    let code = started.process.wait(None).unwrap();
    drop(console);
    let shown = reader.join().unwrap();
    let text = std::fs::read_to_string(&said).unwrap_or_default();
    let _removed = std::fs::remove_file(&said);
    let shown = String::from_utf8_lossy(&shown);
    assert!(
        text.contains("works   console.input"),
        "{code:?}: {text} {shown}"
    );
}
