//! The reviewed decisions. [`SYSCALLS`](super::SYSCALLS) says which call follows which.
//!
//! The errno is chosen for what programs do with it. `ENOSYS` where they have another way on
//! kernels without the call; `EPERM` where they would try nothing else, since it reads as
//! what it is: not permitted.

use super::action::{
    Action, EACCES, EAFNOSUPPORT, ENOSYS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
};
use super::check::{Check, Clause, Rule, Switch, Test, Verdict};

mod process;

pub use process::{IO_PRIORITY, KILL, LIMITS, PRIORITY, SCHEDULING};

/// Every rule, in the order a reader meets them.
pub static ALL: &[&Rule] = &[
    &ALLOW,
    &DEBUGGING,
    &IDENTITY,
    &DEVICE_NODES,
    &SELF_CONFINEMENT,
    &HANDLE_NAMES,
    &CLOCK_QUERY,
    &LDT,
    &PROBE_TRAMPOLINES,
    &CLONE,
    &UNSHARE,
    &SOCKET,
    &SOCKETPAIR,
    &SENDTO,
    &SENDMSG,
    &SENDMMSG,
    &IOCTL,
    &FCNTL,
    &PERSONALITY,
    &KILL,
    &LIMITS,
    &SCHEDULING,
    &PRIORITY,
    &IO_PRIORITY,
    &CLONE3,
    &SETNS,
    &MOUNT_TREE,
    &HOST_NAME,
    &IPC,
    &IO_URING,
    &KEYRINGS,
    &BPF,
    &USERFAULTFD,
    &PERF_EVENTS,
    &OPEN_HANDLES,
    &FANOTIFY,
    &KERNEL_IMAGE,
    &MODULES,
    &ACCOUNTING,
    &CLOCK_SET,
    &PORT_IO,
    &CONSOLE,
    &LSM_SET,
    &REMOVED,
];

/// Why a call that no row of the table names is answered with `ENOSYS`.
pub const UNKNOWN_WHY: &str =
    "not a call this build knows; a C library falls back, as on an older kernel";
/// Why a call of another architecture is answered with `ENOSYS`.
pub const FOREIGN_WHY: &str = "a call of another architecture, whose numbers mean other things";
/// Why the foreign `exit` passes.
pub const FOREIGN_EXIT_WHY: &str = "a program may always end; musl calls it until it works";
/// Why the number -1 passes.
pub const SKIPPED_WHY: &str = "what a tracer writes to have a call skipped; the kernel makes none";

const fn rule(group: &'static str, verdict: Verdict, why: &'static str) -> Rule {
    Rule {
        group,
        verdict,
        why,
    }
}

const fn clause(tests: &'static [Test], then: Action, why: &'static str) -> Clause {
    Clause {
        when: None,
        tests,
        then,
        why,
    }
}

const fn where_switch(
    switch: Switch,
    is: bool,
    tests: &'static [Test],
    then: Action,
    why: &'static str,
) -> Clause {
    Clause {
        when: Some((switch, is)),
        tests,
        then,
        why,
    }
}

const fn test(arg: u8, mask: u32, among: &'static [u32], label: &'static str) -> Test {
    Test {
        arg,
        mask,
        among,
        label,
    }
}

/// All 32 bits that the kernel looks at.
const WHOLE: u32 = u32::MAX;

// ---- allowed -------------------------------------------------------------------------

