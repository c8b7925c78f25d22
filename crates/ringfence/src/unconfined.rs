//! `mode = "full-access"`: no ring at all, the person's explicit word. What needs none is
//! kept as in one: time, output, terminals and signals. What would need one is refused.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringfence_ops::Outcome;
use ringfence_sys_linux::SysError;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::object;
use ringfence_sys_linux::process::{self, Change, Changed};
use ringfence_sys_linux::signal::{self, Signals};
use ringfence_sys_linux::spawn::{self, CommandStart, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use crate::error::Error;
use crate::finished::{Ended, Finished};
use crate::launch::own_stdio;
use crate::prepare::Prepared;
use crate::refused::without_ring;
use crate::relay::{Relay, Screen};
use crate::supervise::{GRACE, SIGCONT, SIGKILL, SIGTERM, take_signals};

/// Between two looks at how much was printed, where that is bounded.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(prepared: &Prepared, start: Instant) -> Result<Finished, Error> {
    let shortfalls = without_ring(&prepared.policy)?;
    let signals = take_signals(&[])?;
    let mut screen = Screen::save();
    let output_max = prepared.policy.limits.output.as_ref().map(|o| o.value);
    let mut relay = Relay::new(prepared.pty, own_stdio()?, output_max)
        .map_err(system("making the command's terminal"))?;
    prepared
        .recorder
        .made(prepared, None, None, None, Some(prepared.recorded()))?;
    let before = prepared.snapshot();
    let mut child = Child::start(prepared, &relay)?;
    screen.lend(&relay);
    let deadline = prepared.time().and_then(|limit| start.checked_add(limit));
    let result = relay
        .start()
        .and_then(|()| relay.start_input())
        .map_err(system("carrying the command's output"))
        .and_then(|()| child.watch(&mut relay, &signals, deadline, output_max.is_some()));
    let result = result.map(|(ended, used)| Finished {
        ended,
        mode: None,
        outcome: Outcome {
            shortfalls,
            ..Outcome::none()
        },
        changes: None,
        refusals: Vec::new(),
        untraced: prepared.untraced.clone(),
        unkept: None,
        traced: None,
        leaving: None,
        ran: None,
        made: Vec::new(),
        taken_away: Vec::new(),
        max_rss_kib: used.max_rss_kib,
        cpu_us: used.cpu_us,
        elapsed: Duration::ZERO,
    });
    // One that could not be watched to its end is not left behind.
    drop(child);
    let mut finished = relay.deliver(result, deadline, &signals)?;
    finished.elapsed = start.elapsed();
    if let Some(before) = before {
        let (changes, unkept) = before.changes(prepared.recorder.only_key());
        (finished.changes, finished.unkept) = (Some(changes), unkept);
    }
    Ok(finished)
}

fn system(what: &'static str) -> impl Fn(SysError) -> Error {
    move |error| Error::System { what, error }
}

/// The command. What it starts is its own business, but for what shares a session made
/// for it.
struct Child {
    pid: i32,
    handle: OwnedFd,
    /// It leads a process group that is not ours.
    own_group: bool,
    reaped: bool,
}

impl Child {
    fn start(prepared: &Prepared, relay: &Relay) -> Result<Child, Error> {
        let cwd = rustix::fs::open(
            &prepared.cwd.path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .named("open")
        .map_err(system("opening the current directory"))?;
        // The one that was planned for, and asked about.
        let is = object::identity(cwd.as_fd()).map_err(system("opening the current directory"))?;
        if (is.device, is.inode) != (prepared.cwd.device, prepared.cwd.inode) {
            return Err(Error::AnotherDirectory {
                path: prepared.cwd.path.clone(),
            });
        }
        let pid = spawn::command(&CommandStart {
            program: &prepared.program,
            argv: &prepared.argv,
            env: &prepared.environment.to_strings(),
            cwd: cwd.as_fd(),
            stdio: relay.stdio(),
            report: None,
            new_session: relay.new_session,
            own_group: false,
            terminal: relay.terminal,
            die_with_parent: true,
            patience: None,
            limits: &[],
            restrictions: None,
        })
        .map_err(|failed| match failed.step {
            Step::Exec => Error::NotExecutable {
                path: prepared.program.clone(),
                why: std::io::Error::from_raw_os_error(failed.error.errno).to_string(),
            },
            _ => system("starting the command")(failed.error),
        })?;
        // Not reaped yet, so the number is its own.
        let handle = Pid::from_raw(pid)
            .ok_or(Errno::SRCH)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
            .named("pidfd_open");
        match handle {
            Ok(handle) => Ok(Child {
                pid,
                handle,
                own_group: relay.new_session,
                reaped: false,
            }),
            Err(error) => {
                let _gone = process::kill(pid, SIGKILL);
                let _reaped = process::ended(pid);
                Err(system("watching the command")(error))
            }
        }
    }

    fn signal(&self, signal: i32) {
        // One that has just ended is not there to be signalled; its group may be.
        let _gone = if self.own_group {
            process::kill(-self.pid, signal)
        } else {
            signal::send(self.handle.as_fd(), signal)
        };
    }

    fn watch(
        &mut self,
        relay: &mut Relay,
        signals: &Signals,
        mut deadline: Option<Instant>,
        counted: bool,
    ) -> Result<(Ended, Changed), Error> {
        let mut ending: Option<Ended> = None;
        loop {
            let now = Instant::now();
            if deadline.is_some_and(|at| now >= at) {
                if ending.is_some() {
                    self.signal(SIGKILL);
                    deadline = None;
                } else {
                    ending = Some(Ended::TimedOut);
                    self.signal(SIGTERM);
                    self.signal(SIGCONT);
                    deadline = Some(now + GRACE);
                }
            }
            if ending.is_none() && relay.too_much.load(Ordering::Relaxed) {
                ending = Some(Ended::TooMuchOutput);
                self.signal(SIGKILL);
            }
            let until = deadline
                .into_iter()
                .chain(counted.then(|| now + LOOK))
                .min();
            if self.wait(signals, until)? {
                // What of its group outlives a limit is ended with it, as long as the
                // number is not free for others.
                if ending.is_some() && self.own_group {
                    self.signal(SIGKILL);
                }
                let used = self.reap()?;
                let ended = ending.unwrap_or(match used.change {
                    Change::Signalled(signal) => Ended::Signalled(signal),
                    Change::Exited(status) => Ended::Exited(status),
                    // Neither is asked for.
                    Change::Stopped(_) | Change::Continued => Ended::Exited(125),
                });
                return Ok((ended, used));
            }
            while let Some(arrived) = signals.next() {
                if let Some(signal) = relay.passes_on(arrived) {
                    self.signal(signal);
                }
            }
        }
    }

    /// Waits for its end, a signal or the time; whether it has ended.
    fn wait(&self, signals: &Signals, until: Option<Instant>) -> Result<bool, Error> {
        let mut fds = [
            PollFd::new(&self.handle, PollFlags::IN),
            PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN),
        ];
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => Ok(!fds[0].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(system("waiting for the command")(SysError::new(
                "poll",
                errno.raw_os_error(),
            ))),
        }
    }

    fn reap(&mut self) -> Result<Changed, Error> {
        self.reaped = true;
        process::ended(self.pid).map_err(system("waiting for the command"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(SIGKILL);
            let _reaped = self.reap();
        }
    }
}
