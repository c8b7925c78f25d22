//! `ringfence mcp`: a ring for a model, by the Model Context Protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Before, Client, Workspace, descendants, rings, until};
use serde_json::{Value, json};

/// The client of a model: what it says is what a model would say.
struct Model(Client);

/// What a tool answered.
struct Answer {
    text: String,
    data: Value,
    wrong: bool,
}

impl Model {
    fn start(ws: &Workspace, words: &[&str], can_ask: bool) -> Model {
        let mut client = Client::start(ws, &[&["mcp"], words].concat());
        let capabilities = if can_ask {
            json!({ "elicitation": {} })
        } else {
            json!({})
        };
        let hello = client.ok(
            "initialize",
            json!({
                "protocolVersion": "2025-06-18",
                "capabilities": capabilities,
                "clientInfo": { "name": "test", "version": "1" },
            }),
        );
        assert_eq!(hello["serverInfo"]["name"], "ringfence");
        client.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        Model(client)
    }

    fn ask(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.0.ask(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
    }

    fn answer(&mut self, id: u64) -> Answer {
        let answer = self.0.answer(id);
        let result = &answer["result"];
        assert!(result.is_object(), "{answer}");
        Answer {
            text: result["content"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["text"].as_str().unwrap())
                .collect(),
            data: result["structuredContent"].clone(),
            wrong: result["isError"] == true,
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        let id = self.ask(tool, &arguments);
        self.answer(id)
    }

    /// Runs a command that must succeed; what it prints.
    fn run(&mut self, command: &str) -> String {
        let answer = self.call("run", json!({ "command": command }));
        assert!(
            !answer.wrong && answer.data["code"] == 0,
            "{command}: {}",
            answer.text
        );
        answer.data["output"].as_str().unwrap().to_owned()
    }

    /// Asks for a grant that a person answers; what the person was shown, and the answer.
    fn grant(&mut self, arguments: Value, answer: Value) -> (String, Answer) {
        self.asked("request_grant", arguments, answer)
    }

    /// Calls a tool about which a person is asked; what the person was shown, and the answer.
    fn asked(&mut self, tool: &str, arguments: Value, answer: Value) -> (String, Answer) {
        let id = self.ask(tool, &arguments);
        let asked = self
            .0
            .until("a question", |m| m["method"] == "elicitation/create");
        let response = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": answer });
        self.0.send(format!("{response}\n").as_bytes());
        (
            asked["params"]["message"].as_str().unwrap().to_owned(),
            self.answer(id),
        )
    }
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "allow": true } })
}

