//! A ring that stays: made once, with many commands in it.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use ringfence::ring::Stdio;
//! use ringfence::{Request, Ring};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
//! # let Some(runner) = named("RINGFENCE_DOC_RUNNER") else { return Ok(()) };
//! # let workspace = named("RINGFENCE_DOC_WORKSPACE");
//! # let request = Request { directory: workspace.clone(), workspace, runner: Some(runner), ..Request::default() };
//! // `Request::default()` asks for what `ringfence run` makes: a ring around the current directory.
//! let ring = Ring::open(request)?;
//!
//! let listed = ring.command("ls").arg("-l").output()?;
//! assert!(listed.status.success());
//!
//! let mut child = ring
//!     .command("sh")
//!     .args(["-c", "read name; echo hello $name; exec sleep 1000"])
//!     .stdin(Stdio::piped())
//!     .stdout(Stdio::piped())
//!     .spawn()?;
//! child.stdin.take().expect("piped").write_all(b"world\n")?;
//! let mut hello = [0; 12];
//! child.stdout.take().expect("piped").read_exact(&mut hello)?;
//! assert_eq!(&hello, b"hello world\n");
//!
//! // With all that it started.
//! child.kill()?;
//! assert_eq!(child.wait()?.signal(), Some(9));
//! # Ok(())
//! # }
//! ```
//!
//! Commands of one ring share its mounts, its network, its `/tmp` and its limits; each ends whole and
//! by itself. The ring ends when the last handle of it is dropped, and when this process ends.

mod child;
mod command;
mod grant;
mod hearing;
mod looking;
mod state;
mod terminal;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use ringfence_ledger::{CommandEnded, CommandStarted};
use ringfence_ops::linux::{Located, Op, landlock};
use ringfence_ops::{Outcome, Shortfall};
use ringfence_plan::{Plan, RingMode, promise};
use ringfence_sys_linux::SysError;
use ringfence_wire::{Failure, Order, Report, Spawn, Stage, decode, encode};
#[cfg(feature = "tokio")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::ask::Answer;
use crate::error::Error;
use crate::late::Late;
use crate::launch::{self, Early, Launched, enter_group};
use crate::prepare::{Begun, Prepared, Request, begin_with};
use crate::rules::Question;
use crate::unended::{Mark, Unended};
use crate::why::{Ground, explain, place};

pub use child::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus, Output};
pub use command::{Command, Stdio};
pub use grant::{Grant, Planned};
use looking::{LOOK_MAX, Wake};
use state::State;
pub(crate) use state::{Ending, Told};
pub use terminal::{Size, Terminal};

/// What a session's commands may be: a shell, so that every tool's cache that there is, is there.
const ANY: &str = "/bin/sh";

/// A ring, for as long as there is a handle of it. Handles are cheap to clone, and may be used from
/// any thread.
#[derive(Debug, Clone)]
pub struct Ring(Arc<Handle>);

/// The ring ends with the last of these, whoever else still looks at it.
#[derive(Debug)]
struct Handle(Arc<Inner>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.launched.close();
        self.0.ended();
    }
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) prepared: Prepared,
    pub(crate) plan: Plan,
    launched: Launched,
    state: Mutex<State>,
    /// What was asked for, but for the command and what was granted since.
    request: Request,
    granted: Mutex<grant::Granted>,
    late: Mutex<Late>,
    made_at: SystemTime,
    /// Says that this ring is not looked at yet.
    mark: Mutex<Option<Mark>>,
    /// Others that nobody has looked at.
    unended: Mutex<Unended>,
    /// Since when what is there may be a command's, of one of them or of this one.
    since: SystemTime,
    /// Wakes the thread that looks for new repositories; it ends with this.
    looks: Mutex<Option<Wake>>,
    /// When the last walk through the write roots began that saw all of them.
    looked: Mutex<Option<Instant>>,
    /// Something was told, or nobody listens any more.
    told: Condvar,
}

/// A command with processes, as [`Ring::list`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processes {
    /// The command's number ([`Child::id`]).
    pub id: u32,
    /// It has not ended; else these are what it left in the background.
    pub runs: bool,
    /// Their numbers in the ring.
    pub processes: Vec<i32>,
}

impl Ring {
    /// Makes a ring. The request's command is not used: there will be many.
    ///
    /// # Errors
    /// When the policy cannot be enforced here, or asks for no ring, or the ring cannot be made.
    pub fn open(request: Request) -> Result<Ring, Error> {
        let request = Request {
            argv: vec![OsString::from(ANY)],
            // Each command is told what it gets, and the ring has nothing of this program's own.
            pty: crate::relay::PtyMode::Never,
            ..request
        };
        let mut looks_left = crate::error::LOOKS;
        loop {
            looks_left -= 1;
            let made_at = SystemTime::now();
            let early = Early::start_of(request.runner.clone());
            let begun = begin_with(request.clone(), early)?;
            let refused = begun.refused();
            match Ring::open_begun(begun, request.clone(), made_at) {
                Err(error) if looks_left > 0 && error.is_momentary() => refused(&error),
                opened => return opened.inspect_err(refused),
            }
        }
    }

