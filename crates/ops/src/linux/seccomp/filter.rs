use super::action::{Action, ENOSYS};
use super::bpf::SeccompData;
use super::check::{Check, Clause, Rule, Switch, Test, Verdict};
use super::rules;
use super::table::Syscall;
use crate::Arch;

/// Foreign `exit`, the same on 32-bit x86 and Arm.
pub(super) const FOREIGN_EXIT: u32 = 1;
/// What a tracer writes into the number to have a call skipped.
pub(super) const SKIPPED: u32 = u32::MAX;

/// `AUDIT_ARCH_*`: what the kernel calls the 64-bit calling convention.
#[must_use]
pub const fn audit_arch(arch: Arch) -> u32 {
    match arch {
        Arch::X86_64 => 0xc000_003e,
        Arch::Aarch64 => 0xc000_00b7,
    }
}

/// The 32-bit convention that a kernel of this architecture also takes, and the number of
/// `exit_group` in it.
pub(super) const fn foreign(arch: Arch) -> (u32, u32) {
    match arch {
        Arch::X86_64 => (0x4000_0003, 252),
        Arch::Aarch64 => (0x4000_0028, 248),
    }
}

/// A filter, by what it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// The architecture it is for.
    pub arch: Arch,
    /// Internet sockets may be made. Off where no network namespace takes the network away.
    pub inet: bool,
    /// Unix sockets may be made. Pairs of connected ones always may.
    pub unix: bool,
    /// Namespaces and mounts may be made inside.
    pub nested: bool,
    /// The ring has an IPC namespace of its own. Where it has none, System V IPC and POSIX
    /// queues are denied.
    pub ipc_isolated: bool,
    /// The ring has a pid namespace of its own. Where it has none, a process sets limits,
    /// priorities and processors of itself alone: Landlock has no word about those.
    pub pids_isolated: bool,
    /// The kernel keeps signals in the ring (Landlock ABI 6). Where it does not, a signal to
    /// one's own process group is denied: the group is the caller's, and began outside.
    pub signals_scoped: bool,
}

/// What a filter does with one call, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the kernel does.
    pub action: Action,
    /// The name of the call; `None` where the table does not have its number.
    pub name: Option<&'static str>,
    /// The most specific reason, in one line.
    pub why: &'static str,
}

impl Filter {
    /// Whether a switch is on.
    #[must_use]
    pub const fn has(&self, switch: Switch) -> bool {
        match switch {
            Switch::Inet => self.inet,
            Switch::Unix => self.unix,
            Switch::Nested => self.nested,
            Switch::IpcIsolated => self.ipc_isolated,
            Switch::PidsIsolated => self.pids_isolated,
            Switch::SignalsScoped => self.signals_scoped,
        }
    }

    /// What the rules say about a call with this number, made the native way.
    #[must_use]
    pub fn verdict(&self, number: u32, args: [u64; 6]) -> Action {
        let arch = audit_arch(self.arch);
        self.decide(&SeccompData {
            number,
            arch,
            args,
            ..SeccompData::default()
        })
        .action
    }

    /// What the rules say about a call by name; `None` where this architecture has no such call.
    #[must_use]
    pub fn verdict_named(&self, name: &str, args: [u64; 6]) -> Option<Action> {
        let number = Syscall::named(name)?.number(self.arch)?;
        Some(self.verdict(u32::from(number), args))
    }

    /// What the rules say about any call, straight from the rules: nothing here is shared with
    /// [`Filter::program`], so each checks the other.
    #[must_use]
    pub fn decide(&self, data: &SeccompData) -> Decision {
        if data.arch != audit_arch(self.arch) {
            let (arch, exit_group) = foreign(self.arch);
            let exits = data.arch == arch && [FOREIGN_EXIT, exit_group].contains(&data.number);
            return if exits {
                Decision {
                    action: Action::Allow,
                    name: None,
                    why: rules::FOREIGN_EXIT_WHY,
                }
            } else {
                Decision {
                    action: Action::Errno(ENOSYS),
                    name: None,
                    why: rules::FOREIGN_WHY,
                }
            };
        }
        if data.number == SKIPPED {
            return Decision {
                action: Action::Allow,
                name: None,
                why: rules::SKIPPED_WHY,
            };
        }
        let Some(call) = Syscall::numbered(self.arch, data.number) else {
            return Decision {
                action: Action::Errno(ENOSYS),
                name: None,
                why: rules::UNKNOWN_WHY,
            };
        };
        let (action, why) = self.apply(call.rule, &data.args);
        Decision {
            action,
            name: Some(call.name),
            why,
        }
    }

    fn apply(&self, rule: &Rule, args: &[u64; 6]) -> (Action, &'static str) {
        match rule.verdict {
            Verdict::Allow => (Action::Allow, rule.why),
            Verdict::Deny(errno) => (Action::Errno(errno), rule.why),
            Verdict::Needs(switch, _) if self.has(switch) => (Action::Allow, rule.why),
            Verdict::Needs(_, errno) => (Action::Errno(errno), rule.why),
            Verdict::Checked(check) => self.check(check, args),
        }
    }

    fn check(&self, check: &Check, args: &[u64; 6]) -> (Action, &'static str) {
        let deciding = check
            .clauses
            .iter()
            .filter(|clause| self.is_live(clause))
            .find(|clause| clause.tests.iter().all(|test| holds(test, args)));
        match deciding {
            Some(clause) => (clause.then, clause.why),
            None => (check.otherwise, check.why),
        }
    }

    /// Whether a clause has a say in this filter.
    pub(super) fn is_live(&self, clause: &Clause) -> bool {
        clause
            .when
            .is_none_or(|(switch, is)| self.has(switch) == is)
    }
}

fn holds(test: &Test, args: &[u64; 6]) -> bool {
    let Some(arg) = args.get(usize::from(test.arg)) else {
        return false;
    };
    // The cut is the point: the kernel does it too.
    let value = *arg as u32 & test.mask;
    test.among.contains(&value)
}
