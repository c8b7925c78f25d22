//! Starting a command in a ring, and hearing of its end.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use std::os::windows::io::{AsHandle, BorrowedHandle};

use ringfence_sys_windows::SysError;
use ringfence_sys_windows::console::PseudoConsole;
use ringfence_sys_windows::process::{Environment, Process, Start, Stdio};

use super::Ring;

/// A command that is to be started.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The program's file.
    pub program: &'a Path,
    /// The command line, quoted.
    pub line: &'a OsStr,
    /// Its environment.
    pub environment: &'a Environment,
    /// Where it starts.
    pub directory: &'a Path,
    /// Its standard handles; left out, those of its console.
    pub stdio: Option<Stdio<'a>>,
    /// The console it is in: never the caller's, which who is in it can type into.
    pub console: &'a PseudoConsole,
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    process: Process,
}

impl Ring {
    /// Starts a command. It is in the job from its first instruction.
    ///
    /// # Errors
    /// What `CreateProcessAsUserW` says.
    pub fn start(&self, command: &Command<'_>) -> Result<Running, SysError> {
        let jobs = [self.job.as_handle()];
        let mut start = Start::new(command.program, command.line);
        start.environment = Some(command.environment);
        start.directory = Some(command.directory);
        start.stdio = command.stdio;
        start.console = Some(command.console);
        start.jobs = &jobs;
        start.token = self.token.as_ref();
        start.descriptor = self.descriptor.as_ref();
        let started = start.start()?;
        Ok(Running {
            process: started.process,
        })
    }
}

impl Running {
    /// Its exit code, once it has ended; none when it has not in time.
    ///
    /// # Errors
    /// What the functions say.
    pub fn wait(&self, patience: Option<Duration>) -> Result<Option<u32>, SysError> {
        self.process.wait(patience)
    }
}

/// It is signalled when the command's process has ended.
impl AsHandle for Running {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.process.as_handle()
    }
}
