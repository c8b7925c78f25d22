//! The real runner, driven by hand.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ringfence_ops::Need::{self, Must};
use ringfence_ops::linux::{Located, Op};
use ringfence_sys_linux::object;
use ringfence_sys_linux::packet::Packets;
use ringfence_sys_linux::spawn::{Runner, RunnerNamespaces, RunnerStart, Starting, runner};
use ringfence_wire::{
    End, Failure, INLINE_MAX, MESSAGE_MAX, Note, Order, Report, Spawn, Stage, decode, encode,
};
use rustix::process::{Pid, Signal, WaitOptions};

/// A directory of this test alone, gone with it.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        use std::hash::{BuildHasher, RandomState};
        // Not the process' number alone: one in a namespace of its own has another's.
        let number = RandomState::new().hash_one(std::process::id());
        let path = std::env::temp_dir().join(format!("rf-runner-{number:016x}"));
        std::fs::create_dir(&path).unwrap();
        Dir(path.canonicalize().unwrap())
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

pub fn located(path: impl AsRef<Path>) -> Located {
    let path = path.as_ref();
    let identity = object::identity_of(path).unwrap().unwrap();
    Located {
        path: path.to_owned(),
        device: identity.device,
        inode: identity.inode,
        dir: identity.is_dir(),
    }
}

/// The same name with another object's identity.
pub fn swapped(path: impl AsRef<Path>) -> Located {
    let at = located(path);
    Located {
        inode: at.inode + 1,
        ..at
    }
}

/// The runner's binary. Where the tests are run from an archive, by another user who may not see where they were
/// built, nextest says where it is.
pub fn runner_program() -> std::path::PathBuf {
    std::env::var_os("NEXTEST_BIN_EXE_ringfence-runner")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_ringfence-runner").into())
        .into()
}

/// A runner and the harness' end of its socket. It is killed with the test.
pub struct Ring {
    pub socket: Option<Packets>,
    pub runner: Runner,
}

impl Ring {
    pub fn start(namespaces: bool) -> Ring {
        let (socket, theirs) = Packets::pair(INLINE_MAX, MESSAGE_MAX).unwrap();
        let runner = runner(&RunnerStart {
            program: &runner_program(),
            socket: theirs.fd(),
            namespaces: namespaces.then(|| RunnerNamespaces {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
            }),
        })
        .and_then(Starting::finish)
        .unwrap();
        Ring {
            socket: Some(socket),
            runner,
        }
    }

    /// The same, with all namespaces on the way where it has any.
    pub fn start_offline(namespaces: bool) -> Ring {
        let ring = Ring::start(namespaces);
        if namespaces {
            ring.order(&Order::Namespaces { net: true });
        }
        ring
    }

    /// A ring that stands.
    pub fn built(namespaces: bool, steps: Vec<(Need, Op)>) -> Ring {
        let ring = Ring::start_offline(namespaces);
        assert_eq!(ring.build(steps), Ok(Vec::new()));
        ring
    }

    pub fn socket(&self) -> &Packets {
        self.socket.as_ref().unwrap()
    }

    pub fn order(&self, order: &Order) {
        self.socket().send(&encode(order), &[]).unwrap();
    }

    pub fn report(&self) -> Report {
        let received = self.socket().receive().unwrap();
        decode(&received.expect("the runner lives").bytes).unwrap()
    }

    /// Builds, and waits until that is done. A ring that stands as planned is not told of:
    /// the refusal of what comes after it says so.
    pub fn build(&self, steps: Vec<(Need, Op)>) -> Result<Vec<Note>, Failure> {
        self.order(&Order::Build {
            steps,
            announce: false,
        });
        self.socket().send(b"no order", &[]).unwrap();
        let told = match self.report() {
            Report::Failed { id: None, failure } if failure.stage == Stage::Protocol => {
                return Ok(Vec::new());
            }
            Report::Built { notes } => Ok(notes),
            Report::Failed { id: None, failure } => Err(failure),
            other => panic!("{other:?}"),
        };
        self.refused();
        told
    }

    pub fn spawn(&self, spawn: Spawn, out: BorrowedFd<'_>) {
        let null = File::open("/dev/null").unwrap();
        self.socket()
            .send(&encode(&Order::Spawn(spawn)), &[null.as_fd(), out, out])
            .unwrap();
    }

    /// Starts a script; what is read of the result ends when no process of it lives.
    pub fn script(&self, id: u32, script: &str) -> File {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        self.spawn(sh(id, script), write.as_fd());
        drop(write);
        assert_eq!(self.report(), Report::Started { id });
        File::from(read)
    }

    /// Runs a script to its end: what it printed, how it ended.
    pub fn run(&self, id: u32, script: &str) -> (String, End) {
        let text = read(self.script(id, script));
        (text, self.ended(id))
    }

    pub fn ended(&self, wanted: u32) -> End {
        match self.report() {
            Report::Ended { id, end, .. } if id == wanted => end,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until all orders before have been done: an order that is none is refused in
    /// its turn.
    pub fn settle(&self) {
        self.socket().send(b"no order", &[]).unwrap();
        self.refused();
    }

    fn refused(&self) {
        match self.report() {
            Report::Failed { id: None, failure } => assert_eq!(failure.stage, Stage::Protocol),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the runner's end: its exit status, or none for a signal's.
    pub fn gone(&self) -> Option<i32> {
        let pid = Pid::from_raw(self.runner.pid).unwrap();
        let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::empty())
            .unwrap()
            .unwrap();
        status.exit_status()
    }

    pub fn kill(&self) {
        rustix::process::pidfd_send_signal(&self.runner.pidfd, Signal::KILL).unwrap();
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let _gone = rustix::process::pidfd_send_signal(&self.runner.pidfd, Signal::KILL);
        if let Some(pid) = Pid::from_raw(self.runner.pid) {
            let _reaped = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

pub fn sh(id: u32, script: &str) -> Spawn {
    Spawn {
        id,
        program: "/bin/sh".into(),
        argv: ["sh", "-c", script].map(OsString::from).to_vec(),
        env: vec![OsString::from("PATH=/usr/bin:/bin")],
        cwd: located("/"),
        new_session: false,
        time_ms: None,
        memory: None,
        own_group: false,
        terminal: false,
        stdin_inside: None,
        stdin_outside: false,
        report: false,
        announce: true,
        last: false,
        keep_background: false,
    }
}

pub fn read(mut from: File) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads up to this text, to know that a command has come so far.
pub fn read_until(from: &mut File, text: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(text.as_bytes()) {
        assert_ne!(from.read(&mut byte).unwrap(), 0, "it ended before {text:?}");
        seen.push(byte[0]);
    }
}

/// Whether nobody has the other end of a pipe any more, without waiting.
pub fn is_closed(pipe: &File) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(pipe, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).unwrap();
    fds[0].revents().contains(PollFlags::HUP)
}

/// The steps of a small ring whose one write root is this.
pub fn steps(root: &Path) -> Vec<(Need, Op)> {
    vec![
        (
            Must,
            Op::Namespaces(ringfence_ops::linux::Clone { net: true }),
        ),
        (Must, Op::Loopback),
        (Must, Op::Hold(located(root))),
        (Must, Op::ReadOnlyRoot),
        (Must, Op::Devices { console: None }),
        (Must, Op::Proc { root: false }),
        (Must, Op::Place(located(root))),
        (Must, Op::DropCapabilities),
        (Must, Op::NoNewPrivs),
    ]
}

pub fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}
