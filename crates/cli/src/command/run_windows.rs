//! `ringfence run` and `ringfence shell` on Windows.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use ringfence::windows::{Control, Progress, run_watched};
use ringfence::{By, Ended, Error, Finished, Request, begin};
use ringfence_plan::promise;
use ringfence_plan::windows::Plan;
use ringfence_policy::Mode;
use serde_json::{Value, json};

use crate::exit::ExitCode;
use crate::flags::PolicyFlags;
use crate::grammar::{RingFlags, RunArgs, ShellArgs};
use crate::say;

use super::told::{failed, shortfalls};
use super::typed;

pub(crate) fn run(args: RunArgs) -> ExitCode {
    let RunArgs { policy, ring, argv } = args;
    start("run", policy, ring, argv)
}

pub(crate) fn shell(args: ShellArgs) -> ExitCode {
    let ShellArgs { policy, ring } = args;
    let shell = std::env::var_os("ComSpec")
        .filter(|shell| !shell.is_empty())
        .unwrap_or_else(|| OsString::from("cmd.exe"));
    start("shell", policy, ring, vec![shell])
}

fn start(by: &str, policy: PolicyFlags, ring: RingFlags, argv: Vec<OsString>) -> ExitCode {
    let RingFlags {
        workspace,
        pty,
        explain,
        pretend,
        json,
        changes,
        trace,
        starting_rules,
        rules_answered: _,
    } = ring;
    let missing = [
        (pretend.is_some(), "--pretend", "another machine's plan"),
        (changes, "--changes", "which files changed"),
        (trace, "--trace", "what the ring refused"),
    ];
    if let Some((_, flag, what)) = missing.iter().find(|(asked, ..)| *asked) {
        let why = format!("{flag}: {what} is not told on Windows yet; nothing was run");
        return not_run(&why, json);
    }
    let request = Request {
        argv,
        workspace,
        flags: policy.into(),
        pty,
        starting_rules,
        by: By::named(by),
        ..Request::default()
    };
    let done = if explain {
        shown(request, json)
    } else {
        once(request, json)
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let code = say::error(&error);
            if json {
                print(&failed(&error, code));
            }
            ExitCode::from(code)
        }
    }
}

/// Why nothing was run, with the report that was asked for.
fn not_run(why: &str, as_json: bool) -> ExitCode {
    if as_json {
        super::not_understood(why, say::REFUSED);
    }
    say::refuse(why)
}

fn shown(request: Request, as_json: bool) -> Result<ExitCode, Error> {
    let begun = begin(request)?;
    typed::told(&begun.policy);
    let plan = begun.plan()?;
    Ok(match (&plan, as_json) {
        (plan, true) => say::out(format_args!("{}\n", plan_json(plan.as_ref()))),
        (Some(plan), false) => say::out(plan),
        (None, false) => say::out("ring: none (full-access)\n"),
    })
}

fn once(request: Request, as_json: bool) -> Result<ExitCode, Error> {
    let begun = begin(request)?;
    typed::told(&begun.policy);
    if begun.policy.mode.value == Mode::FullAccess {
        say::line("full-access: this command runs without any boundary");
    }
    let finished = run_watched(begun, &Shown::new())?;
    Ok(finish(&finished, as_json))
}

/// Ends as the command did: with all 32 bits of its code.
fn finish(finished: &Finished, as_json: bool) -> ExitCode {
    for (path, why) in &finished.taken_away {
        let path = say::Plain(path);
        match why {
            None => say::line(format_args!(
                "{path} was made in the ring, where that name is protected; it was moved aside, to {path}.from-ring or a name \
                 that begins so (to allow it: make it outside first)"
            )),
            Some(why) => say::line(format_args!(
                "WARNING: {path} is protected: {}; look at it before you use it",
                say::Plain(why)
            )),
        }
    }
    for why in &finished.left_out {
        say::line(format_args!("left out: {}", say::Plain(why)));
    }
    for short in &finished.outcome.shortfalls {
        // Who accepted it by name knows.
        if short.promise == promise::LEDGER && !short.accepted {
            let what = say::Plain(&short.what).to_string();
            say::line(format_args!("WARNING: the ledger: {what}"));
        }
    }
    let code = match finished.ended {
        Ended::Exited(code) => code,
        Ended::TimedOut => {
            say::line("the command's time was up (--timeout, [limits] time)");
            124
        }
        Ended::TooMuchOutput => {
            say::line("the command printed more than it may (--output, [limits] output)");
            u32::from(say::REFUSED)
        }
    };
    if as_json {
        print(&finished_json(finished, code));
    }
    // `ExitCode` has 8 bits.
    std::process::exit(code.cast_signed())
}

