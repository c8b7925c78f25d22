//! Undoing what a command changed, with real commands in real rings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Client, Done, Workspace, binaries, rings, sh, until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// All of a tree: kinds, permissions, links, contents.
fn tree(ws: &Workspace) -> String {
    ws.bare_sh(
        "find . -mindepth 1 -printf '%p %y %m %l\\n' | sort; \
         find . -type f -not -path './.git/index' -print0 | sort -z | xargs -0r cksum",
    )
    .run()
    .ok()
    .out()
}

/// The numbers of the commands, the latest last.
fn commands(ws: &Workspace) -> Vec<u64> {
    let all = ws
        .ringfence(["log", "list", "--all", "--json"])
        .run()
        .ok()
        .out();
    let number = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["number"]
            .as_u64()
            .unwrap()
    };
    all.lines().map(number).collect()
}

fn undo(ws: &Workspace, words: &[&str]) -> Done {
    ws.ringfence([&["undo-command"], words].concat()).run()
}

fn last(ws: &Workspace) -> String {
    commands(ws).pop().unwrap().to_string()
}

/// A repository with files of all kinds, and committed.
fn repository(ws: &Workspace) {
    ws.bare_sh(
        "git init -q -b main && mkdir -p src/deep docs && for i in 1 2 3 4 5 6 7 8; do echo \"text $i\" > src/f$i; echo $i > src/deep/g$i; done; \
         echo '#!/bin/sh' > src/run && chmod 755 src/run; ln -s deep src/link; echo guide > docs/guide; chmod 640 docs/guide; \
         printf 'x' > \"$(printf 'src/\\377')\"; git add -A && git commit -qm all",
    )
    .run()
    .ok();
}

/// Waits until these files are kept: a moment after they were written, or seen the first time.
fn kept(ws: &Workspace, names: &[&str]) {
    let known = ws.at("../state/ringfence/undo/known");
    until("what the files hold is kept", || {
        let files = std::fs::read_dir(&known).into_iter().flatten().flatten();
        let text: String = files
            .filter_map(|file| std::fs::read_to_string(file.path()).ok())
            .collect();
        names.iter().all(|name| {
            // The last line about it counts.
            let mut lines = text
                .lines()
                .filter(|line| line.starts_with(&format!("[\"{name}\",")));
            lines
                .next_back()
                .is_some_and(|line| line.contains("\"kept\""))
        })
    });
}

/// Runs a command in a ring that stays, to its end.
fn ran(client: &mut Client, ring: u64, script: &str) {
    let command = client.command(sh(ring, script));
    client.ended(command, "stdout");
}

