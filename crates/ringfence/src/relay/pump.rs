//! The threads of a relay, one for each direction, and how they are told to stop.
//!
//! None of them waits where it cannot be told: it asks for room or for bytes together
//! with its cues. The caller's descriptors keep the flags they have, since others may
//! share them; so a write to one that blocks is as small as the room that is known of.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::{SysError, terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What is read at once.
const BUFFER: usize = 64 * 1024;

/// A pipe that is ready for writing takes this much without blocking (`PIPE_BUF`).
const SURE: usize = 4096;

/// Between two tries where the kernel says ready and then does not take it.
const AGAIN: Duration = Duration::from_millis(10);

/// Between two looks at whether a terminal has become ours.
const FOREGROUND: Duration = Duration::from_millis(100);

/// Between two looks at whether a terminal's input has been read: at first, and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// Something that happens once, for who waits on a descriptor: the descriptor hangs up.
#[derive(Debug)]
pub(super) struct Cue {
    told: Arc<OwnedFd>,
    teller: Mutex<Option<OwnedFd>>,
}

impl Cue {
    pub(super) fn new() -> Result<Cue, SysError> {
        let (told, teller) = pipe()?;
        Ok(Cue {
            told: Arc::new(told),
            teller: Mutex::new(Some(teller)),
        })
    }

    pub(super) fn give(&self) {
        drop(lock(&self.teller).take());
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

/// A value that is not left half written by a thread that panics.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), SysError> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).named("pipe2")
}

/// From where to where.
#[derive(Debug)]
pub(super) struct Pump {
    pub(super) from: OwnedFd,
    pub(super) to: OwnedFd,
}

/// What a relay and its threads share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Nothing more is read for the command.
    pub(super) input_over: Cue,
    /// The command has ended: what it printed is there, and no more comes.
    pub(super) ended: Cue,
    /// The reader is not waited for any longer.
    pub(super) give_up: Cue,
    pub(super) sum: AtomicU64,
    pub(super) max: Option<u64>,
    /// Set when the bound on output was passed.
    pub(super) too_much: Arc<AtomicBool>,
    /// The controlling side of the command's terminal. When it is closed, and the pumps'
    /// copies with it, the terminal hangs up.
    pub(super) controller: Mutex<Option<OwnedFd>>,
    /// Where what was read of a pipe that is lent is taken to.
    pub(super) nowhere: Option<std::fs::File>,
    /// Why output was lost, other than that nobody reads it any more.
    pub(super) failed: Mutex<Option<SysError>>,
}

/// Carries what the command prints, to its end or until told to give up.
pub(super) fn output(pump: Pump, shared: &Shared) {
    let Pump { from, to } = pump;
    let fail = |call, errno: Errno| {
        lock(&shared.failed).get_or_insert(SysError::new(call, errno.raw_os_error()));
    };
    let mut buffer = vec![0_u8; BUFFER];
    loop {
        let Some([ready, ended, given_up]) = wait(
            [
                (from.as_fd(), PollFlags::IN),
                (shared.ended.fd(), PollFlags::IN),
                (shared.give_up.fd(), PollFlags::IN),
            ],
            None,
        ) else {
            continue;
        };
        if yes(given_up) || (yes(ended) && !yes(ready)) {
            return;
        }
        if !yes(ready) {
            continue;
        }
        let n = match rustix::io::read(&from, &mut buffer[..]) {
            // A terminal whose last process is gone reads as an error.
            Ok(0) | Err(Errno::IO) => return,
            Ok(n) => n,
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(errno) => return fail("read", errno),
        };
        let before = shared.sum.fetch_add(n as u64, Ordering::Relaxed);
        let allowed = shared.max.map_or(n, |max| {
            usize::try_from(max.saturating_sub(before)).map_or(n, |left| left.min(n))
        });
        match write_all(to.as_fd(), &buffer[..allowed], &shared.give_up) {
            Ok(true) => {}
            Ok(false) => return,
            Err(errno) => {
                // Nobody reads any more: closing our end tells the command, as a pipe's
                // reader that leaves would. A terminal hangs up.
                if errno != Errno::PIPE {
                    fail("write", errno);
                }
                drop(lock(&shared.controller).take());
                shared.input_over.give();
                return;
            }
        }
        if allowed < n {
            shared.too_much.store(true, Ordering::Relaxed);
            return;
        }
    }
}

