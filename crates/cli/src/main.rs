//! The `ringfence` command: grammar, terminal, exit codes. No logic of its own.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod command;
mod flags;
mod grammar;
mod own;
mod say;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use ringfence::Early;

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
    let early = early(&typed);
    match grammar::Cli::try_parse_from(typed) {
        Ok(cli) => command::run(cli, early),
        Err(error) => say::usage(&error),
    }
}

/// For what is going to run a command: the kernel makes the ring's namespaces while the words
/// are parsed.
fn early(typed: &[OsString]) -> Early {
    let mut words = typed.iter().skip(1);
    let runs = words
        .next()
        .is_some_and(|verb| verb == "run" || verb == "shell");
    let only_shows = words
        .take_while(|word| *word != "--")
        .any(|word| word == "--explain" || word == "--help" || word == "-h");
    if runs && !only_shows {
        Early::start()
    } else {
        Early::none()
    }
}
