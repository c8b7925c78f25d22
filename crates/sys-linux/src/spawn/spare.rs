//! A spare: a process that stands ready to become the next command.
//!
//! What is the same for every command (its clone, its namespace, limits, capabilities, Landlock,
//! and above all the seccomp filter, which the kernel checks and compiles anew for each process) is
//! done before the command is known. What is left is to say which: a wake-up, its descriptors, and
//! the execution.
//!
//! A spare shares this process' memory and its table of descriptors until it executes. It also shares
//! what a C library keeps for each thread, such as `errno`, with the thread that made it, and so only
//! one of the two may run. That thread is one of this module's own ([`Spares`]): while it has a spare it
//! does nothing but wait to be told of its end. (With `CLONE_VFORK` the kernel would have it wait, and
//! wake it just when the command begins to run, for nothing.)
//!
//! A spare is as restricted as the command it will be, but for one thing: its memory is this
//! process'. Make this process not dumpable ([`crate::process::not_dumpable`]), and nobody without
//! `CAP_SYS_PTRACE` reads, writes or traces it by way of the spare. Others of the same user can
//! still signal it: one that was killed is replaced by a start from nothing, one that was stopped
//! is continued.

use std::cell::{Cell, UnsafeCell};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::thread::futex;

use super::command::Image;
use super::patience::{GIVEN_UP, HERE, LOOK, Patience, wait};
use super::{
    CommandStart, Restrictions, SpawnError, Stack, Step, clone, close_from, leave, not_cloned,
};
use crate::error::SysError;
use crate::signal;

/// The thread that a spare is a child of needs little.
const THREAD_STACK: usize = 64 * 1024;

/// Nothing is ordered yet.
const WAIT: u32 = 0;
/// [`Place::order`] is set.
const CALLED: u32 = 1;
/// It is not needed.
const DISMISSED: u32 = 2;

/// What a spare becomes.
struct Order<'a> {
    image: Image,
    start: &'a CommandStart<'a>,
}

/// Where a spare and its caller meet.
struct Place {
    restrictions: Arc<Restrictions>,
    /// Written by the kernel before the spare runs (`CLONE_PARENT_SETTID`); 0 until then.
    pid: AtomicI32,
    here: AtomicU32,
    called: AtomicU32,
    order: AtomicPtr<Order<'static>>,
    /// It has seen the order.
    taken: AtomicBool,
    /// The inode of its uts namespace.
    uts: AtomicU64,
    failure: UnsafeCell<Option<SpawnError>>,
}

// SAFETY: `failure` is written by the spare, or where there is none by the thread that was to make it,
// before `here` becomes 0, and read by others only after (`Place::gone`, acquire). All else is atomic or
// not changed.
unsafe impl Sync for Place {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Place {}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("pid", &self.pid)
            .field("here", &self.here)
            .finish_non_exhaustive()
    }
}

impl Place {
    fn gone(&self) -> bool {
        self.here.load(Ordering::Acquire) != HERE
    }

