//! Rows as later commands of rings that stay.

use crate::answer::Tried;
use crate::arena::Arena;
use crate::row::{Extra, Row, Stdin};
use crate::run::{Invocation, expanded};
use crate::table::TABLE;
use crate::verify::{Reason, Report, RowResult};
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program that makes rings that stay, and what it is to do:
///
/// - `hold SOCKET FLAG...` makes one, says so in a line, and keeps it until its input ends.
/// - `fill SOCKET N` runs commands in that until it has run N.
/// - `in SOCKET ARG...` runs one more there, with its own three streams, and ends as that does.
/// - `one N FLAG... -- ARG...` makes a ring for itself, runs N commands, and then this one.
#[derive(Clone, Debug)]
pub struct Stays {
    /// The program.
    pub program: PathBuf,
    /// As which command of its ring each row is tried: once for each number, in rising order. Many rows are tried
    /// in one ring, so this is the number of the first of them, and the others come after.
    pub at: Vec<u32>,
}

/// Tries every row of the table that `filter` lets through: outside, and then in rings that stay.
///
/// The controls come first, all of them: they change what a ring protects, and to put it back replaces files that a
/// ring which stands has mounts on.
///
/// # Errors
/// When a ring that many rows are tried in cannot be made.
pub fn verify_stays(
    arena: &Arena,
    stays: &Stays,
    filter: &dyn Fn(&Row) -> bool,
    on_row: &mut dyn FnMut(u32, &RowResult),
) -> io::Result<Report> {
    let controls: Vec<(&'static Row, Result<Tried, Reason>)> = TABLE
        .iter()
        .filter(|row| filter(row))
        .map(|row| (row, arena.control(row)))
        .collect();
    let mut report = Report::default();
    let mut done = |at: u32, result: RowResult| {
        on_row(at, &result);
        report.rows.push(result);
    };
    let mut kinds: Vec<&'static [&'static str]> = Vec::new();
    for (row, _) in &controls {
        if !is_alone(row) && !kinds.contains(&row.flags) {
            kinds.push(row.flags);
        }
    }
    for flags in kinds {
        let held = Held::make(arena, stays, flags)?;
        for at in &stays.at {
            held.fill(at.saturating_sub(1))?;
            for (row, control) in &controls {
                if !is_alone(row) && row.flags == flags {
                    let ring = |invocation: &Invocation| held.within(invocation);
                    done(*at, arena.judged(row, control.clone(), &ring));
                }
            }
        }
    }
    for at in &stays.at {
        for (row, control) in controls.iter().filter(|(row, _)| is_alone(row)) {
            let ring = |invocation: &Invocation| {
                let mut command = Command::new(&stays.program);
                command
                    .arg("one")
                    .arg(at.saturating_sub(1).to_string())
                    .args(&invocation.flags)
                    .arg("--")
                    .arg(&invocation.probe)
                    .args(&invocation.arguments);
                command
            };
            done(*at, arena.judged(row, control.clone(), &ring));
        }
    }
    Ok(report)
}

/// Whether a row hands descriptors to the program that makes the ring, before there is one.
fn is_alone(row: &Row) -> bool {
    row.stdin != Stdin::Null || row.extra != Extra::None
}

/// A ring that is held.
struct Held<'a> {
    arena: &'a Arena,
    program: PathBuf,
    socket: PathBuf,
    holder: Child,
}

impl<'a> Held<'a> {
    fn make(arena: &'a Arena, stays: &Stays, flags: &[&str]) -> io::Result<Self> {
        let facts = arena.mend()?;
        let socket = facts.root.join("stays.sock");
        let mut command = Command::new(&stays.program);
        command
            .arg("hold")
            .arg(&socket)
            .args(flags.iter().map(|flag| expanded(flag, &facts)))
            .env_clear()
            .envs(arena.environment())
            .current_dir(&facts.workspace)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        ringfence_sys_linux::attempt::launch::end_with_us(&mut command);
        let mut holder = command.spawn()?;
        let mut said = String::new();
        if let Some(out) = holder.stdout.take() {
            BufReader::new(out).read_line(&mut said)?;
        }
        arena.has_ring.set(true);
        let held = Self {
            arena,
            program: stays.program.clone(),
            socket,
            holder,
        };
        if said.is_empty() {
            return Err(io::Error::other("no ring was made to hold"));
        }
        Ok(held)
    }

    fn asked(&self, verb: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg(&self.socket).args(words);
        command
    }

    fn fill(&self, commands: u32) -> io::Result<()> {
        let status = self.asked("fill", [commands.to_string()]).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "the ring could not run {commands} commands: {status}"
            )))
        }
    }

    fn within(&self, invocation: &Invocation) -> Command {
        let words = std::iter::once(OsString::from(&invocation.probe));
        self.asked("in", words.chain(invocation.arguments.iter().cloned()))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        self.arena.has_ring.set(false);
        remove(&self.socket);
    }
}

fn remove(socket: &Path) {
    let _ = std::fs::remove_file(socket);
}
