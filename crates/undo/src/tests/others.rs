//! Somebody is in the way: by chance, or on purpose.

use super::*;

#[test]
fn what_changed_since_is_left_alone_unless_somebody_says_so() {
    let ground = Ground::new();
    for name in ["modified", "deleted", "untouched"] {
        ground.write(name, "before");
    }
    let mut keeper = ground.keeper();
    let places = ["modified", "deleted", "added", "untouched"];
    ground.command(1, &mut keeper, &places, || {
        ground.write("modified", "by the command");
        fs::remove_file(ground.at("deleted")).unwrap();
        ground.write("added", "by the command");
        ground.write("untouched", "by the command");
    });
    for name in ["modified", "deleted", "added"] {
        ground.write(name, "by a person");
    }
    let changed = Verdict::Left(Left::Changed);
    let expected = [
        (What::PutBack, changed.clone()),
        (What::Create, Verdict::Left(Left::InTheWay)),
        (What::Remove, changed),
        (What::PutBack, Verdict::Undo),
    ];
    assert_eq!(ground.undo(1, 2, false), expected);
    for name in ["modified", "deleted", "added"] {
        assert_eq!(ground.read(name), "by a person");
    }
    assert_eq!(ground.read("untouched"), "before");
    // It is kept, and comes back.
    ground.undo(1, 3, true);
    assert_eq!(ground.read("modified"), "before");
    assert_eq!(ground.read("deleted"), "before");
    assert!(!ground.at("added").exists());
    ground.undo(3, 4, false);
    for name in ["modified", "deleted", "added"] {
        assert_eq!(ground.read(name), "by a person");
    }
}

/// The same file, as a person writes it in the very moment in which it is put back: it is not lost.
#[test]
fn what_changes_between_the_look_and_the_undo_is_left_alone() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "command"));
    let plan = plan(&ground.store, manifest, false, &Obeyed::default()).unwrap();
    assert_eq!(plan.undone(), 1);
    ground.write("f", "person!");
    let done = restore(&ground.store, plan, of(2)).unwrap();
    assert_eq!(done.plan.planned[0].verdict, Verdict::Left(Left::Changed));
    assert_eq!(ground.read("f"), "person!");
}

#[test]
fn another_directory_under_the_name_is_not_touched() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "after"));
    fs::rename(&ground.root, ground.dir.join("away")).unwrap();
    assert!(matches!(
        plan(&ground.store, manifest.clone(), true, &Obeyed::default()),
        Err(Error::Root { .. })
    ));
    ground.write("f", "after");
    assert!(matches!(
        plan(&ground.store, manifest, true, &Obeyed::default()),
        Err(Error::OtherRoot { .. })
    ));
    assert_eq!(ground.read("f"), "after");
}

