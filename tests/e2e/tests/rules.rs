//! `ringfence rules`: what holds in a directory, as the program says it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Done, Who, Workspace, drive_once, rings};
use serde_json::Value;

/// As an ordinary user and as root.
macro_rules! as_both {
    ($($name:ident |$ws:ident| $body:block)*) => {$(
        mod $name {
            use super::*;
            fn test(who: Who) {
                drive_once(who, stringify!($name), &[], |$ws| $body);
            }
            #[test]
            fn as_user() {
                test(Who::User);
            }
            #[test]
            fn as_root() {
                test(Who::Root);
            }
        }
    )*};
}

const PROJECT: &str = r#"
[[rule]]
prefix = ["make", "deploy*"]
decision = "forbid"
why = "only the pipeline does that"
match = ["make -j4 deploy-prod"]
not_match = ["make test"]
"#;

as_both! {
    the_layers_that_hold_here_decide |ws| {
        ws.file(".ringfence.toml", PROJECT);
        let allowed = ws.ringfence(["rules", "test", "--", "make", "test"]).run().ok();
        assert_eq!(allowed.out(), "allow: `make test`: no rule speaks of it");
        let forbidden = ws.ringfence(["rules", "test", "--shell", "cd x && make -j4 deploy-prod"]).run().exits(1);
        let said = forbidden.out();
        assert!(said.starts_with("forbid: `make -j4 deploy-prod`: only the pipeline does that; says project "), "{said}");
        assert!(said.ends_with("/.ringfence.toml:2"), "{said}");
        // The built-in rules hold as well.
        let asked = ws.ringfence(["rules", "test", "--", "bash", "-lc", "git push"]).run().exits(1);
        assert!(asked.out().contains("says built-in"), "{asked}");
        ws.ringfence(["rules", "test", "--ask", "--", "make", "test"]).run().exits(1);
    }

    why_names_every_part |ws| {
        ws.file(".ringfence.toml", PROJECT);
        let text = "env LANG=C make deploy > log; ls $x";
        let page = ws.ringfence(["rules", "why", "--shell", text]).ok();
        for part in ["forbid: `make deploy`", "ring      inside", "wrapper   allow: env LANG=C make deploy", "writes log", "command   allow: ls …", "not exact: "] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let json: Value = serde_json::from_str(&ws.ringfence(["rules", "why", "--json", "--shell", text]).ok()).unwrap();
        assert_eq!(json["decision"], "forbid");
        assert_eq!(json["segments"][1]["rules"][0]["line"], 2);
        assert_eq!(json["segments"][1]["inside_of"], 0);
    }

    a_rule_that_fails_its_example_is_refused_with_its_line |ws| {
        ws.file(".ringfence.toml", PROJECT);
        let valid = ws.ringfence(["rules", "check"]).run().ok();
        assert_eq!(valid.out(), "here: 1 rule, valid");
        ws.file(".ringfence.toml", format!("{PROJECT}\n[[rule]]\nprefix = [\"a\"]\ndecision = \"ask\"\nnot_match = [\"a b\"]\n"));
        for command in [vec!["rules", "check"], vec!["policy", "check"]] {
            let failed = ws.ringfence(command).run().exits(1);
            assert!(failed.err().contains(".ringfence.toml:9: rule.not_match: `a b` is matched"), "{failed}");
        }
        // Nothing is decided by a part of the rules.
        let refused = ws.ringfence(["rules", "test", "--", "make", "test"]).run().exits(125);
        assert!(refused.err().contains(".ringfence.toml:9"), "{refused}");
        ws.ring(["true"]).run().exits(125);
        let other = ws.file("other.toml", "[[rule]]\nprefix = ['a\\b']\ndecision = \"ask\"\n");
        let failed = ws.ringfence(["rules", "check", "--json", other.to_str().unwrap()]).run().exits(1);
        let json: Value = serde_json::from_str(&failed.out()).unwrap();
        assert_eq!(json["valid"], false);
        assert!(json["errors"][0].as_str().unwrap().contains("other.toml:2"), "{json}");
        ws.ringfence(["rules", "check", "nowhere.toml"]).run().exits(1);
    }

    rules_of_others_become_a_policy |ws| {
        ws.file("default.rules", "prefix_rule(pattern = [\"git\", [\"push\", \"fetch\"]], decision = \"prompt\", justification = \"network\")\nhost_executable(name = \"git\", paths = [])\n");
        let codex = ws.ringfence(["rules", "import", "default.rules"]).run().ok();
        assert!(codex.err().contains("default.rules:2: host_executable git: not taken: "), "{codex}");
        ws.file(".ringfence.toml", codex.out());
        ws.ringfence(["rules", "check"]).run().ok();
        let asked = ws.ringfence(["rules", "test", "--", "git", "fetch"]).run().exits(1);
        assert!(asked.out().contains("network"), "{asked}");
        ws.file("settings.json", "{\"permissions\": {\"deny\": [\"Bash(curl:*)\", \"Read(.env)\"]}}");
        let json = ws.ringfence(["rules", "import", "--json", "settings.json"]).ok();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["rules"], 1);
        assert_eq!(json["notes"][0]["what"], "deny: Read(.env)");
        ws.ringfence(["rules", "import", ".ringfence.toml"]).run().exits(125);
        ws.ringfence(["rules", "import", "--from", "claude-code", "default.rules"]).run().exits(125);
    }
}

