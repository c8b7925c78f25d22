//! The loop: orders from the harness, ends of processes, names that appear.

mod ends;
mod start;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringfence_sys_linux::SysError;
use ringfence_sys_linux::packet::{Packets, Received};
use ringfence_sys_linux::process;
use ringfence_sys_linux::signal::Signals;
use ringfence_wire::{Failure, Listed, Order, Report, Stage, decode, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::keeper::Taken;
use crate::ready::Ready;
use crate::ring::{self, Namespaces, Ring};
use crate::tree::{self, Tree};

/// `SIGCHLD` (`signal(7)`); the same on every architecture we know.
const SIGCHLD: i32 = 17;
/// What a terminal sends to all of its foreground group: for the command, which is in the same
/// group, and not for this process. (Process 1 of a pid namespace ignores them anyway.)
const FROM_THE_TERMINAL: [i32; 6] = [1, 2, 3, 20, 21, 22];
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;

/// Protected names that one command may make before it is ended: far more than work
/// makes by chance, and an end to one that wins a moment now and again by trying for ever.
const INSISTS: u32 = 32;

/// A command that runs longer than this has protected names watched; a shorter one has
/// them looked at when it ends. To let go of an inotify instance takes the kernel 5 to 10 ms,
/// for which the end of the ring waits: that should be little beside the command's own time.
const ARM_AFTER: Duration = Duration::from_millis(100);

/// A process is made that stands ready when nothing was asked for so long. Who asks sooner would wait for
/// it longer than for one that is started from nothing.
const LULL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000,
};

/// How serving a harness ended.
#[derive(Debug, PartialEq, Eq)]
enum Over {
    /// With the last command.
    Served,
    /// The harness is gone.
    Left,
}

/// One ring's life.
#[derive(Debug)]
pub(crate) struct Session {
    socket: Rc<Packets>,
    signals: Signals,
    ring: Option<Ring>,
    /// Its namespaces, where they were ordered.
    namespaces: Option<Namespaces>,
    /// The commands that run, by their numbers.
    running: BTreeMap<u32, Running>,
    /// What commands left behind that may.
    kept: BTreeMap<u32, Tree>,
    /// What stands ready for the next command.
    ready: Ready,
    /// There was a command.
    spawned: bool,
    /// When to begin to watch names.
    arm_at: Option<Instant>,
    /// Protected names cannot be watched here.
    unwatchable: bool,
    /// This is process 1 of a pid namespace of its own: all that lives in it is the ring's.
    init: bool,
    /// Protected names taken away since a command last ended.
    taken: u32,
    /// The command that runs, or ran, is the last.
    last: bool,
    /// Reports that the harness has made no room for yet: one that does not read keeps nobody
    /// waiting here.
    unsent: RefCell<VecDeque<Vec<u8>>>,
}

/// A command that runs.
#[derive(Debug)]
struct Running {
    /// Its first process.
    pid: i32,
    /// How its processes are told from others'; `None` where all in the ring are its.
    tree: Option<Tree>,
    /// What it leaves behind goes on.
    keeps: bool,
    /// The caller's stdin and the one opened in its place.
    stdin: Option<(OwnedFd, OwnedFd)>,
    /// When its time is up.
    until: Option<Instant>,
    /// It has been told that it is.
    timed_out: bool,
}

impl Session {
    pub(crate) fn new(socket: Packets) -> Result<Session, SysError> {
        Ok(Session {
            socket: Rc::new(socket),
            signals: Signals::take(&{
                let mut all = [SIGCHLD; 7];
                all[1..].copy_from_slice(&FROM_THE_TERMINAL);
                all
            })?,
            ring: None,
            namespaces: None,
            running: BTreeMap::new(),
            kept: BTreeMap::new(),
            ready: Ready::default(),
            spawned: false,
            arm_at: None,
            unwatchable: false,
            // Not what the plan says: the ring may end before there is one.
            init: rustix::process::getpid().is_init(),
            taken: 0,
            last: false,
            unsent: RefCell::new(VecDeque::new()),
        })
    }

