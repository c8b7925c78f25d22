//! Programs that own a terminal, bare and in the default ring.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Before, Terminal, Who, Workspace, flows, needs};

const CTRL_C: &[u8] = b"\x03";
const CTRL_Z: &[u8] = b"\x1a";
const ESCAPE: &[u8] = b"\x1b";

/// A bash that reads nobody's settings and whose prompt is known.
const BASH: [&str; 4] = ["bash", "--norc", "--noprofile", "-i"];

/// Types a line into a shell and waits for its next prompt.
fn line(terminal: &mut Terminal, text: &str) {
    terminal.types(format!("{text}\n"));
}

flows! {
    vim needs ["tool:vim"] |site| {
        // "-i NONE": its memory of earlier edits lies in the home, which a ring does not let it write.
        let mut screen = site.run(["vim", "-u", "NONE", "-i", "NONE", "-N", "note"]).on_terminal(80, 24);
        screen.until_shows("note").types("ihello from vim").until_shows("hello from vim");
        screen.types(ESCAPE).types(":wq\r");
        assert_eq!(screen.ends().code(), Some(0));
        assert_eq!(site.ws.read("note"), "hello from vim\n");
        assert!(!site.ws.has(".note.swp"));
    }

    less needs ["tool:less"] |site| {
        let text: String = (1..=500).map(|n| format!("line {n}\n")).collect();
        site.ws.file("long", text);
        let mut screen = site.run(["less", "long"]).on_terminal(80, 24);
        screen.until_shows("line 20").types(" ").until_shows("line 40");
        screen.types("G").until_shows("line 500").types("/line 77\n").types("?line 77\n").until_shows("line 77");
        screen.types("q");
        assert_eq!(screen.ends().code(), Some(0));
    }

    /// What a pager piped into does: keys from /dev/tty, text from a pipe.
    git_log_in_a_pager needs ["tool:git", "tool:less"] |site| {
        site.ws.repository(".");
        site.outside("for n in $(seq 60); do git commit -q --allow-empty -m \"commit $n\"; done").ok();
        let mut screen = site.run(["git", "-c", "core.pager=less", "log", "--oneline"]).env("LESS", "").on_terminal(80, 20);
        screen.until_shows("commit 60").types("G").until_shows("first").types("q");
        assert_eq!(screen.ends().code(), Some(0));
    }

    interactive_bash needs ["tool:bash"] |site| {
        let mut shell = site.run(BASH).env("PS1", "ready> ").on_terminal(80, 24);
        shell.until_shows("ready>");
        line(&mut shell, "echo $((6*7)) > out; tty; stty size");
        shell.until_shows("24 80").until_shows("/dev/");
        let start = String::from_utf8_lossy(shell.raw()).into_owned();
        assert!(!start.contains("no job control") && !start.contains("cannot set terminal"), "{start}");
        line(&mut shell, "exit 7");
        assert_eq!(shell.ends().code(), Some(7));
        assert_eq!(site.ws.read("out"), "42\n");
    }

    job_control needs ["tool:bash"] |site| {
        let mut shell = site.run(BASH).env("PS1", "ready> ").on_terminal(80, 24);
        shell.until_shows("ready>");
        // Keys typed before a program reads them may go to the shell: it says when it is there.
        line(&mut shell, "echo u''p; cat");
        shell.until_shows("\nup").types("echoed\n").until("the line twice", |s| s.matches("echoed").count() >= 2);
        shell.types(CTRL_Z).until_shows("Stopped");
        line(&mut shell, "echo ba''ck; fg");
        shell.until_shows("\nback").until("cat is back", |s| s.ends_with("cat") || s.trim_end().ends_with("cat"));
        shell.types("again\n").until("the line twice", |s| s.matches("again").count() >= 2);
        shell.types(CTRL_C).until("a prompt after ^C", |s| s.contains("^C") && s.trim_end().ends_with("ready>"));
        line(&mut shell, "sleep 1000 &");
        line(&mut shell, "kill %1; wait %1; echo code $?");
        shell.until_shows("code 143");
        line(&mut shell, "exit 0");
        assert_eq!(shell.ends().code(), Some(0));
    }

    python_prompt needs ["tool:python3"] |site| {
        let mut prompt = site.run(["python3", "-q", "-i"]).env("PYTHON_BASIC_REPL", "1").on_terminal(80, 24);
        prompt.until_shows(">>>").types("6*7\n").until_shows("42");
        prompt.types("exec(\"print('spin' + 'ning')\\nwhile True: pass\")\n").until_shows("spinning").types(CTRL_C).until_shows("KeyboardInterrupt");
        prompt.types("exit(3)\n");
        assert_eq!(prompt.ends().code(), Some(3));
    }

    script_in_script needs ["tool:script"] |site| {
        // A terminal made inside the ring: what tmux, ssh and test runners do.
        let said = site.run(["script", "-qec", "tty && stty size >/dev/null && echo yes", "typescript"]).ok();
        assert!(said.contains("/dev/pts/") && said.contains("yes"), "{said}");
    }
}

/// `ringfence shell`: the person's own shell in a ring.
fn a_shell(who: Who) {
    let Some(person) = needs(who, &["tool:bash"]) else {
        return;
    };
    let before = Before::look();
    let ws = Workspace::new(&person, "shell");
    let mut shell = ws
        .ringfence(["shell"])
        .env("SHELL", "/bin/bash")
        .on_terminal(100, 30);
    shell.until("a prompt", |screen| {
        screen.trim_end().ends_with(['$', '#', '>'])
    });
    line(
        &mut shell,
        "echo in > here; echo out > ../there || echo 'not' 'there'",
    );
    shell.until_shows("not there");
    line(&mut shell, "exit 5");
    assert_eq!(shell.ends().code(), Some(5));
    assert_eq!(ws.read("here"), "in\n");
    assert!(!ws.has("../there"));
    before.nothing_left(&ws);
}

#[test]
fn shell_as_user() {
    a_shell(Who::User);
}

#[test]
fn shell_as_root() {
    a_shell(Who::Root);
}
