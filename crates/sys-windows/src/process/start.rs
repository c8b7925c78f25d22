//! Starting a process.

use std::ffi::OsStr;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading as win;

use crate::console::PseudoConsole;
use crate::counters;
use crate::descriptor::{self, SecurityDescriptor};
use crate::error::{Refusal, SysError, done};
use crate::handle::{self, Access, owned};
use crate::process::attributes::Attributes;
use crate::process::{Environment, Process};
use crate::token::Token;
use crate::wide;

/// The longest command line that Windows takes, without the NUL.
const LONGEST: usize = 32_766;

/// Standard input, output and error of a process; what is left out it has not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stdio<'a> {
    /// Where it reads.
    pub input: Option<BorrowedHandle<'a>>,
    /// Where it writes.
    pub output: Option<BorrowedHandle<'a>>,
    /// Where it writes what went wrong.
    pub error: Option<BorrowedHandle<'a>>,
}

/// A process to be started, with all that it is to have and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The program's file. It is not searched for, and no part of `line` is taken for it.
    pub program: &'a Path,
    /// The command line, quoted, with the program as its first word.
    pub line: &'a OsStr,
    /// Its environment; this process's when left out.
    pub environment: Option<&'a Environment>,
    /// Its current directory; this process's when left out.
    pub directory: Option<&'a Path>,
    /// Its token (`CreateProcessAsUserW`); this process's when left out. It takes `QUERY`,
    /// `DUPLICATE` and `ASSIGN_PRIMARY`.
    pub token: Option<&'a Token>,
    /// Its standard handles. It gets duplicates; these need not be inheritable. Left out, those
    /// of its console.
    pub stdio: Option<Stdio<'a>>,
    /// Handles that it gets too, under the same numbers: inheritable ones, and no other that
    /// this process happens to have.
    pub handles: &'a [BorrowedHandle<'a>],
    /// Jobs it is in from its first instruction, each nested in the one before.
    pub jobs: &'a [BorrowedHandle<'a>],
    /// The process that passes for its parent. It takes `CREATE_PROCESS`; handles are not to be
    /// had then, as they would be the other's.
    pub parent: Option<BorrowedHandle<'a>>,
    /// Its console.
    pub console: Option<&'a PseudoConsole>,
    /// `PROCESS_CREATION_MITIGATION_POLICY_*`, first and second word.
    pub mitigation: Option<[u64; 2]>,
    /// Its window station and desktop (`WinSta0\name`).
    pub desktop: Option<&'a OsStr>,
    /// Who may open the process, and its first thread.
    pub descriptor: Option<&'a SecurityDescriptor>,
    /// It waits for [`Started::resume`].
    pub suspended: bool,
    /// Console signals can be sent to it and its children alone; Ctrl-C is ignored by it until it
    /// says otherwise.
    pub new_group: bool,
    /// A console program gets a console without a window.
    pub no_window: bool,
    /// It leaves this process's job, where that allows it.
    pub breakaway: bool,
}

/// A process that was started.
#[derive(Debug)]
pub struct Started {
    /// The process, with all access.
    pub process: Process,
    /// Its first thread.
    pub thread: OwnedHandle,
    /// Its number.
    pub id: u32,
}

impl Started {
    /// Lets its first thread run (`ResumeThread`), and says whether it was held until now.
    ///
    /// # Errors
    /// What the function says.
    pub fn resume(&self) -> Result<bool, SysError> {
        // SAFETY: a live handle.
        match unsafe { win::ResumeThread(self.thread.as_raw_handle()) } {
            u32::MAX => Err(SysError::last("ResumeThread")),
            held => Ok(held != 0),
        }
    }
}

