//! Descriptors the caller left open, and what standard input really is.

use super::place::path;
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Extra, Group, Row, Stdin};
use ringfence_sys_linux::attempt::{errno, files};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const fn extra(name: &'static str, what: &'static str, attempt: Attempt, extra: Extra) -> Row {
    Row::new(name, Group::Descriptor, "write.second-layer", what, attempt).extra(extra)
}

const fn stdin(name: &'static str, what: &'static str, attempt: Attempt, stdin: Stdin) -> Row {
    Row::new(name, Group::Descriptor, "write.second-layer", what, attempt).stdin(stdin)
}

pub(super) const ROWS: &[Row] = &[
    extra(
        "fd.write",
        "write through an inherited descriptor",
        write,
        Extra::FileOutside,
    ),
    extra(
        "fd.truncate",
        "truncate through an inherited descriptor",
        truncate,
        Extra::FileOutside,
    ),
    extra(
        "fd.copy",
        "copy_file_range through an inherited descriptor",
        copy,
        Extra::FileOutside,
    ),
    extra(
        "fd.map",
        "map an inherited descriptor and write",
        map,
        Extra::FileOutside,
    ),
    extra(
        "fd.reopen",
        "open /proc/self/fd/9 anew for writing",
        reopen,
        Extra::FileOutside,
    )
    .with("/proc/self/fd/9"),
    extra(
        "fd.dir-create",
        "make a file below an inherited directory",
        dir_create,
        Extra::DirOutside,
    ),
    extra(
        "fd.dir-read",
        "read a file below an inherited directory",
        dir_read,
        Extra::DirOutside,
    ),
    extra(
        "fd.dir-delete",
        "delete a file below an inherited directory",
        dir_delete,
        Extra::DirOutside,
    ),
    extra(
        "fd.connection",
        "talk over an inherited connection",
        connection,
        Extra::Connection,
    )
    .promise("sockets"),
    stdin(
        "stdin.reopen",
        "open a read-only stdin anew for writing",
        reopen,
        Stdin::FileOutside,
    )
    .with("/proc/self/fd/0"),
    stdin(
        "stdin.reopen-dev",
        "open /dev/stdin for writing",
        reopen,
        Stdin::FileOutside,
    )
    .with("/dev/stdin"),
    stdin(
        "stdin.reopen-thread",
        "open /proc/thread-self/fd/0 for writing",
        reopen,
        Stdin::FileOutside,
    )
    .with("/proc/thread-self/fd/0"),
    stdin(
        "stdin.truncate",
        "truncate stdin by its name in /proc",
        empty,
        Stdin::FileOutside,
    )
    .with("/proc/self/fd/0"),
    stdin(
        "stdin.mode",
        "change the mode of stdin's file",
        mode,
        Stdin::FileOutside,
    )
    .promise("write.metadata"),
    stdin(
        "stdin.times",
        "set the times of stdin's file",
        times,
        Stdin::FileOutside,
    )
    .promise("write.metadata"),
    stdin(
        "stdin.attribute",
        "set an attribute on stdin's file",
        attribute,
        Stdin::FileOutside,
    )
    .promise("write.metadata"),
    stdin(
        "stdin.flags",
        "set the flags of stdin's file",
        flags,
        Stdin::FileOutside,
    )
    .promise("write.metadata"),
    stdin(
        "stdin.link",
        "link stdin's file into the workspace and write it",
        link,
        Stdin::FileOutside,
    ),
    stdin(
        "stdin.protected",
        "open a protected stdin anew for writing",
        reopen,
        Stdin::ProtectedFile,
    )
    .promise("protect.git")
    .with("/proc/self/fd/0"),
    stdin(
        "stdin.protected-mode",
        "change the mode of a protected stdin",
        mode,
        Stdin::ProtectedFile,
    )
    .promise("protect.git"),
    stdin(
        "stdin.dir-create",
        "make a file below a directory on stdin",
        stdin_dir,
        Stdin::DirOutside,
    ),
    stdin(
        "stdin.dir-proc",
        "make a file by /proc/self/fd/0/",
        stdin_dir_proc,
        Stdin::DirOutside,
    ),
];

/// A descriptor that did not come along is what a ring is for.
const GONE: &[i32] = &[errno::EBADF];

fn nine(then: impl FnOnce(File) -> io::Result<()>) -> Tried {
    Tried::of(files::inherited(9).and_then(then), GONE)
}

