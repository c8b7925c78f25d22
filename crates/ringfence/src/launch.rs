//! Starting the runner and handing it the plan and the command.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use ringfence_ops::linux::{Located, Op};
use ringfence_ops::{Facts, Need, Shortfall};
use ringfence_plan::{Plan, RingMode};
use ringfence_policy::{Effective, NetworkMode};
use ringfence_sys_linux::SysError;
use ringfence_sys_linux::object;
use ringfence_sys_linux::packet::Packets;
use ringfence_sys_linux::signal;
use ringfence_sys_linux::spawn::{
    self, Runner, RunnerNamespaces, RunnerStart, SpawnError, Starting, Step,
};
use ringfence_wire::{Failure, INLINE_MAX, MESSAGE_MAX, Note, Order, Spawn, Stage, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::AddressFamily;

use crate::error::Error;
use crate::group::Group;
use crate::keeping::Stands;
use crate::locate::{located, of_descriptor};
use crate::prepare::Prepared;
use crate::relay::Relay;
use crate::traced::{self, Noted};

const SIGKILL: i32 = 9;

/// A ring being built, with its first command on the way.
#[derive(Debug)]
pub struct Launched {
    pub(crate) socket: Packets,
    pub(crate) runner: Runner,
    pub(crate) group: Option<Group>,
}

/// What building a ring showed to be less than planned.
pub(crate) fn shortfalls(
    plan: &Plan,
    notes: &[Note],
    accepts: impl Fn(&str) -> bool,
) -> Vec<Shortfall> {
    let mut noted = Vec::new();
    let mut note = |promise: &str, what: String| {
        noted.push(Shortfall {
            promise: promise.to_owned(),
            what,
            remedy: String::new(),
            accepted: accepts(promise),
        });
    };
    for told in notes {
        let Some(step) = plan.steps.get(told.step as usize) else {
            continue;
        };
        let error = std::io::Error::from_raw_os_error(told.errno);
        note(step.promise, format!("{}: {}: {error}", step.op, told.call));
        if let Some((promise, what)) = ringfence_plan::also_lost(&step.op) {
            note(promise, what.to_owned());
        }
    }
    noted
}

/// Why a ring does not stand.
pub(crate) fn not_built(plan: &Plan, failure: &Failure) -> Error {
    let what = failure
        .step
        .and_then(|index| plan.steps.get(index as usize))
        .map_or_else(
            || format!("{:?}", failure.stage).to_lowercase(),
            // A ruleset's rules follow on lines of their own.
            |step| {
                let text = step.op.to_string();
                text.lines().next().unwrap_or_default().to_owned()
            },
        );
    let (call, errno) = (failure.call.clone(), failure.errno);
    let error = std::io::Error::from_raw_os_error(errno);
    if failure.stage == Stage::Stdin {
        return Error::Stdin { call, error };
    }
    let of_plan = matches!(failure.stage, Stage::Step | Stage::Identity);
    match Errno::from_raw_os_error(errno) {
        Errno::STALE | Errno::NOENT | Errno::NOTDIR if of_plan => {
            Error::Replaced { what, call, error }
        }
        _ => Error::Build { what, call, error },
    }
}

/// Where the runner's binary is: beside this one, and nowhere else.
///
/// # Errors
/// [`Error::NoRunner`].
pub fn runner_program() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(|_| Error::NoRunner {
        path: PathBuf::from("ringfence-runner"),
    })?;
    Ok(own.with_file_name("ringfence-runner"))
}

/// A runner in its namespaces, waiting for orders.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) socket: Packets,
    pub(crate) runner: Runner,
    pub(crate) mode: RingMode,
}

impl Waiting {
    /// It will build a ring.
    pub(crate) fn launched(self, group: Option<Group>) -> Launched {
        let Waiting { socket, runner, .. } = self;
        Launched {
            socket,
            runner,
            group,
        }
    }

    /// Lets a runner go that got no order.
    pub(crate) fn dismiss(self) {
        let Waiting { socket, runner, .. } = self;
        drop(socket);
        reap(&runner);
    }
}

