//! The seccomp filter of a ring: which system calls its processes may make.
//!
//! # What it is for
//! Mounts, namespaces and Landlock are the boundary for files and network. The filter
//! takes away the kernel's odd corners: what would make a second boundary inside the
//! first (mounts, namespaces), what goes round the others (`io_uring`, file handles,
//! keyrings, the terminal's input queue) and what is mostly a history of kernel bugs.
//! Without namespaces it is also the switch for sockets and System V IPC.
//!
//! # How it decides
//! By an **allow-list**: [`SYSCALLS`] names every call up to kernel 6.18, each with a
//! reviewed [`Rule`]. A call it does not name answers `ENOSYS`, as it would on an older
//! kernel, so a C library falls back. [`rules_table`] prints all of it; the snapshot of that
//! text in the tests is the reviewed document.
//!
//! # Other calling conventions
//! The filter is for one architecture. On x86-64 the kernel also takes 32-bit calls
//! (`int 0x80`) and, where built so, x32 calls (bit 30 of the number set), whose numbers
//! mean other things. Both answer `ENOSYS`. That is as safe as killing the process: the
//! kernel returns before the call does anything, whatever the answer is. And it is kinder:
//! a program that merely probes lives on, and a 32-bit one ends with an error of its own.
//! Only the foreign `exit` and `exit_group` pass: musl calls them in a loop until they
//! work.
//!
//! # What it costs
//! The kernel (5.11 and newer) works out once, at installation, which numbers are allowed
//! whatever their arguments are, and never runs the filter for those. The others pay a
//! binary search, about ten instructions.
//!
//! # What it cannot do
//! It sees numbers, never what a pointer points at. So `clone3` (flags in memory) answers
//! `ENOSYS`, which makes C libraries use `clone`. A tracer cannot smuggle a call past it:
//! since kernel 4.8 the filter runs after the tracer has had its say.

mod action;
pub mod bpf;
mod check;
mod emit;
mod filter;
mod review;
pub mod rules;
mod table;

pub use action::{
    Action, EACCES, EAFNOSUPPORT, ENOSYS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
    errno_name,
};
pub use check::{Check, Clause, Rule, Switch, Test, Verdict};
pub use filter::{Decision, Filter, audit_arch};
pub use review::rules_table;
pub use table::{SYSCALLS, Syscall};

#[cfg(test)]
mod tests;
