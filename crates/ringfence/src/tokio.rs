//! Rings for tasks: what [`ring`] has for threads, shaped like `tokio::process`.
//!
//! ```
//! use ringfence::Request;
//! use ringfence::tokio::Ring;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
//! # let Some(runner) = named("RINGFENCE_DOC_RUNNER") else { return Ok(()) };
//! # let workspace = named("RINGFENCE_DOC_WORKSPACE");
//! # let request = Request { directory: workspace.clone(), workspace, runner: Some(runner), ..Request::default() };
//! let ring = Ring::open(request).await?;
//! let mut slow = ring.command("sleep");
//! let mut quick = ring.command("uname");
//! // Both at once. A command whose task is dropped goes on; `kill_on_drop` ends it.
//! let (slow, quick) = tokio::join!(slow.arg("0.1").status(), quick.arg("-s").output());
//! assert!(slow?.success());
//! assert_eq!(quick?.stdout, b"Linux\n");
//! # Ok(())
//! # }
//! ```

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ringfence_ops::Outcome;
use ringfence_plan::Plan;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::ask::Answer;
use crate::changed::Changes;
use crate::error::Error;
use crate::prepare::Request;
use crate::ring::{self, ExitStatus, Grant, Inner, Output, Planned, Processes, Size, Stdio};
use crate::rules::Question;
use crate::site::Made;

/// A command's stdin.
pub type ChildStdin = pipe::Sender;
/// What a command prints.
pub type ChildStdout = pipe::Receiver;
/// What a command prints of errors.
pub type ChildStderr = pipe::Receiver;

/// A ring, for as long as there is a handle of it. Handles are cheap to clone.
#[derive(Debug, Clone)]
pub struct Ring {
    ring: ring::Ring,
    _hears: Arc<Hears>,
    /// Its other end is the task's that hears.
    gone: watch::Receiver<()>,
}

/// The task that hears what is told, for as long as there is a handle.
#[derive(Debug)]
struct Hears(tokio::task::JoinHandle<()>);

impl Drop for Hears {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Ring {
    /// Makes a ring.
    ///
    /// # Errors
    /// As [`ring::Ring::open`].
    ///
    /// # Panics
    /// Outside of a tokio runtime that has its I/O driver enabled, as everything that uses one.
    pub async fn open(request: Request) -> Result<Ring, Error> {
        let opened = tokio::task::spawn_blocking(move || ring::Ring::open(request)).await;
        Ring::of(opened.map_err(over)??)
    }

    /// A ring that is there already, for tasks of this runtime.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn of(ring: ring::Ring) -> Result<Ring, Error> {
        let streams = |error| Error::Streams { error };
        let socket = ring.inner().socket().try_clone_to_owned();
        let socket = watched(socket.map_err(streams)?, Interest::READABLE).map_err(streams)?;
        let (hears, gone) = watch::channel(());
        let hears = tokio::spawn(hear(Arc::downgrade(ring.inner()), socket, hears));
        Ok(Ring {
            ring,
            _hears: Arc::new(Hears(hears)),
            gone,
        })
    }

    /// The same ring, for threads.
    #[must_use]
    pub fn blocking(&self) -> &ring::Ring {
        &self.ring
    }

