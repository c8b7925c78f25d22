//! Limits.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, privilege, processes};
use std::process::{Command, Stdio};
use std::time::Duration;

const fn row(
    name: &'static str,
    promise: &'static str,
    what: &'static str,
    attempt: Attempt,
) -> Row {
    Row::new(name, Group::Limit, promise, what, attempt)
}

const PROCESSES: &[&str] = &["--processes", "320"];
const MEMORY: &[&str] = &["--memory", "256MiB"];
const TIME: &[&str] = &["--timeout", "1s"];

pub(super) const ROWS: &[Row] = &[
    row(
        "limit.processes",
        "limits.processes",
        "start 512 processes where 320 are allowed",
        fork,
    )
    .flags(PROCESSES),
    row(
        "limit.memory",
        "limits.memory",
        "use 1 GiB of memory where 256 MiB are allowed",
        memory,
    )
    .flags(MEMORY)
    .may_die(),
    row(
        "limit.memory-sum",
        "limits.memory",
        "use 1 GiB in eight processes where 256 MiB are allowed",
        memory_sum,
    )
    // Without such a group the limit is each process's own, as the outcome says.
    .needs(&[Need::MemoryGroup])
    .flags(MEMORY)
    .may_die(),
    row(
        "limit.time",
        "limits.time",
        "run for three seconds where one is allowed",
        time,
    )
    .flags(TIME)
    .may_die(),
];

fn fork(_: &Facts, _: &'static str) -> Tried {
    let mut idlers = processes::Idlers::default();
    while idlers.len() < 512 {
        if let Err(error) = idlers.add() {
            let detail = format!("after {}: {error}", idlers.len());
            return Tried {
                detail,
                ..Tried::failed(&error, &[errno::EAGAIN, errno::ENOMEM])
            };
        }
    }
    Tried::allowed("512 were started")
}

/// Takes memory and touches each page of it.
pub(super) fn take(bytes: usize) -> Result<Vec<u8>, std::collections::TryReserveError> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(bytes)?;
    memory.resize(bytes, 0xA5);
    Ok(memory)
}

fn memory(_: &Facts, _: &'static str) -> Tried {
    match take(1 << 30) {
        Ok(memory) => Tried::allowed(format!("{} bytes", memory.len())),
        Err(error) => Tried::denied(error.to_string()),
    }
}

/// Eight children that hold 128 MiB each at the same time.
fn memory_sum(facts: &Facts, _: &'static str) -> Tried {
    let mut children = Vec::new();
    for _ in 0..8 {
        let mut command = Command::new(&facts.probe);
        match command
            .args(["hold-memory", "134217728"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        {
            Ok(child) => children.push(child),
            Err(error) => return Tried::failed(&error, &[errno::EAGAIN, errno::ENOMEM]),
        }
    }
    let mut holding = 0;
    for child in &mut children {
        let mut said = [0; 1];
        let read = child
            .stdout
            .as_mut()
            .map(|out| std::io::Read::read(out, &mut said));
        holding += usize::from(matches!(read, Some(Ok(1))));
    }
    for mut child in children {
        drop(child.stdin.take());
        let _ = child.wait();
    }
    if holding == 8 {
        Tried::allowed("all eight held theirs")
    } else {
        Tried::denied(format!("{holding} of 8 held theirs"))
    }
}

/// A child of `memory_sum`: holds so many bytes, says so, and waits for the end of its input.
#[must_use]
pub fn hold_memory(bytes: usize) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(memory) = take(bytes) else {
        return false;
    };
    let said = std::io::stdout()
        .write_all(b"+")
        .and_then(|()| std::io::stdout().flush());
    let mut rest = Vec::new();
    let waited = std::io::stdin().read_to_end(&mut rest);
    said.is_ok() && waited.is_ok() && memory.len() == bytes
}

fn time(_: &Facts, _: &'static str) -> Tried {
    crate::moment::pass(Duration::from_secs(3));
    Tried::allowed("nobody ended it")
}

/// What the set-user-id and capable copies print: `identity effective=N real=N capabilities=HEX`.
#[must_use]
pub fn report_identity() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap_or("unknown")
        .trim();
    let (effective, real) = (privilege::effective_user(), privilege::real_user());
    format!("identity effective={effective} real={real} capabilities={held}")
}