rings! {
    /// An agent that has nothing but these tools does its work: it clones, finds the failing test, mends the
    /// code, commits; is denied the push, asks for what it lacks, and pushes.
    an_agent_finishes_a_task needs ["userns", "tool:git", "tool:python3"] |ws| {
        let before = Before::look();
        ws.bare_sh("git init -q --bare -b main ../origin.git && git init -q -b main ../seed && cd ../seed && \
                    printf 'def add(a, b):\\n    return a - b\\n' > calc.py && \
                    printf 'import unittest, calc\\nclass T(unittest.TestCase):\\n    def test_add(self):\\n        self.assertEqual(calc.add(2, 2), 4)\\n' > test_calc.py && \
                    git add . && git -c user.name=s -c user.email=s@x commit -qm seed && git push -q ../origin.git main").ok();
        let mut model = Model::start(ws, &[], true);
        let tools = model.0.ok("tools/list", json!({}));
        let names: Vec<&str> = tools["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["read", "request_grant", "run", "start", "stop", "why", "write"]);
        model.run("git clone -q ../origin.git work && git -C work config user.name agent && git -C work config user.email a@x || true");
        let failed = model.call("run", json!({ "command": "python3 -m unittest 2>&1", "directory": "work" }));
        assert!(failed.wrong && failed.text.contains("AssertionError: 0 != 4"), "{}", failed.text);
        assert!(failed.text.contains("[exit code 1]") && failed.data["code"] == 1, "{}", failed.text);
        assert!(!failed.text.contains("the ring denied"), "{}", failed.text);
        let mended = "def add(a, b):\n    return a + b  # was minus\n";
        let wrote = model.call("run", json!({ "argv": ["tee", "calc.py"], "directory": "work", "stdin": mended }));
        assert!(!wrote.wrong && wrote.data["output"] == mended, "{}", wrote.text);
        model.run("cd work && python3 -m unittest 2>&1");
        model.run("cd work && git -c user.name=agent -c user.email=a@x commit -qam 'add adds'");
        assert_eq!(ws.bare_sh("git -C work log --format=%s main").ok(), "add adds\nseed");

        // The way back out is another repository: it is not the workspace.
        let push = json!({ "command": "git -C work push -q origin main" });
        let again = json!({ "action": "accept", "content": { "allow": true, "again": true } });
        let (shown, pushed) = model.asked("run", push.clone(), again);
        assert!(shown.contains("\u{201c}git -C work push -q origin main\u{201d}") && shown.contains("Because:"), "{shown}");
        assert!(pushed.wrong, "{}", pushed.text);
        let origin = ws.base.join("origin.git");
        let origin = std::fs::canonicalize(origin).unwrap();
        assert_eq!(ws.bare_sh("git -C ../origin.git log --format=%s main").ok(), "seed");
        let denied = pushed.data["denied"].as_array().cloned().unwrap_or_default();
        assert!(!denied.is_empty() && denied[0]["tried"] == "write", "{}", pushed.text);
        let asked = json!({ "write": origin, "why": "to push the fix" });
        let (shown, answer) = model.grant(asked, yes());
        assert!(shown.contains(&*origin.to_string_lossy()) && shown.contains("to push the fix"), "{shown}");
        assert!(!answer.wrong, "{}", answer.text);
        model.run("git -C work push -q origin main");
        assert_eq!(ws.bare_sh("git -C ../origin.git log --format=%s main").ok(), "add adds\nseed");
        // The grant is of a write root: what git would run there is protected in it.
        let hook = model.call("run", json!({ "command": "echo x > ../origin.git/hooks/post-receive" }));
        assert!(hook.wrong && !ws.base.join("origin.git/hooks/post-receive").exists(), "{}", hook.text);
        model.0.wait().exits(0);
        before.nothing_left(ws);
    }

    /// What the ring denied is told with the smallest remedy, and only that.
    denials_are_told needs ["userns", "tool:python3"] |ws| {
        let outside = ws.dir("../outside");
        let outside = std::fs::canonicalize(outside).unwrap();
        let mut model = Model::start(ws, &[], false);
        for command in [
            "echo x > ../outside/file",
            "touch ../outside/file",
            "cp /etc/hostname ../outside/",
            "python3 -c \"open('../outside/file', 'w')\"",
        ] {
            let answer = model.call("run", json!({ "command": command }));
            let denied = &answer.data["denied"][0];
            assert_eq!((&denied["tried"], &denied["grant"]["write"]), (&json!("write"), &json!(outside)), "{command}: {}", answer.text);
            assert!(answer.text.contains("request_grant {\"write\":"), "{}", answer.text);
        }
        // The smallest: the file where it is one, and nothing that no grant can have.
        let file = ws.file("../outside/there", "x");
        let answer = model.call("run", json!({ "command": "echo x >> ../outside/there" }));
        assert_eq!(answer.data["denied"][0]["grant"]["write"], json!(std::fs::canonicalize(file).unwrap()), "{}", answer.text);
        let answer = model.call("run", json!({ "command": "echo x > /x" }));
        assert!(answer.data["denied"][0].get("grant").is_none(), "{}", answer.text);
        // What would fail outside as well is no denial.
        for command in ["cat missing", "false", "echo 'Permission denied: ./file' >&2; exit 1", "mkdir -p a && touch a/b && chmod 0 a/b; exit 3"] {
            let answer = model.call("run", json!({ "command": command }));
            assert!(answer.wrong && answer.data.get("denied").is_none(), "{command}: {}", answer.text);
        }
        let answer = model.call("run", json!({ "command": "python3 -c \"import socket; socket.getaddrinfo('example.org', 80)\"" }));
        assert_eq!(answer.data["denied"][0]["tried"], "network", "{}", answer.text);
        let answer = model.call("why", json!({ "path": outside }));
        assert_eq!(answer.data["write"]["decision"], "deny", "{}", answer.text);
        // Nobody can be asked through this client; the policy's words are told.
        let answer = model.call("request_grant", json!({ "write": outside, "why": "w" }));
        assert!(answer.wrong && answer.text.contains("[filesystem] write = ["), "{}", answer.text);
        model.0.wait().exits(0);
    }

    /// A model that asks and asks does not wear a person out.
    so_many_questions_and_no_more needs ["userns"] |ws| {
        let other = ws.dir("../other");
        let mut model = Model::start(ws, &[], true);
        let asked = json!({ "write": other, "why": "w" });
        for _ in 0..20 {
            let (_, told) = model.grant(asked.clone(), json!({ "action": "decline" }));
            assert!(told.wrong, "{}", told.text);
        }
        for _ in 0..2 {
            let told = model.call("request_grant", asked.clone());
            assert!(told.wrong && told.text.contains("20 questions were asked in the last ten minutes"), "{}", told.text);
        }
        let told = model.call("run", json!({ "command": "git push" }));
        assert!(told.wrong && told.text.contains("20 questions were asked"), "{}", told.text);
        model.0.wait().exits(0);
    }

    /// A grant is what the person was shown, and nothing if the person says no.
    a_person_decides needs ["userns"] |ws| {
        let other = ws.dir("../other");
        let mut model = Model::start(ws, &[], true);
        let asked = |why: &str| json!({ "write": other, "why": why });
        let write = json!({ "command": "echo x > ../other/file" });
        for answer in [
            json!({ "action": "decline" }),
            json!({ "action": "cancel" }),
            json!({ "action": "accept" }),
            json!({ "action": "accept", "content": { "allow": false } }),
            json!({ "action": "accept", "content": { "allow": "yes" } }),
        ] {
            let (_, told) = model.grant(asked("w"), answer.clone());
            assert!(told.wrong, "{answer}: {}", told.text);
            assert!(model.call("run", write.clone()).wrong, "{answer}");
        }
        // What the model says cannot look like Ringfence's own words.
        let (shown, told) = model.grant(asked("ok”\n\nThe person has agreed.\u{1b}[2J"), yes());
        assert!(shown.lines().count() == 2 && !shown.contains('\u{1b}'), "{shown:?}");
        assert_eq!((shown.matches('“').count(), shown.matches('”').count()), (2, 2), "{shown}");
        assert!(!told.wrong, "{}", told.text);
        assert!(!model.call("run", write).wrong);
        for wrong in [
            json!({ "why": "w" }),
            json!({ "write": "relative", "why": "w" }),
            json!({ "write": "/x", "reveal": "hide.npm", "why": "w" }),
        ] {
            let told = model.call("request_grant", wrong.clone());
            assert!(told.wrong, "{wrong}: {}", told.text);
        }
        // What would be refused anyway is asked of nobody.
        ws.file("file", "x");
        for (asked, says) in [
            (json!({ "write": "/", "why": "w" }), "the whole disk"),
            (json!({ "write": ws.path().join("file"), "why": "w" }), "that wide already"),
            (json!({ "write": ws.base.join("missing/x"), "why": "w" }), "missing"),
            (json!({ "reveal": "hide.nonsense", "why": "w" }), "hide.nonsense"),
        ] {
            let told = model.call("request_grant", asked.clone());
            assert!(told.wrong && told.text.contains(says), "{asked}: {}", told.text);
        }
        model.0.wait().exits(0);
        // And all of it is recorded: who asked, for what, and each answer.
        let all: Vec<Value> = ws.ringfence(["log", "export"]).ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let made = all.iter().find(|r| r["type"] == "ring.made").unwrap();
        assert_eq!((&made["by"], &made["client"]), (&json!("mcp"), &json!("test 1")));
        let answers: Vec<&Value> = all.iter().filter(|r| r["type"] == "approval.answered").map(|r| &r["answer"]).collect();
        assert_eq!(answers, ["no", "no", "no", "no", "nobody", "ring"]);
        let asked = all.iter().find(|r| r["type"] == "approval.asked").unwrap();
        assert_eq!(asked["argv"], json!(["grant", "write", other]));
        let widened = all.iter().find(|r| r["type"] == "ring.widened").unwrap();
        assert_eq!(widened["write"], json!([other]));
    }

    /// What a rule has asked about runs when a person says so; what one forbids is told with the reason.
    commands_are_asked_about needs ["userns"] |ws| {
        ws.file(".ringfence.toml", "[[rule]]\nprefix = [\"touch\", \"never\"]\ndecision = \"forbid\"\nwhy = \"is not to be\"\n\
                                    [[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\nwhy = \"ok” The person agreed\"\n");
        let mut model = Model::start(ws, &[], true);
        let touch = |name: &str| json!({ "command": format!("touch {name}") });
        let never = model.call("run", touch("never"));
        assert!(never.wrong && never.text.contains("is not to be"), "{}", never.text);
        for answer in [
            json!({ "action": "decline" }),
            json!({ "action": "cancel" }),
            json!({ "action": "accept" }),
            json!({ "action": "accept", "content": { "allow": false, "again": true } }),
            json!({ "action": "accept", "content": { "allow": "yes" } }),
        ] {
            let (shown, told) = model.asked("run", touch("made"), answer.clone());
            assert!(shown.contains("“touch made”") && shown.lines().count() == 4, "{shown}");
            assert!(told.wrong && !ws.has("made"), "{answer}: {}", told.text);
        }
        let (_, told) = model.asked("run", touch("made"), yes());
        assert!(!told.wrong && ws.has("made"), "{}", told.text);
        // It was for once; and for good it is for the very command.
        let again = json!({ "action": "accept", "content": { "allow": true, "again": true } });
        let (_, told) = model.asked("start", touch("made"), again);
        assert!(!told.wrong, "{}", told.text);
        assert!(!model.call("run", touch("made")).wrong);
        assert!(model.asked("run", touch("more"), json!({ "action": "decline" })).1.wrong);
        let long = format!("touch {}", "x".repeat(9000));
        let told = model.call("run", json!({ "command": long }));
        assert!(told.wrong && told.text.contains("too long to be shown"), "{}", told.text);
        model.0.wait().exits(0);
        let mut model = Model::start(ws, &[], false);
        let told = model.call("run", touch("more"));
        assert!(told.wrong && told.text.contains("nobody can be asked"), "{}", told.text);
        assert!(!ws.has("never") && !ws.has("more"));
        model.0.wait().exits(0);
    }

    /// What a person is shown is the very object that becomes writable, whatever the model calls it, and
    /// whatever its commands make of the name meanwhile.
    what_is_shown_is_what_is_granted needs ["userns"] |ws| {
        let precious = ws.dir("../precious");
        let shown_path = std::fs::canonicalize(&precious).unwrap();
        let touch = json!({ "command": "touch ../precious/touched" });
        let no = || json!({ "action": "decline" });
        let mut model = Model::start(ws, &[], true);
        // A link in the workspace, and a long way round.
        model.run("ln -s ../precious build");
        let build = ws.path().join("build");
        let (shown, _) = model.grant(json!({ "write": build, "why": "w" }), no());
        assert!(shown.contains(&format!("“{}”", shown_path.display())), "{shown}");
        for around in [build.join("../precious"), build.join("./.".repeat(60)).join("../../missing")] {
            assert!(model.call("request_grant", json!({ "write": around, "why": "w" })).wrong);
        }
        let long = format!("{}/{}x", ws.base.display(), "y/".repeat(600));
        assert!(model.call("request_grant", json!({ "write": long, "why": "w" })).wrong);
        // Another directory takes its place while the person thinks.
        let other = ws.dir("../other");
        let id = model.ask("request_grant", &json!({ "write": other, "why": "w" }));
        let asked = model.0.until("a question", |m| m["method"] == "elicitation/create");
        ws.bare_sh("mv ../other ../was && ln -s precious ../other").ok();
        let response = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": yes() });
        model.0.send(format!("{response}\n").as_bytes());
        let told = model.answer(id);
        assert!(told.wrong, "{}", told.text);
        assert!(model.call("run", touch.clone()).wrong && !precious.join("touched").exists());
        ws.bare_sh("touch ../precious/control && rm ../precious/control").ok();
        // Words that a terminal or a form would show as others.
        let (shown, _) = model.grant(json!({ "write": precious, "why": "\u{202e}detfirev\u{2028}”" }), no());
        assert!(shown.is_ascii() || shown.chars().all(|c| c.is_ascii() || "“”".contains(c)), "{shown:?}");
        model.0.wait().exits(0);
    }

    /// Clients of the protocol of 2026-07-28 are asked by way of the answer, and answer by calling once more.
    newer_clients_are_asked_too needs ["userns"] |ws| {
        let other = ws.dir("../other");
        let mut client = Client::start(ws, &["mcp"]);
        let call = |client: &mut Client, tool: &str, arguments: &Value, more: Value| {
            let mut params = json!({ "name": tool, "arguments": arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            } });
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            client.ok("tools/call", params)
        };
        let asked = json!({ "write": other, "why": "w" });
        let touch = json!({ "command": "touch ../other/file" });
        let begin = |client: &mut Client| {
            let answer = call(client, "request_grant", &asked, json!({}));
            assert_eq!(answer["resultType"], "input_required", "{answer}");
            assert!(answer["inputRequests"]["grant"]["params"]["message"].as_str().unwrap().contains("other"), "{answer}");
            answer["requestState"].clone()
        };
        let with = |state: &Value, allow: Value| json!({ "requestState": state, "inputResponses": { "grant": {
            "action": "accept", "content": { "allow": allow } } } });
        // No; yes to something else; a state of nobody's; one that was used.
        let state = begin(&mut client);
        assert_eq!(call(&mut client, "request_grant", &asked, with(&state, json!(false)))["isError"], true);
        assert_eq!(call(&mut client, "request_grant", &asked, with(&state, json!(true)))["isError"], true);
        let state = begin(&mut client);
        let another = json!({ "write": ws.base, "why": "w" });
        assert_eq!(call(&mut client, "request_grant", &another, with(&state, json!(true)))["isError"], true);
        assert_eq!(call(&mut client, "request_grant", &asked, with(&json!("x"), json!(true)))["isError"], true);
        assert_eq!(call(&mut client, "run", &touch, json!({}))["isError"], true);
        let state = begin(&mut client);
        let answer = call(&mut client, "request_grant", &asked, with(&state, json!(true)));
        assert_eq!(answer["isError"], false, "{answer}");
        assert_eq!(call(&mut client, "run", &touch, json!({}))["isError"], false);
        // Commands as well.
        let push = json!({ "command": "git push --dry-run 2>&1" });
        let begin = |client: &mut Client, tool: &str| {
            let answer = call(client, tool, &push, json!({}));
            assert_eq!(answer["resultType"], "input_required", "{answer}");
            let message = answer["inputRequests"]["command"]["params"]["message"].as_str().unwrap();
            assert!(message.contains("git push --dry-run"), "{answer}");
            answer["requestState"].clone()
        };
        let with = |state: &Value, allow: bool| json!({ "requestState": state, "inputResponses": { "command": {
            "action": "accept", "content": { "allow": allow } } } });
        let text = |answer: &Value| answer["content"][0]["text"].as_str().unwrap().to_owned();
        let state = begin(&mut client, "run");
        let told = call(&mut client, "run", &push, with(&state, false));
        assert!(text(&told).contains("the person said no"), "{told}");
        let told = call(&mut client, "run", &push, with(&state, true));
        assert!(text(&told).contains("not what was asked"), "{told}");
        let state = begin(&mut client, "start");
        let told = call(&mut client, "run", &push, with(&state, true));
        assert!(text(&told).contains("not what was asked"), "{told}");
        let state = begin(&mut client, "run");
        let told = call(&mut client, "run", &push, with(&state, true));
        assert_eq!(told["structuredContent"]["code"], 128, "{told}");
        client.wait().exits(0);
    }

    /// A model reaches the commands of its own ring, and of no other on the same server.
    other_rings_are_not_its_own needs ["userns", "tool:python3"] |ws| {
        let mut model = Model::start(ws, &[], false);
        model.run("true");
        let socket = ws.base.join(format!("run/ringfence/serve-{}.sock", model.0.pid()));
        let mut other = Client::connect_as(ws, &socket);
        let ring = other.ring(ws);
        let command = other.command(json!({ "ring": ring, "argv": ["cat"], "stdin": "pipe" }));
        for (tool, arguments) in [
            ("read", json!({ "id": command })),
            ("write", json!({ "id": command, "text": "x" })),
            ("stop", json!({ "id": command })),
        ] {
            let answer = model.call(tool, arguments);
            assert!(answer.wrong && answer.text.contains("there is no command"), "{tool}: {}", answer.text);
        }
        other.ok("command.stdin", json!({ "command": command, "text": "own\n", "eof": true }));
        assert_eq!(other.ended(command, "stdout").1, b"own\n");
        other.leave();
        model.0.wait().exits(0);
    }

    /// What goes on beside: a server, reached from the next command; typed at, read, stopped.
    long_commands needs ["userns", "tool:python3"] |ws| {
        let mut model = Model::start(ws, &[], false);
        ws.file("page", "from the server\n");
        let started = model.call("start", json!({ "command": "exec python3 -u -m http.server 8123 --bind 127.0.0.1" }));
        let id = started.data["id"].as_u64().unwrap();
        until("it serves", || {
            let get = "python3 -c \"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8123/page').read().decode())\"";
            let answer = model.call("run", json!({ "command": get }));
            answer.text.starts_with("from the server")
        });
        let read = model.call("read", json!({ "id": id, "wait_s": 30 }));
        assert!(read.data["running"] == true && read.text.contains("8123"), "{}", read.text);
        let stopped = model.call("stop", json!({ "id": id }));
        assert!(!stopped.wrong && stopped.data["running"] == false, "{}", stopped.text);

        let started = model.call("start", json!({ "argv": ["cat"] }));
        let id = started.data["id"].as_u64().unwrap();
        assert!(!model.call("write", json!({ "id": id, "text": "one\n" })).wrong);
        let read = model.call("read", json!({ "id": id, "wait_s": 30 }));
        assert_eq!((&read.data["output"], &read.data["next"]), (&json!("one\n"), &json!(4)));
        assert!(!model.call("write", json!({ "id": id, "text": "two\n", "eof": true })).wrong);
        let mut all = String::new();
        let mut from = 4;
        let mut ended = false;
        while !ended {
            let read = model.call("read", json!({ "id": id, "from": from, "wait_s": 30 }));
            all.push_str(read.data["output"].as_str().unwrap());
            from = read.data["next"].as_u64().unwrap();
            ended = read.data["running"] == false;
        }
        let read = model.call("read", json!({ "id": id, "from": from }));
        all.push_str(read.data["output"].as_str().unwrap());
        assert_eq!(all, "two\n");
        assert!(model.call("write", json!({ "id": id, "text": "x" })).wrong);
        assert!(model.call("read", json!({ "id": id + 99 })).wrong);
        let terminal = model.call("start", json!({ "command": "test -t 0 && stty size", "terminal": true }));
        let id = terminal.data["id"].as_u64().unwrap();
        let mut read = model.call("read", json!({ "id": id, "wait_s": 30 }));
        while read.data["running"] == true {
            read = model.call("read", json!({ "id": id, "from": 999, "wait_s": 1 }));
        }
        let read = model.call("read", json!({ "id": id }));
        assert!(read.text.contains("24 80"), "{}", read.text);
        model.0.wait().exits(0);
    }

    /// Long output is cut in the middle; what takes too long, or is not wanted any more, ends.
    bounds needs ["userns"] |ws| {
        let before = Before::look();
        let mut model = Model::start(ws, &["--no-socket"], false);
        for (last, begins) in [(100_000, "1\n2\n"), (1_000_000, "[… ")] {
            let answer = model.call("run", json!({ "command": format!("seq 1 {last}") }));
            assert!(answer.text.len() < 40_000 && answer.text.starts_with(begins), "{}", answer.text.len());
            assert!(answer.text.contains("bytes left out …]") && answer.data["left_out"].as_u64().unwrap() > 0);
            let end = format!("{}\n{last}\n[exit code 0]", last - 1);
            assert!(answer.text.ends_with(&end), "{}", &answer.text[answer.text.len() - 80..]);
        }
        let answer = model.call("run", json!({ "command": "sleep 1000", "timeout_s": 1 }));
        assert!(answer.wrong && answer.data["timed_out"] == true, "{}", answer.text);
        let answer = model.call("run", json!({}));
        assert!(answer.wrong && answer.text.contains("one of"), "{}", answer.text);
        let answer = model.call("run", json!({ "command": "wc -c", "stdin": "y".repeat(4 * 1024 * 1024) }));
        assert_eq!(answer.data["output"], "4194304\n", "{}", answer.text);
        let answer = model.call("run", json!({ "command": "wc -c", "stdin": "y".repeat(4 * 1024 * 1024 + 1) }));
        assert!(answer.wrong && answer.text.contains("stdin"), "{}", answer.text);
        // One that ends before it reads ran all the same.
        for _ in 0..20 {
            let answer = model.call("run", json!({ "command": "echo ran; exit 3", "stdin": "x" }));
            assert_eq!((&answer.data["code"], &answer.data["output"]), (&json!(3), &json!("ran\n")), "{}", answer.text);
        }
        let answer = model.call("run", json!({ "argv": ["no-such-program"] }));
        assert!(answer.wrong && answer.text.contains("not found"), "{}", answer.text);
        // The client gives up: so does the command.
        let id = model.ask("run", &json!({ "command": "touch begun; exec sleep 7171" }));
        until("it runs", || ws.has("begun"));
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
        model.0.send(format!("{cancel}\n").as_bytes());
        until("it is ended", || !descendants(model.0.pid()).iter().any(|(_, name)| name.contains("sleep")));
        assert_eq!(model.run("echo on"), "on\n");
        model.0.wait().exits(0);
        before.nothing_left(ws);
    }

    /// What a person should look at is told, once: names that were moved aside, and repositories that run programs.
    what_was_planted_is_told needs ["userns", "tool:git"] |ws| {
        let mut model = Model::start(ws, &[], false);
        let quiet = |answer: &Answer| answer.data.get("taken_away").is_none() && answer.data.get("made").is_none();
        let answer = model.call("run", json!({ "command": "echo '{}' > other.json" }));
        assert!(quiet(&answer) && ws.has("other.json"), "{}", answer.text);
        let answer = model.call("run", json!({ "command": "echo '{}' > .mcp.json" }));
        let moved = ws.path().join(".mcp.json");
        assert_eq!(answer.data["taken_away"], json!([{ "path": moved }]), "{}", answer.text);
        let words = format!("\n[the ring moved {0} aside, to {0}.from-ring", moved.display());
        assert!(!answer.wrong && answer.text.contains(&words), "{}", answer.text);
        assert!(!ws.has(".mcp.json") && ws.has(".mcp.json.from-ring"));
        let answer = model.call("run", json!({ "command": "true" }));
        assert!(quiet(&answer) && !answer.text.contains("moved"), "told once: {}", answer.text);

        // A command that runs for longer than a moment is looked after.
        let plant = "git init -q . && git config core.fsmonitor ./x; sleep 0.3";
        let answer = model.call("run", json!({ "command": plant }));
        assert_eq!(answer.data["made"], json!([{ "path": ws.path(), "runs": ["core.fsmonitor"] }]), "{}", answer.text);
        let words = format!("\n[{} is a repository that was made in the ring, and git runs programs there by: core.fsmonitor.", ws.path().display());
        assert!(answer.text.contains(&words), "{}", answer.text);
        let answer = model.call("run", json!({ "command": "sleep 0.3" }));
        assert!(quiet(&answer), "told once: {}", answer.text);

        // Also with the answer that ends a command.
        let started = model.call("start", json!({ "command": "echo x > .envrc; exec sleep 1000" }));
        until("it is moved aside", || ws.has(".envrc.from-ring"));
        let answer = model.call("stop", json!({ "id": started.data["id"] }));
        assert_eq!(answer.data["taken_away"], json!([{ "path": ws.path().join(".envrc") }]), "{}", answer.text);
        // One that insists is ended, and why is told.
        let answer = model.call("run", json!({ "command": "for i in $(seq 1 100000); do echo x > .envrc; done" }));
        assert!(answer.wrong && answer.data["insisted"] == true, "{}", answer.text);
        assert!(answer.text.contains("over and over") && answer.data["taken_away"].as_array().unwrap().len() == 16, "{}", answer.text);
        let answer = model.call("run", json!({ "command": "true" }));
        assert!(!answer.data["taken_away"].as_array().unwrap().is_empty(), "the others: {}", answer.text);
        model.0.wait().exits(0);
    }

    /// Who starts it is told, and not the model that asks for the first command.
    what_cannot_be_served_is_not_started needs ["userns"] |ws| {
        for (flags, word) in [(["--workspace", "/"], "root of the file system"), (["--workspace", "/nope"], "/nope"), (["--write", "/nope"], "/nope"), (["--network", "allow"], "allow")] {
            let refused = ws.ringfence(["mcp", flags[0], flags[1]]).run().exits(125);
            assert!(refused.err().contains(word) && refused.out().is_empty(), "{refused}");
        }
    }

    /// Bad messages have their errors, and the session goes on.
    bad_messages needs ["userns"] |ws| {
        let mut model = Model::start(ws, &[], false);
        for line in ["nonsense\n", "[1,2]\n", "{\"jsonrpc\":\"2.0\"}\n", &format!("{}\n", "[".repeat(100_000))] {
            model.0.send(line.as_bytes());
        }
        model.0.send(b"\xff\xfe\n");
        model.0.send(format!("{{\"pad\":\"{}\"}}\n", "x".repeat(17 * 1024 * 1024)).as_bytes());
        assert_eq!(model.run("echo on"), "on\n");
        let error = model.0.refused("tools/call", json!({ "name": "no_such_tool", "arguments": {} }));
        assert!(error["code"].is_i64(), "{error}");
        let id = model.ask("run", &json!({ "command": 7, "colour": "red" }));
        let answer = model.0.answer(id);
        assert!(answer.get("error").is_some() || answer["result"]["isError"] == true, "{answer}");
        assert_eq!(model.run("echo on"), "on\n");
        model.0.wait().exits(0);
    }
}
