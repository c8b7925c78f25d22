//! The operating system's strings as bytes.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{from_bytes, to_bytes};
#[cfg(windows)]
pub(crate) use windows::{from_bytes, to_bytes};
