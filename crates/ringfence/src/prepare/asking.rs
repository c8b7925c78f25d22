//! What a person may be asked about a command, and what follows from the answer.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Begun, Request, subject};
use crate::ask::Answer;
use crate::error::Error;
use crate::grants::{CommandGranted, Grants, Lasts, Session, What};
use crate::offer::{self, Ran};
use crate::rules::{Let, Question};

impl Begun {
    /// What an offer has to know of it.
    pub(crate) fn ran(&self) -> Ran {
        let workspace = std::fs::canonicalize(&self.workspace);
        Ran {
            argv: self.argv.clone(),
            cwd: self.cwd.clone(),
            stands: self.stands.clone(),
            workspace: workspace.unwrap_or_else(|_| self.workspace.clone()),
            home: self.home.clone(),
            path: self
                .environment
                .get("PATH")
                .map(|path| std::env::split_paths(path).collect())
                .unwrap_or_default(),
            time: self.policy.limits.time.clone(),
            output: self.policy.limits.output.clone(),
            hidden: self
                .policy
                .hide
                .iter()
                .map(|hide| (hide.value.name.clone(), hide.value.path.clone()))
                .collect(),
            state: self.state.clone(),
            recorder: Arc::clone(&self.recorder),
        }
    }

    /// Whether an answer to this can be kept: for the session, and for the project.
    #[must_use]
    pub fn lasting(&self, question: &Question) -> [bool; 2] {
        let kept = self.state.is_some() && question.can_last();
        [kept && Session::own().is_some(), kept]
    }

    /// Has what the ring refuses the command told, by this program ([`Request::trace`]); `request` is what it was begun
    /// with.
    pub fn trace(&mut self, request: &Request, program: PathBuf) {
        self.traced = Some(Box::new(Request {
            trace: Some(program),
            ..request.clone()
        }));
    }

    /// Counts a question; nothing where one may be asked, else why not.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn may_ask(&self) -> Result<Option<String>, Error> {
        offer::may_ask(&self.policy.approval, self.state.as_ref())
    }

    /// About what the rules have a person asked before the command runs.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn question(&self) -> Result<Option<Question>, Error> {
        match self.may_start() {
            Ok(_) => Ok(None),
            Err(Error::Asks(question) | Error::Outside(question)) => Ok(Some(*question)),
            Err(error) => Err(error),
        }
    }

    /// A person was shown this, and this is the answer; `from` says to the ledger where it was given. A yes lets
    /// the command run.
    ///
    /// # Errors
    /// [`Error::Ledger`]: it is not recorded, and does not hold.
    pub fn answered(
        &mut self,
        question: Question,
        answer: Answer,
        from: &str,
    ) -> Result<(), Error> {
        let record = self.recorder.answered(&question, answer, from)?;
        let lasts = match answer {
            Answer::Session => Session::own().map(Lasts::Session),
            Answer::Project => Some(Lasts::Project),
            _ => None,
        };
        if let (Some(lasts), Some(state)) = (lasts, &self.state) {
            let workspace = self.ran().workspace;
            let what = What::Command(CommandGranted::of(question.subject(), &self.policy));
            Grants::of(state).keep(what, &workspace, lasts, record)?;
        }
        if answer.is_yes() {
            self.answer = Some(record);
            self.approval = Some(question);
        }
        Ok(())
    }

    /// Whether the rules let the command run, with the answer there is. What they say against it is recorded.
    pub(crate) fn may_start(&self) -> Result<Let, Error> {
        let subject = subject(&self.argv, &self.cwd, &self.stands);
        match self.rules.may_start(&subject, self.approval.as_ref()) {
            Ok(by) => Ok(by),
            Err(error) => {
                self.recorder.judged(&error, &subject);
                Err(error)
            }
        }
    }
}
