//! A line for each thing that happened, and counting them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use ringfence_ledger::story::{Command, Story};
use ringfence_ledger::{CommandEnded, Event, Record, Text, UndoEnded, export, shell};
use ringfence_policy::plain;
use serde_json::{Value, json};

use super::local;

/// A line of the list.
pub(in crate::command) struct Row {
    pub(in crate::command) seq: u64,
    pub(in crate::command) time: Timestamp,
    pub(in crate::command) ring: Option<u64>,
    /// How it ended, in a word or two.
    pub(in crate::command) how: String,
    pub(in crate::command) elapsed_us: Option<u64>,
    pub(in crate::command) denied: usize,
    /// It did not end well.
    pub(in crate::command) bad: bool,
    pub(in crate::command) what: String,
}

/// Whether a process is there that was there at a time.
pub(in crate::command) trait Alive: Fn(u32, Timestamp) -> bool + Copy {}
impl<T: Fn(u32, Timestamp) -> bool + Copy> Alive for T {}

/// Words as a line that can be read and typed, and moves no cursor.
pub(in crate::command) fn words(words: &[Text]) -> String {
    let line = shell::line(words.iter().map(Text::as_os_str));
    plain(&line.to_string_lossy())
}

pub(in crate::command) fn how(ended: &CommandEnded) -> String {
    match (ended.how.as_str(), ended.value) {
        ("exited", Some(0)) => "ok".to_owned(),
        ("exited", Some(code)) => format!("exit {code}"),
        ("signalled", Some(signal)) => format!("signal {signal}"),
        (how, _) => plain(&how.replace('-', " ")),
    }
}

fn ended(story: &Story, command: &Command, alive: impl Alive) -> (String, bool) {
    match &command.ended {
        Some(ended) => {
            let well = ended.what.how == "exited" && ended.what.value == Some(0);
            (how(&ended.what), !well)
        }
        None if story.may_run(command, alive) => ("runs".to_owned(), false),
        // Its harness was killed, and everything of the ring with it.
        None => ("not told".to_owned(), true),
    }
}

/// What happened, the latest last.
pub(in crate::command) fn rows(story: &Story, alive: impl Alive) -> Vec<Row> {
    let mut rows: Vec<Row> = story
        .commands
        .values()
        .map(|command| {
            let (how, bad) = ended(story, command, alive);
            let started = &command.started;
            Row {
                seq: started.seq,
                time: started.time,
                ring: Some(started.what.ring).filter(|ring| *ring > 0),
                how,
                elapsed_us: command.ended.as_ref().map(|ended| ended.what.elapsed_us),
                denied: command.denials.len(),
                bad: bad || !command.denials.is_empty(),
                what: words(&started.what.argv),
            }
        })
        .collect();
    let not_run = |seq, time, ring, how: &str, what| Row {
        seq,
        time,
        ring,
        how: how.to_owned(),
        elapsed_us: None,
        denied: 0,
        bad: true,
        what,
    };
    rows.extend(story.refused.values().map(|at| {
        let what = words(&at.what.argv);
        not_run(at.seq, at.time, at.what.ring, "forbidden", what)
    }));
    rows.extend(story.rings_refused.values().map(|at| {
        let what = if at.what.argv.is_empty() {
            plain(&at.what.error)
        } else {
            words(&at.what.argv)
        };
        not_run(at.seq, at.time, None, "refused", what)
    }));
    rows.extend(story.questions.values().filter_map(|question| {
        let last = question.answers.last().map(|answer| &answer.what);
        let how = match last.map(|answer| (answer.allows(), answer.answer.as_str())) {
            // What was allowed is there as the command it became.
            Some((Some(true), _))
                if question
                    .asked
                    .what
                    .argv
                    .first()
                    .is_some_and(|w| w.as_os_str() != "grant") =>
            {
                return None;
            }
            Some((Some(true), _)) => "granted",
            Some((_, "no")) => "not allowed",
            Some((_, "late")) => "no answer",
            Some(_) => "nobody to ask",
            None => "asked",
        };
        let at = &question.asked;
        let mut row = not_run(at.seq, at.time, at.what.ring, how, words(&at.what.argv));
        row.bad = how != "granted";
        Some(row)
    }));
    rows.extend(story.host.values().map(|at| {
        let what = plain(&at.what.path.to_string());
        let mut row = not_run(at.seq, at.time, None, &plain(&at.what.what), what);
        row.bad = false;
        row
    }));
    rows.sort_by_key(|row| row.seq);
    rows
}

