//! `ringfence sessions`.

use std::fmt::Write;

use clap::{Args, Subcommand};
use ringfence_serve::protocol::{CommandListed, Ended};
use ringfence_serve::visitor::{Held, Name, Visit, VisitError, held};
use serde_json::json;

use crate::exit::ExitCode;
use crate::say;

/// Rings and commands that `ringfence serve` and `ringfence mcp` hold, of yours. A name is SERVER.NUMBER.
#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them (what `sessions` does alone)
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Be at a command's terminal, or see its output as it comes; Ctrl-] leaves, its exit code is given
    Attach {
        /// The command
        name: Name,
    },
    /// Print what is kept of a command's output
    Logs {
        /// The command
        name: Name,
        /// And go on as it comes, until it ends
        #[arg(long)]
        follow: bool,
    },
    /// End a command and all it started, or a ring and all that runs in it
    Stop {
        /// The ring or command
        name: Name,
    },
}

pub(crate) fn sessions(args: SessionsArgs) -> ExitCode {
    let SessionsArgs { what } = args;
    if ringfence_serve::report::inside().is_some() {
        return say::refuse("this runs in a ring: it sees nothing of what is outside");
    }
    let done = match what.unwrap_or(What::List { json: false }) {
        What::List { json } => {
            let (all, silent) = held();
            for server in &silent {
                say::line(format_args!(
                    "server {server} does not answer; what it holds is not listed"
                ));
            }
            return list(&all, silent.is_empty(), json);
        }
        What::Attach { name } => attach(name, true),
        What::Logs { name, follow: true } => attach(name, false),
        What::Logs {
            name,
            follow: false,
        } => Visit::to(name.server)
            .and_then(|mut visit| visit.logs(name.number))
            .map(|()| ExitCode::SUCCESS),
        What::Stop { name } => Visit::to(name.server)
            .and_then(|mut visit| visit.stop(name.number))
            .map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        // Whoever read it has had enough.
        Err(VisitError::Streams(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => say::refuse(error),
    }
}

fn attach(name: Name, types: bool) -> Result<ExitCode, VisitError> {
    let ended = Visit::to(name.server)?.attach(name.number, types)?;
    Ok(ended.map_or(ExitCode::SUCCESS, |ended| code_of(&ended).into()))
}

/// As a shell says it.
fn code_of(ended: &Ended) -> u8 {
    match (ended.timed_out, ended.code, ended.signal) {
        (true, ..) => 124,
        (_, Some(code), _) => u8::try_from(code & 0xff).unwrap_or(say::REFUSED),
        (_, _, Some(signal)) => u8::try_from(128 + signal).unwrap_or(say::REFUSED),
        _ => say::REFUSED,
    }
}

fn list(all: &[Held], complete: bool, as_json: bool) -> ExitCode {
    if as_json {
        let servers: Vec<_> = all
            .iter()
            .map(|held| json!({ "server": held.server, "rings": held.rings, "commands": held.commands }))
            .collect();
        return say::out(format_args!("{:#}\n", json!({ "servers": servers })));
    }
    let mut text = String::new();
    for Held {
        server,
        rings,
        commands,
    } in all
    {
        for ring in rings {
            let name = Name {
                server: *server,
                number: ring.ring,
            };
            let by = match &ring.client {
                Some(client) => format!(", {}", say::Plain(client)),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "{name:<14} ring     {:>6}  {}{by}",
                age(ring.age_ms),
                say::Plain(&ring.directory)
            );
            for command in commands.iter().filter(|command| command.ring == ring.ring) {
                let name = Name {
                    server: *server,
                    number: command.command,
                };
                let _ = writeln!(
                    text,
                    "{name:<14} {:<8} {:>6}  {}",
                    state(command),
                    age(command.age_ms),
                    words(&command.argv)
                );
            }
        }
    }
    if text.is_empty() && complete {
        match all.len() {
            0 => say::line(
                "no sessions: none of your programs runs `ringfence serve` or `ringfence mcp`",
            ),
            1 => say::line("no sessions: one server runs, and holds no ring"),
            servers => say::line(format_args!(
                "no sessions: {servers} servers run, and hold no ring"
            )),
        }
    }
    say::out(text)
}

fn state(command: &CommandListed) -> String {
    match &command.ended {
        None if command.terminal => "terminal".to_owned(),
        None => "runs".to_owned(),
        Some(ended) => match (ended.code, ended.signal) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "gone".to_owned(),
        },
    }
}

/// The command on one line, cut where it is long.
fn words(argv: &[String]) -> String {
    let joined = argv.join(" ");
    let shown = say::Plain(&joined).to_string();
    match shown.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", shown.get(..at).unwrap_or_default()),
        None => shown,
    }
}

fn age(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}
