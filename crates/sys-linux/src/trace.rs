//! A command whose calls are looked at: `ptrace(2)`, with a seccomp filter that stops it at those calls
//! alone. Calls are carried out as they would be; of those that fail it is told how.

use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::mem;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::error::SysError;
use crate::signal;

mod calls;

use calls::Call;
pub use calls::{Wants, may_tell};

/// How a looked-at command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// Its program could not be executed.
    NotExecuted(SysError),
    /// It cannot be waited for any more. What runs of it is ended with this process.
    Lost(SysError),
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub call: &'static str,
    /// What it was to do.
    pub wants: Wants,
    /// What the kernel said.
    pub errno: i32,
    /// Of what: an absolute path, as it was named, or an address (`192.0.2.1:443`).
    pub of: OsString,
}

const EXECVE: &str = "execve";

/// Set once the command has been started: what signals are passed on to.
static COMMAND: AtomicI32 = AtomicI32::new(0);

/// Signals that somebody sends to this process are meant for the command. Those of a terminal come to it
/// by themselves: it is in the same process group.
const PASSED_ON: [i32; 6] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Runs a program to its end, with this process' streams and environment, and tells of each call that failed
/// with one of the errors that a boundary makes. For a process that has one thread and nothing else
/// to do: how it takes signals is changed for good.
///
/// # Errors
/// It cannot be traced here. Nothing of it has run.
pub fn run(
    program: &OsStr,
    argv: &[OsString],
    tell: &mut dyn FnMut(&Refused),
) -> Result<End, SysError> {
    let exec = Exec::new(program, argv)?;
    let filter = calls::filter();
    // It waits for its tracer, and tells what it failed with.
    let (go, going) = pipe()?;
    let (failed, failing) = pipe()?;
    // SAFETY: this process has one thread (the caller says so), so the child may do whatever it could. It allocates nothing.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(SysError::last("fork"));
    }
    if pid == 0 {
        drop(going);
        drop(failed);
        let mut byte = [0_u8; 1];
        // Nothing comes where it cannot be traced.
        let error = match rustix::io::read(&go, &mut byte) {
            Ok(1) => exec.execute(&filter),
            _ => SysError::new("read", libc::EPIPE),
        };
        let [a, b, c, d] = error.errno.to_ne_bytes();
        let by_program = u8::from(error.call == EXECVE);
        let _told = rustix::io::write(&failing, &[a, b, c, d, by_program]);
        // SAFETY: ends this process, without what its parent registered for its own end.
        unsafe { libc::_exit(127) }
    }
    drop(go);
    drop(failing);
    let seized = seize(pid);
    if let Err(error) = seized {
        drop(going);
        // It ends by itself: nobody says go.
        let _reaped = crate::process::ended(pid);
        return Err(error);
    }
    COMMAND.store(pid, Ordering::SeqCst);
    if let Err(error) = pass_signals_on() {
        drop(going);
        let _reaped = crate::process::ended(pid);
        return Err(error);
    }
    // One that was killed by now is seen to be.
    let _gone = rustix::io::write(&going, &[1]);
    drop(going);
    let end = match follow(pid, tell) {
        Ok(end) => end,
        Err(error) => return Ok(End::Lost(error)),
    };
    // Closed without a word by what was executed.
    let mut said = [0_u8; 5];
    match rustix::io::read(&failed, &mut said) {
        Ok(5) => {}
        _ => return Ok(end),
    }
    let [errno @ .., by_program] = said;
    let errno = i32::from_ne_bytes(errno);
    if by_program == 0 {
        return Err(SysError::new("seccomp", errno));
    }
    Ok(End::NotExecuted(SysError::new(EXECVE, errno)))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), SysError> {
    use rustix::pipe::{PipeFlags, pipe_with};
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| SysError::new("pipe2", e.raw_os_error()))
}

/// What is executed, with nothing left to allocate.
struct Exec {
    program: CString,
    argv: Words,
    shell: Words,
}

/// Strings, and pointers to them with null behind the last.
struct Words {
    pointers: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl Words {
    fn new(strings: Vec<CString>) -> Words {
        let pointers = strings.iter().map(|word| word.as_ptr());
        Words {
            pointers: pointers.chain([ptr::null()]).collect(),
            _strings: strings,
        }
    }
}

impl Exec {
    fn new(program: &OsStr, argv: &[OsString]) -> Result<Exec, SysError> {
        let string = |word: &OsStr| {
            CString::new(word.as_bytes()).map_err(|_| SysError::new(EXECVE, libc::EINVAL))
        };
        let all = |words: &[OsString]| -> Result<Words, SysError> {
            let words: Result<Vec<CString>, SysError> =
                words.iter().map(|word| string(word)).collect();
            words.map(Words::new)
        };
        // A script without `#!` is the shell's to run, as with execvp(3).
        let mut shell = vec![OsString::from("sh"), program.to_owned()];
        shell.extend(argv.iter().skip(1).cloned());
        Ok(Exec {
            program: string(program)?,
            argv: all(argv)?,
            shell: all(&shell)?,
        })
    }

