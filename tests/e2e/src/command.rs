//! One command, without a ring or inside: started, watched with a deadline, and what came of it.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::binaries::binaries;
use crate::person::Person;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// How long anything may take before the test gives up; generous, since nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(180);

/// The moment from which a test no longer waits.
pub fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// Asks until `reached` says yes, or fails with `what` after half a minute.
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = deadline();
    while !reached() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        between_looks();
    }
}

/// Between two looks at a condition the processor belongs to what is being waited for.
#[allow(
    clippy::disallowed_methods,
    reason = "a pause between two looks; what ends the wait is the condition"
)]
pub(crate) fn between_looks() {
    std::thread::sleep(Duration::from_millis(5));
}

/// What a command's standard input is.
#[derive(Debug)]
pub enum Input {
    /// `/dev/null`.
    Null,
    /// These bytes through a pipe, then its end.
    Bytes(Vec<u8>),
    /// A pipe that the test holds ([`Live::stdin`]).
    Pipe,
    /// An open file, with its offset.
    File(std::fs::File),
    /// No descriptor 0 at all.
    Closed,
}

/// A command about to be started.
#[derive(Debug)]
pub struct Run {
    person: Person,
    dir: PathBuf,
    before: Vec<OsString>,
    flags: Vec<OsString>,
    argv: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    input: Input,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    own_group: bool,
}

impl Run {
    pub(crate) fn bare<S: Into<OsString>>(
        ws: &Workspace,
        argv: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::new(ws, Vec::new(), argv.into_iter().map(Into::into).collect())
    }

    pub(crate) fn ring<S: Into<OsString>>(
        ws: &Workspace,
        argv: impl IntoIterator<Item = S>,
    ) -> Self {
        let before = vec![binaries().ringfence.clone().into(), "run".into()];
        Self::new(ws, before, argv.into_iter().map(Into::into).collect())
    }

    pub(crate) fn ringfence<S: Into<OsString>>(
        ws: &Workspace,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut argv: Vec<OsString> = vec![binaries().ringfence.clone().into()];
        argv.extend(args.into_iter().map(Into::into));
        Self::new(ws, Vec::new(), argv)
    }

    fn new(ws: &Workspace, before: Vec<OsString>, argv: Vec<OsString>) -> Self {
        let own = |name: &str, below: &str| {
            (
                OsString::from(name),
                Some(ws.base.join(below).into_os_string()),
            )
        };
        Self {
            person: ws.person.clone(),
            dir: ws.path(),
            before,
            flags: Vec::new(),
            argv,
            env: vec![
                own("TMPDIR", "tmp"),
                own("XDG_STATE_HOME", "state"),
                own("XDG_RUNTIME_DIR", "run"),
                ("RINGFENCE_E2E_MARK".into(), Some(ws.mark.clone().into())),
            ],
            input: Input::Null,
            stdout: None,
            stderr: None,
            own_group: true,
        }
    }

