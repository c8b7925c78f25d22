use std::fmt;

use super::action::Action;

/// A property of the ring that a rule asks about; a field of [`Filter`](super::Filter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Switch {
    /// Internet sockets may be made.
    Inet,
    /// Unix sockets may be made.
    Unix,
    /// Namespaces and mounts may be made.
    Nested,
    /// The ring has System V IPC and POSIX queues of its own.
    IpcIsolated,
    /// The ring has a pid namespace of its own.
    PidsIsolated,
    /// The kernel keeps signals in the ring.
    SignalsScoped,
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Switch::Inet => "inet",
            Switch::Unix => "unix",
            Switch::Nested => "nested",
            Switch::IpcIsolated => "ipc_isolated",
            Switch::PidsIsolated => "pids_isolated",
            Switch::SignalsScoped => "signals_scoped",
        })
    }
}

/// A reviewed decision about one system call or a family of them.
#[derive(Debug)]
pub struct Rule {
    /// What the calls have in common, in a few words.
    pub group: &'static str,
    /// The decision.
    pub verdict: Verdict,
    /// Why, in one line.
    pub why: &'static str,
}

/// What a rule decides.
#[derive(Debug)]
pub enum Verdict {
    /// Allowed, whatever the arguments are.
    Allow,
    /// Always answered with this errno.
    Deny(u16),
    /// Allowed where the switch is on, else answered with this errno.
    Needs(Switch, u16),
    /// The arguments decide.
    Checked(&'static Check),
}

/// A decision by arguments: the first clause that holds decides.
#[derive(Debug)]
pub struct Check {
    /// Tried in order.
    pub clauses: &'static [Clause],
    /// What holds where no clause does.
    pub otherwise: Action,
    /// Why, in one line.
    pub why: &'static str,
}

/// One line of a [`Check`].
#[derive(Debug)]
pub struct Clause {
    /// Only in rings where the switch has this value; `None` in all.
    pub when: Option<(Switch, bool)>,
    /// All must hold.
    pub tests: &'static [Test],
    /// What is done then.
    pub then: Action,
    /// Why, in one line.
    pub why: &'static str,
}

/// A test of the **low 32 bits** of an argument. Each argument tested is an `int` or
/// `unsigned int` in the kernel, or cut to one (the flags of `clone`), or refused where an
/// upper bit is set (the flags of `unshare`). A comparison of all 64 bits would be evaded by
/// setting a bit that the kernel never sees.
#[derive(Debug)]
pub struct Test {
    /// Which argument, from 0.
    pub arg: u8,
    /// Which bits of it.
    pub mask: u32,
    /// The values of those bits for which the test holds.
    pub among: &'static [u32],
    /// What the values are called, for a reader.
    pub label: &'static str,
}
