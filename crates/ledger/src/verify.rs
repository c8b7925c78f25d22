//! Whether the ledger is what was written.
//!
//! Each record carries the hash of the one before it, so none can be changed, moved, put in or taken out without all
//! after it being made anew; and where the chain ends is noted beside it, so that nothing can be cut off either. Who
//! can write the user's files can make all of it anew: against that, a head that was noted elsewhere
//! ([`Expected`]) is held against the chain.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::head::Head;
use crate::keep;
use crate::read::{noted, open};
use crate::record::Record;
use crate::segment::{self, Line, Lines};
use crate::store::{Error, Ledger};
use crate::{Beginning, Digest, Event, Known, sys};

/// What was found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Records that are as they were written.
    pub records: u64,
    /// The number of the first that is kept.
    pub first: Option<u64>,
    /// The end of the chain: for noting elsewhere.
    pub head: Option<Known>,
    /// What is not as it was written, in the order of the files. Empty: all is.
    pub bad: Vec<Bad>,
    /// More than are listed.
    pub more: u64,
    /// Where the clock was set back, by a second or more: the record after.
    pub clock_back: Vec<u64>,
    /// The first bad record of the chain that is written to.
    bad_in_last_chain: Option<u64>,
    /// How many were noted of the chains before that.
    noted_before: usize,
    /// Policies whose texts are not what was recorded.
    changed_texts: Vec<Digest>,
}

/// No more than this many are listed: of a file of something else each line is one.
const LISTED: usize = 100;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// The file.
    pub file: PathBuf,
    /// The line, where it is one.
    pub line: Option<u64>,
    /// The number of the record, or that which it should have.
    pub seq: Option<u64>,
    /// What is the matter.
    pub what: String,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seq) = self.seq {
            write!(f, "record {seq} ")?;
        }
        write!(f, "({}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, "): {}", self.what)
    }
}

/// A record whose hash was noted elsewhere.
pub type Expected = Known;

impl Verified {
    /// Whether all is as it was written.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bad.is_empty()
    }

    fn note(&mut self, file: &Path, line: Option<u64>, seq: Option<u64>, what: impl Into<String>) {
        if self.bad.len() >= LISTED {
            self.more += 1;
            return;
        }
        self.bad.push(Bad {
            file: file.to_owned(),
            line,
            seq,
            what: what.into(),
        });
    }
}

/// Reads the ledger from its beginning to its end.
///
/// # Errors
/// When it cannot be read at all. What is wrong in it is no error.
pub fn verify(dir: &Path, expected: &[Expected]) -> io::Result<Verified> {
    let mut tries = 0;
    loop {
        // Read before the files: what is written meanwhile is beyond it.
        let head = noted(dir)?;
        let found = verify_to(dir, expected, head)?;
        tries += 1;
        // A writer that mends what another left is seen half way, perhaps.
        if found.is_whole() || tries == 3 || noted(dir)? == head {
            return Ok(found);
        }
    }
}

fn verify_to(dir: &Path, expected: &[Expected], head: Option<Head>) -> io::Result<Verified> {
    let mut walk = Walk {
        found: Verified::default(),
        last: Last::Nothing,
        time: None,
        removed: Vec::new(),
        waiting: None,
        missing: expected.to_vec(),
        head_seen: false,
        head,
        begins: Vec::new(),
        texts: BTreeMap::new(),
    };
    let segments = match segment::all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        segments => segments?,
    };
    let mut beyond = Vec::new();
    for number in &segments {
        match walk.head {
            Some(head) if *number > head.segment => beyond.push(*number),
            _ => walk.file(dir, *number)?,
        }
    }
    let mut found = walk.end(dir, segments.is_empty());
    // The chain is none the worse for it, and goes on.
    for number in beyond {
        if let Some(line) = foreign(dir, number)? {
            let what = "no record of this ledger continues here: somebody put the file there, and nobody reads it; move it away";
            found.note(&segment::path(dir, number), Some(line), None, what);
        }
    }
    Ok(found)
}

