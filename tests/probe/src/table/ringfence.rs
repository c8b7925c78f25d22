//! Ringfence itself: its binaries, its state, its processes.

use super::place::{create, path};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, End, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, files, processes, processes::Signal};
use std::fs::{self, OpenOptions};
use std::path::PathBuf;

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Ringfence, "protect.ringfence", what, attempt)
}

const HARNESS: &[Need] = &[Need::Harness];

pub(super) const ROWS: &[Row] = &[
    row("self.harness", "change the harness's binary", change_binary)
        .promise("write.metadata")
        .with("ringfence")
        .needs(HARNESS)
        .after(binary_is_marked),
    row("self.runner", "change the runner's binary", change_binary)
        .promise("write.metadata")
        .with("ringfence-runner")
        .needs(HARNESS)
        .after(binary_is_marked),
    row("self.tools", "change the tools' binary", change_binary)
        .promise("write.metadata")
        .with("ringfence-tools")
        .needs(HARNESS)
        .after(binary_is_marked),
    row(
        "self.beside",
        "make a program beside the harness",
        make_beside,
    )
    .needs(HARNESS)
    .after(made_beside),
    row("self.state", "append to the ledger", append).with("home:.local/state/ringfence/ledger.db"),
    row("self.state-new", "make a file in Ringfence's state", make)
        .with("home:.local/state/ringfence/new"),
    row("self.config", "append to the user's policy", append)
        .with("home:.config/ringfence/ringfence.toml"),
    row("self.config-new", "make a policy of the user's", make)
        .with("home:.config/ringfence/policy.toml"),
    row(
        "self.managed",
        "make the managed policy's directory",
        make_managed,
    )
    .needs(&[Need::Root]),
    row("self.kill", "kill the parent", kill)
        .promise("processes")
        .at_parent()
        .after(parent_lives),
    row("self.stop", "stop the parent", stop)
        .promise("processes")
        .at_parent()
        .after(parent_lives),
    row("self.trace", "trace the parent", trace)
        .promise("processes")
        .at_parent(),
    row("self.memory", "open the parent's memory", open_parent)
        .promise("processes")
        .with("mem")
        .at_parent(),
    row(
        "self.descriptors",
        "follow one of the parent's descriptors",
        follow_parent,
    )
    .promise("processes")
    .with("fd")
    .at_parent(),
    row("self.parent-root", "list the parent's root", list_parent)
        .promise("processes")
        .with("root")
        .at_parent(),
];

/// The harness's binary or one that lies beside it.
fn binary(facts: &Facts, name: &str) -> PathBuf {
    let harness = facts.harness.clone().unwrap_or_default();
    if name == "ringfence" {
        harness
    } else {
        harness.with_file_name(name)
    }
}

const MARK: &str = "user.ringfence-probe";
const BESIDE: &str = "ringfence-probe-was-here";

/// A mark: running binaries cannot be opened for writing anywhere. Judged from outside, since binaries that lie
/// below a private `/tmp` can be changed in there, and are the ring's own copies.
fn change_binary(facts: &Facts, argument: &'static str) -> Tried {
    let marked = files::set_attribute(&binary(facts, argument), MARK, b"changed");
    Tried::of(marked, &[])
}

fn binary_is_marked(facts: &Facts, argument: &'static str, _: End) -> Tried {
    match files::remove_attribute(&binary(facts, argument), MARK) {
        Ok(()) => Tried::allowed("the binary was marked"),
        Err(error) => Tried::denied(format!("the binary has no mark: {error}")),
    }
}

/// Another run of the table at the same time has a name of its own.
fn beside_it(facts: &Facts) -> String {
    format!("{BESIDE}-{}", facts.nonce)
}

/// Below a private `/tmp` it is made in there, and is there when a ring that stays tries once more: judged
/// from outside, it need not be new.
fn make_beside(facts: &Facts, _: &'static str) -> Tried {
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(binary(facts, &beside_it(facts)));
    Tried::of(made, &[])
}

fn made_beside(facts: &Facts, _: &'static str, _: End) -> Tried {
    match fs::remove_file(binary(facts, &beside_it(facts))) {
        Ok(()) => Tried::allowed("it was there"),
        Err(error) => Tried::denied(format!("it was not there: {error}")),
    }
}

