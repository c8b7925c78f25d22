//! Every kind of change, followed and compared.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod ground;

use ground::{Ground, both, both_with, lines, tick};
use ringfence_changes::Options;
use std::os::unix::ffi::OsStrExt;

#[test]
fn nothing_is_no_change() {
    let ground = Ground::new();
    ground.file("a/b/c", "c").link("c", "a/b/l");
    let changes = both(&ground, || {
        std::fs::read(ground.at("a/b/c")).unwrap();
    });
    assert!(lines(&changes).is_empty());
}

#[test]
fn files_and_directories_are_added_and_deleted() {
    let ground = Ground::new();
    ground
        .file("gone", "12345")
        .file("old/x", "1")
        .file("old/y/z", "22");
    let changes = both(&ground, || {
        ground.remove("gone").remove("old");
        ground
            .file("new/deep/down/f", "123")
            .dir("new/empty")
            .link("f", "new/l");
    });
    assert_eq!(
        lines(&changes),
        [
            "deleted gone 5 -",
            "added new Directory",
            "added new/deep Directory",
            "added new/deep/down Directory",
            "added new/deep/down/f - 3",
            "added new/empty Directory",
            "added new/l Symlink - 1",
            "deleted old Directory",
            "deleted old/x 1 -",
            "deleted old/y Directory",
            "deleted old/y/z 2 -",
        ]
    );
    let counts = changes.roots[0].counts;
    assert_eq!((counts.added, counts.deleted, counts.all()), (6, 5, 11));
}

#[test]
fn a_write_is_told_with_its_sizes() {
    let ground = Ground::new();
    ground
        .file("longer", "1")
        .file("same", "12")
        .file("unread", "1");
    let changes = both(&ground, || {
        ground.file("longer", "1234").file("same", "12");
    });
    assert_eq!(
        lines(&changes),
        ["modified longer 1 4", "modified same 2 2"]
    );
}

#[test]
fn what_is_made_and_removed_again_is_no_change() {
    let ground = Ground::new();
    let changes = both(&ground, || {
        ground
            .file("a/b", "x")
            .remove("a")
            .file("t", "")
            .remove("t");
    });
    assert!(lines(&changes).is_empty());
}

/// As an editor saves.
#[test]
fn a_save_by_rename_is_a_modification() {
    let ground = Ground::new();
    ground.file("x", "old").file("kept", "old");
    let changes = both(&ground, || {
        ground.file(".x.tmp", "newer").rename(".x.tmp", "x");
        // Another editor's way: the old one is kept under another name.
        ground.rename("kept", "kept~").file("kept", "newer");
    });
    assert_eq!(
        lines(&changes),
        ["modified kept 3 5", "added kept~ - 3", "modified x 3 5"]
    );
}

#[test]
fn a_renamed_file_is_one_change() {
    let ground = Ground::new();
    ground.file("a", "1").file("b", "2").file("d/e", "3");
    let changes = both(&ground, || {
        ground.dir("n").rename("a", "n/a");
        ground.rename("b", "b2").file("b2", "longer");
        ground.rename("d/e", "e").rename("e", "d/f");
    });
    assert_eq!(
        lines(&changes),
        [
            "renamed b to b2 modified 1 6",
            "renamed d/e to d/f 1 1",
            "added n Directory",
            "renamed a to n/a 1 1",
        ]
    );
}

#[test]
fn a_renamed_directory_is_one_change_and_what_changed_in_it_is_told() {
    let ground = Ground::new();
    for n in 0..20 {
        ground.file(&format!("d/s/{n}"), "x");
    }
    let changes = both(&ground, || {
        ground
            .rename("d", "moved")
            .file("moved/s/3", "xx")
            .remove("moved/s/4");
        ground.file("moved/s/more", "");
    });
    assert_eq!(
        lines(&changes),
        [
            "deleted d/s/4 1 -",
            "renamed d to moved Directory",
            "modified moved/s/3 1 2",
            "added moved/s/more - 0",
        ]
    );
}

#[test]
fn directories_are_renamed_into_and_out_of_each_other() {
    let ground = Ground::new();
    ground.file("a/b/c/f", "1").file("p/q/g", "1");
    let changes = both(&ground, || {
        ground
            .rename("a/b", "b")
            .rename("a", "b/a")
            .rename("b/c", "c");
        ground.dir("n/m").rename("p/q", "n/m/q").remove("p");
    });
    let told = lines(&changes);
    for line in [
        "renamed a/b to b Directory",
        "renamed a to b/a Directory",
        "renamed a/b/c to c Directory",
        "renamed p/q to n/m/q Directory",
        "deleted p Directory",
    ] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:?}");
    }
    assert_eq!(told.len(), 7, "n and n/m as well: {told:?}");
}

