//! `ringfence run` and `ringfence shell`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use ringfence::ask::{Answer, at_terminal};
use ringfence::{Begun, By, Early, Ended, Error, Finished, Request, begin_with};
use ringfence_plan::promise;
use ringfence_policy::Mode;
use serde_json::Value;

use crate::command::{changed, report};
use crate::flags::PolicyFlags;
use crate::grammar::{RingFlags, RunArgs, ShellArgs};
use crate::say;

pub(crate) fn run(args: RunArgs, early: Early) -> ExitCode {
    let RunArgs { policy, ring, argv } = args;
    start("run", policy, ring, argv, early)
}

pub(crate) fn shell(args: ShellArgs, early: Early) -> ExitCode {
    let ShellArgs { policy, ring } = args;
    let shell = std::env::var_os("SHELL")
        .filter(|s| !s.is_empty())
        .unwrap_or_else(|| OsString::from("/bin/sh"));
    start("shell", policy, ring, vec![shell], early)
}

fn start(
    by: &str,
    policy: PolicyFlags,
    ring: RingFlags,
    argv: Vec<OsString>,
    early: Early,
) -> ExitCode {
    let RingFlags {
        workspace,
        pty,
        explain,
        json,
        changes,
        starting_rules,
        rules_answered,
    } = ring;
    let request = Request {
        argv,
        workspace,
        flags: policy.into(),
        pty,
        starting_rules,
        by: By::named(by),
        changes,
        ..Request::default()
    };
    let fail = |error: &Error| {
        let code = say::error(error);
        if json {
            print(&report::failed(error, code));
        }
        ExitCode::from(code)
    };
    let begun = match begin_with(request, early) {
        Ok(begun) => begun,
        Err(error) => return fail(&error),
    };
    if explain {
        let prepared = match begun.finish() {
            Ok(prepared) => prepared,
            Err(error) => return fail(&error),
        };
        if json {
            return say::out(format_args!("{}\n", report::plan(prepared.plan.as_ref())));
        }
        return match &prepared.plan {
            Some(plan) => say::out(plan),
            None => say::out("ring: none (full-access)\n"),
        };
    }
    let begun = match allowed(begun, rules_answered) {
        Ok(begun) => begun,
        Err(error) => return fail(&error),
    };
    if begun.policy.mode.value == Mode::FullAccess {
        say::line("full-access: this command runs without any boundary");
    }
    match ringfence::run(begun) {
        Ok(mut finished) => {
            // What is kept to be undone was looked at for that alone.
            finished.changes = finished.changes.filter(|_| changes);
            finish(&finished, json)
        }
        Err(error) => fail(&error),
    }
}

/// Asks a person where the rules say so.
fn allowed(mut begun: Begun, answered: bool) -> Result<Begun, Error> {
    let Some(question) = begun.question()? else {
        return Ok(begun);
    };
    let policy = &begun.policy;
    let about = match policy.mode.value {
        Mode::FullAccess => "without any boundary (full-access)".to_owned(),
        mode => format!(
            "in its ring ({}, network {})",
            mode.name(),
            policy.network.mode.value.name()
        ),
    };
    let (answer, from) = if answered {
        (Answer::Once, "caller")
    } else {
        let answer = at_terminal(&question, &about).unwrap_or(Answer::Nobody);
        (answer, "terminal")
    };
    begun.answered(question.clone(), answer, from)?;
    match answer {
        Answer::Once | Answer::Ring => Ok(begun),
        Answer::No => Err(Error::Declined(Box::new(question))),
        Answer::Nobody => Err(Error::Asks(Box::new(question))),
    }
}

fn finish(finished: &Finished, as_json: bool) -> ExitCode {
    let most = 16;
    if finished.taken_away.len() > most {
        let more = finished.taken_away.len() - most;
        say::line(format_args!(
            "{more} protected names more than the following were made in the ring (--json lists all)"
        ));
    }
    for (path, errno) in finished.taken_away.iter().take(most) {
        let path = say::Plain(path);
        match errno {
            None => say::line(format_args!(
                "{path} was made in the ring, where that name is protected; it was moved \
                 aside, to {path}.from-ring or a name that begins so (to allow it: make it \
                 outside first)"
            )),
            Some(errno) => {
                let error = std::io::Error::from_raw_os_error(*errno);
                say::line(format_args!(
                    "WARNING: {path} was made in the ring, where that name is \
                     protected, and could not be taken away: {error}; look at it before you use it"
                ));
            }
        }
    }
    for made in &finished.made {
        let made = made.to_string();
        say::line(format_args!(
            "WARNING: {}; look at it before you use git in it or around it",
            say::Plain(&made)
        ));
    }
    for short in &finished.outcome.shortfalls {
        // Who accepted it by name knows.
        if short.promise == promise::LEDGER && !short.accepted {
            let what = say::Plain(&short.what).to_string();
            say::line(format_args!("WARNING: the ledger: {what}"));
        }
    }
    if let Some(changes) = &finished.changes {
        say::line(say::Plain(&changed::line(changes)));
    }
    let code = match finished.ended {
        Ended::Exited(status) => (status & 0xff) as u8,
        Ended::Signalled(signal) => 128_u8.wrapping_add(signal as u8),
        Ended::TimedOut => {
            say::line("the command's time was up (--timeout, [limits] time)");
            124
        }
        Ended::TooMuchOutput => {
            say::line("the command printed more than it may (--output, [limits] output)");
            say::REFUSED
        }
        Ended::Insisted => {
            say::line("the command made protected names over and over, and was ended");
            say::REFUSED
        }
    };
    if as_json {
        print(&report::finished(finished, code));
    }
    ExitCode::from(code)
}

/// The report is for a program; one that does not read it has its reasons.
pub(super) fn print(report: &Value) {
    let _closed = writeln!(std::io::stderr(), "{report}");
}
