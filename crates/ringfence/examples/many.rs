//! What rings that stay hold: runs so many commands at once in one, then makes so many rings, and
//! prints what this process and the runners hold meanwhile.
//!
//! ```sh
//! cargo run --release --example many -- WORKSPACE RUNNER 200 1000
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::path::PathBuf;
use std::time::Instant;

use ringfence::{Request, Ring, ring::Stdio};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What processes hold, KiB; what is shared is divided in `share`.
#[derive(Clone, Copy, Default)]
struct Held {
    resident: u64,
    share: u64,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("many WORKSPACE RUNNER RINGS COMMANDS")
    };
    let workspace = PathBuf::from(next()?);
    let runner = PathBuf::from(next()?);
    let rings: u32 = next()?.to_str().ok_or("RINGS is no number")?.parse()?;
    let commands: u32 = next()?.to_str().ok_or("COMMANDS is no number")?.parse()?;
    let open = || {
        Ring::open(Request {
            workspace: Some(workspace.clone()),
            directory: Some(workspace.clone()),
            runner: Some(runner.clone()),
            ..Request::default()
        })
    };
    println!("| | harness: RSS, PSS | runners: RSS, PSS each | took |\n|---|---|---|---|");
    let row = |what: &str, own: Held, theirs: Held, number: u32, took: Instant| {
        println!(
            "| {what} | {}, {} KiB | {}, {} KiB | {:.2} s |",
            own.resident,
            own.share,
            theirs.resident / u64::from(number),
            theirs.share / u64::from(number),
            took.elapsed().as_secs_f64(),
        );
    };
    let own = std::process::id();

    let begun = Instant::now();
    let first = open()?;
    let one = held(&[own])?;
    row("one ring, idle", one, held(&runners(own)?)?, 1, begun);
    first.command("/bin/true").stdin(Stdio::null()).status()?;
    let (used, idle) = (held(&[own])?, held(&runners(own)?)?);
    let begun = Instant::now();
    let mut running = Vec::new();
    for _ in 0..commands {
        let mut command = first.command("sleep");
        command.arg("10000").stdin(Stdio::null());
        running.push(command.spawn()?);
    }
    let listed = first.list()?.len();
    if listed != commands as usize {
        return Err(format!("{listed} of {commands} commands run").into());
    }
    let many = held(&[own])?;
    let their = held(&runners(own)?)?;
    row(
        &format!("{commands} commands at once"),
        many,
        their,
        1,
        begun,
    );
    let begun = Instant::now();
    for child in &mut running {
        child.kill()?;
    }
    for mut child in running {
        child.wait()?;
    }
    let ended = held(&[own])?;
    row(
        "and they have ended, one by one",
        ended,
        held(&runners(own)?)?,
        1,
        begun,
    );
    let begun = Instant::now();
    let mut more = Vec::new();
    for _ in 1..rings {
        more.push(open()?);
    }
    let theirs = runners(own)?;
    if theirs.len() != rings as usize {
        return Err(format!("{} runners of {rings} rings", theirs.len()).into());
    }
    let all = held(&[own])?;
    row(
        &format!("{rings} rings, idle"),
        all,
        held(&theirs)?,
        rings,
        begun,
    );
    let begun = Instant::now();
    for ring in &more {
        let status = ring.command("/bin/true").stdin(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("in one of {rings} rings: {status}").into());
        }
    }
    let all = held(&[own])?;
    row(
        "and each has run a command",
        all,
        held(&theirs)?,
        rings,
        begun,
    );
    let begun = Instant::now();
    drop(more);
    let after = held(&[own])?;
    let left = runners(own)?;
    row(
        &format!("{} closed", rings - 1),
        after,
        held(&left)?,
        1,
        begun,
    );

    let begun = Instant::now();
    for _ in 0..rings {
        open()?.command("/bin/true").stdin(Stdio::null()).status()?;
    }
    let turn = held(&[own])?;
    let what = format!("{rings} more, each closed before the next");
    row(&what, turn, held(&runners(own)?)?, 1, begun);
    let begun = Instant::now();
    drop(first);
    row("no ring", held(&[own])?, Held::default(), 1, begun);
    let each = |more: Held, less: Held, number: u32| {
        1024.0 * (more.share as f64 - less.share as f64) / f64::from(number)
    };
    println!(
        "\nOf the harness a running command takes {:.0} bytes, and of its runner {:.0}; a ring takes {:.0} bytes of the harness.",
        each(many, used, commands),
        each(their, idle, commands),
        each(all, ended, rings - 1),
    );
    Ok(())
}

/// The runners of this process: its children.
fn runners(parent: u32) -> Outcome<Vec<u32>> {
    let wanted = format!("PPid:\t{parent}\n");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let status = std::fs::read_to_string(entry.path().join("status"));
        if status.is_ok_and(|text| text.contains(&wanted)) {
            found.push(pid);
        }
    }
    Ok(found)
}

fn held(pids: &[u32]) -> Outcome<Held> {
    let mut sum = Held::default();
    for pid in pids {
        // A runner's is closed to an ordinary user, as it is not dumpable.
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .or_else(|_| std::fs::read_to_string(format!("/proc/{pid}/status")))?;
        let of = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        sum.resident += of("Rss:") + of("VmRSS:");
        sum.share += of("Pss:");
    }
    Ok(sum)
}
