//! A command to run in a ring, described as for [`std::process::Command`].

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringfence_ledger::CommandStarted;
use ringfence_ops::linux::Located;
use ringfence_sys_linux::SysError;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::terminal::is_terminal;
use ringfence_wire::Spawn;
use rustix::pipe::{PipeFlags, pipe_with};

use super::child::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus, Output, started};
use super::{Ring, Size, Terminal};
use crate::ask::Answer;
use crate::error::Error;
use crate::launch::{can_be_written, in_ring, no_network, stdin_inside};
use crate::locate::follow;
use crate::prepare::Prepared;
use crate::program;
use crate::recorded;
use crate::rules::{Let, Question, Subject};

/// What a command reads from, or writes to.
#[derive(Debug, Default)]
pub struct Stdio(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Inherit,
    Null,
    Piped,
    Given(OwnedFd),
}

impl Stdio {
    /// This process' own.
    #[must_use]
    pub fn inherit() -> Stdio {
        Stdio(Kind::Inherit)
    }

    /// Nothing to read, and nowhere to write.
    #[must_use]
    pub fn null() -> Stdio {
        Stdio(Kind::Null)
    }

    /// A pipe, of which the child has the other end.
    #[must_use]
    pub fn piped() -> Stdio {
        Stdio(Kind::Piped)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Stdio {
        Stdio(Kind::Given(fd))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        Stdio(Kind::Given(file.into()))
    }
}

impl From<ChildStdout> for Stdio {
    fn from(pipe: ChildStdout) -> Stdio {
        Stdio(Kind::Given(pipe.0.into()))
    }
}

impl From<ChildStderr> for Stdio {
    fn from(pipe: ChildStderr) -> Stdio {
        Stdio(Kind::Given(pipe.0.into()))
    }
}

/// A command to run in a [`Ring`], put together as a [`std::process::Command`] is.
///
/// It gets the ring's environment: this process' own, less what the policy takes out. What is set here
/// is given to it as it is. It is in a process group of its own: keys on this process' terminal
/// (Ctrl-C) do not reach it, [`Child::signal`] does.
#[derive(Debug)]
pub struct Command {
    ring: Ring,
    program: OsString,
    argv: Vec<OsString>,
    /// Set, or taken out; the last word counts.
    env: Vec<(OsString, Option<OsString>)>,
    bare: bool,
    dir: Option<PathBuf>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    keep_background: bool,
    session: bool,
    terminal: Option<Size>,
    time: Option<Duration>,
    memory: Option<u64>,
    approval: Option<Question>,
    /// The rules have let exactly this go.
    #[cfg(feature = "tokio")]
    allowed: Option<Subject>,
    /// On the word of this record.
    #[cfg(feature = "tokio")]
    answer: Option<u64>,
}

/// So many bytes of words are judged in no time; to read more takes a while, of which a runtime's thread has none.
#[cfg(feature = "tokio")]
const JUDGED_AT_ONCE: usize = 1024;

impl Command {
    pub(super) fn new(ring: Ring, program: OsString) -> Command {
        Command {
            ring,
            argv: vec![program.clone()],
            program,
            env: Vec::new(),
            bare: false,
            dir: None,
            stdin: None,
            stdout: None,
            stderr: None,
            keep_background: false,
            session: true,
            terminal: None,
            time: None,
            memory: None,
            approval: None,
            #[cfg(feature = "tokio")]
            allowed: None,
            #[cfg(feature = "tokio")]
            answer: None,
        }
    }

    /// One argument more.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.argv.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Command {
        self.argv
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        let value = Some(value.as_ref().to_owned());
        self.env.push((name.as_ref().to_owned(), value));
        self
    }

    /// Sets variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Command {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Takes a variable out.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Takes all variables out, those set here too.
    pub fn env_clear(&mut self) -> &mut Command {
        self.env.clear();
        self.bare = true;
        self
    }

