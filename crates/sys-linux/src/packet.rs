//! A socket that carries whole messages and descriptors.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::error::{Named, SysError};

/// Most descriptors that ride with one message: three streams, one for a report, and a memory file.
pub const FDS_MAX: usize = 5;

/// One end of a `SOCK_SEQPACKET` pair.
#[derive(Debug)]
pub struct Packets {
    fd: OwnedFd,
    inline_max: usize,
    message_max: usize,
}

/// A message that arrived.
#[derive(Debug)]
pub struct Received {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its descriptors, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

const INLINE: u8 = 0;
const IN_FILE: u8 = 1;

impl Packets {
    /// A connected pair, close-on-exec. Messages longer than `inline_max` bytes travel
    /// in a memory file; none may be longer than `message_max`.
    ///
    /// # Errors
    /// What `socketpair(2)` says.
    pub fn pair(inline_max: usize, message_max: usize) -> Result<(Packets, Packets), SysError> {
        let (a, b) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .named("socketpair")?;
        let end = |fd| Packets {
            fd,
            inline_max,
            message_max,
        };
        Ok((end(a), end(b)))
    }

    /// Takes over the descriptor a process was started with.
    ///
    /// # Errors
    /// `EBADF` when it is not open, `ENOTSOCK` when it is no packet socket.
    pub fn inherited(
        number: RawFd,
        inline_max: usize,
        message_max: usize,
    ) -> Result<Packets, SysError> {
        // SAFETY: integers only: asks whether the number is open.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
            return Err(SysError::last("fcntl"));
        }
        // SAFETY: open, as just asked, and by the contract of this process' start its own.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        let kind = rustix::net::sockopt::socket_type(&fd).named("getsockopt")?;
        if kind != SocketType::SEQPACKET {
            return Err(SysError::new("getsockopt", libc::ENOTSOCK));
        }
        Ok(Packets {
            fd,
            inline_max,
            message_max,
        })
    }

    /// The descriptor to wait on.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends one message with at most four descriptors.
    ///
    /// # Errors
    /// What `sendmsg(2)` says; `EPIPE` when the other end is gone, `EMSGSIZE` for a
    /// message over the bound.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), SysError> {
        self.send_by(bytes, fds, SendFlags::NOSIGNAL)
    }

    /// The same, without waiting for room: whether there was any.
    ///
    /// # Errors
    /// As [`send`](Packets::send).
    pub fn try_send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<bool, SysError> {
        match self.send_by(bytes, fds, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(()) => Ok(true),
            Err(e) if e.errno == libc::EAGAIN => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn send_by(
        &self,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> Result<(), SysError> {
        if bytes.len() > self.message_max || fds.len() >= FDS_MAX {
            return Err(SysError::new("sendmsg", libc::EMSGSIZE));
        }
        if bytes.len() <= self.inline_max {
            return self.send_packet(&[INLINE], bytes, fds, flags);
        }
        let file = rustix::fs::memfd_create(
            c"ringfence-message",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )
        .named("memfd_create")?;
        let mut file = File::from(file);
        file.write_all(bytes).named("write")?;
        rustix::fs::fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        )
        .named("fcntl")?;
        let mut all = vec![file.as_fd()];
        all.extend_from_slice(fds);
        self.send_packet(&[IN_FILE], &[], &all, flags)
    }

    fn send_packet(
        &self,
        head: &[u8],
        body: &[u8],
        fds: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> Result<(), SysError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(SysError::new("sendmsg", libc::EMSGSIZE));
        }
        let parts = [IoSlice::new(head), IoSlice::new(body)];
        rustix::io::retry_on_intr(|| rustix::net::sendmsg(&self.fd, &parts, &mut ancillary, flags))
            .named("sendmsg")
            .map(|_| ())
    }

    /// Waits for the next message; `None` when the other end is gone.
    ///
    /// # Errors
    /// What `recvmsg(2)` says; `EMSGSIZE` for a message over the bound, `EBADMSG` for
    /// one that is none.
    pub fn receive(&self) -> Result<Option<Received>, SysError> {
        let bad = || SysError::new("recvmsg", libc::EBADMSG);
        let Some(size) = self.next_size()? else {
            return Ok(None);
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut head = [0_u8; 1];
        let mut body = vec![0_u8; size.saturating_sub(head.len()).min(self.inline_max)];
        let mut parts = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
        let got = retry(|| {
            rustix::net::recvmsg(
                &self.fd,
                &mut parts,
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
        })?;
        let Some(got) = got else {
            return Ok(None);
        };
        if got.bytes == 0 {
            return Ok(None);
        }
        let mut fds = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        // The buffer is rounded up: a few more may have fitted than were asked for.
        let too_many = fds.len() > FDS_MAX;
        if too_many
            || got
                .flags
                .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(SysError::new("recvmsg", libc::EMSGSIZE));
        }
        match head[0] {
            INLINE => {
                body.truncate(got.bytes - 1);
                Ok(Some(Received { bytes: body, fds }))
            }
            IN_FILE if !fds.is_empty() => {
                let file = fds.remove(0);
                let seals = rustix::fs::fcntl_get_seals(&file).map_err(|_| bad())?;
                if !seals.contains(SealFlags::WRITE | SealFlags::SHRINK) {
                    return Err(bad());
                }
                let mut file = File::from(file);
                let len = file.metadata().named("fstat")?.len();
                if len > self.message_max as u64 {
                    return Err(SysError::new("recvmsg", libc::EMSGSIZE));
                }
                file.rewind().named("lseek")?;
                let mut bytes = Vec::with_capacity(len as usize);
                file.read_to_end(&mut bytes).named("read")?;
                Ok(Some(Received { bytes, fds }))
            }
            _ => Err(bad()),
        }
    }

    /// Waits for the next message, and leaves it: how long it is, 0 where the other end was closed. Most are short, and a buffer for the longest costs
    /// a page fault for each of its pages in a process that has just begun.
    fn next_size(&self) -> Result<Option<usize>, SysError> {
        let mut nothing: [u8; 0] = [];
        retry(|| {
            rustix::net::recv(&self.fd, &mut nothing, RecvFlags::PEEK | RecvFlags::TRUNC)
                .map(|(_, size)| size)
        })
    }
}

/// Once more where a signal came between; `None` when the other end is gone.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<Option<T>, SysError> {
    let mut once = || rustix::io::retry_on_intr(&mut call);
    let got = match once() {
        // The other end was closed with something unread in it. That is told once, and before
        // what it had to say.
        Err(rustix::io::Errno::CONNRESET) => once(),
        other => other,
    };
    match got {
        Err(rustix::io::Errno::CONNRESET) => Ok(None),
        other => other.named("recvmsg").map(Some),
    }
}
