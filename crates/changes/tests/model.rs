//! Random work in a tree, told in both ways, and held against what stands there before and after.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod ground;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ground::{Ground, Thing, everything, tick};
use proptest::prelude::*;
use ringfence_changes::{Changes, How, Kind, Options, Snapshot};

/// One thing that a command does, at paths that may or may not be there.
#[derive(Debug, Clone)]
enum Act {
    Write(String, usize),
    Append(String),
    Dir(String),
    Remove(String),
    Rename(String, String),
    Mode(String, u32),
    Symlink(String, String),
    Hardlink(String, String),
    Save(String),
    /// Out of the tree and back in, elsewhere.
    Around(String, String),
}

fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (path(), 0..40_usize).prop_map(|(p, n)| Act::Write(p, n)),
        1 => path().prop_map(Act::Append),
        3 => path().prop_map(Act::Dir),
        2 => path().prop_map(Act::Remove),
        5 => (path(), path()).prop_map(|(a, b)| Act::Rename(a, b)),
        1 => (path(), prop::sample::select(vec![0o700, 0o755, 0o740])).prop_map(|(p, m)| Act::Mode(p, m)),
        1 => (path(), path()).prop_map(|(a, b)| Act::Symlink(a, b)),
        1 => (path(), path()).prop_map(|(a, b)| Act::Hardlink(a, b)),
        1 => path().prop_map(Act::Save),
        1 => (path(), path()).prop_map(|(a, b)| Act::Around(a, b)),
    ]
}

/// What cannot be done is not.
fn run(ground: &Path, outside: &Path, act: &Act) {
    let at = |path: &str| ground.join(path);
    // No link on the way: what lies behind it is not this tree's.
    let plain = |path: &str| {
        let path = Path::new(path);
        let above = path.ancestors().skip(1);
        above.into_iter().all(|up| !ground.join(up).is_symlink())
    };
    let _tried = match act {
        Act::Write(path, size) if plain(path) && !at(path).is_symlink() => {
            std::fs::write(at(path), "x".repeat(*size))
        }
        Act::Append(path) if plain(path) && at(path).is_file() && !at(path).is_symlink() => {
            std::fs::read(at(path)).and_then(|mut all| {
                all.push(b'y');
                std::fs::write(at(path), all)
            })
        }
        Act::Dir(path) if plain(path) => std::fs::create_dir(at(path)),
        Act::Remove(path) if plain(path) => {
            if at(path).is_dir() && !at(path).is_symlink() {
                std::fs::remove_dir_all(at(path))
            } else {
                std::fs::remove_file(at(path))
            }
        }
        Act::Rename(a, b) if plain(a) && plain(b) => std::fs::rename(at(a), at(b)),
        Act::Mode(path, mode) if plain(path) && !at(path).is_symlink() => {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(at(path), std::fs::Permissions::from_mode(*mode))
        }
        Act::Symlink(a, b) if plain(b) => std::os::unix::fs::symlink(a, at(b)),
        Act::Hardlink(a, b) if plain(a) && plain(b) => std::fs::hard_link(at(a), at(b)),
        Act::Save(path) if plain(path) => std::fs::write(at("tmp"), "saved")
            .and_then(|()| std::fs::rename(at("tmp"), at(path)))
            .or_else(|_| std::fs::remove_file(at("tmp"))),
        Act::Around(a, b) if plain(a) && plain(b) => std::fs::rename(at(a), outside.join("t"))
            .and_then(|()| std::fs::rename(outside.join("t"), at(b)))
            .or_else(|_| std::fs::rename(outside.join("t"), outside.join("left"))),
        _ => Ok(()),
    };
    for left in ["t", "left"] {
        let left = outside.join(left);
        let _gone = std::fs::remove_dir_all(&left).or_else(|_| std::fs::remove_file(&left));
    }
}

type All = BTreeMap<PathBuf, Thing>;

