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
            name.truncate(name.len().checked_sub(cut)?);
        } else {
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
    while at + 8 + hash <= bytes.len() {
        let length = usize::try_from(number(at + 4)?).ok()?;
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
