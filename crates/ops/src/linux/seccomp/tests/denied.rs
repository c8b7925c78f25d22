//! One test per class of what is denied, by values written out here by hand.

use super::super::bpf::SeccompData;
use super::super::{
    Action, EACCES, EAFNOSUPPORT, ENOSYS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
    Filter, SYSCALLS, audit_arch,
};
use super::{ARCHES, answer, call, usual};
use crate::Arch;

/// What the kernel does not see of an `int`.
const GARBAGE: u64 = 0x5a5a_5a5a_0000_0000;

/// Asserts what the program answers, on both architectures, with and without garbage in the
/// upper halves.
fn expect(filter: fn(Arch) -> Filter, name: &str, args: &[u64], expected: Action) {
    for arch in ARCHES {
        let filter = filter(arch);
        let program = filter.program();
        let row = SYSCALLS.iter().find(|row| row.name == name).expect(name);
        if row.number(arch).is_none() {
            continue;
        }
        for garbage in [0, GARBAGE, 1 << 32, 1 << 63] {
            let mut whole = [garbage; 6];
            for (to, from) in whole.iter_mut().zip(args) {
                *to |= from;
            }
            let got = call(filter, &program, name, whole);
            assert_eq!(got, expected, "{arch:?} {name} {whole:x?}");
        }
    }
}

fn allowed(name: &str, args: &[u64]) {
    expect(usual, name, args, Action::Allow);
}

fn denied(name: &str, args: &[u64], errno: u16) {
    expect(usual, name, args, Action::Errno(errno));
}

fn nested(arch: Arch) -> Filter {
    Filter {
        nested: true,
        ..usual(arch)
    }
}

fn no_network(arch: Arch) -> Filter {
    Filter {
        inet: false,
        ..usual(arch)
    }
}

fn no_unix(arch: Arch) -> Filter {
    Filter {
        unix: false,
        ..usual(arch)
    }
}

fn shared_ipc(arch: Arch) -> Filter {
    Filter {
        ipc_isolated: false,
        ..usual(arch)
    }
}

fn shared_pids(arch: Arch) -> Filter {
    Filter {
        pids_isolated: false,
        ..usual(arch)
    }
}

fn unscoped_signals(arch: Arch) -> Filter {
    Filter {
        signals_scoped: false,
        ..usual(arch)
    }
}

#[test]
fn ordinary_work_is_allowed() {
    for name in [
        "read",
        "write",
        "openat",
        "openat2",
        "mmap",
        "execve",
        "execveat",
        "futex",
        "vfork",
        "wait4",
        "epoll_wait",
        "epoll_pwait2",
        "ptrace",
        "pidfd_getfd",
        "kill",
        "setuid",
        "mknodat",
        "memfd_create",
        "rseq",
        "landlock_restrict_self",
        "seccomp",
        "prctl",
        "inotify_init1",
        "io_setup",
        "modify_ldt",
        "fchmodat2",
        "mseal",
        "statx",
        "getrandom",
        "restart_syscall",
        "rt_sigreturn",
        "exit_group",
        "clock_adjtime",
        "name_to_handle_at",
        "statmount",
        "shmget",
    ] {
        allowed(name, &[]);
        allowed(name, &[u64::MAX; 6]);
    }
}

#[test]
fn ways_round_the_other_layers() {
    for name in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        denied(name, &[], ENOSYS);
    }
    for name in ["keyctl", "add_key", "request_key"] {
        denied(name, &[], ENOSYS);
    }
    for name in [
        "bpf",
        "userfaultfd",
        "open_by_handle_at",
        "fanotify_init",
        "lsm_set_self_attr",
    ] {
        denied(name, &[], EPERM);
    }
    denied("perf_event_open", &[], EACCES);
}

#[test]
fn what_is_the_hosts() {
    for name in [
        "kexec_load",
        "kexec_file_load",
        "reboot",
        "init_module",
        "finit_module",
        "delete_module",
        "swapon",
        "swapoff",
        "acct",
        "quotactl",
        "quotactl_fd",
        "settimeofday",
        "clock_settime",
        "iopl",
        "ioperm",
        "vhangup",
        "syslog",
    ] {
        denied(name, &[], EPERM);
        expect(nested, name, &[], Action::Errno(EPERM));
    }
}

