//! What a command costs in a ring that stays. For each line it reads, `bare` or `ring`, it runs
//! `/bin/true` once, by `std` or in its ring, and prints the microseconds that took.
//!
//! ```sh
//! yes ring | head -1000 | cargo run --release --example warm -- WORKSPACE RUNNER
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use ringfence::{Request, Ring, ring};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().ok_or("warm WORKSPACE RUNNER");
    let workspace = PathBuf::from(next()?);
    let runner = PathBuf::from(next()?);
    let ring = Ring::open(Request {
        workspace: Some(workspace.clone()),
        directory: Some(workspace),
        runner: Some(runner),
        ..Request::default()
    })?;
    let bare = || -> Result<u128, Box<dyn std::error::Error>> {
        let start = Instant::now();
        let status = Command::new("/bin/true").stdin(Stdio::null()).status()?;
        let took = start.elapsed().as_micros();
        status.success().then_some(took).ok_or("it failed".into())
    };
    let inside = || -> Result<u128, Box<dyn std::error::Error>> {
        let start = Instant::now();
        let status = ring
            .command("/bin/true")
            .stdin(ring::Stdio::null())
            .status()?;
        let took = start.elapsed().as_micros();
        status.success().then_some(took).ok_or("it failed".into())
    };
    for line in std::io::stdin().lines() {
        let took = match line?.as_str() {
            "bare" => bare()?,
            "ring" => inside()?,
            other => return Err(format!("bare or ring, not {other:?}").into()),
        };
        println!("{took}");
    }
    Ok(())
}
