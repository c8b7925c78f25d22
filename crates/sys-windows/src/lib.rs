//! Windows objects behind a safe front: the only unsafe code of Ringfence there.
//!
//! One module per kind of object. Handles are the standard library's. Security identifiers,
//! access control lists and security descriptors cross the interface as the self-relative
//! bytes that Windows keeps, checked to be whole; what they mean is for others to say.
//! Nothing here knows of rings or policies.
//!
//! A success that Windows reports is not taken for the effect: each module that changes
//! something has the call that reads it back.
#![cfg(windows)]
#![allow(unsafe_code)]

pub mod account;
pub mod acl;
#[cfg(feature = "attempt")]
pub mod attempt;
pub mod console;
pub mod counters;
pub mod descriptor;
pub mod desktop;
pub mod dpapi;
pub mod error;
pub mod file;
pub mod firewall;
pub mod handle;
pub mod job;
pub mod logon;
mod memory;
pub mod mitigation;
pub mod pipe;
pub mod process;
pub mod random;
pub mod registry;
pub mod rights;
pub mod sddl;
pub mod sid;
pub mod sync;
pub mod token;
pub mod wait;
pub mod wfp;
mod wide;

pub use descriptor::{Acl, SecurityDescriptor};
pub use error::SysError;
pub use sid::Sid;
