//! The messages.

use std::ffi::OsString;
use std::path::PathBuf;

use ringfence_ops::Need;
use ringfence_ops::linux::landlock::Ruleset;
use ringfence_ops::linux::{Located, Op};

use crate::codec::{Malformed, Reader, Wire, wire_enum, wire_struct};

/// Version of the protocol: the first byte of each message. Harness and runner are
/// installed together, so another version is an error and never negotiated.
pub const VERSION: u8 = 3;

/// The longest message that travels in its packet, in bytes. The default socket buffer
/// (`net.core.wmem_default`) holds three of these.
pub const INLINE_MAX: usize = 64 * 1024;

/// The longest message, in bytes: the kernel's own bound for arguments and environment
/// is a quarter of the stack limit, 6 MiB at most, and a plan is far smaller.
pub const MESSAGE_MAX: usize = 64 * 1024 * 1024;

/// What the harness tells the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Make the namespaces that the plan, which is still being made, will want, but for those the
    /// runner was started in. Once, before [`Order::Build`]; the ring is built in them.
    Namespaces {
        /// A network namespace too.
        net: bool,
    },
    /// Tell which commands have processes.
    List,
    /// Build the ring: each op with its need, in order. Once, before all that follows.
    Build {
        /// The steps.
        steps: Vec<(Need, Op)>,
        /// Tell when it stands also where all went as planned.
        announce: bool,
    },
    /// Spawn a command; three descriptors ride along: its stdin, stdout and stderr.
    Spawn(Spawn),
    /// Signal a command.
    Signal {
        /// The command.
        id: u32,
        /// Signal number.
        signal: i32,
        /// Every process of it, those in the background too, and not its first alone.
        all: bool,
    },
    /// Widen the living ring; told when it is done ([`Report::Widened`]).
    Widen(Widening),
    /// Protect more: pin and protect objects in the living ring.
    Protect {
        /// Ancestors, outermost first.
        pins: Vec<Located>,
        /// What becomes read-only.
        objects: Vec<Located>,
    },
}

/// What of a living ring becomes wider. All of it, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widening {
    /// What becomes writable.
    pub write: Option<Located>,
    /// Objects in it that stay read-only.
    pub objects: Vec<Located>,
    /// The ancestors of those in it, outermost first.
    pub pins: Vec<Located>,
    /// Protected names in it that do not exist.
    pub watch: Vec<Names>,
    /// What is hidden and is to be seen.
    pub reveal: Vec<Located>,
    /// Sockets that are to be reached, also where they lie under a directory the ring covers.
    pub sockets: Vec<Located>,
    /// What commands are held to from now on. Those that run are held to what they began with.
    pub landlock: Option<Ruleset>,
}

/// Names below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The directory.
    pub dir: Located,
    /// The names, each relative to it.
    pub names: Vec<PathBuf>,
}

/// One command to spawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawn {
    /// Number by which reports name it.
    pub id: u32,
    /// Path of the program, absolute.
    pub program: PathBuf,
    /// Arguments, the program's name first.
    pub argv: Vec<OsString>,
    /// Environment as `NAME=value`.
    pub env: Vec<OsString>,
    /// Working directory.
    pub cwd: Located,
    /// Tell when the program has been executed.
    pub announce: bool,
    /// No other command comes after it, or runs beside it: the ring ends with it.
    pub last: bool,
    /// What it leaves running goes on after it, until it is ended or the ring ends.
    pub keep_background: bool,
    /// It is told to end (`SIGTERM`) after so many milliseconds, and ended a grace later.
    pub time_ms: Option<u64>,
    /// Address space that each of its processes may have, bytes, where that of the ring is not less.
    pub memory: Option<u64>,
    /// Start a new session: no controlling terminal.
    pub new_session: bool,
    /// Put it in a process group of its own: what signals its own group (`kill(2)` with 0) signals
    /// nobody else, inside of the ring or outside.
    pub own_group: bool,
    /// Make stdin the controlling terminal of the new session.
    pub terminal: bool,
    /// Open this object inside the ring as stdin, in place of the descriptor, at the
    /// descriptor's offset: a descriptor of the outer mount could be opened again for
    /// writing through `/proc/self/fd`.
    pub stdin_inside: Option<Located>,
    /// Where that cannot be, and it is too long to be copied, the descriptor is handed in as it is: it lies where nothing is
    /// granted to be written.
    pub stdin_outside: bool,
    /// One more descriptor comes with stdin, stdout and stderr, and is the command's number 3.
    pub report: bool,
}

/// Where building or spawning failed. Numbers are append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// An order that is malformed or out of turn.
    Protocol,
    /// A step of the plan; the failure names its index.
    Step,
    /// The identity of an object differs from what the plan says.
    Identity,
    /// Entering the working directory.
    Cwd,
    /// Opening stdin inside.
    Stdin,
    /// Making the process.
    Fork,
    /// Starting the session or taking its terminal.
    Session,
    /// Setting a limit.
    Limit,
    /// Dropping capabilities.
    Capabilities,
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivs,
    /// `landlock_restrict_self`.
    Landlock,
    /// Installing the seccomp filter.
    Seccomp,
    /// `execve`.
    Exec,
    /// Protecting more in a living ring.
    Protect,
    /// Making namespaces.
    Namespaces,
    /// Widening a living ring.
    Widen,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// The step's index in the plan, for [`Stage::Step`] and [`Stage::Identity`].
    pub step: Option<u32>,
    /// The call that failed (`move_mount`).
    pub call: String,
    /// The kernel's error number.
    pub errno: i32,
}

