//! Synthetic SIDs: who a ring is, to the access check.

use ringfence_nt_access::Sid;

/// Which file or directory: what a name is not, after it was renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The volume's serial number.
    pub volume: u64,
    /// The 128-bit number in it (`FILE_ID_INFO`).
    pub file: u128,
}

/// What a SID is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To write in the directory.
    Write,
    /// To open what a ring made for itself: its temporary directory, events, pipes. Of each ring another.
    Ring(u128),
}

/// The SID of a purpose, made from whose it is and which directory it is of.
///
/// Nothing is kept to know it again: the same user, directory and purpose give the same SID in every run, and another user,
/// directory or ring another. It is `S-1-5-21-` with four words of a BLAKE3 hash: `CreateRestrictedToken` takes that shape,
/// and refuses those of app containers (`S-1-15-3-…`, error 87). That an account or domain of this machine has the same 128
/// bits is not expected before 2^64 of them.
#[must_use]
pub fn synthetic(user: &Sid, of: FileId, purpose: Purpose) -> Sid {
    let mut hasher = blake3::Hasher::new_derive_key("ringfence synthetic SID, version 1");
    let user = user.to_bytes();
    // A SID tells its own length, what follows has a fixed one: no two inputs are the same bytes.
    hasher.update(&user);
    hasher.update(&of.volume.to_le_bytes());
    hasher.update(&of.file.to_le_bytes());
    match purpose {
        Purpose::Write => hasher.update(&[0]).update(&[0; 16]),
        Purpose::Ring(ring) => hasher.update(&[1]).update(&ring.to_le_bytes()),
    };
    let mut words = [0_u32; 4];
    let hash = hasher.finalize();
    for (word, bytes) in words.iter_mut().zip(hash.as_bytes().chunks_exact(4)) {
        *word = bytes.try_into().map_or(0, u32::from_le_bytes);
    }
    Sid::account(words)
}
