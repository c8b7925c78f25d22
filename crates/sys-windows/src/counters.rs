//! How often something lasting or dear was done, so that "the second time does nothing" can
//! be asserted.

use std::sync::atomic::{AtomicU64, Ordering};

static DESCRIPTOR_WRITES: AtomicU64 = AtomicU64::new(0);
static PROCESS_STARTS: AtomicU64 = AtomicU64::new(0);

/// What this process did since it started. Attempts count, whether or not they succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Security descriptors set on objects that were there: files, keys, kernel objects.
    pub descriptor_writes: u64,
    /// Processes started.
    pub process_starts: u64,
}

/// The counts now.
#[must_use]
pub fn counters() -> Counters {
    Counters {
        descriptor_writes: DESCRIPTOR_WRITES.load(Ordering::SeqCst),
        process_starts: PROCESS_STARTS.load(Ordering::SeqCst),
    }
}

pub(crate) fn descriptor_write() {
    DESCRIPTOR_WRITES.fetch_add(1, Ordering::SeqCst);
}

pub(crate) fn process_start() {
    PROCESS_STARTS.fetch_add(1, Ordering::SeqCst);
}
