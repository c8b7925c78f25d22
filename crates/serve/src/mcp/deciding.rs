//! What a person is asked, and what becomes of the answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ringfence::ask::Answer as Said;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::service::{RequestContext, RoleServer};

use super::asking::{
    AskedGrant, CommandDecision, GrantParams, Heard, can_ask, command_question, grant_of, hear,
    later, question, said,
};
use super::result::{failed, failed_with};
use super::{Again, COMMAND, NotStarted, Server};
use crate::command::Running;
use crate::fault::Fault;
use crate::protocol::{Approval, Lasts, StartCommand};
use crate::rings::lock;

impl Server {
    /// Starts a command; where a rule has it asked about, a person is asked first.
    pub(super) async fn start_asked(
        &self,
        mut start: StartCommand,
        again: Again,
        context: &RequestContext<RoleServer>,
    ) -> Result<Arc<Running>, NotStarted> {
        const NO: &str = "the person said no; go on without it, or by another way";
        let Again {
            params,
            state,
            responses,
        } = again;
        let yes = |question, said: CommandDecision| {
            let lasts = if said.again { Lasts::Ring } else { Lasts::Once };
            said.allow.then_some(Approval { question, lasts })
        };
        // Newer clients answer by calling once more.
        if let Some(state) = state {
            let Some(question) = lock(&self.asked_commands).take(&state, &params) else {
                return Err(NotStarted::because(
                    "this is not what was asked; run it anew".to_owned(),
                ));
            };
            let said = said::<CommandDecision>(&responses, COMMAND);
            let Some(approval) = said.and_then(|said| yes(question, said)) else {
                self.rings.declined(question, Said::No);
                return Err(NotStarted::because(NO.to_owned()));
            };
            start.approval = Some(approval);
            return Ok(self.rings.start(start, Vec::new()).await?);
        }
        let (number, question) = match self.rings.start(start.clone(), Vec::new()).await {
            Err(Fault::Asks(Some(number), question)) => (number, question),
            started => return Ok(started?),
        };
        let line = question.verdict().line();
        let Some(message) = command_question(&question) else {
            return Err(NotStarted::because(format!(
                "{line}; it was not started: it is too long to be shown to a person who could allow it"
            )));
        };
        if !can_ask(context) {
            self.rings.declined(number, Said::Nobody);
            return Err(NotStarted::because(format!(
                "{line}; it was not started: nobody can be asked through this client, which has no elicitation. A \
                 person can allow it by a rule in the policy"
            )));
        }
        let within = match self.may_ask().await {
            Ok(within) => within,
            Err(why) => {
                self.rings.declined(number, Said::Nobody);
                return Err(NotStarted::because(format!(
                    "{line}; it was not started: {why}"
                )));
            }
        };
        match hear::<CommandDecision>(context, &message, within).await {
            Heard::Said(said) => {
                start.approval = yes(number, said);
                if start.approval.is_none() {
                    self.rings.declined(number, Said::No);
                    return Err(NotStarted::because(NO.to_owned()));
                }
                Ok(self.rings.start(start, Vec::new()).await?)
            }
            Heard::No => {
                self.rings.declined(number, Said::No);
                Err(NotStarted::because(NO.to_owned()))
            }
            Heard::Later => {
                let state = lock(&self.asked_commands).keep(params, number);
                Err(NotStarted(later::<CommandDecision>(
                    COMMAND, message, state,
                )))
            }
            Heard::Failed(why) => {
                self.rings.declined(number, Said::Nobody);
                Err(NotStarted::because(format!("{line}; {why}")))
            }
        }
    }

    /// How long a person has to answer; in `Err` why none is asked.
    pub(super) async fn may_ask(&self) -> Result<Duration, String> {
        let ring = self.ring().await.map_err(|fault| fault.to_string())?;
        let open = self.rings.ring(ring).map_err(|fault| fault.to_string())?;
        match open.ring.may_ask().await {
            Ok((None, within)) => Ok(within),
            Ok((Some(why), _)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Plans what is asked for, and puts the question.
    pub(super) async fn plan(&self, params: GrantParams) -> Result<(AskedGrant, String), Fault> {
        let grant = grant_of(&params)?;
        let ring = self.ring().await?;
        let planned = self.rings.plan_grant(ring, grant).await?;
        let message = question(&params, &planned)?;
        let asked = AskedGrant {
            params,
            ring,
            planned,
        };
        Ok((asked, message))
    }

    /// Nobody could be asked for a grant: for the ledger alone.
    pub(super) fn unanswered(&self, asked: &AskedGrant) {
        // What cannot be recorded is told with the ring's outcome.
        let _told = self
            .rings
            .grant_answered(asked.ring, &asked.planned, Said::Nobody);
    }

    pub(super) async fn decided(&self, asked: AskedGrant, allowed: bool) -> CallToolResult {
        let answer = if allowed { Said::Ring } else { Said::No };
        let recorded = self
            .rings
            .grant_answered(asked.ring, &asked.planned, answer);
        if let Err(fault) = recorded {
            return failed(&fault);
        }
        if !allowed {
            return failed_with(
                "the person said no; go on without it, or by another way".to_owned(),
            );
        }
        let AskedGrant {
            params,
            ring,
            planned,
        } = asked;
        let paths: Vec<PathBuf> = planned.paths().into_iter().map(Path::to_owned).collect();
        // Of the ring it was asked for; another one in its place has not been granted anything.
        match self.rings.make(ring, planned).await {
            Ok(()) => {
                let mut granted = lock(&self.granted);
                if params.write.is_some() {
                    granted.write.extend(paths);
                } else if params.socket.is_some() {
                    granted.sockets.extend(paths);
                }
                granted.reveal.extend(params.reveal);
                CallToolResult::success(vec![ContentBlock::text(
                    "granted, until the ring ends; run the command that failed once more",
                )])
            }
            Err(fault) => failed(&fault),
        }
    }
}
