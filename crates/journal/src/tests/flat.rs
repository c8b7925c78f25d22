//! The second time costs the same in a small tree and in a large one.

use std::sync::atomic::Ordering;

use super::case::Case;
use super::simulated::Counts;
use crate::Way;
use crate::crew::Crew;

/// What a second grant did, and how much of the journal it read.
fn second(files: usize) -> (Counts, u64) {
    let case = Case::plain(files);
    let first = case.grant(Crew::usual()).unwrap();
    assert_eq!(first.way, Way::Walked);
    // All but the profile and the volume.
    let all = case.volume.with(|files| files.nodes.len() as u64) - 2;
    assert_eq!((first.seen, first.written), (all, all));
    case.volume.counts();
    case.shelf.read.store(0, Ordering::SeqCst);
    case.volume.kill.set(0);
    let again = case.grant(Crew::usual()).unwrap();
    assert_eq!((again.way, again.seen, again.written), (Way::Stood, 0, 0));
    // Nothing lasting was tried.
    assert_eq!(case.volume.kill.steps(), 0);
    (case.volume.counts(), case.shelf.read.load(Ordering::SeqCst))
}

#[test]
fn the_second_time_opens_as_much_in_a_large_tree_as_in_a_small_one() {
    let (small, large) = (second(100), second(50_000));
    println!("100: {small:?}, 50,000: {large:?}");
    assert_eq!(small.0, large.0);
    let counts = Counts {
        opened: 2,
        listed: 0,
        read: 2,
        written: 0,
    };
    assert_eq!(large.0, counts);
    assert!(large.1 <= 512 && small.1 <= 512);
}

#[test]
fn what_was_walked_is_walked_again_where_root_or_guard_lost_its_aces() {
    for of_guard in [false, true] {
        let case = Case::plain(50);
        case.granted();
        let whose = if of_guard {
            case.guarded[0]
        } else {
            case.workspace
        };
        let file = case.volume.with(|files| {
            let bare = |id: u128| ringfence_nt_access::SecurityDescriptor::parse(&case.before[&id]);
            let file = *files.nodes.last_key_value().unwrap().0;
            for id in [whose, file] {
                files.nodes.get_mut(&id).unwrap().sd = bare(id).unwrap();
            }
            file
        });
        // Stopped in the middle it is not taken for walked: not even where root and guard have theirs by then.
        let case = {
            case.volume.kill.set(4);
            drop(case.grant(super::ALONE));
            case.volume.kill.set(u64::MAX);
            case
        };
        let granted = case.granted();
        assert_eq!(granted.way, Way::Walked);
        let wanted = Case::plain(50).by_hand();
        case.volume
            .with(|files| assert_eq!(files.nodes[&file].sd, wanted[&file]));
        assert_eq!(case.granted().way, Way::Stood);
        case.undo(super::ALONE).unwrap();
        case.is_back().unwrap();
    }
}
