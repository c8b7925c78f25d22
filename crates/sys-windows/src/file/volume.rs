//! What a file's volume can keep.

use std::ffi::OsString;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_READ_ATTRIBUTES, GetDriveTypeW, GetLogicalDrives, GetVolumeInformationByHandleW,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SetThreadErrorMode, THREAD_ERROR_MODE,
};
use windows_sys::Win32::System::SystemServices::{
    FILE_PERSISTENT_ACLS, FILE_READ_ONLY_VOLUME, FILE_SUPPORTS_REPARSE_POINTS,
};
use windows_sys::Win32::System::WindowsProgramming as drive;

use crate::error::{SysError, done};
use crate::wide;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The lower half of its serial number.
    pub serial: u32,
    /// `FILE_*` flags of its file system.
    pub flags: u32,
    /// Its file system (`NTFS`, `ReFS`, `exFAT`).
    pub file_system: OsString,
    /// The longest name it takes.
    pub longest_name: u32,
}

/// Where the files of a drive are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveType {
    /// Windows cannot say.
    Unknown,
    /// There is no such drive.
    None,
    /// A medium that can be taken out.
    Removable,
    /// A disk of this machine.
    Fixed,
    /// Another machine.
    Remote,
    /// A CD.
    CdRom,
    /// This machine's memory.
    RamDisk,
}

impl Volume {
    /// It keeps security descriptors and obeys them (`FILE_PERSISTENT_ACLS`).
    #[must_use]
    pub fn keeps_descriptors(&self) -> bool {
        self.flags & FILE_PERSISTENT_ACLS != 0
    }

    /// Nothing on it can be written (`FILE_READ_ONLY_VOLUME`).
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.flags & FILE_READ_ONLY_VOLUME != 0
    }

    /// It can hold reparse points.
    #[must_use]
    pub fn has_reparse_points(&self) -> bool {
        self.flags & FILE_SUPPORTS_REPARSE_POINTS != 0
    }
}

/// The volume that a handle's file is on (`GetVolumeInformationByHandleW`).
///
/// # Errors
/// What the function says.
pub fn volume(file: BorrowedHandle<'_>) -> Result<Volume, SysError> {
    let mut volume = Volume {
        serial: 0,
        flags: 0,
        file_system: OsString::new(),
        longest_name: 0,
    };
    let mut name = [0_u16; 261];
    // SAFETY: a live handle, live places, and a buffer of the length given; the label is not
    // asked for.
    let answer = unsafe {
        GetVolumeInformationByHandleW(
            file.as_raw_handle(),
            std::ptr::null_mut(),
            0,
            &raw mut volume.serial,
            &raw mut volume.longest_name,
            &raw mut volume.flags,
            name.as_mut_ptr(),
            261,
        )
    };
    done("GetVolumeInformationByHandleW", answer)?;
    volume.file_system = wide::text(&name);
    Ok(volume)
}

/// The roots (`C:\`) of the drives that are there (`GetLogicalDrives`), by their letters.
///
/// # Errors
/// What the function says.
pub fn drives() -> Result<Vec<PathBuf>, SysError> {
    // SAFETY: takes nothing.
    let there = unsafe { GetLogicalDrives() };
    if there == 0 {
        return Err(SysError::last("GetLogicalDrives"));
    }
    let letters = ('A'..='Z')
        .zip(0..)
        .filter(|(_, bit)| there & 1 << bit != 0);
    Ok(letters
        .map(|(letter, _)| PathBuf::from(format!("{letter}:\\")))
        .collect())
}

/// The volume of the drive with this root (`C:\`). One without a medium fails, and no dialog asks for one.
///
/// # Errors
/// What the functions say; `ERROR_NOT_READY` where there is no medium.
pub fn volume_of(root: &Path) -> Result<Volume, SysError> {
    let _no_dialog = NoDialog::new()?;
    let root = super::open(root, FILE_READ_ATTRIBUTES)?;
    volume(root.as_handle())
}

/// This thread has no dialogs about media, until it is dropped.
struct NoDialog(THREAD_ERROR_MODE);

impl NoDialog {
    fn new() -> Result<NoDialog, SysError> {
        let mut before = 0;
        // SAFETY: an integer and a live place.
        let answer = unsafe { SetThreadErrorMode(SEM_FAILCRITICALERRORS, &raw mut before) };
        done("SetThreadErrorMode", answer)?;
        Ok(NoDialog(before))
    }
}

impl Drop for NoDialog {
    fn drop(&mut self) {
        // SAFETY: an integer that this thread's mode was, and no place for the one before.
        unsafe { SetThreadErrorMode(self.0, std::ptr::null_mut()) };
    }
}

/// Where the files of the drive with this root (`C:\`) are (`GetDriveTypeW`).
///
/// # Errors
/// The path has a NUL in it.
pub fn drive_type(root: &Path) -> Result<DriveType, SysError> {
    let root = wide::terminated("GetDriveTypeW", root.as_os_str())?;
    // SAFETY: a NUL-terminated path.
    let kind = unsafe { GetDriveTypeW(root.as_ptr()) };
    Ok(match kind {
        drive::DRIVE_NO_ROOT_DIR => DriveType::None,
        drive::DRIVE_REMOVABLE => DriveType::Removable,
        drive::DRIVE_FIXED => DriveType::Fixed,
        drive::DRIVE_REMOTE => DriveType::Remote,
        drive::DRIVE_CDROM => DriveType::CdRom,
        drive::DRIVE_RAMDISK => DriveType::RamDisk,
        _ => DriveType::Unknown,
    })
}
