//! `ringfence hook claude-code`: a tool call goes in, the answer comes out, and the command in it, run by a shell as
//! the agent runs it, is in a ring.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Done, Input, Run, Workspace, rings};
use serde_json::{Value, json};

fn call(tool: &str, input: &Value) -> Vec<u8> {
    json!({
        "session_id": "0",
        "transcript_path": "/nowhere",
        "cwd": "/nowhere",
        "permission_mode": "default",
        "hook_event_name": "PreToolUse",
        "tool_name": tool,
        "tool_input": input,
    })
    .to_string()
    .into_bytes()
}

fn hook(ws: &Workspace, flags: &[&str], call: Vec<u8>) -> Done {
    let words = ["hook", "claude-code"].iter().chain(flags).copied();
    ws.ringfence(words).input(Input::Bytes(call)).run()
}

/// What the hook says of a call that it rewrites.
fn said(ws: &Workspace, flags: &[&str], input: &Value) -> Value {
    let done = hook(ws, flags, call("Bash", input)).ok();
    assert_eq!(done.err(), "", "{done}");
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    answer["hookSpecificOutput"].clone()
}

/// The command as the agent's shell gets it.
fn rewritten(ws: &Workspace, flags: &[&str], command: &str) -> Run {
    let said = said(ws, flags, &json!({ "command": command }));
    let line = said["updatedInput"]["command"].as_str().unwrap().to_owned();
    // Claude Code 2.1: `eval 'LINE' < /dev/null && pwd -P >| FILE`.
    let line = format!("eval '{}' < /dev/null", line.replace('\'', r"'\''"));
    ws.bare(["bash", "-c", line.as_str()])
}

/// The same command by the same shell, as it was.
fn control(ws: &Workspace, command: &str) -> Run {
    ws.bare(["bash", "-c", "--", command])
}

