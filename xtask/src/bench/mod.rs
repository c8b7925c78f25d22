//! `cargo xtask bench`: what a ring costs, as ratios, in one run.
//!
//! Every round runs each contender once, in an order that changes, so that a
//! noisy machine is noisy for all of them. What is written down is medians and
//! their ratios.

mod contender;
mod conversation;
mod floor;
mod memory;
mod peers;
mod place;
mod rounds;
mod serving;
mod tables;
mod warm;

pub(crate) use floor::mounts;
pub(crate) use tables::churn;

use crate::dist::{self, Built, Profile};
use crate::ordinary_user;
use crate::run::{self, Account};
use crate::{test, workspace};
use anyhow::{Context, Result, bail};
use place::Place;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that has a ring of the library's.
const WARM: &str = "examples/warm";
const REPORT: &str = "docs/performance.md";
/// Between what the tables are written there, and between what the one with the peers.
const TABLES: [&str; 2] = ["<!-- tables: begin -->", "<!-- tables: end -->"];
const PEERS: [&str; 2] = ["<!-- peers: begin -->", "<!-- peers: end -->"];

pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) rounds: Option<usize>,
    pub(crate) only: Vec<String>,
    /// The table with other sandboxes, instead of the others.
    pub(crate) peers: bool,
    pub(crate) user: Option<String>,
    pub(crate) write: bool,
    /// Where the release binaries lie, when they are built already.
    pub(crate) binaries: Option<PathBuf>,
    /// Where the peers are installed already.
    pub(crate) peers_in: Option<PathBuf>,
    /// Write the tables into this file: how root's run gets those of the ordinary user.
    pub(crate) tables_to: Option<PathBuf>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    for name in &options.only {
        if !tables::NAMES.contains(&name.as_str()) {
            bail!("no table `{name}`; there are {}", tables::NAMES.join(", "));
        }
    }
    if options.peers && !options.only.is_empty() {
        bail!("--peers is one table: without --only");
    }
    let (binaries, linked) = match &options.binaries {
        Some(binaries) => (binaries.clone(), ""),
        None => match build(root)? {
            Built { dir, musl: true } => (dir, " `ringfence` and its runner link musl."),
            Built { dir, musl: false } => (dir, " All programs link glibc."),
        },
    };
    let peers = match &options.peers_in {
        Some(installed) => Some(installed.clone()),
        None if options.peers => Some(peers::install(root)?),
        None => None,
    };
    let mut text = measure(&binaries, peers.as_deref(), options)?;
    if let Some(file) = &options.tables_to {
        std::fs::write(file, &text)?;
        return Ok(true);
    }
    if run::is_root() {
        let account = ordinary_user::account(options.user.as_deref())?;
        text.push_str(&measure_as(&account, &binaries, peers.as_deref(), options)?);
    }
    let report = format!("{}{linked}\n{text}", machine(options)?);
    println!("{report}");
    if options.write {
        let marks = if options.peers { PEERS } else { TABLES };
        write_report(root, &report, marks)?;
    }
    Ok(true)
}

/// The binaries as they are shipped.
fn build(root: &Path) -> Result<Built> {
    let programs = dist::build(root, Profile::Release)?;
    let mut example = run::cargo(root);
    example.args([
        "build",
        "--release",
        "--package",
        "ringfence",
        "--example",
        "warm",
    ]);
    run::must_pass(&mut example)?;
    let example = workspace::binaries(root, "release")?.join(WARM);
    let dir = workspace::target_dir(root).join("bench-programs");
    install(&programs.dir, &example, &dir)?;
    Ok(Built { dir, ..programs })
}

/// Copies the binaries, as an installation does.
fn install(from: &Path, example: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to.join("examples"))?;
    for name in test::BINARIES {
        std::fs::copy(from.join(name), to.join(name))
            .with_context(|| format!("cannot copy {name}"))?;
    }
    std::fs::copy(example, to.join(WARM)).with_context(|| format!("cannot copy {WARM}"))?;
    Ok(())
}

