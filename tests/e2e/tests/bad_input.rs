//! What is wrong is said once, with place, reason and remedy; and nothing is created or changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use ringfence_e2e::{Run, Tree, Who, Workspace, needs};

/// What is not as it was, but for the ledger: that nothing came of it is recorded.
fn changed(before: &Tree, ws: &Workspace) -> Vec<String> {
    let mut changes = before.changes(&Tree::of(&[&ws.base]));
    changes.retain(|change| !change.contains("/state/ringfence") && !change.contains("/state: "));
    changes
}

/// Fails unless `run` ends with `code`, one line on stderr that has each of `words`, an empty
/// stdout, and the tree as it was.
#[track_caller]
fn refused(ws: &Workspace, run: Run, code: i32, words: &[&str]) {
    let before = Tree::of(&[&ws.base]);
    let done = run.run().exits(code);
    assert_eq!(changed(&before, ws), Vec::<String>::new(), "{done}");
    assert!(done.stdout.is_empty(), "something on stdout: {done}");
    assert!(
        done.err().starts_with("ringfence: "),
        "not Ringfence's word: {done}"
    );
    assert_eq!(done.err().lines().count(), 1, "not one line: {done}");
    for word in words {
        assert!(done.err().contains(word), "no word of {word}: {done}");
    }
}

