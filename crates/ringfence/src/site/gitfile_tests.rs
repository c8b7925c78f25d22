//! Gitfiles and configuration that are not as git writes them, on a real file system.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;
use std::path::Path;

use ringfence_plan::promise;

use super::guard::{Guards, Tops};
use super::repository;
use super::repository::Person;
use super::tests::{git_dir, names};
use crate::locate::follow;
use crate::tests::Dir;

/// As found, for a repository in the root.
fn found_in(
    dir: &Dir,
    root: &str,
    relative: &str,
) -> (Vec<String>, Vec<String>, Vec<ringfence_plan::Doubt>) {
    let root = follow(&dir.0.join(root)).unwrap();
    let roots: Tops = [root.at.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    repository::repository(&mut guards, &root, Path::new(relative), &Person::default());
    let doubts = guards.doubts();
    let (guarded, missing) = guards.finish();
    let (there, not) = names(&root.at.path, &guarded, &missing);
    (there, not, doubts)
}

#[test]
fn a_gitfile_cannot_be_led_elsewhere_by_what_lies_on_its_way() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    git_dir(&dir, "w/d/gg");
    dir.dir("w/n");
    symlink("d", dir.0.join("w/e")).unwrap();
    for named in [
        "../e/gg".to_owned(),
        dir.0.join("w/e/gg").display().to_string(),
    ] {
        dir.file("w/n/.git", &format!("gitdir: {named}\n"));
        let (there, _, _) = found_in(&dir, "w", "n");
        for name in ["e", "n/.git", "d/gg/config", "d/gg/hooks"] {
            assert!(there.contains(&name.to_owned()), "{name} in {there:?}");
        }
        // Work goes on in it.
        assert!(!there.contains(&"d/gg".to_owned()), "{there:?}");
    }
}

#[test]
fn what_a_gitfile_names_and_is_missing_is_watched_for() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    dir.dir("w/n");
    for (named, watched) in [
        ("../.git/modules/n", ".git/modules/n"),
        ("../x/y", "x/y"),
        ("../.git/worktrees/n", ".git/worktrees/n"),
    ] {
        dir.file("w/n/.git", &format!("gitdir: {named}\n"));
        let (there, not, _) = found_in(&dir, "w", "n");
        assert!(there.contains(&"n/.git".to_owned()), "{there:?}");
        assert!(not.contains(&watched.to_owned()), "{watched} in {not:?}");
    }
}

/// To the byte, and through links, as git reads it.
#[test]
fn a_gitfile_is_read_as_git_reads_it() {
    use std::os::unix::ffi::OsStrExt;
    let dir = Dir::new();
    dir.dir("w/n");
    let at = dir.0.join("w/n/.git");
    for (text, named) in [
        (&b"gitdir: ../x\r\n\n"[..], Some(&b"../x"[..])),
        (b"gitdir: ../\xff", Some(b"../\xff")),
        (b"gitdir:  ../x", Some(b" ../x")),
        (b"gitdir: ../x\0/y\n", Some(b"../x")),
        (b"gitdir:../x", None),
        (b"gitdir: \n", None),
        (b"GITDIR: ../x", None),
    ] {
        std::fs::write(&at, text).unwrap();
        let expected =
            named.map(|named| dir.0.join("w/n").join(std::ffi::OsStr::from_bytes(named)));
        assert_eq!(repository::named_by_gitfile(&at), expected, "{text:?}");
    }
    // A link to a gitfile is one, relative to where the link stands.
    git_dir(&dir, "w/store");
    dir.file("w/kept/gitfile", "gitdir: ../store\n");
    std::fs::remove_file(&at).unwrap();
    symlink("../kept/gitfile", &at).unwrap();
    let (there, ..) = found_in(&dir, "w", "n");
    for name in ["n/.git", "kept/gitfile", "store/config", "store/hooks"] {
        assert!(there.contains(&name.to_owned()), "{name} in {there:?}");
    }
}

/// Git reads it however long it is.
#[test]
fn configuration_that_is_too_long_to_be_read_is_refused() {
    let dir = Dir::new();
    git_dir(&dir, "w/.git");
    let long = "# padding\n".repeat(110_000);
    let refused = |dir: &Dir| {
        let (.., doubts) = found_in(dir, "w", "");
        doubts
            .iter()
            .filter(|doubt| doubt.refused && doubt.promise == promise::PROTECT_GIT)
            .count()
    };
    assert_eq!(refused(&dir), 0);
    dir.file(
        "w/.git/config",
        &format!("[core]\n\thooksPath = hk\n{long}"),
    );
    assert_eq!(refused(&dir), 1);
    dir.file("w/.git/config", "[include]\n\tpath = more\n");
    assert_eq!(refused(&dir), 0);
    dir.file("w/.git/more", &long);
    assert_eq!(refused(&dir), 1);
    dir.file("w/.git/more", "");
    dir.file(
        "w/.git/commondir",
        &format!("../.git{}", "\n".repeat(1 << 20)),
    );
    assert_eq!(refused(&dir), 1);
    std::fs::remove_file(dir.0.join("w/.git/commondir")).unwrap();
    // More files than are read, a name that is not UTF-8, and what people have read for nothing.
    let many: String = (0..100)
        .map(|number| format!("[include]\n\tpath = {number}\n"))
        .collect();
    dir.file("w/.git/config", &many);
    assert!(refused(&dir) > 0);
    std::fs::write(dir.0.join("w/.git/config"), b"[core]\n\thooksPath = \xff\n").unwrap();
    assert_eq!(refused(&dir), 1);
    std::fs::write(
        dir.0.join("w/.git/config"),
        b"[user]\n\tname = \xff\n[include]\n\tpath = /dev/null\n",
    )
    .unwrap();
    assert_eq!(refused(&dir), 0);
    // And so is one that is looked for by its configuration.
    dir.file("w/bare/config", &long);
    assert!(!repository::is_git_dir(&dir.0.join("w/bare")));
    dir.file("w/bare/HEAD.aside", "");
    dir.dir("w/bare/objects");
    assert!(repository::is_git_dir(&dir.0.join("w/bare")));
}

mod os {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    /// A command may open it again, and make there what git is led to. Root looks into it as it is.
    #[test]
    fn a_directory_on_the_way_that_is_closed_is_guarded() {
        let dir = Dir::new();
        git_dir(&dir, "w/.git");
        dir.file("w/.git/config", "[include]\n\tpath = ../closed/more\n");
        dir.file("w/closed/more", "");
        let closed = dir.0.join("w/closed");
        set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        let (there, ..) = found_in(&dir, "w", "");
        set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
        let guarded = if rustix::process::geteuid().is_root() {
            "closed/more"
        } else {
            "closed"
        };
        assert!(there.contains(&guarded.to_owned()), "{there:?}");
    }
}
