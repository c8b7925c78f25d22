//! Which of two policies allows more, key by key.

use std::path::{Path, PathBuf};

use crate::environment::NamePattern;
use crate::host;
use crate::keys;
use crate::model::{Effective, Hide, Protect, Read, Sourced};
use crate::rule::{Decision, Placement, Rule};

/// The keys under which `to` allows something that `from` does not; empty if it only tightens.
///
/// Errs towards naming a key: two ways of writing the same may count as wider.
pub fn widens(from: &Effective, to: &Effective) -> Vec<&'static str> {
    let mut wider = Vec::new();
    let mut check = |fine: bool, key: &keys::Key| {
        if !fine {
            wider.push(key.full);
        }
    };
    check(to.mode.value <= from.mode.value, &keys::MODE);
    check(
        all_covered(&from.write, &to.write, path_covers),
        &keys::WRITE,
    );
    check(
        all_covered(&to.protect, &from.protect, protect_covers),
        &keys::PROTECT,
    );
    check(all_covered(&to.hide, &from.hide, hide_covers), &keys::HIDE);
    check(read_covers(&from.read.value, &to.read.value), &keys::READ);
    check(
        to.network.mode.value <= from.network.mode.value,
        &keys::NETWORK_MODE,
    );
    check(
        all_covered(&from.network.allow, &to.network.allow, host_covers),
        &keys::ALLOW,
    );
    check(
        to.caches.mode.value.width() <= from.caches.mode.value.width(),
        &keys::CACHE_MODE,
    );
    let tools = |effective: &Effective| effective.caches.tools.as_ref().map(|t| t.value.clone());
    check(
        tools_cover(tools(from).as_deref(), tools(to).as_deref()),
        &keys::CACHE_TOOLS,
    );
    let (passed, passes) = (&from.environment.pass, &to.environment.pass);
    check(
        all_covered(passed, passes, NamePattern::covers),
        &keys::PASS,
    );
    let (dropped, drops) = (&from.environment.drop, &to.environment.drop);
    check(
        all_covered(drops, dropped, NamePattern::covers),
        &keys::DROP,
    );
    check(
        limit_covers(from.limits.time.as_ref(), to.limits.time.as_ref()),
        &keys::TIME,
    );
    check(
        limit_covers(from.limits.memory.as_ref(), to.limits.memory.as_ref()),
        &keys::MEMORY,
    );
    let (processes, wanted) = (from.limits.processes.as_ref(), to.limits.processes.as_ref());
    check(limit_covers(processes, wanted), &keys::PROCESSES);
    check(
        limit_covers(from.limits.output.as_ref(), to.limits.output.as_ref()),
        &keys::OUTPUT,
    );
    check(
        all_covered(&from.accept, &to.accept, String::eq),
        &keys::ACCEPT,
    );
    check(
        to.linux.mode.value.width() <= from.linux.mode.value.width(),
        &keys::LINUX_MODE,
    );
    check(
        all_covered(&from.linux.sockets, &to.linux.sockets, path_covers),
        &keys::SOCKETS,
    );
    check(
        to.linux.nested.value <= from.linux.nested.value,
        &keys::NESTED,
    );
    check(rules_cover(&from.rules, &to.rules), &RULES);
    wider
}

const RULES: keys::Key = keys::Key {
    table: "",
    name: "rule",
    full: "rule",
    expected: "",
    example: "",
};

/// Whether each entry is covered by one of the bounds.
pub(crate) fn all_covered<T>(
    bounds: &[Sourced<T>],
    entries: &[Sourced<T>],
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    let covered = |entry: &Sourced<T>| bounds.iter().any(|b| covers(&b.value, &entry.value));
    entries.iter().all(covered)
}

/// Whether all below `entry` is below `bound` too.
#[expect(clippy::ptr_arg, reason = "stands for lists of owned paths")]
pub(crate) fn path_covers(bound: &PathBuf, entry: &PathBuf) -> bool {
    entry.starts_with(bound)
}

#[expect(clippy::ptr_arg, reason = "stands for lists of owned entries")]
pub(crate) fn host_covers(bound: &String, entry: &String) -> bool {
    host::covers(bound, entry)
}

/// Whether what is protected by `entry` is protected by `bound`.
fn protect_covers(bound: &Protect, entry: &Protect) -> bool {
    match (bound, entry) {
        (Protect::Relative(bound), Protect::Relative(entry))
        | (Protect::Absolute(bound), Protect::Absolute(entry)) => entry.starts_with(bound),
        _ => false,
    }
}

/// Whether what is hidden by `entry` is hidden by `bound`.
fn hide_covers(bound: &Hide, entry: &Hide) -> bool {
    let Ok(below) = entry.path.strip_prefix(&bound.path) else {
        return false;
    };
    if below == Path::new("") {
        return bound.except.iter().all(|name| entry.except.contains(name));
    }
    // What stays visible of the bound must not be what the entry hides.
    !bound.except.iter().any(|name| below.starts_with(name))
}

/// Whether all that `entry` reads `bound` reads.
pub(crate) fn read_covers(bound: &Read, entry: &Read) -> bool {
    match (bound, entry) {
        (Read::All, _) | (_, Read::Minimal) => true,
        (_, Read::All) => false,
        (Read::Minimal, Read::Paths(entries)) => entries.is_empty(),
        (Read::Paths(bounds), Read::Paths(entries)) => entries
            .iter()
            .all(|entry| bounds.iter().any(|bound| entry.starts_with(bound))),
    }
}

/// What both allow to be read.
pub(crate) fn read_meet(one: &Read, other: &Read) -> Read {
    if read_covers(one, other) {
        return other.clone();
    }
    if read_covers(other, one) {
        return one.clone();
    }
    let (Read::Paths(one), Read::Paths(other)) = (one, other) else {
        return Read::Minimal;
    };
    let within = |paths: &[PathBuf], bounds: &[PathBuf]| -> Vec<PathBuf> {
        let inside = |path: &&PathBuf| bounds.iter().any(|bound| path.starts_with(bound));
        paths.iter().filter(inside).cloned().collect()
    };
    let mut both = within(one, other);
    for path in within(other, one) {
        if !both.contains(&path) {
            both.push(path);
        }
    }
    Read::Paths(both)
}

/// Whether the tools of `entry` are among those of `bound`; none listed means all that are detected.
pub(crate) fn tools_cover(bound: Option<&[String]>, entry: Option<&[String]>) -> bool {
    match (bound, entry) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(entry)) => entry.iter().all(|tool| bound.contains(tool)),
    }
}

/// Whether `entry` limits at least as much as `bound`.
pub(crate) fn limit_covers<T: PartialOrd>(
    bound: Option<&Sourced<T>>,
    entry: Option<&Sourced<T>>,
) -> bool {
    match (bound, entry) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(entry)) => entry.value <= bound.value,
    }
}

/// Whether a rule lets pass what would not pass without it.
pub(crate) fn rule_widens(rule: &Rule) -> bool {
    rule.decision == Decision::Allow || rule.ring == Placement::Outside
}

/// Whether no rule that forbids or asks is gone, and none that allows is new.
fn rules_cover(from: &[Sourced<Rule>], to: &[Sourced<Rule>]) -> bool {
    let has = |rules: &[Sourced<Rule>], rule: &Rule| rules.iter().any(|r| r.value == *rule);
    from.iter()
        .all(|rule| rule_widens(&rule.value) || has(to, &rule.value))
        && to
            .iter()
            .all(|rule| !rule_widens(&rule.value) || has(from, &rule.value))
}
