//! `ringfence run` and `ringfence shell`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use ringfence::{Early, Ended, Finished, Request, begin_with};
use ringfence_policy::Mode;
use serde_json::json;

use crate::flags::PolicyFlags;
use crate::grammar::{RingFlags, RunArgs, ShellArgs};
use crate::say;

pub(crate) fn run(args: RunArgs, early: Early) -> ExitCode {
    let RunArgs { policy, ring, argv } = args;
    start(policy, ring, argv, early)
}

pub(crate) fn shell(args: ShellArgs, early: Early) -> ExitCode {
    let ShellArgs { policy, ring } = args;
    let shell = std::env::var_os("SHELL")
        .filter(|s| !s.is_empty())
        .unwrap_or_else(|| OsString::from("/bin/sh"));
    start(policy, ring, vec![shell], early)
}

fn start(policy: PolicyFlags, ring: RingFlags, argv: Vec<OsString>, early: Early) -> ExitCode {
    let RingFlags {
        workspace,
        pty,
        explain,
        json,
    } = ring;
    let request = Request {
        argv,
        workspace,
        flags: policy.into(),
        pty,
    };
    let begun = match begin_with(request, early) {
        Ok(begun) => begun,
        Err(error) => return say::error(&error),
    };
    if explain {
        let prepared = match begun.finish() {
            Ok(prepared) => prepared,
            Err(error) => return say::error(&error),
        };
        return match &prepared.plan {
            Some(plan) => say::out(plan),
            None => say::out("ring: none (full-access)\n"),
        };
    }
    if begun.policy.mode.value == Mode::FullAccess {
        say::line("full-access: this command runs without any boundary");
    }
    match ringfence::run(begun) {
        Ok(finished) => finish(&finished, json),
        Err(error) => say::error(&error),
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
        let shortfalls: Vec<_> = finished
            .outcome
            .shortfalls
            .iter()
            .map(|s| {
                json!({
                    "promise": s.promise,
                    "what": s.what,
                    "remedy": s.remedy,
                    "accepted": s.accepted,
                })
            })
            .collect();
        let (how, value) = match finished.ended {
            Ended::Exited(status) => ("exited", Some(status)),
            Ended::Signalled(signal) => ("signalled", Some(signal)),
            Ended::TimedOut => ("timed-out", None),
            Ended::TooMuchOutput => ("too-much-output", None),
            Ended::Insisted => ("insisted", None),
        };
        let report = json!({
            "ended": { "how": how, "value": value },
            "exit_code": code,
            "ring": finished.mode.map(|mode| mode.to_string()),
            "enforcement": finished.outcome.enforcement.to_string(),
            "shortfalls": shortfalls,
            "taken_away": finished
                .taken_away
                .iter()
                .map(|(path, _)| path.to_string_lossy())
                .collect::<Vec<_>>(),
            "made": finished
                .made
                .iter()
                .map(|made| json!({ "path": made.path.to_string_lossy(), "runs": made.runs }))
                .collect::<Vec<_>>(),
            "usage": {
                "max_rss_kib": finished.max_rss_kib,
                "cpu_us": finished.cpu_us,
                "elapsed_us": finished.elapsed.as_micros() as u64,
            },
        });
        // The report is for a program; one that does not read it has its reasons.
        let _closed = writeln!(std::io::stderr(), "{report}");
    }
    ExitCode::from(code)
}
