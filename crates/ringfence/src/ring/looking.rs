//! Looking for repositories that commands made: beside them, when the ring is at rest, and when somebody asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use ringfence_ops::linux::Located;

use super::{Inner, Ring};
use crate::look::{Looks, look_now};
use crate::site::{Made, index};

/// Whoever asks what commands made waits so long for a walk through the write roots.
pub(super) const LOOK_MAX: Duration = Duration::from_secs(2);

impl Ring {
    /// Repositories that commands made, and in which git would run programs of theirs. Where a command has ended
    /// since the write roots were last looked through, that is done first, for two seconds at most.
    #[must_use]
    pub fn made(&self) -> Vec<Made> {
        let _whole = self.inner().look_at_all();
        self.inner().known_made()
    }
}

impl Inner {
    /// Repositories that commands made, as far as they are known already. They are recorded.
    pub(super) fn known_made(&self) -> Vec<Made> {
        let roots = self.roots();
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let looks_back = self.since < self.made_at;
        let made = self
            .prepared
            .made(&roots, &late.found, self.since, looks_back);
        drop(late);
        self.prepared.recorder.planted(&made);
        made
    }

    /// Has the write roots looked through for new repositories while commands run.
    pub(super) fn look_alongside(self: &Arc<Self>) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = &*looks {
            // To wake a thread costs a short command a part of its time.
            if !wake.awake.swap(true, Ordering::SeqCst) {
                let _awake = wake.thread.send(());
            }
            return;
        }
        let (wake, woken) = std::sync::mpsc::channel();
        let ring = Arc::downgrade(self);
        let awake = Arc::new(AtomicBool::new(true));
        let own = awake.clone();
        // Where there can be no thread now, there may be one for a later command.
        let started = std::thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || look(&ring, &own, &woken));
        if started.is_ok() {
            *looks = Some(Wake {
                awake,
                thread: wake,
            });
        }
    }

    /// Looks through the write roots, where a command has ended since that was done. `false` where that takes too long.
    pub(super) fn look_at_all(&self) -> bool {
        if !self.has_more_to_look_at() {
            return true;
        }
        let began = Instant::now();
        match look_now(&self.roots(), LOOK_MAX) {
            Some(found) => {
                self.protect(&found);
                self.has_looked(began);
                true
            }
            None => false,
        }
    }

    /// Whether a command has ended since the last walk began.
    fn has_more_to_look_at(&self) -> bool {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.lock().last_end;
        ended.is_some_and(|ended| looked.is_none_or(|looked| looked < ended))
    }

    fn has_looked(&self, began: Instant) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        *looked = (*looked).max(Some(began));
    }

    /// Protects what a walk has found, and was there before any command that runs.
    fn protect(&self, walks: &[(Located, index::Walked)]) {
        let before = self.lock().running.values().min().copied();
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = late.orders(
            walks,
            self.prepared.state.as_ref(),
            &self.prepared.site,
            before.unwrap_or_else(SystemTime::now),
        );
        for order in orders {
            // A ring that is gone needs none.
            let _gone = self.order(&order, &[]);
        }
    }
}

/// What wakes the thread that looks through the write roots.
#[derive(Debug)]
pub(super) struct Wake {
    /// It is awake, or has been told to be.
    awake: Arc<AtomicBool>,
    thread: Sender<()>,
}

/// Looks through the write roots while commands run for longer than a moment, and again after a
/// while, until the ring is gone.
fn look(ring: &Weak<Inner>, awake: &AtomicBool, woken: &Receiver<()>) {
    let mut not_before = Instant::now();
    loop {
        let Some(roots) = ring.upgrade().map(|ring| ring.roots()) else {
            return;
        };
        let mut looks = Looks::new(&roots, Instant::now());
        looks.cost(not_before);
        loop {
            let now = Instant::now();
            let Some(at) = looks.wake(now) else {
                // There is nothing to look through.
                awake.store(false, Ordering::SeqCst);
                break;
            };
            match woken.recv_timeout(at.saturating_duration_since(now)) {
                // Woken before it knew that it was.
                Ok(()) => continue,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let Some(ring) = ring.upgrade() else { return };
            if let Some(found) = looks.take(Instant::now()) {
                ring.protect(&found);
                if let Some((began, _)) = looks.last() {
                    ring.has_looked(began);
                }
            }
            not_before = looks.not_before();
            let idle = || ring.lock().running.is_empty();
            // What ended last may have made a repository since the last walk began.
            if idle() && ring.has_more_to_look_at() {
                looks.want(Instant::now());
            } else if idle() {
                awake.store(false, Ordering::SeqCst);
                // One that was started before that counted on this being awake.
                if idle() || awake.swap(true, Ordering::SeqCst) {
                    break;
                }
            }
        }
        // Nobody is left to wake it: the ring is gone.
        if woken.recv().is_err() {
            return;
        }
    }
}
