//! What protected names lead to: links, and configuration that names other places.
#![allow(clippy::unwrap_used)]

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use ringfence_plan::promise;

use super::guard::{Guards, Tops};
use super::repository::{self, Person};
use super::tests::{found, git_dir, names};
use crate::locate::follow;
use crate::tests::Dir;

/// What is guarded and watched for one protected name, and what is doubted.
fn protected(dir: &Dir, name: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone(), dir.0.join("other")]
        .into_iter()
        .collect();
    let mut guards = Guards::new(&roots);
    let promise = promise::PROTECT_WORKSPACE;
    guards
        .add(root.handle.as_fd(), &root.at, Path::new(name), promise)
        .unwrap();
    let doubts = guards.doubts().into_iter().map(|d| d.what).collect();
    let (guarded, missing) = guards.finish();
    let (there, not) = names(&dir.0, &guarded, &missing);
    (there, not, doubts)
}

#[test]
fn what_links_in_protected_directories_lead_to_is_guarded() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    dir.file("w/scripts/pre-commit", "#!/bin/sh\n");
    symlink(
        "../../scripts/pre-commit",
        dir.0.join("w/.git/hooks/pre-commit"),
    )
    .unwrap();
    symlink("../../scripts/later", dir.0.join("w/.git/hooks/post-merge")).unwrap();
    let (there, not) = found(&dir, "w");
    assert!(
        there.contains(&"scripts/pre-commit".to_owned()),
        "{there:?}"
    );
    assert!(not.contains(&"scripts/later".to_owned()), "{not:?}");
}

/// Each link on the way could be pointed elsewhere.
#[test]
fn each_link_on_the_way_is_guarded() {
    let dir = Dir::new();
    dir.file("w/conf/real/claude.json", "{}");
    dir.dir("w/.claude/deep/er");
    symlink("conf", dir.0.join("w/alias")).unwrap();
    symlink("real/claude.json", dir.0.join("w/conf/claude.json")).unwrap();
    let link = dir.0.join("w/.claude/deep/er/settings.json");
    symlink("../../../alias/claude.json", link).unwrap();
    let (there, not, doubts) = protected(&dir, ".claude");
    let expected = [
        "w/.claude",
        "w/alias",
        "w/conf/claude.json",
        "w/conf/real/claude.json",
    ];
    assert_eq!(
        (there, not.len(), doubts.len()),
        (expected.map(str::to_owned).to_vec(), 0, 0)
    );
}

#[test]
fn a_link_to_what_is_missing_is_watched_there() {
    let dir = Dir::new();
    dir.dir("w/cfg/vscode");
    dir.dir("other/place");
    symlink("cfg/vscode", dir.0.join("w/.vscode")).unwrap();
    symlink("../other/place/rc", dir.0.join("w/.envrc")).unwrap();
    symlink("not/there/../up", dir.0.join("w/.idea")).unwrap();
    let (there, not, _) = protected(&dir, ".vscode/tasks.json");
    assert_eq!(
        (there, not),
        (
            vec!["w/.vscode".to_owned()],
            vec!["w/cfg/vscode/tasks.json".to_owned()]
        )
    );
    let (_, not, _) = protected(&dir, ".envrc");
    assert_eq!(not, ["other/place/rc"]);
    let (_, not, _) = protected(&dir, ".idea");
    assert_eq!(
        not,
        ["w/not"],
        "what is made there would say where it leads"
    );
}

#[test]
fn a_link_to_what_holds_the_work_is_told_and_no_loop_is_followed() {
    let dir = Dir::new();
    dir.dir("w/.claude");
    symlink("..", dir.0.join("w/.claude/all")).unwrap();
    symlink("loop", dir.0.join("w/.claude/loop")).unwrap();
    symlink("/", dir.0.join("w/.claude/root")).unwrap();
    let (there, not, doubts) = protected(&dir, ".claude");
    assert_eq!(
        (there.len(), not.len(), doubts.len()),
        (1, 0, 1),
        "{there:?} {doubts:?}"
    );
}

#[test]
fn a_hook_with_another_name_is_told() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    let hook = dir.file("w/.git/hooks/pre-commit", "#!/bin/sh\n");
    dir.file("w/.git/hooks/pre-push.sample", "#!/bin/sh\n");
    let sample = dir.0.join("w/.git/hooks/pre-push.sample");
    std::fs::hard_link(&hook, dir.0.join("w/same")).unwrap();
    std::fs::hard_link(&sample, dir.0.join("w/same-sample")).unwrap();
    std::fs::hard_link(dir.0.join("w/.git/config"), dir.0.join("w/same-config")).unwrap();
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    repository::repository(&mut guards, &root, Path::new(""), &Person::default());
    let mut told: Vec<String> = guards.doubts().into_iter().map(|d| d.what).collect();
    told.sort();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].ends_with("/.git/config") && told[1].ends_with("/hooks/pre-commit"),
        "{told:?}"
    );
}

#[test]
fn what_husky_runs_lies_beside_its_hooks() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    dir.file("w/.git/config", "[core]\nhooksPath = .husky/_\n");
    dir.dir("w/.husky/_");
    let (there, _) = found(&dir, "w");
    assert!(there.contains(&".husky".to_owned()), "{there:?}");
    // The work tree itself is not taken away.
    dir.file("w/.git/config", "[core]\nhooksPath = _\n");
    dir.dir("w/_");
    let (there, _) = found(&dir, "w");
    assert!(
        there.contains(&"_".to_owned()) && !there.contains(&String::new()),
        "{there:?}"
    );
}

