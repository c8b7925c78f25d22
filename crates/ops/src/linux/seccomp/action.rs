use std::fmt;

/// Operation not permitted.
pub const EPERM: u16 = 1;
/// Permission denied.
pub const EACCES: u16 = 13;
/// The kernel has no such call.
pub const ENOSYS: u16 = 38;
/// The kernel has no such protocol for this family.
pub const EPROTONOSUPPORT: u16 = 93;
/// The kernel has no such socket type.
pub const ESOCKTNOSUPPORT: u16 = 94;
/// The socket cannot do that.
pub const EOPNOTSUPP: u16 = 95;
/// The kernel has no such address family.
pub const EAFNOSUPPORT: u16 = 97;

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
const RET_DATA: u32 = 0xffff;
/// `MAX_ERRNO` of the kernel; it lowers what is above.
const MAX_ERRNO: u32 = 4095;

/// The name of an errno the rules use, `None` for others.
#[must_use]
pub fn errno_name(errno: u16) -> Option<&'static str> {
    Some(match errno {
        EPERM => "EPERM",
        EACCES => "EACCES",
        ENOSYS => "ENOSYS",
        EPROTONOSUPPORT => "EPROTONOSUPPORT",
        ESOCKTNOSUPPORT => "ESOCKTNOSUPPORT",
        EOPNOTSUPP => "EOPNOTSUPP",
        EAFNOSUPPORT => "EAFNOSUPPORT",
        _ => return None,
    })
}

/// What the kernel does with a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Makes the call.
    Allow,
    /// Does nothing and answers this errno (the numbers are the same on both architectures).
    Errno(u16),
    /// Kills the whole process. No rule of ours says it; a foreign program may.
    KillProcess,
}

impl Action {
    /// The value a filter returns for it (`SECCOMP_RET_*`).
    #[must_use]
    pub const fn encode(self) -> u32 {
        match self {
            Action::Allow => RET_ALLOW,
            Action::Errno(errno) => RET_ERRNO | errno as u32,
            Action::KillProcess => RET_KILL_PROCESS,
        }
    }

    /// The inverse of [`Action::encode`]; `None` for a value that it never gives (a trap, a
    /// trace, a notification, an errno beyond the kernel's largest).
    #[must_use]
    pub const fn decode(value: u32) -> Option<Action> {
        let data = value & RET_DATA;
        match value & !RET_DATA {
            RET_ALLOW if data == 0 => Some(Action::Allow),
            RET_KILL_PROCESS if data == 0 => Some(Action::KillProcess),
            // Sixteen bits were kept above, so nothing is cut off.
            RET_ERRNO if data <= MAX_ERRNO => Some(Action::Errno(data as u16)),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Action::Allow => f.write_str("allow"),
            Action::KillProcess => f.write_str("kill the process"),
            Action::Errno(errno) => match errno_name(errno) {
                Some(name) => f.write_str(name),
                None => write!(f, "errno {errno}"),
            },
        }
    }
}
