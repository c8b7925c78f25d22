//! What can go wrong before, around and after a command.

use std::path::PathBuf;

use ringfence_plan::Refusal;
use ringfence_policy::{PolicyError, plain};

use crate::rules::{Question, Verdict};
use crate::sys::{SysError, TO_HAVE_STATE};

/// What can be done about a path that cannot be used: nobody wrote those that are built in.
fn mended(origin: &str) -> &'static str {
    if origin == ringfence_policy::Origin::built_in().to_string() {
        "make the directory readable for yourself (chmod u+rwx), or name another write root or workspace"
    } else {
        "mend the path or remove the line"
    }
}

/// A name as one line shows it, whatever is in it.
pub(crate) fn shown(name: impl AsRef<std::ffi::OsStr>) -> String {
    plain(&name.as_ref().to_string_lossy())
}

/// Whose business an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ringfence failed or refused: 125.
    Ringfence,
    /// The program was found and cannot be executed: 126.
    NotExecutable,
    /// The program was not found: 127.
    NotFound,
}

/// How often what a ring is made from is looked at, where it is replaced meanwhile ([`Error::is_momentary`]).
pub const LOOKS: u32 = 3;

/// Why a command was not run, or not to its end. One line each: what, why, remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A policy is invalid.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// A rule is not what its author thinks.
    #[error("{0}")]
    Rules(#[from] ringfence_rules::RuleError),
    /// A rule forbids the command.
    #[error("{}; it was not run", .0.line())]
    Forbidden(Box<Verdict>),
    /// A rule has a person asked about the command, and nobody has been.
    #[error("{}; it was not run, since nobody was asked who could allow it", .0.verdict().line())]
    Asks(Box<Question>),
    /// A person was asked about the command, and did not allow it.
    #[error("not run: you did not allow it")]
    Declined(Box<Question>),
    /// What was granted is not what stands there.
    #[error("{what}: another object stands there than the one that was granted{}", if *number == 0 {
        "; nothing was run".to_owned()
    } else {
        format!("; take it back: ringfence grants revoke {number}")
    })]
    GrantMoved {
        /// The path.
        what: String,
        /// The grant's number; 0 for one that was for this once.
        number: u32,
    },
    /// A person would have been asked about the command, but the policy or the time is against it.
    #[error("{}; it was not run: {why}", .question.verdict().line())]
    Unasked {
        /// About what.
        question: Box<Question>,
        /// What is against it.
        why: String,
    },
    /// A rule has the command run outside of every ring, and that is not for here.
    #[error("{}; it was not run: a rule has it run outside of every ring, which a person allows at the terminal of `ringfence run`, and nowhere else", .0.verdict().line())]
    Outside(Box<Question>),
    /// A rule has the command run outside of every ring, and more than a rule is against it.
    #[error("not run outside: {0}")]
    KeptInside(String),
    /// It cannot be recorded.
    #[error(
        "{0}\n  nothing runs that is not recorded; to run it all the same: --accept ledger (or [enforcement] accept)"
    )]
    Ledger(#[from] ringfence_ledger::Error),
    /// There is no place to record it in.
    #[error(
        "there is no home to keep the ledger in; {TO_HAVE_STATE}\n  nothing runs that is not recorded; to run it all the same: --accept ledger (or [enforcement] accept)"
    )]
    NoLedger,
    /// The policy asks for what this version cannot enforce.
    #[error("{0}")]
    NotYet(ringfence_policy::NotYet),
    /// The machine cannot enforce the policy.
    #[error("{0}\n  to do without, name it: --accept NAME (or [enforcement] accept)")]
    Refused(#[from] Refusal),
    /// A policy file cannot be read.
    #[error("{}: {error}; mend or remove the file", shown(path))]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// An administrator's policy that is in no file cannot be used.
    #[error("{place}: {error}; an administrator has to mend or remove it")]
    ManagedPolicy {
        /// Where it is.
        place: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// No more files can be opened.
    #[error("{0}: raise the limit of open files (ulimit -n)")]
    TooFewFiles(SysError),
    /// The current directory is gone.
    #[error("the current directory does not exist any more; change to one that does")]
    NoCwd,
    /// By the name of the directory that a command was to start in another is found by now.
    #[error(
        "{}: another directory stands there than when this was begun; nothing was run",
        shown(path)
    )]
    AnotherDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The workspace cannot be one.
    #[error("workspace {}: {why}", shown(path))]
    Workspace {
        /// The directory.
        path: PathBuf,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A write root cannot be one.
    #[error("{origin}: write root {}: {why}", shown(path))]
    WriteRoot {
        /// The path.
        path: PathBuf,
        /// Where it was written.
        origin: String,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A path that the administrator's bound holds by its name leads elsewhere.
    #[error(
        "{origin}: {} leads to {}, beyond the bound that {bound} sets; remove it, or ask who \
         manages this machine",
        shown(path),
        shown(leads)
    )]
    BeyondManaged {
        /// The path.
        path: PathBuf,
        /// Where it was written.
        origin: String,
        /// Where it leads.
        leads: PathBuf,
        /// Where the bound was written.
        bound: String,
    },
    /// A path of the policy cannot be used.
    #[error("{origin}: {}: {error}; {}", shown(path), mended(origin))]
    Path {
        /// The path.
        path: PathBuf,
        /// Where it was written.
        origin: String,
        /// Why.
        error: SysError,
    },
    /// An unknown name is accepted.
    #[error("{origin}: accept: no promise is called {name:?}; `ringfence doctor` lists them")]
    UnknownPromise {
        /// The name.
        name: String,
        /// Where it was written.
        origin: String,
    },
    /// A name to reveal is unknown, or the like.
    #[error("{what}: {error}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What failed.
        error: SysError,
    },
    /// The caller's standard streams cannot be handed on.
    #[error(
        "cannot hand on stdin, stdout and stderr: {error}; raise the limit of open files (ulimit -n)"
    )]
    Streams {
        /// Why.
        error: std::io::Error,
    },
    /// stdin is a directory that cannot be opened again in the ring.
    #[error(
        "stdin is a directory that is not to be seen in the ring: it would lead past what the ring protects; give it \
         something else (< /dev/null)"
    )]
    DirectoryOnStdin,
    /// stdin's file or directory cannot be opened again in the ring, nor copied.
    #[error(
        "stdin's file or directory is not to be seen in the ring, and cannot be copied into it ({call}: {error}): no directory can, \
         nor a file of more than 256 MiB; give a file through a pipe (cat FILE | ringfence run ...)"
    )]
    Stdin {
        /// The call that failed.
        call: String,
        /// Why.
        error: std::io::Error,
    },
    /// What is written to could only be read, or entered: the command could open it again and change what it stands for.
    #[error(
        "{0} is a directory, or a file that can only be read; hand over what can be written to, or a pipe"
    )]
    NotWritable(&'static str),
    /// A stream is a socket of the network that the ring is kept from.
    #[error(
        "{0} is a network socket, by which the command would reach what its ring does not (network off): hand over a pipe \
         (`... | cat`), or allow the network (--network on)"
    )]
    NetworkStream(&'static str),
    /// State cannot be kept.
    #[error(
        "{}: {error}; check the directory's owner, its free space and `ulimit -f`",
        shown(path)
    )]
    State {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The program was not found.
    #[error("{name}: command not found; {hint}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        hint: &'static str,
    },
    /// The directory that a command was to start in is not to be seen in its ring.
    #[error(
        "{}: hidden in the ring, where no command can start then: {because} ({origin}); start it elsewhere, or have that revealed first",
        shown(path)
    )]
    HiddenDirectory {
        /// The directory.
        path: PathBuf,
        /// What hides it.
        because: String,
        /// Who said so.
        origin: String,
    },
    /// The program cannot be executed.
    #[error("{}: {why}", shown(path))]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The policy hides what a ring has of its own.
    #[error(
        "{origin}: hide {}: a ring has its own there; hide what lies elsewhere",
        shown(path)
    )]
    HidesOwn {
        /// The place.
        path: PathBuf,
        /// Who said it.
        origin: String,
    },
    /// The runner's binary is missing.
    #[error("{} is missing; install it beside the ringfence binary", shown(path))]
    NoRunner {
        /// Where it should be.
        path: PathBuf,
    },
    /// The runner's binary is there and cannot be executed.
    #[error(
        "{}: {why}; install ringfence, ringfence-tools and ringfence-runner together",
        shown(path)
    )]
    RunnerNotExecutable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// User namespaces were refused when the ring was made.
    #[error("cannot make the ring's namespaces: {error}; {remedy}")]
    Namespaces {
        /// What the kernel said.
        error: SysError,
        /// What to do.
        remedy: String,
    },
    /// The ring could not be built.
    #[error("cannot build the ring: {what}: {call}: {error}")]
    Build {
        /// The step.
        what: String,
        /// The call.
        call: String,
        /// What the kernel said.
        error: std::io::Error,
    },
    /// The ring could not be built: something it was to hold, hide or protect is gone, or another than was looked at.
    #[error("cannot build the ring: {what}: {call}: {error}")]
    Replaced {
        /// The step.
        what: String,
        /// The call.
        call: String,
        /// What the kernel said.
        error: std::io::Error,
    },
    /// What is let through is no socket.
    #[error(
        "{origin}: {}: this is no socket; name the socket itself (in a directory: each that is needed)",
        shown(path)
    )]
    NoSocket {
        /// The path.
        path: PathBuf,
        /// Where it was written.
        origin: String,
    },
    /// Commands would reach the servers that make rings.
    #[error(
        "{origin}: {}: Ringfence's own servers listen there; name the sockets that are needed, or remove the line",
        shown(path)
    )]
    OwnSockets {
        /// The path.
        path: PathBuf,
        /// Where it was written.
        origin: String,
    },
    /// Ringfence's own state would be writable in the ring.
    #[error(
        "Ringfence's own state {} lies in the write root {}; set XDG_STATE_HOME to a place outside",
        shown(state),
        shown(root)
    )]
    StateInRoot {
        /// The state directory.
        state: PathBuf,
        /// The write root.
        root: PathBuf,
    },
    /// A ring that stays is not to be had.
    #[error(
        "a ring of mode {0} holds one command and does not stay; run each command by itself \
         (ringfence run)"
    )]
    NoSession(&'static str),
    /// A limit that a ring that stays does not hold.
    #[error(
        "{0} is not held in a ring that stays yet; remove it, or run each command by itself \
         (ringfence run)"
    )]
    NotInSession(&'static str),
    /// A grant that a living ring cannot have.
    #[error("{what} cannot be granted to a ring that stands: {why}; open another ring with it")]
    NeedsNewRing {
        /// What was to be granted.
        what: String,
        /// Why not.
        why: String,
    },
    /// The ring is gone.
    #[error("the ring is gone: its runner died, and every process of it with it")]
    RingGone,
    /// The ring's runner takes no more orders for now.
    #[error(
        "the ring takes no orders: what is ordered already keeps it busy, or a command in it stops the others; try again, or close it"
    )]
    RingBusy,
    /// There is no place for the journal of what is written on this machine.
    #[error(
        "there is no home to keep the journal of granted directories in; {TO_HAVE_STATE}; nothing was written"
    )]
    NoJournal,
    /// What was granted cannot be taken back.
    #[error("{why}")]
    NotTakenBack {
        /// Why, and what to do.
        why: String,
    },
    /// The workspace cannot be granted to commands.
    #[error("the workspace cannot be granted to commands: {why}")]
    NotGranted {
        /// Why.
        why: String,
    },
    /// The plan is for another kind of ring than the runner was started for.
    #[error(
        "the ring was planned otherwise than it was started; this is a defect, please report it"
    )]
    Planned,
    /// The runner is gone without a word.
    #[error("the runner died ({how}); {left}")]
    RunnerDied {
        /// How.
        how: String,
        /// What became of the command, and of what it made.
        left: String,
    },
    /// The runner said what it must not.
    #[error(
        "the runner broke the protocol: {0}; reinstall ringfence, ringfence-tools and ringfence-runner together"
    )]
    Protocol(ringfence_wire::Malformed),
}

impl Error {
    /// Whose business it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotFound { .. } => Kind::NotFound,
            Error::NotExecutable { .. } => Kind::NotExecutable,
            _ => Kind::Ringfence,
        }
    }

    /// Whether it may be otherwise at once: what the ring was to hold, hide or protect was replaced or removed after it was
    /// looked at, as programs do that write a file anew and rename it.
    #[must_use]
    pub fn is_momentary(&self) -> bool {
        matches!(self, Error::Replaced { .. })
    }

    /// What the rules say of the command, where that is why it was not run.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Error::Forbidden(verdict) => Some(verdict),
            Error::Asks(question)
            | Error::Declined(question)
            | Error::Outside(question)
            | Error::Unasked { question, .. } => Some(question.verdict()),
            _ => None,
        }
    }
}
