//! `ringfence caches`.

use std::fmt::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use ringfence::caches::{CACHES, Cleared, Kept, clear, kept};
use ringfence::{Error, State, layers};
use serde_json::json;

use crate::exit::ExitCode;
use crate::say;

/// What rings write to a tool's cache stays with their workspace, in Ringfence's state. It
/// can be cleared at any time: a tool fetches again what it misses.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct CachesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them: size, tool, workspace
    List(ListArgs),
    /// Remove those of the current directory, but for what a running ring uses
    Clear(ClearArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print one line of JSON for each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ClearArgs {
    /// Remove those of every workspace
    #[arg(long)]
    all: bool,
    /// Remove this tool's only
    #[arg(long, value_name = "TOOL", value_parser = tool)]
    tool: Option<String>,
}

fn tool(name: &str) -> Result<String, String> {
    if CACHES.iter().any(|cache| cache.tool == name) {
        return Ok(name.to_owned());
    }
    let mut known: Vec<&str> = CACHES.iter().map(|cache| cache.tool).collect();
    known.dedup();
    Err(format!("it must be one of {}", known.join(", ")))
}

pub(crate) fn caches(args: CachesArgs) -> ExitCode {
    let CachesArgs { what } = args;
    if ringfence_serve::report::inside().is_some() {
        return say::refuse("caches: this runs in a ring, which cannot see them; do it outside");
    }
    let Some(state) = State::of_user(layers::home().as_deref()) else {
        return say::refuse(
            "caches are kept in your state directory, and you have no home; set HOME or \
             XDG_STATE_HOME",
        );
    };
    let done = match what {
        What::List(args) => list(&state, args),
        What::Clear(args) => clear_some(&state, args),
    };
    done.unwrap_or_else(|error| say::error(&error).into())
}

fn list(state: &State, args: ListArgs) -> Result<ExitCode, Error> {
    let ListArgs { json } = args;
    let all = kept(state)?;
    let mut text = String::new();
    for layer in &all {
        let Kept {
            workspace,
            tool,
            variable,
            dir,
            bytes,
            in_use,
        } = layer;
        if json {
            let line = json!({
                "workspace": workspace.as_deref().map(Path::to_string_lossy),
                "tool": tool,
                "variable": variable,
                "dir": dir.to_string_lossy(),
                "bytes": bytes,
                "in_use": in_use,
            });
            let _ = writeln!(text, "{line}");
        } else {
            let used = if *in_use { "  (in use)" } else { "" };
            let _ = writeln!(
                text,
                "{:>10}  {tool:<7} {}{used}",
                size(*bytes),
                place(layer)
            );
        }
    }
    if !json {
        let total: u64 = all.iter().map(|layer| layer.bytes).sum();
        let _ = writeln!(text, "{:>10}  in {}", size(total), say::Plain(state.dir()));
    }
    Ok(say::out(text))
}

fn clear_some(state: &State, args: ClearArgs) -> Result<ExitCode, Error> {
    let ClearArgs { all, tool } = args;
    let cwd = std::env::current_dir().map_err(|_| Error::NoCwd)?;
    let here = state.workspace(&cwd);
    let mut text = String::new();
    let mut code = ExitCode::SUCCESS;
    let mut freed = 0;
    for layer in kept(state)? {
        let wanted = (all || layer.dir.starts_with(&here))
            && tool.as_ref().is_none_or(|tool| *tool == layer.tool);
        if !wanted {
            continue;
        }
        match clear(state, &layer)? {
            Cleared::Gone => {
                freed += layer.bytes;
                let _ = writeln!(
                    text,
                    "{:>10}  {:<7} {}",
                    size(layer.bytes),
                    layer.tool,
                    place(&layer)
                );
            }
            Cleared::InUse => {
                code = ExitCode::from(say::NO);
                say::line(format_args!(
                    "{} of {}: a running ring uses it; end that first",
                    layer.tool,
                    place(&layer)
                ));
            }
            Cleared::Failed(error) => {
                code = ExitCode::from(say::NO);
                say::line(format_args!(
                    "{}: {error}; remove it by hand",
                    say::Plain(&layer.dir)
                ));
            }
        }
    }
    let _ = writeln!(text, "{:>10}  freed", size(freed));
    Ok(say::out_with(text, code))
}

fn place(layer: &Kept) -> String {
    match &layer.workspace {
        Some(workspace) => say::Plain(workspace).to_string(),
        None => say::Plain(&layer.dir).to_string(),
    }
}

/// A size for people, to three digits.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_for_people() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(4096), "4.0 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
