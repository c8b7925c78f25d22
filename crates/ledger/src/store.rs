//! Writing to the ledger.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::head::{self, Head, Read};
use crate::keep::{self, Keep};
use crate::segment::{self, Beyond};
use crate::{Beginning, Digest, Event, Known, Opened, PolicyKept, record, sys};

/// The version of the form of records.
const FORMAT: u32 = 1;
/// A file is left for the next when it is this old, seconds.
const DAY: i64 = 24 * 60 * 60;
/// Who has the ledger locked lets go of it within microseconds. One that does not is stopped, or stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be done where the place is of no use: a directory that cannot be written, or is none.
fn unusable(error: &io::Error) -> &'static str {
    use io::ErrorKind::{AlreadyExists, NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    match error.kind() {
        AlreadyExists | NotADirectory | PermissionDenied | ReadOnlyFilesystem => {
            "; make the directory writable for yourself, or set XDG_STATE_HOME to one that is"
        }
        _ => "",
    }
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of it cannot be made, read or written.
    #[error("the ledger: {}: {error}{}", .path.display(), unusable(.error))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no room for more.
    #[error("the ledger is full: {}: {error}; make room there", .path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Its files would become longer than this process may make any (`RLIMIT_FSIZE`).
    #[error("the ledger: {}: {error}; raise the limit of a file's size (ulimit -f)", .path.display())]
    Long {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has it locked and does not let go.
    #[error("the ledger: {} is locked by {}; end that process, or let it go on", .path.display(), holder(*.by))]
    Locked {
        /// The file.
        path: PathBuf,
        /// The process, where it can be told.
        by: Option<u32>,
    },
    /// An event cannot be written as JSON, or is too long.
    #[error("the ledger: a record of {0} bytes is too long")]
    TooLong(usize),
}

fn holder(by: Option<u32>) -> String {
    by.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl Error {
    fn of(path: &Path, error: io::Error) -> Error {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Full { path, error }
            }
            io::ErrorKind::FileTooLarge => Error::Long { path, error },
            _ => Error::File { path, error },
        }
    }
}

/// A user's ledger, to write to. Any number of processes may have it open, and any number of threads share
/// one of these.
#[derive(Debug)]
pub struct Ledger {
    dir: PathBuf,
    keep: Keep,
    files: Mutex<Option<Files>>,
}

/// What is open of it.
#[derive(Debug)]
struct Files {
    head: File,
    /// What is locked in its place, where it is not that.
    beside: Option<File>,
    /// When that was last found to be the one that has its name.
    named: Option<Instant>,
    segment: Option<(u32, File)>,
    /// The end as this process wrote it last.
    written: Option<Head>,
}

impl Files {
    fn lock(&self) -> &File {
        self.beside.as_ref().unwrap_or(&self.head)
    }
}

/// So long a ledger that was moved away, and not removed, is still written to.
const MOVED: Duration = Duration::from_secs(1);

/// The end of the chain, found to be as it was left, and the file it is in.
struct End {
    head: Head,
    /// What a dead writer left that is no record.
    torn: u64,
}

