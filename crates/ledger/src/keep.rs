//! What is kept, and for how long.

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::{Digest, Known, Removed, segment, sys};

/// How much of the past is kept. Whole files of the ledger are let go of, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Records older than this are removed.
    pub time: Duration,
    /// The oldest are removed when all take up more, in bytes.
    pub size: u64,
}

impl Keep {
    /// Nothing is removed.
    pub const ALL: Keep = Keep {
        time: Duration::MAX,
        size: u64::MAX,
    };
}

impl Default for Keep {
    fn default() -> Keep {
        Keep {
            time: Duration::from_secs(90 * 24 * 60 * 60),
            size: 1 << 30,
        }
    }
}

/// The oldest files, as far as they need not be kept, and what to record before they are removed. `newest` stays
/// in each case. What cannot be read stays too: it is for a person to look at.
pub(crate) fn old(
    dir: &Path,
    keep: &Keep,
    newest: u32,
    now: Timestamp,
) -> Option<(Removed, Vec<u32>)> {
    let segments = segment::all(dir).ok()?;
    let older: Vec<u32> = segments.into_iter().filter(|n| *n < newest).collect();
    let size = |number: u32| {
        let path = segment::path(dir, number);
        std::fs::metadata(path).map_or(0, |meta| meta.len())
    };
    let mut total: u64 = older.iter().map(|number| size(*number)).sum();
    let mut found: Option<(Removed, Vec<u32>)> = None;
    for pair in older.windows(2) {
        let &[number, next] = pair else {
            break;
        };
        // All in it was written before the next began.
        let Ok(Some(begins)) = segment::first(dir, next) else {
            break;
        };
        let age = now.as_second().saturating_sub(begins.time.as_second());
        let old = u64::try_from(age).is_ok_and(|age| age > keep.time.as_secs());
        if !old && total <= keep.size {
            break;
        }
        let last = Known {
            seq: begins.seq.saturating_sub(1),
            hash: begins.previous,
        };
        total = total.saturating_sub(size(number));
        if let Some((removed, files)) = &mut found {
            removed.last = last;
            files.push(number);
            continue;
        }
        let Ok(Some(record)) = segment::first(dir, number) else {
            break;
        };
        let removed = Removed {
            first: record.seq,
            last,
            why: if old { "age" } else { "size" }.to_owned(),
        };
        found = Some((removed, vec![number]));
    }
    found
}

/// Removes them, after that is recorded. One that stays is found again the next time.
pub(crate) fn remove(dir: &Path, keep: &Keep, files: &[u32]) {
    for number in files {
        if std::fs::remove_file(segment::path(dir, *number)).is_err() {
            break;
        }
    }
    remove_texts(dir, keep);
}

fn texts(dir: &Path) -> PathBuf {
    dir.join("policies")
}

/// Where a text is kept.
pub(crate) fn text_path(dir: &Path, name: &Digest) -> PathBuf {
    texts(dir).join(format!("{name}.json"))
}

/// Whether a text is kept that is less than a day old. An older one is written again: files as old as the oldest
/// record are removed.
pub(crate) fn is_young(dir: &Path, name: &Digest) -> bool {
    let day = Duration::from_secs(24 * 60 * 60);
    let meta = std::fs::symlink_metadata(text_path(dir, name)).ok();
    let made = meta.filter(std::fs::Metadata::is_file);
    let made = made.and_then(|meta| meta.modified().ok());
    made.is_some_and(|at| at.elapsed().is_ok_and(|age| age < day))
}

/// No text is longer: one that somebody made long is not read into memory.
const TEXT_MAX: u64 = 16 << 20;

/// A text that is kept, and nothing else that has its name.
pub(crate) fn read_text(dir: &Path, name: &Digest) -> io::Result<Vec<u8>> {
    let file = sys::reading().open(text_path(dir, name))?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no regular file",
        ));
    }
    let mut text = Vec::new();
    file.take(TEXT_MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// Moves a text aside that is not what was recorded: the next command under that policy keeps it anew.
pub(crate) fn set_aside(dir: &Path, name: &Digest) -> io::Result<()> {
    let path = text_path(dir, name);
    let aside = path.with_extension(format!(
        "json.changed.{}",
        Timestamp::now().as_microsecond()
    ));
    std::fs::rename(&path, aside)
}

/// Keeps a text under its name.
pub(crate) fn text(dir: &Path, name: &Digest, text: &[u8]) -> Result<(), (PathBuf, io::Error)> {
    let path = text_path(dir, name);
    let temporary = path.with_extension(format!("json.{}", std::process::id()));
    let write = || {
        let mut file = sys::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)?;
        file.write_all(text)?;
        // Windows renames no file that is open so.
        drop(file);
        std::fs::rename(&temporary, &path)
    };
    let written = match write() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            sys::make_dir(&texts(dir)).and_then(|()| write())
        }
        written => written,
    };
    written.map_err(|error| {
        // What is left of a failed try; if it was never made there is nothing.
        let _none = std::fs::remove_file(&temporary);
        (path, error)
    })
}

/// So much longer than records are texts kept: the last record that names one may be a day younger than it.
pub(crate) const TEXT_LONGER: Duration = Duration::from_secs(2 * 24 * 60 * 60);

fn remove_texts(dir: &Path, keep: &Keep) {
    let Ok(entries) = std::fs::read_dir(texts(dir)) else {
        return;
    };
    let enough = keep.time.saturating_add(TEXT_LONGER);
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified());
        if age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > enough)) {
            // It takes up room, and is tried again.
            let _stays = std::fs::remove_file(entry.path());
        }
    }
}
