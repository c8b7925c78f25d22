//! One client: its requests, their answers, and what it has told.

mod outgoing;
mod tell;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outgoing::Outgoing;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tell::Telling;
use tokio::io::AsyncWrite;
use tokio::task::JoinSet;

use crate::command::{Attached, Running};
use crate::denial::of_command;
use crate::fault::Fault;
use crate::lines::{Line, Lines, Source};
use crate::output::{Output, bytes_of};
use crate::protocol::{
    Attach, Call, Commands, Denials, FRAME_MAX, Initialize, Initialized, Input, Nothing, OfCommand,
    OutputRead, READ_WAIT_MAX, ReadOutput, Report, RingEnded, Rings as AllRings, Sink,
    StartCommand, VERSIONS, WAITING_MAX, WriteStdin,
};
use crate::report;
use crate::rings::{Rings, lock};

/// Longest id that is repeated in an answer, in bytes.
const ID_MAX: usize = 256;

/// The most that `command.read` gives at once, in bytes.
const READ_MAX: u64 = 256 * 1024;

/// What a line is, before it is known which method it calls.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// A client's connection.
struct Connection {
    rings: Arc<Rings>,
    out: Outgoing,
    client: Option<String>,
    initialized: bool,
    /// Descriptors can be sent along.
    descriptors: bool,
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

/// What a connection's tasks share.
#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// The rings that were opened here.
    opened: Mutex<BTreeSet<u64>>,
    /// The commands that are told here.
    telling: Telling,
}

/// Requests that wait for what they are answered with.
#[derive(Debug, Default)]
struct Waiting {
    ids: BTreeSet<String>,
    number: usize,
    /// How long they were.
    bytes: usize,
}

/// All of them together, in bytes. More are refused, and not waited for: a request to end a command must get
/// through.
const WAITING_BYTES_MAX: usize = 2 * FRAME_MAX;

/// One of them, until it is answered.
struct Claim {
    shared: Arc<Shared>,
    id: Option<String>,
    bytes: usize,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut waiting = lock(&self.shared.waiting);
        waiting.number -= 1;
        waiting.bytes -= self.bytes;
        if let Some(id) = &self.id {
            waiting.ids.remove(id);
        }
    }
}

/// Serves a client until it is gone; then its rings are closed, but for those it has kept.
pub(crate) async fn serve(
    rings: Arc<Rings>,
    from: Source,
    to: impl AsyncWrite + Send + Unpin + 'static,
) {
    let descriptors = matches!(from, Source::Socket(_));
    let (out, writing) = Outgoing::new(to);
    let mut connection = Connection {
        rings: Arc::clone(&rings),
        out,
        client: None,
        initialized: false,
        descriptors,
        tasks: JoinSet::new(),
        shared: Arc::new(Shared::default()),
    };
    connection.read(Lines::new(from, FRAME_MAX)).await;
    let Connection {
        mut tasks,
        shared,
        out,
        ..
    } = connection;
    let opened = std::mem::take(&mut *lock(&shared.opened));
    tasks.shutdown().await;
    drop(out);
    for ring in opened {
        // What was kept goes on; what has ended has.
        if rings.ring(ring).is_ok_and(|open| !open.keep) {
            let _ended = rings.close(ring).await;
        }
    }
    // What is left to write is written, if it is read; the end of the process does not wait for that.
    let _written = tokio::time::timeout(Duration::from_secs(1), writing).await;
}

