//! Jobs: processes that are limited, counted and ended together. A process may be in several,
//! each nested in the one before.

use std::ffi::OsStr;
use std::mem::offset_of;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};

use windows_sys::Win32::System::JobObjects as win;
use windows_sys::core::BOOL;

use crate::descriptor::{self, SecurityDescriptor};
use crate::error::{Refusal, SysError, done};
use crate::handle::owned;
use crate::memory::{self, address_at, u32_at};
use crate::wide;

mod port;

pub use port::{Message, Port};

/// A job.
#[derive(Debug)]
pub struct Job(OwnedHandle);

/// A process is in a job, whichever (`IsProcessInJob`). The handle needs `QUERY_LIMITED`.
///
/// # Errors
/// What the function says.
pub fn is_in_any(process: BorrowedHandle<'_>) -> Result<bool, SysError> {
    let mut contained: BOOL = 0;
    // SAFETY: a live handle, no job, which means any, and a live place.
    let answer = unsafe {
        win::IsProcessInJob(
            process.as_raw_handle(),
            std::ptr::null_mut(),
            &raw mut contained,
        )
    };
    done("IsProcessInJob", answer)?;
    Ok(contained != 0)
}

/// What a job limits. Of nested jobs, the tightest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// When the last handle of the job is closed its processes end.
    pub kill_on_close: bool,
    /// A crash ends the process without a dialog.
    pub die_on_crash: bool,
    /// A child may leave the job, if it is started so.
    pub breakaway: bool,
    /// Bytes that each process may have committed.
    pub process_memory: Option<u64>,
    /// Bytes that all together may have committed.
    pub job_memory: Option<u64>,
    /// Processes at once.
    pub processes: Option<u32>,
}

/// What processes of a job may not do on the desktop: a set of `JOB_OBJECT_UILIMIT_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UiLimits(pub u32);

impl UiLimits {
    /// All of them: handles of others' windows, clipboard, system parameters, display, atoms,
    /// desktops, and ending the session.
    pub const ALL: UiLimits = UiLimits(
        win::JOB_OBJECT_UILIMIT_HANDLES
            | win::JOB_OBJECT_UILIMIT_READCLIPBOARD
            | win::JOB_OBJECT_UILIMIT_WRITECLIPBOARD
            | win::JOB_OBJECT_UILIMIT_SYSTEMPARAMETERS
            | win::JOB_OBJECT_UILIMIT_DISPLAYSETTINGS
            | win::JOB_OBJECT_UILIMIT_GLOBALATOMS
            | win::JOB_OBJECT_UILIMIT_DESKTOP
            | win::JOB_OBJECT_UILIMIT_EXITWINDOWS,
    );
}

/// What a job used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accounting {
    /// Time in user mode, of all processes that were ever in it, in 100 ns.
    pub user_time: u64,
    /// Time in kernel mode, as well.
    pub kernel_time: u64,
    /// Processes that were ever in it.
    pub total: u32,
    /// Processes that are in it.
    pub active: u32,
    /// Processes that a limit ended.
    pub terminated: u32,
}

impl Job {
    /// Makes a job (`CreateJobObjectW`). One of that name that was there is opened instead.
    ///
    /// # Errors
    /// What the function says.
    pub fn create(
        name: Option<&OsStr>,
        descriptor: Option<&SecurityDescriptor>,
    ) -> Result<Job, SysError> {
        const CALL: &str = "CreateJobObjectW";
        let name = wide::optional(CALL, name)?;
        let attributes = descriptor::attributes(descriptor, false);
        // SAFETY: attributes that point to a whole descriptor or none, and a NUL-terminated
        // name or none.
        let job =
            unsafe { win::CreateJobObjectW(&raw const attributes, wide::pointer(name.as_ref())) };
        // SAFETY: just made.
        unsafe { owned(CALL, job) }.map(Job)
    }

    /// Puts a process into the job (`AssignProcessToJobObject`). Its children come into it by
    /// themselves. `process` needs `SET_QUOTA` and `TERMINATE`.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: those rights; or it is in a job that this one cannot be nested in,
    /// as one with UI limits.
    pub fn assign(&self, process: BorrowedHandle<'_>) -> Result<(), SysError> {
        // SAFETY: two live handles.
        let answer = unsafe { win::AssignProcessToJobObject(self.raw(), process.as_raw_handle()) };
        done("AssignProcessToJobObject", answer)
    }

