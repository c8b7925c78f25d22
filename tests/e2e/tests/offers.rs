//! What the ring refuses, offered to a person; what they grant, and for how long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::os::unix::fs::symlink;

use ringfence_e2e::{Client, Run, Workspace, binaries, of, rings};
use serde_json::{Value, json};

/// Writes beside the workspace: refused, unless that is granted.
const WRITES: &str = "echo hi > ../notes/today";

fn traced(ws: &Workspace) -> Run {
    ws.ring_sh(WRITES).flags(["--trace"])
}

/// Answers the question of a command that has been refused something.
fn answers(run: Run, keys: &[&str]) -> (i32, String) {
    let mut terminal = run.on_terminal(100, 30);
    for key in keys {
        let asks = if *key == "y" && keys.len() > 1 {
            "keep it?"
        } else {
            "[?] more:"
        };
        terminal.until_shows(asks);
        terminal.types(format!("{key}\n"));
    }
    let code = terminal.ends().code().unwrap();
    (code, terminal.shows())
}

/// With a policy of the person's own.
fn with_policy(ws: &Workspace, run: Run, policy: &str) -> Run {
    ws.file("../config/ringfence/policy.toml", policy);
    run.env("XDG_CONFIG_HOME", ws.at("../config"))
}

rings! {
    /// A denied write, an offer, "session", and the same command succeeds, in a ring. The ledger has the story.
    refused_offered_granted needs ["userns"] |ws| {
        let notes = ws.dir("../notes");
        let own = binaries().ringfence.display();
        let script = format!("'{own}' run --trace -- sh -c '{WRITES}'; '{own}' run -- sh -c 'echo more >> ../notes/today'");
        let mut terminal = ws.bare_sh(&script).on_terminal(100, 30);
        terminal.until_shows("[s] this session");
        assert!(!ws.has("../notes/today"));
        assert!(terminal.shows().contains(&format!("write in {}", notes.display())), "{}", terminal.shows());
        terminal.types("s\n");
        assert!(terminal.ends().success(), "{}", terminal.shows());
        assert_eq!(ws.read("../notes/today"), "hi\nmore\n");
        // Another session has nothing of it.
        let elsewhere = traced(ws).run();
        assert_ne!(elsewhere.code(), 0, "{elsewhere}");

        let all = ws.records();
        let commands = of(&all, "command.started");
        let denial = of(&all, "denial")[0];
        assert_eq!((&denial["what"], &denial["path"]), (&json!("refused-write"), &json!(notes.join("today"))));
        assert_eq!(denial["command"], commands[0]["seq"]);
        let asked = of(&all, "approval.asked")[0];
        assert_eq!((&asked["command"], &asked["argv"]), (&commands[0]["seq"], &json!(["grant", "write", notes])));
        let answered = of(&all, "approval.answered")[0];
        assert_eq!((&answered["asked"], &answered["answer"], &answered["from"]), (&asked["seq"], &json!("session"), &json!("terminal")));
        let rings = of(&all, "ring.made");
        assert_eq!(rings[0].get("granted"), None);
        for ring in &rings[1..3] {
            assert_eq!((&ring["granted"], &ring["mode"]), (&json!([answered["seq"]]), &json!("workspace-write")));
        }
        assert_eq!(rings[3].get("granted"), None);
        let number = commands[0]["seq"].to_string();
        let page = ws.ringfence(["log", "show", &number]).run().ok().out();
        assert!(page.contains("today: not written (") && page.contains("allowed, for this terminal's session (terminal, "), "{page}");
        let number = commands[1]["seq"].to_string();
        let page = ws.ringfence(["log", "show", &number]).run().ok().out();
        assert!(page.contains("granted     grant write"), "{page}");
        assert!(of(&all, "host.changed").iter().any(|r| r["what"] == "granted"), "{all:#?}");
    }

    /// Once is once; no is no; for the project it holds in that workspace until it is taken back.
    as_long_as_was_said needs ["userns"] |ws| {
        ws.dir("../notes");
        let (code, shown) = answers(traced(ws), &["n"]);
        assert_ne!(code, 0, "{shown}");
        assert!(!ws.has("../notes/today"));
        let (code, shown) = answers(traced(ws), &["y"]);
        assert_eq!(code, 0, "{shown}");
        assert_eq!(ws.read("../notes/today"), "hi\n");
        let again = ws.ring_sh(WRITES).run();
        assert_ne!(again.code(), 0, "{again}");
        std::fs::remove_file(ws.at("../notes/today")).unwrap();
        // Shown before it is kept; and not kept for anything but a yes.
        let (code, shown) = answers(traced(ws), &["p", "no"]);
        assert_ne!(code, 0, "{shown}");
        assert_eq!(ws.ringfence(["grants", "list", "--json"]).run().ok().out(), "");
        let (code, shown) = answers(traced(ws), &["p", "y"]);
        assert_eq!(code, 0, "{shown}");
        ws.ring_sh(WRITES).run().ok();
        let listed: Value = serde_json::from_str(&ws.ringfence(["grants", "list", "--json"]).run().ok().out()).unwrap();
        assert_eq!((&listed["number"], &listed["lasts"], &listed["holds"]), (&json!(1), &json!("project"), &json!(true)));
        assert_eq!(listed["grant"]["write"]["path"], json!(ws.at("../notes")));
        let why = ws.ringfence(["why", "../notes/x"]).run().ok().out();
        assert!(why.contains("said by grant 1"), "{why}");
        assert!(ws.ringfence(["policy", "show"]).run().ok().out().contains("# grant 1"));
        // Another workspace is another.
        let other = ws.dir("../other");
        let there = ws.ring_sh(WRITES).dir(&other).run();
        assert_ne!(there.code(), 0, "{there}");
        ws.ringfence(["grants", "revoke", "7"]).run().exits(125);
        ws.ringfence(["grants", "revoke", "1"]).run().ok();
        let revoked = ws.ring_sh(WRITES).run();
        assert_ne!(revoked.code(), 0, "{revoked}");
        assert!(ws.ringfence(["grants"]).run().ok().out().contains("nothing is granted"));
        let changed: Vec<Value> = of(&ws.records(), "host.changed").iter().map(|r| r["what"].clone()).collect();
        assert_eq!(changed, ["granted", "revoked"]);
    }

    /// What was shown is what is granted, whatever is put in its place.
    another_object_is_another needs ["userns"] |ws| {
        let notes = ws.dir("../notes");
        let aside = ws.at("../aside");
        let secret = ws.dir("../secret");
        let swaps: [(&str, &dyn Fn()); 3] = [
            ("a link", &|| symlink(&secret, &notes).unwrap()),
            ("another directory", &|| { ws.dir("../notes"); }),
            ("nothing", &|| {}),
        ];
        for (what, swap) in swaps {
            let mut terminal = traced(ws).on_terminal(100, 30);
            terminal.until_shows("[?] more:");
            std::fs::rename(&notes, &aside).unwrap();
            swap();
            terminal.types("y\n");
            assert_eq!(terminal.ends().code(), Some(125), "{what}: {}", terminal.shows());
            assert!(terminal.shows().contains("another object stands there"), "{what}: {}", terminal.shows());
            let _ = std::fs::remove_file(&notes);
            let _ = std::fs::remove_dir(&notes);
            std::fs::rename(&aside, &notes).unwrap();
            assert_eq!(std::fs::read_dir(&secret).unwrap().count(), 0, "{what}");
        }
        // The same for one that was kept.
        let (code, shown) = answers(traced(ws), &["p", "y"]);
        assert_eq!(code, 0, "{shown}");
        std::fs::rename(&notes, &aside).unwrap();
        symlink(&secret, &notes).unwrap();
        let moved = ws.ring_sh(WRITES).run();
        assert_ne!(moved.code(), 0, "{moved}");
        assert_eq!(std::fs::read_dir(&secret).unwrap().count(), 0);
        assert!(ws.ringfence(["grants"]).run().ok().out().contains("another object stands there"));
        std::fs::remove_file(&notes).unwrap();
        std::fs::rename(&aside, &notes).unwrap();
        ws.ring_sh(WRITES).run().ok();
    }

    /// A name is its directory's: what is offered lets it be taken away.
    what_would_let_a_name_be_taken_away needs ["userns"] |ws| {
        for (make, take) in [("echo a > ../nd/f", "rm ../nd/f"), ("mkdir ../nd/d", "rmdir ../nd/d"), ("echo a > ../nd/f", "mv ../nd/f ../nd/g")] {
            ws.bare_sh(&format!("rm -rf ../nd; mkdir ../nd; {make}")).ok();
            let told = ws.ring_sh(take).flags(["--trace"]).run();
            let remedy = format!("--write {}", ws.path().join("../nd").canonicalize().unwrap().display());
            let line = told.err();
            let line = line.lines().find(|line| line.contains("refused: write ")).unwrap_or_else(|| panic!("{told}"));
            assert!(line.ends_with(&remedy), "{take}: {line}");
            ws.ring_sh(take).flags(remedy.split(' ')).run().ok();
        }
    }

    /// Who asks is answered.
    nothing_refused_is_told needs ["userns"] |ws| {
        let told = ws.ring(["false"]).flags(["--trace"]).run().exits(1);
        assert!(told.err().contains("nothing was seen that the ring refused it"), "{told}");
    }

    /// What cannot be granted is told, and not offered; nor is a way outside.
    not_everything_is_offered needs ["userns", "tool:git"] |ws| {
        ws.repository(".");
        let script = format!("git config core.fsmonitor x; touch /usr/x; cat '{}'; exit 3", ws.at("../state/ringfence/grants.lock").display());
        let told = ws.ring(["sh", "-c", &script]).flags(["--trace"]).run().exits(3);
        let err = told.err();
        assert!(err.contains("refused: write /usr/x: "), "{told}");
        assert!(err.contains(&format!("refused: write {}", ws.at(".git/config").display())), "{told}");
        let mut terminal = ws.ring(["sh", "-c", "touch /usr/x; touch .git/hooks/x; exit 3"]).flags(["--trace"]).on_terminal(100, 30);
        assert_eq!(terminal.ends().code(), Some(3));
        let shown = terminal.shows();
        assert!(shown.contains("refused: write /usr/x") && !shown.contains("[y]") && !shown.contains("full-access"), "{shown}");
        // What is as well refused outside is none of the ring's.
        let bare = ws.ring(["sh", "-c", "chmod 0 own; echo x > own; cat /nonexistent; mkdir /proc/self/x; exit 3"]).flags(["--trace"]).run().exits(3);
        assert!(!bare.err().contains("refused: "), "{bare}");
        // Ringfence's own state is not shown to anybody, whatever is answered.
        let mut terminal = ws.ring(["sh", "-c", &script]).flags(["--trace"]).on_terminal(100, 30);
        assert_eq!(terminal.ends().code(), Some(3), "{}", terminal.shows());
        let json = ws.ring(["sh", "-c", "touch /usr/x; exit 3"]).flags(["--trace", "--json"]).run().exits(3);
        let err = json.err();
        let report: Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
        assert_eq!(report["refused"][0]["tried"], "write", "{report:#}");
        assert_eq!(report["refused"][0]["of"], "/usr/x", "{report:#}");
        assert_eq!(report["refused"][0].get("grant"), None, "{report:#}");
    }

    /// Nothing that is protected is offered, wherever it lies: a file is no other than the directory it is in, and what programs
    /// outside obey in another repository, or Ringfence itself, is no smaller for being named alone.
    what_is_obeyed_elsewhere_is_not_offered needs ["userns", "tool:git"] |ws| {
        ws.repository("../other");
        ws.repository("../husky");
        ws.bare_sh("git config core.hooksPath .husky/_; mkdir -p .husky/_; echo true > .husky/_/pre-commit; echo true > .husky/pre-commit").dir(ws.at("../husky")).ok();
        ws.dir("../plain/.vscode");
        for file in [
            "../plain/keep/f", "../plain/.vscode/tasks.json", "../plain/.envrc",
            "../other/.vscode/tasks.json", "../other/.claude/settings.json", "../other/.envrc", "../other/.git/hooks/pre-commit",
            "../other/.git/info/attributes", "../other/sub/.mcp.json",
        ] {
            ws.file(file, "# mine\n");
        }
        let policy = format!("[filesystem]\nprotect = [{:?}]\n", ws.at("../plain/keep"));
        let ring = |script: &str, flags: &[&str]| with_policy(ws, ws.ring(["sh", "-c", script]).flags(flags), &policy);
        for path in [
            "../config/ringfence/policy.toml", "../config/ringfence/new.toml", "../state/ringfence/grants.json",
            "../plain/keep/f", "../plain/keep/new", "../plain/.vscode/tasks.json", "../plain/.vscode/mcp.json", "../plain/.envrc",
            "../other/.git/hooks/pre-commit", "../other/.git/hooks/new", "../other/.git/config", "../other/.git/info/attributes", "../other/.git/modules/x/config",
            "../other/.vscode/tasks.json", "../other/.vscode/launch.json", "../other/.claude/settings.json", "../other/.claude/new", "../other/.envrc", "../other/sub/.mcp.json",
            "../husky/.husky/_/pre-commit", "../husky/.husky/_/new", "../husky/.husky/pre-commit",
        ] {
            let read = || std::fs::read(ws.at(path)).ok();
            ws.file("../config/ringfence/policy.toml", &policy);
            let before = read();
            if before.is_none() && path.contains("modules") {
                ws.dir("../other/.git/modules/x");
            }
            let script = format!("echo x >> {path} || exit 3");
            let mut terminal = ring(&script, &["--trace"]).on_terminal(160, 40);
            assert_eq!(terminal.ends().code(), Some(3), "{path}: {}", terminal.shows());
            assert!(!terminal.shows().contains("[y]"), "{path}: {}", terminal.shows());
            // Nor does it come of a flag, a file's or its directory's.
            let named = ws.at(path);
            for root in [named.as_path(), named.parent().unwrap()] {
                if root.exists() && !path.contains("/state/") {
                    let written = ring(&script, &["--write", root.to_str().unwrap()]).run();
                    // What did not exist is taken away.
                    assert!((written.code() != 0 || before.is_none()) && read() == before, "--write {}: {written}", root.display());
                }
            }
            assert_eq!(read(), before, "{path}");
        }
        // What is beside them is.
        for path in ["../other/src", "../plain/x", "../other/.git/refs/heads/x"] {
            let mut terminal = ring(&format!("echo x > {path} || exit 3"), &["--trace"]).on_terminal(160, 40);
            terminal.until_shows("[?] more:").types("y\n");
            assert!(terminal.ends().success(), "{path}: {}", terminal.shows());
        }
        // A client asks for them in vain.
        let mut client = Client::serve(ws, &[]);
        let number = client.ring(ws);
        for path in ["../other/.git/hooks/pre-commit", "../other/.git/config", "../other/.vscode/tasks.json", "../other/.envrc", "../husky/.husky/pre-commit"] {
            client.refused("grant.request", json!({ "ring": number, "write": ws.at(path) }));
        }
        client.ok("grant.request", json!({ "ring": number, "write": ws.at("../other/README") }));
        client.wait().exits(0);
        // A repository that lies in an agent's directory is a workspace all the same.
        let within = ws.repository("../other/.claude/worktrees/x");
        ws.ring(["sh", "-c", "echo x > fine"]).dir(&within).run().ok();
        let below = ws.dir("../plain/.claude/work");
        ws.ring(["sh", "-c", "echo x > fine"]).dir(&below).run().exits(125);
    }

    /// What programs obey in a home is told, whatever `HOME` is and wherever it was moved.
    what_a_home_has_is_minded needs ["userns"] |ws| {
        ws.dir("../settings/tool");
        let home = ws.file("../home2/.bashrc", "");
        let moved = || ws.ring_sh("echo x > ../settings/tool/config").flags(["--trace"]).env("XDG_CONFIG_HOME", ws.at("../settings"));
        let (code, shown) = answers(moved(), &["n"]);
        assert!(code != 0 && shown.contains("programs outside of rings obey") && !shown.contains("[p]"), "{shown}");
        let dotted = ws.ring_sh("echo x > ../home2/.bashrc").flags(["--trace"]).env("HOME", home.parent().unwrap());
        let (code, shown) = answers(dotted, &["n"]);
        assert!(code != 0 && shown.contains("programs outside of rings obey") && !shown.contains("[p]"), "{shown}");
    }

    /// Whatever a command leaves of the terminal, the question is read and answered as any.
    a_question_is_seen_and_answered_as_it_stands needs ["userns"] |ws| {
        ws.dir("../notes");
        let own = binaries().ringfence.display();
        // A string that is not ended; letters that are not seen; another screen; a part that scrolls alone.
        for left in ["\\033Px", "\\033]0;", "\\033[8m", "\\033[?1049h\\033[2;3r\\033[?6h\\033[30;40m", "\\016\\033(0"] {
            let script = format!("{WRITES}; printf 'Anonymous statistics? [y/N] {left}'; exit 1");
            let mut terminal = ws.ring(["sh", "-c", &script]).flags(["--trace"]).on_terminal(100, 40);
            terminal.until_shows("[?] more:");
            let shown = terminal.shows();
            assert!(shown.contains("May commands of this workspace write in "), "{left}: {shown}");
            assert!(terminal.is_seen("May commands"), "{left}: {shown}");
            terminal.types("n\n");
            assert_eq!(terminal.ends().code(), Some(1), "{left}");
        }
        // Keys come by the line, and are seen, also where the command had the terminal raw.
        let script = format!("'{own}' run --trace -- sh -c '{WRITES}; stty raw -echo eol y </dev/tty; exit 1' </dev/null");
        let mut terminal = ws.bare_sh(&script).on_terminal(100, 30);
        terminal.until_shows("[?] more:").types("y\u{7f}n\n");
        assert_eq!(terminal.ends().code(), Some(1), "{}", terminal.shows());
        // A key that ends a program ends it.
        let mut terminal = traced(ws).on_terminal(100, 30);
        terminal.until_shows("[?] more:").types("\u{3}");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&terminal.ends()), Some(2), "{}", terminal.shows());
        assert!(!ws.has("../notes/today"));
        // What has been read of the input is gone, so that once would be nothing.
        let script = format!("echo hi | '{own}' run --trace -- sh -c 'cat > ../notes/today'");
        let mut terminal = ws.bare_sh(&script).on_terminal(100, 30);
        terminal.until_shows("[?] more:");
        assert!(terminal.shows().contains("[s]") && !terminal.shows().contains("[y]"), "{}", terminal.shows());
        terminal.types("s\n");
        assert_ne!(terminal.ends().code(), Some(0));
        assert!(!ws.has("../notes/today") && terminal.shows().contains("does not run again by itself"), "{}", terminal.shows());
    }

    /// A command that is looked at ends as it would, also where it cannot be looked at.
    looked_at_or_not needs ["userns"] |ws| {
        // What looks at the calls is Ringfence's own.
        let own = binaries().ringfence.with_file_name("ringfence-tools").display().to_string();
        let hidden = ws.ring(["sh", "-c", "exit 3"]).flags(["--trace", "--hide", &own]).run().exits(3);
        assert!(hidden.err().contains("is not seen in the ring"), "{hidden}");
        let none = ws.ring(["sh", "-c", "exit 3"]).flags(["--trace", "--mode", "full-access"]).run().exits(3);
        assert!(none.err().contains("there is no ring"), "{none}");
        let script = ws.file("script", "#!/nonexistent/interpreter\n");
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let without = ws.ring(["./script"]).run();
        let with = ws.ring(["./script"]).flags(["--trace"]).run();
        assert_eq!((with.code(), with.err()), (without.code(), without.err()));
        // One that is stopped goes on when somebody tells it to.
        let stops = "(while kill -CONT $$; do cat /proc/version; done) > /dev/null 2>&1 & kill -STOP $$; exit 5";
        ws.ring(["sh", "-c", stops]).flags(["--trace"]).run().exits(5);
        // What was refused last is told, after however much else.
        ws.dir("../notes");
        let many = format!("mkdir no; chmod 0 no; i=0; while [ $i -lt 700 ]; do [ -r no/$i ]; i=$((i+1)); done 2>/dev/null; {WRITES}");
        let told = ws.ring(["sh", "-c", &many]).flags(["--trace"]).run();
        assert!(told.err().contains("notes/today: it lies in no write root"), "{told}");
    }

    /// A second look at what failed, in its ring.
    why_looks_again needs ["userns"] |ws| {
        ws.dir("../notes");
        let nothing = ws.ringfence(["why", "--last"]).run().exits(125);
        assert!(nothing.err().contains("no command failed"), "{nothing}");
        ws.ring_sh(&format!("echo ran >> log; {WRITES}")).run();
        ws.ring_sh("true").run().ok();
        let unasked = ws.ringfence(["why", "--last"]).run().exits(125);
        assert!(unasked.err().contains("say --yes"), "{unasked}");
        assert_eq!(ws.read("log"), "ran\n", "not without being asked");
        let again = ws.ringfence(["why", "--last", "--yes"]).run();
        assert_ne!(again.code(), 0, "{again}");
        assert!(again.err().contains("refused: write ") && again.err().contains("notes/today: it lies in no write root"), "{again}");
        assert_eq!(ws.read("log"), "ran\nran\n");
        // With a person there it is offered.
        let mut terminal = ws.ringfence(["why", "--last"]).on_terminal(100, 30);
        terminal.until_shows("[y/N]").types("y\n");
        terminal.until_shows("[?] more:").types("y\n");
        assert!(terminal.ends().success(), "{}", terminal.shows());
        assert_eq!(ws.read("../notes/today"), "hi\n");
        // Said once in a session, where somebody reads it.
        let own = binaries().ringfence.display();
        let mut hinted = ws.bare_sh(&format!("'{own}' run false || '{own}' run false || true")).on_terminal(100, 30);
        assert!(hinted.ends().success());
        assert_eq!(hinted.shows().matches("ringfence why --last").count(), 1, "{}", hinted.shows());
        // Not what was not recorded whole.
        ws.ring(["sh", "-c", "exit 4", "--password", "hunter2"]).run().exits(4);
        let secret = ws.ringfence(["why", "--last", "--yes"]).run().exits(125);
        assert!(secret.err().contains("not all of its words are recorded"), "{secret}");
    }

    /// In no other ring than it had: not in a wider one, where it would do what it could not, nor in a narrower.
    why_looks_again_in_no_other_ring needs ["userns"] |ws| {
        ws.dir("../notes");
        let veiled = ws.dir("../veiled");
        let last = |flags: &[&str]| {
            let mut words = vec!["why", "--last", "--yes"];
            words.extend(flags);
            ws.ringfence(words).run()
        };
        for (flags, names) in [
            (&["--mode", "read-only"][..], "mode had read-only and would have workspace-write"),
            (&["--protect", "kept"], "filesystem.protect had "),
            (&["--hide", veiled.to_str().unwrap()], "filesystem.hide had "),
            (&["--timeout", "1h"], "limits.time had 3600 and would have nothing"),
            (&["--write", "../notes"], "filesystem.write had "),
        ] {
            let script = "echo ran >> log; echo ran >> kept; echo ran >> ../notes/log; exit 3";
            ws.ring(["sh", "-c", script]).flags(flags.iter().copied()).run().exits(3);
            let before = ["log", "kept", "../notes/log"].map(|at| ws.has(at).then(|| ws.read(at)));
            let refused = last(&[]).exits(125);
            assert!(refused.err().contains(names) && refused.err().contains("say the flags it had"), "{flags:?}: {refused}");
            let after = ["log", "kept", "../notes/log"].map(|at| ws.has(at).then(|| ws.read(at)));
            assert_eq!(before, after, "{flags:?}");
            // With the flags it had it is the same ring, and what is said of it is true.
            let looked = last(flags).exits(3);
            let said = looked.err().contains("refused: write ") && looked.err().contains("notes/log");
            assert_eq!(said, flags[0] != "--write", "{flags:?}: {looked}");
        }
        // The same from below, and where a policy says the same in other words.
        ws.ring(["sh", "-c", "exit 3"]).env("XDG_CONFIG_HOME", ws.at("../config")).run().exits(3);
        ws.file("../config/ringfence/policy.toml", "# nothing\n");
        let below = ws.dir("below");
        ws.ringfence(["why", "--last", "--yes"]).dir(&below).env("XDG_CONFIG_HOME", ws.at("../config")).run().exits(3);
        let other = last(&["--workspace", "../notes"]).exits(125);
        assert!(other.err().contains("its workspace was "), "{other}");
        // What a client asked for, of a ring that stays.
        let mut client = Client::serve(ws, &[]);
        let opened = client.ok("ring.open", json!({ "workspace": ws.path(), "policy": { "mode": "read-only" } }));
        let command = client.command(json!({ "ring": opened["ring"], "argv": ["sh", "-c", "touch made"] }));
        client.ended(command, "stderr");
        client.wait().exits(0);
        let refused = last(&[]).exits(125);
        assert!(refused.err().contains("mode had read-only") && !ws.has("made"), "{refused}");
        // Outside is nothing to look at, whatever a rule says by now.
        let rule = "[[rule]]\nprefix = [\"sh\", \"./fails\"]\ndecision = \"ask\"\nring = \"outside\"\n";
        ws.file("fails", "touch ../outside\n");
        let run = |run: Run| with_policy(ws, run, rule);
        ws.file("../config/ringfence/policy.toml", "");
        ws.ring(["sh", "./fails"]).env("XDG_CONFIG_HOME", ws.at("../config")).run();
        let refused = run(ws.ringfence(["why", "--last", "--yes"])).run().exits(125);
        assert!(!ws.has("../outside"), "{refused}");
    }

    /// A limit that ended a command.
    more_time_and_more_to_print needs ["userns"] |ws| {
        for (limit, script, asks) in [
            ("time = \"1s\"", "test -e again && exit 0; touch again; exec sleep 1000", "run for 2s"),
            ("output = \"10KiB\"", "head -c 15000 /dev/zero", "print 20KiB"),
        ] {
            let policy = format!("[limits]\n{limit}\n");
            let run = |ws: &Workspace| with_policy(ws, ws.ring(["sh", "-c", script]), &policy);
            let mut terminal = run(ws).flags(["--trace"]).on_terminal(100, 30);
            terminal.until_shows("[?] more:");
            assert!(terminal.shows().contains(asks), "{}", terminal.shows());
            terminal.types("p\n").until_shows("keep it?").types("y\n");
            assert!(terminal.ends().success(), "{}", terminal.shows());
            run(ws).run().ok();
            // Their own word for this command is not asked about.
            let flag = if limit.starts_with("time") { ["--timeout", "1s"] } else { ["--output", "1KiB"] };
            let script = if limit.starts_with("time") { "exec sleep 1000" } else { script };
            let mut terminal = with_policy(ws, ws.ring(["sh", "-c", script]), &policy).flags(["--trace"]).flags(flag).on_terminal(100, 30);
            assert!(!terminal.ends().success() && !terminal.shows().contains("[y]"), "{}", terminal.shows());
        }
        let listed = ws.ringfence(["grants"]).run().ok().out();
        assert!(listed.contains("run for 2s") && listed.contains("print 20KiB"), "{listed}");
    }

    /// The network, and sockets of services.
    what_is_reached_is_told needs ["userns", "tool:python3"] |ws| {
        let listens = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind('service')\ns.listen()\nprint('ready',flush=True)\nwhile True:\n c,_=s.accept()\n c.sendall(b'hello')\n c.close()\n";
        let beside = ws.dir("../beside").join("service");
        let listens = listens.replace("'service'", &format!("'{}'", beside.display()));
        let mut service = ws.bare(["python3", "-c", &listens]).on_terminal(80, 24);
        service.until_shows("ready");
        let connects = "import socket\ns=socket.socket(socket.AF_UNIX)\ns.connect('../beside/service')\nassert s.recv(9)==b'hello'\n";
        let run = || ws.ring(["python3", "-c", connects]).flags(["--trace"]);
        let refused = run().run();
        assert_ne!(refused.code(), 0, "{refused}");
        assert!(refused.err().contains("refused: connect "), "{refused}");
        let (code, shown) = answers(run(), &["y"]);
        assert_eq!(code, 0, "{shown}");
        assert!(shown.contains("connect to ") && !shown.contains("[p]"), "{shown}");
        let network = ws.ring(["python3", "-c", "import socket\nsocket.create_connection(('192.0.2.1', 443), 5)"]).flags(["--trace"]).run();
        assert_ne!(network.code(), 0, "{network}");
        assert!(network.err().contains("refused: network 192.0.2.1:443: the ring has no network"), "{network}");
    }

    /// Commands that rules ask about.
    a_command_is_allowed_for_longer needs ["userns"] |ws| {
        ws.file(".ringfence.toml", "[[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\nwhy = \"makes files\"\n");
        let (code, shown) = answers(ws.ring(["touch", "a"]), &["p", "y"]);
        assert_eq!(code, 0, "{shown}");
        ws.ring(["touch", "a"]).run().ok();
        // These words, and no others; here, and nowhere else.
        ws.ring(["touch", "b"]).run().exits(125);
        ws.ring(["touch", "a", "b"]).run().exits(125);
        ws.ring(["sh", "-c", "touch a"]).run().exits(125);
        let below = ws.dir("below");
        ws.ring(["touch", "a"]).dir(&below).run().exits(125);
        // Nor in another ring than the question said, or in none.
        for flags in [["--mode", "full-access"], ["--network", "on"]] {
            ws.ring(["touch", "a"]).flags(flags).run().exits(125);
        }
        let all = ws.records();
        let yes = of(&all, "approval.answered")[0];
        assert_eq!(yes["answer"], "project");
        for started in of(&all, "command.started") {
            assert_eq!(started["approval"], yes["seq"]);
        }
        assert!(ws.ringfence(["grants"]).run().ok().out().contains("run touch a (in "));
        ws.ringfence(["grants", "revoke", "--all"]).run().ok();
        ws.ring(["touch", "a"]).run().exits(125);
    }

    /// A program of one's own answers; nobody is asked; too much is asked; all is asked about.
    who_is_asked_is_said_in_the_policy needs ["userns"] |ws| {
        let rule = "[[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\n";
        let asked = ws.at("../asked");
        let program = ws.file("../answers", format!(
            "#!/bin/sh\nread -r q; printf '%s\\n' \"$q\" >> '{}'\nid=$(printf %s \"$q\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')\nprintf '{{\"id\":\"%s\",\"answer\":\"%s\",\"words\":\"as you like\"}}\\n' \"$id\" \"$(cat '{}')\"\n",
            asked.display(), ws.at("../answer").display()
        ));
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let policy = format!("[approval]\nprogram = [{program:?}]\nask = \"on-denial\"\n{rule}");
        let touch = |ws: &Workspace| with_policy(ws, ws.ring(["touch", "a"]), &policy);
        ws.file("../answer", "once");
        let done = touch(ws).run().ok();
        assert!(done.err().contains("says: as you like"), "{done}");
        let question: Value = serde_json::from_str(ws.read("../asked").lines().next().unwrap()).unwrap();
        assert_eq!((&question["ask"], &question["argv"], &question["cwd"]), (&json!("command"), &json!(["touch", "a"]), &json!(ws.path())));
        ws.file("../answer", "no");
        touch(ws).run().exits(125);
        ws.file("../answer", "nonsense");
        touch(ws).run().exits(125);
        // What the ring refuses is offered to it, too.
        ws.dir("../notes");
        ws.file("../answer", "once");
        let offered = with_policy(ws, ws.ring_sh(WRITES), &policy).run().ok();
        assert!(offered.err().contains("it runs again, in its ring"), "{offered}");
        assert_eq!(ws.read("../notes/today"), "hi\n");
        let last: Value = serde_json::from_str(ws.read("../asked").lines().last().unwrap()).unwrap();
        assert_eq!((&last["ask"], &last["grant"]["write"]), (&json!("grant"), &json!(ws.at("../notes"))));
        let answers: Vec<Value> = of(&ws.records(), "approval.answered").iter().map(|r| json!([r["answer"], r["from"]])).collect();
        let from = format!("program {}", program.display());
        assert_eq!(answers, [json!(["once", from]), json!(["no", from]), json!(["nobody", "terminal"]), json!(["once", from])]);

        // So often, and no oftener.
        let most = format!("[approval]\nprogram = [{program:?}]\nmost = 5\n{rule}");
        with_policy(ws, ws.ring(["touch", "a"]), &most).run().ok();
        let over = with_policy(ws, ws.ring(["touch", "a"]), &most).run().exits(125);
        assert!(over.err().contains("5 questions were asked in the last ten minutes"), "{over}");
        let never = format!("[approval]\nprogram = [{program:?}]\nask = \"never\"\n{rule}");
        let never = with_policy(ws, ws.ring(["touch", "a"]), &never).run().exits(125);
        assert!(never.err().contains("nobody is asked ([approval] ask = \"never\""), "{never}");
        let always = with_policy(ws, ws.ring(["true"]), "[approval]\nask = \"always\"\n").run().exits(125);
        assert!(always.err().contains("not run: "), "{always}");
        // A project says nothing of who speaks for a person.
        ws.file(".ringfence.toml", "[approval]\nprogram = [\"/bin/true\"]\n");
        let project = ws.ring(["true"]).run().exits(125);
        assert!(project.err().contains("approval.program"), "{project}");
    }

    /// A rule that places a command outside: asked about each time, as loud as can be, at the terminal alone.
    outside_is_its_own_question needs ["userns"] |ws| {
        let rules = "[[rule]]\nprefix = [\"touch\", \"../beside\"]\ndecision = \"ask\"\nring = \"outside\"\nwhy = \"beside\"\n\
                     [[rule]]\nprefix = [\"./tool\"]\ndecision = \"ask\"\nring = \"outside\"\n";
        let touch = |flags: &[&str]| with_policy(ws, ws.ring(["touch", "../beside"]).flags(flags), rules);
        for flags in [&[][..], &["--rules-answered"]] {
            let refused = touch(flags).run().exits(125);
            assert!(refused.err().contains("outside of every ring"), "{refused}");
        }
        let ask = |run: Run, keys: &str| {
            let mut terminal = run.on_terminal(100, 30);
            terminal.until_shows("[outside] typed whole");
            assert!(terminal.shows().contains("OUTSIDE OF EVERY RING, with all that you may yourself?") && !terminal.shows().contains("[s]"), "{}", terminal.shows());
            terminal.types(keys);
            (terminal.ends().code().unwrap(), terminal.shows())
        };
        for keys in ["y\ny\nyes\ns\np\n", "n\n", "\n"] {
            let (code, shown) = ask(touch(&[]), keys);
            assert_eq!(code, 125, "{shown}");
        }
        assert!(!ws.has("../beside"));
        let (code, shown) = ask(touch(&[]), "outside\n");
        assert!(code == 0 && ws.has("../beside") && shown.contains("outside of every ring, this once"), "{shown}");
        std::fs::remove_file(ws.at("../beside")).unwrap();
        // Once is once; and a command beside it is in its ring.
        touch(&[]).run().exits(125);
        let other = with_policy(ws, ws.ring(["touch", "../other"]), rules).run();
        assert_ne!(other.code(), 0, "{other}");
        let both = with_policy(ws, ws.ring(["sh", "-c", "touch ../beside; touch ../other"]), rules).run();
        assert!(both.code() != 0 && !ws.has("../other") && !ws.has("../beside"), "{both}");
        let all = ws.records();
        let yes = of(&all, "approval.answered").into_iter().find(|r| r["answer"] == "once").unwrap();
        let started = of(&all, "command.started").into_iter().find(|r| r["approval"] == yes["seq"]).unwrap();
        let ring = of(&all, "ring.made").into_iter().find(|r| r["seq"] == started["ring"]).unwrap();
        assert_eq!((&ring["ring"], &ring["enforcement"]), (&Value::Null, &json!("none")));
        // A program that a command could have put there.
        let tool = ws.file("tool", "#!/bin/sh\ntouch ../beside\n");
        std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut terminal = with_policy(ws, ws.ring(["./tool"]), rules).on_terminal(100, 30);
        let (code, shown) = (terminal.ends().code(), terminal.shows());
        assert!(code == Some(125) && shown.contains("can write this program") && !ws.has("../beside"), "{shown}");
        // Not in rings that stay.
        ws.file(".ringfence.toml", rules);
        ws.ringfence(["trust", "--yes"]).run().ok();
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let refused = client.refused("command.start", json!({ "ring": ring, "argv": ["touch", "../beside"] }));
        assert_eq!(refused["data"]["how"], "forbidden", "{refused}");
        client.wait().exits(0);
    }

    /// What is run outside is the program that was shown, and none that a command in a ring put there.
    outside_is_the_program_that_was_shown needs ["userns"] |ws| {
        let rules = "[[rule]]\nprefix = [\"uptime\"]\ndecision = \"ask\"\nring = \"outside\"\n\
                     [[rule]]\nprefix = [\"env\", \"uptime\"]\ndecision = \"ask\"\nring = \"outside\"\n\
                     [[rule]]\nprefix = [\"mine\"]\ndecision = \"ask\"\nring = \"outside\"\n";
        let plants = "mkdir -p .venv/bin && printf '#!/bin/sh\\ntouch ../planted\\n' > .venv/bin/uptime && chmod +x .venv/bin/uptime && cp .venv/bin/uptime .";
        let usual = "/usr/local/bin:/usr/bin:/bin";
        let path = format!("{}:{usual}", ws.at(".venv/bin").display());
        let run = |argv: &[&str], path: &str| with_policy(ws, ws.ring(argv.iter().copied()), rules).env("PATH", path);
        // Nobody is asked where another program, or a shell, would look for it, or a command can have put it there.
        ws.ring_sh(plants).run().ok();
        for (argv, path) in [
            (&["uptime"][..], path.as_str()),
            (&["./uptime"], usual),
            (&["timeout", "5", "uptime"], path.as_str()),
            (&["timeout", "5", "uptime"], usual),
            (&["sh", "-c", "uptime"], path.as_str()),
            (&["sh", "-c", "./uptime"], usual),
            (&["env", "uptime"], path.as_str()),
            (&["nice", "uptime"], path.as_str()),
        ] {
            for flags in [&[][..], &["--mode", "read-only"]] {
                let mut terminal = run(argv, path).flags(flags).on_terminal(100, 30);
                let (code, shown) = (terminal.ends().code(), terminal.shows());
                assert!(code == Some(125) && shown.contains("not run outside: ") && !shown.contains("typed whole"), "{argv:?}: {shown}");
            }
        }
        assert!(!ws.has("../planted"));
        // What is put there while a person thinks is not found.
        std::fs::remove_file(ws.at(".venv/bin/uptime")).unwrap();
        let mut terminal = run(&["uptime"], &path).env("PYTHONPATH", ws.at("lib")).on_terminal(160, 40);
        terminal.until_shows("[outside] typed whole");
        let shown = terminal.shows();
        assert!(shown.contains("program  /usr/bin/uptime") && shown.contains("(PATH): commands in a ring can write it") && shown.contains("without  PYTHONPATH"), "{shown}");
        ws.ring_sh(plants).run().ok();
        terminal.types("outside\n");
        assert!(terminal.ends().success() && !ws.has("../planted") && terminal.shows().contains("load average"), "{}", terminal.shows());
        // Nor is another than was shown run, wherever it is; it gets no directory that commands can write.
        let tools = ws.dir("../tools");
        let tool = |says: &str| {
            let tool = ws.file("../tools/mine", format!("#!/bin/sh\necho {says} \"$PATH\" > ../said\n"));
            std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        };
        tool("first");
        let path = format!("{}:{path}", tools.display());
        let mut terminal = run(&["mine"], &path).on_terminal(160, 40);
        terminal.until_shows("[outside] typed whole").types("outside\n");
        assert!(terminal.ends().success(), "{}", terminal.shows());
        assert_eq!(ws.read("../said"), format!("first {}:{usual}\n", tools.display()));
        let mut terminal = run(&["mine"], &path).on_terminal(160, 40);
        terminal.until_shows("[outside] typed whole");
        tool("other");
        terminal.types("outside\n");
        assert_eq!(terminal.ends().code(), Some(125), "{}", terminal.shows());
        assert!(terminal.shows().contains("not the program any more that was shown"), "{}", terminal.shows());
        assert!(ws.read("../said").starts_with("first "));
        // A link that commands can write is as good as the program.
        symlink(tools.join("mine"), ws.at("mine")).unwrap();
        let mut terminal = run(&["./mine"], usual).on_terminal(160, 40);
        assert_eq!(terminal.ends().code(), Some(125), "{}", terminal.shows());
    }

    /// What is run is run in the directory that a person was shown, and in none that was renamed to it since.
    a_directory_is_the_one_that_was_shown needs ["userns"] |ws| {
        let rules = "[[rule]]\nprefix = [\"sh\", \"s.sh\"]\ndecision = \"ask\"\n";
        let outside = "[[rule]]\nprefix = [\"sh\", \"s.sh\"]\ndecision = \"ask\"\nring = \"outside\"\n";
        let dirs = || {
            ws.file("C/s.sh", "echo shown > ../said\n");
            ws.file("D/s.sh", "echo other > ../said\n");
        };
        let swap = || {
            std::fs::rename(ws.at("C"), ws.at("C2")).unwrap();
            std::fs::rename(ws.at("D"), ws.at("C")).unwrap();
        };
        for (policy, prompt, answer) in [(rules, "[?] more:", "y\n"), (outside, "[outside] typed whole", "outside\n")] {
            for swapped in [false, true] {
                dirs();
                let mut terminal = with_policy(ws, ws.ring(["sh", "s.sh"]), policy).dir(ws.at("C")).flags(["--workspace", ".."]).on_terminal(100, 30);
                terminal.until_shows(prompt);
                if swapped {
                    swap();
                }
                terminal.types(answer);
                let code = terminal.ends().code();
                assert_eq!((code, ws.has("said")), if swapped { (Some(125), false) } else { (Some(0), true) }, "{}", terminal.shows());
                assert_eq!(terminal.shows().contains("another directory stands there"), swapped, "{}", terminal.shows());
                ws.bare_sh("rm -rf C C2 D said").ok();
            }
        }
        // The same where a command is run again with what it was granted.
        ws.dir("../notes");
        ws.file("C/s.sh", "echo shown > ../../notes/today\n");
        ws.file("D/s.sh", "echo other > ../../notes/today\n");
        let mut terminal = ws.ring(["sh", "s.sh"]).dir(ws.at("C")).flags(["--workspace", "..", "--trace"]).on_terminal(100, 30);
        terminal.until_shows("[?] more:");
        swap();
        terminal.types("y\n");
        assert_eq!(terminal.ends().code(), Some(125), "{}", terminal.shows());
        assert!(!ws.has("../notes/today"));
    }

    /// What is kept can be broken, or of another version: nothing in it holds.
    what_cannot_be_read_grants_nothing needs ["userns"] |ws| {
        ws.dir("../notes");
        answers(traced(ws), &["p", "y"]);
        ws.ring_sh(WRITES).run().ok();
        let whole = ws.read("../state/ringfence/grants.json");
        for broken in ["", "{", "[]", "{\"format\":1}", &whole.replace("\"format\": 1", "\"format\": 9"), &whole[..whole.len() / 2]] {
            ws.file("../state/ringfence/grants.json", broken);
            let refused = ws.ring_sh(WRITES).run();
            assert_ne!(refused.code(), 0, "{broken}: {refused}");
            let listed = ws.ringfence(["grants"]).run().exits(125);
            assert!(listed.err().contains("nothing in it holds"), "{broken}: {listed}");
        }
        // The next answer begins anew, and what was there is kept beside.
        ws.file("../state/ringfence/grants.json", "{");
        let (code, shown) = answers(traced(ws), &["p", "y"]);
        assert_eq!(code, 0, "{shown}");
        let beside = std::fs::read_dir(ws.at("../state/ringfence")).unwrap().flatten();
        assert!(beside.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".broken")));
        // In a ring it is not seen.
        let inside = ws.ring_sh("cat ../state/ringfence/grants.json").run();
        assert_ne!(inside.code(), 0, "{inside}");
        assert!(whole.contains("notes") && !inside.out().contains("notes"), "{inside}");
    }
}
