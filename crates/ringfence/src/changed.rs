//! Which files commands change, below what they may write.
//!
//! In a ring that stays a thread follows what happens, and a command costs what it changes. For one command alone that
//! would cost a walk of all before and one after: it is done where it is asked for ([`Request::changes`](crate::Request)).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use ringfence_changes::{Changes, Entry, How, Kind, Reason, RootChanges, Snapshot, Summary};
use ringfence_changes::{Counts, Follow, Mark, Options, RootDetails};
use ringfence_ledger::{FileChanged, FilesChanged, GeneratedChanged, RootChanged, Text};

/// So many changes of one command are listed; of the others there is their number.
const LISTED: usize = 1_000;
/// What so many commands changed is remembered for those who ask.
const REMEMBERED: usize = 64;

/// So many bytes of paths are listed: a record is bounded.
const PATHS_MAX: usize = 256 << 10;
/// Rings of one process that are followed at once. A user has some 128 inotify instances in all, and what protects a ring's
/// names takes one of them for each.
const FOLLOWED_MOST: usize = 16;
static FOLLOWED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn options() -> Options {
    Options {
        most: LISTED,
        watches: watches(),
        ..Options::default()
    }
}

/// An eighth of the directories that a user can have watched: their editor watches some, and other rings do.
fn watches() -> Option<usize> {
    let all = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?;
    let all: usize = all.trim().parse().ok()?;
    Some((all / 8).min(32_768))
}

/// Follows the write roots of a ring that stays.
#[derive(Default)]
pub(crate) struct Following {
    /// One for the roots that the ring was made with, and one for each that was granted since.
    follows: Mutex<Vec<Arc<Follow>>>,
    /// It is one of those that are followed at once.
    counted: AtomicBool,
    told: Mutex<VecDeque<(u32, Arc<Changes>)>>,
}

/// Where a command began.
pub(crate) struct Began(Vec<(Arc<Follow>, Mark)>);

