//! The packet socket: whole messages, descriptors, ends.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use ringfence_sys_linux::packet::{FDS_MAX, Packets};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

const INLINE: usize = 100;
const MOST: usize = 100_000;

fn pair() -> (Packets, Packets) {
    Packets::pair(INLINE, MOST).unwrap()
}

/// Sends what a good peer would not.
fn send_raw(to: &Packets, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(fds)));
    }
    rustix::net::sendmsg(
        to.fd(),
        &[IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::empty(),
    )
    .unwrap();
}

fn errno_of<T: std::fmt::Debug>(result: Result<T, ringfence_sys_linux::SysError>) -> Errno {
    Errno::from_raw_os_error(result.unwrap_err().errno)
}

fn memory(bytes: &[u8], seals: SealFlags) -> std::fs::File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(c"test", flags).unwrap();
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes).unwrap();
    rustix::fs::fcntl_add_seals(&file, seals).unwrap();
    file
}

#[test]
fn last_words_are_heard_of_one_that_did_not_listen() {
    let (ours, theirs) = Packets::pair(64, 64).unwrap();
    ours.send(b"unread", &[]).unwrap();
    theirs.send(b"last words", &[]).unwrap();
    drop(theirs);
    let heard = ours.receive().unwrap().unwrap();
    assert_eq!(heard.bytes, b"last words");
    assert!(ours.receive().unwrap().is_none());
    // With nothing to say it is gone.
    let (ours, theirs) = Packets::pair(64, 64).unwrap();
    ours.send(b"unread", &[]).unwrap();
    drop(theirs);
    assert!(ours.receive().unwrap().is_none());
}

#[test]
fn messages_of_each_size_arrive_whole_and_in_order() {
    let (a, b) = pair();
    let sizes = [0, 1, INLINE - 1, INLINE, INLINE + 1, MOST];
    for size in sizes {
        let bytes: Vec<u8> = (0..size).map(|n| n as u8).collect();
        a.send(&bytes, &[]).unwrap();
    }
    for size in sizes {
        let got = b.receive().unwrap().unwrap();
        assert_eq!(got.bytes, (0..size).map(|n| n as u8).collect::<Vec<_>>());
        assert_eq!(got.fds.len(), 0, "the memory file is not handed on");
    }
}

#[test]
fn descriptors_ride_along_with_short_and_long_messages() {
    let (a, b) = pair();
    for size in [1, INLINE * 3] {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        a.send(&vec![7; size], &[read.as_fd(), write.as_fd(), null.as_fd()])
            .unwrap();
        drop((read, write));
        let got = b.receive().unwrap().unwrap();
        assert_eq!(got.bytes, vec![7; size]);
        let [read, write, _null] = <[_; 3]>::try_from(got.fds).unwrap();
        for fd in [&read, &write] {
            let flags = rustix::io::fcntl_getfd(fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        std::fs::File::from(write).write_all(b"through").unwrap();
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }
}

#[test]
fn more_than_the_bounds_is_not_sent() {
    let (a, b) = pair();
    let null = std::fs::File::open("/dev/null").unwrap();
    let many = [null.as_fd(); FDS_MAX];
    assert_eq!(errno_of(a.send(&vec![0; MOST + 1], &[])), Errno::MSGSIZE);
    assert_eq!(errno_of(a.send(b"x", &many)), Errno::MSGSIZE);
    a.send(b"next", &[]).unwrap();
    assert_eq!(b.receive().unwrap().unwrap().bytes, b"next");
}

#[test]
fn the_end_is_told_after_what_was_said_before() {
    let (a, b) = pair();
    a.send(b"last words", &[]).unwrap();
    drop(a);
    assert_eq!(b.receive().unwrap().unwrap().bytes, b"last words");
    assert!(b.receive().unwrap().is_none());
    assert_eq!(errno_of(b.send(b"anyone?", &[])), Errno::PIPE);
}

#[test]
fn a_peer_that_left_without_reading_is_gone_and_no_error() {
    let (a, b) = pair();
    b.send(b"never read", &[]).unwrap();
    drop(a);
    assert!(b.receive().unwrap().is_none());
}

#[test]
fn what_is_no_message_is_refused() {
    let (a, b) = pair();
    // A head nobody knows, and a memory file that is not there.
    send_raw(&a, b"\x03abc", &[]);
    assert_eq!(errno_of(b.receive()), Errno::BADMSG);
    send_raw(&a, b"\x01", &[]);
    assert_eq!(errno_of(b.receive()), Errno::BADMSG);
    // A packet longer than any inline message.
    send_raw(&a, &[0; INLINE + 2], &[]);
    assert_eq!(errno_of(b.receive()), Errno::MSGSIZE);
    // More descriptors than ever ride along.
    let null = std::fs::File::open("/dev/null").unwrap();
    send_raw(&a, b"\x00abc", &[null.as_fd(); 6]);
    assert_eq!(errno_of(b.receive()), Errno::MSGSIZE);
    a.send(b"good", &[]).unwrap();
    assert_eq!(b.receive().unwrap().unwrap().bytes, b"good");
}

#[test]
fn a_memory_file_must_be_sealed_and_within_bounds() {
    let (a, b) = pair();
    let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
    // One that the sender could still change while it is read.
    for seals in [SealFlags::empty(), SealFlags::SHRINK, SealFlags::WRITE] {
        send_raw(&a, b"\x01", &[memory(b"x", seals).as_fd()]);
        assert_eq!(errno_of(b.receive()), Errno::BADMSG, "{seals:?}");
    }
    // No memory file at all, of no end.
    let zero = std::fs::File::open("/dev/zero").unwrap();
    send_raw(&a, b"\x01", &[zero.as_fd()]);
    assert_eq!(errno_of(b.receive()), Errno::BADMSG);
    let large = memory(&vec![0; MOST + 1], all);
    send_raw(&a, b"\x01", &[large.as_fd()]);
    assert_eq!(errno_of(b.receive()), Errno::MSGSIZE);
    let good = memory(b"good", all);
    send_raw(&a, b"\x01", &[good.as_fd()]);
    assert_eq!(b.receive().unwrap().unwrap().bytes, b"good");
}

#[test]
fn only_a_packet_socket_is_taken_over() {
    use std::os::fd::IntoRawFd;
    assert_eq!(errno_of(Packets::inherited(9999, 1, 1)), Errno::BADF);
    // Given away: what takes it over closes it.
    let file = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
    assert_eq!(errno_of(Packets::inherited(file, 1, 1)), Errno::NOTSOCK);
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let stream = stream.into_raw_fd();
    assert_eq!(errno_of(Packets::inherited(stream, 1, 1)), Errno::NOTSOCK);
}