/// Of a file behind that in which the chain ends: the first whole line that does not continue it. A writer that died may have begun
/// one, which the next moves away; and one may have been begun since.
fn foreign(dir: &Path, number: u32) -> io::Result<Option<u64>> {
    let mut head = noted(dir)?;
    loop {
        let Some(end) = head.filter(|head| head.segment < number) else {
            return Ok(None);
        };
        let found = foreign_to(dir, number, &end)?;
        // Between the two looks it may have been begun by a writer that lives.
        let now = noted(dir)?;
        if found.is_none() || now == head {
            return Ok(found);
        }
        head = now;
    }
}

fn foreign_to(dir: &Path, number: u32, end: &Head) -> io::Result<Option<u64>> {
    let file = match open(dir, number) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // What is no file holds no record, and the next writer moves it away.
        Err(_) => return Ok(None),
    };
    let end_known = Known {
        seq: end.seq,
        hash: end.hash,
    };
    let mut last: Option<Known> = None;
    let mut lines = Lines::of(file, 0, u64::MAX);
    let mut line = 0;
    while let Some(next) = lines.next()? {
        line += 1;
        let Line::Whole(_, bytes) = next else {
            break;
        };
        let known = match last {
            Some(last) => segment::continues(&bytes, last),
            None if number == end.segment + 1 => begins(&bytes, end_known),
            // None is begun but the one after the last.
            None => None,
        };
        match known {
            Some(known) => last = Some(known),
            None => return Ok(Some(line)),
        }
    }
    Ok(None)
}

/// The record in a line, if it is the first of the file that comes after this record.
fn begins(line: &[u8], after: Known) -> Option<Known> {
    let record = Record::of_line(line).ok()?;
    let Event::Opened(opened) = &record.event else {
        return None;
    };
    let previous = match opened.why {
        Beginning::Continues => after.hash,
        _ if opened.after == Some(after) => Digest::NONE,
        _ => return None,
    };
    (record.seq == after.seq + 1 && record.previous == previous).then_some(Known {
        seq: record.seq,
        hash: record.hash,
    })
}

/// The same, of the ledger that is written to: a chain with a bad record gets no more of them, and the next
/// record begins another that says so. A policy's text that is not what was recorded is moved aside.
///
/// # Errors
/// When it cannot be read at all, or the chain not be closed.
pub fn verify_and_close(dir: &Path, expected: &[Expected]) -> Result<Verified, Error> {
    let found = verify(dir, expected).map_err(|error| Error::File {
        path: dir.to_owned(),
        error,
    })?;
    if let Some(seq) = found.bad_in_last_chain {
        Ledger::mark_bad(dir, seq)?;
    }
    for name in &found.changed_texts {
        // One that cannot be moved is named as it is, and again the next time.
        let _stays = keep::set_aside(dir, name);
    }
    Ok(found)
}

/// What the next record continues.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// There was none yet.
    Nothing,
    /// This one.
    Record(Known),
    /// One that cannot be read, after which one with this number comes.
    Bad(u64),
}

struct Walk {
    found: Verified,
    last: Last,
    time: Option<jiff::Timestamp>,
    /// The last of what was removed, as records say.
    removed: Vec<Known>,
    /// What the first record that is kept continues: some record must say that it was removed.
    waiting: Option<(PathBuf, Known)>,
    /// Noted elsewhere, and not seen yet.
    missing: Vec<Expected>,
    head_seen: bool,
    head: Option<Head>,
    /// When each file begins.
    begins: Vec<jiff::Timestamp>,
    /// What was recorded of policies' texts, by their names.
    texts: BTreeMap<Digest, KeptText>,
}

/// What was recorded of a policy's text.
struct KeptText {
    /// All that it ever was: a newer Ringfence may write the same in another form.
    contents: Vec<Digest>,
    /// The last record of it.
    seq: u64,
    time: jiff::Timestamp,
}