    fn open_begun(mut begun: Begun, asked: Request, made_at: SystemTime) -> Result<Ring, Error> {
        match begun.likely_mode() {
            Some(RingMode::Namespaces) => {}
            Some(RingMode::LandlockOnly) => return Err(Error::NoSession("landlock-only")),
            None => return Err(Error::NoSession("full-access")),
        }
        // Whoever runs one command counts what it prints; here there is nobody to.
        let limits = &begun.policy.limits;
        if limits.output.is_some() {
            return Err(Error::NotInSession("limits.output"));
        }
        let early = std::mem::replace(&mut begun.early, Early::none());
        let runner = begun.runner.clone();
        let waiting = early.take(RingMode::Namespaces, runner, &begun.policy, &begun.facts)?;
        let made = begun.finish().and_then(|mut prepared| {
            prepared.settle()?;
            match prepared.plan.take() {
                Some(plan) if plan.mode == RingMode::Namespaces => Ok((prepared, plan)),
                _ => Err(Error::Planned),
            }
        });
        let (prepared, plan) = match made {
            Ok((prepared, plan)) => (prepared, shared(plan)),
            Err(error) => {
                waiting.dismiss();
                return Err(error);
            }
        };
        let group = match enter_group(&plan, &waiting.runner) {
            Ok(group) => group,
            Err(error) => {
                waiting.dismiss();
                return Err(error);
            }
        };
        let steps = plan
            .steps
            .iter()
            .map(|step| (step.need, step.op.clone()))
            .collect();
        let (state, roots) = (prepared.state.as_ref(), &prepared.roots);
        let unended = state.map_or_else(Unended::default, |state| Unended::of(state, roots));
        let mark = state.and_then(|state| Mark::note(state, roots, made_at));
        let launched = waiting.launched(group);
        let build = Order::Build {
            steps,
            announce: true,
        };
        let ring = Ring(Arc::new(Handle(Arc::new(Inner {
            prepared,
            plan,
            launched,
            state: Mutex::new(State::default()),
            request: asked,
            granted: Mutex::default(),
            late: Mutex::new(Late::default()),
            made_at,
            since: unended.since(made_at),
            unended: Mutex::new(unended),
            mark: Mutex::new(mark),
            looks: Mutex::new(None),
            looked: Mutex::new(None),
            told: Condvar::new(),
        }))));
        let inner = ring.inner();
        let roots = inner.prepared.roots.iter().map(|root| root.path.clone());
        inner.prepared.recorder.follow(roots.collect());
        inner.built(&build)?;
        Ok(ring)
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0.0
    }

    /// A person was shown this question ([`Error::Asks`]), and allowed the very command as often as it comes,
    /// until the ring ends.
    ///
    /// # Errors
    /// [`Error::Ledger`]: it is not recorded, and does not hold.
    pub fn approve(&self, question: &Question) -> Result<(), Error> {
        self.answered(question, Answer::Ring)
    }

    /// A person was shown this question, and this is the answer. [`Answer::Once`] is for the command that is started with it
    /// ([`Command::approve`]), and is recorded then.
    ///
    /// # Errors
    /// [`Error::Ledger`]: it is not recorded, and does not hold.
    pub fn answered(&self, question: &Question, answer: Answer) -> Result<(), Error> {
        if answer == Answer::Once {
            return Ok(());
        }
        let prepared = &self.inner().prepared;
        let recorder = &prepared.recorder;
        let record = recorder.answered(question, answer, &recorder.speaker())?;
        if answer == Answer::Ring {
            prepared.rules.approve(question, record);
        }
        Ok(())
    }

