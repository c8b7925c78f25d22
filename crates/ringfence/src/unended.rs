//! Rings whose program was killed: nobody looked at what their commands left for git. Who makes the next one in the same
//! place looks back to where the first of them began.
//!
//! Each ring of more than a moment has a file that is locked as long as its program lives, and removed at its end. One that
//! is there and not locked is of a program that was killed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use ringfence_ops::linux::Located;
use rustix::fs::OFlags;

use crate::careful;
use crate::state::State;
use crate::sys;

/// Files that are read at most.
const MOST: usize = 1024;

/// What is not written by then never will be.
const UNWRITTEN: Duration = Duration::from_secs(60);

/// So long one is kept that nobody makes a ring for any more.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

fn dir(state: &State) -> PathBuf {
    state.dir().join("unended")
}

/// Stands for a ring while its program lives.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    /// Locked.
    _file: File,
}

impl Mark {
    /// Says that a ring with these write roots began then. `None` where that cannot be kept: it makes a ring better, and is no
    /// reason for none.
    pub(crate) fn note(state: &State, roots: &[Located], since: SystemTime) -> Option<Mark> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let dir = dir(state);
        let dirs = roots.iter().filter(|root| root.dir);
        let text = text(since, dirs.map(|root| &root.path));
        let since = since.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(
            "{}-{}-{number}",
            since.as_nanos(),
            std::process::id()
        ));
        // The last one that ended takes the directory away, perhaps just now.
        for _ in 0..4 {
            state.make_dir(&dir).ok()?;
            let Ok(mut file) = sys::private().write(true).create_new(true).open(&path) else {
                continue;
            };
            file.lock().ok()?;
            // Empty until here, and so of nobody.
            file.write_all(&text).ok()?;
            return Some(Mark { path, _file: file });
        }
        None
    }

    /// What its commands left was looked at.
    pub(crate) fn ended(self) {
        forget(&self.path);
    }
}

fn forget(path: &Path) {
    let _gone = std::fs::remove_file(path);
    if let Some(dir) = path.parent() {
        // Others may be in it.
        let _kept = std::fs::remove_dir(dir);
    }
}

/// Rings in the same place that nobody has looked at since.
#[derive(Debug, Default)]
pub(crate) struct Unended {
    since: Option<SystemTime>,
    /// Locked meanwhile.
    files: Vec<Found>,
}

/// One of them.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    file: File,
    /// What is to be written to it where the next ring looks at a part of its write roots alone; nothing for what is looked at whole.
    left: Vec<u8>,
}

impl Unended {
    pub(crate) fn of(state: &State, roots: &[Located]) -> Unended {
        let mut found = Unended::default();
        let Ok(entries) = std::fs::read_dir(dir(state)) else {
            return found;
        };
        for path in entries.flatten().map(|entry| entry.path()).take(MOST) {
            let mut open = sys::private();
            // Whatever is there: a pipe would be waited for.
            open.read(true).write(true);
            open.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
            let file = open.open(&path).ok().filter(|file| {
                let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
                is_file && file.try_lock().is_ok()
            });
            let Some(file) = file else {
                continue;
            };
            let Some((since, places)) = read(&path) else {
                let made = file.metadata().and_then(|meta| meta.modified());
                let age = made.ok().and_then(|made| made.elapsed().ok());
                if age.is_some_and(|age| age > UNWRITTEN) {
                    forget(&path);
                }
                continue;
            };
            let meets = |place: &PathBuf| {
                let mut roots = roots.iter().map(|root| &root.path);
                roots.any(|root| root.starts_with(place) || place.starts_with(root))
            };
            if places.iter().any(meets) {
                found.since = Some(found.since.map_or(since, |first| first.min(since)));
                // Below one of the roots alone is not all of it.
                let whole = |place: &&PathBuf| {
                    let mut roots = roots.iter().map(|root| &root.path);
                    roots.any(|root| place.starts_with(root))
                };
                let left: Vec<_> = places.iter().filter(|place| !whole(place)).collect();
                let left = match left.is_empty() {
                    true => Vec::new(),
                    false => text(since, left.into_iter()),
                };
                found.files.push(Found { path, file, left });
            } else if since.elapsed().is_ok_and(|age| age > KEPT)
                || !places.iter().any(|place| place.exists())
            {
                forget(&path);
            }
        }
        found
    }

