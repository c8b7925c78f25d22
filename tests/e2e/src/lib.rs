//! Real binaries, real kernel, real tools: the kit the end-to-end tests are written with.
//!
//! A test says who runs ([`Person`]), where ([`Workspace`]) and what ([`Run`]), first without a
//! ring as the control, which proves that the work itself is right on this machine, then inside.
//! What a machine must have for it is said with [`needs()`]; what must not stay behind is looked for
//! by [`Before`].
//!
//! Everything here panics with a plain message: it is test code, and its caller is a test.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the kit of the tests: a panic is a failed test, a print its explanation"
)]

mod binaries;
mod client;
mod command;
mod flow;
mod leftovers;
mod needs;
mod person;
mod terminal;
mod tree;
mod warm;
mod workspace;

pub use binaries::{Binaries, binaries};
pub use client::{Client, bytes, sh, with};
pub use command::{Done, Input, Live, Run, deadline, until};
pub use flow::{Site, drive, drive_once};
pub use leftovers::{Before, descendants, git_status};
pub use needs::{Who, needs};
pub use person::Person;
pub use terminal::Terminal;
pub use tree::Tree;
pub use warm::{Warm, warm};
pub use workspace::{Workspace, of};
