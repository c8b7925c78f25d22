//! Objects shared by key or name, and the shared temporary directories.

use super::place::{path, reveal};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, End, Group, Row};
use ringfence_sys_linux::attempt::{errno, ipc};
use std::fs;

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Ipc, "ipc", what, attempt)
}

pub(super) const ROWS: &[Row] = &[
    row("ipc.segment", "read shared memory made outside", segment),
    row(
        "ipc.messages",
        "find a message queue made outside",
        messages,
    ),
    row("ipc.queue", "open a POSIX queue made outside", queue),
    row(
        "ipc.shm-file",
        "read a POSIX shared memory file made outside",
        shm_file,
    )
    .promise("temp"),
    row("tmp.stay", "leave a file in /tmp", leave)
        .promise("temp")
        .with("/tmp/")
        .after(left),
    row("tmp.stay-var", "leave a file in /var/tmp", leave)
        .promise("temp")
        .with("/var/tmp/")
        .after(left),
    row("tmp.stay-shm", "leave a file in /dev/shm", leave)
        .promise("temp")
        .with("/dev/shm/")
        .after(left),
    row(
        "tmp.write",
        "write in a directory of the host's /tmp",
        tmp_write,
    )
    .promise("temp")
    .with("tmp:new.txt")
    .after(written),
];

/// There is none by that key or name here.
const NONE: &[i32] = &[errno::ENOENT, errno::ENOSYS];

fn segment(facts: &Facts, _: &'static str) -> Tried {
    match ipc::read_segment(facts.ipc_key, facts.secret().len()) {
        Ok(bytes) if bytes == facts.secret().as_bytes() => Tried::allowed("its content was read"),
        Ok(_) => Tried::could_not("another segment was read"),
        Err(error) => Tried::failed(&error, NONE),
    }
}

fn messages(facts: &Facts, _: &'static str) -> Tried {
    Tried::of(ipc::find_message_queue(facts.ipc_key), NONE)
}

fn queue(facts: &Facts, _: &'static str) -> Tried {
    match &facts.queue {
        Some(name) => Tried::of(ipc::open_posix_queue(name), NONE),
        None => Tried::could_not("the arena could make no queue"),
    }
}

fn shm_file(facts: &Facts, _: &'static str) -> Tried {
    reveal(
        facts,
        std::path::Path::new(&format!("/dev/shm/rf-probe-{}", facts.nonce)),
    )
}

fn name(facts: &Facts, argument: &str) -> String {
    format!("{argument}ringfence-left-{}", facts.nonce)
}

fn leave(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::write(name(facts, argument), "left"), &[])
}

/// Looks, and takes it away.
fn left(facts: &Facts, argument: &'static str, _: End) -> Tried {
    match fs::remove_file(name(facts, argument)) {
        Ok(()) => Tried::allowed("it stayed"),
        Err(_) => Tried::denied("nothing stayed"),
    }
}

fn tmp_write(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::write(path(facts, argument), "left"), &[errno::ENOENT])
}

/// Looks, and takes it away.
fn written(facts: &Facts, argument: &'static str, _: End) -> Tried {
    match fs::remove_file(path(facts, argument)) {
        Ok(()) => Tried::allowed("it stayed"),
        Err(_) => Tried::denied("nothing stayed"),
    }
}