impl Launched {
    /// Ends the ring: the runner ends when its socket does, all in the ring with it, and it is waited
    /// for.
    pub(crate) fn close(&self) {
        // One that is gone has no other end.
        let _gone = rustix::net::shutdown(self.socket.fd(), rustix::net::Shutdown::Both);
        reap(&self.runner);
    }

    /// Lets the runner go. Every process of the command is dead by then; the runner itself
    /// ends with its socket, and is waited for.
    pub(crate) fn end(self) {
        drop(self.leave());
    }

    /// The same, and what is left to do can be done while the kernel takes down mounts and namespaces.
    pub(crate) fn leave(self) -> Leaving {
        let Launched {
            socket,
            runner,
            group,
        } = self;
        drop(socket);
        Leaving {
            runner,
            _group: group,
            locks: Vec::new(),
        }
    }
}

/// A ring that is being taken down. Dropped, it is waited for.
#[derive(Debug)]
pub(crate) struct Leaving {
    runner: Runner,
    /// It can be removed when the runner is out of it.
    _group: Option<Group>,
    locks: Vec<File>,
}

impl Leaving {
    /// What nobody else may use until the ring is gone.
    pub(crate) fn hold(&mut self, locks: Vec<File>) {
        self.locks.extend(locks);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        reap(&self.runner);
    }
}