    /// Only returns where it failed.
    fn execute(&self, filter: &[libc::sock_filter]) -> SysError {
        if let Err(error) = signal::reset_for_exec() {
            return error;
        }
        let program = libc::sock_fprog {
            // It is some hundred instructions long.
            len: filter.len() as u16,
            filter: filter.as_ptr().cast_mut(),
        };
        // SAFETY: integers only.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
            return SysError::last("PR_SET_NO_NEW_PRIVS");
        }
        // SAFETY: `program` is live for the call, and points at as many instructions as it says.
        let r = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0_u32,
                &raw const program,
            )
        };
        if r != 0 {
            return SysError::last("seccomp");
        }
        let error = Exec::exec(&self.program, &self.argv);
        if error.errno == libc::ENOEXEC {
            return Exec::exec(c"/bin/sh", &self.shell);
        }
        error
    }

    fn exec(program: &std::ffi::CStr, words: &Words) -> SysError {
        // SAFETY: `program` and the words are null-terminated and live, the list ends with null.
        unsafe { libc::execv(program.as_ptr(), words.pointers.as_ptr()) };
        SysError::last(EXECVE)
    }
}

/// A descriptor that this process was started with, for itself alone: what it starts does not get it.
///
/// # Errors
/// There is none of that number.
pub fn inherited(number: i32) -> Result<std::fs::File, SysError> {
    // SAFETY: integers only.
    let fd = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if fd < 0 {
        return Err(SysError::last("fcntl"));
    }
    // SAFETY: the kernel just made it, and nothing else has it.
    let own = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: integers only.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(SysError::last("fcntl"));
    }
    Ok(own.into())
}

/// What C libraries give the requests of `ptrace(2)` differs.
#[cfg(target_env = "gnu")]
type Request = libc::c_uint;
#[cfg(not(target_env = "gnu"))]
type Request = libc::c_int;

/// `ptrace(2)` with an address and data that are numbers.
fn ptrace(request: Request, pid: i32, address: usize, data: usize) -> Result<(), SysError> {
    // SAFETY: for every request that this module makes by this function the two are numbers, or pointers to what is live
    // for the call (`info`).
    if unsafe { libc::ptrace(request, pid, address, data) } < 0 {
        return Err(SysError::last("ptrace"));
    }
    Ok(())
}

fn seize(pid: i32) -> Result<(), SysError> {
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SEIZE, pid, 0, options as usize)
}

extern "C" fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands a live siginfo to a handler that was installed with SA_SIGINFO.
    let by_kernel = unsafe { (*info).si_code } > 0;
    let pid = COMMAND.load(Ordering::SeqCst);
    if !by_kernel && pid > 0 {
        // SAFETY: takes nothing.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: a place of this thread's own, which what was interrupted may be about to read.
        let before = unsafe { *errno };
        // SAFETY: integers only; kill(2) is async-signal-safe.
        unsafe { libc::kill(pid, signal) };
        // SAFETY: as above.
        unsafe { *errno = before };
    }
}

fn pass_signals_on() -> Result<(), SysError> {
    let set = |signal: i32, handler: libc::sighandler_t, flags: i32| {
        // SAFETY: all zeroes is a valid `sigaction`: no flags, an empty mask, the default handler.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        // SAFETY: `action` is live, and its handler is a function that stays or SIG_IGN.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
            return Err(SysError::last("sigaction"));
        }
        Ok(())
    };
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = pass_on;
    for signal in PASSED_ON {
        set(
            signal,
            handler as libc::sighandler_t,
            libc::SA_SIGINFO | libc::SA_RESTART,
        )?;
    }
    // When it stops, this process does (see `follow`).
    for signal in STOPS {
        set(signal, libc::SIG_IGN, 0)?;
    }
    Ok(())
}

/// Ends this process by a signal, if that one ends one; it leaves no core, which would be in the place of the command's.
pub fn end_by(signal: i32) {
    let _dumps = crate::process::not_dumpable();
    // SAFETY: SIG_DFL is a disposition, not a function of ours.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    let _stays = signal::stop_by(signal);
}

