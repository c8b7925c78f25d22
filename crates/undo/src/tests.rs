//! What is kept, what is not, and what is put back where somebody is in the way on purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, FileType, Mode};

use crate::below::Root;
use crate::take::take;
use crate::{
    Before, Begun, Bounds, Content, Detail, Error, Keeper, Key, Kind, Left, Manifest, Most, Obeyed,
    State, Stood, Store, Verdict, What, Why, plan, restore,
};

/// A directory that is removed in the end.
pub(crate) struct Ground {
    dir: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) store: Arc<Store>,
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Ground {
    fn new() -> Ground {
        Ground::bounded(Bounds::default())
    }

    fn bounded(bounds: Bounds) -> Ground {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rf-undo-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let root = dir.join("root");
        fs::create_dir_all(&root).unwrap();
        let store = Arc::new(Store::new(dir.join("undo"), bounds));
        Ground { dir, root, store }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn keeper(&self) -> Keeper {
        let mut keeper = Keeper::open(Arc::clone(&self.store), &self.root, ["target"]).unwrap();
        keeper.begin(Most::ALL, &|| false).unwrap();
        while keeper.is_unsettled() {
            keeper.settle().unwrap();
        }
        keeper
    }

    fn seen(&self, path: &str) -> Option<Stood> {
        let meta = fs::symlink_metadata(self.at(path)).ok()?;
        let is = meta.file_type();
        let kind = if is.is_dir() {
            Kind::Directory
        } else if is.is_symlink() {
            Kind::Symlink
        } else if is.is_file() {
            Kind::File
        } else {
            Kind::Special
        };
        let nanos = |seconds: i64, nanos: i64| seconds * 1_000_000_000 + nanos;
        let dir = kind == Kind::Directory;
        Some(Stood {
            kind,
            mode: meta.mode() & 0o7777,
            size: if dir { 0 } else { meta.size() },
            modified: if dir {
                0
            } else {
                nanos(meta.mtime(), meta.mtime_nsec())
            },
            changed: if dir {
                0
            } else {
                nanos(meta.ctime(), meta.ctime_nsec())
            },
        })
    }

    /// A command that does this, and changes something at these places. What it changed is kept under this number.
    fn command(
        &self,
        seq: u64,
        keeper: &mut Keeper,
        places: &[&str],
        act: impl FnOnce(),
    ) -> Manifest {
        let before: Vec<Option<Stood>> = places.iter().map(|path| self.seen(path)).collect();
        act();
        let changes = places.iter().zip(before).map(|(path, before)| Detail {
            path: path.into(),
            from: None,
            before: before.map_or(Before::Nothing, Before::Stood),
            after: self.seen(path),
        });
        let captured = keeper.capture(changes.collect()).unwrap();
        let mut manifest = Manifest::new(of(seq));
        manifest.more = captured.more;
        manifest.generated = captured.generated;
        manifest.roots.push(captured.steps);
        self.store.keep(manifest).unwrap();
        self.store.manifest(&of(seq)).unwrap().unwrap()
    }

    fn undo(&self, seq: u64, by: u64, force: bool) -> Vec<(What, Verdict)> {
        let manifest = self.store.manifest(&of(seq)).unwrap().unwrap();
        let plan = plan(&self.store, manifest, force, &Obeyed::default()).unwrap();
        let done = restore(&self.store, plan, of(by)).unwrap();
        let planned = done.plan.planned.into_iter();
        planned
            .map(|planned| (planned.what, planned.verdict))
            .collect()
    }

    fn objects(&self) -> u64 {
        let mut size = 0;
        for file in fs::read_dir(self.store.dir().join("objects")).unwrap() {
            size += file.unwrap().metadata().unwrap().len();
        }
        size
    }
}

fn of(seq: u64) -> Key {
    Key {
        seq,
        hash: format!("{seq:064}"),
    }
}

fn content(manifest: &Manifest, at: usize) -> &Content {
    &manifest.roots[0].steps[at].before.as_ref().unwrap().content
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
}

#[test]
fn what_is_no_file_is_neither_opened_nor_kept() {
    let ground = Ground::new();
    // To open one for reading waits for a writer; there is none.
    fifo(&ground.at("fifo"));
    if rustix::process::geteuid().is_root() {
        // A terminal that is opened becomes somebody's.
        rustix::fs::mknodat(
            CWD,
            ground.at("device"),
            FileType::CharacterDevice,
            Mode::RUSR,
            rustix::fs::makedev(5, 0),
        )
        .ok();
    }
    ground.write("file", "text");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["fifo", "file"], || {
        fs::remove_file(ground.at("fifo")).unwrap();
        fs::remove_file(ground.at("file")).unwrap();
        fifo(&ground.at("file"));
    });
    assert_eq!(content(&manifest, 0), &Content::Not(Why::Special));
    let told = ground.undo(1, 2, false);
    assert_eq!(told[0].1, Verdict::Left(Left::NotKept(Why::Special)));
    assert_eq!(told[1], (What::Replace, Verdict::Undo));
    assert_eq!(ground.read("file"), "text");
}

