//! Changing files outside the write roots.

use super::place::{beside, create, formed, path, write};
use crate::answer::Tried;
use crate::arena::{JUNCTION, SYMLINK, make_junction};
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_windows::acl::{self, Kind, Parts};
use ringfence_sys_windows::file::{self, access};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::windows::io::AsHandle as _;
use std::path::PathBuf;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Write, "write", what, attempt).with(argument)
}

/// A file that is there.
const FILE: &str = r"outside:file.txt";

pub(super) const ROWS: &[Row] = &[
    row("write.existing", "write an existing file", existing, FILE),
    row("write.append", "append to a file", append, FILE),
    row(
        "write.truncate",
        "open a file for truncation",
        truncate,
        FILE,
    ),
    row("write.create", "make a file", make, r"outside:new.txt"),
    row(
        "write.create-deep",
        "make a file in a directory further down",
        make,
        r"outside:dir\new.txt",
    ),
    row("write.mkdir", "make a directory", make_dir, r"outside:new"),
    row("write.delete", "delete a file", delete, FILE).promise("write.delete"),
    row(
        "write.delete-dir",
        "delete a directory",
        delete_dir,
        r"outside:empty",
    )
    .promise("write.delete"),
    row("write.rename", "rename a file", rename, FILE).promise("write.delete"),
    row(
        "write.rename-in",
        "move an outside file into the workspace",
        rename_in,
        FILE,
    )
    .promise("write.delete"),
    row(
        "write.rename-out",
        "move a workspace file outside",
        rename_out,
        r"outside:stolen.txt",
    ),
    row(
        "write.rename-over",
        "move a workspace file over an outside one",
        rename_out,
        FILE,
    )
    .promise("write.delete"),
    row(
        "write.hardlink",
        "make a hard link",
        link_hard,
        r"outside:hard",
    ),
    row(
        "write.hardlink-in",
        "link an outside file into the workspace and write it",
        link_in,
        FILE,
    ),
    row("write.owner", "take a file's ownership", own, FILE).promise("write.metadata"),
    row("write.dacl", "set a file's DACL again", set_dacl, FILE).promise("write.metadata"),
    row("write.attributes", "make a file read-only", read_only, FILE).promise("write.metadata"),
    row("write.times", "set a file's times", times, FILE).promise("write.metadata"),
    row(
        "write.stream",
        "write a stream beside a file's content",
        make_formed,
        r"beside|outside:file.txt",
    )
    .needs(&[Need::Streams]),
    row(
        "write.dir-stream",
        "write a stream of a directory",
        make_formed,
        r"beside|outside:dir",
    )
    .needs(&[Need::Streams]),
    row(
        "write.data-stream",
        "write a file as its stream ::$DATA",
        write_formed,
        r"data|outside:file.txt",
    )
    .needs(&[Need::Streams]),
    row(
        "write.junction",
        "write through a junction in the workspace",
        through_junction,
        "",
    )
    .needs(&[Need::Junctions]),
    row(
        "write.own-junction",
        "make a junction in the workspace and write through it",
        through_own_junction,
        "",
    )
    .needs(&[Need::Junctions]),
    row(
        "write.symlink",
        "write through a symbolic link in the workspace",
        through_symlink,
        "",
    )
    .needs(&[Need::Symlinks]),
    row(
        "write.relative",
        "write by a path of dots from the workspace",
        relative,
        "",
    ),
    row(
        "write.short-name",
        "write by a name of eight letters",
        write_formed,
        "short|outside:a file with a long name.txt",
    )
    .needs(&[Need::ShortNames]),
    row(
        "write.verbatim",
        r"write by \\?\",
        write_formed,
        r"verbatim|outside:file.txt",
    ),
    row(
        "write.device",
        r"write by \\.\",
        write_formed,
        r"device|outside:file.txt",
    ),
    row(
        "write.nt-path",
        r"write by \??\",
        write_formed,
        r"nt|outside:file.txt",
    ),
    row(
        "write.global-root",
        r"write by \\?\GLOBALROOT",
        write_formed,
        r"root|outside:file.txt",
    ),
    row(
        "write.device-name",
        r"make a file with a device's name by \\?\",
        make_device_name,
        "verbatim|outside:aux.txt",
    ),
    row(
        "write.volume",
        r"write by \\?\Volume{...}",
        write_formed,
        r"volume|outside:file.txt",
    )
    .needs(&[Need::VolumeName]),
    row(
        "write.unc",
        r"write by \\localhost\C$",
        write_formed,
        r"unc|outside:file.txt",
    )
    .needs(&[Need::Administrator]),
    row(
        "write.case",
        "write in other case",
        write_formed,
        r"case|outside:file.txt",
    ),
    row(
        "write.dot",
        "write by a name with a dot at its end",
        write_formed,
        r"dot|outside:file.txt",
    ),
    row(
        "write.blank",
        "write by a name with a blank at its end",
        write_formed,
        r"blank|outside:file.txt",
    ),
    row(
        "write.disk",
        "open the volume itself for writing",
        open_disk,
        r"\\.\C:",
    )
    .needs(&[Need::Administrator]),
    row(
        "write.physical-disk",
        "open the disk itself for writing",
        open_disk,
        r"\\.\PhysicalDrive0",
    )
    .needs(&[Need::Administrator]),
    row(
        "write.sibling",
        "make a file beside the workspace",
        make,
        r"home:src\sibling.txt",
    ),
    row(
        "write.startup",
        "make a program that starts when the user logs on",
        make,
        r"home:AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup\ringfence-probe.cmd",
    ),
    // Where everybody may write.
    row(
        "write.public",
        "make a file in the public user's directory",
        make,
        r"public:ringfence-probe-{nonce}.txt",
    ),
    row(
        "write.program-data",
        "make a directory in ProgramData",
        make_dir,
        r"data:ringfence-probe-{nonce}",
    ),
    row(
        "write.machine-keys",
        "make a file among the machine's keys",
        make,
        r"data:Microsoft\Crypto\RSA\MachineKeys\ringfence-probe-{nonce}",
    ),
    row(
        "write.windows-temp",
        r"make a file in Windows\Temp",
        make,
        r"windows:Temp\ringfence-probe-{nonce}.txt",
    ),
    row(
        "write.windows-tasks",
        r"make a file in Windows\Tasks",
        make,
        r"windows:Tasks\ringfence-probe-{nonce}.txt",
    ),
    row(
        "write.windows-tracing",
        r"make a file in Windows\tracing",
        make,
        r"windows:tracing\ringfence-probe-{nonce}.txt",
    ),
    row(
        "write.spool-color",
        "make a file among the printers' colours",
        make,
        r"windows:System32\spool\drivers\color\ringfence-probe-{nonce}.txt",
    ),
    row(
        "write.drive",
        "make a directory at the drive's root",
        make_dir,
        r"drive:ringfence-probe-{nonce}",
    ),
];

