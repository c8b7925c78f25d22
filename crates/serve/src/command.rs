//! A command in one of the server's rings.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use ringfence::ring::{ExitStatus, Size, Stdio};
use ringfence::rules::Question;
use ringfence::tokio::{Child, ChildStdin, Terminal};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot, watch};

use crate::fault::Fault;
use crate::output::{Output, Source, bytes_of, carry};
use crate::protocol::{
    BUFFER, BUFFER_MAX, CommandListed, Ended, Input, STDIN_MAX, SignalName, Sink, StartCommand,
    Stream, TerminalSize,
};
use crate::rings::{Open, WORDS_MAX, lock, millis, path_of};

/// A command that runs, or ran.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) number: u64,
    pub(crate) ring: u64,
    /// Where it started.
    directory: PathBuf,
    /// As it is listed: it may be megabytes long, and is kept for as long as the command is known.
    argv: Vec<String>,
    started: Instant,
    /// Its number in its ring, and that ring.
    id: u32,
    of: Weak<Open>,
    pub(crate) outputs: Vec<Arc<Output>>,
    stdin: Mutex<Option<mpsc::UnboundedSender<Typed>>>,
    /// Bytes that wait to be written.
    waiting: Arc<AtomicUsize>,
    terminal: Option<Arc<Terminal>>,
    ended: Mutex<Option<Ended>>,
    over: watch::Sender<bool>,
    /// Something was printed, or it ended.
    pub(crate) changed: Arc<watch::Sender<()>>,
    /// Who has it told.
    readers: AtomicU64,
    attached: AtomicUsize,
}

/// Somebody who has a command told. However that ends, the command waits for nobody any more.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) command: Arc<Running>,
    /// By which its outputs know who.
    pub(crate) reader: u64,
}

