//! Carrying bytes for a command that does not get the caller's own descriptors: with a
//! terminal of its own, without any, or with a bound on what it prints.

mod pump;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringfence_sys_linux::SysError;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::signal::{Arrived, Signals};
use ringfence_sys_linux::terminal::{self, Saved};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::error::Error;
use crate::finished::{Ended, Finished};
use crate::supervise::{GRACE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGWINCH};
use pump::{Cue, Pump, Shared, lock, pipe, timespec};

pub(crate) use crate::pty::PtyMode;

/// The descriptors a command gets, and the threads that carry for it.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) stdio: [OwnedFd; 3],
    /// The command gets a session of its own.
    pub(crate) new_session: bool,
    /// Its stdin is a terminal of its own.
    pub(crate) terminal: bool,
    /// Set when the bound on output was passed.
    pub(crate) too_much: Arc<AtomicBool>,
    /// For the command's stdin, stdout and stderr.
    pumps: [Option<Pump>; 3],
    /// The caller's stdin is lent, and not carried.
    lends: bool,
    shared: Arc<Shared>,
    /// Hangs up when the threads of that direction have ended.
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
    /// The last signal that asked for the end, and when.
    told: Option<(i32, Instant)>,
}

/// Whether it is a pipe, or a FIFO, that is read. Through `/proc/self/fd` whoever has it may write into it as well, which no
/// mount and no rule of Landlock's keeps it from: what reads on there when the command has ended, a shell its script, would
/// obey the command.
fn is_read_pipe(fd: BorrowedFd<'_>) -> bool {
    use ringfence_sys_linux::object;
    object::identity(fd).is_ok_and(|identity| identity.kind() == rustix::fs::FileType::Fifo)
        && object::access_of(fd).is_ok_and(|(readable, _)| readable)
}

/// Which of the caller's stdin, stdout and stderr the command gets as they are, where they are terminals.
pub(crate) fn handed(mode: PtyMode, counted: bool) -> [bool; 3] {
    match mode {
        PtyMode::Auto => [true, !counted, !counted],
        PtyMode::Always | PtyMode::Never => [false; 3],
    }
}

const ENDING: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// How far output came.
#[derive(Debug)]
enum Carried {
    All,
    /// The reader did not take it in time.
    TimeUp,
    /// We were told to end meanwhile.
    Signalled(i32),
}

/// Threads that were told to stop wait for nothing any more, unless somebody else was
/// quicker at the very descriptor they were told was ready. Such a one is left behind.
const STOPPING: Duration = Duration::from_millis(200);

impl Relay {
    pub(crate) fn new(
        mode: PtyMode,
        caller: [OwnedFd; 3],
        output_max: Option<u64>,
    ) -> Result<Relay, SysError> {
        let too_much = Arc::new(AtomicBool::new(false));
        let lends = mode != PtyMode::Always && is_read_pipe(caller[0].as_fd());
        let nowhere = || File::options().write(true).open("/dev/null");
        let nowhere = lends.then(nowhere).transpose().named("open")?;
        let mut relay = Relay {
            stdio: caller,
            new_session: mode != PtyMode::Auto,
            terminal: false,
            too_much: Arc::clone(&too_much),
            pumps: [None, None, None],
            lends,
            shared: Arc::new(Shared {
                input_over: Cue::new()?,
                ended: Cue::new()?,
                give_up: Cue::new()?,
                sum: AtomicU64::new(0),
                max: output_max,
                too_much,
                controller: Mutex::new(None),
                nowhere,
                failed: Mutex::new(None),
            }),
            input: None,
            output: None,
            told: None,
        };
        if mode == PtyMode::Always {
            relay.own_terminal()?;
            return Ok(relay);
        }
        for (number, handed) in handed(mode, output_max.is_some()).into_iter().enumerate() {
            let counted = number != 0 && output_max.is_some();
            if counted || !handed && terminal::is_terminal(relay.stdio[number].as_fd()) {
                relay.pipe(number)?;
            }
        }
        if relay.lends {
            relay.pipe(0)?;
            if let Some(pump) = &relay.pumps[0] {
                pump.by_the_piece()?;
            }
        }
        Ok(relay)
    }