/// Waits for a runner whose socket is closed. If it is stopped or stuck it is killed.
fn reap(runner: &Runner) {
    let mut gone = [PollFd::from_borrowed_fd(
        runner.pidfd.as_fd(),
        PollFlags::IN,
    )];
    let patience = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    if !matches!(poll(&mut gone, Some(&patience)), Ok(n) if n > 0) {
        let _ended = signal::send(runner.pidfd.as_fd(), SIGKILL);
        let _gone = poll(&mut gone, None);
    }
    let _reaped = rustix::process::waitid(
        rustix::process::WaitId::PidFd(runner.pidfd.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    );
}

/// Starts a runner, which makes its namespaces and has nothing else to do yet. The runner dies
/// with this thread.
pub(crate) fn start(
    mode: RingMode,
    runner: Option<PathBuf>,
    policy: &Effective,
    facts: &Facts,
) -> Result<Waiting, Error> {
    let namespaces = (mode == RingMode::Namespaces).then_some(RunnerNamespaces {
        uid: facts.uid,
        gid: facts.gid,
    });
    start_in(namespaces, own_network(policy), runner)?.finish()
}

fn own_network(policy: &Effective) -> bool {
    policy.network.mode.value != NetworkMode::On
}

fn start_in(
    namespaces: Option<RunnerNamespaces>,
    network: bool,
    runner: Option<PathBuf>,
) -> Result<Coming, Error> {
    let mode = if namespaces.is_some() {
        RingMode::Namespaces
    } else {
        RingMode::LandlockOnly
    };
    let program = match runner {
        Some(program) => program,
        None => runner_program()?,
    };
    let (socket, theirs) =
        Packets::pair(INLINE_MAX, MESSAGE_MAX).map_err(|error| Error::System {
            what: "making the runner's socket",
            error,
        })?;
    let starting = spawn::runner(&RunnerStart {
        program: &program,
        socket: theirs.fd(),
        namespaces,
    })
    .map_err(|e| failed_start(e, mode, &program))?;
    if mode == RingMode::Namespaces {
        // One that is gone already is noticed with its last words.
        let _gone = socket.send(&encode(&Order::Namespaces { net: network }), &[]);
    }
    Ok(Coming {
        socket,
        starting,
        mode,
        program,
    })
}

/// A runner that may not be executed yet.
#[derive(Debug)]
struct Coming {
    socket: Packets,
    starting: Starting,
    mode: RingMode,
    program: PathBuf,
}

impl Coming {
    /// Waits until it is.
    fn finish(self) -> Result<Waiting, Error> {
        let Coming {
            socket,
            starting,
            mode,
            program,
        } = self;
        match starting.finish() {
            Ok(runner) => Ok(Waiting {
                socket,
                runner,
                mode,
            }),
            Err(failed) => Err(failed_start(failed, mode, &program)),
        }
    }
}

/// A runner that is started before anything is known, in the namespaces nearly every ring
/// has: the kernel makes them while the policy is read and the ring is planned. Nothing is in
/// them, and it is let go where the policy wants another kind of ring.
#[derive(Debug)]
pub struct Early(Option<Reached>);

/// How far it is.
#[derive(Debug)]
enum Reached {
    Begun(Coming),
    Known(Result<Waiting, Error>),
}

impl Reached {
    fn known(self) -> Result<Waiting, Error> {
        match self {
            Reached::Begun(coming) => coming.finish(),
            Reached::Known(what) => what,
        }
    }
}

impl Early {
    /// Starts one. What fails is told when, and if, it is needed.
    #[must_use]
    pub fn start() -> Early {
        Early::start_of(None)
    }

    /// The same, of another runner than the one beside this program.
    pub(crate) fn start_of(runner: Option<PathBuf>) -> Early {
        let namespaces = RunnerNamespaces {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        Early(Some(match start_in(Some(namespaces), true, runner) {
            Ok(coming) => Reached::Begun(coming),
            Err(error) => Reached::Known(Err(error)),
        }))
    }

    /// None: it will be started when all is known.
    #[must_use]
    pub fn none() -> Early {
        Early(None)
    }

    /// Whether one has been started, in a user namespace of its own. Waits until that is known.
    pub(crate) fn stands(&mut self) -> bool {
        self.0 = self.0.take().map(|run| Reached::Known(run.known()));
        matches!(self.0, Some(Reached::Known(Ok(_))))
    }

    /// The runner for this kind of ring: this one, or another.
    pub(crate) fn take(
        mut self,
        mode: RingMode,
        runner: Option<PathBuf>,
        policy: &Effective,
        facts: &Facts,
    ) -> Result<Waiting, Error> {
        if mode == RingMode::Namespaces
            && own_network(policy)
            && let Some(started) = self.0.take()
        {
            return started.known();
        }
        drop(self);
        start(mode, runner, policy, facts)
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if let Some(Ok(waiting)) = self.0.take().map(Reached::known) {
            waiting.dismiss();
        }
    }
}

/// Why a runner did not come to be.
fn failed_start(failed: SpawnError, mode: RingMode, program: &Path) -> Error {
    let program = || program.to_owned();
    match failed.step {
        Step::Exec if failed.error.errno == Errno::NOENT.raw_os_error() => {
            Error::NoRunner { path: program() }
        }
        Step::Exec => Error::RunnerNotExecutable {
            path: program(),
            why: failed.error.to_string(),
        },
        _ if mode == RingMode::Namespaces && refuses_namespaces(failed) => Error::Namespaces {
            error: failed.error,
            remedy: crate::facts::namespaces_remedy(),
        },
        _ => Error::System {
            what: "starting the runner",
            error: failed.error,
        },
    }
}

/// Whether the kernel will not have namespaces made, as opposed to lacking something just
/// now: on its word the ring is planned anew, for a machine that has none. `EINVAL` is a
/// kernel built without one of them.
fn refuses_namespaces(failed: SpawnError) -> bool {
    matches!(
        failed.step,
        Step::Clone | Step::MapIds | Step::Namespaces | Step::Capabilities
    ) && matches!(
        Errno::from_raw_os_error(failed.error.errno),
        Errno::PERM | Errno::ACCESS | Errno::NOSPC | Errno::USERS | Errno::INVAL
    )
}

/// The same, of the namespaces a runner makes itself.
pub(crate) fn no_namespaces(failure: &Failure) -> Error {
    let step = Step::Namespaces;
    match ["unshare", "setns"]
        .iter()
        .find(|call| failure.call == **call)
    {
        Some(call) => failed_start(
            SpawnError {
                step,
                error: SysError::new(call, failure.errno),
            },
            RingMode::Namespaces,
            Path::new(""),
        ),
        // What it takes besides (a thread, a socket) is lacking, not refused.
        None => Error::Build {
            what: "making its namespaces".to_owned(),
            call: failure.call.clone(),
            error: std::io::Error::from_raw_os_error(failure.errno),
        },
    }
}

/// A runner that has the plan, and makes the ring.
pub(crate) struct Building {
    launched: Launched,
    /// The plan as it was sent, and whether it was.
    plan: Vec<u8>,
    sent: Result<(), SysError>,
}

impl Building {
    /// Hands the plan to a runner: the rest can be done while it makes the ring.
    pub(crate) fn begin(waiting: Waiting, plan: &Plan) -> Result<Building, Error> {
        let group = match enter_group(plan, &waiting.runner) {
            Ok(group) => group,
            Err(error) => {
                waiting.dismiss();
                return Err(error);
            }
        };
        let steps: Vec<(Need, Op)> = plan
            .steps
            .iter()
            .map(|step| (step.need, step.op.clone()))
            .collect();
        let plan = encode(&Order::Build {
            steps,
            announce: false,
        });
        let sent = waiting.socket.send(&plan, &[]);
        Ok(Building {
            launched: waiting.launched(group),
            plan,
            sent,
        })
    }

    /// Lets it go.
    pub(crate) fn end(self) {
        self.launched.end();
    }
}

/// Hands the command to a runner that makes its ring. What comes of it is told on the socket.
pub(crate) fn hand_over(
    building: Building,
    prepared: &Prepared,
    plan: &Plan,
    relay: &Relay,
    report: Option<&Noted>,
    keys: bool,
) -> Result<(Launched, Option<Stands>), Error> {
    let stdio = relay.stdio();
    let mut fds = stdio.to_vec();
    fds.extend(report.map(Noted::fd));
    let (program, argv) = match &prepared.trace {
        Some(tracer) if report.is_some() => (tracer.clone(), traced::command(tracer, prepared)),
        _ => (prepared.program.clone(), prepared.argv.clone()),
    };
    let stdin = match stdin_inside(plan, stdio[0]) {
        Ok(stdin) => stdin,
        Err(error) => {
            building.end();
            return Err(error);
        }
    };
    let spawn = Spawn {
        id: 1,
        program,
        argv,
        env: prepared.environment.to_strings(),
        cwd: in_ring(prepared.cwd.clone(), plan),
        // Input is carried to a command that runs, and to no other; so are keys.
        announce: relay.has_input() || keys,
        last: true,
        keep_background: false,
        // Who waits for it looks at the clock.
        time_ms: None,
        memory: None,
        new_session: relay.new_session,
        // Keys on the terminal are for it as well.
        own_group: false,
        terminal: relay.terminal,
        stdin_outside: stdin.as_ref().is_some_and(|stdin| stdin.outside),
        stdin_inside: stdin.map(|stdin| stdin.at),
        report: report.is_some(),
    };
    let Building {
        launched,
        plan: build,
        sent,
    } = building;
    let before = prepared.snapshot();
    // The ring is built meanwhile; nothing starts in it that is not recorded.
    let recorded = prepared.recorder.made(
        prepared,
        Some(plan),
        Some(&build),
        u32::try_from(launched.runner.pid).ok(),
        Some(prepared.recorded()),
    );
    if let Err(error) = recorded {
        launched.end();
        return Err(error);
    }
    let sent = sent.and_then(|()| launched.socket.send(&encode(&Order::Spawn(spawn)), &fds));
    match sent {
        Ok(()) => Ok((launched, before)),
        // The runner is gone already; its last words, if any, are read by the caller.
        Err(e) if e.errno == Errno::PIPE.raw_os_error() => Ok((launched, before)),
        Err(error) => Err(Error::System {
            what: "sending the plan to the runner",
            error,
        }),
    }
}

/// An object as it is in the ring: in a place the ring covers it is another one than
/// outside, unless a write root brings it back.
pub(crate) fn in_ring(at: Located, plan: &Plan) -> Located {
    let covered = plan.steps.iter().any(|step| match &step.op {
        Op::PrivateDir { at: cover, .. } => at.path.starts_with(&cover.path),
        Op::MaskDir(mask) => at.path.starts_with(&mask.at.path),
        Op::PrivateCache(cache) => at.path.starts_with(&cache.at.path),
        Op::Devices { .. } => at.path.starts_with("/dev"),
        Op::Proc { .. } => at.path.starts_with("/proc"),
        _ => false,
    });
    let brought_back = plan.steps.iter().any(|step| match &step.op {
        Op::Place(root) => at.path.starts_with(&root.path),
        _ => false,
    });
    if covered && !brought_back {
        Located::made(at.path, at.dir)
    } else {
        at
    }
}

/// Whether no stream leads to the network. A socket stays where it was made: by one of the host's a command would reach what its
/// ring's own network does not, connected (it can be connected anew) or not.
pub(crate) fn no_network(mode: NetworkMode, streams: &[BorrowedFd<'_>; 3]) -> Result<(), Error> {
    if mode == NetworkMode::On {
        return Ok(());
    }
    for (stream, name) in streams.iter().zip(["stdin", "stdout", "stderr"]) {
        let is_socket = object::identity(*stream).is_ok_and(|i| i.kind() == FileType::Socket);
        let domain = || rustix::net::sockopt::socket_domain(*stream);
        if is_socket && domain() != Ok(AddressFamily::UNIX) {
            return Err(Error::NetworkStream(name));
        }
    }
    Ok(())
}

/// Whether stdout and stderr are what is written to. A directory, or a file that is only read, is opened again inside where it is
/// stdin; here it would be a way past the ring's mounts to what nobody has in mind, and nothing that works is lost.
pub(crate) fn can_be_written(streams: &[BorrowedFd<'_>; 3]) -> Result<(), Error> {
    for (stream, name) in streams.iter().zip(["stdin", "stdout", "stderr"]).skip(1) {
        let kind = object::identity(*stream).map(|identity| identity.kind());
        let writable = object::access_of(*stream).is_ok_and(|(_, writable)| writable);
        match kind {
            Ok(FileType::Directory) => return Err(Error::NotWritable(name)),
            // The other end of a pipe, too: it could be opened for writing by this one.
            Ok(FileType::RegularFile | FileType::Fifo) if !writable => {
                return Err(Error::NotWritable(name));
            }
            _ => {}
        }
    }
    Ok(())
}

/// stdin that is opened again inside the ring.
#[derive(Debug, Clone)]
pub(crate) struct StdinInside {
    pub(crate) at: Located,
    /// It lies in no write root: Landlock lets nobody open it for writing.
    pub(crate) outside: bool,
}

/// A file or directory that is read on stdin is opened again inside the ring, at the same
/// offset: the descriptor as it is belongs to the outer mount, through which its file
/// could be opened for writing (`/proc/self/fd/0`) and its mode, times and attributes be
/// changed, where nothing is read-only. It must be that very object: by a name alone a command in the ring would have the runner
/// open what it likes. A file that is not to be seen there is copied.
///
/// # Errors
/// [`Error::DirectoryOnStdin`] of one that has no name: `..` of it would lead past all mounts.
pub(crate) fn stdin_inside(
    plan: &Plan,
    stdin: BorrowedFd<'_>,
) -> Result<Option<StdinInside>, Error> {
    if plan.mode != RingMode::Namespaces {
        return Ok(None);
    }
    let Ok(identity) = object::identity(stdin) else {
        return Ok(None);
    };
    let named = || {
        let at = of_descriptor(stdin).ok()?;
        let now = object::identity_of(&at.path).ok().flatten()?;
        (now.device == at.device && now.inode == at.inode).then_some(at)
    };
    match identity.kind() {
        FileType::Directory => match named() {
            Some(at) => Ok(Some(StdinInside { at, outside: true })),
            None => Err(Error::DirectoryOnStdin),
        },
        FileType::RegularFile => {
            let (_, writable) = object::access_of(stdin).unwrap_or((true, true));
            // Handed over for writing: it is the caller's word. A file without a name any more (a here-document) is
            // nobody's but the caller's.
            if writable || identity.links == 0 {
                return Ok(None);
            }
            let Ok(at) = of_descriptor(stdin) else {
                // The name it was opened by is gone, and it has another: nothing is found by this one.
                return Ok(Some(StdinInside {
                    at: located(PathBuf::from("/"), &identity),
                    outside: false,
                }));
            };
            let outside = !plan.steps.iter().any(|step| match &step.op {
                Op::Place(root) => at.path.starts_with(&root.path),
                _ => false,
            });
            Ok(Some(StdinInside { at, outside }))
        }
        _ => Ok(None),
    }
}

pub(crate) fn enter_group(plan: &Plan, runner: &Runner) -> Result<Option<Group>, Error> {
    let Some((parent, memory, processes)) = plan.steps.iter().find_map(|step| match &step.op {
        Op::Cgroup {
            dir,
            memory,
            processes,
        } => Some((dir, *memory, *processes)),
        _ => None,
    }) else {
        return Ok(None);
    };
    let fail = |path: &Path, error| Error::State {
        path: path.to_owned(),
        error,
    };
    let group = Group::new(parent).map_err(|error| fail(parent, error))?;
    match group.take(memory, processes, runner.pid) {
        Ok(()) => Ok(Some(group)),
        Err(error) => Err(fail(group.dir(), error)),
    }
}

/// The caller's own stdin, stdout and stderr. One that is closed is nothing to read from and
/// nothing to write to.
pub(crate) fn own_stdio() -> Result<[std::os::fd::OwnedFd; 3], Error> {
    Ok([own_stream(0)?, own_stream(1)?, own_stream(2)?])
}

/// One of them.
pub(crate) fn own_stream(number: usize) -> Result<std::os::fd::OwnedFd, Error> {
    let (i, o, e) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let stream = match number {
        0 => i.as_fd(),
        1 => o.as_fd(),
        _ => e.as_fd(),
    };
    stream
        .try_clone_to_owned()
        .or_else(|error| {
            if error.raw_os_error() != Some(Errno::BADF.raw_os_error()) {
                return Err(error);
            }
            let null = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/null")?;
            Ok(null.into())
        })
        .map_err(|error| Error::Streams { error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    /// Two rings with one upper layer are undefined: the kernel may still have the first one's overlay.
    #[test]
    fn what_nobody_else_may_use_is_held_until_the_runner_is_gone() {
        let dir = std::env::temp_dir().join(format!("ringfence-leaving-{}", std::process::id()));
        let open = || File::create(&dir).unwrap();
        let lock = open();
        lock.lock().unwrap();
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
        let mut leaving = Leaving {
            runner: Runner { pid, pidfd },
            _group: None,
            locks: Vec::new(),
        };
        leaving.hold(vec![lock]);
        let gone = std::thread::spawn(move || drop(leaving));
        let other = open();
        assert!(other.try_lock().is_err(), "it runs");
        drop(child.stdin.take());
        gone.join().unwrap();
        other.try_lock().unwrap();
        // It has been waited for.
        assert!(child.wait().is_err());
        std::fs::remove_file(&dir).unwrap();
    }

    #[test]
    fn only_a_refusal_is_taken_for_one() {
        let error = |step, errno: Errno| {
            failed_start(
                SpawnError {
                    step,
                    error: SysError::new("clone", errno.raw_os_error()),
                },
                RingMode::Namespaces,
                Path::new("/runner"),
            )
        };
        for errno in [
            Errno::PERM,
            Errno::ACCESS,
            Errno::NOSPC,
            Errno::USERS,
            Errno::INVAL,
        ] {
            for step in [Step::Clone, Step::Namespaces, Step::MapIds] {
                assert!(matches!(error(step, errno), Error::Namespaces { .. }));
            }
            assert!(matches!(error(Step::Prepare, errno), Error::System { .. }));
        }
        // Lacking something just now must not lead to a ring that keeps less.
        for errno in [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM] {
            for step in [Step::Clone, Step::Namespaces, Step::MapIds] {
                assert!(matches!(error(step, errno), Error::System { .. }));
            }
        }
    }
}
