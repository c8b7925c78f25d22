//! All of one command, ring or question, as a page to be read.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use ringfence_ledger::story::{At, Command, Question, Ring, Story, Undo};
use ringfence_ledger::{
    ApprovalAnswered, Denial, FilesChanged, RingMade, Shortfall, export, kept_policy,
};
use ringfence_policy::plain;

use super::list::{how, took, undone, words};
use super::{alive, local};

/// The numbers of all records that are about what has this number.
pub(super) fn about(story: &Story, number: u64) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    if let Some(ring) = story.rings.get(&number) {
        all.extend(of_ring(number, ring));
        for command in &ring.commands {
            if let Some(command) = story.commands.get(command) {
                all.extend(of_command(story, command));
            }
        }
    }
    if let Some(command) = story.commands.get(&number) {
        all.extend(of_command(story, command));
        if let Some(ring) = story.ring_of(command) {
            all.extend(of_ring(command.started.what.ring, ring));
        }
    }
    if let Some(undo) = story.undos.get(&number) {
        all.insert(number);
        all.extend(undo.ended.iter().map(|at| at.seq));
    }
    let question = story.questions.get(&number);
    all.extend(question.into_iter().flat_map(of_question));
    for there in [
        story.refused.contains_key(&number),
        story.rings_refused.contains_key(&number),
        story.host.contains_key(&number),
        story.answers.contains_key(&number),
    ] {
        if there {
            all.insert(number);
        }
    }
    all
}

fn of_ring(number: u64, ring: &Ring) -> Vec<u64> {
    let mut all = vec![number];
    all.extend(ring.widened.iter().map(|at| at.seq));
    all.extend(ring.denials.iter().map(|at| at.seq));
    all.extend(ring.ended.iter().map(|at| at.seq));
    all
}

fn of_command(story: &Story, command: &Command) -> Vec<u64> {
    let mut all = vec![command.started.seq];
    all.extend(command.denials.iter().map(|at| at.seq));
    all.extend(command.changed.iter().map(|at| at.seq));
    all.extend(command.ended.iter().map(|at| at.seq));
    if let Some(answer) = command.started.what.approval {
        all.push(answer);
        let answer = story.answers.get(&answer);
        all.extend(answer.and_then(|answer| answer.what.asked));
    }
    all
}

fn of_question(question: &Question) -> Vec<u64> {
    let mut all = vec![question.asked.seq];
    all.extend(question.answers.iter().map(|at| at.seq));
    all
}