    pub(crate) fn run(&mut self) -> Result<(), SysError> {
        let served = self.serve();
        if served != Ok(Over::Served) {
            // The harness is gone, or cannot be heard, and with it the ring. Nobody is left to
            // be told what is taken away; what is protected is protected.
            self.end_all();
            if let Some(ring) = &mut self.ring {
                let _untold = ring.keeper.sweep();
            }
        }
        served.map(|_| ())
    }

    fn serve(&mut self) -> Result<Over, SysError> {
        // The first orders are there already, or about to be: no need to ask which
        // descriptor is ready.
        loop {
            let (orders, children, names) = if self.spawned {
                self.wait_ready()?
            } else {
                (true, false, false)
            };
            if self.arm_at.is_some_and(|at| Instant::now() >= at) {
                self.arm_at = None;
                self.arm()?;
            }
            self.look_at_the_clock()?;
            if names {
                self.react()?;
            }
            if children {
                while self.signals.next().is_some() {}
                self.children_changed()?;
                if self.last && self.running.is_empty() {
                    self.send_rest()?;
                    return Ok(Over::Served);
                }
            }
            // What was ordered before is nobody's either.
            if orders && self.spawned && has_hung_up(self.socket.fd()) {
                return Ok(Over::Left);
            }
            if orders {
                match self.socket.receive()? {
                    None => return Ok(Over::Left),
                    Some(received) => self.order(received)?,
                }
            }
        }
    }

    /// As [`wait`](Session::wait); in a lull has a process made that stands ready.
    fn wait_ready(&mut self) -> Result<(bool, bool, bool), SysError> {
        // Without a pid namespace each command is told from others by being alone.
        let idle = self.init && !self.last && self.running.is_empty();
        if idle && self.ready.lacks() {
            let asked = self.wait(Some(LULL))?;
            if asked != (false, false, false) {
                return Ok(asked);
            }
            if let Some(ring) = &mut self.ring {
                ring.keeper.before_a_command();
                self.ready.stand(&ring.restrictions);
                ring.keeper.after_a_command();
            }
        }
        self.wait(None)
    }

