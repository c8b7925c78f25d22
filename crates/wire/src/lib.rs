//! Every message that crosses a process edge, and its bytes.
//!
//! Harness and runner speak over a `SOCK_SEQPACKET` socket the runner inherits: one
//! message is one packet, so a message can be lost whole but never cut or run into
//! the next. A message longer than [`INLINE_MAX`] travels in a sealed memory file
//! whose descriptor rides along; the packet then only says so. Descriptors ride by
//! `SCM_RIGHTS`.
//!
//! Integers are little-endian and of fixed width, sequences carry a `u32` count, enums
//! a `u8` tag. Nothing is taken on faith: a count is held against the bytes that are
//! left before anything is allocated, an unknown tag and a byte too many are errors.
#![forbid(unsafe_code)]

mod codec;
mod message;
mod ops;
mod sys;

pub use codec::{Malformed, Reader, Wire};
pub use message::{
    End, Failure, INLINE_MAX, Listed, MESSAGE_MAX, Names, Note, Order, Report, Spawn, Stage,
    VERSION, Widening, decode, encode,
};