pub(in crate::command) fn took(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", us / 1_000_000, us / 100_000 % 10),
        _ => {
            let seconds = us / 1_000_000;
            if seconds < 3600 {
                format!("{} m {:02} s", seconds / 60, seconds % 60)
            } else {
                format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60)
            }
        }
    }
}

pub(super) fn print(rows: &[Row], mut out: impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let wide = rows.iter().map(|row| row.seq.to_string().len());
    let wide = wide.max().unwrap_or(1);
    let mut day = None;
    for row in rows {
        let time = local(row.time);
        if day.replace(time.date()) != Some(time.date()) {
            writeln!(out, "{}", time.strftime("%A, %Y-%m-%d"))?;
        }
        let denied = match row.denied {
            0 => String::new(),
            n => format!("  ({n} denied)"),
        };
        let took = row.elapsed_us.map(took).unwrap_or_default();
        writeln!(
            out,
            "{:>wide$}  {}  {:<13} {:>9}  {}{denied}",
            row.seq,
            time.strftime("%H:%M:%S"),
            row.how,
            took,
            row.what,
        )?;
    }
    Ok(())
}

impl Row {
    pub(super) fn json(&self) -> Value {
        json!({
            "number": self.seq,
            "time": format!("{:.6}", self.time),
            "ring": self.ring,
            "how": self.how,
            "elapsed_us": self.elapsed_us,
            "denied": self.denied,
            "command": self.what,
        })
    }
}

/// A record in a line, as it comes.
pub(super) fn line(record: &Record) -> String {
    let ring = |ring: Option<u64>| ring.map(|r| format!("ring {r} ")).unwrap_or_default();
    let what = match &record.event {
        Event::CommandStarted(started) => format!(
            "{}starts: {}",
            ring(Some(started.ring)),
            words(&started.argv)
        ),
        Event::CommandEnded(ended) => format!(
            "command {} ended: {}, {}",
            ended.command,
            how(ended),
            took(ended.elapsed_us)
        ),
        Event::CommandRefused(refused) => {
            format!("{}forbidden: {}", ring(refused.ring), words(&refused.argv))
        }
        Event::RingMade(made) => format!(
            "ring made by {}: {}, {}, network {}, in {}",
            plain(&made.by),
            made.ring
                .as_deref()
                .map_or_else(|| "none".to_owned(), plain),
            plain(&made.mode),
            plain(&made.network),
            plain(&made.workspace.to_string())
        ),
        Event::FilesChanged(changed) => format!(
            "command {} changed: {}",
            changed.command,
            plain(&export::counted(changed))
        ),
        Event::PolicyKept(kept) => format!("policy kept: {}", kept.policy),
        Event::RingEnded(ended) => {
            format!(
                "ring {} ended: enforcement {}",
                ended.ring,
                plain(&ended.enforcement)
            )
        }
        Event::RingRefused(refused) => format!("refused: {}", plain(&refused.error)),
        Event::RingWidened(widened) => {
            let all = [&widened.write[..], &widened.read, &widened.sockets].concat();
            format!("ring {} made wider: {}", widened.ring, words(&all))
        }
        Event::ApprovalAsked(asked) => {
            format!("{}asked: {}", ring(asked.ring), words(&asked.argv))
        }
        Event::ApprovalAnswered(answered) => {
            let about = answered.asked.map(|asked| format!(" to {asked}"));
            let about = about.unwrap_or_default();
            format!(
                "answered{about}: {} ({})",
                plain(&answered.answer),
                plain(&answered.from)
            )
        }
        Event::Denial(denial) => {
            let of = denial
                .command
                .map(|command| format!(" of command {command}"));
            format!(
                "{}{}: {}",
                plain(&denial.what.replace('-', " ")),
                of.unwrap_or_default(),
                plain(&denial.path.to_string())
            )
        }
        Event::HostChanged(changed) => {
            format!(
                "{}: {}",
                plain(&changed.what),
                plain(&changed.path.to_string())
            )
        }
        Event::UndoStarted(started) => {
            format!("undoes {}: {} changes", started.command, started.changes)
        }
        Event::UndoEnded(ended) => format!("undo {} ended: {}", ended.undo, undone(ended)),
        Event::Opened(_) => "the ledger begins a file".to_owned(),
        Event::Mended { bytes } => format!("{bytes} bytes of a writer that died were cut off"),
        Event::Removed(removed) => {
            format!(
                "records {} to {} were removed for their {}",
                removed.first,
                removed.last.seq,
                plain(&removed.why)
            )
        }
        _ => "of a newer version".to_owned(),
    };
    let time = local(record.time);
    format!("{:>6}  {}  {what}", record.seq, time.strftime("%H:%M:%S"))
}

