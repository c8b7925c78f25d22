//! Signals and terminals: Ctrl-C, Ctrl-Z, window sizes, and what dies with what.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::os::unix::process::ExitStatusExt;

use ringfence_e2e::{
    Before, Input, Terminal, Workspace, descendants, flows, git_status, rings, until,
};
use rustix::process::{Pid, Signal, kill_process};

const CTRL_C: &[u8] = b"\x03";
const CTRL_Z: &[u8] = b"\x1a";

/// Says `up`, counts the interrupts it gets, tells the count for each line it reads; ends on `q`.
const COUNTER: &str = r#"
import signal, sys
n = 0
def more(*_):
    global n
    n += 1
signal.signal(signal.SIGINT, more)
print("u" + "p", flush=True)
for line in sys.stdin:
    if line.strip() == "q": break
    print("count is", n, flush=True)
sys.exit(4)
"#;

/// Prints the window's size, waits to be told that it has changed, and prints it again. The signal is waited
/// for and not handled: one that came between a look and a read would be handled, and nothing printed.
const SIZES: &str = r#"
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
first = os.get_terminal_size(0)
print("size %d %d" % first, flush=True)
now = first
while now == first:
    signal.sigwait([signal.SIGWINCH])
    now = os.get_terminal_size(0)
print("size %d %d" % now, flush=True)
sys.stdin.readline()
"#;

fn outer_shell(ws: &Workspace) -> Terminal {
    let mut shell = ws
        .bare(["bash", "--norc", "--noprofile", "-i"])
        .env("PS1", "outer> ")
        .on_terminal(200, 40);
    shell.until_shows("outer>");
    shell
}

/// Starts a ring with a daemon in it, and waits until both run.
fn busy(ws: &Workspace) -> ringfence_e2e::Live {
    let _ = std::fs::remove_file(ws.at("../ws/daemon"));
    let live = ws
        .ring_sh("setsid sh -c 'echo up > daemon; exec sleep 1000' & sleep 1000")
        .start();
    until("the daemon runs", || ws.has("daemon"));
    live
}

fn runner_of(harness: u32) -> u32 {
    let below = descendants(harness);
    let found = below
        .iter()
        .find(|(_, name)| name.starts_with("ringfence-runne"));
    found
        .unwrap_or_else(|| panic!("no runner below {harness}: {below:?}"))
        .0
}

flows! {
    /// The child gets it once, and may live on.
    ctrl_c_is_the_childs needs ["tool:python3"] |site| {
        let mut screen = site.run(["python3", "-c", COUNTER]).on_terminal(80, 24);
        screen.until_shows("up").types(CTRL_C).types("tell\n").until_shows("count is 1");
        screen.types(CTRL_C).types("tell\n").until_shows("count is 2").types("q\n");
        assert_eq!(screen.ends().code(), Some(4));
    }

    window_size needs ["tool:python3"] |site| {
        let mut screen = site.run(["python3", "-c", SIZES]).on_terminal(80, 24);
        screen.until_shows("size 80 24").resize(100, 40);
        screen.until_shows("size 100 40").types("\n");
        assert_eq!(screen.ends().code(), Some(0));
    }

    /// A signal to the one process the caller knows reaches the command.
    sigterm_is_passed_on needs [] |site| {
        for (name, signal, code) in [("TERM", Signal::TERM, 7), ("HUP", Signal::HUP, 8), ("INT", Signal::INT, 9)] {
            let mut live = site.sh(&format!("trap 'exit {code}' {name}; echo up > up; while :; do read x || :; done")).input(Input::Pipe).start();
            until("the trap is set", || site.ws.has("up"));
            live.signal(signal);
            let _ = live.stdin();
            live.wait().exits(code);
            std::fs::remove_file(site.ws.at("up")).unwrap();
        }
    }
}

