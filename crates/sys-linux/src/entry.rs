//! The beginning of a program that is started for every command.
//!
//! What the standard library does before `main` takes a tenth of a millisecond: above all it reads where the stack lies
//! (`/proc/self/maps`), to name an overflow as one. The guard page that stops it is the kernel's. What else it
//! does is done here: descriptors 0 to 2 are open, and a pipe without a reader is an error of the call.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::error::SysError;

/// Makes a `fn() -> u8` the program: its exit code. The program's crate says `#![no_main]`.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        // SAFETY: the C library calls it once, as any program's; nothing else has that name, as the program would not
        // link then.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::std::ffi::c_int,
            words: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: they are what the C library was started with.
            unsafe { $crate::entry::begin($run, count, words) }
        }
    };
}

/// Where its words are: what the standard library does not know where the C library is musl, as nobody told it.
static WORDS: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The words a program was started with, the first of which is its name.
#[must_use]
pub fn words() -> Vec<OsString> {
    let words = WORDS.load(Ordering::Acquire).cast_const();
    if words.is_null() {
        return std::env::args_os().collect();
    }
    // SAFETY: `begin` was told where so many pointers to strings lie, which stay there.
    let words = unsafe { std::slice::from_raw_parts(words, COUNT.load(Ordering::Acquire)) };
    words
        .iter()
        .map(|word| {
            // SAFETY: as above; each has its end.
            let word = unsafe { CStr::from_ptr(*word) };
            OsStr::from_bytes(word.to_bytes()).to_owned()
        })
        .collect()
}

/// Runs it and exits.
///
/// # Safety
/// `words` are `count` pointers to strings with their ends, and stay where they are.
pub unsafe fn begin(run: fn() -> u8, count: c_int, words: *const *const c_char) -> ! {
    COUNT.store(usize::try_from(count).unwrap_or(0), Ordering::Release);
    WORDS.store(words.cast_mut(), Ordering::Release);
    if standard_streams()
        .and_then(|()| ignore_broken_pipes())
        .and_then(|()| outlive_full_files())
        .is_err()
    {
        // As the standard library: nothing can be said without them.
        std::process::abort();
    }
    // It flushes what is buffered, and runs nothing of ours.
    std::process::exit(run().into())
}

/// What is opened next must not become one of them: what is meant for a person would be written to it.
fn standard_streams() -> Result<(), SysError> {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    loop {
        // SAFETY: `fds` is live for the call, and as long as it is said to be.
        if unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, 0) } >= 0 {
            break;
        }
        let error = SysError::last("poll");
        match error.errno {
            libc::EINTR => {}
            // Fewer descriptors than three may be open, or memory is short: each is asked about alone.
            libc::EINVAL | libc::EAGAIN | libc::ENOMEM => {
                for fd in &mut fds {
                    // SAFETY: integers only.
                    if unsafe { libc::fcntl(fd.fd, libc::F_GETFD) } < 0 {
                        fd.revents = libc::POLLNVAL;
                    }
                }
                break;
            }
            _ => return Err(error),
        }
    }
    for closed in fds.iter().filter(|fd| fd.revents & libc::POLLNVAL != 0) {
        // SAFETY: the path is a constant with its end.
        let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
        // The lowest that is free.
        if fd != closed.fd {
            return Err(SysError::last("open"));
        }
    }
    Ok(())
}

fn ignore_broken_pipes() -> Result<(), SysError> {
    // SAFETY: SIG_IGN is no function, so nothing is ever called by it.
    if unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) } == libc::SIG_ERR {
        return Err(SysError::last("signal"));
    }
    Ok(())
}

/// A file that would become longer than the caller lets files be (`RLIMIT_FSIZE`) is an error that can be told, instead of
/// the end of this program. By a handler, which `execve(2)` takes away again: commands start as the caller would have started
/// them.
fn outlive_full_files() -> Result<(), SysError> {
    extern "C" fn nothing(_: libc::c_int) {}
    let set = |disposition| {
        // SAFETY: what is set is a function of the type that a handler has, which touches nothing, or what was set before.
        match unsafe { libc::signal(libc::SIGXFSZ, disposition) } {
            libc::SIG_ERR => Err(SysError::last("signal")),
            before => Ok(before),
        }
    };
    if set(nothing as extern "C" fn(libc::c_int) as libc::sighandler_t)? == libc::SIG_IGN {
        set(libc::SIG_IGN)?;
    }
    Ok(())
}
