//! Looking for repositories alongside a command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringfence_ops::linux::Located;

use crate::site::index;

/// A command that runs longer than this has its write roots looked through for new
/// repositories meanwhile.
pub(crate) const FIRST: Duration = Duration::from_millis(250);

/// And again, after this long at least.
const AGAIN: Duration = Duration::from_secs(5);

/// A walk takes no more than one in so many of the time.
const SHARE: u32 = 20;

/// How often it is asked whether a walk has come to its end.
const ASK: Duration = Duration::from_millis(50);

/// Write roots, each with the repositories in it.
pub(crate) type Found = Vec<(Located, index::Walked)>;

/// Walks through the write roots, one after another.
pub(crate) struct Looks<'a> {
    roots: &'a [Located],
    running: Option<Look>,
    next: Instant,
    /// Walks have cost so much that there is none before this.
    not_before: Instant,
    /// When the last whole walk began, and how long it took.
    last: Option<(Instant, Duration)>,
}

impl<'a> Looks<'a> {
    pub(crate) fn new(roots: &'a [Located], start: Instant) -> Looks<'a> {
        Looks {
            roots,
            running: None,
            next: start + FIRST,
            not_before: start,
            last: None,
        }
    }

    /// Earlier walks have cost so much that there is none before this.
    pub(crate) fn cost(&mut self, not_before: Instant) {
        self.not_before = not_before;
        self.next = self.next.max(not_before);
    }

    pub(crate) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// A walk that begins from now on is wanted, as soon as may be.
    pub(crate) fn want(&mut self, now: Instant) {
        if self.running.is_none() {
            self.next = self.next.min(self.not_before.max(now + FIRST));
        }
    }

    /// When the last whole walk began, and how long it took.
    pub(crate) fn last(&self) -> Option<(Instant, Duration)> {
        self.last
    }

    /// Starts a walk when it is time, and gives what one has found.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Found> {
        let Some(look) = &mut self.running else {
            if now >= self.next {
                self.running = Look::start(self.roots);
                // Where no thread can be had now, perhaps later.
                self.next = now + AGAIN;
            }
            return None;
        };
        if !look.thread.as_ref().is_some_and(|t| t.is_finished()) {
            return None;
        }
        let found = look.thread.take().and_then(|t| t.join().ok());
        let took = now.saturating_duration_since(look.started);
        self.not_before = now + took.saturating_mul(SHARE);
        self.next = self.not_before.max(now + AGAIN);
        self.last = Some((look.started, took));
        self.running = None;
        found
    }

    /// When to ask again.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        if self.roots.is_empty() {
            return None;
        }
        Some(match self.running {
            Some(_) => now + ASK,
            None => self.next,
        })
    }
}

/// Walks through the write roots, and waits for that. `None` where it takes longer than `most`.
pub(crate) fn look_now(roots: &[Located], most: Duration) -> Option<Found> {
    let (found, whole) = std::sync::mpsc::channel();
    let roots = roots.to_vec();
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("look".to_owned())
        .spawn(move || {
            // Nobody waits any more where this fails.
            let _late = found.send(walk(&roots, &told));
        })
        .ok()?;
    let found = whole.recv_timeout(most).ok();
    stop.store(true, Ordering::Relaxed);
    found
}

fn walk(roots: &[Located], stop: &AtomicBool) -> Found {
    let dirs = roots.iter().filter(|root| root.dir);
    let walks = dirs.map(|root| (root.clone(), index::walk(&root.path, stop)));
    walks.filter(|(_, walked)| walked.whole).collect()
}

/// A walk through the write roots, beside what else there is to do.
struct Look {
    started: Instant,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Found>>,
}

impl Look {
    fn start(roots: &[Located]) -> Option<Look> {
        let roots = roots.to_vec();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || {
                ringfence_sys_linux::process::idle();
                walk(&roots, &told)
            })
            .ok()?;
        Some(Look {
            started: Instant::now(),
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Looks;
    use crate::locate::follow;
    use crate::tests::Dir;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    /// A command that runs for hours is looked after as long.
    #[test]
    fn what_appears_later_is_found_by_a_later_look() {
        let dir = Dir::new();
        let roots = [follow(&dir.0).unwrap().at];
        let mut now = Instant::now();
        let mut looks = Looks::new(&roots, now);
        let mut look = |now: &mut Instant| {
            assert!(looks.take(*now).is_none());
            *now = looks.wake(*now).unwrap();
            assert!(looks.take(*now).is_none(), "it takes a moment");
            loop {
                if let Some(found) = looks.take(*now) {
                    return found[0].1.found.clone();
                }
                std::thread::yield_now();
            }
        };
        assert!(look(&mut now).is_empty());
        dir.dir("a/.git");
        let before = now;
        assert_eq!(look(&mut now), [PathBuf::from("a")]);
        assert!(
            now >= before + Duration::from_secs(5),
            "a walk costs something"
        );
    }

    /// What is wanted comes sooner, and once.
    #[test]
    fn a_walk_that_is_wanted_does_not_wait_for_its_turn() {
        let dir = Dir::new();
        let roots = [follow(&dir.0).unwrap().at];
        let start = Instant::now();
        let mut looks = Looks::new(&roots, start);
        let first = looks.wake(start).unwrap();
        looks.take(first);
        let mut now = first;
        while looks.take(now).is_none() {
            std::thread::yield_now();
            now = Instant::now().max(first);
        }
        let (began, _) = looks.last().unwrap();
        assert!(looks.wake(now).unwrap() >= now + Duration::from_secs(5));
        looks.want(now);
        let next = looks.wake(now).unwrap();
        assert!(next >= now + super::FIRST && next < now + Duration::from_secs(5));
        assert!(began <= now);
        dir.dir("a/.git");
        let found = super::look_now(&roots, Duration::from_secs(60)).unwrap();
        assert_eq!(found[0].1.found, [PathBuf::from("a")]);
        // Where there is no time it is whole, or none.
        if let Some(found) = super::look_now(&roots, Duration::ZERO) {
            assert_eq!(found[0].1.found, [PathBuf::from("a")]);
        }
    }
}