    /// The directory to start in; one that is relative is so to the ring's
    /// ([`Ring::directory`]).
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Command {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// What it reads from: this process' own stdin, unless its output is collected.
    pub fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Command {
        self.stdin = Some(from.into());
        self
    }

    /// What it writes to.
    pub fn stdout(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.stdout = Some(to.into());
        self
    }

    /// What it writes errors to.
    pub fn stderr(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.stderr = Some(to.into());
        self
    }

    /// What it leaves running goes on after its end, until it is stopped ([`Ring::stop`]) or the
    /// ring ends. Otherwise that ends with it.
    pub fn keep_background(&mut self, keep: bool) -> &mut Command {
        self.keep_background = keep;
        self
    }

    /// Starts it in a session of its own (`setsid(2)`), as is done unless this says otherwise. It is always in one if it is
    /// given a terminal, which it can read and write then, and not control. In this process' session it could write to the
    /// terminal of that, and change how it works, by `/dev/tty`.
    pub fn new_session(&mut self, own: bool) -> &mut Command {
        self.session = own;
        self
    }

    /// Gives it a terminal of its own ([`Child::terminal`]), in place of stdin, stdout and stderr.
    ///
    /// ```
    /// use std::io::Read;
    ///
    /// use ringfence::ring::Size;
    /// use ringfence::{Request, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    /// # let Some(runner) = named("RINGFENCE_DOC_RUNNER") else { return Ok(()) };
    /// # let workspace = named("RINGFENCE_DOC_WORKSPACE");
    /// # let request = Request { directory: workspace.clone(), workspace, runner: Some(runner), ..Request::default() };
    /// let ring = Ring::open(request)?;
    /// let size = Size { rows: 24, columns: 80 };
    /// let mut child = ring.command("stty").arg("size").terminal(size).spawn()?;
    /// let mut shown = String::new();
    /// child.terminal.take().expect("it has one").read_to_string(&mut shown)?;
    /// assert_eq!(shown, "24 80\r\n");
    /// assert!(child.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminal(&mut self, size: Size) -> &mut Command {
        self.terminal = Some(size);
        self
    }

    /// After so long it is told to end (`SIGTERM`), and two seconds later it is ended with all that
    /// it started. Where the policy has a shorter limit, that counts.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ringfence::{Request, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    /// # let Some(runner) = named("RINGFENCE_DOC_RUNNER") else { return Ok(()) };
    /// # let workspace = named("RINGFENCE_DOC_WORKSPACE");
    /// # let request = Request { directory: workspace.clone(), workspace, runner: Some(runner), ..Request::default() };
    /// let ring = Ring::open(request)?;
    /// let mut sleep = ring.command("sleep");
    /// let status = sleep.arg("1000").time_limit(Duration::from_millis(20)).status()?;
    /// assert!(status.timed_out);
    /// # Ok(())
    /// # }
    /// ```
    pub fn time_limit(&mut self, time: Duration) -> &mut Command {
        self.time = Some(time);
        self
    }

    /// Bounds the memory that each of its processes may have, in bytes of address space (`RLIMIT_AS`,
    /// setrlimit(2)), if the policy's `limits.memory` does not bound it lower. What would be more is
    /// refused to the process (`ENOMEM`), and most end by that. Programs that set much more aside than they
    /// use, such as `node` and `java`, need a bound of several GiB.
    ///
    /// ```
    /// # use ringfence::{Request, Ring};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    /// # let Some(runner) = named("RINGFENCE_DOC_RUNNER") else { return Ok(()) };
    /// # let workspace = named("RINGFENCE_DOC_WORKSPACE");
    /// # let request = Request { directory: workspace.clone(), workspace, runner: Some(runner), ..Request::default() };
    /// let ring = Ring::open(request)?;
    /// let mut shell = ring.command("sh");
    /// let output = shell.args(["-c", "ulimit -v"]).memory_limit(512 << 20).output()?;
    /// assert_eq!(output.stdout, b"524288\n"); // KiB
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory_limit(&mut self, bytes: u64) -> &mut Command {
        self.memory = Some(bytes);
        self
    }

