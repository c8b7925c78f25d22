//! Codex's `.rules`: `prefix_rule(pattern, decision, justification, match, not_match)`.

use ringfence_policy::{Decision, Word};

use super::starlark::{Statement, Value, statements};
use super::{Candidate, ImportError, Imported, Writer, literal, rule, shell_line};

/// Reads a file of Codex's rules.
///
/// # Errors
/// A text that is no Starlark. What is Starlark and no rule is a note.
pub fn from_codex(text: &str, name: &str) -> Result<Imported, ImportError> {
    let mut writer = Writer::new(
        name,
        "There, a command whose every part is allowed is run outside of the sandbox.",
    );
    for statement in statements(text)? {
        match statement {
            Statement::Call {
                line,
                name,
                arguments,
            } => match name.as_str() {
                "prefix_rule" => match prefix_rule(line, &arguments) {
                    Ok(candidate) => writer.add(candidate),
                    Err(why) => writer.note(Some(line), &told(&arguments), false, why),
                },
                "host_executable" => writer.note(
                    Some(line),
                    &format!("host_executable {}", first(&arguments)),
                    false,
                    "a rule that asks or forbids knows a program by any path, and one that allows only in the \
                     system's directories; write the path itself as the first word of a prefix",
                ),
                "network_rule" => writer.note(
                    Some(line),
                    &format!("network_rule {}", first(&arguments)),
                    false,
                    "hosts are no commands; they belong to [network] allow",
                ),
                other => writer.note(
                    Some(line),
                    other,
                    false,
                    "it is no rule that is known here",
                ),
            },
            Statement::Other { line, text } => writer.note(
                Some(line),
                &text.chars().take(60).collect::<String>(),
                false,
                "it is a program; write out the rules that it makes",
            ),
        }
    }
    Ok(writer.done())
}

fn argument<'a>(arguments: &'a [(String, Value)], name: &str, at: usize) -> Option<&'a Value> {
    let named = arguments.iter().find(|(known, _)| known == name);
    let placed = arguments.get(at).filter(|(known, _)| known.is_empty());
    named.or(placed).map(|(_, value)| value)
}

fn first(arguments: &[(String, Value)]) -> String {
    match arguments.first() {
        Some((_, Value::Text(text))) => text.clone(),
        _ => String::new(),
    }
}

fn told(arguments: &[(String, Value)]) -> String {
    match argument(arguments, "pattern", 0) {
        Some(Value::List(words)) => {
            let words: Vec<String> = words
                .iter()
                .map(|word| match word {
                    Value::Text(text) => text.clone(),
                    _ => "…".to_owned(),
                })
                .collect();
            format!("prefix_rule {}", words.join(" "))
        }
        _ => "prefix_rule".to_owned(),
    }
}

fn prefix_rule(line: u32, arguments: &[(String, Value)]) -> Result<Candidate, &'static str> {
    const KNOWN: [&str; 6] = [
        "",
        "pattern",
        "decision",
        "justification",
        "match",
        "not_match",
    ];
    if arguments
        .iter()
        .any(|(name, _)| !KNOWN.contains(&name.as_str()))
    {
        return Err("it has an argument that is not known here");
    }
    let Some(Value::List(pattern)) = argument(arguments, "pattern", 0) else {
        return Err("its pattern is no list of words; write it out");
    };
    let prefix: Vec<Word> =
        pattern.iter().map(word).collect::<Option<_>>().ok_or(
            "its pattern holds something else than words and lists of words; write it out",
        )?;
    if prefix.is_empty() {
        return Err("its pattern is empty");
    }
    let decision = match argument(arguments, "decision", 1) {
        None => Decision::Allow,
        Some(Value::Text(text)) => match text.as_str() {
            "allow" => Decision::Allow,
            "prompt" => Decision::Ask,
            "forbidden" => Decision::Forbid,
            _ => return Err("its decision is not known here"),
        },
        Some(_) => return Err("its decision is no word; write it out"),
    };
    let why = match argument(arguments, "justification", 4) {
        Some(Value::Text(text)) if !text.trim().is_empty() => Some(text.clone()),
        None => None,
        Some(_) => return Err("its justification is no text; write it out"),
    };
    let mut made = rule(prefix, decision, why);
    made.match_ = examples(argument(arguments, "match", 2))?;
    made.not_match = examples(argument(arguments, "not_match", 3))?;
    Ok(Candidate {
        rule: made,
        line: Some(line),
        was: told(arguments),
    })
}

fn word(value: &Value) -> Option<Word> {
    match value {
        Value::Text(text) => Some(Word::One(literal(text))),
        Value::List(list) => {
            let words: Option<Vec<String>> = list
                .iter()
                .map(|value| match value {
                    Value::Text(text) => Some(literal(text)),
                    _ => None,
                })
                .collect();
            words.filter(|words| !words.is_empty()).map(Word::AnyOf)
        }
        Value::Other => None,
    }
}

fn examples(value: Option<&Value>) -> Result<Vec<String>, &'static str> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let Value::List(list) = value else {
        return Err("its examples are no list; write them out");
    };
    let example = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::List(words) => {
            let words: Option<Vec<String>> = words
                .iter()
                .map(|word| match word {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect();
            words.map(|words| shell_line(&words))
        }
        Value::Other => None,
    };
    let examples: Option<Vec<String>> = list.iter().map(example).collect();
    examples.ok_or("one of its examples is no text and no list of words; write it out")
}