#[test]
fn what_kernels_have_no_more() {
    for name in [
        "lookup_dcookie",
        "nfsservctl",
        "sysfs",
        "_sysctl",
        "uselib",
        "ustat",
        "create_module",
        "vserver",
        "epoll_ctl_old",
    ] {
        denied(name, &[], ENOSYS);
    }
}

#[test]
fn the_mount_tree() {
    for name in [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "open_tree",
        "open_tree_attr",
        "move_mount",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "setns",
        "sethostname",
        "setdomainname",
    ] {
        denied(name, &[], EPERM);
        expect(nested, name, &[], Action::Allow);
    }
}

#[test]
fn namespaces() {
    // CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | SETTLS | PARENT_SETTID |
    // CHILD_CLEARTID: a thread. Then fork, then vfork.
    for plain in [0x003d_0f00, 0x0120_0011, 0x4111] {
        allowed("clone", &[plain]);
    }
    // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    for flag in [
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        denied("clone", &[flag], EPERM);
        denied("clone", &[flag | 17], EPERM);
        denied("unshare", &[flag], EPERM);
        denied("unshare", &[flag | 0x400], EPERM);
        expect(nested, "clone", &[flag | 17], Action::Allow);
        expect(nested, "unshare", &[flag], Action::Allow);
    }
    // NEWTIME: only unshare has it; in clone it is a signal number's bit.
    denied("unshare", &[0x80], EPERM);
    allowed("clone", &[0x80]);
    // CLONE_FILES, CLONE_FS, CLONE_SYSVSEM.
    for plain in [0x400, 0x200, 0x4_0000, 0] {
        allowed("unshare", &[plain]);
    }
    denied("clone3", &[], ENOSYS);
    expect(nested, "clone3", &[], Action::Allow);
}

#[test]
fn typing_into_the_terminal() {
    // TIOCSTI, TIOCLINUX, TIOCSETD, USERFAULTFD_IOC_NEW.
    for request in [0x5412, 0x541c, 0x5423, 0xaa00] {
        denied("ioctl", &[0, request, 0], EPERM);
        expect(nested, "ioctl", &[0, request, 0], Action::Errno(EPERM));
    }
    // TCGETS, TIOCSCTTY, TIOCGWINSZ, TIOCSWINSZ, FIONREAD, FIONBIO, FIOCLEX, FICLONE, FS_IOC_GETFLAGS.
    for request in [
        0x5401,
        0x540e,
        0x5413,
        0x5414,
        0x541b,
        0x5421,
        0x5451,
        0x4004_9409,
        0x8008_6601,
    ] {
        allowed("ioctl", &[0, request, 0]);
    }
}

#[test]
fn odd_address_families() {
    for family in (0..64).filter(|family| ![1, 2, 10, 16].contains(family)) {
        for kind in [1, 2, 3, 0x8_0001] {
            denied("socket", &[family, kind, 0], EAFNOSUPPORT);
            denied("socketpair", &[family, kind, 0], EAFNOSUPPORT);
        }
    }
    for family in [2, 10, 16] {
        denied("socketpair", &[family, 1, 0], EAFNOSUPPORT);
    }
    // A family is a whole int: its low bits alone are no family.
    denied("socket", &[0x1_0002, 1, 0], EAFNOSUPPORT);
}

#[test]
fn internet_sockets() {
    // Plain, and with SOCK_CLOEXEC | SOCK_NONBLOCK.
    for flags in [0, 0x8_0800] {
        for family in [2, 10] {
            for (kind, protocol) in [(1, 0), (1, 6), (2, 0), (2, 17), (2, 1), (2, 58)] {
                allowed("socket", &[family, kind | flags, protocol]);
                let no = Action::Errno(EPERM);
                expect(no_network, "socket", &[family, kind | flags, protocol], no);
            }
            for protocol in [0, 1, 6, 17, 58, 255] {
                denied("socket", &[family, 3 | flags, protocol], EPERM);
                denied("socket", &[family, 10 | flags, protocol], EPERM);
            }
            // MPTCP, SCTP, SMC, DCCP, UDP-Lite.
            for protocol in [262, 132, 256, 33, 136] {
                denied("socket", &[family, 1 | flags, protocol], EPROTONOSUPPORT);
                let no = Action::Errno(EPERM);
                expect(no_network, "socket", &[family, 1 | flags, protocol], no);
            }
            // RDM, SEQPACKET, DCCP, none, beyond.
            for kind in [4, 5, 6, 0, 15] {
                denied("socket", &[family, kind | flags, 0], ESOCKTNOSUPPORT);
            }
        }
    }
}

