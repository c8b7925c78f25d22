//! The promises of a ring, by the names `[enforcement] accept` and outcomes use.
//! A name also stands for all names below it: accepting `protect` accepts
//! `protect.git`.

/// The ring itself: namespaces, or Landlock where there are none.
pub const RING: &str = "ring";
/// Nothing outside the write roots is written, made, removed or renamed.
pub const WRITE: &str = "write";
/// Modes, times and attributes of files outside the write roots stay.
pub const WRITE_METADATA: &str = "write.metadata";
/// Nothing outside the write roots is deleted or renamed, by whatever right.
pub const WRITE_DELETE: &str = "write.delete";
/// Landlock stands behind the mounts, for what a descriptor could reach around them.
pub const WRITE_SECOND_LAYER: &str = "write.second-layer";
/// Hooks and configuration of repositories are read-only.
pub const PROTECT_GIT: &str = "protect.git";
/// Files that editors and agents obey are read-only.
pub const PROTECT_WORKSPACE: &str = "protect.workspace";
/// What the policy protects is read-only.
pub const PROTECT_PATHS: &str = "protect.paths";
/// Protected names that do not exist cannot be made.
pub const PROTECT_MISSING: &str = "protect.missing";
/// Ringfence's own programs are read-only.
pub const PROTECT_OWN: &str = "protect.ringfence";
/// Hidden paths are unreadable.
pub const HIDE: &str = "hide";
/// Only the listed paths are readable.
pub const READ: &str = "read";
/// Temporary directories are the ring's own.
pub const TEMP: &str = "temp";
/// Caches are written privately.
pub const CACHES: &str = "caches";
/// Nothing leaves by the network.
pub const NETWORK: &str = "network";
/// Servers on localhost can be used inside the ring.
pub const NETWORK_LOCALHOST: &str = "network.localhost";
/// Unix sockets of services outside cannot be connected to.
pub const SOCKETS: &str = "sockets";
/// Processes outside cannot be seen, signalled, slowed or read.
pub const PROCESSES: &str = "processes";
/// Nothing of a command outlives it.
pub const DESCENDANTS: &str = "descendants";
/// System V and POSIX IPC objects outside cannot be reached.
pub const IPC: &str = "ipc";
/// Device nodes are few and harmless.
pub const DEVICES: &str = "devices";
/// `/proc` is the ring's own.
pub const PROC: &str = "proc";
/// No capability, no gain of privilege.
pub const PRIVILEGES: &str = "privileges";
/// Only reviewed system calls.
pub const SYSCALLS: &str = "syscalls";
/// The number of processes is bounded.
pub const LIMIT_PROCESSES: &str = "limits.processes";
/// Memory is bounded.
pub const LIMIT_MEMORY: &str = "limits.memory";
/// What runs is recorded.
pub const LEDGER: &str = "ledger";

/// All of them.
pub const ALL: &[&str] = &[
    RING,
    WRITE,
    WRITE_METADATA,
    WRITE_DELETE,
    WRITE_SECOND_LAYER,
    PROTECT_GIT,
    PROTECT_WORKSPACE,
    PROTECT_PATHS,
    PROTECT_MISSING,
    PROTECT_OWN,
    HIDE,
    READ,
    TEMP,
    CACHES,
    NETWORK,
    NETWORK_LOCALHOST,
    SOCKETS,
    PROCESSES,
    DESCENDANTS,
    IPC,
    DEVICES,
    PROC,
    PRIVILEGES,
    SYSCALLS,
    LIMIT_PROCESSES,
    LIMIT_MEMORY,
    LEDGER,
];

/// Whether `accept` may name this: a promise, or a group of them.
#[must_use]
pub fn is_known(name: &str) -> bool {
    ALL.iter().any(|promise| {
        promise
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}
