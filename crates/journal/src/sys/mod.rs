//! Volumes of this machine.

pub mod windows;