rings! {
    a_rewritten_command_is_in_a_ring needs ["userns", "tool:bash"] |ws| {
        ws.dir("../beside");
        let script = "echo in > inside; echo out > ../beside/outside; exit 7";
        control(ws, script).run().exits(7);
        assert!(ws.has("../beside/outside"), "the control writes there");
        ws.bare_sh("rm ../beside/outside inside").run().ok();
        let done = rewritten(ws, &[], script).run().exits(7);
        assert_eq!(ws.read("inside"), "in\n");
        assert!(!ws.has("../beside/outside"), "{done}");
        assert!(done.err().contains("Read-only file system"), "{done}");
    }

    /// A rule has the person asked whatever is said of other commands; what they allow then runs.
    what_a_rule_asks_about_is_asked needs ["userns", "tool:bash"] |ws| {
        ws.file(".ringfence.toml", "[[rule]]\nprefix = [\"touch\", \"never\"]\ndecision = \"forbid\"\nwhy = \"is not to be\"\n\
                                    [[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\n");
        let here = |command: &str| {
            let call = call("Bash", &json!({ "command": command }));
            let mut call: Value = serde_json::from_slice(&call).unwrap();
            call["cwd"] = json!(ws.path());
            hook(ws, &["--decide=allow"], call.to_string().into_bytes())
        };
        let done = here("cd . && touch never").exits(2);
        assert!(done.out().is_empty() && done.err().contains("is not to be"), "{done}");
        let answer: Value = serde_json::from_slice(&here("touch made").ok().stdout).unwrap();
        let said = &answer["hookSpecificOutput"];
        assert_eq!(said["permissionDecision"], "ask", "{said}");
        let line = said["updatedInput"]["command"].as_str().unwrap();
        ws.bare(["bash", "-c", line]).run().ok();
        assert!(ws.has("made"));
        let answer: Value = serde_json::from_slice(&here("ls").ok().stdout).unwrap();
        assert_eq!(answer["hookSpecificOutput"]["permissionDecision"], "allow");
        ws.file(".ringfence.toml", "[[rule]]\nprefix = []\n");
        let done = here("ls").exits(2);
        assert!(done.out().is_empty() && done.err().contains(".ringfence.toml"), "{done}");
    }

    fields_that_would_switch_a_sandbox_off_do_not needs ["userns", "tool:bash"] |ws| {
        ws.dir("../beside");
        let input = json!({
            "command": "echo out > ../beside/outside",
            "description": "d",
            "timeout": 5000,
            "run_in_background": false,
            "dangerouslyDisableSandbox": true,
        });
        let mut updated = said(ws, &[], &input)["updatedInput"].clone();
        let line = updated["command"].as_str().unwrap().to_owned();
        ws.bare(["sh", "-c", line.as_str()]).run().exits(1);
        assert!(!ws.has("../beside/outside"));
        updated["command"] = input["command"].clone();
        assert_eq!(updated, input);
        ws.bare_sh(input["command"].as_str().unwrap()).run().ok();
        assert!(ws.has("../beside/outside"), "the control writes there");
    }

    /// A model that writes the wrapped form itself gets it wrapped: as a whole.
    what_looks_wrapped_is_in_a_ring needs ["userns", "tool:bash"] |ws| {
        ws.dir("../beside");
        let own = ws.ringfence(["run"]).quoted();
        for script in [
            format!("{own} --mode full-access -- sh -c 'echo out > ../beside/outside'"),
            format!("{own} -- bash -c -- 'true'; echo out > ../beside/outside"),
            "true'; echo out > ../beside/outside; : '".to_owned(),
            "true\necho out > ../beside/outside".to_owned(),
            "cat <<'E' > ../beside/outside\nout'\"\nE".to_owned(),
        ] {
            let before = control(ws, &script).run();
            let injected = script.starts_with("true'");
            assert_eq!(ws.has("../beside/outside"), !injected, "the control writes there: {before}");
            ws.bare_sh("rm -f ../beside/outside").run().ok();
            let done = rewritten(ws, &[], &script).run();
            assert!(!ws.has("../beside/outside"), "{script}: {done}");
        }
    }

    what_a_command_says_and_reads_is_its_own needs ["userns", "tool:bash"] |ws| {
        for script in [
            "printf '%s|' \"a 'b' \\\"c\\\"\" $'\\n' '$HOME' \"$#\" \"${0##*/}\"",
            "cat <<E; cat <<'F'\none `echo two` $((1+2))\nE\n$three 'four'\nF",
            "echo \u{e9}\u{1f980}\u{202e}; echo err >&2; exit 3",
            "-x 2> /dev/null; echo after",
            "read line; echo \"got=$line\"",
            "for i in 1 2; do\n  echo $i # a comment\ndone |\nsort -r",
            "echo a\\\nb; ! false",
            "kill -TERM $$",
            "",
        ] {
            let bare = control(ws, script).run();
            let done = rewritten(ws, &[], script).run();
            // A signal is told as a shell tells it.
            let code = if bare.code() < 0 { 128 - bare.code() } else { bare.code() };
            assert_eq!(done.code(), code, "{script:?}: {done}");
            assert_eq!(done.out(), bare.out(), "{script:?}: {done}");
            if !script.starts_with("-x") && code != 143 {
                assert_eq!(done.err(), bare.err(), "{script:?}: {done}");
            }
        }
    }

    flags_go_to_the_ring needs ["userns", "tool:bash"] |ws| {
        ws.dir("../be side");
        let script = "echo out > '../be side/f'";
        rewritten(ws, &[], script).run().exits(1);
        rewritten(ws, &["--write", "../be side"], script).run().ok();
        assert_eq!(ws.read("../be side/f"), "out\n");
        rewritten(ws, &["--mode", "read-only"], "echo in > inside").run().exits(1);
        assert!(!ws.has("inside"));
        assert_eq!(said(ws, &[], &json!({ "command": "" }))["permissionDecision"], "ask");
        assert_eq!(said(ws, &["--decide", "allow"], &json!({ "command": "" }))["permissionDecision"], "allow");
    }

    /// There would be none, whatever it says to the agent.
    without_a_ring_nothing_is_rewritten needs [] |ws| {
        let call = || call("Bash", &json!({ "command": "true" }));
        let done = hook(ws, &["--decide", "allow", "--mode", "full-access"], call()).exits(2);
        assert!(done.err().contains("full-access") && done.out().is_empty(), "{done}");
        let ws = &Workspace::with_fresh_home(&ws.person, "hook-free");
        ws.file("../home/.config/ringfence/policy.toml", "mode = \"full-access\"\n");
        let done = hook(ws, &["--decide", "allow"], call()).exits(2);
        assert!(done.err().contains("policy.toml:1") && done.out().is_empty(), "{done}");
    }

    other_tools_pass needs [] |ws| {
        for tool in ["Write", "Edit", "Read", "Grep", "mcp__files__write"] {
            let done = hook(ws, &[], call(tool, &json!({ "file_path": "/x", "content": "y".repeat(1 << 20) }))).ok();
            assert_eq!((done.out(), done.err()), (String::new(), String::new()));
        }
    }

    what_cannot_be_rewritten_is_blocked needs [] |ws| {
        let whole = call("Bash", &json!({ "command": "true" }));
        for bad in [
            Vec::new(),
            b"true".to_vec(),
            whole[..whole.len() - 1].to_vec(),
            b"\xff\xfe".to_vec(),
            call("Bash", &json!({})),
            call("Bash", &json!({ "command": ["true"] })),
            call("Bash", &json!({ "command": "tr\0ue" })),
            call("Bash", &json!({ "command": "x".repeat(10 << 20) })),
            call("Bash", &json!("true")),
            vec![b'['; 10 << 20],
        ] {
            let shown = String::from_utf8_lossy(&bad[..bad.len().min(99)]).into_owned();
            let done = hook(ws, &["--decide", "allow"], bad).exits(2);
            assert_eq!(done.out(), "", "{shown}");
            assert!(done.err().starts_with("ringfence: blocked: "), "{shown}: {done}");
            assert_eq!(done.err().lines().count(), 1, "{shown}: {done}");
        }
        hook(ws, &[], whole.clone()).ok();
        // What is typed wrong in the settings does not let commands go either.
        for words in [&["hook"][..], &["hook", "claude"], &["hook", "claude-code", "--bogus"], &["hook", "claude-code", "--mode", "x"]] {
            let done = ws.ringfence(words.iter().copied()).input(Input::Bytes(whole.clone())).run().exits(2);
            assert!(done.err().contains("--help") || done.err().contains("Usage"), "{done}");
        }
        // No place for the answer.
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        ws.ringfence(["hook", "claude-code"]).input(Input::Bytes(whole.clone())).stdout(full).run().exits(2);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        ws.ringfence(["hook", "claude-code"]).input(Input::Bytes(whole)).stdout(writer).run().exits(2);
        ws.ringfence(["hook", "claude-code"]).input(Input::Closed).run().exits(2);
    }

    /// The settings name the hook by its place, and what they name is the hook.
    the_settings_work_as_they_are_printed needs ["userns", "tool:bash"] |ws| {
        ws.dir("../be side");
        let printed = ws.ringfence(["hook", "claude-code", "--settings", "--decide", "allow", "--write", "../be side"]).ok();
        let settings: Value = serde_json::from_str(&printed).unwrap();
        let entry = &settings["hooks"]["PreToolUse"][0];
        assert_eq!(entry["matcher"], "Bash|Monitor");
        assert_eq!(settings["env"]["CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR"], "1");
        let line = entry["hooks"][0]["command"].as_str().unwrap();
        assert!(line.starts_with('/') || line.starts_with("'/"), "{line}");
        // From anywhere, since the agent's own directory may be another.
        let asked = call("Bash", &json!({ "command": "echo out > '../be side/f'" }));
        let done = ws.bare(["sh", "-c", line]).dir("/").input(Input::Bytes(asked)).run().ok();
        let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
        let said = &answer["hookSpecificOutput"];
        assert_eq!(said["permissionDecision"], "allow");
        let line = said["updatedInput"]["command"].as_str().unwrap();
        ws.bare(["sh", "-c", line]).run().ok();
        assert_eq!(ws.read("../be side/f"), "out\n");
    }
}
