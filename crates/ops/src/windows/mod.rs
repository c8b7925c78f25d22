//! Windows' vocabulary: what is handed to its calls, in the very form they take, and the way back.
//!
//! A process gets one string of words, not a list of them, and one block of variables: each
//! program cuts its string itself, and `cmd.exe` reads it as a script first. So every writer
//! here has a reader beside it, made from what is documented of the program that will read,
//! and the tests hold one against the other. What cannot be said exactly is an error.

pub mod cmd;
pub mod command_line;
pub mod environment;
pub mod firewall;
mod guid;
#[cfg(test)]
mod hostile;
mod principal;
pub mod program;
pub mod wfp;
mod wide;

pub use guid::Guid;
pub use principal::{Account, NotAnAccount};
pub use wide::Wide;