impl Connection {
    async fn read(&mut self, mut lines: Lines) {
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                // Nobody reads any more.
                () = self.out.closed() => return,
                // Those that are done are let go of.
                Some(_) = self.tasks.join_next() => continue,
            };
            let on = match line {
                Ok(Some(Line::Whole(line))) => {
                    let on = self.line(&line, &mut lines).await;
                    // What was sent along with a request is for it alone.
                    lines.descriptors.clear();
                    on
                }
                Ok(Some(Line::TooLong)) => {
                    let fault = Fault::Request(format!("a line is longer than {FRAME_MAX} bytes"));
                    self.out.answer(None, Err(fault)).await
                }
                Ok(Some(Line::Cut)) => {
                    let fault = Fault::Parse("the line has no end".to_owned());
                    self.out.answer(None, Err(fault)).await
                }
                Ok(None) => false,
                Err(error) => {
                    let fault = Fault::System("reading requests", error);
                    self.out.answer(None, Err(fault)).await;
                    false
                }
            };
            if !on {
                return;
            }
        }
    }

    /// Takes a line; `false` when the client is gone.
    async fn line(&mut self, line: &[u8], lines: &mut Lines) -> bool {
        if line.iter().all(u8::is_ascii_whitespace) {
            return true;
        }
        if line.trim_ascii_start().first() == Some(&b'[') {
            let fault = Fault::Request("one object a line, and no batches".to_owned());
            return self.out.answer(None, Err(fault)).await;
        }
        let envelope = match serde_json::from_slice::<Envelope<'_>>(line) {
            Ok(envelope) => envelope,
            Err(error) => {
                let fault = if serde_json::from_slice::<&RawValue>(line).is_err() {
                    Fault::Parse(error.to_string())
                } else {
                    Fault::Request(error.to_string())
                };
                return self.out.answer(None, Err(fault)).await;
            }
        };
        let Envelope {
            jsonrpc,
            id,
            method,
            params,
        } = envelope;
        // An id is a string or a number.
        let is_id = |id: &&RawValue| {
            let odd = id.get().starts_with(['{', '[', 't', 'f']);
            !odd && id.get().len() <= ID_MAX
        };
        let known_id = id.filter(is_id);
        let refused = match (jsonrpc.as_deref(), &method) {
            (Some("2.0"), Some(_)) if id.is_none() || known_id.is_some() => None,
            (Some("2.0"), Some(_)) => Some("an id is a string or a number, of 256 bytes at most"),
            (Some("2.0"), None) => Some("`method` is missing"),
            _ => Some("`jsonrpc` is \"2.0\""),
        };
        if let Some(why) = refused {
            let fault = Fault::Request(why.to_owned());
            return self.out.answer(known_id, Err(fault)).await;
        }
        let method = method.unwrap_or_default();
        if params.is_some_and(|params| !params.get().starts_with('{')) {
            let fault =
                Fault::Params("params: an object, with each parameter by its name".to_owned());
            return self.out.answer(known_id, Err(fault)).await;
        }
        let call = match Call::parse(&method, params) {
            Some(Ok(call)) => call,
            Some(Err(error)) => {
                return self
                    .out
                    .answer(known_id, Err(Fault::Params(without_place(&error))))
                    .await;
            }
            None => {
                let fault = Fault::Method(method.chars().take(64).collect());
                return self.out.answer(known_id, Err(fault)).await;
            }
        };
        if !self.initialized && !matches!(call, Call::Initialize(_)) {
            return self.out.answer(known_id, Err(Fault::First)).await;
        }
        let id = known_id.map(ToOwned::to_owned);
        self.call(call, id, line.len(), lines).await
    }

    async fn call(
        &mut self,
        call: Call,
        id: Option<Box<RawValue>>,
        length: usize,
        lines: &mut Lines,
    ) -> bool {
        let is_long = match &call {
            Call::Read(read) => read.wait_ms.is_none(),
            Call::ListRings(_) | Call::ListCommands(_) => true,
            _ => false,
        };
        let room = if is_long {
            self.out.try_answer_room()
        } else {
            None
        };
        // Where long answers wait to be read already, the next waits beside what else is asked.
        let at_once = match is_long && room.is_none() {
            true => None,
            false => self.at_once(&call),
        };
        let now = match at_once {
            Some(answer) => answer,
            None => match self.claim(id.as_deref(), length) {
                Ok(claim) => {
                    let descriptors = match &call {
                        Call::StartCommand(start) => claimed(start, lines),
                        _ => Vec::new(),
                    };
                    self.later(call, id, claim, descriptors);
                    return true;
                }
                Err(fault) => Err(fault),
            },
        };
        match id {
            Some(id) => self.out.answer_in(Some(&id), now, room).await,
            None => true,
        }
    }

    /// An id stands for one request at a time.
    fn claim(&self, id: Option<&RawValue>, length: usize) -> Result<Claim, Fault> {
        let mut waiting = lock(&self.shared.waiting);
        if waiting.number >= WAITING_MAX {
            return Err(Fault::Waiting("that many requests wait for answers"));
        }
        if waiting.bytes + length > WAITING_BYTES_MAX {
            return Err(Fault::Waiting("that much is asked and waits for answers"));
        }
        let id = id.map(|id| id.get().to_owned());
        if let Some(id) = &id
            && !waiting.ids.insert(id.clone())
        {
            return Err(Fault::Request(format!(
                "a request with the id {id} waits for its answer already"
            )));
        }
        waiting.number += 1;
        waiting.bytes += length;
        Ok(Claim {
            shared: Arc::clone(&self.shared),
            id,
            bytes: length,
        })
    }

    /// What needs no waiting.
    fn at_once(&mut self, call: &Call) -> Option<Result<serde_json::Value, Fault>> {
        let rings = &self.rings;
        let nothing = |()| Nothing {};
        Some(match call {
            Call::Initialize(asked) => json(self.initialize(asked)),
            Call::ListRings(_) => json(Ok(AllRings {
                rings: rings.list(),
            })),
            Call::Resize(resize) => json(rings.command(resize.command).and_then(|command| {
                let size = crate::protocol::TerminalSize {
                    rows: resize.rows,
                    columns: resize.columns,
                };
                command.resize(size).map(nothing)
            })),
            Call::Signal(signal) => json(
                rings
                    .command(signal.command)
                    .and_then(|command| command.signal(&signal.signal, signal.all).map(nothing)),
            ),
            Call::Kill(of) => json(
                rings
                    .command(of.command)
                    .and_then(|command| command.kill().map(nothing)),
            ),
            Call::Read(read) if read.wait_ms.is_none() => json(read_output(rings, read)),
            Call::Attach(attach) => json(self.attach(attach).map(nothing)),
            Call::Detach(of) => json(rings.command(of.command).map(|_| {
                self.shared.telling.end(of.command);
                Nothing {}
            })),
            Call::ListCommands(of) => json(Ok(Commands {
                commands: rings.commands(of.ring),
            })),
            Call::Forget(of) => json(rings.forget(of.command).map(nothing)),
            _ => return None,
        })
    }

    fn initialize(&mut self, asked: &Initialize) -> Result<Initialized, Fault> {
        let common = VERSIONS.iter().rev().find(|v| asked.versions.contains(v));
        let version = *common.ok_or(Fault::Versions)?;
        self.client = asked.client.as_ref().map(|client| {
            client
                .chars()
                .filter(|c| !c.is_control())
                .take(64)
                .collect()
        });
        self.initialized = true;
        Ok(Initialized {
            version,
            ringfence: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            frame_max: FRAME_MAX as u64,
            descriptors: self.descriptors,
        })
    }

    fn attach(&mut self, attach: &Attach) -> Result<(), Fault> {
        let command = self.rings.command(attach.command)?;
        let attached = command.attach(|stream| attach.from.get(&stream).copied());
        let shared = Arc::clone(&self.shared);
        let out = self.out.clone();
        let rings = Arc::clone(&self.rings);
        let begun = shared.telling.begin(attach.command);
        self.tasks.spawn(async move {
            shared.telling.tell(attached, &out, begun).await;
            rings.make_room();
        });
        Ok(())
    }

    /// What takes a while is done beside what comes next.
    fn later(
        &mut self,
        call: Call,
        id: Option<Box<RawValue>>,
        claim: Claim,
        descriptors: Vec<OwnedFd>,
    ) {
        let rings = Arc::clone(&self.rings);
        let out = self.out.clone();
        let shared = Arc::clone(&self.shared);
        let client = self.client.clone();
        self.tasks.spawn(async move {
            let mut told = None;
            let mut room = None;
            let answer = match call {
                Call::OpenRing(asked) => match rings.open(asked, client).await {
                    Ok((open, opened)) => {
                        lock(&shared.opened).insert(open.number);
                        told = Some(Told::Ring(open));
                        json(Ok(opened))
                    }
                    Err(fault) => Err(fault),
                },
                Call::CloseRing(of) => {
                    lock(&shared.opened).remove(&of.ring);
                    json(rings.close(of.ring).await.map(|()| Nothing {}))
                }
                Call::RequestGrant(asked) => json(rings.grant(asked).await.map(|()| Nothing {})),
                Call::Read(read) => match when_there(&rings, &read).await {
                    Ok(()) => {
                        room = out.answer_room().await;
                        json(read_output(&rings, &read))
                    }
                    Err(fault) => Err(fault),
                },
                Call::RingOutcome(of) => {
                    room = out.answer_room().await;
                    json(rings.outcome(of.ring).await)
                }
                Call::StartCommand(start) => {
                    let attach = start.attach;
                    match rings.start(start, descriptors).await {
                        Ok(command) => {
                            let answer = json(Ok(OfCommand {
                                command: command.number,
                            }));
                            if attach {
                                // Before the answer: from its first byte on it waits for who is told.
                                let attached = command.attach(|_| None);
                                told = Some(Told::Command(Arc::clone(&rings), attached));
                            }
                            answer
                        }
                        Err(fault) => Err(fault),
                    }
                }
                Call::WriteStdin(write) => json(write_stdin(&rings, write).await),
                Call::Wait(of) => match rings.command(of.command) {
                    Ok(command) => json(Ok(command.wait().await)),
                    Err(fault) => Err(fault),
                },
                Call::Denied(of) => {
                    room = out.answer_room().await;
                    denied(&rings, of.command).await
                }
                Call::Why(why) => {
                    room = out.answer_room().await;
                    in_thread(move || report::why(&rings, why)).await
                }
                Call::ShowPolicy(show) => {
                    room = out.answer_room().await;
                    in_thread(move || report::policy(&rings, show)).await
                }
                Call::Doctor(_) => {
                    room = out.answer_room().await;
                    in_thread(|| Ok(report::doctor())).await
                }
                Call::ListRings(_) => {
                    room = out.answer_room().await;
                    json(Ok(AllRings {
                        rings: rings.list(),
                    }))
                }
                Call::ListCommands(of) => {
                    room = out.answer_room().await;
                    json(Ok(Commands {
                        commands: rings.commands(of.ring),
                    }))
                }
                // They have been answered.
                Call::Initialize(_)
                | Call::Resize(_)
                | Call::Signal(_)
                | Call::Kill(_)
                | Call::Attach(_)
                | Call::Detach(_)
                | Call::Forget(_) => Ok(serde_json::Value::Null),
            };
            // Told is what is of a thing after the thing itself.
            if let Some(id) = &id {
                out.answer_in(Some(id), answer, room).await;
            }
            // Before the client can see the answer and use its id again.
            drop(claim);
            match told {
                Some(Told::Command(rings, attached)) => {
                    let begun = shared.telling.begin(attached.command.number);
                    shared.telling.tell(attached, &out, begun).await;
                    rings.make_room();
                }
                Some(Told::Ring(open)) => {
                    tell::noticed(&open, &out).await;
                    // Still there among what was opened here: nobody has closed it here.
                    if lock(&shared.opened).remove(&open.number) {
                        let why = "it was idle, closed elsewhere, or its runner died".to_owned();
                        let ended = RingEnded {
                            ring: open.number,
                            why,
                        };
                        out.notify("ring.ended", &ended).await;
                    }
                }
                None => {}
            }
        });
    }
}

