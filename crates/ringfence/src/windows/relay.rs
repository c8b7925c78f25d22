//! The command's standard handles, and the threads that carry for it.
//!
//! A command is never in the caller's console: who is in one can write keys into it, which the shell that started Ringfence
//! would read next. It has a console of its own, where Ctrl-C is sent too. Pipes and files it gets as they are; what is a
//! console outside is carried.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ringfence_sys_windows::SysError;
use ringfence_sys_windows::console::{Ends, PseudoConsole, Signals, Size};
use ringfence_sys_windows::pipe;
use ringfence_sys_windows::process::Stdio;
use ringfence_sys_windows::sync::Event;

use super::console::{Stream, size_or_usual};
use crate::pty::PtyMode;

const CTRL_C: &[u8] = b"\x03";
/// As a console ends what is typed: Ctrl-Z at the beginning of a line.
const END_OF_INPUT: &[u8] = b"\x1a\r";

/// How far output came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    All,
    /// The reader did not take it in time.
    TimeUp,
    /// This program was told to end meanwhile.
    Signalled,
}

/// What a command is started with, and what is carried for it.
#[derive(Debug)]
pub(super) struct Relay {
    /// Dropped first, where nothing was started: a console whose output nobody reads does not close.
    jobs: Vec<Job>,
    /// Ended before its output is waited for to end.
    console: Option<PseudoConsole>,
    size: Size,
    /// The child's ends, until it has them; none where its console's are its standard handles.
    child: Option<[Option<OwnedHandle>; 3]>,
    keys: Arc<Mutex<Option<File>>>,
    /// One message for each thread that carries output and has ended.
    ended: (Sender<()>, Receiver<()>),
    carrying: usize,
    printed: Arc<Printed>,
    terminal: bool,
}

/// How much was printed, and how much may be.
#[derive(Debug)]
struct Printed {
    sum: AtomicU64,
    most: Option<u64>,
    too_much: Event,
}

impl Printed {
    /// So many bytes of these may be passed on.
    fn take(&self, bytes: usize) -> usize {
        let Some(most) = self.most else {
            return bytes;
        };
        let before = self.sum.fetch_add(bytes as u64, Ordering::SeqCst);
        let left = most.saturating_sub(before);
        if (bytes as u64) > left {
            // It is looked at as well when the command has ended.
            let _told = self.too_much.set();
        }
        usize::try_from(left).unwrap_or(usize::MAX).min(bytes)
    }

    fn is_too_much(&self) -> bool {
        self.most
            .is_some_and(|most| self.sum.load(Ordering::SeqCst) > most)
    }
}

/// Bytes to be carried.
#[derive(Debug)]
enum Job {
    /// What the command writes, to where the caller has it.
    Output(OwnedHandle, File),
    /// What its console draws, to where the caller sees it; to nowhere where nobody does. It is read to its end.
    Drawn(OwnedHandle, Option<File>),
    /// What the caller types, to the command's own pipe.
    Input(File, File),
    /// The same, to its console.
    Keys(File),
}

impl Relay {
    /// Makes what the command needs; nothing is carried before [`Relay::start`].
    pub(super) fn new(
        mode: PtyMode,
        own: &[Option<Stream>; 3],
        most: Option<u64>,
    ) -> Result<Relay, SysError> {
        let size = size_or_usual(own);
        let (console, Ends { input, output }) = PseudoConsole::create(size)?;
        let consoles = |n: usize| {
            own.get(n)
                .is_some_and(|s| s.as_ref().is_some_and(Stream::is_console))
        };
        let terminal = match mode {
            PtyMode::Always => true,
            PtyMode::Auto => consoles(0) && consoles(1),
            PtyMode::Never => false,
        };
        let mut relay = Relay {
            console: Some(console),
            size,
            child: None,
            keys: Arc::new(Mutex::new(Some(File::from(input)))),
            ended: channel(),
            carrying: 0,
            printed: Arc::new(Printed {
                sum: AtomicU64::new(0),
                most,
                too_much: Event::own()?,
            }),
            jobs: Vec::new(),
            terminal,
        };
        if terminal {
            relay.in_terminal(own, output)?;
        } else {
            // Nothing is shown of a console that nobody sees; it is read all the same, else it would stop.
            relay.jobs.push(Job::Drawn(output, None));
            relay.by_streams(own)?;
        }
        Ok(relay)
    }

    fn in_terminal(
        &mut self,
        own: &[Option<Stream>; 3],
        output: OwnedHandle,
    ) -> Result<(), SysError> {
        let [stdin, stdout, _] = own;
        let stdout = stdout.as_ref().map(copy).transpose()?;
        self.jobs.push(Job::Drawn(output, stdout));
        if let Some(stdin) = stdin {
            self.jobs.push(Job::Keys(copy(stdin)?));
        }
        Ok(())
    }

    fn by_streams(&mut self, own: &[Option<Stream>; 3]) -> Result<(), SysError> {
        let mut child = [None, None, None];
        for ((n, stream), end) in own.iter().enumerate().zip(&mut child) {
            let Some(stream) = stream else { continue };
            let counted = n > 0 && self.printed.most.is_some();
            if !stream.may_be_console() && !counted {
                *end = Some(OwnedHandle::from(copy(stream)?));
                continue;
            }
            let (read, write) = pipe::anonymous()?;
            if n == 0 {
                *end = Some(read);
                self.jobs.push(Job::Input(copy(stream)?, File::from(write)));
            } else {
                *end = Some(write);
                self.jobs.push(Job::Output(read, copy(stream)?));
            }
        }
        self.child = Some(child);
        Ok(())
    }

