//! Landlock's rights per ABI, and the rules of one ruleset, as numbers and words.
//!
//! Values from `linux/landlock.h`. The best set of each ABI is handled: what a newer
//! kernel could restrict and this one cannot is left to the other layers, and the
//! planner says so.

use super::Located;

/// Execute a file (ABI 1).
pub const EXECUTE: u64 = 1 << 0;
/// Open a file for writing (ABI 1).
pub const WRITE_FILE: u64 = 1 << 1;
/// Open a file for reading (ABI 1).
pub const READ_FILE: u64 = 1 << 2;
/// List a directory (ABI 1).
pub const READ_DIR: u64 = 1 << 3;
/// Remove an empty directory or rename one (ABI 1).
pub const REMOVE_DIR: u64 = 1 << 4;
/// Unlink or rename a file (ABI 1).
pub const REMOVE_FILE: u64 = 1 << 5;
/// Make a character device (ABI 1).
pub const MAKE_CHAR: u64 = 1 << 6;
/// Make a directory (ABI 1).
pub const MAKE_DIR: u64 = 1 << 7;
/// Make a regular file (ABI 1).
pub const MAKE_REG: u64 = 1 << 8;
/// Make a unix socket (ABI 1).
pub const MAKE_SOCK: u64 = 1 << 9;
/// Make a named pipe (ABI 1).
pub const MAKE_FIFO: u64 = 1 << 10;
/// Make a block device (ABI 1).
pub const MAKE_BLOCK: u64 = 1 << 11;
/// Make a symbolic link (ABI 1).
pub const MAKE_SYM: u64 = 1 << 12;
/// Link or rename between directories (ABI 2).
pub const REFER: u64 = 1 << 13;
/// Truncate a file (ABI 3).
pub const TRUNCATE: u64 = 1 << 14;
/// ioctl on a device file (ABI 5).
pub const IOCTL_DEV: u64 = 1 << 15;
/// Connect to or send to a unix socket by path (ABI 9).
pub const RESOLVE_UNIX: u64 = 1 << 16;

/// Bind a TCP socket (ABI 4).
pub const NET_BIND_TCP: u64 = 1 << 0;
/// Connect a TCP socket (ABI 4).
pub const NET_CONNECT_TCP: u64 = 1 << 1;

/// Connect to an abstract unix socket made outside (ABI 6).
pub const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1 << 0;
/// Signal a process outside (ABI 6).
pub const SCOPE_SIGNAL: u64 = 1 << 1;

/// Rights that only read.
pub const READ: u64 = EXECUTE | READ_FILE | READ_DIR;

/// Rights a rule on a file may carry; the others are a directory's.
pub const OF_A_FILE: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV | RESOLVE_UNIX;

/// File system rights that a kernel with this ABI can restrict.
#[must_use]
pub fn fs_rights(abi: u32) -> u64 {
    match abi {
        0 => 0,
        1 => REFER - 1,
        2 => TRUNCATE - 1,
        3 | 4 => IOCTL_DEV - 1,
        5..=8 => RESOLVE_UNIX - 1,
        _ => (RESOLVE_UNIX << 1) - 1,
    }
}

/// What writing below a directory takes. Device nodes are not part of it.
#[must_use]
pub fn write_rights(abi: u32) -> u64 {
    fs_rights(abi) & !(MAKE_CHAR | MAKE_BLOCK)
}

/// TCP rights that a kernel with this ABI can restrict.
#[must_use]
pub fn net_rights(abi: u32) -> u64 {
    if abi >= 4 {
        NET_BIND_TCP | NET_CONNECT_TCP
    } else {
        0
    }
}

/// Scopes that a kernel with this ABI has.
#[must_use]
pub fn scopes(abi: u32) -> u64 {
    if abi >= 6 {
        SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL
    } else {
        0
    }
}

/// One `LANDLOCK_RULE_PATH_BENEATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The hierarchy. Identity 0 means: whatever stands at this path in the ring
    /// (places the runner itself makes: `/tmp`, `/dev`, `/proc`).
    pub at: Located,
    /// Rights granted beneath it.
    pub rights: u64,
}

/// One ruleset, restricting the child for good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// File system rights that are denied unless a rule grants them.
    pub fs: u64,
    /// TCP rights that are denied.
    pub net: u64,
    /// Scopes.
    pub scoped: u64,
    /// What is granted.
    pub rules: Vec<Rule>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_abi_adds_to_the_one_before() {
        for abi in 1..12 {
            assert_eq!(fs_rights(abi) & fs_rights(abi - 1), fs_rights(abi - 1));
            assert_eq!(write_rights(abi) & (MAKE_BLOCK | MAKE_CHAR), 0);
        }
        assert_eq!(fs_rights(1), 0x1fff);
        assert_eq!(fs_rights(2), 0x3fff);
        assert_eq!(fs_rights(3), 0x7fff);
        assert_eq!(fs_rights(7), 0xffff);
        assert_eq!(fs_rights(9), 0x1_ffff);
    }
}
