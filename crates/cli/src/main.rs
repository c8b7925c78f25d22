//! The `ringfence` command: grammar, terminal, exit codes. No logic of its own.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod command;
mod flags;
mod grammar;
mod quote;
mod say;

use std::process::ExitCode;

use clap::Parser;
use ringfence::Early;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).collect::<Vec<_>>();
    words.sort();
    if words == ["--json", "--version"] {
        let version = env!("CARGO_PKG_VERSION");
        let answer = serde_json::json!({ "name": "ringfence", "version": version });
        return say::out(format_args!("{answer}\n"));
    }
    let early = early();
    match grammar::Cli::try_parse() {
        Ok(cli) => command::run(cli, early),
        Err(error) => say::usage(&error),
    }
}

/// For what is going to run a command: the kernel makes the ring's namespaces while the words
/// are parsed.
fn early() -> Early {
    let mut words = std::env::args_os().skip(1);
    let runs = words
        .next()
        .is_some_and(|verb| verb == "run" || verb == "shell");
    let only_shows = words
        .take_while(|word| word != "--")
        .any(|word| word == "--explain" || word == "--help" || word == "-h");
    if runs && !only_shows {
        Early::start()
    } else {
        Early::none()
    }
}
