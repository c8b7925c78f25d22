//! Asking a person: for a grant, of which what is shown is what is granted, and about a command that a rule
//! has asked about.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringfence::ring::{Grant, Planned};
use ringfence::rules::Question;
use ringfence_policy::plain;
use rmcp::ErrorData;
use rmcp::handler::server::tool::InputResponses;
use rmcp::model::{
    CallToolResponse, ElicitRequest, ElicitRequestParams, ElicitationSchema, InputRequest,
    InputRequests, InputRequiredResult,
};
use rmcp::service::{ElicitationError, ElicitationSafe, RequestContext, RoleServer};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::rings::{one_grant, path_of};

/// How long a client that answers by calling once more has for that.
const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 60);
/// A path that a person is shown, in bytes.
const PATH_SHOWN_MAX: usize = 400;
/// A command, all its words together.
const COMMAND_SHOWN_MAX: usize = 4000;
/// And the agent's reason.
const WHY_SHOWN_MAX: usize = 400;
/// Grants that may wait for a person's answer.
const ASKED_MAX: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantParams {
    /// A directory or file to be written, absolute.
    #[serde(default)]
    pub(super) write: Option<String>,
    /// Instead: what is hidden and is to be read, by its name (`hide.npm`), as a denial or `why` tells it.
    #[serde(default)]
    pub(super) reveal: Option<String>,
    /// Instead: a Unix socket of a service outside that is to be connected to, absolute. A person will think twice:
    /// what listens there acts for whoever connects.
    #[serde(default)]
    pub(super) socket: Option<String>,
    /// What it is needed for, in a sentence for the person who decides.
    pub(super) why: String,
}

/// A person's answer.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(super) struct Decision {
    /// Allow it, until this ring ends
    pub(super) allow: bool,
}
rmcp::elicit_safe!(Decision);

/// A person's answer about a command.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(super) struct CommandDecision {
    /// Let it run
    pub(super) allow: bool,
    /// And the very same command again, until this ring ends
    #[serde(default)]
    pub(super) again: bool,
}
rmcp::elicit_safe!(CommandDecision);

/// What a person is asked about, and the parameters of the call that wants it.
#[derive(Debug)]
pub(super) struct Asked<P, T> {
    last: u64,
    waiting: BTreeMap<String, (Instant, P, T)>,
}

impl<P, T> Default for Asked<P, T> {
    fn default() -> Asked<P, T> {
        Asked {
            last: 0,
            waiting: BTreeMap::new(),
        }
    }
}

/// A grant that a person is asked about: what is granted is what was planned, and shown.
#[derive(Debug)]
pub(super) struct AskedGrant {
    pub(super) params: GrantParams,
    pub(super) ring: u64,
    pub(super) planned: Planned,
}

impl<P: PartialEq, T> Asked<P, T> {
    /// Remembers what a person is asked; what the answer must come with.
    pub(super) fn keep(&mut self, params: P, grant: T) -> String {
        if self.waiting.len() >= ASKED_MAX {
            // The oldest is not answered any more.
            self.waiting.pop_first();
        }
        self.last += 1;
        let state = format!("{:020}", self.last);
        let asked = (Instant::now(), params, grant);
        self.waiting.insert(state.clone(), asked);
        state
    }

    /// What was asked, once, and not too long ago; nothing where the call has become another.
    pub(super) fn take(&mut self, state: &str, params: &P) -> Option<T> {
        let (asked, of, grant) = self.waiting.remove(state)?;
        (asked.elapsed() < ANSWER_WITHIN && of == *params).then_some(grant)
    }
}

/// What is asked for.
pub(super) fn grant_of(params: &GrantParams) -> Result<Grant, Fault> {
    for (name, path) in [("write", &params.write), ("socket", &params.socket)] {
        // What a model calls a path should not depend on where its command stood.
        let path = path.as_deref().map(path_of).transpose()?;
        if path.is_some_and(|path| !path.is_absolute()) {
            return Err(Fault::Params(format!("`{name}` is an absolute path")));
        }
    }
    one_grant(
        params.write.clone(),
        params.reveal.clone(),
        params.socket.clone(),
    )
}

/// The question: of the very objects that would be granted, by their canonical paths, whatever the model
/// calls them.
pub(super) fn question(params: &GrantParams, planned: &Planned) -> Result<String, Fault> {
    let (verb, mind) = if params.write.is_some() {
        ("write", "")
    } else if params.socket.is_some() {
        let mind = "\nWhat listens there acts for whoever connects: with some (docker) that is all you may yourself, and more.";
        ("connect to", mind)
    } else {
        ("read", "")
    };
    let paths = planned.paths();
    let shown_paths = paths
        .iter()
        .map(|path| shown(&path.to_string_lossy(), PATH_SHOWN_MAX));
    let what: Option<Vec<String>> = shown_paths.collect();
    let what = what
        .ok_or_else(|| Fault::Params("the path is too long to be shown to a person".to_owned()))?;
    let why = shown(&params.why, WHY_SHOWN_MAX).unwrap_or_else(|| {
        let beginning: String = params.why.chars().take(WHY_SHOWN_MAX / 2).collect();
        let beginning = shown(&beginning, usize::MAX).unwrap_or_default();
        format!("{beginning} (and more, which is left out)")
    });
    Ok(format!(
        "An agent asks that its commands may {verb} {}, until its ring ends.{mind}\nThe agent says why: {why}",
        what.join(" and ")
    ))
}