impl Drop for Following {
    fn drop(&mut self) {
        if self.counted.load(Ordering::Relaxed) {
            FOLLOWED.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Began {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Began").finish_non_exhaustive()
    }
}

impl Following {
    /// Begins to follow, if not too many rings are followed already. Whether it does.
    pub(crate) fn begin(&self) -> bool {
        if FOLLOWED.fetch_add(1, Ordering::Relaxed) >= FOLLOWED_MOST {
            FOLLOWED.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.counted.store(true, Ordering::Relaxed);
        true
    }

    /// Follows these from now on.
    pub(crate) fn follow(&self, roots: &[PathBuf]) -> Option<Arc<Follow>> {
        if !self.counted.load(Ordering::Relaxed) || roots.is_empty() {
            return None;
        }
        let follow = Arc::new(Follow::start(roots, options()));
        self.follows().push(Arc::clone(&follow));
        Some(follow)
    }

    fn follows(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Follow>>> {
        self.follows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a mark and an answer are a matter of no time.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_quiet(&self) -> bool {
        self.follows().iter().all(|follow| follow.is_quiet())
    }

    /// Takes in what has happened, however long that takes.
    #[cfg(feature = "tokio")]
    pub(crate) fn take_in(&self) {
        let follows = self.follows().clone();
        for follow in follows {
            drop(follow.mark());
        }
    }

    /// A command is about to start.
    pub(crate) fn mark(&self) -> Began {
        let follows = self.follows().clone();
        Began(
            follows
                .into_iter()
                .map(|follow| {
                    let mark = follow.mark();
                    (follow, mark)
                })
                .collect(),
        )
    }

    /// What a command changed that has ended.
    pub(crate) fn since(
        &self,
        id: u32,
        began: Began,
        mut in_detail: Option<&mut Vec<RootDetails>>,
    ) -> Arc<Changes> {
        let mut all = Changes::default();
        for (follow, mark) in began.0 {
            let changes = match &mut in_detail {
                Some(all) => {
                    let (changes, details) = follow.since_in_detail(&mark);
                    all.extend(details);
                    changes
                }
                None => follow.since(&mark),
            };
            all.roots.extend(changes.roots);
            all.unlisted += changes.unlisted;
            all.incomplete.extend(changes.incomplete);
        }
        let all = Arc::new(all);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED {
            told.pop_front();
        }
        told.push_back((id, Arc::clone(&all)));
        all
    }

    /// What was told of a command.
    pub(crate) fn told(&self, id: u32) -> Option<Arc<Changes>> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let found = told.iter().rev().find(|(of, _)| *of == id);
        found.map(|(_, changes)| Arc::clone(changes))
    }
}

/// Changes as they are recorded; nothing where there are none, and all was seen.
pub(crate) fn recorded(command: u64, shared: bool, changes: &Changes) -> Option<FilesChanged> {
    let mut room = PATHS_MAX;
    let mut left_out = 0;
    let mut roots: Vec<RootChanged> = Vec::new();
    for changes in &changes.roots {
        let Some(mut root) = root(changes) else {
            continue;
        };
        let listed = root.files.len() + root.generated.len();
        root.files.retain(|file| fits(&mut room, &file.path));
        root.generated.retain(|one| fits(&mut room, &one.path));
        left_out += listed - root.files.len() - root.generated.len();
        roots.push(root);
    }
    if roots.is_empty() && changes.incomplete.is_empty() {
        return None;
    }
    Some(FilesChanged {
        command,
        shared,
        roots,
        unlisted: changes.unlisted + left_out as u64,
        incomplete: changes.incomplete.iter().map(ToString::to_string).collect(),
    })
}

fn fits(room: &mut usize, path: &Text) -> bool {
    let length = path.as_os_str().len();
    let fits = *room >= length;
    *room = room.saturating_sub(length);
    fits
}

fn root(changes: &RootChanges) -> Option<RootChanged> {
    if changes.entries.is_empty() && changes.summaries.is_empty() && changes.counts.all() == 0 {
        return None;
    }
    Some(RootChanged {
        root: Text::from(&changes.root),
        counts: counts(&changes.counts),
        files: changes.entries.iter().map(file).collect(),
        generated: changes
            .summaries
            .iter()
            .map(|summary| GeneratedChanged {
                path: Text::from(&summary.path),
                counts: counts(&summary.counts),
                written: summary.written,
                deleted: summary.deleted,
            })
            .collect(),
    })
}

fn counts(counts: &Counts) -> std::collections::BTreeMap<String, u64> {
    [
        ("added", counts.added),
        ("modified", counts.modified),
        ("deleted", counts.deleted),
        ("renamed", counts.renamed),
        ("mode", counts.mode),
        ("replaced", counts.replaced),
        ("touched", counts.touched),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(how, count)| (how.to_owned(), count))
    .collect()
}

fn file(entry: &Entry) -> FileChanged {
    let (how, from) = match &entry.how {
        How::Added => ("added", None),
        How::Modified => ("modified", None),
        How::Deleted => ("deleted", None),
        How::Renamed { from, .. } => ("renamed", Some(Text::from(from))),
        How::Mode { .. } => ("mode", None),
        How::Replaced { .. } => ("replaced", None),
        How::Touched => ("touched", None),
    };
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "symlink",
        Kind::Special => "special",
    };
    FileChanged {
        path: Text::from(&entry.path),
        kind: kind.to_owned(),
        how: how.to_owned(),
        from,
        before: entry.before,
        after: entry.after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_bounded_and_all_is_counted() {
        let entry = |number: usize| Entry {
            path: format!("{number:04}{}", "x".repeat(1000)).into(),
            kind: Kind::File,
            how: How::Added,
            before: None,
            after: Some(1),
        };
        let changes = Changes {
            roots: vec![RootChanges {
                root: "/w".into(),
                counts: Counts {
                    added: 900,
                    ..Counts::default()
                },
                entries: (0..900).map(entry).collect(),
                summaries: Vec::new(),
            }],
            unlisted: 5,
            incomplete: Vec::new(),
        };
        let recorded = recorded(7, true, &changes).expect("changes");
        let root = &recorded.roots[0];
        let bytes: usize = root.files.iter().map(|f| f.path.as_os_str().len()).sum();
        assert!(bytes <= PATHS_MAX && root.files.len() > 200, "{bytes}");
        assert_eq!(recorded.unlisted, 5 + 900 - root.files.len() as u64);
        assert_eq!(root.counts["added"], 900);
        assert_eq!((recorded.command, recorded.shared), (7, true));
        assert_eq!(super::recorded(7, false, &Changes::default()), None);
    }

    #[test]
    fn so_many_rings_are_followed_at_once_and_no_more() {
        let begun: Vec<Following> = (0..FOLLOWED_MOST)
            .map(|_| {
                let following = Following::default();
                assert!(following.begin());
                following
            })
            .collect();
        let more = Following::default();
        assert!(!more.begin());
        assert!(more.follow(&["/".into()]).is_none());
        assert!(more.follows().is_empty(), "nor what is granted to it");
        drop(begun);
        assert!(more.begin());
    }
}
