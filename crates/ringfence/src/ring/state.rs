//! What has been told of a ring and its commands.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use ringfence_plan::promise;
use ringfence_sys_linux::SysError;
use ringfence_wire::{End, Failure, Listed, Note, Report, Stage};

use super::hearing;
use crate::error::Error;

/// What has been told of the ring's commands.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) last: u32,
    pub(super) commands: HashMap<u32, Told>,
    /// A thread is listening; the others wait for what it hears.
    pub(super) listening: bool,
    /// Why nothing more will be told.
    pub(super) over: Option<Over>,
    /// Answers to the orders to list that have not been fetched. They are all alike.
    pub(super) listed: Vec<Vec<Listed>>,
    /// What became of orders to widen, in their order.
    pub(super) widened: Vec<Result<(), Failure>>,
    pub(super) taken_away: Vec<(PathBuf, Option<i32>)>,
    pub(super) notes: Vec<Note>,
    /// What turned out to be kept less than whole since the ring stands: promise and why.
    pub(super) lost: Vec<(&'static str, String)>,
    /// When a command last ended.
    pub(super) last_end: Option<Instant>,
    /// Commands that were ended because they, or others, made protected names over and over.
    pub(super) insisted: HashSet<u32>,
    /// The commands that run, and since when.
    pub(super) running: HashMap<u32, SystemTime>,
    /// Tasks that wait for what is told of a command.
    #[cfg(feature = "tokio")]
    pub(super) tasks: HashMap<u32, std::task::Waker>,
}

/// What is known of a command.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// It was ordered.
    Ordered,
    /// Its program has been executed.
    Started,
    /// It ended, after so much.
    Ended(Ending),
    /// It could not be started.
    Failed(Failure),
    /// Nobody asks.
    Disowned,
}

/// How a command ended, and what it used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) end: End,
    pub(crate) insisted: bool,
    pub(crate) timed_out: bool,
    pub(crate) max_rss_kib: u64,
    pub(crate) cpu_us: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    /// The runner is gone.
    Gone,
    /// It could not be understood, or heard.
    Unheard(SysError),
}

impl State {
    fn of(&mut self, id: u32, now: Told) {
        if matches!(now, Told::Ended(_) | Told::Failed(_)) {
            self.running.remove(&id);
        }
        match (self.commands.get_mut(&id), &now) {
            (Some(Told::Disowned), Told::Started) | (None, _) => {}
            (Some(Told::Disowned), _) => {
                self.commands.remove(&id);
            }
            (Some(told), _) => *told = now,
        }
        #[cfg(feature = "tokio")]
        if let Some(task) = self.tasks.remove(&id) {
            task.wake();
        }
    }

    pub(super) fn take(&mut self, report: Report) {
        match report {
            Report::Started { id } => self.of(id, Told::Started),
            Report::Ended {
                id,
                end,
                max_rss_kib,
                cpu_us,
                timed_out,
            } => {
                let insisted = self.insisted.remove(&id);
                self.last_end = Some(Instant::now());
                self.of(
                    id,
                    Told::Ended(Ending {
                        end,
                        insisted,
                        timed_out,
                        max_rss_kib,
                        cpu_us,
                    }),
                )
            }
            Report::Failed {
                id: Some(id),
                failure,
            } => self.of(id, Told::Failed(failure)),
            Report::Listed { commands } => {
                self.listed.push(commands);
            }
            Report::TakenAway { path, errno } => self.taken_away.push((path, errno)),
            Report::Built { notes } => self.notes = notes,
            Report::Failed { id: None, failure } if failure.stage == Stage::Protect => {
                let error = std::io::Error::from_raw_os_error(failure.errno);
                let what = format!(
                    "a repository found while commands ran: {}: {error}",
                    failure.call
                );
                self.lost.push((promise::PROTECT_GIT, what));
            }
            Report::Unwatched { call, errno } => {
                let error = std::io::Error::from_raw_os_error(errno);
                let what = format!(
                    "protected names that do not exist are looked at only when a command ends: \
                     {call}: {error}"
                );
                self.lost.push((promise::PROTECT_MISSING, what));
            }
            Report::StdinAsIs { errno } => {
                let error = std::io::Error::from_raw_os_error(errno);
                let what = format!("a command's stdin is the caller's descriptor: {error}");
                self.lost.push((promise::WRITE_METADATA, what));
            }
            Report::Widened => self.widened.push(Ok(())),
            Report::Failed { id: None, failure } if failure.stage == Stage::Widen => {
                self.widened.push(Err(failure));
            }
            // An order that was not taken: whoever waits for what comes of it must not wait for ever.
            Report::Failed { id: None, failure } => {
                self.over = Some(Over::Unheard(SysError::new("order", failure.errno)));
            }
            Report::Insists { id } => {
                self.insisted.insert(id);
            }
            Report::Stopped { .. } => {}
        }
    }
}

impl Over {
    pub(super) fn error(self) -> Error {
        match self {
            Over::Gone => Error::RingGone,
            Over::Unheard(error) => hearing(error),
        }
    }
}
