//! Starting a runner: its namespaces, its capabilities, its one descriptor.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod needs;
mod support;

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use ringfence_sys_linux::packet::Packets;
use ringfence_sys_linux::spawn::{RunnerNamespaces, RunnerStart, Starting, Step, runner};
use rustix::io::Errno;
use support::{Dir, field, hex, wait};

/// What a script says that is started in a runner's place.
fn said(script: &str, namespaces: Option<RunnerNamespaces>) -> String {
    let dir = Dir::new();
    let program = dir.program(
        "runner",
        &format!("#!/bin/sh\nexec >&3 2>&3 </dev/null\n{script}"),
    );
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let started = runner(&RunnerStart {
        program: &program,
        socket: write.as_fd(),
        namespaces,
    })
    .and_then(Starting::finish)
    .unwrap();
    drop(write);
    let mut text = String::new();
    std::fs::File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(wait(started.pid), Some(0), "{text}");
    text
}

fn own() -> RunnerNamespaces {
    RunnerNamespaces {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

const KINDS: [&str; 6] = ["user", "mnt", "pid", "ipc", "uts", "net"];

fn links(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn ask_links() -> String {
    KINDS
        .map(|kind| format!("readlink /proc/self/ns/{kind}\n"))
        .concat()
}

fn own_links() -> Vec<String> {
    KINDS
        .iter()
        .map(|kind| {
            let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
            link.to_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn a_missing_program_is_named_and_nothing_is_left() {
    let start = |namespaces| {
        let (ours, theirs) = Packets::pair(64, 64).unwrap();
        let failed = runner(&RunnerStart {
            program: Path::new("/nonexistent/ringfence-runner"),
            socket: theirs.fd(),
            namespaces,
        })
        .and_then(Starting::finish)
        .unwrap_err();
        drop(theirs);
        // Its end of the socket is gone with it, and it is reaped.
        assert!(ours.receive().unwrap().is_none());
        let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
        assert_eq!(children, "");
        failed
    };
    let error = start(None);
    assert_eq!(
        (error.step, error.error.errno),
        (Step::Exec, Errno::NOENT.raw_os_error())
    );
    if needs::userns() {
        assert_eq!(start(Some(own())), error);
    }
}

/// Where there are two processors it is put on the other one as it begins.
#[test]
fn it_may_run_where_its_parent_may() {
    const LINE: &str = "Cpus_allowed:";
    let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let own = own.lines().find(|line| line.starts_with(LINE)).unwrap();
    for _ in 0..20 {
        let its = said(&format!("grep ^{LINE} /proc/self/status\n"), None);
        assert_eq!(its.trim_end(), own);
    }
}

/// Who starts one goes on, in the same memory: what the child's calls say must not be told to it.
#[test]
fn what_fails_in_the_child_is_not_taken_for_the_callers() {
    for _ in 0..200 {
        let (ours, theirs) = Packets::pair(64, 64).unwrap();
        let starting = runner(&RunnerStart {
            program: Path::new("/nonexistent/ringfence-runner"),
            socket: theirs.fd(),
            namespaces: None,
        })
        .unwrap();
        drop(theirs);
        for _ in 0..300 {
            let closed = std::fs::read_link("/proc/self/fd/999999").unwrap_err();
            assert_eq!(closed.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
            let text = std::fs::read_link("/proc/self/status").unwrap_err();
            assert_eq!(text.raw_os_error(), Some(Errno::INVAL.raw_os_error()));
        }
        let failed = starting.finish().unwrap_err();
        assert_eq!(failed.error.errno, Errno::NOENT.raw_os_error());
        assert!(ours.receive().unwrap().is_none());
    }
}

/// One that nobody wants any more ends with its socket, and is to be waited for; one that was not executed is not there.
#[test]
fn one_that_is_let_go_is_gone() {
    let dir = Dir::new();
    let program = dir.program("runner", "#!/bin/sh\nread line <&3\n");
    let (ours, theirs) = Packets::pair(64, 64).unwrap();
    let starting = runner(&RunnerStart {
        program: &program,
        socket: theirs.fd(),
        namespaces: None,
    })
    .unwrap();
    drop((starting, theirs, ours));
    let children = || std::fs::read_to_string("/proc/thread-self/children").unwrap();
    let one = children();
    assert_eq!(wait(one.trim().parse().unwrap()), Some(1));
    let (_ours, theirs) = Packets::pair(64, 64).unwrap();
    drop(runner(&RunnerStart {
        program: Path::new("/nonexistent/ringfence-runner"),
        socket: theirs.fd(),
        namespaces: None,
    }));
    assert_eq!(children(), "");
}

#[test]
fn without_namespaces_it_shares_all_of_the_callers() {
    assert_eq!(links(&said(&ask_links(), None)), own_links());
}

#[test]
fn in_namespaces_it_shares_neither_user_nor_processes() {
    if !needs::userns() {
        return;
    }
    let before = own_links();
    let all = links(&said(&ask_links(), Some(own())));
    for (kind, (inside, outside)) in KINDS.iter().zip(all.iter().zip(&before)) {
        if ["user", "pid"].contains(kind) {
            assert_ne!(inside, outside, "{kind}");
        } else {
            assert_eq!(
                inside, outside,
                "{kind}: it makes that itself, where it is told to"
            );
        }
    }
}

#[test]
fn in_namespaces_it_is_process_1_with_one_user_and_few_capabilities() {
    if !needs::userns() {
        return;
    }
    let text = said(
        "echo pid $$; cat /proc/self/uid_map /proc/self/gid_map; exec cat /proc/self/status",
        Some(own()),
    );
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("pid 1"));
    for id in [own().uid, own().gid] {
        let map: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(map, [id.to_string(), id.to_string(), "1".to_owned()]);
    }
    assert!(field(&text, "NSpid").ends_with("\t1"), "{text}");
    // What it mounts with, and few others; nothing at all of the last, newer half.
    const SYS_ADMIN: u64 = 1 << 21;
    for set in ["CapInh", "CapAmb"] {
        let kept = hex(&text, set);
        assert_ne!(kept & SYS_ADMIN, 0, "{set} in {text}");
        assert!(kept.count_ones() < 10, "{set} in {text}");
    }
    // A program that uid 0 executes has all of its namespace's (capabilities(7)).
    if own().uid != 0 {
        assert_eq!(hex(&text, "CapEff"), hex(&text, "CapAmb"));
        assert_eq!(hex(&text, "CapPrm"), hex(&text, "CapAmb"));
    }
}

#[test]
fn it_gets_its_socket_and_nothing_else() {
    let leak = support::open("/etc/passwd");
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    // Before its own redirections a script has its text open, too: ask for what is open
    // to its child, which inherits all but that.
    let text = said("ls /proc/self/fd; echo env; exec env", None);
    let (descriptors, environment) = text.split_once("env\n").unwrap();
    let mut numbers: Vec<&str> = descriptors.split_whitespace().collect();
    // What ls opened itself is the last.
    numbers.pop();
    assert_eq!(numbers, ["0", "1", "2", "3"]);
    // The shell sets these on its own.
    let given: Vec<&str> = environment
        .lines()
        .filter(|line| {
            !["PWD=", "SHLVL=", "_=", "OLDPWD="]
                .iter()
                .any(|s| line.starts_with(s))
        })
        .collect();
    assert_eq!(given, [""; 0]);
}

#[test]
fn the_caller_whose_memory_it_shares_for_a_moment_stays_as_it_was() {
    // What of the caller a child could change: the memory's own flag, which the kernel sets
    // where a process gains capabilities, and what belongs to the thread.
    let status = || {
        let text = support::text(Path::new("/proc/thread-self/status"));
        [
            "Uid",
            "Gid",
            "SigBlk",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
        ]
        .map(|key| field(&text, key).to_owned())
    };
    let dumpable = || rustix::process::dumpable_behavior().unwrap();
    let before = (status(), own_links(), dumpable());
    assert_eq!(said("echo here", None), "here\n");
    if needs::userns() {
        assert_eq!(said("echo here", Some(own())), "here\n");
    }
    assert_eq!((status(), own_links(), dumpable()), before);
}
