//! `ringfence why --last`: a second look at the last command that failed, inside of its ring.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use ringfence::{By, Error, Request, State, begin, layers};
use ringfence_ledger::story::{Command, Story};
use ringfence_ledger::{Digest, Record, Text, latest};
use ringfence_policy::{Effective, show_json};
use serde_json::Value;

use crate::command::log::list::words;
use crate::command::run;
use crate::exit::ExitCode;
use crate::flags::PolicyFlags;
use crate::say;

/// So far back is it looked for.
const RECORDS: usize = 2_000;

/// Why there is no second look.
#[derive(Debug, thiserror::Error)]
enum None {
    #[error("there is no home directory, and so no record of what ran; set HOME")]
    NoState,
    #[error("the ledger cannot be read: {0}")]
    Unread(std::io::Error),
    #[error("of late no command failed in a ring here; `ringfence log` lists what ran")]
    Nothing,
    #[error(
        "{0}: not all of its words are recorded (secrets, or very many); run it yourself: ringfence run --trace -- …"
    )]
    NotWhole(String),
    #[error("{0}: the directory it ran in is gone")]
    NoDirectory(String),
    #[error(
        "{0}: it was given variables, whose values are not recorded; run it yourself: ringfence run --trace -- …"
    )]
    Variables(String),
    #[error(
        "{command}: it would have another ring than it had: {what}; say the flags it had (ringfence log show {number}), or run it yourself: ringfence run --trace -- …"
    )]
    AnotherRing {
        command: String,
        what: String,
        number: u64,
    },
    #[error("it would be run once more, and there is no terminal to ask at; say --yes")]
    NobodyAsked,
    #[error("not run")]
    No,
}

pub(super) fn last(
    policy: PolicyFlags,
    workspace: Option<PathBuf>,
    json: bool,
    yes: bool,
) -> ExitCode {
    let cwd = match std::env::current_dir() {
        Ok(cwd) => cwd,
        Err(_) => return say::error(&Error::NoCwd).into(),
    };
    let found = match found(&cwd) {
        Ok(found) => found,
        Err(why) => return say::refuse(say::Plain(why.to_string())),
    };
    let request = Request {
        argv: found.argv.clone(),
        workspace: Some(workspace.unwrap_or_else(|| found.workspace.clone())),
        directory: Some(found.directory.clone()),
        flags: policy.into(),
        // Whoever chose it then, nobody typed it now.
        starting_rules: true,
        by: By::named("why"),
        ..Request::default()
    };
    let begun = match begin(request.clone()) {
        Ok(begun) => begun,
        Err(error) => return say::error(&error).into(),
    };
    let known = same_ring(&found, &request, &begun.policy).and_then(|()| asked(&found, yes));
    match known {
        Ok(()) => run::again(request, json),
        Err(why) => say::refuse(say::Plain(why.to_string())),
    }
}

/// A command that ran, and what its ring was.
struct Found {
    number: u64,
    argv: Vec<OsString>,
    directory: PathBuf,
    workspace: PathBuf,
    policy: Digest,
    /// As it was kept, where it is.
    kept: Option<Value>,
    widened: bool,
}

/// So many differences are named.
const NAMED: usize = 4;

/// Refuses a look in another ring than the command had: in a wider one it would do what it could not, in a narrower one it
/// would be refused what it was not.
fn same_ring(found: &Found, request: &Request, policy: &Effective) -> Result<(), None> {
    let another = |what: String| None::AnotherRing {
        command: words(&texts(&found.argv)),
        what,
        number: found.number,
    };
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let workspace = request.workspace.as_deref().map(real);
    if workspace.is_some_and(|workspace| workspace != real(&found.workspace)) {
        return Err(another(format!(
            "its workspace was {}",
            found.workspace.display()
        )));
    }
    if found.widened {
        return Err(another("it was made wider while it stood".to_owned()));
    }
    if Digest::of_value(policy) == found.policy {
        return Ok(());
    }
    let Some(kept) = &found.kept else {
        return Err(another(
            "the policy is another by now, and the one it had is kept no more".to_owned(),
        ));
    };
    let mut differ = differences(kept, &show_json(policy));
    if differ.is_empty() {
        return Ok(());
    }
    let more = differ.len().saturating_sub(NAMED);
    differ.truncate(NAMED);
    if more > 0 {
        differ.push(format!("and {more} differences more"));
    }
    Err(another(differ.join(", ")))
}

