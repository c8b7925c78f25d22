//! Lines that come in, of bounded length, with the descriptors that were sent along.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncRead, AsyncReadExt, Interest};
use tokio::net::UnixStream;

/// Descriptors that came with a line. A command takes three at most.
const DESCRIPTORS_MAX: usize = 32;

/// Where bytes come from.
pub(crate) enum Source {
    /// A pipe, or what else can be read.
    Any(Box<dyn AsyncRead + Send + Unpin>),
    /// A unix socket, on which descriptors can come.
    Socket(Arc<UnixStream>),
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// One that was longer than may be, and has been passed over.
    TooLong,
    /// The last, without an end: a frame that was cut off.
    Cut,
}

/// Reads lines.
pub(crate) struct Lines {
    from: Source,
    buffer: Vec<u8>,
    /// How far no line end has been found yet.
    searched: usize,
    max: usize,
    /// In a line that is too long.
    passing_over: bool,
    /// Bytes that have been received, and that have been given out as lines or passed over.
    received: u64,
    given: u64,
    /// Descriptors that came, each with the place of the last byte it came with.
    arrived: VecDeque<(u64, OwnedFd)>,
    /// Those that came with the line that was given last.
    pub(crate) descriptors: VecDeque<OwnedFd>,
}

impl Lines {
    pub(crate) fn new(from: Source, max: usize) -> Lines {
        Lines {
            from,
            buffer: Vec::new(),
            searched: 0,
            max,
            passing_over: false,
            received: 0,
            given: 0,
            arrived: VecDeque::new(),
            descriptors: VecDeque::new(),
        }
    }

    /// The next line; `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.found() {
                return Ok(Some(line));
            }
            if self.read().await? == 0 {
                let cut = !self.buffer.is_empty() || self.passing_over;
                self.buffer.clear();
                self.passing_over = false;
                return Ok(cut.then_some(Line::Cut));
            }
        }
    }

    fn found(&mut self) -> Option<Line> {
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(at) = rest.iter().position(|b| *b == b'\n') else {
            self.searched = self.buffer.len();
            if self.buffer.len() > self.max {
                self.passing_over = true;
            }
            if self.passing_over {
                self.given += self.buffer.len() as u64;
                self.buffer = Vec::new();
                self.searched = 0;
            }
            return None;
        };
        let end = self.searched + at;
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        self.searched = 0;
        self.given += line.len() as u64;
        line.pop();
        self.descriptors.clear();
        while self.arrived.front().is_some_and(|(at, _)| *at < self.given) {
            self.descriptors
                .extend(self.arrived.pop_front().map(|(_, fd)| fd));
        }
        let long = std::mem::take(&mut self.passing_over) || line.len() > self.max;
        Some(if long {
            Line::TooLong
        } else {
            Line::Whole(line)
        })
    }

    async fn read(&mut self) -> io::Result<usize> {
        let mut piece = [0_u8; 16 * 1024];
        let mut came = Vec::new();
        let length = match &mut self.from {
            Source::Any(from) => from.read(&mut piece).await?,
            Source::Socket(socket) => {
                let socket = Arc::clone(socket);
                loop {
                    socket.readable().await?;
                    let received = socket.try_io(Interest::READABLE, || {
                        receive(&socket, &mut piece, &mut came)
                    });
                    match received {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        received => break received?,
                    }
                }
            }
        };
        self.received += length as u64;
        // They are of the last that was sent of this, since the kernel reads no further (`unix(7)`): of the line
        // that its last byte is in.
        let at = self.received.saturating_sub(1);
        self.arrived.extend(came.into_iter().map(|fd| (at, fd)));
        if self.arrived.len() > DESCRIPTORS_MAX {
            return Err(io::Error::other(format!(
                "more than {DESCRIPTORS_MAX} descriptors were sent with one line"
            )));
        }
        self.buffer
            .extend_from_slice(piece.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// Receives bytes, and descriptors.
fn receive(
    socket: &UnixStream,
    to: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space =
        [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket.as_fd(),
        &mut [io::IoSliceMut::new(to)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            descriptors.extend(sent);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], max: usize) -> Vec<Line> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let from = Source::Any(Box::new(io::Cursor::new(text.to_vec())));
            let mut lines = Lines::new(from, max);
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line);
            }
            assert!(lines.buffer.is_empty());
            all
        })
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.into())
    }

    #[test]
    fn lines_are_taken_whole_and_bounded() {
        assert_eq!(lines(b"a\n\nbc\n", 9), [whole("a"), whole(""), whole("bc")]);
        assert_eq!(lines(b"", 9), []);
        assert_eq!(lines(b"a\nhalf", 9), [whole("a"), Line::Cut]);
        let long = "x".repeat(100_000);
        let text = format!("{long}\nshort\n{long}{long}\nend\n{long}");
        assert_eq!(
            lines(text.as_bytes(), 50_000),
            [
                Line::TooLong,
                whole("short"),
                Line::TooLong,
                whole("end"),
                Line::Cut
            ]
        );
        let exact = format!("{}\n", "x".repeat(50_000));
        assert!(matches!(
            lines(exact.as_bytes(), 50_000)[..],
            [Line::Whole(_)]
        ));
        let one_more = format!("{}\n", "x".repeat(50_001));
        assert_eq!(lines(one_more.as_bytes(), 50_000), [Line::TooLong]);
    }
}
