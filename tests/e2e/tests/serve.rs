//! `ringfence serve`: rings for another program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::io::{IoSlice, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use ringfence_e2e::{Before, Client, Input, Workspace, bytes, descendants, rings, sh, until, with};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Resident memory of a process, KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A server with a socket, and where that is.
fn with_socket(ws: &Workspace) -> (Client, PathBuf) {
    let path = ws.base.join("run/own/serve.sock");
    let server = Client::start(ws, &["serve", "--socket", path.to_str().unwrap()]);
    // The file is there a moment before it is listened on.
    until("it listens", || UnixStream::connect(&path).is_ok());
    (server, path)
}

/// A program that says hello on a socket.
fn connecting(path: &Path) -> String {
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"versions":[1]}}"#;
    format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect({:?}); \
         s.sendall(b'{hello}\\n'); print('got' if s.recv(9) else 'nothing')",
        path.display().to_string()
    )
}

/// Descriptors come along with a request, and are for it alone.
fn descriptors_come_along(ws: &Workspace, other: &mut Client, kept: u64) {
    let (mut read, write) = std::io::pipe().unwrap();
    let input = ws.file("input", "from a file\n");
    let input = std::fs::File::open(input).unwrap();
    let send = |to: &Client, request: Value, fds: &[std::os::fd::BorrowedFd<'_>]| {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
        let line = format!("{request}\n");
        sendmsg(
            to.socket(),
            &[IoSlice::new(line.as_bytes())],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
    };
    // Those of a request that is refused are closed, and are not the next one's.
    let (mut refused, wrong) = std::io::pipe().unwrap();
    for (method, params) in [
        (
            "command.start",
            json!({ "ring": kept, "argv": ["true"], "colour": 1 }),
        ),
        (
            "command.start",
            json!({ "ring": 987, "argv": ["true"], "stdout": "descriptor" }),
        ),
        ("ring.list", json!({})),
        ("no.such", json!({})),
    ] {
        let request = json!({ "jsonrpc": "2.0", "id": "x", "method": method, "params": params });
        send(other, request, &[wrong.as_fd()]);
        other.until("its answer", |m| m["id"] == "x");
    }
    drop(wrong);
    let mut nothing = Vec::new();
    refused.read_to_end(&mut nothing).unwrap();
    let request = json!({ "jsonrpc": "2.0", "id": "fd", "method": "command.start", "params": {
        "ring": kept, "argv": ["cat"], "stdin": "descriptor", "stdout": "descriptor" } });
    send(other, request, &[input.as_fd(), write.as_fd()]);
    drop(write);
    let answer = other.until("the start", |m| m["id"] == "fd");
    assert!(answer["result"]["command"].is_u64(), "{answer}");
    let mut printed = String::new();
    read.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "from a file\n");
}