    /// A person was shown this question, which an earlier start was answered with ([`Error::Asks`]), and
    /// allowed it, once. For any other command than the one it was about it changes nothing.
    /// [`Ring::approve`] is for as often as it comes.
    ///
    /// ```
    /// use ringfence::{Error, Request, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    /// # let Some(runner) = named("RINGFENCE_DOC_RUNNER") else { return Ok(()) };
    /// # let workspace = named("RINGFENCE_DOC_WORKSPACE");
    /// # let request = Request { directory: workspace.clone(), workspace, runner: Some(runner), ..Request::default() };
    /// # fn a_person_allows(question: &ringfence::rules::Question) -> bool { question.argv()[0] == "git" }
    /// let ring = Ring::open(Request { starting_rules: true, ..request })?;
    /// let mut push = ring.command("git");
    /// push.args(["push", "origin", "main"]);
    /// let Err(Error::Asks(question)) = push.status() else { panic!("it was not asked for") };
    /// if a_person_allows(&question) {
    ///     let status = push.approve(&question).status()?;
    ///     # assert!(!status.success(), "there is no network");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn approve(&mut self, question: &Question) -> &mut Command {
        self.approval = Some(question.clone());
        self
    }

    /// Starts it, and returns when its program has been executed.
    ///
    /// # Errors
    /// [`Error::Forbidden`] and [`Error::Asks`] of a rule; [`Error::NotFound`] and [`Error::NotExecutable`] of the program, [`Error::Path`] and
    /// [`Error::HiddenDirectory`] of the directory; [`Error::RingGone`].
    pub fn spawn(&mut self) -> Result<Child, Error> {
        let child = self.start([Stdio::inherit(), Stdio::inherit(), Stdio::inherit()], true)?;
        let failed = child.ring.inner().told(child.id(), started)?;
        match failed {
            None => Ok(child),
            Some(failure) => Err(child.not_started(&failure)),
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn).
    pub fn status(&mut self) -> Result<ExitStatus, Error> {
        self.start(
            [Stdio::inherit(), Stdio::inherit(), Stdio::inherit()],
            false,
        )?
        .wait()
    }

    /// Runs it to its end and collects what it prints. It has nothing to read, unless it is told.
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn), and what reading its output says.
    pub fn output(&mut self) -> Result<Output, Error> {
        self.start([Stdio::null(), Stdio::piped(), Stdio::piped()], false)?
            .wait_with_output()
    }

    pub(crate) fn start(&mut self, or: [Stdio; 3], announce: bool) -> Result<Child, Error> {
        // Before anything it was given is taken: whoever is asked may start the same once more.
        let cwd = self.directory()?;
        let answer = self.may_start(&cwd)?;
        let inner = self.ring.inner();
        let own = match self.terminal {
            None => None,
            Some(size) => Some(Terminal::open(size)?),
        };
        let (own, or) = match own {
            None => (None, or),
            Some((terminal, theirs)) => {
                self.stdin = None;
                self.stdout = None;
                self.stderr = None;
                (Some(terminal), theirs.map(Stdio::from))
            }
        };
        let [stdin, stdout, stderr] = or;
        let (stdin, ours_in) = end(self.stdin.take().unwrap_or(stdin), 0)?;
        let (stdout, ours_out) = end(self.stdout.take().unwrap_or(stdout), 1)?;
        let (stderr, ours_err) = end(self.stderr.take().unwrap_or(stderr), 2)?;
        let mut environment = if self.bare {
            crate::environment::ChildEnvironment::default()
        } else {
            inner.prepared.environment.clone()
        };
        if self.dir.is_some() && environment.get("PWD").is_some() {
            environment.set("PWD", cwd.path.clone());
        }
        // The last word about each.
        let mut set: HashMap<&OsStr, Option<&OsString>> = HashMap::new();
        for (name, value) in &self.env {
            set.insert(name, value.as_ref());
        }
        environment
            .variables
            .retain(|(name, _)| !set.contains_key(name.as_os_str()));
        for (name, _) in &self.env {
            if let Some(Some(value)) = set.remove(name.as_os_str()) {
                environment.variables.push((name.clone(), value.clone()));
            }
        }
        let program = program::find(&self.program, environment.get("PATH"), &cwd.path)?;
        let stdio: [BorrowedFd<'_>; 3] = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        no_network(inner.prepared.policy.network.mode.value, &stdio)?;
        can_be_written(&stdio)?;
        // In a group of its own it is in the background of its caller's terminal, where reading would
        // stop it; in a session of its own that terminal is a file like others.
        let terminal = stdio.iter().any(|fd| is_terminal(*fd));
        let directory = cwd.path.clone();
        let inside = stdin_inside(&inner.plan, stdio[0])?;
        let spawn = |id| Spawn {
            id,
            program: program.clone(),
            argv: self.argv.clone(),
            env: environment.to_strings(),
            stdin_inside: inside.as_ref().map(|inside| inside.at.clone()),
            stdin_outside: inside.as_ref().is_some_and(|inside| inside.outside),
            report: false,
            cwd: in_ring(cwd, &inner.plan),
            announce,
            last: false,
            keep_background: self.keep_background,
            new_session: self.session || terminal,
            own_group: true,
            terminal: own.is_some(),
            memory: self.memory,
            time_ms: match (self.time, inner.prepared.time()) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            }
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        };
        let recorded = CommandStarted {
            approval: answer,
            ..recorded::command(&self.argv, &directory, &program, &self.env)
        };
        let id = inner.spawn(spawn, &stdio, recorded)?;
        Ok(Child {
            stdin: ours_in.map(ChildStdin),
            stdout: ours_out.map(ChildStdout),
            stderr: ours_err.map(ChildStderr),
            terminal: own,
            ring: self.ring.clone(),
            id,
            program,
            directory,
            ended: None,
        })
    }
}

