//! What carries the root's own SID, whoever put it there and whatever it says.

use ringfence_nt_access::{Ace, AceFlags, Effect, Mask, SecurityDescriptor, object};

use super::ALONE;
use super::case::Case;
use crate::Way;
use crate::disk::Kind;

/// A directory and a file as a command makes them that gives itself all rights by a descriptor of its own.
fn greedy(case: &Case) -> [u128; 2] {
    let (sid, work) = (case.plan.sid, case.workspace);
    let user = case.facts.user.clone();
    case.volume.with(|files| {
        [("dir", Kind::Directory), ("file", Kind::File)].map(|(name, kind)| {
            let made = files.make(work, name, kind, &user);
            let sd = &mut files.nodes.get_mut(&made).unwrap().sd;
            let dacl = sd.dacl.as_mut().unwrap();
            let flags = if kind == Kind::Directory {
                AceFlags::INHERIT
            } else {
                AceFlags::NONE
            };
            dacl.add(Ace::allow(sid, object::FILE.all, flags));
            dacl.add(Ace::deny(sid, Mask::READ_CONTROL, AceFlags::NONE));
            made
        })
    })
}

fn carries(case: &Case, id: u128, mask: Mask) -> bool {
    let sid = case.plan.sid;
    let is = |ace: &Ace| {
        ace.sid == sid && ace.mask.has(mask) && ace.kind.effect() == Some(Effect::Allow)
    };
    let any = |sd: &SecurityDescriptor| sd.dacl.iter().flat_map(|dacl| &dacl.aces).any(is);
    case.volume.with(|files| any(&files.nodes[&id].sd))
}

#[test]
fn what_a_command_put_for_the_roots_own_sid_goes_when_it_is_taken_back() {
    let case = Case::plain(3);
    case.granted();
    let made = greedy(&case);
    assert!(made.iter().all(|id| carries(&case, *id, Mask::WRITE_DAC)));
    let user = case.facts.user.clone();
    let within = case
        .volume
        .with(|files| files.make(made[0], "within", Kind::File, &user));
    assert!(carries(&case, within, Mask::WRITE_DAC));
    assert!(case.undo(ALONE).unwrap().closed);
    assert_eq!(case.marked(), None);
    case.is_back().unwrap();
}

#[test]
fn a_walk_leaves_nothing_of_the_roots_own_sid_that_its_plan_does_not_put() {
    for (another, linked) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut case = Case::plain(3);
        case.granted();
        let made = greedy(&case);
        if linked {
            case.volume
                .with(|files| files.link(made[1], made[0], "second"));
        }
        if another {
            case.replan(vec![made[0]]);
        } else {
            // The same plan, walked again.
            case.volume.with(|files| {
                let bare = SecurityDescriptor::parse(&case.before[&case.workspace]).unwrap();
                files.nodes.get_mut(&case.workspace).unwrap().sd = bare;
            });
        }
        assert_eq!(case.granted().way, Way::Walked);
        for id in made {
            assert!(!carries(&case, id, Mask::WRITE_OWNER), "{another}");
            assert!(carries(&case, id, Mask(0x2)), "{another}");
        }
        assert!(case.undo(ALONE).unwrap().closed);
        assert_eq!(case.marked(), None);
        case.is_back().unwrap();
    }
}
