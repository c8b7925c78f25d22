//! `ringfence serve`.

use std::path::PathBuf;

use clap::Args;
use ringfence_serve::{Client, Served, protocol, runtime_directory, socket_name};

use crate::exit::ExitCode;
use crate::say;

/// A client speaks JSON-RPC 2.0, one message a line, on stdin and stdout; `ringfence sessions` finds
/// the server by its socket. docs/serve.md describes the protocol.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Serve whoever connects to this socket, in a directory of your own, until a signal ends it
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Do not let `ringfence sessions` in
    #[arg(long, conflicts_with = "socket")]
    no_socket: bool,
    /// Print the protocol's JSON Schema
    #[arg(long, conflicts_with_all = ["socket", "no_socket"])]
    schema: bool,
}

pub(crate) fn serve(args: ServeArgs) -> ExitCode {
    let ServeArgs {
        socket,
        no_socket,
        schema,
    } = args;
    if schema {
        return say::out(format_args!("{:#}\n", protocol::schema()));
    }
    if ringfence_serve::report::inside().is_some() {
        return say::refuse("this runs in a ring already; rings are served from outside");
    }
    let served = match (socket, no_socket) {
        (Some(path), _) => Served {
            stdio: None,
            socket: Some(path),
            runner: None,
        },
        (None, no_socket) => Served {
            stdio: Some(Client::Program),
            socket: own_socket().filter(|_| !no_socket),
            runner: None,
        },
    };
    match ringfence_serve::serve(served) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say::refuse(format_args!("serving rings: {error}")),
    }
}

/// The socket by which this process is found.
pub(crate) fn own_socket() -> Option<PathBuf> {
    Some(runtime_directory()?.join(socket_name(std::process::id())))
}