rings! {
    /// Who asks that it can be undone hears what of it cannot.
    what_is_not_kept_is_told needs ["userns"] |outer| {
        let ws = &Workspace::with_fresh_home(&outer.person, "unkept");
        ws.file("large", vec![b'x'; 20 << 20]);
        ws.file("small", "text");
        let told = ws.ring_sh("echo >> large; echo >> small").flags(["--snapshot"]).run().ok();
        assert!(told.err().contains("WARNING: not all of what this command changed can be undone: large: it is too large"), "{told}");
        let told = ws.ring_sh("echo >> small").flags(["--snapshot"]).run().ok();
        assert_eq!(told.err(), "");
        ws.bare_sh("undo=${XDG_STATE_HOME:-$HOME/.local/state}/ringfence/undo; rm -r $undo; echo > $undo").ok();
        let told = ws.ring_sh("echo >> small").flags(["--snapshot"]).run().ok();
        assert!(told.err().contains("WARNING: not all of what this command changed can be undone"), "{told}");
    }

    /// The reason for all of this.
    half_a_repository_comes_back needs ["userns", "tool:git"] |ws| {
        repository(ws);
        let before = tree(ws);
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        kept(ws, &["src/f1", "src/deep/g8", "src/run", "docs/guide"]);
        ran(&mut client, ring, "rm -rf src/deep src/f1 src/f2 src/link src/run; echo lost > docs/guide; mv docs/guide docs/other; mkdir new; echo n > new/n; rm src/$(printf '\\377'); chmod 600 src/f3; ln -s /etc/hostname src/link");
        assert_ne!(tree(ws), before);
        let after = tree(ws);
        let number = last(ws);
        let dry = undo(ws, &[&number, "--dry-run"]).ok();
        assert!(dry.out().contains("make anew") && dry.out().contains("would be undone"), "{dry}");
        assert_eq!(tree(ws), after, "nothing was done");
        let done = undo(ws, &[&number]).ok();
        assert_eq!(tree(ws), before, "{done}");
        let status = ws.bare(["git", "status", "--porcelain"]).run().ok();
        assert_eq!(status.out(), "", "{status}");
        // The undo is told, and is undone as a command is.
        let page = ws.ringfence(["log", "show", &number]).run().ok().out();
        let by = page.lines().find_map(|line| line.trim().strip_prefix("undone")).unwrap();
        let by = by.trim().strip_prefix("by ").unwrap().split(':').next().unwrap();
        assert!(done.out().contains(&format!("`ringfence undo-command {by}` takes that back")), "{done}");
        let own = ws.ringfence(["log", "show", by]).run().ok().out();
        assert!(own.contains(&format!("{by} undo of {number}")) && own.contains("undone"), "{own}");
        undo(ws, &[by]).ok();
        assert_eq!(tree(ws), after);
        client.wait().exits(0);
        let verified = ws.ringfence(["log", "verify"]).run().ok();
        assert!(verified.out().contains("whole") || verified.code() == 0);
    }

    /// No undo brings what commands wrote to where programs outside obey it, nor takes away what only a person can have written.
    nothing_comes_where_programs_obey needs ["userns", "tool:git"] |ws| {
        repository(ws);
        ws.dir(".vscode");
        ws.ring_sh("mv .vscode vs").flags(["--snapshot"]).run().ok();
        let renamed = last(ws);
        ws.ring_sh("echo evil > vs/tasks.json").run().ok();
        for flags in [&[][..], &["--force"]] {
            let told = undo(ws, &[&[renamed.as_str()], flags].concat()).exits(1);
            assert!(told.out().contains("programs outside obey"), "{told}");
            assert!(!ws.has(".vscode") && ws.read("vs/tasks.json") == "evil\n", "{told}");
        }
        ws.file(".envrc", "before\n");
        // A person's own, while a command ran that changed something else.
        let waits = ws.ring_sh("echo 2 > f; touch ready; while [ ! -e go ]; do sleep 0.01; done").flags(["--snapshot"]).start();
        until("it runs", || ws.has("ready"));
        ws.file(".envrc", "mine\n");
        ws.bare(["git", "config", "user.name", "me"]).run().ok();
        ws.file("go", "");
        waits.wait().ok();
        undo(ws, &[&last(ws)]);
        assert_eq!(ws.read(".envrc"), "mine\n");
        assert!(ws.read(".git/config").contains("name = me"));
    }

    /// In a repository below as well; and what the ring moved aside may be a person's.
    what_a_person_wrote_where_programs_obey_stays needs ["userns", "tool:git"] |ws| {
        repository(ws);
        ws.bare_sh("git init -q sub && mkdir sub/.vscode plain && echo before | tee sub/.envrc sub/.vscode/tasks.json plain/.envrc > sub/f").run().ok();
        let waits = ws.ring_sh("echo 2 | tee sub/f > plain/.envrc; touch ready; while [ ! -e go ]; do sleep 0.01; done").flags(["--snapshot"]).start();
        until("it runs", || ws.has("ready"));
        for name in ["sub/.envrc", "sub/.vscode/tasks.json", "sub/.mcp.json", ".envrc"] {
            ws.file(name, "mine\n");
        }
        until("it is moved aside", || ws.has(".envrc.from-ring"));
        ws.file("go", "");
        waits.wait();
        let told = undo(ws, &[&last(ws), "--force"]).exits(1);
        for name in ["sub/.envrc", "sub/.vscode/tasks.json", "sub/.mcp.json", ".envrc.from-ring"] {
            assert_eq!(ws.read(name), "mine\n", "{told}");
        }
        assert!(told.out().contains("was moved aside: it may be a person's"), "{told}");
        // Where there is no repository nothing was kept from the command.
        assert_eq!((ws.read("sub/f"), ws.read("plain/.envrc")), ("before\n".to_owned(), "before\n".to_owned()), "{told}");
    }

    /// Who may be run as another was that one's own: nobody else's becomes so.
    no_file_is_run_as_another needs ["userns"] |ws| {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let file = ws.file("tool", "x");
        // Whoever runs the tests: its own file in the ordinary user's directory, where that is another.
        let driver = rustix::process::geteuid().as_raw();
        std::os::unix::fs::chown(&file, Some(driver), None).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4755)).unwrap();
        ws.ring_sh("rm -f tool").flags(["--snapshot"]).run().ok();
        assert!(!ws.has("tool"));
        undo(ws, &["--last"]);
        let stat = std::fs::metadata(&file).unwrap();
        let own = driver == ws.person.uid;
        assert_eq!((stat.uid(), stat.mode() & 0o7777), (ws.person.uid, if own { 0o4755 } else { 0o755 }));
    }

    /// Commands of other rings at the same time: it takes a word.
    what_others_did_meanwhile_takes_a_word needs ["userns"] |ws| {
        ws.file("f", "before\n");
        let waits = ws.ring_sh("touch ready; while [ ! -e go ]; do sleep 0.01; done").flags(["--snapshot"]).start();
        until("it runs", || ws.has("ready"));
        ws.ring_sh("echo other > f; touch go").run().ok();
        waits.wait().ok();
        let first = ws.ringfence(["log", "list", "--json"]).ok();
        let first: Value = serde_json::from_str(first.lines().find(|line| line.contains("ready")).unwrap()).unwrap();
        let number = first["number"].to_string();
        undo(ws, &[&number]).exits(125);
        assert_eq!(ws.read("f"), "other\n");
        undo(ws, &[&number, "--force"]);
        assert_eq!(ws.read("f"), "before\n");
    }

    /// One command alone: where it is asked for, and what is said where it was not.
    a_run_is_undone_where_it_was_asked_for needs ["userns"] |ws| {
        ws.file("f", "before\n");
        ws.ring_sh("echo after > f").run().ok();
        let refused = undo(ws, &[&last(ws)]).exits(125);
        assert!(refused.err().contains("--snapshot") && refused.err().contains("snapshot = true"), "{refused}");
        ws.file("f", "before\n");
        let quiet = ws.ring_sh("echo after > f; echo new > g").flags(["--snapshot"]).run().ok();
        assert_eq!(quiet.err(), "");
        assert_eq!(ws.read("f"), "after\n");
        let told = undo(ws, &["--last", "--json"]).ok();
        let told: Value = serde_json::from_str(&told.out()).unwrap();
        assert_eq!((&told["undone"], &told["left"], &told["dry_run"]), (&json!(2), &json!(0), &json!(false)));
        assert_eq!(told["command"].to_string(), last(ws));
        assert!(told["undo"].is_u64());
        assert_eq!((ws.read("f").as_str(), ws.has("g")), ("before\n", false));
        // It is not the last any more.
        let none = undo(ws, &["--last"]).exits(125);
        assert!(none.err().contains("no command is recorded that changed something"), "{none}");
        // The same from a policy; and without a ring.
        ws.file("../config/ringfence/policy.toml", "[filesystem]\nsnapshot = true\n");
        let config = ws.at("../config");
        for flags in [&["--mode", "workspace-write"], &["--mode", "full-access"]] {
            ws.ring_sh("rm f").flags(flags).env("XDG_CONFIG_HOME", &config).run().ok();
            undo(ws, &["--last"]).ok();
            assert_eq!(ws.read("f"), "before\n");
        }
    }

    /// What was moved to a name that is not kept was kept under its own.
    renamed_to_target_it_comes_back needs ["userns"] |ws| {
        ws.bare_sh("mkdir src && echo 'fn main(){}' > src/main.rs && echo lib > src/lib.rs && echo same > src/same.rs").run().ok();
        let before = tree(ws);
        let away = "mv src target; echo evil > target/main.rs; rm target/lib.rs; echo more > target/more.rs; mkdir target/d; echo x > target/d/x";
        ws.ring_sh(away).flags(["--snapshot"]).run().ok();
        let after = tree(ws);
        let told = undo(ws, &["--last"]).ok();
        assert_eq!(tree(ws), before, "{told}");
        undo(ws, &[told.out().rsplit_once("undo-command ").unwrap().1.split('`').next().unwrap()]).ok();
        assert_eq!(tree(ws), after);
        undo(ws, &["--last"]).ok();
        assert_eq!(tree(ws), before);
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        kept(ws, &["src/main.rs", "src/lib.rs"]);
        ran(&mut client, ring, away);
        let told = undo(ws, &["--last"]).ok();
        assert_eq!(tree(ws), before, "{told}");
        client.wait().exits(0);
        // What is generated is not undone, and the exit code says so.
        ws.ring_sh("mkdir target; echo x > target/x; echo y > y").flags(["--snapshot"]).run().ok();
        let told = undo(ws, &["--last"]).exits(1);
        assert!(told.out().contains("not undone: 2 changes in generated directories") && !ws.has("y"), "{told}");
    }

    /// Until an undo has come to its end the last command is the same one.
    an_undo_that_failed_is_not_the_one_before needs ["userns"] |ws| {
        ws.ring_sh("echo A > g").flags(["--snapshot"]).run().ok();
        ws.ring_sh("echo B > f; echo C > h").flags(["--snapshot"]).run().ok();
        let number = last(ws);
        // It cannot keep what it would take away.
        ws.bare_sh("cd ../state/ringfence/undo && rm lock && mkdir lock").run().ok();
        undo(ws, &["--last"]).exits(125);
        ws.bare_sh("rmdir ../state/ringfence/undo/lock").run().ok();
        assert!(ws.has("f") && ws.has("g"));
        ws.file("h", "mine\n");
        let told = undo(ws, &["--last"]).exits(1);
        assert!(told.err().contains("did not come to its end") && told.out().starts_with(&number), "{told}");
        assert_eq!((ws.has("f"), ws.read("g").as_str(), ws.read("h").as_str()), (false, "A\n", "mine\n"));
        // One that left something leaves nobody guessing.
        let unclear = undo(ws, &["--last"]).exits(125);
        assert!(unclear.err().contains(&format!("`ringfence undo-command {number}` tries them again")), "{unclear}");
        assert!(ws.has("g"), "{unclear}");
        undo(ws, &[&number, "--force"]).ok();
        undo(ws, &["--last"]).ok();
        assert!(!ws.has("g") && !ws.has("h"));
    }

    /// What cannot be is said in a line, with what helps.
    what_cannot_be_undone_is_told needs ["userns"] |ws| {
        ws.file("f", "before\n");
        let line = |words: &[&str], says: &str| {
            let refused = undo(ws, words).exits(125);
            assert!(refused.err().contains(says) && refused.err().lines().count() == 1, "{says}: {refused}");
            assert_eq!(refused.out(), "");
        };
        line(&["7"], "no record has the number 7");
        ws.ring_sh("true").flags(["--snapshot"]).run().ok();
        line(&["1"], "record 1 is no command's start (ledger.opened)");
        line(&[&last(ws)], "nothing is kept");
        let inside = ws.ring([binaries().ringfence.as_os_str(), "undo-command".as_ref(), "1".as_ref()]).run().exits(125);
        assert!(inside.err().contains("runs in a ring"), "{inside}");
        // Neither is what is kept seen there.
        ws.ring_sh("echo after > f").flags(["--snapshot"]).run().ok();
        let seen = ws.ring_sh("ls ../state/ringfence/undo").run();
        assert_ne!(seen.code(), 0, "{seen}");
        ws.bare_sh("ls ../state/ringfence/undo/commands").run().ok();
        // Another directory at its place.
        let number = commands(ws);
        let number = number[number.len() - 2].to_string();
        ws.bare_sh("cp -a . ../copy && mv ../copy/f ../f && rm -rf ../copy && mkdir ../gone").run().ok();
        undo(ws, &[&number]).ok();
        assert_eq!(ws.read("f"), "before\n");
        // A project says nothing about it.
        ws.file(".ringfence.toml", "[filesystem]\nsnapshot = true\n");
        let refused = ws.ring_sh("true").run().exits(125);
        assert!(refused.err().contains("filesystem.snapshot"), "{refused}");
    }

    /// What a person wrote since stays; and what they wrote between two commands is what comes back.
    what_a_person_wrote_is_theirs needs ["userns"] |ws| {
        for name in ["a", "b", "c"] {
            ws.file(name, "before\n");
        }
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        kept(ws, &["a", "b", "c"]);
        ws.file("c", "between, by a person\n");
        until("it is kept", || {
            let objects = ws.bare_sh("cat ../state/ringfence/undo/objects/* 2>/dev/null").run().out();
            objects.contains("between, by a person")
        });
        // A moment later it is trusted, too.
        kept(ws, &["c"]);
        ran(&mut client, ring, "for f in a b c; do echo command > $f; done; echo made > d");
        let number = last(ws);
        // The command's end is told before what it left is read.
        undo(ws, &[&number, "--dry-run"]).ok();
        ws.file("b", "since, by a person\n");
        let told = undo(ws, &[&number]).exits(1);
        assert!(told.out().contains("left") && told.out().contains("b: changed since"), "{told}");
        assert_eq!([ws.read("a"), ws.read("b"), ws.read("c")], ["before\n", "since, by a person\n", "between, by a person\n"]);
        assert!(!ws.has("d"));
        undo(ws, &[&number, "--force"]).ok();
        assert_eq!(ws.read("b"), "before\n");
        client.wait().exits(0);
    }

    /// Who asks for a command and is gone is no reason to keep nothing of it; and the next session knows what is there.
    the_last_command_of_a_ring_is_kept needs ["userns"] |ws| {
        ws.file("f", "before\n");
        for _ in 0..3 {
            let mut client = Client::serve(ws, &[]);
            let ring = client.ring(ws);
            kept(ws, &["f"]);
            ran(&mut client, ring, "rm f; mkdir d; echo x > d/x");
            client.wait().exits(0);
            undo(ws, &["--last"]).ok();
            assert_eq!((ws.read("f").as_str(), ws.has("d")), ("before\n", false));
        }
    }

    /// Two at once: nobody knows whose it is.
    what_two_did_at_once_takes_a_word needs ["userns"] |ws| {
        ws.file("f", "before\n");
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        kept(ws, &["f"]);
        let sleeping = client.command(sh(ring, "exec sleep 1000"));
        ran(&mut client, ring, "echo after > f");
        let number = last(ws);
        client.ok("command.kill", json!({ "command": sleeping }));
        client.ended(sleeping, "stdout");
        let refused = undo(ws, &[&number]).exits(125);
        assert!(refused.err().contains("ran at the same time") && refused.err().contains("--force"), "{refused}");
        assert_eq!(ws.read("f"), "after\n");
        undo(ws, &[&number, "--force"]).ok();
        assert_eq!(ws.read("f"), "before\n");
        client.wait().exits(0);
    }

    /// What is not cheap is not done unasked, and that is told; nor where it is switched off.
    what_is_not_cheap_is_not_kept_unasked needs ["userns"] |ws| {
        ws.file("f", "before\n");
        ws.bare_sh("for i in 1 2 3 4 5; do truncate -s 15M large$i; done").run().ok();
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        ran(&mut client, ring, "echo after > f");
        let refused = undo(ws, &[&last(ws)]).exits(125);
        assert!(refused.err().contains("more than is done unasked") && refused.err().contains("snapshot = true"), "{refused}");
        client.wait().exits(0);
    }

    /// Killed while it keeps, and while it undoes: what is kept is whole, and the undo is done again to its end.
    a_kill_takes_nothing_away needs ["userns"] |ws| {
        const FILES: usize = 400;
        ws.ring_sh("echo older > older").flags(["--snapshot"]).run().ok();
        ws.bare_sh(&format!("for d in a b c d; do mkdir $d; for i in $(seq {}); do echo $d $i > $d/$i; done; done", FILES / 4)).run().ok();
        let before = tree(ws);
        let there = || ws.bare_sh("find a b c d -type f 2>/dev/null | wc -l").run().out().trim().parse::<usize>().unwrap();
        // While it reads the first time.
        let client = {
            let mut client = Client::serve(ws, &[]);
            client.ring(ws);
            let objects = ws.at("../state/ringfence/undo/objects");
            until("it has begun", || std::fs::read_dir(&objects).is_ok_and(|mut dir| dir.next().is_some()));
            client
        };
        client.signal(Signal::KILL);
        // Where it told of itself; the next one would take it away.
        ws.bare_sh("rm -rf ../run/ringfence").run().ok();
        ws.ring_sh("rm -rf a c; echo more > b/1; mv b/2 b/moved; mv d e").flags(["--snapshot"]).run().ok();
        let number = last(ws);
        let mut killed = 0;
        for from in [FILES / 2, FILES / 2 + 1, FILES / 2 + 20, FILES - 60] {
            let undoing = ws.ringfence(["undo-command", &number]).start();
            let path = ws.path();
            let count = || {
                let files = |dir: &str| std::fs::read_dir(path.join(dir)).map_or(0, Iterator::count);
                ["a", "b", "c", "d", "e"].map(files).iter().sum::<usize>()
            };
            while count() < from && std::fs::read_dir(format!("/proc/{}/fd", undoing.pid())).is_ok_and(|mut fds| fds.next().is_some()) {
                std::hint::spin_loop();
            }
            undoing.signal(Signal::KILL);
            killed += usize::from(undoing.wait().code() != 0);
        }
        assert!(killed > 0, "none was killed while it was at work");
        assert!(there() >= FILES / 2);
        // The last is this one, and not the one before.
        let done = undo(ws, &["--last"]).ok();
        assert!(done.err().contains("did not come to its end"), "{done}");
        assert_eq!(tree(ws), before, "{done}");
        // Once more is nothing.
        undo(ws, &[&number]).ok();
        assert_eq!(tree(ws), before);
    }
}
