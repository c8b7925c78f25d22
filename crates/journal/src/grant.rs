//! Putting a plan's ACEs on a tree.

use std::path::Path;
use std::sync::Mutex;

use ringfence_nt_access::{Sid, Token};
use ringfence_plan::windows::{RootPlan, Walk};
use thiserror::Error;

use crate::aims::{Aims, Found};
use crate::back::Ours;
use crate::book::{self, Book, JournalError, Pen};
use crate::crew::Crew;
use crate::disk::{Disk, DiskError, Kind};
use crate::left::{Control, Left, Part, Tally};
use crate::line::{self, Header, Planned, VERSION};
use crate::shelf::{Dir, Shelf};

mod walker;

use walker::Walker;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// The real user's token.
    pub user: &'a Token,
    /// Accounts that commands run as, where they run as another ([`Plan::principals`](ringfence_plan::windows::Plan::principals)).
    pub principals: &'a [Sid],
    /// The root, and what is put where.
    pub root: &'a RootPlan,
}

/// How a root came to have its ACEs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It had them: nothing was listed and nothing written.
    Stood,
    /// The tree was walked, to its end.
    Walked,
    /// The walk was cancelled. The next goes on.
    Cancelled,
    /// The root itself could not be given its ACEs, so nothing below it was looked at.
    NotTheRoot,
}

/// What became of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// How.
    pub way: Way,
    /// Objects looked at, this time.
    pub seen: u64,
    /// Descriptors written, this time.
    pub written: u64,
    /// Reparse points passed by, this time.
    pub passed: u64,
    /// What was left, and why: root and guards always, of others the first [`NAMED`](crate::NAMED) of this walk.
    pub left: Vec<Left>,
    /// So many were left, by this walk or the last one.
    pub left_in_all: u64,
}

impl Granted {
    /// Whether commands may work there as it was planned: the tree was walked, and root and all that is protected have their
    /// ACEs. Where not, [`Granted::left`] names the promises.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let walked = matches!(self.way, Way::Stood | Way::Walked);
        walked && self.left.iter().all(|left| left.part == Part::Other)
    }
}

