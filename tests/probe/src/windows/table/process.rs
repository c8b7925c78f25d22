//! Other processes of the user.

use super::lifetime;
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Row};
use ringfence_sys_windows::SysError;
use ringfence_sys_windows::attempt::processes;
use ringfence_sys_windows::handle::Foreign;
use ringfence_sys_windows::process::{Process, Start, access};
use ringfence_sys_windows::token::{self, Token};
use std::ffi::OsStr;
use std::os::windows::io::AsHandle as _;
use std::time::Duration;

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Process, "processes", what, attempt)
}

pub(super) const ROWS: &[Row] = &[
    row("process.terminate", "end a process outside", terminate),
    row(
        "process.read-memory",
        "read the memory of a process outside",
        read_memory,
    ),
    row(
        "process.write-memory",
        "write the memory of a process outside",
        write_memory,
    ),
    row(
        "process.handle",
        "take a handle out of a process outside",
        take_handle,
    ),
    row(
        "process.token",
        "take the token of a process outside",
        take_token,
    ),
    row(
        "process.thread",
        "open a process outside to start a thread in it",
        open_for_thread,
    ),
    row(
        "process.dacl",
        "open a process outside to change who may open it",
        open_for_dacl,
    ),
    row(
        "process.parent",
        "start a program as the child of a process outside",
        as_its_child,
    )
    .with("process.parent")
    .promise("descendants")
    .after(lifetime::survived),
];

/// `PROCESS_CREATE_THREAD`
const CREATE_THREAD: u32 = 0x2;
/// `PROCESS_VM_OPERATION`
const VM_OPERATION: u32 = 0x8;
/// `PROCESS_VM_WRITE`
const VM_WRITE: u32 = 0x20;

/// What the victim refuses whom; where it is gone nothing is said.
fn tried<T>(result: Result<T, SysError>) -> Tried {
    Tried::of(result.map_err(crate::sys), &[])
}

fn open(facts: &Facts, access: u32) -> Result<Process, SysError> {
    Process::open(facts.victim, access | access::QUERY_LIMITED)
}

fn terminate(facts: &Facts, _: &'static str) -> Tried {
    tried(open(facts, access::TERMINATE).and_then(|victim| victim.terminate(1)))
}

fn read_memory(facts: &Facts, _: &'static str) -> Tried {
    let (at, len) = facts.victim_secret;
    let read =
        open(facts, access::VM_READ).and_then(|victim| processes::read_memory(&victim, at, len));
    match read {
        Ok(bytes) if bytes == facts.secret().as_bytes() => Tried::allowed("the secret was read"),
        Ok(_) => Tried::could_not("something else was read"),
        error => tried(error),
    }
}

fn write_memory(facts: &Facts, _: &'static str) -> Tried {
    let (at, _) = facts.victim_secret;
    let written = open(facts, VM_WRITE | VM_OPERATION)
        .and_then(|victim| processes::write_memory(&victim, at, b"h"));
    tried(written)
}

/// Any of its handles: the first that there is.
fn take_handle(facts: &Facts, _: &'static str) -> Tried {
    let victim = match open(facts, access::DUP_HANDLE) {
        Ok(victim) => victim,
        error => return tried(error),
    };
    for number in (4..=400).step_by(4) {
        if processes::copy_handle(&victim, Foreign(number)).is_ok() {
            return Tried::allowed(format!("its handle {number:#x}"));
        }
    }
    Tried::could_not("it has no handle that can be copied")
}

fn take_token(facts: &Facts, _: &'static str) -> Tried {
    let taken = open(facts, access::QUERY).and_then(|victim| {
        let token = Token::of_process(victim.as_handle(), token::access::DUPLICATE)?;
        token.duplicate_primary(token::access::QUERY)
    });
    tried(taken)
}

fn open_for_thread(facts: &Facts, _: &'static str) -> Tried {
    tried(open(facts, CREATE_THREAD | VM_OPERATION | VM_WRITE))
}

fn open_for_dacl(facts: &Facts, _: &'static str) -> Tried {
    tried(open(facts, access::WRITE_DAC))
}

fn as_its_child(facts: &Facts, argument: &'static str) -> Tried {
    let victim = match open(facts, access::CREATE_PROCESS) {
        Ok(victim) => victim,
        error => return tried(error),
    };
    let line = lifetime::line(facts, argument);
    let start = Start {
        parent: Some(victim.as_handle()),
        no_window: true,
        ..Start::new(&facts.probe, OsStr::new(&line))
    };
    match start.start() {
        Ok(started) => lifetime::began(facts, argument, Duration::from_secs(5), started.id),
        error => tried(error),
    }
}
