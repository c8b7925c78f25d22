//! A command: what it gets, and what it must not keep.

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{
    Failure, Patience, SpawnError, Step, Strings, close_from, leave, start, start_patiently,
    take_descriptor,
};
use crate::error::SysError;
use crate::{capability, landlock, signal};

/// How to start a command.
#[derive(Debug)]
pub struct CommandStart<'a> {
    /// Path of the program, resolved in this mount namespace.
    pub program: &'a Path,
    /// Arguments, the program's name first.
    pub argv: &'a [OsString],
    /// Environment as `NAME=value`.
    pub env: &'a [OsString],
    /// Working directory.
    pub cwd: BorrowedFd<'a>,
    /// stdin, stdout, stderr; each above 2.
    pub stdio: [BorrowedFd<'a>; 3],
    /// One more, which becomes number 3.
    pub report: Option<BorrowedFd<'a>>,
    /// Start a new session.
    pub new_session: bool,
    /// Start a new process group.
    pub own_group: bool,
    /// Make stdin its controlling terminal.
    pub terminal: bool,
    /// Die with the parent thread.
    pub die_with_parent: bool,
    /// How long it is waited for, where others may signal it before it executes; `None` where nobody
    /// does.
    pub patience: Option<Patience<'a>>,
    /// Limits of its own, soft and hard alike. Where it has a lower one already, that holds.
    pub limits: &'a [(Resource, u64)],
    /// What it may not; `None` leaves it its capabilities, its ways to privilege, and the descriptors
    /// it inherits.
    pub restrictions: Option<&'a Restrictions>,
}

/// How a C library numbers resources.
#[cfg(target_env = "gnu")]
type Number = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Number = libc::c_int;

/// A resource of `setrlimit(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Processes of the real user id, counted in its user namespace.
    Processes,
    /// Address space of each process, bytes.
    AddressSpace,
    /// Size of core files, bytes.
    Core,
}

impl Resource {
    const fn number(self) -> Number {
        match self {
            Resource::Processes => libc::RLIMIT_NPROC,
            Resource::AddressSpace => libc::RLIMIT_AS,
            Resource::Core => libc::RLIMIT_CORE,
        }
    }

    /// Limits this process. Async-signal-safe.
    fn limit(self, value: u64) -> Result<(), SysError> {
        let limit = libc::rlimit {
            rlim_cur: value,
            rlim_max: value,
        };
        // SAFETY: `limit` is live for the call.
        if unsafe { libc::setrlimit(self.number(), &raw const limit) } != 0 {
            return Err(SysError::last("setrlimit"));
        }
        Ok(())
    }

    /// The same, unless a limit holds that is lower. Async-signal-safe.
    fn lower(self, value: u64) -> Result<(), SysError> {
        let mut now = std::mem::MaybeUninit::<libc::rlimit>::uninit();
        // SAFETY: `now` is live for the call, which fills it.
        if unsafe { libc::getrlimit(self.number(), now.as_mut_ptr()) } != 0 {
            return Err(SysError::last("getrlimit"));
        }
        // SAFETY: the call succeeded and filled it.
        let now = unsafe { now.assume_init() };
        self.limit(value.min(now.rlim_max))
    }
}

/// What is the same for every command of a ring. In all cases it has no capability and gains none.
#[derive(Debug, Default)]
pub struct Restrictions {
    limits: Vec<(Resource, u64)>,
    landlock: Option<OwnedFd>,
    seccomp: Option<Vec<libc::sock_filter>>,
}

impl Restrictions {
    /// Adds a resource limit, soft and hard alike. Where the caller has a lower one already, that holds.
    pub fn limit(&mut self, resource: Resource, value: u64) {
        self.limits.push((resource, value));
    }

    /// Restricts by this Landlock ruleset, in place of any other.
    pub fn landlock(&mut self, ruleset: OwnedFd) {
        self.landlock = Some(ruleset);
    }

