//! Flags of the policy: one for each key.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use ringfence_policy::{
    CacheMode, Flags, LinuxMode, Mode, NetworkMode, Snapshot, parse_duration, parse_size,
};

#[derive(Debug, Clone, Default, Args)]
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
    /// on, off or auto (default: in rings that stay, where it is cheap): keep what files held before the command, for
    /// `ringfence undo-command`
    #[arg(long, value_name = "WHEN", num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    snapshot: Option<Snapshot>,
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

impl PolicyFlags {
    pub(crate) fn nested(&mut self) -> &mut bool {
        &mut self.nested
    }

    /// Takes the value of a flag, one more where it may be repeated; `false` where that is for the grammar to do.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> bool {
        let paths = match name {
            "write" => &mut self.write,
            "protect" => &mut self.protect,
            "hide" => &mut self.hide,
            "socket" => &mut self.socket,
            "reveal" => return put(&mut self.reveal, value),
            "read" => return put(&mut self.read, value),
            "pass-env" => return put(&mut self.pass_env, value),
            "drop-env" => return put(&mut self.drop_env, value),
            "accept" => return put(&mut self.accept, value),
            "mode" => return once(&mut self.mode, value.parse().ok()),
            "network" => return once(&mut self.network, value.parse().ok()),
            "caches" => return once(&mut self.caches, value.parse().ok()),
            "linux-mode" => return once(&mut self.linux_mode, value.parse().ok()),
            "timeout" => return once(&mut self.timeout, parse_duration(value).ok()),
            "memory" => return once(&mut self.memory, parse_size(value).ok()),
            "output" => return once(&mut self.output, parse_size(value).ok()),
            "processes" => return once(&mut self.processes, value.parse().ok()),
            _ => return false,
        };
        put(paths, value)
    }
}

/// What is wrong, or there twice, is the grammar's to refuse.
pub(crate) fn once<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let sound = value.is_some() && place.is_none();
    *place = value;
    sound
}

/// An empty value is the grammar's to refuse.
fn put<T: for<'a> From<&'a str>>(list: &mut Vec<T>, value: &str) -> bool {
    list.push(value.into());
    !value.is_empty()
}

/// Flags of `run` that are kept for commands to come: parsed, so that what is wrong is said
/// now, and the words themselves, which are handed on as they were typed.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) policy: PolicyFlags,
    pub(crate) workspace: Option<PathBuf>,
    /// Each with its name and its value, where it has one.
    words: Vec<(String, Option<OsString>)>,
}

#[derive(Debug, Args)]
struct KeptFlags {
    #[command(flatten)]
    policy: PolicyFlags,
    /// The workspace of each ring [default: the repository the command is started in, else that directory]
    #[arg(long, value_name = "DIR", help_heading = "Ring")]
    workspace: Option<PathBuf>,
}

/// Flags whose values are paths from the current directory. Those of `--protect` are not: there
/// a relative path lies below each write root.
const FROM_HERE: [&str; 5] = ["write", "hide", "read", "socket", "workspace"];

impl Kept {
    /// Whether none was typed.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words for `ringfence run`, one for each flag: a value that looks like a flag stays a value. Commands to come
    /// start anywhere, so paths are made whole from `cwd`.
    pub(crate) fn words(&self, cwd: &Path) -> Vec<OsString> {
        self.words
            .iter()
            .map(|(name, value)| {
                let Some(value) = value else {
                    return OsString::from(format!("--{name}"));
                };
                let mut whole = OsString::from(format!("--{name}="));
                if FROM_HERE.contains(&name.as_str()) && from_here(name, value) {
                    whole.push(cwd.join(value));
                } else {
                    whole.push(value);
                }
                whole
            })
            .collect()
    }
}

/// Whether a value is a path from the current directory: not from the home or a variable, which the
/// policy reads itself, and no word.
fn from_here(name: &str, value: &OsStr) -> bool {
    let is_word = name == "read" && (value == "all" || value == "minimal");
    let anchored = value
        .as_encoded_bytes()
        .first()
        .is_none_or(|byte| b"/~$%".contains(byte));
    !is_word && !anchored
}

impl Args for Kept {
    fn augment_args(command: clap::Command) -> clap::Command {
        KeptFlags::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        KeptFlags::augment_args_for_update(command)
    }
}

impl FromArgMatches for Kept {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let KeptFlags { policy, workspace } = KeptFlags::from_arg_matches(matches)?;
        let words = typed(matches);
        Ok(Kept {
            policy,
            workspace,
            words,
        })
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        // Before the values are taken out.
        let words = typed(matches);
        let KeptFlags { policy, workspace } = KeptFlags::from_arg_matches_mut(matches)?;
        Ok(Kept {
            policy,
            workspace,
            words,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Kept::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Every kept flag that was typed, with its value.
fn typed(matches: &ArgMatches) -> Vec<(String, Option<OsString>)> {
    let flags = KeptFlags::augment_args(clap::Command::new("run"));
    let mut words = Vec::new();
    for flag in flags.get_arguments() {
        let id = flag.get_id().as_str();
        let (Some(long), Some(ValueSource::CommandLine)) =
            (flag.get_long(), matches.value_source(id))
        else {
            continue;
        };
        if !flag.get_action().takes_values() {
            words.push((long.to_owned(), None));
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            words.push((long.to_owned(), Some(value.to_owned())));
        }
    }
    words
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
            snapshot,
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
            snapshot,
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

#[cfg(test)]
#[cfg(unix)] // the paths are
mod tests {
    use super::Kept;
    use clap::{Args, FromArgMatches};
    use std::ffi::OsString;
    use std::path::Path;

    fn kept(words: &[&str]) -> Vec<OsString> {
        let command = Kept::augment_args(clap::Command::new("x").no_binary_name(true));
        let mut matches = command.try_get_matches_from(words).unwrap();
        let kept = Kept::from_arg_matches_mut(&mut matches).unwrap();
        kept.words(Path::new("/here"))
    }

    #[test]
    fn flags_are_handed_on_as_they_were_typed() {
        assert!(kept(&[]).is_empty());
        let said = kept(&[
            "--mode",
            "read-only",
            "--nested",
            "--cache-tools",
            "npm,uv",
            "--timeout",
            "1h30m",
            "--memory=4GiB",
            "--pass-env",
            "A*",
            "--accept",
            "write",
        ]);
        let expected = [
            "--mode=read-only",
            "--pass-env=A*",
            "--cache-tools=npm",
            "--cache-tools=uv",
            "--timeout=1h30m",
            "--memory=4GiB",
            "--accept=write",
            "--nested",
        ];
        for word in expected {
            assert!(said.contains(&word.into()), "{word}: {said:?}");
        }
        assert_eq!(said.len(), expected.len());
    }

    #[test]
    fn paths_are_whole_wherever_the_command_starts() {
        for (typed, handed) in [
            (["--write", "x/../y"], "--write=/here/x/../y"),
            (["--write", "/abs"], "--write=/abs"),
            (["--write", "~/x"], "--write=~/x"),
            (["--hide", "$HOME/x"], "--hide=$HOME/x"),
            (["--workspace", "."], "--workspace=/here/."),
            (["--socket", "s"], "--socket=/here/s"),
            (["--read", "minimal"], "--read=minimal"),
            (["--read", "d"], "--read=/here/d"),
            (["--protect", "lefthook.yml"], "--protect=lefthook.yml"),
        ] {
            assert_eq!(kept(&typed), [OsString::from(handed)], "{typed:?}");
        }
    }
}
