//! A ring on Windows: a token of the principal's with less, and a job that all its processes are in.
//!
//! What Windows answers is not believed: what was made is read back, and the token is tried on objects made for that, before
//! anything is started with it. [`NotDone`] says what was accepted and not done.

mod harden;
mod job;
mod start;
mod token;
mod trial;

use ringfence_sys_windows::job::{Job, Port};
use ringfence_sys_windows::token::Token;
use ringfence_sys_windows::{Acl, SecurityDescriptor, Sid, SysError};

pub use harden::harden;
pub use start::{Command, Running};
pub use trial::{Trial, Usable, trial, usable};

/// What a ring is made of.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Who is asked about writing, beside the principal: of a ring never nobody.
    pub restrict: Vec<Sid>,
    /// Who may open what its commands make without saying who may; where nothing is said, who the principal says.
    pub default_dacl: Option<Acl>,
    /// So many processes at once.
    pub processes: Option<u32>,
    /// So many bytes all together commit.
    pub memory: Option<u64>,
    /// What is looked for in what was made. All, but what this machine was found not to do and a person accepted to do without.
    pub hold: Hold,
}

impl Spec {
    /// What is no ring, as a person said: its processes end together, and that is all.
    #[must_use]
    pub fn free() -> Spec {
        Spec {
            restrict: Vec::new(),
            default_dacl: None,
            processes: None,
            memory: None,
            hold: Hold::NONE,
        }
    }
}

/// Parts of a ring that hold, or are not asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The token is restricted.
    pub token: bool,
    /// The job ends its processes with its last handle.
    pub ends: bool,
    /// The job has its limits.
    pub limits: bool,
    /// The job keeps its processes from the desktop.
    pub desktop: bool,
}

impl Hold {
    /// Nothing.
    pub const NONE: Hold = Hold {
        token: false,
        ends: false,
        limits: false,
        desktop: false,
    };
}

/// A ring that stands. Dropped, its processes end.
#[derive(Debug)]
pub struct Ring {
    /// None where the principal's own is used.
    token: Option<Token>,
    job: Job,
    port: Port,
    /// Of each process that is started in it.
    descriptor: Option<SecurityDescriptor>,
}

/// Why no ring was made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A call failed.
    #[error("{what}: {error}")]
    Call {
        /// What was being made.
        what: &'static str,
        /// What was said.
        error: SysError,
    },
    /// What was made is not what was asked for.
    #[error("{0}")]
    NotDone(NotDone),
}

/// What Windows accepted and did not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The token has other restricting SIDs than it was made with.
    #[error(
        "CreateRestrictedToken accepted {asked} restricting SIDs, and the token has {had} of them"
    )]
    Restricting {
        /// So many were asked for.
        asked: usize,
        /// So many it has.
        had: usize,
    },
    /// The token kept privileges.
    #[error(
        "CreateRestrictedToken accepted to leave one privilege (SeChangeNotifyPrivilege), and the token has {had}"
    )]
    Privileges {
        /// So many it has.
        had: usize,
    },
    /// The token is an administrator's.
    #[error(
        "CreateRestrictedToken accepted LUA_TOKEN, and the token has the administrators' group enabled"
    )]
    Administrators,
    /// The token is another user's.
    #[error("CreateRestrictedToken made a token of another user")]
    User,
    /// The token writes to what does not let it.
    #[error(
        "a write-restricted token opened an object to change it that grants that to the user alone"
    )]
    Writes,
    /// The token does not write to what lets it.
    #[error("a write-restricted token could not open what grants it everything: {0}")]
    DoesNotWrite(SysError),
    /// The token does not read what the user reads.
    #[error("a write-restricted token could not open what the user may wait for: {0}")]
    DoesNotRead(SysError),
    /// The token's default list is another.
    #[error("SetTokenInformation accepted a default DACL, and the token has another")]
    DefaultDacl,
    /// This process can be ended and read by its commands.
    #[error("this process was given permissions, and has others")]
    Process,
    /// The job does not end its processes with its last handle.
    #[error(
        "SetInformationJobObject accepted JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, and the job does not have it"
    )]
    KillOnClose,
    /// The job has other limits.
    #[error("SetInformationJobObject accepted limits, and the job has others")]
    Limits,
    /// The job lets its processes use the desktop.
    #[error(
        "SetInformationJobObject accepted limits of the desktop (clipboard, windows of others), and the job does not have them"
    )]
    Desktop,
    /// This process is in a job, and the kernel nests none with limits of the desktop in it.
    #[error(
        "limits of the desktop (clipboard, windows of others) cannot be set in the job that this program was started in"
    )]
    Nested,
}

/// Nobody starts a runner on Windows yet: it is for commands that run as an account of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a runner is started by its harness, and there are no accounts for commands yet")]
pub struct NotStarted;

/// Refuses.
///
/// # Errors
/// [`NotStarted`].
pub fn serve() -> Result<(), NotStarted> {
    Err(NotStarted)
}

fn call(what: &'static str) -> impl Fn(SysError) -> BuildError {
    move |error| BuildError::Call { what, error }
}

impl Ring {
    /// Makes a ring, and looks whether it is one.
    ///
    /// # Errors
    /// [`BuildError`]. Nothing is left of it then.
    pub fn build(spec: &Spec) -> Result<Ring, BuildError> {
        let own = token::own()?;
        let free = spec.restrict.is_empty() && !spec.hold.token;
        let token = if free {
            None
        } else {
            let made = token::made(&own, spec)?;
            if spec.hold.token {
                token::verify(&own, &made, &spec.restrict)?;
            }
            Some(made)
        };
        let job = job::made(spec)?;
        job::verify(&job, spec)?;
        let port = job.watch().map_err(call("watching the job"))?;
        let user = own.user().map_err(call("asking who this is"))?;
        let descriptor = spec.default_dacl.as_ref();
        Ok(Ring {
            token,
            job,
            port,
            descriptor: descriptor
                .map(|list| SecurityDescriptor::of(0, Some(&user), Some(&user), Some(list))),
        })
    }

    /// Ends all that runs in it with this exit code, and waits until nothing does.
    ///
    /// # Errors
    /// What the functions say.
    pub fn end(&self, code: u32) -> Result<(), SysError> {
        self.job.terminate(code)?;
        // A message may be lost: the count is asked again all the same.
        while self.job.accounting()?.active > 0 {
            let patience = std::time::Duration::from_millis(100);
            self.port.next(Some(patience))?;
        }
        Ok(())
    }

    /// What its processes used so far: user and kernel time together, in microseconds.
    ///
    /// # Errors
    /// What the function says.
    pub fn cpu_us(&self) -> Result<u64, SysError> {
        let used = self.job.accounting()?;
        Ok(used.user_time.saturating_add(used.kernel_time) / 10)
    }
}
