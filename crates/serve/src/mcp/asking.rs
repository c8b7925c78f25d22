//! Asking a person for a grant: what is shown is what is granted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringfence::ring::{Grant, Planned};
use rmcp::service::{RequestContext, RoleServer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::rings::{one_grant, path_of};

/// How long a person has to answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 60);
/// A path that a person is shown, in bytes.
const PATH_SHOWN_MAX: usize = 400;
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

/// Grants that a person is asked about.
#[derive(Debug)]
pub(super) struct Asked<T> {
    last: u64,
    waiting: BTreeMap<String, (Instant, GrantParams, T)>,
}

impl<T> Default for Asked<T> {
    fn default() -> Asked<T> {
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

impl<T> Asked<T> {
    /// Remembers what a person is asked; what the answer must come with.
    pub(super) fn keep(&mut self, params: GrantParams, grant: T) -> String {
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
    pub(super) fn take(&mut self, state: &str, params: &GrantParams) -> Option<T> {
        let (asked, of, grant) = self.waiting.remove(state)?;
        (asked.elapsed() < ANSWER_WITHIN && of == *params).then_some(grant)
    }
}

/// What is asked for.
pub(super) fn grant_of(params: &GrantParams) -> Result<Grant, Fault> {
    for (name, path) in [("write", &params.write), ("socket", &params.socket)] {
        // What a model calls a path should not depend on where its command stood.
        if path
            .as_ref()
            .is_some_and(|path| !path_of(path).is_absolute())
        {
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

/// Whether the client is asked by way of the answer (protocol 2026-07-28 and later).
pub(super) fn is_newer(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.to_string().as_str() >= "2026-07-28")
}

/// Text that another wrote, so that it cannot look like our own: on one line, quoted, with all that is
/// neither a letter, a digit nor plain ASCII escaped; `None` where that is longer than it may be.
fn shown(text: &str, most: usize) -> Option<String> {
    let mut plain = String::from("\u{201c}");
    for c in text.chars() {
        // Letters too, that show as nothing.
        let filler = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
        if !filler && (c.is_alphanumeric() || c == ' ' || c.is_ascii_graphic()) {
            plain.push(c);
        } else {
            plain.extend(c.escape_default());
        }
        if plain.len() > most {
            return None;
        }
    }
    plain.push('\u{201d}');
    Some(plain)
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
        let ask = |asked: &mut Asked<()>, why: &str| asked.keep(params(why), ());
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
