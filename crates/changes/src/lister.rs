//! The names in a directory.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::RawDir;
use rustix::io::Errno;

/// Reads directories, with one buffer for all.
#[derive(Debug)]
pub struct Lister {
    buffer: Vec<MaybeUninit<u8>>,
}

impl Lister {
    /// With nothing read yet.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "64 KiB are nothing to have by default"
    )]
    pub fn new() -> Lister {
        Lister {
            buffer: vec![MaybeUninit::uninit(); 64 * 1024],
        }
    }

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// What `getdents(2)` says.
    pub fn names(&mut self, dir: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
        let mut names = Vec::new();
        let mut entries = RawDir::new(dir, &mut self.buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                // It was removed. Nothing is in it.
                Err(Errno::NOENT) => break,
                entry => entry?,
            };
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}
