//! Random trees, random commands: undone, each tree is as it was; what somebody else wrote since stays.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use ringfence_changes::{Options, Snapshot};
use ringfence_undo::{Bounds, Keeper, Key, Manifest, Most, Obeyed, Store, Verdict, plan, restore};

use super::capture;
use crate::tests::Dir;

/// What can be done to a tree. Places are numbers of few names in few directories, so that they meet.
#[derive(Debug, Clone)]
enum Act {
    Write(u8, u8),
    Append(u8),
    Remove(u8),
    Make(u8),
    Rename(u8, u8),
    Link(u8, u8),
    Hard(u8, u8),
    Mode(u8, u16),
}

fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    let place = || 0..64_u8;
    let act = prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(at, what)| Act::Write(at, what)),
        2 => place().prop_map(Act::Append),
        3 => place().prop_map(Act::Remove),
        3 => place().prop_map(Act::Make),
        4 => (place(), place()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => (place(), place()).prop_map(|(at, to)| Act::Link(at, to)),
        1 => (place(), place()).prop_map(|(at, to)| Act::Hard(at, to)),
        2 => (place(), prop::sample::select(vec![0o600_u16, 0o644, 0o755, 0o700, 0o440]))
            .prop_map(|(at, mode)| Act::Mode(at, mode)),
    ];
    prop::collection::vec(act, 0..most)
}

/// A path of one to three names; some are no UTF-8.
fn place(number: u8) -> PathBuf {
    const NAMES: [&[u8]; 4] = [b"a", b"b", b"\xff\xfe", b"a-b"];
    let mut path = PathBuf::new();
    for at in 0..1 + number / 24 {
        let name = NAMES[usize::from(number >> (2 * at) & 3)];
        path.push(OsStr::from_bytes(name));
    }
    path
}

fn act(root: &Path, act: &Act) {
    let at = |number: &u8| root.join(place(*number));
    // What cannot be done is not done, as with any command.
    let _done = match act {
        Act::Write(n, what) => {
            fs::create_dir_all(at(n).parent().unwrap()).and_then(|()| fs::write(at(n), [*what; 9]))
        }
        Act::Append(n) => fs::read(at(n)).and_then(|mut bytes| {
            bytes.push(b'+');
            fs::OpenOptions::new()
                .write(true)
                .open(at(n))
                .and_then(|mut file| std::io::Write::write_all(&mut file, &bytes))
        }),
        Act::Remove(n) => match fs::symlink_metadata(at(n)) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(at(n)),
            _ => fs::remove_file(at(n)),
        },
        Act::Make(n) => fs::create_dir_all(at(n)),
        Act::Rename(from, to) => fs::rename(at(from), at(to)),
        Act::Link(n, to) => symlink(place(*to), at(n)),
        Act::Hard(n, to) => fs::hard_link(at(n), at(to)),
        Act::Mode(n, mode) => match fs::symlink_metadata(at(n)) {
            // A directory stays one that can be looked into.
            Ok(meta) if meta.is_dir() => {
                fs::set_permissions(at(n), fs::Permissions::from_mode(u32::from(*mode) | 0o700))
            }
            Ok(meta) if meta.is_file() => {
                fs::set_permissions(at(n), fs::Permissions::from_mode(u32::from(*mode) | 0o400))
            }
            _ => Ok(()),
        },
    };
}

type Described = BTreeMap<PathBuf, (char, u32, Vec<u8>)>;

/// Without directories of this name, and what is in them.
fn outside(mut all: Described, name: &str) -> Described {
    let dirs: Vec<PathBuf> = all
        .iter()
        .filter(|(path, (kind, ..))| *kind == 'd' && path.file_name() == Some(name.as_ref()))
        .map(|(path, _)| path.clone())
        .collect();
    all.retain(|path, _| !dirs.iter().any(|dir| path.starts_with(dir)));
    all
}

/// Each path with its kind, its permissions and what it holds.
fn described(root: &Path) -> Described {
    let mut all = BTreeMap::new();
    let mut ahead = vec![PathBuf::new()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(root.join(&dir)).unwrap() {
            let path = dir.join(entry.unwrap().file_name());
            let whole = root.join(&path);
            let meta = fs::symlink_metadata(&whole).unwrap();
            let mode = meta.mode() & 0o7777;
            let is = if meta.is_dir() {
                ahead.push(path.clone());
                ('d', mode, Vec::new())
            } else if meta.is_symlink() {
                let to = fs::read_link(&whole).unwrap();
                ('l', 0, to.as_os_str().as_bytes().to_vec())
            } else {
                ('f', mode, fs::read(&whole).unwrap())
            };
            all.insert(path, is);
        }
    }
    all
}

fn of(seq: u64) -> Key {
    Key {
        seq,
        hash: format!("{seq:064}"),
    }
}

/// Waits until each file is older than the clock's tick.
fn settled(keeper: &mut Keeper) {
    while keeper.is_unsettled() {
        keeper.settle().unwrap();
    }
}

struct Ground {
    _dir: Dir,
    root: PathBuf,
    store: Arc<Store>,
    /// Names of directories that are not kept.
    generated: &'static [&'static str],
}

