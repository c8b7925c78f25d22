//! The filter of a real ring, in the kernel: what each call is answered.
#![cfg(target_os = "linux")]
#![cfg(target_arch = "x86_64")] // the numbers are
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;
mod support;

use std::fmt::Write as _;

use ringfence_ops::Arch;
use ringfence_ops::Need::Must;
use ringfence_ops::linux::Op;
use ringfence_ops::linux::seccomp::{Action, Filter};
use ringfence_wire::End;
use support::Ring;

const EPERM: i32 = 1;
const ESRCH: i32 = 3;
const EBADF: i32 = 9;
const EACCES: i32 = 13;
const EFAULT: i32 = 14;
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;
const ENOSYS: i32 = 38;

/// What a call is answered.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// By the filter, with this.
    Denied(i32),
    /// By the kernel: it works.
    Works,
    /// By the kernel, with this: the call was let through.
    Kernel(i32),
}
use Answer::{Denied, Kernel, Works};

type Row = (&'static str, u64, &'static [u64], Answer);

/// Name, number, arguments, answer. Arguments are such that a call that is let through
/// changes nothing.
const CALLS: &[Row] = &[
    ("getpid", 39, &[], Works),
    ("getuid", 102, &[], Works),
    ("read", 0, &[999, 0, 0], Kernel(EBADF)),
    ("openat", 257, &[999, 0, 0], Kernel(EFAULT)),
    ("fstat", 5, &[999, 0], Kernel(EBADF)),
    ("futex", 202, &[0, 1, 1], Kernel(EFAULT)),
    ("mmap", 9, &[0, 0, 0, 0], Kernel(EINVAL)),
    ("ptrace", 101, &[0xffff, 0, 0, 0], Kernel(ESRCH)),
    ("kill", 62, &[2_147_483_647, 0], Kernel(ESRCH)),
    ("memfd_create", 319, &[0, 0], Kernel(EFAULT)),
    ("socketpair", 53, &[1, 1, 0, 0], Kernel(EFAULT)),
    ("socket unix", 41, &[1, 1, 0], Works),
    ("socket netlink route", 41, &[16, 3, 0], Works),
    ("inotify_init1", 294, &[0], Works),
    ("epoll_create1", 291, &[0], Works),
    ("seccomp actions", 317, &[99, 0, 0], Kernel(EINVAL)),
    ("landlock_create_ruleset", 444, &[0, 0, 1], Works),
    ("ioctl of no terminal", 16, &[0, 0x5401, 0], Kernel(ENOTTY)),
    ("clone3", 435, &[0, 0], Denied(ENOSYS)),
    ("io_uring_setup", 425, &[4, 0], Denied(ENOSYS)),
    ("io_uring_enter", 426, &[0, 0, 0, 0, 0, 0], Denied(ENOSYS)),
    ("bpf", 321, &[0, 0, 0], Denied(EPERM)),
    ("userfaultfd", 323, &[0], Denied(EPERM)),
    ("perf_event_open", 298, &[0, 0, 0, 0, 0], Denied(EACCES)),
    ("add_key", 248, &[0, 0, 0, 0, 0], Denied(ENOSYS)),
    ("request_key", 249, &[0, 0, 0, 0], Denied(ENOSYS)),
    ("keyctl", 250, &[0, 0, 0, 0, 0], Denied(ENOSYS)),
    ("init_module", 175, &[0, 0, 0], Denied(EPERM)),
    ("finit_module", 313, &[999, 0, 0], Denied(EPERM)),
    ("delete_module", 176, &[0, 0], Denied(EPERM)),
    ("kexec_load", 246, &[0, 0, 0, 0], Denied(EPERM)),
    ("reboot", 169, &[0, 0, 0, 0], Denied(EPERM)),
    ("swapon", 167, &[0, 0], Denied(EPERM)),
    ("mount", 165, &[0, 0, 0, 0, 0], Denied(EPERM)),
    ("umount2", 166, &[0, 0], Denied(EPERM)),
    ("pivot_root", 155, &[0, 0], Denied(EPERM)),
    ("open_tree", 428, &[999, 0, 0], Denied(EPERM)),
    ("move_mount", 429, &[999, 0, 999, 0, 0], Denied(EPERM)),
    ("fsopen", 430, &[0, 0], Denied(EPERM)),
    ("mount_setattr", 442, &[999, 0, 0, 0, 0], Denied(EPERM)),
    ("open_by_handle_at", 304, &[999, 0, 0], Denied(EPERM)),
    ("unshare user", 272, &[0x1000_0000], Denied(EPERM)),
    ("unshare mount", 272, &[0x0002_0000], Denied(EPERM)),
    ("setns", 308, &[999, 0], Denied(EPERM)),
    ("clone user", 56, &[0x1000_0011, 0, 0, 0, 0], Denied(EPERM)),
    ("ioctl TIOCSTI", 16, &[0, 0x5412, 0], Denied(EPERM)),
    ("ioctl TIOCLINUX", 16, &[0, 0x541c, 0], Denied(EPERM)),
    (
        "ioctl TIOCSTI with a high half",
        16,
        &[0, 0x1_0000_5412, 0],
        Denied(EPERM),
    ),
    ("acct", 163, &[0], Denied(EPERM)),
    ("settimeofday", 164, &[0, 0], Denied(EPERM)),
    ("syslog", 103, &[3, 0, 0], Denied(EPERM)),
    ("quotactl", 179, &[0, 0, 0, 0], Denied(EPERM)),
    ("chroot", 161, &[0], Denied(EPERM)),
    ("prlimit64 own", 302, &[0, 7, 0, 0], Works),
    (
        "prlimit64 of nobody",
        302,
        &[0x7fff_ffff, 7, 0, 0],
        Denied(EPERM),
    ),
    ("prlimit64 of the runner", 302, &[1, 7, 8, 0], Denied(EPERM)),
    ("prlimit64 of another", 302, &[2, 7, 8, 0], Denied(EPERM)),
    ("setpriority own", 141, &[0, 0, 19], Works),
    ("setpriority own group", 141, &[1, 0, 19], Denied(EPERM)),
    ("setpriority own user", 141, &[2, 0, 19], Denied(EPERM)),
    ("ioprio_set own group", 251, &[2, 0, 0x6000], Denied(EPERM)),
    ("ioprio_set own user", 251, &[3, 0, 0x6000], Denied(EPERM)),
    ("no such call", 4000, &[], Denied(ENOSYS)),
];

