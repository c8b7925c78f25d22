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

/// So many trees, where nothing else is said: what is done with them is the same on every system, and Wine takes long.
const TREES: u64 = if cfg!(windows) { 50 } else { 200 };

fn trees() -> u64 {
    std::env::var("RINGFENCE_TREES").map_or(TREES, |trees| trees.parse().unwrap())
}
