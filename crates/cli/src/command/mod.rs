//! One file per command.

mod caches;
mod changed;
mod completions;
mod doctor;
mod grants;
mod hook;
mod host;
#[path = "host/none.rs"]
mod host_here;
mod log;
mod man;
mod mcp;
mod policy;
mod report;
mod rules;
mod run;
mod serve;
mod sessions;
mod shim;
mod told;
mod top;
mod traced;
mod trust;
mod typed;
mod undo;
mod verify;
mod why;

use std::ffi::OsString;

use ringfence::Early;
use ringfence_serve::report::machine_json;

use crate::exit::ExitCode;
use crate::grammar::{Cli, Command, Deferred, RunArgs};

pub(crate) use caches::CachesArgs;
pub(crate) use completions::CompletionsArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use grants::GrantsArgs;
pub(crate) use hook::{BLOCK, HookArgs};
pub(crate) use host::HostArgs;
pub(crate) use log::LogArgs;
pub(crate) use man::ManArgs;
pub(crate) use mcp::McpArgs;
pub(crate) use policy::PolicyArgs;
pub(crate) use rules::RulesArgs;
pub(crate) use serve::ServeArgs;
pub(crate) use sessions::SessionsArgs;
pub(crate) use shim::{ShimArgs, followed};
pub(crate) use top::TopArgs;
pub(crate) use traced::TracedArgs;
pub(crate) use trust::{TrustArgs, UntrustArgs};
pub(crate) use undo::UndoArgs;
pub(crate) use verify::VerifyArgs;
pub(crate) use why::WhyArgs;

/// For what is going to run a command: the kernel makes the ring's namespaces while the words
/// are parsed.
pub(crate) fn early(typed: &[OsString]) -> Early {
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

/// Runs a command whose words are plain.
pub(crate) fn run_plainly(args: RunArgs) -> ExitCode {
    run::run(args, Early::start())
}

/// `early` is for what runs a command.
pub(crate) fn run(cli: Cli, early: Early) -> ExitCode {
    let Cli { command } = cli;
    match command {
        Command::Run(Deferred(args)) => run::run(args, early),
        Command::Shell(Deferred(args)) => run::shell(args, early),
        Command::Why(Deferred(args)) => why::why(args),
        Command::Doctor(Deferred(args)) => doctor::doctor(args),
        Command::Verify(Deferred(args)) => verify::verify(args),
        Command::Policy(Deferred(args)) => policy::policy(args),
        Command::Rules(Deferred(args)) => rules::rules(args),
        Command::Mcp(Deferred(args)) => mcp::mcp(args),
        Command::Serve(Deferred(args)) => serve::serve(args),
        Command::Sessions(Deferred(args)) => sessions::sessions(args),
        Command::Log(Deferred(args)) => log::log(args),
        Command::Undo(Deferred(args)) => undo::undo(args),
        Command::Host(Deferred(args)) => host::undo(args),
        Command::Top(Deferred(args)) => top::top(args),
        Command::Trust(Deferred(args)) => trust::trust(args),
        Command::Untrust(Deferred(args)) => trust::untrust(args),
        Command::Grants(Deferred(args)) => grants::grants(args),
        Command::Caches(Deferred(args)) => caches::caches(args),
        Command::Hook(Deferred(args)) => hook::hook(args),
        Command::Shim(Deferred(args)) => shim::shim(args),
        Command::Traced(Deferred(args)) => traced::traced(&args),
        Command::Completions(Deferred(args)) => completions::completions(args),
        Command::Man(Deferred(args)) => man::man(args),
    }
}

/// The report of `--json` for what was typed wrong.
pub(crate) fn not_understood(message: &str, code: u8) {
    run::print(&told::not_understood(message, code));
}
