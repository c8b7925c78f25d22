//! Who is heard, and what is shown.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use std::time::Duration;

use ringfence_policy::{FileText, Layer, read_rules};
use ringfence_rules::RuleSet;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::*;
use crate::ask::page::SHOWN_MAX;
use crate::rules::{Question, Subject};

const LONG: Duration = Duration::from_secs(60);

fn question(argv: &[&str]) -> Question {
    let text = "[[rule]]\nprefix = [\"git\", \"push\"]\ndecision = \"ask\"\nwhy = \"publishes\"\n";
    let file = FileText {
        path: "rules.toml".into(),
        text: text.to_owned(),
    };
    let rules = RuleSet::new(&read_rules(&file, Layer::User).unwrap()).unwrap();
    Question::new(rules.judge_argv(argv), subject(argv))
}

fn subject(argv: &[&str]) -> Subject {
    Subject {
        argv: argv.iter().map(OsString::from).collect(),
        directory: "/w".into(),
        stands: (0, 0),
        env: Vec::new(),
        bare: false,
    }
}

fn page(argv: &[&str]) -> Page {
    Page::of_command(&question(argv), "a ring", [true, true])
}

/// A terminal: each read gives one line; and what is written on it.
fn terminal(lines: &[&str], closed: bool) -> (File, JoinHandle<String>, OwnedFd) {
    let (here, there) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    for line in lines {
        rustix::io::write(&there, line.as_bytes()).unwrap();
    }
    if closed {
        rustix::net::shutdown(&there, rustix::net::Shutdown::Write).unwrap();
    }
    let held = there.try_clone().unwrap();
    let mut from = File::from(there);
    let shown = std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut some = [0; 65536];
        while let Ok(length) = from.read(&mut some) {
            if length == 0 {
                break;
            }
            all.extend(&some[..length]);
        }
        String::from_utf8(all).unwrap()
    });
    (File::from(here), shown, held)
}

fn answer_to(page: &Page, lines: &[&str]) -> (Answer, String) {
    let (terminal, shown, _held) = terminal(lines, true);
    let heard = hear(page, Some(&terminal), None, LONG).unwrap();
    assert_eq!(heard.from, "terminal");
    drop(terminal);
    (heard.answer, shown.join().unwrap())
}

fn answer(lines: &[&str]) -> (Answer, String) {
    answer_to(&page(&["git", "push"]), lines)
}

#[test]
fn only_a_yes_is_a_yes() {
    for (lines, expected) in [
        (&["y\n"][..], Answer::Once),
        (&["yes\n"], Answer::Once),
        (&["s\n"], Answer::Session),
        // What is kept is shown before it is.
        (&["p\n", "y\n"], Answer::Project),
        (&["p\n", "n\n"], Answer::No),
        (&["p\n", "\n"], Answer::No),
        (&["p\n"], Answer::No),
        (&["n\n"], Answer::No),
        (&["\n"], Answer::No),
        (&[], Answer::No),
        (&["?\n", "y\n"], Answer::Once),
        (&["what\n", "?\n"], Answer::No),
        (
            &["yy\n", "y y\n", "sure\n", "ok\n", "si\n", "y\n"],
            Answer::No,
        ),
    ] {
        assert_eq!(answer(lines).0, expected, "{lines:?}");
    }
    // What cannot be kept is no answer.
    let once = Page::of_command(&question(&["git", "push"]), "a ring", [false, false]);
    assert_eq!(answer_to(&once, &["s\n", "p\n", "y\n"]).0, Answer::Once);
    assert_eq!(answer_to(&once, &["s\n", "p\n"]).0, Answer::No);
}

#[test]
fn it_shows_what_is_asked_and_why() {
    insta::assert_snapshot!(answer(&["?\n", "p\n", "n\n"]).1);
    let rules = RuleSet::new([]).unwrap().with_starting().unwrap();
    let argv = ["env", "A=b", "git", "push", "a \"b*\\"];
    let built_in = Question::new(rules.judge_argv(&argv), subject(&argv));
    let more = |question: &Question| {
        Page::of_command(question, "a ring", [false, false])
            .more()
            .to_owned()
    };
    insta::assert_snapshot!(more(&built_in));
    // Nobody changes a built-in rule, nor can say how a word that is not known is allowed.
    let found = ["eval", "git push \"$(x)\""];
    let found = Question::new(rules.judge_argv(&found), subject(&found));
    assert!(
        more(&found).contains("a rule into your policy"),
        "{}",
        more(&found)
    );
    let mut alone = subject(&argv);
    alone.bare = true;
    let alone = Question::new(rules.judge_argv(&argv), alone);
    let alone = Page::of_command(&alone, "a ring", [false, false]);
    assert!(alone.text().contains("no variables but those"), "{alone:?}");
    let inner = page(&["bash", "-c", "ls; git push 'a b'"]);
    insta::assert_snapshot!(inner.text());
}

