//! Calls of the kernel that touch nothing of the C library's: its `errno` is the thread's, and a child that shares memory
//! with a parent that goes on has none of its own.

use crate::error::SysError;

/// A call of up to four words. Negative numbers are errors, as the kernel gives them.
///
/// # Safety
/// What the call of that number wants of the words.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: libc::c_long, words: [usize; 4]) -> isize {
    let [a, b, c, d] = words;
    let gave: isize;
    // SAFETY: the kernel's convention (`syscall(2)`): words in these registers, two others overwritten; the caller answers
    // for what the call does to memory.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => gave,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    gave
}

/// As above.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: libc::c_long, words: [usize; 4]) -> isize {
    let [a, b, c, d] = words;
    let gave: isize;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => gave,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            options(nostack),
        );
    }
    gave
}

/// As [`call`], and what it says.
///
/// # Safety
/// As [`call`].
pub(super) unsafe fn say(
    what: &'static str,
    number: libc::c_long,
    words: [usize; 4],
) -> Result<usize, SysError> {
    // SAFETY: the caller's.
    let gave = unsafe { call(number, words) };
    usize::try_from(gave).map_err(|_| SysError::new(what, -(gave as i32)))
}

/// Ends this process, and runs nothing of its parent's. Where not even that is let by a filter, by a fault: musl's `_exit` would
/// try for ever.
pub(super) fn leave() -> ! {
    // SAFETY: takes a number.
    let _let_by_nothing = unsafe { say("exit_group", libc::SYS_exit_group, [127, 0, 0, 0]) };
    loop {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an instruction that is none; its fault ends the process, whatever is blocked.
        unsafe {
            std::arch::asm!("ud2")
        };
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            std::arch::asm!("udf #0")
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_told_and_errno_is_left_alone() {
        // SAFETY: takes nothing.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: a place of this thread's own.
        let errno = unsafe { &mut *errno };
        *errno = 77;
        // SAFETY: no descriptor has that number.
        let closed = unsafe { say("close", libc::SYS_close, [9_999_999, 0, 0, 0]) };
        assert_eq!(closed, Err(SysError::new("close", libc::EBADF)));
        // SAFETY: takes nothing.
        let pid = unsafe { say("getpid", libc::SYS_getpid, [0; 4]) };
        assert_eq!(pid, Ok(std::process::id() as usize));
        assert_eq!(*errno, 77);
    }
}
