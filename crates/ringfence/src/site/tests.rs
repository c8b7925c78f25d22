//! Repositories and protected names on a real file system.
#![allow(clippy::unwrap_used)]

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use ringfence_plan::{Guarded, Missing, promise};

use super::guard::{Guards, Tops};
use super::repository::Person;
use super::{index, repository};
use crate::locate::follow;
use crate::state::State;
use crate::tests::Dir;

const NOWHERE: [&Path; 0] = [];

/// A git directory as git makes it, as far as we look.
pub(super) fn git_dir(dir: &Dir, at: &str) {
    for name in ["objects", "refs", "hooks"] {
        dir.dir(&format!("{at}/{name}"));
    }
    dir.file(&format!("{at}/HEAD"), "ref: refs/heads/main\n");
    dir.file(&format!("{at}/config"), "[core]\n\tbare = false\n");
}

/// What is guarded and watched in a repository, relative to its root.
pub(super) fn found(dir: &Dir, root: &str) -> (Vec<String>, Vec<String>) {
    let root = follow(&dir.0.join(root)).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    repository::repository(&mut guards, &root, Path::new(""), &Person::default());
    let (guarded, missing) = guards.finish();
    names(&root.at.path, &guarded, &missing)
}

pub(super) fn names(
    root: &Path,
    guarded: &[Guarded],
    missing: &[Missing],
) -> (Vec<String>, Vec<String>) {
    let relative = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    let mut there: Vec<String> = guarded.iter().map(|g| relative(&g.object.path)).collect();
    let mut not: Vec<String> = missing
        .iter()
        .flat_map(|m| m.names.iter().map(|name| relative(&m.dir.path.join(name))))
        .collect();
    there.sort();
    there.dedup();
    not.sort();
    not.dedup();
    (there, not)
}

fn linked(dir: &Dir, workspace: &str) -> Vec<PathBuf> {
    repository::linked(&follow(&dir.0.join(workspace)).unwrap())
        .into_iter()
        .map(|(found, _)| found.at.path.strip_prefix(&dir.0).unwrap().to_owned())
        .collect()
}

#[test]
fn a_repository_is_guarded_where_git_obeys_it() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    let (there, not) = found(&dir, "w");
    assert_eq!(there, [".git/config", ".git/hooks"]);
    let in_git = [
        "branches",
        "commondir",
        "config.worktree",
        "info/attributes",
        "remotes",
    ];
    let mut expected: Vec<String> = in_git.iter().map(|n| format!(".git/{n}")).collect();
    // Without a valid .git the work tree itself must not pass for a repository.
    expected.push("HEAD".to_owned());
    assert_eq!(not, expected);
    assert_eq!(found(&dir, "w/.git/refs"), (Vec::new(), Vec::new()));
}

/// A directory that can be moved away is no place to watch a missing name from.
#[test]
fn what_is_missing_is_watched_from_where_it_cannot_be_moved() {
    let dir = Dir::new();
    dir.dir("w/free");
    dir.dir("w/fixed/free");
    dir.file("w/fixed/file", "");
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    for name in ["free/a", "fixed/b", "fixed/free/c", "fixed/file"] {
        guards
            .add(root.handle.as_fd(), &root.at, Path::new(name), "protect")
            .unwrap();
    }
    let (_, missing) = guards.finish();
    let seen: Vec<(String, String)> = missing
        .iter()
        .flat_map(|m| {
            let dir = m.dir.path.strip_prefix(&root.at.path).unwrap().display();
            m.names
                .iter()
                .map(move |name| (dir.to_string(), name.display().to_string()))
        })
        .collect();
    let expected = [("", "free/a"), ("fixed", "b"), ("fixed", "free/c")];
    assert_eq!(
        seen,
        expected.map(|(dir, name)| (dir.to_owned(), name.to_owned()))
    );
}

#[test]
fn hooks_elsewhere_in_the_root_are_guarded_where_they_are() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    dir.dir("w/tools/hooks");
    dir.file(
        "w/.git/config",
        "[core]\n\thooksPath = tools/hooks\n[core]\n\thooksPath = later\n",
    );
    let (there, not) = found(&dir, "w");
    assert!(there.contains(&"tools/hooks".to_owned()), "{there:?}");
    assert!(not.contains(&"later".to_owned()), "{not:?}");
}

