//! What each kind of value must be, wherever it is written.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::UnknownName;
use crate::defaults::{self, CACHE_TOOLS};
use crate::environment::NamePattern;
use crate::error::Problem;
use crate::model::{Hide, Read};
use crate::path;
use crate::rule::pieces;
use crate::sources::Context;

pub(super) fn word<T: FromStr<Err = UnknownName>>(text: &str) -> Result<T, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    text.parse().map_err(Problem::from)
}

pub(super) fn tool(text: &str) -> Result<String, Problem> {
    known(text, CACHE_TOOLS)
}

pub(super) fn revealed(text: &str) -> Result<String, Problem> {
    if text == NEVER_REVEALED {
        return Err(Problem::NeverRevealed(text.to_owned()));
    }
    known(text, defaults::hidden_names())
}

/// A command that could read the ledger could learn what it is not told, and plan around it.
const NEVER_REVEALED: &str = "hide.ringfence";

fn known(text: &str, known: &'static [&'static str]) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if !known.contains(&text) {
        return Err(Problem::Unknown {
            given: text.to_owned(),
            known,
        });
    }
    Ok(text.to_owned())
}

pub(super) fn variable(text: &str) -> Result<NamePattern, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    text.parse()
        .map_err(|_| Problem::VariableName(text.to_owned()))
}

pub(super) fn accepted(text: &str) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && part.bytes().all(fits)
    };
    if text.len() > 128 || !text.split('.').all(part) {
        return Err(Problem::AcceptName(text.to_owned()));
    }
    Ok(text.to_owned())
}

pub(super) fn hidden(path: &Path, base: &Path, context: &Context<'_>) -> Result<Hide, Problem> {
    Ok(Hide {
        path: path::expand(path, base, context)?,
        except: Vec::new(),
        why: Cow::Borrowed("a policy says so"),
        name: "hide".to_owned(),
    })
}

/// `all` or `minimal`.
pub(super) fn read_word(text: &str) -> Result<Read, Problem> {
    match text {
        "" => Err(Problem::Empty),
        "all" => Ok(Read::All),
        "minimal" => Ok(Read::Minimal),
        _ => Err(Problem::Unknown {
            given: text.to_owned(),
            known: &["all", "minimal"],
        }),
    }
}

/// What a `read` list says.
pub(super) fn read_list(paths: impl Iterator<Item = Option<PathBuf>>) -> Read {
    let paths: Vec<_> = paths.flatten().collect();
    if paths.is_empty() {
        Read::Minimal
    } else {
        Read::Paths(paths)
    }
}

/// A path of a `read` list. `None` for `minimal`, which each list begins with.
pub(super) fn read_path(
    text: &str,
    base: &Path,
    context: &Context<'_>,
) -> Result<Option<PathBuf>, Problem> {
    match text {
        "minimal" => Ok(None),
        "all" => Err(Problem::ReadWord(text.to_owned())),
        path => path::expand(Path::new(path), base, context).map(Some),
    }
}

pub(super) fn processes(count: i64, given: impl fmt::Display) -> Result<u32, Problem> {
    let count_in_range = u32::try_from(count)
        .ok()
        .filter(|count| (1..=PROCESSES_MOST).contains(count));
    count_in_range.ok_or(Problem::Range {
        given: given.to_string(),
        least: "1",
        most: "4194304",
    })
}

/// How many questions.
pub(super) fn most(count: i64, given: impl fmt::Display) -> Result<u32, Problem> {
    let count_in_range = u32::try_from(count)
        .ok()
        .filter(|count| (1..=1000).contains(count));
    count_in_range.ok_or(Problem::Range {
        given: given.to_string(),
        least: "1",
        most: "1000",
    })
}

/// The most that a 64-bit Linux has (`PID_MAX_LIMIT`).
const PROCESSES_MOST: u32 = 4 << 20;

/// A word or a command of a rule: something, on one line.
pub(super) fn rule_text(text: &str) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::Empty);
    }
    if text.contains(['\n', '\r']) {
        return Err(Problem::OneLine(text.to_owned()));
    }
    if text
        .chars()
        .any(|character| character.is_control() && character != '\t')
    {
        return Err(Problem::Control(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// A word of a rule's prefix: also a pattern.
pub(super) fn prefix_word(text: &str) -> Result<String, Problem> {
    let text = rule_text(text)?;
    match pieces(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(Problem::Escape(text)),
    }
}