/// What programs do all day.
pub static ALLOW: Rule = rule(
    "ordinary work",
    Verdict::Allow,
    "files, memory, processes, signals, time: other layers of the ring bound what they reach",
);
/// Debuggers.
pub static DEBUGGING: Rule = rule(
    "looking into other processes",
    Verdict::Allow,
    "debuggers and profilers; the pid namespace, Landlock and the uid bound whom they see",
);
/// Changing one's own ids.
pub static IDENTITY: Rule = rule(
    "own ids and capabilities",
    Verdict::Allow,
    "without a capability they only move between ids the process has already",
);
/// Special files.
pub static DEVICE_NODES: Rule = rule(
    "special files",
    Verdict::Allow,
    "mkfifo and socket files need it; the kernel wants a capability for a device",
);
/// Sandboxes inside.
pub static SELF_CONFINEMENT: Rule = rule(
    "confining oneself further",
    Verdict::Allow,
    "filters and Landlock rules add up, so a program can only take from itself",
);
/// Half of the file handle interface.
pub static HANDLE_NAMES: Rule = rule(
    "naming a file by handle",
    Verdict::Allow,
    "systemd and watchers ask it for mount ids; a handle is worthless where none can be opened",
);
/// Reading the clock's tuning.
pub static CLOCK_QUERY: Rule = rule(
    "reading the clock's tuning",
    Verdict::Allow,
    "the mode is in memory; the kernel wants the host's CAP_SYS_TIME for all but reading",
);
/// Segments.
pub static LDT: Rule = rule(
    "own segment descriptors",
    Verdict::Allow,
    "Wine and DOS emulators need it; it changes the own process only",
);
/// Uprobes.
pub static PROBE_TRAMPOLINES: Rule = rule(
    "returns from a probe",
    Verdict::Allow,
    "the kernel itself makes a probed program call them; called by hand they only kill the caller",
);

// ---- by argument ---------------------------------------------------------------------

/// `CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET`. In `clone` the low
/// byte is a signal, so `CLONE_NEWTIME` (0x80) cannot be asked for there.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;
/// The same and `CLONE_NEWTIME`.
const UNSHARE_NAMESPACES: u32 = CLONE_NAMESPACES | 0x80;

const NESTED_WHY: &str = "the policy lets this ring make namespaces";
const NAMESPACE_WHY: &str = "a new user namespace hands out capabilities over most of the kernel";

/// `clone`, with flags in a register.
pub static CLONE: Rule = rule(
    "processes and threads",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(Switch::Nested, true, &[], Action::Allow, NESTED_WHY),
            clause(
                &[test(0, CLONE_NAMESPACES, &[0], "flags: no CLONE_NEW*")],
                Action::Allow,
                "fork, vfork, threads",
            ),
        ],
        otherwise: Action::Errno(EPERM),
        why: NAMESPACE_WHY,
    }),
    "a process, a thread or a namespace, by its flags",
);
/// `unshare`.
pub static UNSHARE: Rule = rule(
    "leaving what is shared",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(Switch::Nested, true, &[], Action::Allow, NESTED_WHY),
            clause(
                &[test(0, UNSHARE_NAMESPACES, &[0], "flags: no CLONE_NEW*")],
                Action::Allow,
                "a thread's own descriptors, directory or semaphores",
            ),
        ],
        otherwise: Action::Errno(EPERM),
        why: NAMESPACE_WHY,
    }),
    "own descriptors or a namespace, by its flags",
);

const UNIX: &[u32] = &[1];
const INTERNET: &[u32] = &[2, 10];
const NETLINK: &[u32] = &[16];
/// `SOCK_TYPE_MASK`: the type without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const TYPE: u32 = 0xf;

const fn family(among: &'static [u32], label: &'static str) -> Test {
    test(0, WHOLE, among, label)
}

const STREAM_OR_DATAGRAM: Test = test(1, TYPE, &[1, 2], "type SOCK_STREAM or SOCK_DGRAM");
const OTHER_FAMILY_WHY: &str = "vsock, packet, crypto, XDP, Bluetooth, CAN, TIPC and the rest: a \
    way out or a history of bugs; as on a kernel built without them";