impl Drop for Attached {
    fn drop(&mut self) {
        for output in &self.command.outputs {
            output.detach(self.reader);
        }
        self.command.attached.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is to be written to a command's stdin.
#[derive(Debug)]
struct Typed {
    bytes: Vec<u8>,
    eof: bool,
    written: oneshot::Sender<bool>,
}

/// The end of its input, as it is typed at a terminal (Ctrl-D).
const END_KEY: u8 = 4;

impl Running {
    pub(crate) async fn start(
        number: u64,
        open: &Arc<Open>,
        asked: StartCommand,
        approved: Option<Question>,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Arc<Running>, Fault> {
        let StartCommand {
            ring,
            argv,
            directory,
            env,
            clear_env,
            stdin,
            stdout,
            stderr,
            terminal,
            time_limit_ms,
            memory_limit,
            keep_background,
            buffer,
            when_full,
            attach: _,
            approval: _,
        } = asked;
        let wrong = |what: &str| Err(Fault::Params(what.to_owned()));
        let Some((program, arguments)) = argv.split_first() else {
            return wrong("argv: a program, at least");
        };
        if argv.len() > WORDS_MAX || env.len() > WORDS_MAX {
            return Err(Fault::Params(format!(
                "argv, env: {WORDS_MAX} at most of each"
            )));
        }
        if argv.iter().any(|word| word.contains('\0')) {
            return wrong("argv: a word with a NUL in it cannot be given to a program");
        }
        let odd = |text: &str| text.contains('\0');
        if env.iter().any(|(name, value)| {
            name.is_empty() || name.contains('=') || odd(name) || value.as_deref().is_some_and(odd)
        }) {
            return wrong("env: a name is not empty and without `=`, and neither has a NUL");
        }
        if stdout == Sink::Stdout {
            return wrong("stdout: `stdout` is for stderr");
        }
        if memory_limit == Some(0) {
            return wrong("memory_limit: no program runs in 0 bytes");
        }
        let buffer = buffer.unwrap_or(BUFFER);
        if buffer == 0 || buffer > BUFFER_MAX {
            return Err(Fault::Params(format!(
                "buffer: from 1 to {BUFFER_MAX} bytes"
            )));
        }
        let limit = usize::try_from(buffer).unwrap_or(usize::MAX);
        let plain = stdin == Input::Null && stdout == Sink::Pipe && stderr == Sink::Pipe;
        if terminal.is_some() && !plain {
            return wrong(
                "terminal: it stands for stdin, stdout and stderr, which are not set then",
            );
        }

        let mut command = open.ring.command(program);
        // A request that is given up before it is answered leaves nothing behind.
        command.kill_on_drop(true);
        command.args(arguments).keep_background(keep_background);
        if let Some(question) = &approved {
            command.approve(question);
        }
        if clear_env {
            command.env_clear();
        }
        for (name, value) in env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut began_in = open.ring.directory().to_owned();
        if let Some(directory) = directory {
            let directory = path_of(&directory)?;
            began_in.push(&directory);
            command.current_dir(directory);
        }
        if let Some(limit) = time_limit_ms {
            command.time_limit(Duration::from_millis(limit));
        }
        if let Some(bytes) = memory_limit {
            command.memory_limit(bytes);
        }
        if let Some(size) = terminal {
            command.terminal(size_of(size)?);
        }
        let wanted = usize::from(stdin == Input::Descriptor)
            + usize::from(stdout == Sink::Descriptor)
            + usize::from(stderr == Sink::Descriptor);
        if wanted != descriptors.len() {
            return Err(Fault::Params(format!(
                "{wanted} descriptors are named, and {} were sent along",
                descriptors.len()
            )));
        }
        let mut descriptors = descriptors.into_iter();
        let mut sent = || descriptors.next().map_or_else(Stdio::null, Stdio::from);
        command.stdin(match stdin {
            Input::Null => Stdio::null(),
            Input::Pipe => Stdio::piped(),
            Input::Descriptor => sent(),
        });
        let mut both = None;
        if stderr == Sink::Stdout {
            match stdout {
                Sink::Pipe => {
                    let (read, write) = pipe_with(PipeFlags::CLOEXEC)
                        .map_err(|error| Fault::System("making a pipe", error.into()))?;
                    let again = write.try_clone();
                    command.stdout(Stdio::from(write));
                    command.stderr(Stdio::from(
                        again.map_err(|error| Fault::System("making a pipe", error))?,
                    ));
                    both = Some(read);
                }
                Sink::Descriptor => {
                    let one = descriptors.next();
                    let again = one.as_ref().map(OwnedFd::try_clone).transpose();
                    let again = again.map_err(|error| Fault::System("dup", error))?;
                    command.stdout(one.map_or_else(Stdio::null, Stdio::from));
                    command.stderr(again.map_or_else(Stdio::null, Stdio::from));
                }
                Sink::Null | Sink::Stdout => {
                    command.stdout(Stdio::null()).stderr(Stdio::null());
                }
            }
        } else {
            let mut sink = |sink| match sink {
                Sink::Pipe => Stdio::piped(),
                Sink::Descriptor => sent(),
                Sink::Null | Sink::Stdout => Stdio::null(),
            };
            command.stdout(sink(stdout));
            command.stderr(sink(stderr));
        }

        let started = Instant::now();
        let mut child = command.spawn().await?;
        // Its ends of a shared pipe are open in this command else.
        drop(command);
        let mut sources = Vec::new();
        let stdout = match both {
            Some(read) => Some(
                ringfence::tokio::ChildStdout::from_owned_fd(read)
                    .map_err(|error| Fault::System("reading a pipe", error))?,
            ),
            None => child.stdout.take(),
        };
        if let Some(pipe) = stdout {
            sources.push((Stream::Stdout, Source::Pipe(pipe)));
        }
        if let Some(pipe) = child.stderr.take() {
            sources.push((Stream::Stderr, Source::Pipe(pipe)));
        }
        let terminal = child.terminal.take().map(Arc::new);
        if let Some(terminal) = &terminal {
            sources.push((Stream::Terminal, Source::Terminal(Arc::clone(terminal))));
        }
        let over = watch::Sender::new(false);
        let changed = Arc::new(watch::Sender::new(()));
        let mut outputs = Vec::new();
        let mut carried = Vec::new();
        for (stream, source) in sources {
            let output = Arc::new(Output::new(stream, limit, when_full));
            outputs.push(Arc::clone(&output));
            carried.push((output, source));
        }
        let waiting = Arc::new(AtomicUsize::new(0));
        let stdin = match (child.stdin.take(), &terminal) {
            (Some(pipe), _) => Some(typing(Typing::Pipe(pipe), &waiting)),
            (None, Some(terminal)) => {
                Some(typing(Typing::Terminal(Arc::clone(terminal)), &waiting))
            }
            (None, None) => None,
        };
        let running = Arc::new(Running {
            number,
            ring,
            directory: began_in,
            argv: cut(&argv),
            started,
            id: child.id(),
            of: Arc::downgrade(open),
            outputs,
            stdin: Mutex::new(stdin),
            waiting,
            terminal,
            ended: Mutex::new(None),
            over,
            changed,
            readers: AtomicU64::new(0),
            attached: AtomicUsize::new(0),
        });
        for (output, source) in carried {
            let ended = running.over.subscribe();
            tokio::spawn(carry(output, source, ended, Arc::clone(&running.changed)));
        }
        tokio::spawn(wait(Arc::clone(&running), Arc::clone(open), child));
        Ok(running)
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        *lock(&self.ended)
    }

    /// When it ended.
    pub(crate) fn ended_at(&self) -> Option<Instant> {
        let ended = self.ended()?;
        Some(self.started + Duration::from_micros(ended.elapsed_us))
    }

    /// Where it started.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is kept of the end of each of its streams, as text.
    pub(crate) fn last_words(&self) -> String {
        const MOST: usize = 64 << 10;
        let mut text = String::new();
        for output in &self.outputs {
            let from = output.end().saturating_sub(MOST as u64);
            let piece = output.read(from, MOST);
            let bytes = bytes_of(piece.bytes.text, piece.bytes.base64).unwrap_or_default();
            text.push_str(&String::from_utf8_lossy(&bytes));
            text.push('\n');
        }
        text.replace('\r', "")
    }

    /// Waits for its end.
    pub(crate) async fn wait(&self) -> Ended {
        let mut over = self.over.subscribe();
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            // The sender is in self.
            let _told = over.changed().await;
        }
    }

    /// Waits for its end, and until all that it printed before that is kept.
    pub(crate) async fn settled(&self) -> Ended {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(ended) = self.ended()
                && self.outputs.iter().all(|output| output.state().0)
            {
                return ended;
            }
            let _told = changed.changed().await;
        }
    }

    pub(crate) fn listed(&self) -> CommandListed {
        CommandListed {
            command: self.number,
            ring: self.ring,
            argv: self.argv.clone(),
            age_ms: millis(self.started),
            terminal: self.terminal.is_some(),
            ended: self.ended(),
        }
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed) > 0
    }