/// Changes lead from what was to what is, and each is called for.
fn check(was: &All, is: &All, changes: &Changes) -> Result<(), String> {
    let [root] = changes.roots.as_slice() else {
        return Err("one root".into());
    };
    if !changes.incomplete.is_empty() || changes.unlisted != 0 {
        return Err("not complete".into());
    }
    let entries = &root.entries;
    // What goes from its path: itself or, renamed, with all that is in it.
    let mut gone: BTreeSet<PathBuf> = BTreeSet::new();
    let mut renamed: Vec<(PathBuf, PathBuf)> = Vec::new();
    for entry in entries {
        match &entry.how {
            How::Deleted => {
                let was = was
                    .get(&entry.path)
                    .ok_or(format!("{entry:?}: was not there"))?;
                if was.kind != entry.kind || was.size != entry.before {
                    return Err(format!("{entry:?}: was {was:?}"));
                }
                gone.insert(entry.path.clone());
            }
            How::Renamed { from, .. } => {
                let was = was.get(from).ok_or(format!("{entry:?}: was not there"))?;
                if was.kind != entry.kind {
                    return Err(format!("{entry:?}: was {was:?}"));
                }
                renamed.push((from.clone(), entry.path.clone()));
            }
            _ => {}
        }
    }
    // Where each thing from before comes to stand: by the nearest directory above that was renamed, or itself.
    let mut stands: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for path in was.keys().filter(|path| !gone.contains(*path)) {
        let by = renamed
            .iter()
            .filter(|(from, _)| path.starts_with(from))
            .max_by_key(|(from, _)| from.components().count());
        let to = match by {
            Some((from, to)) if path == from => to.clone(),
            Some((from, to)) => to.join(path.strip_prefix(from).unwrap()),
            None => path.clone(),
        };
        if let Some(other) = stands.insert(to.clone(), path.clone()) {
            return Err(format!("{path:?} and {other:?} both come to {to:?}"));
        }
    }
    for entry in entries {
        if entry.how == How::Added && stands.insert(entry.path.clone(), PathBuf::new()).is_some() {
            return Err(format!("{entry:?}: something is there already"));
        }
    }
    let (told, there): (Vec<_>, Vec<_>) = (stands.keys().collect(), is.keys().collect());
    if told != there {
        return Err(format!("there: {there:?}, told: {told:?}"));
    }
    let by_path: BTreeMap<&PathBuf, Vec<&How>> = entries
        .iter()
        .filter(|entry| entry.how != How::Deleted)
        .fold(BTreeMap::new(), |mut all, entry| {
            all.entry(&entry.path).or_default().push(&entry.how);
            all
        });
    for entry in entries.iter().filter(|entry| entry.how != How::Deleted) {
        let is = is
            .get(&entry.path)
            .ok_or(format!("{entry:?}: is not there"))?;
        if is.kind != entry.kind || is.size != entry.after {
            return Err(format!("{entry:?}: is {is:?}"));
        }
    }
    for (to, from) in &stands {
        let (Some(was), Some(is)) = (was.get(from), is.get(to)) else {
            continue;
        };
        let how = by_path.get(to).map(Vec::as_slice).unwrap_or_default();
        if was.kind != is.kind {
            if matches!(how, [How::Replaced { was: kind }] if *kind == was.kind) {
                continue;
            }
            return Err(format!("{to:?} was {was:?}, is {is:?}"));
        }
        let content = was.size != is.size || was.stamp != is.stamp;
        let right = match how {
            [] => !content && was.mode == is.mode,
            [How::Modified] => content,
            [How::Mode { was: a, mode: b }] => {
                !content && (*a, *b) == (was.mode, is.mode) && a != b
            }
            [How::Touched] => !content && was.mode == is.mode && is.kind != Kind::Directory,
            [How::Renamed { modified, .. }] => *modified == (content || was.mode != is.mode),
            _ => false,
        };
        if !right {
            return Err(format!(
                "{from:?} {was:?} is {to:?} {is:?}, told as {how:?}"
            ));
        }
    }
    Ok(())
}

/// Without what only a walk sees: a link to another name that came and went.
fn without_touched(mut changes: Changes) -> Changes {
    for root in &mut changes.roots {
        root.entries.retain(|entry| entry.how != How::Touched);
        root.counts.touched = 0;
    }
    changes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_work_is_told_as_it_was(
        first in prop::collection::vec(act(), 0..25),
        then in prop::collection::vec(act(), 0..25),
        last in prop::collection::vec(act(), 0..10),
        // Without it as many as there are directories.
        watches in prop::option::of(0..5_usize),
    ) {
        let (ground, outside) = (Ground::new(), Ground::new());
        for act in &first {
            run(&ground.0, &outside.0, act);
        }
        tick();
        let options = Options { watches, walk_unwatched: watches.is_some(), ..Options::default() };
        let follow = ground.follow(options);
        let (whole, was) = (follow.mark(), everything(&ground.0));
        let snapshot = Snapshot::take([&ground.0], Options::default());
        // A name that is made, written through and removed before anybody looks is not seen: here somebody does.
        let run_followed = |act: &Act| {
            run(&ground.0, &outside.0, act);
            if matches!(act, Act::Hardlink(..)) {
                drop(follow.mark());
            }
        };
        for act in &then {
            run_followed(act);
        }
        tick();
        let middle = everything(&ground.0);
        let told = follow.since(&whole);
        let compared = snapshot.changes();
        prop_assert_eq!(check(&was, &middle, &told), Ok(()), "{:#?}", told);
        prop_assert_eq!(check(&was, &middle, &compared), Ok(()), "{:#?}", compared);
        prop_assert_eq!(without_touched(told), without_touched(compared));
        // A second mark, that the first knows nothing of.
        let second = follow.mark();
        for act in &last {
            run_followed(act);
        }
        let is = everything(&ground.0);
        let told = follow.since(&second);
        prop_assert_eq!(check(&middle, &is, &told), Ok(()), "{:#?}", told);
        let told = follow.since(&whole);
        prop_assert_eq!(check(&was, &is, &told), Ok(()), "{:#?}", told);
        // What nobody needs is forgotten.
        drop((whole, second));
        let _third = follow.mark();
        let held = follow.held();
        prop_assert_eq!(held.notes, 0);
        let dirs = is.values().filter(|thing| thing.kind == Kind::Directory).count();
        prop_assert_eq!((held.directories, held.entries), (dirs + 1, is.len()));
        prop_assert_eq!(held.watched, watches.map_or(dirs + 1, |most| held.watched.min(most)));
    }
}

fn cases() -> u32 {
    let told = std::env::var("PROPTEST_CASES");
    told.ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}
