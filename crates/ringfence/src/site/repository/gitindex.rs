//! Git's index, as git reads it (`gitformat-index(5)`, `create_from_disk` of its `read-cache.c`).

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What of an index has git go somewhere, or write somewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Paths with mode 160000: submodules.
    pub(super) links: Vec<PathBuf>,
    /// The first name that git would not put there, and writes to nevertheless where it finds it there (`verify_path`).
    pub(super) planted: Option<String>,
    /// What it is a change of: `sharedindex.` with this behind it.
    pub(super) base: Option<String>,
}

/// Reads one; `hash` is the length of an object's name. `None` for what git could not read either.
pub(super) fn read(bytes: &[u8], hash: usize) -> Option<Index> {
    const GITLINK: u32 = 0o160_000;
    const DIRECTORY: u32 = 0o040_000;
    const EXTENDED: u16 = 0x4000;
    const LENGTH: u16 = 0x0fff;
    let number = |at: usize| -> Option<u32> {
        Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    if bytes.get(..4)? != b"DIRC" {
        return None;
    }
    let version = number(4)?;
    if !(2..=4).contains(&version) {
        return None;
    }
    let mut at = 12;
    let mut name: Vec<u8> = Vec::new();
    let mut index = Index::default();
    // Where git may begin to read in another thread, if it is told so.
    let mut starts = Vec::new();
    for _ in 0..number(8)? {
        let start = at;
        let mode = number(start + 24)?;
        at = start + 40 + hash;
        let flags = u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?);
        at += if flags & EXTENDED == 0 { 2 } else { 4 };
        if version == 4 {
            // The end of the name before is replaced.
            let (cut, next) = variable(bytes, at)?;
            at = next;
            // There nothing is before.
            starts.push((cut == name.len()).then_some(start));
            name.truncate(name.len().checked_sub(cut)?);
        } else {
            starts.push(Some(start));
            name.clear();
        }
        let length = bytes.get(at..)?.iter().position(|b| *b == 0)?;
        name.extend_from_slice(&bytes[at..at + length]);
        at += length + 1;
        if version < 4 {
            at = start + (at - start).next_multiple_of(8);
        }
        // Git goes by the length that is written before a name: of what it finds behind one that says something else
        // nothing is known here.
        let said = usize::from(flags & LENGTH);
        if said < usize::from(LENGTH) && said != name.len() {
            index.planted = Some(String::from_utf8_lossy(&name).into_owned());
            return Some(index);
        }
        // A directory of a sparse index ends with a slash; what a split one replaces has no name.
        let path = name.strip_suffix(b"/").filter(|_| mode == DIRECTORY);
        let path = path.unwrap_or(&name);
        let name_of_gits =
            |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.eq_ignore_ascii_case(b".git");
        if index.planted.is_none()
            && !path.is_empty()
            && path.split(|b| *b == b'/').any(name_of_gits)
        {
            index.planted = Some(String::from_utf8_lossy(&name).into_owned());
        }
        if mode == GITLINK {
            index.links.push(PathBuf::from(OsStr::from_bytes(&name)));
        }
    }
    // Extensions, up to the checksum.
    let entries_end = at;
    while at + 8 + hash <= bytes.len() {
        let length = usize::try_from(number(at + 4)?).ok()?;
        // With `index.threads` git goes by what these say of the entries, and would read others.
        let as_read = match bytes.get(at..at + 4)? {
            b"EOIE" => number(at + 8).is_some_and(|end| end as usize == entries_end),
            b"IEOT" => {
                let blocks = bytes.get(at + 8..at.checked_add(8)?.checked_add(length)?)?;
                are_blocks(blocks, &starts)
            }
            _ => true,
        };
        if !as_read && index.planted.is_none() {
            index.planted = Some("entries beside those that are listed (EOIE, IEOT)".to_owned());
        }
        if bytes.get(at..at + 4)? == b"link" {
            let base = bytes.get(at + 8..at + 8 + hash)?;
            let hex = base.iter().fold(String::new(), |mut hex, byte| {
                let _infallible = write!(hex, "{byte:02x}");
                hex
            });
            index.base = base.iter().any(|byte| *byte != 0).then_some(hex);
        }
        at = at.checked_add(8)?.checked_add(length)?;
    }
    Some(index)
}

