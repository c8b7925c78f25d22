//! The walk: each object decided about, noted, and written.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use ringfence_nt_access::SecurityDescriptor;
use ringfence_plan::windows::{FileId, Next, RootPlan, Step, Walk};

use super::{GrantError, Granted, Way};
use crate::aims::{Found, child};
use crate::back::{Ours, is_kept, same};
use crate::book::{Book, JournalError, Noted, Pen};
use crate::crew::{Crew, Directory, Inside, Met, Work};
use crate::disk::{Disk, DiskError, Facts, Kind};
use crate::left::{Control, Part, Reason, Tally};
use crate::line::{Line, Walked};
use crate::name::Below;
use crate::shelf::Shelf;
use crate::undo;

/// What a directory hands on: its descriptor before, and as it is now.
type Above = (Arc<SecurityDescriptor>, Arc<SecurityDescriptor>);

pub(super) struct Walker<'a, D: Disk, S: Shelf> {
    pub(super) disk: &'a D,
    pub(super) pen: Pen<'a, S>,
    pub(super) walk: Walk<'a>,
    pub(super) found: &'a Found<'a, D::Object>,
    pub(super) known: Option<&'a Book>,
    pub(super) ours: Ours,
    /// ACEs of other plans may be there.
    pub(super) others: bool,
    pub(super) met: Mutex<HashSet<FileId>>,
    pub(super) control: &'a dyn Control,
    pub(super) tally: Tally,
}

/// An object that is to be written.
struct Change<O> {
    /// It was not met before by another name.
    first: bool,
    met: Met<O>,
    now: SecurityDescriptor,
    base: SecurityDescriptor,
    want: SecurityDescriptor,
}

/// What came of writing.
enum Put {
    Done,
    /// It is another than it was when it was decided about.
    Another,
    Failed(Reason, Box<SecurityDescriptor>),
}