/// The tables, or the one with the peers, as whoever this is.
fn measure(binaries: &Path, peers: Option<&Path>, options: &Options) -> Result<String> {
    let place = Place::make()?;
    let settings = tables::Settings {
        quick: options.quick,
        rounds: options.rounds,
    };
    let who = if run::is_root() {
        "root"
    } else {
        "an ordinary user"
    };
    if let Some(installed) = peers {
        eprintln!("measuring peers as {who}");
        let table = peers::measure(&place, binaries, installed, &settings)?;
        return Ok(format!("### As {who}\n\n{table}"));
    }
    let mut text = format!("## As {who}\n");
    for name in tables::NAMES {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            eprintln!("measuring {name} as {who}");
            let table = tables::measure(name, &place, binaries, &settings)
                .with_context(|| format!("table {name}"))?;
            text.push('\n');
            text.push_str(&table);
        }
    }
    Ok(text)
}

/// The same by a copy of this program, as `account`.
fn measure_as(
    account: &Account,
    binaries: &Path,
    peers: Option<&Path>,
    options: &Options,
) -> Result<String> {
    let dir = account.home.join("ringfence-bench-programs");
    install(binaries, &binaries.join(WARM), &dir)?;
    let own = dir.join("xtask");
    std::fs::copy(std::env::current_exe()?, &own)?;
    let tables = dir.join("tables.md");
    std::fs::write(&tables, "")?;
    std::os::unix::fs::chown(&tables, Some(account.uid), Some(account.gid))?;
    let mut again = Command::new(&own);
    account.become_in(&mut again);
    again.env("PATH", crate::tools::SYSTEM_PATH);
    again.current_dir(&account.home).arg("bench");
    again
        .arg("--binaries")
        .arg(&dir)
        .arg("--tables-to")
        .arg(&tables);
    if let Some(installed) = peers {
        let reached = ordinary_user::can_run(account, &peers::node(installed));
        let installed = if reached {
            installed.to_owned()
        } else {
            let copy = dir.join("peers");
            let mut cp = Command::new("cp");
            run::must_pass(cp.arg("--archive").arg(installed).arg(&copy))?;
            copy
        };
        again.arg("--peers-in").arg(installed);
    }
    if options.quick {
        again.arg("--quick");
    }
    if let Some(rounds) = options.rounds {
        again.args(["--rounds", &rounds.to_string()]);
    }
    for only in &options.only {
        again.args(["--only", only]);
    }
    run::must_pass(&mut again)?;
    let text = std::fs::read_to_string(&tables)?;
    std::fs::remove_dir_all(&dir)?;
    Ok(format!("\n{text}"))
}

/// Which machine, and the command that makes the tables again.
fn machine(options: &Options) -> Result<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let info = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    let peers = if options.peers { " --peers" } else { "" };
    let quick = if options.quick { " --quick" } else { "" };
    let date = run::output(Command::new("date").arg("+%F"))?;
    Ok(format!(
        "Made by `cargo xtask bench{peers}{quick} --write` on {}, Linux {}, {cores} cores ({model}).",
        date.trim(),
        kernel.trim()
    ))
}

fn write_report(root: &Path, report: &str, marks: [&str; 2]) -> Result<()> {
    let path = root.join(REPORT);
    let old = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let new = between_markers(&old, report, marks)
        .with_context(|| format!("{REPORT} lacks `{}`", marks.join("` or `")))?;
    std::fs::write(&path, new)?;
    println!("wrote {REPORT}");
    Ok(())
}

/// `old` with what stands between the marks replaced.
fn between_markers(old: &str, new: &str, [begin, end]: [&str; 2]) -> Option<String> {
    let (head, rest) = old.split_once(begin)?;
    let (_, tail) = rest.split_once(end)?;
    Some(format!("{head}{begin}\n{}\n{end}{tail}", new.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let [[begin, end], [other, _]] = [TABLES, PEERS];
        let old = format!("a\n{begin}\nold\n{end}\nb\n{other}\n");
        let new = between_markers(&old, "new\n", TABLES).unwrap_or_default();
        assert_eq!(new, format!("a\n{begin}\nnew\n{end}\nb\n{other}\n"));
        assert_eq!(between_markers("no marks", "new", TABLES), None);
        assert_eq!(between_markers(&old, "new", PEERS), None);
    }
}
