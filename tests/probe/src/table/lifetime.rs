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
        "survive.thread",
        "leave a daemon whose first thread has ended",
        thread,
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
        .stderr(Stdio::piped());
    let started = command.spawn().and_then(|mut child| {
        // Its end is that the survivor is up: before, it might not be found by its command line.
        if let Some(mut stderr) = child.stderr.take() {
            io::copy(&mut stderr, &mut io::sink())?;
        }
        // The first half of a double fork ends at once.
        if ways.contains(&"daemon") {
            child.wait()?;
        }
        Ok(())
    });
    Tried::of(started, &[])
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

fn thread(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &["daemon", "thread"], Stdio::null)
}

fn pipe(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &["daemon"], Stdio::inherit)
}

fn writer(facts: &Facts, argument: &'static str) -> Tried {
    start(facts, argument, &["daemon", "writer"], Stdio::null)
}

/// The survivor itself: `linger MARKER FILE [daemon] [stubborn] [thread] [writer]`.
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
    if has("thread") {
        let _lives_on = std::thread::Builder::new().spawn(move || {
            while !super::place::has_ended("self") {
                crate::moment::pass(Duration::from_millis(1));
            }
            let _told = processes::let_go_of_stderr();
            live_until(end);
            std::process::exit(0)
        })?;
        processes::end_thread();
    }
    processes::let_go_of_stderr()?;
    if has("writer") {
        // Long enough after the command's end that no ring is late by mere scheduling.
        crate::moment::pass(Duration::from_millis(400));
        if let Some(file) = arguments.get(1) {
            fs::write(Path::new(file), "still here")?;
        }
    }
    live_until(end);
    Ok(())
}

fn live_until(end: Instant) {
    while Instant::now() < end {
        crate::moment::pass(Duration::from_millis(100));
    }
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
    pids.filter(|pid| carries(Path::new(&format!("/proc/{pid}")), marker))
        .collect()
}

/// Whether the command line of this process does. One that is ending has none any more, and a first thread that has ended
/// has none of its own.
fn carries(process: &Path, marker: &str) -> bool {
    let line = |of: &Path| fs::read(of.join("cmdline")).unwrap_or_default();
    let has = |line: &[u8]| super::place::contains(line, marker.as_bytes());
    let own = line(process);
    if !own.is_empty() {
        return has(&own);
    }
    let threads = fs::read_dir(process.join("task"));
    let mut threads = threads.into_iter().flatten().flatten();
    threads.any(|thread| has(&line(&thread.path())))
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