impl<'a> Start<'a> {
    /// A program with its command line, this process's environment, directory and token, its
    /// console's standard handles, and nothing else of this process's.
    #[must_use]
    pub fn new(program: &'a Path, line: &'a OsStr) -> Start<'a> {
        Start {
            program,
            line,
            environment: None,
            directory: None,
            token: None,
            stdio: None,
            handles: &[],
            jobs: &[],
            parent: None,
            console: None,
            mitigation: None,
            desktop: None,
            descriptor: None,
            suspended: false,
            new_group: false,
            no_window: false,
            breakaway: false,
        }
    }

    /// Starts the process (`CreateProcessW`, or with a token `CreateProcessAsUserW`).
    ///
    /// # Errors
    /// [`Refusal::Conflict`]: handles or a console with another parent.
    /// [`Refusal::TooLong`]: the line. `ERROR_FILE_NOT_FOUND`, `ERROR_BAD_EXE_FORMAT`,
    /// `ERROR_ELEVATION_REQUIRED`; `ERROR_INVALID_PARAMETER`: one of `handles` is not
    /// inheritable; `ERROR_PRIVILEGE_NOT_HELD`: the token is not one made from this process's;
    /// and what else the functions say.
    pub fn start(&self) -> Result<Started, SysError> {
        let call = match self.token {
            Some(_) => "CreateProcessAsUserW",
            None => "CreateProcessW",
        };
        let takes = self.stdio.is_some() || !self.handles.is_empty() || self.console.is_some();
        if self.parent.is_some() && takes {
            return Err(SysError::refused(call, Refusal::Conflict));
        }
        let program = wide::terminated(call, self.program.as_os_str())?;
        let mut line = wide::terminated(call, self.line)?;
        if line.len() > LONGEST + 1 {
            return Err(SysError::refused(call, Refusal::TooLong));
        }
        let directory = wide::optional(call, self.directory.map(Path::as_os_str))?;
        let mut desktop = wide::optional(call, self.desktop)?;

        let own = OwnStdio::of(self.stdio)?;
        let inherited = own.with(self.handles);
        let jobs: Vec<HANDLE> = self.jobs.iter().map(AsRawHandle::as_raw_handle).collect();
        let parent: Vec<HANDLE> = self.parent.iter().map(AsRawHandle::as_raw_handle).collect();
        let mitigation = self.mitigation.unwrap_or_default();
        let mut attributes = Attributes::with_room(5)?;
        if !inherited.is_empty() {
            attributes.add(win::PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &inherited)?;
        }
        if !jobs.is_empty() {
            attributes.add(win::PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
        }
        if !parent.is_empty() {
            attributes.add(win::PROC_THREAD_ATTRIBUTE_PARENT_PROCESS, &parent)?;
        }
        if self.mitigation.is_some() {
            attributes.add(win::PROC_THREAD_ATTRIBUTE_MITIGATION_POLICY, &mitigation)?;
        }
        if let Some(console) = self.console {
            attributes.add_number(win::PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, console.raw())?;
        }

        let mut startup = win::STARTUPINFOEXW::default();
        startup.StartupInfo.cb = u32::try_from(size_of_val(&startup)).unwrap_or_default();
        startup.lpAttributeList = attributes.as_ptr();
        if let Some(desktop) = &mut desktop {
            startup.StartupInfo.lpDesktop = desktop.as_mut_ptr();
        }
        // With a pseudo console too: else the program gets this process's handles, where those
        // are redirected, and not its console's.
        if self.stdio.is_some() || self.console.is_some() {
            startup.StartupInfo.dwFlags = win::STARTF_USESTDHANDLES;
            let [input, output, error] = own.raw();
            startup.StartupInfo.hStdInput = input;
            startup.StartupInfo.hStdOutput = output;
            startup.StartupInfo.hStdError = error;
        }
        let security = descriptor::attributes(self.descriptor, false);
        let environment = self.environment.map_or(std::ptr::null(), |environment| {
            environment.as_units().as_ptr()
        });
        let mut made = win::PROCESS_INFORMATION::default();
        counters::process_start();
        let startup: *const win::STARTUPINFOEXW = &raw const startup;
        let flags = self.flags();
        let inherit = (!inherited.is_empty()).into();
        let answer = match self.token {
            // SAFETY: NUL-terminated strings, of which the line may be written to; an
            // environment with its two NULs or none; security attributes, a startup structure as
            // long as it says with the extended flag set, and what they point to, all live; a
            // live place.
            None => unsafe {
                win::CreateProcessW(
                    program.as_ptr(),
                    line.as_mut_ptr(),
                    &raw const security,
                    &raw const security,
                    inherit,
                    flags,
                    environment.cast(),
                    wide::pointer(directory.as_ref()),
                    startup.cast(),
                    &raw mut made,
                )
            },
            // SAFETY: as above, and a live token.
            Some(token) => unsafe {
                win::CreateProcessAsUserW(
                    token.as_handle().as_raw_handle(),
                    program.as_ptr(),
                    line.as_mut_ptr(),
                    &raw const security,
                    &raw const security,
                    inherit,
                    flags,
                    environment.cast(),
                    wide::pointer(directory.as_ref()),
                    startup.cast(),
                    &raw mut made,
                )
            },
        };
        done(call, answer)?;
        // SAFETY: just made.
        unsafe { started(call, &made) }
    }

    fn flags(&self) -> u32 {
        let flag = |set, flag| if set { flag } else { 0 };
        win::CREATE_UNICODE_ENVIRONMENT
            | win::EXTENDED_STARTUPINFO_PRESENT
            | flag(self.suspended, win::CREATE_SUSPENDED)
            | flag(self.new_group, win::CREATE_NEW_PROCESS_GROUP)
            | flag(self.no_window, win::CREATE_NO_WINDOW)
            | flag(self.breakaway, win::CREATE_BREAKAWAY_FROM_JOB)
    }
}

/// Takes what a function made into ownership.
///
/// # Safety
/// Filled by `call`, which succeeded, and known to nobody else.
pub(crate) unsafe fn started(
    call: &'static str,
    made: &win::PROCESS_INFORMATION,
) -> Result<Started, SysError> {
    // SAFETY: the caller's word.
    let process = unsafe { owned(call, made.hProcess) };
    // SAFETY: the caller's word.
    let thread = unsafe { owned(call, made.hThread) }?;
    Ok(Started {
        process: Process::from(process?),
        thread,
        id: made.dwProcessId,
    })
}

/// Inheritable duplicates of standard handles, closed here when the process has its own.
struct OwnStdio([Option<OwnedHandle>; 3]);

impl OwnStdio {
    fn of(stdio: Option<Stdio<'_>>) -> Result<OwnStdio, SysError> {
        let stdio = stdio.unwrap_or_default();
        let own = |handle: Option<BorrowedHandle<'_>>| {
            handle
                .map(|handle| handle::duplicate(handle, Access::Same, true))
                .transpose()
        };
        Ok(OwnStdio([
            own(stdio.input)?,
            own(stdio.output)?,
            own(stdio.error)?,
        ]))
    }

    fn raw(&self) -> [HANDLE; 3] {
        let raw = |handle: &Option<OwnedHandle>| {
            handle
                .as_ref()
                .map_or(std::ptr::null_mut(), AsRawHandle::as_raw_handle)
        };
        let [input, output, error] = &self.0;
        [raw(input), raw(output), raw(error)]
    }

    /// These and others, each once: a list that names one twice is refused.
    fn with(&self, others: &[BorrowedHandle<'_>]) -> Vec<HANDLE> {
        let own = self.raw().into_iter().filter(|handle| !handle.is_null());
        let mut all: Vec<HANDLE> = own.collect();
        for other in others {
            let other = other.as_raw_handle();
            if !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }
}
