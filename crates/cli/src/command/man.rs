//! `ringfence man`.

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;

use crate::exit::ExitCode;
use crate::grammar::whole;
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this directory instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn man(args: ManArgs) -> ExitCode {
    let ManArgs { dir } = args;
    let Some(dir) = dir else {
        let mut page = Vec::new();
        return match Man::new(whole()).render(&mut page) {
            Ok(()) => say::out(String::from_utf8_lossy(&page)),
            Err(error) => say::refuse(format_args!("the manual page: {error}")),
        };
    };
    let written =
        std::fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(whole(), &dir));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say::refuse(format_args!(
            "{}: {error}; name a directory that can be written",
            say::Plain(&dir)
        )),
    }
}
