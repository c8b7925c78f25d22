//! `docs/reference/` says what the program says, word for word.
#![cfg(target_os = "linux")] // the pages are made there
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};

const UPDATE: &str =
    "out of date: run `cargo xtask ci --only reference --fix` and review the change";

/// What the program prints, whatever the caller's terminal and environment are.
fn said(words: &[&str]) -> String {
    // An archive of tests that was unpacked elsewhere says where the program is.
    let program = std::env::var_os("NEXTEST_BIN_EXE_ringfence")
        .map_or_else(|| env!("CARGO_BIN_EXE_ringfence").into(), PathBuf::from);
    let output = Command::new(program)
        .args(words)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn kept(file: &str) -> (PathBuf, String) {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let path = here.join("../../docs/reference").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    (path, text)
}

/// The help of a command, and of each below it, in the form the reference has.
fn help(words: &[&str], text: &mut String) {
    let said = said(&[words, &["--help"]].concat());
    let title = [&["ringfence"], words].concat().join(" ");
    text.push_str(&format!("$ {title} --help\n{}\n\n", said.trim_end()));
    let commands = said
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    for command in commands {
        help(&[words, &[command]].concat(), text);
    }
}

#[test]
fn the_reference_of_the_commands_is_what_they_say() {
    let mut now = String::new();
    help(&[], &mut now);
    let (path, text) = kept("cli.txt");
    assert!(text == now, "{}: {UPDATE}", path.display());
}

#[test]
fn the_schema_is_what_the_program_prints() {
    let (path, text) = kept("policy.schema.json");
    assert!(
        text == said(&["policy", "schema"]),
        "{}: {UPDATE}",
        path.display()
    );
}

#[test]
fn every_command_has_completions_and_a_page() {
    let dir = std::env::temp_dir().join(format!("ringfence-man-{}", std::process::id()));
    said(&["man", "--dir", dir.to_str().unwrap()]);
    let completions = said(&["completions", "bash"]);
    for command in [
        "run", "shell", "why", "doctor", "verify", "policy", "trust", "untrust", "caches", "hook",
        "shim",
    ] {
        let page = std::fs::read_to_string(dir.join(format!("ringfence-{command}.1")));
        assert!(page.is_ok_and(|page| page.contains(".TH ")), "{command}");
        assert!(completions.contains(command), "{command}");
    }
    assert!(said(&["man"]).contains("ringfence"));
    std::fs::remove_dir_all(dir).unwrap();
}