    /// A command to run in it.
    #[must_use]
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        Command {
            command: self.ring.command(program),
            ring: self.clone(),
            kill_on_drop: false,
        }
    }

    /// As [`ring::Ring::outcome`].
    ///
    /// # Errors
    /// When the runtime ends meanwhile.
    pub async fn outcome(&self) -> Result<Outcome, Error> {
        let ring = self.ring.clone();
        let asked = tokio::task::spawn_blocking(move || ring.outcome());
        asked.await.map_err(over)
    }

    /// As [`ring::Ring::made`].
    ///
    /// # Errors
    /// When the runtime ends meanwhile.
    pub async fn made(&self) -> Result<Vec<Made>, Error> {
        let ring = self.ring.clone();
        let asked = tokio::task::spawn_blocking(move || ring.made());
        asked.await.map_err(over)
    }

    /// The plan it was made by.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        self.ring.plan()
    }

    /// The directory commands start in, unless they are told another.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.ring.directory()
    }

    /// As [`ring::Ring::list`].
    ///
    /// # Errors
    /// When the ring is gone.
    pub async fn list(&self) -> Result<Vec<Processes>, Error> {
        let ring = self.ring.clone();
        let asked = tokio::task::spawn_blocking(move || ring.list());
        asked.await.map_err(over)?
    }

    /// As [`ring::Ring::grant`].
    ///
    /// # Errors
    /// As there.
    pub async fn grant(&self, grant: Grant) -> Result<(), Error> {
        let ring = self.ring.clone();
        let asked = tokio::task::spawn_blocking(move || ring.grant(&grant));
        asked.await.map_err(over)?
    }

    /// As [`ring::Ring::plan_grant`].
    ///
    /// # Errors
    /// As there.
    pub async fn plan_grant(&self, grant: Grant) -> Result<Planned, Error> {
        let ring = self.ring.clone();
        let asked = tokio::task::spawn_blocking(move || ring.plan_grant(&grant));
        asked.await.map_err(over)?
    }

    /// As [`ring::Ring::may_ask`].
    ///
    /// # Errors
    /// As there.
    pub async fn may_ask(&self) -> Result<(Option<String>, Duration), Error> {
        let ring = self.ring.clone();
        let asked = tokio::task::spawn_blocking(move || ring.may_ask());
        asked.await.map_err(over)?
    }

    /// As [`ring::Ring::as_granted`].
    #[must_use]
    pub fn as_granted(&self) -> crate::Request {
        self.ring.as_granted()
    }

    /// As [`ring::Ring::make`].
    ///
    /// # Errors
    /// As there.
    pub async fn make(&self, planned: Planned) -> Result<(), Error> {
        let ring = self.ring.clone();
        let asked = tokio::task::spawn_blocking(move || ring.make(&planned));
        asked.await.map_err(over)?
    }

    /// As [`ring::Ring::signal`].
    ///
    /// # Errors
    /// When the ring is gone; [`Error::RingBusy`].
    pub fn signal(&self, id: u32, signal: i32, all: bool) -> Result<(), Error> {
        self.is_free()?;
        self.ring.signal(id, signal, all)
    }

    /// As [`ring::Ring::approve`].
    ///
    /// # Errors
    /// As there.
    pub fn approve(&self, question: &Question) -> Result<(), Error> {
        self.ring.approve(question)
    }

    /// As [`ring::Ring::grant_answered`].
    ///
    /// # Errors
    /// As there.
    pub fn grant_answered(&self, planned: &Planned, answer: Answer) -> Result<(), Error> {
        self.ring.grant_answered(planned, answer)
    }

    /// As [`ring::Ring::answered`].
    ///
    /// # Errors
    /// As there.
    pub fn answered(&self, question: &Question, answer: Answer) -> Result<(), Error> {
        self.ring.answered(question, answer)
    }

    /// As [`ring::Ring::stop`].
    ///
    /// # Errors
    /// When the ring is gone; [`Error::RingBusy`].
    pub fn stop(&self, id: u32) -> Result<(), Error> {
        self.is_free()?;
        self.ring.stop(id)
    }

    /// No task waits in the kernel for a runner that does not read.
    fn is_free(&self) -> Result<(), Error> {
        match self.ring.inner().has_room(Duration::ZERO) {
            true => Ok(()),
            false => Err(Error::RingBusy),
        }
    }

    /// Waits until there is room for an order, for as long as a busy runner may take.
    async fn free(&self) -> Result<(), Error> {
        // Again where another task was quicker.
        while self.is_free().is_err() {
            // In a thread, since the runtime may have no clock.
            let ring = self.ring.clone();
            let freed = tokio::task::spawn_blocking(move || ring.inner().has_room(BUSY));
            if !freed.await.map_err(over)? {
                return Err(Error::RingBusy);
            }
        }
        Ok(())
    }

    /// As [`ring::Ring::close`].
    pub async fn close(&self) {
        let ring = self.ring.clone();
        // Where the runtime ends meanwhile, so does the ring.
        let _over = tokio::task::spawn_blocking(move || ring.close()).await;
    }

    /// Waits until the ring is gone: closed, or its runner died.
    pub async fn gone(&self) {
        // Nothing is ever sent: this is the end of the task that hears.
        let _over = self.gone.clone().changed().await;
    }

    /// As [`ring::Ring::taken_away`].
    #[must_use]
    pub fn taken_away(&self) -> Vec<(PathBuf, Option<i32>)> {
        self.ring.taken_away()
    }
}

