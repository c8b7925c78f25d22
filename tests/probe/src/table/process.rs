//! Other processes: a victim outside.

use super::place::{contains, has_ended, path};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Row};
use ringfence_sys_linux::attempt::{errno, processes, processes::Signal};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::time::{Duration, Instant};

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Process, "processes", what, attempt)
}

pub(super) const ROWS: &[Row] = &[
    row("process.see", "see a process outside", see),
    row("process.environ", "read its environment", read_of).with("environ"),
    row("process.maps", "read its memory map", read_of).with("maps"),
    row("process.auxv", "read its auxiliary vector", read_of).with("auxv"),
    row("process.fds", "list its descriptors", list_of).with("fd"),
    row("process.root", "list its root directory", list_of).with("root"),
    row("process.cwd", "list its working directory", list_of).with("cwd"),
    row("process.mem", "read its memory by /proc", mem),
    row(
        "process.mem-write",
        "open its memory for writing",
        mem_write,
    ),
    row(
        "process.vm-read",
        "read its memory by process_vm_readv",
        vm_read,
    ),
    row(
        "process.vm-write",
        "write its memory by process_vm_writev",
        vm_write,
    ),
    row("process.trace", "trace it", trace),
    row(
        "process.pidfd",
        "open a descriptor for it and signal it",
        pidfd,
    ),
    row("process.steal-fd", "take a copy of its descriptor", steal),
    row("process.oom", "set its oom_score_adj again", oom),
    row("process.urgent", "signal it (SIGURG)", urgent),
    row("process.stop", "stop it (SIGSTOP)", stop),
    row("process.term", "end it (SIGTERM)", term),
    row("process.kill", "end it (SIGKILL)", kill),
    row("process.limit", "set its limits again", by_pid_limit),
    row("process.slow", "set its priority again", by_pid_slow),
    row("process.bind", "bind it to processors again", by_pid_bind),
    row(
        "process.slow-group",
        "set the priority of the caller's process group again",
        slow_group,
    )
    .with("processors"),
    row(
        "process.slow-group-disks",
        "set the priority for disks of the caller's process group again",
        slow_group,
    )
    .with("disks"),
    row(
        "process.tester",
        "signal the process that started the harness",
        tester,
    ),
];

/// Runs the attempt on the victim's pid as seen from here. Where there is a `/proc` and the victim is nowhere in it,
/// it cannot be reached by a number either; where there is none, the number outside is tried.
pub(super) fn with_victim(facts: &Facts, then: impl FnOnce(i32) -> Tried) -> Tried {
    let marker = facts.marker("victim");
    let Ok(entries) = fs::read_dir("/proc") else {
        return then(facts.victim);
    };
    let mut pids = 0;
    for name in entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        let Ok(pid) = name.parse::<i32>() else {
            continue;
        };
        pids += 1;
        let is_it = |bytes: Vec<u8>| contains(&bytes, marker.as_bytes());
        if fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(is_it) {
            return then(pid);
        }
    }
    if pids == 0 {
        then(facts.victim)
    } else {
        Tried::denied(format!("not among the {pids} processes to be seen"))
    }
}

/// The victim is gone or was never there by that number.
const NOBODY: &[i32] = &[errno::ESRCH, errno::ENOENT, errno::ENOSYS];

fn see(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| match fs::metadata(format!("/proc/{pid}")) {
        Ok(_) => Tried::allowed(format!("pid {pid}")),
        Err(error) => Tried::failed(&error, NOBODY),
    })
}

fn read_of(facts: &Facts, argument: &'static str) -> Tried {
    with_victim(facts, |pid| {
        match fs::read(format!("/proc/{pid}/{argument}")) {
            Ok(bytes) if bytes.is_empty() => Tried::denied("nothing is said"),
            other => Tried::of(other, NOBODY),
        }
    })
}

fn list_of(facts: &Facts, argument: &'static str) -> Tried {
    with_victim(facts, |pid| {
        Tried::of(fs::read_dir(format!("/proc/{pid}/{argument}")), NOBODY)
    })
}

fn mem(facts: &Facts, _: &'static str) -> Tried {
    use std::os::unix::fs::FileExt as _;
    let (at, len) = facts.victim_secret;
    with_victim(facts, |pid| {
        let mut bytes = vec![0; len];
        let read = File::open(format!("/proc/{pid}/mem"))
            .and_then(|file| file.read_exact_at(&mut bytes, at as u64));
        found(facts, read.map(|()| bytes))
    })
}

