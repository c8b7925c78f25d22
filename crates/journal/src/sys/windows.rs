//! Files of this machine, by handle.

use std::ffi::OsString;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::{Component, Path, PathBuf};

use ringfence_nt_access::{Control, SecurityDescriptor};
use ringfence_plan::windows::FileId;
use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::error::{Code, Refusal, SysError};
use ringfence_sys_windows::file::{self, access};
use ringfence_sys_windows::{self as sys};

use crate::disk::{Disk, DiskError, Entry, Facts, Kind};
use crate::name::Name;

const ERROR_FILE_NOT_FOUND: u32 = 2;
const ERROR_PATH_NOT_FOUND: u32 = 3;
const ERROR_ACCESS_DENIED: u32 = 5;
const ERROR_SHARING_VIOLATION: u32 = 32;
const ERROR_NOT_SUPPORTED: u32 = 50;
const ERROR_INVALID_PARAMETER: u32 = 87;
const ERROR_CALL_NOT_IMPLEMENTED: u32 = 120;
/// `FILE_ATTRIBUTE_DIRECTORY`
const DIRECTORY: u32 = 0x10;
/// `FILE_ATTRIBUTE_REPARSE_POINT`
const REPARSE_POINT: u32 = 0x400;

/// The volumes of this machine. A file's number is that of `FILE_ID_INFO`, its first byte the lowest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files;

/// A file or directory, opened with as many of the rights that are needed as this user has.
#[derive(Debug)]
pub struct Opened(OwnedHandle);

impl From<SysError> for DiskError {
    fn from(error: SysError) -> DiskError {
        if error.is(ERROR_FILE_NOT_FOUND) || error.is(ERROR_PATH_NOT_FOUND) {
            return DiskError::NotThere;
        }
        if error.is(ERROR_ACCESS_DENIED) {
            return DiskError::Denied;
        }
        let code = match error.code {
            Code::Refused(Refusal::ReparsePoint) => return DiskError::LeadsElsewhere,
            Code::Win32(code) => i64::from(code),
            Code::Nt(code) | Code::Com(code) => i64::from(code),
            Code::Refused(_) => 0,
        };
        let call = error.call;
        DiskError::Failed { call, code }
    }
}

/// The most of these that the user has, and that somebody who has it open lets others have: what may not be changed can still be
/// read, and what may not be read can still be gone through.
fn most(
    directory: bool,
    open: impl Fn(u32) -> Result<OwnedHandle, SysError>,
) -> Result<Opened, SysError> {
    const LOOK: u32 = access::READ_ATTRIBUTES | access::SYNCHRONIZE;
    const READ: u32 = access::READ_CONTROL;
    const WRITE: u32 = READ | access::WRITE_DAC;
    let list = access::LIST | access::TRAVERSE;
    let tries: &[u32] = if directory {
        &[WRITE | list, READ | list, WRITE, READ, list]
    } else {
        &[WRITE, READ]
    };
    let mut first = None;
    for rights in tries {
        match open(LOOK | rights) {
            Ok(file) => return Ok(Opened(file)),
            Err(error) => {
                // To list a directory is to read it, which can be kept from others; to change its permissions cannot.
                let less = error.is(ERROR_ACCESS_DENIED) || error.is(ERROR_SHARING_VIOLATION);
                let error = *first.get_or_insert(error);
                if !less {
                    return Err(error);
                }
            }
        }
    }
    // There is at least one.
    Err(first.unwrap_or(SysError::win32("most", ERROR_ACCESS_DENIED)))
}

impl Disk for Files {
    type Object = Opened;

    fn open_root(&self, path: &str) -> Result<Opened, DiskError> {
        let path = Path::new(path);
        Ok(most(true, |rights| file::open_exact(path, rights))?)
    }