fn existing(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(write(&path(facts, argument)), &[])
}

fn append(facts: &Facts, argument: &'static str) -> Tried {
    let opened = OpenOptions::new().append(true).open(path(facts, argument));
    Tried::of(
        opened.and_then(|mut file| file.write_all(b"# ringfence probe\n")),
        &[],
    )
}

fn truncate(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    Tried::of(
        OpenOptions::new().write(true).truncate(true).open(path),
        &[],
    )
}

fn make(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let made = create(&path).map(drop);
    if made.is_ok() {
        // Some of these lie on the host itself, where the arena does not tidy up.
        let _ = fs::remove_file(&path);
    }
    Tried::of(made, &[])
}

fn make_dir(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let made = fs::create_dir(&path);
    if made.is_ok() {
        let _ = fs::remove_dir(&path);
    }
    Tried::of(made, &[])
}

fn delete(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_file(path(facts, argument)), &[])
}

fn delete_dir(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_dir(path(facts, argument)), &[])
}

fn rename(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    Tried::of(fs::rename(&path, beside(&path)), &[])
}

fn rename_in(facts: &Facts, argument: &'static str) -> Tried {
    let inside = facts.workspace.join("moved-in");
    Tried::of(fs::rename(path(facts, argument), inside), &[])
}

fn rename_out(facts: &Facts, argument: &'static str) -> Tried {
    let inside = facts.workspace.join("file.txt");
    Tried::of(fs::rename(inside, path(facts, argument)), &[])
}

