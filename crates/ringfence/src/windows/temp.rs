//! The directory for temporary files of one ring: made with it, gone with it.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use std::os::windows::io::AsHandle;

use ringfence_nt_access::{Ace, AceFlags, Acl, Mask, SecurityDescriptor, Sid, well_known};
use ringfence_sys_windows as sys;
use ringfence_sys_windows::file::{self, Kind, access};

use crate::error::Error;

/// All of them are in here, in the user's directory for temporary files. It is ours alone: nobody's checkout is called so.
const DIR: &str = "ringfence-rings";
/// Beside each directory there is a file of its name with this, as long as its ring lives.
const ALIVE: &str = "alive";

/// A temporary directory, removed with what is in it.
#[derive(Debug)]
pub(super) struct Temp {
    path: PathBuf,
    /// Gone with this process, however it ends.
    alive: Option<File>,
}

impl Temp {
    /// Makes one that the user and the ring may use and no other; what rings left that were killed is removed.
    pub(super) fn make(number: u128, user: Sid, ring: Sid) -> Result<Temp, Error> {
        let base = std::env::temp_dir().join(DIR);
        let fail = |path: &Path, error| Error::State {
            path: path.to_owned(),
            error,
        };
        std::fs::create_dir_all(&base).map_err(|error| fail(&base, error))?;
        is_own(&base, user).map_err(|error| fail(&base, error))?;
        remove_stale(&base);
        let path = base.join(format!("{number:032x}"));
        let alive = alive(&path, true).map_err(|error| fail(&path, error))?;
        make(&base, &path, user, ring).map_err(|error| fail(&path, error))?;
        Ok(Temp {
            path,
            alive: Some(alive),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // What cannot be removed now, as somebody has it open, the next ring removes.
        let _left = std::fs::remove_dir_all(&self.path);
        drop(self.alive.take());
    }
}

fn make(base: &Path, path: &Path, user: Sid, ring: Sid) -> io::Result<()> {
    let parent = file::open(
        base,
        access::LIST | access::TRAVERSE | access::ADD_SUBDIRECTORY,
    )
    .map_err(crate::sys::from_windows)?;
    let name = path.file_name().unwrap_or_default();
    let descriptor = descriptor(user, ring)?;
    file::create_in(
        parent.as_handle(),
        name,
        access::READ_ATTRIBUTES,
        Kind::Directory,
        Some(&descriptor),
    )
    .map_err(crate::sys::from_windows)?;
    Ok(())
}

/// Who may use it. It inherits nothing: what all may do in the directory of all temporary files they may not do here.
fn descriptor(user: Sid, ring: Sid) -> io::Result<sys::SecurityDescriptor> {
    /// All but to change permissions and owner.
    const WORK: Mask = Mask(0x0013_01ff);
    let list: Acl = [
        Ace::allow(
            well_known::SYSTEM,
            ringfence_nt_access::object::FILE.all,
            AceFlags::INHERIT,
        ),
        Ace::allow(
            user,
            ringfence_nt_access::object::FILE.all,
            AceFlags::INHERIT,
        ),
        Ace::allow(ring, WORK, AceFlags::INHERIT),
    ]
    .into_iter()
    .collect();
    let mut whole = SecurityDescriptor::new(user, user, list);
    whole.control = whole
        .control
        .with(ringfence_nt_access::Control::DACL_PROTECTED);
    let bytes = whole
        .to_bytes()
        .map_err(|error| io::Error::other(error.to_string()))?;
    sys::SecurityDescriptor::from_bytes(&bytes).map_err(crate::sys::from_windows)
}

/// The file that is there as long as a ring lives; of one that does not, opening it fails.
fn alive(path: &Path, make: bool) -> io::Result<File> {
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    OpenOptions::new()
        .write(true)
        .create_new(make)
        .share_mode(0)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
        .open(path.with_extension(ALIVE))
}

/// Refuses a directory that leads elsewhere, or is another's: in a directory that several users have for temporary files, anybody
/// may have made it first, and change it.
fn is_own(base: &Path, user: Sid) -> io::Result<()> {
    const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
    let opened = file::open(base, access::READ_CONTROL | access::READ_ATTRIBUTES)
        .map_err(crate::sys::from_windows)?;
    let facts = file::facts(opened.as_handle()).map_err(crate::sys::from_windows)?;
    if !facts.directory || facts.attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(io::Error::other(
            "this is no directory, or one that leads elsewhere; remove it",
        ));
    }
    let owner = super::convert::descriptor_of(opened.as_handle())
        .map_err(crate::sys::from_windows)?
        .owner;
    // What an administrator makes is the group's.
    match owner {
        Some(owner) if owner == user || owner == well_known::ADMINISTRATORS => Ok(()),
        _ => Err(io::Error::other(
            "this directory is another user's; set TEMP to one of your own",
        )),
    }
}

/// Removes the directories whose rings are gone: by their names nothing but rings' are.
fn remove_stale(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let of_ring = entry.file_name().to_str().is_some_and(|name| {
            name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        // The file is made before its directory, and goes after it.
        let gone = path
            .with_extension(ALIVE)
            .symlink_metadata()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if is_dir && of_ring && gone {
            let _left = std::fs::remove_dir_all(&path);
        }
    }
}
