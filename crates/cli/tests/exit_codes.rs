//! Exit codes and streams of the real binary. What takes a ring is skipped, with a reason,
//! where the runner is not beside it, unless `RINGFENCE_EXPECT` promises otherwise.
#![cfg(target_os = "linux")] // where rings are
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The program: the one with the runner beside it, where `cargo xtask test` says which.
fn binary() -> PathBuf {
    std::env::var_os("RINGFENCE_BIN")
        .or_else(|| std::env::var_os("NEXTEST_BIN_EXE_ringfence"))
        .map_or_else(|| env!("CARGO_BIN_EXE_ringfence").into(), PathBuf::from)
}

/// A person with a home and a workspace, and nothing else.
struct Person {
    dir: PathBuf,
}

impl Person {
    fn new(name: &str) -> Person {
        let dir = std::env::temp_dir().join(format!("ringfence-cli-{name}-{}", std::process::id()));
        let _none = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("home/ws")).unwrap();
        Person {
            dir: std::fs::canonicalize(dir).unwrap(),
        }
    }

    fn at(&self, below: &str) -> PathBuf {
        self.dir.join("home").join(below)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(words)
            .current_dir(self.at("ws"))
            .env_clear()
            .env("HOME", self.at(""))
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command
    }

    fn says(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the program starts")
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.dir);
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether rings can be made here: the runner is there, and doctor says so.
fn rings(person: &Person) -> bool {
    let runner = binary().with_file_name("ringfence-runner");
    let why = if !runner.is_file() {
        format!("{} is missing", runner.display())
    } else if person.says(&["doctor"]).status.code() != Some(0) {
        "no ring can be made here".to_owned()
    } else {
        return true;
    };
    assert!(
        std::env::var_os("RINGFENCE_EXPECT").is_none(),
        "RINGFENCE_EXPECT is set, and {why}"
    );
    eprintln!("skipped: {why}");
    false
}

