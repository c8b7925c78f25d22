//! The ledger: each kind of record from a real command, and what `ringfence log` makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use boon::{Compiler, Schemas};
use ringfence_e2e::{Client, Workspace, binaries, of, rings, sh, until, with};
use serde_json::{Value, json};

/// The only one of its kind.
fn one<'a>(records: &'a [Value], kind: &str) -> &'a Value {
    let all = of(records, kind);
    assert_eq!(all.len(), 1, "{kind}: {records:#?}");
    all[0]
}

fn log(ws: &Workspace, words: &[&str]) -> String {
    let words = [&["log"], words].concat();
    ws.ringfence(words).run().ok().out()
}

const ASKS: &str = "[[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\nwhy = \"makes files\"\n\
                    [[rule]]\nprefix = [\"rm\"]\ndecision = \"forbid\"\nwhy = \"removes them\"\n";

rings! {
    /// A command in a ring of its own.
    a_run_is_told_from_its_beginning_to_its_end needs ["userns"] |ws| {
        ws.ring(["sh", "-c", "exit 3", "--password", "hunter2"]).run().exits(3);
        let all = ws.records();
        let kinds: Vec<&str> = all.iter().map(|r| r["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["ledger.opened", "policy.kept", "ring.made", "command.started", "command.ended", "ring.ended"]);
        let (ring, command) = (&all[2], &all[3]);
        assert_eq!(ring["by"], "run");
        assert_eq!(ring["mode"], "workspace-write");
        assert_eq!(ring["network"], "off");
        assert_eq!(ring["uid"], ws.person.uid);
        assert_eq!(ring["workspace"], ws.path().to_str().unwrap());
        assert_eq!(ring["write"], json!([ws.path()]));
        assert_eq!(command["ring"], ring["seq"]);
        assert_eq!(command["argv"], json!(["sh", "-c", "exit 3", "--password", "[redacted]"]));
        assert_eq!(command["redacted"], 1);
        assert_eq!(command["cwd"], ws.path().to_str().unwrap());
        assert_eq!((&all[4]["command"], &all[4]["how"], &all[4]["value"]), (&command["seq"], &json!("exited"), &json!(3)));
        assert!(all[4]["elapsed_us"].as_u64().unwrap() > 0);
        assert_eq!(all[5]["ring"], ring["seq"]);
        assert_eq!(all[1]["policy"], ring["policy"]);
        // The policy is kept, and is the one that `policy show` tells.
        let digest = ring["policy"].as_str().unwrap();
        let kept: Value = serde_json::from_str(&ws.read(&format!("../state/ringfence/ledger/policies/{digest}.json"))).unwrap();
        assert_eq!(kept["mode"]["value"], "workspace-write");
        // Nobody in a ring sees it, and there it says so.
        let inside = ws.ring_sh("cat ../state/ringfence/ledger/head").run();
        assert_ne!(inside.code(), 0, "{inside}");
        let own = ws.ring([binaries().ringfence.as_os_str(), "log".as_ref()]).run().exits(125);
        assert!(own.err().contains("runs in a ring"), "{own}");
    }

    /// The ways in which a command ends.
    every_end_is_told needs ["userns"] |ws| {
        ws.ring_sh("kill -9 $$").run().exits(137);
        ws.ring_sh("sleep 1000").flags(["--timeout", "1s"]).run().exits(124);
        ws.ring_sh("yes").flags(["--output", "10KiB"]).run().exits(125);
        ws.file("text", "no program\n");
        ws.ring(["./text"]).run().exits(126);
        ws.ring_sh("exit 0").flags(["--mode", "full-access"]).run().ok();
        ws.ring_sh("exit 0").flags(["--memory", "1GiB", "--mode", "full-access"]).run().exits(125);
        let all = ws.records();
        let ends: Vec<(&str, &Value)> = of(&all, "command.ended").iter().map(|r| (r["how"].as_str().unwrap(), &r["value"])).collect();
        assert_eq!(ends[0], ("signalled", &json!(9)));
        assert_eq!(ends[1], ("timed-out", &Value::Null));
        assert_eq!(ends[2], ("too-much-output", &Value::Null));
        let last = ends.len() - 1;
        assert_eq!(ends[last], ("exited", &json!(0)));
        let full = of(&all, "ring.made").pop().unwrap();
        assert_eq!((&full["ring"], &full["enforcement"]), (&Value::Null, &json!("none")));
        let refused = one(&all, "ring.refused");
        assert!(refused["error"].as_str().unwrap().contains("limits.memory"), "{refused}");
        let listed = log(ws, &["list", "--failed"]);
        for how in ["signal 9", "timed out", "too much output", "refused"] {
            assert!(listed.contains(how), "{how}: {listed}");
        }
        assert!(!listed.contains("  ok "), "{listed}");
    }

    /// What a ring set right.
    denials_are_told needs ["userns", "tool:git"] |ws| {
        ws.ring_sh("touch .envrc; git init -q away && cd away && git config core.fsmonitor x; sleep 0.3").run().ok();
        let all = ws.records();
        let denials: Vec<(&str, &str)> = of(&all, "denial").iter().map(|r| (r["what"].as_str().unwrap(), r["path"].as_str().unwrap())).collect();
        assert_eq!(denials, [("moved-aside", ws.at(".envrc").to_str().unwrap()), ("planted-repository", ws.at("away").to_str().unwrap())]);
        let command = one(&all, "command.started");
        assert!(of(&all, "denial").iter().all(|r| r["command"] == command["seq"]), "{all:#?}");
        let page = log(ws, &["show"]);
        assert!(page.contains(".envrc: made under a protected name, and moved aside") && page.contains("core.fsmonitor"), "{page}");
        assert!(log(ws, &[]).contains("(2 denied)"));
    }

    /// The same in a ring that stays, once for each.
    planting_is_told_once needs ["userns", "tool:git"] |ws| {
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        for script in ["git init -q away && cd away && git config core.fsmonitor x; sleep 1", "true"] {
            let command = client.command(sh(ring, script));
            client.ended(command, "stdout");
        }
        client.wait().exits(0);
        let all = ws.records();
        let planted = one(&all, "denial");
        assert_eq!((&planted["what"], &planted["path"]), (&json!("planted-repository"), &json!(ws.at("away"))));
        assert_eq!(planted["ring"], one(&all, "ring.made")["seq"]);
    }

    /// An undo, and what a writer that died left.
    the_rest_is_told needs ["userns"] |ws| {
        ws.file("f", "before\n");
        ws.ring_sh("echo after > f").flags(["--snapshot"]).run().ok();
        ws.ringfence(["undo-command", "--last"]).run().ok();
        let all = ws.records();
        let (started, ended) = (one(&all, "undo.started"), one(&all, "undo.ended"));
        assert_eq!(started["command"], one(&all, "command.started")["seq"]);
        assert_eq!((&ended["undo"], &ended["undone"], ended.get("left")), (&started["seq"], &json!(1), None));
        // A line that its writer did not end.
        let first = ws.at("../state/ringfence/ledger/00000001.jsonl");
        let torn = [std::fs::read(&first).unwrap(), b"{\"seq\":".to_vec()].concat();
        std::fs::write(&first, torn).unwrap();
        ws.ring_sh("true").run().ok();
        assert_eq!(of(&ws.records(), "ledger.mended").len(), 1);
    }

    /// The oldest are let go of when a file is full, and that is told.
    what_is_removed_is_told needs ["userns"] |ws| {
        ws.file("../config/ringfence/policy.toml", "[ledger]\nsize = \"1MiB\"\n");
        // A file is full with 8 MiB, and of so long a command some 64 KiB are recorded.
        let words = [vec!["true".to_owned()], vec!["x".repeat(16 << 10); 4]].concat();
        let first = ws.at("../state/ringfence/ledger/00000001.jsonl");
        for _ in 0..600 {
            ws.ring(words.clone()).env("XDG_CONFIG_HOME", ws.at("../config")).run().ok();
            if !first.exists() {
                break;
            }
        }
        assert!(!first.exists());
        let all = ws.records();
        let removed = one(&all, "ledger.removed");
        assert_eq!((&removed["first"], &removed["why"]), (&json!(1), &json!("size")));
        assert_eq!(all[0]["seq"], json!(removed["last"]["seq"].as_u64().unwrap() + 1));
        ws.ringfence(["log", "verify"]).run().ok();
    }

    /// What rules forbid, what they ask, and each answer.
    questions_and_answers_are_told needs ["userns"] |ws| {
        ws.file(".ringfence.toml", ASKS);
        ws.ring(["rm", "x"]).run().exits(125);
        ws.ring(["touch", "a"]).run().exits(125);
        ws.ring(["touch", "b"]).flags(["--rules-answered"]).run().ok();
        for (key, code) in [("n", 125), ("y", 0)] {
            let mut terminal = ws.ring(["touch", "c"]).on_terminal(80, 24);
            terminal.until_shows("[y] once");
            terminal.types(format!("{key}\n"));
            assert_eq!(terminal.ends().code(), Some(code));
        }
        let all = ws.records();
        let refused = one(&all, "command.refused");
        assert_eq!((&refused["decision"], &refused["argv"]), (&json!("forbid"), &json!(["rm", "x"])));
        assert!(refused["verdict"].as_str().unwrap().contains("removes them"));
        let answers: Vec<Value> = of(&all, "approval.answered").iter().map(|r| json!([r["answer"], r["from"]])).collect();
        assert_eq!(answers, [json!(["nobody", "terminal"]), json!(["once", "caller"]), json!(["no", "terminal"]), json!(["once", "terminal"])]);
        for (asked, answered) in of(&all, "approval.asked").iter().zip(of(&all, "approval.answered")) {
            assert_eq!((&answered["asked"], &answered["subject"]), (&asked["seq"], &asked["subject"]));
        }
        let started: Vec<&Value> = of(&all, "command.started");
        let yes: Vec<&Value> = of(&all, "approval.answered").into_iter().filter(|r| r["answer"] == "once").collect();
        assert_eq!(started.len(), 2);
        for (started, yes) in started.iter().zip(yes) {
            assert_eq!(started["approval"], yes["seq"]);
        }
        let page = log(ws, &["show"]);
        assert!(page.contains("makes files") && page.contains("allowed, once (terminal, "), "{page}");
        let listed = log(ws, &[]);
        for what in ["forbidden", "nobody to ask", "not allowed"] {
            assert!(listed.contains(what), "{what}: {listed}");
        }
    }

    /// For programs that gather security events: each record is one, as OCSF has published them.
    each_record_is_an_event_of_ocsf needs ["userns"] |ws| {
        ws.file(".ringfence.toml", ASKS);
        ws.ringfence(["trust", "--yes"]).run().ok();
        ws.ring(["sh", "-c", ": > .envrc; sleep 0.3; exit 3"]).run().exits(3);
        ws.ring(["./missing"]).run();
        ws.ring(["rm", "x"]).run().exits(125);
        ws.ring(["touch", "a"]).run().exits(125);
        ws.ring_sh("exit 0").flags(["--memory", "1GiB", "--mode", "full-access"]).run().exits(125);
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        let schema = include_str!("../../../docs/reference/ocsf.schema.json");
        compiler.add_resource("ocsf.json", serde_json::from_str(schema).unwrap()).unwrap();
        let published = compiler.compile("ocsf.json", &mut schemas).unwrap();
        let export = ["export", "--format", "ocsf"];
        let events = |words: &[&str]| -> Vec<Value> {
            let events: Vec<Value> = log(ws, words).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            for event in &events {
                schemas.validate(event, published).unwrap_or_else(|error| panic!("{error:#}\n{event:#}"));
            }
            events
        };
        let (all, told) = (ws.records(), events(&export));
        assert_eq!(all.len(), told.len());
        for (record, event) in all.iter().zip(&told) {
            let about = &event["metadata"];
            assert_eq!((&about["sequence"], &about["uid"], &about["event_code"]), (&record["seq"], &record["hash"], &record["type"]));
        }
        let of = |code: &str| -> Vec<&Value> { told.iter().filter(|e| e["metadata"]["event_code"] == code).collect() };
        for (code, types) in [
            ("ledger.opened", &[100_806][..]),
            ("host.changed", &[300_408]),
            ("command.refused", &[200_401]),
            ("approval.asked", &[300_401]),
            ("approval.answered", &[300_410]),
            ("ring.refused", &[200_401]),
            ("denial", &[200_401]),
        ] {
            let found: Vec<u64> = of(code).iter().map(|e| e["type_uid"].as_u64().unwrap()).collect();
            assert_eq!(found, types, "{code}: {told:#?}");
        }
        let (started, ended) = (of("command.started")[0], of("command.ended")[0]);
        assert_eq!(ended["process"], started["process"]);
        assert_eq!(ended["process"]["cmd_line"], "sh -c ': > .envrc; sleep 0.3; exit 3'");
        assert_eq!((&ended["exit_code"], &ended["type_uid"]), (&json!(3), &json!(100_702)));
        assert_eq!(ended["process"]["user"]["uid"], ws.person.uid.to_string());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        assert_eq!(ended["device"]["name"], host);
        // Of a ledger from elsewhere nobody knows the machine.
        ws.bare(["cp", "-r", "../state/ringfence/ledger", "../copy"]).run().ok();
        let copy = ws.at("../copy");
        let brought = events(&[&export[..], &["--ledger", copy.to_str().unwrap()]].concat());
        assert_eq!(brought.len(), told.len());
        let ended = brought.iter().find(|e| e["metadata"]["event_code"] == "command.ended").unwrap();
        assert_eq!(ended["device"], json!({ "name": "Unknown", "type_id": 0 }));
    }

    /// Trust changes what later rings may do.
    trust_is_told needs [] |ws| {
        ws.file(".ringfence.toml", "[filesystem]\nwrite = [\"../more\"]\n");
        ws.dir("../more");
        ws.ringfence(["trust", "--yes"]).run().ok();
        ws.ringfence(["untrust"]).run().ok();
        ws.ringfence(["untrust"]).run();
        let all = ws.records();
        let told: Vec<&str> = of(&all, "host.changed").iter().map(|r| r["what"].as_str().unwrap()).collect();
        assert_eq!(told, ["trusted", "distrusted"]);
        assert!(of(&all, "host.changed")[0]["content"].is_string());
    }

    /// A ring that stays: many commands, answers for as long as it stands, a grant, and what ended with it.
    rings_that_stay_are_told needs ["userns"] |ws| {
        ws.file(".ringfence.toml", ASKS);
        let other = ws.dir("../other");
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let touch = json!({ "ring": ring, "argv": ["touch", "made"] });
        let error = client.refused("command.start", touch.clone());
        let question = error["data"]["question"].clone();
        for approval in [json!({ "approval": { "question": question, "lasts": "ring" } }), json!({})] {
            let command = client.command(with(touch.clone(), approval));
            assert_eq!(client.ended(command, "stdout").0["code"], 0);
        }
        client.ok("grant.request", json!({ "ring": ring, "write": other }));
        let command = client.command(with(sh(ring, "exit 5"), json!({ "env": { "SECRET_NAME": "of no interest" } })));
        assert_eq!(client.ended(command, "stdout").0["code"], 5);
        client.command(sh(ring, "sleep 1000"));
        client.wait().exits(0);
        let all = ws.records();
        let made = one(&all, "ring.made");
        assert_eq!(made["by"], "serve");
        let started = of(&all, "command.started");
        assert!(started.iter().all(|r| r["ring"] == made["seq"]), "{all:#?}");
        let asked = one(&all, "approval.asked");
        let answered = one(&all, "approval.answered");
        assert_eq!((&answered["answer"], &answered["from"], &answered["asked"]), (&json!("ring"), &json!("serve"), &asked["seq"]));
        let by_answer: Vec<&Value> = started.iter().map(|r| &r["approval"]).collect();
        assert_eq!(by_answer, [&answered["seq"], &answered["seq"], &Value::Null, &Value::Null]);
        assert_eq!(started[2]["env"], json!(["SECRET_NAME"]));
        assert!(!all.iter().any(|r| r.to_string().contains("of no interest")));
        assert_eq!(one(&all, "ring.widened")["write"], json!([other]));
        let ends: Vec<Value> = of(&all, "command.ended").iter().map(|r| json!([r["how"], r["value"]])).collect();
        assert_eq!(ends, [json!(["exited", 0]), json!(["exited", 0]), json!(["exited", 5]), json!(["with-its-ring", null])]);
        assert_eq!(one(&all, "ring.ended")["ring"], made["seq"]);
        assert!(log(ws, &["list", "--ring", &made["seq"].to_string()]).contains("with its ring"));
        // In words as well, and the records of it alone.
        let number = made["seq"].to_string();
        assert!(log(ws, &["show", &number]).contains("wider"));
        let its = log(ws, &["show", &number, "--json"]);
        assert_eq!(its.lines().count(), all.len() - 2, "all but that the ledger begins, and the policy: {its}");
    }

    /// A harness that is killed says nothing more; the chain is whole, and the next one goes on.
    a_killed_harness_leaves_the_chain_whole needs ["userns"] |ws| {
        let live = ws.ring_sh("echo begun; sleep 1000").start();
        until("the command is recorded", || log(ws, &["list", "--json"]).contains("sleep 1000"));
        assert!(log(ws, &[]).contains(" runs "));
        live.signal(rustix::process::Signal::KILL);
        live.wait();
        assert!(log(ws, &[]).contains("not told"), "{}", log(ws, &[]));
        ws.ring(["true"]).run().ok();
        let verified = log(ws, &["verify"]);
        assert!(verified.contains("each as it was written"), "{verified}");
        assert!(log(ws, &["stats"]).contains("not told"));
    }

    /// What is changed is found, named, and a new chain says so.
    a_changed_record_is_found needs ["userns"] |ws| {
        ws.ring_sh("echo one").run().ok();
        let head = log(ws, &["verify"]).lines().find_map(|l| l.strip_prefix("head ").map(str::to_owned)).unwrap();
        assert!(log(ws, &["verify", "--head", &head]).contains("each as it was written"));
        let file = "../state/ringfence/ledger/00000001.jsonl";
        let text = ws.read(file).replace("echo one", "echo two");
        ws.file(file, text);
        let found = ws.ringfence(["log", "verify"]).run().exits(1);
        assert!(found.out().starts_with("BAD record 4 ("), "{found}");
        ws.ring_sh("echo three").run().ok();
        let all = ws.ringfence(["log", "export"]).run().exits(1);
        assert!(all.out().contains("record 4 was found to be bad") && !all.out().contains("echo two"), "{all}");
        // The whole made anew is found by the head that was noted.
        std::fs::remove_dir_all(ws.at("../state/ringfence/ledger")).unwrap();
        ws.ring_sh("echo one").run().ok();
        ws.ringfence(["log", "verify"]).run().ok();
        let found = ws.ringfence(["log", "verify", "--head", &head]).run().exits(1);
        assert!(found.out().contains("another than the one that was noted"), "{found}");
    }

    /// Nothing runs that is not recorded, unless that is accepted, and then it is said.
    a_full_disk_stops_new_commands needs ["userns", "tool:unshare"] |ws| {
        let program = &binaries().ringfence;
        let run = |flags: &str| format!(
            "mount -t tmpfs -o size=64k none ../state && {{ dd if=/dev/zero of=../state/fill 2> /dev/null || true; }} && exec {} run {flags} -- touch made",
            program.display());
        let refused = ws.bare(["unshare", "-rm", "sh", "-c", &run("--json")]).run().exits(125);
        assert!(refused.err().contains("the ledger is full") && refused.err().contains("--accept ledger"), "{refused}");
        assert!(!ws.has("made"));
        let accepted = ws.bare(["unshare", "-rm", "sh", "-c", &run("--json --accept ledger")]).run().ok();
        assert!(accepted.err().contains("\"promise\":\"ledger\""), "{accepted}");
        assert!(ws.has("made"));
    }

    /// A limit of a file's size (`RLIMIT_FSIZE`) ends no harness: it is told, and the command has the signal as ever.
    a_limit_of_a_files_size_stops_new_commands needs ["userns"] |ws| {
        let program = &binaries().ringfence;
        let run = |flags: &str| format!("ulimit -f 0; exec {} run {flags} -- sh -c 'touch made; echo > more'", program.display());
        // What is kept of a workspace stands.
        ws.ring_sh("true").run().ok();
        let refused = ws.bare_sh(&run("")).run().exits(125);
        assert!(refused.err().contains("ulimit -f") && refused.err().contains("--accept ledger"), "{refused}");
        assert!(!ws.has("made"));
        ws.bare_sh(&run("--accept ledger")).run().exits(128 + 25);
        assert!(ws.has("made"));
    }

    /// What comes is shown as it comes.
    what_comes_can_be_followed needs ["userns"] |ws| {
        let mut terminal = ws.ringfence(["log", "follow"]).on_terminal(200, 24);
        until("it watches", || ws.has("../state/ringfence/ledger"));
        ws.ring_sh("echo one").run().ok();
        terminal.until_shows("starts: sh -ec 'echo one'");
        terminal.until_shows("ended: ok");
        terminal.types("\x03");
        terminal.ends();
    }
}

rings! {
    /// Rings, commands, denials and questions on a small terminal.
    top_shows_what_is_there needs ["userns"] |ws| {
        ws.file(".ringfence.toml", ASKS);
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let command = client.command(sh(ring, "echo > .envrc"));
        client.ended(command, "stdout");
        client.refused("command.start", json!({ "ring": ring, "argv": ["touch", "a"] }));
        let sleeping = client.command(sh(ring, "exec sleep 1000"));
        let mut terminal = ws.ringfence(["top"]).on_terminal(80, 24);
        for shown in ["serve", "runs", "sleep 1000", "moved aside", "asks          touch a", "rings 1  running 1"] {
            terminal.until_shows(shown);
        }
        // What happens is shown as it happens.
        client.ok("command.kill", json!({ "command": sleeping }));
        terminal.until_shows("signal 9");
        // All of one, and back.
        terminal.types("\r");
        terminal.until_shows("esc back");
        terminal.types("\x1b");
        terminal.until_shows("q quit");
        client.wait().exits(0);
        terminal.until_shows("rings 0  running 0");
        terminal.types("q");
        assert_eq!(terminal.ends().code(), Some(0));
        let piped = ws.ringfence(["top"]).run().exits(125);
        assert!(piped.err().contains("needs a terminal"), "{piped}");
    }
}

rings! {
    /// Which files each command of a ring that stays changed, and what is kept of it.
    changed_files_are_told needs ["userns"] |ws| {
        ws.file("kept", "one");
        ws.file("gone", "two");
        ws.file("moved", "three");
        ws.file("target/debug/a", "x");
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        // What was there is known once all was walked: then nothing is told of a command that changes nothing.
        until("all was walked", || {
            let command = client.command(sh(ring, "true"));
            client.ended(command, "stdout");
            let all = ws.records();
            let last = of(&all, "command.started").pop().unwrap()["seq"].clone();
            !of(&all, "files.changed").iter().any(|r| r["command"] == last)
        });
        let script = "echo more >> kept; rm gone; mv moved there; mkdir new; echo x > new/file; echo y > target/debug/b; echo z > tmp; rm tmp";
        let command = client.command(sh(ring, script));
        client.ended(command, "stdout");
        let all = ws.records();
        let changed = of(&all, "files.changed").pop().unwrap().clone();
        assert_eq!(changed["command"], of(&all, "command.started").pop().unwrap()["seq"]);
        assert!(changed["shared"].is_null() && changed["incomplete"].is_null(), "{changed:#}");
        let root = &changed["roots"][0];
        assert_eq!(root["root"], ws.path().to_str().unwrap());
        let files: Vec<Value> = root["files"].as_array().unwrap().iter().map(|f| json!([f["path"], f["how"], f["before"], f["after"]])).collect();
        assert_eq!(files, [
            json!(["gone", "deleted", 3, null]),
            json!(["kept", "modified", 3, 8]),
            json!(["new", "added", null, null]),
            json!(["new/file", "added", null, 2]),
            json!(["there", "renamed", 5, 5]),
        ]);
        assert_eq!(root["generated"][0]["path"], "target");
        // Two at once: each is told what changed, and that it may be the other's.
        let sleeping = client.command(sh(ring, "exec sleep 1000"));
        let quick = client.command(sh(ring, "echo q > quick"));
        client.ended(quick, "stdout");
        client.ok("command.kill", json!({ "command": sleeping }));
        client.ended(sleeping, "stdout");
        let all = ws.records();
        let both: Vec<&Value> = of(&all, "files.changed").into_iter().filter(|r| r["shared"] == true).collect();
        assert_eq!(both.len(), 2, "{all:#?}");
        assert!(both.iter().all(|r| r["roots"][0]["files"][0]["path"] == "quick"));
        client.wait().exits(0);
        let page = log(ws, &["show", &changed["command"].to_string()]);
        assert!(page.contains("changed     2 added, 1 deleted, 1 modified, 1 renamed, 1 in target"), "{page}");
        let ocsf = log(ws, &["export", "--format", "ocsf"]);
        assert!(ocsf.lines().any(|line| line.contains("\"type_uid\":100105") && line.contains("there")), "{ocsf}");
    }

    /// One command alone: where it is asked for.
    changed_files_of_one_command_are_told_when_asked_for needs ["userns"] |ws| {
        ws.file("kept", "one");
        let done = ws.ring_sh("echo more >> kept; echo x > 'new file'").flags(["--changes", "--json"]).run().ok();
        let line = done.err();
        assert!(line.contains("changed: 1 added, 1 modified (~kept +new file)"), "{line}");
        let report: Value = serde_json::from_str(line.lines().last().unwrap()).unwrap();
        let entries = &report["changes"]["roots"][0]["entries"];
        assert_eq!((&entries[0]["path"], &entries[0]["how"]), (&json!("kept"), &json!("modified")));
        let all = ws.records();
        assert_eq!(one(&all, "files.changed")["command"], one(&all, "command.started")["seq"]);
        let none = ws.ring_sh("true").flags(["--changes"]).run().ok();
        assert!(none.err().contains("no file changed"), "{none}");
        let full = ws.ring_sh("echo x > full").flags(["--changes", "--mode", "full-access"]).run().ok();
        assert!(full.err().contains("changed: 1 added (+full)"), "{full}");
        assert_eq!(ws.ring_sh("true").run().ok().err(), "");
    }
}
