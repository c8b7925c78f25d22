//! What is said: methods, notifications and errors, as types. The published schema
//! (docs/reference/serve.schema.json) and the clients' types are made from these.

mod methods;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use methods::{CODES, Call, schema};

/// The versions of this protocol that are spoken here, the best last.
pub const VERSIONS: [u32; 1] = [1];

/// The longest line that is taken, in bytes.
pub const FRAME_MAX: usize = 16 * 1024 * 1024;

/// Bytes of output that are kept for who comes late, unless a command says otherwise.
pub const BUFFER: u64 = 1024 * 1024;
/// The most a command may say.
pub const BUFFER_MAX: u64 = 64 * 1024 * 1024;
/// Bytes to type or to read that may wait for one command.
pub const STDIN_MAX: usize = 4 * 1024 * 1024;
/// Output that one notification carries at most, in bytes of the command's.
pub const CHUNK: usize = 64 * 1024;
/// Commands that have ended and are still known, in one ring.
pub const ENDED_MAX: usize = 64;
/// And bytes of output that are kept of those.
pub const ENDED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest that `command.read` waits, in milliseconds.
pub const READ_WAIT_MAX: u64 = 60_000;
/// Requests of one connection that may wait for their answers.
pub const WAITING_MAX: usize = 4096;

/// The first request of every connection.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Initialize {
    /// The versions of the protocol that the client speaks.
    pub versions: Vec<u32>,
    /// What the client is called; for people who look at `ringfence sessions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// The answer: what is spoken from here on.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct Initialized {
    /// The version.
    pub version: u32,
    /// The version of Ringfence.
    pub ringfence: String,
    /// The server's process.
    pub pid: u32,
    /// The longest line that is taken, in bytes.
    pub frame_max: u64,
    /// Descriptors can be sent along on this connection (a unix socket).
    pub descriptors: bool,
}

/// Nothing.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The policy's keys that a client may set, as the flags of `ringfence run` do: above the user's and the
/// project's files, below what an administrator holds fast.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `read-only`, `workspace-write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Paths that may be written too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Paths below write roots that stay read-only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protect: Vec<String>,
    /// Paths to make unreadable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hide: Vec<String>,
    /// What is hidden by default and is to be shown, by its names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reveal: Vec<String>,
    /// `all`, `minimal`, or paths beside those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<String>>,
    /// `off`, `on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// `private`, `shared`, `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caches: Option<String>,
    /// Tools whose caches are layered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_tools: Option<Vec<String>>,
    /// Variables to pass although they look like secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// Variables to keep from commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop_env: Vec<String>,
    /// How long each command may take (`10m`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Memory (`4GiB`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Promises to do without where they cannot be kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<String>,
    /// Unix sockets that may be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<String>,
    /// User namespaces may be made inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested: Option<bool>,
}

/// `ring.open`
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpenRing {
    /// The directory to work in, writable; without it the repository around `directory`, or that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Where commands start; without it the workspace, or the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// What is set of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The ring goes on when this connection ends.
    pub keep: bool,
    /// It is closed when nothing has run in it for so many milliseconds. Without it: never, or (`keep`)
    /// after half an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// `false`: the built-in rules about commands do not hold, the policy's own alone. For where a person chooses
    /// each command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_rules: Option<bool>,
}

/// A promise that is not kept in full.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct Shortfall {
    /// Its name.
    pub promise: String,
    /// What is less.
    pub what: String,
    /// What to do about it; may be empty.
    pub remedy: String,
    /// The user accepted that.
    pub accepted: bool,
}

/// A ring that was opened.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RingOpened {
    /// Its number here.
    pub ring: u64,
    /// The directory commands start in.
    pub directory: String,
    /// `full`, `partial`, `none`.
    pub enforcement: String,
    /// Promises that are not kept in full.
    pub shortfalls: Vec<Shortfall>,
}

/// A ring.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfRing {
    /// Its number.
    pub ring: u64,
}

/// What a ring kept, until now.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RingOutcome {
    /// `full`, `partial`, `none`.
    pub enforcement: String,
    /// Promises that are not kept in full.
    pub shortfalls: Vec<Shortfall>,
    /// Repositories that commands made, and in which git would run programs of theirs.
    pub made: Vec<MadeRepository>,
    /// Protected names that commands made, and that were taken away or could not be, since this was last
    /// asked; 4096 at most.
    pub taken_away: Vec<TakenAway>,
}

/// A repository that commands made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct MadeRepository {
    /// Where.
    pub path: String,
    /// What git would run: 32 names at most, each cut after 100 characters.
    pub runs: Vec<String>,
}

/// A protected name that a command made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct TakenAway {
    /// Where.
    pub path: String,
    /// Why it is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// The rings that there are.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct Rings {
    /// Each.
    pub rings: Vec<RingListed>,
}