/// A ring that takes no orders is waited for so long.
const BUSY: Duration = Duration::from_secs(10);

/// The runtime ended, or the ring's thread panicked.
fn over(error: tokio::task::JoinError) -> Error {
    Error::Streams {
        error: io::Error::other(error),
    }
}

/// Hears what is told until nothing more will be.
async fn hear(ring: Weak<Inner>, socket: AsyncFd<OwnedFd>, _until: watch::Sender<()>) {
    while let Ok(mut ready) = socket.readable().await {
        let Some(ring) = ring.upgrade() else { return };
        let goes_on = if ring.prepared.recorder.following.is_quiet() {
            ring.hear()
        } else {
            // A command that changed very much is recorded with it: of that only its own ring has to wait.
            let heard = tokio::task::spawn_blocking(move || ring.hear());
            heard.await.unwrap_or(false)
        };
        if !goes_on {
            return;
        }
        ready.clear_ready();
    }
}

/// A descriptor whose readiness the runtime knows.
#[expect(
    deprecated,
    reason = "what stands in for it is unsafe because of types that give another descriptor each \
              time they are asked; these own the one they give"
)]
fn watched<T: AsRawFd>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(fd, interest)
}

/// A command to run in a [`Ring`]; as [`ring::Command`].
#[derive(Debug)]
pub struct Command {
    command: ring::Command,
    ring: Ring,
    kill_on_drop: bool,
}

