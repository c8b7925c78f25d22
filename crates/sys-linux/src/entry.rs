//! The beginning of a program that is started for every command.
//!
//! What the standard library does before `main` takes a tenth of a millisecond: above all it reads where the stack lies
//! (`/proc/self/maps`), to name an overflow as one. The guard page that stops it is the kernel's. What else it
//! does is done here: descriptors 0 to 2 are open, and a pipe without a reader is an error of the call.

use crate::error::SysError;

/// Makes a `fn() -> u8` the program: its exit code. The program's crate says `#![no_main]`.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        // SAFETY: the C library calls it once, as any program's; nothing else has that name, as the program would not
        // link then.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            _count: ::std::ffi::c_int,
            _words: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            $crate::entry::begin($run)
        }
    };
}

/// Runs it and exits. The arguments are known to `std::env::args` without help, where the C library is GNU's.
pub fn begin(run: fn() -> u8) -> ! {
    if standard_streams()
        .and_then(|()| ignore_broken_pipes())
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
