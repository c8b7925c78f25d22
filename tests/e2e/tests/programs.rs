//! Ringfence's programs, which lie beside each other and start each other by that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;

use ringfence_e2e::{Input, Workspace, binaries, rings};

/// Copies some of them to where the workspace's person can start them; what to type for the first.
fn installed(ws: &Workspace, below: &str, names: &[&str]) -> String {
    let to = ws.dir(below);
    let from = binaries().ringfence.parent().unwrap();
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    to.join(names[0]).into_os_string().into_string().unwrap()
}

rings! {
    /// The reader of plain words starts them; whatever else is typed is for the other program, by the same process.
    what_is_not_plain_is_done_by_the_tools needs ["userns"] |ws| {
        for words in [
            &["run", "--", "sh", "-c", "exit 7"][..],
            &["run", "--network=off", "--", "sh", "-c", "exit 7"],
            &["run", "sh", "-c", "exit 7"],
        ] {
            ws.ringfence(words.iter().copied()).run().exits(7);
        }
        let done = ws.ringfence(["--version"]).run().ok();
        assert!(done.out().starts_with("ringfence "), "{done}");
        let done = ws.ringfence(["run", "--netwrok=off", "--", "true"]).run().exits(125);
        assert!(done.err().contains("--netwrok"), "{done}");
        // It is known by its own name, and not by that of what it became.
        let done = ws.ringfence(["hook", "claude-code", "--settings"]).run().ok();
        assert!(done.out().contains("/ringfence hook claude-code"), "{done}");
        assert!(!done.out().contains("ringfence-tools"), "{done}");
    }

    without_the_tools_nothing_is_let_go needs ["userns"] |ws| {
        let ringfence = installed(ws, "../alone", &["ringfence", "ringfence-runner"]);
        ws.bare([ringfence.as_str(), "run", "--", "sh", "-c", "exit 7"]).run().exits(7);
        let done = ws.bare([ringfence.as_str(), "policy", "show"]).run().exits(125);
        assert_eq!(done.err().lines().count(), 1, "{done}");
        assert!(done.err().contains("alone/ringfence-tools"), "{done}");
        assert!(done.err().contains("install ringfence, ringfence-tools and ringfence-runner together"), "{done}");
        // An agent takes any other code for leave to run the command as it is.
        let call = Input::Bytes(b"{}".to_vec());
        let done = ws.bare([ringfence.as_str(), "hook", "claude-code"]).input(call).run().exits(2);
        assert!(done.out().is_empty(), "{done}");
        // A runner that cannot be executed is no fault of the command's.
        let runner = ws.at("../alone/ringfence-runner");
        let mode = fs::metadata(&runner).unwrap().permissions();
        fs::set_permissions(&runner, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let done = ws.bare([ringfence.as_str(), "run", "--", "true"]).run().exits(125);
        assert!(done.err().contains("alone/ringfence-runner: ") && done.err().contains("together"), "{done}");
        fs::set_permissions(&runner, mode).unwrap();
        // Neither is what looks at its calls.
        let done = ws.bare([ringfence.as_str(), "run", "--trace", "--", "sh", "-c", "exit 7"]).run().exits(125);
        assert!(done.err().contains("alone/ringfence-tools"), "{done}");
        // Where that was asked of each command it is confined all the same, and it is told.
        ws.file("../config/ringfence/policy.toml", "[approval]\nask = \"on-denial\"\n");
        let run = ws.bare([ringfence.as_str(), "run", "--", "sh", "-c", "exit 7"]);
        let done = run.env("XDG_CONFIG_HOME", ws.at("../config")).run().exits(7);
        assert!(done.err().contains("is not offered: ") && done.err().contains("alone/ringfence-tools"), "{done}");
        // What was cut off is no program, and no shell's to read.
        let mode = fs::metadata(&ringfence).unwrap().permissions();
        fs::write(ws.at("../alone/ringfence-tools"), "").unwrap();
        fs::set_permissions(ws.at("../alone/ringfence-tools"), mode).unwrap();
        let call = Input::Bytes(b"{}".to_vec());
        let done = ws.bare([ringfence.as_str(), "hook", "claude-code"]).input(call).run().exits(2);
        assert!(done.err().contains("ringfence-tools"), "{done}");
    }

    /// Under another name it is started, and nothing is said that names what is not there.
    what_was_renamed_makes_no_shims needs ["userns"] |ws| {
        installed(ws, "../renamed", &["ringfence", "ringfence-tools", "ringfence-runner"]);
        let rf = ws.at("../renamed/rf");
        fs::rename(ws.at("../renamed/ringfence"), &rf).unwrap();
        let rf = rf.into_os_string().into_string().unwrap();
        ws.bare([rf.as_str(), "run", "--", "sh", "-c", "exit 7"]).run().exits(7);
        ws.bare([rf.as_str(), "run", "--network=off", "--", "sh", "-c", "exit 7"]).run().exits(7);
        let shims = ws.at("../shims");
        let done = ws.bare([rf.as_str(), "shim", shims.to_str().unwrap()]).run().exits(125);
        assert!(done.err().contains("renamed/ringfence: is missing"), "{done}");
        assert!(!shims.exists(), "{done}");
    }

    /// Where they lie in a write root no command puts others in their place, nor their directory aside.
    the_programs_in_a_workspace_stay needs ["userns"] |ws| {
        let names = ["ringfence", "ringfence-tools", "ringfence-runner"];
        let ringfence = installed(ws, "bin", &names);
        let attempts = |dir: &str, name: &str| {
            [
                format!("echo x >>{dir}/{name}"),
                format!("cp /bin/true {dir}/other && mv -f {dir}/other {dir}/{name}"),
                format!("rm {dir}/{name}"),
                format!("mv {dir} {dir}-away"),
            ]
        };
        for name in names {
            let file = ws.at(&format!("bin/{name}"));
            let before = fs::read(&file).unwrap();
            for attempt in attempts("bin", name) {
                let done = ws
                    .bare([ringfence.as_str(), "run", "--", "sh", "-c", attempt.as_str()])
                    .run();
                assert!(!matches!(done.status.code(), Some(0 | 125)), "{attempt}: {done}");
                assert!(fs::read(&file).unwrap() == before, "{attempt}: {done}");
            }
            // The control: each of them works outside, one after the other.
            let stand = "mkdir stand && cp /bin/true stand/it";
            for attempt in attempts("stand", "it") {
                let again = format!("rm -rf stand stand-away; {stand} && {attempt}");
                ws.bare_sh(&again).run().ok();
            }
        }
    }

    /// What `ringfence` would become is not to be made by a command, where the programs lie in a write root.
    the_tools_are_not_planted needs ["userns"] |ws| {
        let ringfence = installed(ws, "bin", &["ringfence", "ringfence-runner"]);
        let plant = "cp /bin/sh bin/ringfence-tools";
        ws.bare_sh(plant).run().ok();
        assert!(ws.has("bin/ringfence-tools"), "the control makes it");
        ws.bare_sh("rm bin/ringfence-tools").run().ok();
        let done = ws.bare([ringfence.as_str(), "run", "--", "sh", "-c", plant]).run();
        assert!(!ws.has("bin/ringfence-tools"), "{done}");
        assert!(done.err().contains("ringfence-tools"), "{done}");
        // What is there already cannot be changed.
        installed(ws, "bin", &["ringfence", "ringfence-runner", "ringfence-tools"]);
        let before = fs::read(ws.at("bin/ringfence-tools")).unwrap();
        let done = ws
            .bare([ringfence.as_str(), "run", "--", "sh", "-c", "rm -f bin/ringfence-tools; cp /bin/sh bin/ringfence-tools"])
            .run();
        assert_ne!(done.status.code(), Some(0), "{done}");
        assert!(fs::read(ws.at("bin/ringfence-tools")).unwrap() == before, "{done}");
    }
}
