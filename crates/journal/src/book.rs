//! A journal: read whole, and written behind its end.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ringfence_nt_access::{Malformed, SecurityDescriptor, Sid};
use ringfence_plan::windows::FileId;
use thiserror::Error;

use crate::back::Ours;
use crate::line::{self, Header, Kept, Line, Object, Planned, VERSION, Walked};
use crate::name::Below;
use crate::shelf::Shelf;

/// Why a journal cannot be read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A file cannot be used.
    #[error(
        "{path}: cannot {what} the journal of changes to your files: {error}; without it none is made or taken back"
    )]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A line is not as it was written.
    #[error(
        "{path}, line {line}: not as it was written; put the file back from a backup, or take this line out (keep a copy): the objects it names then keep their ACEs"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// It is of a newer Ringfence.
    #[error(
        "{path} is of a newer Ringfence (version {version}, this one knows {VERSION}); use that one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It is of another user or another directory than its name says.
    #[error("{path} is the journal of {of}; move it to where it belongs")]
    Another {
        /// The file.
        path: PathBuf,
        /// Whose, or of what.
        of: String,
    },
    /// An object's descriptor, or a plan, cannot be written down.
    #[error("{path}: what is to be noted has no form: {error}; nothing was changed there")]
    NoForm {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: Malformed,
    },
}

/// An object as it was.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) path: Below,
    pub(crate) before: Arc<SecurityDescriptor>,
}

/// How a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// In a walk that was broken off.
    Open,
    /// The tree was walked.
    Walked(Walked),
    /// It was being taken back.
    Undoing,
}

/// All that a journal says.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) user: Sid,
    pub(crate) id: FileId,
    /// Where the root was last.
    pub(crate) root: String,
    /// Every ACE that was planned.
    pub(crate) ours: Ours,
    /// Every plan.
    pub(crate) plans: HashSet<String>,
    /// The last of them.
    last: String,
    descriptors: HashMap<String, Arc<SecurityDescriptor>>,
    pub(crate) objects: HashMap<FileId, Record>,
    pub(crate) end: End,
    /// So many bytes are whole lines.
    whole: u64,
}

pub(crate) fn file_name(id: FileId) -> String {
    format!("{}.jsonl", line::key(id))
}

fn lock_name(id: FileId) -> String {
    format!("{}.lock", line::key(id))
}

/// What failed with a file.
pub(crate) fn failed<S: Shelf>(
    shelf: &S,
    name: &str,
    what: &'static str,
) -> impl FnOnce(io::Error) -> JournalError {
    let path = shelf.path(name);
    move |error| JournalError::File { what, path, error }
}

/// Keeps other processes from walking the same root.
pub(crate) fn lock<S: Shelf>(
    shelf: &S,
    id: FileId,
    waiting: &dyn Fn(),
) -> Result<S::Lock, JournalError> {
    let name = lock_name(id);
    shelf
        .lock(&name, waiting)
        .map_err(failed(shelf, &name, "lock"))
}

/// The last line of a journal, where it says that the tree was walked. No more than the end of the file is read.
pub(crate) fn last_walk<S: Shelf>(shelf: &S, id: FileId) -> Result<Option<Walked>, JournalError> {
    /// Longer than any such line.
    const END: u64 = 512;
    let name = file_name(id);
    let tail = shelf
        .tail(&name, END)
        .map_err(failed(shelf, &name, "read"))?;
    let line = tail.as_deref().and_then(|tail| {
        let tail = tail.strip_suffix(b"\n")?;
        let from = tail.iter().rposition(|byte| *byte == b'\n')? + 1;
        tail.get(from..)
    });
    Ok(match line.and_then(Line::parse) {
        Some(Line::Walked(walked)) => Some(walked),
        _ => None,
    })
}

impl Book {
    /// Reads the journal of a root; none where there is none, or one that was not begun.
    pub(crate) fn read<S: Shelf>(shelf: &S, id: FileId) -> Result<Option<Book>, JournalError> {
        let name = file_name(id);
        let bytes = shelf.read(&name).map_err(failed(shelf, &name, "read"))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let book = Book::parse(&bytes, || shelf.path(&name))?;
        match book {
            Some(book) if book.id != id => Err(JournalError::Another {
                path: shelf.path(&name),
                of: book.root,
            }),
            // Where no plan stands nothing was put, and where the root is is not known.
            book => Ok(book.filter(|book| !book.plans.is_empty())),
        }
    }