#[test]
fn a_name_that_is_no_text_and_one_with_lines_come_back() {
    let ground = Ground::new();
    let names = [
        OsStr::from_bytes(b"\xff\n\x80"),
        OsStr::new("two\nlines \u{1b}[2J"),
    ];
    for name in names {
        fs::write(ground.root.join(name), name.as_bytes()).unwrap();
    }
    let mut keeper = ground.keeper();
    let changes = names.map(|name| {
        let path = PathBuf::from(name);
        let meta = fs::symlink_metadata(ground.root.join(&path)).unwrap();
        fs::remove_file(ground.root.join(&path)).unwrap();
        let nanos = |seconds: i64, nanos: i64| seconds * 1_000_000_000 + nanos;
        let seen = Stood {
            kind: Kind::File,
            mode: meta.mode() & 0o7777,
            size: meta.size(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
        };
        Detail {
            path,
            from: None,
            before: Before::Stood(seen),
            after: None,
        }
    });
    let captured = keeper.capture(changes.to_vec()).unwrap();
    let mut manifest = Manifest::new(of(1));
    manifest.roots.push(captured.steps);
    ground.store.keep(manifest).unwrap();
    ground.undo(1, 2, false);
    for name in names {
        assert_eq!(fs::read(ground.root.join(name)).unwrap(), name.as_bytes());
    }
}

#[test]
fn a_sparse_file_comes_back_sparse() {
    let ground = Ground::new();
    let size = 8 << 20;
    let file = File::create(ground.at("sparse")).unwrap();
    file.write_all_at(b"end", size - 3).unwrap();
    file.write_all_at(b"middle", 4 << 20).unwrap();
    let before = fs::read(ground.at("sparse")).unwrap();
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["sparse"], || {
        fs::remove_file(ground.at("sparse")).unwrap()
    });
    ground.undo(1, 2, false);
    assert!(fs::read(ground.at("sparse")).unwrap() == before);
    let blocks = |path: &Path| fs::metadata(path).unwrap().blocks() * 512;
    assert!(blocks(&ground.at("sparse")) < size / 8);
}

