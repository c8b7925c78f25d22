//! Outliving the command.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Row};
use ringfence_sys_windows::process::Start;
use ringfence_sys_windows::sync::{Event, EventOptions, access};
use ringfence_sys_windows::wait;
use std::ffi::OsStr;
use std::io;
use std::os::windows::io::AsHandle as _;
use std::os::windows::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Lifetime, "descendants", what, attempt)
        .with(name)
        .after(survived)
}

pub(super) const ROWS: &[Row] = &[
    row("survive.child", "leave a child", child),
    row(
        "survive.detached",
        "leave a child without a console, in a group of its own",
        detached,
    ),
    row(
        "survive.breakaway",
        "leave a child that leaves the job",
        breakaway,
    ),
    row(
        "survive.start",
        "leave a child of cmd's start",
        started_by_cmd,
    ),
];

/// How long a survivor lives when nobody ends it.
const LIFE: Duration = Duration::from_secs(10);
/// How long it may take to begin.
const BEGINS: Duration = Duration::from_secs(5);
/// `ERROR_FILE_NOT_FOUND`
const NOT_FOUND: u32 = 2;

/// The survivor's command line.
pub(super) fn line(facts: &Facts, row: &str) -> String {
    format!("\"{}\" linger {}", facts.probe.display(), facts.object(row))
}

/// Waits until the survivor lives: only then is it worth to look whether it still does.
pub(super) fn began(facts: &Facts, row: &str, within: Duration, id: u32) -> Tried {
    let end = Instant::now() + within;
    let name = facts.object(row);
    loop {
        match Event::open(OsStr::new(&name), access::SYNCHRONIZE) {
            Ok(_) => return Tried::allowed(format!("process {id} was started")),
            // Its object is not for this one, so it is there.
            Err(error) if !error.is(NOT_FOUND) => return Tried::allowed(error.to_string()),
            Err(_) if Instant::now() > end => {
                return Tried::denied(format!("process {id} did not come to live"));
            }
            Err(_) => crate::moment::pass(Duration::from_millis(5)),
        }
    }
}

fn start(facts: &Facts, row: &str, how: impl FnOnce(Start<'_>) -> Start<'_>) -> Tried {
    let line = line(facts, row);
    let start = how(Start::new(&facts.probe, OsStr::new(&line)));
    match start.start() {
        Ok(started) => began(facts, row, BEGINS, started.id),
        Err(error) => Tried::failed(&crate::sys(error), &[]),
    }
}

fn child(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, |start| start)
}

fn detached(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, |start| Start {
        new_group: true,
        no_window: true,
        ..start
    })
}

fn breakaway(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, |start| Start {
        breakaway: true,
        ..start
    })
}

fn started_by_cmd(facts: &Facts, argument: &'static str) -> Tried {
    let mut command = Command::new("cmd.exe");
    command
        .raw_arg(format!("/d /c start \"\" /b {}", line(facts, argument)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.status() {
        Ok(_) => began(facts, argument, BEGINS, 0),
        Err(error) => Tried::failed(&error, &[]),
    }
}

/// Looks whether the survivor of a row lives, and ends it.
pub(super) fn survived(facts: &Facts, argument: &'static str) -> Tried {
    let name = facts.object(argument);
    match Event::open(OsStr::new(&name), access::EVENT_MODIFY_STATE) {
        Ok(event) => {
            let ended = event.set();
            drop(event);
            // The next run must not take this one for its own.
            let end = Instant::now() + LIFE;
            while Instant::now() < end
                && Event::open(OsStr::new(&name), access::SYNCHRONIZE).is_ok()
            {
                crate::moment::pass(Duration::from_millis(5));
            }
            Tried::allowed(match ended {
                Ok(()) => "it lived on, until it was told to end".to_owned(),
                Err(error) => format!("it lived on: {error}"),
            })
        }
        Err(error) if error.is(NOT_FOUND) => Tried::denied("nothing was left"),
        Err(error) => Tried::allowed(format!("it lives on: {error}")),
    }
}

/// The survivor itself: `linger NAME`. It has an object of this name, and ends when that is set, or after a while.
pub fn linger(arguments: &[String]) -> io::Result<()> {
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    let (event, _) = Event::create(EventOptions {
        name: Some(OsStr::new(name)),
        manual: true,
        ..EventOptions::default()
    })
    .map_err(crate::sys)?;
    wait::one(event.as_handle(), Some(LIFE)).map_err(crate::sys)?;
    Ok(())
}