impl Ledger {
    /// The ledger in this directory. Nothing is made or opened before the first record.
    #[must_use]
    pub fn new(dir: PathBuf, keep: Keep) -> Ledger {
        Ledger {
            dir,
            keep,
            files: Mutex::new(None),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Records what happened. When this returns it is written: no end of this process, however sudden, takes it away; and
    /// a decision ([`Event::is_decision`]) survives the end of the machine as well.
    ///
    /// `make` is told the number that the first record will have; the number is returned too.
    ///
    /// # Errors
    /// [`Error`]: then nothing of it is recorded.
    pub fn append(&self, make: impl FnOnce(u64) -> Vec<Event>) -> Result<u64, Error> {
        self.append_known(make).map(|(first, _)| first)
    }

    /// The same; each record is told with its hash, which no record of another ledger has.
    ///
    /// # Errors
    /// [`Error`]: then nothing of it is recorded.
    pub fn append_known(
        &self,
        make: impl FnOnce(u64) -> Vec<Event>,
    ) -> Result<(u64, Vec<Known>), Error> {
        let mut files = self.files();
        let files = self.locked(&mut files)?;
        let result = self.append_to(files, make);
        // Closing would let go of it as well.
        let _unlocked = files.lock().unlock();
        result
    }

    fn files(&self) -> MutexGuard<'_, Option<Files>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head_path(&self) -> PathBuf {
        self.dir.join("head")
    }

    /// Opens what is not open, and locks it.
    fn locked<'a>(&self, files: &'a mut Option<Files>) -> Result<&'a mut Files, Error> {
        let path = self.head_path();
        // Somebody may have removed the ledger while this process has it open.
        for _ in 0..16 {
            let open = match files.take() {
                Some(open) => open,
                None => Files {
                    head: self.open_head()?,
                    beside: sys::beside_to_lock(&self.dir).map_err(|e| Error::of(&path, e))?,
                    named: None,
                    segment: None,
                    written: None,
                },
            };
            lock(open.lock(), &path)?;
            let ours = open.head.metadata().map_err(|e| Error::of(&path, e))?;
            let lately = open.named.is_some_and(|at| at.elapsed() < MOVED);
            if lately && sys::is_named(&ours, None) {
                return Ok(files.insert(open));
            }
            if sys::is_named(&ours, Some(&path)) {
                let open = Files {
                    named: Some(Instant::now()),
                    ..open
                };
                return Ok(files.insert(open));
            }
        }
        Err(Error::of(
            &path,
            io::Error::other("it is replaced over and over"),
        ))
    }

    fn open_head(&self) -> Result<File, Error> {
        let path = self.head_path();
        let open = || {
            sys::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
        };
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                sys::make_dir(&self.dir).map_err(|error| Error::of(&self.dir, error))?;
                open()
            }
            opened => opened,
        };
        let file = file.map_err(|error| Error::of(&path, error))?;
        let meta = file.metadata().map_err(|error| Error::of(&path, error))?;
        if sys::is_own(&meta) {
            Ok(file)
        } else {
            Err(Error::of(
                &path,
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is no regular file of this user",
                ),
            ))
        }
    }

    fn append_to(
        &self,
        files: &mut Files,
        make: impl FnOnce(u64) -> Vec<Event>,
    ) -> Result<(u64, Vec<Known>), Error> {
        let now = Timestamp::now();
        let mut batch = Batch {
            now,
            lines: Vec::new(),
            last: Known {
                seq: 0,
                hash: Digest::NONE,
            },
        };
        let mut old = Vec::new();
        let mut behind = false;
        let mut head = match self.end(files)? {
            Ok(End { head, torn }) => {
                behind = torn > 0;
                batch.last = Known {
                    seq: head.seq,
                    hash: head.hash,
                };
                if torn > 0 {
                    batch.add(&Event::Mended { bytes: torn })?;
                }
                let age = now.as_second().saturating_sub(head.began);
                // A clock that was set back is no reason.
                if head.offset >= segment::LARGE || age >= DAY {
                    self.turn(files, head, &mut batch, &mut old)?
                } else {
                    head
                }
            }
            Err(broken) => self.begin(files, broken, &mut batch)?,
        };
        let first = batch.last.seq + 1;
        let mut all = Vec::new();
        // What is removed is gone for good; that it was must stay.
        let mut decision = !old.is_empty();
        for event in make(first) {
            decision |= event.is_decision();
            batch.add(&event)?;
            all.push(batch.last);
        }
        let Some((number, file)) = files.segment.as_ref() else {
            return Err(Error::of(&self.dir, io::Error::other("no file is open")));
        };
        let path = segment::path(&self.dir, *number);
        let start = head.offset;
        head.seq = batch.last.seq;
        head.hash = batch.last.hash;
        head.offset += batch.lines.len() as u64;
        head.turn = head.turn.wrapping_add(1);
        let cut = if behind && start > 0 {
            file.set_len(start)
        } else {
            Ok(())
        };
        let written = cut
            .and_then(|()| sys::write_all_at(file, &batch.lines, start))
            .and_then(|()| if decision { file.sync_data() } else { Ok(()) })
            .and_then(|()| head::write(&files.head, &head));
        if let Err(error) = written {
            // Where this fails too, the next writer finds what is torn, or whole and acknowledged to nobody.
            let _left = file.set_len(start);
            files.written = None;
            return Err(Error::of(&path, error));
        }
        files.written = Some(head);
        if !old.is_empty() {
            keep::remove(&self.dir, &self.keep, &old);
        }
        Ok((first, all))
    }

    /// The end of the chain; or why it is not as it was left.
    fn end(&self, files: &mut Files) -> Result<Result<End, Broken>, Error> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |error| Error::of(&path, error)
        };
        let mut head = match head::read(&files.head).map_err(fail(&self.head_path()))? {
            Read::At(head) => head,
            damaged => {
                let segments = segment::all(&self.dir).map_err(fail(&self.dir))?;
                let Some(newest) = segments.last().copied() else {
                    return Ok(Err(Broken::new_ledger()));
                };
                let why = match damaged {
                    Read::Empty => "the file that says where it ends is missing",
                    _ => "the file that says where it ends is damaged",
                };
                let mut last = None;
                for number in segments.iter().rev() {
                    last = segment::last_readable(&self.dir, *number).ok().flatten();
                    if last.is_some() {
                        break;
                    }
                }
                return Ok(Err(Broken {
                    why: Some(why.to_owned()),
                    after: last,
                    turn: 0,
                    segment: newest,
                }));
            }
        };
        let path = segment::path(&self.dir, head.segment);
        let broken = |why: String| {
            Ok(Err(Broken {
                why: Some(why),
                after: Some(Known {
                    seq: head.seq,
                    hash: head.hash,
                }),
                turn: head.turn,
                segment: head.segment,
            }))
        };
        if head.bad > 0 {
            return broken(format!("record {} was found to be bad", head.bad));
        }
        let known = files.segment.take();
        let known = known.filter(|(number, _)| *number == head.segment);
        let known = known.and_then(|(_, file)| {
            let meta = file.metadata().ok();
            let meta = meta.filter(|meta| sys::is_named(meta, None))?;
            Some((file, meta.len()))
        });
        let (file, size) = match known {
            Some(known) => known,
            None => match segment::open(&self.dir, head.segment, false) {
                Ok(file) => {
                    let size = file.metadata().map_err(fail(&path))?.len();
                    (file, size)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return broken(format!("file {} is missing", head.segment));
                }
                Err(error)
                    if error.kind() == io::ErrorKind::InvalidData || sys::is_link(&error) =>
                {
                    return broken(format!("file {} is another", head.segment));
                }
                Err(error) => return Err(Error::of(&path, error)),
            },
        };
        if size < head.offset {
            return broken(format!("file {} was cut", head.segment));
        }
        // What this process wrote last is what it wrote; `verify` is there for more.
        if files.written != Some(head)
            && segment::last_hash(&file, head.offset).map_err(fail(&path))? != Some(head.hash)
        {
            return broken(format!("record {} was changed", head.seq));
        }
        let mut torn = 0;
        if size > head.offset {
            let known = Known {
                seq: head.seq,
                hash: head.hash,
            };
            let found = segment::beyond(&file, head.offset, known).map_err(fail(&path))?;
            let Beyond {
                last,
                offset,
                torn: left,
                foreign,
            } = found;
            if foreign {
                return broken(format!(
                    "what stands behind record {} is not of this chain",
                    last.seq
                ));
            }
            head.seq = last.seq;
            head.hash = last.hash;
            head.offset = offset;
            torn = left;
        }
        files.segment = Some((head.segment, file));
        Ok(Ok(End { head, torn }))
    }

    /// Begins a chain.
    fn begin(&self, files: &mut Files, broken: Broken, batch: &mut Batch) -> Result<Head, Error> {
        let Broken {
            why,
            after,
            turn,
            segment,
        } = broken;
        // No number is given twice, as far as is known.
        batch.last.seq = after.map_or(0, |known| known.seq);
        batch.last.hash = Digest::NONE;
        let number = self.make_segment(files, segment)?;
        batch.add(&Event::Opened(Opened {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            why: why.map_or(Beginning::New, Beginning::Broken),
            after,
        }))?;
        Ok(Head {
            turn,
            seq: batch.last.seq,
            hash: batch.last.hash,
            segment: number,
            offset: 0,
            began: batch.now.as_second(),
            bad: 0,
        })
    }

    /// Goes on in another file, and lets go of what need not be kept any more.
    fn turn(
        &self,
        files: &mut Files,
        head: Head,
        batch: &mut Batch,
        old: &mut Vec<u32>,
    ) -> Result<Head, Error> {
        // What was cut off is told where it was cut off.
        if !batch.lines.is_empty()
            && let Some((number, file)) = files.segment.as_ref()
        {
            let path = segment::path(&self.dir, *number);
            file.set_len(head.offset)
                .and_then(|()| sys::write_all_at(file, &batch.lines, head.offset))
                .map_err(|error| Error::of(&path, error))?;
            batch.lines.clear();
        }
        let number = self.make_segment(files, head.segment)?;
        batch.add(&Event::Opened(Opened {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            why: Beginning::Continues,
            after: None,
        }))?;
        if let Some((removed, files)) = keep::old(&self.dir, &self.keep, number, batch.now) {
            batch.add(&Event::Removed(removed))?;
            *old = files;
        }
        Ok(Head {
            segment: number,
            offset: 0,
            began: batch.now.as_second(),
            ..head
        })
    }

    /// Makes the file after this one, and opens it. One that is there is what a writer that died had made: it
    /// was acknowledged to nobody, and is no part of the chain.
    fn make_segment(&self, files: &mut Files, after: u32) -> Result<u32, Error> {
        let number = after.saturating_add(1);
        let path = segment::path(&self.dir, number);
        let made = match segment::open(&self.dir, number, true) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let aside =
                    path.with_extension(format!("jsonl.{}", Timestamp::now().as_microsecond()));
                std::fs::rename(&path, aside).and_then(|()| segment::open(&self.dir, number, true))
            }
            made => made,
        };
        let file = made.map_err(|error| Error::of(&path, error))?;
        // A decision in it is on disk only if its name is.
        sys::sync_dir(&self.dir).map_err(|error| Error::of(&self.dir, error))?;
        files.segment = Some((number, file));
        Ok(number)
    }

    /// Keeps a policy's text beside the ledger under this name, as long as records are kept that may name it. What to
    /// record of it, where it was not kept yet, or a day ago.
    ///
    /// # Errors
    /// [`Error`].
    pub fn keep_policy(
        &self,
        policy: Digest,
        text: impl FnOnce() -> String,
    ) -> Result<Option<Event>, Error> {
        if keep::is_young(&self.dir, &policy) {
            return Ok(None);
        }
        let text = text();
        keep::text(&self.dir, &policy, text.as_bytes())
            .map_err(|(path, error)| Error::of(&path, error))?;
        Ok(Some(Event::PolicyKept(PolicyKept {
            policy,
            content: Digest::of(text.as_bytes()),
        })))
    }

    /// Nothing more is written to this chain: a record in it is bad.
    pub(crate) fn mark_bad(dir: &Path, seq: u64) -> Result<(), Error> {
        let ledger = Ledger::new(dir.to_owned(), Keep::ALL);
        let mut files = ledger.files();
        let files = ledger.locked(&mut files)?;
        let path = ledger.head_path();
        let marked = match head::read(&files.head) {
            Ok(Read::At(head)) if head.bad == 0 => {
                let bad = Head {
                    turn: head.turn.wrapping_add(1),
                    bad: seq.max(1),
                    ..head
                };
                head::write(&files.head, &bad)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        let _unlocked = files.lock().unlock();
        marked.map_err(|error| Error::of(&path, error))
    }
}

/// Why a chain begins.
struct Broken {
    /// What is not as it was left; `None` where there was nothing.
    why: Option<String>,
    /// The last that is known of the chain before.
    after: Option<Known>,
    turn: u64,
    /// The last file that there is.
    segment: u32,
}

impl Broken {
    fn new_ledger() -> Broken {
        Broken {
            why: None,
            after: None,
            turn: 0,
            segment: 0,
        }
    }
}

/// Records on their way to the file.
struct Batch {
    now: Timestamp,
    lines: Vec<u8>,
    last: Known,
}

impl Batch {
    fn add(&mut self, event: &Event) -> Result<(), Error> {
        let start = self.lines.len();
        let seq = self.last.seq + 1;
        let encoded = record::encode(seq, self.now, self.last.hash, event, &mut self.lines);
        let length = self.lines.len() - start;
        match encoded {
            Ok(hash) if length <= segment::LINE_MAX => {
                self.last = Known { seq, hash };
                Ok(())
            }
            _ => {
                self.lines.truncate(start);
                Err(Error::TooLong(length))
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock is waited for as long as it takes, or not at all"
)]
fn lock(file: &File, path: &Path) -> Result<(), Error> {
    let begun = Instant::now();
    let mut pause = Duration::from_micros(50);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: path.to_owned(),
                    by: sys::holder_of(file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::of(path, error)),
        }
    }
}
