//! What a walk makes of a tree.

use super::case::Case;
use super::{ALONE, trees};
use crate::Place;
use crate::crew::Crew;

const TOGETHER: Crew = Crew {
    threads: 4,
    batch: 2,
};

#[test]
fn a_tree_is_granted_as_the_model_says_and_taken_back_to_the_byte() {
    let (mut written, mut left, mut passed) = (0, 0, 0);
    for seed in 0..trees() {
        for elevated in [false, true] {
            for crew in [ALONE, TOGETHER] {
                let case = Case::random(seed, elevated, 30);
                let wanted = case.by_hand();
                let granted = case.grant(crew).unwrap();
                case.volume.with(|files| {
                    for (id, node) in &files.nodes {
                        // Also of what has two names, and is met in two directories in this order or that.
                        assert_eq!(node.sd, wanted[id], "{seed} {elevated} {}", files.path(*id));
                    }
                });
                written += granted.written;
                left += granted.left_in_all;
                passed += granted.passed;
                let undone = case.undo(crew).unwrap();
                assert!(undone.closed && case.is_closed(), "{seed} {undone:?}");
                if let Err(wrong) = case.is_back() {
                    panic!("{seed} {elevated}: {wrong}");
                }
                assert_eq!(case.undo(crew).unwrap().root, Place::NoJournal);
            }
        }
    }
    println!("{written} written, {left} left, {passed} passed");
    // What is looked for was there.
    assert!(written > 4 * trees() && left > trees() && passed > trees());
}
