//! Claude Code's permission lists: `permissions.allow`, `ask` and `deny` of a settings file.

use ringfence_policy::{Decision, Word};
use serde_json::Value;

use super::{Candidate, ImportError, Imported, Writer, literal, rule};
use crate::read::{Dialect, read};

/// Reads a settings file of Claude Code.
///
/// # Errors
/// A text that is no JSON, or holds no permissions. An entry that is no command is a note.
pub fn from_claude(text: &str, name: &str) -> Result<Imported, ImportError> {
    let settings: Value = serde_json::from_str(text).map_err(|error| ImportError::NotJson {
        line: error.line(),
        reason: error.to_string(),
    })?;
    let permissions = settings
        .get("permissions")
        .and_then(Value::as_object)
        .ok_or(ImportError::NoPermissions)?;
    let mut writer = Writer::new(
        name,
        "There, a rule is about the whole text of a command, and `deny` wins over `ask` over `allow`.",
    );
    for (key, decision) in [
        ("deny", Decision::Forbid),
        ("ask", Decision::Ask),
        ("allow", Decision::Allow),
    ] {
        let Some(list) = permissions.get(key) else {
            continue;
        };
        let Some(list) = list.as_array() else {
            writer.note(None, key, false, "it is no list");
            continue;
        };
        for entry in list {
            match entry.as_str() {
                Some(entry) => one(&mut writer, key, decision, entry),
                None => writer.note(None, &format!("{key}: {entry}"), false, "it is no text"),
            }
        }
    }
    for (key, why) in [
        (
            "additionalDirectories",
            "write roots belong to [filesystem] write",
        ),
        (
            "defaultMode",
            "what holds where no rule speaks is `mode` and the ring, not a rule",
        ),
    ] {
        if let Some(value) = permissions.get(key) {
            writer.note(None, &format!("{key}: {value}"), false, why);
        }
    }
    Ok(writer.done())
}

fn one(writer: &mut Writer, key: &str, decision: Decision, entry: &str) {
    let was = format!("{key}: {entry}");
    let (tool, text) = match entry.split_once('(') {
        Some((tool, rest)) => match rest.strip_suffix(')') {
            Some(text) => (tool, Some(text)),
            None => {
                writer.note(None, &was, false, "its parenthesis does not close");
                return;
            }
        },
        None => (entry, None),
    };
    if tool != "Bash" {
        writer.note(None, &was, false, elsewhere(tool, decision));
        return;
    }
    match prefix(text.unwrap_or("*")) {
        Ok((prefix, changed)) => {
            if let Some(changed) = changed
                && decision == Decision::Allow
            {
                writer.note(None, &was, true, changed);
            }
            writer.add(Candidate {
                rule: rule(prefix, decision, None),
                line: None,
                was,
            });
        }
        Err(why) => writer.note(None, &was, false, why),
    }
}

/// Where something belongs that is no command.
fn elsewhere(tool: &str, decision: Decision) -> String {
    let why = match (tool, decision) {
        ("Read", Decision::Forbid) => "files that must not be read belong to [filesystem] hide",
        ("Read", _) => {
            "what may be read is [filesystem] read; everything is, but for what is hidden"
        }
        ("Edit" | "Write" | "MultiEdit" | "NotebookEdit", Decision::Forbid) => {
            "files that must not be written belong to [filesystem] protect"
        }
        ("Edit" | "Write" | "MultiEdit" | "NotebookEdit", _) => {
            "directories that may be written belong to [filesystem] write"
        }
        ("WebFetch" | "WebSearch", _) => "hosts belong to [network] allow",
        ("PowerShell", _) => {
            "it is about another shell; write the words of the command as a prefix"
        }
        _ => "it is about a tool of the agent, not about a command",
    };
    why.to_owned()
}

type Prefix = (Vec<Word>, Option<&'static str>);

/// The words of a pattern, and what is different about them here.
fn prefix(text: &str) -> Result<Prefix, &'static str> {
    const EXACT: &str =
        "there it is this command alone; here it is every command that begins with it";
    let text = text.trim();
    if text == "*" || text == ":*" {
        return Ok((vec![Word::One("*".to_owned())], None));
    }
    // `git push:*`, `git push *`, `ls*`: what follows is open.
    let (head, glued) =
        if let Some(head) = text.strip_suffix(":*").or_else(|| text.strip_suffix(" *")) {
            (head, false)
        } else if let Some(head) = text.strip_suffix('*') {
            (head, true)
        } else {
            (text, false)
        };
    let exact = head.len() == text.len();
    if head.contains('*') {
        return Err(
            "there a `*` between words stands for any number of them, here for one; write the prefixes that are meant",
        );
    }
    let reading = read(head, Dialect::Bash);
    let exactly_one = reading.inexact.is_none()
        && reading.commands.len() == 1
        && reading.commands[0].assigned.is_empty()
        && reading.commands[0].redirects.is_empty();
    if !exactly_one {
        return Err(
            "it is no single command with known words; each part of a list is judged by itself, so write a rule for each",
        );
    }
    let words: Option<Vec<String>> = reading.commands[0]
        .words
        .iter()
        .map(|word| word.known().map(literal))
        .collect();
    let Some(mut words) = words.filter(|words| !words.is_empty()) else {
        return Err("a word of it is only known when it runs; write the words that are meant");
    };
    if glued && let Some(last) = words.last_mut() {
        last.push('*');
    }
    Ok((
        words.into_iter().map(Word::One).collect(),
        exact.then_some(EXACT),
    ))
}
