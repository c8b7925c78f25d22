//! What a ring tells: heard by whoever waits first, recorded, and told to all.

use std::sync::PoisonError;

use ringfence_ledger::CommandEnded;
use ringfence_sys_linux::SysError;
use ringfence_wire::{End, Report, decode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::state::{Over, State};
use super::{Inner, Told};
use crate::error::Error;

impl Inner {
    /// Records what is told of a command that ended, before anybody hears of it.
    fn record(&self, report: &Report) {
        let recorder = &self.prepared.recorder;
        match report {
            Report::Ended {
                id,
                end,
                max_rss_kib,
                cpu_us,
                timed_out,
            } => {
                let insisted = self.lock().insisted.contains(id);
                recorder.ended(
                    *id,
                    ended(*end, *timed_out, insisted, *cpu_us, *max_rss_kib),
                );
            }
            Report::Failed {
                id: Some(id),
                failure,
            } => {
                let error = std::io::Error::from_raw_os_error(failure.errno);
                let why = CommandEnded {
                    how: "not-started".to_owned(),
                    error: Some(format!("{}: {error}", failure.call)),
                    ..CommandEnded::default()
                };
                recorder.ended(*id, why);
            }
            Report::TakenAway { path, errno } => recorder.taken_away(path, *errno),
            _ => {}
        }
    }

    /// What of a command is wanted, once it is told.
    pub(crate) fn told<T>(&self, id: u32, wanted: impl Fn(&Told) -> Option<T>) -> Result<T, Error> {
        self.wait_for(|state| state.commands.get(&id).and_then(&wanted))
    }

    /// The same, of what is told already.
    pub(crate) fn told_yet<T>(
        &self,
        id: u32,
        wanted: impl Fn(&Told) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        loop {
            let mut state = self.lock();
            if let Some(found) = state.commands.get(&id).and_then(&wanted) {
                drop(state);
                self.leave_nothing_unheard();
                return Ok(Some(found));
            }
            if let Some(over) = state.over {
                return Err(over.error());
            }
            if state.listening || !self.is_told() {
                return Ok(None);
            }
            state.listening = true;
            drop(state);
            self.listen();
        }
    }

    /// Whether something can be heard at once.
    fn is_told(&self) -> bool {
        let socket = self.launched.socket.fd();
        let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(poll(&mut fds, Some(&now)), Ok(n) if n > 0)
    }

    /// Hears all that can be heard at once; `false` when nothing more will be told.
    #[cfg(feature = "tokio")]
    pub(crate) fn hear(&self) -> bool {
        loop {
            let mut state = self.lock();
            if state.over.is_some() {
                return false;
            }
            // A thread that listens wakes the tasks as well.
            if state.listening || !self.is_told() {
                return true;
            }
            state.listening = true;
            drop(state);
            self.listen();
        }
    }

    /// What of a command is wanted, if it is told; else the task is woken when more is.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_told<T>(
        &self,
        id: u32,
        task: &mut std::task::Context<'_>,
        wanted: impl Fn(&Told) -> Option<T>,
    ) -> std::task::Poll<Result<T, Error>> {
        let mut state = self.lock();
        if let Some(found) = state.commands.get(&id).and_then(&wanted) {
            state.tasks.remove(&id);
            return std::task::Poll::Ready(Ok(found));
        }
        if let Some(over) = state.over {
            return std::task::Poll::Ready(Err(over.error()));
        }
        state.tasks.insert(id, task.waker().clone());
        std::task::Poll::Pending
    }

    /// Waits until something wanted is told. The first thread that waits listens, for all: no
    /// thread has to be woken only to wake another.
    pub(super) fn wait_for<T>(&self, wanted: impl Fn(&mut State) -> Option<T>) -> Result<T, Error> {
        let mut state = self.lock();
        loop {
            if let Some(found) = wanted(&mut state) {
                drop(state);
                self.leave_nothing_unheard();
                return Ok(found);
            }
            if let Some(over) = state.over {
                return Err(over.error());
            }
            if state.listening {
                state = self
                    .told
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            } else {
                state.listening = true;
                drop(state);
                self.listen();
                state = self.lock();
            }
        }
    }

    /// A task that hears was told that a thread listens, and waits for more to come: what has come is
    /// heard before that thread leaves.
    fn leave_nothing_unheard(&self) {
        #[cfg(feature = "tokio")]
        self.hear();
    }

    /// Hears one report, and lets all know.
    fn listen(&self) {
        let heard = self.launched.socket.receive();
        let heard = heard.map(|heard| heard.map(|received| decode::<Report>(&received.bytes)));
        if let Ok(Some(Ok(report))) = &heard {
            self.record(report);
        }
        let mut state = self.lock();
        state.listening = false;
        match heard {
            Ok(Some(Ok(report))) => state.take(report),
            Ok(Some(Err(_))) => {
                state.over = Some(Over::Unheard(SysError::new(
                    "decode",
                    Errno::PROTO.raw_os_error(),
                )));
            }
            Ok(None) => state.over = Some(Over::Gone),
            Err(error) => state.over = Some(Over::Unheard(error)),
        }
        #[cfg(feature = "tokio")]
        if state.over.is_some() {
            state.tasks.drain().for_each(|(_, task)| task.wake());
        }
        drop(state);
        self.told.notify_all();
    }
}

/// How a command ended, as it is recorded.
fn ended(end: End, timed_out: bool, insisted: bool, cpu_us: u64, max_rss_kib: u64) -> CommandEnded {
    let (how, value) = match end {
        _ if insisted => ("insisted", None),
        _ if timed_out => ("timed-out", None),
        End::Exited(status) => ("exited", Some(status)),
        End::Signalled(signal) => ("signalled", Some(signal)),
    };
    CommandEnded {
        how: how.to_owned(),
        value,
        cpu_us,
        max_rss_kib,
        ..CommandEnded::default()
    }
}