/// Where two policies make another ring, whoever said what: by their keys.
fn differences(had: &Value, has: &Value) -> Vec<String> {
    // What makes no ring.
    const NONE: [&str; 3] = ["approval", "ledger", "filesystem.snapshot"];
    let mut differ = Vec::new();
    let mut todo = vec![(String::new(), had, has)];
    while let Some((key, had, has)) = todo.pop() {
        if NONE.contains(&key.as_str()) {
            continue;
        }
        let table = |value: &Value| value.is_object() && value.get("layer").is_none();
        if table(had) && table(has) {
            let keys = [had, has].into_iter().filter_map(Value::as_object);
            let keys: std::collections::BTreeSet<&String> =
                keys.flat_map(|map| map.keys()).collect();
            for name in keys.into_iter().rev() {
                let below = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                todo.push((below, &had[name.as_str()], &has[name.as_str()]));
            }
            continue;
        }
        let (had, has) = (values(had), values(has));
        let only = |one: &[&Value], other: &[&Value]| -> Vec<String> {
            let only = one.iter().filter(|value| !other.contains(value));
            only.map(|value| {
                // What is hidden, protected or ruled by its place or its words.
                let names = ["path", "below_write_roots", "prefix"];
                let value = names
                    .iter()
                    .find_map(|name| value.get(name))
                    .unwrap_or(value);
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect()
        };
        let (less, more) = (only(&had, &has), only(&has, &had));
        let said = |values: Vec<String>| match values.len() {
            0 => "nothing".to_owned(),
            few if few <= NAMED => values.join(" "),
            many => format!("{} and {} more", values[..NAMED].join(" "), many - NAMED),
        };
        if !(less.is_empty() && more.is_empty()) {
            differ.push(format!(
                "{key} had {} and would have {}",
                said(less),
                said(more)
            ));
        }
    }
    differ
}

/// What is said, without who said it.
fn values(said: &Value) -> Vec<&Value> {
    match said {
        Value::Null => Vec::new(),
        Value::Array(all) => all
            .iter()
            .map(|one| one.get("value").unwrap_or(one))
            .collect(),
        one => vec![one.get("value").unwrap_or(one)],
    }
}

fn texts(argv: &[OsString]) -> Vec<Text> {
    argv.iter().map(Text::from).collect()
}

fn found(cwd: &Path) -> Result<Found, None> {
    let state = State::of_user(layers::home().as_deref()).ok_or(None::NoState)?;
    let ledger = state.dir().join("ledger");
    let entries = latest(&ledger, RECORDS).map_err(None::Unread)?;
    let records = entries.filter_map(|entry| entry.record.ok());
    let story: Story = records.collect::<Vec<Record>>().into_iter().collect();
    let here = |command: &&Command| {
        let made = story.ring_of(command).and_then(|ring| ring.made.as_ref());
        let of = made.filter(|made| made.what.ring.is_some());
        of.is_some_and(|made| cwd.starts_with(made.what.workspace.as_path()))
    };
    let failed = |command: &&Command| {
        let ended = command.ended.as_ref();
        ended.is_some_and(|ended| {
            let how = (ended.what.how.as_str(), ended.what.value);
            how != ("exited", Some(0)) && how.0 != "not-started"
        })
    };
    let command = story.commands.values().rev().filter(here).find(failed);
    let command = command.ok_or(None::Nothing)?;
    let started = &command.started.what;
    let shown = words(&started.argv);
    if started.left_out > 0 || started.redacted > 0 || shown.len() > 4096 {
        return Err(None::NotWhole(shown));
    }
    if !started.env.is_empty() {
        return Err(None::Variables(shown));
    }
    if !started.cwd.as_path().is_dir() {
        return Err(None::NoDirectory(shown));
    }
    let ring = story.ring_of(command).ok_or(None::Nothing)?;
    let made = &ring.made.as_ref().ok_or(None::Nothing)?.what;
    let argv = started.argv.iter();
    Ok(Found {
        number: command.started.seq,
        argv: argv.map(|word| word.as_os_str().to_owned()).collect(),
        directory: started.cwd.as_path().to_owned(),
        workspace: made.workspace.as_path().to_owned(),
        policy: made.policy,
        kept: {
            // The record that it is kept may be older than all that were read.
            let path = ledger
                .join("policies")
                .join(format!("{}.json", made.policy));
            let text = std::fs::read(path).ok();
            text.and_then(|text| serde_json::from_slice(&text).ok())
        },
        widened: !ring.widened.is_empty(),
    })
}

/// It does what it does a second time: that is for a person to say.
fn asked(found: &Found, yes: bool) -> Result<(), None> {
    say::line(format_args!(
        "the last that failed here: {}",
        say::Plain(words(&texts(&found.argv)))
    ));
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(None::NobodyAsked);
    }
    let mut stderr = std::io::stderr();
    // What was typed before it stood there is no answer.
    let _typed = rustix::termios::tcflush(&stdin, rustix::termios::QueueSelector::IFlush);
    let asked = write!(
        stderr,
        "Run it once more, in its ring, and look what it is refused? [y/N] "
    );
    let mut answer = String::new();
    let read = asked
        .and_then(|()| stderr.flush())
        .and_then(|()| stdin.read_line(&mut answer));
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(None::No),
    }
}