/// A ring, listed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RingListed {
    /// Its number.
    pub ring: u64,
    /// The directory commands start in.
    pub directory: String,
    /// Who opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How long it has been there, milliseconds.
    pub age_ms: u64,
    /// Commands that run.
    pub running: u64,
}

/// What a command reads from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// Nothing.
    #[default]
    Null,
    /// What `command.stdin` says.
    Pipe,
    /// A descriptor that was sent along.
    Descriptor,
}

/// What a command writes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sink {
    /// Notifications, and what `command.read` reads.
    #[default]
    Pipe,
    /// Nowhere.
    Null,
    /// A descriptor that was sent along.
    Descriptor,
    /// Where stdout goes (for stderr only).
    Stdout,
}

/// What becomes of output that nobody has taken yet when the buffer is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// The command waits, while somebody is attached; else as `drop`.
    #[default]
    Wait,
    /// The oldest is dropped; the next offset tells how much.
    Drop,
}

/// A terminal's size, in characters.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// Lines; at least 1.
    pub rows: u16,
    /// Characters in a line; at least 1.
    pub columns: u16,
}

/// `command.start`
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartCommand {
    /// The ring.
    pub ring: u64,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it starts; relative to the ring's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Variables to set, or (null) to take out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<String>>,
    /// It gets no variable but those.
    #[serde(default)]
    pub clear_env: bool,
    /// What it reads from.
    #[serde(default)]
    pub stdin: Input,
    /// Where it prints.
    #[serde(default)]
    pub stdout: Sink,
    /// Where it prints errors.
    #[serde(default)]
    pub stderr: Sink,
    /// It has a terminal of this size in place of the three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// It is told to end after so many milliseconds, and ended two seconds later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_ms: Option<u64>,
    /// Address space that each of its processes may have, in bytes, where the ring's `memory` is not less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// What it leaves running goes on.
    #[serde(default)]
    pub keep_background: bool,
    /// Bytes that are kept of each of its outputs; 1 MiB without it, 64 MiB at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<u64>,
    /// When that is full.
    #[serde(default)]
    pub when_full: WhenFull,
    /// Its output, and its end, are told on this connection as they come.
    #[serde(default = "yes")]
    pub attach: bool,
    /// A person allowed it, who was asked what an earlier start was answered with (`data.question`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// A person's yes to a question. It holds for the very command that the question was about, in its ring.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The question's number.
    pub question: u64,
    /// For how long.
    #[serde(default)]
    pub lasts: Lasts,
}

/// For how long a person's yes holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lasts {
    /// This once.
    #[default]
    Once,
    /// As often as the very same command comes, until its ring ends.
    Ring,
}

/// What the rules say of a command that was not started.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RuleSaid {
    /// `ask` or `forbid`.
    pub decision: String,
    /// All of it, in one line.
    pub line: String,
    /// The part of the command that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The rule's prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What the rule says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where the rule stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

fn yes() -> bool {
    true
}

/// `grant.request`: one of `write`, `reveal` and `socket`. Who speaks this protocol has asked whom it must.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestGrant {
    /// The ring.
    pub ring: u64,
    /// A path that may be written, with all that is protected in a write root. Commands that run already
    /// are held to what they began with; those that start from now on may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    /// What is hidden by default and is to be seen, by its name (`hide.npm`); by all commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal: Option<String>,
    /// A Unix socket of a service outside that may be connected to; by all commands.
    /// What listens there acts for whoever connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
}

/// A command.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfCommand {
    /// Its number, unlike any other's of this server.
    pub command: u64,
}

/// Bytes: `text` where they are UTF-8, else `base64`. One of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Bytes {
    /// As text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// In base64 (RFC 4648 §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// `command.stdin`. Answered when it has been written.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteStdin {
    /// The command.
    pub command: u64,
    /// As text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Nothing comes after this.
    #[serde(default)]
    pub eof: bool,
}

/// `command.resize`
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// The command.
    pub command: u64,
    /// Lines; at least 1.
    pub rows: u16,
    /// Characters in a line; at least 1.
    pub columns: u16,
}

/// A signal, by its name (`TERM`, `SIGTERM`) or its number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SignalName {
    /// `TERM`
    Name(String),
    /// 15
    Number(i32),
}

/// `command.signal`
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendSignal {
    /// The command.
    pub command: u64,
    /// The signal.
    pub signal: SignalName,
    /// To all of its processes, and not to the first alone.
    #[serde(default)]
    pub all: bool,
}

/// One of a command's outputs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// What it prints.
    Stdout,
    /// What it prints of errors.
    Stderr,
    /// What its terminal shows.
    Terminal,
}

