//! A command that runs in a ring.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitStatus as StdStatus;
use std::sync::Arc;

use ringfence_wire::{End, Failure, Stage};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::{Ending, Ring, Terminal, Told};
use crate::changed::Changes;
use crate::error::Error;
use crate::launch::not_built;

/// A command that runs, or ran. To drop it does not end the command; the end of the ring does.
#[derive(Debug)]
pub struct Child {
    /// Its stdin, where that was to be a pipe. Waiting closes it.
    pub stdin: Option<ChildStdin>,
    /// What it prints, where that was to be a pipe.
    pub stdout: Option<ChildStdout>,
    /// What it prints of errors, where that was to be a pipe.
    pub stderr: Option<ChildStderr>,
    /// The terminal it is on, where it was given one of its own.
    pub terminal: Option<Terminal>,
    pub(super) ring: Ring,
    pub(super) id: u32,
    pub(super) program: PathBuf,
    /// Where it starts.
    pub(super) directory: PathBuf,
    pub(super) ended: Option<Ending>,
}

/// The end of a pipe to a command's stdin.
#[derive(Debug)]
pub struct ChildStdin(pub(super) File);

/// The end of a pipe from a command's stdout.
#[derive(Debug)]
pub struct ChildStdout(pub(super) File);

/// The end of a pipe from a command's stderr.
#[derive(Debug)]
pub struct ChildStderr(pub(super) File);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus {
    end: End,
    /// It was killed because protected names were made over and over in its ring
    /// ([`Ring::taken_away`]).
    pub insisted: bool,
    /// It was ended because its time was up ([`Command::time_limit`](super::Command::time_limit), or
    /// the policy's `limits.time`).
    pub timed_out: bool,
    /// Largest resident set of its first process, KiB.
    pub max_rss_kib: u64,
    /// Processor time, microseconds.
    pub cpu_us: u64,
}

/// How a command ended, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

impl ExitStatus {
    /// Whether it exited with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Its exit code, unless a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self.end {
            End::Exited(code) => Some(code),
            End::Signalled(_) => None,
        }
    }

    /// The signal that ended it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self.end {
            End::Exited(_) => None,
            End::Signalled(signal) => Some(signal),
        }
    }
}

impl From<ExitStatus> for StdStatus {
    fn from(status: ExitStatus) -> StdStatus {
        use std::os::unix::process::ExitStatusExt;
        StdStatus::from_raw(match status.end {
            End::Exited(code) => (code & 0xff) << 8,
            End::Signalled(signal) => signal & 0x7f,
        })
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        StdStatus::from(*self).fmt(f)
    }
}

