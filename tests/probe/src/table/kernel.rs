//! The kernel's own interfaces.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, files, kernel, kernel::Keyring};
use std::fs::File;

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Kernel, "syscalls", what, attempt)
}

const ROOT: &[Need] = &[Need::Root];

pub(super) const ROWS: &[Row] = &[
    row("kernel.io-uring", "make an io_uring", io_uring),
    row("kernel.bpf", "make a BPF map", bpf).needs(ROOT),
    row("kernel.perf", "open a performance counter", perf),
    row("kernel.userfaultfd", "handle page faults", faults),
    row("kernel.keyring", "name the session's keyring", keyring),
    row("kernel.add-key", "add a key", add_key),
    row(
        "kernel.read-key",
        "read a key of the user's from outside",
        read_key,
    ),
    row("kernel.kexec", "load another kernel", kexec).needs(ROOT),
    row("kernel.module", "load a module", module).needs(ROOT),
    row("kernel.handle", "open a file by its handle", handle).needs(ROOT),
    row(
        "kernel.reboot",
        "reboot (with a wrong magic number)",
        reboot,
    )
    .needs(ROOT),
    row("kernel.swap", "swap to a file that is not there", swap).needs(ROOT),
    row(
        "kernel.acct",
        "account processes to a file that is not there",
        account,
    )
    .needs(ROOT),
    row("kernel.fanotify", "watch whole filesystems", fanotify).needs(ROOT),
    row("kernel.log", "read the kernel's log", log).needs(ROOT),
    row(
        "kernel.host-name",
        "set the host's name to what it is",
        host_name,
    )
    .needs(ROOT),
    row("kernel.clock", "set the clock's zone to what it is", clock).needs(ROOT),
    row("kernel.io-port", "ask for an I/O port", io_port).needs(&[Need::Root, Need::X86]),
];

/// A call a filter answers as unknown.
const UNKNOWN: &[i32] = &[errno::ENOSYS];

fn io_uring(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::io_uring(), UNKNOWN)
}

fn bpf(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::bpf_map(), UNKNOWN)
}

fn perf(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::perf_counter(), UNKNOWN)
}

fn faults(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::user_faults(), UNKNOWN)
}

fn keyring(_: &Facts, _: &'static str) -> Tried {
    Tried::of(
        kernel::keyring_id(Keyring::Session),
        &[errno::ENOSYS, errno::ENOKEY],
    )
}

fn add_key(_: &Facts, _: &'static str) -> Tried {
    Tried::of(
        kernel::add_key(Keyring::Process, "ringfence-probe", b"probe"),
        UNKNOWN,
    )
}

fn read_key(facts: &Facts, _: &'static str) -> Tried {
    let Some(name) = &facts.key else {
        return Tried::could_not("the arena could make no key");
    };
    match kernel::read_key(Keyring::User, name) {
        Ok(bytes) if bytes == facts.secret().as_bytes() => Tried::allowed("the key was read"),
        Ok(_) => Tried::could_not("another key was read"),
        Err(error) => Tried::failed(&error, &[errno::ENOSYS, errno::ENOKEY]),
    }
}

fn kexec(_: &Facts, _: &'static str) -> Tried {
    Tried::gate(kernel::kexec(), &[errno::EINVAL], UNKNOWN)
}

fn module(_: &Facts, _: &'static str) -> Tried {
    Tried::gate(kernel::load_module(), &[errno::EBADF], UNKNOWN)
}

fn handle(facts: &Facts, _: &'static str) -> Tried {
    let file = facts.outside.join("file.txt");
    Tried::of(
        File::open(&facts.outside).and_then(|mount| files::reopen_by_handle(&file, &mount)),
        UNKNOWN,
    )
}

fn reboot(_: &Facts, _: &'static str) -> Tried {
    Tried::gate(kernel::reboot_wrongly(), &[errno::EINVAL], UNKNOWN)
}

fn swap(_: &Facts, _: &'static str) -> Tried {
    Tried::gate(kernel::swap_on_nothing(), &[errno::ENOENT], UNKNOWN)
}

fn account(_: &Facts, _: &'static str) -> Tried {
    Tried::gate(kernel::account_to_nothing(), &[errno::ENOENT], UNKNOWN)
}

fn fanotify(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::fanotify(), UNKNOWN)
}

fn log(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::read_log(), UNKNOWN)
}

fn host_name(_: &Facts, _: &'static str) -> Tried {
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) => Tried::of(kernel::set_host_name(name.trim_end()), UNKNOWN),
        Err(error) => Tried::could_not(format!("its name: {error}")),
    }
}

fn clock(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::set_time_zone_again(), UNKNOWN)
}

fn io_port(_: &Facts, _: &'static str) -> Tried {
    Tried::of(kernel::io_port(), UNKNOWN)
}
