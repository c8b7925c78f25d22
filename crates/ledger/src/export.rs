//! Records for other programs: as they are, as a table, and as events of OCSF.

pub mod ocsf;

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::{Entry, Event, FilesChanged, Record, shell};

/// The names of a table's columns.
const COLUMNS: &str =
    "seq,time,type,ring,command,what,value,cwd,detail,elapsed_us,cpu_us,max_rss_kib";

/// Writes the first line of a table (RFC 4180).
///
/// # Errors
/// When it cannot be written.
pub fn csv_columns(mut to: impl Write) -> io::Result<()> {
    writeln!(to, "{COLUMNS}\r")
}

/// Writes a record as a line of a table.
///
/// # Errors
/// When it cannot be written.
pub fn csv(record: &Record, mut to: impl Write) -> io::Result<()> {
    let row = Row::of(record);
    let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let fields = [
        record.seq.to_string(),
        format!("{:.6}", record.time),
        record.event.name().to_owned(),
        number(row.ring),
        number(row.command),
        row.what,
        row.value.map(|value| value.to_string()).unwrap_or_default(),
        row.cwd,
        row.detail,
        number(row.elapsed_us),
        number(row.cpu_us),
        number(row.max_rss_kib),
    ];
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    writeln!(to, "{}\r", fields.join(","))
}

/// A field that a table's program takes for what it is: quoted where it has to be, and never for a formula.
fn quoted(field: &str) -> String {
    let formula =
        field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err();
    let field = if formula {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if field.contains(['"', ',', '\n', '\r']) || formula {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

/// What a record has for the columns.
#[derive(Default)]
struct Row {
    ring: Option<u64>,
    command: Option<u64>,
    what: String,
    value: Option<i64>,
    cwd: String,
    detail: String,
    elapsed_us: Option<u64>,
    cpu_us: Option<u64>,
    max_rss_kib: Option<u64>,
}

/// Words as one text, each as a shell would read it; what is not UTF-8 is replaced.
pub(crate) fn line(words: &[crate::Text]) -> String {
    let line = shell::line(words.iter().map(crate::Text::as_os_str));
    line.to_string_lossy().into_owned()
}

/// How many files changed, and how.
#[must_use]
pub fn counted(changed: &FilesChanged) -> String {
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for (how, count) in changed.roots.iter().flat_map(|root| &root.counts) {
        *all.entry(how).or_default() += count;
    }
    let mut parts: Vec<String> = all
        .iter()
        .map(|(how, count)| format!("{count} {how}"))
        .collect();
    for generated in changed.roots.iter().flat_map(|root| &root.generated) {
        let count: u64 = generated.counts.values().sum();
        parts.push(format!("{count} in {}", generated.path));
    }
    parts.join(", ")
}

impl Row {
    fn of(record: &Record) -> Row {
        let texts = |texts: &[crate::Text]| line(texts);
        match &record.event {
            Event::Opened(opened) => Row {
                what: format!("{:?}", opened.why).to_lowercase(),
                ..Row::default()
            },
            Event::Mended { bytes } => Row {
                value: i64::try_from(*bytes).ok(),
                ..Row::default()
            },
            Event::Removed(removed) => Row {
                what: removed.why.clone(),
                detail: format!("{} to {}", removed.first, removed.last.seq),
                ..Row::default()
            },
            Event::PolicyKept(kept) => Row {
                what: kept.policy.to_string(),
                detail: kept.content.to_string(),
                ..Row::default()
            },
            Event::RingMade(made) => Row {
                ring: Some(record.seq),
                what: made.by.clone(),
                cwd: made.workspace.to_string(),
                detail: format!(
                    "{} {} network {} enforcement {}",
                    made.ring.as_deref().unwrap_or("none"),
                    made.mode,
                    made.network,
                    made.enforcement
                ),
                ..Row::default()
            },
            Event::RingRefused(refused) => Row {
                what: refused.by.clone(),
                cwd: refused.cwd.to_string(),
                detail: refused.error.clone(),
                ..Row::default()
            },
            Event::RingWidened(widened) => Row {
                ring: Some(widened.ring),
                detail: texts(&[&widened.write[..], &widened.read, &widened.sockets].concat()),
                ..Row::default()
            },
            Event::RingEnded(ended) => Row {
                ring: Some(ended.ring),
                what: ended.enforcement.clone(),
                ..Row::default()
            },
            Event::CommandStarted(started) => Row {
                ring: Some(started.ring),
                command: Some(record.seq),
                cwd: started.cwd.to_string(),
                detail: texts(&started.argv),
                ..Row::default()
            },
            Event::CommandRefused(refused) => Row {
                ring: refused.ring,
                what: refused.decision.clone(),
                cwd: refused.cwd.to_string(),
                detail: texts(&refused.argv),
                ..Row::default()
            },
            Event::FilesChanged(changed) => Row {
                command: Some(changed.command),
                detail: counted(changed),
                ..Row::default()
            },
            Event::CommandEnded(ended) => Row {
                command: Some(ended.command),
                what: ended.how.clone(),
                value: ended.value.map(i64::from),
                detail: ended.error.clone().unwrap_or_default(),
                elapsed_us: Some(ended.elapsed_us),
                cpu_us: Some(ended.cpu_us),
                max_rss_kib: Some(ended.max_rss_kib),
                ..Row::default()
            },
            Event::ApprovalAsked(asked) => Row {
                ring: asked.ring,
                what: asked.verdict.clone(),
                cwd: asked.cwd.to_string(),
                detail: texts(&asked.argv),
                ..Row::default()
            },
            Event::ApprovalAnswered(answered) => Row {
                what: answered.answer.clone(),
                detail: answered.from.clone(),
                value: answered.asked.and_then(|asked| i64::try_from(asked).ok()),
                ..Row::default()
            },
            Event::Denial(denial) => Row {
                ring: Some(denial.ring),
                command: denial.command,
                what: denial.what.clone(),
                detail: denial.path.to_string(),
                ..Row::default()
            },
            Event::HostChanged(changed) => Row {
                what: changed.what.clone(),
                detail: changed.path.to_string(),
                ..Row::default()
            },
            Event::UndoStarted(started) => Row {
                command: Some(started.command),
                value: i64::try_from(started.changes).ok(),
                detail: texts(&started.roots),
                ..Row::default()
            },
            Event::UndoEnded(ended) => Row {
                value: i64::try_from(ended.undone).ok(),
                detail: ended.error.clone().unwrap_or_default(),
                ..Row::default()
            },
            Event::Unknown => Row::default(),
        }
    }
}

/// Writes a line as it stands in the ledger: what is exported so can be verified as the ledger can.
///
/// # Errors
/// When it cannot be written.
pub fn jsonl(entry: &Entry, mut to: impl Write) -> io::Result<()> {
    to.write_all(&entry.bytes)?;
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_field_is_a_field_and_no_formula() {
        for (field, written) in [
            ("plain", "plain"),
            ("-1", "-1"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"\n", "\"say \"\"hi\"\"\n\""),
            ("=1+cmd|' /C calc'!A0", "\"'=1+cmd|' /C calc'!A0\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
        ] {
            assert_eq!(quoted(field), written);
        }
    }
}
