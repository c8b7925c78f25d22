//! `ringfence why PATH` says what the ring then does: the same evaluator, so it cannot lie.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Who, Workspace, needs};

/// Tries each line of stdin and answers `read write` as 0 and 1, changing nothing.
const TRY: &str = r#"
import os, sys
def can(path, flags):
    try: os.close(os.open(path, flags))
    except OSError: return 0
    return 1
for line in sys.stdin:
    path = line.rstrip("\n")
    print(can(path, os.O_RDONLY), can(path, os.O_WRONLY))
"#;

/// What `why --json` says of reading and of writing a path.
fn says(ws: &Workspace, flags: &[&str], path: &str) -> (bool, bool) {
    let mut words = vec!["why", "--json"];
    words.extend(flags);
    words.push(path);
    let text = ws.ringfence(words).run().ok().out();
    let answer: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"));
    let of = |what: &str| match answer[what]["decision"].as_str() {
        Some("allow") => true,
        Some("deny") => false,
        _ => panic!("{path}: no decision about {what}: {answer}"),
    };
    (of("read"), of("write"))
}

fn agrees(who: Who) {
    let Some(person) = needs(who, &["tool:python3", "tool:git"]) else {
        return;
    };
    let ws = Workspace::with_fresh_home(&person, "why");
    ws.repository(".");
    ws.repository("deep/nested");
    // Fifty files of the person's own, so that only the ring stands between.
    let mut paths: Vec<String> = Vec::new();
    let mut file = |below: &str| paths.push(ws.file(below, "text\n").display().to_string());
    for dir in [
        "",
        "src/",
        "a/b/c/",
        "deep/nested/src/",
        "guarded/",
        "guarded/in/",
        "veiled/",
        "veiled/in/",
        "../beside/",
        "../granted/",
        "../home/",
        "../home/notes/",
    ] {
        for name in ["one", "two.txt"] {
            file(&format!("{dir}{name}"));
        }
    }
    for own in [
        ".git/hooks/pre-commit",
        ".git/config",
        ".git/HEAD",
        ".git/info/exclude",
        ".git/description",
        "deep/nested/.git/hooks/pre-push",
        "deep/nested/.git/config",
        "deep/nested/.git/HEAD",
        ".vscode/settings.json",
        ".vscode/other.json",
        ".mcp.json",
        ".envrc",
        ".idea/x.xml",
        ".claude/settings.json",
    ] {
        if ws.has(own) {
            paths.push(ws.at(own).display().to_string());
        } else {
            paths.push(ws.file(own, "").display().to_string());
        }
    }
    for secret in [
        ".ssh/id_ed25519",
        ".ssh/known_hosts",
        ".ssh/config",
        ".aws/credentials",
        ".aws/config",
        ".netrc",
        ".config/gh/hosts.yml",
        ".config/other/x",
        ".npmrc",
        ".bash_history",
        ".profile",
        ".gitconfig",
    ] {
        paths.push(
            ws.file(&format!("../home/{secret}"), "")
                .display()
                .to_string(),
        );
    }
    assert_eq!(paths.len(), 50);

    let flags = [
        "--protect",
        "guarded",
        "--hide",
        "veiled",
        "--write",
        "../granted",
    ];
    let input = ringfence_e2e::Input::Bytes((paths.join("\n") + "\n").into_bytes());
    let tried = ws
        .ring(["python3", "-c", TRY])
        .flags(flags)
        .input(input)
        .ok();
    let mut kinds = std::collections::BTreeSet::new();
    let mut lies = Vec::new();
    for (path, answer) in paths.iter().zip(tried.lines()) {
        let real = (answer.starts_with('1'), answer.ends_with('1'));
        kinds.insert(real);
        let said = says(&ws, &flags, path);
        if said != real {
            lies.push(format!("{path}: said {said:?} (read, write), is {real:?}"));
        }
    }
    assert_eq!(
        kinds.len(),
        3,
        "writable, readable and hidden paths were all tried"
    );
    assert_eq!(lies, Vec::<String>::new());
}

/// What keeps a command from a file besides the ring, also root's.
fn permissions(who: Who) {
    let Some(person) = needs(who, &[]) else {
        return;
    };
    let ws = Workspace::with_fresh_home(&person, "denied");
    ws.file("shut/f", "text");
    ws.file("read", "text");
    ws.file("plain", "text");
    ws.bare_sh("chmod 444 read; chmod 0 shut").ok();
    let says = |path: &str| ws.ringfence(["why", path]).run().ok().out();
    let does = |script: &str| ws.ring_sh(script).run().code() == 0;
    assert!(says("shut/f").contains("it cannot be read by its own permissions"));
    assert!(!does("cat shut/f"));
    assert!(says("read").contains("it cannot be written by its own permissions"));
    assert!(does("cat read") && !does("echo x >> read"));
    assert!(!says("plain").contains("permissions") && does("echo x >> plain"));
    ws.bare_sh("chmod 700 shut").ok();
}

#[test]
fn permissions_as_user() {
    permissions(Who::User);
}

#[test]
fn permissions_as_root() {
    permissions(Who::Root);
}

#[test]
fn agrees_as_user() {
    agrees(Who::User);
}

#[test]
fn agrees_as_root() {
    agrees(Who::Root);
}

#[test]
fn what_is_advised_can_be_done() {
    let Some(person) = needs(Who::User, &["userns"]) else {
        return;
    };
    let ws = Workspace::with_fresh_home(&person, "advice");
    ws.bare_sh("mkdir -p ~/.local/state/ringfence").ok();
    let why = |path: &str| {
        let done = ws.ringfence(["why", path]).run();
        format!("{}{}", done.out(), done.err())
    };
    let home = ws.path().join("../home").canonicalize().unwrap();
    // Ringfence's own state lies in it.
    let said = why(&home.join(".local/bin/x").display().to_string());
    assert!(
        !said.contains("--write /") && said.contains("make it outside first"),
        "{said}"
    );
    for (path, word) in [
        ("/dev/kvm", "hidden"),
        ("/dev/null", "private"),
        ("/proc/sys/kernel/hostname", "read, not written"),
        ("/proc/kcore", "hidden"),
        ("/proc/self/comm", "private"),
    ] {
        let said = why(path);
        assert!(said.contains(word), "{path}: {said}");
    }
}
