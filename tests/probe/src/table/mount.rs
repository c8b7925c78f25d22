//! Mounts, roots and namespaces.

use super::place::{path, write};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, kernel, mounts, namespaces, namespaces::Namespaces};
use std::fs::{self, File};
use std::io;
use std::path::Path;

const fn mount(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Mount, "privileges", what, attempt)
        .with(argument)
        .needs(&[Need::Root])
}

const fn namespace(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Namespace, "syscalls", what, attempt).with(argument)
}

pub(super) const ROWS: &[Row] = &[
    mount("mount.tmpfs", "mount a tmpfs", tmpfs, ""),
    mount(
        "mount.tmpfs-inside",
        "mount a tmpfs over a protected path",
        tmpfs_at,
        "ws:.git/hooks",
    ),
    mount("mount.proc", "mount a procfs", proc, ""),
    mount("mount.bind", "bind a directory", bind, ""),
    mount(
        "mount.remount-root",
        "make / writable and write outside",
        remount,
        "/",
    ),
    mount(
        "mount.remount-home",
        "make the home writable",
        remount,
        "home:",
    ),
    mount(
        "mount.remount-superblock",
        "make the whole filesystem writable",
        remount_superblock,
        "",
    ),
    mount(
        "mount.remount-sys",
        "make /proc/sys writable",
        remount_any,
        "/proc/sys",
    ),
    mount(
        "mount.unmount-hooks",
        "take the protection off the hooks",
        unmount,
        "ws:.git/hooks",
    ),
    mount(
        "mount.unmount-git",
        "take the protection off .git",
        unmount,
        "ws:.git",
    ),
    mount(
        "mount.unmount-tmp",
        "take the private /tmp off",
        unmount,
        "/tmp",
    ),
    mount("mount.unmount-root", "take / itself off", unmount_kept, "/"),
    mount("mount.move", "move a mount", move_mount, ""),
    mount(
        "mount.clone-tree",
        "clone a mount and put it elsewhere",
        clone_tree,
        "/",
    ),
    mount("mount.fsopen", "open a new filesystem", fsopen, ""),
    mount(
        "mount.setattr",
        "clear read-only by mount_setattr",
        setattr,
        "",
    ),
    mount("mount.pivot", "change the root mount", pivot, ""),
    mount("mount.chroot", "change the root directory", chroot, ""),
    namespace("ns.user", "unshare a user namespace", unshare_user, ""),
    namespace(
        "ns.user-clone",
        "clone into a user namespace",
        clone_user,
        "",
    ),
    namespace(
        "ns.user-clone3",
        "clone3 into a user namespace",
        clone3_user,
        "",
    ),
    namespace(
        "ns.user-compat",
        "unshare a user namespace by the 32-bit entry",
        compat_user,
        "",
    )
    .may_die()
    .needs(&[Need::X86]),
    namespace(
        "ns.nested-mount",
        "mount in a user namespace of one's own",
        nested_mount,
        "",
    ),
    namespace(
        "ns.nested-remount",
        "make / writable from a user namespace of one's own",
        nested_remount,
        "",
    ),
    namespace("ns.mount", "unshare mounts", unshare, "mnt").needs(&[Need::Root]),
    namespace("ns.net", "unshare the network", unshare, "net").needs(&[Need::Root]),
    namespace("ns.pid", "unshare process ids", unshare, "pid").needs(&[Need::Root]),
    namespace("ns.ipc", "unshare IPC", unshare, "ipc").needs(&[Need::Root]),
    namespace("ns.uts", "unshare the host name", unshare, "uts").needs(&[Need::Root]),
    namespace("ns.cgroup", "unshare control groups", unshare, "cgroup").needs(&[Need::Root]),
    namespace("ns.enter-mount", "enter pid 1's mounts", enter, "mnt").needs(&[Need::Root]),
    namespace("ns.enter-net", "enter pid 1's network", enter, "net").needs(&[Need::Root]),
    namespace("ns.enter-ipc", "enter pid 1's IPC", enter, "ipc").needs(&[Need::Root]),
    namespace("ns.enter-uts", "enter pid 1's host name", enter, "uts").needs(&[Need::Root]),
    namespace("ns.enter-pid", "enter pid 1's process ids", enter, "pid").needs(&[Need::Root]),
    namespace(
        "ns.victim-mount",
        "enter another process's mounts",
        enter_victim,
        "mnt",
    )
    .needs(&[Need::Root]),
    namespace(
        "ns.victim-net",
        "enter another process's network",
        enter_victim,
        "net",
    )
    .needs(&[Need::Root]),
    namespace(
        "ns.victim-ipc",
        "enter another process's IPC",
        enter_victim,
        "ipc",
    )
    .needs(&[Need::Root]),
    namespace(
        "ns.victim-uts",
        "enter another process's host name",
        enter_victim,
        "uts",
    )
    .needs(&[Need::Root]),
    namespace(
        "ns.victim-pid",
        "enter another process's process ids",
        enter_victim,
        "pid",
    )
    .needs(&[Need::Root]),
    namespace(
        "ns.victim-cgroup",
        "enter another process's control groups",
        enter_victim,
        "cgroup",
    )
    .needs(&[Need::Root]),
    namespace(
        "ns.parent-mount",
        "enter the parent's mounts",
        enter_parent,
        "mnt",
    )
    .needs(&[Need::Root]),
    namespace(
        "ns.parent-net",
        "enter the parent's network",
        enter_parent,
        "net",
    )
    .needs(&[Need::Root]),
];

