//! Windows.

use std::ffi::OsString;
use std::io;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use ringfence_ledger::export::ocsf::Owner;

/// One program does all.
pub(crate) const ONE_PROGRAM: bool = true;
/// Which is this.
pub(crate) const PROGRAM: &str = "ringfence.exe";
/// And this.
pub(crate) const TOOLS: &str = PROGRAM;
/// The probe's program, which lies beside this one.
pub(crate) const PROBE: &str = "ringfence-probe.exe";
/// What to do where this program's path is not known.
pub(crate) const TO_KNOW_PATH: &str = "";

/// Nobody ignores them here.
pub(crate) fn hear_of_children() {}

/// What this program was started with.
pub(crate) fn words() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}

/// Not asked for here.
pub(crate) fn executed() -> Option<PathBuf> {
    None
}

/// No program becomes another here.
pub(crate) fn become_program(_program: &Path, _typed: &[OsString]) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Has signals of the console go to this program alone.
pub(crate) fn apart(command: &mut Command) -> &mut Command {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP)
}

/// The probe makes a home of its own.
pub(crate) fn name_home(_command: &mut Command) {}

/// What is new in a directory, waited for.
pub(crate) struct News;

impl News {
    /// Not to be had yet.
    pub(crate) fn of(_directory: &Path) -> io::Result<News> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it cannot be followed on Windows yet; `ringfence log list` says what was recorded",
        ))
    }

    pub(crate) fn wait(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whose your own ledger is, as far as the environment says.
pub(crate) fn owner() -> Owner {
    let name = std::env::var("COMPUTERNAME").ok();
    Owner {
        hostname: name.filter(|name| !name.is_empty()),
        uid: None,
    }
}

/// Whether a process is there that was there at a time: one that has its number now may be another.
pub(crate) fn alive(pid: u32, then: Timestamp) -> bool {
    ringfence::windows::lives(pid, then.into())
}