#[test]
fn connecting_while_sending() {
    let fastopen = 0x2000_0000;
    // With MSG_NOSIGNAL as well.
    for flags in [fastopen, fastopen | 0x4000] {
        denied("sendto", &[3, 0, 0, flags, 0, 0], EOPNOTSUPP);
        denied("sendmsg", &[3, 0, flags], EOPNOTSUPP);
        denied("sendmmsg", &[3, 0, 0, flags], EOPNOTSUPP);
    }
    allowed("sendto", &[3, 0, 0, 0x4000, 0, 0]);
    allowed("sendmsg", &[3, fastopen, 0x4040]);
    allowed("sendmmsg", &[3, 0, fastopen, 0]);
    // Where sendmsg has its flags, sendto has a length.
    allowed("sendto", &[3, 0, fastopen, 0, 0, 0]);
}

#[test]
fn netlink() {
    for kind in [2, 3, 0x8_0003] {
        allowed("socket", &[16, kind, 0]);
        expect(no_network, "socket", &[16, kind, 0], Action::Allow);
        // SOCK_DIAG, XFRM, AUDIT, NETFILTER, KOBJECT_UEVENT, GENERIC, CRYPTO.
        for protocol in [4, 6, 9, 12, 15, 16, 21] {
            denied("socket", &[16, kind, protocol], EPROTONOSUPPORT);
        }
    }
}

#[test]
fn unix_sockets() {
    for kind in [1, 2, 5, 0x8_0001] {
        allowed("socket", &[1, kind, 0]);
        allowed("socketpair", &[1, kind, 0]);
        expect(no_unix, "socket", &[1, kind, 0], Action::Errno(EPERM));
    }
    for kind in [1, 5, 0x8_0801] {
        expect(no_unix, "socketpair", &[1, kind, 0], Action::Allow);
    }
    // Datagrams; raw becomes them.
    for kind in [2, 3, 0x8_0802] {
        expect(no_unix, "socketpair", &[1, kind, 0], Action::Errno(EPERM));
    }
}

#[test]
fn shared_ipc_is_no_ipc() {
    for name in [
        "shmget",
        "shmat",
        "shmdt",
        "shmctl",
        "semget",
        "semop",
        "semctl",
        "semtimedop",
        "msgget",
        "msgsnd",
        "msgrcv",
        "msgctl",
        "mq_open",
        "mq_unlink",
        "mq_timedsend",
        "mq_timedreceive",
        "mq_notify",
        "mq_getsetattr",
    ] {
        allowed(name, &[]);
        expect(shared_ipc, name, &[], Action::Errno(EPERM));
    }
}

#[test]
fn personalities() {
    for domain in [0, 8, 0x4_0000, 0x4_0008, 0x2_0000, 0x2_0008, 0xffff_ffff] {
        allowed("personality", &[domain]);
    }
    // READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, SVR4, with ADDR_NO_RANDOMIZE, all but a query.
    for domain in [0x40_0000, 0x10_0000, 1, 0x44_0000, 0xffff_fffe] {
        denied("personality", &[domain], EPERM);
    }
}

/// `PRIO_*` and `IOPRIO_WHO_*` begin at different numbers.
const PRIORITIES: [(&str, u64); 2] = [("setpriority", 0), ("ioprio_set", 1)];
const BY_PID: [&str; 5] = [
    "prlimit64",
    "sched_setparam",
    "sched_setscheduler",
    "sched_setaffinity",
    "sched_setattr",
];

#[test]
fn without_a_pid_namespace_a_process_limits_itself_alone() {
    let denied = |name, args: &[u64]| expect(shared_pids, name, args, Action::Errno(EPERM));
    let allowed = |name, args: &[u64]| expect(shared_pids, name, args, Action::Allow);
    for name in BY_PID {
        allowed(name, &[0, 7]);
        for pid in [1, 2, 4711, 0x7fff_ffff, 0xffff_ffff] {
            denied(name, &[pid, 7]);
        }
    }
    for (name, process) in PRIORITIES {
        allowed(name, &[process, 0, 19]);
        denied(name, &[process, 1, 19]);
        denied(name, &[process, 4711, 19]);
        for which in [process + 1, process + 2, process + 3] {
            denied(name, &[which, 0, 19]);
            denied(name, &[which, 1000, 19]);
        }
    }
    allowed("setrlimit", &[7]);
}

