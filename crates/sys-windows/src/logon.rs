//! Starting a process as another user, by name and password.

use std::ffi::OsStr;
use std::path::Path;

use windows_sys::Win32::Foundation::SetLastError;
use windows_sys::Win32::System::Threading as win;

use crate::counters;
use crate::error::{Refusal, SysError, done};
use crate::process::{Environment, Started, started};
use crate::wide::{self, Secret};

/// The longest command line that the logon service takes, with the NUL.
const LONGEST: usize = 1024;

/// A process to be started as another user. It gets no handles: what it is to have comes over
/// a pipe.
#[derive(Clone, Copy)]
pub struct Logon<'a> {
    /// The user, of this machine.
    pub user: &'a OsStr,
    /// The password.
    pub password: &'a OsStr,
    /// The user's profile is loaded, so that its part of the registry and its keys are there.
    pub profile: bool,
    /// The program's file.
    pub program: &'a Path,
    /// The command line, quoted, of less than 1024 units.
    pub line: &'a OsStr,
    /// Its environment; that of the user's profile when left out.
    pub environment: Option<&'a Environment>,
    /// Its current directory, which the user must be able to open.
    pub directory: Option<&'a Path>,
    /// Its window station and desktop, which the user must be allowed on. Left out, those of this
    /// process, where the service lets the user on.
    pub desktop: Option<&'a OsStr>,
    /// It waits for [`Started::resume`].
    pub suspended: bool,
    /// A console program gets a console without a window.
    pub no_window: bool,
}

impl std::fmt::Debug for Logon<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the password.
        write!(f, "Logon({:?}, {:?})", self.user, self.program)
    }
}

impl Logon<'_> {
    /// Starts the process (`CreateProcessWithLogonW`): a logon at the screen, as the rights of
    /// the account must allow, which has this process's logon identifier.
    ///
    /// # Errors
    /// [`Refusal::TooLong`]: the line. `ERROR_LOGON_FAILURE` (1326),
    /// `ERROR_LOGON_TYPE_NOT_GRANTED` (1385), `ERROR_PASSWORD_MUST_CHANGE` (1907),
    /// `ERROR_ACCOUNT_LOCKED_OUT` (1909), `ERROR_SERVICE_DISABLED` (1058): the logon
    /// service is off. `ERROR_DIRECTORY` (267).
    pub fn start(&self) -> Result<Started, SysError> {
        const CALL: &str = "CreateProcessWithLogonW";
        let user = wide::terminated(CALL, self.user)?;
        let here = wide::terminated(CALL, OsStr::new("."))?;
        let password = Secret::of(CALL, self.password)?;
        let program = wide::terminated(CALL, self.program.as_os_str())?;
        let mut line = wide::terminated(CALL, self.line)?;
        if line.len() > LONGEST {
            return Err(SysError::refused(CALL, Refusal::TooLong));
        }
        let directory = wide::optional(CALL, self.directory.map(Path::as_os_str))?;
        let mut desktop = wide::optional(CALL, self.desktop)?;
        let mut startup = win::STARTUPINFOW::default();
        startup.cb = u32::try_from(size_of_val(&startup)).unwrap_or_default();
        if let Some(desktop) = &mut desktop {
            startup.lpDesktop = desktop.as_mut_ptr();
        }
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = win::CREATE_UNICODE_ENVIRONMENT
            | flag(self.suspended, win::CREATE_SUSPENDED)
            | flag(self.no_window, win::CREATE_NO_WINDOW);
        let environment = self.environment.map_or(std::ptr::null(), |environment| {
            environment.as_units().as_ptr()
        });
        let mut made = win::PROCESS_INFORMATION::default();
        counters::process_start();
        // SAFETY: sets a number of this thread, so that no older error passes for this one's.
        unsafe { SetLastError(0) };
        // SAFETY: NUL-terminated strings, of which the line may be written to; an environment
        // with its two NULs or none; a startup structure that says its size and what it points
        // to, all live; a live place.
        let answer = unsafe {
            win::CreateProcessWithLogonW(
                user.as_ptr(),
                here.as_ptr(),
                password.as_ptr(),
                flag(self.profile, win::LOGON_WITH_PROFILE),
                program.as_ptr(),
                line.as_mut_ptr(),
                flags,
                environment.cast(),
                wide::pointer(directory.as_ref()),
                &raw const startup,
                &raw mut made,
            )
        };
        done(CALL, answer)?;
        // SAFETY: just made.
        unsafe { started(CALL, &made) }
    }
}
