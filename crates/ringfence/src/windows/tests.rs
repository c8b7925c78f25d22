//! What is written for a ring, and taken back, on real files.

use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};

use ringfence_journal::windows::Files;
use ringfence_plan::promise;
use ringfence_policy::Flags;
use ringfence_sys_windows::counters::counters;
use ringfence_sys_windows::file::{self, access};

use super::prepare::Prepared;
use super::{Request, begin, convert, grant};
use crate::state::State;

/// A workspace with some files, and a state beside it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let name = format!("rf grant {name} {}", std::process::id());
        let place = Place(std::env::temp_dir().join(name));
        for below in ["state", r"work\a\b", r"work\.vscode"] {
            std::fs::create_dir_all(place.0.join(below)).unwrap();
        }
        for below in [r"work\file", r"work\a\b\deep", r"work\.vscode\tasks.json"] {
            std::fs::write(place.0.join(below), "x").unwrap();
        }
        place
    }

    fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// A command in it, on a machine that holds a token to what is written.
    fn prepared(&self) -> Prepared {
        let request = Request {
            argv: vec!["cmd".into()],
            directory: Some(self.work()),
            flags: Flags {
                accept: promise::ALL.iter().map(ToString::to_string).collect(),
                ..Flags::default()
            },
            ..Request::default()
        };
        let mut prepared = begin(request).unwrap().finish().unwrap();
        prepared.plan.as_mut().unwrap().confined = true;
        prepared.state = Some(State::at(self.0.join("state")));
        prepared
    }

    /// Each path, and its descriptor in words.
    fn words(&self) -> Vec<(PathBuf, String)> {
        let mut all = Vec::new();
        collect(&self.work(), &mut all);
        all.sort();
        all
    }
}

fn collect(path: &Path, all: &mut Vec<(PathBuf, String)>) {
    let opened = file::open(path, access::READ_CONTROL).unwrap();
    let descriptor = convert::descriptor_of(opened.as_handle()).unwrap();
    all.push((path.to_owned(), descriptor.to_sddl().unwrap()));
    for entry in std::fs::read_dir(path).into_iter().flatten() {
        collect(&entry.unwrap().path(), all);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// Wine has a program of this name, and Windows none.
fn is_wine() -> bool {
    Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

#[test]
fn a_workspace_is_granted_once_and_taken_back_to_the_word() {
    let place = Place::new("once");
    let before = place.words();
    let written = || counters().descriptor_writes;
    let start = written();
    let mut prepared = place.prepared();
    assert_eq!(written(), start, "a plan writes nothing");
    match grant::ready(&mut prepared, &()) {
        Ok(()) => {
            assert!(written() > start);
            assert_ne!(place.words(), before);
            // Another command, in the same tree.
            let start = written();
            let mut again = place.prepared();
            grant::ready(&mut again, &()).unwrap();
            assert_eq!(written(), start);
        }
        // Wine says that it was written, and keeps who may read and write as its host does.
        Err(error) => {
            assert!(is_wine(), "{error}");
            let error = error.to_string();
            assert!(error.contains("did not keep them"), "{error}");
        }
    }
    let dir = place.0.join(r"state\journal");
    let roots = ringfence_journal::list(&dir).unwrap();
    assert_eq!(roots.len(), 1);
    for root in roots {
        let undone = ringfence_journal::undo(&Files, &dir, root.unwrap().id, &()).unwrap();
        assert!(undone.closed, "{undone:?}");
    }
    assert_eq!(place.words(), before);
    assert!(ringfence_journal::list(&dir).unwrap().is_empty());
}

#[test]
fn what_no_token_is_held_to_is_not_written() {
    let place = Place::new("unconfined");
    let mut prepared = place.prepared();
    prepared.plan.as_mut().unwrap().confined = false;
    let start = counters().descriptor_writes;
    grant::ready(&mut prepared, &()).unwrap();
    assert_eq!(counters().descriptor_writes, start);
    assert!(!place.0.join(r"state\journal").exists());
}
