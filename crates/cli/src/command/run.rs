//! `ringfence run` and `ringfence shell`.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;

use ringfence::ask::{Answer, Heard, Page, ask, can_ask};
use ringfence::offer::{first_in_session, offers};
use ringfence::pretend::Machine;
use ringfence::{
    Begun, By, Early, Ended, Error, Finished, Outside, Request, State, begin_with, layers,
};
use ringfence_plan::promise;
use ringfence_policy::{Approval, Ask, Mode};
use serde_json::Value;

use crate::command::{changed, report, told, typed};
use crate::exit::ExitCode;
use crate::flags::PolicyFlags;
use crate::grammar::{self, RingFlags, RunArgs, ShellArgs};
use crate::{own, say};

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
        pretend,
        json,
        changes,
        trace,
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
    let how = How {
        explain,
        pretend: pretend.map(|machine| match machine {
            grammar::Machine::WindowsStandardUser => Machine::WindowsStandardUser,
            grammar::Machine::WindowsSetUp => Machine::WindowsSetUp,
        }),
        json,
        trace,
        rules_answered,
        never_outside: false,
    };
    until_done(request, early, &how)
}

fn until_done(mut request: Request, early: Early, how: &How) -> ExitCode {
    let fail = |error: &Error| {
        let code = say::error(error);
        if how.json {
            print(&told::failed(error, code));
        }
        ExitCode::from(code)
    };
    let mut early = Some(early);
    let mut looks_left = ringfence::LOOKS;
    loop {
        let early = early.take().unwrap_or_else(Early::none);
        match once(&mut request, early, how) {
            Ok(Done::Over(code)) => return code,
            Ok(Done::Again) => say::line("granted; it runs again, in its ring"),
            Ok(Done::Replaced(error)) => {
                looks_left -= 1;
                if looks_left == 0 {
                    return fail(&error);
                }
            }
            Err(error) => return fail(&error),
        }
    }
}

/// Runs a command that failed once more, and says what its ring refuses.
pub(super) fn again(request: Request, json: bool) -> ExitCode {
    let how = How {
        explain: false,
        pretend: None,
        json,
        trace: true,
        rules_answered: false,
        never_outside: true,
    };
    until_done(request, Early::none(), &how)
}

/// What becomes of a command.
enum Done {
    Over(ExitCode),
    /// A person granted what it was refused.
    Again,
    /// It was not started: what its ring was to be made from was replaced meanwhile. Nobody was asked about it.
    Replaced(Error),
}

/// How it is to be run, and told of.
struct How {
    explain: bool,
    pretend: Option<Machine>,
    json: bool,
    trace: bool,
    rules_answered: bool,
    /// Whatever a rule says by now.
    never_outside: bool,
}

fn once(request: &mut Request, early: Early, how: &How) -> Result<Done, Error> {
    let How {
        explain,
        pretend,
        json,
        trace,
        rules_answered,
        never_outside,
    } = *how;
    let mut begun = begin_with(request.clone(), early)?;
    typed::told(&begun.policy);
    if let Some(machine) = pretend {
        let plan = begun.pretend(machine)?;
        return Ok(Done::Over(say::out(plan)));
    }
    if explain {
        let prepared = begun.finish()?;
        if json {
            let plan = report::plan(prepared.plan.as_ref());
            return Ok(Done::Over(say::out(format_args!("{plan}\n"))));
        }
        return Ok(Done::Over(match &prepared.plan {
            Some(plan) => say::out(plan),
            None => say::out("ring: none (full-access)\n"),
        }));
    }
    let confined = begun.policy.mode.value != Mode::FullAccess;
    let offered = begun.policy.approval.ask.value == Ask::OnDenial && confined;
    if trace || offered {
        match own::tools() {
            Ok(program) => begun.trace(request, program),
            Err(error) if trace => return Ok(Done::Over(say::refuse(error))),
            // It is confined all the same.
            Err(error) => say::line(format_args!(
                "what the ring refuses this command is not offered: {error}"
            )),
        }
    }
    let Allowed {
        begun,
        outside: shown,
        asked,
    } = allowed(begun, request, rules_answered, never_outside)?;
    let outside = shown.is_some();
    let begun = match &shown {
        Some(shown) => begun.outside(request, shown)?,
        None => begun,
    };
    let approval = begun.policy.approval.clone();
    if outside {
        say::line("this command runs outside of every ring, this once");
    } else if begun.policy.mode.value == Mode::FullAccess {
        say::line("full-access: this command runs without any boundary");
    }
    let mut finished = match ringfence::run(begun) {
        Err(error) if error.is_momentary() && !asked => return Ok(Done::Replaced(error)),
        other => other?,
    };
    // What is kept to be undone was looked at for that alone.
    finished.changes = finished.changes.filter(|_| request.changes);
    let failed = finished.ended != Ended::Exited(0);
    match offer(&finished, failed, &approval, request)? {
        Offered::Granted if input_is_whole() => return Ok(Done::Again),
        Offered::Granted => {
            say::line("granted; its input has been read, so that it does not run again by itself");
        }
        // It was shown with the question.
        Offered::No => {}
        Offered::Nothing if trace || failed => refused(&finished, trace),
        Offered::Nothing => {}
    }
    if failed && !trace && !offered && !json {
        hint(&finished);
    }
    Ok(Done::Over(finish(&finished, json)))
}

/// Says, once in a session of a terminal, how to learn whether it was the ring.
fn hint(finished: &Finished) {
    let by_itself = matches!(finished.ended, Ended::Exited(_));
    if !by_itself || finished.mode.is_none() || !std::io::stderr().is_terminal() {
        return;
    }
    let state = State::of_user(layers::home().as_deref());
    if state.is_some_and(|state| first_in_session(&state)) {
        say::line("if the ring was in its way, this tells: ringfence why --last");
    }
}

