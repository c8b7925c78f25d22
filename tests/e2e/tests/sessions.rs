//! `ringfence sessions`: what others hold, seen and ended.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Before, Client, Workspace, descendants, rings, until};
use rustix::process::Signal;
use serde_json::{Value, json};

fn listed(ws: &Workspace) -> Value {
    let text = ws.ringfence(["sessions", "list", "--json"]).ok();
    serde_json::from_str(&text).unwrap()
}

rings! {
    they_are_listed_read_and_ended needs ["userns"] |ws| {
        let before = Before::look();
        let done = ws.ringfence(["sessions"]).run().exits(0);
        assert!(done.out().is_empty() && done.err().contains("no sessions"), "{done}");
        let mut client = Client::serve(ws, &[]);
        let server = client.pid();
        client.ok("ring.list", json!({}));
        let done = ws.ringfence(["sessions"]).run().exits(0);
        assert!(done.out().is_empty() && done.err().contains("one server runs, and holds no ring"), "{done}");
        let ring = client.ring(ws);
        let start = |client: &mut Client, script: &str| {
            client.command(json!({ "ring": ring, "argv": ["sh", "-c", script], "stdin": "pipe", "attach": false }))
        };
        let command = start(&mut client, "echo printed; echo wrong >&2; read l; echo \"<$l>\"; exit 9");
        let text = ws.ringfence(["sessions"]).ok();
        assert!(text.contains(&format!("{server}.{ring} ")) && text.contains(", test"), "{text}");
        assert!(text.contains(&format!("{server}.{command} ")) && text.contains("runs"), "{text}");
        let all = listed(ws);
        assert_eq!(all["servers"][0]["server"], json!(server));
        assert_eq!(all["servers"][0]["commands"][0]["command"], json!(command));
        let name = format!("{server}.{command}");
        until("it printed", || {
            let done = ws.ringfence(["sessions", "logs", &name]).run().exits(0);
            done.out() == "printed" && done.err().trim() == "wrong"
        });
        let input = ringfence_e2e::Input::Bytes(b"typed\n".to_vec());
        let done = ws.ringfence(["sessions", "attach", &name]).input(input).run().exits(9);
        assert_eq!((done.out().as_str(), done.err().trim()), ("printed\n<typed>", "wrong"), "{done}");
        // It has ended, and its output is still there.
        let done = ws.ringfence(["sessions", "logs", "--follow", &name]).run().exits(9);
        assert_eq!(done.out(), "printed\n<typed>", "{done}");
        assert!(ws.ringfence(["sessions"]).ok().contains("exit 9"));

        let other = start(&mut client, "sleep 1000");
        ws.ringfence(["sessions", "stop", &format!("{server}.{other}")]).ok();
        assert_eq!(client.ok("command.wait", json!({ "command": other }))["signal"], 9);
        for name in ["nonsense", "1", "x.y", "1.2.3"] {
            let done = ws.ringfence(["sessions", "logs", name]).run().exits(125);
            assert!(done.err().contains("SERVER.NUMBER"), "{done}");
        }
        for name in [format!("{server}.98765"), "1.1".to_owned()] {
            for verb in ["logs", "attach", "stop"] {
                let done = ws.ringfence(["sessions", verb, &name]).run().exits(125);
                assert_eq!(done.err().lines().count(), 1, "{done}");
            }
        }
        // A server that is stopped keeps nobody waiting, and is named.
        let pid = rustix::process::Pid::from_raw(i32::try_from(server).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let done = ws.ringfence(["sessions"]).run().exits(0);
        assert!(done.out().is_empty(), "{done}");
        assert!(done.err().contains(&format!("server {server} does not answer")), "{done}");
        let done = ws.ringfence(["sessions", "logs", &name]).run().exits(125);
        assert!(done.err().contains("does not answer"), "{done}");
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
        ws.ringfence(["sessions", "stop", &format!("{server}.{ring}")]).ok();
        let told = client.until("its end", |m| m["method"] == "ring.ended");
        assert_eq!(told["params"]["ring"], json!(ring));
        client.wait().exits(0);
        before.nothing_left(ws);
    }

    /// What a client and a command are called cannot turn the line they stand on, or hide in it.
    names_are_shown_plainly needs ["userns"] |ws| {
        let mut client = Client::start(ws, &["serve"]);
        client.ok("initialize", json!({ "versions": [1], "client": "データ\u{202e}x" }));
        let ring = client.ring(ws);
        client.command(json!({ "ring": ring, "argv": ["sleep", "1000", "\u{200b}\u{2066}\u{9b}2J"] }));
        let text = ws.ringfence(["sessions"]).ok();
        assert!(text.contains(r"データ\u{202e}x"), "{text}");
        assert!(text.contains(r"sleep 1000 \u{200b}\u{2066}\u{9b}2J"), "{text}");
        client.wait().exits(0);
    }

    /// One sits at the command's own terminal, and leaves it running.
    a_terminal_is_attached_to needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let server = client.pid();
        let ring = client.ring(ws);
        let script = "while :; do stty size; read l || exit 6; echo \"<$l>\"; done";
        let command = client.command(json!({
            "ring": ring, "argv": ["sh", "-c", script], "terminal": { "rows": 5, "columns": 6 }, "attach": false,
        }));
        let name = format!("{server}.{command}");
        until("the command has shown its size", || ws.ringfence(["sessions", "logs", &name]).ok().contains("5 6"));
        let mut terminal = ws.ringfence(["sessions", "attach", &name]).on_terminal(91, 33);
        // What was shown before one came.
        terminal.until_shows("5 6");
        terminal.resize(92, 34);
        terminal.types("word\r");
        terminal.until_shows("<word>");
        terminal.until_shows("34 92");
        // A terminal that has no size says nothing about another's.
        terminal.resize(0, 0);
        terminal.types("again\r");
        terminal.until_shows("<again>\n34 92");
        // What was typed before the key that leaves is the command's.
        terminal.types("last\r\u{1d}");
        assert_eq!(terminal.ends().code(), Some(0));
        until("it was read", || ws.ringfence(["sessions", "logs", &name]).ok().contains("<last>"));
        assert!(listed(ws)["servers"][0]["commands"][0].get("ended").is_none());
        let mut terminal = ws.ringfence(["sessions", "attach", &name]).on_terminal(40, 20);
        terminal.until_shows("<word>");
        // Ctrl-D is the command's to read.
        terminal.types("\u{4}");
        assert_eq!(terminal.ends().code(), Some(6));
        client.wait().exits(0);
    }

    /// However one is ended, the terminal is left as it was.
    a_signal_leaves_no_terminal_raw needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let server = client.pid();
        let ring = client.ring(ws);
        let script = "printf u''p; exec sleep 1000";
        let command = client.command(json!({
            "ring": ring, "argv": ["sh", "-c", script], "terminal": { "rows": 5, "columns": 6 }, "attach": false,
        }));
        let attach = ws.ringfence(["sessions", "attach", &format!("{server}.{command}")]).quoted();
        for (signal, code) in [(Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143)] {
            // The shell is there to see it: a terminal that is hung up is set back by the kernel.
            let script = format!("trap : INT QUIT; ulimit -c 0; {attach}; echo \"[$?]\"; stty -a | grep -ow -e '-*icanon'; echo over");
            let mut terminal = ws.bare_sh(&format!("set +e; {script}")).on_terminal(80, 24);
            terminal.until_shows("up");
            let attached = descendants(terminal.pid()).into_iter().find(|(_, name)| name == "ringfence-tools");
            let (pid, _) = attached.expect("it runs");
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            rustix::process::kill_process(pid, signal).unwrap();
            terminal.until_shows("over");
            assert!(terminal.shows().contains(&format!("[{code}]\nicanon\nover")), "{}", terminal.shows());
            terminal.ends();
        }
        assert!(listed(ws)["servers"][0]["commands"][0].get("ended").is_none());
        client.wait().exits(0);
    }
}
