//! `ringfence mcp`.

use std::path::PathBuf;

use clap::Args;
use ringfence::{By, Request};
use ringfence_serve::{Client, Served};

use crate::exit::ExitCode;
use crate::flags::PolicyFlags;
use crate::say;

/// A Model Context Protocol server on stdin and stdout, with one ring and the tools run, start, read,
/// write, stop, request_grant and why. docs/agents.md says how a client is told of it.
#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    #[command(flatten)]
    policy: PolicyFlags,
    /// The directory to work in, writable in the ring [default: the repository you are in, else the current directory]
    #[arg(long, value_name = "DIR", help_heading = "Ring")]
    workspace: Option<PathBuf>,
    /// Do not let `ringfence sessions` in
    #[arg(long, help_heading = "Ring")]
    no_socket: bool,
}

pub(crate) fn mcp(args: McpArgs) -> ExitCode {
    let McpArgs {
        policy,
        workspace,
        no_socket,
    } = args;
    if ringfence_serve::report::inside().is_some() {
        return say::refuse("this runs in a ring already; rings are served from outside");
    }
    let cwd = match std::env::current_dir() {
        Ok(cwd) => cwd,
        Err(_) => return say::error(&ringfence::Error::NoCwd).into(),
    };
    let workspace = workspace.map(|workspace| cwd.join(workspace));
    // What cannot be served is told to who starts this, not to the model that asks for the first command.
    let first = Request {
        argv: vec!["/bin/sh".into()],
        workspace: workspace.clone(),
        flags: policy.clone().into(),
        ..Request::default()
    };
    if let Err(error) = ringfence::preview(first) {
        return say::error(&error).into();
    }
    let request = Request {
        directory: Some(workspace.clone().unwrap_or(cwd)),
        workspace,
        flags: policy.into(),
        starting_rules: true,
        by: By::named("mcp"),
        ..Request::default()
    };
    let served = Served {
        stdio: Some(Client::Model(Box::new(request))),
        socket: super::serve::own_socket().filter(|_| !no_socket),
        runner: None,
    };
    match ringfence_serve::serve(served) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say::refuse(format_args!("serving a model: {error}")),
    }
}
