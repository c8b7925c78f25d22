//! Each key of a policy does in the kernel what it says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../../../crates/ringfence/tests/place/replacing.rs"]
mod replacing;

use ringfence_e2e::{Before, Tree, Who, Workspace, needs};

/// Declares tests with a fresh home, as an ordinary user and as root.
macro_rules! at_home {
    ($($(#[$about:meta])* $name:ident needs [$($need:expr),*] |$ws:ident| $body:block)*) => {$(
        $(#[$about])*
        mod $name {
            #[allow(unused_imports, reason = "the same for each test")]
            use super::*;
            fn test(who: Who) {
                let Some(person) = needs(who, &[$($need),*]) else { return };
                let before = Before::look();
                let $ws = &Workspace::with_fresh_home(&person, stringify!($name));
                $body
                before.nothing_left($ws);
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

/// Connects to the test's own listener outside of every ring.
fn connects(ws: &Workspace, flags: &[&str]) -> bool {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    ws.ring(["bash", "-c", &script])
        .flags(flags.iter().copied())
        .run()
        .code()
        == 0
}

at_home! {
    outside_is_read_only needs [] |ws| {
        ws.file("../beside/f", "as it was");
        ws.file("../home/f", "as it was");
        let outside = Tree::of(&[ws.at("../beside"), ws.at("../home/f")]);
        ws.ring_sh("! echo x > ../beside/f; ! echo x > ../beside/new; ! rm ../beside/f; ! mv ../beside/f ../beside/g; ! chmod 777 ../beside/f; ! touch ~/f; ! ln ../beside/f link; ! mkdir ../d; echo x > mine").run().ok();
        assert_eq!(outside.changes(&Tree::of(&[ws.at("../beside"), ws.at("../home/f")])), Vec::<String>::new());
        assert_eq!(ws.read("mine"), "x\n");
    }

    write_flag needs [] |ws| {
        ws.file("../beside/f", "old");
        ws.dir("../third");
        ws.ring_sh("echo new > ../beside/f; ! echo x > ../third/f").flags(["--write", "../beside"]).run().ok();
        assert_eq!(ws.read("../beside/f"), "new\n");
        // One file alone.
        ws.file("../third/one", "old");
        ws.ring_sh("echo new > ../third/one; ! echo x > ../third/two").flags(["--write", "../third/one"]).run().ok();
        assert_eq!(ws.read("../third/one"), "new\n");
    }

    /// A write root that has the workspace in it takes none of the workspace's own protection away.
    write_root_around_the_workspace needs ["tool:git"] |ws| {
        let ws_in = ws.dir("../src/ws");
        ws.repository("../src/ws");
        ws.file("../src/ws/.envrc", "as it was");
        ws.file("../src/ws/deploy/key", "as it was");
        let own = [ws_in.join(".envrc"), ws_in.join("deploy"), ws_in.join(".git/hooks"), ws_in.join(".git/config")];
        let before = Tree::of(&own);
        let try_all = "! echo x > .envrc; ! rm -f .envrc; ! echo x > deploy/key; ! mv deploy away; ! echo x > .git/hooks/pre-commit; ! echo x >> .git/config; ! mv ../ws ../away; mkdir -p .vscode; echo x > .vscode/tasks.json || true; echo x > free; echo x > ../beside";
        ws.ring_sh(try_all).dir(&ws_in).flags(["--write", "..", "--protect", "deploy"]).run().ok();
        assert_eq!(before.changes(&Tree::of(&own)), Vec::<String>::new());
        assert!(!ws.has("../src/ws/.vscode/tasks.json"), "made in spite of its protection");
        assert!(ws.has("../src/ws/free") && ws.has("../src/beside"), "not writable at all");
        let said = ws.ringfence(["why", "--write", "..", "--", "true"]).dir(&ws_in).run().ok();
        assert!(said.out().contains(&format!("{}, writable", ws_in.display())), "{said}");
    }

    /// An entry is about the place it leads to, by whatever name.
    protect_through_a_link needs [] |ws| {
        ws.file("deploy/key", "as it was");
        std::os::unix::fs::symlink(ws.path(), ws.at("../link")).unwrap();
        let before = Tree::of(&[ws.at("deploy")]);
        let entry = ws.base.join("link/deploy").display().to_string();
        ws.ring_sh("! echo x > deploy/key; ! mv deploy away; echo x > free").flags(["--protect", &entry]).run().ok();
        assert_eq!(before.changes(&Tree::of(&[ws.at("deploy")])), Vec::<String>::new());
        let why = ws.ringfence(["why", "--protect", &entry, "deploy/key"]).run().ok();
        assert!(why.out().contains("--protect"), "{why}");
    }

    own_policy_behind_a_home_that_is_a_link needs [] |ws| {
        ws.file("../real/.config/ringfence/policy.toml", "# mine\n");
        std::os::unix::fs::symlink(ws.at("../real"), ws.at("../second-home")).unwrap();
        let write = ws.at("../real/.config").display().to_string();
        let script = format!("! echo x > {write}/ringfence/policy.toml; ! mv {write}/ringfence {write}/away; echo x > {write}/free");
        ws.ring_sh(&script).env("HOME", ws.at("../second-home")).flags(["--write", &write]).run().ok();
        assert_eq!(ws.read("../real/.config/ringfence/policy.toml"), "# mine\n");
        assert!(ws.has("../real/.config/free"), "not writable at all");
    }

    protect_what_exists needs [] |ws| {
        ws.file("deploy/prod/key", "as it was");
        let before = Tree::of(&[ws.at("deploy")]);
        ws.ring_sh("! echo x > deploy/prod/key; ! rm -f deploy/prod/key; ! mv deploy away; ! mv deploy/prod away; ! echo x > deploy/new; cat deploy/prod/key; echo x > free").flags(["--protect", "deploy"]).run().ok();
        assert_eq!(before.changes(&Tree::of(&[ws.at("deploy")])), Vec::<String>::new());
    }

    /// What does not exist yet is not there afterwards under its name, and no ghost is left.
    protect_what_does_not needs [] |ws| {
        let _ = ws.ring_sh("mkdir -p later && echo x > later/f; echo x > one; true").flags(["--protect", "later", "--protect", "one"]).run();
        assert!(!ws.has("later") && !ws.has("one"), "made in spite of --protect");
        ws.ring(["true"]).flags(["--protect", "later", "--protect", "one"]).run().ok();
        assert!(!ws.has("later") && !ws.has("one"), "a ghost");
    }

    git_is_protected needs ["tool:git"] |ws| {
        ws.repository(".");
        ws.repository("deep/nested");
        let own = [ws.at(".git/hooks"), ws.at(".git/config"), ws.at("deep/nested/.git/hooks"), ws.at("deep/nested/.git/config")];
        let before = Tree::of(&own);
        ws.ring_sh("for r in . deep/nested; do
               ! echo x > $r/.git/hooks/pre-commit
               ! echo x >> $r/.git/config
               ! mv $r/.git $r/away
               ! rm -rf $r/.git/hooks 2>/dev/null
               ! git -C $r config core.fsmonitor ./evil
             done").run().ok();
        assert_eq!(before.changes(&Tree::of(&own)), Vec::<String>::new());
    }

    project_file_is_protected needs [] |ws| {
        ws.file(".ringfence.toml", "[filesystem]\nprotect = [\"p\"]\n");
        ws.ring_sh("! echo x > .ringfence.toml; ! rm -f .ringfence.toml; ! mv .ringfence.toml x").run().ok();
        assert_eq!(ws.read(".ringfence.toml"), "[filesystem]\nprotect = [\"p\"]\n");
    }

    hide_flag needs [] |ws| {
        ws.file("../secret/f", "SECRET");
        ws.file("own", "SECRET");
        let done = ws.ring_sh("cat ../secret/f || ls ../secret || cat own || true").flags(["--hide", "../secret", "--hide", "own"]).run().ok();
        assert!(!done.out().contains("SECRET"), "{done}");
        assert_eq!(ws.read("own"), "SECRET");
        ws.ring_sh("! cat ../secret/f && ! cat own").flags(["--hide", "../secret", "--hide", "own"]).run().ok();
    }

    /// Its directories stay where they are, and the links that lead to it: by another path nobody would know it.
    what_is_hidden_in_a_write_root_stays_hidden needs ["userns"] |ws| {
        ws.file("conf/deep/secrets/token", "SECRET");
        ws.file("../keys/id", "SECRET");
        ws.file(".ringfence.toml", "[filesystem]\nhide = [\"conf/deep/secrets\"]\n");
        ws.bare_sh("mkdir -p ~/.ssh k; ln -s ../../keys k/away; chmod 600 ../keys/id; ln -s \"$PWD/k/away/id\" ~/.ssh/id").ok();
        for (script, path) in [("mv conf conf2", "conf2/deep/secrets/token"), ("mv conf/deep conf/d2", "conf/d2/secrets/token"), ("rm k/away", "../keys/id"), ("mv k k2", "../keys/id")] {
            let moved = ws.ring_sh(script).run();
            assert_ne!(moved.code(), 0, "{script}: {moved}");
            let read = ws.ring(["cat", path]).run();
            assert!(read.out().is_empty() && read.code() != 0, "{script}: {read}");
        }
        ws.ring_sh("touch conf/deep/new k/new").run().ok();
        assert_eq!(ws.bare_sh("mv conf conf2; cat conf2/deep/secrets/token").ok(), "SECRET");
    }

    /// A granted socket is connected to, and no more: its mode is its server's.
    a_granted_socket_is_not_changed needs ["userns", "tool:python3"] |ws| {
        let serve = "import os, socket, sys\ns = socket.socket(socket.AF_UNIX); s.bind('../sock/s'); os.chmod('../sock/s', 0o600); s.listen(); open('up', 'w')\nc, _ = s.accept(); c.sendall(b'hello'); c.close()";
        ws.dir("../sock");
        let server = ws.bare(["python3", "-c", serve]).start();
        ringfence_e2e::until("it listens", || ws.has("up"));
        let connect = "import socket\ns = socket.socket(socket.AF_UNIX); s.connect('../sock/s'); print(s.recv(9).decode())";
        let refused = ws.ring(["chmod", "666", "../sock/s"]).flags(["--socket", "../sock/s"]).run();
        assert!(refused.err().contains("Read-only file system"), "{refused}");
        assert_eq!(ws.ring(["python3", "-c", connect]).flags(["--socket", "../sock/s"]).ok(), "hello");
        server.wait().ok();
        assert_eq!(ws.bare_sh("stat -c %a ../sock/s; chmod 666 ../sock/s; stat -c %a ../sock/s").ok(), "600\n666");
    }

    a_mistyped_path_to_hide_is_told needs [] |ws| {
        ws.file("../secret/f", "SECRET");
        let told = ws.ring(["true"]).flags(["--hide", "../secret", "--hide", "../secert"]).run().ok();
        assert_eq!(told.err().lines().count(), 1, "{told}");
        assert!(told.err().contains("secert: nothing is there to be hidden"), "{told}");
    }

    a_mistyped_path_to_read_is_told needs ["userns"] |ws| {
        let told = ws.ring(["true"]).flags(["--read", "mnimal"]).run().ok();
        assert!(told.err().contains("mnimal: nothing is there to be read"), "{told}");
        assert_eq!(ws.ring(["true"]).flags(["--read", "minimal"]).run().ok().err(), "");
    }

    /// Stricter than the words, and said.
    a_root_that_cannot_be_written_is_told needs ["userns"] |ws| {
        ws.file("../other/f", "x");
        ws.file("../home/.ssh/id", "SECRET");
        let told = ws.ring(["true"]).flags(["--mode", "read-only", "--write", "../other"]).run().ok();
        assert!(told.err().ends_with("other: nothing can be written, the mode is read-only (flag --mode)"), "{told}");
        let ssh = ws.at("../home/.ssh").display().to_string();
        let told = ws.ring(["cat", &format!("{ssh}/id")]).flags(["--write", &ssh]).run();
        assert!(told.code() != 0 && told.err().contains("neither read nor written; --reveal hide.ssh shows it"), "{told}");
        assert_eq!(ws.ring(["true"]).flags(["--write", "../other"]).run().ok().err(), "");
        let told = ws.ring(["true"]).flags(["--pass-env", "AN_X", "--drop-env", "AN_*"]).run().ok();
        assert!(told.err().ends_with("--pass-env AN_X: it is dropped (flag --drop-env), which is stronger"), "{told}");
    }

    /// The place is the directory's, which nobody wrote a line for.
    a_write_root_that_cannot_be_entered needs ["userns"] |ws| {
        if !ws.person.is_root() {
            ws.bare_sh("mkdir ../zero && chmod 0 ../zero").ok();
            let refused = ws.ring(["true"]).flags(["--write", "../zero"]).run().exits(125);
            assert!(refused.err().contains("chmod u+rwx") && !refused.err().contains("remove the line"), "{refused}");
        }
    }

    /// One line, since nobody can mend what lacks in there, nor need.
    a_ring_in_a_ring_is_refused_in_a_line needs ["userns"] |ws| {
        let program = &ringfence_e2e::binaries().ringfence;
        let done = ws.ring([program.as_os_str(), "run".as_ref(), "true".as_ref()]).run().exits(125);
        assert!(done.err().lines().count() == 1 && done.err().contains("run the command as it is"), "{done}");
    }

    secrets_are_hidden needs [] |ws| {
        for secret in [".ssh/id_ed25519", ".ssh/id_rsa", ".aws/credentials", ".gnupg/private", ".netrc", ".git-credentials", ".config/gh/hosts.yml", ".npmrc", ".pypirc", ".cargo/credentials.toml", ".docker/config.json", ".kube/config", ".bash_history", ".claude/.credentials.json", ".codex/auth.json"] {
            ws.file(&format!("../home/{secret}"), "SECRET");
            let done = ws.ring_sh(&format!("cat ~/{secret}")).run();
            assert!(done.code() != 0 && !done.out().contains("SECRET"), "{done}");
            assert_eq!(ws.bare_sh(&format!("cat ~/{secret}")).ok(), "SECRET");
        }
        ws.file("../home/.ssh/known_hosts", "host");
        ws.file("../home/.ssh/config", "conf");
        assert_eq!(ws.ring_sh("cat ~/.ssh/known_hosts ~/.ssh/config").ok(), "hostconf");
    }

    /// What a link in a hidden directory leads to is the secret, wherever it lies (`~/.ssh/id -> ../dotfiles/key`).
    what_links_in_hidden_directories_lead_to_is_hidden needs [] |ws| {
        let link = |to: &str, at: &str| ws.bare_sh(&format!("mkdir -p ~/$(dirname {at}) && ln -s {to} ~/{at}")).ok();
        let work = ws.path().display().to_string();
        for (at, text) in [("dot/key", "KEY"), ("dot/hosts", "HOSTS"), ("dot/gnupg/private", "GNUPG"), ("dot/aws/credentials", "AWS"), ("dot/more/token", "TOKEN"), ("dot/other", "OTHER")] {
            ws.file(&format!("../home/{at}"), text);
        }
        for (at, text) in [("own.key", "OWN"), ("own.conf", "CONF"), ("../away/key", "AWAY"), ("../away/open", "OPEN")] {
            ws.file(at, text);
        }
        ws.file("keys/id", "KEYS");
        ws.bare_sh("chmod 600 own.key ../away/key; chmod 700 keys").ok();
        link(&format!("{work}/keys"), ".ssh/keys");
        // By a link, by two, in a directory, in a hidden directory that is itself a link, in a directory that a link leads to.
        link("../dot/key", ".ssh/id_ed25519");
        link("../between", ".ssh/id_two");
        link("dot/gnupg/private", "between");
        link("dot/aws", ".aws");
        link("../more", "dot/aws/more");
        link("../../../away/key", "dot/more/away");
        link(&format!("{work}/own.key"), ".ssh/own.key");
        let secrets = ["~/dot/key", "~/dot/gnupg/private", "~/dot/aws/credentials", "~/dot/more/token", "../away/key", "own.key", "keys/id"];
        // What is kept in a hidden directory, what everybody may read, what a repository has, where the work goes on.
        link("../dot/hosts", ".ssh/known_hosts");
        link("../../away/open", ".ssh/open");
        link(&format!("{work}/own.conf"), ".ssh/config.d");
        link(&work, ".ssh/work");
        link("../../..", ".ssh/above");
        let others = ["~/dot/hosts", "~/dot/other", "../away/open", "own.conf", "~/.ssh/known_hosts"];
        for path in secrets {
            let done = ws.ring_sh(&format!("cat {path}")).run();
            assert!(done.code() != 0 && done.out().is_empty(), "{path}: {done}");
            assert!(!ws.bare_sh(&format!("cat {path}")).ok().is_empty(), "{path}");
        }
        for path in others {
            assert!(!ws.ring_sh(&format!("cat {path}")).ok().is_empty(), "{path}");
        }
        // Nor by another way to it.
        let away = ws.ring_sh("cat ~/.ssh/id_ed25519 ~/between ~/.aws/credentials; mv own.key moved; cat own.key moved; cp -r ~/dot .; cat dot/key dot/more/token").run();
        assert!(away.out().is_empty(), "{away}");
        assert_eq!(ws.ring_sh("cat ~/dot/key").flags(["--reveal", "hide.ssh"]).ok(), "KEY");
        let key = ws.path().join("../home/dot/key").canonicalize().unwrap();
        let why = ws.ringfence(["why".as_ref(), key.as_os_str()]).run();
        let why = format!("{}{}", why.out(), why.err());
        assert!(why.contains(".ssh/id_ed25519 leads to it, and is hidden") && why.contains("--reveal hide.ssh"), "{why}");
    }

    read_minimal needs [] |ws| {
        ws.file("../home/notes", "NOTES");
        ws.file("../other/f", "OTHER");
        ws.file("here", "here");
        let done = ws.ring_sh("cat here; cat ~/notes ../other/f || true").flags(["--read", "minimal"]).run().ok();
        assert_eq!(done.out(), "here", "{done}");
        let done = ws.ring_sh("cat here ../other/f; cat ~/notes || true").flags(["--read", "../other"]).run().ok();
        assert_eq!(done.out(), "hereOTHER", "{done}");
    }

    network needs ["tool:bash"] |ws| {
        assert!(!connects(ws, &[]), "off by default");
        assert!(!connects(ws, &["--network", "off"]), "off");
        assert!(connects(ws, &["--network", "on"]), "on");
    }

    mode_read_only needs [] |ws| {
        ws.file("f", "old");
        ws.ring_sh("! echo x > f; ! echo x > new; echo x > /tmp/scratch && cat /tmp/scratch").flags(["--mode", "read-only"]).run().ok();
        assert_eq!(ws.read("f"), "old");
    }

    mode_full_access needs [] |ws| {
        ws.dir("../beside");
        let done = ws.ring_sh("echo x > ../beside/f").flags(["--mode", "full-access"]).run().ok();
        assert!(done.err().starts_with("ringfence: "), "not loud: {done}");
        assert_eq!(ws.read("../beside/f"), "x\n");
    }

    workspace_flag needs [] |ws| {
        ws.dir("inner");
        ws.ring_sh("echo x > inner/f; ! echo x > f; pwd").flags(["--workspace", "inner"]).run().ok();
        assert_eq!(ws.read("inner/f"), "x\n");
        assert!(!ws.has("f"));
    }

    limit_of_memory needs ["tool:python3"] |ws| {
        let eat = "x = bytearray(600 * 1024 * 1024); x[::4096] = b'1' * len(x[::4096]); print('ate')";
        assert_eq!(ws.ring(["python3", "-c", eat]).ok(), "ate");
        let done = ws.ring(["python3", "-c", eat]).flags(["--memory", "256MiB"]).run();
        assert!(done.code() != 0 && done.out() != "ate", "{done}");
    }

    limit_of_processes needs ["tool:python3"] |ws| {
        let fork = "import os\nkids = 0\ntry:\n    while kids < 100:\n        if os.fork() == 0:\n            import signal; signal.pause()\n        kids += 1\nexcept BlockingIOError: pass\nprint(kids)";
        assert_eq!(ws.ring(["python3", "-c", fork]).ok(), "100");
        // Without a cgroup of its own root's processes cannot be counted so low.
        if ws.person.is_root() {
            let refused = ws.ring(["true"]).flags(["--processes", "20"]).run();
            assert!(refused.code() == 0 || refused.err().contains("limits.processes"), "{refused}");
        }
        let accept = ["--processes", "20", "--json", "--accept", "limits.processes"];
        let done = ws.ring(["python3", "-c", fork]).flags(accept).run().ok();
        let report: serde_json::Value = serde_json::from_str(done.err().lines().last().unwrap()).unwrap();
        let short = report["shortfalls"].as_array().unwrap().iter().any(|s| s["promise"] == "limits.processes");
        let kids: u32 = done.out().parse().unwrap();
        assert!((1..=20).contains(&kids) || (short && ws.person.is_root()), "{done}");
    }

    /// What a ring has of the host's `/dev` can be hidden like anything else; what it has not is not there to be.
    devices_are_hidden needs ["userns"] |ws| {
        let read = "head -c 1 /dev/zero >/dev/null";
        ws.ring_sh(read).run().ok();
        let done = ws.ring_sh(read).flags(["--hide", "/dev/zero"]).run();
        assert_ne!(done.code(), 0, "{done}");
        assert!(done.err().contains("/dev/zero"), "{done}");
        ws.ring_sh(read).flags(["--hide", "/dev/shm"]).run().ok();
    }

    limit_of_output needs [] |ws| {
        let done = ws.ring(["yes"]).flags(["--output", "1MiB"]).run().exits(125);
        assert!(done.stdout.len() <= 1 << 20, "{} bytes came", done.stdout.len());
        assert!(done.err().starts_with("ringfence: "), "{}", done.err());
        let done = ws.ring_sh("head -c 1000 /dev/zero").flags(["--output", "1MiB"]).run().ok();
        assert_eq!(done.stdout.len(), 1000);
    }

    environment needs ["tool:env"] |ws| {
        let run = |flags: &[&str]| {
            ws.ring(["env"]).flags(flags.iter().copied())
                .env("AWS_SECRET_ACCESS_KEY", "abc").env("GITHUB_TOKEN", "def").env("MY_DB_PASSWORD", "ghi")
                .env("HARMLESS_LOOKING", format!("ghp_{}", "a1B2".repeat(9)))
                .env("SSH_AUTH_SOCK", "/tmp/agent").env("CI", "true").env("RUST_LOG", "debug").ok()
        };
        let has = |text: &str, name: &str| text.lines().any(|line| line.starts_with(&format!("{name}=")));
        let said = run(&[]);
        for secret in ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "MY_DB_PASSWORD", "HARMLESS_LOOKING", "SSH_AUTH_SOCK"] {
            assert!(!has(&said, secret), "{secret} came through");
        }
        for plain in ["CI", "RUST_LOG", "HOME", "PATH", "LANG", "TERM"] {
            assert!(has(&said, plain), "{plain} was lost");
        }
        assert!(has(&run(&["--pass-env", "GITHUB_TOKEN"]), "GITHUB_TOKEN"));
        assert!(!has(&run(&["--drop-env", "CI"]), "CI"));
    }

    /// A home that cannot be written to costs the private layers, and no more.
    read_only_home needs [] |ws| {
        let home = ws.dir("../home2");
        ws.file("../home2/.npm/x", "seen\n");
        ws.bare_sh(&format!("chmod 555 {}", home.display())).run().ok();
        let ring = |script: &str, flags: &[&str]| ws.ring_sh(script).env("HOME", &home).env("XDG_STATE_HOME", home.join("state")).flags(flags.iter().copied()).run();
        // There is no place for the ledger either, unless it is root's.
        let unrecorded = ring("true", &[]).exits(if ws.person.is_root() { 0 } else { 125 });
        assert_eq!(unrecorded.err().contains("--accept ledger"), !ws.person.is_root(), "{unrecorded}");
        let run = |script: &str| ring(script, &["--json", "--accept", "ledger"]).ok();
        // To root it can be written to all the same: then there are layers.
        let (script, told) = match ws.person.is_root() {
            true => ("cat ~/.npm/x; echo y > ~/.npm/y", false),
            false => ("cat ~/.npm/x; ! echo y > ~/.npm/y", true),
        };
        let done = run(script);
        assert!(done.out().contains("seen") && !home.join(".npm/y").exists(), "{done}");
        assert_eq!(done.err().contains("the cache of npm is read-only"), told, "{done}");
        ws.bare_sh(&format!("chmod 755 {}", home.display())).run().ok();
    }

    /// The user's caches are seen, written privately, and kept for the next ring of this workspace only.
    private_caches needs [] |ws| {
        ws.file("package.json", "{}");
        ws.file("../home/.npm/old", "old");
        let before = Tree::of(&[ws.at("../home/.npm")]);
        assert_eq!(ws.ring_sh("cat ~/.npm/old; echo new > ~/.npm/new; echo changed > ~/.npm/old").ok(), "old");
        assert_eq!(before.changes(&Tree::of(&[ws.at("../home/.npm")])), Vec::<String>::new());
        assert_eq!(ws.ring_sh("cat ~/.npm/new ~/.npm/old").ok(), "new\nchanged");
        ws.dir("../second");
        ws.file("../second/package.json", "{}");
        assert_eq!(ws.ring_sh("test ! -e ~/.npm/new; cat ~/.npm/old").dir(ws.at("../second")).ok(), "old");
        ws.ring_sh("! echo x > ~/.npm/none").flags(["--caches", "none"]).run().ok();
        ws.ring_sh("echo x > ~/.npm/shared").flags(["--caches", "shared"]).run().ok();
        assert_eq!(ws.read("../home/.npm/shared"), "x\n");
    }

    /// The ring's /tmp shows the host's files and keeps its own.
    private_tmp needs [] |ws| {
        let name = format!("e2e-{}-{}", ws.mark, ws.person.uid);
        let file = std::path::Path::new("/tmp").join(&name);
        std::fs::write(&file, "host").unwrap();
        ws.person.own(&file);
        let script = format!("cat /tmp/{name}; echo ring > /tmp/{name}; echo x > /tmp/{name}-new; cat /tmp/{name}");
        let said = ws.ring_sh(&script).env("TMPDIR", "/tmp").run();
        let host = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(said.ok().out(), "hostring");
        assert_eq!(host, "host");
        assert!(!file.with_file_name(format!("{name}-new")).exists());
    }

    /// An untrusted project file tightens at once, and widens only after `ringfence trust`, until it is edited.
    trust needs ["tool:bash"] |ws| {
        ws.file(".ringfence.toml", "mode = \"read-only\"\n");
        ws.ring_sh("! echo x > f").run().ok();
        ws.file(".ringfence.toml", "[network]\nmode = \"on\"\n");
        ws.ring(["true"]).run().exits(125);
        ws.ringfence(["trust", "--yes"]).run().ok();
        assert!(connects(ws, &[]), "trusted, and not widened");
        ws.file(".ringfence.toml", "[network]\nmode = \"on\"\n# edited\n");
        ws.ring(["true"]).run().exits(125);
    }

    explain_starts_nothing needs [] |ws| {
        ws.file("package.json", "{}");
        let before = Tree::of(&[&ws.base]);
        let done = ws.ring_sh("echo ran > ran").flags(["--explain"]).run().ok();
        assert!(done.out().contains("namespaces") && done.out().contains(&ws.path().display().to_string()), "{done}");
        assert_eq!(before.changes(&Tree::of(&[&ws.base])), Vec::<String>::new());
    }

    json_report needs [] |ws| {
        let done = ws.ring_sh("echo out; echo err >&2; exit 3").flags(["--json"]).run().exits(3);
        assert_eq!(done.out(), "out");
        let err = done.err();
        let report: serde_json::Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
        assert_eq!(report["exit_code"], 3);
        assert_eq!(report["ended"]["how"], "exited");
        assert!(["full", "partial"].contains(&report["enforcement"].as_str().unwrap()), "{report}");
        for shortfall in report["shortfalls"].as_array().unwrap() {
            assert!(shortfall["promise"].is_string() && shortfall["what"].is_string(), "{report}");
        }
        let done = ws.ring_sh("kill -TERM $$").flags(["--json"]).run().exits(143);
        let report: serde_json::Value = serde_json::from_str(done.err().lines().last().unwrap()).unwrap();
        assert_eq!((&report["ended"]["how"], &report["ended"]["value"]), (&"signalled".into(), &15.into()));
    }

    /// Also why there was none is data.
    json_report_of_what_did_not_run needs [] |ws| {
        ws.file("text", "no program\n");
        for (argv, flags, how, code) in [
            (["true"], vec!["--memory", "lots"], "", 125),
            (["no-such-program"], vec![], "not-found", 127),
            (["./text"], vec![], "not-executable", 126),
            (["true"], vec!["--write", "/no/such"], "failed", 125),
            (["true"], vec!["--linux-mode", "landlock-only"], "refused", 125),
        ] {
            let done = ws.ring(argv).flags(flags).flags(["--json"]).run().exits(code);
            if how.is_empty() {
                // Not understood, so that nobody knows whether --json was meant.
                continue;
            }
            let report: serde_json::Value = serde_json::from_str(done.err().lines().last().unwrap()).unwrap();
            assert_eq!((&report["ended"]["how"], &report["exit_code"]), (&how.into(), &code.into()), "{done}");
            assert!(!report["error"].as_str().unwrap().is_empty(), "{done}");
            assert_eq!(report["lacking"].as_array().unwrap().is_empty(), how != "refused", "{done}");
        }
        let plan: serde_json::Value = serde_json::from_str(&ws.ring(["true"]).flags(["--explain", "--json"]).ok()).unwrap();
        assert_eq!(plan["ring"], "namespaces");
        assert!(plan["steps"].as_array().unwrap().iter().any(|step| step["op"] == "no new privileges"), "{plan}");
    }

    /// Where nobody names a workspace it is the repository: commit and build write to its top.
    from_a_subdirectory needs ["tool:git"] |ws| {
        ws.bare_sh("git init -q . && mkdir -p a/b && echo one > a/b/one").run().ok();
        let commit = "git add one && git -c user.name=a -c user.email=a@b commit -qm one && echo top > ../../top && pwd";
        let done = ws.ring_sh(commit).dir(ws.at("a/b")).run().ok();
        assert_eq!(done.out(), ws.at("a/b").display().to_string());
        assert!(ws.has("top"));
        ws.ring_sh("! echo x > ../../.git/hooks/pre-commit").dir(ws.at("a/b")).run().ok();
        // Who wants less says so.
        ws.ring_sh("echo two > two; ! echo x > ../top").flags(["--workspace", "."]).dir(ws.at("a/b")).run().ok();
        assert_eq!(ws.read("top"), "top\n");
    }

    /// What a repository obeys is protected in a ring that holds only a part of it, and a `.git` made there
    /// to have one changes nothing.
    hooks_of_the_repository_around needs ["tool:git"] |ws| {
        ws.bare_sh("git init -q . && mkdir -p src/hooks && git config core.hooksPath src/hooks && git config include.path ../src/inc && : > src/inc").run().ok();
        let attack = "! { echo evil > hooks/pre-commit; } 2>/dev/null && ! { echo evil >> inc; } 2>/dev/null && ! mv hooks h 2>/dev/null && touch other";
        let run = |flags: &[&str]| ws.ring_sh(attack).flags(flags.iter().copied()).dir(ws.at("src")).run();
        run(&[]).ok();
        run(&["--workspace", "."]).ok();
        ws.ring_sh("mkdir .git").dir(ws.at("src")).run().ok();
        run(&[]).ok();
        ws.bare_sh("rm -r src/.git").run().ok();
        ws.ring_sh("git init -q .").dir(ws.at("src")).run().ok();
        run(&[]).ok();
        // The control: outside nothing stops it.
        ws.bare_sh("cd src && echo evil > hooks/pre-commit && echo evil >> inc").run().ok();
    }

    /// Where the caller stands is a project to editors and agents, and its policy holds.
    names_where_one_stands needs ["tool:git"] |ws| {
        ws.bare_sh("git init -q . && mkdir -p a/b/deploy && echo s > a/b/secret").run().ok();
        ws.file("a/.ringfence.toml", "[filesystem]\nprotect = [\"b/kept\"]\n");
        ws.file("a/b/.ringfence.toml", "[filesystem]\nhide = [\"secret\"]\nprotect = [\"deploy\"]\n");
        ws.file("a/b/.envrc", "old\n");
        ws.file("a/b/kept", "old\n");
        let script = "! cat secret; ! rm .ringfence.toml; ! rm ../.ringfence.toml; ! echo x > deploy/x; ! echo x > .envrc; ! echo x > kept; \
                      mkdir -p .claude; echo x > .claude/settings.json || :; echo x > .mcp.json; echo fine > fine";
        let done = ws.ring_sh(script).dir(ws.at("a/b")).run().ok();
        assert!(done.err().contains("a/b/.claude") && done.err().contains("a/b/.mcp.json"), "{done}");
        assert!(ws.has("a/b/fine") && !ws.has("a/b/.claude") && !ws.has("a/b/.mcp.json") && !ws.has("a/b/deploy/x"));
        assert_eq!((ws.read("a/b/.envrc"), ws.read("a/b/kept")), ("old\n".to_owned(), "old\n".to_owned()));
    }

    /// However it is named, it is one file; what lies further out is named to be trusted first.
    trust_by_any_name needs [] |ws| {
        ws.file(".ringfence.toml", "[network]\nmode = \"on\"\n");
        ws.file("sub/.ringfence.toml", "mode = \"read-only\"\n");
        for name in ["..", "../.ringfence.toml", "../sub/.."] {
            ws.ringfence(["trust", "--yes", name]).dir(ws.at("sub")).run().ok();
            ws.ring(["true"]).dir(ws.at("sub")).run().ok();
            ws.ringfence(["untrust", name]).dir(ws.at("sub")).run().ok();
            ws.ring(["true"]).dir(ws.at("sub")).run().exits(125);
        }
    }

    /// Trust is in a file at its place.
    a_link_to_a_trusted_file_is_not_trusted needs [] |ws| {
        ws.file(".ringfence.toml", "[network]\nmode = \"on\"\n");
        ws.ringfence(["trust", "--yes"]).run().ok();
        ws.ring(["true"]).run().ok();
        let other = ws.dir("../linked");
        std::os::unix::fs::symlink(ws.at(".ringfence.toml"), other.join(".ringfence.toml")).unwrap();
        ws.ring(["true"]).dir(&other).run().exits(125);
        ws.ringfence(["trust", "--yes"]).dir(&other).run().exits(125);
        ws.ring(["true"]).dir(&other).run().exits(125);
    }

    /// One further in does not lift what one further out asks for.
    project_files_above_hold needs [] |ws| {
        ws.file(".ringfence.toml", "mode = \"read-only\"\n");
        ws.file("sub/.ringfence.toml", "");
        for flags in [vec![], vec!["--workspace", "."]] {
            ws.ring_sh("! touch new").flags(flags).dir(ws.at("sub")).run().ok();
        }
        assert!(!ws.has("sub/new"));
    }

    /// The keys of the account stay hidden where `HOME` is another directory, which is no workspace either way.
    another_home needs [] |ws| {
        // The tests' own home is not the account's.
        let uid = ws.person.uid.to_string();
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let home = users.find(|user| user[2] == uid).unwrap()[5].to_owned();
        let made = ws.bare_sh(&format!("test -d {home}/.ssh || mkdir -m 700 {home}/.ssh; echo secret > {home}/.ssh/rf-test-key")).run();
        made.ok();
        let key = std::path::Path::new(&home).join(".ssh/rf-test-key");
        let read = format!("cat {}", key.display());
        let elsewhere = ws.dir("../elsewhere");
        let outside = ws.bare_sh(&read).env("HOME", &elsewhere).run();
        let inside = ws.ring_sh(&format!("! {read}")).env("HOME", &elsewhere).run();
        let refused = ws.ring(["true"]).env("HOME", &elsewhere).flags(["--workspace", &home]).run();
        // Its directory stays: a ring that another test is about to make has seen it, and hides it.
        ws.bare_sh(&format!("rm {}", key.display())).run().ok();
        assert_eq!(outside.ok().out(), "secret");
        inside.ok();
        assert!(refused.exits(125).err().contains("your home directory"));
    }

    /// What is hidden is written anew while the ring is made that hides it, as programs do all the time.
    what_is_replaced_meanwhile_is_looked_at_again needs ["userns"] |ws| {
        let policy = ws.file(".ringfence.toml", "[filesystem]\nhide = [\"../beside/secret\"]\n");
        ws.file("../beside/secret", "secret");
        let secret = ws.at("../beside/secret");
        // What it would read is anybody's guess: what is replaced after the ring was made is seen (docs/limits.md, 16).
        let looked_again = (0..500).any(|_| replacing::looked_again(&policy, &secret, || drop(ws.ring(["true"]).run().ok())));
        assert!(looked_again);
        ws.ring_sh("! cat ../beside/secret").run().ok();
        assert_eq!(ws.bare_sh("cat ../beside/secret").run().ok().out(), "anew");
    }

    /// A reader that leaves early is no reason to crash.
    own_output_through_a_pipe_that_closes needs ["tool:bash"] |ws| {
        for args in [vec!["run", "--explain", "--", "true"], vec!["--help"], vec!["policy", "show"], vec!["policy", "schema"]] {
            let (from, to) = std::io::pipe().unwrap();
            drop(from);
            let done = ws.ringfence(args).stdout(to).run();
            assert!(!done.err().contains("panicked"), "{done}");
        }
    }

    policy_verbs needs [] |ws| {
        ws.file(".ringfence.toml", "[filesystem]\nprotect = [\"deploy\"]\n");
        let shown = ws.ringfence(["policy", "show"]).run().ok();
        assert!(shown.out().contains("deploy") && shown.out().contains(".ringfence.toml:2"), "{shown}");
        ws.ringfence(["policy", "check"]).run().ok();
        let schema: serde_json::Value = serde_json::from_str(&ws.ringfence(["policy", "schema"]).ok()).unwrap();
        assert!(schema["properties"]["filesystem"].is_object() || schema["$ref"].is_string(), "{schema}");
        ws.file(".ringfence.toml", "wrong = 1\n");
        let done = ws.ringfence(["policy", "check"]).run().exits(1);
        assert!(done.err().contains(".ringfence.toml:1"), "{done}");
    }

    /// What a valid policy names and this machine has not is said where the policy is looked at, each with its line.
    what_is_not_there_is_said_before_a_command needs [] |ws| {
        ws.file("mine.toml", "[filesystem]\nwrite = [\"/nope\", \"/dev/null\"]\n\n[linux]\nsockets = [\"/etc/passwd\"]\n");
        let done = ws.ringfence(["policy", "check", "mine.toml"]).run().exits(1);
        let err = done.err();
        assert_eq!(err.lines().count(), 3, "{done}");
        for words in ["mine.toml:2: /nope", "mine.toml:2: /dev/null", "mine.toml:5: /etc/passwd"] {
            let (file, path) = words.split_once(": ").unwrap();
            assert!(err.lines().any(|line| line.contains(file) && line.contains(path)), "{words}: {done}");
        }
        ws.file(".ringfence.toml", "[filesystem]\nwrite = [\"../later\"]\n");
        let trusted = ws.ringfence(["trust", "--yes"]).run().ok();
        assert!(trusted.err().contains("no command is run with this") && trusted.err().contains("later"), "{trusted}");
        ws.ring(["true"]).run().exits(125);
        ws.ringfence(["policy", "check"]).run().exits(1);
        ws.dir("../later");
        ws.ringfence(["policy", "check"]).run().ok();
        ws.ring(["true"]).run().ok();
    }

    policy_init_does_not_overwrite needs [] |ws| {
        ws.ringfence(["policy", "init"]).run().ok();
        ws.ringfence(["policy", "check"]).run().ok();
        let text = std::fs::read_to_string(ws.at(".ringfence.toml")).unwrap();
        ws.file(".ringfence.toml", format!("{text}# mine\n"));
        ws.ringfence(["policy", "init"]).run().exits(125);
        assert_eq!(ws.read(".ringfence.toml"), format!("{text}# mine\n"));
        ws.ring(["true"]).run().ok();
    }

    doctor_and_the_rest needs [] |ws| {
        let done = ws.ringfence(["doctor"]).run().ok();
        assert!(done.out().to_lowercase().contains("landlock"), "{done}");
        // Nothing of its trial stays.
        let kept = std::fs::read_dir(ws.at("../state/ringfence/workspaces")).into_iter().flatten();
        assert_eq!(kept.count(), 0);
        assert!(ws.ringfence(["completions", "bash"]).ok().contains("ringfence"));
        assert!(ws.ringfence(["--version"]).ok().contains("ringfence"));
        assert!(ws.ringfence(["run", "--help"]).ok().contains("--workspace"));
    }
}
