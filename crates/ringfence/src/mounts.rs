//! Where file systems are mounted, as this process sees it (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::careful;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Its number.
    id: u64,
    /// The file system, by the numbers of its device.
    device: Vec<u8>,
    /// What of it is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
    /// The type of the file system.
    kind: Vec<u8>,
    /// The directories that overlayfs shows in it, where they are said by whole paths.
    layers: Vec<PathBuf>,
}

/// Another place of the same files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// The mount that has them there.
    pub(crate) mount: u64,
    /// How it is known that they are the same, if nothing else is mounted over them.
    pub(crate) is: Is,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    /// It is that very file or directory.
    Same,
    /// It is a part of it.
    Part,
    /// overlayfs shows it, or a part of it, by numbers of its own.
    Layer,
    /// It is, or has, what is mounted in it.
    Within,
}

/// Every mount, in the order they were made.
pub(crate) fn all() -> io::Result<Vec<Mount>> {
    let mounts = careful::read(Path::new("/proc/self/mountinfo"), 16 * careful::SMALL)?;
    Ok(mounts
        .split(|byte| *byte == b'\n')
        .filter_map(mount)
        .collect())
}

/// One line of it. Names are bytes there, as everywhere.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let device = fields.nth(1)?.to_owned();
    let root = PathBuf::from(unescaped(fields.next()?));
    let point = PathBuf::from(unescaped(fields.next()?));
    let kind = fields
        .find(|field| *field == b"-")
        .and_then(|_| fields.next());
    let kind = kind.unwrap_or_default().to_owned();
    let layers = match kind.as_slice() {
        b"overlay" => fields.nth(1).map(layers).unwrap_or_default(),
        _ => Vec::new(),
    };
    Some(Mount {
        id,
        device,
        root,
        point,
        kind,
        layers,
    })
}

/// File systems by which the kernel is asked and told, beside `/proc`: in a write root they could be written.
const OF_THE_KERNEL: [&[u8]; 18] = [
    b"binfmt_misc",
    b"bpf",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"debugfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"fusectl",
    b"hugetlbfs",
    b"mqueue",
    b"pstore",
    b"rpc_pipefs",
    b"securityfs",
    b"selinuxfs",
    b"sysfs",
    b"tracefs",
];

/// Where a `/proc` is mounted beside the one that each ring has its own of, and in write roots what else is the kernel's.
pub(crate) fn of_the_kernel<'a>(
    mounts: &'a [Mount],
    roots: &'a [PathBuf],
) -> impl Iterator<Item = &'a Path> {
    let in_root = |mount: &Mount| roots.iter().any(|root| mount.point.starts_with(root));
    let places = mounts.iter().filter(move |mount| {
        let kind = mount.kind.as_slice();
        kind == b"proc" || OF_THE_KERNEL.contains(&kind) && in_root(mount)
    });
    let own = |point: &Path| {
        ["/proc", "/sys", "/dev"]
            .iter()
            .any(|own| point.starts_with(own))
    };
    places
        .map(|mount| mount.point.as_path())
        .filter(move |point| !own(point))
}

/// Where file systems in memory are mounted, in a directory or over it.
pub(crate) fn in_memory<'a>(mounts: &'a [Mount], dir: &'a Path) -> impl Iterator<Item = &'a Path> {
    let points = mounts.iter().filter(|mount| mount.kind == b"tmpfs");
    let points = points.map(|mount| mount.point.as_path());
    points.filter(move |point| point.starts_with(dir))
}

/// The directories that options of overlayfs name: `lowerdir=A:B,upperdir=C`, with `\` before what would end them.
fn layers(options: &[u8]) -> Vec<PathBuf> {
    let options = unescaped(options).into_vec();
    let mut all = Vec::new();
    let mut word = Vec::new();
    let mut named = false;
    let mut bytes = options.into_iter().chain([b',']);
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => word.extend(bytes.next()),
            b',' | b':' => {
                let path = PathBuf::from(OsString::from_vec(std::mem::take(&mut word)));
                if named && path.is_absolute() {
                    all.push(path);
                }
                named &= byte == b':';
            }
            b'=' if !named => {
                let key = std::mem::take(&mut word);
                let keys: [&[u8]; 4] = [b"lowerdir", b"lowerdir+", b"datadir+", b"upperdir"];
                named = keys.contains(&key.as_slice());
            }
            _ => word.push(byte),
        }
    }
    all
}

