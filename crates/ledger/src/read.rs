//! Reading the ledger. Readers lock nothing and keep nobody from writing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::head::{self, Head};
use crate::keep;
use crate::record::{NoRecord, Record};
use crate::segment::{self, Line, Lines};
use crate::{Digest, Known, PolicyKept, sys};

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

/// The records of a ledger, from the oldest that is kept to where the chain ends. What a writer is just writing is not among them,
/// nor what stands behind the end and is not of the chain: somebody put it there, or a writer died at it, and nobody was told of it.
/// A file that cannot be read is one entry that says so.
pub struct Entries {
    dir: PathBuf,
    segments: std::vec::IntoIter<u32>,
    open: Option<Open>,
    /// Where the chain ends, as it was noted last; where that cannot be read all is told that there is.
    head: Option<Head>,
}

/// A file that is being read.
struct Open {
    path: PathBuf,
    number: u32,
    lines: Lines,
    /// Lines read.
    line: u64,
    /// The last record of the chain, behind the place where it ended.
    beyond: Option<Known>,
}

/// The records of a ledger. One that does not exist has none.
///
/// # Errors
/// When the directory cannot be read.
pub fn entries(dir: &Path) -> io::Result<Entries> {
    // Read before the files: what is written meanwhile continues it.
    let head = noted(dir)?;
    Ok(of(dir, numbers(dir)?, head))
}

/// The records of the last of the ledger's files, so many that there are at least this many records, if there
/// are: what happened of late, without reading all.
///
/// # Errors
/// When the directory cannot be read.
pub fn latest(dir: &Path, least: usize) -> io::Result<Entries> {
    let head = noted(dir)?;
    let numbers = numbers(dir)?;
    let mut count = 0;
    let mut from = numbers.len();
    while from > 0 && count < least {
        from -= 1;
        count += of(dir, vec![numbers[from]], head).count();
    }
    Ok(of(dir, numbers[from..].to_vec(), head))
}

fn numbers(dir: &Path) -> io::Result<Vec<u32>> {
    match segment::all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        numbers => numbers,
    }
}

fn of(dir: &Path, segments: Vec<u32>, head: Option<Head>) -> Entries {
    Entries {
        dir: dir.to_owned(),
        segments: segments.into_iter(),
        open: None,
        head,
    }
}

impl Entries {
    /// Whether a line is of the chain, which begins at this place of the file that is open.
    fn belongs(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        for look in 0..2 {
            let Some(head) = self.head.filter(|head| head.segment == open.number) else {
                return true;
            };
            if at < head.offset {
                return true;
            }
            let last = open.beyond.unwrap_or(Known {
                seq: head.seq,
                hash: head.hash,
            });
            if let Some(next) = segment::continues(bytes, last) {
                open.beyond = Some(next);
                return true;
            }
            // What a writer that died left may have been cut off since, and the chain have gone on.
            if look == 0 {
                self.head = noted(&self.dir).ok().flatten();
            }
        }
        false
    }

    /// Whether a file is one of the chain's, or was begun by nobody whom it is known of.
    fn is_beyond(&mut self, number: u32) -> bool {
        let beyond = |head: &Option<Head>| head.is_some_and(|head| number > head.segment);
        if beyond(&self.head) {
            // It may have been begun since.
            self.head = noted(&self.dir).ok().flatten();
        }
        beyond(&self.head)
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(open) = &mut self.open {
                match open.lines.next() {
                    Ok(Some(Line::Whole(at, bytes))) => {
                        open.line += 1;
                        let (file, line) = (open.path.clone(), open.line);
                        if !self.belongs(at, &bytes) {
                            self.open = None;
                            continue;
                        }
                        return Some(Entry {
                            file,
                            line,
                            record: Record::of_line(&bytes),
                            bytes,
                        });
                    }
                    // Somebody writes it, or died at it.
                    Ok(Some(Line::Torn(..)) | None) => self.open = None,
                    Err(error) => {
                        let entry = unreadable(open.path.clone(), open.line + 1, &error);
                        self.open = None;
                        return Some(entry);
                    }
                }
            }
            let number = self.segments.next()?;
            if self.is_beyond(number) {
                continue;
            }
            let path = segment::path(&self.dir, number);
            match open(&self.dir, number) {
                Ok(file) => {
                    self.open = Some(Open {
                        path,
                        number,
                        lines: Lines::of(file, 0, u64::MAX),
                        line: 0,
                        beyond: None,
                    });
                }
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
    let file = sys::reading().open(segment::path(dir, number))?;
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
    let file = sys::reading().open(dir.join("head"));
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
    match keep::read_text(dir, &kept.policy) {
        Ok(text) => Ok((Digest::of(&text) == kept.content).then_some(text)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidData
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
