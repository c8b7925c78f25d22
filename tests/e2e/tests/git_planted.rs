//! What a command leaves for git outside and no mount could prevent is told when the command ends; what Ringfence cannot read
//! as git does is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Workspace, rings};

/// Long enough to be looked through at its end.
const LONG: &str = "sleep 0.4";

/// A home of its own, with a repository as its workspace.
fn fresh(ws: &Workspace) -> Workspace {
    let ws = Workspace::with_fresh_home(&ws.person, "planted");
    ws.repository(".");
    ws
}

/// What is said of the repositories that a command made.
fn told(ws: &Workspace, script: &str) -> String {
    let done = ws
        .ring(["bash", "-c", &format!("{script}\n{LONG}; true")])
        .run()
        .ok();
    let told = done.err();
    let told = told
        .lines()
        .filter(|line| line.contains("git runs programs by"));
    told.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn tells(ws: &Workspace, script: &str, word: &str) {
    let told = told(ws, script);
    assert!(
        told.contains(word),
        "{script}: {word} is not told: {told:?}"
    );
}

/// A repository without all that `git init` writes, which git takes for one.
const SHAPE: &str = "mkdir -p ev/objects ev/refs; cd ev; echo 'ref: refs/heads/main' > HEAD";

rings! {
    /// Each is one that git outside obeys; the first is the plain one.
    each_shape_of_a_repository_is_known needs ["tool:git", "tool:bash", "userns"] |outer| {
        let monitor = "printf '[core]\\nfsmonitor=touch x\\n'";
        for (script, word) in [
            ("git init -q ev; git -C ev config core.fsmonitor 'touch x'".to_owned(), "core.fsmonitor"),
            // A `.git` that is none beside a bare one.
            (format!("{SHAPE}; mkdir .git; {monitor} > config"), "core.fsmonitor"),
            // A branch not yet born, by a link.
            ("mkdir -p ev/objects ev/refs; cd ev; ln -s refs/heads/main HEAD; printf '[core]\\nsshCommand=x\\n' > config".to_owned(), "core.sshcommand"),
            // Objects and refs elsewhere, in a directory of the work tree.
            (format!("mkdir -p lib/objects lib/refs src; echo 'ref: refs/heads/main' > src/HEAD; echo ../lib > src/commondir; {monitor} > src/config.worktree"), "core.fsmonitor"),
            // Up to a NUL.
            (format!("git init -q ev; mkdir -p c; {monitor} > c/config; printf '../../c\\0z\\n' > ev/.git/commondir"), "core.fsmonitor"),
            // Another file for each program.
            ("git init -q ev; cd ev; mv .git/config e.cfg; ln -s /proc/self/cwd/e.cfg .git/config".to_owned(), "config (a link through /proc)"),
            ("git init -q ev; ln -s /proc/self/cwd/h.sh ev/.git/hooks/pre-commit".to_owned(), "hooks/pre-commit (a link through /proc)"),
            // One name to git.
            ("git init -q ev; printf '[filter.a \"b\"]\\nclean=x\\n' >> ev/.git/config".to_owned(), "filter.a.b.clean"),
            ("git init -q ev; git -C ev config gc.recentObjectsHook x".to_owned(), "gc.recentobjectshook"),
            ("git init -q ev; git -C ev config protocol.allow always".to_owned(), "protocol.allow"),
            ("git init -q ev; git -C ev config branch.main.remote 'ext::x'".to_owned(), "branch.main.remote"),
            ("git init -q ev; git -C ev config extensions.partialClone 'ext::x'".to_owned(), "extensions.partialclone"),
            ("git init -q ev; git -C ev config diff.tool ../x".to_owned(), "diff.tool"),
            ("git init -q ev; git -C ev config alias.st '-c core.fsmonitor=x status'".to_owned(), "alias.st"),
            ("git init -q ev; git -C ev config core.worktree \"$HOME\"".to_owned(), "core.worktree"),
            // `git push` runs hooks of a repository on this machine.
            ("git init -q ev; cd ev; git init -q --bare .git/x; echo > .git/x/hooks/pre-receive; chmod +x .git/x/hooks/pre-receive; git config remote.origin.url \"$PWD/.git/x\"".to_owned(), "hooks/pre-receive"),
            // Beside one that only looks like git's.
            (format!("{SHAPE}; mkdir -p .git/objects .git/refs; echo garbage > .git/HEAD; {monitor} > config"), "core.fsmonitor"),
            ("git init -q ev; git -C ev config rebase.instructionFormat '%s%nexec x'".to_owned(), "rebase.instructionformat"),
            ("git init -q ev; git -C ev config alias.st 'fetch --upload-pack=x .'".to_owned(), "alias.st"),
            ("git init -q ev; git -C ev config http.saveCookies true".to_owned(), "http.savecookies"),
            ("git init -q ev; mkdir ev/.git/remotes; echo 'URL: ext::x' > ev/.git/remotes/origin".to_owned(), "remotes/origin"),
            ("git init -q ev; git -C ev config core.worktree ../..".to_owned(), "core.worktree"),
            ("git init -q ev; git -C ev config core.worktree ../../missing".to_owned(), "core.worktree"),
            ("git init -q ev; ln -s src lnk; mkdir src; git -C ev config core.worktree ../../lnk".to_owned(), "core.worktree"),
            ("git init -q --bare ev/.git/x.git; git init -q ev; git -C ev/.git/x.git config core.fsmonitor x".to_owned(), "core.fsmonitor"),
            // In the repository that is known: what git writes through, and what it writes.
            ("ln -sf config .git/COMMIT_EDITMSG".to_owned(), "COMMIT_EDITMSG (a link"),
            ("ln -s ../../rc .git/FETCH_HEAD".to_owned(), "FETCH_HEAD (a link"),
            ("rm -rf .git/logs/HEAD; ln -s ../../../rc .git/logs/HEAD".to_owned(), "logs/HEAD (a link"),
            // Wherever it leads as yet.
            ("echo n > work.txt; ln -sf ../work.txt .git/COMMIT_EDITMSG".to_owned(), "COMMIT_EDITMSG (a link"),
            ("ln -sf /proc/self/cwd/t .git/COMMIT_EDITMSG".to_owned(), "COMMIT_EDITMSG (a link"),
            ("mkdir -p .git/logs/refs/heads/feat; ln -sf ~/rc .git/logs/refs/heads/feat/x".to_owned(), "logs/refs/heads/feat/x (a link"),
            ("mkdir -p .git/refs/heads .git/logs/refs; ln -s ~/d .git/refs/heads/feat; ln -s ~/d .git/logs/refs/stash".to_owned(), "refs/heads/feat (a link"),
            ("ln -s ~/d .git/objects/pack/x; ln -s ~/d .git/objects/ab".to_owned(), "objects/ab (a link"),
            ("rm -f .git/logs/HEAD; mkdir -p .git/logs; ln -s refs/../../../../newrc .git/logs/HEAD".to_owned(), "logs/HEAD (a link"),
            ("mkdir -p .git/x/worktrees; ln -s x/worktrees .git/worktrees".to_owned(), "worktrees (a link"),
            ("ln -s /proc/self/cwd/x .git/y; mkdir -p .git/modules; ln -s /proc/self/cwd/x .git/modules/a".to_owned(), "modules/a (a link"),
            // By what a file says, which is another for each program.
            ("mkdir -p sub good/objects good/refs; echo 'ref: refs/heads/m' > good/HEAD; ln -s good L; echo 'gitdir: /proc/self/cwd/L' > sub/.git; git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub".to_owned(), "sub: git runs programs by: .git (leads"),
            ("git init -q ev; echo /proc/self/cwd/L > ev/.git/commondir".to_owned(), "commondir (leads"),
            ("git init -q ev; git -C ev config remote.origin.url /proc/self/cwd/L/r".to_owned(), "remote.origin.url"),
            ("mkdir -p .git/modules zz; git init -q --bare zz/e; git -C zz/e config core.fsmonitor x; ln -s ../../zz/e .git/modules/sub".to_owned(), "core.fsmonitor"),
        ] {
            let ws = &fresh(outer);
            tells(ws, &script, word);
        }
        // What a command makes every day is not told.
        let ws = &fresh(outer);
        ws.repository("../from");
        assert_eq!(told(ws, "git init -q a; git clone -q ../from b; git clone -q ./b c; git worktree add -q w; git init -q --bare d; git -C c config alias.st status"), "");
    }

    what_cannot_be_listed_is_told_and_then_refused needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository("../part");
        // Root lists what it likes outside, and in a ring what is its own.
        if !ws.person.is_root() {
            tells(ws, "git init -q ev; chmod 0311 ev/.git/hooks", "hooks (cannot be listed)");
            for (make, dir) in [("git worktree add -q ~/elsewhere", "worktrees"), ("git -c protocol.file.allow=always submodule --quiet add ../part sub", "modules")] {
                ws.bare_sh(make).ok();
                tells(ws, &format!("chmod 0311 .git/{dir}"), &format!("{dir} (cannot be listed)"));
                let refused = ws.ring(["true"]).run().exits(125);
                assert!(refused.err().contains(&format!(".git/{dir} cannot be listed")) && refused.err().contains("chmod u+rwx"), "{refused}");
                ws.bare_sh(&format!("chmod 0755 .git/{dir}")).ok();
                ws.ring(["true"]).run().ok();
            }
        }
    }

    /// `git submodule update` takes what stands there for the submodule's.
    git_directories_of_submodules_to_come needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository("../part");
        let plant = |name: &str| format!("mkdir -p .git/modules; git init -q --bare .git/modules/{name}; echo > .git/modules/{name}/hooks/post-checkout; chmod +x .git/modules/{name}/hooks/post-checkout");
        tells(ws, &plant("sub"), "modules/sub/hooks/post-checkout");
        // By names that git itself uses in another place.
        ws.bare_sh("git -c protocol.file.allow=always submodule --quiet add ../part hooks/s").ok();
        let refused = ws.ring_sh("echo > .git/modules/hooks/s/hooks/post-checkout").run();
        assert!(refused.code() != 0 && refused.err().contains("Read-only file system"), "{refused}");
    }

    configuration_of_linked_worktrees needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.bare_sh("git config extensions.worktreeConfig true; git worktree add -q ~/elsewhere; mkdir hk
                    git -C ~/elsewhere config --worktree core.hooksPath \"$PWD/hk\"").ok();
        // What it names is protected as what the repository's names.
        let refused = ws.ring_sh("echo > hk/pre-commit").run();
        assert_ne!(refused.code(), 0, "{refused}");
        ws.bare_sh("git -C ~/elsewhere config --worktree --unset core.hooksPath; rm .git/worktrees/elsewhere/config.worktree").ok();
        assert_eq!(told(ws, "cp -a .git/worktrees/elsewhere .git/objects/zz; printf '[core]\\nfsmonitor=x\\n' > .git/objects/zz/config.worktree; rm -rf .git/worktrees/elsewhere"), "");
        tells(ws, "mkdir -p .git/worktrees; mv .git/objects/zz .git/worktrees/elsewhere", "worktrees/elsewhere/config.worktree (core.fsmonitor)");
    }

    /// One setting means a directory in each work tree, those to come as well.
    hooks_of_work_trees_to_come needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.file(".gh/pre-commit", "#!/bin/sh\n");
        ws.bare_sh("chmod +x .gh/*; git add .gh; git commit -q -m hooks; git config core.hooksPath .gh").ok();
        assert_eq!(told(ws, "git worktree add -q .wt/a"), "");
        tells(ws, "git worktree add -q .wt/b; echo 'touch x' >> .wt/b/.gh/pre-commit", ".gh/pre-commit");
        let short = ws.ring_sh("git worktree add -q .wt/c; echo 'touch x' >> .wt/c/.gh/pre-commit").run().ok();
        assert!(short.err().contains(".gh/pre-commit"), "{short}");
        ws.bare_sh("git config --unset core.hooksPath; git config --global core.hooksPath .gh").ok();
        tells(ws, "git init -q ev; mkdir ev/.gh; echo > ev/.gh/pre-commit; chmod +x ev/.gh/pre-commit", ".gh/pre-commit");
    }

    /// Paths as git expands them, and files that git reads where it was installed.
    paths_of_gits_own needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        let user = ws.bare_sh("id -un").ok();
        let home = ws.bare_sh(&format!("echo ~{}", user.trim())).ok();
        let up = "../".repeat(home.trim().split('/').count());
        let own = ws.path().display().to_string();
        let from_home = format!("~{}/{up}{}", user.trim(), own.trim_start_matches('/'));
        for name in ["core.hooksPath", "include.path"] {
            ws.bare_sh(&format!("git config {name} '{from_home}/hk'")).ok();
            ws.ring_sh("echo > hk; sleep 0.1").run();
            assert!(!ws.has("hk"), "{name}");
            ws.bare_sh("rm -f hk.from-ring*").ok();
            ws.bare_sh(&format!("git config {name} '%(prefix)/{up}hk'")).ok();
            let refused = ws.ring(["true"]).run().exits(125);
            assert!(refused.err().contains("%(prefix)"), "{refused}");
            ws.bare_sh(&format!("git config --unset {name}")).ok();
        }
        ws.file("../opt/etc/gitconfig", format!("[core]\nhooksPath = {own}/hk\n"));
        ws.dir("../opt/bin");
        ws.bare_sh("ln -s \"$(command -v git)\" ../opt/bin/git").ok();
        let path = format!("{}:{}", ws.path().join("../opt/bin").canonicalize().unwrap().display(), ws.person.var("PATH").unwrap_or("/usr/bin:/bin"));
        ws.ring_sh("echo > hk").env("PATH", path).run();
        assert!(!ws.has("hk"));
    }

    /// Git does not verify what an index names that it only reads.
    an_index_that_git_would_not_have_made needs ["tool:git", "tool:bash", "tool:python3", "userns"] |outer| {
        let ws = &fresh(outer);
        let forge = "import hashlib, struct, sys\nd = open('.git/index', 'rb').read()[:-20]\nn = struct.unpack('>I', d[8:12])[0]\np = sys.argv[1].encode()\n\
                     e = struct.pack('>10I', 0, 0, 0, 0, 0, 0, 0o100755, 0, 0, 0) + bytes.fromhex(sys.argv[2]) + struct.pack('>H', len(p)) + p\ne += bytes(8 - len(e) % 8)\n\
                     h = d[:8] + struct.pack('>I', n + 1)\nd = h + e + d[12:] if p < b'a' else h + d[12:] + e\nopen('.git/index', 'wb').write(d + hashlib.sha1(d).digest())\n";
        for path in [".git/hooks/post-checkout", "../outside.sh", ".GIT/config"] {
            ws.ring(["bash", "-c", &format!("git reset -q; rm -f f; echo x > f; git add f; python3 -c \"$0\" {path} $(git hash-object -w f); {LONG}"), forge]).run().ok();
            let told = ws.ring(["bash", "-c", &format!("touch .git/index; {LONG}")]).run().ok();
            assert!(told.err().contains(&format!("index ({path}")), "{path}: {told}");
        }
        // A sparse index, and a split one, are git's.
        let ws = &fresh(outer);
        ws.bare_sh("mkdir -p a/b; echo x > a/b/f; git add a; git commit -q -m a; git sparse-checkout set --sparse-index nothing 2> /dev/null || true").ok();
        assert_eq!(told(ws, "git update-index --refresh; git status; touch .git/index"), "");
        let ws = &fresh(outer);
        assert_eq!(told(ws, "echo x > a; git add a; git update-index --split-index; echo y > a; git add a; touch .git/index"), "");
    }

    /// Git goes by the length that is written before a name, and not by its end.
    names_in_an_index_that_end_twice needs ["tool:git", "tool:bash", "tool:python3", "userns"] |outer| {
        let forge = "import hashlib, struct, sys\ndef e(mode, name, length=None):\n    b = struct.pack('>10I', 0, 0, 0, 0, 0, 0, mode, 0, 0, 0) + bytes.fromhex(sys.argv[1]) + struct.pack('>H', length or len(name)) + name\n    return b + bytes(8 - len(b) % 8)\n\
                     def hidden(name):\n    first = e(0o100644, b'a')\n    return e(0o100644, first[62:] + e(0o100644, b'b') + name)\n\
                     d = b'DIRC' + struct.pack('>II', 2, 2) + hidden(b'') + e(0o100755, b'.git/hooks/post-checkout')\nopen('.git/index', 'wb').write(d + hashlib.sha1(d).digest())\n";
        let ws = &fresh(outer);
        let planted = ws.ring(["bash", "-c", &format!("echo x > f; python3 -c \"$0\" $(git hash-object -w f); {LONG}"), forge]).run().ok();
        assert!(planted.err().contains("which git would write"), "{planted}");
    }

    /// The work tree may lie where no command writes; its index lies in the repository.
    indices_of_linked_worktrees needs ["tool:git", "tool:bash", "userns"] |outer| {
        for format in ["sha1", "sha256"] {
            let ws = &Workspace::with_fresh_home(&outer.person, "planted");
            ws.bare_sh(&format!("git init -q --object-format={format} -b main; echo x > f; git add f; git commit -q -m x; git worktree add -q ~/elsewhere
                                 for i in $(seq 100); do echo $i > ~/elsewhere/g$i; done")).ok();
            let quiet = ws.ring_sh("cd ~/elsewhere; git add f; git status -s > /dev/null; true");
            assert!(!quiet.run().ok().err().contains("git would write"), "{format}");
            // As a command plants it: what git itself would refuse is put there by other means.
            let planted = ws.ring_sh("export GIT_INDEX_FILE=$PWD/.git/worktrees/elsewhere/index; h=$(git rev-parse HEAD:f); git update-index --add --cacheinfo 100755,$h,zz/victim
                                      sed -i 's:zz/victim:../victim:' \"$GIT_INDEX_FILE\"; sleep 0.1").run().ok();
            assert!(planted.err().contains("worktrees/elsewhere/index (../victim"), "{format}: {planted}");
        }
    }

    /// An index that nobody changed has what the list of submodules had.
    a_list_of_submodules_that_is_gone needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository("../part");
        ws.bare_sh("git -c protocol.file.allow=always submodule --quiet add ../part sub; git commit -q -m sub; git submodule --quiet deinit --all; rm -rf .git/modules; git update-index -q --refresh; sleep 0.2").ok();
        let plant = "git init -q sub; git -C sub config core.fsmonitor x;";
        for gone in ["true", "rm .gitmodules", "echo > .gitmodules"] {
            let short = ws.ring_sh(&format!("{plant} {gone}")).run().ok();
            assert!(short.err().contains("core.fsmonitor"), "{gone}: {short}");
            ws.bare_sh("rm -rf sub/.git; git checkout -q .gitmodules; sleep 0.2").ok();
        }
    }

    /// Links that were there before are the person's, and what holds the same again is no other program.
    what_was_there_is_not_told needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.file("githooks/pre-commit", "#!/bin/sh\n");
        ws.file("tools/clean", "#!/bin/sh\ncat\n");
        ws.file("store", "");
        ws.bare_sh("chmod +x githooks/* tools/*; git add .; git commit -q -m x; rm -rf .git/hooks; ln -s ../githooks .git/hooks; mkdir ~/lfs; ln -s ~/lfs .git/lfs
                    git config filter.t.clean ./tools/clean; git config credential.helper store; git config filter.lfs.clean 'git-lfs clean -- %f'; sleep 0.3").ok();
        assert_eq!(told(ws, "git status; echo y > g; git add g; git commit -q -m y; touch tools/clean; echo z > tools/clean; git checkout -q tools; echo more > store"), "");
    }

    /// A linked worktree has git directories of submodules of its own.
    submodules_of_linked_worktrees needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository("../part");
        ws.bare_sh("git -c protocol.file.allow=always submodule --quiet add ../part sub; git commit -q -m sub; git worktree add -q ~/elsewhere
                    cd ~/elsewhere; git -c protocol.file.allow=always submodule --quiet update --init").ok();
        let refused = ws.ring_sh("echo > .git/worktrees/elsewhere/modules/sub/hooks/post-checkout").run();
        assert!(refused.err().contains("Read-only file system"), "{refused}");
        let plant = "mkdir -p .git/worktrees/elsewhere/modules; git init -q --bare .git/worktrees/elsewhere/modules/new; git -C .git/worktrees/elsewhere/modules/new config core.fsmonitor x";
        tells(ws, plant, "modules/new/core.fsmonitor");
    }

    /// Also where the workspace is no repository.
    what_the_persons_configuration_names needs ["tool:git", "userns"] |outer| {
        let ws = &Workspace::with_fresh_home(&outer.person, "planted");
        ws.file("hooks/pre-commit", "#!/bin/sh\n");
        ws.bare_sh("chmod +x hooks/*; git config --global core.hooksPath \"$PWD/hooks\"").ok();
        let refused = ws.ring_sh("echo 'touch x' >> hooks/pre-commit").run();
        assert!(refused.err().contains("Read-only file system"), "{refused}");
    }

    /// Files of the work tree that git runs by itself, or copies hooks from.
    programs_that_configuration_names needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.file("tools/clean", "#!/bin/sh\ncat\n");
        ws.file("tools/other", "#!/bin/sh\ncat\n");
        ws.file("template/hooks/post-checkout", "#!/bin/sh\n");
        ws.bare_sh("chmod +x tools/*; git add tools; git commit -q -m tools; git config --global init.templateDir \"$PWD/template\"").ok();
        let refused = ws.ring_sh("echo 'touch x' >> template/hooks/post-checkout").run();
        assert!(refused.err().contains("Read-only file system"), "{refused}");
        // Work goes on in the others: that one was changed is told.
        for (name, program, script) in [
            ("filter.t.clean", "./tools/clean %f", "echo 'touch x' >> tools/clean"),
            ("filter.t.clean", "sh clean.sh", "echo 'touch x' > clean.sh"),
            ("pager.log", "\"$PWD\"/tools/clean", "echo 'touch x' >> tools/clean"),
            ("interactive.diffFilter", "X=1;(./tools/clean)", "echo 'touch x' >> tools/clean"),
            ("gpg.ssh.defaultKeyCommand", "sh -c \"tools/clean -q\"", "chmod u-x tools/clean; chmod u+x tools/clean; echo >> tools/clean"),
            ("core.pager", "less --lesskey-src=./build/my", "mkdir build; echo 'touch x' > build/my"),
            ("core.editor", "$(git rev-parse --show-toplevel)/tools/clean", "echo 'touch x' >> tools/clean"),
            ("diff.x.textconv", "./build/conv", "mkdir build; echo 'touch x' > build/conv"),
        ] {
            ws.bare_sh(&format!("git config {name} '{program}'")).ok();
            assert_eq!(told(ws, "echo 'touch x' >> tools/other"), "");
            tells(ws, script, "configuration that names this file");
            ws.bare_sh(&format!("git config --unset {name}; git checkout -q tools; rm -rf build clean.sh")).ok();
            ws.ring(["true"]).run().ok();
        }
        // By the person's own, in a work tree to come.
        ws.bare_sh("git config filter.t.clean ./tools/clean").ok();
        assert_eq!(told(ws, "git worktree add -q .wt/a"), "");
        tells(ws, "git worktree add -q .wt/b; echo 'touch x' >> .wt/b/tools/clean", "tools/clean");
    }

    /// What counts is what is protected, and still that: not what only leads there, nor what was.
    what_is_known_and_not_protected_is_looked_at needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        assert_eq!(told(ws, "mkdir x; git init -q x/hooks"), "");
        tells(ws, "mkdir x/objects x/refs; printf '[user]\\nname=x\\n' > x/config; echo > x/hooks/pre-commit; chmod +x x/hooks/pre-commit; git init -q ev; echo ../../x > ev/.git/commondir", "hooks/pre-commit");
        // A directory that was a repository, in a command of no time.
        let ws = &fresh(outer);
        ws.ring_sh(&format!("git init -q sub; {LONG}; {LONG}; rm -rf sub/.git")).run().ok();
        let short = ws.ring_sh("git init -q sub; git -C sub config core.fsmonitor 'touch x'").run().ok();
        assert!(short.err().contains("core.fsmonitor"), "{short}");
    }

    /// It is as old as that command by then, and new to the one that tells.
    what_a_short_command_made_is_told_by_the_next_that_has_the_time needs ["tool:git", "tool:bash", "userns"] |outer| {
        for (script, word) in [
            ("git init -q n; ln -s config n/.git/COMMIT_EDITMSG", "COMMIT_EDITMSG (a link"),
            ("git init -q n; cd n; touch xgit-config; git add xgit-config; sed -i s:xgit-config:.git/config: .git/index", ".git/config, which git would write"),
            // What becomes a git directory by a second command.
            ("git init -q n; mv n/.git x; rm x/config x/HEAD; ln -s ../f x/COMMIT_EDITMSG", ""),
        ] {
            let ws = &fresh(outer);
            told(ws, "true");
            ws.ring_sh(script).run().ok();
            ws.bare_sh("sleep 0.3").ok();
            let later = match word {
                "" => "mv x n/.git; echo 'ref: refs/heads/main' > n/.git/HEAD; printf '[core]\nbare = false\n' > n/.git/config",
                _ => "true",
            };
            tells(ws, later, if word.is_empty() { "COMMIT_EDITMSG (a link" } else { word });
        }
    }

    /// However a url says it, and however deep.
    remotes_that_are_spelled_otherwise needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        let make = |n: &str, at: &str, url: &str| format!("git init -q {n}; mkdir -p {n}/.git/objects/aa; git init -q --bare {n}/.git/objects/aa/{at}; git -C {n}/.git/objects/aa/{at} config core.fsmonitor x; printf '{url}' >> {n}/.git/config");
        let here = ws.path().display().to_string();
        for (n, at, url) in [
            ("a", "evil.git", "[remote \"o\"]\nurl = ./.git/objects/aa/evil\n".to_owned()),
            ("b", "evil", format!("[remote \"o\"]\nurl = file://{here}/b/.git/objects/aa/%%65vil\n")),
            ("c", "evil", "[remote \"o\"]\nurl = ~/../ws/c/.git/objects/aa/evil\n".to_owned()),
        ] {
            tells(ws, &make(n, at, &url), "core.fsmonitor");
        }
        tells(ws, &make("d", "evil", "[url \"./.git/\"]\ninsteadOf = https://example.com/r\n"), "url../.git/.insteadof");
        tells(ws, "git init -q e; mkdir -p e/.git/a/b; git init -q --bare e/.git/a/b/evil; git -C e/.git/a/b/evil config core.fsmonitor x", "core.fsmonitor");
    }

    /// Many are no place to hide one.
    more_repositories_than_are_looked_at needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        tells(ws, "git init -q aaa; git -C aaa config core.fsmonitor x; for i in $(seq 300); do mkdir -p r$i/.git/objects r$i/.git/refs; echo 'ref: refs/heads/m' > r$i/.git/HEAD; done", "more than 256 repositories");
    }
}
