//! One record as a line.
//!
//! ```text
//! {"seq":7,"time":"2026-11-28T14:36:42.123456Z","previous":"…","type":"command.ended",…,"hash":"…"}
//! ```
//!
//! The hash is BLAKE3 of the line's bytes up to the comma before `"hash"`; there is no other form of a record that
//! would have to be made anew to compare, and any tool that knows BLAKE3 can verify a chain.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Digest, Event};

/// What stands between a record and its hash.
const BEFORE: &str = ",\"hash\":\"";
/// What stands behind its hash.
const BEHIND: &str = "\"}";
/// How many bytes of a line are not hashed, the end of the line not counted.
pub(crate) const UNHASHED: usize = BEFORE.len() + Digest::LENGTH + BEHIND.len();

/// A record of the ledger.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// Its number: one more than that of the record before.
    pub seq: u64,
    /// When it was written, by the clock of the machine.
    pub time: Timestamp,
    /// The hash of the record before; zeros at the beginning of a chain.
    pub previous: Digest,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The hash of all before it.
    pub hash: Digest,
}

#[derive(Serialize)]
struct Written<'a> {
    seq: u64,
    time: String,
    previous: Digest,
    #[serde(flatten)]
    event: &'a Event,
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRecord {
    /// It has not the form of one.
    #[error("it is no record of a ledger: {0}")]
    Form(String),
    /// The hash in it is another than its own.
    #[error("its hash is not that of its content: it was changed")]
    Hash,
}

/// Appends the line of a record; its hash.
pub(crate) fn encode(
    seq: u64,
    time: Timestamp,
    previous: Digest,
    event: &Event,
    out: &mut Vec<u8>,
) -> Result<Digest, serde_json::Error> {
    let start = out.len();
    let written = Written {
        seq,
        time: format!("{time:.6}"),
        previous,
        event,
    };
    if let Err(error) = serde_json::to_writer(&mut *out, &written) {
        out.truncate(start);
        return Err(error);
    }
    // The brace that closes it comes behind the hash.
    out.pop();
    let hash = Digest::of(&out[start..]);
    out.extend_from_slice(BEFORE.as_bytes());
    out.extend_from_slice(hash.to_string().as_bytes());
    out.extend_from_slice(BEHIND.as_bytes());
    out.push(b'\n');
    Ok(hash)
}

/// The hash that a line carries, where it is also its own.
pub(crate) fn hash_of(line: &[u8]) -> Result<Digest, NoRecord> {
    let form = |what: &str| NoRecord::Form(what.to_owned());
    let at = line
        .len()
        .checked_sub(UNHASHED)
        .ok_or_else(|| form("it is too short"))?;
    let (hashed, rest) = line.split_at(at);
    let hash = rest
        .strip_prefix(BEFORE.as_bytes())
        .and_then(|rest| rest.strip_suffix(BEHIND.as_bytes()))
        .and_then(|hash| std::str::from_utf8(hash).ok()?.parse::<Digest>().ok())
        .ok_or_else(|| form("it does not end with a hash"))?;
    if Digest::of(hashed) == hash {
        Ok(hash)
    } else {
        Err(NoRecord::Hash)
    }
}

impl Record {
    /// Reads a line, without its end, and holds its hash against it.
    ///
    /// # Errors
    /// [`NoRecord`].
    pub fn of_line(line: &[u8]) -> Result<Record, NoRecord> {
        let hash = hash_of(line)?;
        let record: Record =
            serde_json::from_slice(line).map_err(|e| NoRecord::Form(e.to_string()))?;
        // Of two hashes in a line the reader of JSON might have taken the other.
        if record.hash == hash {
            Ok(record)
        } else {
            Err(NoRecord::Hash)
        }
    }
}
