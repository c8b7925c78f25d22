//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use ringfence::PtyMode;

use crate::command::{
    CachesArgs, CompletionsArgs, DoctorArgs, GrantsArgs, HookArgs, HostArgs, LogArgs, ManArgs,
    McpArgs, PolicyArgs, RulesArgs, ServeArgs, SessionsArgs, ShimArgs, TopArgs, TracedArgs,
    TrustArgs, UndoArgs, UntrustArgs, VerifyArgs, WhyArgs,
};
use crate::flags::PolicyFlags;

/// Runs commands, and everything they start, inside a boundary the kernel enforces: the
/// workspace is writable, the rest read-only, secrets are hidden, the network is off.
#[derive(Debug, Parser)]
#[command(
    name = "ringfence",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit codes: the command's own, 128+n for a signal; 124 timed out, 125 Ringfence \
                  failed or refused, 126 found but not executable, 127 not found."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command in a ring
    Run(Deferred<RunArgs>),
    /// Start your shell in a ring
    Shell(Deferred<ShellArgs>),
    /// Say what a ring does with a path or a command, who said so, and what would change it
    Why(Deferred<WhyArgs>),
    /// Say what this machine can enforce, what it lacks, and how to get that
    Doctor(Deferred<DoctorArgs>),
    /// Try to get out of a real ring, and compare what was promised with what was proved
    Verify(Deferred<VerifyArgs>),
    /// Show, check and begin policies
    Policy(Deferred<PolicyArgs>),
    /// Check rules about commands, try them, take those of others
    Rules(Deferred<RulesArgs>),
    /// Make a ring for a model, which is told of it by its client (Model Context Protocol)
    Mcp(Deferred<McpArgs>),
    /// Make rings for another program, which speaks JSON-RPC
    Serve(Deferred<ServeArgs>),
    /// List the rings that others hold for you, see what runs there, end it
    Sessions(Deferred<SessionsArgs>),
    /// Say what ran, in which ring, who allowed it and how it ended; hold that against its hashes
    Log(Deferred<LogArgs>),
    /// Put back what a command changed: what files held, what was deleted, what was renamed
    #[command(name = "undo-command")]
    Undo(Deferred<UndoArgs>),
    /// Take back what rings wrote on this machine
    #[command(name = "undo")]
    Host(Deferred<HostArgs>),
    /// Watch your rings: what runs, what ended, what was denied, what is asked
    Top(Deferred<TopArgs>),
    /// Let a project's policy file widen what your own allows, as it is written now
    Trust(Deferred<TrustArgs>),
    /// Take that back
    Untrust(Deferred<UntrustArgs>),
    /// List what you granted for longer than one command, and take it back
    Grants(Deferred<GrantsArgs>),
    /// List and clear what rings wrote to tools' caches
    Caches(Deferred<CachesArgs>),
    /// Answer an agent that asks before it runs a command: the command runs in a ring
    Hook(Deferred<HookArgs>),
    /// Make shells for an agent that takes one: what it runs in them runs in a ring
    Shim(Deferred<ShimArgs>),
    /// What looks at a command's calls, inside of its ring; started by `run --trace`
    #[command(hide = true)]
    Traced(Deferred<TracedArgs>),
    /// Print a shell's completions
    Completions(Deferred<CompletionsArgs>),
    /// Print the manual page
    Man(Deferred<ManArgs>),
}

/// Arguments of a subcommand that are described only where that subcommand is typed: describing
/// all of them takes longer than reading the few that are given.
#[derive(Debug)]
pub(crate) struct Deferred<T>(pub(crate) T);

/// Set while [`whole`] puts everything together.
static WHOLE: AtomicBool = AtomicBool::new(false);

/// All that can be typed, with nothing deferred: for what is made of it.
pub(crate) fn whole() -> clap::Command {
    WHOLE.store(true, Ordering::Relaxed);
    let command = Cli::command();
    WHOLE.store(false, Ordering::Relaxed);
    command
}

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        if WHOLE.load(Ordering::Relaxed) {
            return T::augment_args(command);
        }
        // What the command is said to be for stays, as it does without delay.
        command.defer(|command| {
            let about = command.get_about().cloned().unwrap_or_default();
            T::augment_args(command).about(about).long_about(None)
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Deferred)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches_mut(matches).map(Deferred)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
    #[command(flatten)]
    pub(crate) ring: RingFlags,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) argv: Vec<OsString>,
}

/// A machine that this is not.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Machine {
    /// Windows 11, a standard user, nothing set up
    #[value(name = "windows-11-standard-user")]
    WindowsStandardUser,
    /// Windows 11 with the accounts that setup will make
    #[value(name = "windows-11-set-up")]
    WindowsSetUp,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
    #[command(flatten)]
    pub(crate) ring: RingFlags,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Ring")]
pub(crate) struct RingFlags {
    /// The directory to work in, writable in the ring [default: the repository you are in, else the current directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// auto: the caller's own terminal or pipes; always: a terminal of the ring's own; never: none
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) pty: PtyMode,
    /// Print how the ring would be built (with --json as data), and start nothing
    #[arg(long)]
    pub(crate) explain: bool,
    /// With --explain: how it would be built on another machine. Nothing is claimed of one that Ringfence has no rings for yet
    #[arg(
        long,
        value_name = "MACHINE",
        requires = "explain",
        conflicts_with = "json"
    )]
    pub(crate) pretend: Option<Machine>,
    /// In the end print one line of JSON on stderr: how the command ended and what was enforced, or why it was not run
    #[arg(long)]
    pub(crate) json: bool,
    /// In the end say in a line which files changed below what the command may write, and have all of them recorded. Costs a
    /// walk of that before and one after
    #[arg(long, conflicts_with = "explain")]
    pub(crate) changes: bool,
    /// In the end say which paths the ring refused the command, what stopped it, and the smallest remedy; at a terminal
    /// it is offered. A command takes longer that way, and no debugger can be attached to it
    #[arg(long, conflicts_with = "explain")]
    pub(crate) trace: bool,
    /// Hold the command against the built-in rules too: for one that an agent chose, and no person
    #[arg(long)]
    pub(crate) starting_rules: bool,
    /// Rules that ask have been answered where this command was asked for (`ringfence hook` says so); what they
    /// forbid stays forbidden
    #[arg(long)]
    pub(crate) rules_answered: bool,
}
