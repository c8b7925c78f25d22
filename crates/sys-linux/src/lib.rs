//! Linux kernel objects behind a safe front: the only unsafe code of Ringfence.
//!
//! One module per kernel object. What `rustix` already wraps soundly is used from
//! there; here stands what it lacks (starting a process in new namespaces, Landlock,
//! capability sets, recursive mount attributes) and what a ring needs of it. Nothing
//! here knows of rings or policies.
#![allow(unsafe_code)]

#[cfg(not(any(target_env = "gnu", target_env = "musl")))]
compile_error!("C libraries that are known: glibc, and musl");
#[cfg(all(target_env = "musl", not(target_feature = "crt-static")))]
compile_error!("musl is linked statically: `__clone` is its own (.cargo/config.toml)");

#[cfg(feature = "attempt")]
pub mod attempt;
pub mod capability;
#[cfg(all(any(test, target_env = "musl"), target_arch = "x86_64"))]
mod copy;
pub mod entry;
pub mod error;
pub mod landlock;
pub mod listing;
pub mod mount;
pub mod namespaces;
pub mod object;
pub mod packet;
pub mod probe;
pub mod process;
pub mod signal;
pub mod spawn;
pub mod terminal;
#[cfg(feature = "trace")]
pub mod trace;
pub mod watch;

pub use error::SysError;
