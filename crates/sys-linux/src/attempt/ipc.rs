//! System V and POSIX objects shared by number or name.

use super::{c_bytes, checked};
use std::io;

/// A shared memory segment we made; removed when dropped.
#[derive(Debug)]
pub struct Segment(libc::c_int);

impl Segment {
    /// Makes a segment under a key nobody uses yet and fills it. Fails with `EEXIST` where the key is taken.
    pub fn create(key: i32, bytes: &[u8]) -> io::Result<Self> {
        let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;
        // SAFETY: three integers.
        let id = checked(unsafe { libc::shmget(key, bytes.len(), flags) })?;
        let segment = Self(id);
        let at = attach(id, 0)?;
        // SAFETY: the segment has room for exactly these bytes, and nobody else knows it yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
        detach(at)?;
        Ok(segment)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: IPC_RMID reads no buffer; the segment is ours.
        unsafe { libc::shmctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

/// Maps a segment.
fn attach(id: libc::c_int, flags: libc::c_int) -> io::Result<*mut u8> {
    // SAFETY: the kernel chooses the address, so nothing is replaced.
    let at = unsafe { libc::shmat(id, std::ptr::null(), flags) };
    if at.addr() == usize::MAX {
        Err(io::Error::last_os_error())
    } else {
        Ok(at.cast())
    }
}

/// Takes a mapping of [`attach`] away.
fn detach(at: *mut u8) -> io::Result<()> {
    // SAFETY: `at` came from `attach` and is not used afterwards.
    checked(unsafe { libc::shmdt(at.cast()) }).map(drop)
}

/// Reads the first `len` bytes of the segment under a key. Fails with `EINVAL` where it is shorter.
pub fn read_segment(key: i32, len: usize) -> io::Result<Vec<u8>> {
    // SAFETY: three integers; the kernel refuses a segment shorter than `len`.
    let id = checked(unsafe { libc::shmget(key, len, 0) })?;
    let at = attach(id, libc::SHM_RDONLY)?;
    let mut bytes = vec![0_u8; len];
    // SAFETY: the segment has at least `len` bytes, as `shmget` has checked.
    unsafe { std::ptr::copy_nonoverlapping(at, bytes.as_mut_ptr(), len) };
    detach(at)?;
    Ok(bytes)
}

/// A System V message queue we made; removed when dropped.
#[derive(Debug)]
pub struct MessageQueue(libc::c_int);

impl MessageQueue {
    /// Makes a queue under a key nobody uses yet.
    pub fn create(key: i32) -> io::Result<Self> {
        // SAFETY: two integers.
        checked(unsafe { libc::msgget(key, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) }).map(Self)
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        // SAFETY: IPC_RMID reads no buffer; the queue is ours.
        unsafe { libc::msgctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

/// Finds an existing System V message queue.
pub fn find_message_queue(key: i32) -> io::Result<()> {
    // SAFETY: two integers.
    checked(unsafe { libc::msgget(key, 0) }).map(drop)
}

/// A POSIX queue we made; removed when dropped.
#[derive(Debug)]
pub struct PosixQueue(std::ffi::CString);

impl PosixQueue {
    /// Makes a queue; the name starts with `/`.
    pub fn create(name: &str) -> io::Result<Self> {
        let name = c_bytes(name.as_bytes())?;
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
        let none = std::ptr::null::<libc::mq_attr>();
        // SAFETY: `name` is NUL-terminated; null attributes mean the defaults.
        let fd = checked(unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, none) })?;
        drop(super::files::owned(fd.into()));
        Ok(Self(name))
    }
}

impl Drop for PosixQueue {
    fn drop(&mut self) {
        // SAFETY: the name is NUL-terminated.
        unsafe { libc::mq_unlink(self.0.as_ptr()) };
    }
}

/// Opens an existing POSIX queue for both ways.
pub fn open_posix_queue(name: &str) -> io::Result<()> {
    let name = c_bytes(name.as_bytes())?;
    // SAFETY: `name` is NUL-terminated and lives over the call.
    let fd = checked(unsafe { libc::mq_open(name.as_ptr(), libc::O_RDWR) })?;
    drop(super::files::owned(fd.into()));
    Ok(())
}
