//! Files and directories by handle: opening without following links, and what they are.

use std::ffi::OsStr;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::{Component, Path};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem as nt;
use windows_sys::Win32::Foundation::{HANDLE, OBJ_CASE_INSENSITIVE, UNICODE_STRING};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TRAVERSE, OPEN_EXISTING,
    SYNCHRONIZE,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use crate::descriptor::{self, SecurityDescriptor};
use crate::error::{Refusal, SysError, nt_success};
use crate::handle::owned;
use crate::wide;

mod by_id;
mod facts;
mod listing;
mod lock;
mod replace;
mod volume;

pub use by_id::open_by_id;
pub use facts::{Facts, Id, PathForm, facts, final_path, id, is_remote};
pub use listing::{Entry, Listing, list};
pub use lock::{Locked, Sharing, lock};
pub use replace::{delete, rename_in, replace};
pub use volume::{DriveType, Volume, drive_type, drives, volume, volume_of};

/// What may be done through a file's handle.
pub mod access {
    pub use windows_sys::Win32::Storage::FileSystem::{
        DELETE, FILE_ADD_FILE as ADD_FILE, FILE_ADD_SUBDIRECTORY as ADD_SUBDIRECTORY,
        FILE_APPEND_DATA as APPEND, FILE_DELETE_CHILD as DELETE_CHILD, FILE_EXECUTE as EXECUTE,
        FILE_GENERIC_READ as GENERIC_READ, FILE_GENERIC_WRITE as GENERIC_WRITE,
        FILE_LIST_DIRECTORY as LIST, FILE_READ_ATTRIBUTES as READ_ATTRIBUTES,
        FILE_READ_DATA as READ, FILE_TRAVERSE as TRAVERSE,
        FILE_WRITE_ATTRIBUTES as WRITE_ATTRIBUTES, FILE_WRITE_DATA as WRITE, READ_CONTROL,
        SYNCHRONIZE, WRITE_DAC, WRITE_OWNER,
    };
}

const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// What a name is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file, a directory or a reparse point.
    Any,
    /// A directory; `STATUS_NOT_A_DIRECTORY` else.
    Directory,
    /// Not a directory; `STATUS_FILE_IS_A_DIRECTORY` else.
    File,
}

/// Opens what is at a path, also a directory, shared with everybody (`CreateFileW`). A reparse
/// point in the last component is opened itself; those before it are followed.
///
/// # Errors
/// What the function says.
pub fn open(path: &Path, access: u32) -> Result<OwnedHandle, SysError> {
    let flags = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
    create_file(path, access, SHARE_ALL, OPEN_EXISTING, flags, None)
}

/// Makes a file that was not there (`CreateFileW`), shared with everybody, with the descriptor
/// given or what the directory's inheritable entries make.
///
/// # Errors
/// `ERROR_FILE_EXISTS`.
pub fn create(
    path: &Path,
    access: u32,
    descriptor: Option<&SecurityDescriptor>,
) -> Result<OwnedHandle, SysError> {
    let flags = FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT;
    create_file(path, access, SHARE_ALL, CREATE_NEW, flags, descriptor)
}

fn create_file(
    path: &Path,
    access: u32,
    share: u32,
    disposition: u32,
    flags: u32,
    descriptor: Option<&SecurityDescriptor>,
) -> Result<OwnedHandle, SysError> {
    const CALL: &str = "CreateFileW";
    let path = wide::terminated(CALL, path.as_os_str())?;
    let attributes = descriptor::attributes(descriptor, false);
    // SAFETY: a NUL-terminated path, and attributes that point to a whole descriptor or none.
    let file = unsafe {
        CreateFileW(
            path.as_ptr(),
            access,
            share,
            &raw const attributes,
            disposition,
            flags,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: just made.
    unsafe { owned(CALL, file) }
}

/// Opens an absolute path on a drive with no reparse point anywhere in it: each component is
/// opened in the one before, so that none can be changed for another meanwhile.
///
/// # Errors
/// [`Refusal::ReparsePoint`]; [`Refusal::NotAName`] of a path that is not absolute or has `..`
/// in it; and what opening says.
pub fn open_exact(path: &Path, access: u32) -> Result<OwnedHandle, SysError> {
    const CALL: &str = "open_exact";
    let mut parts = path.components();
    let (Some(Component::Prefix(prefix)), Some(Component::RootDir)) = (parts.next(), parts.next())
    else {
        return Err(SysError::refused(CALL, Refusal::NotAName));
    };
    let names: Vec<&OsStr> = parts
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(SysError::refused(CALL, Refusal::NotAName)),
        })
        .collect::<Result<_, _>>()?;
    let mut root = prefix.as_os_str().to_owned();
    root.push("\\");
    let root = Path::new(&root);
    let Some((last, above)) = names.split_last() else {
        return open(root, access);
    };
    let walk = FILE_TRAVERSE | FILE_READ_ATTRIBUTES | SYNCHRONIZE;
    let mut dir = open(root, walk)?;
    for name in above {
        dir = open_in(dir.as_handle(), name, walk, Kind::Any)?;
        refuse_reparse_point(CALL, dir.as_handle())?;
    }
    let file = open_in(
        dir.as_handle(),
        last,
        access | FILE_READ_ATTRIBUTES,
        Kind::Any,
    )?;
    refuse_reparse_point(CALL, file.as_handle())?;
    Ok(file)
}