    fn own_terminal(&mut self) -> Result<(), SysError> {
        let size = self.stdio.iter().find_map(|fd| terminal::size(fd.as_fd()));
        let pty = terminal::open_pty(size)?;
        // Ours alone, and nothing is to wait in it.
        rustix::io::ioctl_fionbio(&pty.controller, true).named("FIONBIO")?;
        let dup = |fd: &OwnedFd| fd.try_clone().named("dup");
        let [stdin, stdout, _] = std::mem::replace(
            &mut self.stdio,
            [dup(&pty.terminal)?, dup(&pty.terminal)?, pty.terminal],
        );
        self.pumps[0] = Some(Pump {
            from: stdin,
            to: dup(&pty.controller)?,
        });
        self.pumps[1] = Some(Pump {
            from: dup(&pty.controller)?,
            to: stdout,
        });
        *lock(&self.shared.controller) = Some(pty.controller);
        self.terminal = true;
        Ok(())
    }

    /// Puts a pipe in place of one of the three descriptors.
    fn pipe(&mut self, number: usize) -> Result<(), SysError> {
        let (read, write) = pipe()?;
        let (theirs, ours) = if number == 0 {
            (read, write)
        } else {
            (write, read)
        };
        // Each end has flags of its own: the command's end blocks as any pipe.
        rustix::io::ioctl_fionbio(&ours, true).named("FIONBIO")?;
        let callers = std::mem::replace(&mut self.stdio[number], theirs);
        let (from, to) = if number == 0 {
            (callers, ours)
        } else {
            (ours, callers)
        };
        self.pumps[number] = Some(Pump { from, to });
        Ok(())
    }

