//! Which command `--last` means.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use ringfence_ledger::{Event, Record};

/// What `--last` means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// Nothing: no command changed anything, or each was undone.
    None,
    /// This command, which nobody undid; or the undo that took the undo of it back, which left what stands now.
    Command(u64),
    /// This one once more: an undo of it, or one that takes that back, did not come to its end.
    Again {
        /// The command, or the undo that took the undo of it back.
        command: u64,
        /// The undo that has no end, or failed.
        undo: u64,
    },
    /// It is not clear: of the last one something was left.
    Partly {
        /// The command.
        command: u64,
        /// The undo that left something.
        undo: u64,
        /// So many changes.
        left: u64,
        /// The one before, that was not undone.
        older: Option<u64>,
    },
}

/// What became of a command, or of an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It holds.
    Holds,
    /// This undo of it did not come to its end: some of it may be undone.
    Unfinished(u64),
    /// This undo left so many of its changes.
    Partly(u64, u64),
    /// It is undone.
    Undone,
}

/// An undo, as it is recorded.
struct Recorded {
    /// The command or the undo that it undoes.
    of: u64,
    /// What it left, where it came to its end.
    left: Option<u64>,
}

/// What the records of a ledger say of one workspace.
#[derive(Default)]
struct Seen {
    rings: HashSet<u64>,
    its: HashSet<u64>,
    changed: BTreeSet<u64>,
    undos: BTreeMap<u64, Recorded>,
}

/// The last command that changed something in a workspace, and was not undone.
pub(super) fn last(records: impl Iterator<Item = Record>, workspace: &Path) -> Last {
    let mut seen = Seen::default();
    for record in records {
        seen.take(record, workspace);
    }
    seen.last()
}

impl Seen {
    fn take(&mut self, record: Record, workspace: &Path) {
        match record.event {
            Event::RingMade(made) if made.workspace.as_path() == workspace => {
                self.rings.insert(record.seq);
            }
            Event::CommandStarted(started) if self.rings.contains(&started.ring) => {
                self.its.insert(record.seq);
            }
            Event::FilesChanged(files)
                if self.its.contains(&files.command)
                    && files.roots.iter().any(|root| !root.counts.is_empty()) =>
            {
                self.changed.insert(files.command);
            }
            // What is undone was recorded before.
            Event::UndoStarted(undo) if undo.command < record.seq => {
                let of = undo.command;
                if self.its.contains(&of) || self.undos.contains_key(&of) {
                    let left = None;
                    self.undos.insert(record.seq, Recorded { of, left });
                }
            }
            Event::UndoEnded(ended) => {
                if let Some(undo) = self.undos.get_mut(&ended.undo) {
                    undo.left = ended.error.is_none().then_some(ended.left);
                }
            }
            _ => {}
        }
    }

    /// What became of each command and each undo that was undone.
    fn fates(&self) -> HashMap<u64, Fate> {
        let mut fates: HashMap<u64, Fate> = HashMap::new();
        // The latest first: what became of an undo is known before what that means for what it undid.
        for (number, undo) in self.undos.iter().rev() {
            let own = fates.get(number).copied().unwrap_or(Fate::Holds);
            let fate = match (own, undo.left) {
                // It was taken back: what undid the same before it holds.
                (Fate::Undone, _) => continue,
                (Fate::Unfinished(by), _) => Fate::Unfinished(by),
                // Some of the command is there again.
                (Fate::Partly(..), _) => Fate::Holds,
                (Fate::Holds, None) => Fate::Unfinished(*number),
                (Fate::Holds, Some(0)) => Fate::Undone,
                (Fate::Holds, Some(left)) => Fate::Partly(*number, left),
            };
            fates.entry(undo.of).or_insert(fate);
        }
        fates
    }

    fn last(&self) -> Last {
        let fates = self.fates();
        let fate = |command: &u64| fates.get(command).copied().unwrap_or(Fate::Holds);
        for command in self.changed.iter().rev().copied() {
            match fate(&command) {
                Fate::Holds => return Last::Command(self.left_by(command, &fates)),
                Fate::Unfinished(undo) => {
                    let command = self.once_more(command, undo);
                    return Last::Again { command, undo };
                }
                Fate::Partly(undo, left) if !self.is_passed(command, undo) => {
                    let older = self.changed.range(..command).rev().copied();
                    let mut stand = older.filter(|command| fate(command) != Fate::Undone);
                    let older = stand.next();
                    return Last::Partly {
                        command,
                        undo,
                        left,
                        older,
                    };
                }
                Fate::Partly(..) | Fate::Undone => {}
            }
        }
        Last::None
    }

    /// What left what a command changed as it stands now: where its undo was undone, that made it anew.
    fn left_by(&self, mut command: u64, fates: &HashMap<u64, Fate>) -> u64 {
        let latest = |of: u64| {
            let mut undos = self.undos.iter().rev();
            undos.find(|(_, undo)| undo.of == of).map(|(undo, _)| *undo)
        };
        while let Some(undo) = latest(command)
            && fates.get(&undo) == Some(&Fate::Undone)
            && let Some(again) = latest(undo)
        {
            command = again;
        }
        command
    }

