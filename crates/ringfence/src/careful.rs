//! Reading files that somebody else may have put there: a device without end, a pipe
//! nobody writes to, or more than fits.

use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

use crate::sys;

/// A policy, a gitfile or a configuration longer than this is not read, in bytes.
pub(crate) const SMALL: u64 = 1024 * 1024;

/// Reads a regular file of at most so many bytes, through symbolic links. Never waits
/// for anyone, and reads nothing else than a regular file.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    // To open some devices is to act on them, so this is asked for before as well.
    regular(&std::fs::metadata(path)?)?;
    let file = sys::open(path)?;
    let meta = file.metadata()?;
    regular(&meta)?;
    // Files of the kernel have no length: what comes is what counts.
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(most)).unwrap_or(0));
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(
            ErrorKind::FileTooLarge,
            format!("longer than {} KiB", most / 1024),
        ));
    }
    Ok(bytes)
}

/// The same for text.
pub(crate) fn text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8"))
}

fn regular(meta: &std::fs::Metadata) -> Result<()> {
    if meta.is_file() {
        Ok(())
    } else if meta.is_dir() {
        Err(Error::new(
            ErrorKind::IsADirectory,
            "is a directory, not a file",
        ))
    } else {
        Err(Error::new(ErrorKind::InvalidInput, "is no regular file"))
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::ErrorKind;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{read, text};
    use crate::tests::Dir;

    #[test]
    fn a_file_is_read_through_a_link_and_nothing_else_is() {
        let dir = Dir::new();
        let file = dir.file("file", "text");
        symlink("file", dir.0.join("link")).unwrap();
        symlink("/dev/zero", dir.0.join("zero")).unwrap();
        let pipe = dir.0.join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"text");
        assert_eq!(text(&dir.0.join("link"), 4).unwrap(), "text");
        let kind = |path: &Path, most| read(path, most).unwrap_err().kind();
        assert_eq!(kind(&file, 3), ErrorKind::FileTooLarge);
        assert_eq!(kind(&dir.0.join("zero"), 4), ErrorKind::InvalidInput);
        assert_eq!(kind(&pipe, 4), ErrorKind::InvalidInput);
        assert_eq!(kind(&dir.0, 4), ErrorKind::IsADirectory);
        assert_eq!(kind(&dir.0.join("none"), 4), ErrorKind::NotFound);
        // It says of itself that it is empty.
        assert!(read(Path::new("/proc/self/status"), 16).is_err());
        assert!(
            !read(Path::new("/proc/self/status"), 1 << 20)
                .unwrap()
                .is_empty()
        );
    }
}
