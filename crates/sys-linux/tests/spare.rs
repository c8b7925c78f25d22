//! A spare becomes what a start from nothing would have made, or nothing at all.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod needs;
mod support;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use ringfence_sys_linux::spawn::{Spare, Spares, SpawnError, Started, Step};
use ringfence_sys_linux::{SysError, process};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use support::{Dir, Start, field, in_namespaces, open, wait};

fn ready(test: &str) -> bool {
    needs::userns() && in_namespaces(test)
}

fn spare_for(spares: &mut Spares, start: &Start<'_>) -> Spare {
    let restrictions = Arc::new(start.restrictions());
    loop {
        // One that was dismissed or killed may not have left yet.
        if let Some(spare) = spares.spare(restrictions.clone()) {
            return spare;
        }
        std::thread::yield_now();
    }
}

/// Its number: its thread makes it in its own time.
fn pid(spare: &Spare) -> i32 {
    loop {
        if let Some(pid) = spare.pid() {
            return pid;
        }
        std::thread::yield_now();
    }
}

/// What it printed, and its exit status.
fn run(spare: Spare, start: &Start<'_>) -> (String, Option<i32>) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let started = start.start_spare(spare, write.as_fd()).unwrap().unwrap();
    drop(write);
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    (text, wait(started.pid))
}

fn start_of(spare: Spare, start: &Start<'_>) -> Result<Option<Started>, SpawnError> {
    start.start_spare(spare, open("/dev/null").as_fd())
}

/// A filter of one instruction: what it answers to every call.
fn filter(answer: u32) -> Vec<u8> {
    let mut bytes = 6_u16.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&answer.to_ne_bytes());
    bytes
}

const ALLOW: u32 = 0x7fff_0000;