/// What became of an undo.
pub(super) fn undone(ended: &UndoEnded) -> String {
    match (&ended.error, ended.left) {
        (Some(error), _) => plain(error),
        (None, 0) => format!("{} undone", ended.undone),
        (None, left) => format!("{} undone, {left} left", ended.undone),
    }
}

/// How often things happened.
#[derive(Default)]
pub(super) struct Counted {
    rings: u64,
    commands: u64,
    elapsed_us: u64,
    cpu_us: u64,
    how: BTreeMap<String, u64>,
    programs: BTreeMap<String, u64>,
    denials: BTreeMap<String, u64>,
    answers: BTreeMap<String, u64>,
    forbidden: u64,
    refused: u64,
}

impl Counted {
    pub(super) fn of(story: &Story, since: Option<Timestamp>, alive: impl Alive) -> Counted {
        let within = |time: Timestamp| since.is_none_or(|since| time >= since);
        let mut out = Counted::default();
        let count = |to: &mut BTreeMap<String, u64>, what: &str| {
            *to.entry(plain(what)).or_default() += 1;
        };
        for ring in story.rings.values() {
            out.rings += u64::from(ring.made.as_ref().is_some_and(|made| within(made.time)));
            for denial in ring.denials.iter().filter(|denial| within(denial.time)) {
                count(&mut out.denials, &denial.what.what);
            }
        }
        for command in story.commands.values() {
            if !within(command.started.time) {
                continue;
            }
            out.commands += 1;
            count(&mut out.how, &ended(story, command, alive).0);
            let program = command.started.what.argv.first();
            let name = program.and_then(|word| word.as_path().file_name().map(Text::from));
            count(&mut out.programs, &name.unwrap_or_default().to_string());
            if let Some(ended) = &command.ended {
                out.elapsed_us += ended.what.elapsed_us;
                out.cpu_us += ended.what.cpu_us;
            }
            for denial in &command.denials {
                count(&mut out.denials, &denial.what.what);
            }
        }
        for question in story.questions.values().filter(|q| within(q.asked.time)) {
            let answer = question.answers.last();
            count(&mut out.answers, answer.map_or("none", |a| &a.what.answer));
        }
        out.forbidden = story.refused.values().filter(|at| within(at.time)).count() as u64;
        out.refused = story
            .rings_refused
            .values()
            .filter(|at| within(at.time))
            .count() as u64;
        out
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "rings": self.rings,
            "commands": self.commands,
            "elapsed_us": self.elapsed_us,
            "cpu_us": self.cpu_us,
            "ended": self.how,
            "programs": self.programs,
            "denials": self.denials,
            "answers": self.answers,
            "forbidden": self.forbidden,
            "rings_refused": self.refused,
        })
    }

    pub(super) fn print(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "rings      {}", self.rings)?;
        writeln!(
            out,
            "commands   {}, {} in all, {} of processor",
            self.commands,
            took(self.elapsed_us),
            took(self.cpu_us)
        )?;
        writeln!(out, "forbidden  {}", self.forbidden)?;
        writeln!(out, "refused    {}", self.refused)?;
        let table = |out: &mut dyn Write, title: &str, of: &BTreeMap<String, u64>, most: usize| {
            let mut all: Vec<_> = of.iter().collect();
            all.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
            for (index, (name, count)) in all.iter().take(most).enumerate() {
                let title = if index == 0 { title } else { "" };
                writeln!(out, "{title:<10} {count:>7}  {name}")?;
            }
            if all.len() > most {
                writeln!(out, "{:<10} {:>7}  others", "", all.len() - most)?;
            }
            io::Result::Ok(())
        };
        table(&mut out, "ended", &self.how, 20)?;
        table(&mut out, "programs", &self.programs, 10)?;
        table(&mut out, "denied", &self.denials, 20)?;
        table(&mut out, "asked", &self.answers, 20)
    }
}