    /// Waits until there is an order, a child has changed, or a name has appeared, and no longer than
    /// it may.
    fn wait(&self, no_longer_than: Option<Timespec>) -> Result<(bool, bool, bool), SysError> {
        let mut events = PollFlags::IN;
        if !self.unsent.borrow().is_empty() {
            events |= PollFlags::OUT;
        }
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.socket.fd(), events),
            PollFd::from_borrowed_fd(self.signals.fd(), PollFlags::IN),
        ];
        if let Some(fd) = self.ring.as_ref().and_then(|r| r.keeper.fd()) {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        let untils = self.running.values().filter_map(|running| running.until);
        let timeout = untils.chain(self.arm_at).min().map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        match poll(&mut fds, no_longer_than.or(timeout).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(SysError::new("poll", e.raw_os_error())),
        }
        let ready =
            |i: usize, but: PollFlags| fds.get(i).is_some_and(|f| !(f.revents() - but).is_empty());
        if fds[0].revents().contains(PollFlags::OUT) {
            self.send_on()?;
        }
        let none = PollFlags::empty();
        Ok((ready(0, PollFlags::OUT), ready(1, none), ready(2, none)))
    }

    fn send(&self, report: &Report) -> Result<(), SysError> {
        let mut unsent = self.unsent.borrow_mut();
        let bytes = encode(report);
        if !unsent.is_empty() || !self.socket.try_send(&bytes, &[])? {
            unsent.push_back(bytes);
        }
        Ok(())
    }

    /// Sends what there is room for by now.
    fn send_on(&self) -> Result<(), SysError> {
        let mut unsent = self.unsent.borrow_mut();
        while let Some(first) = unsent.front() {
            if !self.socket.try_send(first, &[])? {
                break;
            }
            unsent.pop_front();
        }
        Ok(())
    }

    /// Sends all there is, and waits for it.
    fn send_rest(&self) -> Result<(), SysError> {
        let mut unsent = self.unsent.borrow_mut();
        unsent
            .drain(..)
            .try_for_each(|bytes| self.socket.send(&bytes, &[]))
    }

    fn order(&mut self, received: Received) -> Result<(), SysError> {
        match (decode::<Order>(&received.bytes), self.ring.is_some()) {
            (Ok(Order::Namespaces { net }), false) if self.namespaces.is_none() => {
                match Namespaces::make(net) {
                    Ok(made) => {
                        self.namespaces = Some(made);
                        Ok(())
                    }
                    Err(error) => {
                        self.send(&Report::Failed {
                            id: None,
                            failure: at(Stage::Namespaces, error),
                        })?;
                        // Half in them no ring is built.
                        Err(error)
                    }
                }
            }
            (Ok(Order::Build { steps, announce }), false) => {
                match ring::build(steps, self.namespaces.take()) {
                    Ok((ring, notes)) => {
                        self.ring = Some(ring);
                        // Not before: building reads links of /proc/self.
                        process::not_dumpable()?;
                        // From here on there may be names to take away when the harness dies,
                        // which the end of its socket tells; the signal would not wait for it.
                        // Without a pid namespace the plan has a step that sees to it.
                        if self.init {
                            process::outlive_parent()?;
                        }
                        // A message is a wake-up of the harness. Where all went as planned the
                        // command's own end says so.
                        if notes.is_empty() && !announce {
                            Ok(())
                        } else {
                            self.send(&Report::Built { notes })
                        }
                    }
                    Err(failure) => self.send(&Report::Failed { id: None, failure }),
                }
            }
            (Ok(Order::Spawn(spawn)), true) if self.may_spawn(&spawn) => {
                let id = spawn.id;
                match self.spawn(&spawn, &received.fds) {
                    Ok(running) => {
                        self.running.insert(id, running);
                        self.spawned = true;
                        self.last = spawn.last;
                        if spawn.announce {
                            self.send(&Report::Started { id })
                        } else {
                            Ok(())
                        }
                    }
                    Err(failure) => self.send(&Report::Failed {
                        id: Some(id),
                        failure,
                    }),
                }
            }
            (Ok(Order::Signal { id, signal, all }), true) => {
                // A command that has just ended is not there to be signalled.
                match (self.running.get(&id), self.kept.get(&id), all) {
                    (
                        Some(Running {
                            tree: Some(tree), ..
                        }),
                        _,
                        true,
                    )
                    | (None, Some(tree), _) => {
                        // Where processes cannot be found they cannot be ended: then all are.
                        end_or_signal(*tree, signal)?;
                    }
                    (Some(running), ..) => {
                        let _ended = process::kill(running.pid, signal);
                    }
                    (None, None, _) => {}
                }
                Ok(())
            }
            (Ok(Order::List), true) => self.list(),
            (Ok(Order::Widen(widening)), true) => {
                self.ready.dismiss();
                let Some(ring) = &mut self.ring else {
                    return Ok(());
                };
                let (done, unwatched) = ring.widen(widening);
                if let Some(error) = unwatched {
                    self.send(&Report::Unwatched {
                        call: error.call.to_owned(),
                        errno: error.errno,
                    })?;
                }
                self.send(&match done {
                    Ok(()) => Report::Widened,
                    Err(error) => Report::Failed {
                        id: None,
                        failure: at(Stage::Widen, error),
                    },
                })
            }
            (Ok(Order::Protect { pins, objects }), true) => {
                // What is protected first, and the pins around it after: a process that is
                // in there already sees the mounts its directory lies in, not those that
                // come to cover it. A pin's clone has the protection in it.
                // One that cannot be, or is gone, leaves the others none the less.
                if let Some(ring) = &mut self.ring {
                    objects.iter().for_each(|object| ring.remember(object));
                }
                let done = objects
                    .iter()
                    .map(ring::protect)
                    .chain(pins.iter().map(ring::pin));
                for error in done.filter_map(Result::err) {
                    self.send(&Report::Failed {
                        id: None,
                        failure: at(Stage::Protect, error),
                    })?;
                }
                Ok(())
            }
            // Malformed, or out of turn.
            (Ok(_) | Err(_), _) => self.send(&Report::Failed {
                id: None,
                failure: Failure {
                    stage: Stage::Protocol,
                    step: None,
                    call: "decode".to_owned(),
                    errno: Errno::PROTO.raw_os_error(),
                },
            }),
        }
    }

    /// What was left behind and has ended since is no command's any more.
    fn forget_the_dead(&mut self) {
        if !self.kept.is_empty()
            && let Ok(all) = tree::processes(self.ready.pid())
        {
            self.kept.retain(|_, tree| all.contains_key(tree));
        }
    }

    fn list(&mut self) -> Result<(), SysError> {
        let all = tree::processes(self.ready.pid());
        if let Ok(all) = &all {
            // What was being made ready when the last of a command ended may have been taken for it.
            self.kept.retain(|_, tree| all.contains_key(tree));
        }
        // Where they cannot be read it is told which commands there are.
        let mut all = all.unwrap_or_default();
        let mut listed = |id: &u32, tree: Option<Tree>, runs| Listed {
            id: *id,
            runs,
            processes: tree.and_then(|tree| all.remove(&tree)).unwrap_or_default(),
        };
        let mut commands = Vec::with_capacity(self.running.len() + self.kept.len());
        for (id, running) in &self.running {
            commands.push(listed(id, running.tree, true));
        }
        for (id, tree) in &self.kept {
            commands.push(listed(id, Some(*tree), false));
        }
        self.send(&Report::Listed { commands })
    }

    fn arm(&mut self) -> Result<(), SysError> {
        let Some(ring) = &mut self.ring else {
            return Ok(());
        };
        match ring.keeper.arm() {
            Ok(taken) => self.tell(taken),
            // The user has no inotify instance or watch left: names are looked at when
            // the command ends, and the harness is told.
            Err(error) => {
                self.unwatchable = true;
                self.send(&Report::Unwatched {
                    call: error.call.to_owned(),
                    errno: error.errno,
                })
            }
        }
    }

    fn react(&mut self) -> Result<(), SysError> {
        let Some(ring) = &mut self.ring else {
            return Ok(());
        };
        let taken = ring.keeper.react();
        self.tell(taken)
    }

    fn tell(&mut self, taken: Vec<Taken>) -> Result<(), SysError> {
        for Taken { path, errno } in taken {
            self.taken = self.taken.saturating_add(1);
            // Past the bound the command is being ended, and one word says so.
            if self.taken <= INSISTS {
                self.send(&Report::TakenAway { path, errno })?;
            }
        }
        if self.taken > INSISTS {
            // Whose they are is not known: all of them are ended.
            for (id, running) in &self.running {
                self.send(&Report::Insists { id: *id })?;
                let _ended = process::kill(running.pid, SIGKILL);
            }
            if !self.last {
                self.taken = 0;
            }
        }
        Ok(())
    }
}

/// Whether nobody is at the other end any more.
fn has_hung_up(socket: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut fds, Some(&now)), Ok(n) if n > 0)
}

/// Killing is for good: what is started meanwhile is killed too.
fn end_or_signal(tree: Tree, signal: i32) -> Result<(), SysError> {
    if signal == SIGKILL {
        tree::end(&[tree])
    } else {
        tree.signal(signal)
    }
}

fn at(stage: Stage, error: SysError) -> Failure {
    Failure {
        stage,
        step: None,
        call: error.call.to_owned(),
        errno: error.errno,
    }
}
