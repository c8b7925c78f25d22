//! The files of a ledger on Windows.
//!
//! They are private by where they are: what is made below `%LOCALAPPDATA%` inherits that nobody but the user, the
//! administrators and the system may read or write it. No descriptor is written here.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
const FILE_SHARE_DELETE: u32 = 4;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// To open a file of ours. A link is opened as itself, and is then found to be no regular file ([`is_own`]). As long as it is open
/// it can be neither removed nor renamed: Windows grants that to nobody where deleting is not shared. So it is the one that
/// has its name, which on Unix has to be looked for.
pub(crate) fn options() -> OpenOptions {
    let mut options = File::options();
    options
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    options
}

/// To open one to read it. A reader is in no writer's way: what is removed meanwhile is removed.
pub(crate) fn reading() -> OpenOptions {
    let mut options = options();
    options
        .read(true)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    options
}

/// Whether what was opened is a regular file. Whose it is is not asked: who may write it is what its directory's
/// descriptor says.
pub(crate) fn is_own(meta: &Metadata) -> bool {
    meta.is_file() && meta.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT == 0
}

/// Opening does not fail for a link.
pub(crate) fn is_link(_error: &io::Error) -> bool {
    false
}

/// Nobody takes the name from a file that is open here ([`options`]).
pub(crate) fn is_named(_file: &Metadata, _path: Option<&Path>) -> bool {
    true
}

/// Makes a directory, and those above it.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)
}

/// A directory cannot be flushed without the right to write all of it. NTFS has the file's name in its own log, and flushing
/// the file writes that log as far as the file needs it; SQLite relies on the same.
pub(crate) fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// The file to lock in place of the head: a lock of Windows keeps others from reading what is locked, and readers of a ledger
/// lock nothing.
pub(crate) fn beside_to_lock(dir: &Path) -> io::Result<Option<File>> {
    let file = options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join("lock"))?;
    if is_own(&file.metadata()?) {
        Ok(Some(file))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no regular file",
        ))
    }
}

/// Windows does not say.
pub(crate) fn holder_of(_file: &File) -> Option<u32> {
    None
}

pub(crate) fn read_at(file: &File, to: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(to, at)
}

pub(crate) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.seek_write(&bytes[done..], at + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What names are made of.
pub(crate) type Unit = u16;

pub(crate) fn unit(ascii: u8) -> Unit {
    Unit::from(ascii)
}

pub(crate) fn units(name: &OsStr) -> Cow<'_, [Unit]> {
    Cow::Owned(name.encode_wide().collect())
}

pub(crate) fn of_units(units: Vec<Unit>) -> OsString {
    OsString::from_wide(&units)
}

/// A name as bytes: UTF-8, and a half of a surrogate pair as that would be in UTF-8 (WTF-8).
pub(crate) fn bytes(name: &OsStr) -> Cow<'_, [u8]> {
    let mut out = Vec::with_capacity(name.len());
    for found in char::decode_utf16(name.encode_wide()) {
        match found {
            Ok(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(half) => {
                let half = half.unpaired_surrogate();
                out.extend([
                    0xe0 | (half >> 12) as u8,
                    0x80 | ((half >> 6) & 0x3f) as u8,
                    0x80 | (half & 0x3f) as u8,
                ]);
            }
        }
    }
    Cow::Owned(out)
}

/// The name that has these bytes; `None` where none has: bytes of another system's.
pub(crate) fn of_bytes(bytes: Vec<u8>) -> Option<OsString> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).ok()?,
        };
        units.extend(valid.encode_utf16());
        rest = &rest[valid.len()..];
        match rest {
            [] => {}
            [0xed, high @ 0xa0..=0xbf, low @ 0x80..=0xbf, ..] => {
                units.push(0xd000 | (u16::from(high & 0x3f) << 6) | u16::from(low & 0x3f));
                rest = &rest[3..];
            }
            _ => return None,
        }
    }
    Some(OsString::from_wide(&units))
}

/// A name that is not UTF-8.
#[cfg(test)]
pub(crate) fn odd(before: &str, after: &str) -> OsString {
    let half = OsString::from_wide(&[0xd83e]);
    [OsStr::new(before), &half, OsStr::new(after)]
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{bytes, of_bytes};
    use std::ffi::OsString;
    use std::os::windows::ffi::OsStringExt;

    #[test]
    fn names_that_are_no_unicode_come_back() {
        for units in [
            &[0x41, 0xd83e, 0x42][..],
            &[0xdd80],
            &[0xd83e, 0xdd80],
            &[0xdd80, 0xd83e],
            &[],
        ] {
            let name = OsString::from_wide(units);
            assert_eq!(of_bytes(bytes(&name).into_owned()), Some(name));
        }
        assert_eq!(of_bytes(b"a\xff".to_vec()), None);
        assert_eq!(of_bytes(b"a\xed\xa0".to_vec()), None);
    }
}
