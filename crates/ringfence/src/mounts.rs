//! Where file systems are mounted, as this process sees it (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::careful;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The file system, by the numbers of its device.
    device: String,
    /// What of it is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
}

impl Mount {
    pub(crate) fn is_at(&self, place: &Path) -> bool {
        self.point == place
    }
}

/// Every mount, in the order they were made.
pub(crate) fn all() -> io::Result<Vec<Mount>> {
    let mounts = careful::text(Path::new("/proc/self/mountinfo"), 16 * careful::SMALL)?;
    Ok(mounts.lines().filter_map(mount).collect())
}

/// One line of it.
fn mount(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ').skip(2);
    let mut next = || fields.next();
    Some(Mount {
        device: next()?.to_owned(),
        root: PathBuf::from(unescaped(next()?)),
        point: PathBuf::from(unescaped(next()?)),
    })
}

/// Every mount point.
pub(crate) fn points() -> io::Result<Vec<PathBuf>> {
    Ok(all()?.into_iter().map(|mount| mount.point).collect())
}

/// Where else what has a canonical path, or a part of it, is mounted.
pub(crate) fn elsewhere(mounts: &[Mount], path: &Path) -> Vec<PathBuf> {
    let lies_in = |mount: &&Mount| path.starts_with(&mount.point);
    // Of two in one place the later covers the other.
    let own = mounts
        .iter()
        .filter(lies_in)
        .max_by_key(|mount| mount.point.components().count());
    let Some(own) = own else { return Vec::new() };
    let Ok(below) = path.strip_prefix(&own.point) else {
        return Vec::new();
    };
    let inner = joined(&own.root, below);
    let others = mounts
        .iter()
        .filter(|mount| mount.device == own.device && *mount != own);
    others
        .filter_map(|mount| match inner.strip_prefix(&mount.root) {
            Ok(below) => Some(joined(&mount.point, below)),
            Err(_) => mount.root.starts_with(&inner).then(|| mount.point.clone()),
        })
        .filter(|place| place != path)
        .collect()
}

/// Without a slash at the end for nothing.
fn joined(dir: &Path, below: &Path) -> PathBuf {
    match below.as_os_str().is_empty() {
        true => dir.to_owned(),
        false => dir.join(below),
    }
}

/// Spaces and the like are written in octal there.
fn unescaped(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .filter(|d| *first == b'\\' && d.iter().all(u8::is_ascii_digit));
        let value = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_places_of_the_same_files_are_known() {
        let mounts = [
            "27 1 254:0 / / rw - ext4 /dev/vda rw",
            "30 27 0:30 / /home rw - tmpfs tmpfs rw",
            r"31 27 254:0 /srv/home /home rw - ext4 /dev/vda rw",
            r"32 27 254:0 / /mnt/a\040b rw - ext4 /dev/vda rw",
            "33 27 254:0 /srv/home/ada/.ssh/keys /keys rw - ext4 /dev/vda rw",
            "34 27 0:31 /srv/home /other rw - tmpfs tmpfs rw",
        ];
        let mounts: Vec<Mount> = mounts.iter().filter_map(|line| mount(line)).collect();
        let found = elsewhere(&mounts, Path::new("/home/ada/.ssh"));
        let places = ["/srv/home/ada/.ssh", "/mnt/a b/srv/home/ada/.ssh", "/keys"];
        assert_eq!(found, places.map(PathBuf::from));
        assert_eq!(
            elsewhere(&mounts, Path::new("/etc/shadow")),
            [PathBuf::from("/mnt/a b/etc/shadow")]
        );
        let none = elsewhere(&mounts[..3], Path::new("/etc"));
        assert!(none.is_empty(), "{none:?}");
    }

    #[test]
    fn mount_points_are_read_as_they_are() {
        assert_eq!(unescaped(r"/a\040b\134c\9"), r"/a b\c\9");
        assert!(points().unwrap().contains(&PathBuf::from("/proc")));
    }
}