#[test]
fn submodules_and_worktrees_inside_are_guarded_too() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    git_dir(&dir, "w/.git/modules/group/sub");
    git_dir(&dir, "w/.git/modules/group/sub/modules/inner");
    dir.file("w/.git/worktrees/side/gitdir", "/elsewhere/.git\n");
    let (there, not) = found(&dir, "w");
    for name in [
        ".git/modules/group/sub/hooks",
        ".git/modules/group/sub/config",
        ".git/modules/group/sub/modules/inner/hooks",
    ] {
        assert!(there.contains(&name.to_owned()), "{name} in {there:?}");
    }
    let worktree = ".git/worktrees/side/config.worktree".to_owned();
    assert!(not.contains(&worktree), "{not:?}");
}

#[test]
fn a_gitfile_is_guarded_itself_and_where_it_leads() {
    let dir = Dir::new();
    git_dir(&dir, "w/store");
    dir.file("w/sub/.git", "gitdir: ../store\n");
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    repository::repository(&mut guards, &root, Path::new("sub"), &Person::default());
    let (guarded, missing) = guards.finish();
    let (there, _) = names(&root.at.path, &guarded, &missing);
    assert_eq!(there, ["store/config", "store/hooks", "sub/.git"]);
}

#[test]
fn a_linked_worktree_gets_the_repository_that_points_back_at_it() {
    let dir = Dir::new();
    git_dir(&dir, "main/.git");
    dir.file(
        "side/.git",
        &format!("gitdir: {}/main/.git/worktrees/side\n", dir.0.display()),
    );
    let back = |to: &str| {
        let text = format!("{}/{to}\n", dir.0.display());
        dir.file("main/.git/worktrees/side/gitdir", &text);
    };
    back("side/.git");
    assert_eq!(linked(&dir, "side"), [Path::new("main/.git")]);
    // It points at another worktree, or at none that exists.
    dir.file("other/.git", "");
    for wrong in ["other/.git", "side", "nowhere/.git"] {
        back(wrong);
        assert_eq!(linked(&dir, "side"), NOWHERE, "{wrong}");
    }
}

#[test]
fn a_forged_gitfile_opens_nobody_elses_repository() {
    let dir = Dir::new();
    git_dir(&dir, "victim/.git");
    let victim = dir.0.join("victim/.git");
    let forge = |text: String| {
        dir.file("w/.git", &text);
        assert_eq!(linked(&dir, "w"), NOWHERE, "{text}");
    };
    // The repository itself, by its path and by a relative one.
    forge(format!("gitdir: {}\n", victim.display()));
    forge("gitdir: ../victim/.git\n".to_owned());
    // Directories of it, and what is no git directory.
    forge(format!("gitdir: {}/hooks\n", victim.display()));
    forge("gitdir: /etc\n".to_owned());
    forge("gitdir: /\n".to_owned());
    // Another's worktree.
    dir.file("victim-side/.git", "");
    let back = format!("{}/victim-side/.git\n", dir.0.display());
    dir.file("victim/.git/worktrees/x/gitdir", &back);
    forge(format!("gitdir: {}/worktrees/x\n", victim.display()));
    // The agent's own directory that points back, with a link to the victim's around it.
    let own = format!("{}/w/.git\n", dir.0.display());
    dir.file("w/fake/worktrees/x/gitdir", &own);
    forge("gitdir: fake/worktrees/x\n".to_owned());
    symlink(&victim, dir.0.join("w/link")).unwrap();
    forge("gitdir: link/worktrees/x\n".to_owned());
    // What is no gitfile at all.
    for text in ["", "gitdir:", "gitdir: \n", "garbage\n", "gitdir: \0\n"] {
        forge(text.to_owned());
    }
    // A link in its place is not read as one.
    std::fs::remove_file(dir.0.join("w/.git")).unwrap();
    dir.file("w/real", &format!("gitdir: {}\n", victim.display()));
    symlink("real", dir.0.join("w/.git")).unwrap();
    assert_eq!(linked(&dir, "w"), NOWHERE);
}

#[test]
fn a_submodule_gets_the_repository_whose_configuration_names_it() {
    let dir = Dir::new();
    git_dir(&dir, "super/.git/modules/sub");
    dir.file("super/sub/.git", "gitdir: ../.git/modules/sub\n");
    let config = |tree: &str| {
        let text = format!("[core]\n\tworktree = {tree}\n");
        dir.file("super/.git/modules/sub/config", &text);
    };
    config("../../../sub");
    let expected = [Path::new("super/.git/modules/sub")];
    assert_eq!(linked(&dir, "super/sub"), expected);
    config("../../../other");
    assert_eq!(linked(&dir, "super/sub"), NOWHERE);
}

