//! The rules about commands: which hold here, and what a person is asked because of them.
//!
//! A rule is no boundary (docs/rules.md): the ring is. Rules are held against each command before it
//! starts, wherever it comes from: [`run`](crate::run), and every [`Command`](crate::Command) of a ring
//! that stays. What is forbidden is not started. What is asked for is not started until a person was
//! shown the very command and allowed it ([`Question`]); whom to ask, and how, is for who embeds this to know.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ringfence_policy::{Ask, Decision, Effective, Layer, Mode, Origin, Placement};
use ringfence_rules::RuleSet;
pub use ringfence_rules::Verdict;

use crate::error::Error;
use crate::grants::{Allowed, CommandGranted, Grant, Grants, ring_of};
use crate::state::State;

/// The rules that a policy has, their examples tried.
///
/// # Errors
/// [`Error::Rules`]: every rule that fails an example.
pub fn written(policy: &Effective) -> Result<RuleSet, Error> {
    Ok(RuleSet::new(&policy.rules)?)
}

/// All that a command is held against that an agent chose: the rules of a policy, and below them the
/// built-in ones, for what surely is what they name.
///
/// # Errors
/// [`Error::Rules`]: every rule that fails an example.
pub fn of(policy: &Effective) -> Result<RuleSet, Error> {
    Ok(written(policy)?.with_starting()?.starting_surely())
}

/// What is to be started, as a person is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) argv: Vec<OsString>,
    pub(crate) directory: PathBuf,
    /// Which that is: by its name another may be found when it runs than was there when a person was asked.
    pub(crate) stands: (u64, u64),
    /// Variables set for it alone, or taken out.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// It has no variable but those.
    pub(crate) bare: bool,
}

/// A command about which the rules have a person asked, and why. An answer is for the very same command
/// in the same directory with the same variables, and for nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    verdict: Verdict,
    subject: Subject,
    /// It is asked each time.
    each_time: bool,
}

/// What lets a command start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Let {
    /// No rule is against it.
    Free,
    /// A person's answer, for this once.
    Once,
    /// A person's answer for as often as it comes: the number of its record.
    Ring(u64),
}

impl Question {
    pub(crate) fn new(verdict: Verdict, subject: Subject) -> Question {
        Question {
            verdict,
            subject,
            each_time: false,
        }
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What the rules say, and which of them.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The program and its arguments.
    #[must_use]
    pub fn argv(&self) -> &[OsString] {
        &self.subject.argv
    }

    /// Where it is to start.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.subject.directory
    }

    /// Variables that are set for it alone, or taken out.
    #[must_use]
    pub fn env(&self) -> &[(OsString, Option<OsString>)] {
        &self.subject.env
    }

    /// Whether an answer can be kept for longer than its ring.
    #[must_use]
    pub fn can_last(&self) -> bool {
        !self.each_time && !self.is_outside()
    }

    /// Whether a rule has it run outside of every ring.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.verdict.ring == Placement::Outside
    }

    /// Whether it has no variables but those.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.subject.bare
    }
}

pub(crate) fn nobody_is_asked(by: &Origin) -> String {
    format!("nobody is asked ([approval] ask = \"never\", {by})")
}

/// What holds for the commands of one ring.
#[derive(Debug)]
pub(crate) struct Rules {
    set: RuleSet,
    /// Allowed as often as they come, the newest last.
    approved: Mutex<VecDeque<(Subject, u64)>>,
    /// Granted for longer, and where that is kept.
    granted: Vec<(CommandGranted, Allowed)>,
    grants: Option<Grants>,
    /// What a question says of the ring.
    ring: [String; 2],
    /// The administrator says when a person is asked: no answer lasts.
    each_time: bool,
    /// A person is asked about each.
    always: bool,
    /// Nobody is asked: who says so.
    never: Option<Origin>,
    /// There is no ring to be placed outside of.
    unconfined: bool,
}

/// Whether an answer holds for no longer than once: a rule of the administrator asks.
fn asks_each_time(verdict: &Verdict) -> bool {
    let rules = verdict.segments.iter().flat_map(|judged| &judged.rules);
    let mut asking = rules.filter(|rule| rule.decision != Decision::Allow);
    asking.any(|rule| rule.origin.layer == Layer::Managed)
}

/// So many commands of one ring can be allowed as often as they come; of more the oldest is asked about again.
const APPROVED_MAX: usize = 256;

impl Rules {
    pub(crate) fn of(policy: &Effective, starting: bool) -> Result<Rules, Error> {
        let set = if starting {
            of(policy)?
        } else {
            written(policy)?
        };
        Ok(Rules {
            set,
            approved: Mutex::default(),
            granted: Vec::new(),
            grants: None,
            ring: ring_of(policy),
            each_time: {
                let ask = &policy.approval.ask;
                let strict = matches!(ask.value, Ask::Always | Ask::Never);
                strict && ask.origin.layer == Layer::Managed
            },
            always: policy.approval.ask.value == Ask::Always,
            unconfined: policy.mode.value == Mode::FullAccess,
            never: (policy.approval.ask.value == Ask::Never)
                .then(|| policy.approval.ask.origin.clone()),
        })
    }

