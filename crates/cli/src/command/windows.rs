//! One file per command, of those that are on Windows. The others say that they are not yet, and do nothing.

mod completions;
mod doctor;
mod grants;
mod host;
#[path = "host/windows.rs"]
mod host_here;
mod log;
mod man;
mod policy;
mod rules;
#[path = "run_windows.rs"]
mod run;
mod told;
mod trust;
mod typed;
mod verify;

use std::convert::Infallible;
use std::ffi::OsString;

use clap::Args;
use ringfence::doctor::{Finding, Machine};
use ringfence_plan::promise;
use serde_json::json;

use crate::exit::ExitCode;
use crate::grammar::{Cli, Command, Deferred, RunArgs};
use crate::say;

pub(crate) use completions::CompletionsArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use grants::GrantsArgs;
pub(crate) use host::HostArgs;
pub(crate) use log::LogArgs;
pub(crate) use man::ManArgs;
pub(crate) use policy::PolicyArgs;
pub(crate) use rules::RulesArgs;
pub(crate) use trust::{TrustArgs, UntrustArgs};
pub(crate) use verify::VerifyArgs;

/// What is typed of a command that is not there. None of it is looked at.
#[derive(Debug, Args)]
#[command(
    after_help = "This command is not on Windows yet: it does nothing here, and exits with 125."
)]
pub(crate) struct NotYet {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        hide = true,
        value_name = "WORDS"
    )]
    _words: Vec<OsString>,
}

pub(crate) type CachesArgs = NotYet;
pub(crate) type HookArgs = NotYet;
pub(crate) type McpArgs = NotYet;
pub(crate) type ServeArgs = NotYet;
pub(crate) type SessionsArgs = NotYet;
pub(crate) type ShimArgs = NotYet;
pub(crate) type TopArgs = NotYet;
pub(crate) type TracedArgs = NotYet;
pub(crate) type UndoArgs = NotYet;
pub(crate) type WhyArgs = NotYet;

/// With this an agent's hook keeps a command from being run; with any other code it would be, and outside of every ring.
pub(crate) const BLOCK: u8 = 2;

/// Nothing is begun early: no process makes a ring here.
#[derive(Debug)]
pub(crate) struct Early;

pub(crate) fn early(_typed: &[OsString]) -> Early {
    Early
}

/// No shim is made here, so none is followed.
pub(crate) fn followed(_typed: &[OsString]) -> Result<Option<Vec<OsString>>, Infallible> {
    Ok(None)
}

/// Runs a command whose words are plain.
pub(crate) fn run_plainly(args: RunArgs) -> ExitCode {
    run::run(args)
}

pub(crate) fn run(cli: Cli, _early: Early) -> ExitCode {
    let Cli { command } = cli;
    match command {
        Command::Run(Deferred(args)) => run::run(args),
        Command::Shell(Deferred(args)) => run::shell(args),
        Command::Why(_) => not_yet("why"),
        Command::Doctor(Deferred(args)) => doctor::doctor(args),
        Command::Verify(Deferred(args)) => verify::verify(args),
        Command::Policy(Deferred(args)) => policy::policy(args),
        Command::Rules(Deferred(args)) => rules::rules(args),
        Command::Mcp(_) => not_yet("mcp"),
        Command::Serve(_) => not_yet("serve"),
        Command::Sessions(_) => not_yet("sessions"),
        Command::Log(Deferred(args)) => log::log(args),
        Command::Undo(_) => not_yet("undo-command"),
        Command::Host(Deferred(args)) => host::undo(args),
        Command::Top(_) => not_yet("top"),
        Command::Trust(Deferred(args)) => trust::trust(args),
        Command::Untrust(Deferred(args)) => trust::untrust(args),
        Command::Grants(Deferred(args)) => grants::grants(args),
        Command::Caches(_) => not_yet("caches"),
        Command::Hook(_) => {
            let _refused = not_yet("hook");
            ExitCode::from(BLOCK)
        }
        Command::Shim(_) => not_yet("shim"),
        Command::Traced(_) => not_yet("traced"),
        Command::Completions(Deferred(args)) => completions::completions(args),
        Command::Man(Deferred(args)) => man::man(args),
    }
}

fn not_yet(command: &str) -> ExitCode {
    say::refuse(format_args!(
        "{command}: this is not on Windows yet, and nothing was done; use Ringfence on Linux, or in WSL2"
    ))
}

/// The report of `--json` for what was typed wrong.
pub(crate) fn not_understood(message: &str, code: u8) {
    run::print(&told::not_understood(message, code));
}

/// A machine, as `doctor --json` prints it.
fn machine_json(machine: &Machine, rows: &[Finding]) -> serde_json::Value {
    let rows: Vec<_> = rows.iter().map(Finding::to_json).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "arch": std::env::consts::ARCH,
        "inside": machine.inside,
        "can_enforce": machine.can_enforce(),
        "ring": machine.ring(),
        "enforcement": null,
        "findings": rows,
        "promises": promise::ALL,
    })
}