impl Command {
    /// One argument more.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Command {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.command.env(name, value);
        self
    }

    /// Sets variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Command {
        self.command.envs(variables);
        self
    }

    /// Takes a variable out.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.command.env_remove(name);
        self
    }

    /// Takes all variables out, those set here too.
    pub fn env_clear(&mut self) -> &mut Command {
        self.command.env_clear();
        self
    }

    /// The directory to start in; one that is relative is so to the ring's.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Command {
        self.command.current_dir(dir);
        self
    }

    /// What it reads from: this process' own stdin, unless its output is collected.
    pub fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Command {
        self.command.stdin(from);
        self
    }

    /// What it writes to.
    pub fn stdout(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.command.stdout(to);
        self
    }

    /// What it writes errors to.
    pub fn stderr(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.command.stderr(to);
        self
    }

    /// As [`ring::Command::keep_background`].
    pub fn keep_background(&mut self, keep: bool) -> &mut Command {
        self.command.keep_background(keep);
        self
    }

    /// As [`ring::Command::new_session`].
    pub fn new_session(&mut self, own: bool) -> &mut Command {
        self.command.new_session(own);
        self
    }

    /// As [`ring::Command::terminal`].
    pub fn terminal(&mut self, size: Size) -> &mut Command {
        self.command.terminal(size);
        self
    }

    /// As [`ring::Command::time_limit`].
    pub fn time_limit(&mut self, time: Duration) -> &mut Command {
        self.command.time_limit(time);
        self
    }

    /// As [`ring::Command::approve`].
    pub fn approve(&mut self, question: &Question) -> &mut Command {
        self.command.approve(question);
        self
    }

    /// As [`ring::Command::memory_limit`].
    pub fn memory_limit(&mut self, bytes: u64) -> &mut Command {
        self.command.memory_limit(bytes);
        self
    }

    /// A [`Child`] that is dropped before it has ended is ended, with all that it started.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// Starts it, and returns when its program has been executed.
    ///
    /// # Errors
    /// As [`ring::Command::spawn`].
    pub async fn spawn(&mut self) -> Result<Child, Error> {
        self.ready().await?;
        let mut child = self.start(inherited(), true)?;
        std::future::poll_fn(|task| child.child.poll_started(task)).await?;
        Ok(child)
    }

    /// Starts it. What comes of that is told by the [`Child`]'s end.
    ///
    /// # Errors
    /// [`Error::NotFound`] of the program, [`Error::Path`] of the directory, [`Error::RingGone`], [`Error::RingBusy`].
    pub fn order(&mut self) -> Result<Child, Error> {
        self.ring.is_free()?;
        self.start(inherited(), false)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// As [`ring::Command::spawn`].
    pub async fn status(&mut self) -> Result<ExitStatus, Error> {
        self.ready().await?;
        self.start(inherited(), false)?.wait().await
    }

    /// Runs it to its end and collects what it prints. It has nothing to read, unless it is told.
    ///
    /// # Errors
    /// As [`ring::Command::spawn`], and what reading its output says.
    pub async fn output(&mut self) -> Result<Output, Error> {
        self.ready().await?;
        self.start([Stdio::null(), Stdio::piped(), Stdio::piped()], false)?
            .wait_with_output()
            .await
    }

    /// Judged by the rules, where that takes a while; and there is room for the order.
    async fn ready(&mut self) -> Result<(), Error> {
        if let Some(judge) = self.command.judge_beside()? {
            let judged = tokio::task::spawn_blocking(judge);
            self.command.allow(judged.await.map_err(over)??);
        }
        let inner = self.ring.ring.inner();
        if !inner.prepared.recorder.following.is_quiet() {
            let inner = Arc::clone(inner);
            let taken = move || inner.prepared.recorder.following.take_in();
            tokio::task::spawn_blocking(taken).await.map_err(over)?;
        }
        self.ring.free().await
    }

    fn start(&mut self, or: [Stdio; 3], announce: bool) -> Result<Child, Error> {
        let mut child = self.command.start(or, announce)?;
        let streams = |error| Error::Streams { error };
        let receiver = |fd: OwnedFd| pipe::Receiver::from_owned_fd(fd).map_err(streams);
        let terminal = child.terminal.take().map(Terminal::of).transpose();
        Ok(Child {
            stdin: match child.stdin.take() {
                None => None,
                Some(end) => Some(pipe::Sender::from_owned_fd(end.into()).map_err(streams)?),
            },
            stdout: match child.stdout.take() {
                None => None,
                Some(end) => Some(receiver(end.into())?),
            },
            stderr: match child.stderr.take() {
                None => None,
                Some(end) => Some(receiver(end.into())?),
            },
            terminal: terminal.map_err(streams)?,
            child,
            kill_on_drop: self.kill_on_drop,
            ring: self.ring.clone(),
        })
    }
}

/// What a command has that was told nothing else.
fn inherited() -> [Stdio; 3] {
    [Stdio::inherit(), Stdio::inherit(), Stdio::inherit()]
}

/// A command that runs, or ran. To drop it does not end the command, unless that was asked for
/// ([`Command::kill_on_drop`]).
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
    child: ring::Child,
    kill_on_drop: bool,
    /// What is told of it must be heard.
    ring: Ring,
}

impl Child {
    /// Its number in its ring.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As [`ring::Child::changes`].
    #[must_use]
    pub fn changes(&self) -> Option<Arc<Changes>> {
        self.child.changes()
    }