/// `socket`.
pub static SOCKET: Rule = rule(
    "sockets",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(
                Switch::Unix,
                true,
                &[family(UNIX, "AF_UNIX")],
                Action::Allow,
                "which ones it may connect to is for mounts and Landlock",
            ),
            clause(
                &[family(UNIX, "AF_UNIX")],
                Action::Errno(EPERM),
                "this ring has no unix sockets",
            ),
            where_switch(
                Switch::Inet,
                false,
                &[family(INTERNET, "AF_INET or AF_INET6")],
                Action::Errno(EPERM),
                "this ring has no network; EPERM, since EAFNOSUPPORT reads as 'try the other IP'",
            ),
            clause(
                &[
                    family(INTERNET, "AF_INET or AF_INET6"),
                    test(1, TYPE, &[3, 10], "type SOCK_RAW or SOCK_PACKET"),
                ],
                Action::Errno(EPERM),
                "what the kernel says without CAP_NET_RAW; SOCK_PACKET is AF_PACKET's old name",
            ),
            clause(
                &[
                    family(INTERNET, "AF_INET or AF_INET6"),
                    STREAM_OR_DATAGRAM,
                    test(
                        2,
                        WHOLE,
                        &[0, 1, 6, 17, 58],
                        "protocol default, TCP, UDP or ICMP (ping)",
                    ),
                ],
                Action::Allow,
                "where packets may go is for the network namespace and Landlock",
            ),
            clause(
                &[family(INTERNET, "AF_INET or AF_INET6"), STREAM_OR_DATAGRAM],
                Action::Errno(EPROTONOSUPPORT),
                "MPTCP goes round Landlock's TCP rules (Go falls back to TCP); SCTP, SMC, DCCP",
            ),
            clause(
                &[family(INTERNET, "AF_INET or AF_INET6")],
                Action::Errno(ESOCKTNOSUPPORT),
                "SCTP and DCCP by type, as on a kernel built without them",
            ),
            clause(
                &[
                    family(NETLINK, "AF_NETLINK"),
                    test(2, WHOLE, &[0], "protocol NETLINK_ROUTE"),
                ],
                Action::Allow,
                "getifaddrs and getaddrinfo list interfaces with it; changes want a capability",
            ),
            clause(
                &[family(NETLINK, "AF_NETLINK")],
                Action::Errno(EPROTONOSUPPORT),
                "audit, uevent, netfilter, xfrm, generic: libaudit and libudev know this errno",
            ),
        ],
        otherwise: Action::Errno(EAFNOSUPPORT),
        why: OTHER_FAMILY_WHY,
    }),
    "by family, type and protocol",
);
/// `socketpair`.
pub static SOCKETPAIR: Rule = rule(
    "pairs of sockets",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(
                Switch::Unix,
                true,
                &[family(UNIX, "AF_UNIX")],
                Action::Allow,
                "connected to each other",
            ),
            clause(
                &[
                    family(UNIX, "AF_UNIX"),
                    test(1, TYPE, &[1, 5], "type SOCK_STREAM or SOCK_SEQPACKET"),
                ],
                Action::Allow,
                "connected to each other for good, so it needs no unix sockets outside",
            ),
            clause(
                &[family(UNIX, "AF_UNIX")],
                Action::Errno(EPERM),
                "a datagram socket of a pair can be connected to any other, /dev/log for one",
            ),
        ],
        otherwise: Action::Errno(EAFNOSUPPORT),
        why: OTHER_FAMILY_WHY,
    }),
    "by family and type",
);

const MSG_FASTOPEN: u32 = 0x2000_0000;
const SENDING: &str = "by flags";
const PLAIN_SEND_WHY: &str = "on a socket it has";
const FASTOPEN_WHY: &str = "it connects, unseen by Landlock's TCP rules; this is the errno where \
    TCP Fast Open is off, and senders connect first then";

