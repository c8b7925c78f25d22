//! When contents are read, how long they are kept, and by whom.

use super::*;

#[test]
fn a_change_that_was_not_read_in_time_is_not_kept_as_what_it_was_not() {
    let ground = Ground::new();
    ground.write("f", "first");
    let mut keeper = ground.keeper();
    // Nobody reads this before the command changes it.
    ground.write("f", "other");
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "third"));
    assert_eq!(content(&manifest, 0), &Content::Not(Why::Changed));
    let told = ground.undo(1, 2, false);
    assert_eq!(told[0].1, Verdict::Left(Left::NotKept(Why::Changed)));
    assert_eq!(ground.read("f"), "third");
    // The next command's is.
    while keeper.is_unsettled() {
        keeper.settle().unwrap();
    }
    ground.command(3, &mut keeper, &["f"], || ground.write("f", "fourth"));
    ground.undo(3, 4, false);
    assert_eq!(ground.read("f"), "third");
}

/// What changed was taken in already when the command that changed it is asked about.
#[test]
fn what_stood_there_a_moment_ago_is_remembered() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let change = Detail {
        path: "f".into(),
        from: None,
        before: Before::Stood(ground.seen("f").unwrap()),
        after: None,
    };
    fs::remove_file(ground.at("f")).unwrap();
    let is_kept = |keeper: &mut Keeper| {
        let captured = keeper.capture(vec![change.clone()]).unwrap();
        let before = captured.steps.steps[0].before.clone().unwrap();
        before.content.kept().is_some()
    };
    assert!(is_kept(&mut keeper));
    assert!(is_kept(&mut keeper), "once more");
    keeper.forget_past();
    assert!(!is_kept(&mut keeper));
}

/// What was written so shortly before it was read that another write would have the same times is not trusted.
#[test]
fn what_is_too_young_is_read_again() {
    let ground = Ground::new();
    ground.write("f", "text");
    let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    keeper.begin(Most::ALL, &|| false).unwrap();
    let root = Root::open(&ground.root).unwrap();
    // Written, read and written again before the clock's next tick, as long as this machine is quick enough.
    let taken = take(&root, Path::new("f"), None, 100).unwrap().unwrap();
    assert_eq!(taken.recent, keeper.is_unsettled() || taken.recent);
    while keeper.is_unsettled() {
        keeper.settle().unwrap();
    }
    let taken = take(&root, Path::new("f"), None, 100).unwrap().unwrap();
    assert!(
        !taken.recent
            && matches!(
                taken.state,
                State {
                    content: Content::Kept(_),
                    ..
                }
            )
    );
}

