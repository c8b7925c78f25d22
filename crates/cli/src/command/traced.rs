//! `ringfence traced`: what looks at a command's calls, inside of its ring.

use std::ffi::OsString;

use crate::exit::ExitCode;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct TracedArgs {
    /// The program, found
    program: OsString,
    /// The command's words, its name first
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    argv: Vec<OsString>,
}

pub(crate) fn traced(args: &TracedArgs) -> ExitCode {
    ringfence::traced::within(&args.program, &args.argv).into()
}