impl Command {
    /// Where it starts.
    fn directory(&self) -> Result<Located, Error> {
        let own = &self.ring.inner().prepared.cwd;
        let Some(dir) = &self.dir else {
            return Ok(own.clone());
        };
        let path = own.path.join(dir);
        let found = follow(&path).map_err(|error| Error::Path {
            path,
            origin: "current_dir".to_owned(),
            error,
        })?;
        Ok(found.at)
    }

    fn subject(&self, cwd: &Located) -> Subject {
        Subject {
            argv: self.argv.clone(),
            directory: cwd.path.clone(),
            stands: (cwd.device, cwd.inode),
            env: self.env.clone(),
            bare: self.bare,
        }
    }

    /// Whether the rules let it start there; the record of the answer that does, if one does.
    fn may_start(&mut self, cwd: &Located) -> Result<Option<u64>, Error> {
        let approval = self.approval.take();
        let prepared = &self.ring.inner().prepared;
        if prepared.rules.are_none() {
            return Ok(None);
        }
        let subject = self.subject(cwd);
        #[cfg(feature = "tokio")]
        if self
            .allowed
            .take()
            .is_some_and(|allowed| allowed == subject)
        {
            return Ok(self.answer.take());
        }
        held(prepared, &subject, approval.as_ref())
    }

    /// The same for a thread of its own, where that takes a while. What comes out is for [`allow`](Self::allow).
    #[cfg(feature = "tokio")]
    #[expect(clippy::type_complexity, reason = "it is called, once")]
    pub(crate) fn judge_beside(
        &mut self,
    ) -> Result<Option<Box<dyn FnOnce() -> Result<(Subject, Option<u64>), Error> + Send>>, Error>
    {
        let words = self.argv.iter().map(|word| word.len());
        let set = self.env.iter().filter_map(|(_, value)| value.as_ref());
        let length: usize = words.chain(set.map(|value| value.len())).sum();
        if length <= JUDGED_AT_ONCE || self.ring.inner().prepared.rules.are_none() {
            return Ok(None);
        }
        let subject = self.subject(&self.directory()?);
        let (ring, approval) = (self.ring.clone(), self.approval.take());
        Ok(Some(Box::new(move || {
            let answer = held(&ring.inner().prepared, &subject, approval.as_ref())?;
            Ok((subject, answer))
        })))
    }

    /// The rules have let this start, the next time.
    #[cfg(feature = "tokio")]
    pub(crate) fn allow(&mut self, (allowed, answer): (Subject, Option<u64>)) {
        self.allowed = Some(allowed);
        self.answer = answer;
    }
}

/// Whether the rules let a command start; the record of the answer that does, if one does. What they say
/// against it is recorded.
fn held(
    prepared: &Prepared,
    subject: &Subject,
    approval: Option<&Question>,
) -> Result<Option<u64>, Error> {
    let recorder = &prepared.recorder;
    match (prepared.rules.may_start(subject, approval), approval) {
        (Ok(Let::Free), _) => Ok(None),
        (Ok(Let::Ring(answer)), _) => Ok(Some(answer)),
        (Ok(Let::Once), Some(question)) => recorder
            .answered(question, Answer::Once, &recorder.speaker())
            .map(Some),
        (Ok(Let::Once), None) => Ok(None),
        (Err(error), _) => {
            recorder.judged(&error, subject);
            Err(error)
        }
    }
}

/// A command's end of one of its three, and ours where it is a pipe.
fn end(stdio: Stdio, number: usize) -> Result<(OwnedFd, Option<File>), Error> {
    let system = |what| move |error: SysError| Error::System { what, error };
    match stdio.0 {
        Kind::Given(fd) => Ok((fd, None)),
        Kind::Inherit => {
            let own = crate::launch::own_stream(number)?;
            Ok((own, None))
        }
        Kind::Null => {
            let null = File::options()
                .read(number == 0)
                .write(number != 0)
                .open("/dev/null")
                .named("open")
                .map_err(system("opening /dev/null"))?;
            Ok((null.into(), None))
        }
        Kind::Piped => {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)
                .named("pipe2")
                .map_err(system("making a pipe"))?;
            let (theirs, ours) = if number == 0 {
                (read, write)
            } else {
                (write, read)
            };
            Ok((theirs, Some(File::from(ours))))
        }
    }
}
