//! Hidden entries that exist, and are not out of reach anyway.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_ops::linux::{Located, Mask};
use ringfence_plan::{Doubt, Guarded, Hidden, promise};
use ringfence_policy::Effective;
use ringfence_sys_linux::object::{self, Identity};
use ringfence_sys_linux::{SysError, listing};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::error::Error;
use crate::locate::{follow, located, no_follow, too_few_files, trail};
use crate::mounts::{self, Is, Mount, Place};

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

/// Where the work goes on.
pub(super) struct Ground<'a> {
    pub(super) home: Option<&'a Path>,
    pub(super) roots: &'a [PathBuf],
    pub(super) mounts: &'a [Mount],
    /// Of these none is hidden, nor what it lies in, because a link leads there.
    pub(super) places: [&'a Path; 3],
}

impl Ground<'_> {
    /// The directories between the write root a path lies in and it.
    fn between(&self, path: &Path) -> Vec<Located> {
        let Some(root) = self.roots.iter().find(|root| path.starts_with(root)) else {
            return Vec::new();
        };
        let below = path
            .ancestors()
            .skip(1)
            .take_while(|up| *up != root.as_path());
        let mut dirs: Vec<&Path> = below.filter(|up| up.starts_with(root)).collect();
        dirs.reverse();
        let at = |dir: &Path| Some(located(dir, &object::identity_of(dir).ok().flatten()?));
        dirs.into_iter().filter_map(at).collect()
    }

    /// Links in write roots on the way to what is hidden: without one of them the rest would not be known to be.
    fn links(&self, path: &Path, leads: &Path) -> Vec<Guarded> {
        if path == leads {
            return Vec::new();
        }
        let links = trail(path).map(|trail| trail.links).unwrap_or_default();
        let in_root = |link: &&PathBuf| self.roots.iter().any(|root| link.starts_with(root));
        let guard = |link: &PathBuf| {
            let identity = object::identity_of(link).ok().flatten()?;
            Some(Guarded {
                pins: self.between(link),
                object: located(link.clone(), &identity),
                promise: promise::HIDE,
            })
        };
        links.iter().filter(in_root).filter_map(guard).collect()
    }

    /// Whether what a link in a hidden directory leads to is hidden with it: what is the person's own, or closed to
    /// others. What everybody may read anyway (`~/.config/tool/run -> /usr/bin/tool`) is no secret and may be needed, and a
    /// write root is where the work goes on: in it what a repository has is left, a key or a directory of keys is not.
    fn secret(&self, path: &Path, identity: &Identity) -> bool {
        if self.stays(path, identity) {
            return false;
        }
        let mode = identity.mode;
        if self.roots.iter().any(|root| path.starts_with(root)) {
            return mode & 0o077 == 0;
        }
        self.home.is_some_and(|home| path.starts_with(home)) || mode & 0o004 == 0
    }

    /// Whether what is no secret by its own name is left in any case: a ring's own, what the work or the home lies in, what is
    /// neither file nor directory.
    fn stays(&self, path: &Path, identity: &Identity) -> bool {
        let kind = identity.kind();
        let above = |place: &Path| place.starts_with(path);
        let own = ["/proc", "/sys", "/dev"];
        !matches!(kind, FileType::RegularFile | FileType::Directory)
            || own.iter().any(|own| path.starts_with(own))
            || self.places.iter().any(|place| above(place))
            || self.home.is_some_and(above)
            || self.roots.iter().any(|root| above(root))
    }
}

/// What links in hidden directories lead to.
#[derive(Default)]
struct Led {
    found: usize,
    /// What was not looked at.
    beyond: Option<PathBuf>,
}

impl Led {
    /// Names of a directory that are looked at.
    const NAMES: usize = 4096;
    /// Links that are followed, of all directories.
    const LINKS: usize = 256;

    /// Of the links in a hidden directory, what they lead to; each with the link. A link that leads nowhere, or where this
    /// user cannot look, leads no child of theirs anywhere.
    fn of(
        &mut self,
        dir: &Located,
        keep: &[Located],
        ground: &Ground<'_>,
    ) -> Result<Vec<(PathBuf, Located)>, SysError> {
        let mut all = Vec::new();
        let Ok(entries) = listing::entries(&dir.path) else {
            return Ok(all);
        };
        for (count, entry) in entries.enumerate() {
            let Ok(entry) = entry else { break };
            if !matches!(entry.kind, FileType::Symlink | FileType::Unknown) {
                continue;
            }
            if count >= Led::NAMES || self.found >= Led::LINKS {
                self.beyond.get_or_insert_with(|| dir.path.clone());
                break;
            }
            let link = dir.path.join(&entry.name);
            if keep.iter().any(|kept| kept.path == link) {
                continue;
            }
            let found = match follow(&link) {
                Ok(found) if found.at.path == link => continue,
                Ok(found) => found,
                Err(error) if too_few_files(error) => return Err(error),
                Err(_) => continue,
            };
            self.found += 1;
            if ground.secret(&found.at.path, &found.identity) {
                all.push((link, found.at));
            }
        }
        Ok(all)
    }
}

