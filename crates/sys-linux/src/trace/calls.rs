//! Which calls are looked at, and what they are of.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;

use super::{directory, memory, string};

/// What a call was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wants {
    /// Make, change or remove what has a path.
    Write,
    /// Read it, or list it.
    Read,
    /// Execute it.
    Execute,
    /// Connect to a socket that has a path.
    Connect,
    /// Reach an address.
    Network,
}

impl Wants {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Wants::Write => "write",
            Wants::Read => "read",
            Wants::Execute => "execute",
            Wants::Connect => "connect",
            Wants::Network => "network",
        }
    }

    /// What is called that.
    #[must_use]
    pub fn named(name: &str) -> Option<Wants> {
        [
            Wants::Write,
            Wants::Read,
            Wants::Execute,
            Wants::Connect,
            Wants::Network,
        ]
        .into_iter()
        .find(|wants| wants.name() == name)
    }
}

/// Which of a call's arguments says of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// A path, below where the process stands.
    Path(usize),
    /// A directory's descriptor, and a path below it.
    At(usize, usize),
    /// Two of the former: where something is, and where it is put.
    Paths(usize, usize),
    /// Two of the former.
    Ats([usize; 4]),
    /// An address and its length.
    Address(usize, usize),
}

/// Where it says what is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Always(Wants),
    /// Flags of `open(2)`.
    Flags(usize),
    /// A mode of `access(2)`.
    Mode(usize),
    /// What `openat2(2)` takes, in memory.
    How(usize),
    /// By the kind of address.
    ByAddress,
}

/// A call that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: &'static str,
    number: i64,
    names: Names,
    does: Does,
}

