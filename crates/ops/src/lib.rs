//! The closed vocabulary of effects: what a ring is made of, as data.
//!
//! A [`Facts`] says what a machine can enforce, a list of [`linux::Step`]s says how a
//! ring is built there, and an [`Outcome`] says what was really enforced. [`windows`] has
//! the forms in which Windows takes words, environments, programs and filters. Nothing in
//! this crate has an effect; every operating system's vocabulary compiles on all.
#![forbid(unsafe_code)]

mod facts;
pub mod linux;
mod need;
mod outcome;
pub mod windows;

pub use facts::{Arch, Availability, Cgroup, Container, Facts};
pub use need::Need;
pub use outcome::{Enforcement, Outcome, Shortfall};