/// No such call here, or no more namespaces of the kind: both are walls.
const WALLS: &[i32] = &[errno::ENOSYS, errno::ENOSPC];

/// On the control run, puts this process in mounts of its own, so that nothing reaches the host's. In a ring it
/// fails, which is as well.
pub(super) fn apart() {
    let _ = namespaces::unshare(Namespaces::MOUNT).and_then(|()| mounts::make_private());
}

fn spot(facts: &Facts) -> std::path::PathBuf {
    facts.outside.join("mnt")
}

fn tmpfs(facts: &Facts, _: &'static str) -> Tried {
    apart();
    Tried::of(mounts::mount_tmpfs(&spot(facts)), WALLS)
}

fn tmpfs_at(facts: &Facts, argument: &'static str) -> Tried {
    apart();
    Tried::of(mounts::mount_tmpfs(&path(facts, argument)), WALLS)
}

fn proc(facts: &Facts, _: &'static str) -> Tried {
    apart();
    Tried::of(mounts::mount_proc(&spot(facts)), WALLS)
}

fn bind(facts: &Facts, _: &'static str) -> Tried {
    apart();
    Tried::of(mounts::bind(&facts.outside, &spot(facts)), WALLS)
}

/// Remounts, then writes outside: the remount alone may be of a mount that guards nothing.
fn remount(facts: &Facts, argument: &'static str) -> Tried {
    apart();
    let place = path(facts, argument);
    // Outside, a directory need not be a mount point of its own (`EINVAL`): make it one.
    if argument != "/" {
        let _ = mounts::bind(&place, &place);
    }
    let written =
        mounts::remount_writable(&place).and_then(|()| write(&facts.outside.join("file.txt")));
    Tried::of(written, &[errno::ENOSYS, errno::EINVAL])
}

fn remount_any(_: &Facts, argument: &'static str) -> Tried {
    apart();
    let place = Path::new(argument);
    let _ = mounts::bind(place, place);
    Tried::of(
        mounts::remount_writable(place),
        &[errno::ENOSYS, errno::EINVAL],
    )
}

/// A tmpfs of our own on the control run, so that the host's superblock is not touched.
fn remount_superblock(facts: &Facts, _: &'static str) -> Tried {
    apart();
    let target = match mounts::mount_tmpfs(&spot(facts)) {
        Ok(()) => spot(facts),
        Err(_) => Path::new("/").to_owned(),
    };
    Tried::of(mounts::remount_superblock(&target), WALLS)
}

fn unmount(facts: &Facts, argument: &'static str) -> Tried {
    apart();
    Tried::gate(
        mounts::unmount(&path(facts, argument), true),
        &[errno::EINVAL],
        WALLS,
    )
}

/// Not lazily: the root is busy, which is said only after the check of privilege.
fn unmount_kept(_: &Facts, argument: &'static str) -> Tried {
    apart();
    Tried::gate(
        mounts::unmount(Path::new(argument), false),
        &[errno::EBUSY, errno::EINVAL],
        WALLS,
    )
}

