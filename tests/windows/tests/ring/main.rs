//! Commands in rings, by the real program: `ringfence.exe run`.
//!
//! Under Wine nothing keeps a command from writing, and every ring is refused; what else there is of one is tried with that
//! accepted.
#![cfg(windows)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unsafe_code,
    missing_docs,
    reason = "tests"
)]

mod ends;
#[path = "../../../../crates/sys-windows/tests/objects/needs.rs"]
mod needs;
mod place;
mod refuses;
mod streams;
mod words;