/// Every mount point.
pub(crate) fn points() -> io::Result<Vec<PathBuf>> {
    Ok(all()?.into_iter().map(|mount| mount.point).collect())
}

/// The number of the mount that a path leads to, where the kernel says it (Linux 5.8).
pub(crate) fn id_of(path: &Path) -> Option<u64> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = statx(CWD, path, flags, StatxFlags::MNT_ID).ok()?;
    let told = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    told.then_some(stat.stx_mnt_id)
}

/// Where else what has a canonical path, or a part of it, is mounted. `id` is its mount's, where that is known.
pub(crate) fn elsewhere(mounts: &[Mount], path: &Path, id: Option<u64>) -> Vec<Place> {
    let lies_in = |mount: &&Mount| path.starts_with(&mount.point);
    let own = match mounts.iter().find(|mount| Some(mount.id) == id) {
        Some(own) => Some(own).filter(lies_in),
        // Of two in one place the later covers the other.
        None => mounts
            .iter()
            .filter(lies_in)
            .max_by_key(|mount| mount.point.components().count()),
    };
    let mut all = Vec::new();
    if let Some(own) = own
        && let Ok(below) = path.strip_prefix(&own.point)
    {
        let inner = joined(&own.root, below);
        same_files(mounts, own, &inner, Is::Same, Is::Part, &mut all);
    }
    let within = |mount: &&Mount| mount.point != path && mount.point.starts_with(path);
    for inside in mounts.iter().filter(within) {
        same_files(
            mounts,
            inside,
            &inside.root,
            Is::Within,
            Is::Within,
            &mut all,
        );
    }
    for mount in mounts.iter().filter(|mount| !mount.layers.is_empty()) {
        for layer in &mount.layers {
            let shown = if let Ok(below) = path.strip_prefix(layer) {
                joined(&mount.point, below)
            } else if layer.starts_with(path) {
                mount.point.clone()
            } else {
                continue;
            };
            all.push(Place {
                path: shown,
                mount: mount.id,
                is: Is::Layer,
            });
        }
    }
    all.retain(|place| place.path != path);
    all
}

/// Where else what lies at `inner` in the file system of `own` is mounted, or a part of it.
fn same_files(mounts: &[Mount], own: &Mount, inner: &Path, is: Is, part: Is, all: &mut Vec<Place>) {
    let others = mounts
        .iter()
        .filter(|mount| mount.device == own.device && mount.id != own.id);
    all.extend(others.filter_map(|mount| {
        let (path, is) = match inner.strip_prefix(&mount.root) {
            Ok(below) => (joined(&mount.point, below), is),
            Err(_) if mount.root.starts_with(inner) => (mount.point.clone(), part),
            Err(_) => return None,
        };
        Some(Place {
            path,
            mount: mount.id,
            is,
        })
    }));
}

/// Without a slash at the end for nothing.
fn joined(dir: &Path, below: &Path) -> PathBuf {
    match below.as_os_str().is_empty() {
        true => dir.to_owned(),
        false => dir.join(below),
    }
}