    /// A command to run in it.
    #[must_use]
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        Command::new(self.clone(), program.into())
    }

    /// What is really enforced, and was until now: it looks at repositories that commands made.
    pub fn outcome(&self) -> Outcome {
        let accepts = |promise: &str| self.inner().prepared.accepts(promise);
        let mut less = self.inner().known_less();
        if !self.inner().look_at_all() {
            less.push(Shortfall {
                promise: promise::PROTECT_GIT.to_owned(),
                what: format!(
                    "repositories that commands made: the write roots are not looked through in {} s",
                    LOOK_MAX.as_secs()
                ),
                remedy: "ask again later".to_owned(),
                accepted: accepts(promise::PROTECT_GIT),
            });
        }
        less.extend(self.inner().known_made().iter().map(|made| Shortfall {
            promise: promise::PROTECT_GIT.to_owned(),
            what: made.to_string(),
            remedy: "look at it before you use git in it or around it, or remove it".to_owned(),
            accepted: accepts(promise::PROTECT_GIT),
        }));
        less.extend(self.inner().prepared.recorder.shortfall());
        self.inner().plan.outcome(less)
    }

    /// The plan it was made by.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.inner().plan
    }

    /// The directory commands start in, unless they are told another.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.inner().prepared.cwd.path
    }

    /// The commands that have processes: those that run, and those that left some in the background
    /// ([`Command::keep_background`]).
    ///
    /// # Errors
    /// When the ring is gone.
    pub fn list(&self) -> Result<Vec<Processes>, Error> {
        self.inner().order(&Order::List, &[])?;
        let listed = self
            .inner()
            .wait_for(|state| (!state.listed.is_empty()).then(|| state.listed.remove(0)))?;
        Ok(listed
            .into_iter()
            .map(|l| Processes {
                id: l.id,
                runs: l.runs,
                processes: l.processes,
            })
            .collect())
    }

    /// Sends a signal to the first process of a command, or to all of them.
    ///
    /// # Errors
    /// When the ring is gone. A command that is there no more is no error.
    pub fn signal(&self, id: u32, signal: i32, all: bool) -> Result<(), Error> {
        self.inner().signal(id, signal, all)
    }

    /// Ends every process of a command, also of one that has ended and left some.
    ///
    /// # Errors
    /// When the ring is gone. A command that is there no more is no error.
    pub fn stop(&self, id: u32) -> Result<(), Error> {
        self.inner().signal(id, 9, true)
    }

    /// Ends it now, and all that runs in it, whoever else has a handle. That may take a moment.
    pub fn close(&self) {
        self.inner().launched.close();
        self.inner().ended();
    }

    /// Protected names that commands made since this was last asked, and that were taken away or
    /// (with an error number) could not be.
    #[must_use]
    pub fn taken_away(&self) -> Vec<(PathBuf, Option<i32>)> {
        std::mem::take(&mut self.inner().lock().taken_away)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What a thread that panicked was told is told all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn granted(&self) -> MutexGuard<'_, grant::Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known to be kept less than whole.
    fn known_less(&self) -> Vec<Shortfall> {
        let state = self.lock();
        let accepts = |promise: &str| self.prepared.accepts(promise);
        let mut less = launch::shortfalls(&self.plan, &state.notes, accepts);
        less.extend(state.lost.iter().map(|(promise, what)| Shortfall {
            promise: (*promise).to_owned(),
            what: what.clone(),
            remedy: String::new(),
            accepted: accepts(promise),
        }));
        drop(state);
        less.extend(self.granted().less.iter().cloned());
        less
    }

    /// Records that it is gone.
    fn ended(&self) {
        // Those that a walk has found; there is none for this.
        let _recorded = self.known_made();
        let mut unended = self.unended.lock().unwrap_or_else(PoisonError::into_inner);
        unended.told();
        let mark = self
            .mark
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mark) = mark {
            mark.ended();
        }
        let mut less = self.known_less();
        less.extend(self.prepared.recorder.shortfall());
        self.prepared.recorder.ring_ended(&self.plan.outcome(less));
    }

    /// The write roots, those granted since too.
    fn roots(&self) -> Vec<Located> {
        let mut roots = self.prepared.roots.clone();
        roots.extend(self.granted().roots.iter().cloned());
        roots
    }

    /// Builds the ring and waits until it stands.
    fn built(&self, build: &Order) -> Result<(), Error> {
        let prepared = &self.prepared;
        let runner = u32::try_from(self.launched.runner.pid).ok();
        let order = encode(build);
        self.send(&order, &[])?;
        prepared
            .recorder
            .made(prepared, Some(&self.plan), Some(&order), runner, None)?;
        let received = self.launched.socket.receive();
        let Some(received) = received.map_err(hearing)? else {
            return Err(Error::RingGone);
        };
        match decode::<Report>(&received.bytes).map_err(Error::Protocol)? {
            Report::Built { notes } => {
                self.lock().notes = notes;
                Ok(())
            }
            Report::Failed { failure, .. } if failure.stage == Stage::Namespaces => {
                Err(launch::no_namespaces(&failure))
            }
            Report::Failed { failure, .. } => Err(launch::not_built(&self.plan, &failure)),
            _ => Err(Error::Planned),
        }
    }

    /// Why a command could not start in a directory: most often it is hidden, and then another stands there in the ring.
    fn not_entered(&self, path: &Path, failure: &Failure) -> Error {
        let prepared = &self.prepared;
        let ground = Ground {
            policy: &prepared.policy,
            plan: Some(&self.plan),
            site: &prepared.site,
            derived: &prepared.derived,
            home: prepared.home.as_deref(),
        };
        let answer = explain(&ground, &place(path, Path::new("/")));
        if !answer.may_read() {
            return Error::HiddenDirectory {
                path: path.to_owned(),
                because: answer.because,
                origin: answer.origin.to_string(),
            };
        }
        Error::Build {
            what: format!("entering {}", crate::error::shown(path)),
            call: failure.call.clone(),
            error: std::io::Error::from_raw_os_error(failure.errno),
        }
    }

    /// Orders a command; the number it has.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        spawn: impl FnOnce(u32) -> Spawn,
        stdio: &[std::os::fd::BorrowedFd<'_>; 3],
        recorded: CommandStarted,
    ) -> Result<u32, Error> {
        let id = {
            let mut state = self.lock();
            // A number that is still in use, after four billion, is passed over.
            loop {
                state.last = state.last.wrapping_add(1).max(1);
                if !state.commands.contains_key(&state.last) {
                    break;
                }
            }
            let id = state.last;
            state.commands.insert(id, Told::Ordered);
            state.running.insert(id, SystemTime::now());
            id
        };
        if let Err(error) = self.prepared.recorder.started(id, recorded) {
            self.forget(id);
            return Err(error);
        }
        self.look_alongside();
        match self.order(&Order::Spawn(spawn(id)), stdio) {
            Ok(()) => Ok(id),
            Err(error) => {
                self.forget(id);
                let why = CommandEnded {
                    how: "not-started".to_owned(),
                    error: Some(error.to_string()),
                    ..CommandEnded::default()
                };
                self.prepared.recorder.ended(id, why);
                Err(error)
            }
        }
    }

    pub(crate) fn signal(&self, id: u32, signal: i32, all: bool) -> Result<(), Error> {
        self.order(&Order::Signal { id, signal, all }, &[])
    }

    /// Nobody will ask for what becomes of a command. Where that is told already it is let go of,
    /// and else when it is told.
    pub(crate) fn disown(&self, id: u32) {
        let mut state = self.lock();
        match state.commands.get_mut(&id) {
            Some(told @ (Told::Ordered | Told::Started)) => *told = Told::Disowned,
            _ => {
                state.commands.remove(&id);
            }
        }
    }

    /// Lets go of what was told of a command.
    pub(crate) fn forget(&self, id: u32) {
        let mut state = self.lock();
        state.commands.remove(&id);
        state.running.remove(&id);
        #[cfg(feature = "tokio")]
        state.tasks.remove(&id);
    }

    /// Whether an order can be sent without waiting for the runner, once that has been waited for so long.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_room(&self, within: std::time::Duration) -> bool {
        let socket = self.launched.socket.fd();
        let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
        let now = Timespec {
            tv_sec: within.as_secs().cast_signed(),
            tv_nsec: within.subsec_nanos().into(),
        };
        // One that is gone says so when it is asked.
        matches!(poll(&mut fds, Some(&now)), Ok(n) if n > 0)
    }

    fn order(&self, order: &Order, fds: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), Error> {
        self.send(&encode(order), fds)
    }

    fn send(&self, order: &[u8], fds: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), Error> {
        let gone = |e: &SysError| {
            [Errno::PIPE, Errno::CONNRESET].contains(&Errno::from_raw_os_error(e.errno))
        };
        self.launched
            .socket
            .send(order, fds)
            .map_err(|error| match error {
                error if gone(&error) => Error::RingGone,
                error => Error::System {
                    what: "sending an order to the runner",
                    error,
                },
            })
    }

    /// The socket on which all is told.
    #[cfg(feature = "tokio")]
    pub(crate) fn socket(&self) -> std::os::fd::BorrowedFd<'_> {
        self.launched.socket.fd()
    }
}

/// The plan of a ring whose commands are to reach each other: each is in a Landlock domain of its own,
/// whose scopes would keep them apart. What those keep in a ring of one command is kept here by the pid
/// namespace, the process group of its own, and the network namespace.
fn shared(mut plan: Plan) -> Plan {
    let own_network = plan
        .steps
        .iter()
        .any(|step| matches!(&step.op, Op::Namespaces(namespaces) if namespaces.net));
    for step in &mut plan.steps {
        if let Op::Landlock(ruleset) = &mut step.op {
            ruleset.scoped &= !landlock::SCOPE_SIGNAL;
            if own_network {
                ruleset.scoped &= !landlock::SCOPE_ABSTRACT_UNIX_SOCKET;
            }
        }
    }
    plan
}

fn hearing(error: SysError) -> Error {
    Error::System {
        what: "hearing from the runner",
        error,
    }
}
