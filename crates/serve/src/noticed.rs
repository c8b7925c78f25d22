//! What commands left in a ring that somebody outside should know of: protected names that were moved aside, and
//! repositories in which git would run programs of theirs.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use ringfence::Made;
use serde::Serialize;
use tokio::sync::watch;

use crate::protocol::{MadeRepository, TakenAway};
use crate::rings::{Open, lock};

/// Names that wait to be told. A ring in which more are made, and nobody asks, has been told apart by then.
const WAITING_MAX: usize = 4096;
/// A command that ran for less is not looked after: looking may take longer than it did. A later one is.
const MOMENT: Duration = Duration::from_millis(250);
/// Of what git would run in one repository, and of each name of that, in characters. Commands may have written more than
/// anybody reads.
const RUNS_MAX: usize = 32;
const RUN_MAX: usize = 100;

/// What is known, and to whom it has been told.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    state: Mutex<State>,
    /// There may be news.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// For whoever asks what the ring kept.
    unasked: VecDeque<TakenAway>,
    /// For whoever is told by itself.
    untold: VecDeque<TakenAway>,
    /// The repositories that were told.
    told: Vec<MadeRepository>,
    /// How often there was a reason to look at repositories, and for how many of these that was done.
    reasons: u64,
    looked: u64,
}

/// What is new.
#[derive(Debug, Default, Serialize)]
pub(crate) struct News {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) taken_away: Vec<TakenAway>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) made: Vec<MadeRepository>,
}

impl State {
    /// Takes over what the ring has told.
    fn hear(&mut self, open: &Open) -> bool {
        let heard = open.ring.taken_away();
        let any = !heard.is_empty();
        for (path, errno) in heard {
            let name = TakenAway {
                path: path.to_string_lossy().into_owned(),
                left: errno.map(|errno| std::io::Error::from_raw_os_error(errno).to_string()),
            };
            for to in [&mut self.unasked, &mut self.untold] {
                if to.len() < WAITING_MAX {
                    to.push_back(name.clone());
                }
            }
        }
        if any {
            self.reasons += 1;
        }
        any
    }
}

impl Noticed {
    /// Told when there may be news; also at first, of what was before.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        let mut changes = self.changed.subscribe();
        changes.mark_changed();
        changes
    }
}

impl Open {
    /// A command has ended, after so long.
    pub(crate) fn command_ended(&self, after: Duration) {
        let mut state = lock(&self.noticed.state);
        let mut any = state.hear(self);
        if after >= MOMENT {
            state.reasons += 1;
            any = true;
        }
        drop(state);
        // Who waits is woken for no less.
        if any {
            self.noticed.changed.send_replace(());
        }
    }

    /// Protected names that commands made since this was last asked.
    pub(crate) fn taken_away(&self) -> Vec<TakenAway> {
        let mut state = lock(&self.noticed.state);
        state.hear(self);
        state.unasked.drain(..).collect()
    }

    /// What has not been told: so many names and repositories at most. The others are told the next time.
    pub(crate) async fn news(&self, most: usize) -> News {
        let (reasons, looked) = {
            let mut state = lock(&self.noticed.state);
            state.hear(self);
            (state.reasons, state.looked)
        };
        let made = match reasons > looked {
            // Where the runtime ends nobody is told anything more.
            true => self.ring.made().await.ok(),
            false => None,
        };
        // Nothing is waited for from here on: who gives up before has it told the next time.
        let mut state = lock(&self.noticed.state);
        let count = state.untold.len().min(most);
        let taken_away = state.untold.drain(..count).collect();
        let made = made.map_or_else(Vec::new, |made| state.new_of(made, reasons, most));
        News { taken_away, made }
    }
}

impl State {
    /// Those of the repositories that were not told, or not so.
    fn new_of(&mut self, made: Vec<Made>, reasons: u64, most: usize) -> Vec<MadeRepository> {
        let made: Vec<MadeRepository> = made.iter().map(repository).collect();
        // One that is there no more is told again if it comes back.
        self.told.retain(|told| made.contains(told));
        let mut new: Vec<MadeRepository> = made
            .into_iter()
            .filter(|made| !self.told.contains(made))
            .collect();
        if new.len() <= most {
            self.looked = self.looked.max(reasons);
        }
        new.truncate(most);
        self.told.extend(new.iter().cloned());
        new
    }
}

pub(crate) fn repository(made: &Made) -> MadeRepository {
    let runs = made.runs.iter().take(RUNS_MAX);
    MadeRepository {
        path: made.path.to_string_lossy().into_owned(),
        runs: runs
            .map(|name| name.chars().take(RUN_MAX).collect())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str, runs: &[&str]) -> Made {
        Made {
            path: path.into(),
            runs: runs.iter().map(|&run| run.to_owned()).collect(),
        }
    }

    #[test]
    fn each_repository_is_told_once_and_again_when_it_changes() {
        let mut state = State::default();
        let mut tell = |made: &[Made], reasons, most| {
            let new = state.new_of(made.to_vec(), reasons, most);
            let paths: Vec<String> = new.into_iter().map(|made| made.path).collect();
            (paths, state.looked)
        };
        let (a, b) = (
            made("/w/a", &["core.fsmonitor"]),
            made("/w/b", &["hooks/x"]),
        );
        let both = [a.clone(), b.clone()];
        // The rest of many, the next time.
        assert_eq!(tell(&both, 1, 1), (vec!["/w/a".to_owned()], 0));
        assert_eq!(tell(&both, 1, 1), (vec!["/w/b".to_owned()], 1));
        assert_eq!(tell(&both, 2, 1), (vec![], 2));
        let changed = made("/w/a", &["core.fsmonitor", "hooks/y"]);
        assert_eq!(tell(&[changed, b], 3, 9).0, ["/w/a"]);
        assert_eq!(tell(&[], 4, 9).0, Vec::<String>::new());
        assert_eq!(tell(&[a], 5, 9).0, ["/w/a"]);
    }

    #[test]
    fn what_a_command_wrote_is_cut() {
        let long = "x".repeat(1000);
        let told = repository(&made("/w", &vec![long.as_str(); 1000]));
        assert_eq!((told.runs.len(), told.runs[0].len()), (RUNS_MAX, RUN_MAX));
    }
}