/// A directory on the way becomes a link to outside: before, and over and over while it is undone.
#[test]
fn nothing_is_written_or_removed_outside_of_the_root() {
    let ground = Ground::new();
    let outside = ground.dir.join("outside");
    fs::create_dir(&outside).unwrap();
    let texts = ["kept", "also kept"];
    let names: Vec<String> = (0..40).map(|n| format!("d/f{n}")).collect();
    let places: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = |ground: &Ground| {
        for name in &names {
            ground.write(name, "before");
            fs::write(outside.join(name.strip_prefix("d/").unwrap()), texts[0]).unwrap();
        }
    };
    let untouched = || {
        let all: Vec<_> = fs::read_dir(&outside)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        all.len() == names.len()
            && all
                .iter()
                .all(|path| fs::read(path).unwrap() == texts[0].as_bytes())
    };
    before(&ground);
    let mut keeper = ground.keeper();
    // Half of them are deleted, half added or modified.
    ground.command(1, &mut keeper, &places, || {
        for (number, name) in names.iter().enumerate() {
            if number % 2 == 0 {
                fs::remove_file(ground.at(name)).unwrap();
            } else {
                ground.write(name, "after");
            }
        }
    });
    // A control: who follows the link would write there.
    fs::rename(ground.at("d"), ground.at("away")).unwrap();
    symlink(&outside, ground.at("d")).unwrap();
    assert!(ground.at("d/f0").exists());
    let told = ground.undo(1, 2, true);
    assert!(
        told.iter().all(|(_, verdict)| *verdict != Verdict::Undo),
        "{told:?}"
    );
    assert!(untouched());
    fs::remove_file(ground.at("d")).unwrap();
    fs::rename(ground.at("away"), ground.at("d")).unwrap();

    // And swapped while it is undone, until something was undone and something was not.
    let stop = Arc::new(AtomicBool::new(false));
    let swaps = {
        let (stop, root, outside) = (Arc::clone(&stop), ground.root.clone(), outside.clone());
        std::thread::spawn(move || {
            symlink(&outside, root.join("link")).unwrap();
            let exchange = || {
                rustix::fs::renameat_with(
                    CWD,
                    root.join("d"),
                    CWD,
                    root.join("link"),
                    rustix::fs::RenameFlags::EXCHANGE,
                )
            };
            let mut times = 0_u64;
            while !stop.load(Ordering::SeqCst) {
                exchange().unwrap();
                times += 1;
            }
            if times % 2 == 1 {
                exchange().unwrap();
            }
            times
        })
    };
    let mut by = 10;
    for round in 0..20 {
        ground.undo(if round == 0 { 1 } else { by - 1 }, by, true);
        by += 1;
        assert!(untouched(), "round {round}");
    }
    stop.store(true, Ordering::SeqCst);
    assert!(swaps.join().unwrap() > 0);
    assert!(untouched());
    // Left in peace, all of it is undone.
    let told = ground.undo(1, by, true);
    assert!(!told.is_empty() && untouched());
    for name in &names {
        assert_eq!(ground.read(name), "before");
    }
}

#[test]
fn what_cannot_come_back_stays_whoever_says_so() {
    let ground = Ground::bounded(Bounds {
        file: 8,
        ..Bounds::default()
    });
    ground.write("changed", "8 bytes!");
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["changed", "large"], || {
        ground.write("changed", "9 bytes!!");
        ground.write("large", "9 bytes!!");
    });
    for force in [false, true] {
        let told = ground.undo(1, 2 + u64::from(force), force);
        assert!(
            told.iter()
                .all(|(_, verdict)| *verdict == Verdict::Left(Left::CannotKeep)),
            "{told:?}"
        );
        assert_eq!(ground.read("large"), "9 bytes!!");
        assert_eq!(ground.read("changed"), "9 bytes!!");
    }
}

#[test]
fn nothing_gets_where_programs_outside_obey() {
    let ground = Ground::new();
    fs::create_dir_all(ground.at("sub/.git/refs")).unwrap();
    ground.write("sub/.git/refs/main", "1");
    ground.write("sub/.git/config", "before");
    let mut keeper = ground.keeper();
    let all = [".envrc", "sub/.git/config", "sub/.git/refs/main"];
    ground.command(1, &mut keeper, &all, || {
        ground.write("sub/.git/refs/main", "2");
        ground.write(".envrc", "a person's");
        // Not the command's: no ring lets it write there.
        ground.write("sub/.git/config", "a person's");
    });
    let manifest = ground.store.manifest(&of(1)).unwrap().unwrap();
    for force in [true, false] {
        let obeyed = Obeyed::new([".envrc".into()]);
        let plan = plan(&ground.store, manifest.clone(), force, &obeyed).unwrap();
        let left = |planned: &&crate::Planned| planned.verdict == Verdict::Left(Left::Obeyed);
        assert_eq!(plan.planned.iter().filter(left).count(), 2, "{plan:?}");
        crate::restore(&ground.store, plan, of(2 + u64::from(force))).unwrap();
        assert_eq!(ground.read(".envrc"), "a person's");
        assert_eq!(ground.read("sub/.git/config"), "a person's");
        assert_eq!(ground.read("sub/.git/refs/main"), "1");
    }
}