#[test]
fn the_second_session_reads_only_what_changed() {
    let ground = Ground::new();
    for number in 0..300 {
        ground.write(&format!("d{}/f{number}", number % 7), &number.to_string());
    }
    drop(ground.keeper());
    let mut second = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    let begun = second.begin(Most::ALL, &|| false).unwrap();
    assert_eq!(begun, Begun::Whole { files: 0, bytes: 0 });
    ground.write("d1/f1", "another");
    let mut third = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    let begun = third.begin(Most::ALL, &|| false).unwrap();
    assert_eq!(begun, Begun::Whole { files: 1, bytes: 7 });
    // Broken, it is made anew, and nothing fails.
    let known = fs::read_dir(ground.store.dir().join("known"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for broken in ["", "no line\n", "{\"format\":99}\n"] {
        fs::write(&known, broken).unwrap();
        let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
        let Begun::Whole { files, .. } = keeper.begin(Most::ALL, &|| false).unwrap() else {
            panic!("not begun");
        };
        assert_eq!(files, 307);
        while keeper.is_unsettled() {
            keeper.settle().unwrap();
        }
    }
    // A torn end is cut off.
    let mut bytes = fs::read(&known).unwrap();
    bytes.truncate(bytes.len() - 9);
    fs::write(&known, bytes).unwrap();
    let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
    assert!(matches!(
        keeper.begin(Most::ALL, &|| false).unwrap(),
        Begun::Whole { files: 1, .. }
    ));
}

#[test]
fn what_is_not_cheap_is_not_done_unasked() {
    let ground = Ground::new();
    for number in 0..10 {
        ground.write(&format!("f{number}"), "0123456789");
    }
    let begin = |most| {
        let mut keeper = Keeper::open(Arc::clone(&ground.store), &ground.root, []).unwrap();
        keeper.begin(most, &|| false).unwrap()
    };
    let (files, bytes) = (10, 100);
    let too_much = Begun::TooMuch { files, bytes };
    assert_eq!(
        begin(Most {
            files: 9,
            bytes: 100
        }),
        too_much
    );
    assert_eq!(
        begin(Most {
            files: 10,
            bytes: 99
        }),
        too_much
    );
    assert!(!ground.store.dir().exists(), "nothing is made");
    assert_eq!(begin(Most { files, bytes }), Begun::Whole { files, bytes });
}

#[test]
fn a_large_file_and_what_tools_fill_are_not_kept() {
    let ground = Ground::bounded(Bounds {
        file: 8,
        ..Bounds::default()
    });
    ground.write("small", "8 bytes!");
    ground.write("large", "9 bytes!!");
    ground.write("target/x", "x");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["small", "large", "target/x"], || {
        for name in ["small", "large", "target/x"] {
            fs::remove_file(ground.at(name)).unwrap();
        }
    });
    assert_eq!((manifest.generated, manifest.steps()), (1, 2));
    assert_eq!(content(&manifest, 1), &Content::Not(Why::Large));
    ground.undo(1, 2, false);
    assert!(ground.at("small").exists() && !ground.at("large").exists());
}

#[test]
fn the_store_is_bounded_and_the_oldest_go_first() {
    let kib = "x".repeat(1024);
    let bounds = Bounds {
        store: 200 << 10,
        root: 16 << 10,
        ..Bounds::default()
    };
    let ground = Ground::bounded(bounds);
    ground.write("f", &format!("0{kib}"));
    let mut keeper = ground.keeper();
    for seq in 1..=100 {
        ground.command(seq, &mut keeper, &["f"], || {
            ground.write("f", &format!("{seq}{kib}"))
        });
        while keeper.is_unsettled() {
            keeper.settle().unwrap();
        }
        assert!(ground.objects() <= 48 << 10, "{}", ground.objects());
    }
    let is_there = |seq: u64| ground.store.manifest(&of(seq)).unwrap().is_some();
    assert!(!is_there(1) && !is_there(50) && is_there(99) && is_there(100));
    // What is still there is whole.
    ground.undo(100, 101, false);
    assert_eq!(ground.read("f"), format!("99{kib}"));
}

#[test]
fn no_more_is_kept_of_a_root_than_may_be() {
    let ground = Ground::bounded(Bounds {
        root: 100,
        ..Bounds::default()
    });
    for number in 0..10 {
        ground.write(&format!("f{number}"), &number.to_string().repeat(40));
    }
    drop(ground.keeper());
    assert_eq!(ground.objects(), 80);
}

#[test]
fn many_processes_keep_and_undo_at_once() {
    let ground = Ground::bounded(Bounds {
        store: 64 << 10,
        root: 32 << 10,
        ..Bounds::default()
    });
    let threads: Vec<_> = (0..6_u64)
        .map(|thread| {
            let store = Arc::new(Store::new(
                ground.store.dir().to_owned(),
                ground.store.bounds,
            ));
            let root = ground.dir.join(format!("root{thread}"));
            fs::create_dir(&root).unwrap();
            let own = Ground {
                dir: ground.dir.join("none"),
                root,
                store,
            };
            std::thread::spawn(move || {
                let mut undone = 0;
                for round in 0..12 {
                    let text = |what: &str| format!("{what} {thread} {round} {}", "y".repeat(700));
                    own.write("f", &text("before"));
                    let mut keeper = own.keeper();
                    let seq = thread * 1000 + round * 2;
                    let manifest =
                        own.command(seq, &mut keeper, &["f"], || own.write("f", &text("after")));
                    let told = own.undo(seq, seq + 1, false);
                    // Others need the room, before it is undone or just then, and that is told.
                    let left = Verdict::Left(Left::NotKept(Why::Collected));
                    if told == [(What::PutBack, left)] {
                        assert_eq!(own.read("f"), text("after"));
                        continue;
                    }
                    assert!(content(&manifest, 0).kept().is_some());
                    undone += 1;
                    assert_eq!(told, [(What::PutBack, Verdict::Undo)]);
                    assert_eq!(own.read("f"), text("before"));
                }
                undone
            })
        })
        .collect();
    let undone: Vec<i32> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(undone.iter().sum::<i32>() > 0, "{undone:?}");
}

#[test]
fn a_record_of_another_ledger_has_nothing_here() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    ground.command(1, &mut keeper, &["f"], || ground.write("f", "after"));
    let other = Key {
        seq: 1,
        hash: "another".to_owned(),
    };
    assert!(ground.store.manifest(&other).unwrap().is_none());
}

#[test]
fn what_is_damaged_in_the_store_is_not_put_back() {
    let ground = Ground::new();
    ground.write("f", "before");
    let mut keeper = ground.keeper();
    let manifest = ground.command(1, &mut keeper, &["f"], || ground.write("f", "after"));
    let hash = content(&manifest, 0).kept().unwrap();
    let object = ground.store.object(hash);
    fs::write(&object, "forged").unwrap();
    assert_eq!(ground.undo(1, 2, false)[0].1, Verdict::Left(Left::Damaged));
    assert_eq!(ground.read("f"), "after");
    // And a link in its place is not followed.
    symlink("/etc/hostname", &object).unwrap();
    assert_eq!(
        ground.undo(1, 3, false)[0].1,
        Verdict::Left(Left::NotKept(Why::Collected))
    );
}

/// Whatever numbers commands have.
#[test]
fn so_many_commands_are_kept_and_no_more() {
    let ground = Ground::bounded(Bounds {
        commands: 20,
        ..Bounds::default()
    });
    for number in 0..60 {
        ground
            .store
            .keep(Manifest::new(of(7 + 64 * number)))
            .unwrap();
    }
    let kept = fs::read_dir(ground.store.dir().join("commands")).unwrap();
    assert_eq!(kept.count(), 20);
    assert!(ground.store.manifest(&of(7 + 64 * 59)).unwrap().is_some());
}

/// Whoever puts something else at the place of a manifest keeps nobody waiting.
#[test]
fn what_is_no_manifest_is_not_waited_for() {
    let ground = Ground::new();
    ground.store.keep(Manifest::new(of(1))).unwrap();
    let mut files = fs::read_dir(ground.store.dir().join("commands")).unwrap();
    let path = files.next().unwrap().unwrap().path();
    fs::remove_file(&path).unwrap();
    fifo(&path);
    assert!(matches!(
        ground.store.manifest(&of(1)),
        Err(Error::Io { .. })
    ));
}
