//! Carrying bytes for a command that does not get the caller's own descriptors: with a
//! terminal of its own, without any, or with a bound on what it prints.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use ringfence_sys_linux::SysError;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::terminal;

/// How a command's terminal is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PtyMode {
    /// The caller's descriptors as they are: a terminal is a terminal, a pipe a pipe.
    #[default]
    Auto,
    /// A terminal of the ring's own, whatever the caller has.
    Always,
    /// No terminal, and no way to one: what is a terminal outside is a pipe inside.
    Never,
}

impl std::str::FromStr for PtyMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<PtyMode, &'static str> {
        match text {
            "auto" => Ok(PtyMode::Auto),
            "always" => Ok(PtyMode::Always),
            "never" => Ok(PtyMode::Never),
            _ => Err("one of auto, always, never"),
        }
    }
}

/// The descriptors a command gets, and the threads that carry for it.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) stdio: [OwnedFd; 3],
    /// The command gets a session of its own.
    pub(crate) new_session: bool,
    /// Its stdin is a terminal of its own.
    pub(crate) terminal: bool,
    controller: Option<OwnedFd>,
    pumps: Vec<Pump>,
    /// Set when the bound on output was passed.
    pub(crate) too_much: Arc<AtomicBool>,
    output_max: Option<u64>,
    carried: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Pump {
    from: OwnedFd,
    to: OwnedFd,
    /// Counts towards the bound, and is waited for.
    output: bool,
}

impl Relay {
    pub(crate) fn new(
        mode: PtyMode,
        caller: [OwnedFd; 3],
        output_max: Option<u64>,
    ) -> Result<Relay, SysError> {
        let mut relay = Relay {
            stdio: caller,
            new_session: mode != PtyMode::Auto,
            terminal: false,
            controller: None,
            pumps: Vec::new(),
            too_much: Arc::new(AtomicBool::new(false)),
            output_max,
            carried: Vec::new(),
        };
        match mode {
            PtyMode::Always => relay.own_terminal()?,
            PtyMode::Never => {
                for number in 0..3 {
                    if terminal::is_terminal(relay.stdio[number].as_fd()) {
                        relay.pipe(number)?;
                    }
                }
            }
            PtyMode::Auto => {}
        }
        if output_max.is_some() && mode != PtyMode::Always {
            for number in 1..3 {
                let piped = relay.pumps.iter().filter(|p| p.output).count() > number - 1;
                if !piped {
                    relay.pipe(number)?;
                }
            }
        }
        Ok(relay)
    }

    fn own_terminal(&mut self) -> Result<(), SysError> {
        let size = self.stdio.iter().find_map(|fd| terminal::size(fd.as_fd()));
        let pty = terminal::open_pty(size)?;
        let dup = |fd: &OwnedFd| fd.try_clone().named("dup");
        let [stdin, stdout, _] = std::mem::replace(
            &mut self.stdio,
            [dup(&pty.terminal)?, dup(&pty.terminal)?, pty.terminal],
        );
        self.pumps.push(Pump {
            from: stdin,
            to: dup(&pty.controller)?,
            output: false,
        });
        self.pumps.push(Pump {
            from: dup(&pty.controller)?,
            to: stdout,
            output: true,
        });
        self.controller = Some(pty.controller);
        self.terminal = true;
        Ok(())
    }

    /// Puts a pipe in place of one of the three descriptors.
    fn pipe(&mut self, number: usize) -> Result<(), SysError> {
        let (read, write) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).named("pipe2")?;
        let output = number != 0;
        let (theirs, ours) = if output { (write, read) } else { (read, write) };
        let callers = std::mem::replace(&mut self.stdio[number], theirs);
        self.pumps.push(if output {
            Pump {
                from: ours,
                to: callers,
                output,
            }
        } else {
            Pump {
                from: callers,
                to: ours,
                output,
            }
        });
        Ok(())
    }

    pub(crate) fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        [
            self.stdio[0].as_fd(),
            self.stdio[1].as_fd(),
            self.stdio[2].as_fd(),
        ]
    }

    /// Gives the command's ends away: they are open in the command alone now, so that
    /// its end is seen. Then starts to carry.
    pub(crate) fn start(&mut self) -> Result<(), SysError> {
        if self.pumps.is_empty() {
            return Ok(());
        }
        let null = File::open("/dev/null").named("open")?;
        for fd in &mut self.stdio {
            *fd = null.try_clone().named("dup")?.into();
        }
        let sum = Arc::new(AtomicU64::new(0));
        for pump in self.pumps.drain(..) {
            let (sum, too_much) = (Arc::clone(&sum), Arc::clone(&self.too_much));
            let max = if pump.output { self.output_max } else { None };
            let output = pump.output;
            let thread = std::thread::Builder::new()
                .name("relay".to_owned())
                .spawn(move || carry(pump.from, pump.to, max, &sum, &too_much))
                .named("clone")?;
            if output {
                self.carried.push(thread);
            }
        }
        Ok(())
    }

    /// Tells the command's terminal the caller's new size.
    pub(crate) fn resize(&self) {
        let size = [std::io::stdin().as_fd(), std::io::stdout().as_fd()]
            .into_iter()
            .find_map(terminal::size);
        if let (Some(controller), Some(size)) = (&self.controller, size) {
            // A terminal that has hung up has no size.
            let _gone = terminal::set_size(controller.as_fd(), size);
        }
    }

    /// Waits until all that the command printed has been carried. Call it when no
    /// process of the command lives.
    pub(crate) fn finish(&mut self) {
        for thread in self.carried.drain(..) {
            // A thread that panicked has carried what it could.
            let _ended = thread.join();
        }
    }
}

fn carry(from: OwnedFd, to: OwnedFd, max: Option<u64>, sum: &AtomicU64, too_much: &AtomicBool) {
    let (mut from, mut to) = (File::from(from), File::from(to));
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let n = match from.read(&mut buffer) {
            // A terminal whose last process is gone reads as an error (EIO).
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        let before = sum.fetch_add(n as u64, Ordering::Relaxed);
        let allowed = max.map_or(n, |max| {
            usize::try_from(max.saturating_sub(before)).map_or(n, |left| left.min(n))
        });
        if to.write_all(&buffer[..allowed]).is_err() {
            // Nobody reads any more: closing our end tells the command.
            return;
        }
        if allowed < n {
            too_much.store(true, Ordering::Relaxed);
            return;
        }
    }
}
