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

    /// Files of the work tree that git runs by itself, or copies hooks from.
    programs_that_configuration_names needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.file("tools/clean", "#!/bin/sh\ncat\n");
        ws.file("tools/other", "#!/bin/sh\ncat\n");
        ws.file("template/hooks/post-checkout", "#!/bin/sh\n");
        ws.bare_sh("chmod +x tools/*; git config filter.t.clean ./tools/clean; git config --global init.templateDir \"$PWD/template\"").ok();
        for path in ["tools/clean", "template/hooks/post-checkout"] {
            let refused = ws.ring_sh(&format!("echo 'touch x' >> {path}")).run();
            assert!(refused.err().contains("Read-only file system"), "{path}: {refused}");
        }
        ws.ring_sh("echo 'touch x' >> tools/other").run().ok();
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

    /// Many are no place to hide one.
    more_repositories_than_are_looked_at needs ["tool:git", "tool:bash", "userns"] |outer| {
        let ws = &fresh(outer);
        tells(ws, "git init -q aaa; git -C aaa config core.fsmonitor x; for i in $(seq 300); do mkdir -p r$i/.git/objects r$i/.git/refs; echo 'ref: refs/heads/m' > r$i/.git/HEAD; done", "more than 256 repositories");
    }
}
