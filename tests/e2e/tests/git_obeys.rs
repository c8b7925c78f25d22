//! What git outside the ring runs after a command inside has written what it could.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Workspace, rings};

/// The hook a command would have git run: it leaves a mark.
const HOOK: &str = "printf '#!/bin/sh\\necho x > \"$HOME/ran\"\\n'";

/// What the command tries; that it fails is what is hoped for.
fn attack(ws: &Workspace, script: &str) {
    let _refused = ws.ring(["sh", "-c", &format!("{script}; true")]).run();
}

/// Has git commit outside, in a work tree, and looks whether that ran anything.
fn commits_alone(ws: &Workspace, tree: &str) {
    ws.bare_sh("git commit -q --allow-empty -m after")
        .dir(ws.at(tree))
        .ok();
    nothing_ran(ws);
}

fn nothing_ran(ws: &Workspace) {
    assert!(!ws.person.home.join("ran").exists(), "the host ran it");
}

/// Makes what lies in a ring's home known to it: a fresh one, so that marks are this test's.
fn fresh(ws: &Workspace) -> Workspace {
    Workspace::with_fresh_home(&ws.person, "obeys")
}

rings! {
    hooks_that_are_links needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository(".");
        ws.file("scripts/pre-commit", "#!/bin/sh\n");
        ws.bare_sh("chmod +x scripts/pre-commit; ln -s ../../scripts/pre-commit .git/hooks/pre-commit").ok();
        // One that leads to what is not there yet.
        ws.bare_sh("ln -s ../../scripts/later .git/hooks/post-commit").ok();
        attack(ws, &format!("{HOOK} >> scripts/pre-commit; {HOOK} > scripts/later; chmod +x scripts/later"));
        commits_alone(ws, ".");
        // The whole directory, missing behind a link.
        ws.bare_sh("rm -r .git/hooks; ln -s ../tools/hooks .git/hooks; mkdir tools").ok();
        attack(ws, &format!("mkdir tools/hooks; {HOOK} > tools/hooks/pre-commit; chmod +x tools/hooks/pre-commit"));
        commits_alone(ws, ".");
    }

    /// What stands for a git directory (`commondir`) need not look like one.
    a_directory_that_stands_for_git needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository(".");
        let stands = "mkdir c; mv .git/objects .git/refs c; rm -rf .git/hooks .git/config; \
                      printf '[user]\nname=x\nemail=y\n' >c/config; echo ../c >.git/commondir";
        ws.bare_sh(stands).ok();
        attack(ws, &format!("mkdir -p c/hooks; {HOOK} > c/hooks/pre-commit; chmod +x c/hooks/pre-commit"));
        attack(ws, &format!("{HOOK} > fs; chmod +x fs; printf \"[core]\\nfsmonitor=$PWD/fs\\n\" >> c/config"));
        attack(ws, "mv c gone; cp -r gone c; printf '[core]\nhooksPath=x\n' >> c/config");
        ws.bare_sh("git status").run().ok();
        commits_alone(ws, ".");
    }

    husky needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository(".");
        ws.file(".husky/_/pre-commit", "#!/bin/sh\nsh -e \"$(dirname \"$(dirname \"$0\")\")/pre-commit\"\n");
        ws.file(".husky/pre-commit", "true\n");
        ws.bare_sh("chmod +x .husky/_/pre-commit; git config core.hooksPath .husky/_").ok();
        attack(ws, "echo 'echo x > \"$HOME/ran\"' >> .husky/pre-commit");
        commits_alone(ws, ".");
    }

    /// One setting means another directory in each work tree.
    hooks_of_worktrees_and_submodules needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        let with_hooks = |tree: &str| {
            ws.repository(tree);
            ws.file(&format!("{tree}/.gh/pre-commit"), "#!/bin/sh\n");
            ws.bare_sh("chmod +x .gh/*; git add .gh; git commit -q -m hooks").dir(ws.at(tree)).ok();
        };
        with_hooks("../main");
        ws.bare_sh("rmdir ws; cd main; git config core.hooksPath .gh; git worktree add -q ../ws").dir(ws.base.clone()).ok();
        attack(ws, &format!("{HOOK} > .gh/pre-commit"));
        commits_alone(ws, ".");
        ws.bare_sh("cd main; git worktree remove --force ../ws; mkdir ws").dir(ws.base.clone()).ok();
        with_hooks(".");
        ws.bare_sh("git config core.hooksPath .gh; git worktree add -q tree
                    git -c protocol.file.allow=always submodule --quiet add ../main sub; git -C sub config core.hooksPath .gh").ok();
        attack(ws, &format!("{HOOK} > tree/.gh/pre-commit; {HOOK} > sub/.gh/pre-commit"));
        commits_alone(ws, "tree");
        commits_alone(ws, "sub");
    }

    /// What makes a repository of a directory is moved away while it is looked for.
    repositories_out_of_sight needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository(".");
        ws.repository("../part");
        ws.bare_sh("git init -q --bare remote.git
                    git -c protocol.file.allow=always submodule --quiet add ../part sub; git commit -q -m sub; git submodule --quiet deinit sub").ok();
        ws.ring(["true"]).run().ok();
        // Long enough to be looked through once more.
        attack(ws, "mv remote.git/HEAD remote.git/H; mv .git/modules/sub/HEAD .git/modules/sub/H; sleep 1; mv remote.git/H remote.git/HEAD");
        attack(ws, &format!("mv .git/modules/sub/H .git/modules/sub/HEAD
            {HOOK} > remote.git/hooks/post-receive; chmod +x remote.git/hooks/post-receive
            {HOOK} > .git/modules/sub/hooks/post-checkout; chmod +x .git/modules/sub/hooks/post-checkout"));
        ws.bare_sh("git push -q remote.git main; git -c protocol.file.allow=always submodule --quiet update --init").ok();
        nothing_ran(ws);
    }

    bare_workspace_out_of_sight needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository("../main");
        ws.bare_sh("git init -q --bare .").ok();
        attack(ws, "mv HEAD H");
        attack(ws, &format!("mv H HEAD; {HOOK} > hooks/post-receive; chmod +x hooks/post-receive"));
        ws.bare_sh("git push -q ../ws main").dir(ws.at("../main")).ok();
        nothing_ran(ws);
    }

    /// Each place a git outside takes its configuration from.
    hooks_named_elsewhere needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository(".");
        ws.file("../home/.config/git/config", "[core]\nhooksPath = .one\n");
        attack(ws, &format!("mkdir .one; {HOOK} > .one/pre-commit; chmod +x .one/pre-commit"));
        commits_alone(ws, ".");
        ws.bare_sh("rm ~/.config/git/config; mkdir ../shared; git config core.hooksPath ../shared/hooks").ok();
        let script = format!("mkdir ../shared/hooks; {HOOK} > ../shared/hooks/pre-commit; chmod +x ../shared/hooks/pre-commit; true");
        let _refused = ws.ring(["sh", "-c", &script]).flags(["--write", "../shared"]).run();
        commits_alone(ws, ".");
        ws.bare_sh("printf '\\357\\273\\277[core]\\n\\trepositoryformatversion = 0\\n\\thooksPath = g\\\\\\nh\\n' > .git/config; test $(git config core.hooksPath) = gh").ok();
        attack(ws, &format!("mkdir gh; {HOOK} > gh/pre-commit; chmod +x gh/pre-commit"));
        commits_alone(ws, ".");
    }

    /// `git status` goes into each submodule: whoever uses git in the repository around is told.
    repositories_made_inside_are_told needs ["tool:git", "userns"] |outer| {
        let ws = &fresh(outer);
        ws.repository(".");
        ws.repository("../part");
        ws.file(".gitmodules", "[submodule \"told\"]\n\tpath = told\n\turl = ../part\n");
        let told = |script: &str| ws.ring_sh(script).run().ok().err();
        // Long enough for it to be known from then on.
        let said = told("git clone -q ../part clean && git add clean 2>&1; sleep 1");
        assert!(!said.contains("git runs programs by"), "{said}");
        let trap = "git init -q . && git commit -q --allow-empty -m x && git config core.fsmonitor 'echo x > $HOME/ran; false'";
        let said = told(&format!("mkdir vendor && cd vendor && {trap} && cd .. && git add vendor 2>&1"));
        assert!(said.contains("ws/vendor") && said.contains("core.fsmonitor"), "{said}");
        // Where a submodule is to be, and one in another.
        let said = told(&format!("mkdir told && cd told && {trap}"));
        assert!(said.contains("ws/told"), "{said}");
        let said = told("cd clean && git init -q deep && cd deep && git commit -q --allow-empty -m x && git config filter.a.smudge x && cd .. && git add deep 2>&1");
        assert!(said.contains("ws/clean/deep") && said.contains("filter.a.smudge"), "{said}");
        // Found by the look alongside; its owner's other repositories are no news.
        let said = told("git init -q far/away && cd far/away && git config alias.st '!x' && sleep 1");
        assert!(said.contains("ws/far/away") && said.contains("alias.st"), "{said}");
        // And after the last of those.
        let said = told("sleep 0.5; git init -q later && cd later && git config alias.st '!x'");
        assert!(said.contains("ws/later") && said.contains("alias.st"), "{said}");
        let said = ws.ring_sh("true").flags(["--json"]).run().ok().err();
        assert!(said.contains("\"made\":[]"), "{said}");
    }
}
