//! What keeping and undoing costs, in a tree that it makes: `cargo run --release -p ringfence-undo --example keeping [FILES]`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringfence_undo::{
    Before, Begun, Bounds, Detail, Keeper, Key, Kind, Manifest, Most, Obeyed, Stood, Store, plan,
    restore,
};

fn main() {
    let files = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let files: usize = files.unwrap_or(5_000);
    let base = std::env::temp_dir().join(format!("rf-undo-cost-{}", std::process::id()));
    let root = base.join("root");
    let paths = make(&root, files);
    println!(
        "{files} files of 2 KiB, 20 in a directory, in {}",
        root.display()
    );
    println!("medians of 5; `cp -r` of the tree is 1\n");
    // Nothing is removed before the end: for some seconds ext4 takes long to make files where many were removed.
    let mut number = 0;
    let copied = median(5, || {
        number += 1;
        let to = base.join(format!("copy{number}"));
        let begun = Instant::now();
        copy(&root, &to);
        begun.elapsed()
    });
    let row = |what: &str, took: Duration| {
        let ratio = took.as_secs_f64() / copied.as_secs_f64();
        println!(
            "| {what} | {ratio:.3} | {:.3} ms |",
            took.as_secs_f64() * 1e3
        );
    };
    println!("| | of a copy | took |\n|---|---|---|");
    row("copying the tree", copied);

    let first = median(5, || {
        number += 1;
        let store = base.join(format!("undo{number}"));
        let begun = Instant::now();
        keeper(&store, &root, files);
        begun.elapsed()
    });
    row("keeping it, the first time", first);
    let last = base.join(format!("undo{number}"));
    let second = median(5, || {
        let begun = Instant::now();
        keeper(&last, &root, 0);
        begun.elapsed()
    });
    row("the same, in a second session", second);
    let mut keeper = keeper(&last, &root, 0);
    let store = Store::new(last, Bounds::default());
    let mut seq = 0;
    for changed in [1, 100, 1_000.min(files)] {
        let mut undoing = Vec::new();
        let capturing = median(5, || {
            seq += 2;
            let some = &paths[..changed];
            let before: Vec<Stood> = some.iter().map(|path| seen(&root.join(path))).collect();
            for path in some {
                fs::write(
                    root.join(path),
                    format!("by command {seq} in {}", path.display()),
                )
                .unwrap();
            }
            let changes = some.iter().zip(before).map(|(path, before)| Detail {
                path: path.clone(),
                from: None,
                before: Before::Stood(before),
                after: Some(seen(&root.join(path))),
            });
            let changes = changes.collect();
            let begun = Instant::now();
            let captured = keeper.capture(changes).unwrap();
            let mut manifest = Manifest::new(key(seq));
            manifest.roots.push(captured.steps);
            store.keep(manifest).unwrap();
            let took = begun.elapsed();
            while keeper.is_unsettled() {
                keeper.settle().unwrap();
            }
            let begun = Instant::now();
            let manifest = store.manifest(&key(seq)).unwrap().unwrap();
            let plan = plan(&store, manifest, false, &Obeyed::default()).unwrap();
            let done = restore(&store, plan, key(seq + 1)).unwrap();
            undoing.push(begun.elapsed());
            assert_eq!(done.plan.undone(), changed);
            // What was put back is known to the next one.
            keeper.begin(Most::ALL, &|| false).unwrap();
            while keeper.is_unsettled() {
                keeper.settle().unwrap();
            }
            took
        });
        undoing.sort();
        row(&format!("capturing {changed} changed files"), capturing);
        row(&format!("undoing {changed} changed files"), undoing[2]);
    }
    fs::remove_dir_all(&base).unwrap();
}

fn key(seq: u64) -> Key {
    Key {
        seq,
        hash: format!("{seq}"),
    }
}

fn keeper(store: &Path, root: &Path, reads: usize) -> Keeper {
    let store = Arc::new(Store::new(store.to_owned(), Bounds::default()));
    let mut keeper = Keeper::open(store, root, []).unwrap();
    match keeper.begin(Most::ALL, &|| false).unwrap() {
        Begun::Whole { files, .. } => assert!(files >= reads, "{files}"),
        other => panic!("{other:?}"),
    }
    keeper
}

fn seen(path: &Path) -> Stood {
    let meta = fs::symlink_metadata(path).unwrap();
    Stood {
        kind: Kind::File,
        mode: meta.mode() & 0o7777,
        size: meta.size(),
        modified: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
        changed: meta.ctime() * 1_000_000_000 + meta.ctime_nsec(),
    }
}

fn make(root: &Path, files: usize) -> Vec<PathBuf> {
    let text = "fn source() { /* some words */ }\n".repeat(62);
    let make = |number: usize| {
        let path = PathBuf::from(format!("area{}/source_file_{number}.rs", number / 20));
        fs::create_dir_all(root.join(&path).parent().unwrap()).unwrap();
        fs::write(root.join(&path), format!("// {number}\n{text}")).unwrap();
        path
    };
    (0..files).map(make).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &there);
        } else {
            fs::copy(entry.path(), there).unwrap();
        }
    }
}

fn median(times: usize, mut one: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..times).map(|_| one()).collect();
    all.sort();
    all[times / 2]
}