/// `command.read`: what is there.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadOutput {
    /// The command.
    pub command: u64,
    /// Which output; stdout, or the terminal, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// From which byte of it; where that is no more there, from the first that is.
    #[serde(default)]
    pub from: u64,
    /// How many bytes at most; 256 KiB without it, and at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Where nothing is there yet: wait so many milliseconds for something, or the end. A minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// A piece of output.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct OutputRead {
    /// The first byte's place in all that was printed there.
    pub offset: u64,
    /// The place after the last.
    pub next: u64,
    /// Nothing comes after that.
    pub eof: bool,
    /// The bytes.
    #[serde(flatten)]
    pub bytes: Bytes,
}

/// `command.attach`
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The command.
    pub command: u64,
    /// From which byte of each output on; from the first that is still there without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub from: BTreeMap<Stream, u64>,
}

/// The commands that there are.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct Commands {
    /// Each.
    pub commands: Vec<CommandListed>,
}

/// `command.list`
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListCommands {
    /// Of this ring only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<u64>,
}

/// A command, listed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct CommandListed {
    /// Its number.
    pub command: u64,
    /// Its ring.
    pub ring: u64,
    /// Program and arguments, cut where they are long.
    pub argv: Vec<String>,
    /// How long ago it was started, milliseconds.
    pub age_ms: u64,
    /// It is on a terminal.
    pub terminal: bool,
    /// How it ended; not there while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Ended {
    /// Its exit code, unless a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Its time was up.
    pub timed_out: bool,
    /// It was ended because protected names were made over and over in its ring.
    pub insisted: bool,
    /// The ring ended, and it with that.
    pub ring_gone: bool,
    /// Largest resident set of its first process, KiB.
    pub max_rss_kib: u64,
    /// Processor time, microseconds.
    pub cpu_us: u64,
    /// Wall-clock time, microseconds.
    pub elapsed_us: u64,
}

/// `command.denied`: found in what is kept of the output, the last 64 KiB of each stream, and held against the ring's plan. A program that
/// names no path leaves it empty.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Denials {
    /// Each, in the order in which it was told.
    pub denied: Vec<crate::denial::Denial>,
}

/// Why a path can or cannot be used in a ring, or what a command gets there. One of `path` and `argv`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Why {
    /// A path; it need not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// As for `ring.open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// As for `ring.open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// As for `ring.open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// `policy.show`
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShowPolicy {
    /// As for `ring.open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// As for `ring.open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// As for `ring.open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// What `ringfence … --json` prints.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct Report {
    /// The report.
    pub report: serde_json::Value,
}

/// Notification `command.output`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct CommandOutput {
    /// The command.
    pub command: u64,
    /// Which output.
    pub stream: Stream,
    /// The first byte's place in all that was printed there.
    pub offset: u64,
    /// The bytes.
    #[serde(flatten)]
    pub bytes: Bytes,
}

/// Notification `command.ended`: after all that it printed before its end has been told.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct CommandEnded {
    /// The command.
    pub command: u64,
    /// Its output goes on: what it left in the background may print. `command.closed` tells the end of that.
    pub open: bool,
    /// How.
    #[serde(flatten)]
    pub ended: Ended,
}

/// Notification `command.closed`: nothing more comes of its output. Only where `command.ended` said that it
/// goes on.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct CommandClosed {
    /// The command.
    pub command: u64,
}

/// Notification `ring.noticed`, to the connection that opened the ring: after a command ended, what is new that
/// somebody should look at. It may come a moment after `command.ended`, and more than one for much. Of commands that ran for
/// less than a quarter of a second repositories are looked for when a later one ends.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RingNoticed {
    /// The ring.
    pub ring: u64,
    /// Protected names that commands made, and that were moved aside (to a name that begins with theirs and
    /// `.from-ring`) or could not be. `ring.outcome` tells them as well.
    pub taken_away: Vec<TakenAway>,
    /// Repositories that commands made, and in which git would run programs of theirs: those that are new, or run
    /// more. `ring.outcome` tells all.
    pub made: Vec<MadeRepository>,
}

/// Notification `ring.ended`: it ended without having been closed on this connection.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RingEnded {
    /// The ring.
    pub ring: u64,
    /// Why.
    pub why: String,
}

/// What an error carries beside code and message.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct ErrorData {
    /// `refused`, `failed`, `not-found`, `not-executable`, `forbidden`, `asked`: as `ringfence run --json` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// What the rules say of the command, where that is why it was not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleSaid>,
    /// A person may allow it: start it once more with this as `approval.question`. Without it the command is
    /// too long to be asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<u64>,
    /// Promises that this machine cannot keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<Shortfall>,
    /// The versions that are spoken here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<u32>,
}