/// Sees a command and all it starts through, until it has ended.
fn follow(command: i32, tell: &mut dyn FnMut(&Refused)) -> Result<End, SysError> {
    // It is being stopped by a key on its terminal.
    let mut by_key = false;
    // Whose call is under way.
    let mut begun: HashMap<i32, (&'static Call, [u64; 6])> = HashMap::new();
    loop {
        let mut status = 0;
        // SAFETY: a live place for the status.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
        if pid < 0 {
            let error = SysError::last("waitpid");
            if error.errno == libc::EINTR {
                continue;
            }
            return Err(error);
        }
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            begun.remove(&pid);
            if pid == command {
                return Ok(if libc::WIFEXITED(status) {
                    End::Exited(libc::WEXITSTATUS(status))
                } else {
                    End::Signalled(libc::WTERMSIG(status))
                });
            }
            continue;
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        // One that was killed meanwhile has no stop any more: its end comes next.
        let _gone = match event {
            libc::PTRACE_EVENT_SECCOMP => match entered(pid) {
                Some(entered) => {
                    begun.insert(pid, entered);
                    ptrace(libc::PTRACE_SYSCALL, pid, 0, 0)
                }
                None => ptrace(libc::PTRACE_CONT, pid, 0, 0),
            },
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => {
                // It was stopped by somebody, and stays so until SIGCONT.
                let listened = ptrace(libc::PTRACE_LISTEN, pid, 0, 0);
                if pid == command && mem::take(&mut by_key) {
                    // So that who waits for this process sees it. Of one that anybody else stopped this process has to see
                    // that it goes on.
                    // SAFETY: integers only.
                    unsafe { libc::raise(libc::SIGSTOP) };
                }
                listened
            }
            0 if signal == libc::SIGTRAP | 0x80 => {
                if let Some((call, arguments)) = begun.remove(&pid)
                    && let Some(errno) = left(pid)
                    && call.tells(errno)
                {
                    for (wants, of) in call.was_of(pid, &arguments) {
                        let call = call.name;
                        tell(&Refused {
                            call,
                            wants,
                            errno,
                            of,
                        });
                    }
                }
                ptrace(libc::PTRACE_CONT, pid, 0, 0)
            }
            0 => {
                if pid == command && STOPS.contains(&signal) {
                    by_key = sent_by_kernel(pid);
                }
                ptrace(libc::PTRACE_CONT, pid, 0, signal as usize)
            }
            _ => ptrace(libc::PTRACE_CONT, pid, 0, 0),
        };
    }
}

/// What a terminal stops by.
const STOPS: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Whether the signal that a process is about to get comes from no process.
fn sent_by_kernel(pid: i32) -> bool {
    // SAFETY: all zeroes is a valid value: numbers.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let at = (&raw mut info) as usize;
    ptrace(libc::PTRACE_GETSIGINFO, pid, 0, at).is_ok() && info.si_code > 0
}

/// `struct ptrace_syscall_info` (`linux/ptrace.h`), which not every C library has, as far as it is read here: what a call
/// has at its beginning (`op` 3), of which the first two numbers are at its end (`op` 2) what it gave and whether that is an
/// error.
#[repr(C)]
#[derive(Default)]
struct Info {
    op: u8,
    _pad: [u8; 3],
    _arch: u32,
    _instruction_pointer: u64,
    _stack_pointer: u64,
    nr: u64,
    args: [u64; 6],
    _ret_data: u32,
}

const GET_SYSCALL_INFO: Request = 0x420e;
const INFO_EXIT: u8 = 2;
const INFO_SECCOMP: u8 = 3;

/// `PTRACE_GET_SYSCALL_INFO`.
fn info(pid: i32) -> Option<Info> {
    let mut info = Info::default();
    let size = mem::size_of_val(&info);
    ptrace(GET_SYSCALL_INFO, pid, size, (&raw mut info) as usize).ok()?;
    Some(info)
}

/// Which call is at its beginning.
fn entered(pid: i32) -> Option<(&'static Call, [u64; 6])> {
    let info = info(pid)?;
    if info.op != INFO_SECCOMP {
        return None;
    }
    let call = calls::of(i64::try_from(info.nr).ok()?)?;
    Some((call, info.args))
}

/// With which error a call ended; `None` where it did not fail.
fn left(pid: i32) -> Option<i32> {
    let info = info(pid)?;
    if info.op != INFO_EXIT {
        return None;
    }
    let (gave, is_error) = (info.nr, info.args[0] & 0xff);
    (is_error != 0).then(|| -(gave as i32))
}

/// Bytes of another process' memory, as many as can be read.
fn memory(pid: i32, address: u64, most: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; most];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: bytes.len(),
    };
    // SAFETY: `local` is a live buffer of that length; the other side is the kernel's to check.
    let length =
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    bytes.truncate(usize::try_from(length).unwrap_or(0));
    bytes
}

/// A string there, without its end; `None` where it has none within `PATH_MAX`.
fn string(pid: i32, address: u64) -> Option<OsString> {
    const PAGE: u64 = 4096;
    let mut all = Vec::new();
    let mut at = address;
    while all.len() < libc::PATH_MAX as usize {
        // Up to the end of a page: what lies behind it may not be there.
        let most = (PAGE - at % PAGE) as usize;
        let bytes = memory(pid, at, most);
        if bytes.is_empty() {
            return None;
        }
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            all.extend(bytes.get(..end)?);
            return Some(OsString::from_vec(all));
        }
        at += bytes.len() as u64;
        all.extend(bytes);
    }
    None
}

/// Where a process stands, or a directory that it has open.
fn directory(pid: i32, fd: i64) -> Option<PathBuf> {
    let at = if fd == i64::from(libc::AT_FDCWD) {
        format!("/proc/{pid}/cwd")
    } else {
        format!("/proc/{pid}/fd/{fd}")
    };
    std::fs::read_link(at).ok().filter(|dir| dir.is_absolute())
}
