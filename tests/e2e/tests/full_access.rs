//! `--mode full-access`: no ring, and every word that needs none is kept. One that would need a ring is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::os::unix::process::ExitStatusExt;

use ringfence_e2e::{Run, Workspace, rings, until};
use rustix::process::{Pid, Signal, kill_process};

const CTRL_C: &[u8] = b"\x03";

fn free(ws: &Workspace, script: &str, flags: &[&str]) -> Run {
    ws.ring_sh(script)
        .flags(["--mode", "full-access"])
        .flags(flags.iter().copied())
}

fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

rings! {
    time needs [] |ws| {
        free(ws, "exec sleep 1000", &["--timeout", "1s"]).run().exits(124);
        // It may end by itself, and is ended if it does not.
        let done = free(ws, "trap 'echo told; exit 3' TERM; while :; do :; done", &["--timeout", "1s"]).run().exits(124);
        assert_eq!(done.out(), "told");
        free(ws, "trap '' TERM; while :; do :; done", &["--timeout", "1s"]).run().exits(124);
        // With a session of its own the whole group.
        free(ws, "trap '' TERM; sleep 1000 & sleep 1000; sleep 1000", &["--timeout", "1s", "--pty", "never"]).run().exits(124);
        free(ws, "exit 5", &["--timeout", "10m"]).run().exits(5);
    }

    output needs [] |ws| {
        let done = free(ws, "exec yes", &["--output", "1KiB"]).run().exits(125);
        assert_eq!(done.stdout.len(), 1024);
        let done = free(ws, "echo 1; echo 2 >&2", &["--output", "1KiB"]).run().ok();
        assert_eq!((done.out().as_str(), done.stdout.len()), ("1", 2));
    }

    /// What a command leaves behind is not waited for, though it could print.
    what_is_left_behind needs [] |ws| {
        let done = free(ws, "sleep 1000 & echo $! > left; echo said", &["--output", "1KiB"]).run().ok();
        assert_eq!(done.out(), "said");
        let left = ws.read("left");
        assert!(alive(&left));
        kill_process(Pid::from_raw(left.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    }

    terminals needs [] |ws| {
        let what = "for fd in 0 1; do test -t $fd && echo tty || echo none; done";
        for (flag, expected) in [("auto", "tty"), ("always", "tty"), ("never", "none")] {
            let mut screen = free(ws, what, &["--pty", flag]).on_terminal(80, 24);
            assert_eq!(screen.ends().code(), Some(0));
            let shown = screen.shows();
            let shown = shown.lines().skip_while(|line| !["tty", "none"].contains(line)).take(2).collect::<Vec<_>>();
            assert_eq!(shown, [expected, expected], "--pty {flag}");
        }
        assert_eq!(free(ws, what, &["--pty", "always"]).ok().replace('\r', ""), "tty\ntty");
    }

    ctrl_c needs [] |ws| {
        for flag in ["auto", "always", "never"] {
            let mut screen = free(ws, "echo u''p; exec sleep 1000", &["--pty", flag]).on_terminal(80, 24);
            screen.until_shows("up").types(CTRL_C);
            assert_eq!(screen.ends().signal(), Some(2), "--pty {flag}");
        }
    }

    signals needs [] |ws| {
        for (name, signal, code) in [("TERM", Signal::TERM, 7), ("HUP", Signal::HUP, 8), ("INT", Signal::INT, 9), ("USR1", Signal::USR1, 10)] {
            let live = free(ws, &format!("trap 'exit {code}' {name}; echo up > up; while :; do :; done"), &[]).start();
            until("the trap is set", || ws.has("up"));
            live.signal(signal);
            live.wait().exits(code);
            std::fs::remove_file(ws.at("up")).unwrap();
        }
    }

    killed_harness needs [] |ws| {
        let live = free(ws, "echo $$ > up.new; mv up.new up; exec sleep 1000", &[]).start();
        until("it runs", || ws.has("up"));
        live.signal(Signal::KILL);
        live.wait().exits(-9);
        let child = ws.read("up");
        until("its end", || !alive(&child));
    }

    /// As without Ringfence: nothing ignored, blocked or taken away.
    clean_start needs ["tool:grep"] |ws| {
        let script = ["grep", "-E", "^(Sig(Blk|Ign)|Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"];
        assert_eq!(ws.ring(script).flags(["--mode", "full-access"]).ok(), ws.bare(script).ok());
        assert_eq!(free(ws, "pwd -P", &[]).ok(), ws.path().display().to_string());
    }

    errors needs [] |ws| {
        ws.file("bad", "#!/no/such/interpreter\n");
        ws.file("plain", "echo plain $1\n");
        ws.bare_sh("chmod +x bad plain").ok();
        let run = |argv: &[&str]| ws.ring(argv.to_vec()).flags(["--mode", "full-access"]).run();
        run(&["./bad"]).exits(126);
        run(&["/usr"]).exits(126);
        run(&["no-such-program-anywhere"]).exits(127);
        assert_eq!(run(&["./plain", "x"]).ok().out(), "plain x");
    }

    what_needs_a_ring_is_refused needs [] |ws| {
        let asked = [
            ("--memory", "1GiB", "limits.memory"),
            ("--processes", "64", "limits.processes"),
            ("--hide", "hidden", "hide"),
            ("--protect", "f", "protect.paths"),
            ("--read", "minimal", "read"),
            ("--network", "off", "network"),
            ("--caches", "private", "caches"),
        ];
        for (flag, value, promise) in asked {
            let done = free(ws, "echo ran", &[flag, value]).run().exits(125);
            assert!(done.err().contains(promise) && done.out().is_empty(), "{done}");
            let done = free(ws, "echo ran", &[flag, value, "--accept", promise, "--json"]).run().ok();
            let report: serde_json::Value = serde_json::from_str(done.err().lines().last().unwrap()).unwrap();
            assert_eq!((done.out().as_str(), &report["enforcement"]), ("ran", &"none".into()), "{done}");
            assert_eq!((&report["shortfalls"][0]["promise"], &report["shortfalls"][0]["accepted"]), (&promise.into(), &true.into()), "{report}");
            let done = ws.ringfence(["why", "--mode", "full-access", flag, value, "--", "ls"]).run();
            assert!(done.code() != 0 && done.err().contains(promise), "{done}");
        }
        // What a file says of rings is put out of force by the mode.
        ws.file("../home/.config/ringfence/policy.toml", "[filesystem]\nhide = [\"/opt\"]\nread = \"minimal\"\n[network]\nmode = \"off\"\n");
        assert_eq!(free(ws, "echo ran", &["--network", "on"]).ok(), "ran");
    }
}