    /// What an undo that did not come to its end undid; of one that was to bring the command back, the command.
    fn once_more(&self, command: u64, undo: u64) -> u64 {
        let of = |undo: u64| self.undos.get(&undo).map(|undo| undo.of);
        let mut depth = 0;
        let mut at = undo;
        while let Some(above) = of(at) {
            at = above;
            depth += 1;
        }
        if depth % 2 == 1 {
            of(undo).unwrap_or(command)
        } else {
            command
        }
    }

    /// Somebody undid an older command after this undo of a newer one left something: they left it at that.
    fn is_passed(&self, command: u64, undo: u64) -> bool {
        let mut later = self.undos.range(undo + 1..);
        later.any(|(_, later)| later.of < command)
    }
}

#[cfg(test)]
mod tests {
    use ringfence_ledger::{
        CommandStarted, Digest, FilesChanged, RingMade, RootChanged, Text, UndoEnded, UndoStarted,
    };

    use super::*;

    /// Records, by their numbers: 1 made a ring, 2 and 3 are commands of it that changed something.
    struct Records(Vec<Event>);

    impl Records {
        fn new() -> Records {
            let ring = RingMade {
                workspace: Text::from(Path::new("/w")),
                ..RingMade::default()
            };
            let command = || {
                Event::CommandStarted(CommandStarted {
                    ring: 1,
                    ..CommandStarted::default()
                })
            };
            let mut records = Records(vec![Event::RingMade(Box::new(ring)), command(), command()]);
            for command in [2, 3] {
                let root = RootChanged {
                    counts: [("modified".to_owned(), 1)].into(),
                    ..RootChanged::default()
                };
                records.add(Event::FilesChanged(Box::new(FilesChanged {
                    command,
                    roots: vec![root],
                    ..FilesChanged::default()
                })));
            }
            records
        }

        fn add(&mut self, event: Event) -> u64 {
            self.0.push(event);
            self.0.len() as u64
        }

        /// An undo that has no end.
        fn begun(&mut self, command: u64) -> u64 {
            self.add(Event::UndoStarted(UndoStarted {
                command,
                ..UndoStarted::default()
            }))
        }

        fn undo(&mut self, command: u64, left: u64, error: Option<&str>) -> u64 {
            let undo = self.begun(command);
            self.add(Event::UndoEnded(UndoEnded {
                undo,
                undone: 1,
                left,
                error: error.map(str::to_owned),
            }));
            undo
        }

        fn last(&self) -> Last {
            let records = self.0.iter().enumerate().map(|(at, event)| Record {
                seq: at as u64 + 1,
                time: "2026-01-01T00:00:00Z".parse().expect("a time"),
                previous: Digest::NONE,
                event: event.clone(),
                hash: Digest::NONE,
            });
            last(records, Path::new("/w"))
        }
    }

    #[test]
    fn each_undo_goes_one_further_back() {
        let mut records = Records::new();
        assert_eq!(records.last(), Last::Command(3));
        records.undo(3, 0, None);
        assert_eq!(records.last(), Last::Command(2));
        records.undo(2, 0, None);
        assert_eq!(records.last(), Last::None);
    }

    #[test]
    fn one_that_failed_or_has_no_end_is_done_again() {
        let mut records = Records::new();
        let undo = records.undo(3, 0, Some("no space left on device"));
        assert_eq!(records.last(), Last::Again { command: 3, undo });
        let undo = records.begun(3);
        assert_eq!(records.last(), Last::Again { command: 3, undo });
        records.undo(3, 0, None);
        assert_eq!(records.last(), Last::Command(2));
    }

    #[test]
    fn one_that_left_something_makes_nobody_guess() {
        let mut records = Records::new();
        let undo = records.undo(3, 5, None);
        let unclear = Last::Partly {
            command: 3,
            undo,
            left: 5,
            older: Some(2),
        };
        assert_eq!(records.last(), unclear);
        // Who undoes the older one by its number leaves it at that.
        records.undo(2, 0, None);
        assert_eq!(records.last(), Last::None);
        let mut records = Records::new();
        records.undo(3, 5, None);
        records.undo(3, 0, None);
        assert_eq!(records.last(), Last::Command(2));
    }

    #[test]
    fn an_undo_that_is_undone_brings_the_command_back() {
        let mut records = Records::new();
        let undo = records.undo(3, 0, None);
        let back = records.undo(undo, 0, None);
        // What stands now was left by that one.
        assert_eq!(records.last(), Last::Command(back));
        let half = records.begun(back);
        let again = |command, undo| Last::Again { command, undo };
        assert_eq!(records.last(), again(back, half));
        records.undo(back, 0, None);
        assert_eq!(records.last(), Last::Command(2));
        let half = records.begun(undo);
        assert_eq!(records.last(), again(3, half));
    }

    #[test]
    fn other_workspaces_have_their_own() {
        let mut records = Records::new();
        let other = records.add(Event::RingMade(Box::default()));
        let started = CommandStarted {
            ring: other,
            ..CommandStarted::default()
        };
        let theirs = records.add(Event::CommandStarted(started));
        records.begun(theirs);
        assert_eq!(records.last(), Last::Command(3));
    }
}
