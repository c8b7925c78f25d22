//! What the command asks the operating system itself.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    News, ONE_PROGRAM, PROBE, PROGRAM, TO_KNOW_PATH, TOOLS, alive, apart, become_program, executed,
    hear_of_children, name_home, owner, words,
};
#[cfg(windows)]
pub(crate) use windows::{
    News, ONE_PROGRAM, PROBE, PROGRAM, TO_KNOW_PATH, TOOLS, alive, apart, become_program, executed,
    hear_of_children, name_home, owner, words,
};
