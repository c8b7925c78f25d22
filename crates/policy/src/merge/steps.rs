//! The steps of a merge, each for one kind of value.

use std::path::PathBuf;

use crate::document::Listed;
use crate::error::PolicyError;
use crate::keys::{self, Key};
use crate::model::{Origin, Read, Sourced};
use crate::names::quoted;
use crate::rule::{Placement, Rule};
use crate::width::{limit_covers, rule_widens};

#[expect(clippy::ptr_arg, reason = "stands for lists of owned paths")]
pub(super) fn path_text(path: &PathBuf) -> String {
    quoted(&path.to_string_lossy())
}

pub(super) fn read_text(read: &Read) -> String {
    match read {
        Read::All => quoted("all"),
        Read::Minimal => quoted("minimal"),
        Read::Paths(paths) => {
            let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
            quoted(&paths.join(", "))
        }
    }
}

pub(super) fn set<T>(there: &mut Sourced<T>, said: Option<Sourced<T>>) {
    if let Some(said) = said {
        *there = said;
    }
}

pub(super) fn set_some<T>(there: &mut Option<Sourced<T>>, said: Option<Sourced<T>>) {
    if said.is_some() {
        *there = said;
    }
}

/// Adds what is not there yet; the first to say something stays its origin.
pub(super) fn add<T: PartialEq>(there: &mut Vec<Sourced<T>>, said: Vec<Sourced<T>>) {
    for entry in said {
        if there.iter().all(|known| known.value != entry.value) {
            there.push(entry);
        }
    }
}

pub(super) fn add_listed<T: PartialEq>(there: &mut Vec<Sourced<T>>, said: Option<Listed<T>>) {
    if let Some(said) = said {
        add(there, said.items);
    }
}

/// The rules of a stronger layer come first.
pub(super) fn stronger_rules(there: &mut Vec<Sourced<Rule>>, mut said: Vec<Sourced<Rule>>) {
    said.append(there);
    *there = said;
}

/// Takes a narrower value; a wider one is an error, the same one changes nothing.
pub(super) fn narrow<T: PartialEq>(
    errors: &mut Vec<PolicyError>,
    key: &Key,
    there: &mut Sourced<T>,
    said: Option<Sourced<T>>,
    fits: impl Fn(&T, &T) -> bool,
    text: impl Fn(&T) -> String,
) {
    let Some(said) = said else {
        return;
    };
    if !fits(&there.value, &said.value) {
        errors.push(PolicyError::Untrusted {
            at: said.origin,
            key: key.full,
            asked: text(&said.value),
            below: Some(Box::new(there.origin.clone())),
        });
    } else if there.value != said.value {
        *there = said;
    }
}

pub(super) fn at_most<T: PartialOrd>(below: Option<&Sourced<T>>, said: &Sourced<T>) -> bool {
    limit_covers(below, Some(said))
}

pub(super) fn narrow_some<T: PartialEq>(
    errors: &mut Vec<PolicyError>,
    key: &Key,
    there: &mut Option<Sourced<T>>,
    said: Option<Sourced<T>>,
    fits: impl Fn(Option<&Sourced<T>>, &Sourced<T>) -> bool,
    text: impl Fn(&T) -> String,
) {
    let Some(said) = said else {
        return;
    };
    if !fits(there.as_ref(), &said) {
        errors.push(PolicyError::Untrusted {
            at: said.origin,
            key: key.full,
            asked: text(&said.value),
            below: there.as_ref().map(|below| Box::new(below.origin.clone())),
        });
    } else if there.as_ref().is_none_or(|below| below.value != said.value) {
        *there = Some(said);
    }
}

/// Each entry of a list that widens must be covered by what is there; it adds nothing.
pub(super) fn nothing_new<T>(
    errors: &mut Vec<PolicyError>,
    key: &Key,
    there: &[Sourced<T>],
    said: Option<Listed<T>>,
    covers: impl Fn(&T, &T) -> bool,
    text: impl Fn(&T) -> String,
) {
    for entry in said.map(|listed| listed.items).unwrap_or_default() {
        if !there.iter().any(|known| covers(&known.value, &entry.value)) {
            errors.push(PolicyError::Untrusted {
                asked: text(&entry.value),
                at: entry.origin,
                key: key.full,
                below: None,
            });
        }
    }
}

pub(super) fn lower<T>(
    there: &mut Sourced<T>,
    bound: Option<Sourced<T>>,
    fits: impl Fn(&T, &T) -> bool,
) {
    if let Some(bound) = bound.filter(|bound| !fits(&bound.value, &there.value)) {
        *there = bound;
    }
}

pub(super) fn lower_some<T: PartialOrd>(there: &mut Option<Sourced<T>>, bound: Option<Sourced<T>>) {
    if bound.is_some() && !limit_covers(bound.as_ref(), there.as_ref()) {
        *there = bound;
    }
}

/// The paths of a list, with where the list stands.
pub(super) fn paths(listed: &Listed<PathBuf>) -> Sourced<Vec<PathBuf>> {
    let paths = listed.items.iter().map(|item| item.value.clone());
    Sourced::new(paths.collect(), listed.origin.clone())
}

/// Where the administrator wrote a list, each entry that is there must be covered by it.
pub(super) fn within<T>(
    errors: &mut Vec<PolicyError>,
    key: &Key,
    there: &[Sourced<T>],
    bound: Option<Listed<T>>,
    covers: impl Fn(&T, &T) -> bool,
    text: impl Fn(&T) -> String,
) {
    let Some(bound) = bound else {
        return;
    };
    for entry in there {
        if !bound
            .items
            .iter()
            .any(|known| covers(&known.value, &entry.value))
        {
            errors.push(PolicyError::BeyondManaged {
                at: entry.origin.clone(),
                key: key.full,
                asked: text(&entry.value),
                bound: Box::new(bound.origin.clone()),
            });
        }
    }
}

/// Where and how a rule lets pass what would not pass without it.
pub(super) fn rule_grants(rule: &Sourced<Rule>) -> Option<(Origin, &'static str, String)> {
    let (key, asked) = if rule.value.ring == Placement::Outside {
        (keys::RULE_RING.full, Placement::Outside.name())
    } else if rule_widens(&rule.value) {
        (keys::RULE_DECISION.full, rule.value.decision.name())
    } else {
        return None;
    };
    Some((rule.origin.clone(), key, quoted(asked)))
}