    /// Waits for its end; may be given up, and begun again.
    ///
    /// # Errors
    /// As [`ring::Child::wait`].
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        drop(self.stdin.take());
        std::future::poll_fn(|task| self.child.poll_wait(task)).await
    }

    /// Waits for its end, and collects what it prints meanwhile.
    ///
    /// # Errors
    /// As [`wait`](Child::wait), and [`Error::Streams`] where its output cannot be read.
    pub async fn wait_with_output(mut self) -> Result<Output, Error> {
        async fn all(pipe: Option<pipe::Receiver>) -> io::Result<Vec<u8>> {
            let mut read = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut read).await?;
            }
            Ok(read)
        }
        let (out, err) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) = tokio::join!(self.wait(), all(out), all(err));
        let streams = |error| Error::Streams { error };
        Ok(Output {
            status: status?,
            stdout: stdout.map_err(streams)?,
            stderr: stderr.map_err(streams)?,
        })
    }

    /// Ends it, and all that it started.
    ///
    /// # Errors
    /// When the ring is gone; [`Error::RingBusy`]. One that has ended already is no error.
    pub fn start_kill(&mut self) -> Result<(), Error> {
        self.ring.is_free()?;
        self.child.kill()
    }

    /// The same, and waits for it.
    ///
    /// # Errors
    /// When the ring is gone.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.ring.free().await?;
        self.child.kill()?;
        self.wait().await.map(|_| ())
    }

    /// Sends a signal to its first process.
    ///
    /// # Errors
    /// When the ring is gone; [`Error::RingBusy`].
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        self.ring.is_free()?;
        self.child.signal(signal)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.kill_on_drop {
            return;
        }
        // In a ring that is gone it is ended.
        if self.ring.is_free().is_ok() {
            let _gone = self.child.kill();
            return;
        }
        // Who drops it must not wait; nor may it go on.
        let (ring, id) = (self.ring.ring.clone(), self.child.id());
        let _no_thread = std::thread::Builder::new()
            .name("kill".to_owned())
            .spawn(move || ring.signal(id, 9, true));
    }
}

/// A terminal, for tasks: as [`ring::Terminal`].
#[derive(Debug)]
pub struct Terminal(AsyncFd<ring::Terminal>);

impl Terminal {
    fn of(terminal: ring::Terminal) -> io::Result<Terminal> {
        // The other side has flags of its own.
        rustix::io::ioctl_fionbio(terminal.as_fd(), true)?;
        watched(terminal, Interest::READABLE | Interest::WRITABLE).map(Terminal)
    }

    /// As [`ring::Terminal::resize`].
    ///
    /// # Errors
    /// What `TIOCSWINSZ` says.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        self.0.get_ref().resize(size)
    }

    /// Reads what is shown now; 0 bytes when nobody is on it any more.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is, and what `read(2)` says.
    pub fn try_read(&self, to: &mut [u8]) -> io::Result<usize> {
        let read = |mut terminal: &ring::Terminal| io::Read::read(&mut terminal, to);
        self.0.try_io(Interest::READABLE, read)
    }

    /// Waits until something may be shown.
    ///
    /// # Errors
    /// When the runtime ends.
    pub async fn readable(&self) -> io::Result<()> {
        self.0
            .readable()
            .await
            .map(|mut ready| ready.retain_ready())
    }

    /// Reads what is shown; 0 bytes when nobody is on it any more.
    ///
    /// # Errors
    /// What `read(2)` says.
    pub async fn read(&self, to: &mut [u8]) -> io::Result<usize> {
        let read = |mut terminal: &ring::Terminal| io::Read::read(&mut terminal, to);
        self.0.async_io(Interest::READABLE, read).await
    }

    /// Types some of this; how much.
    ///
    /// # Errors
    /// What `write(2)` says.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let write = |mut terminal: &ring::Terminal| io::Write::write(&mut terminal, bytes);
        self.0.async_io(Interest::WRITABLE, write).await
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

impl AsyncRead for Terminal {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(task))?;
            let read = ready.try_io(|terminal| {
                io::Read::read(&mut terminal.get_ref(), to.initialize_unfilled())
            });
            if let Ok(read) = read {
                to.advance(read?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(task))?;
            let written = ready.try_io(|terminal| io::Write::write(&mut terminal.get_ref(), bytes));
            if let Ok(written) = written {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
