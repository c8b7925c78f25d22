//! What a model is told of a command: in words, and as data.

use ringfence_policy::plain;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::json;

use crate::command::Running;
use crate::denial::Denial;
use crate::fault::Fault;
use crate::noticed::News;
use crate::output::bytes_of;
use crate::protocol::{MadeRepository, Stream, TakenAway};

/// Output that a result carries at most, in bytes: what a model can read.
const SHOWN_MAX: usize = 32 * 1024;

/// What came of a command.
#[derive(Debug, Serialize)]
pub(super) struct Came {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    pub(super) running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signal: Option<i32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) timed_out: bool,
    pub(super) output: String,
    /// Bytes of the output that are left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) left_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<u64>,
    /// It made protected names over and over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) insisted: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) denied: Vec<Denial>,
    /// What else is new in the ring since the last answer, whichever command did it.
    #[serde(flatten)]
    pub(super) news: News,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// How far a command's output is kept.
pub(super) fn kept_to(running: &Running) -> u64 {
    running.outputs.first().map_or(0, |output| output.end())
}

/// What has come of a command. `from` is for who reads on; without it the middle of what is long is left
/// out, since the beginning and the end tell most.
pub(super) fn came(running: &Running, from: Option<u64>) -> Came {
    let most = SHOWN_MAX;
    let ended = running.ended();
    let mut came = Came {
        id: from.map(|_| running.number),
        running: ended.is_none(),
        code: ended.and_then(|ended| ended.code),
        signal: ended.and_then(|ended| ended.signal),
        timed_out: ended.is_some_and(|ended| ended.timed_out),
        output: String::new(),
        left_out: 0,
        next: None,
        insisted: ended.is_some_and(|ended| ended.insisted),
        denied: Vec::new(),
        news: News::default(),
    };
    let Some(output) = running.outputs.first() else {
        return came;
    };
    let terminal = output.stream == Stream::Terminal;
    let text = |from, max| {
        let piece = output.read(from, max);
        let bytes = bytes_of(piece.bytes.text, piece.bytes.base64).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = if terminal {
            text.replace('\r', "")
        } else {
            text
        };
        (piece.offset, piece.next, text)
    };
    if let Some(from) = from {
        let (offset, next, text) = text(from, most);
        came.left_out = offset.saturating_sub(from);
        came.output = text;
        came.next = Some(next);
        return came;
    }
    let end = kept_to(running);
    let half = most / 2;
    let (offset, next, head) = text(0, half);
    if offset > 0 {
        // The beginning is not kept any more.
        let (offset, _, tail) = text(end.saturating_sub(most as u64), most);
        came.left_out = offset;
        came.output = format!("[… {offset} bytes left out …]\n{tail}");
        return came;
    }
    came.output = head;
    if next < end {
        let tail_from = next.max(end.saturating_sub(half as u64));
        let (offset, _, tail) = text(tail_from, most);
        let between = offset - next;
        came.left_out += between;
        if between > 0 {
            came.output
                .push_str(&format!("\n[… {between} bytes left out …]\n"));
        }
        came.output.push_str(&tail);
    }
    came
}

/// A command's result, in words and as data. What it printed is a block of its own: it may print what looks
/// like ours.
pub(super) fn told(came: Result<Came, Fault>) -> CallToolResult {
    let came = match came {
        Ok(came) => came,
        Err(fault) => return failed(&fault),
    };
    let mut text = match (came.running, came.timed_out, came.code, came.signal) {
        (true, ..) => "[running]".to_owned(),
        (_, true, ..) => "[ended: its time was up; use `start` for what takes longer]".to_owned(),
        _ if came.insisted => {
            "[ended: it made protected names over and over, which the ring moves aside]".to_owned()
        }
        (_, _, Some(code), _) => format!("[exit code {code}]"),
        (_, _, _, Some(signal)) => format!("[ended by signal {signal}]"),
        _ => "[ended with its ring]".to_owned(),
    };
    for denial in &came.denied {
        let what = match &denial.path {
            Some(path) => format!("{} {path}", denial.tried),
            None => denial.tried.to_owned(),
        };
        text.push_str(&format!("\n[the ring denied: {what}: {}", denial.because));
        match &denial.grant {
            Some(grant) => {
                // It stands there as it is to be asked for.
                let grant = serde_json::to_value(grant).unwrap_or_default();
                text.push_str(&format!("; request_grant {grant} asks for it"));
            }
            None if !denial.remedy.is_empty() => text.push_str(&format!("; {}", denial.remedy)),
            None => {}
        }
        text.push(']');
    }
    say(&mut text, &came.news);
    let data = serde_json::to_value(&came).unwrap_or_default();
    let wrong = !came.running && came.code != Some(0) && came.id.is_none();
    let mut result = structured(text, data, wrong);
    if !came.output.is_empty() {
        result.content.insert(0, ContentBlock::text(came.output));
    }
    result
}

/// Names are of a command's making.
fn say(text: &mut String, news: &News) {
    /// Of what git would run in one repository.
    const SHOWN: usize = 8;
    for TakenAway { path, left } in &news.taken_away {
        let path = plain(path);
        text.push_str(&match left {
            None => format!(
                "\n[the ring moved {path} aside, to {path}.from-ring or a name that begins so: programs outside obey a \
                 file of that name, so none is made in a ring. Go on without it; a person who wants it makes it outside]"
            ),
            Some(why) => format!(
                "\n[{path} was made in the ring, where that name is protected, and could not be moved aside: {}. Remove \
                 it, or tell the person to look at it before they use it]",
                plain(why)
            ),
        });
    }
    for MadeRepository { path, runs } in &news.made {
        let mut names: Vec<String> = runs.iter().take(SHOWN).map(|name| plain(name)).collect();
        if runs.len() > SHOWN {
            names.push("…".to_owned());
        }
        text.push_str(&format!(
            "\n[{} is a repository that was made in the ring, and git runs programs there by: {}. Take that out if nobody \
             needs it; else tell the person to look at it before they use git in it or around it]",
            plain(path),
            names.join(" ")
        ));
    }
}

pub(super) fn structured(text: String, data: serde_json::Value, wrong: bool) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(data);
    result.is_error = Some(wrong);
    result
}

pub(super) fn failed(fault: &Fault) -> CallToolResult {
    let mut result = failed_with(fault.to_string());
    result.structured_content = Some(json!({ "error": fault.to_json() }));
    result
}

pub(super) fn failed_with(text: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command named cannot look like our words, nor be more than is read.
    #[test]
    fn what_is_new_is_said_in_lines_of_its_own() {
        let news = News {
            taken_away: vec![
                TakenAway {
                    path: "/w/\u{202e}\n.envrc".to_owned(),
                    left: None,
                },
                TakenAway {
                    path: "/w/.envrc".to_owned(),
                    left: Some("Too many open files".to_owned()),
                },
            ],
            made: vec![MadeRepository {
                path: "/w/r".to_owned(),
                runs: vec!["hooks/]\n[x".to_owned(); 9],
            }],
        };
        let mut text = String::from("[exit code 0]");
        say(&mut text, &news);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].starts_with(r"[the ring moved /w/\u{202e}\n.envrc aside, to "));
        assert!(lines[2].contains("could not be moved aside: Too many open files. Remove"));
        let hooks = r"hooks/]\n[x ".repeat(8);
        assert!(
            lines[3].contains(&format!("runs programs there by: {hooks}….")),
            "{text}"
        );
    }
}
