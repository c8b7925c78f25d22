//! What telling of changes costs, in a tree that it makes: `cargo run --release --example cost [FILES]`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringfence_changes::{Follow, Options, Snapshot};

const IN_ONE: usize = 10;

fn main() {
    let files = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let files: usize = files.unwrap_or(100_000);
    let root = std::env::temp_dir().join(format!("rf-cost-{}", std::process::id()));
    let paths = make(&root, files);
    println!(
        "{files} files, {IN_ONE} in a directory, in {}\n",
        root.display()
    );
    start(&root);
    commands(&root, &paths);
    std::fs::remove_dir_all(&root).unwrap();
}

fn make(root: &Path, files: usize) -> Vec<PathBuf> {
    let mut paths = Vec::with_capacity(files);
    for n in 0..files {
        let dir = n / IN_ONE;
        let dir = root.join(format!("area{}/module{}", dir / 100, dir % 100));
        if n % IN_ONE == 0 {
            std::fs::create_dir_all(&dir).unwrap();
        }
        let path = dir.join(format!("source_file_{n}.rs"));
        std::fs::write(&path, "fn f() {}").unwrap();
        paths.push(path);
    }
    paths
}

/// Memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn start(root: &Path) {
    let mut names = Vec::new();
    let walk = median(5, || {
        let (mut dirs, mut seen) = (vec![root.to_owned()], 0_usize);
        let begun = Instant::now();
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let stat = entry.metadata().unwrap();
                seen += 1;
                if stat.is_dir() {
                    dirs.push(entry.path());
                }
            }
        }
        names.push(seen);
        begun.elapsed()
    });
    let before = resident();
    let begun = Instant::now();
    let snapshot = Snapshot::take([root], Options::default());
    let first = begun.elapsed();
    let (memory, entries) = (resident() - before, snapshot.entries());
    let take = median(5, || {
        let begun = Instant::now();
        let _taken = Snapshot::take([root], Options::default());
        begun.elapsed()
    });
    let compare = median(5, || {
        let snapshot = Snapshot::take([root], Options::default());
        let begun = Instant::now();
        let _changes = snapshot.changes();
        begun.elapsed()
    });
    drop(snapshot);
    let followed = median(3, || {
        let begun = Instant::now();
        let follow = Follow::start([root], Options::default());
        assert!(follow.walked(Duration::from_secs(600)));
        begun.elapsed()
    });
    let ratio = |time: Duration| time.as_secs_f64() / walk.as_secs_f64();
    println!("{:<44} {:>9}  {:>6}", "", "median", "ratio");
    println!(
        "{:<44} {:>9.1?}  {:>6.2}",
        "std: read_dir and metadata of each", walk, 1.0
    );
    println!(
        "{:<44} {:>9.1?}  {:>6.2}",
        "Snapshot::take",
        take,
        ratio(take)
    );
    println!(
        "{:<44} {:>9.1?}  {:>6.2}",
        "Snapshot::changes",
        compare,
        ratio(compare)
    );
    println!(
        "{:<44} {:>9.1?}  {:>6.2}",
        "Follow::start until walked",
        followed,
        ratio(followed)
    );
    println!(
        "memory: {} KiB for {entries} entries, {} bytes each (first take {first:.1?})\n",
        memory,
        memory * 1024 / entries as u64
    );
}

fn commands(root: &Path, paths: &[PathBuf]) {
    let table = [(0, 2000), (1, 500), (100, 50), (10_000, 5)];
    let write = |k: usize, n: usize| {
        let some = paths.iter().cycle().skip(n * 7919 % paths.len());
        for path in some.take(k) {
            std::fs::write(path, "fn g() { }").unwrap();
        }
    };
    let mut n = 0;
    let bare = table.map(|(k, rounds)| {
        median(rounds, || {
            n += 1;
            let begun = Instant::now();
            write(k, n);
            begun.elapsed()
        })
    });
    let follow = Follow::start([root], Options::default());
    assert!(follow.walked(Duration::from_secs(600)));
    println!("{:?}", follow.held());
    println!(
        "\n{:<14} {:>12} {:>12} {:>7} {:>12} {:>12}",
        "files written", "bare", "followed", "ratio", "since alone", "per change"
    );
    for ((k, rounds), bare) in table.into_iter().zip(bare) {
        let mut alone = Vec::new();
        let with = median(rounds, || {
            n += 1;
            let begun = Instant::now();
            let mark = follow.mark();
            write(k, n);
            let since = Instant::now();
            let changes = follow.since(&mark);
            alone.push(since.elapsed());
            let whole = begun.elapsed();
            let counts = changes.roots[0].counts;
            assert_eq!(counts.modified, k.min(paths.len()) as u64);
            assert!(changes.incomplete.is_empty());
            whole
        });
        alone.sort();
        let alone = alone[alone.len() / 2];
        let each = alone.checked_div(u32::try_from(k).unwrap());
        let each = each.map_or("-".to_owned(), |each| format!("{each:.2?}"));
        let ratio = match k {
            0 => "-".to_owned(),
            _ => format!("{:.2}", with.as_secs_f64() / bare.as_secs_f64()),
        };
        println!("{k:<14} {bare:>12.2?} {with:>12.2?} {ratio:>7} {alone:>12.2?} {each:>12}");
    }
    println!("\n{:?}", follow.held());
}

fn median(times: usize, mut one: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..times).map(|_| one()).collect();
    all.sort();
    all[all.len() / 2]
}
