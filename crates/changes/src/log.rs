//! What places held before: notes, one for each place that became another since the newest mark.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use crate::tree::{Meta, Name, NodeId};

/// What a place held before.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Before {
    Nothing,
    Was(Meta),
    /// It was seen the first time, as this, made at that time: what was before is not known.
    Seen(Meta, i64),
}

impl Before {
    fn is_same(&self, other: &Before) -> bool {
        match (self, other) {
            (Before::Was(a) | Before::Seen(a, _), Before::Was(b) | Before::Seen(b, _)) => {
                a.ident == b.ident
            }
            _ => false,
        }
    }
}

/// A place that became another.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) dir: NodeId,
    pub(crate) name: Name,
    pub(crate) before: Before,
    /// The kernel told of a write.
    pub(crate) written: bool,
}

/// Where a command began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// How many notes had been made.
    pub(crate) at: u64,
    /// The clock of the filesystem, in nanoseconds since 1970.
    pub(crate) time: i64,
}

#[derive(Debug)]
pub(crate) struct Log {
    notes: VecDeque<Note>,
    /// Notes that were let go of.
    base: u64,
    /// Where a place's note is, of those since the newest mark.
    places: HashMap<NodeId, HashMap<Name, u64>>,
    /// In their order, with what says whether somebody still has it.
    marks: Vec<(Point, Weak<()>)>,
    most: usize,
}

impl Log {
    pub(crate) fn new(most: usize) -> Log {
        Log {
            notes: VecDeque::new(),
            base: 0,
            places: HashMap::new(),
            marks: Vec::new(),
            most: most.max(1),
        }
    }

    /// How many notes were made, ever.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.notes.len() as u64
    }

    /// Notes kept.
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }

    pub(crate) fn mark(&mut self, time: i64) -> (Point, Arc<()>) {
        let point = Point {
            at: self.end(),
            time,
        };
        let alive = Arc::new(());
        self.marks.push((point, Arc::downgrade(&alive)));
        self.places.clear();
        (point, alive)
    }

    /// The time of the oldest mark.
    pub(crate) fn since(&self) -> Option<i64> {
        self.marks.first().map(|(point, _)| point.time)
    }

    /// Whether some mark needs to know what a directory held that came to be known at `born`.
    pub(crate) fn needs(&self, born: u64) -> bool {
        self.marks.last().is_some_and(|(point, _)| born <= point.at)
    }

    /// Notes what a place held. Whether that is new, since the newest mark.
    pub(crate) fn note(&mut self, note: Note) -> bool {
        let end = self.end();
        let places = self.places.entry(note.dir).or_default();
        if let Some(at) = places.get(&note.name) {
            let known = at
                .checked_sub(self.base)
                .and_then(|n| usize::try_from(n).ok());
            if let Some(known) = known.and_then(|n| self.notes.get_mut(n)) {
                // What was written to later at the place of another is that one's.
                known.written |= note.written && known.before.is_same(&note.before);
            }
            return false;
        }
        places.insert(note.name.clone(), end);
        self.notes.push_back(note);
        true
    }

    /// Notes since a mark, unless some of them were let go of.
    pub(crate) fn notes_since(&self, at: u64) -> Option<impl Iterator<Item = &Note>> {
        let skip = usize::try_from(at.checked_sub(self.base)?).ok()?;
        Some(self.notes.iter().skip(skip))
    }

    /// Takes out a note that no mark needs, or that is one too many.
    pub(crate) fn pop(&mut self) -> Option<Note> {
        self.marks.retain(|(_, alive)| alive.strong_count() > 0);
        let oldest = self.marks.first().map(|(point, _)| point.at);
        if self.notes.len() <= self.most && oldest.is_some_and(|oldest| oldest <= self.base) {
            return None;
        }
        let note = self.notes.pop_front()?;
        self.base += 1;
        if let Some(places) = self.places.get_mut(&note.dir)
            && places.get(&note.name).is_some_and(|at| *at < self.base)
        {
            places.remove(&note.name);
        }
        // Marks from before do not see what came since: they count no more.
        let base = self.base;
        self.marks.retain(|(point, _)| point.at >= base);
        Some(note)
    }
}