impl<D: Disk, S: Shelf> Walker<'_, D, S> {
    pub(super) fn run(
        self,
        crew: Crew,
        root: &RootPlan,
        digest: &str,
    ) -> Result<Granted, GrantError> {
        let cannot = |error| GrantError::Root {
            path: root.path.clone(),
            error,
        };
        for lost in &self.found.lost {
            self.tally.left(lost.path.clone(), lost.part, lost.why);
        }
        let object = self.disk.open_root(&root.path).map_err(cannot)?;
        let facts = self.disk.facts(&object).map_err(cannot)?;
        if facts.id != root.id {
            let path = root.path.clone();
            return Err(GrantError::Replaced { path });
        }
        let top = Met {
            object,
            facts,
            path: Below::default(),
        };
        let start = self.settle(None, vec![top])?;
        let stuck = self.tally.has_left(Part::Root);
        // What other plans put there is taken away all the same.
        if stuck && !self.others {
            return Ok(self.granted(Way::NotTheRoot));
        }
        if !crew.walk(self.disk, &self, start)? || !self.unmet(crew)? || !self.strays(crew) {
            return Ok(self.granted(Way::Cancelled));
        }
        if stuck {
            return Ok(self.granted(Way::NotTheRoot));
        }
        let progress = self.tally.progress();
        self.pen.write(&[Line::Walked(Walked {
            digest: digest.to_owned(),
            seen: progress.seen,
            left: progress.left,
        })])?;
        Ok(self.granted(Way::Walked))
    }

    fn granted(&self, way: Way) -> Granted {
        let (progress, left) = self.tally.take();
        Granted {
            way,
            seen: progress.seen,
            written: progress.written,
            passed: progress.passed,
            left,
            left_in_all: progress.left,
        }
    }

    /// What is protected and lies in a directory that cannot be listed: by its path, and what is in it.
    fn unmet(&self, crew: Crew) -> Result<bool, JournalError> {
        for way in self.found.ways() {
            if self.is_met(way.id) {
                continue;
            }
            let opened = self.disk.open(way.directory, &way.name, way.kind);
            let opened = opened.and_then(|object| {
                let above = Arc::new(self.disk.read(way.directory)?);
                Ok((self.disk.facts(&object)?, object, above))
            });
            match opened {
                Ok((facts, object, above)) if facts.id == way.id => {
                    let met = Met {
                        object,
                        facts,
                        path: way.path.clone(),
                    };
                    let start = self.settle(Some(&(Arc::clone(&above), above)), vec![met])?;
                    if !crew.walk(self.disk, self, start)? {
                        return Ok(false);
                    }
                }
                Ok(_) => self.left(way.path.clone(), Some(way.id), DiskError::NotThere.into()),
                Err(error) => self.left(way.path.clone(), Some(way.id), error.into()),
            }
        }
        Ok(true)
    }

    /// What other plans put on objects that are not in the tree.
    fn strays(&self, crew: Crew) -> bool {
        let Some(known) = self.known.filter(|_| self.others) else {
            return true;
        };
        let met = std::mem::take(&mut *self.met.lock().unwrap_or_else(PoisonError::into_inner));
        let (written, left, whole) = undo::strays(self.disk, known, met, self.control, crew);
        self.tally.wrote(written);
        for left in left {
            self.tally.left(left.path, left.part, left.why);
        }
        whole
    }

    fn is_met(&self, id: FileId) -> bool {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.contains(&id)
    }

    /// What an object was, as the journal has it from earlier walks.
    fn before(&self, id: FileId) -> Option<&SecurityDescriptor> {
        let record = self.known?.objects.get(&id)?;
        Some(&record.before)
    }

    /// What an object has without the ACEs of plans that were, and without what nobody planned for the root's SID. One that is
    /// met again was decided about, and is taken as it is now.
    fn base(&self, first: bool, facts: Facts, now: &SecurityDescriptor) -> SecurityDescriptor {
        if !first {
            return now.clone();
        }
        if !self.others {
            return self.ours.of_plan(now, self.walk.ours);
        }
        let before = self.before(facts.id);
        if facts.is_linked() {
            self.ours.linked(now, before, self.walk.ours)
        } else {
            self.ours.taken_back(now, before)
        }
    }

    /// Whether a file with other names has other ACEs of ours than it would have with this one alone: by those names it may lie
    /// outside of the tree, or be protected.
    fn differs(&self, id: FileId, want: Step<'_>) -> bool {
        let base = self.ours.taken_back(want.descriptor, self.before(id));
        let alone = match self.walk.next(Step {
            descriptor: &base,
            linked: false,
            ..want
        }) {
            Next::Same => base,
            Next::Write(alone) => *alone,
            Next::Left(_) => return true,
        };
        !self.ours.are_as(want.descriptor, &alone)
    }

    /// Whether an object is met the first time, as far as that is asked.
    fn note_met(&self, id: FileId) -> bool {
        if !self.others && self.found.own(id).1 == Part::Other {
            return true;
        }
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.insert(id)
    }

    fn say(&self, met: &Met<D::Object>, why: Reason) {
        let (_, part) = self.found.own(met.facts.id);
        self.tally.left(met.path.clone(), part, why);
    }

    /// Decides about objects of one directory, notes those that change, and changes them.
    fn settle(
        &self,
        above: Option<&Above>,
        met: Vec<Met<D::Object>>,
    ) -> Result<Inside<D, Above>, JournalError> {
        /// Somebody who changes an object each time it is looked at is not waited for.
        const ROUNDS: usize = 3;
        self.tally.saw(met.len());
        let mut inside = Vec::new();
        let named = |met: &Met<_>| self.found.is_its_name(met.facts.id, &met.path);
        let first = |met: Met<_>| (self.note_met(met.facts.id), met);
        let mut todo: Vec<_> = met.into_iter().filter(named).map(first).collect();
        for _ in 0..ROUNDS {
            let mut changes = Vec::new();
            for (first, met) in std::mem::take(&mut todo) {
                if let Some(change) = self.decide(above, first, met, &mut inside) {
                    changes.push(change);
                }
            }
            let noted: Vec<Noted<'_>> = changes
                .iter()
                .map(|change| Noted {
                    path: &change.met.path,
                    id: change.met.facts.id,
                    before: self.ours.without(&change.now),
                })
                .collect();
            self.pen.note(&noted)?;
            for change in changes {
                match self.put(&change) {
                    Put::Done => {
                        self.tally.wrote(1);
                        enter(&mut inside, change.met, change.base, change.want);
                    }
                    Put::Another => todo.push((change.first, change.met)),
                    Put::Failed(why, is) => {
                        self.say(&change.met, why);
                        enter(&mut inside, change.met, change.base, *is);
                    }
                }
            }
            if todo.is_empty() {
                break;
            }
        }
        for (_, met) in todo {
            self.say(&met, Reason::Changing);
        }
        self.control.progress(self.tally.progress());
        Ok(inside)
    }

    /// What is to be written of an object; none where nothing is.
    fn decide(
        &self,
        above: Option<&Above>,
        first: bool,
        met: Met<D::Object>,
        inside: &mut Inside<D, Above>,
    ) -> Option<Change<D::Object>> {
        let now = match self.disk.read(&met.object) {
            Ok(now) => now,
            Err(error) => {
                self.say(&met, error.into());
                return None;
            }
        };
        let base = self.base(first, met.facts, &now);
        let (own, part) = self.found.own(met.facts.id);
        let step = Step {
            descriptor: &base,
            directory: above.map(|(before, now)| (&**before, &**now)),
            kind: child(met.facts.kind),
            own,
            linked: met.facts.is_linked(),
        };
        let (want, why) = match self.walk.next(step) {
            Next::Same => (base.clone(), None),
            Next::Write(want) => (*want, None),
            Next::Left(why) => (base.clone(), Some(Reason::from(why))),
        };
        let after = Step {
            descriptor: &want,
            ..step
        };
        // What is protected has its denials, and needs no more.
        let differs = || {
            let is_other = step.linked && part == Part::Other;
            is_other && self.differs(met.facts.id, after)
        };
        if let Some(why) = why.or_else(|| differs().then_some(Reason::OtherNames)) {
            self.say(&met, why);
        }
        if same(&want, &now) {
            enter(inside, met, base, now);
            return None;
        }
        Some(Change {
            first,
            met,
            now,
            base,
            want,
        })
    }

    /// Writes one, if it is still what it was, and looks whether that was kept: also of those that are neither root nor guard,
    /// since reading costs little beside writing, and a volume that keeps some does not say which.
    fn put(&self, change: &Change<D::Object>) -> Put {
        let object = &change.met.object;
        let failed = |error: DiskError| Put::Failed(error.into(), Box::new(change.now.clone()));
        match self.disk.read(object) {
            Ok(again) if same(&again, &change.now) => {}
            Ok(_) => return Put::Another,
            Err(error) => return failed(error),
        }
        if let Err(error) = self.disk.write(object, &change.want) {
            return failed(error);
        }
        match self.disk.read(object) {
            Ok(is) if is_kept(&change.want, &is) => Put::Done,
            Ok(is) => Put::Failed(Reason::NotKept, Box::new(is)),
            Err(error) => failed(error),
        }
    }
}

fn enter<O>(
    inside: &mut Vec<Directory<O, Above>>,
    met: Met<O>,
    before: SecurityDescriptor,
    now: SecurityDescriptor,
) {
    if met.facts.kind == Kind::Directory {
        inside.push(Directory {
            object: met.object,
            id: met.facts.id,
            path: met.path,
            above: (Arc::new(before), Arc::new(now)),
        });
    }
}

impl<D: Disk, S: Shelf> Work<D> for Walker<'_, D, S> {
    type Above = Above;
    type Stop = JournalError;

    fn deal(
        &self,
        above: &Above,
        met: Vec<Met<D::Object>>,
    ) -> Result<Inside<D, Above>, JournalError> {
        self.settle(Some(above), met)
    }

    fn left(&self, path: Below, id: Option<FileId>, why: Reason) {
        let part = id.map_or(Part::Other, |id| self.found.own(id).1);
        self.tally.left(path, part, why);
    }

    fn passed(&self) {
        self.tally.passed();
    }

    fn goes_on(&self) -> bool {
        !self.control.is_cancelled()
    }
}