    /// When the first of them began, or this ring did.
    pub(crate) fn since(&self, own: SystemTime) -> SystemTime {
        self.since.map_or(own, |since| since.min(own))
    }

    /// What they left was looked at, and told.
    pub(crate) fn told(&mut self) {
        for Found {
            path,
            mut file,
            left,
        } in self.files.drain(..)
        {
            if left.is_empty() {
                forget(&path);
                continue;
            }
            // Never longer than what is there: what fails leaves all that was to be looked at.
            let written = file.write_all(&left);
            let _whole = written.and_then(|()| file.set_len(left.len() as u64));
        }
        self.since = None;
    }
}

fn text<'a>(since: SystemTime, places: impl Iterator<Item = &'a PathBuf>) -> Vec<u8> {
    let since = since.duration_since(SystemTime::UNIX_EPOCH);
    let mut text = since
        .unwrap_or_default()
        .as_nanos()
        .to_string()
        .into_bytes();
    for place in places {
        text.push(0);
        text.extend(place.as_os_str().as_bytes());
    }
    text
}

/// When a ring began, and its write roots. `None` for what is not written yet.
fn read(path: &Path) -> Option<(SystemTime, Vec<PathBuf>)> {
    let bytes = careful::read(path, careful::SMALL).ok()?;
    let mut parts = bytes.split(|byte| *byte == 0);
    let nanos = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanos))?;
    let places = parts.map(|part| PathBuf::from(OsStr::from_bytes(part)));
    Some((since, places.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Dir;

    #[test]
    fn who_was_killed_is_looked_back_to_once() {
        let dir = Dir::new();
        let state = State::at(dir.dir("state"));
        let root = |name: &str| {
            let path = dir.dir(name);
            crate::locate::follow(&path).unwrap().at
        };
        let (one, other) = (root("one"), root("other"));
        let now = SystemTime::now();
        let earlier = now - Duration::from_secs(60);
        let begun = |since| Mark::note(&state, std::slice::from_ref(&one), since).unwrap();
        let since = |root: &Located| Unended::of(&state, std::slice::from_ref(root)).since(now);
        assert_eq!(since(&one), now);
        let lives = begun(earlier);
        assert_eq!(since(&one), now);
        lives.ended();
        assert!(!dir.0.join("state/unended").exists());
        // Its lock is gone with who was killed, and nothing else is.
        drop(begun(earlier));
        drop(begun(now));
        assert_eq!(since(&other), now);
        assert_eq!(since(&root("one/below")), earlier);
        let mut found = Unended::of(&state, std::slice::from_ref(&one));
        assert_eq!(found.since(now), earlier);
        // Whoever is killed before it has told leaves them for the next.
        drop(std::mem::take(&mut found.files));
        // Who looks at a part of it leaves the rest.
        Unended::of(&state, &[root("one/below")]).told();
        let mut found = Unended::of(&state, std::slice::from_ref(&one));
        assert_eq!(found.since(now), earlier);
        found.told();
        assert_eq!(since(&one), now);
        assert!(!dir.0.join("state/unended").exists());
    }

    #[test]
    fn what_is_no_ring_is_of_nobody() {
        let dir = Dir::new();
        let state = State::at(dir.dir("state"));
        for (name, text) in [
            ("a", ""),
            ("b", "x\0/"),
            ("c", "\0/"),
            ("d", "99999999999999999999999\0/"),
        ] {
            dir.file(&format!("state/unended/{name}"), text);
        }
        let root = crate::locate::follow(&dir.dir("one")).unwrap().at;
        let now = SystemTime::now();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.0.join("state/unended/e"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert_eq!(Unended::of(&state, &[root]).since(now), now);
    }
}