#[test]
fn what_is_protected_is_pinned_from_outside_in() {
    let dir = Dir::new();
    dir.file("w/a/b/c", "x");
    symlink("a", dir.0.join("w/link")).unwrap();
    symlink("/nonexistent", dir.0.join("w/dangling")).unwrap();
    let root = follow(&dir.0.join("w")).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    use std::os::fd::AsFd;
    let mut add = |path: &str| {
        let path = Path::new(path);
        let name = promise::PROTECT_PATHS;
        guards
            .add(root.handle.as_fd(), &root.at, path, name)
            .unwrap();
    };
    add("a/b/c");
    add("a/b/none/deeper");
    // A file in the way, and links in the way: what the name would be is read-only, and
    // what a link leads to.
    add("a/b/c/below");
    add("link/b");
    add("dangling/x");
    let (guarded, missing) = guards.finish();
    let paths = |g: &Guarded| {
        let short = |p: &Path| p.strip_prefix(&root.at.path).unwrap().display().to_string();
        let mut all: Vec<String> = g.pins.iter().map(|p| short(&p.path)).collect();
        all.push(short(&g.object.path));
        all.join(" ")
    };
    let got: Vec<String> = guarded.iter().map(paths).collect();
    // Each once.
    let expected = ["a a/b a/b/c", "a a/b", "link", "dangling"];
    assert_eq!(got, expected);
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].dir.path, root.at.path.join("a/b"));
    assert_eq!(missing[0].names, [Path::new("none/deeper")]);
}

#[test]
fn a_walk_finds_nested_repositories_and_follows_no_link() {
    let dir = Dir::new();
    dir.dir("w/.git");
    dir.dir("w/a/.git/modules/inner/.git");
    dir.file("w/b/c/.git", "gitdir: x");
    dir.dir("elsewhere/.git");
    symlink("../elsewhere", dir.0.join("w/link")).unwrap();
    symlink("/nonexistent", dir.0.join("w/b/.git")).unwrap();
    // A bare repository has no `.git`.
    dir.file("w/o.git/HEAD", "ref: refs/heads/x");
    dir.dir("w/o.git/objects");
    dir.dir("w/o.git/refs");
    let walked = index::walk(&dir.0.join("w"), &AtomicBool::new(false));
    assert_eq!(walked.found, ["a", "b", "b/c", "o.git"].map(PathBuf::from));
    assert!(walked.whole && walked.unread.is_empty());
    let walked = index::walk(&dir.0.join("w"), &AtomicBool::new(true));
    assert!(!walked.whole, "one that was stopped says so");
}

#[test]
fn an_index_is_read_back_and_a_damaged_one_is_not_believed() {
    use std::os::unix::ffi::OsStringExt;
    let dir = Dir::new();
    let state = State::at(dir.0.join("state"));
    let root = dir.dir("w");
    dir.dir("w/real/.git");
    let walked = || {
        let (found, walked) = index::repositories(&root, Some(&state));
        assert!(walked.is_none_or(|w| w.found == found));
        found
    };
    let known = || {
        let (found, walked) = index::repositories(&root, Some(&state));
        assert!(walked.is_none(), "the index was believed");
        found
    };
    let of = |found: &[PathBuf], unread: &[&str]| index::Walked {
        found: found.to_vec(),
        unread: unread.iter().map(PathBuf::from).collect(),
        whole: true,
    };
    assert_eq!(walked(), [PathBuf::from("real")]);
    let odd = std::ffi::OsString::from_vec(b"new\nline \xff".to_vec());
    let kept = vec![PathBuf::from("a/b"), PathBuf::from(odd)];
    index::save(&state, &root, &of(&kept, &[])).unwrap();
    assert_eq!(known(), kept);
    // What was known below a directory that could not be read stays known.
    index::save(&state, &root, &of(&[], &["a"])).unwrap();
    assert_eq!(known(), ["a", "a/b"].map(PathBuf::from));
    index::save(&state, &root, &of(&[], &[])).unwrap();
    assert!(known().is_empty());
    // And so does one whose directory is still there.
    index::save(&state, &root, &of(&[PathBuf::from("real")], &[])).unwrap();
    index::save(&state, &root, &of(&[], &[])).unwrap();
    assert_eq!(known(), [PathBuf::from("real")]);
    let file = state.workspace(&root).join("repositories");
    // What is known is not written anew.
    let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&file).unwrap());
    let before = inode();
    index::save(&state, &root, &of(&[], &[])).unwrap();
    assert_eq!(inode(), before);
    index::save(&state, &root, &of(&[PathBuf::from("more")], &[])).unwrap();
    assert_ne!(inode(), before);
    // What cannot be read is, also where there is nothing to say.
    let empty = dir.dir("empty");
    let kept_empty = state.workspace(&empty).join("repositories");
    for bad in [
        &b""[..],
        b"ringfence repositories 1\0",
        b"ringfence repositories 2\0end",
    ] {
        index::save(&state, &empty, &of(&[], &[])).unwrap();
        std::fs::write(&kept_empty, bad).unwrap();
        index::save(&state, &empty, &of(&[], &[])).unwrap();
        let (found, walked) = index::repositories(&empty, Some(&state));
        assert!(found.is_empty() && walked.is_none(), "{bad:?} was left");
    }
    let good = std::fs::read(&file).unwrap();
    let cut = good.len() - 1;
    for bad in [
        &b""[..],
        b"ringfence repositories 2\0end",
        b"\0end",
        &good[..cut],
    ] {
        std::fs::write(&file, bad).unwrap();
        assert_eq!(walked(), [PathBuf::from("real")], "{bad:?}");
    }
}

