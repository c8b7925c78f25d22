//! Settings of the host, by `/proc/sys`, `/sys` and control groups. What is written is what is there.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Host, "proc", what, attempt)
        .with(argument)
        .needs(&[Need::Root])
}

const fn again(name: &'static str, argument: &'static str) -> Row {
    row(
        name,
        "set a setting of the kernel to what it is",
        write_again,
        argument,
    )
}

const fn shown(name: &'static str, argument: &'static str) -> Row {
    row(
        name,
        "read what the kernel shows to root",
        read_some,
        argument,
    )
}

pub(super) const ROWS: &[Row] = &[
    again("host.core-pattern", "/proc/sys/kernel/core_pattern"),
    again("host.modprobe", "/proc/sys/kernel/modprobe"),
    again("host.host-name", "/proc/sys/kernel/hostname"),
    again("host.printk", "/proc/sys/kernel/printk"),
    again("host.aslr", "/proc/sys/kernel/randomize_va_space"),
    again("host.overcommit", "/proc/sys/vm/overcommit_memory"),
    again("host.file-max", "/proc/sys/fs/file-max"),
    again("host.hardlinks", "/proc/sys/fs/protected_hardlinks"),
    row(
        "host.core-pattern-root",
        "the same by /proc/self/root",
        write_again,
        "/proc/self/root/proc/sys/kernel/core_pattern",
    ),
    row(
        "host.sysrq",
        "open the magic key",
        open,
        "/proc/sysrq-trigger",
    ),
    row(
        "host.irq",
        "set an interrupt's default affinity to what it is",
        write_again,
        "/proc/irq/default_smp_affinity",
    ),
    row(
        "host.pressure",
        "open a wait for a busy processor",
        open,
        "/proc/pressure/cpu",
    ),
    shown("host.page-counts", "/proc/kpagecount"),
    shown("host.page-flags", "/proc/kpageflags"),
    shown("host.page-groups", "/proc/kpagecgroup"),
    shown("host.slabs", "/proc/slabinfo"),
    shown("host.allocations", "/proc/vmallocinfo"),
    shown("host.page-types", "/proc/pagetypeinfo"),
    shown("host.keys", "/proc/keys"),
    shown("host.timers", "/proc/timer_list"),
    row(
        "host.sys-expedited",
        "set a setting in /sys to what it is",
        write_again,
        "/sys/kernel/rcu_expedited",
    ),
    row(
        "host.sys-uevent",
        "open a device's event file",
        open,
        "/sys/devices/virtual/mem/null/uevent",
    ),
    row(
        "host.sys-power",
        "open the power state",
        open,
        "/sys/power/state",
    ),
    row(
        "host.cgroup",
        "move oneself to the topmost control group",
        cgroup,
        "",
    ),
    row("host.cgroup-new", "make a control group", cgroup_new, ""),
    Row::new(
        "host.oom",
        Group::Host,
        "proc",
        "be spared when memory is short",
        oom,
    )
    .needs(&[Need::Root]),
];

/// `/sys` and parts of `/proc` may simply not be there.
const ABSENT: &[i32] = &[errno::ENOENT, errno::ENOTDIR];

fn write_again(_: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::read(argument).and_then(|same| fs::write(argument, same)),
        ABSENT,
    )
}

fn open(_: &Facts, argument: &'static str) -> Tried {
    Tried::of(OpenOptions::new().write(true).open(argument), ABSENT)
}

/// The beginning: some of these are as large as memory.
fn read_some(_: &Facts, argument: &'static str) -> Tried {
    let read = File::open(argument).and_then(|mut file| file.read(&mut [0; 64]));
    match read {
        Ok(0) => Tried::denied("it reads as empty"),
        other => Tried::of(other, ABSENT),
    }
}

const CGROUPS: &[&str] = &[
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/pids",
    "/sys/fs/cgroup/memory",
];

/// Tries each place a hierarchy may be; the first that works decides, else the last that was there.
fn each_cgroup(then: impl Fn(&str) -> io::Result<()>) -> Tried {
    let mut last = io::Error::from_raw_os_error(errno::ENOENT);
    for dir in CGROUPS {
        if fs::metadata(format!("{dir}/cgroup.procs")).is_err() {
            continue;
        }
        match then(dir) {
            Ok(()) => return Tried::allowed(*dir),
            Err(error) => last = error,
        }
    }
    Tried::failed(&last, ABSENT)
}

fn cgroup(_: &Facts, _: &'static str) -> Tried {
    each_cgroup(|dir| {
        OpenOptions::new()
            .write(true)
            .open(format!("{dir}/cgroup.procs"))
            .and_then(|mut file| io::Write::write_all(&mut file, b"0"))
    })
}

fn cgroup_new(facts: &Facts, _: &'static str) -> Tried {
    each_cgroup(|dir| {
        let made = format!("{dir}/ringfence-probe-{}", facts.nonce);
        fs::create_dir(&made)?;
        fs::remove_dir(&made)
    })
}

fn oom(_: &Facts, _: &'static str) -> Tried {
    let file = "/proc/self/oom_score_adj";
    let lowered = fs::read_to_string(file).and_then(|now| {
        let now: i32 = now
            .trim()
            .parse()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        fs::write(file, (now - 1).max(-1000).to_string())
    });
    Tried::of(lowered, &[])
}
