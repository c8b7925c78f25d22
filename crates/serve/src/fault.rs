//! What a request is answered with when it is not done.

use ringfence::rules::{Question, Verdict};
use ringfence::{Error, Kind};
use serde_json::{Value, json};

use crate::protocol::{CODES, ErrorData, RuleSaid, Shortfall, VERSIONS};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The line is not JSON.
    #[error("not JSON: {0}")]
    Parse(String),
    /// It is not a request.
    #[error("not a request: {0}")]
    Request(String),
    /// No method has this name.
    #[error("no method is called {0:?}")]
    Method(String),
    /// The parameters are not the method's.
    #[error("{0}")]
    Params(String),
    /// Ringfence failed or refused.
    #[error("{0}")]
    Ringfence(#[from] Error),
    /// A person is to be asked about a command first; the question's number, where it has one.
    #[error("{}; it was not started: a person has to allow it", .1.verdict().line())]
    Asks(Option<u64>, Box<Question>),
    /// `initialize` comes first.
    #[error("`initialize` comes first")]
    First,
    /// No version in common.
    #[error("no version of the protocol in common")]
    Versions,
    /// There is no such ring.
    #[error("there is no ring {0}")]
    Ring(u64),
    /// There is no such command.
    #[error("there is no command {0}")]
    Command(u64),
    /// A command takes no input.
    #[error("command {0} takes no input (any more)")]
    Stdin(u64),
    /// Too much waits already.
    #[error("too much is waiting: {0}")]
    Waiting(&'static str),
    /// A command is not on a terminal.
    #[error("command {0} is not on a terminal")]
    Terminal(u64),
    /// A command still runs.
    #[error("command {0} still runs")]
    Runs(u64),
    /// The system refused something.
    #[error("{0}: {1}")]
    System(&'static str, std::io::Error),
}

impl Fault {
    /// Its code: JSON-RPC's, or one of [`CODES`].
    #[must_use]
    pub fn code(&self) -> i32 {
        let own = |index: usize| CODES.get(index).map_or(-32603, |(code, _)| *code);
        match self {
            Fault::Parse(_) => -32700,
            Fault::Request(_) => -32600,
            Fault::Method(_) => -32601,
            Fault::Params(_) => -32602,
            Fault::System(..) => -32603,
            Fault::Ringfence(_) | Fault::Asks(..) => own(0),
            Fault::First => own(1),
            Fault::Versions => own(2),
            Fault::Ring(_) => own(3),
            Fault::Command(_) => own(4),
            Fault::Stdin(_) => own(5),
            Fault::Waiting(_) => own(6),
            Fault::Terminal(_) => own(7),
            Fault::Runs(_) => own(8),
        }
    }

    /// What it carries beside its words.
    #[must_use]
    pub fn data(&self) -> Option<ErrorData> {
        match self {
            Fault::Ringfence(error) => {
                let (how, lacking) = match error {
                    Error::Refused(refusal) => ("refused", shortfalls(&refusal.lacking)),
                    Error::Forbidden(_) | Error::Outside(_) | Error::Unasked { .. } => {
                        ("forbidden", Vec::new())
                    }
                    error => match error.kind() {
                        Kind::Ringfence => ("failed", Vec::new()),
                        Kind::NotExecutable => ("not-executable", Vec::new()),
                        Kind::NotFound => ("not-found", Vec::new()),
                    },
                };
                Some(ErrorData {
                    how: Some(how.to_owned()),
                    lacking,
                    rule: error.verdict().map(said),
                    ..ErrorData::default()
                })
            }
            Fault::Asks(question, of) => Some(ErrorData {
                how: Some("asked".to_owned()),
                rule: Some(said(of.verdict())),
                question: *question,
                ..ErrorData::default()
            }),
            Fault::Versions => Some(ErrorData {
                versions: VERSIONS.to_vec(),
                ..ErrorData::default()
            }),
            _ => None,
        }
    }

    /// As JSON-RPC has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let message = match self {
            // Its own words are for a command line.
            Fault::Ringfence(Error::Refused(refusal)) => format!(
                "{refusal}\n  to do without, name it in `policy.accept` (or in [enforcement] accept of a policy file)"
            ),
            other => other.to_string(),
        };
        let mut error = json!({ "code": self.code(), "message": cut(message) });
        if let (Some(data), Some(error)) = (self.data(), error.as_object_mut()) {
            error.insert("data".to_owned(), json!(data));
        }
        error
    }
}

/// What a client sent comes back in some errors. So much of it is enough to know it by.
fn cut(mut text: String) -> String {
    const MOST: usize = 4096;
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push('…');
    }
    text
}

/// What decided, of all that the rules say.
fn said(verdict: &Verdict) -> RuleSaid {
    let because = verdict.because();
    let rule = because.and_then(|(_, rule)| rule);
    RuleSaid {
        decision: verdict.decision.name().to_owned(),
        line: verdict.line(),
        command: because.map(|(judged, _)| judged.command.clone()),
        prefix: rule.map(|rule| rule.prefix.clone()),
        why: rule.and_then(|rule| rule.why.clone()),
        origin: rule.map(|rule| rule.origin.to_string()),
    }
}

/// Shortfalls as they are told.
pub(crate) fn shortfalls(all: &[ringfence_ops::Shortfall]) -> Vec<Shortfall> {
    all.iter()
        .map(|short| Shortfall {
            promise: short.promise.clone(),
            what: short.what.clone(),
            remedy: short.remedy.clone(),
            accepted: short.accepted,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ringfence_plan::Refusal;

    use super::*;

    #[test]
    fn a_client_is_told_of_what_it_can_say() {
        let refusal = Refusal {
            lacking: Vec::new(),
        };
        let told = Fault::Ringfence(Error::Refused(refusal)).to_json();
        let message = told["message"].as_str().unwrap();
        assert!(message.contains("`policy.accept`"), "{message}");
        assert!(!message.contains("--"), "{message}");
    }

    #[test]
    fn what_was_sent_does_not_come_back_whole() {
        let told = Fault::Params("é".repeat(1 << 20)).to_json().to_string();
        assert!(told.len() < 5000, "{}", told.len());
        let told = Fault::Params("short".to_owned()).to_json();
        assert_eq!(told["message"], "short");
    }
}