#[test]
fn what_is_typed_wrong_is_125_and_one_line() {
    let person = Person::new("usage");
    for words in [
        &["ls", "-l"][..],
        &["run"],
        &["run", "--wriet", "x", "--", "true"],
        &["run", "--mode", "all", "--", "true"],
        &["why"],
        &["completions", "cmd"],
        &["caches", "clear", "--tool", "npmm"],
        &["policy", "init", "--user", "--project"],
        &["shim"],
        &["shim", "../d", "--shell", "a/b"],
    ] {
        let output = person.says(words);
        assert_eq!(output.status.code(), Some(125), "{words:?}");
        let said = err(&output);
        assert!(said.starts_with("ringfence: "), "{words:?}: {said}");
        assert!(said.ends_with(" --help`\n"), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
        assert_eq!(out(&output), "", "{words:?}");
    }
    for words in [&[][..], &["policy"], &["caches"]] {
        let output = person.says(words);
        assert_eq!(output.status.code(), Some(125), "{words:?}");
        assert!(err(&output).contains("Usage: ringfence"), "{words:?}");
    }
}

#[test]
fn what_is_asked_for_is_0_on_stdout() {
    let person = Person::new("asked");
    for words in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["policy", "show"],
        &["policy", "check"],
        &["caches", "list"],
    ] {
        let output = person.says(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", err(&output));
        assert_ne!(out(&output), "", "{words:?}");
        assert_eq!(err(&output), "", "{words:?}");
    }
    let version: Value =
        serde_json::from_str(&out(&person.says(&["--version", "--json"]))).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_reader_that_leaves_is_no_reason_to_crash() {
    let person = Person::new("reader");
    for words in [
        &["--help"][..],
        &["policy", "schema"],
        &["policy", "show"],
        &["man"],
        &["completions", "zsh"],
        &["why", "/etc"],
        &["run", "--explain", "--", "true"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = person.command(words).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", err(&output));
        assert_eq!(err(&output), "", "{words:?}");
        assert_eq!(output.status.signal(), None);
    }
}

#[test]
fn a_policy_is_begun_checked_and_trusted() {
    let person = Person::new("policy");
    let file = person.at("ws/.ringfence.toml");
    assert_eq!(person.says(&["policy", "init"]).status.code(), Some(0));
    assert_eq!(person.says(&["policy", "init"]).status.code(), Some(125));
    let begun = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "wrong = 1\nmode = 3\n").unwrap();
    let output = person.says(&["policy", "check"]);
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains(".ringfence.toml:1: ") && said.contains(".ringfence.toml:2: "));
    assert_eq!(
        person.says(&["policy", "init", "--force"]).status.code(),
        Some(0)
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), begun);

    std::fs::write(&file, "[network]\nmode = \"on\"\n").unwrap();
    assert_eq!(person.says(&["policy", "check"]).status.code(), Some(1));
    // Nobody is there to be asked.
    let output = person.says(&["trust"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(out(&output).contains("network.mode"), "{}", out(&output));
    assert_eq!(person.says(&["policy", "check"]).status.code(), Some(1));
    assert_eq!(person.says(&["trust", "--yes"]).status.code(), Some(0));
    assert_eq!(person.says(&["policy", "check"]).status.code(), Some(0));
    // An edit ends it, as does taking it back.
    std::fs::write(&file, "[network]\nmode = \"on\" \n").unwrap();
    assert_eq!(person.says(&["policy", "check"]).status.code(), Some(1));
    assert_eq!(person.says(&["trust", "--yes"]).status.code(), Some(0));
    assert_eq!(person.says(&["untrust"]).status.code(), Some(0));
    assert_eq!(person.says(&["policy", "check"]).status.code(), Some(1));

    std::fs::write(&file, "mode = \"full-access\"\n").unwrap();
    let output = person.says(&["trust", "--yes"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(
        err(&output).contains(".ringfence.toml:1"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_hostile_file_cannot_write_to_the_terminal() {
    let person = Person::new("hostile");
    let file = person.at("ws/.ringfence.toml");
    std::fs::write(&file, "[filesystem]\nprotect = ['a\u{9b}2J'] # \u{1b}[2J\n").unwrap();
    let output = person.says(&["trust", "--yes"]);
    assert!(!out(&output).contains(['\u{1b}', '\u{9b}']));
    assert!(!err(&output).contains(['\u{1b}', '\u{9b}']));
}

#[test]
fn what_is_typed_wrong_is_told_as_json_where_that_was_asked_for() {
    let person = Person::new("typed");
    let told = |words: &[&str]| {
        let output = person.says(words);
        assert_eq!(output.status.code(), Some(125), "{words:?}");
        assert_eq!(out(&output), "");
        let text = err(&output);
        let (line, report) = text.split_once('\n').unwrap();
        (line.to_owned(), report.to_owned())
    };
    for words in [
        &["run", "--json", "--nope", "--", "true"][..],
        &["run", "--pty=maybe", "--json", "--", "true"],
        &["shell", "--json", "--nope"],
        &["run", "--json"],
    ] {
        let (line, report) = told(words);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["exit_code"], 125, "{words:?}");
        assert_eq!(report["ended"]["how"], "failed", "{words:?}");
        let error = report["error"].as_str().unwrap();
        assert_eq!(line, format!("ringfence: {error}"), "{words:?}");
    }
    // Not a word of the command's.
    for words in [
        &["run", "--nope", "--", "echo", "--json"][..],
        &["run", "--nope", "echo", "--json"],
        &["run", "--write", "--json", "--nope"],
    ] {
        assert_eq!(told(words).1, "", "{words:?}");
    }
    let (line, _) = told(&["help", "bogus"]);
    assert!(line.contains("see `ringfence --help`"), "{line}");
    // Which command was meant is known of nested ones too.
    let (line, _) = told(&["policy", "show", "--nope"]);
    assert!(line.contains("ringfence policy show --help"), "{line}");
}

#[test]
fn why_answers_and_makes_nothing() {
    let person = Person::new("why");
    std::fs::create_dir(person.at(".ssh")).unwrap();
    std::fs::write(person.at(".ssh/id_ed25519"), "").unwrap();
    let key = person.at(".ssh/id_ed25519");
    let output = person.says(&[
        "why",
        "--json",
        key.to_str().unwrap(),
        "new",
        "/usr/bin/env",
    ]);
    if output.status.code() == Some(125) && !rings(&person) {
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let answers: Vec<Value> = out(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let decisions: Vec<_> = answers
        .iter()
        .map(|a| {
            (
                a["read"]["decision"].as_str().unwrap(),
                a["write"]["decision"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        decisions,
        [("deny", "deny"), ("allow", "allow"), ("allow", "deny")]
    );
    assert_eq!(answers[0]["remedy"], "--reveal hide.ssh");
    assert_eq!(answers[0]["origin"]["layer"], "built-in");
    // The flags of the policy count, and are named as the reason.
    let output = person.says(&["why", "--json", "--write", "../", "--", "sh", "-c", "true"]);
    assert_eq!(output.status.code(), Some(125), "the home is no write root");
    std::fs::create_dir(person.at("other")).unwrap();
    let output = person.says(&["why", "--json", "--write", "../other", "../other/x"]);
    let answer: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(answer["write"]["decision"], "allow");
    assert_eq!(answer["origin"]["flag"], "--write");
    assert_eq!(
        person.says(&["why", "--", "no-such-program"]).status.code(),
        Some(127)
    );
    assert!(!person.at(".local").exists(), "why made state");
}

#[test]
fn a_command_is_explained_without_its_secrets() {
    let person = Person::new("command");
    let output = person
        .command(&["why", "--json", "--", "sh", "-c", "true"])
        .env("GITHUB_TOKEN", "not-shown")
        .output()
        .unwrap();
    if output.status.code() == Some(125) && !rings(&person) {
        return;
    }
    let answer: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(answer["network"]["mode"], "off");
    assert_eq!(answer["environment"]["dropped"][0]["name"], "GITHUB_TOKEN");
    assert!(answer["program"].as_str().unwrap().ends_with("/sh"));
    assert!(!out(&output).contains("not-shown"));
}

#[test]
fn the_childs_code_and_our_own() {
    let person = Person::new("codes");
    if !rings(&person) {
        return;
    }
    for (words, code) in [
        (&["run", "--", "sh", "-c", "exit 7"][..], 7),
        (&["run", "--", "sh", "-c", "kill -TERM $$"], 143),
        (&["run", "--", "no-such-program"], 127),
        (&["run", "--", "/etc"], 126),
        (&["run", "--timeout", "1s", "--", "sleep", "60"], 124),
        (&["run", "--workspace", "/", "--", "true"], 125),
    ] {
        assert_eq!(person.says(words).status.code(), Some(code), "{words:?}");
    }
}

/// The other way to build a ring, which the machine takes only when it is told to.
#[test]
fn a_ring_without_namespaces_holds_what_is_left() {
    let person = Person::new("landlock");
    if !rings(&person) {
        return;
    }
    let doctor: Value = serde_json::from_str(&out(&person.says(&["doctor", "--json"]))).unwrap();
    if doctor["landlock_abi"].as_u64().unwrap() < 4 {
        eprintln!("skipped: Landlock ABI 4 is missing");
        return;
    }
    std::fs::create_dir(person.at("beside")).unwrap();
    let start = ["run", "--linux-mode", "landlock-only"];
    let script = "echo in > file && ! echo out > ../beside/file";
    let command = ["--", "sh", "-c", script];
    let refused = person.says(&[&start[..], &command].concat());
    assert_eq!(refused.status.code(), Some(125));
    let accept: Vec<&str> = ringfence_plan::promise::ALL
        .iter()
        .flat_map(|name| ["--accept", name])
        .collect();
    let output = person.says(&[&start[..], &accept, &command].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(person.at("ws/file").exists() && !person.at("beside/file").exists());
}

#[test]
fn in_a_ring_answers_say_so() {
    let person = Person::new("inside");
    if !rings(&person) {
        return;
    }
    for (words, code) in [
        ("trust", 125),
        ("caches list", 125),
        ("verify", 125),
        ("shim d", 125),
        ("doctor", 1),
        ("why /etc", 0),
        ("policy show", 0),
    ] {
        let line = format!("exec {} {words}", binary().display());
        let output = person.says(&["run", "--", "sh", "-c", &line]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words}: {}",
            err(&output)
        );
    }
}