#[test]
fn a_file_with_another_name_stays_the_same_file() {
    let ground = Ground::new();
    ground.write("one", "as it was, and longer");
    fs::hard_link(ground.at("one"), ground.dir.join("outside")).unwrap();
    fs::set_permissions(ground.at("one"), fs::Permissions::from_mode(0o440)).unwrap();
    let mut keeper = ground.keeper();
    let inode = fs::metadata(ground.at("one")).unwrap().ino();
    ground.command(1, &mut keeper, &["one"], || {
        fs::set_permissions(ground.at("one"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(ground.at("one"), "short").unwrap();
        fs::set_permissions(ground.at("one"), fs::Permissions::from_mode(0o440)).unwrap();
    });
    assert_eq!(ground.undo(1, 2, false), [(What::PutBack, Verdict::Undo)]);
    assert_eq!(ground.read("one"), "as it was, and longer");
    let meta = fs::metadata(ground.dir.join("outside")).unwrap();
    assert_eq!((meta.ino(), meta.mode() & 0o7777), (inode, 0o440));
}

/// A command replaces a file by another name of one that it may not write: what is put back goes to the name, not into that.
#[test]
fn what_a_command_links_to_is_not_written_to() {
    let ground = Ground::new();
    ground.write("mine", "as it was");
    fs::write(ground.dir.join("outside"), "not the command's").unwrap();
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["mine"], || {
        fs::remove_file(ground.at("mine")).unwrap();
        fs::hard_link(ground.dir.join("outside"), ground.at("mine")).unwrap();
    });
    assert_eq!(ground.undo(1, 2, false), [(What::PutBack, Verdict::Undo)]);
    assert_eq!(ground.read("mine"), "as it was");
    assert_eq!(
        fs::read(ground.dir.join("outside")).unwrap(),
        b"not the command's"
    );
}

#[test]
fn what_may_not_be_read_is_not_kept_and_the_rest_is() {
    if rustix::process::geteuid().is_root() {
        // Nothing is unreadable to it.
        return;
    }
    let ground = Ground::new();
    ground.write("secret", "s");
    ground.write("plain", "p");
    fs::set_permissions(ground.at("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["secret", "plain"], || {
        fs::remove_file(ground.at("secret")).unwrap();
        fs::remove_file(ground.at("plain")).unwrap();
    });
    assert_eq!(content(&manifest, 0), &Content::Not(Why::Unreadable));
    let told = ground.undo(1, 2, false);
    assert_eq!(told[0].1, Verdict::Left(Left::NotKept(Why::Unreadable)));
    assert_eq!(ground.read("plain"), "p");
}

#[test]
fn a_directory_that_was_closed_is_opened_and_closed_again() {
    let ground = Ground::new();
    ground.write("d/deep/f", "text");
    fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o550)).unwrap();
    let mut keeper = ground.keeper();
    ground.command(
        1,
        &mut keeper,
        &["d/deep", "d/deep/f", "d/deep/new"],
        || {
            fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o750)).unwrap();
            fs::remove_file(ground.at("d/deep/f")).unwrap();
            ground.write("d/deep/new", "new");
            fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o500)).unwrap();
        },
    );
    let told = ground.undo(1, 2, false);
    assert!(
        told.iter().all(|(_, verdict)| *verdict == Verdict::Undo),
        "{told:?}"
    );
    assert_eq!(ground.read("d/deep/f"), "text");
    assert!(!ground.at("d/deep/new").exists());
    let mode = fs::metadata(ground.at("d/deep")).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o550);
    fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_changed_since_is_left_alone_unless_somebody_says_so() {
    let ground = Ground::new();
    for name in ["modified", "deleted", "untouched"] {
        ground.write(name, "before");
    }
    let mut keeper = ground.keeper();
    let places = ["modified", "deleted", "added", "untouched"];
    ground.command(1, &mut keeper, &places, || {
        ground.write("modified", "by the command");
        fs::remove_file(ground.at("deleted")).unwrap();
        ground.write("added", "by the command");
        ground.write("untouched", "by the command");
    });
    for name in ["modified", "deleted", "added"] {
        ground.write(name, "by a person");
    }
    let changed = Verdict::Left(Left::Changed);
    let expected = [
        (What::PutBack, changed.clone()),
        (What::Create, Verdict::Left(Left::InTheWay)),
        (What::Remove, changed),
        (What::PutBack, Verdict::Undo),
    ];
    assert_eq!(ground.undo(1, 2, false), expected);
    for name in ["modified", "deleted", "added"] {
        assert_eq!(ground.read(name), "by a person");
    }
    assert_eq!(ground.read("untouched"), "before");
    // It is kept, and comes back.
    ground.undo(1, 3, true);
    assert_eq!(ground.read("modified"), "before");
    assert_eq!(ground.read("deleted"), "before");
    assert!(!ground.at("added").exists());
    ground.undo(3, 4, false);
    for name in ["modified", "deleted", "added"] {
        assert_eq!(ground.read(name), "by a person");
    }
}