/// Declares tests of refusals: each with a fresh home, as an ordinary user and as root.
macro_rules! refusals {
    ($($(#[$about:meta])* $name:ident |$ws:ident| $body:block)*) => {$(
        $(#[$about])*
        mod $name {
            #[allow(unused_imports, reason = "the same for each test")]
            use super::*;
            fn test(who: Who) {
                let Some(person) = needs(who, &[]) else { return };
                let $ws = &Workspace::with_fresh_home(&person, stringify!($name));
                $body
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

fn with_flags(ws: &Workspace, flags: &[&str]) -> Run {
    ws.ring(["sh", "-c", "echo ran > ran"])
        .flags(flags.iter().copied())
}

refusals! {
    /// What hides the place of work itself leaves nowhere to work.
    workspace_hidden |ws| {
        let own = ws.path().display().to_string();
        refused(ws, with_flags(ws, &["--hide", &own]), 125, &["is hidden by the policy"]);
        let above = ws.base.display().to_string();
        refused(ws, with_flags(ws, &["--hide", &above]), 125, &["is hidden by the policy"]);
    }

    /// What programs outside obey is not to be written because somebody works in it.
    workspace_in_a_protected_place |ws| {
        for dir in [".claude", ".vscode", "sub/.cursor/rules", ".git/hooks", "bare.git/hooks"] {
            ws.bare_sh(&format!("git init -q --bare bare.git; mkdir -p {dir}")).run();
            refused(ws, with_flags(ws, &["--workspace", dir]), 125, &["protected wherever it stands", "name the directory that has it"]);
        }
        refused(ws, with_flags(ws, &[]).dir(ws.at(".claude")), 125, &["protected wherever it stands"]);
        // A person's own words are about the places they were written for.
        ws.bare_sh("mkdir -p other/src").ok();
        ws.ring(["true"]).flags(["--workspace", "other/src", "--protect", "src/f"]).run().ok();
        // One of its own in there, as agents make them.
        ws.bare_sh("git init -q .claude/worktrees/x").ok();
        ws.ring(["true"]).dir(ws.at(".claude/worktrees/x")).run().ok();
    }

    /// Only sockets are let in: a directory would bring back all that is in it, whatever hides or protects it.
    socket_that_is_none |ws| {
        for dir in ["/run", ".", "../home", "/etc"] {
            refused(ws, with_flags(ws, &["--socket", dir]), 125, &["--socket", "this is no socket"]);
        }
        refused(ws, with_flags(ws, &["--socket", "/etc/passwd"]), 125, &["--socket", "/etc/passwd"]);
    }

    /// A ring has its own there.
    hides_what_is_the_rings_own |ws| {
        for own in ["/proc", "/proc/self", "/dev", "/"] {
            refused(ws, with_flags(ws, &["--hide", own]), 125, &["--hide", own]);
        }
    }

    /// Not even the record of it is written there.
    state_in_the_workspace |ws| {
        let inside = with_flags(ws, &[]).env("XDG_STATE_HOME", ws.at("st"));
        refused(ws, inside, 125, &["own state"]);
        let unknown = ws.ring(["no-such-program"]).env("XDG_STATE_HOME", ws.at("st"));
        refused(ws, unknown, 127, &["no-such-program"]);
    }

    /// Somebody means a policy to be there: it is not taken for none.
    a_policy_that_is_a_broken_link |ws| {
        let link = |at: &str| std::os::unix::fs::symlink("/no/such/file", ws.at(at)).unwrap();
        link(".ringfence.toml");
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml", "leads nowhere"]);
        std::fs::remove_file(ws.at(".ringfence.toml")).unwrap();
        std::fs::create_dir_all(ws.at("../home/.config/ringfence")).unwrap();
        link("../home/.config/ringfence/policy.toml");
        refused(ws, with_flags(ws, &[]), 125, &["policy.toml", "leads nowhere"]);
        std::fs::remove_dir_all(ws.at("../home/.config/ringfence")).unwrap();
        link("../home/.config/ringfence");
        refused(ws, with_flags(ws, &[]), 125, &[".config/ringfence is a link that leads nowhere"]);
        std::fs::remove_file(ws.at("../home/.config/ringfence")).unwrap();
        // To a file there is no way on; to a directory there is, whatever it has.
        std::os::unix::fs::symlink("/etc/passwd", ws.at("../home/.config/ringfence")).unwrap();
        refused(ws, with_flags(ws, &[]), 125, &[".config/ringfence is a link that leads nowhere"]);
        std::fs::remove_file(ws.at("../home/.config/ringfence")).unwrap();
        std::os::unix::fs::symlink("/etc/ssl", ws.at("../home/.config/ringfence")).unwrap();
        with_flags(ws, &[]).run().ok();
        std::fs::remove_file(ws.at("../home/.config/ringfence")).unwrap();
        std::fs::remove_dir_all(ws.at("../home/.config")).unwrap();
        std::os::unix::fs::symlink("/etc", ws.at("../home/.config")).unwrap();
        with_flags(ws, &[]).run().ok();
    }

    unknown_key |ws| {
        ws.file(".ringfence.toml", "# mine\nwriet = [\"x\"]\n");
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml:2", "wriet"]);
    }

    unknown_key_in_the_users_file |ws| {
        ws.file("../home/.config/ringfence/policy.toml", "[filesystem]\nprotekt = [\"x\"]\n");
        refused(ws, with_flags(ws, &[]), 125, &["policy.toml:2", "protekt", "protect"]);
    }

    unknown_table |ws| {
        ws.file(".ringfence.toml", "[filesytem]\nhide = []\n");
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml:1", "filesystem"]);
    }

    wrong_type |ws| {
        for (text, word) in [("mode = 3\n", "mode"), ("[filesystem]\nprotect = \"x\"\n", "protect"), ("[filesystem]\nhide = [1]\n", "hide"), ("[limits]\ntime = true\n", "time")] {
            ws.file(".ringfence.toml", text);
            refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml:", word]);
        }
    }

    wrong_value |ws| {
        for (text, word) in [("mode = \"open\"\n", "open"), ("[network]\nmode = \"offf\"\n", "offf"), ("[limits]\nmemory = \"4 bananas\"\n", "bananas"), ("[caches]\ntools = [\"cabal\"]\n", "cabal")] {
            ws.file(".ringfence.toml", text);
            refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml:", word]);
        }
    }

    not_toml |ws| {
        ws.file(".ringfence.toml", "mode = = \"x\"\n");
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml:1"]);
        ws.file(".ringfence.toml", b"mode = \"\xff\"\n");
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml"]);
    }

    policy_that_cannot_be_read |ws| {
        ws.dir(".ringfence.toml");
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml"]);
    }

    /// A project's policy that is no file: nothing is waited for, and memory is not filled.
    policy_that_is_no_regular_file |ws| {
        std::os::unix::fs::symlink("/dev/zero", ws.at(".ringfence.toml")).unwrap();
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml", "no regular file"]);
        std::fs::remove_file(ws.at(".ringfence.toml")).unwrap();
        ws.bare_sh("mkfifo .ringfence.toml").run().ok();
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml", "no regular file"]);
        std::fs::remove_file(ws.at(".ringfence.toml")).unwrap();
        ws.file(".ringfence.toml", "#".repeat(1 << 21));
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml", "1024 KiB"]);
        // Where git looks: they are no configuration, and the command runs.
        std::fs::remove_file(ws.at(".ringfence.toml")).unwrap();
        ws.bare_sh("mkdir -p n/.git m/.git; mkfifo n/.git/config m/.git/HEAD; ln -s /dev/zero m/.git/config; mkfifo .git").run().ok();
        with_flags(ws, &[]).run().ok();
    }

    wrong_flag_values |ws| {
        for flags in [["--timeout", "soon"], ["--timeout", "-1s"], ["--memory", "much"], ["--processes", "0"], ["--processes", "x"], ["--output", "1 parsec"]] {
            refused(ws, with_flags(ws, &flags), 125, &[flags[0]]);
        }
    }

    wrong_words_in_flags |ws| {
        for flags in [["--mode", "open"], ["--network", "maybe"], ["--caches", "all"], ["--linux-mode", "docker"], ["--pty", "perhaps"]] {
            refused(ws, with_flags(ws, &flags), 125, &[flags[0], flags[1]]);
        }
    }

    unknown_flag |ws| {
        refused(ws, with_flags(ws, &["--wirte", "x"]), 125, &["--wirte"]);
    }

    unknown_verb |ws| {
        refused(ws, ws.ringfence(["rnu", "--", "true"]), 125, &["rnu"]);
    }

    no_command |ws| {
        refused(ws, ws.ringfence(["run"]), 125, &[]);
        refused(ws, ws.ringfence(["run", "--"]), 125, &[]);
        refused(ws, ws.ring([""]), 127, &[]);
    }

    missing_workspace |ws| {
        refused(ws, with_flags(ws, &["--workspace", "nowhere"]), 125, &["nowhere"]);
        ws.file("plain", "");
        refused(ws, with_flags(ws, &["--workspace", "plain"]), 125, &["plain", "directory"]);
    }

    missing_write_root |ws| {
        refused(ws, with_flags(ws, &["--write", "../nowhere"]), 125, &["--write", "nowhere"]);
        ws.file("../home/.config/ringfence/policy.toml", "\n[filesystem]\nwrite = [\"/no/such/root\"]\n");
        refused(ws, with_flags(ws, &[]), 125, &["policy.toml:3", "/no/such/root"]);
    }

    /// Its directory was removed by somebody else.
    current_directory_gone |ws| {
        ws.dir("gone");
        let ring = with_flags(ws, &[]).quoted();
        let before = Tree::of(&[ws.base.join("home"), ws.base.join("state"), ws.base.join("tmp")]);
        let done = ws.bare_sh(&format!("cd gone; rmdir ../gone; exec {ring}")).run().exits(125);
        assert!(done.err().starts_with("ringfence: ") && done.err().lines().count() == 1, "{done}");
        assert_eq!(before.changes(&Tree::of(&[ws.base.join("home"), ws.base.join("state"), ws.base.join("tmp")])), Vec::<String>::new());
        assert!(!ws.has("ran"));
    }

    workspace_is_the_root |ws| {
        refused(ws, with_flags(ws, &["--workspace", "/"]), 125, &["workspace"]);
        refused(ws, with_flags(ws, &[]).dir("/"), 125, &["workspace"]);
        std::os::unix::fs::symlink("/", ws.at("link")).unwrap();
        refused(ws, with_flags(ws, &["--workspace", "link"]), 125, &["workspace"]);
        refused(ws, with_flags(ws, &["--workspace", "../../../../../../../.."]), 125, &["workspace"]);
    }

    workspace_is_the_home |ws| {
        refused(ws, with_flags(ws, &["--workspace", "../home"]), 125, &["workspace"]);
        refused(ws, with_flags(ws, &[]).dir(ws.at("../home")), 125, &["workspace"]);
        // What holds the home holds all of it.
        refused(ws, with_flags(ws, &["--workspace", ".."]), 125, &["workspace"]);
        refused(ws, with_flags(ws, &["--write", "../home"]), 125, &["home"]);
    }

    program_missing |ws| {
        refused(ws, ws.ring(["no-such-program"]), 127, &["no-such-program"]);
        refused(ws, ws.ring(["./nor-this"]), 127, &["nor-this"]);
        refused(ws, ws.ring(["/no/dir/prog"]), 127, &["/no/dir/prog"]);
    }

    program_not_executable |ws| {
        ws.file("plain", "x");
        refused(ws, ws.ring(["./plain"]), 126, &["plain"]);
        refused(ws, ws.ring(["."]), 126, &[]);
        std::os::unix::fs::symlink("loop", ws.at("loop")).unwrap();
        let done = ws.ring(["./loop"]).run();
        assert!([126, 127].contains(&done.code()), "{done}");
    }

    /// Odd bytes in a path cannot break the message into two.
    odd_paths |ws| {
        refused(ws, with_flags(ws, &["--write", "no\nsuch\nroot"]), 125, &["--write"]);
        refused(ws, with_flags(ws, &["--workspace", "no\nsuch"]), 125, &[]);
        refused(ws, ws.ring(["no\nsuch\u{1b}[31mprogram"]), 127, &[]);
        let odd = OsString::from_vec(b"no-such-\xff\xfe".to_vec());
        let flags: [OsString; 2] = ["--write".into(), odd.clone()];
        refused(ws, ws.ring(["true"]).flags(flags), 125, &["--write", "no-such-"]);
        let flags: [OsString; 2] = ["--workspace".into(), odd];
        refused(ws, ws.ring(["true"]).flags(flags), 125, &["no-such-"]);
        refused(ws, with_flags(ws, &["--write", ""]), 125, &["--write"]);
    }

    nul_in_a_path |ws| {
        ws.file(".ringfence.toml", "[filesystem]\nhide = [\"a\\u0000b\"]\n");
        refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml:2", "hide"]);
    }

    what_is_not_there_yet_is_refused |ws| {
        refused(ws, with_flags(ws, &["--network", "allow"]), 125, &["--network", "allow"]);
        refused(ws, with_flags(ws, &["--allow", "example.com:443"]), 125, &["--allow"]);
    }

    unknown_promise |ws| {
        refused(ws, with_flags(ws, &["--accept", "protect.everything"]), 125, &["--accept", "protect.everything"]);
    }

    /// A cloned project cannot give itself more.
    project_that_widens |ws| {
        for (text, word) in [("[filesystem]\nwrite = [\"../home\"]\n", "write"), ("[network]\nmode = \"on\"\n", "network"), ("mode = \"full-access\"\n", "full-access"), ("[environment]\npass = [\"AWS_SECRET_ACCESS_KEY\"]\n", "pass"), ("[enforcement]\naccept = [\"write\"]\n", "accept"), ("[linux]\nnested = true\n", "nested")] {
            ws.file(".ringfence.toml", text);
            refused(ws, with_flags(ws, &[]), 125, &[".ringfence.toml:", word]);
        }
    }

    /// State that cannot be kept, where the policy needs it.
    home_that_is_a_file |ws| {
        ws.file("../notadir", "x");
        let done = with_flags(ws, &[]).env("HOME", ws.at("../notadir")).env("XDG_STATE_HOME", ws.at("../notadir/state")).run();
        // There is no place for what is kept, the ledger too.
        assert_eq!(done.code(), 125, "{done}");
        assert!(done.err().contains("notadir/state/ringfence/ledger") && done.err().contains("--accept ledger"), "{done}");
        assert!(done.err().contains("XDG_STATE_HOME"), "{done}");
        assert_eq!(done.err().lines().count(), 2, "{done}");
        // Namespaces have no part in it.
        let doctor = ws.ringfence(["doctor"]).env("HOME", ws.at("../notadir")).env("XDG_STATE_HOME", ws.at("../notadir/state")).run();
        assert!(!doctor.out().contains("lack  user-namespaces") && !doctor.out().contains("\\n"), "{doctor}");
    }
}

/// Landlock alone cannot keep what the default policy promises: refused, each promise named.
fn landlock_only(who: Who) {
    let Some(person) = needs(who, &["landlock>=4"]) else {
        return;
    };
    let ws = Workspace::with_fresh_home(&person, "landlock-only");
    ws.repository(".");
    let before = Tree::of(&[&ws.base]);
    let done = with_flags(&ws, &["--linux-mode", "landlock-only"])
        .run()
        .exits(125);
    assert_eq!(changed(&before, &ws), Vec::<String>::new(), "{done}");
    assert!(
        done.err().starts_with("ringfence: ") && done.err().contains("--accept"),
        "{done}"
    );
    // One message; what it lists stands below it, indented.
    let own = done
        .err()
        .lines()
        .filter(|line| !line.starts_with(' '))
        .count();
    assert_eq!(own, 1, "{done}");
}

#[test]
fn landlock_only_as_user() {
    landlock_only(Who::User);
}

#[test]
fn landlock_only_as_root() {
    landlock_only(Who::Root);
}