fn refuse_reparse_point(call: &'static str, file: BorrowedHandle<'_>) -> Result<(), SysError> {
    if facts(file)?.attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(SysError::refused(call, Refusal::ReparsePoint));
    }
    Ok(())
}

/// Opens a name in a directory, not following it where it is a reparse point (`NtCreateFile`).
///
/// The handle is for synchronous use. `directory` needs no right but to be one; for
/// `access` the object's own descriptor is asked.
///
/// # Errors
/// [`Refusal::NotAName`]; `STATUS_OBJECT_NAME_NOT_FOUND` and what else the function says.
pub fn open_in(
    directory: BorrowedHandle<'_>,
    name: &OsStr,
    access: u32,
    kind: Kind,
) -> Result<OwnedHandle, SysError> {
    let how = How {
        access,
        disposition: nt::FILE_OPEN,
        kind,
        descriptor: None,
    };
    nt_create(directory, name, &how)
}

/// Makes a file or directory in a directory that has none of that name (`NtCreateFile`), with
/// the descriptor given or what the directory's inheritable entries make.
///
/// # Errors
/// [`Refusal::NotAName`]; `STATUS_OBJECT_NAME_COLLISION`: the name is taken.
pub fn create_in(
    directory: BorrowedHandle<'_>,
    name: &OsStr,
    access: u32,
    kind: Kind,
    descriptor: Option<&SecurityDescriptor>,
) -> Result<OwnedHandle, SysError> {
    let how = How {
        access,
        disposition: nt::FILE_CREATE,
        kind,
        descriptor,
    };
    nt_create(directory, name, &how)
}

struct How<'a> {
    access: u32,
    disposition: u32,
    kind: Kind,
    descriptor: Option<&'a SecurityDescriptor>,
}

fn nt_create(
    directory: BorrowedHandle<'_>,
    name: &OsStr,
    how: &How<'_>,
) -> Result<OwnedHandle, SysError> {
    const CALL: &str = "NtCreateFile";
    let mut name = one_name(CALL, name)?;
    // At most 255 units pass `one_name`.
    let bytes = u16::try_from(name.len() * 2).unwrap_or(u16::MAX);
    let name = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: name.as_mut_ptr(),
    };
    let descriptor = how.descriptor;
    let attributes = OBJECT_ATTRIBUTES {
        Length: u32::try_from(size_of::<OBJECT_ATTRIBUTES>()).unwrap_or_default(),
        RootDirectory: directory.as_raw_handle(),
        ObjectName: &raw const name,
        Attributes: OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: descriptor
            .map_or(std::ptr::null_mut(), SecurityDescriptor::as_ptr)
            .cast(),
        SecurityQualityOfService: std::ptr::null(),
    };
    let options = nt::FILE_OPEN_REPARSE_POINT
        | nt::FILE_OPEN_FOR_BACKUP_INTENT
        | nt::FILE_SYNCHRONOUS_IO_NONALERT
        | match how.kind {
            Kind::Any => 0,
            Kind::Directory => nt::FILE_DIRECTORY_FILE,
            Kind::File => nt::FILE_NON_DIRECTORY_FILE,
        };
    let mut file: HANDLE = std::ptr::null_mut();
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: live places, and attributes that point to a live name, a live handle and a whole
    // descriptor or none.
    let answer = unsafe {
        nt::NtCreateFile(
            &raw mut file,
            how.access | SYNCHRONIZE,
            &raw const attributes,
            &raw mut status,
            std::ptr::null(),
            FILE_ATTRIBUTE_NORMAL,
            SHARE_ALL,
            how.disposition,
            options,
            std::ptr::null(),
            0,
        )
    };
    nt_success(CALL, answer)?;
    // SAFETY: just made.
    unsafe { owned(CALL, file) }
}

/// The units of a name that can lead nowhere but into its directory: no separator, no stream
/// of another file, not the directory itself or the one above.
fn one_name(call: &'static str, name: &OsStr) -> Result<Vec<u16>, SysError> {
    let units: Vec<u16> = name.encode_wide().collect();
    if units.contains(&0) {
        return Err(SysError::refused(call, Refusal::InteriorNul));
    }
    let leads_away = |unit: &u16| [b'\\', b'/', b':'].map(u16::from).contains(unit);
    let dots = !units.is_empty() && units.iter().all(|unit| *unit == u16::from(b'.'));
    if units.is_empty() || units.len() > 255 || dots || units.iter().any(leads_away) {
        return Err(SysError::refused(call, Refusal::NotAName));
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", ".", "..", "a\\b", "a/b", "a:b", "..\\a", "a\0b"] {
            assert!(one_name("", OsStr::new(name)).is_err(), "{name:?}");
        }
        for name in ["a", ".git", "a.b", "..a", "\u{1f980}"] {
            assert!(one_name("", OsStr::new(name)).is_ok(), "{name:?}");
        }
    }
}