/// A survey of a workspace, as a person with this policy file asks for it.
fn surveyed(dir: &Dir, workspace: &str, text: &str) -> Result<super::Survey, crate::error::Error> {
    surveyed_where(dir, workspace, text, None)
}

/// The same where the administrator wrote something as well.
fn surveyed_where(
    dir: &Dir,
    workspace: &str,
    text: &str,
    managed: Option<&str>,
) -> Result<super::Survey, crate::error::Error> {
    let none = |_: &str| -> Option<std::ffi::OsString> { None };
    let (workspace, home) = (dir.0.join(workspace), dir.dir("home"));
    let sources = ringfence_policy::Sources {
        user: Some(ringfence_policy::FileText {
            path: home.join("policy.toml"),
            text: text.to_owned(),
        }),
        managed: managed.map(|text| ringfence_policy::FileText {
            path: "/etc/ringfence/managed.toml".into(),
            text: text.to_owned(),
        }),
        ..ringfence_policy::Sources::default()
    };
    let context = ringfence_policy::Context {
        account_home: None,
        home: Some(home.clone()),
        cwd: workspace.clone(),
        variable: &none,
    };
    let policy = ringfence_policy::load(&sources, &context).unwrap();
    super::survey(&super::Asked {
        program: Path::new("/bin/true"),
        policy: &policy,
        workspace: &workspace,
        cwd: &workspace,
        home: Some(&home),
        state: None,
        path: None,
        handed: [false; 3],
    })
}

/// Everything guarded and watched in every write root, relative to the test's directory.
fn all(dir: &Dir, survey: &super::Survey) -> (Vec<String>, Vec<String>) {
    let roots = &survey.site.roots;
    let guarded: Vec<Guarded> = roots.iter().flat_map(|r| r.guarded.clone()).collect();
    let missing: Vec<Missing> = roots.iter().flat_map(|r| r.missing.clone()).collect();
    names(&dir.0, &guarded, &missing)
}