/// A step that was not needed and could not be done, or was done otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The step's index in the plan.
    pub step: u32,
    /// The call that failed.
    pub call: String,
    /// The kernel's error number.
    pub errno: i32,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
}

/// What the runner tells the harness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The ring stands. Told where it was asked for, or something is not quite as planned.
    Built {
        /// What is less than planned.
        notes: Vec<Note>,
    },
    /// The ring could not be built, or a command not be spawned.
    Failed {
        /// The command, if it was one.
        id: Option<u32>,
        /// Why.
        failure: Failure,
    },
    /// A command runs (its program has been executed); only where that was asked for.
    Started {
        /// The command.
        id: u32,
    },
    /// The last command of its ring was stopped by job control. Of any other that is not told.
    Stopped {
        /// The command.
        id: u32,
        /// The signal that stopped it.
        signal: i32,
    },
    /// A command ended, and every process it left has been killed, unless it may leave some.
    Ended {
        /// The command.
        id: u32,
        /// How.
        end: End,
        /// Largest resident set of any process, in KiB (`ru_maxrss`).
        max_rss_kib: u64,
        /// Processor time, user and system, in microseconds.
        cpu_us: u64,
        /// Its time was up.
        timed_out: bool,
    },
    /// stdin could not be opened again inside the ring (its file is hidden there), and is too long to be copied: the
    /// command has the caller's descriptor.
    StdinAsIs {
        /// The kernel's error number.
        errno: i32,
    },
    /// Protected names cannot be watched; they are looked at when the command ends.
    Unwatched {
        /// The call that failed.
        call: String,
        /// The kernel's error number.
        errno: i32,
    },
    /// Something appeared under a protected name and was taken away.
    TakenAway {
        /// Its path.
        path: PathBuf,
        /// It could not be taken away: the kernel's error number.
        errno: Option<i32>,
    },
    /// A command makes protected names over and over; it is being ended.
    Insists {
        /// The command's number.
        id: u32,
    },
    /// The ring is as wide as was ordered.
    Widened,
    /// The commands that have processes.
    Listed {
        /// Each.
        commands: Vec<Listed>,
    },
}

/// A command that has processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The command.
    pub id: u32,
    /// It has not ended: not all of these are left behind by it.
    pub runs: bool,
    /// Its processes, by their numbers in the ring.
    pub processes: Vec<i32>,
}

impl Wire for (Need, Op) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((Need::get(r)?, Op::get(r)?))
    }
}

wire_struct!(Spawn {
    id,
    program,
    argv,
    env,
    cwd,
    announce,
    last,
    keep_background,
    time_ms,
    memory,
    new_session,
    own_group,
    terminal,
    stdin_inside,
    stdin_outside,
    report
});
wire_enum!(Order {
    0 => Build { steps, announce },
    1 => Spawn(spawn),
    2 => Signal { id, signal, all },
    3 => Protect { pins, objects },
    4 => Namespaces { net },
    5 => List,
    6 => Widen(widening),
});
wire_struct!(Widening {
    write,
    objects,
    pins,
    watch,
    reveal,
    sockets,
    landlock
});
wire_struct!(Names { dir, names });
wire_enum!(Stage {
    0 => Protocol, 1 => Step, 2 => Identity, 3 => Cwd, 4 => Stdin, 5 => Fork,
    6 => Session, 7 => Limit, 8 => Capabilities, 9 => NoNewPrivs, 10 => Landlock,
    11 => Seccomp, 12 => Exec, 13 => Protect, 14 => Namespaces,
    15 => Widen,
});
wire_struct!(Failure {
    stage,
    step,
    call,
    errno
});
wire_struct!(Note { step, call, errno });
wire_enum!(End { 0 => Exited(status), 1 => Signalled(signal) });
wire_enum!(Report {
    0 => Built { notes },
    1 => Failed { id, failure },
    2 => Started { id },
    3 => Stopped { id, signal },
    4 => Ended { id, end, max_rss_kib, cpu_us, timed_out },
    5 => TakenAway { path, errno },
    6 => Unwatched { call, errno },
    7 => StdinAsIs { errno },
    8 => Insists { id },
    9 => Listed { commands },
    10 => Widened,
});
wire_struct!(Listed {
    id,
    runs,
    processes
});

/// The bytes of a message.
#[must_use]
pub fn encode<M: Wire>(message: &M) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.push(VERSION);
    message.put(&mut out);
    out
}

/// The message of these bytes.
///
/// # Errors
/// [`Malformed`] when they are not one whole message of this version.
pub fn decode<M: Wire>(bytes: &[u8]) -> Result<M, Malformed> {
    let mut r = Reader::new(bytes);
    match u8::get(&mut r)? {
        VERSION => {}
        other => return Err(Malformed::Version(other)),
    }
    let message = M::get(&mut r)?;
    r.end()?;
    Ok(message)
}
