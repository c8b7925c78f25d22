//! The `ringfence` command: grammar, terminal, exit codes. No logic of its own.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(target_os = "linux"),
    allow(
        dead_code,
        reason = "what only rings use is not used where there are none yet"
    )
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(target_os = "linux")]
mod command;
#[cfg(windows)]
#[path = "command/windows.rs"]
mod command;
mod flags;
mod grammar;
mod own;
mod plain;
mod say;
mod sys;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut typed = std::env::args_os().collect::<Vec<_>>();
    let mut words = typed.iter().skip(1).collect::<Vec<_>>();
    words.sort();
    if words == ["--json", "--version"] {
        let version = env!("CARGO_PKG_VERSION");
        let answer = serde_json::json!({ "name": "ringfence", "version": version });
        return say::out(format_args!("{answer}\n"));
    }
    match command::followed(&typed) {
        Ok(None) => {}
        Ok(Some(followed)) => typed = followed,
        Err(error) => return say::refuse(error),
    }
    let early = command::early(&typed);
    if let Some(args) = plain::plain(&typed) {
        let command = grammar::Command::Run(grammar::Deferred(args));
        return command::run(grammar::Cli { command }, early);
    }
    match grammar::Cli::try_parse_from(typed) {
        Ok(cli) => command::run(cli, early),
        Err(error) => say::usage(&error),
    }
}
