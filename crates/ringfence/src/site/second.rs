//! Second places of what a ring has its own of, or covers: the kernel's file systems (a chroot's `/proc`), and directories of
//! sockets that are mounted once more.

use std::path::{Path, PathBuf};

use ringfence_ops::linux::{Located, Mask};
use ringfence_plan::{Hidden, SecondPlace, promise};
use ringfence_sys_linux::object;
use rustix::fs::FileType;

use crate::locate::located;
use crate::mounts::{self, Is, Mount};

pub(super) fn places(
    mounts: &[Mount],
    roots: &[PathBuf],
    socket_dirs: &[Mask],
    hidden: &[Hidden],
) -> (Vec<SecondPlace>, Vec<Located>) {
    let mut all: Vec<SecondPlace> = Vec::new();
    let mut sockets = Vec::new();
    let mut add = |path: &Path, of: Option<u64>, promise| {
        let Ok(Some(identity)) = object::identity_of(path) else {
            return;
        };
        // Where another is mounted over it by now, it is not there any more.
        let seen = mounts::id_of(path);
        if seen.is_some() && of.is_some() && seen != of {
            return;
        }
        let at = located(path.to_owned(), &identity);
        match identity.kind() {
            FileType::Directory => {
                let keep = Vec::new();
                let mask = Mask { at, keep };
                all.push(SecondPlace { mask, promise });
            }
            FileType::Socket => sockets.push(at),
            // A file of /run that is read elsewhere (/etc/resolv.conf).
            _ => {}
        }
    };
    for point in mounts::of_the_kernel(mounts, roots) {
        add(point, None, promise::PROC);
    }
    for dir in socket_dirs {
        let dir = &dir.at.path;
        // Each file system in it that may have sockets: `/run/user/1000` is one of its own.
        let inside = mounts::in_memory(mounts, dir);
        for from in inside.chain([dir.as_path()]) {
            for place in mounts::elsewhere(mounts, from, mounts::id_of(from)) {
                if matches!(place.is, Is::Same | Is::Part) {
                    add(&place.path, Some(place.mount), promise::SOCKETS);
                }
            }
        }
    }
    // What is not to be seen by its own name is not covered once more, and what the work lies in is not covered.
    let stays = |path: &Path| {
        socket_dirs.iter().any(|dir| path.starts_with(&dir.at.path))
            || hidden
                .iter()
                .any(|hidden| path.starts_with(&hidden.mask.at.path))
            || roots.iter().any(|root| root.starts_with(path))
    };
    all.retain(|place| !stays(&place.mask.at.path));
    sockets.retain(|socket: &Located| !stays(&socket.path));
    all.sort_by(|a, b| a.mask.at.path.cmp(&b.mask.at.path));
    all.dedup_by(|inner, outer| inner.mask.at.path.starts_with(&outer.mask.at.path));
    (all, sockets)
}