    /// A process is in the job or in one nested in it (`IsProcessInJob`).
    ///
    /// # Errors
    /// What the function says.
    pub fn contains(&self, process: BorrowedHandle<'_>) -> Result<bool, SysError> {
        let mut contains: BOOL = 0;
        // SAFETY: two live handles and a live place.
        let answer =
            unsafe { win::IsProcessInJob(process.as_raw_handle(), self.raw(), &raw mut contains) };
        done("IsProcessInJob", answer)?;
        Ok(contains != 0)
    }

    /// Sets the limits, all of them (`JobObjectExtendedLimitInformation`).
    ///
    /// Its success is not proof: ask [`Job::limits`].
    ///
    /// # Errors
    /// What the function says.
    pub fn set_limits(&self, limits: &Limits) -> Result<(), SysError> {
        let mut value = win::JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        let flag = |set, flag| if set { flag } else { 0 };
        let amount = |bytes: Option<u64>| {
            usize::try_from(bytes.unwrap_or_default())
                .map_err(|_| SysError::refused("SetInformationJobObject", Refusal::TooLong))
        };
        value.BasicLimitInformation.LimitFlags = flag(
            limits.kill_on_close,
            win::JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
        ) | flag(
            limits.die_on_crash,
            win::JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION,
        ) | flag(
            limits.breakaway,
            win::JOB_OBJECT_LIMIT_BREAKAWAY_OK,
        ) | flag(
            limits.process_memory.is_some(),
            win::JOB_OBJECT_LIMIT_PROCESS_MEMORY,
        ) | flag(
            limits.job_memory.is_some(),
            win::JOB_OBJECT_LIMIT_JOB_MEMORY,
        ) | flag(
            limits.processes.is_some(),
            win::JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
        );
        value.BasicLimitInformation.ActiveProcessLimit = limits.processes.unwrap_or_default();
        value.ProcessMemoryLimit = amount(limits.process_memory)?;
        value.JobMemoryLimit = amount(limits.job_memory)?;
        self.set(&value)
    }

    /// The limits as the kernel has them.
    ///
    /// # Errors
    /// What the function says.
    pub fn limits(&self) -> Result<Limits, SysError> {
        let value: win::JOBOBJECT_EXTENDED_LIMIT_INFORMATION = self.query()?;
        let flags = value.BasicLimitInformation.LimitFlags;
        let has = |flag| flags & flag != 0;
        let amount = |flag, bytes: usize| has(flag).then_some(bytes as u64);
        Ok(Limits {
            kill_on_close: has(win::JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE),
            die_on_crash: has(win::JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION),
            breakaway: has(win::JOB_OBJECT_LIMIT_BREAKAWAY_OK),
            process_memory: amount(
                win::JOB_OBJECT_LIMIT_PROCESS_MEMORY,
                value.ProcessMemoryLimit,
            ),
            job_memory: amount(win::JOB_OBJECT_LIMIT_JOB_MEMORY, value.JobMemoryLimit),
            processes: has(win::JOB_OBJECT_LIMIT_ACTIVE_PROCESS)
                .then_some(value.BasicLimitInformation.ActiveProcessLimit),
        })
    }

    /// Sets what its processes may not do on the desktop (`JobObjectBasicUIRestrictions`). Of
    /// nested jobs only one may have such.
    ///
    /// # Errors
    /// What the function says.
    pub fn set_ui_limits(&self, limits: UiLimits) -> Result<(), SysError> {
        let value = win::JOBOBJECT_BASIC_UI_RESTRICTIONS {
            UIRestrictionsClass: limits.0,
        };
        self.set(&value)
    }

    /// Those as the kernel has them.
    ///
    /// # Errors
    /// What the function says.
    pub fn ui_limits(&self) -> Result<UiLimits, SysError> {
        let value: win::JOBOBJECT_BASIC_UI_RESTRICTIONS = self.query()?;
        Ok(UiLimits(value.UIRestrictionsClass))
    }

