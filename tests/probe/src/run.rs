//! One run of one row, inside or outside.

use crate::answer::{Answer, Line, Tried};
use crate::arena::Arena;
use crate::facts::{Facts, VARIABLE};
use crate::row::{End, Extra, Row, Stdin};
use ringfence_sys_linux::attempt::{launch, terminal};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a run may take in all.
const DEADLINE: Duration = Duration::from_secs(30);
/// The exit code by which Ringfence says that it failed or refused.
const REFUSED: i32 = 125;

/// What a ring is asked to run. Standard streams, descriptors and the environment are set by the tester afterwards,
/// on the command the ring's maker returns.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The workspace, which is also the working directory.
    pub workspace: PathBuf,
    /// The row's flags for `ringfence run`.
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
    let seen = judge(&facts, row.argument, ended.end());
    Ok(match (said.answer, seen.answer) {
        (_, Answer::Allowed) | (Answer::Allowed | Answer::Denied, _) => seen,
        _ => said,
    })
}

/// What is left of a run.
struct Ended {
    status: Option<ExitStatus>,
    output: Vec<u8>,
    complaint: String,
    held: bool,
}

impl Ended {
    fn end(&self) -> End {
        End {
            code: self.status.and_then(|status| status.code()),
            held: self.held,
        }
    }

    fn answer(&self, row: &Row, in_ring: bool) -> Result<Tried, NoAnswer> {
        let lines = self.output.split(|byte| *byte == b'\n').rev();
        let line = lines
            .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
            .find(|line| line.probe == row.name);
        if let Some(line) = line {
            return Ok(line.into());
        }
        let code = self.end().code;
        let complaint = self.complaint.trim();
        if in_ring && code == Some(REFUSED) {
            return Err(NoAnswer::Refused(complaint.to_owned()));
        }
        let how = match (self.status, code) {
            (None, _) => "it did not end in time".to_owned(),
            (_, Some(code)) => format!("it ended with exit code {code}"),
            (Some(status), None) => status.to_string(),
        };
        // 124: ended by the ring's clock; 128 and more, or no code: by a signal.
        let died = self.status.is_some() && code.is_none_or(|code| code == 124 || code > 128);
        Ok(if died && row.death_is_denial {
            Tried::denied(how)
        } else {
            Tried::could_not(format!("{how} and said nothing: {complaint}"))
        })
    }
}

fn start(arena: &Arena, row: &Row, facts: &Facts, ring: Option<Ring<'_>>) -> io::Result<Ended> {
    let mut environment = arena.environment().clone();
    let told = serde_json::to_string(facts).map_err(io::Error::from)?;
    environment.insert(OsString::from(VARIABLE), OsString::from(told));
    let invocation = Invocation {
        workspace: facts.workspace.clone(),
        flags: row.flags.iter().map(|flag| expanded(flag, facts)).collect(),
        environment,
        probe: facts.probe.clone(),
        arguments: vec![OsString::from("try"), OsString::from(row.name)],
    };
    let mut command = match ring {
        Some(ring) => ring(&invocation),
        None => plain(row, &invocation),
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
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    launch::end_with_us(&mut command);
    let _terminal = give_stdin(&mut command, row.stdin, facts)?;
    if let Some(descriptor) = nine(row.extra, facts)? {
        launch::hand_over(&mut command, descriptor, 9);
    }
    let child = command.spawn()?;
    // The parent's copies of what was handed over.
    drop(command);
    if !row.called {
        return finish(child);
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| call(facts, &stop));
        let ended = finish(child);
        stop.store(true, Ordering::Relaxed);
        ended
    })
}

/// Outside: the probe itself, or below a parent that may come to harm.
fn plain(row: &Row, invocation: &Invocation) -> Command {
    let mut command = Command::new(&invocation.probe);
    if row.aims_at_parent {
        command.arg("relay");
    }
    command.args(&invocation.arguments);
    command
}

pub(crate) fn expanded(flag: &str, facts: &Facts) -> OsString {
    for (name, path) in [
        ("{workspace}", &facts.workspace),
        ("{outside}", &facts.outside),
        ("{home}", &facts.home),
    ] {
        if let Some(rest) = flag.strip_prefix(name) {
            return path.join(rest.trim_start_matches('/')).into_os_string();
        }
    }
    OsString::from(flag)
}

/// Sets standard input; answers the terminal's other side, to be held open over the run.
fn give_stdin(command: &mut Command, stdin: Stdin, facts: &Facts) -> io::Result<Option<File>> {
    let input = match stdin {
        Stdin::Null => Stdio::null(),
        Stdin::FileOutside => File::open(facts.outside.join("file.txt"))?.into(),
        Stdin::ProtectedFile => File::open(facts.workspace.join(".git/config"))?.into(),
        Stdin::DirOutside => File::open(&facts.outside)?.into(),
        Stdin::Terminal => {
            let (emulator, program) = terminal::open_pair()?;
            launch::control_terminal(command, program.try_clone()?);
            command.stdin(program);
            return Ok(Some(emulator));
        }
    };
    command.stdin(input);
    Ok(None)
}

fn nine(extra: Extra, facts: &Facts) -> io::Result<Option<OwnedFd>> {
    Ok(match extra {
        Extra::None => None,
        Extra::FileOutside => Some(
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(facts.outside.join("file.txt"))?
                .into(),
        ),
        Extra::DirOutside => Some(File::open(&facts.outside)?.into()),
        Extra::Connection => Some(UnixStream::connect(facts.outside.join("any.sock"))?.into()),
    })
}

/// Tries to come in from outside until somebody opens or the run is over.
fn call(facts: &Facts, stop: &AtomicBool) {
    let door = (Ipv4Addr::LOCALHOST, facts.visited).into();
    while !stop.load(Ordering::Relaxed) {
        if let Ok(mut stream) = TcpStream::connect_timeout(&door, Duration::from_millis(50)) {
            let _ = stream.write_all(facts.banner().as_bytes());
            return;
        }
        crate::moment::pass(Duration::from_millis(10));
    }
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

/// All that came until the end or the moment; whether the end was still to come.
fn collect(stream: &mpsc::Receiver<Option<Vec<u8>>>, until: Instant) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match stream.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Some(part)) => all.extend(part),
            Ok(None) => return (all, false),
            Err(_) => return (all, true),
        }
    }
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
    let grace = Instant::now() + Duration::from_secs(1);
    let (output, held) = output.map_or_else(Default::default, |stream| collect(&stream, grace));
    let (complaint, _) = complaint.map_or_else(Default::default, |stream| collect(&stream, grace));
    Ok(Ended {
        status,
        output,
        complaint: String::from_utf8_lossy(&complaint).into_owned(),
        held,
    })
}