    /// Grants rights on what is handed to a command, in the Landlock ruleset that is set, if one is.
    ///
    /// # Errors
    /// What `landlock_add_rule(2)` says.
    pub fn grant(&self, on: BorrowedFd<'_>, rights: u64) -> Result<(), SysError> {
        match &self.landlock {
            Some(ruleset) => landlock::grant(ruleset.as_fd(), on, rights),
            None => Ok(()),
        }
    }

    /// Sets the seccomp filter: bytes of `struct sock_filter` (8 each).
    ///
    /// # Errors
    /// It has more instructions than the kernel takes.
    pub fn seccomp(&mut self, filter: &[u8]) -> Result<(), SysError> {
        let instructions: Vec<libc::sock_filter> = filter
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| libc::sock_filter {
                code: u16::from_ne_bytes([b[0], b[1]]),
                jt: b[2],
                jf: b[3],
                k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
            })
            .collect();
        if u16::try_from(instructions.len()).is_err() {
            return Err(SysError::new("seccomp", libc::EINVAL));
        }
        self.seccomp = Some(instructions);
        Ok(())
    }

    /// The same with another Landlock ruleset.
    #[must_use]
    pub fn with_landlock(&self, ruleset: OwnedFd) -> Restrictions {
        Restrictions {
            limits: self.limits.clone(),
            landlock: Some(ruleset),
            seccomp: self.seccomp.clone(),
        }
    }

    /// Takes on all but seccomp. Async-signal-safe.
    pub(super) fn take_on(&self, step: &Cell<Step>) -> Result<(), SysError> {
        step.set(Step::Limit);
        for (resource, value) in &self.limits {
            resource.lower(*value)?;
        }
        step.set(Step::Capabilities);
        capability::drop_all()?;
        step.set(Step::NoNewPrivs);
        // SAFETY: integers only.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
            return Err(SysError::last("PR_SET_NO_NEW_PRIVS"));
        }
        step.set(Step::Landlock);
        if let Some(ruleset) = &self.landlock {
            // SAFETY: integers only.
            let r = unsafe {
                libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32)
            };
            if r != 0 {
                return Err(SysError::last("landlock_restrict_self"));
            }
        }
        Ok(())
    }

    /// From here on the filter judges every call. Async-signal-safe.
    pub(super) fn filter(&self, step: &Cell<Step>) -> Result<(), SysError> {
        step.set(Step::Seccomp);
        let Some(instructions) = &self.seccomp else {
            return Ok(());
        };
        let filter = libc::sock_fprog {
            // It was made of no more.
            len: instructions.len() as u16,
            filter: instructions.as_ptr().cast_mut(),
        };
        // SAFETY: `filter` is live for the call, and points at as many instructions as it says.
        let r = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0_u32,
                &raw const filter,
            )
        };
        if r != 0 {
            return Err(SysError::last("seccomp"));
        }
        Ok(())
    }
}

/// What a child needs to become the program: made before there is a child, which allocates nothing.
pub(super) struct Image {
    program: CString,
    argv: Strings,
    /// A script without `#!` is the shell's to run, as with execvp(3).
    shell_argv: Strings,
    envp: Strings,
}

impl Image {
    pub(super) fn new(start_with: &CommandStart<'_>) -> Result<Image, SpawnError> {
        let exec = SpawnError::at(Step::Exec);
        let mut shell = vec![
            OsString::from("sh"),
            start_with.program.as_os_str().to_owned(),
        ];
        shell.extend(start_with.argv.iter().skip(1).cloned());
        Ok(Image {
            program: CString::new(start_with.program.as_os_str().as_bytes())
                .map_err(|_| exec(SysError::new("execve", libc::EINVAL)))?,
            argv: Strings::new(start_with.argv).map_err(&exec)?,
            shell_argv: Strings::new(&shell).map_err(&exec)?,
            envp: Strings::new(start_with.env).map_err(&exec)?,
        })
    }

