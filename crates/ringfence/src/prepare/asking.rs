//! What a person may be asked about a command, and what follows from the answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringfence_plan::Access;
use ringfence_policy::Mode;

use super::{Begun, Request, begin_with, preview, subject};
use crate::ask::Answer;
use crate::error::Error;
use crate::grants::{CommandGranted, Grants, Lasts, Session, What};
use crate::launch::Early;
use crate::offer::{self, Ran};
use crate::rules::{Let, Question};
use crate::why::{explain, place};

impl Begun {
    /// What an offer has to know of it.
    pub(crate) fn ran(&self) -> Ran {
        let workspace = std::fs::canonicalize(&self.workspace);
        Ran {
            argv: self.argv.clone(),
            cwd: self.cwd.clone(),
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

    /// The same command without a ring: a rule says so, and a person was asked about that and nothing else, and allowed it
    /// ([`answered`](Begun::answered)). `request` is what it was begun with.
    ///
    /// # Errors
    /// [`Error::KeptInside`]: an administrator has every command in a ring, or the program is one that commands can write.
    pub fn outside(self, request: &Request) -> Result<Begun, Error> {
        // What would be run there is not to be what an earlier command left under that name.
        let inside = preview(request.clone())?;
        let program = std::fs::canonicalize(&self.program).unwrap_or_else(|_| self.program.clone());
        let home = self.home.as_deref();
        let answer = explain(&inside.ground(home), &place(&program, Path::new("/")));
        if answer.access != Access::ReadOnly {
            let program = crate::error::shown(&program);
            return Err(Error::KeptInside(format!(
                "{program}: commands in a ring can write this program"
            )));
        }
        let mut wider = request.clone();
        wider.flags.mode = Some(Mode::FullAccess);
        let mut begun = begin_with(wider, Early::none())?;
        let mode = &begun.policy.mode;
        if mode.value != Mode::FullAccess {
            let by = mode.origin.display(home);
            return Err(Error::KeptInside(format!(
                "{by} says mode = \"{}\"",
                mode.value
            )));
        }
        begun.approval = self.approval;
        begun.answer = self.answer;
        begun.recorder = self.recorder;
        Ok(begun)
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
        let subject = subject(&self.argv, &self.cwd);
        match self.rules.may_start(&subject, self.approval.as_ref()) {
            Ok(by) => Ok(by),
            Err(error) => {
                self.recorder.judged(&error, &subject);
                Err(error)
            }
        }
    }
}
