//! Git as people use it, bare and in the default ring.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fmt::Write;

use ringfence_e2e::{Input, Site, flows, git_status};

/// A repository beside the workspace with `count` small files in 100 directories, in one commit.
fn many_files(site: &Site, count: usize) {
    let mut stream = String::from(
        "blob\nmark :1\ndata 6\nsmall\n\ncommit refs/heads/main\ncommitter A Tester <tester@example.com> 1000000000 +0000\ndata 4\nall\n\n",
    );
    for n in 0..count {
        writeln!(stream, "M 100644 :1 d{:02}/f{n}", n % 100).unwrap();
    }
    site.outside("git init -q --bare -b main ../big").ok();
    let import = site
        .ws
        .bare(["git", "-C", "../big", "fast-import", "--quiet"]);
    import.input(Input::Bytes(stream.into_bytes())).run().ok();
}

flows! {
    /// The project's main job.
    clone needs ["tool:git"] |site| {
        site.ws.repository("../repo");
        site.run(["git", "clone", "../repo", "ws"]).run().ok();
        assert_eq!(site.ws.read("ws/README"), "read me\n");
        let said = site.run(["git", "-C", "ws", "log", "--format=%s"]).ok();
        assert_eq!(said, "first");
        // What was cloned inside is an ordinary repository outside.
        site.outside("git fsck --strict && git commit -q --allow-empty -m outside").dir(site.ws.at("ws")).ok();
    }

    daily_work needs ["tool:git"] |site| {
        site.ws.repository(".");
        site.sh("echo one >> README && git add README && git commit -q -m second
                 git switch -q -c topic && echo two > two && git add . && git commit -q -m two
                 git switch -q main && echo three > three && git add . && git commit -q -m three
                 git merge -q --no-edit topic
                 git tag v1 && git mv three drei && git commit -q -m moved && git revert --no-edit HEAD").run().ok();
        assert_eq!(site.outside("git rev-list --count HEAD").ok(), "7");
        assert_eq!(git_status(&site.ws, &site.ws.path()).lines().filter(|l| !l.starts_with('#')).count(), 0);
        site.outside("git fsck --strict").ok();
    }

    stash needs ["tool:git"] |site| {
        site.ws.repository(".");
        site.sh("echo changed > README && git stash -q && test \"$(cat README)\" = 'read me' && git stash pop -q").run().ok();
        assert_eq!(site.ws.read("README"), "changed\n");
    }

    rebase needs ["tool:git"] |site| {
        site.ws.repository(".");
        site.sh("git switch -q -c topic && echo t > t && git add . && git commit -q -m t
                 git switch -q main && echo m > m && git add . && git commit -q -m m
                 git switch -q topic && git rebase -q main
                 GIT_SEQUENCE_EDITOR='sed -i s/^pick/reword/' GIT_EDITOR='sed -i s/^t/reworded/' git rebase -q -i main").run().ok();
        assert_eq!(site.outside("git log --format=%s -n 2").ok(), "reworded\nm");
    }

    worktree needs ["tool:git"] |site| {
        site.ws.repository(".");
        site.sh("git worktree add -q -b side side && cd side && echo s > s && git add s && git commit -q -m side").run().ok();
        assert_eq!(site.outside("git log --format=%s -n 1 side --").ok(), "side");
        // In a ring only as long as no command has been told of it (docs/limits.md, 24).
        site.outside("git worktree remove side && git branch -q -D side").ok();
        assert!(!site.ws.has("side"));
    }

    /// A worktree whose repository stands elsewhere: only the worktree is the workspace.
    submodule needs ["tool:git"] |site| {
        site.ws.repository("../part");
        site.ws.repository("../whole");
        site.outside("git -c protocol.file.allow=always submodule --quiet add ../part part && git commit -q -m part")
            .dir(site.ws.at("../whole")).ok();
        site.run(["git", "-c", "protocol.file.allow=always", "clone", "-q", "--recurse-submodules", "../whole", "got"]).run().ok();
        assert_eq!(site.ws.read("got/part/README"), "read me\n");
        // An edit and a commit in the submodule and in what holds it, in a second ring.
        site.sh("cd got/part && git switch -q -c edit && echo more >> README && git commit -qam more
                 cd .. && git commit -qam bump").run().ok();
        assert_eq!(site.outside("git status --porcelain").dir(site.ws.at("got")).ok(), "");
    }

    housekeeping needs ["tool:git"] |site| {
        site.ws.repository(".");
        site.sh("for n in 1 2 3 4 5; do echo $n > f && git add f && git commit -q -m $n; done
                 git gc -q --prune=now && git repack -q -a -d && git fsck --strict && git reflog expire --expire=now --all").run().ok();
        assert_eq!(site.outside("git rev-list --count HEAD").ok(), "6");
    }

    /// What an agent does to look around: every command that only reads.
    reading needs ["tool:git"] |site| {
        site.ws.repository(".");
        let said = site.sh("git status --short && git log --oneline | wc -l && git diff && git blame -s README | wc -l && git grep -c me && git show --stat HEAD | wc -l").ok();
        assert!(said.contains("README:1"), "{said}");
    }

    checkout_of_20k_files needs ["tool:git"] |site| {
        many_files(site, 20_000);
        site.run(["git", "clone", "-q", "../big", "got"]).run().ok();
        site.sh("cd got && git status --porcelain | wc -l && git switch -q -c other && git rm -rq d00 && git commit -q -m fewer && git switch -q main && test -e d00/f0").run().ok();
        assert_eq!(std::fs::read_dir(site.ws.at("got")).unwrap().count(), 101);
    }
}
