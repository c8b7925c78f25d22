//! Flags of the policy: one for each key.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ringfence_policy::{
    CacheMode, Flags, LinuxMode, Mode, NetworkMode, parse_duration, parse_size,
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyFlags {
    /// read-only, workspace-write (default) or full-access (no boundary at all)
    #[arg(long, value_name = "MODE")]
    mode: Option<Mode>,
    /// Let this path be written too (may be repeated, as all lists)
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,
    /// Keep this path below each write root read-only, existing or not
    #[arg(long, value_name = "PATH")]
    protect: Vec<PathBuf>,
    /// Make this path unreadable
    #[arg(long, value_name = "PATH")]
    hide: Vec<PathBuf>,
    /// Show what is hidden by default, by its name (`ringfence policy show` lists them)
    #[arg(long, value_name = "NAME")]
    reveal: Vec<String>,
    /// all, minimal (system, toolchains, workspace), or paths beside those
    #[arg(long, value_name = "WHAT")]
    read: Vec<String>,
    /// off (default; localhost works inside the ring), or on
    #[arg(long, value_name = "MODE")]
    network: Option<NetworkMode>,
    /// Let this host be reached (not enforceable yet: refused)
    #[arg(long, value_name = "HOST")]
    allow: Vec<String>,
    /// private (default; writes stay with this workspace's rings), shared or none
    #[arg(long, value_name = "MODE")]
    caches: Option<CacheMode>,
    /// Tools whose caches are layered [default: detected]
    #[arg(long, value_name = "TOOL", value_delimiter = ',')]
    cache_tools: Vec<String>,
    /// Pass this variable although it looks like a secret (NAME or a pattern with *)
    #[arg(long, value_name = "NAME")]
    pass_env: Vec<String>,
    /// Keep this variable from the command
    #[arg(long, value_name = "NAME")]
    drop_env: Vec<String>,
    /// End the command after this time (10m, 1h30m); exit code 124
    #[arg(long, alias = "time", value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    timeout: Option<Duration>,
    /// Bound the memory (4GiB)
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Bound the number of processes and threads
    #[arg(long, value_name = "N")]
    processes: Option<u32>,
    /// End the command when it has printed more than this (256MiB)
    #[arg(long, value_name = "SIZE", value_parser = size)]
    output: Option<u64>,
    /// Do without this promise where the machine cannot keep it
    #[arg(long, value_name = "NAME")]
    accept: Vec<String>,
    /// auto (default), namespaces or landlock-only
    #[arg(long, value_name = "MODE")]
    linux_mode: Option<LinuxMode>,
    /// Let this unix socket be connected to
    #[arg(long, value_name = "PATH")]
    socket: Vec<PathBuf>,
    /// Let user namespaces be made inside
    #[arg(long)]
    nested: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|e| e.to_string())
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|e| e.to_string())
}

impl From<PolicyFlags> for Flags {
    fn from(flags: PolicyFlags) -> Flags {
        // Every field by name: a new flag does not compile until it is handed on.
        let PolicyFlags {
            mode,
            write,
            protect,
            hide,
            reveal,
            read,
            network,
            allow,
            caches,
            cache_tools,
            pass_env,
            drop_env,
            timeout,
            memory,
            processes,
            output,
            accept,
            linux_mode,
            socket,
            nested,
        } = flags;
        Flags {
            mode,
            write,
            protect,
            hide,
            reveal,
            read: (!read.is_empty()).then_some(read),
            network,
            allow,
            cache_mode: caches,
            cache_tools: (!cache_tools.is_empty()).then_some(cache_tools),
            pass_env,
            drop_env,
            time: timeout,
            memory,
            processes,
            output,
            accept,
            linux_mode,
            sockets: socket,
            nested: nested.then_some(true),
        }
    }
}
