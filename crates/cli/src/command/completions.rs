//! `ringfence completions`.

use std::process::ExitCode;

use clap::Args;
use clap_complete::{Shell, generate};

use crate::grammar::whole;
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete in
    shell: Shell,
}

pub(crate) fn completions(args: CompletionsArgs) -> ExitCode {
    let CompletionsArgs { shell } = args;
    let mut script = Vec::new();
    generate(shell, &mut whole(), "ringfence", &mut script);
    say::out(String::from_utf8_lossy(&script))
}
