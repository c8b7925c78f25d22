//! Stopped at each step by which something lasting changes, in granting, in granting anew, and in taking back.

use std::collections::BTreeMap;

use ringfence_nt_access::{Ace, Effect, SecurityDescriptor};

use ringfence_plan::windows::is_of;

use super::case::Case;
use super::simulated::Node;
use super::{ALONE, trees};
use crate::Way;

/// What a crash leaves of what was written and not flushed.
#[derive(Debug, Clone, Copy)]
enum Loses {
    /// The process ended: the system has it all.
    Nothing,
    /// The power went.
    All,
    /// The power went, and some had come to the disk.
    Most,
}

const CRASHES: [Loses; 3] = [Loses::Nothing, Loses::All, Loses::Most];

type Wanted = BTreeMap<u128, SecurityDescriptor>;

fn crash(case: &Case, loses: Loses) {
    match loses {
        Loses::Nothing => {}
        Loses::All => case.shelf.lose(0),
        Loses::Most => case.shelf.lose(100),
    }
    case.volume.kill.set(u64::MAX);
}

/// A file with two names keeps the denials that it has, also where a plan that was put them.
fn is_denied_more(node: &Node, wanted: &SecurityDescriptor) -> bool {
    let denials = |sd: &SecurityDescriptor| -> (Vec<Ace>, Vec<Ace>) {
        let all = sd.dacl.iter().flat_map(|dacl| dacl.aces.clone());
        all.partition(|ace| ace.kind.effect() == Some(Effect::Deny))
    };
    let (has, wanted) = (denials(&node.sd), denials(wanted));
    let is_denied = |ace: &Ace| has.0.iter().any(|own| is_of(own, ace));
    node.also.is_some() && has.1 == wanted.1 && wanted.0.iter().all(is_denied)
}

fn is(case: &Case, wanted: &Wanted) -> Result<(), String> {
    case.volume.with(|files| {
        for (id, node) in &files.nodes {
            if node.sd != wanted[id] && !is_denied_more(node, &wanted[id]) {
                return Err(format!(
                    "{} is {:?}\nnot {:?}",
                    files.path(*id),
                    node.sd,
                    wanted[id]
                ));
            }
        }
        Ok(())
    })
}

fn is_undone(case: &Case) -> Result<(), String> {
    let undone = case.undo(ALONE).map_err(|error| error.to_string())?;
    case.is_back()?;
    match case.marked() {
        Some(path) => Err(format!("{path} has ACEs of ours")),
        None if undone.closed && case.is_closed() => Ok(()),
        None => Err(format!("{undone:?}")),
    }
}

fn is_granted(case: &Case, wanted: &Wanted) -> Result<(), String> {
    let granted = case.grant(ALONE).map_err(|error| error.to_string())?;
    is(case, wanted)?;
    if granted.way == Way::NotTheRoot {
        return Ok(());
    }
    let again = case.grant(ALONE).map_err(|error| error.to_string())?;
    match (again.way, again.written) {
        (Way::Stood, 0) => Ok(()),
        _ => Err(format!("{again:?}")),
    }
}

/// Does `act` on `make`'s case, stopped after each of its steps; then takes back, and in another run grants again and takes
/// back. How often it was stopped.
fn at_each_step(
    make: &dyn Fn() -> Case,
    act: &dyn Fn(&Case),
    wanted: &Wanted,
) -> Result<u64, String> {
    let case = make();
    case.volume.kill.set(u64::MAX);
    act(&case);
    let steps = case.volume.kill.steps();
    for step in 0..steps {
        for loses in CRASHES {
            for again in [false, true] {
                let at =
                    |wrong| format!("step {step} of {steps}, {loses:?}, again {again}: {wrong}");
                let case = make();
                case.volume.kill.set(step);
                act(&case);
                crash(&case, loses);
                if again {
                    is_granted(&case, wanted).map_err(at)?;
                }
                is_undone(&case).map_err(at)?;
            }
        }
    }
    Ok(steps)
}

fn each_tree(check: impl Fn(u64, bool) -> Result<u64, String>) {
    let (mut steps, mut trees_stopped) = (0, 0);
    for seed in 0..trees() / 2 {
        for elevated in [false, true] {
            match check(seed, elevated) {
                Ok(of_it) => steps += of_it,
                Err(wrong) => panic!("seed {seed}, elevated {elevated}: {wrong}"),
            }
            trees_stopped += 1;
        }
    }
    println!("{trees_stopped} trees, {steps} steps, each stopped at in 6 ways");
    assert!(steps > 5 * trees_stopped);
}

#[test]
fn granting_is_stopped_at_each_step() {
    each_tree(|seed, elevated| {
        let make = || Case::random(seed, elevated, 16);
        let wanted = make().by_hand();
        at_each_step(&make, &|case| drop(case.grant(ALONE)), &wanted)
    });
}

#[test]
fn taking_back_is_stopped_at_each_step() {
    each_tree(|seed, elevated| {
        let make = || {
            let case = Case::random(seed, elevated, 16);
            case.granted();
            case
        };
        let wanted = Case::random(seed, elevated, 16).by_hand();
        at_each_step(&make, &|case| drop(case.undo(ALONE)), &wanted)
    });
}

/// The case with other objects protected than at first.
fn other(seed: u64, elevated: bool) -> Case {
    let mut case = Case::random(seed, elevated, 16);
    let mut guarded: Vec<u128> = case.volume.with(|files| {
        let inside = files
            .nodes
            .keys()
            .filter(|id| files.is_in(**id, case.workspace));
        inside.copied().filter(|id| *id != case.workspace).collect()
    });
    guarded.retain(|id| !case.guarded.contains(id));
    guarded.truncate(1);
    case.replan(guarded);
    case
}

#[test]
fn granting_another_plan_is_stopped_at_each_step() {
    each_tree(|seed, elevated| {
        let make = || {
            let first = Case::random(seed, elevated, 16);
            let granted = first.granted();
            let mut case = other(seed, elevated);
            case.volume = first.volume;
            case.shelf = first.shelf;
            drop(granted);
            case
        };
        let wanted = other(seed, elevated).by_hand();
        at_each_step(&make, &|case| drop(case.grant(ALONE)), &wanted)
    });
}

#[test]
fn granting_by_several_threads_is_stopped_anywhere() {
    let crew = crate::crew::Crew {
        threads: 4,
        batch: 2,
    };
    for seed in 0..trees() {
        let wanted = Case::random(seed, true, 30).by_hand();
        for after in 0..30 {
            let case = Case::random(seed, true, 30);
            case.volume.kill.set(after);
            drop(case.grant(crew));
            crash(&case, CRASHES[(after % 3) as usize]);
            if after % 2 == 0 {
                is_granted(&case, &wanted).unwrap();
            }
            if let Err(wrong) = is_undone(&case) {
                panic!("seed {seed}, after {after}: {wrong}");
            }
        }
    }
}
