//! Files with several names: one may lie outside of the tree, or be protected.

use std::collections::BTreeSet;

use ringfence_nt_access::random::Random;
use ringfence_nt_access::{Ace, Effect, SecurityDescriptor};
use ringfence_plan::promise;

use super::case::Case;
use super::{ALONE, trees};
use crate::disk::Kind;
use crate::grant::Granted;
use crate::left::{Part, Reason};
use crate::{NAMED, Way};

/// Whether one of the root's own ACEs is on it.
fn has(case: &Case, id: u128, effect: Effect) -> bool {
    let sid = case.plan.sid;
    let is = |ace: &Ace| ace.sid == sid && ace.kind.effect() == Some(effect);
    let any = |sd: &SecurityDescriptor| sd.dacl.iter().flat_map(|dacl| &dacl.aces).any(is);
    case.volume.with(|files| any(&files.nodes[&id].sd))
}

fn left(granted: &Granted) -> Vec<(String, Part, Reason)> {
    let left = granted.left.iter();
    left.map(|left| (left.path.to_text(), left.part, left.why))
        .collect()
}

struct Linked {
    case: Case,
    /// A directory that is listed before what is protected.
    early: u128,
    guard: u128,
    /// In what is protected.
    secret: u128,
    outside: u128,
    late: u128,
    file: u128,
}

fn linked() -> Linked {
    let case = Case::plain(1);
    let facts = case.facts.clone();
    let user = facts.user.clone();
    let mut files = case.volume.with(std::mem::take);
    let profile = files.nodes[&case.workspace].parent.unwrap();
    let work = files.make(profile, "code", Kind::Directory, &user);
    let early = files.make(work, "!a", Kind::Directory, &user);
    let guard = files.make(work, ".vscode", Kind::Directory, &user);
    let secret = files.make(guard, "tasks.json", Kind::File, &user);
    let outside = files.make(profile, "policy.toml", Kind::File, &user);
    let late = files.make(work, "zed", Kind::Directory, &user);
    let file = files.make(late, "file", Kind::File, &user);
    Linked {
        case: Case::of(facts, files, work, vec![guard]),
        early,
        guard,
        secret,
        outside,
        late,
        file,
    }
}

#[test]
fn a_file_outside_with_a_second_name_in_the_tree_gets_no_grant() {
    let Linked {
        case,
        early,
        outside,
        ..
    } = linked();
    case.volume.with(|files| files.link(outside, early, "y"));
    let granted = case.granted();
    let named = (r"!a\y".into(), Part::Other, Reason::OtherNames);
    assert_eq!(
        (left(&granted), granted.left_in_all),
        (vec![named.clone()], 1)
    );
    assert!(granted.is_whole());
    assert!(!has(&case, outside, Effect::Allow));
    // It is told, and costs no walk.
    let again = case.granted();
    assert_eq!((again.way, again.left_in_all), (Way::Stood, 1));
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
    // The same of one that was linked between two walks.
    let Linked {
        mut case,
        early,
        guard,
        outside,
        late,
        ..
    } = linked();
    case.granted();
    case.volume.with(|files| files.link(outside, early, "y"));
    case.replan(vec![guard, late]);
    assert_eq!(left(&case.granted()), [named]);
    assert!(!has(&case, outside, Effect::Allow));
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
}

#[test]
fn a_name_that_is_gone_when_it_is_asked_for_is_not_taken_for_the_only_one() {
    let Linked {
        case,
        early,
        outside,
        ..
    } = linked();
    case.volume.with(|files| {
        files.link(outside, early, "y");
        files.fleeting = Some(outside);
    });
    let granted = case.granted();
    assert_eq!(
        left(&granted),
        [(r"!a\y".into(), Part::Other, Reason::OtherNames)]
    );
    case.volume
        .with(|files| assert!(files.nodes[&outside].also.is_none()));
    assert!(!has(&case, outside, Effect::Allow));
}

#[test]
fn a_second_name_takes_no_denial_from_what_is_protected() {
    for in_early in [true, false] {
        let Linked {
            mut case,
            early,
            guard,
            secret,
            late,
            file,
            ..
        } = linked();
        case.granted();
        let dir = if in_early { early } else { late };
        let name = if in_early { r"!a\x" } else { r"zed\x" };
        case.volume.with(|files| files.link(secret, dir, "x"));
        // Neither by another plan, nor by the same one again.
        for guarded in [vec![guard, file], vec![guard], vec![guard]] {
            case.replan(guarded);
            case.volume.with(|files| {
                let bare = SecurityDescriptor::parse(&case.before[&case.workspace]).unwrap();
                files.nodes.get_mut(&case.workspace).unwrap().sd = bare;
            });
            let granted = case.granted();
            assert_eq!(granted.way, Way::Walked);
            assert!(granted.is_whole());
            assert!(has(&case, secret, Effect::Deny), "{in_early}");
            // By that name it would be another's to write: that it is not is said.
            let named = (name.into(), Part::Other, Reason::OtherNames);
            assert_eq!(left(&granted), [named], "{in_early}");
        }
        assert!(case.undo(ALONE).unwrap().closed);
        case.is_back().unwrap();
    }
}

#[test]
fn what_lies_in_something_protected_and_elsewhere_is_denied_from_the_first_walk_on() {
    let Linked {
        case,
        early,
        late,
        secret,
        outside,
        guard,
        ..
    } = linked();
    case.volume.with(|files| {
        files.link(secret, early, "x");
        files.link(outside, guard, "y");
    });
    let granted = case.granted();
    assert!(granted.is_whole() && granted.left_in_all > 0);
    for file in [secret, outside] {
        assert!(has(&case, file, Effect::Deny) && !has(&case, file, Effect::Allow));
    }
    assert!(!has(&case, late, Effect::Deny));
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
}

