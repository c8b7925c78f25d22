//! Reading the ledger. Readers lock nothing and keep nobody from writing.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::head::{self, Head};
use crate::keep;
use crate::record::{NoRecord, Record};
use crate::segment::{self, Line, Lines};
use crate::{Digest, PolicyKept};

/// A record, or what stands where one should.
#[derive(Debug)]
pub struct Entry {
    /// The file it is in.
    pub file: PathBuf,
    /// Which line of the file, from 1.
    pub line: u64,
    /// The line, without its end.
    pub bytes: Vec<u8>,
    /// What it says.
    pub record: Result<Record, NoRecord>,
}

/// The records of a ledger, from the oldest that is kept. What a writer is just writing is not among them. A file
/// that cannot be read is one entry that says so.
pub struct Entries {
    dir: PathBuf,
    segments: std::vec::IntoIter<u32>,
    open: Option<(PathBuf, Lines, u64)>,
}

/// The records of a ledger. One that does not exist has none.
///
/// # Errors
/// When the directory cannot be read.
pub fn entries(dir: &Path) -> io::Result<Entries> {
    Ok(of(dir, numbers(dir)?))
}

/// The records of the last of the ledger's files, so many that there are at least this many records, if there
/// are: what happened of late, without reading all.
///
/// # Errors
/// When the directory cannot be read.
pub fn latest(dir: &Path, least: usize) -> io::Result<Entries> {
    let numbers = numbers(dir)?;
    let mut count = 0;
    let mut from = numbers.len();
    while from > 0 && count < least {
        from -= 1;
        count += of(dir, vec![numbers[from]]).count();
    }
    Ok(of(dir, numbers[from..].to_vec()))
}

fn numbers(dir: &Path) -> io::Result<Vec<u32>> {
    match segment::all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        numbers => numbers,
    }
}

fn of(dir: &Path, segments: Vec<u32>) -> Entries {
    Entries {
        dir: dir.to_owned(),
        segments: segments.into_iter(),
        open: None,
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some((path, lines, number)) = &mut self.open {
                match lines.next() {
                    Ok(Some(Line::Whole(_, bytes))) => {
                        *number += 1;
                        return Some(Entry {
                            file: path.clone(),
                            line: *number,
                            record: Record::of_line(&bytes),
                            bytes,
                        });
                    }
                    // Somebody writes it, or died at it.
                    Ok(Some(Line::Torn(..)) | None) => self.open = None,
                    Err(error) => {
                        let entry = unreadable(path.clone(), *number + 1, &error);
                        self.open = None;
                        return Some(entry);
                    }
                }
            }
            let number = self.segments.next()?;
            let path = segment::path(&self.dir, number);
            match open(&self.dir, number) {
                Ok(file) => self.open = Some((path, Lines::of(file, 0, u64::MAX), 0)),
                // Removed since, for its age.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some(unreadable(path, 0, &error)),
            }
        }
    }
}

fn unreadable(file: PathBuf, line: u64, error: &io::Error) -> Entry {
    Entry {
        file,
        line,
        bytes: Vec::new(),
        record: Err(NoRecord::Form(error.to_string())),
    }
}

pub(crate) fn open(dir: &Path, number: u32) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(segment::no_follow())
        .open(segment::path(dir, number))?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no regular file",
        ))
    }
}

/// The end of the chain as it is noted; `None` for no ledger or a note that cannot be read.
pub(crate) fn noted(dir: &Path) -> io::Result<Option<Head>> {
    let file = File::options()
        .read(true)
        .custom_flags(segment::no_follow())
        .open(dir.join("head"));
    match file {
        Ok(file) => Ok(match head::read(&file)? {
            head::Read::At(head) => Some(head),
            _ => None,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the next record of a ledger will stand: what is after it was written since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    segment: u32,
    offset: u64,
}

impl Place {
    /// The end of the ledger now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn end(dir: &Path) -> io::Result<Place> {
        Ok(noted(dir)?.map_or(
            Place {
                segment: 0,
                offset: 0,
            },
            |head| Place {
                segment: head.segment,
                offset: head.offset,
            },
        ))
    }

    /// What was written since, and the place behind it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn since(self, dir: &Path) -> io::Result<(Vec<Entry>, Place)> {
        let end = Place::end(dir)?;
        let mut found = Vec::new();
        for number in numbers(dir)? {
            if number < self.segment || number > end.segment {
                continue;
            }
            let from = if number == self.segment {
                self.offset
            } else {
                0
            };
            let until = if number == end.segment {
                end.offset
            } else {
                u64::MAX
            };
            let file = match open(dir, number) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            let mut lines = Lines::of(file, from, until);
            while let Some(line) = lines.next()? {
                if let Line::Whole(_, bytes) = line {
                    found.push(Entry {
                        file: segment::path(dir, number),
                        line: 0,
                        record: Record::of_line(&bytes),
                        bytes,
                    });
                }
            }
        }
        Ok((found, end))
    }
}

/// A policy that was kept beside the ledger ([`Ledger::keep_policy`](crate::Ledger::keep_policy)); `None` where it
/// is there no more, or is another than was recorded.
///
/// # Errors
/// When it cannot be read.
pub fn kept_policy(dir: &Path, kept: &PolicyKept) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(keep::text_path(dir, &kept.policy)) {
        Ok(text) => Ok((Digest::of(&text) == kept.content).then_some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