/// What was said for people, and the report for programs.
fn said_and_json(done: &Done) -> (String, Value) {
    let text = done.err();
    let (said, json) = text.rsplit_once('\n').unwrap();
    (said.to_owned(), serde_json::from_str(json).unwrap())
}

rings! {
    /// No rule has it asked about.
    every_command_is_asked_about_and_nobody_is_there needs ["userns"] |ws| {
        let ws = &Workspace::with_fresh_home(&ws.person, "asked");
        ws.file("../home/.config/ringfence/policy.toml", "[approval]\nask = \"always\"\n");
        let refused = ws.ring(["true"]).run().exits(125);
        assert!(refused.err().contains("[approval] ask = \"always\"") && refused.err().contains("nobody is here"), "{refused}");
    }

    /// What is forbidden is not run; what is asked for is run when a person says so, who sees all of it.
    run_holds_commands_against_what_was_written needs ["userns", "tool:make"] |ws| {
        ws.file(".ringfence.toml", format!("{PROJECT}\n[[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\nwhy = \"makes files\"\n"));
        ws.file("Makefile", "deploy:\n\ttouch deployed\ntest:\n\techo tested\n");
        let done = ws.ringfence(["run", "--json", "--", "sh", "-c", "make deploy"]).run().exits(125);
        let (said, json) = said_and_json(&done);
        assert!(said.contains("only the pipeline does that") && said.contains(".ringfence.toml:2"), "{said}");
        assert_eq!((&json["ended"]["how"], &json["verdict"]["decision"]), (&Value::from("forbidden"), &Value::from("forbid")));
        assert!(!ws.has("deployed"));
        // Nobody is there to ask.
        let done = ws.ringfence(["run", "--json", "--", "touch", "made"]).run().exits(125);
        let (said, json) = said_and_json(&done);
        assert!(said.contains("makes files") && said.contains("nobody is here"), "{said}");
        assert_eq!(json["ended"]["how"], "asked");
        // Whoever typed it is not asked about what the built-in rules say, unless that is wished.
        let why = ws.ringfence(["why", "--", "touch", "made"]).ok();
        assert!(why.contains("a person is asked first") && why.contains("makes files"), "{why}");
        ws.ringfence(["run", "--starting-rules", "--", "sh", "-c", "sudo -n true"]).run().exits(125);
        let why = ws.ringfence(["why", "--json", "--", "make", "deploy"]).ok();
        assert!(why.contains("\"decision\":\"forbid\""), "{why}");
        assert!(!ws.has("made"));
        ws.ringfence(["run", "--", "make", "test"]).run().ok();
        // The hook asked.
        ws.ringfence(["run", "--rules-answered", "--", "touch", "made"]).run().ok();
        assert!(ws.has("made"));
        ws.ringfence(["run", "--rules-answered", "--", "make", "deploy"]).run().exits(125);
        for (answer, code) in [("n\r", 125), ("\r", 125), ("\u{4}", 125), ("?\r", 0)] {
            let mut terminal = ws.ringfence(["run", "--", "touch", "by a person"]).on_terminal(100, 40);
            terminal.until_shows("[?] more:");
            let shown = terminal.shows();
            assert!(shown.contains("touch 'by a person'") && shown.contains("makes files"), "{shown}");
            terminal.types(answer);
            if code == 0 {
                terminal.until_shows("change that rule.");
                assert!(!ws.has("by a person"));
                terminal.types("y\r");
            }
            assert_eq!(terminal.ends().code(), Some(code));
            assert_eq!(ws.has("by a person"), code == 0);
        }
    }
}