/// Most write roots have none of the names that are protected, and are read once to find that. What comes of it is what
/// comes of asking for each name, which is done where one is not ASCII.
#[test]
fn a_write_root_that_is_read_is_guarded_as_one_asked_for_each_name() {
    use std::collections::BTreeSet;
    type Guards = (Vec<(PathBuf, Vec<PathBuf>)>, Vec<(PathBuf, Vec<PathBuf>)>);
    let of = |root: &ringfence_plan::Root| -> Guards {
        let below = |path: &Path| path.strip_prefix(&root.at.path).unwrap().to_owned();
        let guarded = root.guarded.iter().map(|g| {
            let pins = g.pins.iter().map(|pin| below(&pin.path)).collect();
            (below(&g.object.path), pins)
        });
        let missing = root
            .missing
            .iter()
            .map(|m| (below(&m.dir.path), m.names.clone()));
        (guarded.collect(), missing.collect())
    };
    let protected = ringfence_policy::defaults::WORKSPACE_PROTECTED;
    let mut names: BTreeSet<&str> = protected
        .iter()
        .map(|path| path.split('/').next().unwrap())
        .collect();
    names.extend([".git", "HEAD", "config"]);
    names.extend([
        "deploy",
        "DEPLOY",
        ".EnvRC",
        "other",
        ".git/HEAD",
        "sub/.git/HEAD",
        "refs",
    ]);
    let (mut lacked_all, mut guarded_some) = (0, 0);
    let below_settings = names.iter().map(|name| (*name, "/.vscode"));
    let all: Vec<_> = names
        .iter()
        .map(|name| (*name, ""))
        .chain(below_settings)
        .collect();
    for (name, within) in all {
        for below in ["", "/below"] {
            let dir = Dir::new();
            git_dir(&dir, "work/.git");
            let roots = ["read", "asked"].map(|root| format!("{root}{within}"));
            for root in &roots {
                dir.file(&format!("{root}/{name}{below}"), "");
            }
            dir.file(&format!("{}/\u{e9}", roots[1]), "");
            let write = roots.map(|root| format!("{:?}", dir.0.join(root)));
            let text = format!(
                "[filesystem]\nwrite = [{}]\nprotect = [\"deploy/key\", \"deploy\", \"deploy/./key\"]\n",
                write.join(", ")
            );
            let survey = surveyed(&dir, "work", &text).unwrap();
            let roots = &survey.site.roots;
            assert_eq!(roots.len(), 3);
            assert_eq!(of(&roots[1]), of(&roots[2]), "{within} {name}{below}");
            lacked_all += usize::from(roots[1].guarded.is_empty());
            guarded_some += usize::from(!roots[1].guarded.is_empty());
        }
    }
    assert!(
        lacked_all > 0 && guarded_some > 10,
        "{lacked_all}, {guarded_some}"
    );
}

#[test]
fn a_write_root_around_the_workspace_opens_nothing_of_it() {
    let dir = Dir::new();
    git_dir(&dir, "src/work/.git");
    dir.file("src/work/.envrc", "");
    dir.file("src/work/sub/deploy/key", "");
    dir.dir("src/work/sub/.git");
    for write in ["\"..\"", "\"../work/sub\", \"..\""] {
        let write = write.replace("..", &dir.0.join("src").display().to_string());
        let text = format!("[filesystem]\nwrite = [{write}]\nprotect = [\"deploy\"]\n");
        let survey = surveyed(&dir, "src/work", &text).unwrap();
        assert_eq!(survey.site.workspace, dir.0.join("src/work"));
        let tops: Vec<&Path> = survey.roots.iter().map(|r| r.path.as_path()).collect();
        assert_eq!(tops, [dir.0.join("src")]);
        let (there, not) = all(&dir, &survey);
        for name in [
            "src/work/.envrc",
            "src/work/.git/hooks",
            "src/work/.git/config",
        ] {
            assert!(there.contains(&name.to_owned()), "{name} in {there:?}");
        }
        for name in [
            "src/.envrc",
            "src/work/.vscode/tasks.json",
            "src/work/deploy",
        ] {
            assert!(not.contains(&name.to_owned()), "{name} in {not:?}");
        }
        // What a write root has is protected where it was asked for, and not elsewhere.
        let inner = there.contains(&"src/work/sub/deploy".to_owned());
        assert_eq!(inner, write.contains("sub"), "{there:?}");
        let pins = survey.site.roots[0]
            .guarded
            .iter()
            .find(|g| g.object.path.ends_with("work/.envrc"));
        // Or the workspace could be renamed, and another made in its place.
        assert_eq!(pins.unwrap().pins[0].path, dir.0.join("src/work"));
    }
}