    fn open(&self, directory: &Opened, name: &Name, kind: Kind) -> Result<Opened, DiskError> {
        let name = OsString::from_wide(&name.0);
        let open = |rights| file::open_in(directory.0.as_handle(), &name, rights, file::Kind::Any);
        Ok(most(kind == Kind::Directory, open)?)
    }

    fn open_by_id(&self, near: &str, id: FileId) -> Result<Opened, DiskError> {
        // The drive: what the path leads to may be gone.
        let parts = Path::new(near).components();
        let drive: PathBuf = parts
            .take_while(|part| matches!(part, Component::Prefix(_) | Component::RootDir))
            .collect();
        let volume =
            file::open(&drive, access::READ_ATTRIBUTES).map_err(|_| DiskError::NoVolume)?;
        if file::id(volume.as_handle())?.volume != id.volume {
            return Err(DiskError::NoVolume);
        }
        let number = id.file.to_le_bytes();
        let open = |rights| file::open_by_id(volume.as_handle(), number, rights);
        most(true, open).map_err(|error| {
            if error.is(ERROR_INVALID_PARAMETER) {
                DiskError::NotThere
            } else if error.is(ERROR_NOT_SUPPORTED) || error.is(ERROR_CALL_NOT_IMPLEMENTED) {
                DiskError::NoNumbers
            } else {
                error.into()
            }
        })
    }

    fn facts(&self, object: &Opened) -> Result<Facts, DiskError> {
        let id = file::id(object.0.as_handle())?;
        let facts = file::facts(object.0.as_handle())?;
        Ok(Facts {
            id: FileId {
                volume: id.volume,
                file: u128::from_le_bytes(id.file),
            },
            kind: kind(facts.attributes),
            other_names: other_names(&facts),
        })
    }

    fn list(&self, directory: &Opened) -> Result<Vec<Entry>, DiskError> {
        file::list(directory.0.as_handle())
            .map(|entry| {
                let entry = entry?;
                Ok(Entry {
                    name: Name(entry.name.encode_wide().collect()),
                    kind: kind(entry.attributes),
                })
            })
            .collect()
    }

    fn read(&self, object: &Opened) -> Result<SecurityDescriptor, DiskError> {
        let descriptor = acl::read(object.0.as_handle(), Parts::ACCESS)?;
        Ok(SecurityDescriptor::parse(descriptor.as_bytes())?)
    }

    fn write(&self, object: &Opened, to: &SecurityDescriptor) -> Result<(), DiskError> {
        let bytes = list_of(to).to_bytes()?;
        let descriptor = sys::SecurityDescriptor::from_bytes(&bytes)?;
        Ok(acl::store(object.0.as_handle(), Parts::DACL, &descriptor)?)
    }
}

/// The DACL alone, as it is to be stored: that it was inherited is kept only where that is asked for.
fn list_of(descriptor: &SecurityDescriptor) -> SecurityDescriptor {
    let mut control =
        Control(descriptor.control.0 & Control::DACL_PROTECTED.0).with(Control::DACL_PRESENT);
    if descriptor.control.has(Control::DACL_AUTO_INHERITED) {
        control = control
            .with(Control::DACL_AUTO_INHERITED)
            .with(Control::DACL_AUTO_INHERIT_REQ);
    }
    SecurityDescriptor {
        control,
        dacl: descriptor.dacl.clone(),
        ..SecurityDescriptor::default()
    }
}

/// `DeletePending` is of the name that was opened, `NumberOfLinks` are those that do not go (\[MS-FSA\] 2.1.5.12.27).
fn other_names(facts: &file::Facts) -> u32 {
    let own = u32::from(!facts.deleted);
    if facts.directory {
        0
    } else {
        facts.links.saturating_sub(own)
    }
}

fn kind(attributes: u32) -> Kind {
    if attributes & REPARSE_POINT != 0 {
        Kind::ReparsePoint
    } else if attributes & DIRECTORY != 0 {
        Kind::Directory
    } else {
        Kind::File
    }
}
