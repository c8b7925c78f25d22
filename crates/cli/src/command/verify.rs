//! `ringfence verify`: the probe's table, tried in real rings by the probe's own binary.
//!
//! The harness does not link the table: what tries to break out of rings is no part of the
//! program that builds them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::ExitCode;

use clap::Args;
use ringfence::environment::inside;
use serde_json::{Value, json};

use crate::{own, say, sys};

/// Each row of a table is tried twice, by the same code: outside, where it must work, and
/// in a ring, where it must not. Exit code 1 when one gets out or gives no clear answer.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Try only the rows whose names match, for example 'socket.*'
    #[arg(long, value_name = "GLOB")]
    only: Option<String>,
    /// Print one line of JSON for each row, and one at the end
    #[arg(long)]
    json: bool,
}

pub(crate) fn verify(args: VerifyArgs) -> ExitCode {
    let VerifyArgs { only, json } = args;
    if inside().is_some() {
        return say::refuse(
            "verify: this runs in a ring, where the outside cannot be tried; do it outside",
        );
    }
    let own = match own::program() {
        Ok(own) => own,
        Err(error) => return say::refuse(format_args!("verify: {error}")),
    };
    let probe = own.with_file_name(sys::PROBE);
    if !probe.is_file() {
        return say::refuse(format_args!(
            "{} is missing; install it beside the ringfence binary",
            say::Plain(&probe)
        ));
    }
    let whats = match whats(&probe) {
        Ok(whats) => whats,
        Err(error) => return say::refuse(format_args!("{}: {error}", say::Plain(&probe))),
    };
    let mut command = Command::new(&probe);
    command
        .arg("verify")
        .arg("--json")
        .arg("--ringfence")
        .arg(own);
    if let Some(only) = &only {
        command.args(["--only", only]);
    }
    sys::name_home(&mut command);
    match tried(command, &whats, json) {
        // Where every ring was refused nothing got out, and nothing was proved.
        Ok(Tried { tally, success, .. }) if success && tally.kept > 0 => ExitCode::SUCCESS,
        // The probe's own trouble begins with its name; else nothing was to be tried.
        Ok(Tried { tally, words, .. }) if tally.rows == 0 => {
            match words
                .lines()
                .find(|line| line.starts_with("ringfence-probe: "))
            {
                Some(trouble) => say::refuse(say::Plain(trouble)),
                None => say::refuse(format_args!(
                    "verify: no row is called {:?}; `{} list` names them",
                    only.unwrap_or_default(),
                    say::Plain(&probe)
                )),
            }
        }
        Ok(Tried {
            refused: Some(words),
            ..
        }) => {
            say::line(format_args!(
                "verify: every ring was refused, so that nothing was proved: {}",
                say::Plain(words)
            ));
            ExitCode::from(say::NO)
        }
        Ok(_) => ExitCode::from(say::NO),
        Err(error) => say::refuse(format_args!("{}: {error}", say::Plain(&probe))),
    }
}

/// What each row tries, in words.
fn whats(probe: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let output = Command::new(probe)
        .args(["list", "--json"])
        .stderr(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|row| (text_of(&row, "probe"), text_of(&row, "what")))
        .collect())
}

fn text_of(row: &Value, key: &str) -> String {
    row.get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// How many rows ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    rows: u32,
    kept: u32,
    broken: u32,
    doubt: u32,
    untried: u32,
}

struct Tried {
    tally: Tally,
    success: bool,
    /// Why there was no ring, where there was none for any row.
    refused: Option<String>,
    /// What the probe complained of.
    words: String,
}