impl Child {
    /// Its number in its ring. (Of processes in the ring [`Ring::list`] tells.)
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits for its end. Then nothing of it lives, but what it may leave
    /// ([`keep_background`](super::Command::keep_background)).
    ///
    /// # Errors
    /// When it could not be started ([`Error::NotFound`], [`Error::NotExecutable`]), or the ring is
    /// gone.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        // It may read until that is closed.
        drop(self.stdin.take());
        if self.ended.is_none() {
            let ended = self.ring.inner().told(self.id, ended)?;
            self.ended = Some(ended.map_err(|failure| self.not_started(&failure))?);
            self.ring.inner().forget(self.id);
        }
        self.status()
    }

    /// The same, where it has ended already.
    ///
    /// # Errors
    /// As [`wait`](Child::wait).
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            match self.ring.inner().told_yet(self.id, ended)? {
                None => return Ok(None),
                Some(ended) => {
                    self.ended = Some(ended.map_err(|failure| self.not_started(&failure))?);
                    self.ring.inner().forget(self.id);
                }
            }
        }
        self.status().map(Some)
    }

    /// The same, for a task.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_wait(
        &mut self,
        task: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<ExitStatus, Error>> {
        use std::task::Poll;
        if self.ended.is_none() {
            match self.ring.inner().poll_told(self.id, task, ended) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(Err(failure))) => {
                    return Poll::Ready(Err(self.not_started(&failure)));
                }
                Poll::Ready(Ok(Ok(ending))) => self.ended = Some(ending),
            }
            self.ring.inner().forget(self.id);
        }
        Poll::Ready(self.status())
    }

    /// Whether its program has been executed, for a task.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_started(
        &mut self,
        task: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Error>> {
        self.ring
            .inner()
            .poll_told(self.id, task, started)
            .map(|told| match told? {
                None => Ok(()),
                Some(failure) => Err(self.not_started(&failure)),
            })
    }

    fn status(&self) -> Result<ExitStatus, Error> {
        let ended = self.ended.ok_or(Error::RingGone)?;
        Ok(ExitStatus {
            end: ended.end,
            insisted: ended.insisted,
            timed_out: ended.timed_out,
            max_rss_kib: ended.max_rss_kib,
            cpu_us: ended.cpu_us,
        })
    }

    /// Which files changed while it ran, below what the ring may write; nothing before it has ended, and nothing of the
    /// oldest of many. Other commands that ran at the same time may have changed them.
    #[must_use]
    pub fn changes(&self) -> Option<Arc<Changes>> {
        let prepared = &self.ring.inner().prepared;
        prepared.recorder.following.told(self.id)
    }

    /// Waits for its end, and collects what it prints meanwhile.
    ///
    /// # Errors
    /// As [`wait`](Child::wait), and [`Error::Streams`] where its output cannot be read.
    pub fn wait_with_output(mut self) -> Result<Output, Error> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let read = match (self.stdout.take(), self.stderr.take()) {
            (None, None) => Ok(()),
            (Some(mut out), None) => out.read_to_end(&mut stdout).map(|_| ()),
            (None, Some(mut err)) => err.read_to_end(&mut stderr).map(|_| ()),
            (Some(out), Some(err)) => read_both(out.0, &mut stdout, err.0, &mut stderr),
        };
        let status = self.wait()?;
        read.map_err(|error| Error::Streams { error })?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Ends it, and all that it started.
    ///
    /// # Errors
    /// When the ring is gone. One that has ended already is no error.
    pub fn kill(&mut self) -> Result<(), Error> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.ring.inner().signal(self.id, 9, true)
    }

    /// Sends a signal to its first process.
    ///
    /// # Errors
    /// When the ring is gone.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.ring.inner().signal(self.id, signal, false)
    }

    /// Why it did not start. Nothing more will be told of it.
    pub(super) fn not_started(&self, failure: &Failure) -> Error {
        self.ring.inner().forget(self.id);
        let error = io::Error::from_raw_os_error(failure.errno);
        match failure.stage {
            Stage::Exec if error.kind() == io::ErrorKind::NotFound => Error::NotFound {
                name: crate::error::shown(&self.program),
                hint: "it, or the interpreter its first line names, is not to be seen in the ring",
            },
            Stage::Exec => Error::NotExecutable {
                path: self.program.clone(),
                why: error.to_string(),
            },
            Stage::Cwd => self.ring.inner().not_entered(&self.directory, failure),
            _ => not_built(&self.ring.inner().plan, failure),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.ring.inner().disown(self.id);
        }
    }
}

/// Whether it has started, and if it could not, why.
pub(super) fn started(told: &Told) -> Option<Option<Failure>> {
    match told {
        Told::Ordered | Told::Disowned => None,
        Told::Started | Told::Ended(_) => Some(None),
        Told::Failed(failure) => Some(Some(failure.clone())),
    }
}

fn ended(told: &Told) -> Option<Result<Ending, Failure>> {
    match told {
        Told::Ordered | Told::Started | Told::Disowned => None,
        Told::Ended(ending) => Some(Ok(*ending)),
        Told::Failed(failure) => Some(Err(failure.clone())),
    }
}

/// Reads two pipes to their ends, whichever has something: a command may fill one while it is
/// waited for at the other.
fn read_both(one: File, to: &mut Vec<u8>, other: File, to_other: &mut Vec<u8>) -> io::Result<()> {
    let mut open = vec![(one, to), (other, to_other)];
    let mut buffer = vec![0; 64 * 1024];
    while !open.is_empty() {
        let mut fds: Vec<PollFd<'_>> = open
            .iter()
            .map(|(file, _)| PollFd::new(file, PollFlags::IN))
            .collect();
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut index = 0;
        let mut failed = None;
        open.retain_mut(|(file, to)| {
            let ready = ready.get(index).copied().unwrap_or(false);
            index += 1;
            if !ready {
                return true;
            }
            match file.read(&mut buffer) {
                Ok(0) => false,
                Ok(n) => {
                    to.extend_from_slice(&buffer[..n]);
                    true
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => true,
                Err(e) => {
                    failed = Some(e);
                    false
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

impl Write for ChildStdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Read for ChildStdout {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to)
    }
}

impl Read for ChildStderr {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to)
    }
}

macro_rules! descriptors {
    ($($name:ident),*) => {$(
        impl std::os::fd::AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl From<$name> for std::os::fd::OwnedFd {
            fn from(pipe: $name) -> std::os::fd::OwnedFd {
                pipe.0.into()
            }
        }
    )*};
}
descriptors!(ChildStdin, ChildStdout, ChildStderr);