#[test]
fn with_a_pid_namespace_others_in_it_are_reached_but_not_the_callers_group_and_the_runner() {
    for name in BY_PID {
        allowed(name, &[0, 7]);
        if name != "prlimit64" {
            allowed(name, &[2, 7]);
        }
    }
    // By the number of a thread the whole process is meant: none but the caller's own, to set or to read.
    for pid in [1, 2, 4711, 0xffff_ffff] {
        denied("prlimit64", &[pid, 7], EPERM);
        denied("prlimit64", &[pid, 7, 0x1000], EPERM);
    }
    allowed("prlimit64", &[0, 7, 0x1000]);
    for (name, process) in PRIORITIES {
        allowed(name, &[process, 0, 19]);
        allowed(name, &[process, 4711, 19]);
        for which in [process + 1, process + 2] {
            denied(name, &[which, 0, 19], EPERM);
            allowed(name, &[which, 4711, 19]);
        }
    }
}

#[test]
fn a_signal_to_the_own_group_only_where_the_kernel_keeps_it_in() {
    allowed("kill", &[0, 9]);
    for pid in [1, 4711, 0xffff_ffff, 0xffff_0000] {
        allowed("kill", &[pid, 9]);
        expect(unscoped_signals, "kill", &[pid, 9], Action::Allow);
    }
    expect(unscoped_signals, "kill", &[0, 9], Action::Errno(EPERM));
}

#[test]
fn signals_of_a_terminal_only_where_the_kernel_keeps_them_in() {
    // FIOASYNC; F_SETFL with O_ASYNC, among others; F_SETSIG.
    for (name, args) in [
        ("ioctl", &[0, 0x5452, 0][..]),
        ("fcntl", &[0, 4, 0x2000]),
        ("fcntl", &[0, 4, 0x2802]),
        ("fcntl", &[0, 10, 9]),
    ] {
        allowed(name, args);
        expect(unscoped_signals, name, args, Action::Errno(EPERM));
    }
    // F_DUPFD, F_GETFL, F_SETFL with O_NONBLOCK, F_SETLK, F_SETOWN, F_DUPFD_CLOEXEC, F_SETPIPE_SZ.
    for args in [
        [0, 0],
        [3, 0],
        [4, 0x800],
        [6, 0],
        [8, 1],
        [1030, 0],
        [1031, 4096],
    ] {
        let args = &[0, args[0], args[1]];
        allowed("fcntl", args);
        expect(unscoped_signals, "fcntl", args, Action::Allow);
    }
}

#[test]
fn other_conventions() {
    let filter = usual(Arch::X86_64);
    let program = filter.program();
    let ask = |arch, number| {
        answer(
            &program,
            &SeccompData {
                arch,
                number,
                ..Default::default()
            },
        )
    };
    let (native, i386) = (audit_arch(Arch::X86_64), 0x4000_0003);
    // x32's read and mmap, and 64-bit's own among x32's old numbers.
    for number in [0x4000_0000, 0x4000_0009, 512, 547] {
        assert_eq!(ask(native, number), Action::Errno(ENOSYS));
    }
    // 32-bit read, mount, unshare; but a program may end.
    for number in [3, 21, 310, 0] {
        assert_eq!(ask(i386, number), Action::Errno(ENOSYS));
    }
    assert_eq!(ask(i386, 1), Action::Allow);
    assert_eq!(ask(i386, 252), Action::Allow);
    // The other architecture's exit is another call there.
    assert_eq!(ask(audit_arch(Arch::Aarch64), 1), Action::Errno(ENOSYS));
    // A tracer skips a call.
    assert_eq!(ask(native, u32::MAX), Action::Allow);
    assert_eq!(ask(i386, u32::MAX), Action::Errno(ENOSYS));
}

#[test]
fn a_call_of_the_future_is_unknown() {
    for number in [470, 471, 500, 1000, u32::MAX - 1] {
        for arch in ARCHES {
            let filter = nested(arch);
            assert_eq!(filter.verdict(number, [0; 6]), Action::Errno(ENOSYS));
        }
    }
}
