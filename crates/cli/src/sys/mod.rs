//! What the command asks the operating system itself.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{News, alive, owner};
#[cfg(windows)]
pub(crate) use windows::{News, alive, owner};
