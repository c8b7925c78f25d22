//! Taking back all that was put on a root's tree.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ringfence_nt_access::SecurityDescriptor;
use ringfence_plan::windows::FileId;
use thiserror::Error;

use crate::back::same;
use crate::book::{self, Book, End, JournalError, Pen};
use crate::crew::{Crew, Directory, Inside, Met, Work};
use crate::disk::{Disk, DiskError, Facts, Kind};
use crate::left::{Control, Left, Part, Reason, Tally};
use crate::line::{self, Line};
use crate::name::Below;
use crate::shelf::{Dir, Shelf};

/// Where a root was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At its path.
    There,
    /// Elsewhere: it was renamed. What lies at its path now is another, and was not touched.
    Moved,
    /// Nowhere.
    Gone,
    /// It has no journal: nothing was granted, or all is taken back already.
    NoJournal,
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// Where the root was.
    pub root: Place,
    /// Objects looked at.
    pub seen: u64,
    /// Descriptors written.
    pub written: u64,
    /// Objects that were noted, lay no longer in the tree, and were found by their number.
    pub moved: u64,
    /// Objects that were noted and are not there any more.
    pub gone: u64,
    /// Whether objects could be looked for by their number. Where not, those that were moved away count as gone.
    pub searched: bool,
    /// What could not be looked at or taken back, and why: the first [`NAMED`](crate::NAMED). What was not noted and cannot be
    /// looked at was never written; it may have inherited ACEs of ours, and does not keep the journal from being closed.
    pub left: Vec<Left>,
    /// So many could not.
    pub left_in_all: u64,
    /// It was cancelled.
    pub cancelled: bool,
    /// The journal is gone: there is nothing more to take back.
    pub closed: bool,
}

/// Why nothing was taken back, or not all.
#[derive(Debug, Error)]
pub enum UndoError {
    /// The root's volume is not there.
    #[error("the volume of {path} is not connected; connect it and take back again")]
    NoVolume {
        /// The root.
        path: String,
    },
    /// The root cannot be looked for.
    #[error("cannot open {path}: {error}; the journal stays")]
    Root {
        /// The root.
        path: String,
        /// Why.
        #[source]
        error: DiskError,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// How far a journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The tree was walked.
    Walked,
    /// A walk was broken off.
    BrokenOff,
    /// Taking back was broken off, or something was left.
    Undoing,
}

/// A root that has a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Which directory.
    pub id: FileId,
    /// Where it was last.
    pub path: String,
    /// So many objects were noted.
    pub objects: u64,
    /// How far it is.
    pub state: State,
}

/// The journals in a directory, by the directories that they are of. One that cannot be read does not hide the others.
///
/// # Errors
/// [`JournalError::File`] where the directory cannot be listed.
pub fn list(dir: &Path) -> Result<Vec<Result<Root, JournalError>>, JournalError> {
    list_in(&Dir(dir))
}

pub(crate) fn list_in<S: Shelf>(
    shelf: &S,
) -> Result<Vec<Result<Root, JournalError>>, JournalError> {
    let names = shelf.names().map_err(book::failed(shelf, "", "list"))?;
    let ids = names
        .iter()
        .filter_map(|name| line::of_key(name.strip_suffix(".jsonl")?));
    Ok(ids
        .filter_map(|id| match Book::read(shelf, id) {
            Ok(None) => None,
            Ok(Some(book)) => Some(Ok(Root {
                id,
                objects: book.objects.len() as u64,
                state: match book.end {
                    End::Open => State::BrokenOff,
                    End::Walked(_) => State::Walked,
                    End::Undoing => State::Undoing,
                },
                path: book.root,
            })),
            Err(error) => Some(Err(error)),
        })
        .collect())
}

/// Takes back all that was put on the tree of a root: also from what was made in it or moved there since, and from what was
/// moved away. The journal goes last, and only when nothing is left.
///
/// # Errors
/// [`UndoError`]. What could not be written is no error: it is in [`Undone::left`].
pub fn undo<D: Disk>(
    disk: &D,
    dir: &Path,
    root: FileId,
    control: &dyn Control,
) -> Result<Undone, UndoError> {
    undo_in(disk, &Dir(dir), root, control, Crew::usual())
}