    pub(crate) fn with_granted(
        self,
        granted: Vec<(CommandGranted, Allowed)>,
        state: Option<&State>,
    ) -> Rules {
        Rules {
            grants: state.filter(|_| !granted.is_empty()).map(Grants::of),
            granted,
            ..self
        }
    }

    /// The answer that a grant holds for this command, if none has taken it back since the ring was made.
    fn granted(&self, subject: &Subject) -> Option<u64> {
        let mut granted = self.granted.iter();
        let (_, by) = granted.find(|(command, _)| command.is(subject, &self.ring))?;
        let all = self.grants.as_ref()?.all().ok()?;
        let stands = |grant: &Grant| grant.number == by.number && grant.holds();
        all.iter().any(stands).then_some(by.answer)
    }

    pub(crate) fn verdict(&self, subject: &Subject) -> Verdict {
        let set = subject.env.iter();
        let set: Vec<_> = set
            .filter_map(|(name, value)| Some((name.as_os_str(), value.as_deref()?)))
            .collect();
        self.set.judge_argv_with(&subject.argv, &set)
    }

    /// Whether there is none: then nothing has to be said of a command.
    pub(crate) fn are_none(&self) -> bool {
        self.set.is_empty() && !self.always
    }

    /// Whether it may start, with the answer there is.
    pub(crate) fn may_start(
        &self,
        subject: &Subject,
        approval: Option<&Question>,
    ) -> Result<Let, Error> {
        if self.are_none() {
            return Ok(Let::Free);
        }
        let verdict = self.verdict(subject);
        match verdict.decision {
            Decision::Allow if !self.always => Ok(Let::Free),
            Decision::Forbid => Err(Error::Forbidden(Box::new(verdict))),
            // For that an answer is of another kind, and never lasts.
            Decision::Ask if verdict.ring == Placement::Outside && !self.unconfined => {
                let question = Box::new(Question::new(verdict, subject.clone()));
                Err(Error::Outside(question))
            }
            Decision::Ask | Decision::Allow => {
                if approval.is_some_and(|question| question.subject == *subject) {
                    return Ok(Let::Once);
                }
                let approved = self.approvals();
                if let Some((_, answer)) = approved.iter().find(|(about, _)| about == subject) {
                    return Ok(Let::Ring(*answer));
                }
                drop(approved);
                // Who administers this machine wants a person to be asked each time.
                let each_time = self.each_time || asks_each_time(&verdict);
                let kept = !each_time && verdict.ring == Placement::Inside;
                if let Some(answer) = kept.then(|| self.granted(subject)).flatten() {
                    return Ok(Let::Ring(answer));
                }
                let mut question = Box::new(Question::new(verdict, subject.clone()));
                question.each_time = each_time;
                Err(match &self.never {
                    Some(by) => Error::Unasked {
                        question,
                        why: nobody_is_asked(by),
                    },
                    None => Error::Asks(question),
                })
            }
        }
    }

    /// From now on it is let start, on the word of this record.
    pub(crate) fn approve(&self, question: &Question, answer: u64) {
        let mut approved = self.approvals();
        if !approved.iter().any(|(about, _)| *about == question.subject) {
            if approved.len() >= APPROVED_MAX {
                approved.pop_front();
            }
            approved.push_back((question.subject.clone(), answer));
        }
    }

    fn approvals(&self) -> std::sync::MutexGuard<'_, VecDeque<(Subject, u64)>> {
        self.approved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(unix)] // the paths are
mod tests {
    use ringfence_policy::{Context, FileText, Sources, load};

    use super::*;

    fn asked(managed: &str) -> Result<Let, Error> {
        let file = |text: &str| FileText {
            path: "/etc/ringfence/managed.toml".into(),
            text: text.to_owned(),
        };
        let sources = Sources {
            managed: Some(file(managed)),
            user: Some(file("[[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\n")),
            ..Sources::default()
        };
        let context = Context {
            home: Some("/home/a".into()),
            account_home: None,
            cwd: "/home/a".into(),
            variable: &|_| None,
        };
        let policy = load(&sources, &context).unwrap();
        let subject = Subject {
            argv: vec!["touch".into(), "a".into()],
            directory: "/home/a".into(),
            stands: (0, 0),
            env: Vec::new(),
            bare: false,
        };
        Rules::of(&policy, false).unwrap().may_start(&subject, None)
    }

    #[test]
    fn no_answer_outlasts_what_an_administrator_says() {
        let lasts = |managed: &str| match asked(managed) {
            Err(Error::Asks(question)) => question.can_last(),
            other => panic!("{other:?}"),
        };
        assert!(lasts(""));
        assert!(lasts("[approval]\nask = \"on-denial\"\n"));
        assert!(!lasts("[approval]\nask = \"always\"\n"));
        let rule = "[[rule]]\nprefix = [\"touch\", \"a\"]\ndecision = \"ask\"\n";
        assert!(!lasts(rule));
        let never = asked("[approval]\nask = \"never\"\n");
        assert!(matches!(never, Err(Error::Unasked { .. })), "{never:?}");
    }
}