    /// Numbers of the processes in the job and in those nested in it
    /// (`JobObjectBasicProcessIdList`).
    ///
    /// # Errors
    /// What the function says.
    pub fn processes(&self) -> Result<Vec<u32>, SysError> {
        use win::JOBOBJECT_BASIC_PROCESS_ID_LIST as List;
        const CALL: &str = "QueryInformationJobObject";
        let buffer = memory::filled(CALL, 512, |place, size, needed| {
            // SAFETY: a live handle and a buffer of the size given.
            let answer = unsafe {
                win::QueryInformationJobObject(
                    self.raw(),
                    win::JobObjectBasicProcessIdList,
                    place,
                    size,
                    needed,
                )
            };
            done(CALL, answer)
        })?;
        let bytes = buffer.bytes();
        let count = u32_at(bytes, offset_of!(List, NumberOfProcessIdsInList));
        let first = offset_of!(List, ProcessIdList);
        (0..count.unwrap_or_default() as usize)
            .map(|n| {
                let id = address_at(bytes, first + n * size_of::<usize>());
                id.and_then(|id| u32::try_from(id).ok())
                    .ok_or(SysError::refused(CALL, Refusal::Malformed))
            })
            .collect()
    }

    /// What it used (`JobObjectBasicAccountingInformation`).
    ///
    /// # Errors
    /// What the function says.
    pub fn accounting(&self) -> Result<Accounting, SysError> {
        let value: win::JOBOBJECT_BASIC_ACCOUNTING_INFORMATION = self.query()?;
        Ok(Accounting {
            user_time: value.TotalUserTime.unsigned_abs(),
            kernel_time: value.TotalKernelTime.unsigned_abs(),
            total: value.TotalProcesses,
            active: value.ActiveProcesses,
            terminated: value.TotalTerminatedProcesses,
        })
    }

    /// Ends all its processes with this exit code (`TerminateJobObject`). That they have ended
    /// is told by [`Message::Empty`].
    ///
    /// # Errors
    /// What the function says.
    pub fn terminate(&self, code: u32) -> Result<(), SysError> {
        // SAFETY: a live handle.
        let answer = unsafe { win::TerminateJobObject(self.raw(), code) };
        done("TerminateJobObject", answer)
    }

    fn raw(&self) -> *mut std::ffi::c_void {
        self.0.as_raw_handle()
    }

    fn set<T: Information>(&self, value: &T) -> Result<(), SysError> {
        let size = u32::try_from(size_of::<T>()).unwrap_or_default();
        let value: *const T = value;
        // SAFETY: a live handle, and the structure of the class, as `Information` promises.
        let answer =
            unsafe { win::SetInformationJobObject(self.raw(), T::CLASS, value.cast(), size) };
        done("SetInformationJobObject", answer)
    }

    fn query<T: Information>(&self) -> Result<T, SysError> {
        let mut value = T::default();
        let size = u32::try_from(size_of::<T>()).unwrap_or_default();
        let place: *mut T = &raw mut value;
        // SAFETY: a live handle, and the structure of the class, of which any bytes are a
        // value, as `Information` promises.
        let answer = unsafe {
            win::QueryInformationJobObject(
                self.raw(),
                T::CLASS,
                place.cast(),
                size,
                std::ptr::null_mut(),
            )
        };
        done("QueryInformationJobObject", answer)?;
        Ok(value)
    }
}

/// What is asked or set of a job.
///
/// # Safety
/// It is the structure of its class, and any bytes are a value of it.
unsafe trait Information: Default {
    const CLASS: win::JOBOBJECTINFOCLASS;
}

// SAFETY: the class's structure; integers.
unsafe impl Information for win::JOBOBJECT_EXTENDED_LIMIT_INFORMATION {
    const CLASS: win::JOBOBJECTINFOCLASS = win::JobObjectExtendedLimitInformation;
}

// SAFETY: the class's structure; integers.
unsafe impl Information for win::JOBOBJECT_BASIC_UI_RESTRICTIONS {
    const CLASS: win::JOBOBJECTINFOCLASS = win::JobObjectBasicUIRestrictions;
}

// SAFETY: the class's structure; integers.
unsafe impl Information for win::JOBOBJECT_BASIC_ACCOUNTING_INFORMATION {
    const CLASS: win::JOBOBJECTINFOCLASS = win::JobObjectBasicAccountingInformation;
}

// SAFETY: the class's structure; raw pointers.
unsafe impl Information for win::JOBOBJECT_ASSOCIATE_COMPLETION_PORT {
    const CLASS: win::JOBOBJECTINFOCLASS = win::JobObjectAssociateCompletionPortInformation;
}

impl AsHandle for Job {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl From<OwnedHandle> for Job {
    fn from(handle: OwnedHandle) -> Job {
        Job(handle)
    }
}
