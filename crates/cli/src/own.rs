//! Where Ringfence's programs lie, for commands to come.

use std::ffi::OsString;
use std::path::PathBuf;

use thiserror::Error;

use crate::exit::ExitCode;
use crate::{say, sys};

/// Why that is not known.
#[derive(Debug, Error)]
pub(crate) enum NoSelf {
    #[error("this program's own path is not known: {0}{know}", know = sys::TO_KNOW_PATH)]
    Unknown(std::io::Error),
    #[error("{}: this program was replaced or removed; install it again", say::Plain(.0))]
    Gone(PathBuf),
    #[error("{}: is missing; install ringfence, ringfence-tools and ringfence-runner together", say::Plain(.0))]
    Apart(PathBuf),
}

/// The absolute path of this program.
fn this() -> Result<PathBuf, NoSelf> {
    let own = std::env::current_exe().map_err(NoSelf::Unknown)?;
    // Of one that was removed the kernel says `PATH (deleted)`.
    if own.is_file() {
        Ok(own)
    } else {
        Err(NoSelf::Gone(own))
    }
}

/// Where one of the two is, the other lies beside it. Under another name a program is what its caller made it.
fn beside(this: PathBuf, name: &str, other: &str) -> Result<PathBuf, NoSelf> {
    if this.file_name().is_none_or(|own| own != other) {
        return Ok(this);
    }
    let beside = this.with_file_name(name);
    match beside.is_file() {
        true => Ok(beside),
        false => Err(NoSelf::Apart(beside)),
    }
}

/// The absolute path of what people and agents start.
pub(crate) fn program() -> Result<PathBuf, NoSelf> {
    beside(this()?, sys::PROGRAM, sys::TOOLS)
}

/// The absolute path of what does everything.
pub(crate) fn tools() -> Result<PathBuf, NoSelf> {
    beside(this()?, sys::TOOLS, sys::PROGRAM)
}

/// Becomes what does everything; the exit code where that cannot be.
pub(crate) fn become_tools(typed: &[OsString]) -> ExitCode {
    // Whatever this program is called: it is the other one. Where there is no /proc the kernel has said what was executed.
    let tools = match (this(), sys::executed()) {
        (Ok(this), _) | (Err(NoSelf::Unknown(_)), Some(this)) => this.with_file_name(sys::TOOLS),
        (Err(error), _) => return say::or_block(say::refuse(error)),
    };
    let error = sys::become_program(&tools, typed);
    say::or_block(say::refuse(format_args!(
        "{}: {error}; install ringfence, ringfence-tools and ringfence-runner together",
        say::Plain(&tools)
    )))
}