    pub(crate) fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        [
            self.stdio[0].as_fd(),
            self.stdio[1].as_fd(),
            self.stdio[2].as_fd(),
        ]
    }

    /// Whether what the command prints comes this way.
    pub(crate) fn carries_output(&self) -> bool {
        self.output.is_some()
    }

    /// Whether [`Relay::start_input`] has something to do.
    pub(crate) fn has_input(&self) -> bool {
        self.pumps[0].is_some()
    }

    /// Gives the command's ends away: they are open in the command alone now, so that
    /// its end is seen. Then starts to carry what it prints.
    pub(crate) fn start(&mut self) -> Result<(), SysError> {
        if self.pumps.iter().all(Option::is_none) {
            return Ok(());
        }
        let null = File::open("/dev/null").named("open")?;
        for fd in &mut self.stdio {
            *fd = null.try_clone().named("dup")?.into();
        }
        let [_, stdout, stderr] = &mut self.pumps;
        if stdout.is_none() && stderr.is_none() {
            return Ok(());
        }
        let (ended, running) = pipe()?;
        let running = Arc::new(running);
        for pump in [stdout.take(), stderr.take()].into_iter().flatten() {
            self.spawn(pump, &running, pump::output)?;
        }
        self.output = Some(ended);
        Ok(())
    }

    /// Starts to carry what the command reads. Call it when the command runs: what is
    /// read for one that never does is lost to the caller.
    pub(crate) fn start_input(&mut self) -> Result<(), SysError> {
        if let Some(pump) = self.pumps[0].take() {
            if self.lends {
                // Whoever writes into it is told when nobody reads any more: what stays here is at its end. Not before: a ring
                // that does not stand is made once more, and has the caller's for its command.
                let (ended, _) = pipe()?;
                rustix::stdio::dup2_stdin(&ended).named("dup2")?;
            }
            let (ended, running) = pipe()?;
            let carry = if self.lends { pump::lend } else { pump::input };
            self.spawn(pump, &Arc::new(running), carry)?;
            self.input = Some(ended);
        }
        Ok(())
    }

    fn spawn(
        &self,
        pump: Pump,
        running: &Arc<OwnedFd>,
        carry: fn(Pump, &Shared),
    ) -> Result<(), SysError> {
        let (shared, running) = (Arc::clone(&self.shared), Arc::clone(running));
        std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || {
                carry(pump, &shared);
                drop(running);
            })
            .named("clone")?;
        Ok(())
    }

    /// Tells the command's terminal the caller's new size.
    fn resize(&self) {
        let size = [std::io::stdin().as_fd(), std::io::stdout().as_fd()]
            .into_iter()
            .find_map(terminal::size);
        if let (Some(controller), Some(size)) = (&*lock(&self.shared.controller), size) {
            // A terminal that has hung up has no size.
            let _gone = terminal::set_size(controller.as_fd(), size);
        }
    }

    /// The signal the command is to be sent for one that arrived here.
    pub(crate) fn passes_on(&mut self, arrived: Arrived) -> Option<i32> {
        if ENDING.contains(&arrived.signal) {
            self.told = Some((arrived.signal, Instant::now()));
        }
        match arrived.signal {
            SIGTTIN | SIGTTOU => None,
            SIGWINCH => {
                self.resize();
                None
            }
            // A key on the terminal reaches the command itself, which is in the same
            // foreground group; unless it has a session of its own.
            signal if arrived.sent || self.new_session => Some(signal),
            // The terminal hung up: the kernel tells session leader and foreground, but
            // who is told twice only ends once.
            SIGHUP => Some(SIGHUP),
            _ => None,
        }
    }

    /// Whether a signal that ends a command has arrived.
    pub(crate) fn is_told_to_end(&mut self, signals: &Signals) -> bool {
        while let Some(arrived) = signals.next() {
            let _to_nobody = self.passes_on(arrived);
        }
        self.told.is_some()
    }

    /// Sees that what the command printed reaches its reader; call it when the command
    /// has ended. One that ended by itself is as good as its output: as long as somebody
    /// may read that, it is kept for them, to the command's deadline, as a pipe would
    /// keep it. A reader of one that was ended by us has a moment.
    pub(crate) fn deliver(
        &mut self,
        result: Result<Finished, Error>,
        deadline: Option<Instant>,
        signals: &Signals,
    ) -> Result<Finished, Error> {
        let by_itself = |f: &Finished| matches!(f.ended, Ended::Exited(_) | Ended::Signalled(_));
        let by_itself = result.as_ref().is_ok_and(by_itself);
        let now = Instant::now();
        let moment = now + GRACE;
        // A signal may have come for a command that had just ended.
        let told = self.told.filter(|(_, at)| now.duration_since(*at) < GRACE);
        let until = if by_itself && told.is_none() {
            deadline.map(|at| at.max(moment))
        } else {
            Some(moment)
        };
        let carried = self.finish(until, signals);
        let mut finished = result?;
        let carried = carried.map_err(carrying)?;
        if let Some(error) = lock(&self.shared.failed).take() {
            return Err(carrying(error));
        }
        if by_itself {
            // What was lost is never told as a success.
            finished.ended = match carried {
                _ if self.too_much.load(Ordering::Relaxed) => Ended::TooMuchOutput,
                Carried::All => finished.ended,
                Carried::TimeUp => match told {
                    Some((signal, _)) => Ended::Signalled(signal),
                    None => Ended::TimedOut,
                },
                Carried::Signalled(signal) => Ended::Signalled(signal),
            };
        }
        Ok(finished)
    }

    fn finish(&mut self, until: Option<Instant>, signals: &Signals) -> Result<Carried, SysError> {
        // What is typed from now on is for who comes after the command.
        self.shared.input_over.give();
        if let Some(input) = self.input.take() {
            hung_up_within(&input, STOPPING);
        }
        let Some(output) = self.output.take() else {
            return Ok(Carried::All);
        };
        self.shared.ended.give();
        let mut carried = Carried::All;
        loop {
            let time = until.map(|at| timespec(at.saturating_duration_since(Instant::now())));
            let mut fds = [
                PollFd::new(&output, PollFlags::IN),
                PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN),
            ];
            match poll(&mut fds, time.as_ref()) {
                Ok(0) => carried = Carried::TimeUp,
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Carried::All),
                Ok(_) => {
                    let told = std::iter::from_fn(|| signals.next())
                        .find(|arrived| ENDING.contains(&arrived.signal));
                    if let Some(arrived) = told {
                        carried = Carried::Signalled(arrived.signal);
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SysError::new("poll", errno.raw_os_error())),
            }
            if !matches!(carried, Carried::All) {
                self.shared.give_up.give();
                hung_up_within(&output, STOPPING);
                return Ok(carried);
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Whichever way this ends, no thread goes on.
        self.shared.input_over.give();
        self.shared.give_up.give();
    }
}

