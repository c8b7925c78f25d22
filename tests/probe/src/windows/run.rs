//! One run of one row, inside or outside.

use crate::answer::{Answer, Line, Tried};
use crate::arena::Arena;
use crate::facts::{Facts, VARIABLE};
use crate::row::Row;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::io::AsHandle as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a run may take in all.
const DEADLINE: Duration = Duration::from_secs(30);
/// The exit code by which Ringfence says that it failed or refused.
const REFUSED: i32 = 125;

/// What a ring is asked to run. Standard streams and the environment are set by the tester afterwards, on the command the
/// ring's maker returns.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The workspace, which is also the working directory.
    pub workspace: PathBuf,
    /// More flags for `ringfence run`.
    pub flags: Vec<OsString>,
    /// The environment the harness is started with.
    pub environment: HashMap<OsString, OsString>,
    /// The probe to run inside.
    pub probe: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Invocation {
    /// `HARNESS run --workspace W FLAGS -- PROBE ARGUMENTS`.
    #[must_use]
    pub fn ringfence(&self, harness: &Path) -> Command {
        let mut command = Command::new(harness);
        command
            .arg("run")
            .arg("--workspace")
            .arg(&self.workspace)
            .args(&self.flags);
        command.arg("--").arg(&self.probe).args(&self.arguments);
        command
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The ring refused to be built, in these words.
    Refused(String),
}

/// Makes a ring's command of an invocation.
pub(crate) type Ring<'a> = &'a dyn Fn(&Invocation) -> Command;

/// Runs a row once, in the ring or without one, and judges.
pub(crate) fn run(arena: &Arena, row: &Row, ring: Option<Ring<'_>>) -> Result<Tried, NoAnswer> {
    let facts = match arena.mend() {
        Ok(facts) => facts,
        Err(error) => {
            return Ok(Tried::could_not(format!(
                "the arena could not be mended: {error}"
            )));
        }
    };
    let ended = match start(arena, row, &facts, ring) {
        Ok(ended) => ended,
        Err(error) => {
            return Ok(Tried::could_not(format!(
                "the run could not be started: {error}"
            )));
        }
    };
    let said = ended.answer(row, ring.is_some())?;
    let Some(judge) = row.judge else {
        return Ok(said);
    };
    let seen = judge(&facts, row.argument);
    Ok(match (said.answer, seen.answer) {
        (_, Answer::Allowed) | (Answer::Allowed | Answer::Denied, _) => seen,
        _ => said,
    })
}

/// What is left of a run.
struct Ended {
    /// The exit code; `None` where it did not end in time.
    code: Option<i32>,
    output: Vec<u8>,
    complaint: String,
}

impl Ended {
    fn answer(&self, row: &Row, in_ring: bool) -> Result<Tried, NoAnswer> {
        let lines = self.output.split(|byte| *byte == b'\n').rev();
        let line = lines
            .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
            .find(|line| line.probe == row.name);
        if let Some(line) = line {
            return Ok(line.into());
        }
        let complaint = self.complaint.trim();
        if in_ring && self.code == Some(REFUSED) {
            return Err(NoAnswer::Refused(complaint.to_owned()));
        }
        let how = match self.code {
            None => "it did not end in time".to_owned(),
            Some(code) => format!("it ended with exit code {code:#x}"),
        };
        Ok(Tried::could_not(format!(
            "{how} and said nothing: {complaint}"
        )))
    }
}

fn start(arena: &Arena, row: &Row, facts: &Facts, ring: Option<Ring<'_>>) -> io::Result<Ended> {
    let mut environment = arena.environment().clone();
    let told = serde_json::to_string(facts).map_err(io::Error::from)?;
    environment.insert(OsString::from(VARIABLE), OsString::from(told));
    let invocation = Invocation {
        workspace: facts.workspace.clone(),
        flags: Vec::new(),
        environment,
        probe: facts.probe.clone(),
        arguments: vec![OsString::from("try"), OsString::from(row.name)],
    };
    let mut command = match ring {
        Some(ring) => ring(&invocation),
        None => {
            let mut command = Command::new(&invocation.probe);
            command.args(&invocation.arguments);
            command
        }
    };
    let own: Vec<(OsString, Option<OsString>)> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(OsStr::to_owned)))
        .collect();
    command.env_clear().envs(&invocation.environment);
    for (name, value) in own {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .current_dir(&invocation.workspace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn()?;
    // It ends with the tester, however that ends. What it started by then is not in the job, and ends by itself.
    arena.job().assign(child.as_handle()).map_err(crate::sys)?;
    finish(child)
}

/// Reads a stream to its end on a thread of its own; what has come by then can be taken even if the end never comes.
fn drain(mut stream: impl io::Read + Send + 'static) -> mpsc::Receiver<Option<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(len) if sender.send(Some(buffer[..len].to_vec())).is_err() => return,
                Ok(_) => {}
            }
        }
        let _ = sender.send(None);
    });
    receiver
}

/// All that came until the end or the moment.
fn collect(stream: &mpsc::Receiver<Option<Vec<u8>>>, until: Instant) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(part)) = stream.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        all.extend(part);
    }
    all
}

fn finish(mut child: Child) -> io::Result<Ended> {
    let output = child.stdout.take().map(drain);
    let complaint = child.stderr.take().map(drain);
    let until = Instant::now() + DEADLINE;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() > until => {
                child.kill()?;
                child.wait()?;
                break None;
            }
            None => crate::moment::pass(Duration::from_millis(2)),
        }
    };
    // A survivor may hold them open.
    let grace = Instant::now() + Duration::from_secs(1);
    let output = output.map_or_else(Default::default, |stream| collect(&stream, grace));
    let complaint = complaint.map_or_else(Default::default, |stream| collect(&stream, grace));
    Ok(Ended {
        code: status.and_then(|status| status.code()),
        output,
        complaint: String::from_utf8_lossy(&complaint).into_owned(),
    })
}