    /// Somebody has it told, for as long as they hold what is given.
    pub(crate) fn attach(self: &Arc<Self>, from: impl Fn(Stream) -> Option<u64>) -> Attached {
        self.attached.fetch_add(1, Ordering::Relaxed);
        let reader = self.readers.fetch_add(1, Ordering::Relaxed);
        for output in &self.outputs {
            output.attach(reader, from(output.stream));
        }
        Attached {
            command: Arc::clone(self),
            reader,
        }
    }

    /// Has bytes written to its stdin; what is given tells when, and whether it could be.
    pub(crate) fn write(
        &self,
        bytes: Vec<u8>,
        eof: bool,
    ) -> Result<oneshot::Receiver<bool>, Fault> {
        if self.ended().is_some() {
            return Err(Fault::Stdin(self.number));
        }
        let mut stdin = lock(&self.stdin);
        let Some(to) = stdin.as_ref() else {
            return Err(Fault::Stdin(self.number));
        };
        let length = bytes.len();
        if self.waiting.load(Ordering::Relaxed) + length > STDIN_MAX {
            return Err(Fault::Waiting(
                "the command does not read; wait for the answers of what was written before",
            ));
        }
        self.waiting.fetch_add(length, Ordering::Relaxed);
        let (written, told) = oneshot::channel();
        let sent = to.send(Typed {
            bytes,
            eof,
            written,
        });
        if sent.is_err() || (eof && self.terminal.is_none()) {
            *stdin = None;
        }
        sent.map_err(|_| Fault::Stdin(self.number))?;
        Ok(told)
    }

    pub(crate) fn resize(&self, size: TerminalSize) -> Result<(), Fault> {
        let size = size_of(size)?;
        let terminal = self.terminal.as_ref();
        let terminal = terminal.ok_or(Fault::Terminal(self.number))?;
        terminal
            .resize(size)
            .map_err(|error| Fault::System("resizing the terminal", error))
    }

    pub(crate) fn signal(&self, signal: &SignalName, all: bool) -> Result<(), Fault> {
        let number = number_of(signal)?;
        if self.ended().is_some() {
            return Ok(());
        }
        match self.of.upgrade() {
            Some(open) => Ok(open.ring.signal(self.id, number, all)?),
            // With its ring it has ended.
            None => Ok(()),
        }
    }