    /// Async-signal-safe.
    pub(super) fn execute(&self, step: &Cell<Step>) -> Result<Infallible, SysError> {
        step.set(Step::Exec);
        let execve = |program: &CStr, argv: &Strings| {
            // SAFETY: program, argv and envp are null-terminated and live in the parent, which
            // keeps them until this process has left its memory.
            unsafe {
                libc::execve(
                    program.as_ptr(),
                    argv.pointers.as_ptr(),
                    self.envp.pointers.as_ptr(),
                )
            };
            SysError::last("execve")
        };
        let error = execve(&self.program, &self.argv);
        if error.errno == libc::ENOEXEC {
            return Err(execve(c"/bin/sh", &self.shell_argv));
        }
        Err(error)
    }
}

struct CommandArgs<'a> {
    image: &'a Image,
    start: &'a CommandStart<'a>,
    failure: &'a Failure,
}

/// Starts a command with every restriction on, and returns once its program has been
/// executed.
///
/// # Errors
/// Where it failed: nothing of the command has run then.
pub fn command(start_with: &CommandStart<'_>) -> Result<i32, SpawnError> {
    let image = Image::new(start_with)?;
    let failure = Cell::new(None);
    let mut args = CommandArgs {
        image: &image,
        start: start_with,
        failure: &failure,
    };
    let arg = (&raw mut args).cast();
    match &start_with.patience {
        None => start(0, command_entry, arg, &failure),
        Some(patience) => start_patiently(command_entry, arg, &failure, patience),
    }
}

extern "C" fn command_entry(arg: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `command` passes a pointer to a `CommandArgs` that outlives this process'
    // use of the shared memory: its parent waits.
    let args = unsafe { &*arg.cast::<CommandArgs<'_>>() };
    let step = Cell::new(Step::Session);
    let Err(error) = confine_and_exec(args, &step);
    args.failure.set(Some(SpawnError {
        step: step.get(),
        error,
    }));
    leave()
}

fn confine_and_exec(args: &CommandArgs<'_>, step: &Cell<Step>) -> Result<Infallible, SysError> {
    let start = args.start;
    if start.die_with_parent {
        // SAFETY: integers only.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
            return Err(SysError::last("PR_SET_PDEATHSIG"));
        }
    }
    start.take_place(step)?;
    if let Some(restrictions) = start.restrictions {
        restrictions.take_on(step)?;
        step.set(Step::Prepare);
        // What had that number, a ruleset's perhaps, is not needed any more.
        let first = match &start.report {
            Some(report) => {
                take_descriptor(report.as_raw_fd(), 3)?;
                4
            }
            None => 3,
        };
        close_from(first)?;
    }
    start.lower_limits(step)?;
    step.set(Step::Prepare);
    signal::reset_for_exec()?;
    if let Some(restrictions) = start.restrictions {
        restrictions.filter(step)?;
    }
    args.image.execute(step)
}

impl CommandStart<'_> {
    /// Its session, directory, descriptors and terminal. Async-signal-safe; the table of descriptors
    /// is the child's own.
    pub(super) fn take_place(&self, step: &Cell<Step>) -> Result<(), SysError> {
        step.set(Step::Session);
        // SAFETY: takes nothing.
        if self.new_session && unsafe { libc::setsid() } < 0 {
            return Err(SysError::last("setsid"));
        }
        // SAFETY: integers only.
        if self.own_group && !self.new_session && unsafe { libc::setpgid(0, 0) } != 0 {
            return Err(SysError::last("setpgid"));
        }
        step.set(Step::Cwd);
        // SAFETY: integers only.
        if unsafe { libc::fchdir(self.cwd.as_raw_fd()) } != 0 {
            return Err(SysError::last("fchdir"));
        }
        step.set(Step::Prepare);
        for (number, fd) in self.stdio.iter().enumerate() {
            take_descriptor(fd.as_raw_fd(), number as RawFd)?;
        }
        step.set(Step::Session);
        // SAFETY: TIOCSCTTY takes an integer.
        if self.terminal && unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } != 0 {
            return Err(SysError::last("TIOCSCTTY"));
        }
        Ok(())
    }

    /// Its own limits, when those of its ring are set. Async-signal-safe.
    pub(super) fn lower_limits(&self, step: &Cell<Step>) -> Result<(), SysError> {
        step.set(Step::Limit);
        for (resource, value) in self.limits {
            resource.lower(*value)?;
        }
        Ok(())
    }
}
