//! Whether a ring that stays grows: runs `/bin/true` so many times in one ring, and prints, now and
//! again, what this process and its runner hold.
//!
//! ```sh
//! cargo run --release --example soak -- WORKSPACE RUNNER 24000
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::path::PathBuf;

use ringfence::{Request, Ring, ring::Stdio};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().ok_or("soak WORKSPACE RUNNER COMMANDS");
    let workspace = PathBuf::from(next()?);
    let runner = PathBuf::from(next()?);
    let commands: u32 = next()?.to_str().ok_or("COMMANDS is no number")?.parse()?;
    let ring = Ring::open(Request {
        workspace: Some(workspace.clone()),
        directory: Some(workspace),
        runner: Some(runner),
        ..Request::default()
    })?;
    let own = std::process::id();
    let runner = child_of(own)?;
    println!("commands | harness: KiB, descriptors | runner: KiB, descriptors, mounts");
    for number in 1..=commands {
        let status = ring.command("/bin/true").stdin(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("command {number}: {status}").into());
        }
        if number == 100 || number % commands.div_ceil(6) == 0 {
            println!(
                "{number} | {}, {} | {}, {}, {}",
                resident(own)?,
                descriptors(own)?,
                resident(runner)?,
                descriptors(runner)?,
                std::fs::read_to_string(format!("/proc/{runner}/mountinfo"))?
                    .lines()
                    .count(),
            );
        }
    }
    Ok(())
}

fn child_of(parent: u32) -> Result<u32, Box<dyn std::error::Error>> {
    let wanted = format!("PPid:\t{parent}\n");
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let status = std::fs::read_to_string(entry.path().join("status"));
        if status.is_ok_and(|text| text.contains(&wanted)) {
            return Ok(pid);
        }
    }
    Err("there is no runner".into())
}

fn resident(pid: u32) -> Result<u64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmRSS")?.parse()?)
}

fn descriptors(pid: u32) -> std::io::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
