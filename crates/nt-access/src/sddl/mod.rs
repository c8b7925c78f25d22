//! Security descriptors in words (MS-DTYP 2.5.1), both ways.
//!
//! `O:SYG:BAD:PAI(A;OICI;FA;;;SY)`. Conditions and attributes have a language of their own, which is not read here: a
//! descriptor with them has bytes, and no words.

mod names;
mod read;
mod write;

use thiserror::Error;

/// Words that are no descriptor, or a descriptor that has none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SddlError {
    /// At this byte stands something else than what must.
    #[error("at byte {at}: {expected} expected")]
    Expected {
        /// Where.
        at: usize,
        /// What must stand there.
        expected: &'static str,
    },
    /// It depends on the domain (`DA`), which this does not know.
    #[error("at byte {at}: {alias} depends on the domain; write its SID")]
    OfDomain {
        /// Where.
        at: usize,
        /// Which.
        alias: String,
    },
    /// An ACE with a condition, with an attribute, or of a type that has no words.
    #[error("ACE {index} has no words: it is of type {kind:#x}, with {data} bytes that follow")]
    NoWords {
        /// Which of its list.
        index: usize,
        /// The number of its type.
        kind: u8,
        /// So many bytes follow.
        data: usize,
    },
}