    /// It ends, unless it is called already.
    fn dismiss(&self) {
        let waits = self
            .called
            .compare_exchange(WAIT, DISMISSED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if waits {
            wake(&self.called);
        }
    }
}

/// Makes spares, one at a time.
#[derive(Debug)]
pub struct Spares {
    door: Arc<Door>,
    /// The one made last.
    last: Option<Arc<Place>>,
}

/// Where the thread is told what to do next.
#[derive(Debug, Default)]
struct Door {
    /// Counts what has been asked. The thread waits for it to change, in a system call and nowhere
    /// else. It changes when no spare is left in this memory, or the last has been dismissed.
    asked: AtomicU32,
    /// A place for another spare; none: there will be no more.
    next: Mutex<Option<Arc<Place>>>,
}

impl Door {
    fn ask(&self, next: Option<Arc<Place>>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.asked.fetch_add(1, Ordering::Release);
        wake(&self.asked);
    }
}

impl Spares {
    /// With a thread of their own, which is in the namespaces that this thread is in now.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn new() -> Result<Spares, SysError> {
        let stack = Stack::new()?;
        let door = Arc::new(Door::default());
        let own = door.clone();
        // A handler run in a spare would act on this process' memory: its thread has all signals
        // blocked, and it inherits that.
        let old = signal::block_all()?;
        let started = std::thread::Builder::new()
            .name("spares".to_owned())
            .stack_size(THREAD_STACK)
            .spawn(move || stand_by(&own, &stack));
        signal::restore(&old);
        started.map_err(|e| SysError::new("clone", e.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        Ok(Spares { door, last: None })
    }

    /// Asks for one, and does not wait for it. `None` while there is one that has neither executed nor
    /// ended.
    #[must_use]
    pub fn spare(&mut self, restrictions: Arc<Restrictions>) -> Option<Spare> {
        if self.last.as_ref().is_some_and(|last| !last.gone()) {
            return None;
        }
        let place = Arc::new(Place {
            restrictions,
            pid: AtomicI32::new(0),
            here: AtomicU32::new(HERE),
            called: AtomicU32::new(WAIT),
            order: AtomicPtr::new(std::ptr::null_mut()),
            taken: AtomicBool::new(false),
            uts: AtomicU64::new(0),
            failure: UnsafeCell::new(None),
        });
        self.last = Some(place.clone());
        self.door.ask(Some(place.clone()));
        Some(Spare { place })
    }
}

impl Drop for Spares {
    /// The thread ends once its last spare has executed or ended.
    fn drop(&mut self) {
        if let Some(last) = &self.last {
            last.dismiss();
        }
        // It waits for the spare by itself, and looks at nothing of its own meanwhile.
        self.door.ask(None);
    }
}

/// The thread.
fn stand_by(door: &Door, stack: &Stack) {
    let mut seen = 0;
    let mut last: Option<Arc<Place>> = None;
    loop {
        while door.asked.load(Ordering::Acquire) == seen {
            wait(&door.asked, seen, None);
        }
        // Its stack is the next one's, and what it shares with this thread is this thread's again.
        while let Some(here) = last.as_ref().filter(|last| !last.gone()) {
            wait(&here.here, HERE, Some(&LOOK));
        }
        seen = door.asked.load(Ordering::Acquire);
        let next = door
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(place) = next else { return };
        stand(&place, stack);
        last = Some(place);
    }
}

/// A command that was a spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its process id.
    pub pid: i32,
    /// The inode of its uts namespace, which is its own.
    pub uts: u64,
}

/// A process that stands ready, or is about to.
#[derive(Debug)]
pub struct Spare {
    place: Arc<Place>,
}

impl Spare {
    /// Its process id, once it has one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        Some(self.place.pid.load(Ordering::Acquire)).filter(|pid| *pid > 0)
    }

    /// Makes it this command, and returns once its program has been executed. The restrictions are
    /// those it was made with. Meanwhile nobody else may reap this process' children. `None`: nothing
    /// of the command has run, and it is to be started from nothing, which may do or tells why not: the
    /// spare is gone, or never was, or was signalled.
    ///
    /// # Errors
    /// The program cannot be executed: nothing of the command has run then.
    pub fn start(self, start: &CommandStart<'_>) -> Result<Option<Started>, SpawnError> {
        let place = &self.place;
        if place.gone() {
            // It may be reaped already, and its number another's.
            return Ok(None);
        }
        let mut order = Order {
            image: Image::new(start)?,
            start,
        };
        // The lifetime is only gone from the type: `order` outlives its last use, for this function
        // does not return before the spare has left this memory.
        place
            .order
            .store((&raw mut order).cast(), Ordering::Release);
        place.called.store(CALLED, Ordering::Release);
        wake(&place.called);
        let always = Patience { go_on: &|| true };
        let patience = start.patience.as_ref().unwrap_or(&always);
        if !patience.wait(&place.here, || self.pid()) {
            // Its thread keeps what it has of this memory; what it was to become is not for it any more.
            std::mem::forget(order);
            return Err(SpawnError::at(Step::Prepare)(GIVEN_UP));
        }
        let taken = place.taken.load(Ordering::Acquire);
        // SAFETY: the spare is gone from this memory, and with it who writes this.
        let failure = unsafe { *place.failure.get() };
        match (failure, self.pid()) {
            (Some(error), pid) => {
                pid.into_iter().for_each(signal::reap);
                match error.step {
                    Step::Exec => Err(error),
                    _ => Ok(None),
                }
            }
            // One that was killed is reaped by who reaps this process' children.
            (None, Some(pid)) if taken => Ok(Some(Started {
                pid,
                uts: place.uts.load(Ordering::Acquire),
            })),
            (None, _) => Ok(None),
        }
    }
}