fn when(time: Timestamp) -> String {
    local(time).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// As whom its commands run.
fn whose(made: &RingMade) -> Option<String> {
    match (made.uid, made.gid, &made.sid) {
        (_, _, Some(sid)) => Some(plain(sid)),
        (Some(uid), Some(gid), None) => Some(format!("uid {uid}, gid {gid}")),
        _ => None,
    }
}

/// A line with its name in front.
fn row(out: &mut dyn Write, name: &str, text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(out, "  {name:<11} {text}")
}

pub(in crate::command) fn print(
    story: &Story,
    number: u64,
    ledger: &Path,
    mut out: impl Write,
) -> io::Result<()> {
    let out: &mut dyn Write = &mut out;
    if let Some(command) = story.commands.get(&number) {
        command_page(story, command, out)?;
        if let Some(ring) = story.ring_of(command) {
            writeln!(out)?;
            ring_page(story, command.started.what.ring, ring, ledger, out)?;
        }
    } else if let Some(ring) = story.rings.get(&number) {
        ring_page(story, number, ring, ledger, out)?;
        for command in &ring.commands {
            if let Some(command) = story.commands.get(command) {
                writeln!(out)?;
                command_page(story, command, out)?;
            }
        }
    } else if let Some(question) = story.questions.get(&number) {
        question_page(question, out)?;
    } else if let Some(refused) = story.refused.get(&number) {
        writeln!(out, "{number} forbidden: {}", words(&refused.what.argv))?;
        row(out, "when", when(refused.time))?;
        row(out, "in", plain(&refused.what.cwd.to_string()))?;
        row(out, "because", plain(&refused.what.verdict))?;
    } else if let Some(refused) = story.rings_refused.get(&number) {
        let what = words(&refused.what.argv);
        writeln!(out, "{number} refused: {what}")?;
        row(out, "when", when(refused.time))?;
        row(out, "by", plain(&refused.what.by))?;
        row(out, "in", plain(&refused.what.cwd.to_string()))?;
        row(out, "because", plain(&refused.what.error))?;
    } else if let Some(changed) = story.host.get(&number) {
        let path = plain(&changed.what.path.to_string());
        writeln!(out, "{number} {}: {path}", plain(&changed.what.what))?;
        row(out, "when", when(changed.time))?;
    } else if let Some(undo) = story.undos.get(&number) {
        undo_page(number, undo, out)?;
    } else if let Some(answer) = story.answers.get(&number) {
        writeln!(out, "{number} answered: {}", said(answer))?;
    }
    Ok(())
}

fn undo_page(number: u64, undo: &Undo, out: &mut dyn Write) -> io::Result<()> {
    let started = &undo.started.what;
    writeln!(out, "{number} undo of {}", started.command)?;
    row(out, "when", when(undo.started.time))?;
    for root in &started.roots {
        row(out, "in", plain(&root.to_string()))?;
    }
    let forced = if started.forced {
        "; what changed since as well, as somebody said"
    } else {
        ""
    };
    row(
        out,
        "changes",
        format!(
            "{} to be undone, {} left alone{forced}",
            started.changes, started.left
        ),
    )?;
    match &undo.ended {
        Some(ended) => row(out, "ended", undone(&ended.what)),
        None => row(out, "ended", "not told: it was killed"),
    }
}

fn said(answer: &At<ApprovalAnswered>) -> String {
    let ApprovalAnswered {
        answer: said, from, ..
    } = &answer.what;
    let said = match said.as_str() {
        "once" => "allowed, once",
        "ring" => "allowed, until the ring ends",
        "session" => "allowed, for this terminal's session",
        "project" => "allowed, for this project, until it is taken back",
        "late" => "not answered in time",
        "no" => "not allowed",
        "nobody" => "nobody could be asked",
        other => return format!("{} ({})", plain(other), plain(from)),
    };
    format!("{said} ({}, {})", plain(from), when(answer.time))
}

fn question_page(question: &Question, out: &mut dyn Write) -> io::Result<()> {
    let asked = &question.asked;
    writeln!(out, "{} asked: {}", asked.seq, words(&asked.what.argv))?;
    row(out, "when", when(asked.time))?;
    row(out, "in", plain(&asked.what.cwd.to_string()))?;
    row(out, "because", plain(&asked.what.verdict))?;
    for answer in &question.answers {
        row(out, "answer", said(answer))?;
    }
    if question.answers.is_empty() {
        row(out, "answer", "none: it was not run")?;
    }
    Ok(())
}

fn command_page(story: &Story, command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let started = &command.started;
    writeln!(out, "{} {}", started.seq, words(&started.what.argv))?;
    if started.what.left_out > 0 {
        row(out, "", format!("and {} words more", started.what.left_out))?;
    }
    if started.what.redacted > 0 {
        row(
            out,
            "",
            format!("{} secrets were not recorded", started.what.redacted),
        )?;
    }
    row(out, "when", when(started.time))?;
    row(out, "in", plain(&started.what.cwd.to_string()))?;
    if let Some(program) = &started.what.program {
        row(out, "program", plain(&program.to_string()))?;
    }
    if !started.what.env.is_empty() {
        row(out, "variables", words(&started.what.env))?;
    }
    if let Some(number) = started.what.approval {
        match story.answers.get(&number) {
            Some(answer) => {
                let asked = answer
                    .what
                    .asked
                    .and_then(|asked| story.questions.get(&asked));
                if let Some(question) = asked {
                    row(out, "asked", plain(&question.asked.what.verdict))?;
                }
                row(out, "answer", said(answer))?;
            }
            None => row(out, "answer", format!("record {number}, kept no more"))?,
        }
    }
    denials(&command.denials, out)?;
    for asked in &command.offered {
        if let Some(question) = story.questions.get(asked) {
            let what = words(&question.asked.what.argv);
            let answer = question.answers.last().map(said);
            let answer = answer.unwrap_or_else(|| "not answered".to_owned());
            row(out, "offered", format!("{what}: {answer}"))?;
        }
    }
    if let Some(changed) = &command.changed {
        changes(&changed.what, out)?;
    }
    for (number, undo) in &story.undos {
        if undo.started.what.command == started.seq {
            let ended = undo.ended.as_ref();
            let ended = ended.map_or_else(|| "it was killed".to_owned(), |e| undone(&e.what));
            row(out, "undone", format!("by {number}: {ended}"))?;
        }
    }
    match &command.ended {
        Some(ended) => {
            row(
                out,
                "ended",
                format!("{} after {}", how(&ended.what), took(ended.what.elapsed_us)),
            )?;
            if let Some(error) = &ended.what.error {
                row(out, "because", plain(error))?;
            }
            let used = format!(
                "{} of processor, {} MiB at most in its first process",
                took(ended.what.cpu_us),
                ended.what.max_rss_kib / 1024
            );
            row(out, "used", used)
        }
        None if story.may_run(command, alive) => row(out, "ended", "it runs"),
        None => row(
            out,
            "ended",
            "not told: its harness was killed, and the ring with it",
        ),
    }
}

/// So many of the files that a command changed are told.
const FILES: usize = 20;

fn changes(changed: &FilesChanged, out: &mut dyn Write) -> io::Result<()> {
    let shared = if changed.shared {
        " (others ran at the same time: they may be theirs)"
    } else {
        ""
    };
    row(
        out,
        "changed",
        format!("{}{shared}", plain(&export::counted(changed))),
    )?;
    let mut told = 0;
    let mut all = 0;
    for root in &changed.roots {
        all += root.counts.values().sum::<u64>();
        for file in &root.files {
            if told == FILES {
                break;
            }
            told += 1;
            let path = plain(
                &root
                    .root
                    .as_path()
                    .join(file.path.as_path())
                    .to_string_lossy(),
            );
            let size = |size: Option<u64>| size.map(|size| size.to_string());
            let sizes = match (size(file.before), size(file.after)) {
                (Some(before), Some(after)) if before != after => {
                    format!("  {before} -> {after} bytes")
                }
                (None, Some(after)) => format!("  {after} bytes"),
                (Some(before), None) => format!("  was {before} bytes"),
                _ => String::new(),
            };
            let from = file
                .from
                .as_ref()
                .map(|from| format!(" from {}", plain(&from.to_string())));
            row(
                out,
                "",
                format!(
                    "{} {path}{}{sizes}",
                    plain(&file.how),
                    from.unwrap_or_default()
                ),
            )?;
        }
    }
    if all > told as u64 {
        row(out, "", format!("and {} more", all - told as u64))?;
    }
    for why in &changed.incomplete {
        row(out, "", format!("not seen: {}", plain(why)))?;
    }
    Ok(())
}

fn denials(all: &[At<Denial>], out: &mut dyn Write) -> io::Result<()> {
    for denial in all {
        let what = match denial.what.what.as_str() {
            "moved-aside" => "made under a protected name, and moved aside",
            "left-in-place" => "made under a protected name, and could not be moved aside",
            "planted-repository" => "a repository in which git would run programs",
            "refused-write" => "not written",
            "refused-read" => "not read",
            "refused-connect" => "not connected to",
            "refused-network" => "not reached",
            other => other,
        };
        let path = plain(&denial.what.path.to_string());
        let why = denial
            .what
            .why
            .as_deref()
            .map(|why| format!(" ({})", plain(why)));
        let why = why.unwrap_or_default();
        row(out, "denied", format!("{path}: {}{why}", plain(what)))?;
    }
    Ok(())
}

fn ring_page(
    story: &Story,
    number: u64,
    ring: &Ring,
    ledger: &Path,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{number} ring")?;
    let Some(made) = &ring.made else {
        return row(out, "made", "its record is kept no more");
    };
    let what = &made.what;
    row(out, "made", when(made.time))?;
    let client = what
        .client
        .as_deref()
        .map(|client| format!(" for {}", plain(client)));
    let by = format!("{}{}", plain(&what.by), client.unwrap_or_default());
    row(out, "by", format!("{by} (process {})", what.harness))?;
    if let Some(whose) = whose(what) {
        row(out, "as", whose)?;
    }
    let how = match &what.ring {
        Some(ring) => format!(
            "{}, {}, network {}",
            plain(ring),
            plain(&what.mode),
            plain(&what.network)
        ),
        None => "none: the command ran without any boundary".to_owned(),
    };
    row(out, "ring", how)?;
    row(out, "workspace", plain(&what.workspace.to_string()))?;
    let more: Vec<_> = what
        .write
        .iter()
        .filter(|root| **root != what.workspace)
        .cloned()
        .collect();
    if !more.is_empty() {
        row(out, "writable", words(&more))?;
    }
    for widened in &ring.widened {
        let all = [
            &widened.what.write[..],
            &widened.what.read,
            &widened.what.sockets,
        ]
        .concat();
        row(
            out,
            "wider",
            format!("{} ({})", words(&all), when(widened.time)),
        )?;
    }
    for number in &what.granted {
        let answer = story.answers.get(number);
        let asked = answer.and_then(|answer| story.questions.get(&answer.what.asked?));
        let what = asked.map_or_else(
            || format!("record {number}, kept no more"),
            |question| words(&question.asked.what.argv),
        );
        let answer = answer.map(said).unwrap_or_default();
        row(out, "granted", format!("{what}: {answer}"))?;
    }
    let enforced = ring
        .ended
        .as_ref()
        .map_or(&what.enforcement, |ended| &ended.what.enforcement);
    row(out, "enforced", plain(enforced))?;
    let more = ring.ended.iter().flat_map(|ended| &ended.what.more);
    for short in what.shortfalls.iter().chain(more) {
        let Shortfall {
            promise,
            what,
            accepted,
        } = short;
        let accepted = if *accepted { ", accepted" } else { "" };
        row(
            out,
            "",
            format!("{}{accepted}: {}", plain(promise), plain(what)),
        )?;
    }
    denials(&ring.denials, out)?;
    row(out, "machine", plain(&what.facts.join(", ")))?;
    let kept = story.policies.get(&what.policy);
    let kept = kept.and_then(|kept| kept_policy(ledger, kept).ok().flatten());
    let place = ledger
        .join("policies")
        .join(format!("{}.json", what.policy));
    if kept.is_some() {
        row(out, "policy", plain(&place.to_string_lossy()))?;
    } else {
        row(
            out,
            "policy",
            format!("{} (its text is kept no more, or was changed)", what.policy),
        )?;
    }
    match &ring.ended {
        Some(ended) => row(out, "ended", when(ended.time)),
        None if ring.may_stand(alive) => row(out, "ended", "it stands"),
        None => row(
            out,
            "ended",
            "not told: its harness was killed, and the ring with it",
        ),
    }
}
