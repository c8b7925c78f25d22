//! Getting more privilege than one has.

use crate::answer::{Answer, Tried};
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, privilege};
use std::path::Path;
use std::process::Command;

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Privilege, "privileges", what, attempt)
}

const ROOT: &[Need] = &[Need::Root];

pub(super) const ROWS: &[Row] = &[
    row(
        "privilege.new",
        "gain privilege by starting programs",
        no_new_privileges,
    ),
    row("privilege.effective", "hold a capability", held)
        .with("CapEff")
        .needs(ROOT),
    row("privilege.permitted", "hold a capability in reserve", held)
        .with("CapPrm")
        .needs(ROOT),
    row(
        "privilege.inheritable",
        "keep a capability across programs",
        held,
    )
    .with("CapAmb+CapEff")
    .needs(ROOT),
    row(
        "privilege.bounding",
        "hold a capability in the bounding set",
        held,
    )
    .with("CapBnd")
    .needs(ROOT),
    row(
        "privilege.capset",
        "take the right to pass every file's mode",
        capset,
    )
    .needs(ROOT),
    row("privilege.user", "become another user", user).needs(ROOT),
    row("privilege.group", "join another group", group).needs(ROOT),
    row(
        "privilege.setuid",
        "start a program of another user's with the set-user-id bit",
        setuid,
    )
    .needs(ROOT),
    row(
        "privilege.capable",
        "start a program with a file capability",
        capable,
    )
    .needs(ROOT),
    row("privilege.nice", "raise one's priority", nice).needs(ROOT),
    row("privilege.real-time", "run in real time", real_time).needs(ROOT),
    row("privilege.limit", "raise a hard limit", limit).needs(ROOT),
];

fn no_new_privileges(_: &Facts, _: &'static str) -> Tried {
    match privilege::is_confined_for_good() {
        Ok(true) => Tried::denied("no_new_privs is set"),
        Ok(false) => Tried::allowed("no_new_privs is not set"),
        Err(error) => Tried::could_not(error.to_string()),
    }
}

/// Whether any of the sets named is not empty.
fn held(_: &Facts, argument: &'static str) -> Tried {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return Tried::could_not("/proc/self/status cannot be read");
    };
    let mut seen = false;
    for line in status.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        if argument.split('+').any(|wanted| wanted == key) {
            seen = true;
            if value.trim().bytes().any(|byte| byte != b'0') {
                return Tried::allowed(format!("{key} is {}", value.trim()));
            }
        }
    }
    if seen {
        Tried::denied("it is empty")
    } else {
        Tried::could_not("the kernel does not say")
    }
}

fn capset(_: &Facts, _: &'static str) -> Tried {
    // As root outside it is held already, so that asking for it works.
    Tried::of(privilege::keep_override(), &[errno::ENOSYS])
}

fn user(_: &Facts, _: &'static str) -> Tried {
    // An id without a number in the ring's user namespace is EINVAL.
    Tried::of(
        privilege::become_user(65_533),
        &[errno::EINVAL, errno::ENOSYS],
    )
}

fn group(_: &Facts, _: &'static str) -> Tried {
    Tried::of(
        privilege::join_group(65_533),
        &[errno::EINVAL, errno::ENOSYS],
    )
}

/// Starts the copy, which says its effective user and capabilities; `gained` looks at them.
fn start(program: Option<&Path>, gained: impl Fn(&str) -> bool) -> Tried {
    let Some(program) = program else {
        return Tried::could_not("the arena could make no such program");
    };
    match Command::new(program).arg("identity").output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if !said.starts_with("identity ") {
                Tried::could_not(format!("it said {said:?}"))
            } else if gained(&said) {
                Tried::allowed(said)
            } else {
                Tried {
                    answer: Answer::Denied,
                    errno: None,
                    detail: said,
                }
            }
        }
        Err(error) => Tried::failed(&error, &[]),
    }
}

fn setuid(facts: &Facts, _: &'static str) -> Tried {
    let before = privilege::effective_user();
    start(facts.setuid.as_deref(), |said| {
        !said.contains(&format!("effective={before} "))
    })
}

fn capable(facts: &Facts, _: &'static str) -> Tried {
    start(facts.capable.as_deref(), |said| {
        !said.ends_with("capabilities=0000000000000000")
    })
}

fn nice(_: &Facts, _: &'static str) -> Tried {
    Tried::of(privilege::set_nice(-20), &[])
}

fn real_time(_: &Facts, _: &'static str) -> Tried {
    Tried::of(privilege::real_time(), &[errno::ENOSYS])
}

fn limit(_: &Facts, _: &'static str) -> Tried {
    Tried::of(privilege::raise_hard_limit(), &[])
}
