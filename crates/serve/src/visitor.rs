//! Who visits the servers of this user by their sockets: `ringfence sessions`.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringfence_sys_linux::signal::{self, Signals};
use ringfence_sys_linux::terminal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::output::bytes_of;
use crate::protocol::{
    CommandEnded, CommandListed, CommandOutput, Commands, Ended, OutputRead, RingListed,
    Rings as AllRings, Stream,
};
use crate::short;
use crate::transport::{runtime_directory, servers_sockets};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// And where all are asked.
const GLANCE: Duration = Duration::from_secs(2);

/// Leaves a command that one is attached to: Ctrl-].
const LEAVE: u8 = 0x1d;
/// Input that has been sent and not been written yet, in messages.
const UNWRITTEN_MAX: usize = 16;

/// `SIGWINCH` (`signal(7)`).
const SIGWINCH: i32 = 28;
/// `SIGHUP`, `SIGINT`, `SIGQUIT`, `SIGTERM`: what ends a program that does nothing about it.
const ENDING: [i32; 4] = [1, 2, 3, 15];

/// How a visit to a command came to its end.
enum Over {
    Ended(Ended),
    Left,
    /// By this signal.
    Signalled(i32),
}

/// Why a visit came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The server cannot be reached.
    #[error("server {0}: {1}")]
    Unreachable(u32, io::Error),
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It does not answer.
    #[error("the server does not answer; is it stopped?")]
    Silent,
    /// It ended meanwhile.
    #[error("the server ended")]
    Gone,
    /// It said what this program does not understand.
    #[error("the server is of another version: {0}")]
    Odd(String),
    /// Nothing is called that.
    #[error("{0:?} is no session; `ringfence sessions` lists them (SERVER.NUMBER)")]
    Name(String),
    /// Standard streams.
    #[error("standard streams: {0}")]
    Streams(#[from] io::Error),
}

/// A ring or a command of a server, as it is named to people: `SERVER.NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// The server's process.
    pub server: u32,
    /// The number there.
    pub number: u64,
}

impl std::str::FromStr for Name {
    type Err = VisitError;

    fn from_str(text: &str) -> Result<Name, VisitError> {
        let parsed = text.split_once('.').and_then(|(server, number)| {
            Some(Name {
                server: server.parse().ok()?,
                number: number.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| VisitError::Name(text.to_owned()))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.server, self.number)
    }
}

/// A server, and what it holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its process.
    pub server: u32,
    /// Its rings.
    pub rings: Vec<RingListed>,
    /// Their commands.
    pub commands: Vec<CommandListed>,
}

/// The servers of this user, and those that do not answer. One that has ended by now is neither.
#[must_use]
pub fn held() -> (Vec<Held>, Vec<u32>) {
    let (mut all, mut silent) = (Vec::new(), Vec::new());
    for (server, path) in sockets() {
        let asked = || -> Result<Held, VisitError> {
            let mut visit = Visit::at(server, &path, GLANCE)?;
            let rings: AllRings = visit.ask("ring.list", json!({}))?;
            let commands: Commands = visit.ask("command.list", json!({}))?;
            Ok(Held {
                server,
                rings: rings.rings,
                commands: commands.commands,
            })
        };
        match asked() {
            Ok(held) => all.push(held),
            Err(VisitError::Silent) => silent.push(server),
            Err(_) => {}
        }
    }
    all.sort_by_key(|held| held.server);
    silent.sort_unstable();
    (all, silent)
}

fn sockets() -> Vec<(u32, PathBuf)> {
    runtime_directory().map_or_else(Vec::new, |dir| servers_sockets(&dir).collect())
}

/// A connection to a server.
#[derive(Debug)]
pub struct Visit {
    stream: UnixStream,
    from: BufReader<UnixStream>,
    /// What was told while an answer was waited for.
    told: VecDeque<Value>,
    last: u64,
}

impl Visit {
    /// Goes to a server.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn to(server: u32) -> Result<Visit, VisitError> {
        let found = sockets().into_iter().find(|(pid, _)| *pid == server);
        let missing = || VisitError::Unreachable(server, io::ErrorKind::NotFound.into());
        let (_, path) = found.ok_or_else(missing)?;
        Visit::at(server, &path, PATIENCE)
    }

