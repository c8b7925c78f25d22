//! What others do between granting and taking back, and volumes that do not what they say.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use ringfence_nt_access::random::Random;
use ringfence_nt_access::{Ace, AceFlags, Mask, SecurityDescriptor, Token, well_known};
use ringfence_plan::promise;

use super::case::{Case, OFFLINE};
use super::{ALONE, trees};
use crate::disk::{DiskError, Kind};
use crate::grant::GrantError;
use crate::left::{Part, Reason};
use crate::undo::UndoError;
use crate::{Place, Way};

/// By name, anywhere.
fn find(case: &Case, name: &str) -> u128 {
    case.volume.with(|files| {
        let mut found = files
            .nodes
            .iter()
            .filter(|(_, node)| node.name == name.into());
        *found.next().unwrap().0
    })
}

fn allow(sid: ringfence_nt_access::Sid) -> Ace {
    Ace::allow(sid, Mask(0x0012_0089), AceFlags::NONE)
}

fn change(case: &Case, id: u128, change: impl FnOnce(&mut SecurityDescriptor)) {
    case.volume
        .with(|files| change(&mut files.nodes.get_mut(&id).unwrap().sd));
}

#[test]
fn what_somebody_changed_stays_and_ours_goes() {
    let case = Case::plain(10);
    case.granted();
    let file = find(&case, "f3");
    let guests = allow(well_known::GUESTS);
    change(&case, file, |sd| {
        sd.dacl.as_mut().unwrap().add(guests.clone())
    });
    assert!(case.undo(ALONE).unwrap().closed);
    let mut wanted = SecurityDescriptor::parse(&case.before[&file]).unwrap();
    wanted.dacl.as_mut().unwrap().add(guests);
    case.volume
        .with(|files| assert_eq!(files.nodes[&file].sd, wanted));
    assert_eq!(case.marked(), None);
}

#[test]
fn what_is_made_moved_and_deleted_meanwhile_is_taken_care_of() {
    for elevated in [false, true] {
        let case = plain(elevated);
        case.granted();
        let (dir, out) = (find(&case, "d0"), find(&case, "dev"));
        let user = case.facts.user.clone();
        let principal = Token::of(OFFLINE, &[]);
        let (gone, moved, made) = case.volume.with(|files| {
            // Made: it inherits.
            let made = files.make(dir, "made", Kind::Directory, &user);
            files.make(
                made,
                "within",
                Kind::File,
                if elevated { &principal } else { &user },
            );
            // Moved in: it has what it had.
            let came = files.make(out, "came", Kind::File, &user);
            files.rename(came, dir, "came");
            // Moved away, with something in it that nobody noted.
            let away = files.make(out, "away", Kind::Directory, &user);
            let d40 = files.nodes.iter().find(|(_, n)| n.name == "d40".into());
            let moved = *d40.unwrap().0;
            files.rename(moved, away, "elsewhere");
            files.make(moved, "new", Kind::File, &user);
            let gone = files.nodes.iter().find(|(_, n)| n.name == "f7".into());
            let gone = *gone.unwrap().0;
            files.remove(gone);
            (gone, moved, made)
        });
        // The second grant does not look for what was moved in.
        assert_eq!(case.granted().way, Way::Stood);
        let undone = case.undo(ALONE).unwrap();
        assert!(undone.closed && undone.searched, "{undone:?}");
        assert_eq!(
            (undone.root, undone.moved, undone.gone),
            (Place::There, 1, 1)
        );
        assert_eq!(case.marked(), None);
        case.is_back().unwrap();
        case.volume.with(|files| {
            assert!(!files.nodes.contains_key(&gone));
            assert!(files.nodes.contains_key(&moved) && files.nodes.contains_key(&made));
        });
    }
}

fn plain(elevated: bool) -> Case {
    let case = Case::plain(60);
    if !elevated {
        return case;
    }
    let mut facts = case.facts.clone();
    facts.principals = Case::random(0, true, 1).facts.principals;
    let files = case.volume.with(std::mem::take);
    Case::of(facts, files, case.workspace, case.guarded)
}