fn carrying(error: SysError) -> Error {
    Error::System {
        what: "carrying the command's output",
        error,
    }
}

fn hung_up_within(fd: &OwnedFd, time: Duration) {
    // Who is not done then is left behind.
    let _late = poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timespec(time)));
}

/// The caller's terminal, put back as it was when this is dropped. `SIGTTOU` must be
/// blocked as long as it lives.
#[derive(Debug)]
pub(crate) struct Screen {
    saved: Option<Saved>,
    lent: bool,
    /// This process has set it.
    raw: bool,
    /// The permissions of those that are stdin, stdout and stderr, which belong to whoever is logged in, as a command of theirs may
    /// have them changed.
    modes: [Option<rustix::fs::Mode>; 3],
}

impl Screen {
    pub(crate) fn save() -> Screen {
        Screen {
            saved: terminal::save(std::io::stdin().as_fd()),
            lent: false,
            raw: false,
            modes: [
                mode_of(std::io::stdin().as_fd()),
                mode_of(std::io::stdout().as_fd()),
                mode_of(std::io::stderr().as_fd()),
            ],
        }
    }

    /// This process has its terminal's foreground.
    pub(crate) fn in_foreground(&self) -> bool {
        self.saved.as_ref().is_some_and(Saved::in_foreground)
    }

    /// Lets a command have it: itself, or for a terminal of its own every key as it is
    /// typed. A terminal that is somebody else's foreground is theirs.
    pub(crate) fn lend(&mut self, relay: &Relay) {
        self.lent = self.in_foreground();
        if self.lent && relay.terminal {
            self.raw = true;
            // Keys that come in lines are better than none.
            let _cooked = terminal::raw(std::io::stdin().as_fd());
        }
    }
}

/// The permissions of a terminal.
fn mode_of(terminal: BorrowedFd<'_>) -> Option<rustix::fs::Mode> {
    if !terminal::is_terminal(terminal) {
        return None;
    }
    let mode = ringfence_sys_linux::object::identity(terminal).ok()?.mode;
    Some(rustix::fs::Mode::from_raw_mode(mode & 0o7777))
}

impl Drop for Screen {
    fn drop(&mut self) {
        let (i, o, e) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        for (stream, mode) in [i.as_fd(), o.as_fd(), e.as_fd()]
            .into_iter()
            .zip(self.modes)
        {
            if let Some(mode) = mode
                && mode_of(stream).is_some_and(|now| now != mode)
            {
                // A terminal that is not ours any more is its owner's to mend.
                let _gone = rustix::fs::fchmod(stream, mode);
            }
        }
        if let Some(saved) = &self.saved
            && self.lent
        {
            // What is printed goes to somebody who may be at the terminal as well, as a pager is: its settings may be theirs.
            let alone = self.raw || terminal::is_terminal(std::io::stdout().as_fd());
            saved.restore(alone);
        }
    }
}
