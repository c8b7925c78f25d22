//! Rings for other programs: JSON-RPC 2.0, one message a line, over stdio and unix sockets.
//!
//! ```text
//! client ─ line ─▶ connection ─ call ─▶ rings ─▶ ringfence::tokio::Ring ─▶ runner
//!        ◀─ answers, notifications ─┘      └─ command ─ output, kept and told
//! ```
//!
//! All of a server is on one thread but for what reads files for long. Whatever a client sends or
//! does not read, memory is bounded: a line by [`protocol::FRAME_MAX`], what goes out by a queue that
//! commands wait for, what a command prints by its buffer.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod command;
mod connection;
mod denial;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod lines;
mod mcp;
mod noticed;
mod output;
pub mod protocol;
pub mod report;
mod rings;
mod short;
mod tape;
mod transport;
pub mod visitor;

pub use fault::Fault;
pub use rings::Rings;
pub use transport::{Client, Served, runtime_directory, serve, socket_name};