    fn at(server: u32, path: &Path, patience: Duration) -> Result<Visit, VisitError> {
        let unreachable = |error| VisitError::Unreachable(server, error);
        let stream = short::at(path, |path| UnixStream::connect(path));
        let stream = stream.map_err(unreachable)?;
        // One that is stopped keeps nobody waiting.
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&stream, Some(patience)).map_err(unreachable)?;
        }
        let from = BufReader::new(stream.try_clone().map_err(unreachable)?);
        let mut visit = Visit {
            stream,
            from,
            told: VecDeque::new(),
            last: 0,
        };
        let hello = json!({ "versions": crate::protocol::VERSIONS, "client": "sessions" });
        visit.ask::<Value>("initialize", hello)?;
        Ok(visit)
    }

    fn send(&mut self, method: &str, params: &Value) -> Result<u64, VisitError> {
        self.last += 1;
        let id = self.last;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let line = format!("{request}\n");
        self.stream
            .write_all(line.as_bytes())
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => VisitError::Silent,
                _ => VisitError::Gone,
            })?;
        Ok(id)
    }

    fn read(&mut self) -> Result<Value, VisitError> {
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(length) if length > 0 => {
                serde_json::from_str(&line).map_err(|error| VisitError::Odd(error.to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(VisitError::Silent),
            _ => Err(VisitError::Gone),
        }
    }

    /// Asks and waits.
    ///
    /// # Errors
    /// When the server refuses, or ends.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: Value,
    ) -> Result<T, VisitError> {
        let id = self.send(method, &params)?;
        loop {
            let message = self.read()?;
            if message["id"] != json!(id) {
                self.told.push_back(message);
                continue;
            }
            if let Some(error) = message.get("error") {
                let text = error["message"].as_str().unwrap_or("refused");
                return Err(VisitError::Refused(text.to_owned()));
            }
            return serde_json::from_value(message["result"].clone())
                .map_err(|error| VisitError::Odd(error.to_string()));
        }
    }

    /// Ends a ring, or a command.
    ///
    /// # Errors
    /// When there is none.
    pub fn stop(&mut self, number: u64) -> Result<(), VisitError> {
        let rings: AllRings = self.ask("ring.list", json!({}))?;
        if rings.rings.iter().any(|ring| ring.ring == number) {
            self.ask::<Value>("ring.close", json!({ "ring": number }))?;
        } else {
            self.ask::<Value>("command.kill", json!({ "command": number }))?;
        }
        Ok(())
    }

    /// Writes out what is kept of a command's outputs.
    ///
    /// # Errors
    /// When there is none, or nobody reads.
    pub fn logs(&mut self, number: u64) -> Result<(), VisitError> {
        for stream in [Stream::Stdout, Stream::Terminal, Stream::Stderr] {
            let mut from = 0;
            loop {
                let asked = json!({ "command": number, "stream": stream, "from": from });
                let read: OutputRead = match self.ask("command.read", asked) {
                    Ok(read) => read,
                    // It has no such output.
                    Err(VisitError::Refused(why)) if why.starts_with("stream:") => break,
                    Err(error) => return Err(error),
                };
                if read.next == from || read.next == read.offset {
                    break;
                }
                from = read.next;
                show(stream, read.bytes)?;
            }
        }
        Ok(())
    }

    /// Shows a command's output as it comes, and (`types`) has what is typed here written to it. How it
    /// ended; `None` where it was left. A signal that ends this process does so when the terminal is again as it was.
    ///
    /// # Errors
    /// When there is none, or the server ends.
    pub fn attach(&mut self, number: u64, types: bool) -> Result<Option<Ended>, VisitError> {
        let of = json!({ "command": number });
        let listed: Commands = self.ask("command.list", json!({}))?;
        let known = listed
            .commands
            .iter()
            .find(|command| command.command == number);
        let on_terminal = known.is_some_and(|command| command.terminal);
        self.ask::<Value>("command.attach", of)?;
        let stdin = io::stdin();
        let stdin = stdin.as_fd();
        let typed_raw = types && on_terminal && terminal::is_terminal(stdin);
        let mut taken = vec![SIGWINCH];
        if typed_raw {
            taken.extend(ENDING);
        }
        let signals = Signals::take(&taken).map_err(system)?;
        let saved = typed_raw.then(|| terminal::save(stdin)).flatten();
        if typed_raw {
            let _sent = self.resize(number, stdin)?;
            terminal::raw(stdin).map_err(system)?;
        }
        let over = self.carry(number, types.then_some(stdin), typed_raw, &signals);
        if let Some(saved) = saved {
            saved.restore(true);
        }
        match over? {
            Over::Ended(ended) => Ok(Some(ended)),
            Over::Left => Ok(None),
            Over::Signalled(by) => {
                signal::stop_by(by).map_err(system)?;
                // It is ignored here: left all the same.
                Ok(None)
            }
        }
    }

    /// Tells the command's terminal the size of this one, if that has one; gives whether it was told.
    fn resize(&mut self, number: u64, own: BorrowedFd<'_>) -> Result<bool, VisitError> {
        let size = terminal::size(own).filter(|size| size.ws_row > 0 && size.ws_col > 0);
        let Some(size) = size else { return Ok(false) };
        let params = json!({ "command": number, "rows": size.ws_row, "columns": size.ws_col });
        self.send("command.resize", &params).map(|_| true)
    }

    fn carry(
        &mut self,
        number: u64,
        mut types: Option<BorrowedFd<'_>>,
        raw: bool,
        signals: &Signals,
    ) -> Result<Over, VisitError> {
        let mut unwritten = 0_usize;
        loop {
            while let Some(message) = self.told.pop_front() {
                if message.get("id").is_some() {
                    unwritten = unwritten.saturating_sub(1);
                } else if let Some(ended) = self.notified(number, &message)? {
                    return Ok(Over::Ended(ended));
                }
            }
            let buffered = !self.from.buffer().is_empty();
            let stream = self.stream.try_clone()?;
            let mut fds = vec![
                PollFd::new(&stream, PollFlags::IN),
                PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN),
            ];
            if let Some(stdin) = types.filter(|_| unwritten < UNWRITTEN_MAX) {
                fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
            }
            // What is typed and signalled counts also while output comes and comes.
            let at_once = Timespec::default();
            match poll(&mut fds, buffered.then_some(&at_once)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
            let (heard, signalled, typed) = (buffered || ready(0), ready(1), ready(2));
            if heard {
                let message = self.read()?;
                self.told.push_back(message);
            }
            if signalled {
                while let Some(arrived) = signals.next() {
                    if ENDING.contains(&arrived.signal) {
                        return Ok(Over::Signalled(arrived.signal));
                    }
                }
                if let (Some(own), true) = (types, raw) {
                    unwritten += usize::from(self.resize(number, own)?);
                }
            }
            if typed && let Some(stdin) = types {
                let mut bytes = [0_u8; 4096];
                let length = match rustix::io::read(stdin, &mut bytes) {
                    Ok(length) => length,
                    Err(Errno::INTR) => continue,
                    Err(_) => 0,
                };
                let bytes = bytes.get(..length).unwrap_or_default();
                let leaves = bytes.iter().position(|byte| raw && *byte == LEAVE);
                if let Some(at) = leaves {
                    if let Some(before @ [_, ..]) = bytes.get(..at) {
                        self.type_in(number, before, false)?;
                        unwritten += 1;
                    }
                    return self.leave(number, unwritten);
                }
                let eof = bytes.is_empty();
                if eof {
                    types = None;
                }
                self.type_in(number, bytes, eof)?;
                unwritten += 1;
            }
        }
    }

    fn type_in(&mut self, number: u64, bytes: &[u8], eof: bool) -> Result<(), VisitError> {
        let mut params = json!({ "command": number, "eof": eof });
        match std::str::from_utf8(bytes) {
            Ok(text) => params["text"] = text.into(),
            Err(_) => params["base64"] = crate::output::base64_of(bytes).into(),
        }
        self.send("command.stdin", &params).map(|_| ())
    }

    /// Leaves once what was typed before has been written: the server drops what a client that is gone has asked for. A
    /// command that does not read is not waited for.
    fn leave(&mut self, number: u64, mut unwritten: usize) -> Result<Over, VisitError> {
        let end = Instant::now() + GLANCE;
        while unwritten > 0 {
            let message = match self.told.pop_front() {
                Some(message) => message,
                None => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.stream.set_read_timeout(Some(left))?;
                    match self.read() {
                        Err(VisitError::Silent) => break,
                        read => read?,
                    }
                }
            };
            if message.get("id").is_some() {
                unwritten -= 1;
            } else if let Some(ended) = self.notified(number, &message)? {
                return Ok(Over::Ended(ended));
            }
        }
        Ok(Over::Left)
    }

    fn notified(&mut self, number: u64, message: &Value) -> Result<Option<Ended>, VisitError> {
        let params = || message["params"].clone();
        let odd = |error: serde_json::Error| VisitError::Odd(error.to_string());
        match message["method"].as_str() {
            Some("command.output") => {
                let output: CommandOutput = serde_json::from_value(params()).map_err(odd)?;
                if output.command == number {
                    show(output.stream, output.bytes)?;
                }
                Ok(None)
            }
            Some("command.ended") => {
                let ended: CommandEnded = serde_json::from_value(params()).map_err(odd)?;
                Ok((ended.command == number).then_some(ended.ended))
            }
            _ => Ok(None),
        }
    }
}

fn system(error: ringfence_sys_linux::SysError) -> VisitError {
    VisitError::Streams(io::Error::from_raw_os_error(error.errno))
}

/// Writes out what a command printed, where it belongs.
fn show(stream: Stream, bytes: crate::protocol::Bytes) -> Result<(), VisitError> {
    let bytes = bytes_of(bytes.text, bytes.base64).map_err(VisitError::Odd)?;
    if stream == Stream::Stderr {
        io::stderr().write_all(&bytes)?;
    } else {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&bytes)?;
        stdout.flush()?;
    }
    Ok(())
}