    /// Ends it and all that it started, also what it left in the background.
    pub(crate) fn kill(&self) -> Result<(), Fault> {
        let Some(open) = self.of.upgrade() else {
            return Ok(());
        };
        match open.ring.stop(self.id) {
            // With its ring it has ended.
            Err(ringfence::Error::RingGone) => Ok(()),
            done => Ok(done?),
        }
    }
}

/// A command's words as they are listed: cut where they are long.
fn cut(argv: &[String]) -> Vec<String> {
    const WORDS: usize = 32;
    const CHARACTERS: usize = 200;
    let cut = |word: &String| match word.char_indices().nth(CHARACTERS) {
        Some((at, _)) => format!("{}…", word.get(..at).unwrap_or_default()),
        None => word.clone(),
    };
    let mut words: Vec<String> = argv.iter().take(WORDS).map(cut).collect();
    if argv.len() > WORDS {
        words.push("…".to_owned());
    }
    words
}

/// Waits for a command's end, and tells.
async fn wait(running: Arc<Running>, open: Arc<Open>, mut child: Child) {
    let elapsed = |running: &Running| {
        u64::try_from(running.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    };
    let ended = match child.wait().await {
        Ok(status) => ended_by(&status, elapsed(&running)),
        Err(_) => Ended {
            code: None,
            signal: None,
            timed_out: false,
            insisted: false,
            ring_gone: true,
            max_rss_kib: 0,
            cpu_us: 0,
            elapsed_us: elapsed(&running),
        },
    };
    // Before anybody can see that it has: what they are told then is to have all of it.
    open.command_ended(Duration::from_micros(ended.elapsed_us));
    *lock(&running.ended) = Some(ended);
    *lock(&running.stdin) = None;
    running.over.send_replace(true);
    running.changed.send_replace(());
    open.touch();
}

fn ended_by(status: &ExitStatus, elapsed_us: u64) -> Ended {
    Ended {
        code: status.code(),
        signal: status.signal(),
        timed_out: status.timed_out,
        insisted: status.insisted,
        ring_gone: false,
        max_rss_kib: status.max_rss_kib,
        cpu_us: status.cpu_us,
        elapsed_us,
    }
}

/// Where what is typed goes.
enum Typing {
    Pipe(ChildStdin),
    Terminal(Arc<Terminal>),
}

impl Typing {
    async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        match self {
            Typing::Pipe(pipe) => pipe.write_all(bytes).await,
            Typing::Terminal(terminal) => {
                while !bytes.is_empty() {
                    let written = terminal.write(bytes).await?;
                    bytes = bytes.get(written..).unwrap_or_default();
                }
                Ok(())
            }
        }
    }
}

/// Begins to write what is typed, in its order.
fn typing(mut to: Typing, waiting: &Arc<AtomicUsize>) -> mpsc::UnboundedSender<Typed> {
    let (typed, mut all) = mpsc::unbounded_channel::<Typed>();
    let waiting = Arc::clone(waiting);
    tokio::spawn(async move {
        while let Some(Typed {
            bytes,
            eof,
            written,
        }) = all.recv().await
        {
            let mut done = to.write_all(&bytes).await;
            if eof && matches!(to, Typing::Terminal(_)) {
                done = done.and(to.write_all(&[END_KEY]).await);
            }
            waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            let failed = done.is_err();
            // Whoever asked may be gone.
            let _gone = written.send(!failed);
            if failed {
                break;
            }
        }
    });
    typed
}

fn size_of(size: TerminalSize) -> Result<Size, Fault> {
    let TerminalSize { rows, columns } = size;
    if rows == 0 || columns == 0 {
        return Err(Fault::Params(
            "a terminal has at least one row and one column".to_owned(),
        ));
    }
    Ok(Size { rows, columns })
}

/// Signals by their names, as Linux numbers them on the architectures we run on (`signal(7)`).
const SIGNALS: [(&str, i32); 21] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
];

pub(crate) fn number_of(signal: &SignalName) -> Result<i32, Fault> {
    match signal {
        SignalName::Number(number) if (1..=64).contains(number) => Ok(*number),
        SignalName::Number(number) => Err(Fault::Params(format!(
            "signal: {number} is none; from 1 to 64"
        ))),
        SignalName::Name(name) => {
            let short = name.strip_prefix("SIG").unwrap_or(name);
            SIGNALS
                .iter()
                .find(|(known, _)| *known == short)
                .map(|(_, number)| *number)
                .ok_or_else(|| Fault::Params(format!("signal: none is called {name:?}")))
        }
    }
}