/// Its state may be out of sight altogether.
fn append(facts: &Facts, argument: &'static str) -> Tried {
    match OpenOptions::new().append(true).open(path(facts, argument)) {
        Ok(_) => Tried::allowed("it was opened"),
        Err(error) => super::place::hidden(facts, &error),
    }
}

fn make(facts: &Facts, argument: &'static str) -> Tried {
    match create(&path(facts, argument)) {
        Ok(_) => Tried::allowed("it was made"),
        Err(error) => super::place::hidden(facts, &error),
    }
}

/// Only a name of our own below `/etc`, so that a real policy is never touched.
fn make_managed(_: &Facts, _: &'static str) -> Tried {
    let path = "/etc/ringfence-probe-managed";
    let made = fs::create_dir(path);
    if made.is_ok() {
        let _ = fs::remove_dir(path);
    }
    Tried::of(made, &[])
}

/// The parent, where it can be seen at all.
fn with_parent(then: impl FnOnce(i32) -> Tried) -> Tried {
    match i32::try_from(std::os::unix::process::parent_id()) {
        Ok(parent) if parent > 0 => then(parent),
        _ => Tried::denied("the parent cannot be seen"),
    }
}

fn kill(_: &Facts, _: &'static str) -> Tried {
    with_parent(|parent| Tried::of(processes::signal(parent, Signal::Kill), &[errno::ESRCH]))
}

fn stop(_: &Facts, _: &'static str) -> Tried {
    // A parent that stays stopped would never answer; what it then is can be read in /proc.
    with_parent(|parent| {
        if let Err(error) = processes::signal(parent, Signal::Stop) {
            return Tried::failed(&error, &[errno::ESRCH]);
        }
        for _ in 0..20 {
            let stopped = fs::read_to_string(format!("/proc/{parent}/stat")).is_ok_and(|stat| {
                stat.rsplit(") ")
                    .next()
                    .is_some_and(|rest| rest.starts_with('T'))
            });
            if stopped {
                // Told by a way of ending that the judge can tell from a parent that was never harmed.
                let _ = processes::signal(parent, Signal::Kill);
                let _ = processes::signal(parent, Signal::Cont);
                return Tried::allowed("it stopped");
            }
            crate::moment::pass(std::time::Duration::from_millis(5));
        }
        Tried::denied("it went on")
    })
}

/// After the end: a parent that was not harmed handed on the probe's own exit code.
fn parent_lives(_: &Facts, _: &'static str, end: End) -> Tried {
    match end.code {
        Some(code) if [0, 10].contains(&code) => {
            Tried::denied(format!("it lived to hand on exit code {code}"))
        }
        Some(code) => Tried::allowed(format!("it ended with exit code {code}")),
        None => Tried::allowed("it was ended by a signal"),
    }
}

fn trace(_: &Facts, _: &'static str) -> Tried {
    with_parent(|parent| Tried::of(processes::seize(parent), &[errno::ESRCH, errno::ENOSYS]))
}

fn open_parent(_: &Facts, argument: &'static str) -> Tried {
    with_parent(|parent| {
        let opened = OpenOptions::new()
            .write(true)
            .open(format!("/proc/{parent}/{argument}"));
        Tried::of(opened, &[errno::ENOENT])
    })
}

fn list_parent(_: &Facts, argument: &'static str) -> Tried {
    with_parent(|parent| {
        Tried::of(
            fs::read_dir(format!("/proc/{parent}/{argument}")),
            &[errno::ENOENT],
        )
    })
}

/// The numbers alone are no secret (root may list them whatever the process says); what they stand for is.
fn follow_parent(_: &Facts, argument: &'static str) -> Tried {
    with_parent(|parent| {
        let first = fs::read_dir(format!("/proc/{parent}/{argument}")).and_then(|entries| {
            let mut last = Err(std::io::Error::from_raw_os_error(errno::ESRCH));
            for entry in entries.flatten() {
                last = fs::read_link(entry.path());
                if last.is_ok() {
                    break;
                }
            }
            last
        });
        Tried::of(first, &[errno::ENOENT, errno::ESRCH])
    })
}