#[test]
fn a_root_that_was_renamed_replaced_or_removed_is_told() {
    let renamed = |case: &Case| {
        let away = find(case, "dev");
        let work = case.workspace;
        case.volume
            .with(|files| files.rename(work, away, "renamed"));
    };
    let case = Case::plain(10);
    case.granted();
    renamed(&case);
    let undone = case.undo(ALONE).unwrap();
    assert_eq!(
        (undone.root, undone.closed, undone.gone),
        (Place::Moved, true, 0)
    );
    case.is_back().unwrap();

    // Another lies there now: it is not touched, and nothing is granted there by the plan of the first.
    let case = Case::plain(10);
    case.granted();
    renamed(&case);
    let dev = find(&case, "dev");
    let user = case.facts.user.clone();
    let other = case.volume.with(|files| {
        let other = files.make(dev, "work", Kind::Directory, &user);
        files
            .nodes
            .get_mut(&other)
            .unwrap()
            .sd
            .dacl
            .as_mut()
            .unwrap()
            .add(allow(case.plan.sid));
        files.nodes[&other].sd.clone()
    });
    let refused = case.grant(ALONE).unwrap_err();
    assert!(matches!(refused, GrantError::Replaced { .. }), "{refused}");
    assert_eq!(case.undo(ALONE).unwrap().root, Place::Moved);
    case.is_back().unwrap();
    let is = find(&case, "work");
    case.volume
        .with(|files| assert_eq!(files.nodes[&is].sd, other));

    let case = Case::plain(10);
    case.granted();
    // One file was moved away before the rest was removed.
    let (file, dev) = (find(&case, "f3"), find(&case, "dev"));
    case.volume.with(|files| {
        files.rename(file, dev, "f3");
        files.remove(case.workspace);
    });
    let undone = case.undo(ALONE).unwrap();
    assert_eq!(
        (undone.root, undone.closed, undone.moved),
        (Place::Gone, true, 1)
    );
    assert_eq!(undone.gone, 13);
    case.is_back().unwrap();
}

#[test]
fn without_its_volume_a_journal_stays() {
    let case = Case::plain(10);
    case.granted();
    case.volume.with(|files| files.unplugged = true);
    let refused = case.undo(ALONE).unwrap_err();
    assert!(matches!(refused, UndoError::NoVolume { .. }), "{refused}");
    assert!(!case.is_closed());
    case.volume.with(|files| files.unplugged = false);
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
}

#[test]
fn where_nothing_is_opened_by_number_that_is_said() {
    let case = Case::plain(10);
    case.granted();
    let file = find(&case, "f3");
    case.volume.with(|files| {
        files.no_numbers = true;
        files.remove(file);
    });
    let undone = case.undo(ALONE).unwrap();
    assert_eq!(
        (undone.searched, undone.gone, undone.closed),
        (false, 1, true)
    );
    case.is_back().unwrap();
}

#[test]
fn what_cannot_be_opened_is_named_and_the_rest_goes_on() {
    let case = Case::plain(60);
    let (file, dir) = (find(&case, "f3"), find(&case, "d40"));
    let set = |deaf| {
        case.volume.with(|files| {
            for id in [file, dir] {
                files.nodes.get_mut(&id).unwrap().deaf = deaf;
            }
        });
    };
    set(true);
    let granted = case.granted();
    let left: Vec<_> = granted
        .left
        .iter()
        .map(|left| left.path.to_text())
        .collect();
    assert_eq!(
        BTreeSet::from_iter(left),
        BTreeSet::from([r"d0\f3".into(), "d40".into()])
    );
    assert!(
        granted
            .left
            .iter()
            .all(|left| left.why == Reason::Disk(DiskError::Denied))
    );
    assert_eq!((granted.way, granted.left_in_all), (Way::Walked, 2));
    assert!(granted.is_whole());
    // It is not tried each time.
    let again = case.granted();
    assert_eq!((again.way, again.left_in_all), (Way::Stood, 2));
    // What was never noted keeps nothing open; what was, does.
    let undone = case.undo(ALONE).unwrap();
    assert_eq!((undone.left_in_all, undone.closed), (2, true));
    case.is_back().unwrap();
    set(false);
    case.granted();
    set(true);
    let undone = case.undo(ALONE).unwrap();
    assert!(!undone.closed && undone.left_in_all >= 2, "{undone:?}");
    set(false);
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
}

