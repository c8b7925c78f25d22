//! What works on Windows without a ring, by the real binary; and that what is not there refuses, and does nothing.
#![cfg(windows)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "windows/managed.rs"]
mod managed;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use ringfence_ledger::{CommandEnded, CommandStarted, Event, Keep, Ledger, RingEnded, Text};
use serde_json::Value;

/// A person with folders and a project, whose names hold blanks and letters beyond ASCII.
struct Person {
    dir: PathBuf,
}

impl Person {
    fn new() -> Person {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rf Zoë 箱 {}-{number}", std::process::id());
        let person = Person {
            dir: std::env::temp_dir().join(name),
        };
        for below in ["home", "roaming", "local", r"home\my project"] {
            std::fs::create_dir_all(person.dir.join(below)).unwrap();
        }
        person
    }

    fn project(&self) -> PathBuf {
        self.dir.join(r"home\my project")
    }

    fn user_file(&self) -> PathBuf {
        self.dir.join(r"roaming\Ringfence\policy.toml")
    }

    fn state(&self) -> PathBuf {
        self.dir.join(r"local\Ringfence")
    }

    fn write_user(&self, text: &str) {
        let file = self.user_file();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        // Where nextest unpacked it; where it was built others may not look.
        let unpacked = std::env::var_os("NEXTEST_BIN_EXE_ringfence");
        let program = unpacked.unwrap_or_else(|| env!("CARGO_BIN_EXE_ringfence").into());
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.project())
            .env("USERPROFILE", self.dir.join("home"))
            .env("APPDATA", self.dir.join("roaming"))
            .env("LOCALAPPDATA", self.dir.join("local"))
            .env_remove("RINGFENCE")
            .stdin(Stdio::null());
        command
    }

    fn says(&self, words: &[&str]) -> Said {
        Said::of(&self.command(words).output().expect("the program starts"))
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.dir);
    }
}

/// How it ended, and what it said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    /// Its own lines on stderr; Wine has others.
    err: Vec<String>,
}