pub(crate) fn undo_in<D: Disk, S: Shelf>(
    disk: &D,
    shelf: &S,
    root: FileId,
    control: &dyn Control,
    crew: Crew,
) -> Result<Undone, UndoError> {
    let lock = book::lock(shelf, root, &|| control.waiting())?;
    let Some(known) = Book::read(shelf, root)? else {
        // What was never begun holds nothing.
        remove(shelf, root)?;
        return Ok(Undone {
            closed: true,
            ..Undone::of(Place::NoJournal)
        });
    };
    let back = Back {
        disk,
        known: &known,
        control,
        tally: Tally::default(),
        visited: Mutex::new(HashSet::new()),
        stuck: AtomicBool::new(false),
    };
    let (place, top) = back.root()?;
    // From here on nobody goes by what the journal said of the tree.
    let pen = Pen::open(shelf, root, Some(&known))?;
    pen.write(&[Line::Undoing])?;
    drop(pen);
    let mut undone = Undone::of(place);
    let start = top.map_or_else(Vec::new, |top| back.settle(vec![top]));
    let whole = back.go(crew, start) && back.elsewhere(crew, &mut undone)?;
    let (progress, left) = back.tally.take();
    undone.seen = progress.seen;
    undone.written = progress.written;
    undone.left = left;
    undone.left_in_all = progress.left;
    undone.cancelled = !whole;
    // By the search, too, nothing that was noted may be in what could not be listed.
    let unsure = !undone.searched && undone.left_in_all > 0;
    if whole && !unsure && !back.stuck.load(Ordering::Relaxed) {
        remove(shelf, root)?;
        undone.closed = true;
    }
    drop(lock);
    Ok(undone)
}

fn remove<S: Shelf>(shelf: &S, root: FileId) -> Result<(), JournalError> {
    let name = book::file_name(root);
    shelf
        .remove(&name)
        .map_err(book::failed(shelf, &name, "remove"))
}

impl Undone {
    fn of(root: Place) -> Undone {
        Undone {
            root,
            seen: 0,
            written: 0,
            moved: 0,
            gone: 0,
            searched: true,
            left: Vec::new(),
            left_in_all: 0,
            cancelled: false,
            closed: false,
        }
    }
}

/// Takes back what was put on objects that are not met in a root's tree any more: they were moved away, or lie where nothing can
/// be listed. What could not be, and whether it came to the end.
pub(crate) fn strays<D: Disk>(
    disk: &D,
    known: &Book,
    met: HashSet<FileId>,
    control: &dyn Control,
    crew: Crew,
) -> (u64, Vec<Left>, bool) {
    let back = Back {
        disk,
        known,
        control,
        tally: Tally::default(),
        visited: Mutex::new(met),
        stuck: AtomicBool::new(false),
    };
    let mut undone = Undone::of(Place::There);
    // The root was opened a moment ago: where its volume is gone since, so is all on it.
    let whole = back.elsewhere(crew, &mut undone).unwrap_or(true);
    let (progress, left) = back.tally.take();
    (progress.written, left, whole)
}

/// The root, if it is anywhere.
type Top<D> = Option<Met<<D as Disk>::Object>>;

struct Back<'a, D: Disk> {
    disk: &'a D,
    known: &'a Book,
    control: &'a dyn Control,
    tally: Tally,
    visited: Mutex<HashSet<FileId>>,
    /// Something that has, or could have, our ACEs could not be put back.
    stuck: AtomicBool,
}

