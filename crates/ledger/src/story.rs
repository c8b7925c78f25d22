//! Records put together: each command with its ring, the answers that let it run, what was denied, how it ended.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    ApprovalAnswered, ApprovalAsked, CommandEnded, CommandRefused, CommandStarted, Denial, Digest,
    Event, FilesChanged, HostChanged, PolicyKept, Record, RingEnded, RingMade, RingRefused,
    RingWidened, UndoEnded, UndoStarted,
};

/// Something that happened at a time, as the record of that number tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The record's number.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    pub what: T,
}

/// A ring, as far as records tell of it.
#[derive(Debug, Default)]
pub struct Ring {
    /// How it was made; `None` where that is kept no more.
    pub made: Option<At<RingMade>>,
    /// How it was made wider.
    pub widened: Vec<At<RingWidened>>,
    /// What it denied that is of no command alone.
    pub denials: Vec<At<Denial>>,
    /// Its end; `None` for one that stands, or whose harness was killed.
    pub ended: Option<At<RingEnded>>,
    /// Its commands.
    pub commands: Vec<u64>,
}

impl Ring {
    /// Whether it may stand: nobody recorded its end, and the process that would, and was there then, is alive.
    #[must_use]
    pub fn may_stand(&self, alive: impl Fn(u32, Timestamp) -> bool) -> bool {
        let made = self.made.as_ref().filter(|_| self.ended.is_none());
        made.is_some_and(|made| alive(made.what.harness, made.time))
    }
}

/// A command that was started.
#[derive(Debug)]
pub struct Command {
    /// As it was started.
    pub started: At<CommandStarted>,
    /// Its end; `None` for one that runs, or whose harness was killed.
    pub ended: Option<At<CommandEnded>>,
    /// Which files changed while it ran.
    pub changed: Option<At<FilesChanged>>,
    /// What it was denied.
    pub denials: Vec<At<Denial>>,
    /// What was asked because of that.
    pub offered: Vec<u64>,
}

/// A question, and what was answered.
#[derive(Debug)]
pub struct Question {
    /// As it was asked.
    pub asked: At<ApprovalAsked>,
    /// The answers, in their order.
    pub answers: Vec<At<ApprovalAnswered>>,
}

/// What undid a command.
#[derive(Debug)]
pub struct Undo {
    /// As it was started.
    pub started: At<UndoStarted>,
    /// Its end; `None` for one that was killed.
    pub ended: Option<At<UndoEnded>>,
}

/// What happened, by the numbers of the records that things began with.
#[derive(Debug, Default)]
pub struct Story {
    /// Rings.
    pub rings: BTreeMap<u64, Ring>,
    /// Commands.
    pub commands: BTreeMap<u64, Command>,
    /// Questions.
    pub questions: BTreeMap<u64, Question>,
    /// Answers by their own numbers, also those to what is kept no more.
    pub answers: BTreeMap<u64, At<ApprovalAnswered>>,
    /// Commands that rules forbid.
    pub refused: BTreeMap<u64, At<CommandRefused>>,
    /// Rings that could not be made.
    pub rings_refused: BTreeMap<u64, At<RingRefused>>,
    /// Policies that are kept, by their names.
    pub policies: BTreeMap<Digest, PolicyKept>,
    /// Commands that were undone, and undos that were.
    pub undos: BTreeMap<u64, Undo>,
    /// What was changed outside of rings.
    pub host: BTreeMap<u64, At<HostChanged>>,
}

impl Story {
    /// Takes one record more, the later ones later.
    pub fn tell(&mut self, record: Record) {
        let Record {
            seq, time, event, ..
        } = record;
        macro_rules! at {
            ($what:expr) => {
                At {
                    seq,
                    time,
                    what: $what,
                }
            };
        }
        match event {
            Event::RingMade(made) => {
                self.rings.entry(seq).or_default().made = Some(at!(*made));
            }
            Event::RingWidened(widened) => {
                let ring = self.rings.entry(widened.ring).or_default();
                ring.widened.push(at!(widened));
            }
            Event::RingEnded(ended) => {
                let ring = self.rings.entry(ended.ring).or_default();
                ring.ended = Some(at!(ended));
            }
            Event::CommandStarted(started) => {
                let ring = self.rings.entry(started.ring).or_default();
                ring.commands.push(seq);
                let command = Command {
                    started: at!(started),
                    ended: None,
                    changed: None,
                    denials: Vec::new(),
                    offered: Vec::new(),
                };
                self.commands.insert(seq, command);
            }
            Event::CommandEnded(ended) => {
                // Of one that is kept no more, its end alone says nothing.
                if let Some(command) = self.commands.get_mut(&ended.command) {
                    command.ended = Some(at!(ended));
                }
            }
            Event::FilesChanged(changed) => {
                if let Some(command) = self.commands.get_mut(&changed.command) {
                    command.changed = Some(at!(*changed));
                }
            }
            Event::Denial(denial) => {
                let command = denial.command;
                let of = command.and_then(|command| self.commands.get_mut(&command));
                match of {
                    Some(command) => command.denials.push(at!(denial)),
                    None => {
                        let ring = self.rings.entry(denial.ring).or_default();
                        ring.denials.push(at!(denial));
                    }
                }
            }
            Event::ApprovalAsked(asked) => {
                let of = asked.command;
                if let Some(command) = of.and_then(|of| self.commands.get_mut(&of)) {
                    command.offered.push(seq);
                }
                let question = Question {
                    asked: at!(asked),
                    answers: Vec::new(),
                };
                self.questions.insert(seq, question);
            }
            Event::ApprovalAnswered(answered) => {
                let answer = at!(answered);
                let asked = answer.what.asked;
                if let Some(question) = asked.and_then(|asked| self.questions.get_mut(&asked)) {
                    question.answers.push(answer.clone());
                }
                self.answers.insert(seq, answer);
            }
            Event::CommandRefused(refused) => {
                self.refused.insert(seq, at!(refused));
            }
            Event::RingRefused(refused) => {
                self.rings_refused.insert(seq, at!(refused));
            }
            Event::HostChanged(changed) => {
                self.host.insert(seq, at!(changed));
            }
            Event::UndoStarted(started) => {
                let undo = Undo {
                    started: at!(started),
                    ended: None,
                };
                self.undos.insert(seq, undo);
            }
            Event::UndoEnded(ended) => {
                if let Some(undo) = self.undos.get_mut(&ended.undo) {
                    undo.ended = Some(at!(ended));
                }
            }
            Event::PolicyKept(kept) => {
                self.policies.insert(kept.policy, kept);
            }
            Event::Opened(_) | Event::Mended { .. } | Event::Removed(_) | Event::Unknown => {}
        }
    }

    /// The ring that a command is in.
    #[must_use]
    pub fn ring_of(&self, command: &Command) -> Option<&Ring> {
        self.rings.get(&command.started.what.ring)
    }

    /// Whether something may still run: nobody recorded its end, and the process that would is alive.
    #[must_use]
    pub fn may_run(&self, command: &Command, alive: impl Fn(u32, Timestamp) -> bool) -> bool {
        let ring = self.ring_of(command);
        command.ended.is_none() && ring.is_some_and(|ring| ring.may_stand(alive))
    }
}

impl<'a> FromIterator<&'a Record> for Story {
    fn from_iter<I: IntoIterator<Item = &'a Record>>(records: I) -> Story {
        records.into_iter().cloned().collect()
    }
}

impl FromIterator<Record> for Story {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Story {
        let mut story = Story::default();
        for record in records {
            story.tell(record);
        }
        story
    }
}
