//! What a directory holds, by its handle.

use std::ffi::OsString;
use std::mem::offset_of;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use win::{FILE_ID_BOTH_DIR_INFO as Both, FILE_ID_EXTD_DIR_INFO as Extended};
use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER, ERROR_NO_MORE_FILES,
    ERROR_NOT_SUPPORTED,
};
use windows_sys::Win32::Storage::FileSystem as win;

use crate::error::{Refusal, SysError, done};
use crate::file::facts::CALL;
use crate::memory::{Buffer, u16_at, u32_at, u64_at};

/// A name in a directory. The facts are those of when it was listed: what counts is asked of
/// the handle of the file opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// `FILE_ATTRIBUTE_*`.
    pub attributes: u32,
    /// `IO_REPARSE_TAG_*`, where the attributes say that it is a reparse point.
    pub reparse_tag: u32,
    /// Its length.
    pub size: u64,
    /// Its number on the volume; where the file system has only 64 bits, the rest is zero.
    pub id: [u8; 16],
}

/// The names of a directory, as they come.
#[derive(Debug)]
pub struct Listing<'a> {
    directory: BorrowedHandle<'a>,
    extended: bool,
    started: bool,
    ended: bool,
    buffer: Vec<u64>,
    entries: std::vec::IntoIter<Entry>,
}

/// Lists a directory from its beginning (`FileIdExtdDirectoryInfo`, or `FileIdBothDirectoryInfo`
/// where the file system has not that). `.` and `..` are left out. The handle needs `LIST`, and
/// keeps the place: of one handle there is one listing at a time.
#[must_use]
pub fn list(directory: BorrowedHandle<'_>) -> Listing<'_> {
    Listing {
        directory,
        extended: true,
        started: false,
        ended: false,
        buffer: Vec::new(),
        entries: Vec::new().into_iter(),
    }
}

impl Listing<'_> {
    /// The next part of the directory; none at its end.
    fn more(&mut self) -> Result<Option<Vec<Entry>>, SysError> {
        let class = match (self.extended, self.started) {
            (true, false) => win::FileIdExtdDirectoryRestartInfo,
            (true, true) => win::FileIdExtdDirectoryInfo,
            (false, false) => win::FileIdBothDirectoryRestartInfo,
            (false, true) => win::FileIdBothDirectoryInfo,
        };
        self.buffer.resize(8192, 0);
        let size = 8192 * 8;
        // SAFETY: a live handle and a buffer of the size given.
        let answer = unsafe {
            win::GetFileInformationByHandleEx(
                self.directory.as_raw_handle(),
                class,
                self.buffer.as_mut_ptr().cast(),
                size,
            )
        };
        if let Err(error) = done(CALL, answer) {
            let unknown = [
                ERROR_INVALID_PARAMETER,
                ERROR_NOT_SUPPORTED,
                ERROR_INVALID_LEVEL,
                ERROR_CALL_NOT_IMPLEMENTED,
            ];
            if self.extended && !self.started && unknown.iter().any(|code| error.is(*code)) {
                self.extended = false;
                return self.more();
            }
            if error.is(ERROR_NO_MORE_FILES) {
                return Ok(None);
            }
            return Err(error);
        }
        self.started = true;
        let words = std::mem::take(&mut self.buffer);
        let answer = Buffer::from(words);
        let entries = entries(answer.bytes(), self.extended);
        self.buffer = answer.into();
        entries
            .map(Some)
            .ok_or(SysError::refused(CALL, Refusal::Malformed))
    }
}

impl Iterator for Listing<'_> {
    type Item = Result<Entry, SysError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(Ok(entry));
            }
            if self.ended {
                return None;
            }
            match self.more() {
                Ok(Some(entries)) => self.entries = entries.into_iter(),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

fn entries(bytes: &[u8], extended: bool) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    loop {
        let entry = entry(rest, extended)?;
        if entry.name != "." && entry.name != ".." {
            entries.push(entry);
        }
        match u32_at(rest, 0)? as usize {
            0 => return Some(entries),
            next => rest = rest.get(next..)?,
        }
    }
}

fn entry(bytes: &[u8], extended: bool) -> Option<Entry> {
    // The two structures are the same up to there.
    let attributes = u32_at(bytes, offset_of!(Extended, FileAttributes))?;
    let size = u64_at(bytes, offset_of!(Extended, EndOfFile))?;
    let len = u32_at(bytes, offset_of!(Extended, FileNameLength))? as usize;
    let (tag_at, id_at, id_len, name_at) = if extended {
        (
            offset_of!(Extended, ReparsePointTag),
            offset_of!(Extended, FileId),
            16,
            offset_of!(Extended, FileName),
        )
    } else {
        // The size of extended attributes is the tag where there is a reparse point.
        (
            offset_of!(Both, EaSize),
            offset_of!(Both, FileId),
            8,
            offset_of!(Both, FileName),
        )
    };
    let name = bytes.get(name_at..)?.get(..len)?;
    let units: Vec<u16> = (0..len / 2).filter_map(|n| u16_at(name, n * 2)).collect();
    let mut id = [0; 16];
    let number = bytes.get(id_at..)?.get(..id_len)?;
    id.iter_mut().zip(number).for_each(|(to, from)| *to = *from);
    let is_link = attributes & win::FILE_ATTRIBUTE_REPARSE_POINT != 0;
    Some(Entry {
        name: OsString::from_wide(&units),
        attributes,
        reparse_tag: if is_link { u32_at(bytes, tag_at)? } else { 0 },
        size,
        id,
    })
}