impl<D: Disk> Back<'_, D> {
    /// The root, where it is.
    fn root(&self) -> Result<(Place, Top<D>), UndoError> {
        let path = &self.known.root;
        let there = self
            .disk
            .open_root(path)
            .and_then(|object| self.met(object));
        if let Ok(met) = there
            && met.facts.id == self.known.id
        {
            return Ok((Place::There, Some(met)));
        }
        match self.by_id(self.known.id) {
            Ok(met) => Ok((Place::Moved, Some(met))),
            Err(DiskError::NotThere) => Ok((Place::Gone, None)),
            Err(DiskError::NoVolume) => Err(UndoError::NoVolume { path: path.clone() }),
            // It may be there, and cannot be opened.
            Err(error) => Err(UndoError::Root {
                path: path.clone(),
                error,
            }),
        }
    }

    fn met(&self, object: D::Object) -> Result<Met<D::Object>, DiskError> {
        Ok(Met {
            facts: self.disk.facts(&object)?,
            object,
            path: Below::default(),
        })
    }

    /// What has this number now: it is asked which it is.
    fn by_id(&self, id: FileId) -> Result<Met<D::Object>, DiskError> {
        let met = self.met(self.disk.open_by_id(&self.known.root, id)?)?;
        if met.facts.id == id {
            Ok(met)
        } else {
            Err(DiskError::NotThere)
        }
    }

    fn go(&self, crew: Crew, start: Inside<D, ()>) -> bool {
        match crew.walk(self.disk, self, start) {
            Ok(whole) => whole,
            Err(never) => match never {},
        }
    }

    /// What was noted and did not lie in the tree.
    fn elsewhere(&self, crew: Crew, undone: &mut Undone) -> Result<bool, UndoError> {
        let mut noted: Vec<_> = self.known.objects.iter().collect();
        // The outermost first: what lies in it is then visited.
        noted.sort_by_key(|(id, record)| (record.path.names().len(), **id));
        for (id, record) in noted {
            if !self.goes_on() {
                return Ok(false);
            }
            if self.was_visited(*id) {
                continue;
            }
            match self.by_id(*id) {
                Ok(met) => {
                    undone.moved += 1;
                    let path = record.path.clone();
                    let start = self.settle(vec![Met { path, ..met }]);
                    if !self.go(crew, start) {
                        return Ok(false);
                    }
                }
                Err(DiskError::NotThere) => undone.gone += 1,
                Err(DiskError::NoNumbers) => {
                    undone.gone += 1;
                    undone.searched = false;
                }
                Err(DiskError::NoVolume) => {
                    let path = self.known.root.clone();
                    return Err(UndoError::NoVolume { path });
                }
                Err(error) => {
                    self.stuck.store(true, Ordering::Relaxed);
                    self.left(record.path.clone(), Some(*id), error.into());
                }
            }
        }
        Ok(true)
    }

    fn was_visited(&self, id: FileId) -> bool {
        let visited = self.visited.lock();
        visited
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }

    fn settle(&self, met: Vec<Met<D::Object>>) -> Inside<D, ()> {
        let mut inside = Vec::new();
        for met in met {
            let id = met.facts.id;
            let first = self
                .visited
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id);
            // Another name of it, or a directory that was moved while it was walked.
            if !first || met.facts.kind == Kind::ReparsePoint {
                continue;
            }
            self.tally.saw(1);
            if let Err(why) = self.put_back(&met.object, met.facts) {
                self.say(&met, why);
            }
            if met.facts.kind == Kind::Directory {
                inside.push(Directory {
                    object: met.object,
                    id,
                    path: met.path,
                    above: (),
                });
            }
        }
        self.control.progress(self.tally.progress());
        inside
    }

    fn put_back(&self, object: &D::Object, facts: Facts) -> Result<(), Reason> {
        let before = self.known.objects.get(&facts.id);
        let before: Option<&SecurityDescriptor> = before.map(|record| &*record.before);
        let now = self.disk.read(object).inspect_err(|_| {
            if before.is_some() {
                self.stuck.store(true, Ordering::Relaxed);
            }
        })?;
        let want = self.known.ours.taken_back(&now, before);
        if same(&want, &now) {
            return Ok(());
        }
        let put = self.write(object, &want, before);
        if put.is_err() {
            self.stuck.store(true, Ordering::Relaxed);
        }
        put
    }

    fn write(
        &self,
        object: &D::Object,
        want: &SecurityDescriptor,
        before: Option<&SecurityDescriptor>,
    ) -> Result<(), Reason> {
        self.disk.write(object, want)?;
        self.tally.wrote(1);
        let is = self.disk.read(object)?;
        // Whatever the volume made of it: ours must be gone.
        if same(&self.known.ours.taken_back(&is, before), &is) {
            Ok(())
        } else {
            Err(Reason::NotKept)
        }
    }

    fn say(&self, met: &Met<D::Object>, why: Reason) {
        self.left(met.path.clone(), Some(met.facts.id), why);
    }

    fn part(&self, id: Option<FileId>) -> Part {
        if id == Some(self.known.id) {
            Part::Root
        } else {
            Part::Other
        }
    }
}

impl<D: Disk> Work<D> for Back<'_, D> {
    type Above = ();
    type Stop = std::convert::Infallible;

    fn deal(
        &self,
        (): &(),
        met: Vec<Met<D::Object>>,
    ) -> Result<Inside<D, ()>, std::convert::Infallible> {
        Ok(self.settle(met))
    }

    fn left(&self, path: Below, id: Option<FileId>, why: Reason) {
        let part = self.part(id);
        self.tally.left(path, part, why);
    }

    fn passed(&self) {
        self.tally.passed();
    }

    fn goes_on(&self) -> bool {
        !self.control.is_cancelled()
    }
}

/// Where a root's journal is, for people.
#[must_use]
pub fn path_of(dir: &Path, root: FileId) -> PathBuf {
    dir.join(book::file_name(root))
}
