//! The `ringfence` command: grammar, terminal, exit codes. No logic of its own.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod command;
mod flags;
mod grammar;
mod say;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).collect::<Vec<_>>();
    words.sort();
    if words == ["--json", "--version"] {
        let version = env!("CARGO_PKG_VERSION");
        let answer = serde_json::json!({ "name": "ringfence", "version": version });
        return say::out(format_args!("{answer}\n"));
    }
    match grammar::Cli::try_parse() {
        Ok(cli) => command::run(cli),
        Err(error) => say::usage(&error),
    }
}
