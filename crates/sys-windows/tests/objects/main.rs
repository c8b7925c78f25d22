//! Each wrapper against the objects of a real system, Windows or Wine: in one program, which
//! runs itself again where a test needs another process.
#![cfg(windows)]
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

mod account;
mod acl;
mod child;
mod console;
mod desktop;
mod dpapi;
mod file;
mod handle;
mod job;
mod needs;
mod network;
mod pipe;
mod process;
mod registry;
mod sid;
mod support;
mod sync;
mod token;