#[test]
fn what_is_protected_and_has_two_names_is_denied_by_both_and_granted_by_none() {
    for outside_too in [false, true] {
        let Linked {
            mut case,
            early,
            file,
            ..
        } = linked();
        let profile = case
            .volume
            .with(|files| files.nodes[&case.workspace].parent.unwrap());
        let dir = if outside_too { profile } else { early };
        case.volume.with(|files| files.link(file, dir, "second"));
        case.replan(vec![file]);
        let granted = case.granted();
        assert_eq!(
            (left(&granted), granted.is_whole()),
            (Vec::new(), true),
            "{outside_too}"
        );
        assert!(has(&case, file, Effect::Deny) && !has(&case, file, Effect::Allow));
        assert_eq!(case.granted().way, Way::Stood);
        assert!(case.undo(ALONE).unwrap().closed);
        case.is_back().unwrap();
    }
    // One whose permissions cannot be changed is not kept, and that is named.
    let Linked {
        mut case,
        early,
        file,
        ..
    } = linked();
    case.volume.with(|files| {
        files.link(file, early, "second");
        files.nodes.get_mut(&file).unwrap().sd.dacl = None;
    });
    case.replan(vec![file]);
    let granted = case.granted();
    let part = Part::Guard(promise::PROTECT_PATHS);
    assert_eq!(left(&granted), [(r"zed\file".into(), part, Reason::NoDacl)]);
    assert!(!granted.is_whole());
}

#[test]
fn a_file_of_the_tree_that_was_linked_since_keeps_its_grant_and_costs_no_walk() {
    let Linked {
        mut case,
        early,
        guard,
        file,
        ..
    } = linked();
    case.granted();
    case.volume.with(|files| files.link(file, early, "second"));
    let again = case.granted();
    assert_eq!((again.way, again.seen, again.written), (Way::Stood, 0, 0));
    // Another plan: what it puts as well stays, and is not written.
    case.replan(vec![guard, early]);
    let granted = case.granted();
    assert_eq!(granted.way, Way::Walked);
    assert!(has(&case, file, Effect::Allow) && has(&case, file, Effect::Deny));
    assert_eq!(
        left(&granted),
        [(r"zed\file".into(), Part::Other, Reason::OtherNames)]
    );
    // Not protected any more: the denial stays, and by both names that is said.
    case.replan(vec![guard]);
    let granted = case.granted();
    assert!(has(&case, file, Effect::Allow) && has(&case, file, Effect::Deny));
    let both =
        [r"!a\second", r"zed\file"].map(|name| (name.into(), Part::Other, Reason::OtherNames));
    assert_eq!(left(&granted), both);
    assert!(granted.is_whole());
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
}

/// Whatever is linked between two walks: no file outside is granted, and what is protected stays so.
#[test]
fn whatever_is_linked_between_two_walks_nothing_outside_is_granted_and_no_denial_goes() {
    let (mut outer, mut denied) = (0, 0);
    for seed in 0..2 * trees() {
        let mut case = Case::random(seed, seed % 2 == 0, 24);
        let (work, sid) = (case.workspace, case.plan.sid);
        case.granted();
        let mut random = Random::new(seed ^ 0x11_4b5);
        let mut linked = BTreeSet::new();
        let mut others = Vec::new();
        case.volume.with(|files| {
            let of = |kind: Kind, files: &super::simulated::Files| -> Vec<u128> {
                let all = files.nodes.iter().filter(|(_, node)| node.kind == kind);
                all.map(|(id, _)| *id).collect()
            };
            let dirs: Vec<u128> = of(Kind::Directory, files)
                .into_iter()
                .filter(|dir| files.is_in(*dir, work))
                .collect();
            for file in of(Kind::File, files) {
                if files.nodes[&file].also.is_none() && random.one_in(2) {
                    files.link(file, dirs[random.below(dirs.len())], "link");
                    linked.insert(file);
                }
            }
            others.extend(dirs.into_iter().filter(|dir| *dir != work));
        });
        let marks = |effect: Effect| -> BTreeSet<u128> {
            let has = linked.iter().filter(|id| has(&case, **id, effect));
            has.copied().collect()
        };
        let before = (marks(Effect::Allow), marks(Effect::Deny));
        let mut guarded = case.guarded.clone();
        if !others.is_empty() {
            guarded.push(others[random.below(others.len())]);
        }
        case.replan(guarded);
        assert_eq!(case.plan.sid, sid);
        let granted = case.granted();
        let marks = |effect: Effect| -> BTreeSet<u128> {
            let has = linked.iter().filter(|id| has(&case, **id, effect));
            has.copied().collect()
        };
        let after = (marks(Effect::Allow), marks(Effect::Deny));
        assert!(after.0.is_subset(&before.0), "{seed}: granted");
        assert!(after.1.is_superset(&before.1), "{seed}: a denial is gone");
        assert!(granted.left.len() <= NAMED + granted.left_in_all as usize);
        outer += linked.iter().filter(|id| !before.0.contains(id)).count();
        denied += before.1.len();
        // What the links are does not matter to taking back.
        let undone = case.undo(ALONE).unwrap();
        if undone.left_in_all == 0 {
            assert!(undone.closed, "{seed}: {undone:?}");
        }
        if let Err(wrong) = case.is_back() {
            panic!("{seed}: {wrong}");
        }
    }
    println!("{outer} were not the tree's, {denied} were denied");
    assert!(outer > 0 && denied > 0);
}