rings! {
    ctrl_c_ends_it needs ["tool:bash"] |ws| {
        let mut screen = ws.ring_sh("echo u''p; exec sleep 1000").on_terminal(80, 24);
        screen.until_shows("up").types(CTRL_C);
        // As a bare command: a shell that runs it in a loop or a list ends that too.
        assert_eq!(screen.ends().signal(), Some(2));
        let ring = ws.ring_sh("echo u''p; exec sleep 1000").quoted();
        let mut shell = ws.bare(["bash", "-c", &format!("for i in 1 2; do {ring}; echo af''ter; done; echo e''nd")]).on_terminal(80, 24);
        shell.until_shows("up").types(CTRL_C);
        assert_eq!(shell.ends().signal(), Some(2));
        assert!(!shell.shows().contains("after") && !shell.shows().contains("end"), "{}", shell.shows());
        // Where nobody typed it: its number, as ever.
        ws.ring_sh("kill -INT $$; exec sleep 1000").run().exits(130);
    }

    sigterm_ends_it needs [] |ws| {
        let live = ws.ring_sh("echo up > up; exec sleep 1000").start();
        until("it runs", || ws.has("up"));
        live.signal(Signal::TERM);
        live.wait().exits(143);
    }

    /// In a person's own shell: Ctrl-Z stops the ring, fg goes on.
    stopped_and_continued needs ["tool:bash"] |ws| {
        let ring = ws.ring_sh("echo u''p; exec cat").quoted();
        let mut shell = outer_shell(ws);
        shell.types(format!("{ring}\n")).until_shows("\nup").types("first\n");
        shell.until("the line twice", |s| s.matches("first").count() >= 2);
        shell.types(CTRL_Z).until_shows("Stopped");
        // What is typed before the shell has its terminal back is nobody's.
        shell.until("the prompt", |s| s.trim_end().ends_with("outer>"));
        shell.types("echo ba''ck; fg\n").until_shows("\nback");
        shell.types("second\n").until("the line twice", |s| s.matches("second").count() >= 2);
        // Until it is dead the command still reads what is typed.
        shell.types(CTRL_C).until("the prompt", |s| s.trim_end().ends_with("outer>"));
        shell.types("echo code $?\n").until_shows("code 130");
        shell.types("exit 0\n");
        assert_eq!(shell.ends().code(), Some(0));
    }

    background_in_a_shell needs ["tool:bash"] |ws| {
        let ring = ws.ring_sh("echo from''ring; exit 6").quoted();
        let mut shell = outer_shell(ws);
        shell.types(format!("{ring} & wait $!; echo code $?\n")).until_shows("fromring").until_shows("code 6");
        // The terminal still belongs to the shell.
        shell.types("echo alive''now\n").until_shows("alivenow").types("exit 0\n");
        assert_eq!(shell.ends().code(), Some(0));
    }

    /// A terminal is a terminal, and its modes are as they were afterwards.
    terminal_modes_are_put_back needs ["tool:bash", "tool:stty"] |ws| {
        let ring = ws.ring(["sh", "-c", "stty -echo raw; exit 0"]).flags(["--pty", "always"]).quoted();
        let mut shell = outer_shell(ws);
        shell.types("stty -g > ../one\n");
        shell.types(format!("{ring}; stty -g > ../two; echo do''ne\n")).until_shows("done").types("exit 0\n");
        shell.ends();
        assert_eq!(ws.read("../one"), ws.read("../two"));
    }

    pty_flag needs [] |ws| {
        let what = "for fd in 0 1; do test -t $fd && echo tty || echo none; done";
        assert_eq!(ws.ring_sh(what).ok(), "none\nnone");
        assert_eq!(ws.ring_sh(what).flags(["--pty", "never"]).ok(), "none\nnone");
        assert_eq!(ws.ring_sh(what).flags(["--pty", "always"]).ok().replace('\r', ""), "tty\ntty");
        for (flag, expected) in [("auto", "tty"), ("always", "tty"), ("never", "none")] {
            let mut screen = ws.ring_sh(what).flags(["--pty", flag]).on_terminal(80, 24);
            assert_eq!(screen.ends().code(), Some(0));
            let shown = screen.shows().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(shown, [expected, expected], "--pty {flag}");
        }
    }

    /// A terminal of the ring's own follows the outer one.
    own_terminal_follows_the_window needs ["tool:python3"] |ws| {
        let mut screen = ws.ring(["python3", "-c", SIZES]).flags(["--pty", "always"]).on_terminal(80, 24);
        screen.until_shows("size 80 24").resize(90, 30);
        screen.until_shows("size 90 30").types("\n");
        assert_eq!(screen.ends().code(), Some(0));
    }

    own_terminal_and_ctrl_c needs ["tool:python3"] |ws| {
        let mut screen = ws.ring(["python3", "-c", COUNTER]).flags(["--pty", "always"]).on_terminal(80, 24);
        screen.until_shows("up").types(CTRL_C).types("tell\n").until_shows("count is 1").types("q\n");
        assert_eq!(screen.ends().code(), Some(4));
    }

    /// Whatever a command started ends with it: daemons of their own session too.
    daemons_die_with_the_command needs [] |ws| {
        let before = Before::look();
        ws.ring_sh("setsid sh -c 'trap \"\" HUP TERM; echo up > daemon; exec sleep 1000' > /dev/null 2>&1 & while ! test -e daemon; do :; done").run().ok();
        before.nothing_left(ws);
    }

    /// One that holds the output's pipe does not make the caller wait for it.
    a_daemon_with_the_output needs [] |ws| {
        let said = ws.ring_sh("setsid sh -c 'echo up > daemon; exec sleep 1000' & while ! test -e daemon; do :; done; echo done").ok();
        assert_eq!(said, "done");
    }

    killed_harness needs ["tool:git"] |ws| {
        ws.repository(".");
        let _ = std::fs::write(ws.at(".gitignore"), "daemon\n");
        let status = git_status(ws, &ws.path());
        let before = Before::look();
        for _ in 0..20 {
            let live = busy(ws);
            live.signal(Signal::KILL);
            live.wait().exits(-9);
        }
        before.nothing_left(ws);
        std::fs::remove_file(ws.at("daemon")).unwrap();
        assert_eq!(git_status(ws, &ws.path()), status);
        ws.ring(["true"]).run().ok();
    }

    /// Also then a protected name that was made is taken away, before a watch was there as well as after.
    killed_harness_takes_names_away needs [] |ws| {
        for wait in ["", "sleep 0.4;"] {
            let live = ws.ring_sh(&format!("{wait} mkdir -p .vscode; echo x > .vscode/tasks.json; echo x > .envrc; echo up > up; exec sleep 1000")).start();
            until("it runs", || ws.has("up"));
            live.signal(Signal::KILL);
            live.wait().exits(-9);
            until("the names are taken away", || !ws.has(".envrc") && !ws.has(".vscode/tasks.json"));
            std::fs::remove_file(ws.at("up")).unwrap();
        }
    }

    killed_runner needs ["tool:git"] |ws| {
        ws.repository(".");
        let _ = std::fs::write(ws.at(".gitignore"), "daemon\n");
        let status = git_status(ws, &ws.path());
        let before = Before::look();
        for _ in 0..20 {
            let live = busy(ws);
            let runner = i32::try_from(runner_of(live.pid())).unwrap();
            kill_process(Pid::from_raw(runner).unwrap(), Signal::KILL).unwrap();
            let done = live.wait().exits(125);
            assert!(done.err().starts_with("ringfence: "), "{done}");
        }
        before.nothing_left(ws);
        std::fs::remove_file(ws.at("daemon")).unwrap();
        assert_eq!(git_status(ws, &ws.path()), status);
        ws.ring(["true"]).run().ok();
    }
}

rings! {
    /// A command that stops, and would have its caller stop with it, does not stop the clock.
    a_stopped_command_is_ended_in_time needs [] |ws| {
        for signal in ["TSTP", "TTIN", "TTOU", "STOP"] {
            let script = format!("kill -{signal} $$; exec sleep 1000");
            ws.ring_sh(&script).flags(["--timeout", "1s"]).run().exits(124);
        }
    }
}