/// Carries what the command is given to read, until its end or until told that nothing
/// more is wanted. What it does not take stays the caller's, but for one buffer.
pub(super) fn input(pump: Pump, shared: &Shared) {
    let Pump { from, to } = pump;
    let over = &shared.input_over;
    let gone = |events: PollFlags| events.intersects(PollFlags::ERR | PollFlags::HUP);
    let mut buffer = vec![0_u8; BUFFER];
    loop {
        // Room first: what is read has somewhere to go.
        match wait(
            [(to.as_fd(), PollFlags::OUT), (over.fd(), PollFlags::IN)],
            None,
        ) {
            None => continue,
            Some([room, stop]) if yes(stop) || gone(room) => return,
            Some(_) => {}
        }
        let fds = [
            (from.as_fd(), PollFlags::IN),
            (to.as_fd(), PollFlags::empty()),
            (over.fd(), PollFlags::IN),
        ];
        match wait(fds, None) {
            None => continue,
            Some([_, taker, stop]) if yes(stop) || gone(taker) => return,
            Some([ready, ..]) if !yes(ready) => continue,
            Some(_) => {}
        }
        if terminal::is_others(from.as_fd()) {
            // Keys for the shell this runs in the background of. To read them would stop
            // us all, whether or not the command wants any.
            if over.within(FOREGROUND) {
                return;
            }
            continue;
        }
        let n = match rustix::io::read(&from, &mut buffer[..]) {
            Err(Errno::INTR | Errno::AGAIN) => continue,
            // A failure cannot be handed on: to the command it is the end.
            Ok(0) | Err(_) => break,
            Ok(n) => n,
        };
        if !matches!(write_all(to.as_fd(), &buffer[..n], over), Ok(true)) {
            return;
        }
    }
    if terminal::is_terminal(to.as_fd()) {
        end_of_keys(to.as_fd(), over);
    }
}

/// A pipe of this size has room for one piece: it can be written to again when that has been read to its end, which is seen.
const PIECE: usize = 4096;

/// Between two looks at whether much has been read to its end: at first, and at most.
const DRAINED: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(100));

impl Pump {
    /// Makes its end a pipe that takes one piece at a time.
    pub(super) fn by_the_piece(&self) -> Result<(), SysError> {
        rustix::pipe::fcntl_setpipe_size(&self.to, PIECE)
            .map(drop)
            .named("fcntl")
    }
}

/// Lends the command what is in the caller's pipe, piece by piece, in a pipe of its own; and takes out of the caller's only
/// what has been read of that. The rest is for who reads there next, as it would be if the command had the pipe itself.
pub(super) fn lend(pump: Pump, shared: &Shared) {
    let Pump { from, to } = pump;
    let over = &shared.input_over;
    let gone = |events: PollFlags| events.contains(PollFlags::ERR);
    let Some(nowhere) = &shared.nowhere else {
        return;
    };
    let mut room = PIECE;
    let mut first = true;
    loop {
        let fds = [
            (from.as_fd(), PollFlags::IN),
            (to.as_fd(), PollFlags::empty()),
            (over.fd(), PollFlags::IN),
        ];
        // A FIFO that nobody has opened for writing yet is at its end, and poll(2) waits for somebody.
        let time = std::mem::take(&mut first).then_some(Duration::ZERO);
        match wait(fds, time) {
            None if time.is_some() => {}
            None => continue,
            Some([_, taker, stop]) if yes(stop) || gone(taker) => return,
            Some([ready, ..]) if !yes(ready) => continue,
            Some(_) => {}
        }
        // Of a pipe that is full, all of it: that is read as fast as it comes.
        let wanted = if in_pipe(from.as_fd()) >= BUFFER {
            BUFFER
        } else {
            PIECE
        };
        if wanted != room && rustix::pipe::fcntl_setpipe_size(&to, wanted).is_ok() {
            room = wanted;
        }
        let lent = match rustix::pipe::tee(&from, &to, room, rustix::pipe::SpliceFlags::NONBLOCK) {
            // Somebody else was quicker; or the command has filled it itself.
            Err(Errno::INTR | Errno::AGAIN) => {
                if time.is_none() && over.within(AGAIN) {
                    return;
                }
                continue;
            }
            // A failure cannot be handed on: to the command it is the end.
            Ok(0) | Err(_) => return,
            Ok(lent) => lent,
        };
        let all = read_to_end(to.as_fd(), over);
        // What the command has put there itself does not count.
        let read = if all {
            lent
        } else {
            lent.saturating_sub(in_pipe(to.as_fd()))
        };
        // What cannot be taken would be lent once more, for ever.
        if !take(from.as_fd(), nowhere.as_fd(), read) || !all {
            return;
        }
    }
}

