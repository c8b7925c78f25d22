//! Several threads through one tree: a directory before what is in it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ringfence_plan::windows::FileId;

use crate::disk::{Disk, Entry, Facts, Kind};
use crate::left::Reason;
use crate::name::Below;

/// How a tree is walked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crew {
    pub(crate) threads: usize,
    /// So many objects of a directory are open, and noted, at once.
    pub(crate) batch: usize,
}

impl Crew {
    /// As many as this machine has use for.
    pub(crate) fn usual() -> Crew {
        const MOST: usize = 8;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Crew {
            threads: cores.min(MOST),
            batch: 256,
        }
    }
}

/// A directory that is to be entered, with what it hands on to what is in it.
pub(crate) struct Directory<O, A> {
    pub(crate) object: O,
    pub(crate) id: FileId,
    pub(crate) path: Below,
    pub(crate) above: A,
}

/// Something in a directory, opened.
pub(crate) struct Met<O> {
    pub(crate) object: O,
    pub(crate) facts: Facts,
    pub(crate) path: Below,
}

/// Directories found, which are to be entered.
pub(crate) type Inside<D, A> = Vec<Directory<<D as Disk>::Object, A>>;

/// What is done on the way.
pub(crate) trait Work<D: Disk>: Sync {
    /// What a directory hands on.
    type Above: Send;
    /// Why all of it ends.
    type Stop: Send;

    /// Deals with some of what is in a directory; returns the directories among it that are to be entered.
    fn deal(
        &self,
        above: &Self::Above,
        met: Vec<Met<D::Object>>,
    ) -> Result<Inside<D, Self::Above>, Self::Stop>;
    /// Something could not be opened or listed.
    fn left(&self, path: Below, id: Option<FileId>, why: Reason);
    /// Something leads elsewhere: it is neither entered nor changed.
    fn passed(&self);
    /// Whether to go on. Asked before each batch.
    fn goes_on(&self) -> bool;
}

struct Queue<T, E> {
    state: Mutex<State<T, E>>,
    changed: Condvar,
}

struct State<T, E> {
    todo: Vec<T>,
    busy: usize,
    /// It is over before its end.
    ended: bool,
    stop: Option<E>,
}

impl<T, E> Queue<T, E> {
    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next directory, the last found first: so few are open at once. None at the end.
    fn next(&self) -> Option<(T, Busy<'_, T, E>)> {
        let mut state = self.state();
        loop {
            if state.ended {
                return None;
            }
            if let Some(next) = state.todo.pop() {
                state.busy += 1;
                return Some((next, Busy(self)));
            }
            if state.busy == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A thread that has a directory, and could find more.
struct Busy<'a, T, E>(&'a Queue<T, E>);

impl<T, E> Drop for Busy<'_, T, E> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        // The others do not wait for what one that fell will not find.
        state.ended |= std::thread::panicking();
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Crew {
    /// Walks through these directories and all below. Whether it came to the end.
    pub(crate) fn walk<D: Disk, W: Work<D>>(
        self,
        disk: &D,
        work: &W,
        start: Inside<D, W::Above>,
    ) -> Result<bool, W::Stop> {
        let queue = Queue {
            state: Mutex::new(State {
                todo: start,
                busy: 0,
                ended: false,
                stop: None,
            }),
            changed: Condvar::new(),
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(|| self.work(disk, work, &queue));
            }
            self.work(disk, work, &queue);
        });
        let state = queue
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        match state.stop {
            Some(stop) => Err(stop),
            None => Ok(!state.ended),
        }
    }

    fn work<D: Disk, W: Work<D>>(
        self,
        disk: &D,
        work: &W,
        queue: &Queue<Directory<D::Object, W::Above>, W::Stop>,
    ) {
        while let Some((directory, busy)) = queue.next() {
            let answer = self.enter(disk, work, &directory, |found| {
                queue.state().todo.extend(found);
                queue.changed.notify_all();
            });
            let mut state = queue.state();
            match answer {
                Ok(true) => {}
                Ok(false) => state.ended = true,
                Err(stop) => {
                    state.ended = true;
                    state.stop.get_or_insert(stop);
                }
            }
            drop(state);
            drop(busy);
        }
    }

    fn enter<D: Disk, W: Work<D>>(
        self,
        disk: &D,
        work: &W,
        directory: &Directory<D::Object, W::Above>,
        mut found: impl FnMut(Inside<D, W::Above>),
    ) -> Result<bool, W::Stop> {
        let entries = match disk.list(&directory.object) {
            Ok(entries) => entries,
            Err(error) => {
                work.left(directory.path.clone(), Some(directory.id), error.into());
                return Ok(true);
            }
        };
        for entries in entries.chunks(self.batch) {
            if !work.goes_on() {
                return Ok(false);
            }
            let met = entries
                .iter()
                .filter_map(|entry| meet(disk, work, directory, entry))
                .collect();
            found(work.deal(&directory.above, met)?);
        }
        Ok(true)
    }
}

fn meet<D: Disk, W: Work<D>>(
    disk: &D,
    work: &W,
    directory: &Directory<D::Object, W::Above>,
    entry: &Entry,
) -> Option<Met<D::Object>> {
    if entry.kind == Kind::ReparsePoint {
        work.passed();
        return None;
    }
    let path = directory.path.join(entry.name.clone());
    let opened = disk.open(&directory.object, &entry.name, entry.kind);
    let opened = opened.and_then(|object| Ok((disk.facts(&object)?, object)));
    match opened {
        // It became one since it was listed.
        Ok((facts, _)) if facts.kind == Kind::ReparsePoint => {
            work.passed();
            None
        }
        Ok((facts, object)) => Some(Met {
            object,
            facts,
            path,
        }),
        Err(error) => {
            work.left(path, None, error.into());
            None
        }
    }
}
