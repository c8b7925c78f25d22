//! Hidden entries that exist, and are not out of reach anyway.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_ops::linux::{Located, Mask};
use ringfence_plan::Hidden;
use ringfence_policy::Effective;
use ringfence_sys_linux::{listing, object};
use rustix::io::Errno;

use crate::error::Error;
use crate::locate::{follow, no_follow};

/// Names in the directories most hidden entries lie in. A default policy has well over a
/// hundred entries and a home a handful of them: three listings are cheaper than asking
/// for each.
struct Listings {
    dirs: Vec<(PathBuf, BTreeSet<OsString>)>,
}

impl Listings {
    /// A directory with more names is not listed but asked for each.
    const MOST: usize = 2000;

    fn new(home: Option<&Path>) -> Listings {
        let Some(home) = home else {
            return Listings { dirs: Vec::new() };
        };
        let dirs = ["", ".config", ".local/share"]
            .iter()
            .filter_map(|name| {
                let dir = if name.is_empty() {
                    home.to_owned()
                } else {
                    home.join(name)
                };
                let entries = match listing::entries(&dir) {
                    Ok(entries) => entries,
                    // Nothing is in it, then.
                    Err(Errno::NOENT) => return Some((dir, BTreeSet::new())),
                    Err(_) => return None,
                };
                let names: BTreeSet<OsString> = entries
                    .take(Listings::MOST)
                    .map(|e| e.map(|e| e.name))
                    .collect::<Result<_, _>>()
                    .ok()?;
                (names.len() < Listings::MOST).then_some((dir, names))
            })
            .collect();
        Listings { dirs }
    }

    /// Whether a path is known not to exist.
    fn lack(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_bytes();
        self.dirs.iter().any(|(dir, names)| {
            // By bytes, a tenth of what components cost; a path written otherwise is asked for.
            let below = path.strip_prefix(dir.as_os_str().as_bytes());
            let Some(below) = below.and_then(|below| below.strip_prefix(b"/")) else {
                return false;
            };
            match below.split(|b| *b == b'/').next() {
                None | Some(b"" | b"." | b"..") => false,
                Some(first) => !names.contains(OsStr::from_bytes(first)),
            }
        })
    }
}

/// Whether a path is of no use to the caller, and so to no child: another user's, and
/// its modes refuse reading and entering it.
fn out_of_reach(at: &Located, root: bool) -> bool {
    use rustix::fs::Access;
    let refused = |access| rustix::fs::access(&at.path, access) == Err(Errno::ACCESS);
    // Root without capabilities is bounded by modes that root with them is not asked for.
    !root
        && refused(Access::READ_OK)
        && (!at.dir || refused(Access::EXEC_OK))
        && object::identity_of(&at.path)
            .is_ok_and(|i| i.is_some_and(|i| i.uid != rustix::process::geteuid().as_raw()))
}

pub(super) fn hidden(policy: &Effective, home: Option<&Path>) -> Result<Vec<Hidden>, Error> {
    let listings = Listings::new(home);
    let root = rustix::process::geteuid().is_root();
    let mut all: Vec<Hidden> = Vec::new();
    for entry in &policy.hide {
        let hide = &entry.value;
        if listings.lack(&hide.path) {
            continue;
        }
        let fail = |error| Error::Path {
            path: hide.path.clone(),
            origin: entry.origin.to_string(),
            error,
        };
        let at = match no_follow(&hide.path) {
            Ok(Some(at)) => at,
            Ok(None) => continue,
            // What this user cannot even look at, no child of theirs can read.
            Err(e) if e.errno == Errno::ACCESS.raw_os_error() => continue,
            Err(e) => return Err(fail(e)),
        };
        let mut places = vec![at.clone()];
        if !at.dir {
            // A link is no place to mount on: what it leads to is hidden.
            match follow(&hide.path) {
                Ok(found) if found.at.path != at.path => places = vec![found.at],
                Ok(_) => {}
                Err(e) if e.errno == Errno::NOENT.raw_os_error() => continue,
                Err(e) => return Err(fail(e)),
            }
        }
        for at in places {
            if at.path.starts_with("/proc")
                || at.path == Path::new("/dev")
                || at.path == Path::new("/")
            {
                return Err(Error::HidesOwn {
                    path: hide.path.clone(),
                    origin: entry.origin.to_string(),
                });
            }
            if out_of_reach(&at, root) {
                continue;
            }
            let keep = hide
                .except
                .iter()
                .filter_map(|name| no_follow(&at.path.join(name)).ok().flatten())
                .collect();
            all.push(Hidden {
                mask: Mask { at, keep },
                name: hide.name.clone(),
            });
        }
    }
    // What lies in another hidden place is hidden with it.
    all.sort_by(|a, b| a.mask.at.path.cmp(&b.mask.at.path));
    let mut outermost: Vec<Hidden> = Vec::new();
    for hidden in all {
        let covered = outermost.iter().any(|o| {
            hidden.mask.at.path.starts_with(&o.mask.at.path)
                && !o
                    .mask
                    .keep
                    .iter()
                    .any(|k| hidden.mask.at.path.starts_with(&k.path))
        });
        if !covered {
            outermost.push(hidden);
        }
    }
    Ok(outermost)
}