    /// What is behind the last end of line was being written when somebody was stopped: nothing was done on its word.
    fn parse(bytes: &[u8], path: impl Fn() -> PathBuf) -> Result<Option<Book>, JournalError> {
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let mut book = None;
        let lines = bytes.get(..whole).unwrap_or_default();
        for (index, bytes) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            let bad = || JournalError::Unreadable {
                path: path(),
                line: index + 1,
            };
            match &mut book {
                None => match Line::version(bytes) {
                    Some(version) if version > VERSION => {
                        let path = path();
                        return Err(JournalError::Newer { path, version });
                    }
                    _ => book = Some(Book::begin(bytes, whole).ok_or_else(bad)?),
                },
                Some(book) => {
                    let line = Line::parse(bytes).ok_or_else(bad)?;
                    book.take(line).ok_or_else(bad)?;
                }
            }
        }
        Ok(book)
    }

    fn begin(bytes: &[u8], whole: usize) -> Option<Book> {
        let Line::Journal(header) = Line::parse(bytes)? else {
            return None;
        };
        Some(Book {
            user: line::sid(&header.user)?,
            id: line::of_key(&header.id)?,
            root: String::new(),
            ours: Ours {
                sid: line::sid(&header.sid)?,
                aces: Vec::new(),
            },
            plans: HashSet::new(),
            last: String::new(),
            descriptors: HashMap::new(),
            objects: HashMap::new(),
            end: End::Open,
            whole: whole as u64,
        })
    }

    fn take(&mut self, line: Line) -> Option<()> {
        self.end = End::Open;
        match line {
            Line::Journal(_) => return None,
            Line::Plan(plan) => {
                self.ours.add(&line::of_words(&plan.aces.own)?);
                for guard in &plan.aces.guards {
                    self.ours.add(&line::of_words(&guard.aces)?);
                }
                self.root = plan.root;
                self.last.clone_from(&plan.digest);
                self.plans.insert(plan.digest);
            }
            Line::Descriptor(kept) => {
                let descriptor = Arc::new(kept.descriptor()?);
                self.descriptors.insert(kept.digest, descriptor);
            }
            Line::Object(object) => {
                let record = Record {
                    path: Below::from_text(&object.path)?,
                    before: Arc::clone(self.descriptors.get(&object.before)?),
                };
                // The first is what it was before us.
                self.objects
                    .entry(line::of_key(&object.id)?)
                    .or_insert(record);
            }
            Line::Walked(walked) => self.end = End::Walked(walked),
            Line::Undoing => self.end = End::Undoing,
        }
        Some(())
    }
}

/// A journal that is written to.
pub(crate) struct Pen<'a, S: Shelf> {
    shelf: &'a S,
    name: String,
    written: Mutex<Written<S::File>>,
}

struct Written<F> {
    file: F,
    /// A write failed: what stands at the end is not known, so nothing more is put behind it.
    spoilt: bool,
    descriptors: HashSet<String>,
    objects: HashSet<FileId>,
}

/// An object that is about to be changed.
pub(crate) struct Noted<'a> {
    pub(crate) path: &'a Below,
    pub(crate) id: FileId,
    pub(crate) before: SecurityDescriptor,
}

impl<'a, S: Shelf> Pen<'a, S> {
    /// Opens or makes the journal of a root, of which this is known.
    pub(crate) fn open(
        shelf: &'a S,
        id: FileId,
        book: Option<&Book>,
    ) -> Result<Pen<'a, S>, JournalError> {
        let name = file_name(id);
        let length = book.map_or(0, |book| book.whole);
        let file = shelf
            .open(&name, length)
            .map_err(failed(shelf, &name, "open"))?;
        let written = Written {
            file,
            spoilt: false,
            descriptors: book
                .map_or_else(HashSet::new, |b| b.descriptors.keys().cloned().collect()),
            objects: book.map_or_else(HashSet::new, |b| b.objects.keys().copied().collect()),
        };
        Ok(Pen {
            shelf,
            name,
            written: Mutex::new(written),
        })
    }

    /// Writes lines, and returns when they are on the disk.
    pub(crate) fn write(&self, lines: &[Line]) -> Result<(), JournalError> {
        let bytes: Vec<u8> = lines.iter().flat_map(Line::to_bytes).collect();
        if bytes.is_empty() {
            return Ok(());
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.put(&mut written, &bytes)
    }

    /// Notes objects that were not yet, and returns when that is on the disk: only then they are changed.
    pub(crate) fn note(&self, objects: &[Noted<'_>]) -> Result<(), JournalError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        for object in objects {
            if !written.objects.insert(object.id) {
                continue;
            }
            let before = object.before.to_bytes().map_err(|error| {
                let path = self.shelf.path(&self.name);
                JournalError::NoForm { path, error }
            })?;
            let kept = Kept::of(&before);
            let line = Line::Object(Object {
                path: object.path.to_text(),
                id: line::key(object.id),
                before: kept.digest.clone(),
            });
            if written.descriptors.insert(kept.digest.clone()) {
                bytes.extend(Line::Descriptor(kept).to_bytes());
            }
            bytes.extend(line.to_bytes());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.put(&mut written, &bytes)
    }

    fn put(&self, written: &mut Written<S::File>, bytes: &[u8]) -> Result<(), JournalError> {
        let spoilt = std::mem::replace(&mut written.spoilt, true);
        let put = if spoilt {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            self.shelf
                .append(&mut written.file, bytes)
                .and_then(|()| self.shelf.flush(&mut written.file))
        };
        written.spoilt = put.is_err();
        put.map_err(failed(self.shelf, &self.name, "write"))
    }
}

/// What is written before a walk: the first lines of a journal, or that another plan holds from now on, or that the tree is
/// being walked again.
pub(crate) fn beginning(book: Option<&Book>, header: Header, plan: &Planned) -> Vec<Line> {
    let mut lines = Vec::new();
    match book {
        None => lines.push(Line::Journal(header)),
        Some(book) if book.end == End::Open && book.last == plan.digest => return lines,
        Some(_) => {}
    }
    lines.push(Line::Plan(plan.clone()));
    lines
}