impl Ground {
    fn new() -> Ground {
        let dir = Dir::new();
        let root = dir.0.join("root");
        fs::create_dir(&root).unwrap();
        let store = Arc::new(Store::new(dir.0.join("undo"), Bounds::default()));
        Ground {
            _dir: dir,
            root,
            store,
            generated: &[],
        }
    }

    /// Does this as a command, and keeps what it changed.
    fn command(&self, seq: u64, acts: &[Act]) -> Manifest {
        let store = Arc::clone(&self.store);
        let generated = self.generated.iter().copied();
        let mut keeper = Keeper::open(store, &self.root, generated).unwrap();
        keeper.begin(Most::ALL, &|| false).unwrap();
        settled(&mut keeper);
        let before = Snapshot::take([&self.root], Options::default());
        for one in acts {
            act(&self.root, one);
        }
        let (_, details) = before.changes_in_detail();
        let mut manifest = Manifest::new(of(seq));
        for details in details {
            capture(&mut keeper, details, &mut manifest);
        }
        self.store.keep(manifest).unwrap();
        self.store.manifest(&of(seq)).unwrap().unwrap()
    }

    fn undo(&self, seq: u64, by: u64) -> Vec<Verdict> {
        let manifest = self.store.manifest(&of(seq)).unwrap().unwrap();
        let plan = plan(&self.store, manifest, false, &Obeyed::default()).unwrap();
        let done = restore(&self.store, plan, of(by)).unwrap();
        let mut left = done.plan.planned;
        left.retain(|planned| matches!(planned.verdict, Verdict::Left(_)));
        left.into_iter().map(|planned| planned.verdict).collect()
    }
}

/// `PROPTEST_CASES` says more.
fn cases() -> u32 {
    let said = std::env::var("PROPTEST_CASES").ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn undone_each_tree_is_as_it_was(tree in acts(40), command in acts(24)) {
        let ground = Ground::new();
        for one in &tree {
            act(&ground.root, one);
        }
        let before = described(&ground.root);
        let manifest = ground.command(1, &command);
        let after = described(&ground.root);
        prop_assert_eq!(ground.undo(1, 2), vec![], "{:#?}", manifest);
        prop_assert_eq!(&described(&ground.root), &before, "{:#?}", manifest);
        // And the undo as well, and that again.
        prop_assert_eq!(ground.undo(2, 3), vec![], "{:#?}", manifest);
        prop_assert_eq!(&described(&ground.root), &after, "{:#?}", manifest);
        prop_assert_eq!(ground.undo(3, 4), vec![]);
        prop_assert_eq!(&described(&ground.root), &before);
        // Once more is nothing.
        prop_assert_eq!(ground.undo(1, 5), vec![]);
        prop_assert_eq!(&described(&ground.root), &before);
    }

    /// Directories get names that are not kept, and come from there: whatever is not as it was, is told.
    #[test]
    fn what_is_not_as_it_was_is_told(tree in acts(40), command in acts(12)) {
        let ground = Ground { generated: &["b"], ..Ground::new() };
        for one in &tree {
            act(&ground.root, one);
        }
        let before = described(&ground.root);
        let manifest = ground.command(1, &command);
        let left = ground.undo(1, 2);
        let now = described(&ground.root);
        if left.is_empty() && manifest.generated == 0 {
            prop_assert_eq!(&now, &before, "{:#?}", manifest);
        } else if left.is_empty() {
            // What came from there may have come along; what was kept is as it was.
            for (path, was) in outside(before, "b") {
                prop_assert_eq!(now.get(&path), Some(&was), "{:?} {:#?}", path, manifest);
            }
        }
    }

    #[test]
    fn what_somebody_wrote_since_stays(tree in acts(40), command in acts(24), places in prop::collection::vec(0..64_u8, 1..6)) {
        let ground = Ground::new();
        for one in &tree {
            act(&ground.root, one);
        }
        let manifest = ground.command(1, &command);
        let mut written = Vec::new();
        for (number, at) in places.iter().enumerate() {
            let path = ground.root.join(place(*at));
            // There may be links on the way.
            let Ok(dir) = path.parent().unwrap().canonicalize() else { continue };
            let path = dir.join(path.file_name().unwrap());
            let text = format!("by a person, {number}, {at}");
            let is_file = fs::symlink_metadata(&path).map_or(true, |meta| meta.is_file() && meta.nlink() == 1);
            // As an editor does: another file takes the place.
            if is_file && path.parent().unwrap().is_dir() && !written.iter().any(|(p, _)| *p == path) {
                let new = ground.root.join("new");
                fs::write(&new, &text).unwrap();
                fs::rename(&new, &path).unwrap();
                written.push((path, text));
            }
        }
        ground.undo(1, 2);
        let now = described(&ground.root);
        for (path, text) in &written {
            let there = now.values().filter(|(_, _, held)| held == text.as_bytes()).count();
            prop_assert_eq!(there, 1, "{:?} {:#?}", path, manifest);
        }
        prop_assert!(!now.keys().any(|path| path.to_string_lossy().contains(".ringfence")), "{:?}", now.keys());
    }
}