rings! {
    /// What is said comes in order, with codes, streams and offsets; the ring holds.
    a_client_runs_commands needs ["userns"] |ws| {
        let before = Before::look();
        let outside = ws.file("../outside", "as it was");
        ws.dir("sub");
        let mut client = Client::serve(ws, &[]);
        let opened = client.ok("ring.open", json!({ "workspace": ws.path() }));
        let ring = opened["ring"].as_u64().unwrap();
        assert_eq!(opened["directory"], json!(ws.path()));
        assert!(["full", "partial"].contains(&opened["enforcement"].as_str().unwrap()), "{opened}");
        // Refused outside of the workspace, allowed in it, in one ring and the next command.
        let command = client.command(sh(ring, "echo x > ../outside; echo in > file; cat file"));
        let (ended, printed) = client.ended(command, "stdout");
        assert_eq!((&ended["code"], &printed[..]), (&json!(0), &b"in\n"[..]), "{ended}");
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "as it was");
        ws.bare_sh("echo x > ../outside").ok();
        let command = client.command(sh(ring, "cat file; echo problem >&2; exit 7"));
        let (ended, printed) = client.ended(command, "stderr");
        assert_eq!((&ended["code"], &printed[..]), (&json!(7), &b"problem\n"[..]), "{ended}");
        assert_eq!(client.ok("command.wait", json!({ "command": command }))["code"], 7);
        // Signals, directories, variables.
        let command = client.command(with(
            sh(ring, "pwd; echo $WORD${HOME-none}; kill -TERM $$"),
            json!({ "directory": "sub", "env": { "WORD": "wörd ", "HOME": null } }),
        ));
        let (ended, printed) = client.ended(command, "stdout");
        let expected = format!("{}\nwörd none\n", ws.path().join("sub").display());
        assert_eq!((&ended["signal"], String::from_utf8(printed).unwrap()), (&json!(15), expected));
        let command = client.command(with(sh(ring, "echo a; echo b >&2; echo c"), json!({ "stderr": "stdout" })));
        assert_eq!(client.ended(command, "stdout").1, b"a\nb\nc\n");
        let command = client.command(with(sh(ring, "trap '' TERM; sleep 1000"), json!({ "time_limit_ms": 100 })));
        let ended = client.ended(command, "stdout").0;
        assert_eq!((&ended["timed_out"], &ended["signal"]), (&json!(true), &json!(9)), "{ended}");
        let dd = |limit| json!({ "ring": ring, "argv": ["dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1"], "memory_limit": limit });
        for (limit, code) in [(200 << 20, 1), (600 << 20, 0)] {
            let command = client.command(dd(limit));
            assert_eq!(client.ended(command, "stderr").0["code"], code);
        }
        assert_eq!(client.refused("command.start", dd(0))["code"], -32602);
        // Many variables; the last word about each counts.
        let mut many: std::collections::BTreeMap<String, Value> = (0..20_000).map(|n| (format!("VARIABLE_{n}"), json!("x"))).collect();
        many.insert("HOME".to_owned(), Value::Null);
        let command = client.command(with(sh(ring, "env | grep -c ^VARIABLE_; echo ${HOME-none}"), json!({ "env": many })));
        assert_eq!(client.ended(command, "stdout").1, b"20000\nnone\n");
        let error = client.refused("command.start", json!({ "ring": ring, "argv": vec!["x"; 100_001] }));
        assert_eq!(error["code"], -32602);
        let error = client.refused("ring.open", json!({ "workspace": ws.path(), "policy": { "drop_env": vec!["x"; 5000] } }));
        assert_eq!(error["code"], -32602);
        let error = client.refused("command.start", json!({ "ring": ring, "argv": ["no-such-program"] }));
        assert_eq!((&error["code"], &error["data"]["how"]), (&json!(-32000), &json!("not-found")), "{error}");
        client.ok("ring.close", json!({ "ring": ring }));
        assert_eq!(client.refused("ring.close", json!({ "ring": ring }))["code"], -32003);
        client.wait().exits(0);
        before.nothing_left(ws);
    }

    /// Input arrives as it was sent, or is said not to; what waits is bounded.
    input needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let cat = client.command(json!({ "ring": ring, "argv": ["cat"], "stdin": "pipe" }));
        client.ok("command.stdin", json!({ "command": cat, "text": "héllo " }));
        client.ok("command.stdin", json!({ "command": cat, "base64": "/wD+", "eof": true }));
        let (ended, printed) = client.ended(cat, "stdout");
        assert_eq!((&ended["code"], &printed[..]), (&json!(0), &b"h\xc3\xa9llo \xff\0\xfe"[..]));
        let stdin = |command: u64| json!({ "command": command, "text": "x" });
        assert_eq!(client.refused("command.stdin", stdin(cat))["code"], -32005);
        assert_eq!(client.refused("command.stdin", stdin(987))["code"], -32004);
        let both = json!({ "command": cat, "text": "x", "base64": "eA==" });
        assert_eq!(client.refused("command.stdin", both)["code"], -32602);
        // One that does not read: each write waits, and what waits is bounded.
        let deaf = client.command(with(sh(ring, "echo up; read line; echo $line; wc -c"), json!({ "stdin": "pipe", "when_full": "drop" })));
        let megabyte = "y".repeat(1024 * 1024);
        let first = client.ask("command.stdin", json!({ "command": deaf, "text": "word\n" }));
        client.answer(first);
        let sleeper = client.command(with(sh(ring, "sleep 1000"), json!({ "stdin": "pipe" })));
        let asked: Vec<u64> = (0..4).map(|_| client.ask("command.stdin", json!({ "command": sleeper, "text": megabyte }))).collect();
        assert_eq!(client.refused("command.stdin", json!({ "command": sleeper, "text": megabyte }))["code"], -32006);
        client.ok("command.kill", json!({ "command": sleeper }));
        for id in asked {
            assert_eq!(client.answer(id)["error"]["code"], -32005);
        }
        // The other went on.
        client.ok("command.stdin", json!({ "command": deaf, "text": "12345", "eof": true }));
        assert_eq!(client.ended(deaf, "stdout").1, b"up\nword\n5\n");
        client.wait().exits(0);
    }

    terminals needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let size = |rows: u32, columns: u32| json!({ "rows": rows, "columns": columns });
        let script = "stty size; while read l; do echo \"<$l>\"; stty size; done; exit 5";
        let command = client.command(with(sh(ring, script), json!({ "terminal": size(21, 33) })));
        let shown = |client: &mut Client, wanted: &str| {
            let mut all = String::new();
            while !all.contains(wanted) {
                let message = client.until(wanted, |m| m["params"]["command"] == json!(command));
                assert_eq!(message["params"]["stream"], "terminal", "{message}");
                all.push_str(&String::from_utf8(bytes(&message["params"])).unwrap());
            }
        };
        shown(&mut client, "21 33\r\n");
        client.ok("command.stdin", json!({ "command": command, "text": "word\n" }));
        shown(&mut client, "<word>\r\n");
        client.ok("command.resize", with(size(7, 9), json!({ "command": command })));
        client.ok("command.stdin", json!({ "command": command, "text": "again\n" }));
        shown(&mut client, "7 9\r\n");
        for (rows, columns) in [(0, 0), (0, 80), (24, 0), (65_536, 1)] {
            let params = with(size(rows, columns), json!({ "command": command }));
            assert_eq!(client.refused("command.resize", params)["code"], -32602);
        }
        client.ok("command.stdin", json!({ "command": command, "eof": true }));
        let ended = client.ok("command.wait", json!({ "command": command }));
        assert_eq!(ended["code"], 5, "{ended}");
        let plain = client.command(sh(ring, "sleep 1000"));
        let error = client.refused("command.resize", with(size(1, 1), json!({ "command": plain })));
        assert_eq!(error["code"], -32007);
        client.wait().exits(0);
    }

    /// Each bad message has its error; the session, and what runs in it, goes on.
    bad_messages needs ["userns"] |ws| {
        let mut client = Client::start(ws, &["serve"]);
        assert_eq!(client.refused("ring.list", json!({}))["code"], -32001);
        let error = client.refused("initialize", json!({ "versions": [0, 99] }));
        assert_eq!((&error["code"], &error["data"]["versions"]), (&json!(-32002), &json!([1])));
        assert_eq!(client.refused("initialize", json!({}))["code"], -32602);
        client.ok("initialize", json!({ "versions": [7, 1] }));
        let ring = client.ring(ws);
        let witness = client.command(with(sh(ring, "read line; echo $line"), json!({ "stdin": "pipe" })));
        let bomb = format!("{}\n", "[".repeat(200_000));
        let nested = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"doctor\",\"params\":{}}}\n", "{\"a\":".repeat(100_000));
        let long = format!("{{\"jsonrpc\":\"2.0\",\"pad\":\"{}\"}}\n", "x".repeat(17 * 1024 * 1024));
        for (line, code) in [
            (&b"\xff\xfe{}\n"[..], -32700),
            (b"{\"jsonrpc\":\"2.0\",\"id\":\"\xc3\x28\",\"method\":\"doctor\"}\n", -32700),
            (b"nonsense\n", -32700),
            (b"{\"jsonrpc\":\"2.0\",\"id\":1\n", -32700),
            (bomb.as_bytes(), -32600),
            (nested.as_bytes(), -32700),
            (long.as_bytes(), -32600),
            (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ring.list\"}]\n", -32600),
            (b"[\"2.0\",1,\"ring.list\",{}]\n", -32600),
            (b"17\n", -32600),
            (b"{\"jsonrpc\":\"1.0\",\"method\":\"ring.list\"}\n", -32600),
            (b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ring.list\"}\n", -32600),
            (b"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"method\":\"ring.list\"}\n", -32600),
        ] {
            client.send(line);
            let error = client.error_without_id();
            assert_eq!(error["code"], code, "{error}: {}", String::from_utf8_lossy(&line[..line.len().min(80)]));
            assert!(error["message"].as_str().unwrap().len() < 400, "{error}");
        }
        for (method, params, code) in [
            ("no.such", json!({}), -32601),
            ("ring.open", json!([ws.path()]), -32602),
            ("ring.open", json!({ "workspace": ws.path(), "colour": "red" }), -32602),
            ("ring.open", json!({ "workspace": "relative" }), -32602),
            ("ring.open", json!({ "workspace": 3 }), -32602),
            ("ring.open", json!({ "workspace": ws.path(), "policy": { "time": "soon" } }), -32602),
            ("ring.open", json!({ "workspace": ws.at("missing") }), -32000),
            ("ring.open", json!({ "workspace": "/" }), -32000),
            ("ring.open", json!({ "workspace": ws.path(), "policy": { "mode": "full-access" } }), -32000),
            ("command.start", json!({ "ring": ring + 99, "argv": ["true"] }), -32003),
            ("command.start", json!({ "ring": ring, "argv": [] }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["a\u{0}b"] }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "env": { "A=B": "c" } }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "buffer": 0 }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "buffer": 1_u64 << 40 }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "stdout": "stdout" }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "stdin": "descriptor" }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "stdin": "pipe", "terminal": { "rows": 1, "columns": 1 } }), -32602),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "directory": "nowhere" }), -32000),
            ("command.start", json!({ "ring": ring, "argv": ["true"], "directory": "~nobody/x" }), -32602),
            ("grant.request", json!({ "ring": ring, "write": "~nobody/x" }), -32602),
            ("grant.request", json!({ "ring": ring, "socket": "~nobody/x" }), -32602),
            ("ring.open", json!({ "workspace": "~nobody" }), -32602),
            ("why", json!({ "path": "~nobody/x" }), -32602),
            ("command.signal", json!({ "command": witness, "signal": "NOISE" }), -32602),
            ("command.signal", json!({ "command": witness, "signal": 0 }), -32602),
            ("command.signal", json!({ "command": witness, "signal": 65 }), -32602),
            ("command.forget", json!({ "command": witness }), -32008),
            ("command.read", json!({ "command": witness, "stream": "terminal" }), -32602),
            ("command.wait", json!({ "command": 12345 }), -32004),
            ("why", json!({}), -32602),
            ("why", json!({ "path": "/x", "argv": ["y"] }), -32602),
        ] {
            let error = client.refused(method, params.clone());
            assert_eq!(error["code"], code, "{method} {params}: {error}");
            if params.to_string().contains("~nobody") {
                assert!(error["message"].as_str().unwrap().contains("another person's home"), "{method} {params}: {error}");
            }
        }
        // What is hidden is said to be, and by what.
        let hidden = ws.dir("hidden/below");
        let hides = json!({ "workspace": ws.path(), "policy": { "hide": [ws.at("hidden")] } });
        let other = client.ok("ring.open", hides)["ring"].clone();
        let error = client.refused("command.start", json!({ "ring": other, "argv": ["true"], "directory": hidden }));
        let text = error["message"].as_str().unwrap();
        assert!(text.starts_with(&format!("{}: hidden in the ring", hidden.display())) && text.contains("the policy hides it"), "{error}");
        // An id that waits already; and the one that waits is answered.
        client.send(format!("{{\"jsonrpc\":\"2.0\",\"id\":\"w\",\"method\":\"command.wait\",\"params\":{{\"command\":{witness}}}}}\n").repeat(2).as_bytes());
        let answer = client.until("the second", |m| m["id"] == "w");
        assert_eq!(answer["error"]["code"], -32600, "{answer}");
        // What asks for no answer gets none.
        client.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"ring.list\"}\n\n  \n");
        client.ok("command.stdin", json!({ "command": witness, "text": "still here\n" }));
        assert_eq!(client.ended(witness, "stdout").1, b"still here\n");
        let answer = client.until("the first", |m| m["id"] == "w");
        assert_eq!(answer["result"]["code"], 0, "{answer}");
        for _ in 0..2 {
            client.ok("command.kill", json!({ "command": witness }));
            client.ok("command.signal", json!({ "command": witness, "signal": "SIGTERM", "all": true }));
        }
        client.ok("command.forget", json!({ "command": witness }));
        assert_eq!(client.refused("command.wait", json!({ "command": witness }))["code"], -32004);
        // Half a line is the last there is.
        client.send(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"met");
        client.wait().exits(0);
    }

    /// What nobody takes is bounded, also at hundreds of megabytes; others do not notice.
    output_nobody_reads needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let pid = client.pid();
        let ring = client.ring(ws);
        // Nobody is attached: nothing waits, the newest is kept.
        let sum = 300_000_000_u64;
        let script = format!("yes 1234567 | head -c {sum}");
        let command = client.command(with(sh(ring, &script), json!({ "attach": false, "buffer": 65_536 })));
        assert_eq!(client.ok("command.wait", json!({ "command": command }))["code"], 0);
        let mut read = client.ok("command.read", json!({ "command": command }));
        // Its last bytes are carried a moment after its end.
        while read["eof"] == false {
            read = client.ok("command.read", json!({ "command": command, "from": read["next"] }));
        }
        let read = client.ok("command.read", json!({ "command": command }));
        assert_eq!((&read["next"], &read["offset"]), (&json!(sum), &json!(sum - 65_536)));
        assert!(resident(pid) < 40 * 1024, "{} KiB", resident(pid));
        // Somebody is, and does not read: the command waits, and no other does.
        let unread = client.reads();
        let held = unread.lock().unwrap();
        client.ask("command.start", with(sh(ring, "yes; true"), json!({ "buffer": 1_048_576 })));
        client.ask("command.start", with(sh(ring, "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i > count; done; touch done"), json!({ "attach": false })));
        until("the other went on", || ws.has("done"));
        assert!(resident(pid) < 60 * 1024, "{} KiB", resident(pid));
        drop(held);
        let listed = client.ok("command.list", json!({ "ring": ring }));
        let yes = listed["commands"].as_array().unwrap().iter().find(|c| c["argv"][2] == "yes; true").unwrap();
        let yes = yes["command"].as_u64().unwrap();
        client.ok("command.kill", json!({ "command": yes }));
        let (ended, printed) = client.ended(yes, "stdout");
        assert!(ended["signal"] == 9 && !printed.is_empty() && printed.chunks(2).all(|c| b"y\n".starts_with(c)), "{ended}");
        client.wait().exits(0);
    }

    /// Who comes late is told from the beginning, or from where it left off.
    late_readers needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let command = client.command(with(sh(ring, "printf 0123456789; printf wrong >&2; read l; printf tail; exit 3"), json!({ "attach": false, "stdin": "pipe" })));
        let at = json!({ "command": command });
        until("it printed", || {
            let of = |stream: &str| json!({ "command": command, "stream": stream });
            client.ok("command.read", of("stdout"))["next"] == 10 && client.ok("command.read", of("stderr"))["next"] == 5
        });
        let read = client.ok("command.read", json!({ "command": command, "from": 4, "max": 4 }));
        assert_eq!((&read["text"], &read["next"], &read["eof"]), (&json!("4567"), &json!(8), &json!(false)));
        let read = client.ok("command.read", json!({ "command": command, "stream": "stderr" }));
        assert_eq!(read["text"], "wrong");
        client.ok("command.attach", with(at.clone(), json!({ "from": { "stdout": 7 } })));
        let told = client.until("the rest", |m| m["params"]["stream"] == "stdout");
        assert_eq!((&told["params"]["offset"], &told["params"]["text"]), (&json!(7), &json!("789")));
        let told = client.until("its errors", |m| m["params"]["stream"] == "stderr");
        assert_eq!((&told["params"]["offset"], &told["params"]["text"]), (&json!(0), &json!("wrong")));
        client.ok("command.detach", at.clone());
        client.ok("command.stdin", with(at.clone(), json!({ "text": "go\n" })));
        assert_eq!(client.ok("command.wait", at.clone())["code"], 3);
        // Detached, it was told no more; attached once more, all of it.
        client.ok("command.attach", at);
        let (ended, printed) = client.ended(command, "stdout");
        assert_eq!((&ended["code"], &printed[..]), (&json!(3), &b"0123456789tail"[..]));
        client.wait().exits(0);
    }

    /// What is left in the background is told of, and ends with the ring.
    background needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let script = "(read l < gate; echo late; sleep 1000) & echo early";
        ws.bare_sh("mkfifo gate").ok();
        let command = client.command(with(sh(ring, script), json!({ "keep_background": true })));
        let (ended, printed) = client.ended(command, "stdout");
        assert_eq!((&ended["code"], &printed[..], &ended["open"]), (&json!(0), &b"early\n"[..], &json!(true)));
        let open = client.command(sh(ring, "echo > gate"));
        client.ended(open, "stdout");
        let told = client.until("what comes late", |m| m["params"]["command"] == json!(command));
        assert_eq!((&told["params"]["offset"], &told["params"]["text"]), (&json!(6), &json!("late\n")));
        client.ok("command.kill", json!({ "command": command }));
        let closed = client.until("its output ends", |m| m["method"] == "command.closed");
        assert_eq!(closed["params"]["command"], json!(command));
        assert_eq!(client.ok("command.read", json!({ "command": command }))["eof"], true);
        // Who reads may wait for what comes.
        let command = client.command(with(sh(ring, "read l; printf $l; read l"), json!({ "stdin": "pipe", "attach": false })));
        let waits = client.ask("command.read", json!({ "command": command, "wait_ms": 60_000 }));
        client.ok("command.stdin", json!({ "command": command, "text": "word\n" }));
        assert_eq!(client.answer(waits)["result"]["text"], "word");
        let waits = client.ask("command.read", json!({ "command": command, "from": 4, "wait_ms": 60_000 }));
        client.ok("command.stdin", json!({ "command": command, "eof": true }));
        let read = &client.answer(waits)["result"];
        assert_eq!((&read["text"], &read["next"]), (&json!(""), &json!(4)));
        let read = client.ok("command.read", json!({ "command": command, "from": 4, "wait_ms": 1 }));
        assert_eq!(read["next"], 4);
        client.wait().exits(0);
    }

    /// However client or server end, nothing of their rings is left.
    ends needs ["userns"] |ws| {
        let before = Before::look();
        let start = |ws: &Workspace| {
            let mut client = Client::serve(ws, &[]);
            let ring = client.ring(ws);
            let command = client.command(sh(ring, "setsid sleep 1000 & setsid sleep 1000 & echo up; yes"));
            client.until("it is up", |m| m["params"]["command"] == json!(command));
            assert!(descendants(client.pid()).len() >= 4);
            client
        };
        // The client goes in the middle of output.
        start(ws).wait().exits(0);
        before.nothing_left(ws);
        start(ws).signal(Signal::TERM).exits(0);
        before.nothing_left(ws);
        start(ws).signal(Signal::KILL);
        // It could not take its socket away: the next one does.
        start(ws).wait().exits(0);
        before.nothing_left(ws);
        // One that reads nothing while it goes.
        let client = start(ws);
        let unread = client.reads();
        let _held = unread.lock().unwrap();
        client.wait().exits(0);
        before.nothing_left(ws);
    }

    /// Who goes while a command waits for them to read keeps it waiting no longer.
    readers_that_go needs ["userns", "tool:python3"] |ws| {
        let (server, path) = with_socket(ws);
        let mut one = Client::connect_as(ws, &path);
        let opened = one.ok("ring.open", json!({ "workspace": ws.path(), "keep": true }));
        let ring = opened["ring"].as_u64().unwrap();
        let unread = one.reads();
        let held = unread.lock().unwrap();
        one.ask("command.start", with(sh(ring, "head -c 20000000 /dev/zero; touch done; exit 4"), json!({ "buffer": 65_536 })));
        let mut other = Client::connect_as(ws, &path);
        let command = || json!({ "ring": ring });
        let mut number = None;
        until("it is listed", || {
            let listed = other.ok("command.list", command());
            number = listed["commands"][0]["command"].as_u64();
            number.is_some()
        });
        // What is kept of it, and the pipe behind that, are full: it prints no more.
        let (mut end, mut same) = (0, 0);
        until("it stands still", || {
            let read = other.ok("command.read", json!({ "command": number, "from": u64::MAX }));
            let next = read["next"].as_u64().unwrap();
            same = if next == end { same + 1 } else { 0 };
            end = next;
            end > 0 && same >= 20
        });
        assert!(end < 20_000_000 && !ws.has("done"), "it waits for its reader: {end}");
        one.leave();
        drop(held);
        let ended = other.ok("command.wait", json!({ "command": number }));
        assert_eq!(ended["code"], 4, "{ended}");
        other.leave();
        server.signal(Signal::TERM).exits(0);
    }

    /// A server that stays holds nothing of rings that are closed, but the ends of their last commands.
    rings_come_and_go needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let pid = client.pid();
        let open_files = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let once = |client: &mut Client| {
            let ring = client.ring(ws);
            let command = client.command(with(sh(ring, "head -c 9000000 /dev/zero; exit 3"), json!({ "buffer": 8_000_000, "attach": false })));
            client.ok("command.wait", json!({ "command": command }));
            client.ok("ring.close", json!({ "ring": ring }));
            assert_eq!(client.ok("command.wait", json!({ "command": command }))["code"], 3);
        };
        for _ in 0..3 {
            once(&mut client);
        }
        let before = open_files();
        for _ in 0..20 {
            once(&mut client);
        }
        until("what rings had is given back", || open_files() <= before);
        // 23 times 8 MB would be more; what is kept of commands that have ended is bounded.
        assert!(resident(pid) < 140 * 1024, "{} KiB", resident(pid));
        assert!(client.ok("ring.list", json!({}))["rings"].as_array().unwrap().is_empty());
        client.wait().exits(0);
    }

    many_at_once needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let asked: Vec<u64> = (0..200).map(|n| client.ask("command.start", sh(ring, &format!("read l < /dev/null; echo {n}; exit {}", n % 100)))).collect();
        for (n, id) in asked.into_iter().enumerate() {
            let command = client.answer(id)["result"]["command"].as_u64().unwrap();
            let (ended, printed) = client.ended(command, "stdout");
            assert_eq!((&ended["code"], String::from_utf8(printed).unwrap()), (&json!(n % 100), format!("{n}\n")));
        }
        // Those that have ended are not kept for ever. The last were told a moment ago.
        let mut known = 0;
        until("the last 64 are known", || {
            known = client.ok("command.list", json!({}))["commands"].as_array().unwrap().len();
            known <= 64
        });
        assert_eq!(known, 64);
        client.wait().exits(0);
    }

    /// The last to end are known, and not the last to begin; also where nothing begins after them.
    the_last_to_end_are_known needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let started: Vec<u64> = (0..70).map(|_| client.command(with(sh(ring, "exec sleep 1000"), json!({ "attach": false })))).collect();
        let (first, others) = started.split_first().unwrap();
        for command in others.iter().chain([first]) {
            client.ok("command.kill", json!({ "command": command }));
            client.ok("command.wait", json!({ "command": command }));
        }
        let listed = client.ok("command.list", json!({}));
        let listed: Vec<u64> = listed["commands"].as_array().unwrap().iter().map(|command| command["command"].as_u64().unwrap()).collect();
        let known: Vec<u64> = [first].into_iter().chain(&others[others.len() - 63..]).copied().collect();
        assert_eq!(listed, known);
        client.wait().exits(0);
    }

    /// Commands of one ring do not see those of another, which is another boundary.
    rings_are_apart needs ["userns"] |ws| {
        ws.dir("../other");
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let opened = client.ok("ring.open", json!({ "workspace": ws.base.join("other"), "idle_ms": 3_600_000 }));
        let other = opened["ring"].as_u64().unwrap();
        assert_ne!(ring, other);
        // Its number is to be one that nobody in the other ring has.
        for _ in 0..30 {
            let command = client.command(sh(ring, "true"));
            client.ended(command, "stdout");
        }
        let secret = client.command(with(sh(ring, "echo $$; exec sleep 7654"), json!({ "env": { "SECRET": "in memory" } })));
        let number = client.until("its number", |m| m["params"]["command"] == json!(secret));
        let number = number["params"]["text"].as_str().unwrap().trim().to_owned();
        let look = format!("grep -l '76[5]4' /proc/[0-9]*/cmdline; grep -l 'in [m]emory' /proc/[0-9]*/environ; kill -9 {number}; echo looked");
        let waits = "while ! grep -ls '76[5]4' /proc/[0-9]*/cmdline; do :; done; ";
        let same = client.command(sh(ring, &format!("{waits}{}", look.replace("kill -9", "kill -0"))));
        let (_, seen) = client.ended(same, "stdout");
        assert!(String::from_utf8_lossy(&seen).contains(&format!("/proc/{number}/cmdline")), "the control: {seen:?}");
        let there = client.command(sh(other, &look));
        let (_, seen) = client.ended(there, "stdout");
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.ends_with("looked\n") && !seen.contains("environ"), "{seen}");
        let write = client.command(sh(other, &format!("echo x > {}/made", ws.path().display())));
        assert_ne!(client.ended(write, "stdout").0["code"], 0);
        assert!(!ws.has("made"));
        assert_eq!(client.ok("ring.list", json!({}))["rings"].as_array().unwrap().len(), 2);
        // The first is as it was.
        let alive = client.ok("command.list", json!({ "ring": ring }));
        let alive = alive["commands"].as_array().unwrap().iter().find(|c| c["command"] == json!(secret)).unwrap().clone();
        assert!(alive.get("ended").is_none(), "{alive}");
        client.wait().exits(0);
    }

    /// Who opened a ring is told what in it somebody should look at.
    what_was_planted_is_told needs ["userns", "tool:git"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let noticed = |m: &Value| m["method"] == "ring.noticed";
        client.command(sh(ring, "echo '{}' > .mcp.json"));
        let told = client.until("what was moved aside", noticed);
        let moved = json!([{ "path": ws.path().join(".mcp.json") }]);
        assert_eq!(told["params"], json!({ "ring": ring, "taken_away": moved, "made": [] }));
        // Who asks has it as well.
        assert_eq!(client.ok("ring.outcome", json!({ "ring": ring }))["taken_away"], moved);
        assert_eq!(client.ok("ring.outcome", json!({ "ring": ring }))["taken_away"], json!([]));
        // A command that runs for longer than a moment is looked after.
        client.command(sh(ring, "git init -q . && git config core.fsmonitor ./x; sleep 0.3"));
        let told = client.until("what was planted", noticed);
        let made = json!([{ "path": ws.path(), "runs": ["core.fsmonitor"] }]);
        assert_eq!(told["params"], json!({ "ring": ring, "taken_away": [], "made": made }));
        client.wait().exits(0);
    }

    /// A ring that nobody uses ends by itself, and that is told.
    idle_rings_end needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let opened = client.ok("ring.open", json!({ "workspace": ws.path(), "idle_ms": 200 }));
        let ring = opened["ring"].as_u64().unwrap();
        // What runs keeps it.
        let command = client.command(with(sh(ring, "read line; echo $line"), json!({ "stdin": "pipe" })));
        let other = client.ok("ring.open", json!({ "workspace": ws.path(), "idle_ms": 1 }));
        let told = client.until("the other's end", |m| m["method"] == "ring.ended");
        assert_eq!(told["params"]["ring"], other["ring"]);
        client.ok("command.stdin", json!({ "command": command, "text": "on\n" }));
        assert_eq!(client.ended(command, "stdout").1, b"on\n");
        let told = client.until("its end", |m| m["method"] == "ring.ended");
        assert_eq!(told["params"]["ring"], json!(ring));
        assert_eq!(client.refused("command.start", sh(ring, "true"))["code"], -32003);
        client.wait().exits(0);
    }

    /// By the socket come others of the same user, and nobody from within a ring.
    sockets needs ["userns"] |ws| {
        let before = Before::look();
        let (server, path) = with_socket(ws);
        // Only the very same user is let in, root is not either.
        let same = ws.person.uid == rustix::process::geteuid().as_raw();
        if !same {
            let mut stranger = UnixStream::connect(&path).unwrap();
            let mut answer = String::new();
            let _reset = stranger.read_to_string(&mut answer);
            assert_eq!(answer, "");
        }
        let mut one = Client::connect_as(ws, &path);
        let kept = one.ok("ring.open", json!({ "workspace": ws.path(), "keep": true }))["ring"].as_u64().unwrap();
        let dropped = one.ring(ws);
        let command = one.command(with(sh(kept, "echo begun; read l; echo $l"), json!({ "stdin": "pipe" })));
        one.until("it begins", |m| m["params"]["command"] == json!(command));
        let mut other = Client::connect_as(ws, &path);
        assert_eq!(other.ok("ring.list", json!({}))["rings"].as_array().unwrap().len(), 2);
        one.leave();
        until("the first's ring is closed", || {
            let rings = other.ok("ring.list", json!({}));
            rings["rings"].as_array().unwrap().iter().all(|r| r["ring"] != json!(dropped))
        });
        // What was kept goes on, and all of it can be read.
        other.ok("command.attach", json!({ "command": command }));
        other.ok("command.stdin", json!({ "command": command, "text": "from the other\n" }));
        assert_eq!(other.ended(command, "stdout").1, b"begun\nfrom the other\n");

        if same {
            descriptors_come_along(ws, &mut other, kept);
        }

        // From within a ring nobody gets in, also where the socket can be seen.
        assert_eq!(ws.bare(["python3", "-c", &connecting(&path)]).ok(), "got");
        let done = ws.ring(["python3", "-c", &connecting(&path)]).run();
        assert!(!done.out().contains("got"), "{done}");
        let inner = ws.path().join("own/serve.sock");
        let second = Client::start(ws, &["serve", "--socket", inner.to_str().unwrap()]);
        until("it listens", || inner.exists());
        assert_eq!(ws.bare(["python3", "-c", &connecting(&inner)]).ok(), "got");
        let done = ws.ring(["python3", "-c", &connecting(&inner)]).flags([std::ffi::OsStr::new("--socket"), inner.as_os_str()]).run();
        assert!(!done.out().contains("got"), "{done}");
        second.signal(Signal::KILL);
        // Nor from a ring without namespaces, whose processes are this user's like others.
        let mut less = vec!["run".into(), "--linux-mode=landlock-only".into()];
        let refused = ws.ringfence(["run", "--linux-mode=landlock-only", "--json", "--", "python3", "-c", ""]).run();
        let report: Value = serde_json::from_str(refused.err().lines().last().unwrap()).unwrap();
        for lack in report["lacking"].as_array().unwrap() {
            less.push(format!("--accept={}", lack["promise"].as_str().unwrap()));
        }
        less.extend(["--", "python3", "-c"].map(String::from));
        let connects = ["import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('connected', s.recv(1))"];
        less.extend(connects.map(String::from));
        less.push(path.to_str().unwrap().to_owned());
        let done = ws.ringfence(&less).run();
        assert_eq!(done.out(), "connected b''", "{done}");
        // What a dead server left is replaced; a living one is not.
        assert!(inner.exists());
        let third = Client::start(ws, &["serve", "--socket", inner.to_str().unwrap()]);
        until("it serves", || std::os::unix::net::UnixStream::connect(&inner).is_ok());
        let done = ws.ringfence(["serve".as_ref(), "--socket".as_ref(), inner.as_os_str()]).run().exits(125);
        assert_eq!(done.err().lines().count(), 1, "{done}");
        third.signal(Signal::TERM).exits(0);
        assert!(!inner.exists());
        // A directory that others can get at is none for it.
        ws.bare_sh("mkdir open && chmod 755 open").ok();
        let done = ws.ringfence(["serve", "--socket", "open/x.sock"]).run().exits(125);
        assert!(done.err().contains("0700"), "{done}");
        server.signal(Signal::TERM).exits(0);
        assert!(!path.exists());
        // A directory that was there before, and what others have in it, stays.
        ws.bare_sh("mkdir -m 700 mine && python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('mine/other.sock')\"").ok();
        let mine = ws.path().join("mine/serve.sock");
        let fourth = Client::start(ws, &["serve", "--socket", mine.to_str().unwrap()]);
        until("it listens", || mine.exists());
        fourth.signal(Signal::TERM).exits(0);
        assert!(!mine.exists() && ws.has("mine/other.sock"));
        ws.bare_sh("rm mine/other.sock").ok();
        let fifth = Client::start(ws, &["serve", "--socket", mine.to_str().unwrap()]);
        until("it listens", || mine.exists());
        fifth.signal(Signal::TERM).exits(0);
        assert!(ws.has("mine"));
        before.nothing_left(ws);
    }

    /// Who asks for much and reads nothing waits, and not in the server's memory.
    answers_nobody_reads needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let pid = client.pid();
        let ring = client.ring(ws);
        // As text it is escaped to six times its length, but for its beginning.
        let text = "head -c 4096 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero | tr '\\0' '\\1'";
        let command = client.command(with(sh(ring, text), json!({ "attach": false, "buffer": 1_048_576 })));
        client.ok("command.wait", json!({ "command": command }));
        let mut other = Client::connect_as(ws, &ws.base.join(format!("run/ringfence/serve-{pid}.sock")));
        let unread = client.reads();
        let held = unread.lock().unwrap();
        // Ten times what the server may take.
        for number in 0..400 {
            let wait = json!({ "command": command, "max": 262_144, "wait_ms": 1 });
            let now = json!({ "command": command, "max": 262_144 });
            // After the first that is made at once no other is taken until that is read.
            client.ask("command.read", if number < 390 { wait } else { now });
        }
        for _ in 0..20 {
            other.ok("doctor", json!({}));
        }
        assert!(resident(pid) < 60 * 1024, "{} KiB", resident(pid));
        drop(held);
        client.ok("ring.list", json!({}));
        // So is what is asked with much.
        let long = "x".repeat(15_000_000);
        let held = unread.lock().unwrap();
        for _ in 0..8 {
            client.ask("why", json!({ "workspace": ws.path(), "argv": ["sh", long] }));
        }
        for _ in 0..20 {
            other.ok("doctor", json!({}));
        }
        assert!(resident(pid) < 300 * 1024, "{} KiB", resident(pid));
        drop(held);
        let refused = client.until("one that is too much", |m| m["error"]["code"] == -32006);
        // And what is answered at once: lists of long words, errors that would say again what was sent.
        for number in 0..60 {
            let mut words = vec!["y".repeat(20_000); 4];
            words[0] = "true".to_owned();
            client.command(json!({ "ring": ring, "argv": words, "attach": number == 0 }));
        }
        let held = unread.lock().unwrap();
        for _ in 0..300 {
            client.ask("command.list", json!({}));
        }
        for _ in 0..12 {
            client.ask("command.kill", json!({ "command": long }));
        }
        for _ in 0..20 {
            other.ok("doctor", json!({}));
        }
        assert!(resident(pid) < 300 * 1024, "{} KiB", resident(pid));
        drop(held);
        client.ok("ring.list", json!({}));
        assert!(refused["error"]["message"].as_str().unwrap().contains("waits for answers"), "{refused}");
        other.leave();
        client.wait().exits(0);
    }

    /// A ring that is kept busy by what runs in it keeps neither other rings nor other clients waiting.
    a_busy_ring_keeps_no_other_waiting needs ["userns", "tool:perl"] |ws| {
        let before = Before::look();
        let mut client = Client::serve(ws, &[]);
        let (bad, good) = (client.ring(ws), client.ring(ws));
        let of = |ring: u64, argv: &[&str]| json!({ "ring": ring, "argv": argv });
        let first = client.command(of(bad, &["true"]));
        client.ended(first, "stdout");
        let stops = client.command(of(bad, &["perl", "-e", "$| = 1; print qq(up\\n); kill STOP => -1 while 1"]));
        client.until("it runs", |m| m["method"] == "command.output" && m["params"]["command"] == json!(stops));
        for _ in 0..200 {
            client.ask("command.start", of(bad, &["true"]));
        }
        let command = client.command(of(good, &["echo", "on"]));
        assert_eq!(client.ended(command, "stdout").1, b"on\n");
        client.ok("ring.close", json!({ "ring": bad }));
        client.wait().exits(0);
        before.nothing_left(ws);
    }

    /// The answers of other commands, for programs.
    reports needs ["userns"] |ws| {
        let mut client = Client::serve(ws, &["--no-socket"]);
        assert!(!ws.base.join("run/ringfence").exists());
        let report = client.ok("why", json!({ "workspace": ws.path(), "path": ws.path() }));
        assert_eq!(report["report"]["write"]["decision"], "allow", "{report}");
        // No shell has seen this one.
        let report = client.ok("why", json!({ "workspace": ws.path(), "path": "~/.ssh" }));
        let (said, home) = (report["report"].to_string(), ws.person.home.join(".ssh"));
        assert!(said.contains(home.to_str().unwrap()), "{said}");
        let report = client.ok("why", json!({ "workspace": ws.path(), "argv": ["sh"] }));
        assert_eq!(report["report"]["placement"], "inside", "{report}");
        let report = client.ok("policy.show", json!({ "directory": ws.path(), "policy": { "network": "on" } }));
        assert!(report["report"].to_string().contains("\"on\""), "{report}");
        let report = client.ok("doctor", json!({}));
        assert_eq!(report["report"]["can_enforce"], true, "{report}");
        client.wait().exits(0);
    }

    /// Inside of a ring no rings are served, and stdin need not be a pipe.
    odd_places needs ["userns"] |ws| {
        let done = ws.ring([ringfence_e2e::binaries().ringfence.as_os_str(), "serve".as_ref()]).run().exits(125);
        assert!(done.err().contains("in a ring already"), "{done}");
        let file = ws.file("requests", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"versions\":[1]}}\n");
        let done = ws.ringfence(["serve"]).input(Input::File(std::fs::File::open(file).unwrap())).run().exits(0);
        assert!(done.out().contains("frame_max"), "{done}");
        ws.ringfence(["serve"]).run().exits(0);
        ws.ringfence(["serve"]).input(Input::Closed).run();
    }

    /// Protected names are kept where so much lies beside them that it is not read each time.
    names_are_kept_in_a_wide_directory needs ["userns"] |ws| {
        for number in 0..300 {
            ws.file(&format!("f{number}"), "");
        }
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        for round in 0..4 {
            let command = client.command(sh(ring, if round % 2 == 0 { "true" } else { "echo x > .envrc; mkdir -p .vscode; echo x > .vscode/tasks.json" }));
            assert_eq!(client.ended(command, "stdout").0["code"], 0);
            assert!(!ws.has(".envrc") && !ws.has(".vscode/tasks.json"), "{round}");
        }
        assert!(ws.has(".envrc.from-ring") && ws.has(".vscode/tasks.json.from-ring"));
        client.wait().exits(0);
    }
}
