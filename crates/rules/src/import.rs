//! Rules that were written for others: Codex's `.rules`, Claude Code's permission lists.

mod claude;
mod codex;
mod starlark;

use std::path::PathBuf;

use ringfence_policy::{Decision, FileText, Layer, Placement, Rule, Word, plain, read_rules};

use crate::judge::RuleSet;

pub use claude::from_claude;
pub use codex::from_codex;

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Rules as a policy file has them, each with where it came from; empty but for its first lines where there is none.
    pub toml: String,
    /// How many rules there are in it.
    pub rules: usize,
    /// What is not in it, or in another way than it was, in the order of the file.
    pub notes: Vec<Note>,
}

/// Something that was not taken as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its line, from 1, where the format has lines.
    pub line: Option<u32>,
    /// What it was.
    pub what: String,
    /// Whether there is a rule for it all the same.
    pub taken: bool,
    /// What is different, or why there is none and what to write instead.
    pub why: String,
}

/// A text that cannot be imported from at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is not JSON.
    #[error("line {line}: not JSON: {reason}; name a settings file of Claude Code")]
    NotJson {
        /// Where.
        line: usize,
        /// Why.
        reason: String,
    },
    /// It holds no lists of permissions.
    #[error("no `permissions` in it; name a settings file of Claude Code")]
    NoPermissions,
    /// It is no Starlark as far as that can be read.
    #[error("line {line}: {reason}; mend the file, or take this part out")]
    NotStarlark {
        /// Where.
        line: u32,
        /// Why.
        reason: &'static str,
    },
}

/// The longest explanation that is kept.
const LONGEST_WHY: usize = 400;

/// A rule to be, and what it was.
struct Candidate {
    rule: Rule,
    line: Option<u32>,
    /// What it was, for its comment.
    was: String,
}

/// Puts rules into the text of a policy file: each is read and tested as it will be, and what would not pass is
/// noted instead.
struct Writer {
    toml: String,
    rules: usize,
    notes: Vec<Note>,
}

impl Writer {
    fn new(from: &str, means: &str) -> Self {
        Self {
            toml: format!(
                "# From {from}. {means}\n# Here `allow` says that nobody is asked. It never leaves the ring: that is \
                 `ring = \"outside\"`, and always asked for.\n"
            ),
            rules: 0,
            notes: Vec::new(),
        }
    }

    fn note(&mut self, line: Option<u32>, what: &str, taken: bool, why: impl Into<String>) {
        self.notes.push(Note {
            line,
            what: one_line(what),
            taken,
            why: why.into(),
        });
    }

    fn add(&mut self, candidate: Candidate) {
        let Candidate {
            mut rule,
            line,
            was,
        } = candidate;
        let origin = line.map_or_else(String::new, |line| format!("line {line}: "));
        let text = toml(&rule);
        let file = FileText {
            path: PathBuf::from("imported"),
            text: text.clone(),
        };
        let read = match read_rules(&file, Layer::User) {
            Ok(read) => read,
            Err(error) => {
                let error = error.to_string();
                let reason = error
                    .split_once(": ")
                    .map_or(error.as_str(), |(_, rest)| rest);
                self.note(
                    line,
                    &was,
                    false,
                    format!("it would be refused: {}", one_line(reason)),
                );
                return;
            }
        };
        if RuleSet::new(&read).is_err() {
            // Examples that hold there and not here are told, one by one, and left out.
            for (key, examples) in [
                ("match", std::mem::take(&mut rule.match_)),
                ("not_match", std::mem::take(&mut rule.not_match)),
            ] {
                for example in examples {
                    let mut tried = rule.clone();
                    let list = if key == "match" {
                        &mut tried.match_
                    } else {
                        &mut tried.not_match
                    };
                    list.push(example.clone());
                    let holds = read_rules(
                        &FileText {
                            path: PathBuf::from("imported"),
                            text: toml(&tried),
                        },
                        Layer::User,
                    )
                    .is_ok_and(|read| RuleSet::new(&read).is_ok());
                    if holds {
                        rule = tried;
                    } else {
                        self.note(
                            line,
                            &format!("{key}: {example}"),
                            false,
                            "this example does not hold here: options between the words of a prefix are passed over, \
                             and a program is known by any path",
                        );
                    }
                }
            }
        }
        self.toml
            .push_str(&format!("\n# {origin}{}\n", one_line(&was)));
        self.toml.push_str(&toml(&rule));
        self.rules += 1;
    }

    fn done(self) -> Imported {
        Imported {
            toml: self.toml,
            rules: self.rules,
            notes: self.notes,
        }
    }
}

/// Words as they are, for a prefix in which `*` stands for itself.
fn literal(word: &str) -> String {
    word.replace('\\', "\\\\").replace('*', "\\*")
}

fn rule(prefix: Vec<Word>, decision: Decision, why: Option<String>) -> Rule {
    Rule {
        prefix,
        decision,
        ring: Placement::Inside,
        why: why.map(|why| {
            let line = one_line(&why);
            line.chars().take(LONGEST_WHY).collect()
        }),
        match_: Vec::new(),
        not_match: Vec::new(),
    }
}

/// A text on one line, and of what shows as what it is.
fn one_line(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(printable).collect();
    plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn toml(rule: &Rule) -> String {
    let words: Vec<String> = rule
        .prefix
        .iter()
        .map(|word| match word {
            Word::One(word) => quoted(word),
            Word::AnyOf(words) => list(words),
        })
        .collect();
    let mut text = format!(
        "[[rule]]\nprefix = [{}]\ndecision = {}\n",
        words.join(", "),
        quoted(rule.decision.name())
    );
    if let Some(why) = &rule.why {
        text.push_str(&format!("why = {}\n", quoted(why)));
    }
    for (key, examples) in [("match", &rule.match_), ("not_match", &rule.not_match)] {
        if !examples.is_empty() {
            text.push_str(&format!("{key} = {}\n", list(examples)));
        }
    }
    text
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                out.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Words as a line that a shell reads as them.
fn shell_line(words: &[String]) -> String {
    let plain = |word: &String| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b))
            && !word.starts_with('=')
    };
    let quoted = |word: &String| {
        if plain(word) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