#[test]
fn a_directory_in_anothers_place_is_told_by_what_is_in_it() {
    let ground = Ground::new();
    ground.file("d/a", "1").file("d/b", "1").file("e/x", "1");
    let changes = both(&ground, || {
        ground.remove("d").file("d/a", "12").file("d/c", "1");
        // Here the old one is elsewhere: it was renamed, and another was made.
        ground.rename("e", "e2").file("e/y", "1");
    });
    assert_eq!(
        lines(&changes),
        [
            "modified d/a 1 2",
            "deleted d/b 1 -",
            "added d/c - 1",
            "added e Directory",
            "added e/y - 1",
            "renamed e to e2 Directory",
        ]
    );
}

#[test]
fn two_directories_change_places() {
    let ground = Ground::new();
    ground.file("a/1", "1").file("b/2", "1").file("b/3", "1");
    let changes = both(&ground, || {
        ground.rename("a", "t").rename("b", "a").rename("t", "b");
    });
    let told = lines(&changes);
    assert_eq!(
        told,
        ["renamed b to a Directory", "renamed a to b Directory"]
    );
}

#[test]
fn permissions_alone_are_told_as_such() {
    let ground = Ground::new();
    ground
        .file("f", "1")
        .file("both", "1")
        .dir("d")
        .mode("f", 0o644)
        .mode("both", 0o644);
    ground.mode("d", 0o755);
    let changes = both(&ground, || {
        ground.mode("f", 0o755).mode("d", 0o700);
        ground.file("both", "12").mode("both", 0o600);
    });
    assert_eq!(
        lines(&changes),
        [
            "modified both 1 2",
            "mode d 755 to 700 Directory",
            "mode f 644 to 755 1 1",
        ]
    );
}

#[test]
fn something_of_another_kind_is_told_with_what_was_there() {
    let ground = Ground::new();
    ground
        .file("f", "12")
        .file("d/x", "1")
        .link("f", "l")
        .file("p", "");
    let changes = both(&ground, || {
        ground.remove("f").link("d", "f");
        ground.remove("d").file("d", "123");
        ground.remove("l").file("l/y", "1");
        ground.remove("p");
        let status = std::process::Command::new("mkfifo")
            .arg(ground.at("p"))
            .status();
        assert!(status.unwrap().success());
    });
    assert_eq!(
        lines(&changes),
        [
            "replaced d Directory by - 3",
            "deleted d/x 1 -",
            "replaced f File by Symlink 2 1",
            "replaced l Symlink by Directory 1 -",
            "added l/y - 1",
            "replaced p File by Special 0 -",
        ]
    );
}

#[test]
fn a_link_that_leads_elsewhere_is_modified_and_never_followed() {
    let ground = Ground::new();
    let outside = Ground::new();
    outside.file("secret", "1");
    ground
        .link("a", "l")
        .link(outside.0.to_str().unwrap(), "out");
    let changes = both(&ground, || {
        ground.remove("l").link("abc", "l");
        outside.file("secret", "12").file("more", "");
    });
    assert_eq!(lines(&changes), ["modified l Symlink 1 3"]);
}

#[test]
fn directories_come_in_and_go_out() {
    let ground = Ground::new();
    let outside = Ground::new();
    outside.file("in/a/b", "1");
    ground.file("out/c/d", "12");
    let changes = both(&ground, || {
        std::fs::rename(outside.at("in"), ground.at("came")).unwrap();
        std::fs::rename(ground.at("out"), outside.at("went")).unwrap();
        // Nothing of ours any more.
        outside.file("went/c/d", "123").file("went/c/e", "");
    });
    assert_eq!(
        lines(&changes),
        [
            "added came Directory",
            "added came/a Directory",
            "added came/a/b - 1",
            "deleted out Directory",
            "deleted out/c Directory",
            "deleted out/c/d 2 -",
        ]
    );
}

#[test]
fn a_directory_that_goes_out_and_comes_back_is_told_by_what_changed_in_it() {
    let ground = Ground::new();
    let outside = Ground::new();
    ground.file("d/a", "1").file("d/s/b", "1");
    let changes = both(&ground, || {
        std::fs::rename(ground.at("d"), outside.at("d")).unwrap();
        outside.file("d/s/b", "12");
        std::fs::rename(outside.at("d"), ground.at("e")).unwrap();
    });
    assert_eq!(
        lines(&changes),
        ["renamed d to e Directory", "modified e/s/b 1 2"]
    );
}

/// A write through one name is a write to all of them.
#[test]
fn a_file_with_several_names_is_told_under_each() {
    let ground = Ground::new();
    ground.file("a", "1").file("d/x", "1").file("plain", "1");
    std::fs::hard_link(ground.at("a"), ground.at("d/a2")).unwrap();
    let changes = both(&ground, || {
        ground.file("a", "12");
        // It had one name before.
        std::fs::hard_link(ground.at("plain"), ground.at("second")).unwrap();
        ground.file("second", "123");
    });
    assert_eq!(
        lines(&changes),
        [
            "modified a 1 2",
            "modified d/a2 1 2",
            "modified plain 1 3",
            "added second - 3",
        ]
    );
}