    /// Flags of `ringfence run`, before the `--`; without a ring they mean nothing and are left out.
    #[must_use]
    pub fn flags<S: Into<OsString>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.flags.extend(flags.into_iter().map(Into::into));
        self
    }

    /// Another working directory than the workspace.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        dir.as_ref().clone_into(&mut self.dir);
        self
    }

    /// One more variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// One variable less.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.env.push((name.into(), None));
        self
    }

    /// Its standard input; `/dev/null` unless said.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Another standard output than a pipe that is read to its end.
    #[must_use]
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.stdout = Some(to.into());
        self
    }

    /// Another standard error than a pipe that is read to its end.
    #[must_use]
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.stderr = Some(to.into());
        self
    }

    fn words(&self) -> Vec<OsString> {
        let mut words = self.before.clone();
        if !words.is_empty() {
            words.extend(self.flags.iter().cloned());
            words.push("--".into());
        }
        words.extend(self.argv.iter().cloned());
        words
    }

    /// The words as a shell reads them, for scripts that start a ring themselves.
    pub fn quoted(&self) -> String {
        let quote =
            |word: &OsString| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
        self.words().iter().map(quote).collect::<Vec<_>>().join(" ")
    }

    fn command(&self, words: &[OsString]) -> Command {
        let mut command = self.person.command(&words[0], &self.dir);
        command.args(&words[1..]);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Starts it with pipes.
    pub fn start(mut self) -> Live {
        let mut words = self.words();
        let shown = words
            .iter()
            .map(|w| w.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let shown = shown.chars().take(2000).collect::<String>();
        if matches!(self.input, Input::Closed) {
            let close: [OsString; 4] = [
                "sh".into(),
                "-c".into(),
                "exec \"$@\" <&-".into(),
                "sh".into(),
            ];
            words = close.into_iter().chain(words).collect();
        }
        let mut command = self.command(&words);
        let mut feed = None;
        match std::mem::replace(&mut self.input, Input::Null) {
            Input::Null | Input::Closed => command.stdin(Stdio::null()),
            Input::Pipe => command.stdin(Stdio::piped()),
            Input::File(file) => command.stdin(file),
            Input::Bytes(bytes) => {
                feed = Some(bytes);
                command.stdin(Stdio::piped())
            }
        };
        command.stdout(self.stdout.take().unwrap_or_else(Stdio::piped));
        command.stderr(self.stderr.take().unwrap_or_else(Stdio::piped));
        if self.own_group {
            command.process_group(0);
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {shown}: {e}"));
        drop(command);
        if let Some(bytes) = feed {
            let mut pipe = child.stdin.take().unwrap();
            // A child that does not read all of it is within its rights.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let stdout = child.stdout.take().map(drain);
        let stderr = child.stderr.take().map(drain);
        Live {
            shown,
            child,
            stdout,
            stderr,
            ended: false,
        }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Done {
        self.start().wait()
    }

    /// Runs it and fails unless it exits 0; its standard output.
    pub fn ok(self) -> String {
        self.run().ok().out()
    }

    /// Starts it on a terminal of its own.
    pub fn on_terminal(self, columns: u16, rows: u16) -> Terminal {
        // util-linux's setsid execs in place, so the pid stays the command's own.
        let words: Vec<OsString> = ["setsid".into(), "--ctty".into()]
            .into_iter()
            .chain(self.words())
            .collect();
        let command = self.command(&words);
        Terminal::start(command, self.person.uid, self.person.gid, columns, rows)
    }
}

/// Reads to the end in a thread, so that no command ever waits for its test.
fn drain(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        let _ = send.send(all);
    });
    receive
}

/// A command that runs.
#[derive(Debug)]
pub struct Live {
    shown: String,
    child: Child,
    stdout: Option<Receiver<Vec<u8>>>,
    stderr: Option<Receiver<Vec<u8>>>,
    ended: bool,
}

impl Live {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The test's end of its standard input.
    pub fn stdin(&mut self) -> &mut std::process::ChildStdin {
        self.child.stdin.as_mut().expect("Input::Pipe")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end and that of its output.
    pub fn wait(mut self) -> Done {
        drop(self.child.stdin.take());
        let begun = Instant::now();
        let status = self.ends_within(PATIENCE);
        let read = |pipe: Option<Receiver<Vec<u8>>>, name: &str| {
            pipe.map(|pipe| {
                pipe.recv_timeout(
                    PATIENCE
                        .saturating_sub(begun.elapsed())
                        .max(Duration::from_secs(5)),
                )
                .unwrap_or_else(|_| {
                    panic!(
                        "{}: it ended, yet something still holds its {name}",
                        self.shown
                    )
                })
            })
            .unwrap_or_default()
        };
        let stdout = read(self.stdout.take(), "stdout");
        let stderr = read(self.stderr.take(), "stderr");
        Done {
            shown: self.shown.clone(),
            status,
            stdout,
            stderr,
        }
    }

    fn ends_within(&mut self, patience: Duration) -> ExitStatus {
        let ended = ends_within(&self.child, patience);
        if !ended {
            let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let status = self.child.wait().unwrap();
        self.ended = true;
        assert!(
            ended,
            "{}: not done after {} s",
            self.shown,
            patience.as_secs()
        );
        status
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Whether a child ends in time; it is left to be waited for.
pub(crate) fn ends_within(child: &Child, patience: Duration) -> bool {
    let Ok(pidfd) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) else {
        return true;
    };
    let end = Instant::now() + patience;
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).unwrap();
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("poll: {e}"),
        }
    }
}

/// What came of a command.
#[derive(Debug)]
pub struct Done {
    shown: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Its standard error, byte for byte.
    pub stderr: Vec<u8>,
}

impl Done {
    /// The exit code, or minus the signal that ended it.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| -self.status.signal().unwrap_or(0))
    }

    /// Fails unless it exited 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails unless it exited with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code() == code, "expected exit {code} of {self}");
        self
    }

    /// Its standard output as text, without the last line's end.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Its standard error as text, without the last line's end.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tail = |text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            let skip = text.chars().count().saturating_sub(4000);
            text.chars().skip(skip).collect::<String>()
        };
        write!(
            f,
            "{}\n  ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.shown,
            self.code(),
            tail(&self.stdout),
            tail(&self.stderr)
        )
    }
}
