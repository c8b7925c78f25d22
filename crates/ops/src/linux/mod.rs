//! Linux's vocabulary: the steps a ring is built of, in the kernel's own terms.
pub mod landlock;
pub mod seccomp;
mod step;

pub use step::{Caches, Clone, DEVICES, Located, Mask, Op, PROC_HIDDEN, Step, Upper, WATCHES_MOST};