/// Adds the other places where what is hidden is mounted (`mount --bind`, another mount of the file system above).
fn mounted_elsewhere(all: &mut Vec<Hidden>, ground: &Ground<'_>) {
    let mounts = ground.mounts;
    let mut more: Vec<Hidden> = Vec::new();
    for hidden in all.iter() {
        let from = &hidden.mask.at;
        let places = mounts::elsewhere(mounts, &from.path, mounts::id_of(&from.path));
        let places: Vec<(Place, Identity)> = places
            .into_iter()
            .filter_map(|place| {
                let identity = object::identity_of(&place.path).ok()??;
                // Another may be mounted over it.
                let seen = mounts::id_of(&place.path).is_none_or(|id| id == place.mount);
                seen.then_some((place, identity))
            })
            .collect();
        // What is mounted in it may be anything: a tree that is tried out, with the system's /dev. By one of its names it is a secret.
        let secret = |identity: &Identity| {
            let is =
                |other: &Identity| (other.device, other.inode) == (identity.device, identity.inode);
            let mut all = places.iter();
            all.any(|(place, other)| is(other) && ground.secret(&place.path, other))
        };
        for (place, identity) in &places {
            let covers = |other: &Hidden| place.path.starts_with(&other.mask.at.path);
            if all.iter().chain(&more).any(covers) {
                continue;
            }
            let same = (identity.device, identity.inode) == (from.device, from.inode);
            let there = match place.is {
                Is::Same => same,
                Is::Part | Is::Layer => true,
                Is::Within => !ground.stays(&place.path, identity) && secret(identity),
            };
            if !there {
                continue;
            }
            let place = &place.path;
            let keep = hidden.mask.keep.iter().filter_map(|kept| {
                let kept = place.join(kept.path.strip_prefix(&from.path).ok()?);
                no_follow(&kept).ok().flatten()
            });
            more.push(Hidden {
                pins: ground.between(place),
                mask: Mask {
                    keep: keep.filter(|_| same).collect(),
                    at: located(place.clone(), identity),
                },
                name: hidden.name.clone(),
                link: hidden.link.clone(),
            });
        }
    }
    all.append(&mut more);
    all.sort_by(|a, b| a.mask.at.path.cmp(&b.mask.at.path));
}

pub(super) fn hidden(
    policy: &Effective,
    home: Option<&Path>,
    ground: &Ground<'_>,
    doubts: &mut Vec<Doubt>,
    guarded: &mut Vec<Guarded>,
) -> Result<Vec<Hidden>, Error> {
    let mut led = Led::default();
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
        let mut place = at;
        if !place.dir {
            // A link is no place to mount on: what it leads to is hidden.
            match follow(&hide.path) {
                Ok(found) => place = found.at,
                Err(e) if e.errno == Errno::NOENT.raw_os_error() => continue,
                Err(e) => return Err(fail(e)),
            }
        }
        if place.path.starts_with("/proc")
            || place.path == Path::new("/dev")
            || place.path == Path::new("/")
        {
            return Err(Error::HidesOwn {
                path: hide.path.clone(),
                origin: entry.origin.to_string(),
            });
        }
        // Each place, and what links in it lead to, which may be a directory with links.
        let mut places = vec![(None, place)];
        while let Some((link, at)) = places.pop() {
            guarded.extend(ground.links(link.as_deref().unwrap_or(&hide.path), &at.path));
            if out_of_reach(&at, root) || all.iter().any(|h| h.mask.at == at && link.is_some()) {
                continue;
            }
            let keep: Vec<Located> = match &link {
                None => hide
                    .except
                    .iter()
                    .filter_map(|name| no_follow(&at.path.join(name)).ok().flatten())
                    .collect(),
                Some(_) => Vec::new(),
            };
            // Ringfence's own has no links in it.
            if at.dir && hide.name != "hide.ringfence" {
                let found = led.of(&at, &keep, ground).map_err(fail)?;
                places.extend(found.into_iter().map(|(link, at)| (Some(link), at)));
            }
            all.push(Hidden {
                pins: ground.between(&at.path),
                mask: Mask { at, keep },
                name: hide.name.clone(),
                link,
            });
        }
    }
    if let Some(dir) = led.beyond {
        doubts.push(Doubt {
            promise: promise::HIDE,
            what: format!(
                "{}: more links than are followed; what the rest lead to is not hidden",
                dir.display()
            ),
            refused: false,
        });
    }
    // What lies in another hidden place is hidden with it.
    all.sort_by(|a, b| {
        let order = |h: &Hidden| h.link.is_some();
        (&a.mask.at.path, order(a)).cmp(&(&b.mask.at.path, order(b)))
    });
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
    mounted_elsewhere(&mut outermost, ground);
    Ok(outermost)
}
