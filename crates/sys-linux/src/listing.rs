//! Which names a small directory has, read at once: many names of one directory that do not exist
//! cost one system call each otherwise.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags};

/// A directory with more entries than this is not read.
const FEW: usize = 256;

/// The names in a directory, in lower case.
#[derive(Debug)]
pub struct Listing(HashSet<Vec<u8>>);

impl Listing {
    /// `None` where it cannot be read, has many names, or has one that a file system in which
    /// case does not matter may take for another by rules of its own (any that is not ASCII).
    #[must_use]
    pub fn of(dir: BorrowedFd<'_>) -> Option<Listing> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(dir, ".", flags, Mode::empty()).ok()?;
        let mut names = HashSet::new();
        for entry in rustix::fs::Dir::new(handle).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name().to_bytes();
            if names.len() >= FEW || !name.is_ascii() {
                return None;
            }
            names.insert(name.to_ascii_lowercase());
        }
        Some(Listing(names))
    }

    /// Whether a look-up of this name may find something, whether or not case matters.
    #[must_use]
    pub fn may_have(&self, name: &[u8]) -> bool {
        !name.is_ascii() || self.0.contains(&name.to_ascii_lowercase())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{FEW, Listing};
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn says_no_only_where_it_is_certain() {
        let dir = std::env::temp_dir().join(format!("rf-listing-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let handle = File::open(&dir).unwrap();
        let listing = || Listing::of(handle.as_fd());
        std::fs::write(dir.join(".ENVRC"), "").unwrap();
        let some = listing().unwrap();
        for (name, may) in [
            (".envrc", true),
            (".ENVRC", true),
            (".vscode", false),
            ("\u{212a}", true),
        ] {
            assert_eq!(some.may_have(name.as_bytes()), may, "{name}");
        }
        // The sign for kelvin is a K to some.
        std::fs::write(dir.join(".\u{212a}iro"), "").unwrap();
        assert!(listing().is_none());
        std::fs::remove_file(dir.join(".\u{212a}iro")).unwrap();
        for number in 0..FEW {
            std::fs::write(dir.join(number.to_string()), "").unwrap();
        }
        assert!(listing().is_none());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