/// `sendto`.
pub static SENDTO: Rule = rule(
    "sending",
    Verdict::Checked(&Check {
        clauses: &[clause(
            &[test(3, MSG_FASTOPEN, &[0], "flags: no MSG_FASTOPEN")],
            Action::Allow,
            PLAIN_SEND_WHY,
        )],
        otherwise: Action::Errno(EOPNOTSUPP),
        why: FASTOPEN_WHY,
    }),
    SENDING,
);
/// `sendmsg`.
pub static SENDMSG: Rule = rule(
    "sending a message",
    Verdict::Checked(&Check {
        clauses: &[clause(
            &[test(2, MSG_FASTOPEN, &[0], "flags: no MSG_FASTOPEN")],
            Action::Allow,
            PLAIN_SEND_WHY,
        )],
        otherwise: Action::Errno(EOPNOTSUPP),
        why: FASTOPEN_WHY,
    }),
    SENDING,
);
/// `sendmmsg`.
pub static SENDMMSG: Rule = rule(
    "sending many messages",
    Verdict::Checked(&Check {
        clauses: &[clause(
            &[test(3, MSG_FASTOPEN, &[0], "flags: no MSG_FASTOPEN")],
            Action::Allow,
            PLAIN_SEND_WHY,
        )],
        otherwise: Action::Errno(EOPNOTSUPP),
        why: FASTOPEN_WHY,
    }),
    SENDING,
);
/// `ioctl`.
pub static IOCTL: Rule = rule(
    "device controls",
    Verdict::Checked(&Check {
        clauses: &[
            clause(
                &[test(
                    1,
                    WHOLE,
                    &[0x5412, 0x541c],
                    "request TIOCSTI or TIOCLINUX",
                )],
                Action::Errno(EPERM),
                "types into the terminal that the shell outside reads next",
            ),
            clause(
                &[test(1, WHOLE, &[0x5423], "request TIOCSETD")],
                Action::Errno(EPERM),
                "loads line disciplines, which no terminal program needs and which had many bugs",
            ),
            clause(
                &[test(1, WHOLE, &[0xaa00], "request USERFAULTFD_IOC_NEW")],
                Action::Errno(EPERM),
                "userfaultfd by its device",
            ),
            where_switch(
                Switch::SignalsScoped,
                false,
                &[test(1, WHOLE, &[0x5452], "request FIOASYNC")],
                Action::Errno(EPERM),
                ASYNC_WHY,
            ),
        ],
        otherwise: Action::Allow,
        why: "on a descriptor it has",
    }),
    "by request",
);
/// A terminal that nobody owns yet sends to whoever has its foreground (`tty_fasync`).
const ASYNC_WHY: &str =
    "a terminal that was handed in would send signals to the process group that has it outside";
/// `fcntl`.
pub static FCNTL: Rule = rule(
    "descriptor controls",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(
                Switch::SignalsScoped,
                true,
                &[],
                Action::Allow,
                "Landlock keeps signals in the ring",
            ),
            clause(
                &[
                    test(1, WHOLE, &[4], "command F_SETFL"),
                    test(2, 0x2000, &[0x2000], "flags: O_ASYNC"),
                ],
                Action::Errno(EPERM),
                ASYNC_WHY,
            ),
            clause(
                &[test(1, WHOLE, &[10], "command F_SETSIG")],
                Action::Errno(EPERM),
                ASYNC_WHY,
            ),
        ],
        otherwise: Action::Allow,
        why: "on a descriptor it has",
    }),
    "by command",
);
/// `personality`.
pub static PERSONALITY: Rule = rule(
    "execution domain",
    Verdict::Checked(&Check {
        clauses: &[clause(
            &[test(
                0,
                WHOLE,
                &[0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, 0x4_0008, WHOLE],
                "PER_LINUX or PER_LINUX32, alone, with UNAME26 or with ADDR_NO_RANDOMIZE; a query",
            )],
            Action::Allow,
            "setarch, and gdb and sanitizers, which run programs at fixed addresses",
        )],
        otherwise: Action::Errno(EPERM),
        why: "READ_IMPLIES_EXEC and MMAP_PAGE_ZERO undo protections; other systems' are untested",
    }),
    "by the domain asked for",
);

// ---- by the ring ---------------------------------------------------------------------

