//! What happened: one type for each kind of record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Text};

/// What a record tells. The names are those in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum Event {
    /// A file of the ledger begins.
    #[serde(rename = "ledger.opened")]
    Opened(Opened),
    /// What a process that died had begun to write was cut off. It was acknowledged to nobody.
    #[serde(rename = "ledger.mended")]
    Mended {
        /// So many bytes.
        bytes: u64,
    },
    /// Old records were removed.
    #[serde(rename = "ledger.removed")]
    Removed(Removed),
    /// A policy's text is kept beside the ledger.
    #[serde(rename = "policy.kept")]
    PolicyKept(PolicyKept),
    /// A ring is being made.
    #[serde(rename = "ring.made")]
    RingMade(Box<RingMade>),
    /// A ring could not be made, or not be enforced.
    #[serde(rename = "ring.refused")]
    RingRefused(RingRefused),
    /// A ring was made wider while it stands.
    #[serde(rename = "ring.widened")]
    RingWidened(RingWidened),
    /// A ring is gone, and what was enforced until then.
    #[serde(rename = "ring.ended")]
    RingEnded(RingEnded),
    /// A command is about to start.
    #[serde(rename = "command.started")]
    CommandStarted(CommandStarted),
    /// A command was not started, since rules forbid it or nobody allowed it.
    #[serde(rename = "command.refused")]
    CommandRefused(CommandRefused),
    /// Which files changed while a command ran. None of it where none did.
    #[serde(rename = "files.changed")]
    FilesChanged(Box<FilesChanged>),
    /// A command ended, or did not begin.
    #[serde(rename = "command.ended")]
    CommandEnded(CommandEnded),
    /// A person was asked.
    #[serde(rename = "approval.asked")]
    ApprovalAsked(ApprovalAsked),
    /// What was answered.
    #[serde(rename = "approval.answered")]
    ApprovalAnswered(ApprovalAnswered),
    /// The ring kept a command from something, or set right what it did.
    #[serde(rename = "denial")]
    Denial(Denial),
    /// Something lasting outside of rings was changed by Ringfence.
    #[serde(rename = "host.changed")]
    HostChanged(HostChanged),
    /// What a command changed is about to be undone. The number of this record is the undo's.
    #[serde(rename = "undo.started")]
    UndoStarted(UndoStarted),
    /// What became of that.
    #[serde(rename = "undo.ended")]
    UndoEnded(UndoEnded),
    /// Of a version that knows more.
    #[serde(other, rename = "unknown", skip_serializing)]
    Unknown,
}

/// A file of the ledger begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Of this format.
    pub format: u32,
    /// By this version of Ringfence.
    pub version: String,
    /// Why it begins.
    pub why: Beginning,
    /// For a new chain after another: the last record that was known of that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Known>,
}

/// Why a file begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beginning {
    /// There was no ledger.
    New,
    /// The file before is full, or of another day. The chain goes on.
    Continues,
    /// What was there is not as it was left. A new chain begins.
    Broken(String),
}

/// A record by its number and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// Old records were removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Removed {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: Known,
    /// For their age or for their size.
    pub why: String,
}

/// A policy's text is kept beside the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyKept {
    /// As `ring.made` names it, and the file `policies/NAME.json`.
    pub policy: Digest,
    /// What is in that file: what `ringfence policy show --json` prints.
    pub content: Digest,
}

/// Who asked for a ring, and what it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RingMade {
    /// By what: `run`, `serve`, `mcp`, a program.
    pub by: String,
    /// What a client said of itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
    /// The process that makes it.
    pub harness: u32,
    /// The process that builds it; process 1 of the ring.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runner: Option<u32>,
    /// Whose commands these are: the user's number, where users have one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uid: Option<u32>,
    /// And the group's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gid: Option<u32>,
    /// On Windows: the user's SID.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sid: Option<String>,
    /// `namespaces`, `landlock-only`, `unelevated`, or none for a command without a ring.
    pub ring: Option<String>,
    /// `read-only`, `workspace-write`, `full-access`.
    pub mode: String,
    /// `off`, `on`.
    pub network: String,
    /// The workspace.
    pub workspace: Text,
    /// What may be written.
    pub write: Vec<Text>,
    /// Where a person accepted less.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub accept: Vec<String>,
    /// The policy in force: its text is kept beside the ledger under this name (`policy.kept`).
    pub policy: Digest,
    /// The plan: the digest of the order to the runner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<Digest>,
    /// What this machine can enforce, in short.
    pub facts: Vec<String>,
    /// As planned: full, partial, none.
    pub enforcement: String,
    /// Where it is less than full.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shortfalls: Vec<Shortfall>,
    /// What a person granted that it has: the numbers of the answers' records.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub granted: Vec<u64>,
}