#[test]
fn no_word_can_look_like_ours() {
    let odd = "x\n\u{1b}[2J\u{202e}\u{200b}\u{3164}'y";
    let page_of_odd = page(&["git", "push", odd]);
    let line = page_of_odd.text().lines().nth(2).unwrap();
    let expected = r"  git push 'x\n\u{1b}[2J\u{202e}\u{200b}\u{3164}'\''y'";
    assert_eq!(line, expected);
    for text in [page_of_odd.text(), page_of_odd.more(), page_of_odd.kept()] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }
    let long = "x".repeat(SHOWN_MAX);
    assert!(!page(&["git", "push", &long]).is_readable());
}

/// A program that answers with this script, where `$id` is the question's.
fn program(script: &str, page: &Page) -> Option<Program> {
    let script = format!(
        "read -r q; id=$(printf %s \"$q\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/'); {script}"
    );
    let words = ["/bin/sh", "-c", &script].map(str::to_owned);
    Program::start(&words, page, LONG)
}

#[test]
fn a_program_may_answer_too() {
    let page = page(&["git", "push"]);
    let says = |script: &str| hear(&page, None, program(script, &page), LONG).unwrap();
    let once = says(
        "echo \"{\\\"id\\\":\\\"$id\\\",\\\"answer\\\":\\\"once\\\",\\\"words\\\":\\\"go on\\\"}\"",
    );
    assert_eq!(once.answer, Answer::Once);
    assert_eq!(once.from, "program /bin/sh");
    assert_eq!(once.words.as_deref(), Some("go on"));
    for (says_what, expected) in [
        ("session", Answer::Session),
        ("project", Answer::Project),
        ("no", Answer::No),
        // Not one of those that were offered.
        ("ring", Answer::Nobody),
        ("yes", Answer::Nobody),
    ] {
        let script =
            format!("echo \"{{\\\"id\\\":\\\"$id\\\",\\\"answer\\\":\\\"{says_what}\\\"}}\"");
        assert_eq!(says(&script).answer, expected, "{says_what}");
    }
    for none in [
        "true",
        "exit 1",
        "echo yes",
        "echo '{\"id\":\"other\",\"answer\":\"once\"}'",
        "echo '{\"answer\":\"once\"}'",
        "kill -9 $$",
        "yes | head -c 100000 | tr -d '\\n'",
    ] {
        assert_eq!(says(none).answer, Answer::Nobody, "{none}");
    }
    let missing = Program::start(&["/nonexistent/program".to_owned()], &page, LONG);
    assert!(missing.is_none());
}

#[test]
fn who_answers_first_has_answered() {
    let page = page(&["git", "push"]);
    // The program waits for ever; the terminal does not. The program is ended by that.
    let waits = Program::start(
        &["/bin/sh", "-c", "exec sleep 1000"].map(str::to_owned),
        &page,
        LONG,
    );
    let pid = waits.as_ref().unwrap().pid();
    let there = || std::fs::exists(format!("/proc/{pid}")).unwrap();
    assert!(there());
    let (screen, shown, _held) = terminal(&["y\n"], false);
    let heard = hear(&page, Some(&screen), waits, LONG).unwrap();
    assert_eq!(
        (heard.answer, heard.from.as_str()),
        (Answer::Once, "terminal")
    );
    assert!(!there(), "nobody listens to it any more");
    drop((screen, _held));
    assert!(!shown.join().unwrap().contains("answered"));

    // Nobody types; the program says no, and whoever sits there is told.
    let (screen, shown, held) = terminal(&[], false);
    let says_no = program(
        "echo \"{\\\"id\\\":\\\"$id\\\",\\\"answer\\\":\\\"no\\\"}\"",
        &page,
    );
    let heard = hear(&page, Some(&screen), says_no, LONG).unwrap();
    assert_eq!(
        (heard.answer, heard.from.as_str()),
        (Answer::No, "program /bin/sh")
    );
    drop((screen, held));
    let shown = shown.join().unwrap();
    assert!(shown.contains("program /bin/sh answered: no"), "{shown}");

    // One that comes to nothing leaves the question to the terminal.
    let (screen, shown, held) = terminal(&[], false);
    let nothing = program("exit 3", &page);
    let typed = held.try_clone().unwrap();
    let heard = std::thread::scope(|scope| {
        let asked = scope.spawn(|| hear(&page, Some(&screen), nothing, LONG).unwrap());
        rustix::io::write(&typed, b"y\n").unwrap();
        asked.join().unwrap()
    });
    assert_eq!(heard.answer, Answer::Once);
    drop((screen, held, typed));
    drop(shown.join());
}

