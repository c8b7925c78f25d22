//! Linux.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ringfence_policy::{Effective, FileText};
use rustix::fs::{Access, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::error::Error;
use crate::locate::straight;
use crate::{careful, layers};

pub(crate) use ringfence_sys_linux::SysError;

pub(crate) const MANAGED: &str = "/etc/ringfence/managed.toml";
pub(crate) const TO_HAVE_CONFIG: &str = "set HOME or XDG_CONFIG_HOME";
pub(crate) const TO_HAVE_STATE: &str = "set HOME or XDG_STATE_HOME";

pub(crate) fn managed_file() -> Option<&'static Path> {
    Some(Path::new(MANAGED))
}

pub(crate) fn managed() -> Result<Option<FileText>, Error> {
    layers::read(Path::new(MANAGED))
}

pub(crate) fn lacking(policy: &Effective, home: Option<&Path>) -> Vec<Error> {
    crate::site::lacking(policy, home)
}

pub(crate) fn home() -> Option<PathBuf> {
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from)
        && home.is_absolute()
    {
        return Some(home);
    }
    account_home().map(Path::to_owned)
}

/// Where a user's policy is.
pub(crate) fn config(home: Option<&Path>) -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| home.map(|h| h.join(".config")))?;
    Some(base.join("ringfence"))
}

/// Where a user's state is.
pub(crate) fn state(home: Option<&Path>) -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| home.map(|h| kept_in(h).join(".local/state")))?;
    Some(base.join("ringfence"))
}

/// The home directory that the password database has. Where `HOME` says another (`HOME=/tmp/x
/// agent`, `sudo -E`), the person's keys are here all the same.
pub(crate) fn account_home() -> Option<&'static Path> {
    static HOME: OnceLock<Option<PathBuf>> = OnceLock::new();
    HOME.get_or_init(|| {
        let uid = rustix::process::getuid().as_raw().to_string();
        let mut accounts = accounts().into_iter();
        accounts.find_map(|(of, home)| (of == uid).then_some(home))
    })
    .as_deref()
}

/// Every home that programs of this machine's accounts obey files in: that of `HOME`, and those the password database has.
pub(crate) fn homes() -> Vec<PathBuf> {
    let of_accounts = accounts().into_iter().map(|(_, home)| home);
    let mut homes: Vec<PathBuf> = home().into_iter().chain(of_accounts).collect();
    homes.sort();
    homes.dedup();
    homes
}

/// The user ids and homes that the password database has (`passwd(5)`), of those that have one.
fn accounts() -> Vec<(String, PathBuf)> {
    let users = careful::text(Path::new("/etc/passwd"), careful::SMALL).unwrap_or_default();
    let account = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let (uid, home) = (fields.next()?, PathBuf::from(fields.nth(2)?));
        // Accounts that have none say so with the root, or with a place that is not there.
        (home.is_absolute() && home != Path::new("/")).then(|| (uid.to_owned(), home))
    };
    users.lines().filter_map(account).collect()
}

/// The home that what is kept from one command to the next lies in. Root with another user's
/// `HOME` (`sudo -E`) would leave directories there that are that user's no more.
fn kept_in(home: &Path) -> &Path {
    let another = rustix::process::geteuid().is_root()
        && std::fs::metadata(home).is_ok_and(|meta| meta.uid() != 0);
    kept_in_of(home, another, account_home())
}

/// The same, where it is known whose `HOME` it is.
pub(crate) fn kept_in_of<'a>(home: &'a Path, another: bool, account: Option<&'a Path>) -> &'a Path {
    account.filter(|_| another).unwrap_or(home)
}

/// A path without links.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    // Where there is none it is known in a third of the calls.
    match straight(path) {
        Ok(found) => Ok(found.at.path),
        Err(_) => std::fs::canonicalize(path),
    }
}

/// Opens a file to read it, and never waits for anyone.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// To make a file that is private to the user.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a directory, and those above it, private to the user.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Whether something can be made in a directory.
pub(crate) fn may_write(dir: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The first bytes of a word.
pub(crate) fn begins(word: &OsStr, bytes: usize) -> OsString {
    let all = word.as_bytes();
    OsStr::from_bytes(all.get(..bytes).unwrap_or(all)).to_owned()
}

pub(crate) fn name_bytes(name: &OsStr) -> Cow<'_, [u8]> {
    Cow::Borrowed(name.as_bytes())
}

/// What an object is: its device, its number there, and when it was made.
pub(crate) fn identity(path: &Path, meta: &Metadata) -> io::Result<Identity> {
    Ok((meta.dev(), meta.ino(), born(path)))
}

fn born(path: &Path) -> Option<(i64, u32)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let stat = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    let known = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    known.then_some((stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec))
}

/// The session that a process belongs to (`setsid(2)`): that of a terminal, mostly. Its number is another's later, so that the
/// time at which its leader began, and the boot, belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    leader: i32,
    began: u64,
    boot: String,
}

impl Session {
    /// The one of this process, where its leader lives.
    #[must_use]
    pub fn own() -> Option<Session> {
        // One whose leader is not of this pid namespace has no number here.
        let leader: i32 = stat("self", 3)?;
        if leader <= 0 {
            return None;
        }
        let boot = careful::text(Path::new("/proc/sys/kernel/random/boot_id"), 128).ok()?;
        Some(Session {
            leader,
            began: began(leader)?,
            boot: boot.trim().to_owned(),
        })
    }

    /// Whether this process belongs to it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        Session::own().as_ref() == Some(self)
    }

    /// Whether its leader lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        let boot = careful::text(Path::new("/proc/sys/kernel/random/boot_id"), 128);
        boot.is_ok_and(|boot| boot.trim() == self.boot) && began(self.leader) == Some(self.began)
    }
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.leader, self.began, self.boot)
    }
}

/// When a process began, in ticks since the boot (`proc_pid_stat(5)`, field 22).
fn began(pid: i32) -> Option<u64> {
    stat(&pid.to_string(), 19)
}

/// A number of `proc_pid_stat(5)`, counted from the one behind the name.
fn stat<T: std::str::FromStr>(of: &str, at: usize) -> Option<T> {
    let stat = std::fs::read(format!("/proc/{of}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    // The name may hold anything, and ends with the last bracket.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(at)?.parse().ok()
}