/// The question about a command, or nothing where it is more than a person can be shown.
pub(super) fn command_question(question: &Question) -> Option<String> {
    let words: Option<Vec<String>> = question
        .argv()
        .iter()
        .map(|word| shown(&word.to_string_lossy(), COMMAND_SHOWN_MAX))
        .collect();
    let command = words?.join(" ");
    if command.len() > COMMAND_SHOWN_MAX {
        return None;
    }
    let directory = shown(&question.directory().to_string_lossy(), PATH_SHOWN_MAX)?;
    let mut text = format!("An agent asks to run, in its ring: {command}\nin {directory}");
    if let Some((judged, rule)) = question.verdict().because() {
        if question.verdict().segments.len() > 1 {
            text.push_str(&format!(
                "\nIt is about: {}",
                shown(&judged.command, usize::MAX)?
            ));
        }
        match rule {
            Some(rule) => {
                let why = rule.why.as_deref().unwrap_or("a rule has it asked about");
                text.push_str(&format!(
                    "\nBecause: {} ({})",
                    shown(why, usize::MAX)?,
                    rule.origin
                ));
            }
            None => text.push_str("\nBecause no rule allows it"),
        }
    }
    Some(text)
}

/// What came of asking.
pub(super) enum Heard<D> {
    /// The person answered.
    Said(D),
    /// They would not.
    No,
    /// The client answers by calling once more.
    Later,
    /// They could not be asked.
    Failed(String),
}

/// Asks through the client, and waits so long.
pub(super) async fn hear<D>(
    context: &RequestContext<RoleServer>,
    message: &str,
    within: Duration,
) -> Heard<D>
where
    D: ElicitationSafe + DeserializeOwned,
{
    let answer = context.peer.elicit_with_timeout::<D>(message, Some(within));
    match answer.await {
        Ok(Some(said)) => Heard::Said(said),
        Ok(None)
        | Err(
            ElicitationError::UserDeclined
            | ElicitationError::UserCancelled
            | ElicitationError::NoContent,
        ) => Heard::No,
        Err(ElicitationError::Service(_)) if is_newer(context) => Heard::Later,
        Err(error) => Heard::Failed(format!("the person could not be asked: {error}")),
    }
}

/// The answer that asks: the client calls once more, with this state and what the person said under `name`.
pub(super) fn later<D: JsonSchema + 'static>(
    name: &str,
    message: String,
    state: String,
) -> Result<CallToolResponse, ErrorData> {
    let schema = ElicitationSchema::from_type::<D>()
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let mut questions = InputRequests::new();
    questions.insert(
        name.to_owned(),
        InputRequest::Elicitation(ElicitRequest::new(
            ElicitRequestParams::FormElicitationParams {
                meta: None,
                message,
                requested_schema: schema,
            },
        )),
    );
    Ok(InputRequiredResult::new(Some(questions), Some(state)).into())
}

/// What the person said under `name`, when the client calls once more.
pub(super) fn said<D: DeserializeOwned>(responses: &InputResponses, name: &str) -> Option<D> {
    let answer = responses.0.as_ref()?.get(name)?;
    let accepted = answer["action"] == "accept";
    accepted.then(|| serde_json::from_value(answer["content"].clone()).ok())?
}

/// Whether the client can ask its person at all.
pub(super) fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    context
        .client_capabilities()
        .is_some_and(|client| client.elicitation.is_some())
}

/// Whether the client is asked by way of the answer (protocol 2026-07-28 and later).
pub(super) fn is_newer(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.to_string().as_str() >= "2026-07-28")
}

/// Text that another wrote, so that it cannot look like our own: on one line, quoted; `None` where that is longer than
/// it may be.
fn shown(text: &str, most: usize) -> Option<String> {
    // Escaped it is no shorter.
    if text.len() > most {
        return None;
    }
    let quoted = format!("\u{201c}{}", plain(text));
    (quoted.len() <= most).then(|| quoted + "\u{201d}")
}

/// How the policy says it.
pub(super) fn in_policy(params: &GrantParams) -> String {
    match (&params.write, &params.reveal, &params.socket) {
        (Some(path), ..) => format!("[filesystem] write = [{path:?}]"),
        (None, Some(name), _) => format!("[filesystem] reveal = [{name:?}]"),
        (None, None, Some(path)) => format!("[linux] sockets = [{path:?}]"),
        (None, None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_wrote_cannot_look_like_ours() {
        let escaped = |text: &str| shown(text, 1000).unwrap();
        assert_eq!(escaped("/home/josé/データ x"), "“/home/josé/データ x”");
        for odd in [
            "\n",
            "\u{1b}[2J",
            "\u{202e}",
            "\u{2028}",
            "\u{200b}",
            "\u{3164}",
            "”",
            "\u{301}",
        ] {
            let text = escaped(&format!("a{odd}b"));
            assert!(text.starts_with("“a\\") && text.ends_with("b”"), "{text}");
        }
        assert_eq!(shown("abc", 5), None);
        assert!(shown("ab", 5).is_some());
    }

    #[test]
    fn an_answer_is_taken_once_and_for_what_was_asked() {
        let params = |why: &str| GrantParams {
            write: None,
            reveal: Some("hide.npm".to_owned()),
            socket: None,
            why: why.to_owned(),
        };
        let mut asked = Asked::default();
        let ask = |asked: &mut Asked<GrantParams, ()>, why: &str| asked.keep(params(why), ());
        let state = ask(&mut asked, "a");
        assert!(asked.take(&state, &params("b")).is_none());
        assert!(asked.take(&state, &params("a")).is_none(), "it is gone");
        let state = ask(&mut asked, "a");
        assert!(asked.take(&state, &params("a")).is_some());
        assert!(asked.take(&state, &params("a")).is_none());
        let first = ask(&mut asked, "first");
        for _ in 0..ASKED_MAX {
            ask(&mut asked, "more");
        }
        assert!(asked.take(&first, &params("first")).is_none());
        assert_eq!(asked.waiting.len(), ASKED_MAX);
    }
}
