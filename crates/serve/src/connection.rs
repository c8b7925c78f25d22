//! One client: its requests, their answers, and what it has told.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::command::Running;
use crate::fault::Fault;
use crate::lines::{Line, Lines, Source};
use crate::output::{Output, bytes_of};
use crate::protocol::{
    Attach, CHUNK, Call, CommandClosed, CommandEnded, Commands, FRAME_MAX, Initialize, Initialized,
    Input, Nothing, OfCommand, OutputRead, READ_WAIT_MAX, ReadOutput, Report, RingEnded,
    Rings as AllRings, Sink, StartCommand, VERSIONS, WAITING_MAX, WriteStdin,
};
use crate::report;
use crate::rings::{Rings, lock};

/// Messages that wait to be written to a client, and as many that are being written. One is some 100 KiB long
/// at most, but for what `command.read` asks for.
const OUTGOING: usize = 32;

/// Longest id that is repeated in an answer, in bytes.
const ID_MAX: usize = 256;

/// The most that `command.read` gives at once, in bytes.
const READ_MAX: u64 = 256 * 1024;

/// Messages to the client, in their order.
#[derive(Debug, Clone)]
struct Outgoing {
    messages: mpsc::Sender<Vec<u8>>,
    used: Arc<Used>,
}

/// Room of messages that have been written, for those that come: what is given back to the system is
/// given out by it page by page.
#[derive(Debug, Default)]
struct Used(Mutex<Vec<Vec<u8>>>);

impl Used {
    /// Kept, at most.
    const MOST: usize = 4;

    fn take(&self) -> Vec<u8> {
        lock(&self.0).pop().unwrap_or_default()
    }

    fn give(&self, message: Vec<u8>) {
        let mut kept = lock(&self.0);
        if kept.len() < Used::MOST && (CHUNK..8 * CHUNK).contains(&message.capacity()) {
            kept.push(message);
        }
    }
}

impl Outgoing {
    /// `false` when the client is gone.
    async fn send(&self, message: &impl Serialize) -> bool {
        // What is sent has no part that could not be written as JSON.
        let Ok(mut line) = serde_json::to_vec(message) else {
            return false;
        };
        line.push(b'\n');
        self.messages.send(line).await.is_ok()
    }

    async fn notify(&self, method: &str, params: &impl Serialize) -> bool {
        #[derive(Serialize)]
        struct Notification<'a, T> {
            jsonrpc: &'a str,
            method: &'a str,
            params: &'a T,
        }
        self.send(&Notification {
            jsonrpc: "2.0",
            method,
            params,
        })
        .await
    }

    async fn answer(
        &self,
        id: Option<&RawValue>,
        answer: Result<serde_json::Value, Fault>,
    ) -> bool {
        #[derive(Serialize)]
        struct Response<'a> {
            jsonrpc: &'a str,
            id: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<serde_json::Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<serde_json::Value>,
        }
        let (result, error) = match answer {
            Ok(result) => (Some(result), None),
            Err(fault) => (None, Some(fault.to_json())),
        };
        self.send(&Response {
            jsonrpc: "2.0",
            id,
            result,
            error,
        })
        .await
    }
}

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
    /// The ids of requests that wait for their answers.
    waiting: Mutex<BTreeSet<String>>,
    /// The rings that were opened here.
    opened: Mutex<BTreeSet<u64>>,
    /// The commands that are told here; to let go of one ends that.
    attached: Mutex<BTreeMap<u64, (u64, watch::Sender<()>)>>,
    /// How often something has been attached.
    told: AtomicU64,
}