#[test]
fn what_an_absolute_entry_leads_to_is_protected_and_the_links_to_it() {
    let dir = Dir::new();
    dir.file("real/ws/deploy/key", "");
    dir.dir("real/ws/else");
    symlink("real", dir.0.join("link")).unwrap();
    symlink("link", dir.0.join("again")).unwrap();
    // In the workspace, a link that the entry goes through.
    symlink("else", dir.0.join("real/ws/way")).unwrap();
    symlink("ws/nowhere", dir.0.join("real/out")).unwrap();
    let of = |entry: &str| {
        let entry = dir.0.join(entry);
        let text = format!("[filesystem]\nprotect = [{entry:?}]\n");
        let survey = surveyed(&dir, "real/ws", &text).unwrap();
        let promised = |g: &&Guarded| g.promise == promise::PROTECT_PATHS;
        let roots = &survey.site.roots;
        let guarded: Vec<Guarded> = roots
            .iter()
            .flat_map(|r| r.guarded.iter().filter(promised).cloned())
            .collect();
        let missing: Vec<Missing> = roots
            .iter()
            .flat_map(|r| r.missing.clone())
            .map(|mut m| {
                m.names
                    .retain(|name| ["new", "nowhere"].iter().any(|n| name.ends_with(n)));
                m
            })
            .collect();
        let (mut there, not) = names(&dir.0, &guarded, &missing);
        there.extend(not);
        there.join(" ")
    };
    assert_eq!(of("real/ws/deploy"), "real/ws/deploy");
    assert_eq!(of("link/ws/deploy"), "real/ws/deploy");
    assert_eq!(of("again/ws/deploy/key"), "real/ws/deploy/key");
    assert_eq!(of("again/ws/new"), "real/ws/new");
    assert_eq!(of("link/ws/way/new"), "real/ws/way real/ws/else/new");
    assert_eq!(of("real/out"), "real/ws/nowhere");
    // All of a write root, by its own name and from above.
    assert_eq!(of("link/ws"), "real/ws");
    assert_eq!(of("link"), "real/ws");
    // In no write root, or nowhere at all.
    assert_eq!(of("home/x"), "");
    assert_eq!(of("no/such/place"), "");
}

#[test]
fn ringfences_own_policy_is_protected_behind_a_home_that_is_a_link() {
    let dir = Dir::new();
    dir.dir("ws");
    dir.dir("real/.config/ringfence");
    symlink("real", dir.0.join("home")).unwrap();
    let write = dir.0.join("real/.config");
    let text = format!("[filesystem]\nwrite = [{write:?}]\n");
    let (there, _) = all(&dir, &surveyed(&dir, "ws", &text).unwrap());
    assert_eq!(there, ["real/.config/ringfence"]);
}

#[test]
fn a_managed_bound_holds_where_a_path_leads() {
    let dir = Dir::new();
    for name in ["ws", "scratch/own", "other", "run"] {
        dir.dir(name);
    }
    symlink("../other", dir.0.join("scratch/out")).unwrap();
    symlink("own", dir.0.join("scratch/in")).unwrap();
    symlink("scratch", dir.0.join("bound")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.0.join("other.sock")).unwrap();
    symlink("../other.sock", dir.0.join("run/x.sock")).unwrap();
    let at = |name: &str| dir.0.join(name).display().to_string();
    let asked = |key: &str, bound: &str, path: &str| {
        let (section, key) = key.split_once('.').unwrap();
        let text = |path: &str| format!("[{section}]\n{key} = [{:?}]\n", at(path));
        surveyed_where(&dir, "ws", &text(path), Some(&text(bound)))
    };
    asked("filesystem.write", "scratch", "scratch/own").unwrap();
    asked("filesystem.write", "scratch", "scratch/in").unwrap();
    // The bound is where it leads, too.
    asked("filesystem.write", "bound", "bound/own").unwrap();
    for (key, bound, path, leads) in [
        ("filesystem.write", "scratch", "scratch/out", "other"),
        ("filesystem.write", "bound", "bound/out", "other"),
        ("linux.sockets", "run", "run/x.sock", "other.sock"),
    ] {
        let error = asked(key, bound, path).unwrap_err().to_string();
        for word in ["policy.toml:2", &at(path), &at(leads), "managed.toml:2"] {
            assert!(error.contains(word), "{word} in {error}");
        }
    }
}

/// What would be left out could be just the one that counts.
#[test]
fn more_repositories_than_can_be_protected_are_refused() {
    let dir = Dir::new();
    let refused = || {
        let survey = surveyed(&dir, "w", "").unwrap();
        let mut all = survey.site.doubts.into_iter();
        all.find(|doubt| doubt.refused).map(|doubt| doubt.what)
    };
    for n in 0..513 {
        dir.dir(&format!("w/{n}/.git"));
    }
    let what = refused().unwrap();
    assert!(what.contains("holds 513 repositories"), "{what}");
    std::fs::remove_dir_all(dir.0.join("w/0")).unwrap();
    assert_eq!(refused(), None);
}
