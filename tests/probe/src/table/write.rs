//! Changing files outside the write roots.

use super::place::{beside, create, path, write};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, files};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Write, "write", what, attempt).with(argument)
}

pub(super) const ROWS: &[Row] = &[
    row(
        "write.existing",
        "write an existing file",
        existing,
        "outside:file.txt",
    ),
    row(
        "write.append",
        "append to a file",
        append,
        "outside:file.txt",
    ),
    row(
        "write.truncate",
        "open a file for truncation",
        truncate,
        "outside:file.txt",
    ),
    row("write.create", "make a file", make, "outside:new.txt"),
    row(
        "write.create-deep",
        "make a file in a directory further down",
        make,
        "outside:dir/new.txt",
    ),
    row("write.delete", "delete a file", delete, "outside:file.txt"),
    row(
        "write.delete-dir",
        "delete a directory",
        delete_dir,
        "outside:empty",
    ),
    row(
        "write.mkdir",
        "make a directory",
        make_dir,
        "outside:newdir",
    ),
    row("write.rename", "rename a file", rename, "outside:file.txt"),
    row(
        "write.rename-in",
        "move an outside file into the workspace",
        rename_in,
        "outside:file.txt",
    ),
    row(
        "write.rename-out",
        "move a workspace file outside",
        rename_out,
        "outside:stolen.txt",
    ),
    row(
        "write.rename-over",
        "move a workspace file over an outside one",
        rename_out,
        "outside:file.txt",
    ),
    row(
        "write.exchange",
        "swap a workspace file with an outside one",
        exchange,
        "outside:file.txt",
    ),
    row(
        "write.chmod",
        "change a file's mode",
        chmod,
        "outside:file.txt",
    )
    .promise("write.metadata"),
    row(
        "write.chown",
        "set a file's owner again",
        own,
        "outside:file.txt",
    )
    .promise("write.metadata"),
    row(
        "write.times",
        "set a file's times",
        times,
        "outside:file.txt",
    )
    .promise("write.metadata"),
    row(
        "write.attribute",
        "set an extended attribute",
        attribute,
        "outside:file.txt",
    )
    .promise("write.metadata"),
    row(
        "write.flags",
        "set an inode's flags through a read-only descriptor",
        flags,
        "outside:file.txt",
    )
    .promise("write.metadata"),
    row(
        "write.symlink",
        "make a symbolic link",
        link_soft,
        "outside:soft",
    ),
    row(
        "write.hardlink",
        "make a hard link",
        link_hard,
        "outside:hard",
    ),
    row(
        "write.hardlink-in",
        "link an outside file into the workspace and write it",
        link_in,
        "outside:file.txt",
    ),
    row("write.pipe", "make a named pipe", pipe, "outside:pipe"),
    row(
        "write.nameless",
        "make a nameless file and give it a name",
        nameless,
        "outside:",
    ),
    row(
        "write.mapped",
        "write a file through a shared mapping",
        mapped,
        "outside:file.txt",
    ),
    row(
        "write.copied",
        "have the kernel copy into a file",
        copied,
        "outside:file.txt",
    ),
    row(
        "write.through-symlink",
        "write through a link in the workspace",
        through_link,
        "outside:file.txt",
    ),
    row(
        "write.relative",
        "write by a path of dots from the workspace",
        relative,
        "",
    ),
    row(
        "write.cwd-link",
        "write by /proc/self/cwd and dots",
        relative,
        "/proc/self/cwd",
    ),
    row(
        "write.self-root",
        "write by /proc/self/root",
        by_root,
        "/proc/self/root",
    ),
    row(
        "write.thread-root",
        "write by /proc/thread-self/root",
        by_root,
        "/proc/thread-self/root",
    ),
    row(
        "write.parent-root",
        "write by the parent's /proc/PID/root",
        by_parent_root,
        "",
    ),
    row(
        "write.init-root",
        "write by /proc/1/root",
        by_root,
        "/proc/1/root",
    )
    .needs(&[Need::Root]),
    row(
        "write.bashrc",
        "append to ~/.bashrc",
        append,
        "home:.bashrc",
    ),
    row(
        "write.bashrc-over",
        "move a workspace file over ~/.bashrc",
        rename_out,
        "home:.bashrc",
    ),
    row(
        "write.profile",
        "make ~/.bash_profile",
        make,
        "home:.bash_profile",
    ),
    row(
        "write.autostart",
        "make a program in ~/.local/bin",
        make,
        "home:.local/bin/git",
    ),
    row(
        "write.sibling",
        "make a file beside the workspace",
        make,
        "home:src/sibling.txt",
    ),
    row(
        "write.etc",
        "make a file in /etc",
        make,
        "/etc/ringfence-probe",
    )
    .needs(&[Need::Root]),
    row(
        "write.etc-hosts",
        "open /etc/passwd for appending",
        open_only,
        "/etc/passwd",
    )
    .needs(&[Need::Root]),
    row(
        "write.usr",
        "make a program in /usr/local/bin",
        make,
        "/usr/local/bin/ringfence-probe-file",
    )
    .needs(&[Need::Root]),
    row(
        "write.var",
        "make a file in /var/lib",
        make,
        "/var/lib/ringfence-probe",
    )
    .needs(&[Need::Root]),
    row(
        "write.root",
        "make a directory in /",
        make_dir,
        "/ringfence-probe",
    )
    .needs(&[Need::Root]),
];

