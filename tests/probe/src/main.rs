//! `ringfence-probe`: lists the table, tries one row, proves the table itself, or proves a ring with it.
#![forbid(unsafe_code)]

use ringfence_probe::{
    Answer, Arena, Facts, Options, Reason, Report, Row, RowResult, TABLE, Tried, VARIABLE, Verdict,
    find, linger, verify,
};
#[cfg(target_os = "linux")]
use ringfence_probe::{Stays, hold_memory, report_identity, verify_stays};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: ringfence-probe list [--json]
       ringfence-probe try NAME                 (the arena's facts in RINGFENCE_ARENA)
       ringfence-probe control [--only GLOB] [--base DIR]
       ringfence-probe verify --ringfence PATH [--only GLOB] [--base DIR] [--json] [-- RUN-FLAG...]
       ringfence-probe verify --stays PROGRAM [--at N]... ...   (rows as the Nth commands of rings PROGRAM keeps)
       ringfence-probe verify --ring 'PROGRAM ARG...' ...   (PROGRAM ARG... PROBE ARG... is run; {workspace} is expanded)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("list") => list(rest),
        Some("try") => rest.first().map_or_else(usage, |name| try_one(name)),
        Some("control") => outside(rest),
        Some("verify") => inside(rest),
        // The rest is for the table's own use.
        Some("relay") => relay(rest),
        Some("victim") => victim(rest),
        Some("linger") => ended(linger(rest)),
        Some(word) => of_the_table(word, rest),
        None => usage(),
    }
}