/// What a client hears of after it was made.
enum Told {
    Ring(Arc<crate::rings::Open>),
    Command(Arc<Rings>, Attached),
}

/// The descriptors that a command is to have.
fn claimed(start: &StartCommand, lines: &mut Lines) -> Vec<OwnedFd> {
    let wanted = usize::from(start.stdin == Input::Descriptor)
        + usize::from(start.stdout == Sink::Descriptor)
        + usize::from(start.stderr == Sink::Descriptor);
    let there = lines.descriptors.len();
    lines.descriptors.drain(..wanted.min(there)).collect()
}

fn read_output(rings: &Rings, read: &ReadOutput) -> Result<OutputRead, Fault> {
    let command = rings.command(read.command)?;
    let output = output_of(&command, read)?;
    let max = read.max.unwrap_or(READ_MAX).clamp(4, READ_MAX);
    let piece = output.read(read.from, usize::try_from(max).unwrap_or(usize::MAX));
    Ok(OutputRead {
        offset: piece.offset,
        next: piece.next,
        eof: piece.eof,
        bytes: piece.bytes,
    })
}

fn output_of<'a>(command: &'a Running, read: &ReadOutput) -> Result<&'a Output, Fault> {
    let mut outputs = command.outputs.iter();
    outputs
        .find(|output| read.stream.is_none_or(|stream| stream == output.stream))
        .map(AsRef::as_ref)
        .ok_or_else(|| Fault::Params("stream: the command has none that is kept".to_owned()))
}