impl Walk {
    fn file(&mut self, dir: &Path, number: u32) -> io::Result<()> {
        let path = segment::path(dir, number);
        // What is written, or what a writer that died began to write, is behind the end that is noted.
        let end = match self.head {
            Some(head) if head.segment == number => head.offset,
            _ => u64::MAX,
        };
        let file = match open(dir, number) {
            Ok(file) => file,
            // It is noticed by what is missing, unless it was removed for its age.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.found.note(&path, None, self.next(), error.to_string());
                return Ok(());
            }
        };
        let mut lines = Lines::of(file, 0, u64::MAX);
        let mut line = 0;
        while let Some(next) = lines.next()? {
            line += 1;
            match next {
                Line::Whole(_, bytes) => match Record::of_line(&bytes) {
                    Ok(record) => self.record(&path, line, &record),
                    Err(error) => self.bad(&path, line, error.to_string()),
                },
                Line::Torn(length) if length <= segment::LINE_MAX as u64 && lines.place() > end => {
                }
                Line::Torn(_) => self.bad(&path, line, "it is cut off".to_owned()),
            }
        }
        if line == 0 {
            self.found.note(&path, None, self.next(), "it is empty");
        }
        Ok(())
    }

    /// The number that comes next.
    fn next(&self) -> Option<u64> {
        match self.last {
            Last::Nothing => None,
            Last::Record(known) => Some(known.seq + 1),
            Last::Bad(next) => Some(next),
        }
    }

    fn bad(&mut self, path: &Path, line: u64, what: String) {
        let seq = self.next();
        self.found.note(path, Some(line), seq, what);
        self.last = Last::Bad(seq.map_or(1, |seq| seq + 1));
    }

    fn record(&mut self, path: &Path, line: u64, record: &Record) {
        let mut wrong = Vec::new();
        let opened = match &record.event {
            Event::Opened(opened) => Some(opened),
            _ => None,
        };
        if opened.is_some() != (line == 1) {
            wrong.push(match opened {
                Some(_) => "only the first of a file begins one".to_owned(),
                None => "a file does not begin with it".to_owned(),
            });
        }
        let new = opened.filter(|opened| opened.why != Beginning::Continues);
        if let Some(opened) = new {
            self.chain(path, line, record, opened, &mut wrong);
        } else {
            match self.last {
                Last::Nothing => {
                    let before = Known {
                        seq: record.seq.saturating_sub(1),
                        hash: record.previous,
                    };
                    self.waiting = Some((path.to_owned(), before));
                }
                Last::Record(last) => {
                    wrong.extend(does_not_follow(record, Some(last), last.seq + 1))
                }
                Last::Bad(next) => wrong.extend(does_not_follow(record, None, next)),
            }
        }
        if let Some(before) = self.time
            && before.duration_since(record.time).as_secs() >= 1
        {
            self.found.clock_back.push(record.seq);
        }
        self.time = Some(record.time);
        if line == 1 {
            self.begins.push(record.time);
        }
        match &record.event {
            Event::Removed(removed) => self.removed.push(removed.last),
            Event::PolicyKept(kept) => {
                let text = self.texts.entry(kept.policy).or_insert(KeptText {
                    contents: Vec::new(),
                    seq: record.seq,
                    time: record.time,
                });
                text.contents.push(kept.content);
                (text.seq, text.time) = (record.seq, record.time);
            }
            _ => {}
        }
        let known = Known {
            seq: record.seq,
            hash: record.hash,
        };
        self.missing.retain(|expected| {
            if expected.seq == known.seq && expected.hash != known.hash {
                wrong.push("it is another than the one that was noted".to_owned());
            }
            expected.seq != known.seq
        });
        if let Some(head) = self.head.filter(|head| head.seq == known.seq) {
            self.head_seen = true;
            if head.hash != known.hash {
                wrong.push("it is another than the last that was written".to_owned());
            }
        }
        if wrong.is_empty() {
            self.found.records += 1;
        }
        for what in wrong {
            self.found.note(path, Some(line), Some(record.seq), what);
        }
        self.found.first.get_or_insert(record.seq);
        self.last = Last::Record(known);
    }

    /// A new chain begins.
    fn chain(
        &mut self,
        path: &Path,
        line: u64,
        record: &Record,
        opened: &crate::Opened,
        wrong: &mut Vec<String>,
    ) {
        if record.previous != Digest::NONE {
            wrong.push("it begins a chain, and continues another".to_owned());
        }
        let before = match self.last {
            Last::Record(known) => Some(known),
            _ => None,
        };
        match (&opened.why, opened.after) {
            (Beginning::Broken(why), after) => {
                let cut = match (before, after) {
                    (Some(before), Some(after)) if before.seq < after.seq => {
                        format!("; records {} to {} are missing", before.seq + 1, after.seq)
                    }
                    _ => String::new(),
                };
                let what = format!("a new chain begins here: {why}{cut}");
                self.found.note(path, Some(line), Some(record.seq), what);
            }
            _ if before.is_some() => {
                wrong.push("a new ledger begins within one".to_owned());
            }
            _ => {}
        }
        if before.is_some_and(|before| record.seq <= before.seq) {
            wrong.push("its number was given before".to_owned());
        }
        // What is wrong with those before is not wrong with this one.
        self.found.bad_in_last_chain = None;
        self.found.noted_before = self.found.bad.len();
    }

    fn end(mut self, dir: &Path, empty: bool) -> Verified {
        let head = dir.join("head");
        if let Some((path, before)) = self.waiting.take()
            && !self.removed.contains(&before)
        {
            let what = format!(
                "the records up to {} are missing, and no record says that they were removed",
                before.seq
            );
            self.found.note(&path, None, Some(before.seq), what);
        }
        match self.head {
            Some(noted) if !self.head_seen => {
                let what = format!("the records up to {} are missing", noted.seq);
                let next = self.next().unwrap_or(1);
                self.found.note(&head, None, Some(next), what);
            }
            None if !empty => {
                let what = "it is missing or damaged: whether something is missing at the end is not known";
                self.found.note(&head, None, self.next(), what);
            }
            _ => {}
        }
        for expected in std::mem::take(&mut self.missing) {
            let what = "it was noted, and is not there";
            self.found.note(dir, None, Some(expected.seq), what);
        }
        self.found.head = match (self.head, self.last) {
            (Some(head), _) if self.head_seen => Some(Known {
                seq: head.seq,
                hash: head.hash,
            }),
            (_, Last::Record(known)) => Some(known),
            _ => None,
        };
        let live = self.found.bad.get(self.found.noted_before..);
        self.found.bad_in_last_chain = live
            .and_then(|bad| bad.first())
            .map(|bad| bad.seq.unwrap_or_default());
        self.texts(dir);
        self.found
    }

    /// Whether policies' texts are what was recorded. That is nothing of the chain.
    fn texts(&mut self, dir: &Path) {
        for (name, text) in std::mem::take(&mut self.texts) {
            let what = match keep::read_text(dir, &name) {
                Ok(bytes) if text.contents.contains(&Digest::of(&bytes)) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if self.may_be_gone(text.time) {
                        continue;
                    }
                    "the policy's text is missing; the next command under that policy keeps it anew"
                        .to_owned()
                }
                Err(error)
                    if error.kind() != io::ErrorKind::InvalidData && !sys::is_link(&error) =>
                {
                    format!("the policy's text: {error}")
                }
                _ => {
                    self.found.changed_texts.push(name);
                    "the policy's text is another than was recorded; `ringfence log verify` moves it aside, and the next command under \
                     that policy keeps it anew"
                        .to_owned()
                }
            };
            let path = keep::text_path(dir, &name);
            self.found.note(&path, None, Some(text.seq), what);
        }
    }

    /// Whether a text that was written then can have been removed for its age. Texts are kept longer than records: one that is gone
    /// is older than what is not the oldest file.
    fn may_be_gone(&self, written: jiff::Timestamp) -> bool {
        let second = self.begins.get(1);
        !self.removed.is_empty()
            && second.is_some_and(|second| {
                let age = second.as_second().saturating_sub(written.as_second());
                u64::try_from(age).is_ok_and(|age| age > keep::TEXT_LONGER.as_secs())
            })
    }
}

fn does_not_follow(record: &Record, last: Option<Known>, next: u64) -> Option<String> {
    if record.seq < next {
        Some(format!("it stands after record {}", next - 1))
    } else if record.seq > next {
        let last_missing = record.seq - 1;
        Some(format!(
            "before it, records {next} to {last_missing} are missing"
        ))
    } else if last.is_some_and(|last| record.previous != last.hash) {
        Some(format!("it does not continue record {}", next - 1))
    } else {
        None
    }
}
