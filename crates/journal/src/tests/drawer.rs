//! A directory of journals in memory, which stops at any step and loses what a crash loses.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::simulated::Kill;
use crate::shelf::Shelf;

/// A file: its bytes, how many of them are on the disk, and whether its name is.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    pub(super) bytes: Vec<u8>,
    synced: usize,
    lasts: bool,
}

/// Journals in memory.
pub(super) struct Drawer {
    pub(super) sheets: Mutex<BTreeMap<String, Sheet>>,
    /// So many bytes were read.
    pub(super) read: AtomicU64,
    held: Arc<(Mutex<BTreeSet<String>>, Condvar)>,
    pub(super) kill: Arc<Kill>,
}

pub(super) struct Held {
    all: Arc<(Mutex<BTreeSet<String>>, Condvar)>,
    name: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.0.lock().unwrap().remove(&self.name);
        self.all.1.notify_all();
    }
}

impl Drawer {
    pub(super) fn new(kill: &Arc<Kill>) -> Drawer {
        Drawer {
            sheets: Mutex::default(),
            read: AtomicU64::new(0),
            held: Arc::default(),
            kill: Arc::clone(kill),
        }
    }

    /// The power went: what was not on the disk is gone, but for its first bytes.
    pub(super) fn lose(&self, but: usize) {
        let mut sheets = self.sheets.lock().unwrap();
        sheets.retain(|_, sheet| sheet.lasts || but > 0);
        for sheet in sheets.values_mut() {
            let to = sheet.synced.saturating_add(but).min(sheet.bytes.len());
            sheet.bytes.truncate(to);
        }
    }
}

fn killed() -> io::Error {
    io::Error::other("killed")
}

impl Shelf for Drawer {
    type File = String;
    type Lock = Held;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.sheets.lock().unwrap().keys().cloned().collect())
    }

    fn lock(&self, name: &str, waiting: &dyn Fn()) -> io::Result<Held> {
        let mut held = self.held.0.lock().unwrap();
        if held.contains(name) {
            waiting();
        }
        while held.contains(name) {
            held = self.held.1.wait(held).unwrap();
        }
        held.insert(name.to_owned());
        Ok(Held {
            all: Arc::clone(&self.held),
            name: name.to_owned(),
        })
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.tail(name, u64::MAX)
    }

    fn tail(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let sheets = self.sheets.lock().unwrap();
        Ok(sheets.get(name).map(|sheet| {
            let most = usize::try_from(most).unwrap();
            let tail = &sheet.bytes[sheet.bytes.len().saturating_sub(most)..];
            self.read.fetch_add(tail.len() as u64, Ordering::SeqCst);
            tail.to_vec()
        }))
    }

    fn open(&self, name: &str, length: u64) -> io::Result<String> {
        let length = usize::try_from(length).unwrap();
        let mut sheets = self.sheets.lock().unwrap();
        let there = sheets
            .get(name)
            .is_some_and(|sheet| sheet.bytes.len() == length);
        // Making it and cutting it are steps.
        if !there && !self.kill.step() {
            return Err(killed());
        }
        let sheet = sheets.entry(name.to_owned()).or_default();
        sheet.bytes.truncate(length);
        sheet.synced = sheet.synced.min(length);
        Ok(name.to_owned())
    }

    fn append(&self, file: &mut String, bytes: &[u8]) -> io::Result<()> {
        let mut sheets = self.sheets.lock().unwrap();
        let sheet = sheets.get_mut(file.as_str()).unwrap();
        let whole = self.kill.step();
        let first = if whole {
            bytes.len()
        } else if self.kill.steps() == self.kill.after.load(Ordering::SeqCst) + 1 {
            bytes.len() * 2 / 3
        } else {
            0
        };
        sheet.bytes.extend(&bytes[..first]);
        if whole { Ok(()) } else { Err(killed()) }
    }

    fn flush(&self, file: &mut String) -> io::Result<()> {
        if !self.kill.step() {
            return Err(killed());
        }
        let mut sheets = self.sheets.lock().unwrap();
        let sheet = sheets.get_mut(file.as_str()).unwrap();
        sheet.synced = sheet.bytes.len();
        sheet.lasts = true;
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut sheets = self.sheets.lock().unwrap();
        if sheets.contains_key(name) {
            if !self.kill.step() {
                return Err(killed());
            }
            sheets.remove(name);
        }
        Ok(())
    }
}
