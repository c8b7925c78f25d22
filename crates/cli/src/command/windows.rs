//! One file per command, of those that need no ring. The others say that there is none on Windows yet, and do nothing.

mod completions;
mod doctor;
mod grants;
mod log;
mod man;
mod policy;
mod rules;
mod trust;

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use ringfence::doctor::{Finding, Machine};
use ringfence_plan::promise;
use serde_json::json;

use crate::grammar::{Cli, Command, Deferred};
use crate::say;

pub(crate) use completions::CompletionsArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use grants::GrantsArgs;
pub(crate) use log::LogArgs;
pub(crate) use man::ManArgs;
pub(crate) use policy::PolicyArgs;
pub(crate) use rules::RulesArgs;
pub(crate) use trust::{TrustArgs, UntrustArgs};

/// What is typed of a command that needs a ring. None of it is looked at: what is wrong is that there is no ring.
#[derive(Debug, Args)]
#[command(
    after_help = "There is no ring on Windows yet: this command does nothing here, and exits with 125."
)]
pub(crate) struct NeedsRing {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        hide = true,
        value_name = "WORDS"
    )]
    _words: Vec<OsString>,
}

pub(crate) type CachesArgs = NeedsRing;
pub(crate) type HookArgs = NeedsRing;
pub(crate) type McpArgs = NeedsRing;
pub(crate) type ServeArgs = NeedsRing;
pub(crate) type SessionsArgs = NeedsRing;
pub(crate) type ShimArgs = NeedsRing;
pub(crate) type TopArgs = NeedsRing;
pub(crate) type TracedArgs = NeedsRing;
pub(crate) type UndoArgs = NeedsRing;
pub(crate) type VerifyArgs = NeedsRing;
pub(crate) type WhyArgs = NeedsRing;

/// With this an agent's hook keeps a command from being run; with any other code it would be, and outside of every ring.
pub(crate) const BLOCK: u8 = 2;

/// Nothing is begun early: there is no ring to make.
#[derive(Debug)]
pub(crate) struct Early;

pub(crate) fn early(_typed: &[OsString]) -> Early {
    Early
}

/// No shim is made here, so none is followed.
pub(crate) fn followed(_typed: &[OsString]) -> Result<Option<Vec<OsString>>, Infallible> {
    Ok(None)
}

pub(crate) fn run(cli: Cli, _early: Early) -> ExitCode {
    let Cli { command } = cli;
    match command {
        Command::Run(Deferred(args)) => not_run("run", args.ring.json),
        Command::Shell(Deferred(args)) => not_run("shell", args.ring.json),
        Command::Why(_) => needs_ring("why"),
        Command::Doctor(Deferred(args)) => doctor::doctor(args),
        Command::Verify(_) => needs_ring("verify"),
        Command::Policy(Deferred(args)) => policy::policy(args),
        Command::Rules(Deferred(args)) => rules::rules(args),
        Command::Mcp(_) => needs_ring("mcp"),
        Command::Serve(_) => needs_ring("serve"),
        Command::Sessions(_) => needs_ring("sessions"),
        Command::Log(Deferred(args)) => log::log(args),
        Command::Undo(_) => needs_ring("undo-command"),
        Command::Top(_) => needs_ring("top"),
        Command::Trust(Deferred(args)) => trust::trust(args),
        Command::Untrust(Deferred(args)) => trust::untrust(args),
        Command::Grants(Deferred(args)) => grants::grants(args),
        Command::Caches(_) => needs_ring("caches"),
        Command::Hook(_) => {
            let _refused = needs_ring("hook");
            ExitCode::from(BLOCK)
        }
        Command::Shim(_) => needs_ring("shim"),
        Command::Traced(_) => needs_ring("traced"),
        Command::Completions(Deferred(args)) => completions::completions(args),
        Command::Man(Deferred(args)) => man::man(args),
    }
}

fn needs_ring(command: &str) -> ExitCode {
    say::refuse(no_ring(command))
}

fn no_ring(command: &str) -> String {
    format!(
        "{command}: there is no ring on Windows yet, and nothing was done without one; use Ringfence on Linux, or in WSL2"
    )
}

/// The same, with the report that was asked for.
fn not_run(command: &str, as_json: bool) -> ExitCode {
    let code = needs_ring(command);
    if as_json {
        not_understood(&no_ring(command), say::REFUSED);
    }
    code
}

/// The report of `--json` for what was typed wrong.
pub(crate) fn not_understood(message: &str, code: u8) {
    let report = json!({
        "ended": { "how": "failed", "value": null },
        "exit_code": code,
        "error": message,
        "lacking": [],
        "verdict": null,
    });
    // There is no other place to complain in.
    let _closed = writeln!(std::io::stderr(), "{report}");
}

/// A machine, as `doctor --json` prints it.
fn machine_json(machine: &Machine, rows: &[Finding]) -> serde_json::Value {
    let rows: Vec<_> = rows.iter().map(Finding::to_json).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "arch": std::env::consts::ARCH,
        "inside": machine.inside,
        "can_enforce": machine.can_enforce(),
        "ring": null,
        "enforcement": null,
        "findings": rows,
        "promises": promise::ALL,
    })
}
