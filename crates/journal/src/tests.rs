//! The walk on a simulated volume, stopped wherever it can be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod case;
mod changed;
mod crash;
mod drawer;
mod files;
mod flat;
mod links;
mod owned;
mod simulated;
mod walk;

use crate::crew::Crew;

/// One thread, and few objects at once: the same steps each time, and many of them.
const ALONE: Crew = Crew {
    threads: 1,
    batch: 3,
};

/// So many trees: 200 where nothing else is said.
fn trees() -> u64 {
    std::env::var("RINGFENCE_TREES").map_or(200, |trees| trees.parse().unwrap())
}
