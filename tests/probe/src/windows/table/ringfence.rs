//! Ringfence itself: its programs, its state, the user's policy.

use super::place::{create, path};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_windows::file::{self, access};
use std::fs::{self, OpenOptions};

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Ringfence, "protect.ringfence", what, attempt)
}

pub(super) const ROWS: &[Row] = &[
    row("self.policy", "write the user's policy", append)
        .with(r"home:AppData\Roaming\Ringfence\policy.toml"),
    row("self.ledger", "write the ledger", append)
        .with(r"home:AppData\Local\Ringfence\ledger\00000001.jsonl"),
    row("self.trust", "make the file of what is trusted", make)
        .with(r"home:AppData\Local\Ringfence\ringfence-probe-{nonce}"),
    row(
        "self.program",
        "open the harness to rename it",
        open_to_rename,
    )
    .with("")
    .needs(&[Need::Harness]),
    row("self.beside", "make a library beside the harness", beside)
        .with("ringfence-probe-{nonce}.dll")
        .needs(&[Need::Harness]),
];

fn append(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    Tried::of(OpenOptions::new().append(true).open(path), &[])
}

fn make(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let made = create(&path).map(drop);
    if made.is_ok() {
        let _ = fs::remove_file(&path);
    }
    Tried::of(made, &[])
}

/// A program that runs cannot be written, but renamed, and another put in its place. It is opened for that and left as it is: others may be
/// about to start it.
fn open_to_rename(facts: &Facts, _: &'static str) -> Tried {
    match &facts.harness {
        Some(harness) => Tried::of(file::open(harness, access::DELETE).map_err(crate::sys), &[]),
        None => Tried::could_not("its path is not known"),
    }
}

fn beside(facts: &Facts, argument: &'static str) -> Tried {
    let Some(harness) = &facts.harness else {
        return Tried::could_not("its path is not known");
    };
    let path = harness.with_file_name(argument.replace("{nonce}", &facts.nonce));
    let made = create(&path).map(drop);
    if made.is_ok() {
        let _ = fs::remove_file(&path);
    }
    Tried::of(made, &[])
}