/// `clone3`.
pub static CLONE3: Rule = rule(
    "processes, with flags in memory",
    Verdict::Needs(Switch::Nested, ENOSYS),
    "a filter cannot read its flags; C libraries, Go and Rust use clone where it is missing",
);
/// `setns`.
pub static SETNS: Rule = rule(
    "joining namespaces",
    Verdict::Needs(Switch::Nested, EPERM),
    "another namespace is another boundary, maybe a wider one",
);
/// Mounts.
pub static MOUNT_TREE: Rule = rule(
    "the mount tree",
    Verdict::Needs(Switch::Nested, EPERM),
    "mounts are the boundary for files; EPERM, as for anybody without CAP_SYS_ADMIN",
);
/// Host name.
pub static HOST_NAME: Rule = rule(
    "the host's name",
    Verdict::Needs(Switch::Nested, EPERM),
    "the ring's name is set already",
);
/// System V IPC and POSIX queues.
pub static IPC: Rule = rule(
    "System V IPC and POSIX queues",
    Verdict::Needs(Switch::IpcIsolated, EPERM),
    "by number, with no path to guard; ids can be guessed, so not only making them is denied",
);

// ---- denied --------------------------------------------------------------------------

/// `io_uring`.
pub static IO_URING: Rule = rule(
    "io_uring",
    Verdict::Deny(ENOSYS),
    "makes calls, socket() among them, that no filter sees; libuv and others use epoll then",
);
/// Keyrings.
pub static KEYRINGS: Rule = rule(
    "kernel keyrings",
    Verdict::Deny(ENOSYS),
    "the user's session keys are in reach of the uid; ENOSYS as on a kernel without CONFIG_KEYS",
);
/// BPF.
pub static BPF: Rule = rule(
    "kernel programs",
    Verdict::Deny(EPERM),
    "code inside the kernel; EPERM is kernel.unprivileged_bpf_disabled's, so tools know it",
);
/// `userfaultfd`.
pub static USERFAULTFD: Rule = rule(
    "page faults handled by hand",
    Verdict::Deny(EPERM),
    "it holds the kernel still for exploits; EPERM is vm.unprivileged_userfaultfd=0, the default",
);
/// Performance events.
pub static PERF_EVENTS: Rule = rule(
    "performance events",
    Verdict::Deny(EACCES),
    "large and often broken; EACCES is kernel.perf_event_paranoid's, which perf explains",
);
/// Opening by handle.
pub static OPEN_HANDLES: Rule = rule(
    "opening a file by handle",
    Verdict::Deny(EPERM),
    "opens any inode of a filesystem, past hidden and protected paths",
);
/// Fanotify.
pub static FANOTIFY: Rule = rule(
    "watching whole filesystems",
    Verdict::Deny(EPERM),
    "reports on files outside the ring; inotify is there",
);
/// Kernel image.
pub static KERNEL_IMAGE: Rule = rule(
    "another kernel, power",
    Verdict::Deny(EPERM),
    "these stop or replace the host",
);
/// Modules.
pub static MODULES: Rule = rule(
    "kernel modules",
    Verdict::Deny(EPERM),
    "code inside the kernel",
);
/// Swap, accounting, quotas.
pub static ACCOUNTING: Rule = rule(
    "swap, process accounting, quotas",
    Verdict::Deny(EPERM),
    "disks and accounts are the host's",
);
/// Setting clocks.
pub static CLOCK_SET: Rule = rule(
    "setting clocks",
    Verdict::Deny(EPERM),
    "the clock is the host's",
);
/// Ports.
pub static PORT_IO: Rule = rule(
    "hardware ports",
    Verdict::Deny(EPERM),
    "the hardware is the host's",
);
/// Console.
pub static CONSOLE: Rule = rule(
    "kernel log, hanging up a terminal",
    Verdict::Deny(EPERM),
    "the log tells addresses and what other users do; EPERM is kernel.dmesg_restrict's",
);
/// LSM attributes.
pub static LSM_SET: Rule = rule(
    "own security label",
    Verdict::Deny(EPERM),
    "changing AppArmor or SELinux confinement from within",
);
/// What the kernel has no more, or never had.
pub static REMOVED: Rule = rule(
    "gone or going from the kernel",
    Verdict::Deny(ENOSYS),
    "as on kernels without them; no program in use depends on one",
);
