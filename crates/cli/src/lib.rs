//! The `ringfence` command: grammar, terminal, exit codes. No logic of its own.
//!
//! On Linux it is two programs. `ringfence` is started for every command an agent runs, and links what starts one: whatever else
//! is typed is `ringfence-tools`' to read, which it becomes. On Windows it is one.
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
mod exit;
mod flags;
mod grammar;
mod own;
mod plain;
mod say;
mod sys;

use std::ffi::OsString;

use clap::Parser;

use exit::ExitCode;

/// What `ringfence` does: starts a command whose words are plain, and becomes `ringfence-tools` for all else. Its exit code.
#[must_use]
pub fn start() -> u8 {
    sys::hear_of_children();
    let typed = sys::words();
    if sys::ONE_PROGRAM {
        return all(typed).code();
    }
    let meant = match command::followed(&typed) {
        Ok(followed) => followed,
        Err(error) => return say::refuse(error).code(),
    };
    match plain::plain(meant.as_ref().unwrap_or(&typed)) {
        Some(args) => command::run_plainly(args).code(),
        None => own::become_tools(&typed).code(),
    }
}

/// What everything does that can be typed. Its exit code.
#[must_use]
pub fn everything() -> u8 {
    sys::hear_of_children();
    all(sys::words()).code()
}

fn all(mut typed: Vec<OsString>) -> ExitCode {
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
    match grammar::Cli::try_parse_from(typed) {
        Ok(cli) => command::run(cli, early),
        Err(error) => say::usage(&error),
    }
}
