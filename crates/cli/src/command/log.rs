//! `ringfence log`.

pub(super) mod list;
pub(super) mod page;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::{Span, Timestamp, Zoned};
use ringfence_ledger::export::ocsf::{self, Owner};
use ringfence_ledger::story::Story;
use ringfence_ledger::verify::{Expected, verify, verify_and_close};
use ringfence_ledger::{Entry, Known, Place, Record, entries, export, latest};
use ringfence_policy::plain;
use serde_json::json;

use crate::exit::ExitCode;
use crate::say;
use crate::sys::{News, owner};

pub(super) use crate::sys::alive;

/// What ran, in which ring, who allowed it, how it ended: the ledger, as a chain of records
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// Another ledger than yours
    #[arg(long, value_name = "DIRECTORY", global = true)]
    ledger: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the latest commands, and what was not let run (what `log` does alone)
    List(ListArgs),
    /// Tell all of a command or a ring: the latest command, or that of this number
    Show {
        /// The number that `log list` gives
        number: Option<u64>,
        /// Print its records
        #[arg(long)]
        json: bool,
    },
    /// Print records as they are written, until it is stopped
    Follow {
        /// Print them as they stand in the ledger
        #[arg(long)]
        json: bool,
    },
    /// Hold the chain against its hashes; 1 if anything is not as it was written
    Verify {
        /// A head that an earlier `verify` printed and you noted elsewhere: it must be in the chain. May be repeated
        #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
        head: Vec<Expected>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Count: commands, how they ended, what was denied, what was asked
    Stats {
        /// Not what is older: a time, or how long ago (2h, 7d)
        #[arg(long, value_name = "WHEN", value_parser = since)]
        since: Option<Timestamp>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Write all records in a form for other programs
    Export {
        /// The form
        #[arg(long, value_enum, default_value_t = Form::Jsonl)]
        format: Form,
        /// Not what is older: a time, or how long ago (2h, 7d)
        #[arg(long, value_name = "WHEN", value_parser = since)]
        since: Option<Timestamp>,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// So many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    number: usize,
    /// All that is kept
    #[arg(long)]
    all: bool,
    /// Not what is older: a time, or how long ago (2h, 7d)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Only what did not end well: a command that failed, was denied something, or was not let run
    #[arg(long)]
    failed: bool,
    /// Only commands of this ring
    #[arg(long, value_name = "NUMBER")]
    ring: Option<u64>,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// The records as they stand: what is exported can be verified line by line
    Jsonl,
    /// A table (RFC 4180)
    Csv,
    /// Events of the Open Cybersecurity Schema Framework (OCSF 1.3.0), a line of JSON each
    Ocsf,
}

/// `2026-11-28T10:00:00Z`, a date, or how long ago.
fn since(text: &str) -> Result<Timestamp, String> {
    let bad = || {
        "write how long ago (90s, 10m, 2h, 7d), a date (2026-11-28) or a time (2026-11-28T10:00)"
            .to_owned()
    };
    if let Ok(ago) = ringfence_policy::parse_duration(text) {
        let seconds = i64::try_from(ago.as_secs()).map_err(|_| bad())?;
        let then = Timestamp::now().checked_sub(Span::new().seconds(seconds));
        return then.map_err(|_| bad());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil: jiff::civil::DateTime = text.parse().map_err(|_| bad())?;
    let local = civil.to_zoned(jiff::tz::TimeZone::system());
    local.map(|time| time.timestamp()).map_err(|_| bad())
}

fn head(text: &str) -> Result<Expected, String> {
    let bad = || "write it as `log verify` prints it: NUMBER:HASH".to_owned();
    let (seq, hash) = text.split_once(':').ok_or_else(bad)?;
    Ok(Known {
        seq: seq.parse().map_err(|_| bad())?,
        hash: hash.parse().map_err(|_| bad())?,
    })
}

/// A ledger that could not be read, or whoever reads what is printed has gone.
enum Stop {
    Failed(String),
    Closed,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Stop::Closed
        } else {
            Stop::Failed(error.to_string())
        }
    }
}

pub(crate) fn log(args: LogArgs) -> ExitCode {
    let LogArgs { what, ledger } = args;
    if ringfence::environment::inside().is_some() {
        return say::refuse("this runs in a ring, where the ledger is hidden");
    }
    let home = ringfence::layers::home();
    let own = ringfence::State::of_user(home.as_deref()).map(|state| state.ledger());
    let Some(directory) = ledger.clone().or(own) else {
        let remedy = ringfence::layers::TO_HAVE_STATE;
        return say::refuse(format_args!(
            "you have no home to keep a ledger in; {remedy}"
        ));
    };
    if ledger.is_some() && !directory.join("head").exists() {
        return say::refuse(format_args!(
            "{}: no ledger is there",
            say::Plain(&directory)
        ));
    }
    let default = ListArgs {
        number: 20,
        all: false,
        since: None,
        failed: false,
        ring: None,
        json: false,
    };
    let done = match what.unwrap_or(What::List(default)) {
        What::List(asked) => list(&directory, &asked),
        What::Show { number, json } => show(&directory, number, json),
        What::Follow { json } => follow(&directory, json),
        What::Verify { head, json } => verified(&directory, ledger.is_none(), &head, json),
        What::Stats { since, json } => stats(&directory, since, json),
        What::Export { format, since } => {
            let owner = if ledger.is_none() {
                owner()
            } else {
                Owner::default()
            };
            exported(&directory, format, since, &owner)
        }
    };
    match done {
        Ok(code) => code,
        Err(Stop::Closed) => ExitCode::SUCCESS,
        Err(Stop::Failed(why)) => {
            say::refuse(format_args!("the ledger {}: {why}", say::Plain(&directory)))
        }
    }
}

/// The records among these, those that are none told.
fn good(entries: impl Iterator<Item = Entry>) -> impl Iterator<Item = Record> {
    let mut told = false;
    entries.filter_map(move |entry| match entry.record {
        Ok(record) => Some(record),
        Err(error) => {
            // Once: of a file of something else every line is one.
            if !std::mem::replace(&mut told, true) {
                say::line(format_args!(
                    "{}:{}: {error}; `ringfence log verify` tells all of it",
                    say::Plain(&entry.file),
                    entry.line
                ));
            }
            None
        }
    })
}

fn list(directory: &std::path::Path, asked: &ListArgs) -> Result<ExitCode, Stop> {
    let all = asked.all || asked.since.is_some() || asked.failed || asked.ring.is_some();
    let records = if all {
        entries(directory)?
    } else {
        // A command has two records and more, and its ring others.
        latest(directory, asked.number.saturating_mul(8))?
    };
    let story: Story = good(records).collect();
    let mut rows = list::rows(&story, alive);
    rows.retain(|row| {
        asked.since.is_none_or(|since| row.time >= since)
            && (!asked.failed || row.bad)
            && asked.ring.is_none_or(|ring| row.ring == Some(ring))
    });
    let skip = if asked.all {
        0
    } else {
        rows.len().saturating_sub(asked.number)
    };
    let mut out = BufWriter::new(io::stdout().lock());
    if asked.json {
        for row in &rows[skip..] {
            writeln!(out, "{}", row.json())?;
        }
    } else {
        list::print(&rows[skip..], &mut out)?;
    }
    out.flush()?;
    if skip > 0 && all && !asked.json {
        say::line(format_args!(
            "{skip} earlier ones are not listed; -n COUNT, or --all"
        ));
    }
    if rows.is_empty() && !asked.json {
        say::line("nothing is recorded, or nothing like that");
    }
    Ok(ExitCode::SUCCESS)
}

fn show(directory: &std::path::Path, number: Option<u64>, as_json: bool) -> Result<ExitCode, Stop> {
    let records: Vec<Record> = good(entries(directory)?).collect();
    let story: Story = records.iter().collect();
    let number = number.or_else(|| list::rows(&story, alive).last().map(|row| row.seq));
    let Some(number) = number else {
        return Err(Stop::Failed("nothing is recorded".to_owned()));
    };
    let about = page::about(&story, number);
    if about.is_empty() {
        return Err(Stop::Failed(format!(
            "no command, ring or question has the number {number}; `ringfence log list` gives them"
        )));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if as_json {
        for entry in entries(directory)? {
            let its = entry.record.as_ref().is_ok_and(|r| about.contains(&r.seq));
            if its {
                export::jsonl(&entry, &mut out)?;
            }
        }
    } else {
        page::print(&story, number, directory, &mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn follow(directory: &std::path::Path, as_json: bool) -> Result<ExitCode, Stop> {
    // One that does not exist yet is watched for as well.
    let mut news_of = News::of(directory)?;
    let mut place = Place::end(directory)?;
    loop {
        let (news, next) = place.since(directory)?;
        place = next;
        let mut out = io::stdout().lock();
        for entry in &news {
            if as_json {
                export::jsonl(entry, &mut out)?;
            } else if let Ok(record) = &entry.record {
                writeln!(out, "{}", list::line(record))?;
            }
        }
        out.flush()?;
        drop(out);
        news_of.wait()?;
    }
}

fn verified(
    directory: &std::path::Path,
    own: bool,
    heads: &[Expected],
    as_json: bool,
) -> Result<ExitCode, Stop> {
    let found = if own {
        verify_and_close(directory, heads).map_err(|error| Stop::Failed(error.to_string()))?
    } else {
        verify(directory, heads)?
    };
    let whole = found.is_whole();
    let code = ExitCode::from(u8::from(!whole));
    let head = found
        .head
        .map(|known| format!("{}:{}", known.seq, known.hash));
    let mut out = io::stdout().lock();
    if as_json {
        let bad: Vec<_> = found
            .bad
            .iter()
            .map(|bad| {
                json!({
                    "file": bad.file.to_string_lossy(),
                    "line": bad.line,
                    "seq": bad.seq,
                    "what": bad.what,
                })
            })
            .collect();
        let told = json!({
            "whole": whole,
            "records": found.records,
            "first": found.first,
            "head": head,
            "bad": bad,
            "more": found.more,
            "clock_set_back_before": found.clock_back,
        });
        writeln!(out, "{told}")?;
        return Ok(code);
    }
    for bad in &found.bad {
        writeln!(out, "BAD {}", ringfence_policy::plain(&bad.to_string()))?;
    }
    if found.more > 0 {
        writeln!(out, "BAD and {} more", found.more)?;
    }
    for seq in &found.clock_back {
        writeln!(out, "note: the clock was set back before record {seq}")?;
    }
    let count = found.records;
    if whole {
        let first = found.first.filter(|first| *first > 1);
        let from = first.map(|first| format!(", from {first} on"));
        let from = from.unwrap_or_default();
        writeln!(out, "{count} records{from}: each as it was written")?;
    } else {
        writeln!(out, "{count} records are as they were written")?;
    }
    if let Some(head) = head {
        writeln!(out, "head {head}")?;
    }
    Ok(code)
}

fn stats(
    directory: &std::path::Path,
    since: Option<Timestamp>,
    as_json: bool,
) -> Result<ExitCode, Stop> {
    let story: Story = good(entries(directory)?).collect();
    let counted = list::Counted::of(&story, since, alive);
    let mut out = BufWriter::new(io::stdout().lock());
    if as_json {
        writeln!(out, "{}", counted.json())?;
    } else {
        counted.print(&mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn exported(
    directory: &std::path::Path,
    form: Form,
    since: Option<Timestamp>,
    owner: &Owner,
) -> Result<ExitCode, Stop> {
    let stdout = io::stdout();
    // A file has what was recorded; on a terminal nothing of it moves the cursor.
    let on_terminal = stdout.is_terminal();
    let mut out = BufWriter::new(stdout.lock());
    if matches!(form, Form::Csv) {
        export::csv_columns(&mut out)?;
    }
    let mut story = Story::default();
    let mut bad = false;
    for entry in entries(directory)? {
        let record = match &entry.record {
            Ok(record) => record,
            Err(error) => {
                bad = true;
                say::line(format_args!(
                    "{}:{}: {error}; it is left out",
                    say::Plain(&entry.file),
                    entry.line
                ));
                continue;
            }
        };
        if since.is_none_or(|since| record.time >= since) {
            let mut told = Vec::new();
            match form {
                Form::Jsonl => export::jsonl(&entry, &mut told)?,
                Form::Csv => export::csv(record, &mut told)?,
                Form::Ocsf => {
                    for event in ocsf::events(record, &story, owner) {
                        writeln!(told, "{event}")?;
                    }
                }
            }
            if on_terminal {
                let told = String::from_utf8_lossy(&told);
                let told = told.trim_end_matches(['\r', '\n']);
                // Line ends in a table are its fields'; events stand on lines of their own.
                let lines = match form {
                    Form::Ocsf => told.split('\n').collect(),
                    Form::Jsonl | Form::Csv => vec![told],
                };
                for line in lines.into_iter().filter(|line| !line.is_empty()) {
                    writeln!(out, "{}", plain(line))?;
                }
            } else {
                out.write_all(&told)?;
            }
        }
        // Later records name this one by its number alone.
        if let (Form::Ocsf, Ok(record)) = (form, entry.record) {
            story.tell(record);
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(bad)))
}

/// A time as the person's clock shows it.
pub(super) fn local(time: Timestamp) -> Zoned {
    time.to_zoned(jiff::tz::TimeZone::system())
}