#[test]
fn it_is_as_restricted_and_as_clean_as_one_started_from_nothing() {
    if !ready("it_is_as_restricted_and_as_clean_as_one_started_from_nothing") {
        return;
    }
    let dir = Dir::new();
    let mut start = Start::sh(
        "grep -v -e ^Pid -e ^Tgid -e ^Vm -e ^Rss -e ctxt -e ^NSpid -e ^NSpgid -e ^NStgid -e ^NSsid \
           -e ^SigQ -e allowed /proc/self/status; ls /proc/self/fd; pwd; env; ulimit -a",
    );
    start.seccomp = Some(filter(ALLOW));
    start.limits = vec![
        (ringfence_sys_linux::spawn::Resource::Core, 0),
        (ringfence_sys_linux::spawn::Resource::AddressSpace, 1 << 30),
    ];
    start.own_limits = vec![(ringfence_sys_linux::spawn::Resource::AddressSpace, 1 << 29)];
    start.cwd = open(dir.0.to_str().unwrap());
    // Not closed by the execution.
    let leak = open("/etc/passwd");
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let mut spares = Spares::new().unwrap();
    let (by_a_spare, code) = run(spare_for(&mut spares, &start), &start);
    assert_eq!(code, Some(0), "{by_a_spare}");
    for (field_name, value) in [
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("CapEff", "0000000000000000"),
        ("SigBlk", "0000000000000000"),
    ] {
        assert_eq!(field(&by_a_spare, field_name), value, "{field_name}");
    }
    assert!(
        by_a_spare.contains("524288"),
        "its own limit, in KiB: {by_a_spare}"
    );
    let own_parent = format!("PPid:\t{}", std::process::id());
    let without_parent = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("PPid"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (from_nothing, _) = start.run();
    assert_eq!(without_parent(&by_a_spare), without_parent(&from_nothing));
    // Whose child it is: this process', not a thread's.
    let mut parent = Start::new(&["/bin/grep", "PPid", "/proc/self/status"]);
    parent.seccomp = Some(filter(ALLOW));
    assert_eq!(
        run(spare_for(&mut spares, &parent), &parent).0.trim(),
        own_parent
    );
}

#[test]
fn it_tells_its_namespace_which_is_its_own() {
    if !ready("it_tells_its_namespace_which_is_its_own") {
        return;
    }
    let start = Start::new(&["/usr/bin/stat", "-L", "-c", "%i", "/proc/self/ns/uts"]);
    let mut spares = Spares::new().unwrap();
    let spare = spare_for(&mut spares, &start);
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let started = start.start_spare(spare, write.as_fd()).unwrap().unwrap();
    drop(write);
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(wait(started.pid), Some(0));
    assert_eq!(text.trim(), started.uts.to_string());
    let own = std::fs::metadata("/proc/self/ns/uts").unwrap().ino();
    assert_ne!(started.uts, own);
}

#[test]
fn it_has_the_descriptors_of_the_command_and_holds_none_before() {
    if !ready("it_has_the_descriptors_of_the_command_and_holds_none_before") {
        return;
    }
    let mut spares = Spares::new().unwrap();
    let start = Start::new(&["/bin/echo", "here"]);
    let spare = {
        // Open when it is made, and closed before it is used.
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let spare = spare_for(&mut spares, &start);
        let _made = pid(&spare);
        drop(write);
        let mut none = Vec::new();
        File::from(read).read_to_end(&mut none).unwrap();
        spare
    };
    // Made after it, by `run`.
    assert_eq!(run(spare, &start), ("here\n".to_owned(), Some(0)));
}

#[test]
fn one_that_was_killed_does_nothing() {
    if !ready("one_that_was_killed_does_nothing") {
        return;
    }
    let mut spares = Spares::new().unwrap();
    let start = Start::new(&["/bin/echo", "no"]);
    let spare = spare_for(&mut spares, &start);
    let killed = pid(&spare);
    process::kill(killed, 9).unwrap();
    assert_eq!(start_of(spare, &start), Ok(None));
    assert_eq!(wait(killed), None);
    // The next is none the worse.
    assert_eq!(run(spare_for(&mut spares, &start), &start).1, Some(0));
}

#[test]
fn one_that_was_stopped_goes_on() {
    if !ready("one_that_was_stopped_goes_on") {
        return;
    }
    let mut spares = Spares::new().unwrap();
    let start = Start::new(&["/bin/echo", "on"]);
    let spare = spare_for(&mut spares, &start);
    process::kill(pid(&spare), 19).unwrap();
    waitid(
        WaitId::Pid(rustix::process::Pid::from_raw(pid(&spare)).unwrap()),
        WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT,
    )
    .unwrap();
    assert_eq!(run(spare, &start), ("on\n".to_owned(), Some(0)));
}

#[test]
fn a_signal_to_a_spare_is_not_the_commands() {
    if !ready("a_signal_to_a_spare_is_not_the_commands") {
        return;
    }
    let mut spares = Spares::new().unwrap();
    let start = Start::new(&["/bin/echo", "whole"]);
    // What ends it at once, what may be handled, and the last there is.
    for signal in [2, 15, 31, 64] {
        let spare = spare_for(&mut spares, &start);
        let signalled = pid(&spare);
        process::kill(signalled, signal).unwrap();
        assert_eq!(start_of(spare, &start), Ok(None), "signal {signal}");
        assert!(!std::path::Path::new(&format!("/proc/{signalled}")).exists());
    }
    // What does nothing is let pass.
    for signal in [17, 18, 23, 28] {
        let spare = spare_for(&mut spares, &start);
        process::kill(pid(&spare), signal).unwrap();
        assert_eq!(run(spare, &start).1, Some(0), "signal {signal}");
    }
}

#[test]
fn what_cannot_be_executed_is_told_and_what_else_fails_is_not_its_to_tell() {
    if !ready("what_cannot_be_executed_is_told_and_what_else_fails_is_not_its_to_tell") {
        return;
    }
    let mut spares = Spares::new().unwrap();
    let no = Start::new(&["/nonexistent/program"]);
    assert_eq!(
        start_of(spare_for(&mut spares, &no), &no),
        Err(SpawnError {
            step: Step::Exec,
            error: SysError::new("execve", Errno::NOENT.raw_os_error()),
        })
    );
    // A directory that only a privilege opens: a spare has given that up.
    let dir = Dir::new();
    let mut closed = Start::new(&["/bin/true"]);
    closed.cwd = open(dir.0.to_str().unwrap());
    let mut mode = std::fs::metadata(&dir.0).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0);
    std::fs::set_permissions(&dir.0, mode).unwrap();
    assert_eq!(start_of(spare_for(&mut spares, &closed), &closed), Ok(None));
    // A filter that the kernel does not take.
    let mut bad = Start::new(&["/bin/true"]);
    bad.seccomp = Some(vec![0xff; 8]);
    assert_eq!(start_of(spare_for(&mut spares, &bad), &bad), Ok(None));
    assert_eq!(bad.failure().step, Step::Seccomp);
    // A script without an interpreter is the shell's.
    let script = Dir::new();
    let mut start = Start::new(&["script", "a b"]);
    start.program = script.program("script", "echo \"$1\"\n");
    assert_eq!(
        run(spare_for(&mut spares, &start), &start),
        ("a b\n".to_owned(), Some(0))
    );
}

#[test]
fn one_that_is_not_needed_ends() {
    if !ready("one_that_is_not_needed_ends") {
        return;
    }
    let mut spares = Spares::new().unwrap();
    let start = Start::new(&["/bin/true"]);
    let spare = spare_for(&mut spares, &start);
    let number = pid(&spare);
    // One at a time.
    assert!(spares.spare(Arc::default()).is_none());
    drop(spare);
    assert_eq!(wait(number), Some(127));
    // Called or dismissed before it is there.
    drop(spare_for(&mut spares, &start));
    for _ in 0..200 {
        assert_eq!(run(spare_for(&mut spares, &start), &start).1, Some(0));
    }
    // Nor is it when there will be no more.
    let spare = spare_for(&mut spares, &start);
    let number = pid(&spare);
    drop(spares);
    assert_eq!(wait(number), Some(127));
    assert_eq!(start_of(spare, &start), Ok(None));
}
