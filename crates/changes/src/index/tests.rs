//! What takes a follower that nobody else drives: without its thread.

#[path = "../../tests/ground/mod.rs"]
mod ground;

use ground::{Ground, lines, tick};

use super::{Index, Marked};
use crate::report::{Report, Standing};
use crate::{Changes, Options, Reason};

/// As many as the kernel queues before it loses some.
fn queued() -> usize {
    let most = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    most.trim().parse().unwrap()
}

fn since(index: &mut Index, mark: &Marked) -> Changes {
    let settled = index.catch_up();
    let report = Report {
        table: crate::generated::Table::new(&[]),
        most: 100,
    };
    report.make(index, Standing::of(mark, settled))
}

/// More events than the queue holds, while nobody can take them in.
#[test]
fn when_events_are_lost_all_is_looked_at_again() {
    let ground = Ground::new();
    ground
        .file("d/kept", "1")
        .file("d/gone", "1")
        .file("moved/x", "1");
    let mut index = Index::new([&ground.0], &Options::default(), true);
    while index.step().is_some() {}
    let mark = index.mark();
    for n in 0..queued() {
        // Two events each, never two of the same name in a row.
        ground.file(&format!("d/{}", n % 2), "");
    }
    ground
        .file("d/kept", "12")
        .remove("d/gone")
        .rename("moved", "d/moved");
    ground.file("new/deep/f", "123").file("d/moved/x", "12");
    let changes = since(&mut index, &mark);
    assert_eq!(
        lines(&changes),
        [
            "added d/0 - 0",
            "added d/1 - 0",
            "deleted d/gone 1 -",
            "modified d/kept 1 2",
            "renamed moved to d/moved Directory",
            "modified d/moved/x 1 2",
            "added new Directory",
            "added new/deep Directory",
            "added new/deep/f - 3",
        ]
    );
    assert!(changes.incomplete.is_empty());
    // And it goes on.
    let mark = index.mark();
    ground.file("new/deep/f", "1234");
    assert_eq!(
        lines(&since(&mut index, &mark)),
        ["modified new/deep/f 3 4"]
    );
}

/// A command that begins before the walk has come by.
#[test]
fn what_is_changed_before_the_walk_comes_by_is_told_by_its_times() {
    let ground = Ground::new();
    for n in 0..9 {
        ground
            .file(&format!("d{n}/old"), "1")
            .file(&format!("d{n}/gone"), "1");
    }
    tick();
    let mut index = Index::new([&ground.0], &Options::default(), true);
    // The root, and one of the nine.
    assert_eq!((index.step(), index.step()), (Some(9), Some(2)));
    let mark = index.mark();
    tick();
    for n in 0..9 {
        ground
            .file(&format!("d{n}/old"), "12")
            .remove(&format!("d{n}/gone"));
        ground
            .file(&format!("d{n}/new"), "1")
            .file(&format!("d{n}/s/t/new"), "");
    }
    ground.file("e/s/new", "");
    let first = since(&mut index, &mark);
    assert_eq!(first.incomplete, [Reason::NotWalked { ended: false }]);
    let counts = first.roots[0].counts;
    assert_eq!(
        (counts.modified, counts.deleted, counts.added),
        (1, 1, 4 + 3)
    );
    while index.step().is_some() {}
    let changes = since(&mut index, &mark);
    assert_eq!(changes.incomplete, [Reason::NotWalked { ended: true }]);
    let counts = changes.roots[0].counts;
    // One deletion is known.
    assert_eq!(
        (counts.modified, counts.deleted, counts.added),
        (9, 1, 9 * 4 + 3),
        "{:#?}",
        lines(&changes)
    );
    let sizes: Vec<_> = changes.roots[0]
        .entries
        .iter()
        .filter(|entry| entry.how == crate::How::Modified)
        .map(|entry| (entry.before, entry.after))
        .collect();
    assert_eq!(sizes.iter().filter(|s| **s == (None, Some(2))).count(), 8);
    assert!(
        sizes.contains(&(Some(1), Some(2))),
        "where the walk had been"
    );
    // A mark that comes later has nothing to do with it.
    let later = index.mark();
    let changes = since(&mut index, &later);
    assert!(lines(&changes).is_empty() && changes.incomplete.is_empty());
}

/// Packages are linked from a store and removed whole, again and again.
#[test]
fn names_of_linked_files_go_with_their_directory() {
    let (ground, outside) = (Ground::new(), Ground::new());
    ground.file("store/x", "1").file("store/y", "1");
    let mut index = Index::new([&ground.0], &Options::default(), true);
    while index.step().is_some() {}
    for how in ["removed", "moved out"] {
        let mark = index.mark();
        ground.dir("d/s");
        for name in ["x", "y"] {
            let (from, to) = (ground.at("store").join(name), ground.at("d/s").join(name));
            std::fs::hard_link(from, to).unwrap();
        }
        assert_eq!(since(&mut index, &mark).roots[0].counts.added, 4);
        assert_eq!(index.linked_names(), 4);
        if how == "removed" {
            ground.remove("d");
        } else {
            // Through a name that is out of sight when it is looked.
            ground.file("d/s/x", "12");
            std::fs::rename(ground.at("d"), outside.at("d")).unwrap();
        }
        let changes = since(&mut index, &mark);
        let told = lines(&changes);
        match how {
            "removed" => assert_eq!(told, ["touched store/x 1 1", "touched store/y 1 1"]),
            _ => assert_eq!(told, ["modified store/x 1 2"]),
        }
        assert_eq!(index.linked_names(), 2, "{how}");
    }
}

/// Who must not wait asks first whether there is much.
#[test]
fn much_to_take_in_is_not_quiet() {
    let ground = Ground::new();
    ground.file("d/f", "1");
    let mut index = Index::new([&ground.0], &Options::default(), true);
    while index.step().is_some() {}
    let _all = index.catch_up();
    ground.file("d/f", "12");
    assert!(index.is_quiet(), "some events are nothing");
    for n in 0..5_000 {
        ground.file(&format!("d/{}", n % 2), "");
    }
    assert!(!index.is_quiet());
    let _all = index.catch_up();
    assert!(index.is_quiet(), "all is taken in");
}