impl Said {
    fn of(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let out = text(&output.stdout);
        assert!(!out.contains('\r'), "a line ends as it does elsewhere");
        let err = text(&output.stderr);
        let err = err.lines().filter(|line| line.starts_with("ringfence: "));
        Said {
            code: output.status.code().expect("it ended by itself"),
            err: err.map(str::to_owned).collect(),
            out,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[test]
fn what_needs_no_place_is_said() {
    let person = Person::new();
    let version = person.says(&["--version"]);
    assert_eq!(version.code, 0);
    assert_eq!(
        version.out,
        format!("ringfence {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        person.says(&["--version", "--json"]).json()["name"],
        "ringfence"
    );
    let help = person.says(&["--help"]);
    assert_eq!(help.code, 0);
    for word in ["run", "policy", "log", "Exit codes"] {
        assert!(help.out.contains(word), "{word}");
    }
    let help = person.says(&["why", "--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("not on Windows yet"), "{help:?}");
    for shell in ["bash", "powershell"] {
        let script = person.says(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains("ringfence"), "{shell}");
    }
    assert!(person.says(&["man"]).out.contains(".TH ringfence"));
    let schema = person.says(&["policy", "schema"]);
    assert!(schema.json()["properties"]["filesystem"].is_object());
    let wrong = person.says(&["ls", "-l"]);
    assert_eq!(wrong.code, 125);
    assert_eq!(wrong.err.len(), 1, "{wrong:?}");
}

#[test]
fn what_is_not_there_refuses_in_one_line_and_does_nothing() {
    let person = Person::new();
    let there = person.project().join("made");
    for words in [
        &["why", r"C:\Users"][..],
        &["serve"],
        &["mcp", "--workspace", "."],
        &["sessions"],
        &["undo-command", "3", "--yes"],
        &["top"],
        &["caches", "clear"],
        &["shim", "--shell", "bash", "made"],
        &["traced", "cmd", "cmd", "/c", "echo x> made"],
    ] {
        let said = person.says(words);
        assert_eq!(said.code, 125, "{words:?}: {said:?}");
        assert_eq!(said.out, "", "{words:?}");
        let [line] = &said.err[..] else {
            panic!("{words:?}: {said:?}");
        };
        let begin = format!("ringfence: {}: this is not on Windows yet", words[0]);
        assert!(line.starts_with(&begin), "{line}");
        assert!(!there.exists(), "{words:?}");
    }
    // An agent takes any other code for a yes.
    let hook = person.says(&["hook", "claude-code"]);
    assert_eq!((hook.code, hook.err.len()), (2, 1), "{hook:?}");
    assert!(!person.state().exists(), "nothing is kept");
}

#[test]
fn a_policy_is_begun_checked_and_shown() {
    let person = Person::new();
    let file = person.user_file();
    let none = person.says(&["policy", "check"]);
    assert_eq!(
        (none.code, none.out.as_str()),
        (0, "no policy file here: the built-in policy holds\n")
    );
    let begun = person.says(&["policy", "init", "--user"]);
    assert_eq!(begun.code, 0, "{begun:?}");
    assert!(
        begun
            .out
            .starts_with(&format!("{}: written", file.display()))
    );
    assert_eq!(person.says(&["policy", "init", "--user"]).code, 125);
    let checked = person.says(&["policy", "check"]);
    assert_eq!(checked.out, format!("{}: valid\n", file.display()));

    let shown = person.says(&["policy", "show"]);
    assert_eq!(shown.code, 0);
    let data = person.says(&["policy", "show", "--json"]).json();
    assert!(data.is_object());
}

#[test]
fn drive_letters_backslashes_and_files_of_notepad_are_read() {
    let person = Person::new();
    for text in [
        "[filesystem]\r\nwrite = ['C:\\data\\Zoë x', '~/scratch', \"D:\\\\two\"]\r\nhide = ['~\\geheim 箱']\r\n",
        // With the mark that Notepad puts at the beginning.
        "\u{feff}[filesystem]\r\nwrite = ['C:\\data\\Zoë x', '~/scratch', 'D:/two']\r\nhide = ['~/geheim 箱']\r\n",
    ] {
        person.write_user(text);
        let checked = person.says(&["policy", "check"]);
        assert_eq!(checked.code, 0, "{checked:?}");
        let shown = person.says(&["policy", "show"]);
        for path in [r"C:\\data\\Zoë x", r"D:\\two", "geheim 箱"] {
            assert!(shown.out.contains(path), "{path}: {}", shown.out);
        }
        let data = person.says(&["policy", "show", "--json"]);
        assert!(data.out.contains(r"C:\\data\\Zoë x"), "{}", data.out);
        let flag = person.says(&["policy", "show", "--write", r"sub dir\..\ö"]);
        assert!(flag.out.contains(r"~/my project\\ö"), "{}", flag.out);
    }
    // What Windows reads in another way than it looks is an error, with its place.
    for path in [
        r"C:x",
        r"C:\a:b",
        r"\\server\share",
        r"\\?\C:\x",
        r"C:\PROGRA~1",
        r"C:\nul.txt",
        r"C:\x.",
    ] {
        person.write_user(&format!("[filesystem]\r\nwrite = ['{path}']\r\n"));
        let checked = person.says(&["policy", "check"]);
        assert_eq!(checked.code, 1, "{path}: {checked:?}");
        let place = format!("{}:2:", person.user_file().display());
        assert!(checked.err[0].contains(&place), "{path}: {checked:?}");
    }
    person.write_user("[filesystem]\r\nwirte = ['x']\r\n");
    let checked = person.says(&["policy", "check"]);
    assert!(
        checked.code == 1 && checked.err[0].contains("write"),
        "{checked:?}"
    );
}

#[test]
fn a_projects_file_is_trusted_as_it_is_written() {
    let person = Person::new();
    let file = person.project().join(".ringfence.toml");
    assert_eq!(person.says(&["trust"]).code, 125);
    std::fs::write(&file, "[network]\r\nmode = \"on\"\r\n").unwrap();
    let asked = person.says(&["trust"]);
    assert_eq!(asked.code, 125, "nobody is there to ask: {asked:?}");
    assert!(asked.out.contains(&file.display().to_string()), "{asked:?}");
    // What is not trusted must not widen, and says so.
    let holds = || person.says(&["policy", "check"]).code == 0;
    assert!(!holds());
    let trusted = person.says(&["trust", "--yes"]);
    assert_eq!(trusted.code, 0, "{trusted:?}");
    assert!(trusted.out.ends_with("an edit ends it.\n"));
    assert!(holds());
    // By another name of the same place.
    let other = person.project().join(r"..\MY PROJECT");
    let again = person.says(&["trust", other.to_str().unwrap()]);
    assert!(again.out.ends_with("It is trusted already.\n"), "{again:?}");
    std::fs::write(&file, "[network]\r\nmode = \"on\"\r\n# edited\r\n").unwrap();
    assert!(!holds());
    std::fs::write(&file, "[network]\r\nmode = \"on\"\r\n").unwrap();
    assert!(holds());
    let untrusted = person.says(&["untrust"]);
    assert!(
        untrusted.out.ends_with("not trusted any more\n"),
        "{untrusted:?}"
    );
    assert!(!holds());
    // Both were recorded.
    let exported = person.says(&["log", "export"]);
    for what in ["\"trusted\"", "\"distrusted\""] {
        assert!(exported.out.contains(what), "{exported:?}");
    }
    // In a ring nobody's trust counts.
    let inside = person
        .command(&["trust", "--yes"])
        .env("RINGFENCE", "workspace-write")
        .output();
    assert_eq!(Said::of(&inside.unwrap()).code, 125);
}

#[test]
fn rules_are_checked_tried_and_taken_from_others() {
    let person = Person::new();
    person.write_user(
        "[[rule]]\r\nprefix = ['C:\\\\Program Files\\\\Tool\\\\deploy.exe', 'now']\r\ndecision = \"forbid\"\r\nwhy = \"Zoë says so\"\r\n\
         match = [\"'C:\\\\Program Files\\\\Tool\\\\deploy.exe' now\"]\r\n\
         [[rule]]\r\nprefix = ['git', 'push']\r\ndecision = \"ask\"\r\n",
    );
    let checked = person.says(&["rules", "check"]);
    assert_eq!(
        (checked.code, checked.out.as_str()),
        (0, "here: 2 rules, valid\n"),
        "{checked:?}"
    );
    let deploy = [r"C:\Program Files\Tool\deploy.exe", "now"];
    let test = |words: &[&str]| person.says(&[&["rules", "test", "--"], words].concat());
    let forbidden = test(&deploy);
    assert_eq!(forbidden.code, 1, "{forbidden:?}");
    assert!(forbidden.out.contains("forbid"), "{forbidden:?}");
    assert!(test(&["git", "push"]).out.contains("ask"));
    assert!(
        test(&[r"C:\Program Files\Git\cmd\git.exe", "push"])
            .out
            .contains("ask")
    );
    assert!(test(&["cmd", "/c", "git push"]).out.contains("ask"));
    let allowed = test(&["git", "status"]);
    assert_eq!(allowed.code, 0, "{allowed:?}");
    let why = person.says(&[&["rules", "why", "--"], &deploy[..]].concat());
    assert!(
        why.out.contains("Zoë says so") && why.out.contains("policy.toml:1"),
        "{why:?}"
    );
    let data = person.says(&["rules", "test", "--json", "--", "git", "push"]);
    assert_eq!(data.json()["decision"], "ask");

    let rules = person.project().join("their rules ö.rules");
    std::fs::write(
        &rules,
        "prefix_rule(pattern=[\"git\", \"push\"], decision=\"prompt\")\r\n",
    )
    .unwrap();
    let imported = person.says(&["rules", "import", "their rules ö.rules"]);
    assert_eq!(imported.code, 0, "{imported:?}");
    assert!(imported.out.contains("\"git\", \"push\""), "{imported:?}");
    assert_eq!(person.says(&["rules", "import", "none.rules"]).code, 125);

    person.write_user("[[rule]]\r\nprefix = ['a']\r\ndecision = \"ask\"\r\nmatch = [\"b\"]\r\n");
    let failing = person.says(&["rules", "check"]);
    assert_eq!(failing.code, 1, "{failing:?}");
}

#[test]
fn a_ledger_is_listed_told_verified_counted_and_exported() {
    let person = Person::new();
    assert_eq!(person.says(&["log"]).code, 0);
    let dir = person.state().join("ledger");
    let ledger = Ledger::new(dir.clone(), Keep::default());
    let words = [r"C:\Program Files\x y.exe", "Zoë's 箱"];
    ledger
        .append(|first| {
            vec![
                Event::RingMade(Box::default()),
                Event::CommandStarted(CommandStarted {
                    ring: first,
                    argv: words.iter().map(Text::from).collect(),
                    cwd: Text::from(&person.project()),
                    ..CommandStarted::default()
                }),
                Event::CommandEnded(CommandEnded {
                    command: first + 1,
                    how: "exited".to_owned(),
                    value: Some(3),
                    ..CommandEnded::default()
                }),
                Event::RingEnded(RingEnded {
                    ring: first,
                    enforcement: "full".to_owned(),
                    more: Vec::new(),
                    unwritten: 0,
                }),
            ]
        })
        .unwrap();
    // While another has it open.
    let listed = person.says(&["log", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(
        listed.out.contains("x y.exe") && listed.out.contains("箱"),
        "{listed:?}"
    );
    let line = person.says(&["log", "list", "--json"]).json();
    let number = line["number"].as_u64().unwrap();
    let told = person.says(&["log", "show", &number.to_string()]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("箱"), "{told:?}");
    assert_eq!(person.says(&["log", "show", "99"]).code, 125);
    assert!(
        person
            .says(&["log", "show", &number.to_string(), "--json"])
            .out
            .lines()
            .count()
            >= 2
    );

    let verified = person.says(&["log", "verify", "--json"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let head = verified.json()["head"].as_str().unwrap().to_owned();
    assert_eq!(verified.json()["records"], 5);
    assert_eq!(person.says(&["log", "verify", "--head", &head]).code, 0);
    let stats = person.says(&["log", "stats", "--json"]);
    assert_eq!(stats.code, 0);
    assert!(stats.json().is_object());
    assert_eq!(person.says(&["log", "stats"]).code, 0);
    let lines = person.says(&["log", "export"]).out;
    assert_eq!(lines.lines().count(), 5);
    assert!(lines.contains(r"C:\\Program Files\\x y.exe"), "{lines}");
    assert_eq!(person.says(&["log", "export", "--format", "ocsf"]).code, 0);
    let csv = person
        .command(&["log", "export", "--format", "csv"])
        .output()
        .unwrap();
    assert!(csv.status.success());
    let follow = person.says(&["log", "follow"]);
    assert_eq!((follow.code, follow.err.len()), (125, 1), "{follow:?}");
    let elsewhere = person.says(&["log", "--ledger", dir.to_str().unwrap(), "list"]);
    assert!(elsewhere.out.contains("箱"), "{elsewhere:?}");
    assert_eq!(
        person.says(&["log", "--ledger", r"C:\none", "list"]).code,
        125
    );

    drop(ledger);
    let file = dir.join("00000001.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"exited\"", "\"exitEd\"")).unwrap();
    let verified = person.says(&["log", "verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.out.starts_with("BAD "), "{verified:?}");
}

#[test]
fn grants_are_listed_and_taken_back() {
    let person = Person::new();
    let none = person.says(&["grants"]);
    assert_eq!(
        (none.code, none.out.as_str()),
        (0, "nothing is granted for longer than one command\n")
    );
    let workspace = person.project();
    let grant = |number: u32, what: Value| {
        serde_json::json!({
            "number": number, "what": what, "workspace": workspace, "lasts": "project", "made": 1, "answer": 7,
        })
    };
    let command = serde_json::json!({ "command": {
        "argv": ["git.exe", "push", "a b"], "cwd": workspace, "ring": ["workspace-write", "off"],
    }});
    let path = serde_json::json!({ "write": { "path": workspace, "device": 1, "inode": 2 } });
    let kept = serde_json::json!({
        "format": 1, "last": 2, "grants": [grant(1, command), grant(2, path)], "asked": [],
    });
    std::fs::create_dir_all(person.state()).unwrap();
    std::fs::write(person.state().join("grants.json"), kept.to_string()).unwrap();
    let listed = person.says(&["grants", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.out.contains("git.exe push 'a b'"), "{listed:?}");
    // What cannot be told from another object does not hold.
    assert!(listed.out.contains("gone: another object"), "{listed:?}");
    assert_eq!(
        person
            .says(&["grants", "list", "--json"])
            .out
            .lines()
            .count(),
        2
    );
    let revoked = person.says(&["grants", "revoke", "1"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_eq!(person.says(&["grants", "revoke", "1"]).code, 125);
    assert_eq!(
        person.says(&["grants", "list", "--json"]).json()["number"],
        2
    );
    assert!(person.says(&["log", "export"]).out.contains("\"revoked\""));
}

#[test]
fn doctor_says_what_there_is_and_that_nothing_is_enforced() {
    let person = Person::new();
    let said = person.says(&["doctor"]);
    assert_eq!(said.code, 1, "{said:?}");
    for line in [
        "ring",
        "tokens",
        "desktop",
        "nul",
        "named objects",
        "have  state",
        r"managed: none (HKLM\SOFTWARE\Policies\Ringfence\Policy)",
        "can NOT be enforced here",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    let data = person.says(&["doctor", "--json"]);
    assert_eq!(data.code, 1);
    assert_eq!(data.json()["can_enforce"], false);
    assert!(!person.state().exists(), "it makes nothing");
}