/// Why nothing was granted, or not all.
#[derive(Debug, Error)]
pub enum GrantError {
    /// The root cannot be opened.
    #[error("cannot open {path}: {error}; nothing was changed")]
    Root {
        /// The root.
        path: String,
        /// Why.
        #[source]
        error: DiskError,
    },
    /// Another directory is there than was planned for.
    #[error(
        "{path} is another directory than it was a moment ago; nothing was changed, start the command again"
    )]
    Replaced {
        /// The root.
        path: String,
    },
    /// A guard is not in the root.
    #[error("{path} is to be protected in {root}, and is not in it; nothing was changed")]
    Outside {
        /// The guard.
        path: String,
        /// The root.
        root: String,
    },
    /// An ACE of the plan cannot be written down, so it could not be known again.
    #[error("an ACE planned for {path} cannot be written down; nothing was changed")]
    NoWords {
        /// The root.
        path: String,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Gives a root, all in it, and what is protected in it the ACEs of a plan.
///
/// `dir` is where journals are: private to the user, and made by whoever calls. Where the root's journal says that all of the tree
/// was walked with this very plan, and root and guards still have their ACEs, nothing is listed and nothing written.
///
/// # Errors
/// [`GrantError`]. What cannot be opened or written below the root is no error: it is in [`Granted::left`].
pub fn grant<D: Disk>(
    disk: &D,
    dir: &Path,
    ask: &Grant<'_>,
    control: &dyn Control,
) -> Result<Granted, GrantError> {
    grant_in(disk, &Dir(dir), ask, control, Crew::usual())
}

pub(crate) fn grant_in<D: Disk, S: Shelf>(
    disk: &D,
    shelf: &S,
    ask: &Grant<'_>,
    control: &dyn Control,
    crew: Crew,
) -> Result<Granted, GrantError> {
    let root = ask.root;
    let path = || root.path.clone();
    let aims = Aims::of(root).map_err(|outside| GrantError::Outside {
        path: outside.0,
        root: path(),
    })?;
    let planned = aims.line(&ask.user.user, ask.principals);
    let planned = planned.ok_or_else(|| GrantError::NoWords { path: path() })?;
    let walk = Walk {
        user: ask.user,
        ours: &aims.ours,
        principals: ask.principals,
    };
    let found = find(disk, &aims, root)?;
    if let Some(granted) = stood(shelf, &found, &walk, &planned)? {
        return Ok(granted);
    }
    let lock = book::lock(shelf, root.id, &|| control.waiting())?;
    // Whoever had the lock may have done all of it.
    let found = find(disk, &aims, root)?;
    if let Some(granted) = stood(shelf, &found, &walk, &planned)? {
        return Ok(granted);
    }
    let known = known(shelf, ask)?;
    let mut ours = known.as_ref().map_or_else(
        || Ours {
            sid: root.sid,
            aces: Vec::new(),
        },
        |book| book.ours.clone(),
    );
    ours.add(&aims.ours);
    let walker = Walker {
        disk,
        pen: begin(shelf, ask, known.as_ref(), &planned)?,
        walk,
        found: &found,
        // Of a journal that knows no other plan all ACEs are of this one.
        others: known.as_ref().is_some_and(|book| {
            let other = |plan: &String| *plan != planned.digest;
            book.plans.iter().any(other)
        }),
        known: known.as_ref(),
        ours,
        met: Mutex::default(),
        control,
        tally: Tally::default(),
    };
    let granted = walker.run(crew, root, &planned.digest)?;
    drop(lock);
    Ok(granted)
}

/// What the root's journal says. Another user's is not gone on with: their ACEs are for other SIDs.
fn known<S: Shelf>(shelf: &S, ask: &Grant<'_>) -> Result<Option<Book>, JournalError> {
    let known = Book::read(shelf, ask.root.id)?;
    match known {
        Some(book) if book.user != ask.user.user => Err(JournalError::Another {
            path: shelf.path(&book::file_name(ask.root.id)),
            of: book.user.to_string(),
        }),
        known => Ok(known),
    }
}

/// Begins the journal, or goes on with it, and says there what is planned.
fn begin<'a, S: Shelf>(
    shelf: &'a S,
    ask: &Grant<'_>,
    known: Option<&Book>,
    planned: &Planned,
) -> Result<Pen<'a, S>, JournalError> {
    let pen = Pen::open(shelf, ask.root.id, known)?;
    let header = Header {
        version: VERSION,
        user: ask.user.user.to_string(),
        sid: ask.root.sid.to_string(),
        id: line::key(ask.root.id),
    };
    pen.write(&book::beginning(known, header, planned))?;
    Ok(pen)
}

fn find<'a, D: Disk>(
    disk: &D,
    aims: &Aims<'a>,
    root: &RootPlan,
) -> Result<Found<'a, D::Object>, GrantError> {
    let cannot = |error| GrantError::Root {
        path: root.path.clone(),
        error,
    };
    let top = disk.open_root(&root.path).map_err(cannot)?;
    let facts = disk.facts(&top).map_err(cannot)?;
    if facts.id != root.id || facts.kind != Kind::Directory {
        let path = root.path.clone();
        return Err(GrantError::Replaced { path });
    }
    aims.find(disk, top).map_err(cannot)
}

/// Whether a root has its ACEs, by its journal's last line and a handful of objects: as many in a large tree as in a small one.
fn stood<S: Shelf, O>(
    shelf: &S,
    found: &Found<'_, O>,
    walk: &Walk<'_>,
    planned: &Planned,
) -> Result<Option<Granted>, GrantError> {
    let last = book::last_walk(shelf, found.id())?;
    let Some(last) = last.filter(|last| last.digest == planned.digest) else {
        return Ok(None);
    };
    Ok(found.stands(walk).map(|left| Granted {
        way: Way::Stood,
        seen: 0,
        written: 0,
        passed: 0,
        left_in_all: last.left.max(left.len() as u64),
        left,
    }))
}
