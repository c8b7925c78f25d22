//! The one place where time passes.

use std::time::Duration;

/// Lets a little time pass between two looks. Rows wait for what must *not* happen (a survivor that writes, a caller
/// that comes in), and looks are bounded by a deadline: no event announces an absence.
#[expect(
    clippy::disallowed_methods,
    reason = "an absence has no event to wait for"
)]
pub(crate) fn pass(time: Duration) {
    std::thread::sleep(time);
}