/// The same file, as a person writes it in the very moment in which it is put back: it is not lost.
#[test]
fn what_changes_between_the_look_and_the_undo_is_left_alone() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "command"));
    let plan = plan(&ground.store, manifest, false, &Obeyed::default()).unwrap();
    assert_eq!(plan.undone(), 1);
    ground.write("f", "person!");
    let done = restore(&ground.store, plan, of(2)).unwrap();
    assert_eq!(done.plan.planned[0].verdict, Verdict::Left(Left::Changed));
    assert_eq!(ground.read("f"), "person!");
}

#[test]
fn a_change_that_was_not_read_in_time_is_not_kept_as_what_it_was_not() {
    let ground = Ground::new();
    ground.write("f", "first");
    let mut keeper = ground.keeper();
    // Nobody reads this before the command changes it.
    ground.write("f", "other");
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "third"));
    assert_eq!(content(&manifest, 0), &Content::Not(Why::Changed));
    let told = ground.undo(1, 2, false);
    assert_eq!(told[0].1, Verdict::Left(Left::NotKept(Why::Changed)));
    assert_eq!(ground.read("f"), "third");
    // The next command's is.
    while keeper.is_unsettled() {
        keeper.settle().unwrap();
    }
    ground.command(3, &mut keeper, &["f"], || ground.write("f", "fourth"));
    ground.undo(3, 4, false);
    assert_eq!(ground.read("f"), "third");
}

/// What changed was taken in already when the command that changed it is asked about.
#[test]
fn what_stood_there_a_moment_ago_is_remembered() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let change = Detail {
        path: "f".into(),
        from: None,
        before: Before::Stood(ground.seen("f").unwrap()),
        after: None,
    };
    fs::remove_file(ground.at("f")).unwrap();
    let is_kept = |keeper: &mut Keeper| {
        let captured = keeper.capture(vec![change.clone()]).unwrap();
        let before = captured.steps.steps[0].before.clone().unwrap();
        before.content.kept().is_some()
    };
    assert!(is_kept(&mut keeper));
    assert!(is_kept(&mut keeper), "once more");
    keeper.forget_past();
    assert!(!is_kept(&mut keeper));
}

/// What was written so shortly before it was read that another write would have the same times is not trusted.
#[test]
fn what_is_too_young_is_read_again() {
    let ground = Ground::new();
    ground.write("f", "text");
    let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    keeper.begin(Most::ALL, &|| false).unwrap();
    let root = Root::open(&ground.root).unwrap();
    // Written, read and written again before the clock's next tick, as long as this machine is quick enough.
    let taken = take(&root, Path::new("f"), None, 100).unwrap().unwrap();
    assert_eq!(taken.recent, keeper.is_unsettled() || taken.recent);
    while keeper.is_unsettled() {
        keeper.settle().unwrap();
    }
    let taken = take(&root, Path::new("f"), None, 100).unwrap().unwrap();
    assert!(
        !taken.recent
            && matches!(
                taken.state,
                State {
                    content: Content::Kept(_),
                    ..
                }
            )
    );
}

