//! What the command asks the operating system itself.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{News, PROBE, TO_KNOW_PATH, alive, apart, name_home, owner};
#[cfg(windows)]
pub(crate) use windows::{News, PROBE, TO_KNOW_PATH, alive, apart, name_home, owner};
