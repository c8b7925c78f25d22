//! `ringfence shim`: shells for an agent that takes one, each a ring.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;

use ringfence_e2e::{Done, Input, Run, Workspace, rings};

/// The shims lie beside the workspace.
const SHIMS: &str = "../shims";

fn shim(ws: &Workspace, words: &[&str]) -> Done {
    ws.ringfence(["shim"].iter().chain(words).copied()).run()
}

/// A shell of theirs, as an agent starts the one it was given.
fn agent(ws: &Workspace, shell: &str, words: &[&str]) -> Run {
    let program = ws.at(&format!("{SHIMS}/{shell}"));
    let words = words.iter().map(std::ffi::OsString::from);
    ws.bare(std::iter::once(program.clone().into_os_string()).chain(words))
        .env("SHELL", &program)
}

/// The real shell in its place.
fn control(ws: &Workspace, shell: &str, words: &[&str]) -> Run {
    let program = format!("/bin/{shell}");
    ws.bare([program.as_str()].iter().chain(words).copied())
}

rings! {
    what_an_agent_runs_in_them_is_in_a_ring needs ["userns", "tool:bash"] |ws| {
        ws.dir("../beside");
        let made = shim(ws, &[SHIMS]).ok();
        assert_eq!(made.out().lines().count(), 2, "{made}");
        let script = "echo in > inside; echo out > ../beside/outside; exit 7";
        for shell in ["bash", "sh"] {
            control(ws, shell, &["-c", script]).run().exits(7);
            assert!(ws.has("../beside/outside"), "the control writes there");
            ws.bare_sh("rm ../beside/outside inside").run().ok();
            for flag in ["-c", "-lc"] {
                let done = agent(ws, shell, &[flag, script]).run().exits(7);
                assert_eq!(ws.read("inside"), "in\n");
                assert!(!ws.has("../beside/outside"), "{done}");
            }
        }
    }

    /// An agent chose what it gives its shell: the built-in rules hold, and nobody is there to ask.
    what_rules_forbid_is_not_run needs ["userns", "tool:bash"] |ws| {
        shim(ws, &[SHIMS]).ok();
        for (script, code) in [("sudo id", 125), ("true && git push", 125), ("x=true; eval \"$x\"; $x", 0)] {
            let done = agent(ws, "bash", &["-c", script]).run().exits(code);
            assert!(code == 0 || done.err().contains("built-in"), "{done}");
        }
    }

    they_are_the_shells_they_stand_for needs ["userns", "tool:bash"] |ws| {
        shim(ws, &[SHIMS]).ok();
        ws.file("script", "echo \"$# $1|$2\"; cat; exit 5\n");
        for words in [
            &["-c", "printf '%s|' \"$0\" \"$@\"", "name", "a b", "", "'\"$HOME\n", "--json", "--"][..],
            &["script", "a b", "--mode=full-access"],
            &["-ec", "false; echo no"],
            &["-s", "x"],
            &["-c", "echo out; echo err >&2; kill -TERM $$"],
            &["--", "script"],
        ] {
            let input = || Input::Bytes(b"echo \"read $1\"\n".to_vec());
            let bare = control(ws, "bash", words).input(input()).run();
            let done = agent(ws, "bash", words).input(input()).run();
            let code = if bare.code() < 0 { 128 - bare.code() } else { bare.code() };
            assert_eq!((done.code(), done.out(), done.err()), (code, bare.out(), bare.err()), "{words:?}");
        }
    }

    a_person_can_sit_at_one needs ["userns", "tool:bash"] |ws| {
        shim(ws, &[SHIMS]).ok();
        let mut screen = agent(ws, "bash", &["--norc", "-i"]).on_terminal(100, 24);
        screen.types("test -t 0 && echo \"ring=$RINGFENCE $((40 + 2))\"\n");
        screen.until_shows("ring=namespaces 42");
        screen.types("exit 9\n");
        assert_eq!(screen.ends().code(), Some(9));
    }

    /// A model that says the agent's working directory says the workspace: here one that has the shims in it.
    no_command_rewrites_them needs ["userns", "tool:bash"] |ws| {
        let around = ws.dir("../around");
        shim(ws, &["../around/shims"]).ok();
        let dir = around.join("shims");
        let agent = |script: &str| ws.bare([dir.join("bash").to_str().unwrap(), "-c", script]);
        let attack = "echo evil > shims/bash; rm -f shims/bash; mv shims away; cp /bin/true shims/bash; ln -sf /bin/true shims/sh; touch shims/zsh; chmod 777 shims/bash; true";
        let read = || ["bash", "sh"].map(|name| fs::read(dir.join(name)).unwrap());
        let kept = read();
        agent(&format!("touch canary; {attack}")).dir(&around).run().ok();
        assert!(ws.has("../around/canary"), "its directory is the workspace");
        agent("cd ..; echo evil > shims/bash; rm shims/sh; touch shims/zsh; true").dir(&dir).run().ok();
        assert_eq!(read(), kept);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        // The control: the same ring without the word by which they protect themselves.
        ws.ring(["bash", "-c", attack]).dir(&around).run().ok();
        assert!(!dir.join("bash").is_file() && ws.has("../around/away"));
    }

    /// No shell is asked before the ring stands: what it would be told by its environment is not obeyed outside.
    the_environment_starts_nothing_outside needs ["userns", "tool:bash", "tool:gcc"] |ws| {
        ws.dir("../beside");
        shim(ws, &[SHIMS]).ok();
        let told = ws.file("told", "echo told > ../beside/told\n");
        let source = "#include <fcntl.h>\n__attribute__((constructor)) static void load(void) { open(\"../beside/loaded\", O_CREAT | O_WRONLY, 0600); }\n";
        ws.file("evil.c", source);
        ws.bare_sh("gcc -shared -fPIC -o evil.so evil.c").run().ok();
        for shell in ["bash", "sh"] {
            let run = |run: Run| run.env("BASH_ENV", &told).env("ENV", &told).env("LD_PRELOAD", ws.at("evil.so")).run().ok();
            run(agent(ws, shell, &["-c", ":"]));
            assert!(!ws.has("../beside/told") && !ws.has("../beside/loaded"), "{shell}");
            run(control(ws, shell, &["-c", ":"]));
            assert!(ws.has("../beside/loaded"), "the control is told");
            assert!(ws.has("../beside/told") || shell == "sh", "the control is told");
            ws.bare_sh("rm -f ../beside/*").run().ok();
        }
        // The control of the other way to make a shim.
        ws.file("../by-sh", format!("#!/bin/sh\nexec {} \"$@\"\n", ws.ring(["/bin/bash"]).quoted()));
        ws.bare_sh("chmod +x ../by-sh").run().ok();
        ws.bare(["../by-sh", "-c", ":"]).env("LD_PRELOAD", ws.at("evil.so")).run().ok();
        assert!(ws.has("../beside/loaded"), "a shell in between is told");
    }

    flags_go_to_each_ring needs ["userns", "tool:bash"] |ws| {
        ws.dir("../be side");
        ws.dir("sub");
        shim(ws, &[SHIMS, "--write", "../be side", "--shell", "bash"]).ok();
        assert!(!ws.has("../shims/sh"));
        // From another directory than the one the flag was typed in.
        agent(ws, "bash", &["-c", "echo out > '../../be side/f'"]).dir(ws.at("sub")).run().ok();
        assert_eq!(ws.read("../be side/f"), "out\n");
        // Made again they say something else, and are never half.
        for n in 0..20 {
            let mode = if n % 2 == 0 { "read-only" } else { "workspace-write" };
            let remade = ws.ringfence(["shim", SHIMS, "--mode", mode, "--shell", "bash"]).start();
            agent(ws, "bash", &["-c", ":"]).run().ok();
            remade.wait().ok();
        }
        shim(ws, &[SHIMS, "--mode", "read-only", "--shell", "bash"]).ok();
        agent(ws, "bash", &["-c", "echo in > inside"]).run().exits(1);
        shim(ws, &[SHIMS, "--workspace", "sub", "--shell", "bash"]).ok();
        agent(ws, "bash", &["-c", "echo in > sub/inside && ! echo out > outside"]).run().ok();
        assert!(!ws.has("outside") && ws.has("sub/inside"));
    }

    /// In the ring `$SHELL` is a shell, and no ring in a ring.
    the_shell_in_the_ring_is_a_plain_one needs ["userns", "tool:bash"] |ws| {
        shim(ws, &[SHIMS]).ok();
        let said = agent(ws, "bash", &["-c", "\"$SHELL\" -c 'echo inner'"]).ok();
        assert_eq!(said, "inner");
        let done = agent(ws, "bash", &["-c", "../shims/bash -c 'echo inner'"]).run().exits(125);
        assert_eq!(done.out(), "", "{done}");
    }

    where_a_command_could_write_none_are_made needs ["userns"] |ws| {
        ws.dir("there");
        std::os::unix::fs::symlink("ws/there", ws.at("../link")).unwrap();
        for (words, why) in [
            (&["new"][..], "workspace"),
            (&["there"], "workspace"),
            (&["../link"], "workspace"),
            (&["../link/new"], "workspace"),
            (&["../shims", "--write", ".."], "write root"),
            (&["../shims", "--mode", "full-access"], "full-access"),
        ] {
            let done = shim(ws, words).exits(125);
            assert_eq!(done.out(), "", "{done}");
            assert!(done.err().starts_with("ringfence: ") && done.err().contains(why) && done.err().lines().count() == 1, "{done}");
        }
        assert!(!ws.has("new") && !ws.has("../shims"));
        assert_eq!(fs::read_dir(ws.at("there")).unwrap().count(), 0);
        // Nor from inside.
        let own = ws.ringfence(["shim", "/tmp/shims"]).quoted();
        let done = ws.ring_sh(&own).run().exits(125);
        assert!(done.err().contains("in a ring"), "{done}");
        shim(ws, &[SHIMS]).ok();
    }

    what_is_not_theirs_stays needs ["userns"] |ws| {
        ws.file("../shims/sh", "#!/bin/sh\necho mine\n");
        ws.file("../shims/other", "");
        let before = ws.read("../shims/sh");
        for words in [&[SHIMS][..], &[SHIMS, "--shell", "sh"]] {
            let done = shim(ws, words).exits(125);
            assert!(done.err().contains("shims/sh: exists"), "{done}");
        }
        // Nothing by halves.
        assert_eq!(ws.read("../shims/sh"), before);
        assert!(!ws.has("../shims/bash"));
        std::os::unix::fs::symlink("other", ws.at("../shims/bash")).unwrap();
        shim(ws, &[SHIMS, "--shell", "bash"]).exits(125);
        assert_eq!(ws.read("../shims/other"), "");
        let done = shim(ws, &[SHIMS, "--remove"]).exits(125);
        assert!(done.err().contains("no shims"), "{done}");
        fs::remove_file(ws.at("../shims/sh")).unwrap();
        shim(ws, &[SHIMS, "--shell", "sh"]).ok();
        shim(ws, &[SHIMS, "--remove"]).ok();
        assert!(!ws.has("../shims/sh") && ws.has("../shims/other") && ws.has("../shims/bash"));
    }

    what_was_made_is_taken_away needs ["userns", "tool:bash"] |ws| {
        for again in [false, true] {
            shim(ws, &[SHIMS]).ok();
            if again {
                shim(ws, &[SHIMS, "--shell", "bash"]).ok();
            }
            assert_eq!(fs::read_dir(ws.at(SHIMS)).unwrap().count(), 2);
            shim(ws, &[SHIMS, "--remove"]).ok();
            assert!(!ws.has(SHIMS), "it was made for them");
        }
        ws.dir(SHIMS);
        shim(ws, &[SHIMS]).ok();
        shim(ws, &[SHIMS, "--remove"]).ok();
        assert_eq!(fs::read_dir(ws.at(SHIMS)).unwrap().count(), 0, "it was there before");
    }

    what_is_typed_wrong_is_one_line needs [] |ws| {
        ws.file("../plain", "");
        for words in [
            &[][..],
            &[SHIMS, "--shell", "../bash"],
            &[SHIMS, "--shell", ""],
            &[SHIMS, "--shell", "no-such-shell"],
            &[SHIMS, "--mode", "open"],
            &[SHIMS, "--write", "../nowhere"],
            &[SHIMS, "--remove"],
            &[SHIMS, "--remove", "--mode", "read-only"],
            &["../plain"],
            &["../no/such/parent"],
        ] {
            let done = shim(ws, words).exits(125);
            assert!(done.err().starts_with("ringfence: ") && done.err().lines().count() == 1, "{words:?}: {done}");
            assert!(!ws.has(SHIMS), "{words:?}");
        }
        for words in [&["from-shim"][..], &["from-shim", "/etc/passwd"], &["from-shim", "/no/such"]] {
            ws.ringfence(words.iter().copied()).run().exits(125);
        }
    }
}