#[test]
fn a_volume_that_does_not_keep_what_it_takes_is_found() {
    let lying = |case: &Case, id: u128| {
        case.volume
            .with(|files| files.nodes.get_mut(&id).unwrap().lies = true)
    };
    // The root: nothing else is tried.
    let case = Case::plain(10);
    lying(&case, case.workspace);
    let granted = case.granted();
    assert_eq!((granted.way, granted.seen), (Way::NotTheRoot, 1));
    assert!(!granted.is_whole());
    assert!(
        matches!(&granted.left[..], [left] if left.part == Part::Root && left.why == Reason::NotKept)
    );
    // What is protected, with its promise; also the next time.
    let case = Case::plain(10);
    lying(&case, case.guarded[0]);
    for _ in 0..2 {
        let granted = case.granted();
        let guard = granted
            .left
            .iter()
            .find(|left| left.part != Part::Other)
            .unwrap();
        assert_eq!(guard.part, Part::Guard(promise::PROTECT_PATHS));
        assert_eq!(guard.why, Reason::NotKept);
        assert!(!granted.is_whole());
    }
    // Any other.
    let case = Case::plain(10);
    lying(&case, find(&case, "f3"));
    let granted = case.granted();
    assert!(
        matches!(&granted.left[..], [left] if left.part == Part::Other && left.why == Reason::NotKept)
    );
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
}

#[test]
fn what_changes_between_reading_and_writing_is_read_again_or_left() {
    for times in [1, 2, u32::MAX] {
        let case = Case::plain(10);
        let file = find(&case, "f3");
        let count = AtomicU32::new(0);
        // After each of so many readings its owner lets guests do something more.
        let meddle = move |node: &mut super::simulated::Node| {
            let n = count.fetch_add(1, Ordering::SeqCst) + 1;
            if n <= times {
                let more = Ace::allow(well_known::GUESTS, Mask(n), AceFlags::NONE);
                node.sd.dacl.as_mut().unwrap().add(more);
            }
        };
        case.volume
            .with(|files| files.meddle = Some((file, Box::new(meddle))));
        let granted = case.granted();
        case.volume.with(|files| files.meddle = None);
        let count = |sid| {
            case.volume.with(|files| {
                let aces = &files.nodes[&file].sd.dacl.as_ref().unwrap().aces;
                aces.iter().filter(|ace| ace.sid == sid).count()
            })
        };
        if times == u32::MAX {
            let left: Vec<_> = granted.left.iter().map(|left| left.why).collect();
            assert_eq!((left, count(case.plan.sid)), (vec![Reason::Changing], 0));
        } else {
            assert_eq!((granted.left_in_all, count(case.plan.sid)), (0, 1));
            // Nothing of it was lost.
            assert_eq!(count(well_known::GUESTS), times as usize);
        }
        assert!(case.undo(ALONE).unwrap().closed);
        assert_eq!(case.marked(), None);
    }
}

#[test]
fn what_was_made_since_is_noted_without_what_it_inherited_of_ours() {
    let case = Case::plain(10);
    case.granted();
    let user = case.facts.user.clone();
    let (work, git) = (case.workspace, case.guarded[0]);
    case.volume.with(|files| {
        // Made in the workspace, moved to where the walk puts a denial on it; and the root has to be walked again.
        let made = files.make(work, "made", Kind::File, &user);
        files.rename(made, git, "made");
        let before = SecurityDescriptor::parse(&case.before[&work]).unwrap();
        files.nodes.get_mut(&work).unwrap().sd = before;
    });
    let granted = case.granted();
    assert_eq!((granted.way, granted.written), (Way::Walked, 2));
    assert!(case.undo(ALONE).unwrap().closed);
    assert_eq!(case.marked(), None);
    case.is_back().unwrap();
}

