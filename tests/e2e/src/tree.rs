//! A directory tree as it was, to show afterwards that nobody touched it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Each path below a directory with its kind, mode, owner, size, link target and time of change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<PathBuf, String>,
}

impl Tree {
    /// Reads the trees below `roots`; one that does not exist is an entry too.
    pub fn of<P: AsRef<Path>>(roots: &[P]) -> Self {
        let mut entries = BTreeMap::new();
        let mut todo: Vec<PathBuf> = roots
            .iter()
            .map(|root| root.as_ref().to_path_buf())
            .collect();
        while let Some(path) = todo.pop() {
            let Ok(meta) = fs::symlink_metadata(&path) else {
                entries.insert(path, "absent".into());
                continue;
            };
            // A directory's size is left out: it says how large the listing once was.
            let size = if meta.is_dir() { 0 } else { meta.size() };
            let link = fs::read_link(&path)
                .map(|to| format!(" -> {}", to.display()))
                .unwrap_or_default();
            let line = format!(
                "{:o} {}:{} {size} {}.{:09} #{}{link}",
                meta.mode(),
                meta.uid(),
                meta.gid(),
                meta.mtime(),
                meta.mtime_nsec(),
                meta.ino()
            );
            if meta.is_dir() {
                todo.extend(
                    fs::read_dir(&path)
                        .into_iter()
                        .flatten()
                        .flatten()
                        .map(|entry| entry.path()),
                );
            }
            entries.insert(path, line);
        }
        Self { entries }
    }

    /// What differs now, one line each; empty when nothing does.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let mut all: Vec<&PathBuf> = self.entries.keys().chain(now.entries.keys()).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
            .filter_map(
                |path| match (self.entries.get(path), now.entries.get(path)) {
                    (Some(old), Some(new)) if old == new => None,
                    (Some(old), Some(new)) => {
                        Some(format!("changed {}: {old} | {new}", path.display()))
                    }
                    (Some(_), None) => Some(format!("gone {}", path.display())),
                    (None, _) => Some(format!("new {}", path.display())),
                },
            )
            .collect()
    }
}
