//! `ringfence grants`.

use std::ffi::OsString;
use std::fmt::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringfence::grants::{Grant, Grants, Lasts, What};
use ringfence::{Error, State, layers};
use ringfence_ledger::shell;
use ringfence_policy::{show_duration, show_size};
use serde_json::{Value, json};

use crate::exit::ExitCode;
use crate::say;

/// What you answered with "this session" or "this project" is kept until the session ends, or until you take it
/// back here. A ring that stands already keeps what it was made with.
#[derive(Debug, Args)]
pub(crate) struct GrantsArgs {
    #[command(subcommand)]
    what: Option<Does>,
}

#[derive(Debug, Subcommand)]
enum Does {
    /// List them, as without a word; those that do not hold any more say why
    List(ListArgs),
    /// Take back, by number
    Revoke(RevokeArgs),
}

#[derive(Debug, Default, Args)]
struct ListArgs {
    /// Print one line of JSON for each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Their numbers
    #[arg(required_unless_present = "all", value_name = "NUMBER")]
    numbers: Vec<u32>,
    /// Every one
    #[arg(long, conflicts_with = "numbers")]
    all: bool,
}

pub(crate) fn grants(args: GrantsArgs) -> ExitCode {
    if ringfence::environment::inside().is_some() {
        return say::refuse("grants: this runs in a ring, which cannot see them; do it outside");
    }
    let Some(state) = State::of_user(layers::home().as_deref()) else {
        return say::refuse(format_args!(
            "grants are kept in your state directory, and you have no home; {}",
            layers::TO_HAVE_STATE
        ));
    };
    let grants = Grants::of(&state);
    let done = match args.what.unwrap_or(Does::List(ListArgs::default())) {
        Does::List(args) => list(&grants, args.json),
        Does::Revoke(args) => revoke(&grants, &args),
    };
    done.unwrap_or_else(|error| say::error(&error).into())
}

fn list(grants: &Grants, as_json: bool) -> Result<ExitCode, Error> {
    let all = grants.all()?;
    let mut text = String::new();
    for grant in &all {
        if as_json {
            let _ = writeln!(text, "{}", data(grant));
        } else {
            line(&mut text, grant);
        }
    }
    if all.is_empty() && !as_json {
        text.push_str("nothing is granted for longer than one command\n");
    }
    Ok(say::out(text))
}

fn line(text: &mut String, grant: &Grant) {
    let Grant {
        number,
        workspace,
        lasts,
        made,
        ..
    } = grant;
    let (verb, of) = told(&grant.what);
    let lasts = match lasts {
        Lasts::Session(_) => "this session",
        Lasts::Project => "project",
    };
    let lasts = match (grant.holds(), &grant.lasts) {
        (true, Lasts::Session(session)) if !session.is_own() => "another session",
        (true, _) => lasts,
        (false, Lasts::Session(session)) if !session.lives() => "its session is over",
        (false, _) => "gone: another object stands there, or none",
    };
    let made = Timestamp::from_second(i64::try_from(*made).unwrap_or(0)).unwrap_or_default();
    let made = made.to_zoned(TimeZone::system());
    let _ = writeln!(
        text,
        "{number:>4}  {verb} {}\n      in {}, {lasts}, since {}",
        say::Plain(&of),
        say::Plain(workspace.as_path()),
        made.strftime("%Y-%m-%d %H:%M")
    );
}

fn told(what: &What) -> (&'static str, String) {
    match what {
        What::Write(object) => ("write", object.path().to_string_lossy().into_owned()),
        What::Socket(object) => ("connect to", object.path().to_string_lossy().into_owned()),
        What::Reveal(name) => ("see", name.clone()),
        What::Time(seconds) => ("run for", show_duration(Duration::from_secs(*seconds))),
        What::Output(bytes) => ("print", show_size(*bytes)),
        What::Command(command) => {
            let directory = command.directory().to_string_lossy().into_owned();
            let argv = command.argv();
            let line = shell::line(argv.iter().map(OsString::as_os_str));
            let line = line.to_string_lossy();
            ("run", format!("{line} (in {directory})"))
        }
    }
}

fn data(grant: &Grant) -> Value {
    let mut data = json!({
        "number": grant.number,
        "grant": grant.what,
        "workspace": grant.workspace,
        "lasts": match grant.lasts {
            Lasts::Session(_) => "session",
            Lasts::Project => "project",
        },
        "made": grant.made,
        "holds": grant.holds(),
    });
    if grant.answer > 0 {
        data["answer"] = json!(grant.answer);
    }
    data
}

fn revoke(grants: &Grants, args: &RevokeArgs) -> Result<ExitCode, Error> {
    let numbers = if args.all {
        grants.all()?.iter().map(|grant| grant.number).collect()
    } else {
        args.numbers.clone()
    };
    let mut missing = Vec::new();
    for number in numbers {
        match grants.revoke(number)? {
            Some(grant) => {
                let (verb, of) = told(&grant.what);
                say::line(format_args!("taken back: {verb} {}", say::Plain(&of)));
            }
            None => missing.push(number.to_string()),
        }
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(say::refuse(format_args!(
        "no grant has the number {}; `ringfence grants` lists them",
        missing.join(", ")
    )))
}
