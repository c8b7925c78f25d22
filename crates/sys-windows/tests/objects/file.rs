//! Files and directories.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::windows::io::AsHandle;
use std::path::Path;

use ringfence_sys_windows::error::{Code, Refusal};
use ringfence_sys_windows::file::{self, DriveType, Kind, PathForm, Sharing, access};
use windows_sys::Win32::Foundation::{
    ERROR_FILE_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, STATUS_FILE_IS_A_DIRECTORY,
    STATUS_NOT_A_DIRECTORY, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_NOT_FOUND,
};

use crate::child::{Child, code};
use crate::needs;
use crate::support::Dir;

const LOOK: u32 = access::READ_ATTRIBUTES;

#[test]
fn two_names_of_a_file_are_one_identity_and_another_is_not() {
    let dir = Dir::new();
    let (one, other) = (dir.file("one", "abc"), dir.file("other", ""));
    let linked = dir.0.join("linked");
    std::fs::hard_link(&one, &linked).unwrap();
    let id = |path: &Path| file::id(file::open(path, LOOK).unwrap().as_handle()).unwrap();
    assert_eq!(id(&one), id(&linked));
    assert_ne!(id(&one), id(&other));
    assert_eq!(id(&one).volume, id(&dir.0).volume);
    let facts = |path: &Path| file::facts(file::open(path, LOOK).unwrap().as_handle()).unwrap();
    assert_eq!((facts(&one).links, facts(&other).links), (2, 1));
    assert_eq!(facts(&one).size, 3);
    assert!(facts(&dir.0).directory && !facts(&one).directory);
    assert_eq!(facts(&one).reparse_tag, 0);
    assert_eq!(
        code(&file::open(&dir.0.join("none"), LOOK)),
        ERROR_FILE_NOT_FOUND
    );
    assert_eq!(
        code(&file::create(&one, access::WRITE, None)),
        ERROR_FILE_EXISTS
    );
}

#[test]
fn names_are_opened_and_made_in_a_directory_only() {
    let dir = Dir::new();
    dir.file("sub/file", "text");
    let walk = access::LIST | access::TRAVERSE | LOOK;
    let top = file::open(&dir.0, walk).unwrap();
    let open = |name: &str, kind| file::open_in(top.as_handle(), OsStr::new(name), walk, kind);
    let sub = open("sub", Kind::Directory).unwrap();
    open("SUB", Kind::Any).unwrap();
    let refused = |name| open(name, Kind::Any).unwrap_err().code;
    for name in ["sub\\file", "..", ".", "", "sub/file", "sub:stream"] {
        assert_eq!(refused(name), Code::Refused(Refusal::NotAName), "{name}");
    }
    assert_eq!(refused("none"), Code::Nt(STATUS_OBJECT_NAME_NOT_FOUND));
    let as_file = open("sub", Kind::File).unwrap_err().code;
    assert_eq!(as_file, Code::Nt(STATUS_FILE_IS_A_DIRECTORY));
    let name = OsStr::new("file");
    let as_dir = file::open_in(sub.as_handle(), name, LOOK, Kind::Directory);
    assert_eq!(as_dir.unwrap_err().code, Code::Nt(STATUS_NOT_A_DIRECTORY));
    let opened = file::open_in(sub.as_handle(), name, access::READ, Kind::File).unwrap();
    let mut text = String::new();
    File::from(opened).read_to_string(&mut text).unwrap();
    assert_eq!(text, "text");

    let make = |name: &str, kind| {
        file::create_in(sub.as_handle(), OsStr::new(name), access::WRITE, kind, None)
    };
    File::from(make("new", Kind::File).unwrap())
        .write_all(b"new")
        .unwrap();
    make("dir", Kind::Directory).unwrap();
    let again = make("new", Kind::File).unwrap_err().code;
    assert_eq!(again, Code::Nt(STATUS_OBJECT_NAME_COLLISION));
    assert_eq!(std::fs::read(dir.0.join("sub/new")).unwrap(), b"new");
    assert!(dir.0.join("sub/dir").is_dir());
}