#[test]
fn the_second_session_reads_only_what_changed() {
    let ground = Ground::new();
    for number in 0..300 {
        ground.write(&format!("d{}/f{number}", number % 7), &number.to_string());
    }
    drop(ground.keeper());
    let mut second = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    let begun = second.begin(Most::ALL, &|| false).unwrap();
    assert_eq!(begun, Begun::Whole { files: 0, bytes: 0 });
    ground.write("d1/f1", "another");
    let mut third = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    let begun = third.begin(Most::ALL, &|| false).unwrap();
    assert_eq!(begun, Begun::Whole { files: 1, bytes: 7 });
    // Broken, it is made anew, and nothing fails.
    let known = fs::read_dir(ground.store.dir().join("known"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for broken in ["", "no line\n", "{\"format\":99}\n"] {
        fs::write(&known, broken).unwrap();
        let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
        let Begun::Whole { files, .. } = keeper.begin(Most::ALL, &|| false).unwrap() else {
            panic!("not begun");
        };
        assert_eq!(files, 307);
        while keeper.is_unsettled() {
            keeper.settle().unwrap();
        }
    }
    // A torn end is cut off.
    let mut bytes = fs::read(&known).unwrap();
    bytes.truncate(bytes.len() - 9);
    fs::write(&known, bytes).unwrap();
    let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    assert!(matches!(
        keeper.begin(Most::ALL, &|| false).unwrap(),
        Begun::Whole { files: 1, .. }
    ));
}

#[test]
fn what_is_not_cheap_is_not_done_unasked() {
    let ground = Ground::new();
    for number in 0..10 {
        ground.write(&format!("f{number}"), "0123456789");
    }
    let begin = |most| {
        let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
        keeper.begin(most, &|| false).unwrap()
    };
    let (files, bytes) = (10, 100);
    let too_much = Begun::TooMuch { files, bytes };
    assert_eq!(
        begin(Most {
            files: 9,
            bytes: 100
        }),
        too_much
    );
    assert_eq!(
        begin(Most {
            files: 10,
            bytes: 99
        }),
        too_much
    );
    assert!(!ground.store.dir().exists(), "nothing is made");
    assert_eq!(begin(Most { files, bytes }), Begun::Whole { files, bytes });
}

#[test]
fn a_large_file_and_what_tools_fill_are_not_kept() {
    let ground = Ground::bounded(Bounds {
        file: 8,
        ..Bounds::default()
    });
    ground.write("small", "8 bytes!");
    ground.write("large", "9 bytes!!");
    ground.write("target/x", "x");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["small", "large", "target/x"], || {
        for name in ["small", "large", "target/x"] {
            fs::remove_file(ground.at(name)).unwrap();
        }
    });
    assert_eq!((manifest.generated, manifest.steps()), (1, 2));
    assert_eq!(content(&manifest, 1), &Content::Not(Why::Large));
    ground.undo(1, 2, false);
    assert!(ground.at("small").exists() && !ground.at("large").exists());
}

#[test]
fn the_store_is_bounded_and_the_oldest_go_first() {
    let kib = "x".repeat(1024);
    let bounds = Bounds {
        store: 200 << 10,
        root: 16 << 10,
        ..Bounds::default()
    };
    let ground = Ground::bounded(bounds);
    ground.write("f", &format!("0{kib}"));
    let mut keeper = ground.keeper();
    for seq in 1..=100 {
        ground.command(seq, &mut keeper, &["f"], || {
            ground.write("f", &format!("{seq}{kib}"))
        });
        while keeper.is_unsettled() {
            keeper.settle().unwrap();
        }
        assert!(ground.objects() <= 48 << 10, "{}", ground.objects());
    }
    let is_there = |seq: u64| ground.store.manifest(&of(seq)).unwrap().is_some();
    assert!(!is_there(1) && !is_there(50) && is_there(99) && is_there(100));
    // What is still there is whole.
    ground.undo(100, 101, false);
    assert_eq!(ground.read("f"), format!("99{kib}"));
}

#[test]
fn no_more_is_kept_of_a_root_than_may_be() {
    let ground = Ground::bounded(Bounds {
        root: 100,
        ..Bounds::default()
    });
    for number in 0..10 {
        ground.write(&format!("f{number}"), &number.to_string().repeat(40));
    }
    drop(ground.keeper());
    assert_eq!(ground.objects(), 80);
}

#[test]
fn many_processes_keep_and_undo_at_once() {
    let ground = Ground::bounded(Bounds {
        store: 64 << 10,
        root: 32 << 10,
        ..Bounds::default()
    });
    let threads: Vec<_> = (0..6_u64)
        .map(|thread| {
            let store = Arc::new(Store::new(
                ground.store.dir().to_owned(),
                ground.store.bounds,
            ));
            let root = ground.dir.join(format!("root{thread}"));
            fs::create_dir(&root).unwrap();
            let own = Ground {
                dir: ground.dir.join("none"),
                root,
                store,
            };
            std::thread::spawn(move || {
                let mut undone = 0;
                for round in 0..12 {
                    let text = |what: &str| format!("{what} {thread} {round} {}", "y".repeat(700));
                    own.write("f", &text("before"));
                    let mut keeper = own.keeper();
                    let seq = thread * 1000 + round * 2;
                    let manifest =
                        own.command(seq, &mut keeper, &["f"], || own.write("f", &text("after")));
                    let told = own.undo(seq, seq + 1, false);
                    // Others need the room, and then that is told.
                    if content(&manifest, 0) == &Content::Not(Why::Collected) {
                        let left = Verdict::Left(Left::NotKept(Why::Collected));
                        assert_eq!(told, [(What::PutBack, left)]);
                        continue;
                    }
                    undone += 1;
                    assert_eq!(told, [(What::PutBack, Verdict::Undo)]);
                    assert_eq!(own.read("f"), text("before"));
                }
                undone
            })
        })
        .collect();
    let undone: Vec<i32> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(undone.iter().sum::<i32>() > 0, "{undone:?}");
}

#[test]
fn another_directory_under_the_name_is_not_touched() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "after"));
    fs::rename(&ground.root, ground.dir.join("away")).unwrap();
    assert!(matches!(
        plan(&ground.store, manifest.clone(), true, &Obeyed::default()),
        Err(Error::Root { .. })
    ));
    ground.write("f", "after");
    assert!(matches!(
        plan(&ground.store, manifest, true, &Obeyed::default()),
        Err(Error::OtherRoot { .. })
    ));
    assert_eq!(ground.read("f"), "after");
}

