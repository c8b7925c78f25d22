//! What a command costs in a ring that stays. For each line it reads, `bare` or `ring`, it runs
//! `/bin/true` once, by `std` or in its ring, and prints the microseconds that took. What else the line
//! has, behind a tab each, is run instead. `failed` is printed where the command failed.
//!
//! ```sh
//! yes ring | head -1000 | cargo run --release --example warm -- WORKSPACE RUNNER
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use ringfence::{Request, Ring, ring};
use ringfence_policy::Flags;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().ok_or("warm WORKSPACE RUNNER");
    let workspace = PathBuf::from(next()?);
    let runner = PathBuf::from(next()?);
    // To see what recording costs: where there is no place for a ledger, and that is accepted, nothing is.
    let accept = std::env::var_os("WARM_UNRECORDED").map(|_| "ledger".to_owned());
    let ring = Ring::open(Request {
        flags: Flags {
            accept: accept.into_iter().collect(),
            ..Flags::default()
        },
        workspace: Some(workspace.clone()),
        directory: Some(workspace),
        runner: Some(runner),
        ..Request::default()
    })?;
    let bare = |argv: &[&str]| -> Result<bool, Box<dyn std::error::Error>> {
        let mut command = Command::new(argv[0]);
        let status = command.args(&argv[1..]).stdin(Stdio::null()).status()?;
        Ok(status.success())
    };
    let inside = |argv: &[&str]| -> Result<bool, Box<dyn std::error::Error>> {
        let mut command = ring.command(argv[0]);
        let status = command
            .args(&argv[1..])
            .stdin(ring::Stdio::null())
            .status()?;
        Ok(status.success())
    };
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split('\t').collect();
        let (how, argv) = match &words[..] {
            [how] => (*how, &["/bin/true"][..]),
            [how, argv @ ..] => (*how, argv),
            [] => return Err("bare or ring".into()),
        };
        let start = Instant::now();
        let success = match how {
            "bare" => bare(argv)?,
            "ring" => inside(argv)?,
            other => return Err(format!("bare or ring, not {other:?}").into()),
        };
        let took = start.elapsed().as_micros();
        if success {
            println!("{took}");
        } else {
            println!("failed");
        }
    }
    Ok(())
}
