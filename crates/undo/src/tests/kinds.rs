//! What an entry can be, and how it comes back.

use super::*;

#[test]
fn what_is_no_file_is_neither_opened_nor_kept() {
    let ground = Ground::new();
    // To open one for reading waits for a writer; there is none.
    fifo(&ground.at("fifo"));
    if rustix::process::geteuid().is_root() {
        // A terminal that is opened becomes somebody's.
        rustix::fs::mknodat(
            CWD,
            ground.at("device"),
            FileType::CharacterDevice,
            Mode::RUSR,
            rustix::fs::makedev(5, 0),
        )
        .ok();
    }
    ground.write("file", "text");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["fifo", "file"], || {
        fs::remove_file(ground.at("fifo")).unwrap();
        fs::remove_file(ground.at("file")).unwrap();
        fifo(&ground.at("file"));
    });
    assert_eq!(content(&manifest, 0), &Content::Not(Why::Special));
    let told = ground.undo(1, 2, false);
    assert_eq!(told[0].1, Verdict::Left(Left::NotKept(Why::Special)));
    assert_eq!(told[1], (What::Replace, Verdict::Undo));
    assert_eq!(ground.read("file"), "text");
}

#[test]
fn a_name_that_is_no_text_and_one_with_lines_come_back() {
    let ground = Ground::new();
    let names = [
        OsStr::from_bytes(b"\xff\n\x80"),
        OsStr::new("two\nlines \u{1b}[2J"),
    ];
    for name in names {
        fs::write(ground.root.join(name), name.as_bytes()).unwrap();
    }
    let mut keeper = ground.keeper();
    let changes = names.map(|name| {
        let path = PathBuf::from(name);
        let meta = fs::symlink_metadata(ground.root.join(&path)).unwrap();
        fs::remove_file(ground.root.join(&path)).unwrap();
        let nanos = |seconds: i64, nanos: i64| seconds * 1_000_000_000 + nanos;
        let seen = Stood {
            kind: Kind::File,
            mode: meta.mode() & 0o7777,
            size: meta.size(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
        };
        Detail {
            path,
            from: None,
            before: Before::Stood(seen),
            after: None,
        }
    });
    let captured = keeper.capture(changes.to_vec()).unwrap();
    let mut manifest = Manifest::new(of(1));
    manifest.roots.push(captured.steps);
    ground.store.keep(manifest).unwrap();
    ground.undo(1, 2, false);
    for name in names {
        assert_eq!(fs::read(ground.root.join(name)).unwrap(), name.as_bytes());
    }
}

#[test]
fn a_sparse_file_comes_back_sparse() {
    let ground = Ground::new();
    let size = 8 << 20;
    let file = File::create(ground.at("sparse")).unwrap();
    file.write_all_at(b"end", size - 3).unwrap();
    file.write_all_at(b"middle", 4 << 20).unwrap();
    let before = fs::read(ground.at("sparse")).unwrap();
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["sparse"], || {
        fs::remove_file(ground.at("sparse")).unwrap()
    });
    ground.undo(1, 2, false);
    assert!(fs::read(ground.at("sparse")).unwrap() == before);
    let blocks = |path: &Path| fs::metadata(path).unwrap().blocks() * 512;
    assert!(blocks(&ground.at("sparse")) < size / 8);
}

#[test]
fn a_file_with_another_name_stays_the_same_file() {
    let ground = Ground::new();
    ground.write("one", "as it was, and longer");
    fs::hard_link(ground.at("one"), ground.dir.join("outside")).unwrap();
    fs::set_permissions(ground.at("one"), fs::Permissions::from_mode(0o440)).unwrap();
    let mut keeper = ground.keeper();
    let inode = fs::metadata(ground.at("one")).unwrap().ino();
    ground.command(1, &mut keeper, &["one"], || {
        fs::set_permissions(ground.at("one"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(ground.at("one"), "short").unwrap();
        fs::set_permissions(ground.at("one"), fs::Permissions::from_mode(0o440)).unwrap();
    });
    assert_eq!(ground.undo(1, 2, false), [(What::PutBack, Verdict::Undo)]);
    assert_eq!(ground.read("one"), "as it was, and longer");
    let meta = fs::metadata(ground.dir.join("outside")).unwrap();
    assert_eq!((meta.ino(), meta.mode() & 0o7777), (inode, 0o440));
}

/// A command replaces a file by another name of one that it may not write: what is put back goes to the name, not into that.
#[test]
fn what_a_command_links_to_is_not_written_to() {
    let ground = Ground::new();
    ground.write("mine", "as it was");
    fs::write(ground.dir.join("outside"), "not the command's").unwrap();
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["mine"], || {
        fs::remove_file(ground.at("mine")).unwrap();
        fs::hard_link(ground.dir.join("outside"), ground.at("mine")).unwrap();
    });
    assert_eq!(ground.undo(1, 2, false), [(What::PutBack, Verdict::Undo)]);
    assert_eq!(ground.read("mine"), "as it was");
    assert_eq!(
        fs::read(ground.dir.join("outside")).unwrap(),
        b"not the command's"
    );
}

#[test]
fn what_may_not_be_read_is_not_kept_and_the_rest_is() {
    if rustix::process::geteuid().is_root() {
        // Nothing is unreadable to it.
        return;
    }
    let ground = Ground::new();
    ground.write("secret", "s");
    ground.write("plain", "p");
    fs::set_permissions(ground.at("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["secret", "plain"], || {
        fs::remove_file(ground.at("secret")).unwrap();
        fs::remove_file(ground.at("plain")).unwrap();
    });
    assert_eq!(content(&manifest, 0), &Content::Not(Why::Unreadable));
    let told = ground.undo(1, 2, false);
    assert_eq!(told[0].1, Verdict::Left(Left::NotKept(Why::Unreadable)));
    assert_eq!(ground.read("plain"), "p");
}

#[test]
fn a_directory_that_was_closed_is_opened_and_closed_again() {
    let ground = Ground::new();
    ground.write("d/deep/f", "text");
    fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o550)).unwrap();
    let mut keeper = ground.keeper();
    ground.command(
        1,
        &mut keeper,
        &["d/deep", "d/deep/f", "d/deep/new"],
        || {
            fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o750)).unwrap();
            fs::remove_file(ground.at("d/deep/f")).unwrap();
            ground.write("d/deep/new", "new");
            fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o500)).unwrap();
        },
    );
    let told = ground.undo(1, 2, false);
    assert!(
        told.iter().all(|(_, verdict)| *verdict == Verdict::Undo),
        "{told:?}"
    );
    assert_eq!(ground.read("d/deep/f"), "text");
    assert!(!ground.at("d/deep/new").exists());
    let mode = fs::metadata(ground.at("d/deep")).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o550);
    fs::set_permissions(ground.at("d/deep"), fs::Permissions::from_mode(0o700)).unwrap();
}