pub(super) fn print(report: &Value) {
    // There is no other place to complain in.
    let _closed = writeln!(std::io::stderr(), "{report}");
}

fn finished_json(finished: &Finished, code: u32) -> Value {
    let (how, value) = finished.ended.named();
    let taken = &finished.taken_away;
    json!({
        "ended": { "how": how, "value": value },
        "exit_code": code,
        "ring": finished.ring,
        "enforcement": finished.outcome.enforcement.to_string(),
        "shortfalls": shortfalls(&finished.outcome.shortfalls),
        "taken_away": taken
            .iter()
            .filter(|(_, why)| why.is_none())
            .map(|(path, _)| path.to_string_lossy())
            .collect::<Vec<_>>(),
        "left_in_place": taken
            .iter()
            .filter_map(|(path, why)| {
                let error = why.as_ref()?;
                Some(json!({ "path": path.to_string_lossy(), "errno": null, "error": error }))
            })
            .collect::<Vec<_>>(),
        "left_out": finished.left_out,
        // Repositories that were made are not looked for.
        "made": null,
        "changes": null,
        "refused": [],
        "untraced": null,
        "unkept": null,
        "usage": {
            "max_rss_kib": null,
            "cpu_us": finished.cpu_us,
            "elapsed_us": u64::try_from(finished.elapsed.as_micros()).unwrap_or(u64::MAX),
        },
        "host": {
            "descriptors_written": finished.done.descriptors,
            "processes_started": finished.done.processes,
        },
    })
}

fn plan_json(plan: Option<&Plan>) -> Value {
    let Some(plan) = plan else {
        return json!({ "ring": null, "steps": [], "shortfalls": [] });
    };
    let text = plan.to_string();
    // The first line says how; the last ones are told as data.
    let lines = text.lines().skip(1).map(str::trim);
    let lines =
        lines.filter(|line| !line.starts_with("left out") && !line.starts_with("less than"));
    json!({
        "ring": "unelevated",
        "steps": lines.map(step).collect::<Vec<_>>(),
        "left_out": plan.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "shortfalls": shortfalls(&plan.shortfalls),
    })
}

/// One line of a plan: what is protected says by which promise, what is granted is written, all else is the ring's.
fn step(line: &str) -> Value {
    let told = line
        .strip_suffix(']')
        .and_then(|line| line.rsplit_once(" ["));
    let (op, promise) = match told {
        Some((op, promise)) => (op, promise),
        None if line.starts_with("grant") => (line, promise::WRITE),
        None if line.starts_with("sweep") => (line, promise::PROTECT_MISSING),
        None => (line, promise::RING),
    };
    json!({ "need": "must", "op": op, "promise": promise })
}

/// Says on the caller's terminal how far a walk through a write root is. Ctrl-C ends it with this program; the next goes on.
pub(crate) struct Shown {
    terminal: bool,
    /// Thousands of objects that were said.
    said: AtomicU64,
}

impl Shown {
    pub(crate) fn new() -> Shown {
        Shown {
            terminal: std::io::stderr().is_terminal(),
            said: AtomicU64::new(0),
        }
    }
}

impl Control for Shown {
    fn progress(&self, progress: Progress) {
        let thousands = progress.seen / 1000;
        if !self.terminal || self.said.fetch_max(thousands, Ordering::Relaxed) >= thousands {
            return;
        }
        // There is no other place to say it in.
        let _closed = write!(
            std::io::stderr(),
            "\rringfence: permissions: {} objects, {} written\u{1b}[K",
            progress.seen,
            progress.written
        );
    }

    fn waiting(&self) {
        say::line("another ringfence writes the permissions of this directory; waiting for it");
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if self.said.load(Ordering::Relaxed) > 0 {
            let _closed = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
