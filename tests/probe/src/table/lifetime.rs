//! Outliving the command.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, End, Group, Row};
use ringfence_sys_linux::attempt::{processes, processes::Signal};
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Lifetime, "descendants", what, attempt)
        .with(name)
        .after(survived)
}

pub(super) const ROWS: &[Row] = &[
    row("survive.child", "leave a child", child),
    row(
        "survive.daemon",
        "leave a daemon in a session of its own",
        daemon,
    ),
    row(
        "survive.stubborn",
        "leave a daemon that ignores signals",
        stubborn,
    ),
    row(
        "survive.pipe",
        "leave a daemon that holds the output open",
        pipe,
    ),
    row(
        "survive.writer",
        "write a file after the command has ended",
        writer,
    )
    .after(wrote),
];

/// How long a survivor lives when nobody ends it.
const LIFE: Duration = Duration::from_secs(8);

/// The file a survivor of `survive.writer` makes.
fn trace(facts: &Facts) -> std::path::PathBuf {
    facts.workspace.join(format!("survived-{}", facts.nonce))
}

fn start(facts: &Facts, row: &str, ways: &[&str], output: fn() -> Stdio) -> Tried {
    let mut command = Command::new(&facts.probe);
    command
        .arg("linger")
        .arg(facts.marker(row))
        .arg(trace(facts))
        .args(ways);
    command
        .stdin(Stdio::null())
        .stdout(output())
        .stderr(Stdio::null());
    match command.spawn() {
        // A double fork ends its first half at once, and only then has the second begun.
        Ok(mut child) if ways.contains(&"daemon") => Tried::of(child.wait(), &[]),
        other => Tried::of(other, &[]),
    }
}

fn child(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &[], Stdio::null)
}

fn daemon(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &["daemon"], Stdio::null)
}

fn stubborn(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &["daemon", "stubborn"], Stdio::null)
}

fn pipe(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &["daemon"], Stdio::inherit)
}

fn writer(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &["daemon", "writer"], Stdio::null)
}

/// The survivor itself: `linger MARKER FILE [daemon] [stubborn] [writer]`.
pub fn linger(arguments: &[String]) -> io::Result<()> {
    let has = |way: &str| arguments.iter().skip(2).any(|argument| argument == way);
    if has("stubborn") {
        processes::ignore_endings();
        processes::outlive_parent()?;
    }
    if has("daemon") {
        processes::new_session()?;
        let rest = arguments.iter().filter(|argument| *argument != "daemon");
        // Standard output stays as it is: holding it open is the point of one row.
        return Command::new(std::env::current_exe()?)
            .arg("linger")
            .args(rest)
            .spawn()
            .map(drop);
    }
    let end = Instant::now() + LIFE;
    if has("writer") {
        // Long enough after the command's end that no ring is late by mere scheduling.
        crate::moment::pass(Duration::from_millis(400));
        if let Some(file) = arguments.get(1) {
            fs::write(Path::new(file), "still here")?;
        }
    }
    while Instant::now() < end {
        crate::moment::pass(Duration::from_millis(100));
    }
    Ok(())
}

/// The living processes whose command line carries the marker.
fn living(marker: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten().filter_map(|entry| {
        entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
    });
    // One that is ending has no command line any more.
    pids.filter(|pid| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| super::place::contains(&line, marker.as_bytes()))
    })
    .collect()
}

/// Ends what the arena itself has let loose.
fn end_all(pids: &[i32]) {
    for pid in pids {
        let _ = processes::signal(*pid, Signal::Kill);
    }
}

/// Looks for survivors for a second at most: the kernel may still be ending some.
fn survived(facts: &Facts, argument: &'static str, end: End) -> Tried {
    let marker = facts.marker(argument);
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        let pids = living(&marker);
        if pids.is_empty() {
            return if end.held {
                Tried::allowed("the output is still held open")
            } else {
                Tried::denied("nobody is left")
            };
        }
        if Instant::now() > until {
            end_all(&pids);
            return Tried::allowed(format!("{} left", pids.len()));
        }
        crate::moment::pass(Duration::from_millis(20));
    }
}

/// Waits for the survivor to write, or to be no more.
fn wrote(facts: &Facts, argument: &'static str, _: End) -> Tried {
    let marker = facts.marker(argument);
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let pids = living(&marker);
        if trace(facts).exists() {
            end_all(&pids);
            return Tried::allowed("it wrote");
        }
        if pids.is_empty() {
            return Tried::denied("nobody is left to write");
        }
        if Instant::now() > until {
            end_all(&pids);
            return Tried::allowed("it lives, and has yet to write");
        }
        crate::moment::pass(Duration::from_millis(20));
    }
}