fn link_hard(facts: &Facts, argument: &'static str) -> Tried {
    let file = facts.outside.join("file.txt");
    Tried::of(fs::hard_link(file, path(facts, argument)), &[])
}

fn link_in(facts: &Facts, argument: &'static str) -> Tried {
    let inside = facts.workspace.join("linked-in");
    let written = fs::hard_link(path(facts, argument), &inside).and_then(|()| write(&inside));
    Tried::of(written, &[])
}

/// Makes the one its owner who is it already: what it takes is the same.
fn own(facts: &Facts, argument: &'static str) -> Tried {
    let owned = file::open(
        &path(facts, argument),
        access::WRITE_OWNER | access::READ_CONTROL,
    )
    .and_then(|file| {
        let now = acl::read(file.as_handle(), Parts::OWNER)?;
        now.owner().map_or(Ok(()), |owner| {
            acl::set_owner(file.as_handle(), Kind::File, &owner)
        })
    });
    Tried::of(owned.map_err(crate::sys), &[])
}

/// Stores the list that is there: what it takes is the same.
pub(super) fn set_dacl(facts: &Facts, argument: &'static str) -> Tried {
    let stored = file::open(
        &path(facts, argument),
        access::WRITE_DAC | access::READ_CONTROL,
    )
    .and_then(|file| {
        let now = acl::read(file.as_handle(), Parts::DACL)?;
        acl::store(file.as_handle(), Parts::DACL, &now)
    });
    Tried::of(stored.map_err(crate::sys), &[])
}

pub(super) fn read_only(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let set = fs::metadata(&path).and_then(|meta| {
        let mut permissions = meta.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions)
    });
    Tried::of(set, &[])
}

fn times(facts: &Facts, argument: &'static str) -> Tried {
    use std::os::windows::fs::OpenOptionsExt as _;
    let mut open = OpenOptions::new();
    open.access_mode(access::WRITE_ATTRIBUTES);
    let set = open
        .open(path(facts, argument))
        .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH));
    Tried::of(set, &[])
}

fn write_formed(facts: &Facts, argument: &'static str) -> Tried {
    match formed(facts, argument) {
        Ok(path) => Tried::of(write(&path), &[]),
        Err(tried) => tried,
    }
}

fn make_formed(facts: &Facts, argument: &'static str) -> Tried {
    match formed(facts, argument) {
        Ok(path) => Tried::of(
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(path),
            &[],
        ),
        Err(tried) => tried,
    }
}

/// By its plain name it would be a device, and nobody could remove it.
fn make_device_name(facts: &Facts, argument: &'static str) -> Tried {
    let path = match formed(facts, argument) {
        Ok(path) => path,
        Err(tried) => return tried,
    };
    let made = create(&path).map(drop);
    if made.is_ok() {
        let _ = fs::remove_file(&path);
    }
    Tried::of(made, &[])
}

fn through_junction(facts: &Facts, _: &'static str) -> Tried {
    let file = facts.workspace.join(JUNCTION).join("file.txt");
    Tried::of(write(&file), &[])
}

fn through_own_junction(facts: &Facts, _: &'static str) -> Tried {
    let junction = facts.workspace.join("own-junction");
    if let Err(error) = make_junction(&junction, &facts.outside) {
        return Tried::could_not(format!("the junction itself: {error}"));
    }
    let tried = Tried::of(write(&junction.join("file.txt")), &[]);
    let _ = fs::remove_dir(&junction);
    tried
}

fn through_symlink(facts: &Facts, _: &'static str) -> Tried {
    Tried::of(write(&facts.workspace.join(SYMLINK)), &[])
}

/// The workspace lies in `ROOT\home\src\ws`, so three steps up is the arena's root.
fn relative(_: &Facts, _: &'static str) -> Tried {
    Tried::of(write(&PathBuf::from(r"..\..\..\outside\file.txt")), &[])
}

/// Opens without writing: it is the host's own.
fn open_disk(_: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        OpenOptions::new().read(true).write(true).open(argument),
        &[],
    )
}
