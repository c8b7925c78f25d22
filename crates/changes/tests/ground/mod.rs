//! A directory to change things in, and how the two ways of telling are asked at once.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringfence_changes::{Changes, Entry, Follow, How, Kind, Options, Snapshot};

pub const LONG: Duration = Duration::from_secs(60);

/// A directory that is removed at the end.
pub struct Ground(pub PathBuf);

impl Ground {
    pub fn new() -> Ground {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rf-changes-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Ground(path)
    }

    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    pub fn dir(&self, path: &str) -> &Self {
        std::fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    pub fn file(&self, path: &str, content: &str) -> &Self {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub fn rename(&self, from: &str, to: &str) -> &Self {
        std::fs::rename(self.at(from), self.at(to)).unwrap();
        self
    }

    pub fn remove(&self, path: &str) -> &Self {
        let path = self.at(path);
        if path.symlink_metadata().unwrap().is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        self
    }

    pub fn mode(&self, path: &str, mode: u32) -> &Self {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.at(path), permissions).unwrap();
        self
    }

    pub fn link(&self, to: &str, at: &str) -> &Self {
        std::os::unix::fs::symlink(to, self.at(at)).unwrap();
        self
    }

    pub fn follow(&self, options: Options) -> Follow {
        let follow = Follow::start([&self.0], options);
        assert!(follow.walked(LONG));
        follow
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Until the filesystem's clock has gone on: what is done before and after it has different times. Its coarse clock may stand
/// behind times that it has already given.
pub fn tick() {
    use rustix::time::{ClockId, clock_gettime};
    let now = |clock| {
        let now = clock_gettime(clock);
        (now.tv_sec, now.tv_nsec)
    };
    let begun = now(ClockId::Realtime);
    while now(ClockId::RealtimeCoarse) <= begun {
        std::thread::yield_now();
    }
}

/// What both ways tell of `act`, which has to be the same.
pub fn both(ground: &Ground, act: impl FnOnce()) -> Changes {
    both_with(ground, Options::default(), act)
}

pub fn both_with(ground: &Ground, options: Options, act: impl FnOnce()) -> Changes {
    tick();
    let follow = ground.follow(options.clone());
    let mark = follow.mark();
    let snapshot = Snapshot::take([&ground.0], options);
    act();
    let since = follow.since(&mark);
    let compared = snapshot.changes();
    assert_eq!(since, compared, "followed, and compared");
    assert!(since.incomplete.is_empty(), "{:?}", since.incomplete);
    since
}

/// One line for each entry and summary of the first root.
pub fn lines(changes: &Changes) -> Vec<String> {
    let root = &changes.roots[0];
    let entries = root.entries.iter().map(line);
    let summaries = root.summaries.iter().map(|summary| {
        let n = summary.counts;
        format!(
            "{}/ +{} ~{} -{} >{}, {} written, {} deleted",
            summary.path.display(),
            n.added,
            n.modified,
            n.deleted,
            n.renamed,
            summary.written,
            summary.deleted
        )
    });
    entries.chain(summaries).collect()
}

fn line(entry: &Entry) -> String {
    let path = entry.path.display();
    let what = match &entry.how {
        How::Added => format!("added {path}"),
        How::Modified => format!("modified {path}"),
        How::Deleted => format!("deleted {path}"),
        How::Renamed { from, modified } => {
            let modified = if *modified { " modified" } else { "" };
            format!("renamed {} to {path}{modified}", from.display())
        }
        How::Mode { was, mode } => format!("mode {path} {was:o} to {mode:o}"),
        How::Replaced { was } => format!("replaced {path} {was:?} by"),
        How::Touched => format!("touched {path}"),
    };
    let kind = match entry.kind {
        Kind::File => String::new(),
        kind => format!(" {kind:?}"),
    };
    let size = |size: Option<u64>| size.map_or("-".to_owned(), |size| size.to_string());
    let sizes = match (entry.before, entry.after) {
        (None, None) => String::new(),
        (before, after) => format!(" {} {}", size(before), size(after)),
    };
    format!("{what}{kind}{sizes}")
}

/// What stands at a path, as far as the tests tell it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    pub kind: Kind,
    pub mode: u32,
    pub size: Option<u64>,
    pub stamp: Option<(u64, i64, i64)>,
}

/// All that is in a directory, without following links.
pub fn everything(root: &Path) -> BTreeMap<PathBuf, Thing> {
    let mut all = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            let kind = if stat.is_dir() {
                dirs.push(path.clone());
                Kind::Directory
            } else if stat.is_symlink() {
                Kind::Symlink
            } else if stat.is_file() {
                Kind::File
            } else {
                Kind::Special
            };
            let told = matches!(kind, Kind::File | Kind::Symlink);
            let thing = Thing {
                kind,
                mode: stat.permissions().mode() & 0o7777,
                size: told.then_some(stat.len()),
                stamp: (kind != Kind::Directory).then_some((
                    stat.ino(),
                    stat.mtime(),
                    stat.mtime_nsec(),
                )),
            };
            all.insert(path.strip_prefix(root).unwrap().to_owned(), thing);
        }
    }
    all
}