fn zero(then: impl FnOnce(File) -> io::Result<()>) -> Tried {
    Tried::of(
        files::inherited(0).and_then(then),
        &[errno::EXDEV, errno::EBADF],
    )
}

fn write(_: &Facts, _: &'static str) -> Tried {
    nine(|mut file| file.write_all(b"through nine"))
}

fn truncate(_: &Facts, _: &'static str) -> Tried {
    nine(|file| file.set_len(0))
}

fn copy(facts: &Facts, _: &'static str) -> Tried {
    nine(|file| files::copy_range(&File::open(facts.workspace.join("file.txt"))?, &file, 4))
}

fn map(_: &Facts, _: &'static str) -> Tried {
    nine(|file| files::write_mapped(&file, b"mapped"))
}

fn dir_create(_: &Facts, _: &'static str) -> Tried {
    nine(|dir| files::open_below(&dir, "by-descriptor.txt", true).map(drop))
}

fn dir_read(_: &Facts, _: &'static str) -> Tried {
    nine(|dir| files::open_below(&dir, "file.txt", false)?.rewind())
}

fn dir_delete(_: &Facts, _: &'static str) -> Tried {
    nine(|dir| files::unlink_below(&dir, "file.txt"))
}

fn connection(facts: &Facts, _: &'static str) -> Tried {
    let mut said = vec![0; facts.banner().len()];
    match files::inherited(9).and_then(|mut file| file.read_exact(&mut said)) {
        Ok(()) if said == facts.banner().as_bytes() => {
            Tried::allowed("the listener outside answered")
        }
        Ok(()) => Tried::denied("something else answered"),
        Err(error) => Tried::failed(&error, GONE),
    }
}

/// The inner errors say that there is no such descriptor, or that it is no file (a pipe in between).
fn reopen(_: &Facts, argument: &'static str) -> Tried {
    use std::os::unix::fs::FileTypeExt as _;
    match OpenOptions::new().write(true).open(argument) {
        Ok(file) if file.metadata().is_ok_and(|meta| meta.file_type().is_fifo()) => {
            Tried::denied("a pipe stands between")
        }
        Ok(mut file) => Tried::of(file.write_all(b"reopened"), &[]),
        Err(error) => {
            let stops: &[i32] = if argument.ends_with('9') {
                &[errno::ENOENT]
            } else {
                &[]
            };
            Tried::failed(&error, stops)
        }
    }
}

fn empty(_: &Facts, argument: &'static str) -> Tried {
    use std::os::unix::fs::FileTypeExt as _;
    match OpenOptions::new().write(true).truncate(true).open(argument) {
        Ok(file) if file.metadata().is_ok_and(|meta| meta.file_type().is_fifo()) => {
            Tried::denied("a pipe stands between")
        }
        other => Tried::of(other, &[]),
    }
}

/// Whether descriptor 0 is the very file the caller opened: a stand-in (a pipe, a copy) may be changed at will.
fn is_file(file: &File) -> io::Result<bool> {
    file.metadata().map(|meta| meta.is_file())
}

/// Makes the change where descriptor 0 is a file.
fn change(then: impl FnOnce(File) -> io::Result<()>) -> Tried {
    match files::inherited(0).and_then(|file| is_file(&file)) {
        Ok(true) => zero(then),
        Ok(false) => Tried::denied("something else stands between"),
        Err(error) => Tried::failed(&error, GONE),
    }
}

fn mode(_: &Facts, _: &'static str) -> Tried {
    change(|file| file.set_permissions(Permissions::from_mode(0o666)))
}

fn times(_: &Facts, _: &'static str) -> Tried {
    change(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH))
}

fn attribute(_: &Facts, _: &'static str) -> Tried {
    change(|_| files::set_attribute(Path::new("/proc/self/fd/0"), "user.ringfence", b"probe"))
}

fn flags(_: &Facts, _: &'static str) -> Tried {
    change(|file| files::rewrite_flags(&file))
}

fn link(facts: &Facts, _: &'static str) -> Tried {
    let inside = path(facts, "ws:from-stdin");
    change(|file| {
        files::name_file(&file, &inside)?;
        super::place::write(&inside)
    })
}

fn stdin_dir(_: &Facts, _: &'static str) -> Tried {
    zero(|dir| files::open_below(&dir, "by-stdin.txt", true).map(drop))
}

fn stdin_dir_proc(_: &Facts, _: &'static str) -> Tried {
    Tried::of(
        super::place::create(Path::new("/proc/self/fd/0/by-proc.txt")),
        &[],
    )
}