macro_rules! calls {
    ($($(#[$only:meta])* $number:ident $name:literal $names:expr, $does:expr;)+) => {
        const CALLS: &[Call] = &[
            $($(#[$only])* Call { name: $name, number: libc::$number, names: $names, does: $does },)+
        ];
    };
}

use Does::{Always, ByAddress, Flags, How, Mode};
use Names::{Address, At, Ats, Path, Paths};

calls! {
    #[cfg(target_arch = "x86_64")] SYS_open "open" Path(0), Flags(1);
    SYS_openat "openat" At(0, 1), Flags(2);
    SYS_openat2 "openat2" At(0, 1), How(2);
    #[cfg(target_arch = "x86_64")] SYS_creat "creat" Path(0), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_mkdir "mkdir" Path(0), Always(Wants::Write);
    SYS_mkdirat "mkdirat" At(0, 1), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_mknod "mknod" Path(0), Always(Wants::Write);
    SYS_mknodat "mknodat" At(0, 1), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_rmdir "rmdir" Path(0), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_unlink "unlink" Path(0), Always(Wants::Write);
    SYS_unlinkat "unlinkat" At(0, 1), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_rename "rename" Paths(0, 1), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_renameat "renameat" Ats([0, 1, 2, 3]), Always(Wants::Write);
    SYS_renameat2 "renameat2" Ats([0, 1, 2, 3]), Always(Wants::Write);
    // What is linked is only read.
    #[cfg(target_arch = "x86_64")] SYS_link "link" Path(1), Always(Wants::Write);
    SYS_linkat "linkat" At(2, 3), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_symlink "symlink" Path(1), Always(Wants::Write);
    SYS_symlinkat "symlinkat" At(1, 2), Always(Wants::Write);
    SYS_truncate "truncate" Path(0), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_chmod "chmod" Path(0), Always(Wants::Write);
    SYS_fchmodat "fchmodat" At(0, 1), Always(Wants::Write);
    SYS_fchmodat2 "fchmodat2" At(0, 1), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_chown "chown" Path(0), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_lchown "lchown" Path(0), Always(Wants::Write);
    SYS_fchownat "fchownat" At(0, 1), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_utime "utime" Path(0), Always(Wants::Write);
    #[cfg(target_arch = "x86_64")] SYS_utimes "utimes" Path(0), Always(Wants::Write);
    SYS_utimensat "utimensat" At(0, 1), Always(Wants::Write);
    SYS_setxattr "setxattr" Path(0), Always(Wants::Write);
    SYS_lsetxattr "lsetxattr" Path(0), Always(Wants::Write);
    SYS_removexattr "removexattr" Path(0), Always(Wants::Write);
    // Programs ask before they try.
    #[cfg(target_arch = "x86_64")] SYS_access "access" Path(0), Mode(1);
    SYS_faccessat "faccessat" At(0, 1), Mode(2);
    SYS_faccessat2 "faccessat2" At(0, 1), Mode(2);
    SYS_chdir "chdir" Path(0), Always(Wants::Read);
    SYS_execve "execve" Path(0), Always(Wants::Execute);
    SYS_execveat "execveat" At(0, 1), Always(Wants::Execute);
    SYS_bind "bind" Address(1, 2), ByAddress;
    SYS_connect "connect" Address(1, 2), ByAddress;
    SYS_sendto "sendto" Address(4, 5), ByAddress;
}

/// The call of this number, if it is one that is looked at.
pub(super) fn of(number: i64) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.number == number)
}

impl Call {
    /// Whether an error may be a boundary's doing, by its kind alone.
    pub(super) fn tells(&self, errno: i32) -> bool {
        match errno {
            libc::EROFS | libc::EACCES | libc::EPERM => true,
            // Across what is mounted, and what is mounted itself.
            libc::EXDEV | libc::EBUSY => self.does == Always(Wants::Write),
            libc::ENETUNREACH | libc::EADDRNOTAVAIL => self.does == ByAddress,
            // Its directory may be another one.
            libc::ENOENT | libc::ECONNREFUSED => self.number == libc::SYS_connect,
            _ => false,
        }
    }

    /// What it was to do, and of what it was, as far as that can be read.
    pub(super) fn was_of(&self, pid: i32, arguments: &[u64; 6]) -> Vec<(Wants, OsString)> {
        let argument = |at: usize| arguments.get(at).copied().unwrap_or(0);
        let here = i64::from(libc::AT_FDCWD);
        let at =
            |dir: usize, path: usize| below(pid, i64::from(argument(dir) as i32), argument(path));
        let of = match self.names {
            Path(path) => vec![below(pid, here, argument(path))],
            At(dir, path) => vec![at(dir, path)],
            Paths(from, to) => vec![
                below(pid, here, argument(from)),
                below(pid, here, argument(to)),
            ],
            Ats([from_dir, from, to_dir, to]) => vec![at(from_dir, from), at(to_dir, to)],
            Address(at, length) => {
                let length = usize::try_from(argument(length)).unwrap_or(0).min(128);
                let found = address(pid, &memory(pid, argument(at), length));
                let made = self.number == libc::SYS_bind;
                let found = found.filter(|(wants, _)| !made || *wants == Wants::Connect);
                return found
                    .into_iter()
                    .map(|(wants, of)| (if made { Wants::Write } else { wants }, of))
                    .collect();
            }
        };
        let Some(wants) = self.wants(pid, arguments) else {
            return Vec::new();
        };
        of.into_iter().flatten().map(|of| (wants, of)).collect()
    }

    fn wants(&self, pid: i32, arguments: &[u64; 6]) -> Option<Wants> {
        let argument = |at: usize| arguments.get(at).copied();
        Some(match self.does {
            Always(wants) => wants,
            Flags(at) => opened(argument(at)? as i32),
            How(at) => {
                let flags = memory(pid, argument(at)?, 8);
                opened(u64::from_ne_bytes(*flags.first_chunk()?) as i32)
            }
            Mode(at) => match argument(at)? as i32 {
                mode if mode & libc::W_OK != 0 => Wants::Write,
                mode if mode & libc::X_OK != 0 => Wants::Execute,
                _ => Wants::Read,
            },
            ByAddress => return None,
        })
    }
}

/// Whether a call of this name is looked at, and may tell of this error.
#[must_use]
pub fn may_tell(name: &str, errno: i32) -> bool {
    CALLS
        .iter()
        .any(|call| call.name == name && call.tells(errno))
}

/// What a file is opened for.
fn opened(flags: i32) -> Wants {
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
    if writes || flags & (libc::O_CREAT | libc::O_TRUNC) != 0 {
        Wants::Write
    } else {
        Wants::Read
    }
}

fn below(pid: i32, dir: i64, path: u64) -> Option<OsString> {
    if path == 0 {
        return None;
    }
    let path = string(pid, path)?;
    if path.as_encoded_bytes().first() == Some(&b'/') {
        return Some(path);
    }
    let dir = directory(pid, dir)?;
    if path.is_empty() {
        return Some(dir.into_os_string());
    }
    Some(dir.join(path).into_os_string())
}

/// A socket's path, or a network's address, as it is shown.
fn address(pid: i32, bytes: &[u8]) -> Option<(Wants, OsString)> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let port = |rest: &[u8]| {
        let bytes = rest.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*bytes))
    };
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_UNIX => {
            let end = rest.iter().position(|byte| *byte == 0);
            let path = rest.get(..end.unwrap_or(rest.len()))?;
            // One without a path has another kind of name.
            let first = path.first()?;
            let path = OsString::from_vec(path.to_vec());
            if *first == b'/' {
                return Some((Wants::Connect, path));
            }
            let at = directory(pid, libc::AT_FDCWD.into())?.join(path);
            Some((Wants::Connect, at.into_os_string()))
        }
        libc::AF_INET => {
            let ip: [u8; 4] = *rest.get(2..)?.first_chunk()?;
            let at = SocketAddr::from((Ipv4Addr::from(ip), port(rest)?));
            Some((Wants::Network, at.to_string().into()))
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = *rest.get(6..)?.first_chunk()?;
            let at = SocketAddr::from((Ipv6Addr::from(ip), port(rest)?));
            Some((Wants::Network, at.to_string().into()))
        }
        _ => None,
    }
}

/// Stops at these calls, and lets all others pass. `seccomp(2)`: what another filter refuses stays refused.
pub(super) fn filter() -> Vec<libc::sock_filter> {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    #[cfg(target_arch = "x86_64")]
    const ARCH: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const ARCH: u32 = 0xc000_00b7;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![
        // `seccomp_data.arch`, `.nr`.
        step(LOAD, 0, 0, 4),
        step(EQUAL, 1, 0, ARCH),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(LOAD, 0, 0, 0),
    ];
    for call in CALLS {
        program.push(step(EQUAL, 0, 1, call.number as u32));
        program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_TRACE));
    }
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}