#[test]
fn no_answer_in_time_is_no() {
    let page = page(&["git", "push"]);
    let (screen, shown, held) = terminal(&[], false);
    let heard = hear(&page, Some(&screen), None, Duration::ZERO).unwrap();
    assert_eq!(heard.answer, Answer::Late);
    assert!(!heard.answer.is_yes());
    drop((screen, held));
    assert!(shown.join().unwrap().contains("in time: no"));
    // Nor can anybody be waited for who is not there.
    let nobody = hear(&page, None, None, LONG).unwrap();
    assert_eq!(nobody.answer, Answer::Nobody);
}

#[test]
fn a_program_that_answers_finds_nothing_of_commands() {
    // Cargo sets both for this test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && std::env::var_os("PATH").is_some());
    let page = page(&["git", "push"]);
    let said = std::env::temp_dir().join(format!("ringfence-asks-{}", std::process::id()));
    let script = format!("env > '{}'; read -r question; echo done", said.display());
    let words = ["/bin/sh".to_owned(), "-c".to_owned(), script];
    let mut program = Program::start(&words, &page, LONG).unwrap();
    // Until it has said what is no answer.
    while program.read(&page).is_none() {}
    let env = std::fs::read_to_string(&said).unwrap();
    std::fs::remove_file(&said).unwrap();
    let mut path = None;
    for (name, value) in env.lines().filter_map(|line| line.split_once('=')) {
        // Of these some are the shell's own.
        let known = [
            "PATH", "HOME", "USER", "LOGNAME", "TERM", "PWD", "SHLVL", "OLDPWD", "_", "LANG",
            "LANGUAGE", "TZ",
        ];
        let more = ["LC_", "XDG_", "DISPLAY", "WAYLAND_", "DBUS_", "XAUTHORITY"];
        let kept = known.contains(&name) || more.iter().any(|begin| name.starts_with(begin));
        assert!(kept, "{name}");
        if name == "PATH" {
            path = Some(value.to_owned());
        }
    }
    let path = path.unwrap();
    let of_system = |dir: &str| {
        dir.starts_with("/usr/")
            || dir == "/bin"
            || dir == "/sbin"
            || dir.starts_with("/run/current-system/")
    };
    assert!(path.split(':').all(of_system), "{path}");
}

#[test]
fn a_question_is_known_by_all_that_is_asked() {
    let one = page(&["git", "push"]);
    assert_eq!(one.id(), page(&["git", "push"]).id());
    let elsewhere = Subject {
        directory: "/elsewhere".into(),
        ..subject(&["git", "push"])
    };
    let with = Subject {
        env: vec![("A".into(), Some("b".into()))],
        ..subject(&["git", "push"])
    };
    // By the name of its directory another may be found; the page has the name.
    let moved = Subject {
        stands: (0, 1),
        ..subject(&["git", "push"])
    };
    assert_ne!(moved, subject(&["git", "push"]));
    let bare = Subject {
        bare: true,
        ..subject(&["git", "push"])
    };
    let mut ids = vec![
        one.id().to_owned(),
        page(&["git", "push", "x"]).id().to_owned(),
    ];
    for other in [elsewhere, with, bare] {
        let verdict = question(&["git", "push"]).verdict().clone();
        let other = Question::new(verdict, other);
        ids.push(
            Page::of_command(&other, "a ring", [true, true])
                .id()
                .to_owned(),
        );
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}