#[test]
fn a_time_that_is_set_back_hides_nothing() {
    let ground = Ground::new();
    ground.file("f", "1");
    let stamp = ground.at("f").metadata().unwrap().modified().unwrap();
    let set_back = |content: &str| {
        ground.file("f", content);
        let file = std::fs::File::options()
            .append(true)
            .open(ground.at("f"))
            .unwrap();
        file.set_modified(stamp).unwrap();
    };
    tick();
    // A walk sees that something was done. The kernel tells what.
    let snapshot = ringfence_changes::Snapshot::take([&ground.0], Options::default());
    let follow = ground.follow(Options::default());
    let mark = follow.mark();
    set_back("2");
    assert_eq!(lines(&snapshot.changes()), ["touched f 1 1"]);
    assert_eq!(lines(&follow.since(&mark)), ["modified f 1 1"]);
}

#[test]
fn generated_directories_are_summed_up() {
    let ground = Ground::new();
    ground
        .file("p/target/debug/a", "123")
        .file("p/target/debug/b", "12")
        .file("p/src/lib.rs", "1")
        .file("x", "1")
        .file("out/y", "1")
        .file(".git/objects/aa/1", "1");
    let options = Options {
        generated: vec!["out".into()],
        ..Options::default()
    };
    let changes = both_with(&ground, options, || {
        ground
            .file("p/target/debug/a", "1234567890")
            .remove("p/target/debug/b");
        ground.file("p/target/debug/deps/c", "1234");
        ground
            .file("p/src/lib.rs", "12")
            .file("node_modules/q/index.js", "1");
        ground
            .file("out/y", "12")
            .file(".git/objects/bb/2", "12")
            .file(".git/HEAD", "x");
        // What leaves a place that is listed is listed.
        ground
            .rename("x", "p/target/x")
            .rename("p/target/debug/deps/c", "c");
        ground.file("target", "a file of that name");
    });
    assert_eq!(
        lines(&changes),
        [
            "added .git/HEAD - 1",
            "added c - 4",
            "modified p/src/lib.rs 1 2",
            "renamed x to p/target/x 1 1",
            "added target - 19",
            ".git/objects/ +2 ~0 -0 >0, 2 written, 0 deleted",
            "node_modules/ +3 ~0 -0 >0, 1 written, 0 deleted",
            "out/ +0 ~1 -0 >0, 2 written, 0 deleted",
            "p/target/ +1 ~1 -1 >0, 10 written, 2 deleted",
        ]
    );
    assert_eq!(changes.roots[0].counts.all(), 5, "what is listed");
}

#[test]
fn no_more_is_listed_than_asked_for_and_all_is_counted() {
    let ground = Ground::new();
    let options = Options {
        most: 3,
        ..Options::default()
    };
    let changes = both_with(&ground, options, || {
        for n in 0..9 {
            ground.file(&format!("f{n}"), "");
        }
        ground.file("target/a", "");
    });
    assert_eq!(
        lines(&changes),
        [
            "added f0 - 0",
            "added f1 - 0",
            "target/ +2 ~0 -0 >0, 0 written, 0 deleted"
        ]
    );
    assert_eq!((changes.roots[0].counts.added, changes.unlisted), (9, 7));
}

#[test]
fn names_that_are_not_utf_8_survive() {
    let ground = Ground::new();
    let name = std::ffi::OsStr::from_bytes(b"d\xff");
    std::fs::create_dir(ground.at(name)).unwrap();
    std::fs::write(ground.at(name).join("a\n\"b"), "").unwrap();
    let changes = both(&ground, || {
        let to = std::ffi::OsStr::from_bytes(b"\xfe");
        std::fs::rename(ground.at(name), ground.at(to)).unwrap();
        std::fs::write(ground.at(to).join("a\n\"b"), "1").unwrap();
    });
    let json = serde_json::to_value(&changes).unwrap();
    assert_eq!(
        json["roots"][0]["entries"],
        serde_json::json!([
            {"path": {"base64": "/g=="}, "kind": "directory", "how": "renamed", "from": {"base64": "ZP8="}, "modified": false},
            {"path": {"base64": "/i9hCiJi"}, "kind": "file", "how": "modified", "before": 0, "after": 1},
        ])
    );
    let back: ringfence_changes::Changes = serde_json::from_value(json).unwrap();
    assert_eq!(back, changes);
}

#[test]
fn order_is_that_of_paths() {
    let ground = Ground::new();
    let changes = both(&ground, || {
        ground
            .file("a/b", "")
            .file("a-b", "")
            .file("a.b", "")
            .file("ab", "");
    });
    let paths: Vec<_> = changes.roots[0]
        .entries
        .iter()
        .map(|e| e.path.clone())
        .collect();
    let mut sorted = paths.clone();
    sorted.sort();
    assert_eq!(paths, sorted);
}