/// What is not kept whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The promise's name.
    pub promise: String,
    /// What is lacking.
    pub what: String,
    /// A person accepted it.
    pub accepted: bool,
}

/// A ring could not be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RingRefused {
    /// By what it was asked for.
    pub by: String,
    /// The command, where it is for one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub argv: Vec<Text>,
    /// Where from.
    pub cwd: Text,
    /// Why.
    pub error: String,
}

/// A ring was made wider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RingWidened {
    /// The ring: the number of the record that made it.
    pub ring: u64,
    /// What is visible now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub read: Vec<Text>,
    /// What is writable now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub write: Vec<Text>,
    /// What sockets are let in now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sockets: Vec<Text>,
}

/// A ring is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RingEnded {
    /// The ring: the number of the record that made it.
    pub ring: u64,
    /// What was really enforced: full, partial, none.
    pub enforcement: String,
    /// Where it was less than was planned.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub more: Vec<Shortfall>,
    /// Records that could not be written, for want of space or the like.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub unwritten: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

/// A command is about to start. The number of this record is the command's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CommandStarted {
    /// The ring: the number of the record that made it.
    pub ring: u64,
    /// Program and arguments.
    pub argv: Vec<Text>,
    /// Words that were left out at the end, and are in no record.
    #[serde(skip_serializing_if = "is_none", default)]
    pub left_out: u32,
    /// Where it starts.
    pub cwd: Text,
    /// The file that is executed, where it was found before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub program: Option<Text>,
    /// Names of variables that are set for it alone. Never their values.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub env: Vec<Text>,
    /// Secrets that were taken out of this record.
    #[serde(skip_serializing_if = "is_none", default)]
    pub redacted: u32,
    /// The answer that lets it: the number of its record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approval: Option<u64>,
}

/// A command was not started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRefused {
    /// The ring, where there is one already.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ring: Option<u64>,
    /// Program and arguments.
    pub argv: Vec<Text>,
    /// Where it was to start.
    pub cwd: Text,
    /// `forbid` or `ask`.
    pub decision: String,
    /// The verdict, as a person is told it: the rule, where it stands and why.
    pub verdict: String,
}

/// A command ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CommandEnded {
    /// The command: the number of the record that it started with.
    pub command: u64,
    /// `exited`, `signalled`, `timed-out`, `too-much-output`, `insisted`, `not-started`; `with-its-ring` of one that ran
    /// when its ring ended, or of whose end nobody had heard by then.
    pub how: String,
    /// The exit code or the signal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<i32>,
    /// Why it did not start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Wall-clock time, microseconds.
    pub elapsed_us: u64,
    /// Processor time, microseconds.
    pub cpu_us: u64,
    /// Largest resident set of its first process, KiB.
    pub max_rss_kib: u64,
}

/// Which files changed while a command ran, below what it may write.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FilesChanged {
    /// The command: the number of the record that it started with.
    pub command: u64,
    /// Other commands of its ring ran at the same time: what changed may be theirs.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub shared: bool,
    /// One for each directory that may be written and in which something changed.
    pub roots: Vec<RootChanged>,
    /// So many more than are listed.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub unlisted: u64,
    /// What was not seen, and why. Empty where all was.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub incomplete: Vec<String>,
}

/// What changed in one directory that may be written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RootChanged {
    /// The directory.
    pub root: Text,
    /// How many changes of each kind there are, listed or not, outside of generated directories.
    pub counts: BTreeMap<String, u64>,
    /// What changed, by path.
    pub files: Vec<FileChanged>,
    /// Generated directories (`target`, `node_modules`) in which something changed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub generated: Vec<GeneratedChanged>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FileChanged {
    /// Relative to the root.
    pub path: Text,
    /// `file`, `directory`, `symlink`, `special`.
    pub kind: String,
    /// `added`, `modified`, `deleted`, `renamed`, `mode`, `replaced`, `touched`.
    pub how: String,
    /// Where it was, of what was renamed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<Text>,
    /// Its size before, in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<u64>,
    /// Its size after, in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<u64>,
}