#[test]
fn a_number_that_is_anothers_now_is_not_taken_for_the_first() {
    let case = Case::plain(10);
    case.granted();
    let (file, dev) = (find(&case, "f3"), find(&case, "dev"));
    let user = case.facts.user.clone();
    let other = case.volume.with(|files| {
        let other = files.make(dev, "other", Kind::File, &user);
        files
            .nodes
            .get_mut(&other)
            .unwrap()
            .sd
            .dacl
            .as_mut()
            .unwrap()
            .add(allow(case.plan.sid));
        files
            .nodes
            .get_mut(&other)
            .unwrap()
            .sd
            .dacl
            .as_mut()
            .unwrap()
            .add(case.plan.own[0].clone());
        files.remove(file);
        files.reused = Some((file, other));
        files.nodes[&other].sd.clone()
    });
    let undone = case.undo(ALONE).unwrap();
    assert_eq!((undone.gone, undone.moved, undone.closed), (1, 0, true));
    let is = find(&case, "other");
    case.volume
        .with(|files| assert_eq!(files.nodes[&is].sd, other));
}

#[test]
fn a_guard_that_is_not_there_or_leads_elsewhere_is_named() {
    let mut case = Case::plain(10);
    let git = case.guarded[0];
    case.replan(vec![git]);
    case.volume
        .with(|files| files.nodes.get_mut(&git).unwrap().kind = Kind::ReparsePoint);
    let granted = case.granted();
    let guard = &granted.left[0];
    assert_eq!(guard.part, Part::Guard(promise::PROTECT_PATHS));
    assert_eq!(guard.why, Reason::Disk(DiskError::LeadsElsewhere));
    // It is told each time, and costs no walk.
    let again = case.granted();
    assert_eq!((again.way, &again.left[0]), (Way::Stood, guard));
    assert!(!again.is_whole());
    case.volume.with(|files| files.remove(git));
    assert_eq!(
        case.granted().left[0].why,
        Reason::Disk(DiskError::NotThere)
    );
}

/// Whatever is done between, what nobody touched is what it was, and nothing has ACEs of ours that can be looked at.
#[test]
fn whatever_was_done_between_nothing_of_ours_is_left() {
    let (mut moved, mut gone) = (0, 0);
    for seed in 0..2 * trees() {
        let case = Case::random(seed, seed % 2 == 0, 24);
        case.granted();
        let mut random = Random::new(seed ^ 0xabcd);
        let mut touched = BTreeSet::new();
        let dev = find(&case, "dev");
        for n in 0..random.below(6) {
            case.volume.with(|files| {
                let all: Vec<u128> = files.nodes.keys().copied().filter(|id| *id > dev).collect();
                let dirs: Vec<u128> = all
                    .iter()
                    .copied()
                    .filter(|id| files.nodes[id].kind == Kind::Directory)
                    .collect();
                let (one, dir) = (all[random.below(all.len())], dirs[random.below(dirs.len())]);
                match random.below(4) {
                    0 => {
                        files.make(dir, &format!("made{n}"), Kind::Directory, &case.facts.user);
                    }
                    1 if one != case.workspace
                        && !files.is_in(dir, one)
                        && files.nodes[&one].also.is_none() =>
                    {
                        files.rename(one, dir, &format!("moved{n}"));
                    }
                    2 if one != case.workspace => files.remove(one),
                    _ => {
                        if let Some(dacl) = &mut files.nodes.get_mut(&one).unwrap().sd.dacl {
                            dacl.add(allow(well_known::GUESTS));
                            touched.insert(one);
                        }
                    }
                }
            });
        }
        let undone = case.undo(ALONE).unwrap();
        moved += undone.moved;
        gone += undone.gone;
        case.volume.with(|files| {
            for (id, node) in &files.nodes {
                if let Some(before) = case.before.get(id)
                    && !touched.contains(id)
                {
                    assert_eq!(
                        node.sd.to_bytes().unwrap(),
                        *before,
                        "{seed} {}",
                        files.path(*id)
                    );
                }
            }
        });
        if undone.left_in_all == 0 {
            assert!(undone.closed && case.is_closed());
        }
    }
    println!("{moved} moved, {gone} gone");
    assert!(moved > 0 && gone > 0);
}
