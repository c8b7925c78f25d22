//! `ringfence completions`.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::exit::ExitCode;
use crate::grammar::whole;
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete in
    shell: Shell,
}

/// What a person types: what the help hides is not offered either.
fn offered() -> clap::Command {
    let whole = whole();
    let shown = whole.get_subcommands().filter(|verb| !verb.is_hide_set());
    clap::Command::new("ringfence")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(shown.cloned())
}

pub(crate) fn completions(args: CompletionsArgs) -> ExitCode {
    let CompletionsArgs { shell } = args;
    let mut script = Vec::new();
    generate(shell, &mut offered(), "ringfence", &mut script);
    say::out(String::from_utf8_lossy(&script))
}