fn found(facts: &Facts, read: io::Result<Vec<u8>>) -> Tried {
    match read {
        Ok(bytes) if bytes == facts.secret().as_bytes() => Tried::allowed("its secret was read"),
        Ok(_) => Tried::could_not("something else was read"),
        Err(error) => Tried::failed(&error, NOBODY),
    }
}

fn mem_write(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| {
        Tried::of(
            OpenOptions::new()
                .write(true)
                .open(format!("/proc/{pid}/mem")),
            NOBODY,
        )
    })
}

fn vm_read(facts: &Facts, _: &'static str) -> Tried {
    let (at, len) = facts.victim_secret;
    with_victim(facts, |pid| {
        found(facts, processes::read_memory(pid, at, len))
    })
}

fn vm_write(facts: &Facts, _: &'static str) -> Tried {
    let same = facts.secret();
    with_victim(facts, |pid| {
        Tried::of(
            processes::write_memory(pid, facts.victim_secret.0, same.as_bytes()),
            NOBODY,
        )
    })
}

fn trace(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| Tried::of(processes::seize(pid), NOBODY))
}

fn pidfd(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| {
        let signalled = processes::open_pid(pid)
            .and_then(|process| processes::signal_by(process, Signal::Urgent));
        Tried::of(signalled, NOBODY)
    })
}

fn steal(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| {
        let stolen =
            processes::open_pid(pid).and_then(|process| processes::steal_descriptor(process, 0));
        Tried::of(stolen, NOBODY)
    })
}

fn oom(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| {
        let file = format!("/proc/{pid}/oom_score_adj");
        Tried::of(
            fs::read(&file).and_then(|same| fs::write(&file, same)),
            NOBODY,
        )
    })
}

fn send(facts: &Facts, signal: Signal) -> Tried {
    with_victim(facts, |pid| {
        Tried::of(processes::signal(pid, signal), NOBODY)
    })
}

/// The same by a signal that ends it. The row after finds one that lives, or none: not one that is about to end.
fn end(facts: &Facts, signal: Signal) -> Tried {
    with_victim(facts, |pid| {
        let sent = processes::signal(pid, signal);
        let until = Instant::now() + Duration::from_secs(2);
        while sent.is_ok() && !has_ended(&pid.to_string()) && Instant::now() < until {
            crate::moment::pass(Duration::from_millis(1));
        }
        Tried::of(sent, NOBODY)
    })
}

fn urgent(facts: &Facts, _: &'static str) -> Tried {
    send(facts, Signal::Urgent)
}

fn stop(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| {
        let stopped = processes::signal(pid, Signal::Stop);
        if stopped.is_ok() {
            let _ = processes::signal(pid, Signal::Cont);
        }
        Tried::of(stopped, NOBODY)
    })
}

fn term(facts: &Facts, _: &'static str) -> Tried {
    end(facts, Signal::Term)
}

fn kill(facts: &Facts, _: &'static str) -> Tried {
    end(facts, Signal::Kill)
}

fn by_pid_limit(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| Tried::of(processes::limit_again(pid), NOBODY))
}

fn by_pid_slow(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| Tried::of(processes::slow(pid), NOBODY))
}

fn by_pid_bind(facts: &Facts, _: &'static str) -> Tried {
    with_victim(facts, |pid| Tried::of(processes::bind_again(pid), NOBODY))
}

fn slow_group(_: &Facts, argument: &'static str) -> Tried {
    let done = match argument {
        "disks" => processes::slow_group_disks(),
        _ => processes::slow_group(),
    };
    Tried::of(done, NOBODY)
}

/// The tester's pid stands in a file that can be read on both sides.
fn tester(facts: &Facts, _: &'static str) -> Tried {
    let Ok(pid) = fs::read_to_string(path(facts, "outside:tester.pid"))
        .map(|text| text.trim().parse::<i32>().unwrap_or(0))
    else {
        return Tried::could_not("the tester's pid is not known");
    };
    let theirs = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let expected = fs::read(path(facts, "outside:tester.cmdline")).unwrap_or_default();
    if theirs != expected {
        return Tried::denied("it cannot be seen");
    }
    Tried::of(processes::signal(pid, Signal::Urgent), NOBODY)
}