#[cfg(target_os = "linux")]
fn of_the_table(word: &str, rest: &[String]) -> ExitCode {
    match word {
        "identity" => ended(say(&report_identity())),
        "hold-memory" => {
            let held = rest
                .first()
                .and_then(|bytes| bytes.parse().ok())
                .is_some_and(hold_memory);
            if held {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        _ => usage(),
    }
}

#[cfg(windows)]
fn of_the_table(word: &str, rest: &[String]) -> ExitCode {
    match word {
        "keep" => ended(ringfence_probe::keep(rest)),
        _ => usage(),
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn usage() -> ExitCode {
    complain(USAGE);
    ExitCode::from(2)
}

fn ended(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("ringfence-probe: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn list(arguments: &[String]) -> ExitCode {
    let json = arguments.iter().any(|argument| argument == "--json");
    for row in TABLE {
        let line = if json {
            serde_json::json!({
                "probe": row.name, "group": row.group, "promise": row.promise, "what": row.what,
                "needs": row.needs, "judged": row.judged,
            })
            .to_string()
        } else {
            format!("{:<28} {:<16} {}", row.name, row.promise, row.what)
        };
        if say(&line).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn try_one(name: &str) -> ExitCode {
    let tried = match (
        find(name),
        std::env::var(VARIABLE).map(|text| serde_json::from_str::<Facts>(&text)),
    ) {
        (None, _) => Tried::could_not("there is no such row"),
        (_, Err(error)) => Tried::could_not(format!("{VARIABLE}: {error}")),
        (_, Ok(Err(error))) => Tried::could_not(format!("{VARIABLE}: {error}")),
        (Some(row), Ok(Ok(facts))) => row.attempt(&facts),
    };
    match serde_json::to_string(&tried.line(name))
        .map_err(io::Error::from)
        .and_then(|line| say(&line))
    {
        Ok(()) => ExitCode::from(tried.answer.exit_code()),
        Err(_) => ExitCode::from(Answer::CouldNotTry.exit_code()),
    }
}

/// A parent for rows that would harm theirs.
fn relay(arguments: &[String]) -> ExitCode {
    let status =
        std::env::current_exe().and_then(|probe| Command::new(probe).args(arguments).status());
    match status.map(|status| status.code()) {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        _ => ExitCode::FAILURE,
    }
}

/// `victim MARKER SECRET`: says where its secret is, and waits for the end of its input.
fn victim(arguments: &[String]) -> ExitCode {
    let secret = arguments.get(1).cloned().unwrap_or_default().into_bytes();
    let place = format!("{} {}", secret.as_ptr().addr(), secret.len());
    let waited = say(&place).and_then(|()| io::stdin().read_to_end(&mut Vec::new()));
    drop(secret);
    ended(waited.map(drop))
}

/// The options of `control` and `verify`.
#[derive(Default)]
struct Wanted {
    harness: Option<PathBuf>,
    ring: Option<String>,
    stays: Option<PathBuf>,
    at: Vec<u32>,
    only: Option<String>,
    base: Option<PathBuf>,
    json: bool,
    flags: Vec<String>,
}

fn wanted(arguments: &[String]) -> Option<Wanted> {
    let mut wanted = Wanted::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--ringfence" => wanted.harness = Some(arguments.next()?.into()),
            "--ring" => wanted.ring = Some(arguments.next()?.clone()),
            "--stays" => wanted.stays = Some(arguments.next()?.into()),
            "--at" => wanted.at.push(arguments.next()?.parse().ok()?),
            "--only" => wanted.only = Some(arguments.next()?.clone()),
            "--base" => wanted.base = Some(arguments.next()?.into()),
            "--json" => wanted.json = true,
            "--" => wanted.flags.extend(arguments.by_ref().cloned()),
            _ => return None,
        }
    }
    Some(wanted)
}

impl Wanted {
    fn takes(&self, row: &Row) -> bool {
        self.only
            .as_ref()
            .is_none_or(|glob| matches(glob.as_bytes(), row.name.as_bytes()))
    }

    fn arena(&self) -> Option<Arena> {
        let made = std::env::current_exe().map(|probe| {
            let harness = self
                .harness
                .as_ref()
                .map(|path| std::fs::canonicalize(path).unwrap_or(path.clone()));
            Arena::make(&Options {
                probe,
                harness,
                base: self.base.clone(),
            })
        });
        match made {
            Ok(Ok(arena)) => Some(arena),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error)
                    .map(|cause| format!(": {cause}"))
                    .unwrap_or_default();
                complain(&format!("ringfence-probe: {error}{cause}"));
                None
            }
            Err(error) => {
                complain(&format!("ringfence-probe: {error}"));
                None
            }
        }
    }
}

/// `*` stands for any run of characters.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    match glob.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
        Some((byte, rest)) => name.first() == Some(byte) && matches(rest, &name[1..]),
    }
}

/// Proves the table itself: each row must work outside, or say why it cannot.
fn outside(arguments: &[String]) -> ExitCode {
    let Some(wanted) = wanted(arguments) else {
        return usage();
    };
    let Some(arena) = wanted.arena() else {
        return ExitCode::FAILURE;
    };
    let (mut works, mut unmet, mut fails) = (0, 0, 0);
    for row in TABLE.iter().filter(|row| wanted.takes(row)) {
        let line = match arena.control(row) {
            Ok(tried) if tried.answer == Answer::Allowed => {
                works += 1;
                format!("works   {:<28} {}", row.name, tried.detail)
            }
            Ok(tried) => {
                fails += 1;
                format!(
                    "fails   {:<28} {:?}: {}",
                    row.name, tried.answer, tried.detail
                )
            }
            Err(reason) => {
                unmet += 1;
                format!("unmet   {:<28} {}", row.name, words(&reason))
            }
        };
        if say(&line).is_err() {
            return ExitCode::FAILURE;
        }
    }
    let _ = say(&format!(
        "{works} work outside, {unmet} mean nothing here, {fails} fail outside as well"
    ));
    // What a kernel was built without fails outside, and is named above; a row that could not be tried is our fault.
    if works == 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn words(reason: &Reason) -> String {
    match reason {
        Reason::Need(_, words) => (*words).to_owned(),
        Reason::Control(tried) => format!(
            "outside it fails as well ({:?}: {})",
            tried.answer, tried.detail
        ),
        Reason::Refused(words) => format!("the ring refused: {}", words.replace('\n', "; ")),
        Reason::Inside(tried) => format!("inside: {:?}: {}", tried.answer, tried.detail),
    }
}

/// `at`: as which command of a ring that stays.
fn described(result: &RowResult, at: Option<u32>, json: bool) -> String {
    let verdict = match &result.verdict {
        Verdict::Kept => "kept",
        Verdict::Broken => "BROKEN",
        Verdict::NotTried(Reason::Inside(_)) => "DOUBT",
        Verdict::NotTried(_) => "untried",
    };
    let why = match &result.verdict {
        Verdict::NotTried(reason) => words(reason),
        _ => result
            .inside
            .as_ref()
            .map(|tried| tried.detail.clone())
            .unwrap_or_default(),
    };
    if json {
        let answer = |tried: &Option<Tried>| tried.as_ref().map(|tried| tried.answer);
        serde_json::json!({
            "probe": result.row.name, "group": result.row.group, "promise": result.row.promise,
            "verdict": verdict.to_lowercase(), "control": answer(&result.control), "inside": answer(&result.inside),
            "errno": result.inside.as_ref().and_then(|tried| tried.errno), "detail": why, "at": at,
        })
        .to_string()
    } else {
        let at = at.map(|at| format!("{at:<5}")).unwrap_or_default();
        format!("{at}{verdict:<8}{:<28} {why}", result.row.name)
    }
}

fn inside(arguments: &[String]) -> ExitCode {
    let Some(wanted) = wanted(arguments) else {
        return usage();
    };
    if wanted.harness.is_none() && wanted.ring.is_none() && wanted.stays.is_none() {
        return usage();
    }
    let Some(arena) = wanted.arena() else {
        return ExitCode::FAILURE;
    };
    let report = match &wanted.stays {
        Some(program) => inside_stays(&arena, &wanted, program),
        None => Ok(inside_each(&arena, &wanted)),
    };
    match report {
        Ok(report) => concluded(&report),
        Err(error) => ended(Err(error)),
    }
}

/// No ring stays on Windows yet.
#[cfg(windows)]
fn inside_stays(_: &Arena, _: &Wanted, _: &std::path::Path) -> io::Result<Report> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Whether who started this program is still there: for somebody who left (Ctrl-C ends `ringfence verify`, in another process
/// group) no further row is tried, and what was made for them goes.
#[cfg(target_os = "linux")]
fn asked() -> impl Fn() -> bool {
    let by = std::os::unix::process::parent_id();
    move || std::os::unix::process::parent_id() == by
}

/// There nobody is told who started a program once that is gone.
#[cfg(windows)]
fn asked() -> impl Fn() -> bool {
    || true
}

#[cfg(target_os = "linux")]
fn inside_stays(arena: &Arena, wanted: &Wanted, program: &std::path::Path) -> io::Result<Report> {
    let stays = Stays {
        program: program.to_owned(),
        at: if wanted.at.is_empty() {
            vec![2]
        } else {
            wanted.at.clone()
        },
    };
    let is_wanted = asked();
    verify_stays(
        arena,
        &stays,
        &|row| is_wanted() && wanted.takes(row),
        &mut |at, result| {
            let _ = say(&described(result, Some(at), wanted.json));
        },
    )
}

fn inside_each(arena: &Arena, wanted: &Wanted) -> Report {
    let harness = wanted
        .harness
        .clone()
        .and_then(|path| std::fs::canonicalize(path).ok())
        .unwrap_or_default();
    let is_wanted = asked();
    verify(
        arena,
        &|invocation| {
            if let Some(ring) = &wanted.ring {
                let workspace = invocation.workspace.to_string_lossy();
                let mut words = ring
                    .split_whitespace()
                    .map(|word| word.replace("{workspace}", &workspace));
                let mut command = Command::new(words.next().unwrap_or_default());
                command
                    .args(words)
                    .arg(&invocation.probe)
                    .args(&invocation.arguments);
                return command;
            }
            let mut invocation = invocation.clone();
            invocation.flags.extend(wanted.flags.iter().map(Into::into));
            invocation.ringfence(&harness)
        },
        &|row| is_wanted() && wanted.takes(row),
        &mut |result| {
            let _ = say(&described(result, None, wanted.json));
        },
    )
}

fn concluded(report: &Report) -> ExitCode {
    let (mut doubtful, mut refused) = (0, 0);
    for result in &report.rows {
        match result.verdict {
            Verdict::NotTried(Reason::Inside(_)) => doubtful += 1,
            Verdict::NotTried(Reason::Refused(_)) => refused += 1,
            _ => {}
        }
    }
    let idle = report.not_tried() - doubtful - refused;
    complain(&format!(
        "{} kept, {} broken, {doubtful} in doubt, {refused} refused by the ring, {idle} mean nothing here",
        report.kept(),
        report.broken(),
    ));
    if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