fn tried(
    mut command: Command,
    whats: &BTreeMap<String, String>,
    json: bool,
) -> std::io::Result<Tried> {
    // Ctrl-C ends this program and not the probe, which then goes on to the end and takes
    // away what it made: directories, listeners, a process to aim at.
    let mut probe = sys::apart(&mut command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Its complaints are few and come at the end: a pipe holds them.
    let complaints = probe.stderr.take();
    let (mut tally, mut refused) = (Tally::default(), None);
    let mut reading = true;
    if let Some(rows) = probe.stdout.take() {
        for line in BufReader::new(rows).lines() {
            let Ok(row) = serde_json::from_str::<Value>(&line?) else {
                continue;
            };
            tally.count(&row);
            refused = refused.or_else(|| refusal(&row));
            let what = whats
                .get(&text_of(&row, "probe"))
                .map_or("", String::as_str);
            // When nobody reads any more the rows are tried to the end nevertheless: the
            // arena is taken away by who made it.
            reading = reading && say::stream(described(row, what, json));
        }
    }
    let mut words = String::new();
    if let Some(mut complaints) = complaints {
        std::io::Read::read_to_string(&mut complaints, &mut words)?;
    }
    let success = probe.wait()?.success();
    if reading && tally.rows > 0 {
        say::stream(tally.summary(json));
    }
    Ok(Tried {
        tally,
        success,
        refused: refused.filter(|_| tally.rows == tally.untried),
        words,
    })
}

/// Why there was no ring for a row. On Linux that is said with each row, which has to do; on Windows it is what most will see first.
fn refusal(row: &Value) -> Option<String> {
    let detail = text_of(row, "detail");
    let why = detail.strip_prefix("the ring refused: ");
    why.filter(|_| cfg!(windows)).map(str::to_owned)
}

impl Tally {
    fn count(&mut self, row: &Value) {
        self.rows += 1;
        match text_of(row, "verdict").as_str() {
            "kept" => self.kept += 1,
            "broken" => self.broken += 1,
            "doubt" => self.doubt += 1,
            _ => self.untried += 1,
        }
    }

    fn summary(self, json: bool) -> String {
        let Tally {
            rows,
            kept,
            broken,
            doubt,
            untried,
        } = self;
        if json {
            return json!({ "rows": rows, "kept": kept, "broken": broken, "doubt": doubt,
                "untried": untried })
            .to_string();
        }
        format!(
            "{rows} tried: {kept} stopped as promised, {broken} got out, {doubt} without a clear \
             answer, {untried} mean nothing here"
        )
    }
}

/// One row: what was promised, and what was proved.
fn described(mut row: Value, what: &str, json: bool) -> String {
    if json {
        row["what"] = json!(what);
        return row.to_string();
    }
    let verdict = match text_of(&row, "verdict").as_str() {
        "kept" => "stopped",
        "broken" => "GOT OUT",
        "doubt" => "UNCLEAR",
        _ => "-",
    };
    let detail = PathBuf::from(text_of(&row, "detail"));
    format!(
        "{verdict:<8} {:<22} {:<28} {what}: {}",
        text_of(&row, "promise"),
        text_of(&row, "probe"),
        say::Plain(detail)
    )
}

#[cfg(test)]
mod tests {
    use super::{Tally, described};
    use serde_json::json;

    #[test]
    fn rows_are_counted_by_their_verdict() {
        let mut tally = Tally::default();
        for verdict in ["kept", "kept", "broken", "doubt", "untried", "new"] {
            tally.count(&json!({ "verdict": verdict }));
        }
        assert_eq!(
            tally,
            Tally {
                rows: 6,
                kept: 2,
                broken: 1,
                doubt: 1,
                untried: 2
            }
        );
    }

    #[test]
    fn what_gets_out_is_loud() {
        let row = json!({ "verdict": "broken", "probe": "write.file", "promise": "write",
            "detail": "it\nworked" });
        let line = described(row.clone(), "write a file", false);
        assert!(line.starts_with("GOT OUT  write "), "{line}");
        assert!(line.ends_with("write a file: it\\nworked"), "{line}");
        assert!(described(row, "write a file", true).contains(r#""what":"write a file""#));
    }
}