    pub(super) fn console(&self) -> Option<&PseudoConsole> {
        self.console.as_ref()
    }

    /// Whether the command is shown in the caller's terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The command's standard handles, for as long as this is borrowed.
    pub(super) fn stdio(&self) -> Option<Stdio<'_>> {
        let [input, output, error] = self.child.as_ref()?;
        Some(Stdio {
            input: input.as_ref().map(AsHandle::as_handle),
            output: output.as_ref().map(AsHandle::as_handle),
            error: error.as_ref().map(AsHandle::as_handle),
        })
    }

    /// Begins to carry. The command has its own handles by now.
    pub(super) fn start(&mut self) -> io::Result<()> {
        self.child = None;
        for job in std::mem::take(&mut self.jobs) {
            let printed = Arc::clone(&self.printed);
            match job {
                Job::Output(from, to) => {
                    self.carry(move || output(&from, Some(to), &printed, false))?;
                }
                Job::Drawn(from, to) => {
                    self.carry(move || output(&from, to, &printed, true))?;
                }
                // These two end with the process at the latest: reading from a console cannot be left otherwise.
                Job::Input(from, to) => {
                    thread::Builder::new().spawn(move || input(from, to))?;
                }
                Job::Keys(from) => {
                    let keys = Arc::clone(&self.keys);
                    thread::Builder::new().spawn(move || typed(from, &keys))?;
                }
            }
        }
        Ok(())
    }

    /// Has a thread carry output, which is waited for.
    fn carry(&mut self, all: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let ended = self.ended.0.clone();
        thread::Builder::new().spawn(move || {
            all();
            // Nobody waits any more.
            let _gone = ended.send(());
        })?;
        self.carrying += 1;
        Ok(())
    }

    /// Presses Ctrl-C in the command's console.
    pub(super) fn interrupt(&self) {
        press(&self.keys, CTRL_C);
    }

    /// Set when more was printed than may be.
    pub(super) fn too_much(&self) -> &Event {
        &self.printed.too_much
    }

    pub(super) fn was_too_much(&self) -> bool {
        self.printed.is_too_much()
    }

    /// The caller's console may have changed its size.
    pub(super) fn resize(&mut self, size: Option<Size>) {
        if let (Some(size), Some(console)) = (size, &self.console)
            && size != self.size
        {
            self.size = size;
            // A console that cannot be changed stays as it is.
            let _kept = console.resize(size);
        }
    }

    /// Waits until all is carried, until a time or a signal at most.
    pub(super) fn finish(mut self, until: Option<Instant>, signals: &Signals) -> Carried {
        // Its output ends with the console, and its threads with that. Before Windows 11 24H2 that waits for who reads it, and
        // who reads what we write may take its time: so another thread closes it. Where none is to be had this one does.
        drop(lock(&self.keys).take());
        let console = self.console.take();
        let _closing = thread::Builder::new().spawn(move || drop(console));
        let mut left = self.carrying;
        while left > 0 {
            match self.ended.1.recv_timeout(LOOK) {
                Ok(()) => left -= 1,
                Err(_) if signals.take().is_some() => return Carried::Signalled,
                Err(_) if until.is_some_and(|until| Instant::now() >= until) => {
                    return Carried::TimeUp;
                }
                Err(_) => {}
            }
        }
        Carried::All
    }
}

fn copy(stream: &Stream) -> Result<File, SysError> {
    use ringfence_sys_windows::handle::{Access, duplicate};
    duplicate(stream.handle.as_handle(), Access::Same, false).map(File::from)
}

fn lock(keys: &Mutex<Option<File>>) -> std::sync::MutexGuard<'_, Option<File>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

fn press(keys: &Mutex<Option<File>>, what: &[u8]) {
    if let Some(keys) = lock(keys).as_mut() {
        // A console that is gone has nobody to tell.
        let _gone = keys.write_all(what);
    }
}

/// So often a signal and the time are looked at while the last of the output is carried.
const LOOK: Duration = Duration::from_millis(50);

/// So much is carried at once.
const CHUNK: usize = 64 << 10;

/// To the end of what is read; where nobody takes it any more, to there, unless it has to be read all the same.
fn output(from: &OwnedHandle, mut to: Option<File>, printed: &Printed, drain: bool) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(Some(read)) = pipe::read(from.as_handle(), &mut buffer) {
        let Some(out) = &mut to else { continue };
        let pass = printed.take(read);
        let some = buffer.get(..pass).unwrap_or_default();
        let written = out.write_all(some);
        if written.is_err() && !drain {
            // The command learns from its next write that nobody reads.
            return;
        }
        if written.is_err() || pass < read {
            to = None;
        }
    }
}

fn input(mut from: File, mut to: File) {
    let mut buffer = vec![0; 4 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let some = buffer.get(..read).unwrap_or_default();
        if to.write_all(some).is_err() {
            return;
        }
    }
}

fn typed(mut from: File, keys: &Mutex<Option<File>>) {
    let mut buffer = vec![0; 4 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        press(keys, buffer.get(..read).unwrap_or_default());
    }
    press(keys, END_OF_INPUT);
}