/// Serves a client until it is gone; then its rings are closed, but for those it has kept.
pub(crate) async fn serve(
    rings: Arc<Rings>,
    from: Source,
    to: impl AsyncWrite + Send + Unpin + 'static,
) {
    let descriptors = matches!(from, Source::Socket(_));
    let (out, outgoing) = mpsc::channel(OUTGOING);
    let used = Arc::new(Used::default());
    let writing = tokio::spawn(write(outgoing, to, Arc::clone(&used)));
    let mut connection = Connection {
        rings: Arc::clone(&rings),
        out: Outgoing {
            messages: out,
            used,
        },
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
    lock(&shared.attached).clear();
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

/// Writes what goes out, as many messages at once as there are.
async fn write(
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    mut to: impl AsyncWrite + Unpin,
    used: Arc<Used>,
) {
    let mut messages = Vec::with_capacity(OUTGOING);
    let mut together = Vec::new();
    while outgoing.recv_many(&mut messages, OUTGOING).await > 0 {
        let written = match messages.as_slice() {
            [one] => to.write_all(one).await,
            // Where they are long, copying costs more than a call.
            [first, ..] if first.len() > 16 * 1024 => {
                async {
                    for message in &messages {
                        to.write_all(message).await?;
                    }
                    Ok(())
                }
                .await
            }
            all => {
                together.clear();
                all.iter()
                    .for_each(|message| together.extend_from_slice(message));
                to.write_all(&together).await
            }
        };
        messages.drain(..).for_each(|message| used.give(message));
        if written.and(to.flush().await).is_err() {
            return;
        }
    }
}

impl Connection {
    async fn read(&mut self, mut lines: Lines) {
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                // Nobody reads any more.
                () = self.out.messages.closed() => return,
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
        self.call(call, id, lines).await
    }

    async fn call(&mut self, call: Call, id: Option<Box<RawValue>>, lines: &mut Lines) -> bool {
        let now = match self.at_once(&call) {
            Some(answer) => answer,
            None => match self.claim(id.as_deref()) {
                Ok(()) => {
                    let descriptors = match &call {
                        Call::StartCommand(start) => claimed(start, lines),
                        _ => Vec::new(),
                    };
                    self.later(call, id, descriptors);
                    return true;
                }
                Err(fault) => Err(fault),
            },
        };
        match id {
            Some(id) => self.out.answer(Some(&id), now).await,
            None => true,
        }
    }

    /// An id stands for one request at a time.
    fn claim(&self, id: Option<&RawValue>) -> Result<(), Fault> {
        let mut waiting = lock(&self.shared.waiting);
        if self.tasks.len() >= WAITING_MAX {
            return Err(Fault::Waiting("that many requests wait for answers"));
        }
        match id {
            Some(id) if !waiting.insert(id.get().to_owned()) => Err(Fault::Request(format!(
                "a request with the id {id} waits for its answer already"
            ))),
            _ => Ok(()),
        }
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
                lock(&self.shared.attached).remove(&of.command);
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
        let from = attach.from.clone();
        let shared = Arc::clone(&self.shared);
        let out = self.out.clone();
        let until = begin_to_tell(&shared, attach.command);
        self.tasks
            .spawn(tell(command, out, shared, until, move |stream| {
                from.get(&stream).copied()
            }));
        Ok(())
    }

    /// What takes a while is done beside what comes next.
    fn later(&mut self, call: Call, id: Option<Box<RawValue>>, descriptors: Vec<OwnedFd>) {
        let rings = Arc::clone(&self.rings);
        let out = self.out.clone();
        let shared = Arc::clone(&self.shared);
        let client = self.client.clone();
        self.tasks.spawn(async move {
            let mut told = None;
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
                Call::Read(read) => json(read_when_there(&rings, &read).await),
                Call::RingOutcome(of) => json(rings.outcome(of.ring).await),
                Call::StartCommand(start) => {
                    let attach = start.attach;
                    match rings.start(start, descriptors).await {
                        Ok(command) => {
                            let answer = json(Ok(OfCommand {
                                command: command.number,
                            }));
                            if attach {
                                told = Some(Told::Command(command));
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
                Call::Why(why) => in_thread(move || report::why(&rings, why)).await,
                Call::ShowPolicy(show) => in_thread(move || report::policy(&rings, show)).await,
                Call::Doctor(_) => in_thread(|| Ok(report::doctor())).await,
                // They have been answered.
                _ => Ok(serde_json::Value::Null),
            };
            // Told is what is of a thing after the thing itself.
            if let Some(id) = &id {
                lock(&shared.waiting).remove(id.get());
                out.answer(Some(id), answer).await;
            }
            match told {
                Some(Told::Command(command)) => {
                    let until = begin_to_tell(&shared, command.number);
                    tell(command, out, shared, until, |_| None).await;
                }
                Some(Told::Ring(open)) => {
                    open.ring.gone().await;
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
    Command(Arc<Running>),
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

/// The same, once something is there or nothing more comes, or when it has been waited for long enough.
async fn read_when_there(rings: &Rings, read: &ReadOutput) -> Result<OutputRead, Fault> {
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
    read_output(rings, read)
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

/// What reads files and asks the kernel for a while keeps nobody waiting.
async fn in_thread(
    work: impl FnOnce() -> Result<serde_json::Value, Fault> + Send + 'static,
) -> Result<serde_json::Value, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(report) => json(report.map(|report| Report { report })),
        Err(error) => Err(Fault::System("asking", io::Error::other(error))),
    }
}

/// That a command is told here, and by whom that is ended. Whoever told it before does no more.
fn begin_to_tell(shared: &Shared, command: u64) -> (u64, watch::Receiver<()>) {
    let (until, ended) = watch::channel(());
    let number = shared.told.fetch_add(1, Ordering::Relaxed);
    lock(&shared.attached).insert(command, (number, until));
    (number, ended)
}

/// Tells a command's output as it comes, and then its end.
async fn tell(
    command: Arc<Running>,
    out: Outgoing,
    shared: Arc<Shared>,
    (number, mut until): (u64, watch::Receiver<()>),
    from: impl Fn(crate::protocol::Stream) -> Option<u64>,
) {
    let reader = command.attach(from);
    tokio::select! {
        () = tell_all(&command, &out, reader) => {}
        // Never sent: let go of.
        _ = until.changed() => {}
    }
    command.detach(reader);
    let mut attached = lock(&shared.attached);
    // Unless somebody else tells it by now.
    if attached
        .get(&command.number)
        .is_some_and(|(other, _)| *other == number)
    {
        attached.remove(&command.number);
    }
}

async fn tell_all(command: &Running, out: &Outgoing, reader: u64) {
    let mut changed = command.changed.subscribe();
    let mut end_is_told = false;
    loop {
        changed.mark_unchanged();
        // Looked at before what is there: what came before the end is told before it.
        let ended = command.ended();
        let states: Vec<(bool, bool)> = command.outputs.iter().map(|o| o.state()).collect();
        let mut told = false;
        for output in &command.outputs {
            let mut line = out.used.take();
            if output.take_line(reader, command.number, &mut line) {
                told = true;
                if out.messages.send(line).await.is_err() {
                    return;
                }
            } else {
                out.used.give(line);
            }
        }
        if told {
            continue;
        }
        let settled = states.iter().all(|(settled, _)| *settled);
        let eof = states.iter().all(|(_, eof)| *eof);
        let was_told = end_is_told;
        if let (Some(ended), true, false) = (ended, settled, end_is_told) {
            end_is_told = true;
            let notification = CommandEnded {
                command: command.number,
                open: !eof,
                ended,
            };
            if !out.notify("command.ended", &notification).await {
                return;
            }
        }
        if end_is_told && eof {
            // Where the end said already that nothing more comes, that is all.
            if was_told {
                let closed = CommandClosed {
                    command: command.number,
                };
                out.notify("command.closed", &closed).await;
            }
            return;
        }
        // The sender is the command's.
        let _told = changed.changed().await;
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