/// What came of offering what a command was refused.
enum Offered {
    Nothing,
    No,
    Granted,
}

/// Offers what the ring refused a command that failed.
fn offer(
    finished: &Finished,
    failed: bool,
    approval: &Approval,
    request: &mut Request,
) -> Result<Offered, Error> {
    let mut come = Offered::Nothing;
    let offers = if failed { offers(finished) } else { Vec::new() };
    for offer in offers {
        let page = Page::of_offer(&offer, offer.lasting(), input_is_whole());
        let Some(page) = page.filter(|page| can_ask(page, approval)) else {
            break;
        };
        if let Some(why) = offer.may_ask(approval)? {
            say::line(format_args!(
                "what was refused is not offered: {}",
                say::Plain(&why)
            ));
            break;
        }
        let Ok(heard) = ask(&page, approval) else {
            break;
        };
        if let Some(words) = &heard.words {
            say::line(format_args!("{} says: {words}", say::Plain(&heard.from)));
        }
        if !offer.answered(&heard, request)? {
            // What a program was asked nobody here has seen.
            if matches!(come, Offered::Nothing)
                && heard.from == "terminal"
                && heard.answer != Answer::Nobody
            {
                come = Offered::No;
            }
            break;
        }
        come = Offered::Granted;
    }
    Ok(come)
}

/// Whether nothing can have been read from stdin that is not there any more.
fn input_is_whole() -> bool {
    let stdin = std::io::stdin();
    let null = std::fs::metadata("/dev/null").map(|meta| meta.rdev());
    let own = std::fs::metadata("/proc/self/fd/0").map(|meta| meta.rdev());
    stdin.is_terminal() || matches!((null, own), (Ok(null), Ok(own)) if null == own)
}

/// A command that may be run.
struct Allowed {
    begun: Begun,
    /// What was shown of one that is to run outside.
    outside: Option<Outside>,
    /// The rules asked, and were answered.
    asked: bool,
}

/// Asks a person where the rules say so.
fn allowed(
    mut begun: Begun,
    request: &Request,
    answered: bool,
    never_outside: bool,
) -> Result<Allowed, Error> {
    let Some(question) = begun.question()? else {
        return Ok(Allowed {
            begun,
            outside: None,
            asked: false,
        });
    };
    let unconfined = begun.policy.mode.value == Mode::FullAccess;
    let outside = question.is_outside() && !unconfined;
    if outside && (answered || never_outside) {
        // Whoever was asked elsewhere was asked about something else.
        return Err(Error::Outside(Box::new(question)));
    }
    let policy = &begun.policy;
    let about = match policy.mode.value {
        Mode::FullAccess => "without any boundary (full-access)".to_owned(),
        mode => format!(
            "in its ring ({}, network {})",
            mode.name(),
            policy.network.mode.value.name()
        ),
    };
    let shown = match outside {
        true => Some(begun.placed_outside(&question, request)?),
        false => None,
    };
    let page = match &shown {
        Some(shown) => Page::outside(&question, shown),
        None => Page::of_command(&question, &about, begun.lasting(&question)),
    };
    let heard = if answered {
        Heard {
            answer: Answer::Once,
            from: "caller".to_owned(),
            words: None,
        }
    } else if can_ask(&page, &begun.policy.approval) {
        if let Some(why) = begun.may_ask()? {
            let question = Box::new(question);
            return Err(Error::Unasked { question, why });
        }
        ask(&page, &begun.policy.approval).unwrap_or_else(|_| Heard::nobody())
    } else {
        Heard::nobody()
    };
    begun.answered(question.clone(), heard.answer, &heard.from)?;
    if let Some(words) = &heard.words {
        say::line(format_args!("{} says: {words}", say::Plain(&heard.from)));
    }
    match heard.answer {
        Answer::Once | Answer::Ring | Answer::Session | Answer::Project => Ok(Allowed {
            begun,
            outside: shown,
            asked: true,
        }),
        Answer::No => Err(Error::Declined(Box::new(question))),
        Answer::Nobody if outside => Err(Error::Outside(Box::new(question))),
        Answer::Nobody => Err(Error::Asks(Box::new(question))),
        Answer::Late => Err(Error::Unasked {
            question: Box::new(question),
            why: "nobody answered in time ([approval] within)".to_owned(),
        }),
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
    if let Some(why) = &finished.unkept {
        say::line(format_args!(
            "WARNING: not all of what this command changed can be undone: {}",
            say::Plain(why)
        ));
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
    const SIGINT: i32 = 2;
    if finished.ended == Ended::Signalled(SIGINT) {
        ringfence::end_by_interrupt();
    }
    ExitCode::from(code)
}

/// What the ring refused a command that was looked at.
fn refused(finished: &Finished, traced: bool) {
    if let Some(why) = &finished.untraced {
        say::line(format_args!(
            "the command's calls were not looked at: {}",
            say::Plain(why)
        ));
    }
    if traced && finished.untraced.is_none() && finished.refusals.is_empty() {
        say::line("nothing was seen that the ring refused it");
    }
    for refusal in &finished.refusals {
        let remedy = match refusal.remedy.as_str() {
            "" => String::new(),
            remedy => format!("; {remedy}"),
        };
        say::line(format_args!(
            "refused: {} {}: {}{}",
            refusal.tried,
            say::Plain(&refusal.of),
            say::Plain(&refusal.because),
            say::Plain(&remedy)
        ));
    }
}

/// The report is for a program; one that does not read it has its reasons.
pub(super) fn print(report: &Value) {
    let _closed = writeln!(std::io::stderr(), "{report}");
}
