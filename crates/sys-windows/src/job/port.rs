//! What happens in a job, as it happens.

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::JobObjects::JOBOBJECT_ASSOCIATE_COMPLETION_PORT;
use windows_sys::Win32::System::SystemServices as message;

use crate::error::{SysError, done};
use crate::handle::owned;
use crate::job::Job;
use crate::wait::millis;

const OF_JOB: usize = 1;
const OF_OURS: usize = 2;

/// Where messages of a job arrive.
#[derive(Debug)]
pub struct Port(OwnedHandle);

/// What happened. Windows does not promise each message to arrive: what must be right is asked
/// of [`Job::accounting`] and of the processes' handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A process came into the job.
    Started(u32),
    /// A process ended.
    Exited(u32),
    /// A process ended by a crash.
    Crashed(u32),
    /// No process is left.
    Empty,
    /// A process was not started, as there were as many as may be.
    ProcessLimit,
    /// A process was refused memory by its own limit.
    ProcessMemory(u32),
    /// A process was refused memory by the job's limit.
    JobMemory(u32),
    /// [`Port::wake`] was called.
    Woken,
    /// Another number.
    Other(u32),
}

impl Job {
    /// A port for what happens in the job from now on
    /// (`JobObjectAssociateCompletionPortInformation`). A job has one.
    ///
    /// # Errors
    /// What the functions say.
    pub fn watch(&self) -> Result<Port, SysError> {
        const CALL: &str = "CreateIoCompletionPort";
        // SAFETY: no file, no other port: a new one is made.
        let port =
            unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, std::ptr::null_mut(), 0, 1) };
        // SAFETY: just made.
        let port = unsafe { owned(CALL, port) }?;
        let value = JOBOBJECT_ASSOCIATE_COMPLETION_PORT {
            CompletionKey: std::ptr::without_provenance_mut(OF_JOB),
            CompletionPort: port.as_raw_handle(),
        };
        self.set(&value)?;
        Ok(Port(port))
    }
}

impl Port {
    /// The next message; `None` when none came in time (`GetQueuedCompletionStatus`).
    ///
    /// # Errors
    /// What the function says.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Option<Message>, SysError> {
        let (mut kind, mut key) = (0, 0);
        let mut process: *mut OVERLAPPED = std::ptr::null_mut();
        // SAFETY: a live handle and live places.
        let answer = unsafe {
            GetQueuedCompletionStatus(
                self.0.as_raw_handle(),
                &raw mut kind,
                &raw mut key,
                &raw mut process,
                millis(timeout),
            )
        };
        match done("GetQueuedCompletionStatus", answer) {
            Ok(()) if key == OF_OURS => Ok(Some(Message::Woken)),
            // A job's messages have the process's number where others have an address.
            Ok(()) => Ok(Some(told(kind, process.addr()))),
            Err(error) if error.is(WAIT_TIMEOUT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes one [`Port::next`] return (`PostQueuedCompletionStatus`).
    ///
    /// # Errors
    /// What the function says.
    pub fn wake(&self) -> Result<(), SysError> {
        // SAFETY: a live handle, and integers.
        let answer = unsafe {
            PostQueuedCompletionStatus(self.0.as_raw_handle(), 0, OF_OURS, std::ptr::null())
        };
        done("PostQueuedCompletionStatus", answer)
    }
}

fn told(kind: u32, process: usize) -> Message {
    let process = u32::try_from(process).unwrap_or_default();
    match kind {
        message::JOB_OBJECT_MSG_NEW_PROCESS => Message::Started(process),
        message::JOB_OBJECT_MSG_EXIT_PROCESS => Message::Exited(process),
        message::JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS => Message::Crashed(process),
        message::JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO => Message::Empty,
        message::JOB_OBJECT_MSG_ACTIVE_PROCESS_LIMIT => Message::ProcessLimit,
        message::JOB_OBJECT_MSG_PROCESS_MEMORY_LIMIT => Message::ProcessMemory(process),
        message::JOB_OBJECT_MSG_JOB_MEMORY_LIMIT => Message::JobMemory(process),
        other => Message::Other(other),
    }
}