/// Spaces and the like are written in octal there.
fn unescaped(text: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
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

    fn read(lines: &[&str]) -> Vec<Mount> {
        lines
            .iter()
            .filter_map(|line| mount(line.as_bytes()))
            .collect()
    }

    fn places(mounts: &[Mount], path: &str, id: Option<u64>) -> Vec<(String, Is)> {
        let text = |place: Place| (place.path.display().to_string(), place.is);
        elsewhere(mounts, Path::new(path), id)
            .into_iter()
            .map(text)
            .collect()
    }

    fn place(path: &str, is: Is) -> (String, Is) {
        (path.to_owned(), is)
    }

    #[test]
    fn other_places_of_the_same_files_are_known() {
        let mounts = read(&[
            "27 1 254:0 / / rw - ext4 /dev/vda rw",
            "30 27 0:30 / /home rw - tmpfs tmpfs rw",
            r"31 27 254:0 /srv/home /home rw - ext4 /dev/vda rw",
            r"32 27 254:0 / /mnt/a\040b rw shared:1 - ext4 /dev/vda rw",
            "33 27 254:0 /srv/home/ada/.ssh/keys /keys rw - ext4 /dev/vda rw",
            "34 27 0:31 /srv/home /other rw - tmpfs tmpfs rw",
        ]);
        let same = |path| place(path, Is::Same);
        let all = [
            same("/srv/home/ada/.ssh"),
            same("/mnt/a b/srv/home/ada/.ssh"),
            place("/keys", Is::Part),
        ];
        for id in [None, Some(31)] {
            assert_eq!(places(&mounts, "/home/ada/.ssh", id), all);
        }
        assert_eq!(
            places(&mounts, "/etc/shadow", None),
            [same("/mnt/a b/etc/shadow")]
        );
        assert_eq!(places(&mounts[..3], "/etc", None), []);
    }

    #[test]
    fn what_is_shadowed_is_not_taken_for_what_is_there() {
        let mounts = read(&[
            "27 1 254:0 / / rw - ext4 /dev/vda rw",
            "30 27 0:30 / /home/ada rw - tmpfs tmpfs rw",
            "31 27 254:0 /srv/home /home rw - ext4 /dev/vda rw",
        ]);
        let there = [place("/srv/home/ada/.ssh", Is::Same)];
        assert_eq!(places(&mounts, "/home/ada/.ssh", Some(31)), there);
    }

    #[test]
    fn what_is_mounted_in_it_is_looked_for_as_well() {
        let mounts = read(&[
            "27 1 254:0 / / rw - ext4 /dev/vda rw",
            "30 27 254:0 /srv/k /home/ada/.ssh/sub rw - ext4 /dev/vda rw",
        ]);
        assert_eq!(
            places(&mounts, "/home/ada/.ssh", Some(27)),
            [place("/srv/k", Is::Within)]
        );
    }

    #[test]
    fn layers_show_what_lies_in_them() {
        let mounts = read(&[
            "27 1 254:0 / / rw - ext4 /dev/vda rw",
            r"30 27 0:40 / /mnt/seen rw - overlay overlay rw,lowerdir=/a\134:b:/home,upperdir=/up\134,x,workdir=/home",
            "31 27 0:41 / /mnt/part rw - overlay overlay rw,lowerdir+=/home/ada/.ssh/keys,lowerdir+=/x",
            "32 27 0:42 / /mnt/l rw - overlay overlay rw,lowerdir=l/ABC",
        ]);
        let layers = |at: usize| mounts.get(at).unwrap().layers.clone();
        assert_eq!(layers(1), ["/a:b", "/home", "/up,x"].map(PathBuf::from));
        assert_eq!(layers(3), [] as [PathBuf; 0]);
        assert_eq!(
            places(&mounts, "/home/ada/.ssh", Some(27)),
            [
                place("/mnt/seen/ada/.ssh", Is::Layer),
                place("/mnt/part", Is::Layer)
            ]
        );
    }

    #[test]
    fn mount_points_are_read_as_they_are() {
        assert_eq!(unescaped(br"/a\040b\134c\9"), r"/a b\c\9");
        let line = b"30 27 0:30 / /a\xff rw - tmpfs tmpfs rw";
        let odd = PathBuf::from(OsString::from_vec(b"/a\xff".to_vec()));
        assert_eq!(mount(line).unwrap().point, odd);
        assert!(points().unwrap().contains(&PathBuf::from("/proc")));
        let own = all()
            .unwrap()
            .into_iter()
            .find(|mount| Some(mount.id) == id_of(Path::new("/proc")));
        assert!(own.is_none_or(|own| own.point == Path::new("/proc")));
    }
}