#[test]
fn a_record_of_another_ledger_has_nothing_here() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["f"], || ground.write("f", "after"));
    let other = Key {
        seq: 1,
        hash: "another".to_owned(),
    };
    assert!(ground.store.manifest(&other).unwrap().is_none());
}

#[test]
fn what_is_damaged_in_the_store_is_not_put_back() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "after"));
    let hash = content(&manifest, 0).kept().unwrap();
    let object = ground.store.object(hash);
    fs::write(&object, "forged").unwrap();
    assert_eq!(ground.undo(1, 2, false)[0].1, Verdict::Left(Left::Damaged));
    assert_eq!(ground.read("f"), "after");
    // And a link in its place is not followed.
    symlink("/etc/hostname", &object).unwrap();
    assert_eq!(
        ground.undo(1, 3, false)[0].1,
        Verdict::Left(Left::NotKept(Why::Collected))
    );
}

/// A directory on the way becomes a link to outside: before, and over and over while it is undone.
#[test]
fn nothing_is_written_or_removed_outside_of_the_root() {
    let ground = Ground::new();
    let outside = ground.dir.join("outside");
    fs::create_dir(&outside).unwrap();
    let texts = ["kept", "also kept"];
    let names: Vec<String> = (0..40).map(|n| format!("d/f{n}")).collect();
    let places: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = |ground: &Ground| {
        for name in &names {
            ground.write(name, "before");
            fs::write(outside.join(name.strip_prefix("d/").unwrap()), texts[0]).unwrap();
        }
    };
    let untouched = || {
        let all: Vec<_> = fs::read_dir(&outside)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        all.len() == names.len()
            && all
                .iter()
                .all(|path| fs::read(path).unwrap() == texts[0].as_bytes())
    };
    before(&ground);
    let mut keeper = ground.keeper();
    // Half of them are deleted, half added or modified.
    ground.command(1, &mut keeper, &places, || {
        for (number, name) in names.iter().enumerate() {
            if number % 2 == 0 {
                fs::remove_file(ground.at(name)).unwrap();
            } else {
                ground.write(name, "after");
            }
        }
    });
    // A control: who follows the link would write there.
    fs::rename(ground.at("d"), ground.at("away")).unwrap();
    symlink(&outside, ground.at("d")).unwrap();
    assert!(ground.at("d/f0").exists());
    let told = ground.undo(1, 2, true);
    assert!(
        told.iter().all(|(_, verdict)| *verdict != Verdict::Undo),
        "{told:?}"
    );
    assert!(untouched());
    fs::remove_file(ground.at("d")).unwrap();
    fs::rename(ground.at("away"), ground.at("d")).unwrap();

    // And swapped while it is undone, until something was undone and something was not.
    let stop = Arc::new(AtomicBool::new(false));
    let swaps = {
        let (stop, root, outside) = (Arc::clone(&stop), ground.root.clone(), outside.clone());
        std::thread::spawn(move || {
            symlink(&outside, root.join("link")).unwrap();
            let exchange = || {
                rustix::fs::renameat_with(
                    CWD,
                    root.join("d"),
                    CWD,
                    root.join("link"),
                    rustix::fs::RenameFlags::EXCHANGE,
                )
            };
            let mut times = 0_u64;
            while !stop.load(Ordering::SeqCst) {
                exchange().unwrap();
                times += 1;
            }
            if times % 2 == 1 {
                exchange().unwrap();
            }
            times
        })
    };
    let mut by = 10;
    for round in 0..20 {
        ground.undo(if round == 0 { 1 } else { by - 1 }, by, true);
        by += 1;
        assert!(untouched(), "round {round}");
    }
    stop.store(true, Ordering::SeqCst);
    assert!(swaps.join().unwrap() > 0);
    assert!(untouched());
    // Left in peace, all of it is undone.
    let told = ground.undo(1, by, true);
    assert!(!told.is_empty() && untouched());
    for name in &names {
        assert_eq!(ground.read(name), "before");
    }
}

