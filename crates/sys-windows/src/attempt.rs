//! Calls a ring must refuse, each as a sound function that makes the call and says what Windows answered.
//!
//! They decide nothing: an `Err` here is often what the caller hopes for. What else a ring must refuse is called through the other
//! modules, as anybody would.

pub mod clipboard;
pub mod console;
pub mod files;
pub mod processes;
pub mod sections;
