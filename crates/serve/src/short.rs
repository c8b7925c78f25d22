//! Sockets whose paths are longer than an address has room for.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// So many bytes of a path an address has, without the NUL (`unix(7)`).
const MOST: usize = 107;

/// Binds or connects to a path. A long one is said by its last name in its directory, which is held open meanwhile: homes of
/// networks and sandboxes are longer than an address, and a server that cannot be found there would not start.
pub(crate) fn at<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return act(path);
    };
    if path.as_os_str().as_bytes().len() <= MOST {
        return act(path);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(directory)?;
    let open = format!("/proc/self/fd/{}", directory.as_raw_fd());
    act(&Path::new(&open).join(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_socket_of_a_long_path_is_bound_where_it_says_and_reached() {
        let top = std::env::temp_dir().join(format!("ringfence-short-{}", std::process::id()));
        let directory = top.join("d".repeat(120)).join("e".repeat(120));
        std::fs::create_dir_all(&directory).unwrap();
        for name in ["serve-1.sock", "serve-2.sock"] {
            let path = directory.join(name);
            assert!(UnixListener::bind(&path).is_err());
            let _listener = at(&path, |path| UnixListener::bind(path)).unwrap();
            assert!(path.symlink_metadata().is_ok());
            at(&path, |path| UnixStream::connect(path)).unwrap();
        }
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn a_path_that_has_room_is_itself() {
        let path = Path::new("/run/user/1000/ringfence/serve-1.sock");
        for path in [path, Path::new("a.sock")] {
            let said = at(path, |said| Ok(said.to_owned())).unwrap();
            assert_eq!(said, path);
        }
    }
}
