//! Looking for repositories alongside a command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringfence_ops::linux::Located;

use crate::site::index;

/// A command that runs longer than this has its write roots looked through for new
/// repositories meanwhile.
const FIRST: Duration = Duration::from_millis(250);

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
}

impl<'a> Looks<'a> {
    pub(crate) fn new(roots: &'a [Located], start: Instant) -> Looks<'a> {
        Looks {
            roots,
            running: None,
            next: start + FIRST,
        }
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
        self.next = now + AGAIN.max(took.saturating_mul(SHARE));
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

/// A walk through the write roots.
struct Look {
    started: Instant,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Found>>,
}

impl Look {
    fn start(roots: &[Located]) -> Option<Look> {
        let roots: Vec<Located> = roots.iter().filter(|r| r.dir).cloned().collect();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || {
                ringfence_sys_linux::process::idle();
                roots
                    .into_iter()
                    .filter_map(|root| {
                        let walked = index::walk(&root.path, &told);
                        walked.whole.then_some((root, walked))
                    })
                    .collect()
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
}