/// Waits until something is there or nothing more comes, or until it has been waited for long enough.
async fn when_there(rings: &Rings, read: &ReadOutput) -> Result<(), Fault> {
    let command = rings.command(read.command)?;
    let output = output_of(&command, read)?;
    let wait = Duration::from_millis(read.wait_ms.unwrap_or(0).min(READ_WAIT_MAX));
    let mut changed = command.changed.subscribe();
    let there = async {
        loop {
            changed.mark_unchanged();
            let (settled, eof) = output.state();
            if output.end() > read.from || eof || (settled && command.ended().is_some()) {
                return;
            }
            let _told = changed.changed().await;
        }
    };
    // What is there when the time is up is the answer.
    let _in_time = tokio::time::timeout(wait, there).await;
    Ok(())
}

async fn write_stdin(rings: &Rings, write: WriteStdin) -> Result<Nothing, Fault> {
    let WriteStdin {
        command: number,
        text,
        base64,
        eof,
    } = write;
    let bytes = bytes_of(text, base64).map_err(Fault::Params)?;
    let told = rings.command(number)?.write(bytes, eof)?;
    match told.await {
        Ok(true) => Ok(Nothing {}),
        _ => Err(Fault::Stdin(number)),
    }
}

/// What of a command's output is its ring's doing.
async fn denied(rings: &Rings, number: u64) -> Result<serde_json::Value, Fault> {
    let command = rings.command(number)?;
    let Some(ended) = command.ended() else {
        return Err(Fault::Runs(number));
    };
    let open = rings.ring(command.ring)?;
    let request = open.ring.as_granted();
    let output = if ended.code == Some(0) {
        String::new()
    } else {
        command.last_words()
    };
    let directory = command.directory().to_owned();
    let asked = tokio::task::spawn_blocking(move || of_command(&request, &directory, &output));
    let denied = asked
        .await
        .map_err(|error| Fault::System("asking", io::Error::other(error)))?;
    json(Ok(Denials { denied }))
}

/// What reads files and asks the kernel for a while keeps nobody waiting.
async fn in_thread(
    work: impl FnOnce() -> Result<serde_json::Value, Fault> + Send + 'static,
) -> Result<serde_json::Value, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(report) => json(report.map(|report| Report { report })),
        Err(error) => Err(Fault::System("asking", io::Error::other(error))),
    }
}

fn json(result: Result<impl Serialize, Fault>) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(result?)
        .map_err(|error| Fault::System("writing the answer", io::Error::other(error)))
}

/// What is wrong with parameters. Its place is one in the parameters alone, on a line that nobody sees.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    }
}
