//! Devices and terminals.

use super::place::path;
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row, Stdin};
use ringfence_sys_linux::attempt::{errno, files, terminal};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Device, "devices", what, attempt)
}

const fn open_row(name: &'static str, argument: &'static str) -> Row {
    row(name, "open a device", open).with(argument)
}

const ROOT: &[Need] = &[Need::Root];

pub(super) const ROWS: &[Row] = &[
    row("device.mknod-char", "make a character device", mknod_char).needs(ROOT),
    row("device.mknod-block", "make a block device", mknod_block).needs(ROOT),
    open_row("device.kmsg", "/dev/kmsg").needs(ROOT),
    open_row("device.mem", "/dev/mem").needs(ROOT),
    open_row("device.port", "/dev/port").needs(ROOT),
    open_row("device.fuse", "/dev/fuse"),
    open_row("device.kvm", "/dev/kvm").needs(ROOT),
    open_row("device.tun", "/dev/net/tun"),
    open_row("device.loop", "/dev/loop-control").needs(ROOT),
    open_row("device.userfaultfd", "/dev/userfaultfd").needs(ROOT),
    open_row("device.vsock", "/dev/vsock").needs(ROOT),
    open_row("device.btrfs", "/dev/btrfs-control").needs(ROOT),
    open_row("device.console", "/dev/console").needs(ROOT),
    row("device.disk", "read a disk", disk).needs(ROOT),
    row(
        "device.console-paste",
        "paste on a virtual console (TIOCLINUX)",
        console,
    )
    .with("/dev/tty1")
    .needs(ROOT),
    row("tty.type", "type on the terminal (TIOCSTI)", type_stdin)
        .promise("syscalls")
        .stdin(Stdin::Terminal),
    row("tty.type-dev", "type on /dev/tty (TIOCSTI)", type_dev)
        .promise("syscalls")
        .stdin(Stdin::Terminal),
    row(
        "tty.type-disguised",
        "type with a request number of more than 32 bits",
        type_disguised,
    )
    .promise("syscalls")
    .stdin(Stdin::Terminal),
    row(
        "tty.others",
        "open a terminal that belongs to nobody here",
        others,
    ),
];

/// A device that is not there in the ring, though it is outside, is kept away.
const ABSENT: &[i32] = &[errno::ENOENT, errno::ENXIO, errno::ENODEV, errno::ENOTDIR];

fn mknod_char(facts: &Facts, _: &'static str) -> Tried {
    Tried::of(
        files::make_node(&path(facts, "ws:node"), files::CHARACTER_DEVICE, 1, 3),
        &[],
    )
}

fn mknod_block(facts: &Facts, _: &'static str) -> Tried {
    Tried::of(
        files::make_node(&path(facts, "ws:node"), files::BLOCK_DEVICE, 7, 0),
        &[],
    )
}

fn open(_: &Facts, argument: &'static str) -> Tried {
    Tried::of(File::open(argument), ABSENT)
}

/// The first disk there is.
fn disk(_: &Facts, _: &'static str) -> Tried {
    let mut last = io::Error::from_raw_os_error(errno::ENOENT);
    for name in [
        "vda", "sda", "nvme0n1", "xvda", "mmcblk0", "dm-0", "zram0", "loop0",
    ] {
        let mut sector = [0; 512];
        match File::open(format!("/dev/{name}")).and_then(|mut file| file.read_exact(&mut sector)) {
            Ok(()) => return Tried::allowed(format!("a sector of {name} was read")),
            // An empty device ends before its first sector, without an error number.
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|number| number != errno::ENOENT) =>
            {
                last = error
            }
            Err(_) => {}
        }
    }
    Tried::failed(&last, ABSENT)
}

fn console(_: &Facts, argument: &'static str) -> Tried {
    Tried::of(File::open(argument).and_then(terminal::ask_console), ABSENT)
}

/// `EIO` is the answer where `dev.tty.legacy_tiocsti` is off: then the control fails as well.
fn typed(opened: io::Result<File>, disguised: bool) -> Tried {
    Tried::of(
        opened.and_then(|tty| terminal::type_byte(tty, b'\n', disguised)),
        &[errno::ENOTTY, errno::ENOSYS, errno::EIO],
    )
}

fn type_stdin(_: &Facts, _: &'static str) -> Tried {
    typed(files::inherited(0), false)
}

fn type_disguised(_: &Facts, _: &'static str) -> Tried {
    typed(files::inherited(0), true)
}

fn type_dev(_: &Facts, _: &'static str) -> Tried {
    Tried::of(
        OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .and_then(|tty| terminal::type_byte(tty, b'\n', false)),
        &[
            errno::ENOTTY,
            errno::ENOSYS,
            errno::EIO,
            errno::ENXIO,
            errno::ENOENT,
        ],
    )
}

/// The arena holds a terminal open and has left its name.
fn others(facts: &Facts, _: &'static str) -> Tried {
    match std::fs::read_to_string(path(facts, "outside:terminal.txt")) {
        Ok(name) => Tried::of(OpenOptions::new().write(true).open(name.trim_end()), ABSENT),
        Err(error) => Tried::could_not(format!("its name: {error}")),
    }
}