fn existing(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(write(&path(facts, argument)), &[])
}

fn append(facts: &Facts, argument: &'static str) -> Tried {
    use std::io::Write as _;
    let opened = OpenOptions::new().append(true).open(path(facts, argument));
    Tried::of(
        opened.and_then(|mut file| file.write_all(b"# ringfence probe\n")),
        &[],
    )
}

/// Opens without writing: for files of the host itself.
fn open_only(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        OpenOptions::new().append(true).open(path(facts, argument)),
        &[],
    )
}

fn truncate(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(path(facts, argument)),
        &[],
    )
}

fn make(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let made = create(&path);
    if made.is_ok() {
        // Some of these lie on the host itself, where the arena does not tidy up.
        let _ = fs::remove_file(&path);
    }
    Tried::of(made, &[])
}

fn delete(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_file(path(facts, argument)), &[])
}

fn delete_dir(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_dir(path(facts, argument)), &[])
}

fn make_dir(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let made = fs::create_dir(&path);
    if made.is_ok() {
        let _ = fs::remove_dir(&path);
    }
    Tried::of(made, &[])
}

fn rename(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    Tried::of(fs::rename(&path, beside(&path)), &[])
}

fn rename_in(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::rename(path(facts, argument), facts.workspace.join("moved-in")),
        &[errno::EXDEV, errno::EBUSY],
    )
}

fn rename_out(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::rename(facts.workspace.join("file.txt"), path(facts, argument)),
        &[errno::EXDEV, errno::EBUSY],
    )
}

fn exchange(facts: &Facts, argument: &'static str) -> Tried {
    let stops = &[errno::EXDEV, errno::EBUSY, errno::ENOSYS];
    Tried::of(
        files::exchange(&facts.workspace.join("file.txt"), &path(facts, argument)),
        stops,
    )
}

fn chmod(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::set_permissions(path(facts, argument), Permissions::from_mode(0o777)),
        &[],
    )
}

fn own(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let owned = fs::metadata(&path).and_then(|now| chown(&path, Some(now.uid()), Some(now.gid())));
    // An owner without a number in the ring's user namespace cannot be named there.
    Tried::of(owned, &[errno::EINVAL])
}

fn times(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(files::touch(&path(facts, argument)), &[])
}

fn attribute(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        files::set_attribute(&path(facts, argument), "user.ringfence", b"probe"),
        &[],
    )
}

fn flags(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::File::open(path(facts, argument)).and_then(|file| files::rewrite_flags(&file)),
        &[],
    )
}

fn link_soft(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(symlink("file.txt", path(facts, argument)), &[])
}

fn link_hard(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::hard_link(facts.outside.join("file.txt"), path(facts, argument)),
        &[errno::EXDEV],
    )
}

fn link_in(facts: &Facts, argument: &'static str) -> Tried {
    let inside = facts.workspace.join("linked-in");
    let written = fs::hard_link(path(facts, argument), &inside).and_then(|()| write(&inside));
    Tried::of(written, &[errno::EXDEV])
}

fn pipe(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        files::make_node(&path(facts, argument), files::NAMED_PIPE, 0, 0),
        &[],
    )
}

fn nameless(facts: &Facts, argument: &'static str) -> Tried {
    let dir = path(facts, argument);
    let made =
        files::nameless(&dir).and_then(|file| files::name_file(&file, &dir.join("was-nameless")));
    Tried::of(made, &[errno::EXDEV])
}

fn mapped(facts: &Facts, argument: &'static str) -> Tried {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path(facts, argument));
    Tried::of(
        opened.and_then(|file| files::write_mapped(&file, b"mapped")),
        &[],
    )
}

fn copied(facts: &Facts, argument: &'static str) -> Tried {
    let copied = fs::File::open(facts.workspace.join("file.txt")).and_then(|from| {
        let to = OpenOptions::new().write(true).open(path(facts, argument))?;
        files::copy_range(&from, &to, 4)
    });
    Tried::of(copied, &[])
}

fn through_link(facts: &Facts, argument: &'static str) -> Tried {
    let link = facts.workspace.join("link");
    if let Err(error) = symlink(path(facts, argument), &link) {
        return Tried::could_not(format!("the link itself: {error}"));
    }
    Tried::of(write(&link), &[errno::EXDEV])
}

/// The workspace lies in `ROOT/home/src/ws`, so three steps up is the arena's root.
fn relative(_: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        write(&Path::new(argument).join("../../../outside/file.txt")),
        &[],
    )
}

/// An absolute path below another root.
fn below(root: &Path, path: &Path) -> std::path::PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn by_root(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        write(&below(Path::new(argument), &facts.outside.join("file.txt"))),
        &[],
    )
}

fn by_parent_root(facts: &Facts, _: &'static str) -> Tried {
    let parent = std::os::unix::process::parent_id();
    if parent == 0 {
        return Tried::denied("the parent cannot be seen");
    }
    let root = format!("/proc/{parent}/root");
    Tried::of(
        write(&below(Path::new(&root), &facts.outside.join("file.txt"))),
        &[],
    )
}
