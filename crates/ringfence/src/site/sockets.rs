//! Unix sockets of services outside. A read-only mount does not stop `connect(2)`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_ops::linux::{Located, Mask};
use ringfence_plan::Hidden;
use ringfence_sys_linux::object;
use rustix::fs::FileType;

use crate::locate::{follow, located, no_follow};

/// Parts of `/run` that tools read and that have no socket in them.
const RUN_KEPT: [&str; 11] = [
    // NixOS: the system itself.
    "current-system",
    "booted-system",
    "opengl-driver",
    "opengl-driver-32",
    // What /etc/resolv.conf may be a link to; its directory has a resolver's socket.
    "systemd/resolve/resolv.conf",
    "systemd/resolve/stub-resolv.conf",
    "NetworkManager/resolv.conf",
    "resolvconf/resolv.conf",
    "connman/resolv.conf",
    // Removable and remote file systems.
    "media",
    "mount",
];

/// Directories that exist to hold sockets.
pub(super) fn directories() -> Vec<Mask> {
    let mut paths = vec![
        PathBuf::from("/run"),
        PathBuf::from("/var/run"),
        PathBuf::from("/mnt/wslg"),
    ];
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
        paths.push(PathBuf::from(runtime));
    }
    let mut masks: Vec<Mask> = Vec::new();
    for path in paths {
        if !path.is_absolute() {
            continue;
        }
        let Ok(found) = follow(&path) else { continue };
        let known = masks.iter().any(|m| found.at.path.starts_with(&m.at.path));
        // A runtime directory in a temporary one is private with it.
        let temporary = ["/tmp", "/var/tmp"]
            .iter()
            .any(|t| found.at.path.starts_with(t));
        if known || temporary || !found.identity.is_dir() || found.at.path.parent().is_none() {
            continue;
        }
        let keep = if found.at.path == Path::new("/run") {
            RUN_KEPT
                .iter()
                .filter_map(|name| no_follow(&found.at.path.join(name)).ok().flatten())
                .collect()
        } else {
            Vec::new()
        };
        masks.push(Mask { at: found.at, keep });
    }
    masks
}

/// A file of /proc, which has no length before it is read: in few calls, of which each makes as much of it as asked for.
fn whole(path: &str) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::with_capacity(16 * 1024);
    std::fs::File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sockets bound elsewhere, as the kernel lists them for this network namespace.
///
/// # Errors
/// Why that list cannot be read.
pub(super) fn listening(
    masks: &[Mask],
    hidden: &[Hidden],
    granted: &[Located],
) -> std::io::Result<Vec<Located>> {
    let list = match whole("/proc/net/unix") {
        Ok(list) => list,
        // A kernel without unix sockets, or a machine without /proc, of which more is said elsewhere.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut sockets: Vec<Located> = Vec::new();
    for line in list.split(|b| *b == b'\n').skip(1) {
        // Num RefCount Protocol Flags Type St Inode Path; only what is bound has a path,
        // which starts with '/' or, in the abstract namespace, '@'.
        let Some(start) = line.windows(2).position(|w| w == b" /") else {
            continue;
        };
        let path = Path::new(OsStr::from_bytes(&line[start + 1..]));
        let covered = masks.iter().any(|m| {
            path.starts_with(&m.at.path) && !m.keep.iter().any(|k| path.starts_with(&k.path))
        }) || hidden
            .iter()
            .any(|h| path.starts_with(&h.mask.at.path) && h.mask.keep.is_empty())
            || granted.iter().any(|g| g.path == path)
            || path.starts_with("/var/run")
            || sockets.iter().any(|s| s.path == path);
        if covered {
            continue;
        }
        let Ok(Some(identity)) = object::identity_of(path) else {
            continue;
        };
        if identity.kind() != FileType::Socket {
            continue;
        }
        // The path is as it was bound; a mount takes the canonical one.
        if let Some(parent) = path.parent().and_then(|p| follow(p).ok())
            && let Some(name) = path.file_name()
        {
            sockets.push(located(parent.at.path.join(name), &identity));
        }
    }
    Ok(sockets)
}