/// Whether blocks of an index (`IEOT`) are its entries, each once, in their order.
fn are_blocks(blocks: &[u8], starts: &[Option<usize>]) -> bool {
    let mut words = blocks.chunks_exact(4).map(|word| {
        word.iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    });
    // A version of the extension comes first.
    words.next();
    let mut first = 0;
    while let (Some(offset), Some(count)) = (words.next(), words.next()) {
        if starts.get(first) != Some(&Some(offset)) {
            return false;
        }
        first += count;
    }
    first == starts.len()
}

/// A number in the encoding of pack files' offsets.
fn variable(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut byte = *bytes.get(at)?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        at += 1;
        byte = *bytes.get(at)?;
        value = value.checked_add(1)?.checked_mul(128)? + usize::from(byte & 0x7f);
    }
    Some((value, at + 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Index, read};

    /// An index of version 2 or 4 with these entries, as the bytes from the start of each name on, and these extensions.
    fn index(version: u32, entries: &[&[u8]], extensions: &[(&[u8], Vec<u32>)]) -> Vec<u8> {
        let mut bytes = b"DIRC".to_vec();
        bytes.extend(version.to_be_bytes());
        bytes.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
        for entry in entries {
            let start = bytes.len();
            bytes.extend([0; 24]);
            bytes.extend(0o100_644_u32.to_be_bytes());
            bytes.extend([0; 12 + 20]);
            // Longer than can be said.
            bytes.extend(0x0fff_u16.to_be_bytes());
            bytes.extend(*entry);
            bytes.push(0);
            while version < 4 && !(bytes.len() - start).is_multiple_of(8) {
                bytes.push(0);
            }
        }
        for (name, words) in extensions {
            bytes.extend(*name);
            bytes.extend(u32::try_from(words.len() * 4).unwrap().to_be_bytes());
            bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        }
        bytes.extend([0; 20]);
        bytes
    }

    /// With `index.threads` git reads where these extensions say, and not what comes next.
    #[test]
    fn an_end_and_blocks_of_entries_that_are_not_those() {
        let planted = |bytes: &[u8]| read(bytes, 20).unwrap().planted.is_some();
        let names: [&[u8]; 2] = [b"a", b"b"];
        let end = u32::try_from(12 + 2 * 64).unwrap();
        assert_eq!(read(&index(2, &names, &[]), 20), Some(Index::default()));
        let eoie = |end: u32| vec![(&b"EOIE"[..], vec![end, 0, 0, 0, 0, 0])];
        assert!(!planted(&index(2, &names, &eoie(end))));
        assert!(planted(&index(2, &names, &eoie(end + 8))));
        let ieot = |blocks: &[u32]| vec![(&b"IEOT"[..], [&[1], blocks].concat())];
        for (blocks, good) in [
            (&[12, 2][..], true),
            (&[12, 1, 76, 1], true),
            (&[76, 1, 12, 1], false),
            (&[12, 1, 76, 2], false),
            (&[12, 1], false),
            (&[12, 1, 80, 1], false),
        ] {
            assert_eq!(
                !planted(&index(2, &names, &ieot(blocks))),
                good,
                "{blocks:?}"
            );
        }
        // The second takes a part of the first's name, which is not there where another thread begins.
        let names: [&[u8]; 2] = [b"\0ab", b"\x01c"];
        let second = 12 + 62 + 4;
        assert!(!planted(&index(4, &names, &ieot(&[12, 2]))));
        assert!(planted(&index(4, &names, &ieot(&[12, 1, second, 1]))));
        let names: [&[u8]; 2] = [b"\0ab", b"\x02c"];
        assert!(!planted(&index(4, &names, &ieot(&[12, 1, second, 1]))));
    }
}