fn filter() -> Filter {
    Filter {
        arch: Arch::X86_64,
        inet: true,
        unix: true,
        nested: false,
        ipc_isolated: true,
        pids_isolated: true,
        signals_scoped: true,
    }
}

/// What the filter of a ring without a pid namespace, on a kernel that does not scope signals,
/// answers otherwise.
const UNISOLATED: &[Row] = &[
    ("prlimit64 own", 302, &[0, 7, 0, 0], Works),
    (
        "prlimit64 of nobody",
        302,
        &[0x7fff_ffff, 7, 0, 0],
        Denied(EPERM),
    ),
    ("sched_setaffinity own", 203, &[0, 0, 0], Kernel(EINVAL)),
    (
        "sched_setaffinity of nobody",
        203,
        &[0x7fff_ffff, 0, 0],
        Denied(EPERM),
    ),
    (
        "sched_setparam of nobody",
        142,
        &[0x7fff_ffff, 0],
        Denied(EPERM),
    ),
    (
        "sched_setscheduler of nobody",
        144,
        &[0x7fff_ffff, 0, 0],
        Denied(EPERM),
    ),
    (
        "sched_setattr of nobody",
        314,
        &[0x7fff_ffff, 0, 0],
        Denied(EPERM),
    ),
    ("setpriority own", 141, &[0, 0, 19], Works),
    (
        "setpriority of nobody",
        141,
        &[0, 0x7fff_ffff, 19],
        Denied(EPERM),
    ),
    (
        "setpriority of a group",
        141,
        &[1, 0x7fff_ffff, 19],
        Denied(EPERM),
    ),
    (
        "ioprio_set of nobody",
        251,
        &[1, 0x7fff_ffff, 0],
        Denied(EPERM),
    ),
    ("kill own group", 62, &[0, 0], Denied(EPERM)),
    ("kill nobody", 62, &[0x7fff_ffff, 0], Kernel(ESRCH)),
];