/// Waits until all of a pipe has been read: `false` where nobody wants that any more.
fn read_to_end(pipe: BorrowedFd<'_>, over: &Cue) -> bool {
    let mut pause = DRAINED.0;
    loop {
        match wait([(pipe, PollFlags::OUT), (over.fd(), PollFlags::IN)], None) {
            None => continue,
            Some([room, stop]) if yes(stop) || room.contains(PollFlags::ERR) => return false,
            Some(_) if in_pipe(pipe) == 0 => return true,
            Some(_) => {}
        }
        // There is room again, and no more to wait for than that the rest is read too.
        if over.within(pause) {
            return false;
        }
        pause = DRAINED.1.min(pause * 2);
    }
}

fn in_pipe(fd: BorrowedFd<'_>) -> usize {
    rustix::io::ioctl_fionread(fd)
        .ok()
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(0)
}

/// Takes so much out of a pipe, as far as it is there: somebody else may have been quicker, and is not waited for. `false` where
/// nothing can be taken.
fn take(from: BorrowedFd<'_>, nowhere: BorrowedFd<'_>, mut left: usize) -> bool {
    use rustix::pipe::{SpliceFlags, splice};
    while left > 0 {
        match splice(from, None, nowhere, None, left, SpliceFlags::NONBLOCK) {
            Ok(0) | Err(Errno::AGAIN) => return true,
            Ok(n) => left -= n.min(left),
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// A pipe is closed at its end; a terminal has a key for that, which is good for one
/// read. Who reads again is told again, as a pipe would: each time all that was typed has
/// been read and the program may want more. That also makes two keys of it after a last
/// line without its end, of which the first only hands that line over.
fn end_of_keys(controller: BorrowedFd<'_>, over: &Cue) {
    let (mut pause, most) = LOOK;
    loop {
        if let Some(key) = terminal::end_key(controller) {
            // A terminal that has hung up needs no end.
            let _gone = rustix::io::write(controller, &[key]);
        }
        if over.within(pause) {
            return;
        }
        pause = most.min(pause * 2);
    }
}

impl Cue {
    /// Whether it is given before the time is up.
    fn within(&self, time: Duration) -> bool {
        wait([(self.fd(), PollFlags::IN)], Some(time)).is_some_and(|[told]| yes(told))
    }
}

/// Writes all of it; `Ok(false)` when told to stop before.
fn write_all(to: BorrowedFd<'_>, bytes: &[u8], stop: &Cue) -> Result<bool, Errno> {
    let blocks = rustix::fs::fcntl_getfl(to)
        .is_ok_and(|flags| !flags.contains(rustix::fs::OFlags::NONBLOCK));
    let at_once = if blocks { SURE } else { BUFFER };
    let mut left = bytes;
    while !left.is_empty() {
        match wait([(to, PollFlags::OUT), (stop.fd(), PollFlags::IN)], None) {
            None => continue,
            Some([_, told]) if yes(told) => return Ok(false),
            Some([room, _]) if !yes(room) => continue,
            Some(_) => {}
        }
        match rustix::io::write(to, &left[..left.len().min(at_once)]) {
            Ok(n) => left = &left[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                if stop.within(AGAIN) {
                    return Ok(false);
                }
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(true)
}

/// What is ready; `None` when a signal came between or nothing is, in time.
fn wait<const N: usize>(
    wanted: [(BorrowedFd<'_>, PollFlags); N],
    time: Option<Duration>,
) -> Option<[PollFlags; N]> {
    let mut fds = wanted.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags));
    let time = time.map(timespec);
    match poll(&mut fds, time.as_ref()) {
        Ok(n) if n > 0 => Some(fds.map(|fd| fd.revents())),
        _ => None,
    }
}

fn yes(events: PollFlags) -> bool {
    !events.is_empty()
}

pub(super) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs().cast_signed(),
        tv_nsec: time.subsec_nanos().into(),
    }
}