impl Drop for Spare {
    /// One that was not started ends; it is reaped by who reaps this process' children.
    fn drop(&mut self) {
        self.place.dismiss();
    }
}

/// Makes a spare.
fn stand(place: &Arc<Place>, stack: &Stack) {
    let failed = |error| {
        // SAFETY: there is no spare, and who called it looks only after the store below.
        unsafe {
            *place.failure.get() = Some(SpawnError {
                step: Step::Clone,
                error,
            });
        }
        place.here.store(0, Ordering::Release);
        wake(&place.here);
    };
    let flags = libc::CLONE_VM
        | libc::CLONE_FILES
        | libc::CLONE_NEWUTS
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID
        | libc::SIGCHLD;
    // SAFETY: `spare_entry` gets the `Place`, which `stand_by` keeps alive until the child has left this
    // memory, as it does the stack, which is mapped and on which nobody is: the spare before has left.
    // What this thread has of its own it does not touch meanwhile: it only waits in a system call that
    // does not fail. `pid` and `here` are live places of four bytes; they are atomic, for the kernel
    // writes them while others look.
    let pid = unsafe {
        clone(
            spare_entry,
            stack.top(),
            flags,
            std::ptr::from_ref::<Place>(place).cast_mut().cast(),
            place.pid.as_ptr(),
            std::ptr::null_mut::<libc::c_void>(),
            place.here.as_ptr(),
        )
    };
    if pid < 0 {
        let error = not_cloned(pid);
        // A clone that fails late may have written a number.
        place.pid.store(0, Ordering::Release);
        failed(error);
    }
}

extern "C" fn spare_entry(arg: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `stand` passes a pointer to a `Place` and keeps it.
    let place = unsafe { &*arg.cast::<Place>() };
    let step = Cell::new(Step::Limit);
    let Err(error) = stand_ready(place, &step);
    // SAFETY: who reads it waits until this process is gone.
    unsafe {
        *place.failure.get() = Some(SpawnError {
            step: step.get(),
            error,
        });
    }
    leave()
}

fn stand_ready(place: &Place, step: &Cell<Step>) -> Result<Infallible, SysError> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    step.set(Step::Prepare);
    // SAFETY: a C string and a live place.
    if unsafe { libc::stat(c"/proc/self/ns/uts".as_ptr(), stat.as_mut_ptr()) } != 0 {
        return Err(SysError::last("stat"));
    }
    // SAFETY: the call succeeded and filled it.
    let stat = unsafe { stat.assume_init() };
    place.uts.store(stat.st_ino, Ordering::Release);
    place.restrictions.take_on(step)?;
    // From here on nothing is done that a command may not.
    place.restrictions.filter(step)?;
    step.set(Step::Prepare);
    loop {
        match place.called.load(Ordering::Acquire) {
            WAIT => wait(&place.called, WAIT, None),
            CALLED => break,
            _ => leave(),
        }
    }
    place.taken.store(true, Ordering::Release);
    let order = place.order.load(Ordering::Acquire);
    // SAFETY: stored before `called` was set to this, by `Spare::start`, which keeps it until this
    // process has left this memory.
    let order = unsafe { &*order };
    if signal::is_pending()? {
        // It would end the command, which is not whom it was sent to.
        return Err(SysError::new("sigpending", libc::EINTR));
    }
    // SAFETY: integers only. From here on the table of descriptors is this process' own.
    if unsafe { libc::unshare(libc::CLONE_FILES) } != 0 {
        return Err(SysError::last("unshare"));
    }
    order.start.take_place(step)?;
    order.start.lower_limits(step)?;
    step.set(Step::Prepare);
    close_from(3)?;
    signal::reset_for_exec()?;
    order.image.execute(step)
}

/// Wakes who waits for the word. As [`wait`] it touches nothing of the C library's.
fn wake(word: &AtomicU32) {
    // Nobody waits: that is no failure.
    let _woken = futex::wake(word, futex::Flags::empty(), 1);
}