/// Makes each call from a perl that runs in a ring with this filter, or in none; errno by
/// name, 0 for what worked.
fn answers(rows: &[&Row], program: Option<Vec<u8>>) -> Vec<i32> {
    let steps = program
        .map(|p| (Must, Op::Seccomp(p)))
        .into_iter()
        .collect();
    let ring = Ring::built(false, steps);
    let mut perl = String::from("$| = 1;");
    for (_, number, arguments, _) in rows {
        let arguments: String = arguments.iter().fold(String::new(), |mut text, a| {
            write!(text, ",{a}").unwrap();
            text
        });
        write!(
            perl,
            "$! = 0; $r = syscall({number}{arguments}); print(($r == -1 ? $!+0 : 0), qq(\\n));"
        )
        .unwrap();
    }
    let (text, end) = ring.run(1, &format!("exec perl -e '{perl}'"));
    assert_eq!(end, End::Exited(0), "{text}");
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn each_call_is_answered_as_decided_and_the_kernel_agrees() {
    if !needs::tool("/usr/bin/perl") {
        return;
    }
    check(CALLS, filter());
    check(
        UNISOLATED,
        Filter {
            pids_isolated: false,
            signals_scoped: false,
            ..filter()
        },
    );
}

fn check(calls: &[Row], filter: Filter) {
    let program = filter.program().to_bytes();
    let rows: Vec<&Row> = calls.iter().collect();
    let inside = answers(&rows, Some(program));
    assert_eq!(inside.len(), calls.len());
    let mut wrong = String::new();
    for ((name, number, arguments, answer), got) in calls.iter().zip(&inside) {
        let mut args = [0; 6];
        args[..arguments.len()].copy_from_slice(arguments);
        let verdict = filter.verdict(u32::try_from(*number).unwrap(), args);
        let (expected, action) = match answer {
            Denied(errno) => (*errno, Action::Errno(u16::try_from(*errno).unwrap())),
            Works => (0, Action::Allow),
            Kernel(errno) => (*errno, Action::Allow),
        };
        if *got != expected {
            writeln!(wrong, "{name}: {got}, not {expected}").unwrap();
        }
        if verdict != action {
            writeln!(
                wrong,
                "{name}: the rules say {verdict:?}, the table {answer:?}"
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn without_the_filter_the_kernel_answers_otherwise() {
    if !needs::tool("/usr/bin/perl") {
        return;
    }
    // Those that change nothing outside, whoever makes them.
    const CONTROLS: [&str; 9] = [
        "clone3",
        "io_uring_setup",
        "request_key",
        "keyctl",
        "open_tree",
        "setns",
        "ioctl TIOCSTI",
        "ioctl TIOCSTI with a high half",
        "prlimit64 of the runner",
    ];
    let rows: Vec<&Row> = CALLS
        .iter()
        .filter(|row| CONTROLS.contains(&row.0))
        .collect();
    let inside = answers(&rows, Some(filter().program().to_bytes()));
    let outside = answers(&rows, None);
    for (row, (inside, outside)) in rows.iter().zip(inside.iter().zip(&outside)) {
        assert_ne!(inside, outside, "{}", row.0);
    }
}

#[test]
fn every_filter_of_this_machine_is_one_the_kernel_takes() {
    for bits in 0..64_u8 {
        let on = |bit: u8| bits & (1 << bit) != 0;
        let filter = Filter {
            arch: Arch::X86_64,
            inet: on(0),
            unix: on(1),
            nested: on(2),
            ipc_isolated: on(3),
            pids_isolated: on(4),
            signals_scoped: on(5),
        };
        let ring = Ring::built(
            false,
            vec![(Must, Op::Seccomp(filter.program().to_bytes()))],
        );
        let (text, end) = ring.run(1, "echo on | cat; grep '^Seccomp:' /proc/self/status");
        assert_eq!(
            (text.as_str(), end),
            ("on\nSeccomp:\t2\n", End::Exited(0)),
            "{filter:?}"
        );
    }
}
