//! The runner: started by the harness with one socket, never by hand.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match ringfence_runner::serve() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads a runner's stderr: the harness hears of its death by the socket,
        // and what a failure was has gone there before.
        Err(_) => ExitCode::from(125),
    }
}
