//! `ringfence why --last`: a second look at the last command that failed, inside of its ring.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ringfence::{Error, State, layers};
use ringfence_ledger::story::{Command, Story};
use ringfence_ledger::{Record, Text, latest};

use crate::command::log::words;
use crate::command::run;
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
    let (argv, directory, of) = match found(&cwd).and_then(|found| asked(found, yes)) {
        Ok(found) => found,
        Err(why) => return say::refuse(say::Plain(why.to_string())),
    };
    // The same workspace, whichever would be found from there by now.
    let workspace = workspace.unwrap_or(of);
    run::again(policy, workspace, directory, argv, json)
}

/// Its words, where it started, its workspace.
type Found = (Vec<std::ffi::OsString>, PathBuf, PathBuf);

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
    if !started.cwd.as_path().is_dir() {
        return Err(None::NoDirectory(shown));
    }
    let ring = story.ring_of(command).and_then(|ring| ring.made.as_ref());
    let workspace = ring.map(|made| made.what.workspace.as_path().to_owned());
    let argv = started.argv.iter();
    Ok((
        argv.map(|word| word.as_os_str().to_owned()).collect(),
        started.cwd.as_path().to_owned(),
        workspace.ok_or(None::Nothing)?,
    ))
}

/// It does what it does a second time: that is for a person to say.
fn asked(found: Found, yes: bool) -> Result<Found, None> {
    let argv: Vec<Text> = found.0.iter().map(Text::from).collect();
    say::line(format_args!(
        "the last that failed here: {}",
        say::Plain(words(&argv))
    ));
    if yes {
        return Ok(found);
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
        (Ok(_), "y" | "Y" | "yes") => Ok(found),
        _ => Err(None::No),
    }
}