#[test]
fn a_path_is_opened_exactly_or_not() {
    let dir = Dir::new();
    let path = dir.file("a/b/c", "text");
    let exact = file::open_exact(&path, access::READ).unwrap();
    let plain = file::open(&path, LOOK).unwrap();
    let id = |file: &std::os::windows::io::OwnedHandle| file::id(file.as_handle()).unwrap();
    assert_eq!(id(&exact), id(&plain));
    let refused = |path: &Path| file::open_exact(path, LOOK).unwrap_err().code;
    let not_a_name = Code::Refused(Refusal::NotAName);
    assert_eq!(refused(Path::new("a\\b")), not_a_name);
    assert_eq!(refused(&dir.0.join("a\\..\\a\\b\\c")), not_a_name);
    if !needs::real_windows("there are no junctions") {
        return;
    }
    let link = dir.0.join("link");
    let made = std::process::Command::new("cmd")
        .args(["/c", "mklink", "/J"])
        .args([&link, &dir.0.join("a")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let through = Code::Refused(Refusal::ReparsePoint);
    assert_eq!(refused(&link.join("b\\c")), through);
    assert_eq!(refused(&link), through);
    let itself = file::facts(file::open(&link, LOOK).unwrap().as_handle()).unwrap();
    assert_ne!(itself.reparse_tag, 0);
}

#[test]
fn a_listing_has_every_name_once_however_many() {
    let dir = Dir::new();
    let mut wanted = BTreeSet::new();
    for n in 0..600 {
        let name = format!("a name that is long enough to fill more than one buffer {n:04}");
        dir.file(&name, "x");
        wanted.insert(OsString::from(name));
    }
    let top = file::open(&dir.0, access::LIST | access::SYNCHRONIZE).unwrap();
    let list = || -> Vec<_> {
        let listed = file::list(top.as_handle());
        listed.map(|entry| entry.unwrap()).collect()
    };
    let entries = list();
    let names: BTreeSet<OsString> = entries.iter().map(|entry| entry.name.clone()).collect();
    assert_eq!((entries.len(), &names), (600, &wanted));
    assert_eq!(list().len(), 600);
    let entry = &entries[0];
    assert_eq!((entry.size, entry.reparse_tag), (1, 0));
    let opened = file::open(&dir.0.join(&entry.name), LOOK).unwrap();
    let id = file::id(opened.as_handle()).unwrap();
    assert_eq!(entry.id[..8], id.file[..8]);

    let empty = Dir::new();
    let top = file::open(&empty.0, access::LIST | access::SYNCHRONIZE).unwrap();
    assert_eq!(file::list(top.as_handle()).count(), 0);
    let no_dir = dir.file("file", "");
    let no_dir = file::open(&no_dir, access::READ | access::SYNCHRONIZE).unwrap();
    assert!(file::list(no_dir.as_handle()).next().unwrap().is_err());
}

#[test]
fn the_final_path_names_the_file_in_three_ways() {
    let dir = Dir::new();
    dir.file("A File", "");
    let opened = file::open(&dir.0.join("a file"), LOOK).unwrap();
    let path_of = |form| file::final_path(opened.as_handle(), form).unwrap();
    let dos = path_of(PathForm::Dos);
    assert!(dos.to_str().unwrap().starts_with("\\\\?\\"), "{dos:?}");
    assert!(dos.to_str().unwrap().ends_with("\\A File"), "{dos:?}");
    let again = file::open(Path::new(&dos), LOOK).unwrap();
    assert_eq!(file::id(again.as_handle()), file::id(opened.as_handle()));
    assert!(
        path_of(PathForm::Nt)
            .to_str()
            .unwrap()
            .starts_with("\\Device\\")
    );
    let guid = path_of(PathForm::Guid);
    assert!(
        guid.to_str().unwrap().starts_with("\\\\?\\Volume{"),
        "{guid:?}"
    );
}

#[test]
fn a_volume_says_whether_it_keeps_descriptors() {
    let dir = Dir::new();
    let opened = file::open(&dir.0, LOOK).unwrap();
    let volume = file::volume(opened.as_handle()).unwrap();
    assert!(volume.keeps_descriptors(), "{volume:?}");
    assert!(volume.longest_name >= 255);
    assert!(!volume.file_system.is_empty());
    assert_eq!(
        file::drive_type(Path::new("C:\\")).unwrap(),
        DriveType::Fixed
    );
    assert_eq!(
        file::drive_type(Path::new("Q:\\")).unwrap(),
        DriveType::None
    );
    let remote = file::is_remote(opened.as_handle());
    if !needs::real_windows("no volume has reparse points or says whether it is remote") {
        assert!(!volume.has_reparse_points());
        assert_ne!(remote, Ok(true));
        return;
    }
    assert!(volume.has_reparse_points());
    assert_eq!(remote, Ok(false));
}

#[test]
fn the_drives_that_are_there_are_listed_and_others_are_not() {
    let drives = file::drives().unwrap();
    let of = |root: &str| drives.iter().any(|drive| drive == Path::new(root));
    assert!(of("C:\\"), "{drives:?}");
    assert!(!of("Q:\\"), "{drives:?}");
    for drive in &drives {
        assert_ne!(file::drive_type(drive).unwrap(), DriveType::None);
    }
    let volume = file::volume_of(Path::new("C:\\")).unwrap();
    assert!(volume.keeps_descriptors(), "{volume:?}");
    assert!(!volume.is_read_only());
    assert!(file::volume_of(Path::new("Q:\\")).is_err());
}

#[test]
fn a_file_takes_anothers_place_at_once() {
    let dir = Dir::new();
    let (from, to) = (dir.file("from", "new"), dir.file("to", "old"));
    let id = |path: &Path| file::id(file::open(path, LOOK).unwrap().as_handle()).unwrap();
    let moved = id(&from);
    file::replace(&from, &to).unwrap();
    assert_eq!(id(&to), moved);
    assert_eq!(std::fs::read(&to).unwrap(), b"new");
    assert!(!from.exists());
    assert_eq!(code(&file::replace(&from, &to)), ERROR_FILE_NOT_FOUND);
}

#[test]
fn a_file_is_deleted_by_its_handle() {
    let dir = Dir::new();
    let path = dir.file("file", "x");
    let opened = file::open(&path, access::DELETE | LOOK).unwrap();
    file::delete(opened.as_handle()).unwrap();
    drop(opened);
    assert!(!path.exists());
    let full = dir.file("dir/file", "x");
    let opened = file::open(full.parent().unwrap(), access::DELETE).unwrap();
    assert!(file::delete(opened.as_handle()).is_err());
    drop(opened);
    assert!(full.exists());
}

#[test]
fn what_a_handle_is_of_gets_another_name_and_takes_none() {
    let dir = Dir::new();
    let path = dir.file("made", "x");
    let parent = file::open(&dir.0, access::LIST | access::TRAVERSE).unwrap();
    let rename = |from: &str, to: &str| {
        let opened = file::open(&dir.0.join(from), access::DELETE | LOOK).unwrap();
        file::rename_in(opened.as_handle(), parent.as_handle(), OsStr::new(to))
    };
    rename("made", "aside").unwrap();
    assert!(!path.exists());
    assert_eq!(std::fs::read(dir.0.join("aside")).unwrap(), b"x");
    dir.file("made", "y");
    let taken = rename("made", "aside").unwrap_err();
    assert_eq!(taken.code, Code::Nt(STATUS_OBJECT_NAME_COLLISION));
    assert_eq!(std::fs::read(dir.0.join("aside")).unwrap(), b"x");
    std::fs::create_dir(dir.0.join("directory")).unwrap();
    rename("directory", "other").unwrap();
    assert!(dir.0.join("other").is_dir());
    let away = rename("other", r"..\other").unwrap_err();
    assert_eq!(away.code, Code::Refused(Refusal::NotAName));
}

#[test]
fn a_lock_is_one_processs_until_it_is_dropped() {
    let dir = Dir::new();
    let path = dir.file("lock", "");
    let file = File::options().write(true).open(&path).unwrap();
    let child = Child::new("lock", &[path.to_str().unwrap()]);
    let asked = || child.answer(child.start()).0;
    let locked = file::lock(file.as_handle(), Sharing::Exclusive, false).unwrap();
    assert!(locked.is_some());
    assert_eq!(asked(), ["taken"]);
    drop(locked);
    assert_eq!(asked(), ["locked"]);
    let shared = file::lock(file.as_handle(), Sharing::Shared, true).unwrap();
    assert!(shared.is_some());
    assert_eq!(asked(), ["taken"]);
}

#[test]
fn a_file_is_opened_by_its_number_whatever_it_is_called() {
    let dir = Dir::new();
    let path = dir.file("a/b/c", "text");
    let id = file::id(file::open(&path, LOOK).unwrap().as_handle()).unwrap();
    let drive: std::path::PathBuf = dir.0.components().take(2).collect();
    let drive = file::open(&drive, LOOK).unwrap();
    let open = || file::open_by_id(drive.as_handle(), id.file, LOOK);
    if let Err(error) = open() {
        assert!(
            !needs::real_windows("nothing is found by its number"),
            "{error}"
        );
        return;
    }
    let found = open().unwrap();
    assert_eq!(file::id(found.as_handle()).unwrap(), id);
    drop(found);
    std::fs::rename(&path, dir.0.join("moved")).unwrap();
    let found = open().unwrap();
    assert_eq!(file::id(found.as_handle()).unwrap(), id);
    drop(found);
    std::fs::remove_file(dir.0.join("moved")).unwrap();
    // Windows says the second, Wine the first.
    let gone = [ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER];
    let found = open();
    // Another test's file has it by now, where it is an inode's.
    if found.is_ok() && !needs::real_windows("a number is given again at once") {
        return;
    }
    assert!(gone.contains(&code(&found)));
}
