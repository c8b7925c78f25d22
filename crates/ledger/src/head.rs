//! Where the chain ends: a small file beside it, which is also what writers lock.
//!
//! It has two slots, written by turns: a write that is cut off spoils the newer one, and the older holds. What is in the
//! ledger beyond it is adopted if it continues the chain. What is missing was taken away.

use std::fs::File;
use std::io;

use crate::{Digest, sys};

/// Bytes of a slot: less than a sector.
const SLOT: usize = 256;
/// The first word of each.
const MAGIC: &str = "ringfence-ledger-1";

/// The end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// How often it was written.
    pub(crate) turn: u64,
    /// The last record's number.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: Digest,
    /// The number of the file that it is in.
    pub(crate) segment: u32,
    /// Where in that file the next will begin.
    pub(crate) offset: u64,
    /// When that file began, seconds since 1970.
    pub(crate) began: i64,
    /// A record of this chain that was found to be bad, or 0: nothing more is written to it.
    pub(crate) bad: u64,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// Nothing was ever written to it.
    Empty,
    /// Neither slot can be read.
    Damaged,
    /// The newer of them.
    At(Head),
}

pub(crate) fn read(file: &File) -> io::Result<Read> {
    let mut bytes = [0; 2 * SLOT];
    let mut length = 0;
    while length < bytes.len() {
        match sys::read_at(file, &mut bytes[length..], length as u64) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if length == 0 {
        return Ok(Read::Empty);
    }
    let slots = bytes.chunks_exact(SLOT).filter_map(parse);
    Ok(slots
        .max_by_key(|head| head.turn)
        .map_or(Read::Damaged, Read::At))
}

/// Writes what comes after `head`, in the other slot than that is in.
pub(crate) fn write(file: &File, head: &Head) -> io::Result<()> {
    let Head {
        turn,
        seq,
        hash,
        segment,
        offset,
        began,
        bad,
    } = head;
    let mut text = format!("{MAGIC} {turn} {seq} {hash} {segment} {offset} {began} {bad} ");
    text.push_str(&check(&text));
    text.push('\n');
    // 256 hold the longest numbers; the rest of a shorter one must not show through.
    let text = format!("{text:<SLOT$}");
    sys::write_all_at(file, text.as_bytes(), turn % 2 * SLOT as u64)
}

fn check(text: &str) -> String {
    let mut digest = Digest::of(text.as_bytes()).to_string();
    digest.truncate(16);
    digest
}

fn parse(slot: &[u8]) -> Option<Head> {
    let line = std::str::from_utf8(slot).ok()?.split('\n').next()?;
    let (text, sum) = line.split_at(line.rfind(' ')? + 1);
    if check(text) != sum {
        return None;
    }
    let mut words = text.split_ascii_whitespace();
    if words.next()? != MAGIC {
        return None;
    }
    Some(Head {
        turn: words.next()?.parse().ok()?,
        seq: words.next()?.parse().ok()?,
        hash: words.next()?.parse().ok()?,
        segment: words.next()?.parse().ok()?,
        offset: words.next()?.parse().ok()?,
        began: words.next()?.parse().ok()?,
        bad: words.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoiled_slot_leaves_the_other() {
        let path = std::env::temp_dir().join(format!("rf-head-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .expect("file");
        assert_eq!(read(&file).expect("read"), Read::Empty);
        let mut head = Head {
            turn: 0,
            seq: u64::MAX,
            hash: Digest::of(b"x"),
            segment: u32::MAX,
            offset: u64::MAX,
            began: i64::MIN,
            bad: u64::MAX,
        };
        for turn in [u64::MAX - 1, u64::MAX] {
            head.turn = turn;
            write(&file, &head).expect("written");
            assert_eq!(read(&file).expect("read"), Read::At(head));
        }
        let older = Head {
            turn: u64::MAX - 1,
            ..head
        };
        // The newer is in the second slot; each byte of it matters but those behind its line.
        sys::write_all_at(&file, b"9", SLOT as u64 + 40).expect("written");
        assert_eq!(read(&file).expect("read"), Read::At(older));
        sys::write_all_at(&file, b"9", 40).expect("written");
        assert_eq!(read(&file).expect("read"), Read::Damaged);
        std::fs::remove_file(&path).expect("removed");
    }
}
