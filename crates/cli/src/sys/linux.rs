//! Linux.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use ringfence::layers;
use ringfence_ledger::export::ocsf::Owner;
use rustix::fs::inotify;

/// There are two programs.
pub(crate) const ONE_PROGRAM: bool = false;
/// What runs plain commands.
pub(crate) const PROGRAM: &str = "ringfence";
/// What does everything, beside it.
pub(crate) const TOOLS: &str = "ringfence-tools";
/// The probe's program, which lies beside this one.
pub(crate) const PROBE: &str = "ringfence-probe";
/// What to do where this program's path is not known.
pub(crate) const TO_KNOW_PATH: &str = "; is /proc mounted?";

/// Lets this process be told how its children end, whatever its caller ignores.
pub(crate) fn hear_of_children() {
    // A disposition that exists can be set.
    let _set = ringfence::hear_of_children();
}

/// What this program was started with.
pub(crate) fn words() -> Vec<OsString> {
    ringfence::words()
}

/// Becomes another program, with the same words, its own name among them. Returns where that cannot be.
pub(crate) fn become_program(program: &Path, typed: &[OsString]) -> io::Error {
    io::Error::from_raw_os_error(ringfence::execute(program, typed).errno)
}

/// The path this program was executed by (`AT_EXECFN`, `getauxval(3)`).
pub(crate) fn executed() -> Option<PathBuf> {
    let path = rustix::param::linux_execfn().to_bytes();
    (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(path)))
}

/// Has signals of the terminal go to this program alone.
pub(crate) fn apart(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Names the person's home, where the environment does not.
pub(crate) fn name_home(command: &mut Command) {
    if let (None, Some(home)) = (std::env::var_os("HOME"), layers::home()) {
        command.env("HOME", home);
    }
}

/// What is new in a directory, waited for.
pub(crate) struct News {
    events: OwnedFd,
    buffer: [MaybeUninit<u8>; 4096],
}

impl News {
    /// Begins to watch. One that does not exist yet is made.
    pub(crate) fn of(directory: &Path) -> io::Result<News> {
        std::fs::create_dir_all(directory)?;
        let events = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
        inotify::add_watch(&events, directory, flags)?;
        Ok(News {
            events,
            buffer: [MaybeUninit::uninit(); 4096],
        })
    }

    pub(crate) fn wait(&mut self) -> io::Result<()> {
        let mut reader = inotify::Reader::new(&self.events, &mut self.buffer);
        reader.next()?;
        Ok(())
    }
}

/// Whose your own ledger is. Of another nobody knows where it was written.
pub(crate) fn owner() -> Owner {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    Owner {
        hostname: Some(name).filter(|name| !name.is_empty()),
        uid: Some(rustix::process::getuid().as_raw()),
    }
}

/// Whether a process is there that was there at a time: one that has its number now may be another
/// (proc_pid_stat(5), field 22; proc_stat(5), `btime`).
pub(crate) fn alive(pid: u32, then: Timestamp) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let began = || {
        // The name may hold blanks and parentheses; what comes behind it does not.
        let ticks: u64 = stat
            .rsplit_once(')')?
            .1
            .split_ascii_whitespace()
            .nth(19)?
            .parse()
            .ok()?;
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        let booted = machine
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?;
        let booted: i64 = booted.trim().parse().ok()?;
        let began = ticks / rustix::param::clock_ticks_per_second();
        Some(booted.saturating_add(i64::try_from(began).ok()?))
    };
    // Where that cannot be told it is taken for the same. Both are cut to seconds.
    began().is_none_or(|began| began <= then.as_second() + 2)
}