fn move_mount(facts: &Facts, _: &'static str) -> Tried {
    apart();
    // What is not a mount point cannot be moved, which is said only after the check of privilege.
    Tried::gate(
        mounts::move_mount(&facts.outside.join("empty"), &spot(facts)),
        &[errno::EINVAL],
        WALLS,
    )
}

fn clone_tree(facts: &Facts, argument: &'static str) -> Tried {
    apart();
    let attached =
        mounts::clone_tree(Path::new(argument)).and_then(|tree| mounts::attach(tree, &spot(facts)));
    Tried::of(attached, WALLS)
}

fn fsopen(_: &Facts, _: &'static str) -> Tried {
    Tried::of(mounts::open_filesystem("tmpfs"), WALLS)
}

fn setattr(_: &Facts, _: &'static str) -> Tried {
    apart();
    Tried::of(mounts::clear_read_only(Path::new("/")), WALLS)
}

fn pivot(facts: &Facts, _: &'static str) -> Tried {
    apart();
    Tried::gate(
        mounts::pivot_root(&facts.outside, &facts.outside),
        &[errno::EINVAL, errno::EBUSY],
        WALLS,
    )
}

fn chroot(facts: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::change_root(&facts.outside), WALLS)
}

fn unshare_user(_: &Facts, _: &'static str) -> Tried {
    Tried::of(namespaces::unshare(Namespaces::USER), WALLS)
}

fn clone_user(_: &Facts, _: &'static str) -> Tried {
    Tried::of(namespaces::clone_child(Namespaces::USER), WALLS)
}

fn clone3_user(_: &Facts, _: &'static str) -> Tried {
    Tried::of(namespaces::clone3_child(Namespaces::USER), WALLS)
}

fn compat_user(_: &Facts, _: &'static str) -> Tried {
    Tried::of(namespaces::unshare_user_compat(), WALLS)
}

fn nested_mount(facts: &Facts, _: &'static str) -> Tried {
    let mounted = namespaces::unshare(Namespaces::USER.and(Namespaces::MOUNT))
        .and_then(|()| mounts::mount_tmpfs(&spot(facts)));
    Tried::of(mounted, WALLS)
}

fn nested_remount(facts: &Facts, _: &'static str) -> Tried {
    if let Err(error) = namespaces::unshare(Namespaces::USER.and(Namespaces::MOUNT)) {
        return Tried::failed(&error, WALLS);
    }
    // Flags the outer namespace locked cannot be taken off; whether they were is seen by the write.
    let _ = mounts::remount_writable(Path::new("/"));
    let _ = mounts::clear_read_only(Path::new("/"));
    Tried::of(write(&facts.outside.join("file.txt")), WALLS)
}

fn kind(name: &str) -> Namespaces {
    match name {
        "mnt" => Namespaces::MOUNT,
        "net" => Namespaces::NET,
        "pid" => Namespaces::PID,
        "ipc" => Namespaces::IPC,
        "uts" => Namespaces::UTS,
        _ => Namespaces::CGROUP,
    }
}

fn unshare(_: &Facts, argument: &'static str) -> Tried {
    Tried::of(namespaces::unshare(kind(argument)), WALLS)
}

fn enter_of(process: u32, argument: &'static str) -> Tried {
    // On the control run one must first be elsewhere, for entering to mean anything.
    let _ = namespaces::unshare(kind(argument));
    let theirs = format!("/proc/{process}/ns/{argument}");
    let mine = if argument == "pid" {
        "/proc/self/ns/pid_for_children".to_owned()
    } else {
        format!("/proc/self/ns/{argument}")
    };
    let link = |path: &str| -> io::Result<_> { fs::read_link(path) };
    match (link(&theirs), link(&mine)) {
        (Ok(theirs), Ok(mine)) if theirs == mine => Tried::denied("it is the namespace one is in"),
        _ => Tried::of(
            File::open(&theirs).and_then(|file| namespaces::enter(file, kind(argument))),
            WALLS,
        ),
    }
}

fn enter(_: &Facts, argument: &'static str) -> Tried {
    enter_of(1, argument)
}

fn enter_victim(facts: &Facts, argument: &'static str) -> Tried {
    super::process::with_victim(facts, |pid| enter_of(pid.unsigned_abs(), argument))
}

fn enter_parent(_: &Facts, argument: &'static str) -> Tried {
    match std::os::unix::process::parent_id() {
        0 => Tried::denied("the parent cannot be seen"),
        parent => enter_of(parent, argument),
    }
}