#[test]
fn what_cannot_come_back_stays_whoever_says_so() {
    let ground = Ground::bounded(Bounds {
        file: 8,
        ..Bounds::default()
    });
    ground.write("changed", "8 bytes!");
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["changed", "large"], || {
        ground.write("changed", "9 bytes!!");
        ground.write("large", "9 bytes!!");
    });
    for force in [false, true] {
        let told = ground.undo(1, 2 + u64::from(force), force);
        assert!(
            told.iter()
                .all(|(_, verdict)| *verdict == Verdict::Left(Left::CannotKeep)),
            "{told:?}"
        );
        assert_eq!(ground.read("large"), "9 bytes!!");
        assert_eq!(ground.read("changed"), "9 bytes!!");
    }
}

#[test]
fn nothing_gets_where_programs_outside_obey() {
    let ground = Ground::new();
    fs::create_dir_all(ground.at("sub/.git/refs")).unwrap();
    ground.write("sub/.git/refs/main", "1");
    ground.write("sub/.git/config", "before");
    let mut keeper = ground.keeper();
    let all = [".envrc", "sub/.git/config", "sub/.git/refs/main"];
    ground.command(1, &mut keeper, &all, || {
        ground.write("sub/.git/refs/main", "2");
        ground.write(".envrc", "a person's");
        // Not the command's: no ring lets it write there.
        ground.write("sub/.git/config", "a person's");
    });
    let manifest = ground.store.manifest(&of(1)).unwrap().unwrap();
    for force in [true, false] {
        let obeyed = Obeyed::new([".envrc".into()]);
        let plan = plan(&ground.store, manifest.clone(), force, &obeyed).unwrap();
        let left = |planned: &&crate::Planned| planned.verdict == Verdict::Left(Left::Obeyed);
        assert_eq!(plan.planned.iter().filter(left).count(), 2, "{plan:?}");
        crate::restore(&ground.store, plan, of(2 + u64::from(force))).unwrap();
        assert_eq!(ground.read(".envrc"), "a person's");
        assert_eq!(ground.read("sub/.git/config"), "a person's");
        assert_eq!(ground.read("sub/.git/refs/main"), "1");
    }
}
