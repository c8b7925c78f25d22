//! `ringfence hook`.

mod claude_code;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use ringfence::{State, layers, rules};
use ringfence_ledger::shell;
use ringfence_policy::Mode;
use ringfence_rules::Shell;
use thiserror::Error;

use crate::command::hook::claude_code::{Answer, Blocked, Ring};
use crate::exit::ExitCode;
use crate::flags::Kept;
use crate::own::{self, NoSelf};
use crate::say;

/// What an agent calls before it runs a command, so that the command runs in a ring.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct HookArgs {
    #[command(subcommand)]
    agent: Agent,
}

#[derive(Debug, Subcommand)]
enum Agent {
    /// Claude Code's PreToolUse hook: its shell commands run in a ring
    ClaudeCode(ClaudeCodeArgs),
}

/// Reads a tool call on stdin and answers with the call to make instead: the same command, run by
/// `ringfence run`. A call that cannot be read or rewritten is blocked (exit code 2). Calls of tools
/// that are no shell pass as they are, without an answer.
#[derive(Debug, Args)]
struct ClaudeCodeArgs {
    /// Print what to put into .claude/settings.json, with the flags given here, and read nothing
    #[arg(long)]
    settings: bool,
    /// What to answer about permission
    #[arg(long, value_name = "ANSWER", value_enum, default_value_t = Decide::Ask)]
    decide: Decide,
    #[command(flatten)]
    kept: Kept,
}

/// What the hook says about permission, beside where the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decide {
    /// The person is asked, and shown the command as it will run
    Ask,
    /// The command runs without asking, in its ring; rules that deny or ask hold, where they match
    /// the command as it will run
    Allow,
    /// Nothing: your rules and mode decide, about the command as it will run (old versions are said
    /// to run the command as it was then; see docs/agents.md)
    Rules,
}

/// The exit code by which a hook blocks a call. Any other failure lets the call go on, outside of
/// a ring.
pub(crate) const BLOCK: u8 = 2;

/// More than a tool call ever is: what a file tool writes is in it.
const MOST: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
enum Failed {
    #[error("stdin cannot be read: {0}")]
    Stdin(std::io::Error),
    #[error("the call is larger than {} MiB", MOST >> 20)]
    TooLarge,
    #[error(transparent)]
    Blocked(#[from] Blocked),
    #[error("the current directory is gone")]
    NoCwd,
    #[error(transparent)]
    NoSelf(#[from] NoSelf),
    #[error("stdout cannot be written: {0}")]
    Stdout(std::io::Error),
}

pub(crate) fn hook(args: HookArgs) -> ExitCode {
    let HookArgs { agent } = args;
    let Agent::ClaudeCode(args) = agent;
    match claude_code(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            say::line(format_args!("blocked: {failed}"));
            ExitCode::from(BLOCK)
        }
    }
}

fn claude_code(args: ClaudeCodeArgs) -> Result<(), Failed> {
    let ClaudeCodeArgs {
        settings,
        decide,
        kept,
    } = args;
    let cwd = std::env::current_dir().map_err(|_| Failed::NoCwd)?;
    let ring = Ring {
        program: own::program()?,
        flags: kept.words(&cwd),
    };
    if settings {
        let settings = claude_code::settings(&ring, decide)?;
        return print(&format!("{settings:#}\n"));
    }
    let mut call = Vec::new();
    std::io::stdin()
        .take(MOST + 1)
        .read_to_end(&mut call)
        .map_err(Failed::Stdin)?;
    if call.len() as u64 > MOST {
        return Err(Failed::TooLarge);
    }
    let judge = |text: &str, directory: Option<&Path>| {
        let from = directory.filter(|path| path.is_absolute()).unwrap_or(&cwd);
        let home = layers::home();
        let state = State::of_user(home.as_deref());
        let workspace = kept.workspace.as_ref().map(|path| cwd.join(path));
        let policies = workspace.map(|named| named.canonicalize().unwrap_or(named));
        let policies = policies.as_deref().unwrap_or(from);
        let flags = kept.policy.clone().into();
        let policy =
            layers::effective(flags, policies, from, home.as_deref(), state.as_ref(), &[])?;
        if policy.mode.value == Mode::FullAccess {
            return Err(Blocked::NoRing(policy.mode.origin.to_string()));
        }
        Ok(rules::of(&policy)?.judge_shell(text, Shell::Bash))
    };
    match claude_code::answer(&call, &ring, decide, &judge)? {
        Answer::Rewritten(answer) => print(&format!("{answer}\n")),
        Answer::NoShell => Ok(()),
    }
}

/// What was not printed whole is no answer, and no answer lets the command go.
fn print(text: &str) -> Result<(), Failed> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failed::Stdout)
}

/// `PROGRAM run FLAGS -- bash -c -- 'COMMAND'`, which a shell reads back exactly.
fn wrapped(ring: &Ring, command: &str) -> OsString {
    let Ring { program, flags } = ring;
    let words = [program.as_os_str(), "run".as_ref()]
        .into_iter()
        .chain(flags.iter().map(OsString::as_os_str))
        .chain(["--rules-answered"].map(AsRef::as_ref))
        // `--` again: what begins with a dash is still the command, and no option of bash.
        .chain(["--", "bash", "-c", "--"].map(AsRef::as_ref));
    let mut line = shell::line(words);
    line.push(" ");
    line.push(shell::quoted(command.as_ref()));
    line
}
