//! What a person is asked, and what is answered.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use ringfence_ledger::{ApprovalAnswered, ApprovalAsked, CommandRefused, Digest, Event, Text};

use super::{ASKED_MAX, Recorder, held, recorded};
use crate::ask::Answer;
use crate::error::Error;
use crate::rules::{Question, Subject};

impl Recorder {
    /// What the rules said of a command, where it was not let go.
    pub(crate) fn judged(&self, error: &Error, subject: &Subject) {
        let event = match error {
            Error::Forbidden(verdict) => Event::CommandRefused(CommandRefused {
                ring: self.known_ring(),
                argv: recorded(&subject.argv).0,
                cwd: Text::from(&subject.directory),
                decision: verdict.decision.name().to_owned(),
                verdict: verdict.line(),
            }),
            Error::Asks(question) | Error::Outside(question) => {
                self.ask(question);
                return;
            }
            Error::Unasked { question, why } => Event::CommandRefused(CommandRefused {
                ring: self.known_ring(),
                argv: recorded(question.argv()).0,
                cwd: Text::from(question.directory()),
                decision: question.verdict().decision.name().to_owned(),
                verdict: format!("{}; {why}", question.verdict().line()),
            }),
            _ => return,
        };
        self.note(|_| vec![event]);
    }

    fn ask(&self, question: &Question) {
        let subject = digest(question.subject());
        let asked = ApprovalAsked {
            ring: self.known_ring(),
            subject,
            argv: recorded(question.argv()).0,
            cwd: Text::from(question.directory()),
            verdict: question.verdict().line(),
            command: None,
        };
        let mut number = 0;
        self.note(|seq| {
            number = seq;
            vec![Event::ApprovalAsked(asked)]
        });
        let mut known = held(&self.asked);
        if known.len() >= ASKED_MAX {
            known.remove(0);
        }
        known.push((subject, number));
    }

    /// What was answered to a question. A yes is on disk before it holds.
    pub(crate) fn answered(
        &self,
        question: &Question,
        answer: Answer,
        from: &str,
    ) -> Result<u64, Error> {
        let subject = digest(question.subject());
        let asked = held(&self.asked)
            .iter()
            .rev()
            .find(|(about, _)| *about == subject)
            .map(|(_, seq)| *seq);
        let answered = ApprovalAnswered {
            asked,
            subject,
            answer: answer.name().to_owned(),
            from: from.to_owned(),
        };
        self.must(|_| vec![Event::ApprovalAnswered(answered)])
    }

    /// What was answered to an offer: the number of its record.
    pub(crate) fn offer_answered(
        &self,
        verb: &str,
        of: &Path,
        cwd: &Path,
        answer: Answer,
        from: &str,
    ) -> Result<u64, Error> {
        let command = Some(self.first.load(Ordering::Relaxed)).filter(|first| *first > 0);
        self.widening_answered(verb, &[of], cwd, answer, from, command)
    }

    /// What was answered to whether the ring may be made wider.
    pub(crate) fn grant_answered(
        &self,
        verb: &str,
        paths: &[&Path],
        cwd: &Path,
        answer: Answer,
    ) -> Result<(), Error> {
        let from = self.by.name();
        self.widening_answered(verb, paths, cwd, answer, &from, None)?;
        Ok(())
    }

    fn widening_answered(
        &self,
        verb: &str,
        paths: &[&Path],
        cwd: &Path,
        answer: Answer,
        from: &str,
        command: Option<u64>,
    ) -> Result<u64, Error> {
        let mut argv = vec![OsString::from("grant"), OsString::from(verb)];
        argv.extend(paths.iter().map(|path| path.as_os_str().to_owned()));
        let subject = digest(&Subject {
            argv: argv.clone(),
            directory: cwd.to_owned(),
            stands: (0, 0),
            env: Vec::new(),
            bare: false,
        });
        let asked = ApprovalAsked {
            ring: self.known_ring(),
            subject,
            argv: argv.iter().map(Text::from).collect(),
            cwd: Text::from(cwd),
            verdict: "the ring is to be made wider".to_owned(),
            command,
        };
        let answered = |seq| ApprovalAnswered {
            asked: Some(seq),
            subject,
            answer: answer.name().to_owned(),
            from: from.to_owned(),
        };
        let first = self.must(|seq| {
            vec![
                Event::ApprovalAsked(asked),
                Event::ApprovalAnswered(answered(seq)),
            ]
        })?;
        Ok(if first > 0 { first + 1 } else { 0 })
    }
}

/// What a question is about, as one digest.
fn digest(subject: &Subject) -> Digest {
    let mut bytes = Vec::new();
    let mut field = |field: &OsStr| {
        bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bytes.extend_from_slice(field.as_bytes());
    };
    field(subject.directory.as_os_str());
    field(OsStr::new(if subject.bare { "bare" } else { "" }));
    for word in &subject.argv {
        field(word);
    }
    for (name, value) in &subject.env {
        field(OsStr::new("env"));
        field(name);
        field(value.as_deref().unwrap_or_default());
        field(OsStr::new(if value.is_some() { "set" } else { "out" }));
    }
    Digest::of(&bytes)
}