/// What changed in a generated directory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GeneratedChanged {
    /// Relative to the root.
    pub path: Text,
    /// How many changes of each kind.
    pub counts: BTreeMap<String, u64>,
    /// How large is what was written in it, in bytes.
    pub written: u64,
    /// And what was deleted.
    pub deleted: u64,
}

/// A person was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalAsked {
    /// The ring, where there is one already.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ring: Option<u64>,
    /// What is asked about, as one digest: words, directory, variables, with the secrets in them.
    pub subject: Digest,
    /// Program and arguments, or what is to be granted.
    pub argv: Vec<Text>,
    /// Where.
    pub cwd: Text,
    /// The verdict, as the person is told it.
    pub verdict: String,
    /// The command that was refused what is to be granted, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<u64>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalAnswered {
    /// The question: the number of its record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked: Option<u64>,
    /// What was asked about.
    pub subject: Digest,
    /// `once`, `ring`, `session`, `project`, `no`, `nobody`, `late`.
    pub answer: String,
    /// From where: `terminal`, `client`, `caller`, `program PATH`.
    pub from: String,
}

impl ApprovalAnswered {
    /// Whether it allows what was asked; nothing for a word of a version that knows more.
    #[must_use]
    pub fn allows(&self) -> Option<bool> {
        match self.answer.as_str() {
            "once" | "ring" | "session" | "project" => Some(true),
            "no" | "nobody" | "late" => Some(false),
            _ => None,
        }
    }
}

/// The ring kept a command from something, or set right what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Denial {
    /// The ring.
    pub ring: u64,
    /// The command, where it is known which.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<u64>,
    /// `moved-aside`, `left-in-place`, `planted-repository`; of a command that was looked at `refused-write`, `refused-read`,
    /// `refused-connect`, `refused-network`.
    pub what: String,
    /// Where.
    pub path: Text,
    /// More words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// Something lasting outside of rings was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostChanged {
    /// `trusted`, `distrusted`, `granted`, `revoked`.
    pub what: String,
    /// The file.
    pub path: Text,
    /// Its content.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub content: Option<Digest>,
}

/// What a command changed is about to be undone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UndoStarted {
    /// The command, or the undo: the number of the record that it started with.
    pub command: u64,
    /// The directories in which.
    pub roots: Vec<Text>,
    /// So many changes are to be undone.
    pub changes: u64,
    /// So many are left alone.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub left: u64,
    /// A person said that what changed since is undone as well.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub forced: bool,
}

/// What became of an undo.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UndoEnded {
    /// The undo: the number of the record that it started with.
    pub undo: u64,
    /// So many changes were undone.
    pub undone: u64,
    /// So many were left, or could not be undone.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub left: u64,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

impl Event {
    /// Whether something is let be on the word of this record: then it is on disk before it is acknowledged,
    /// whatever becomes of the machine.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        matches!(
            self,
            Event::ApprovalAnswered(_) | Event::RingWidened(_) | Event::HostChanged(_)
        )
    }

    /// Its name in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Opened(_) => "ledger.opened",
            Event::Mended { .. } => "ledger.mended",
            Event::Removed(_) => "ledger.removed",
            Event::PolicyKept(_) => "policy.kept",
            Event::RingMade(_) => "ring.made",
            Event::RingRefused(_) => "ring.refused",
            Event::RingWidened(_) => "ring.widened",
            Event::RingEnded(_) => "ring.ended",
            Event::CommandStarted(_) => "command.started",
            Event::CommandRefused(_) => "command.refused",
            Event::FilesChanged(_) => "files.changed",
            Event::CommandEnded(_) => "command.ended",
            Event::ApprovalAsked(_) => "approval.asked",
            Event::ApprovalAnswered(_) => "approval.answered",
            Event::Denial(_) => "denial",
            Event::HostChanged(_) => "host.changed",
            Event::UndoStarted(_) => "undo.started",
            Event::UndoEnded(_) => "undo.ended",
            Event::Unknown => "unknown",
        }
    }
}
