//! `ringfence undo`: takes back what rings wrote on this machine.

use std::path::PathBuf;

use clap::Args;

use super::host_here;
use crate::exit::ExitCode;

/// What a ring needs of this machine that lasts (on Windows: entries in the permissions of write roots) is in a journal before it is
/// made. On Linux rings leave nothing.
#[derive(Debug, Args)]
pub(crate) struct HostArgs {
    /// Of this write root alone [default: of all]
    #[arg(value_name = "DIR")]
    root: Option<PathBuf>,
    /// Say what there is, and take nothing back
    #[arg(long)]
    list: bool,
    /// Print one line of JSON for each root
    #[arg(long)]
    json: bool,
}

pub(crate) fn undo(args: HostArgs) -> ExitCode {
    let HostArgs { root, list, json } = args;
    host_here::undo(root.as_deref(), list, json)
}
