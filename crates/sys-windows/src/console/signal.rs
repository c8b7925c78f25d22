//! Console signals: Ctrl-C, Ctrl-Break, and that the console goes.

use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use windows_sys::Win32::System::Console as win;
use windows_sys::core::BOOL;

use crate::error::{SysError, done};
use crate::process;
use crate::sync::Event;
use crate::wait;

/// What the console tells its programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    CtrlC,
    /// Ctrl-Break.
    Break,
    /// The console's window is closed. Windows ends the process some seconds later.
    Close,
    /// The user logs off.
    Logoff,
    /// The machine is shut down.
    Shutdown,
}

impl Signal {
    const ALL: [(Signal, u32); 5] = [
        (Signal::CtrlC, win::CTRL_C_EVENT),
        (Signal::Break, win::CTRL_BREAK_EVENT),
        (Signal::Close, win::CTRL_CLOSE_EVENT),
        (Signal::Logoff, win::CTRL_LOGOFF_EVENT),
        (Signal::Shutdown, win::CTRL_SHUTDOWN_EVENT),
    ];
}

/// One bit for each signal that came.
static PENDING: AtomicU32 = AtomicU32::new(0);
static ARRIVED: OnceLock<Event> = OnceLock::new();

/// The signals that come to this process, which no longer end it.
#[derive(Debug, Clone, Copy)]
pub struct Signals(&'static Event);

/// Takes this process's signals from now on (`SetConsoleCtrlHandler`).
///
/// # Errors
/// What the functions say.
pub fn signals() -> Result<Signals, SysError> {
    if let Some(arrived) = ARRIVED.get() {
        return Ok(Signals(arrived));
    }
    let made = Event::own()?;
    let arrived = ARRIVED.get_or_init(|| made);
    // SAFETY: a function of this program, which is never unloaded.
    let answer = unsafe { win::SetConsoleCtrlHandler(Some(note), 1) };
    done("SetConsoleCtrlHandler", answer)?;
    Ok(Signals(arrived))
}

impl Signals {
    /// The next signal that came, if one has. Of several the same, one is told.
    #[must_use]
    pub fn take(&self) -> Option<Signal> {
        let pending = PENDING.load(Ordering::SeqCst);
        let came = |(_, number): &&(Signal, u32)| pending & (1 << number) != 0;
        let (signal, number) = Signal::ALL.iter().find(came)?;
        PENDING.fetch_and(!(1 << number), Ordering::SeqCst);
        Some(*signal)
    }
}

/// Set when a signal came; a wait takes that, so [`Signals::take`] is asked until it has none.
impl AsHandle for Signals {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// Windows calls this on a thread of its own.
extern "system" fn note(number: u32) -> BOOL {
    if !Signal::ALL.iter().any(|(_, known)| *known == number) {
        return 0;
    }
    PENDING.fetch_or(1 << number, Ordering::SeqCst);
    if let Some(arrived) = ARRIVED.get() {
        // What cannot be told is still pending.
        let _failed = arrived.set();
    }
    if number >= win::CTRL_CLOSE_EVENT {
        // When this returns the process is ended; meanwhile the others may put things in order.
        let _ended = wait::one(process::current(), None);
    }
    1
}

/// Says whether this process, and children it starts from then on, ignore Ctrl-C
/// (`SetConsoleCtrlHandler` without a handler).
///
/// # Errors
/// What the function says.
pub fn ignore_ctrl_c(ignored: bool) -> Result<(), SysError> {
    // SAFETY: no function is handed over.
    let answer = unsafe { win::SetConsoleCtrlHandler(None, ignored.into()) };
    done("SetConsoleCtrlHandler", answer)
}

/// Sends Ctrl-Break to a process group of this console: one started as a new group, by the number
/// of its first process (`GenerateConsoleCtrlEvent`). Ctrl-C cannot be sent to one group.
///
/// # Errors
/// What the function says, such as that this process has no console.
pub fn signal_group(group: u32) -> Result<(), SysError> {
    // SAFETY: integers only.
    let answer = unsafe { win::GenerateConsoleCtrlEvent(win::CTRL_BREAK_EVENT, group) };
    done("GenerateConsoleCtrlEvent", answer)
}

/// Sends Ctrl-C to every process of this process's console, itself among them (`GenerateConsoleCtrlEvent`).
///
/// # Errors
/// As of [`signal_group`].
pub fn signal_all() -> Result<(), SysError> {
    // SAFETY: integers only.
    let answer = unsafe { win::GenerateConsoleCtrlEvent(win::CTRL_C_EVENT, 0) };
    done("GenerateConsoleCtrlEvent", answer)
}
