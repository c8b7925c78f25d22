//! The files that the chain is in: `00000001.jsonl` and so on.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::record::{Record, UNHASHED, hash_of};
use crate::{Digest, Event, Known, sys};

/// A file is left for the next when it is this large: what is removed for its age is removed by files.
pub(crate) const LARGE: u64 = 8 << 20;
/// No line is longer: what is written is bounded, and a file full of something else is not read into memory.
pub(crate) const LINE_MAX: usize = 4 << 20;

pub(crate) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.jsonl"))
}

/// The numbers of those that there are, ascending.
pub(crate) fn all(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number: Option<u32> = name
            .to_str()
            .and_then(|name| name.strip_suffix(".jsonl"))
            .filter(|digits| digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Opens one to write to. Nothing but a regular file of ours is one.
pub(crate) fn open(dir: &Path, number: u32, new: bool) -> io::Result<File> {
    let file = sys::options()
        .read(true)
        .write(true)
        .create_new(new)
        .open(path(dir, number))?;
    if !sys::is_own(&file.metadata()?) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no regular file of this user",
        ));
    }
    Ok(file)
}

/// What is in one, from a place on, line by line.
pub(crate) struct Lines {
    file: File,
    /// Where in the file the buffer begins.
    at: u64,
    buffer: Vec<u8>,
    /// Read of the buffer.
    done: usize,
    end: bool,
    /// Nothing behind this is read.
    until: u64,
}

/// One of them.
#[derive(Debug)]
pub(crate) enum Line {
    /// A whole one, without its end, and where it begins.
    Whole(u64, Vec<u8>),
    /// What stands at the end without an end of line, or is longer than any record: so many bytes.
    Torn(u64),
}

impl Lines {
    pub(crate) fn of(file: File, from: u64, until: u64) -> Lines {
        Lines {
            file,
            at: from,
            buffer: Vec::new(),
            done: 0,
            end: false,
            until,
        }
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut seen = self.done;
        loop {
            if let Some(length) = self.buffer[seen..].iter().position(|b| *b == b'\n') {
                let start = self.done;
                let end = seen + length;
                self.done = end + 1;
                let line = self.buffer[start..end].to_vec();
                return Ok(Some(Line::Whole(self.at + start as u64, line)));
            }
            seen = self.buffer.len();
            if self.end || seen - self.done > LINE_MAX {
                let length = seen - self.done;
                self.done = seen;
                self.end = true;
                return Ok((length > 0).then_some(Line::Torn(length as u64)));
            }
            // What is read of it is let go before more comes.
            self.buffer.drain(..self.done);
            self.at += self.done as u64;
            seen -= self.done;
            self.done = 0;
            self.fill()?;
        }
    }

    /// How far it was read.
    pub(crate) fn place(&self) -> u64 {
        self.at + self.done as u64
    }

    fn fill(&mut self) -> io::Result<()> {
        let length = self.buffer.len();
        let place = self.at + length as u64;
        let room = (self.until.saturating_sub(place)).min(256 << 10) as usize;
        self.buffer.resize(length + room, 0);
        let read = loop {
            match sys::read_at(&self.file, &mut self.buffer[length..], place) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        self.end = read? == 0;
        Ok(())
    }
}

/// What stands behind the end that is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Beyond {
    /// The last record that continues the chain.
    pub(crate) last: Known,
    /// Where it ends.
    pub(crate) offset: u64,
    /// The beginning of a line, and no more: so many bytes.
    pub(crate) torn: u64,
    /// Something else is there.
    pub(crate) foreign: bool,
}

/// Follows the chain in a file from a place on. What a writer that died had written whole belongs to it.
pub(crate) fn beyond(file: &File, from: u64, known: Known) -> io::Result<Beyond> {
    let mut found = Beyond {
        last: known,
        offset: from,
        torn: 0,
        foreign: false,
    };
    let mut lines = Lines::of(file.try_clone()?, from, u64::MAX);
    while let Some(line) = lines.next()? {
        match line {
            Line::Torn(length) if length <= LINE_MAX as u64 => found.torn = length,
            Line::Torn(..) => found.foreign = true,
            Line::Whole(at, line) => match continues(&line, found.last) {
                Some(known) => {
                    found.last = known;
                    found.offset = at + line.len() as u64 + 1;
                }
                None => found.foreign = true,
            },
        }
        if found.foreign {
            break;
        }
    }
    Ok(found)
}

/// The record in a line, if it continues the chain.
pub(crate) fn continues(line: &[u8], known: Known) -> Option<Known> {
    let record = Record::of_line(line).ok()?;
    (record.seq == known.seq + 1 && record.previous == known.hash).then_some(Known {
        seq: record.seq,
        hash: record.hash,
    })
}

/// The hash of the record that ends at this place.
pub(crate) fn last_hash(file: &File, end: u64) -> io::Result<Option<Digest>> {
    let mut tail = [0; UNHASHED + 1];
    let Some(at) = end.checked_sub(tail.len() as u64) else {
        return Ok(None);
    };
    read_exact_at(file, &mut tail, at)?;
    let digits = &tail[UNHASHED - Digest::LENGTH - 2..UNHASHED - 2];
    Ok(std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .filter(|_| tail[UNHASHED] == b'\n'))
}

fn read_exact_at(file: &File, to: &mut [u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < to.len() {
        match sys::read_at(file, &mut to[done..], at + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The record that a file begins with.
pub(crate) fn first(dir: &Path, number: u32) -> io::Result<Option<Record>> {
    let mut start = Vec::new();
    let file = sys::reading().open(path(dir, number))?;
    file.take(16 << 10).read_to_end(&mut start)?;
    let line = start.split(|b| *b == b'\n').next().unwrap_or_default();
    Ok(Record::of_line(line)
        .ok()
        .filter(|record| matches!(record.event, Event::Opened(_))))
}

/// The last record that can be read in a file, for a new chain after it.
pub(crate) fn last_readable(dir: &Path, number: u32) -> io::Result<Option<Known>> {
    let file = sys::reading().open(path(dir, number))?;
    let mut lines = Lines::of(file, 0, u64::MAX);
    let mut last = None;
    while let Some(line) = lines.next()? {
        if let Line::Whole(_, line) = line
            && let Ok(hash) = hash_of(&line)
            && let Ok(record) = Record::of_line(&line)
        {
            last = Some(Known {
                seq: record.seq,
                hash,
            });
        }
    }
    Ok(last)
}