/// The hooks' path of a repository means a directory of each work tree.
#[test]
fn hooks_are_relative_to_the_work_tree() {
    let dir = Dir::new();
    let config = "[core]\nhooksPath = .gh\n";
    git_dir(&dir, "main/.git");
    dir.file("main/.git/config", config);
    dir.file("main/.git/worktrees/side/commondir", "../..\n");
    let back = format!("{}/main/tree/.git\n", dir.0.display());
    dir.file("main/.git/worktrees/tree/gitdir", &back);
    for tree in ["main", "main/tree", "main/sub", "side"] {
        dir.dir(&format!("{tree}/.gh"));
    }
    // A linked worktree whose repository lies elsewhere.
    let git = format!("gitdir: {}/main/.git/worktrees/side\n", dir.0.display());
    dir.file("side/.git", &git);
    let (there, _) = found(&dir, "side");
    assert!(there.contains(&".gh".to_owned()), "{there:?}");
    // One inside, and a submodule, before either is known by a walk.
    git_dir(&dir, "main/.git/modules/sub");
    let sub = format!("{config}worktree = ../../../sub\n");
    dir.file("main/.git/modules/sub/config", &sub);
    let (there, _) = found(&dir, "main");
    for hooks in [".gh", "tree/.gh", "sub/.gh"] {
        assert!(there.contains(&hooks.to_owned()), "{hooks} in {there:?}");
    }
}

/// The person's own, and where it names another write root.
#[test]
fn hooks_in_another_write_root_are_guarded_there() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    dir.dir("other/hooks");
    dir.dir("w/mine");
    dir.file(
        "w/.git/config",
        "[core]\nhooksPath = ../other/hooks\n[include]\npath = ../../other/inc",
    );
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone(), dir.0.join("other")]
        .into_iter()
        .collect();
    let mut guards = Guards::new(&roots);
    let person = Person::of(None, &|name| match name {
        "GIT_CONFIG_COUNT" => Some("1".into()),
        "GIT_CONFIG_KEY_0" => Some("core.hooksPath".into()),
        "GIT_CONFIG_VALUE_0" => Some("mine".into()),
        _ => None,
    });
    repository::repository(&mut guards, &root, Path::new(""), &person);
    let (guarded, missing) = guards.finish();
    let (there, not) = names(&dir.0, &guarded, &missing);
    assert!(there.contains(&"other/hooks".to_owned()), "{there:?}");
    assert!(there.contains(&"w/mine".to_owned()), "{there:?}");
    assert!(not.contains(&"other/inc".to_owned()), "{not:?}");
}

#[test]
fn a_repository_that_lost_its_head_is_still_one() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    git_dir(&dir, "w/o.git");
    dir.file("w/o.git/config", "[core]\nrepositoryformatversion = 0\n");
    git_dir(&dir, "w/.git/modules/group/sub");
    dir.file("w/.git/modules/group/hooks/x", "");
    dir.file("w/plain/config", "[core]\nname = x\n");
    dir.dir("w/plain/hooks");
    for head in ["w/o.git/HEAD", "w/.git/modules/group/sub/HEAD"] {
        std::fs::remove_file(dir.0.join(head)).unwrap();
    }
    let walked = super::index::walk(&dir.0.join("w"), &std::sync::atomic::AtomicBool::new(false));
    assert_eq!(walked.found, [Path::new("o.git")]);
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    for tree in ["", "o.git", "plain"] {
        repository::repository(&mut guards, &root, Path::new(tree), &Person::default());
    }
    let (guarded, missing) = guards.finish();
    let (there, _) = names(&root.at.path, &guarded, &missing);
    for name in [
        "o.git/config",
        "o.git/hooks",
        ".git/modules/group/sub/config",
        ".git/modules/group/sub/hooks",
    ] {
        assert!(there.contains(&name.to_owned()), "{name} in {there:?}");
    }
    assert!(
        !there.iter().any(|name| name.starts_with("plain")),
        "{there:?}"
    );
}

/// A nested work tree may be opened by itself; what it does not have is not watched for.
#[test]
fn settings_of_a_nested_work_tree_are_guarded_where_they_exist() {
    let dir = Dir::new();
    git_dir(&dir, "w/n/.git");
    dir.file("w/n/.vscode/tasks.json", "{}");
    dir.file("w/n/.github/hooks/x.json", "{}");
    dir.file("w/n/.envrc", "");
    dir.file("w/n/plain", "");
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    repository::repository(&mut guards, &root, Path::new("n"), &Person::default());
    let (guarded, missing) = guards.finish();
    let (there, not) = names(&root.at.path, &guarded, &missing);
    let settings: Vec<&String> = there.iter().filter(|n| !n.starts_with("n/.git/")).collect();
    assert_eq!(
        settings,
        ["n/.envrc", "n/.github/hooks", "n/.vscode/tasks.json"]
    );
    assert!(!not.iter().any(|n| n.contains("vscode")), "{not:?}");
}
