//! What a command prints: kept up to a bound, told from any place in it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64_simd::STANDARD;
use ringfence::tokio::{ChildStdout, Terminal};
use rustix::io::Errno;
use tokio::sync::watch;

use crate::protocol::{Bytes, CHUNK, Stream, WhenFull};
use crate::tape::Tape;

/// One of a command's outputs.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stream: Stream,
    kept: Mutex<Kept>,
    /// Something was taken, or a reader came or went: there may be room.
    room: watch::Sender<()>,
}

#[derive(Debug)]
struct Kept {
    /// The place of the first byte that is kept.
    start: u64,
    bytes: Tape,
    when_full: WhenFull,
    /// Nothing comes any more.
    eof: bool,
    /// All that was printed before the command's end is here.
    settled: bool,
    /// Where those are that have it told.
    readers: BTreeMap<u64, u64>,
}

impl Kept {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// How many bytes there is room for. Where they may be dropped there always is.
    fn room(&self) -> usize {
        let slowest = self.readers.values().min();
        match (self.when_full, slowest) {
            (WhenFull::Wait, Some(slowest)) => {
                let waiting = self.end().saturating_sub((*slowest).max(self.start));
                self.bytes
                    .limit()
                    .saturating_sub(usize::try_from(waiting).unwrap_or(usize::MAX))
            }
            _ => self.bytes.limit(),
        }
    }
}

/// A piece that was taken.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
    pub(crate) next: u64,
    pub(crate) eof: bool,
}

impl Output {
    pub(crate) fn new(stream: Stream, limit: usize, when_full: WhenFull) -> Output {
        Output {
            stream,
            kept: Mutex::new(Kept {
                start: 0,
                // A character has to have room: half of one is not told, and would be in the other's way.
                bytes: Tape::new(limit.max(4)),
                when_full,
                eof: false,
                settled: false,
                readers: BTreeMap::new(),
            }),
            room: watch::Sender::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has more read, up to `max` bytes.
    fn fill(
        &self,
        max: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut kept = self.lock();
        let (length, over) = kept.bytes.fill(max, read)?;
        kept.start += over as u64;
        Ok(length)
    }

    fn finish(&self) {
        let mut kept = self.lock();
        kept.eof = true;
        kept.settled = true;
        kept.bytes.finish();
    }

    /// Bytes that are kept.
    pub(crate) fn length(&self) -> u64 {
        self.lock().bytes.len() as u64
    }

    /// Where what is kept ends.
    pub(crate) fn end(&self) -> u64 {
        self.lock().end()
    }

    /// Whether all that came before the command's end is here, and nothing comes any more.
    pub(crate) fn state(&self) -> (bool, bool) {
        let kept = self.lock();
        (kept.settled, kept.eof)
    }

    /// Somebody has it told from this place on, or from the first that is there.
    pub(crate) fn attach(&self, reader: u64, from: Option<u64>) {
        let mut kept = self.lock();
        let from = from.unwrap_or(kept.start).min(kept.end());
        kept.readers.insert(reader, from);
    }

    /// And no more.
    pub(crate) fn detach(&self, reader: u64) {
        self.lock().readers.remove(&reader);
        self.room.send_replace(());
    }

    /// Whether there is something for a reader.
    pub(crate) fn has_for(&self, reader: u64) -> bool {
        let kept = self.lock();
        kept.readers.get(&reader).is_some_and(|at| *at < kept.end())
    }

    /// The next piece for a reader, if there is one, as the line that tells it: made in one pass, since
    /// much may go this way.
    pub(crate) fn take_line(&self, reader: u64, command: u64, line: &mut Vec<u8>) -> bool {
        let mut kept = self.lock();
        let Some(at) = kept.readers.get(&reader).copied() else {
            return false;
        };
        let name = match self.stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Terminal => "terminal",
        };
        let next = with_piece(&kept, at, CHUNK, true, |at, bytes, text| {
            line.clear();
            line.reserve(bytes.len() + bytes.len() / 2 + 256);
            let head = format!(
                r#"{{"jsonrpc":"2.0","method":"command.output","params":{{"command":{command},"stream":"{name}","offset":{at},"#
            );
            line.extend_from_slice(head.as_bytes());
            match text {
                Some(text) => {
                    line.extend_from_slice(br#""text":"#);
                    json_escape_simd::escape_into(text, &mut *line);
                }
                None => {
                    line.extend_from_slice(br#""base64":""#);
                    STANDARD.encode_append(bytes, &mut *line);
                    line.push(b'"');
                }
            }
            line.extend_from_slice(b"}}\n");
            at + bytes.len() as u64
        });
        let Some(next) = next else { return false };
        kept.readers.insert(reader, next);
        drop(kept);
        self.room.send_replace(());
        true
    }

    /// What is there from this place on.
    pub(crate) fn read(&self, from: u64, max: usize) -> Piece {
        let kept = self.lock();
        let (start, end, eof) = (kept.start, kept.end(), kept.eof);
        piece(&kept, from, max, false).unwrap_or_else(|| {
            let at = from.clamp(start, end);
            Piece {
                offset: at,
                bytes: Bytes {
                    text: Some(String::new()),
                    base64: None,
                },
                next: at,
                eof,
            }
        })
    }
}

/// Up to `max` bytes from a place on.
fn piece(kept: &Kept, from: u64, max: usize, patient: bool) -> Option<Piece> {
    with_piece(kept, from, max, patient, |at, bytes, text| {
        let next = at + bytes.len() as u64;
        Piece {
            offset: at,
            bytes: match text {
                Some(text) => Bytes {
                    text: Some(text.to_owned()),
                    base64: None,
                },
                None => Bytes {
                    text: None,
                    base64: Some(base64_of(bytes)),
                },
            },
            next,
            eof: kept.eof && next == kept.end(),
        }
    })
}

/// Gives up to `max` bytes from a place on to `make`, with where they are, and as text where they are to
/// be told as that. A character whose rest has not come yet is left for later, if that is `patient` and
/// there may be more.
fn with_piece<T>(
    kept: &Kept,
    from: u64,
    max: usize,
    patient: bool,
    make: impl FnOnce(u64, &[u8], Option<&str>) -> T,
) -> Option<T> {
    let at = from.max(kept.start);
    let skip = usize::try_from(at - kept.start).ok()?;
    let there = kept.bytes.len().checked_sub(skip)?;
    let length = there.min(max);
    if length == 0 {
        return None;
    }
    let more = length < there || !kept.settled;
    let copied: Vec<u8>;
    let (front, back) = kept.bytes.parts();
    let taken = if skip >= front.len() {
        back.get(skip - front.len()..)?.get(..length)?
    } else if skip + length <= front.len() {
        front.get(skip..skip + length)?
    } else if patient && front.len() - skip >= 4096 {
        // Up to where it wraps around; the rest is the next piece.
        front.get(skip..)?
    } else {
        let front = front.get(skip..)?;
        copied = [front, back.get(..length - front.len())?].concat();
        &copied
    };
    Some(match std::str::from_utf8(taken) {
        Ok(text) => make(
            at,
            taken,
            Some(text).filter(|text| is_shorter_as_text(text)),
        ),
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            let whole = taken.get(..error.valid_up_to())?;
            let text = std::str::from_utf8(whole).ok();
            make(at, whole, text.filter(|text| is_shorter_as_text(text)))
        }
        Err(error) if error.error_len().is_none() && more && patient => return None,
        Err(_) => make(at, taken, None),
    })
}

/// Text with so many control characters that it is longer, escaped, than in base64 is sent as that. Its
/// beginning tells enough: either way all of it arrives.
fn is_shorter_as_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let beginning = bytes.get(..4096).unwrap_or(bytes);
    let escaped = beginning
        .iter()
        .filter(|b| (**b < b' ' && !matches!(**b, b'\n' | b'\r' | b'\t')) || **b == 0x7f)
        .count();
    escaped <= beginning.len() / 8
}

/// Bytes in base64.
pub(crate) fn base64_of(bytes: &[u8]) -> String {
    STANDARD.encode_to_string(bytes)
}

/// The bytes that a client sent.
///
/// # Errors
/// In words: what they are is said twice, or is no base64.
pub fn bytes_of(text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err("`text` or `base64`, not both".to_owned()),
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(base64)) => STANDARD
            .decode_to_vec(base64)
            .map_err(|error| format!("base64: {error}")),
        (None, None) => Ok(Vec::new()),
    }
}

/// Where a command's output comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Pipe(ChildStdout),
    Terminal(Arc<Terminal>),
}

impl Source {
    fn try_read(&self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Pipe(pipe) => pipe.try_read(to),
            Source::Terminal(terminal) => terminal.try_read(to),
        }
    }

    async fn readable(&self) -> io::Result<()> {
        match self {
            Source::Pipe(pipe) => pipe.readable().await,
            Source::Terminal(terminal) => terminal.readable().await,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Source::Pipe(pipe) => pipe.as_fd(),
            Source::Terminal(terminal) => terminal.as_fd(),
        }
    }
}

/// What a pipe holds when it is made (`pipe(7)`).
const PIPE: usize = 64 * 1024;
/// And when much goes through it.
pub(crate) const LONG_PIPE: usize = 256 * 1024;

/// Carries what a command prints to where it is kept, until nothing comes any more.
pub(crate) async fn carry(
    output: Arc<Output>,
    from: Source,
    mut ended: watch::Receiver<bool>,
    changed: Arc<watch::Sender<()>>,
) {
    let mut grown = false;
    let mut room = output.room.subscribe();
    loop {
        let wanted = loop {
            room.mark_unchanged();
            match output.lock().room() {
                0 => {}
                wanted => break wanted,
            }
            if room.changed().await.is_err() {
                return;
            }
        };
        // One that prints without end leaves the others their turn.
        tokio::task::consume_budget().await;
        let wanted = wanted.min(CHUNK);
        let mut read = output.fill(wanted, |to| from.try_read(to));
        let over = *ended.borrow_and_update();
        if over && is_nothing(&read) {
            // The runtime may not know yet what the kernel does.
            read = output.fill(wanted, |to| {
                rustix::io::read(from.fd(), to).map_err(io::Error::from)
            });
            if matches!(&read, Err(e) if e.raw_os_error() == Some(Errno::IO.raw_os_error())) {
                read = Ok(0);
            }
        }
        match read {
            Ok(0) => break,
            Ok(length) => {
                if length >= PIPE && !grown {
                    // It prints much: with a longer pipe it and this are woken less often. Not before,
                    // since a user has only so much memory for pipes (`pipe(7)`).
                    grown = true;
                    let _as_it_was = rustix::pipe::fcntl_setpipe_size(from.fd(), LONG_PIPE);
                }
                changed.send_replace(());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if over {
                    output.lock().settled = true;
                    changed.send_replace(());
                    if from.readable().await.is_err() {
                        break;
                    }
                } else {
                    tokio::select! {
                        ready = from.readable() => if ready.is_err() { break },
                        told = ended.changed() => if told.is_err() { break },
                    }
                }
            }
            Err(_) => break,
        }
    }
    output.finish();
    changed.send_replace(());
}

fn is_nothing(read: &io::Result<usize>) -> bool {
    matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limit: usize, when_full: WhenFull) -> Output {
        Output::new(Stream::Stdout, limit, when_full)
    }

    fn text(piece: &Piece) -> &str {
        piece.bytes.text.as_deref().unwrap()
    }

    impl Output {
        fn push(&self, mut bytes: &[u8]) {
            while !bytes.is_empty() {
                self.fill(bytes.len(), |to| {
                    let (now, rest) = bytes.split_at(to.len());
                    to.copy_from_slice(now);
                    bytes = rest;
                    Ok(to.len())
                })
                .unwrap();
            }
        }

        /// What the line says.
        fn take(&self, reader: u64) -> Option<Piece> {
            let mut line = Vec::new();
            if !self.take_line(reader, 7, &mut line) {
                return None;
            }
            let message: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(message["method"], "command.output");
            let told: crate::protocol::CommandOutput =
                serde_json::from_value(message["params"].clone()).unwrap();
            assert_eq!((told.command, told.stream), (7, self.stream));
            let (_, eof) = self.state();
            let next = self.lock().readers[&reader];
            Some(Piece {
                offset: told.offset,
                next,
                eof: eof && next == self.lock().end(),
                bytes: told.bytes,
            })
        }
    }

    #[test]
    fn the_oldest_is_dropped_and_offsets_tell() {
        let output = kept(8, WhenFull::Drop);
        output.push(b"0123456789");
        let piece = output.read(0, 100);
        assert_eq!(
            (piece.offset, text(&piece), piece.next),
            (2, "23456789", 10)
        );
        let piece = output.read(5, 3);
        assert_eq!((piece.offset, text(&piece), piece.next), (5, "567", 8));
        let piece = output.read(99, 3);
        assert_eq!((piece.offset, text(&piece), piece.eof), (10, "", false));
        output.finish();
        assert!(output.read(10, 3).eof && output.read(0, 100).eof && !output.read(0, 3).eof);
    }

    #[test]
    fn a_reader_that_is_waited_for_makes_room_by_taking() {
        let output = kept(8, WhenFull::Wait);
        assert_eq!(output.lock().room(), 8);
        output.attach(1, None);
        output.push(b"01234567");
        assert_eq!(output.lock().room(), 0);
        assert_eq!(text(&output.take(1).unwrap()), "01234567");
        assert!(output.take(1).is_none());
        assert_eq!(output.lock().room(), 8);
        output.push(b"89");
        assert_eq!(output.lock().room(), 6);
        output.detach(1);
        assert_eq!(output.lock().room(), 8);
        // It is kept for who comes late.
        output.attach(2, Some(4));
        assert_eq!(text(&output.take(2).unwrap()), "456789");
    }

    #[test]
    fn characters_are_told_whole_and_other_bytes_as_they_are() {
        let output = kept(100, WhenFull::Wait);
        output.attach(1, None);
        let euro = "€".as_bytes();
        output.push(b"a");
        output.push(&euro[..1]);
        assert_eq!(text(&output.take(1).unwrap()), "a");
        assert!(output.take(1).is_none(), "its rest comes");
        output.push(&euro[1..]);
        assert_eq!(text(&output.take(1).unwrap()), "€");
        output.push(&euro[..2]);
        output.finish();
        let piece = output.take(1).unwrap();
        assert_eq!(piece.bytes.base64.as_deref(), Some("4oI="), "it never came");
        assert!(piece.eof);
        let output = kept(100, WhenFull::Wait);
        output.attach(1, None);
        output.push(b"\xff\0");
        assert_eq!(
            output.take(1).unwrap().bytes.base64.as_deref(),
            Some("/wA=")
        );
        output.push(&[0; 20]);
        assert!(output.take(1).unwrap().bytes.base64.is_some(), "shorter");
    }

    #[test]
    fn what_wraps_around_is_told_in_order() {
        let output = kept(10, WhenFull::Drop);
        let mut expected = String::new();
        output.attach(1, None);
        for round in 0..50_u32 {
            let piece = format!("{round:03}");
            output.push(piece.as_bytes());
            expected.push_str(&piece);
            let all = output.read(0, 100);
            assert_eq!(
                text(&all),
                &expected[expected.len().saturating_sub(10)..],
                "{round}"
            );
            assert_eq!(all.next, expected.len() as u64);
        }
    }

    /// Whatever is printed, in whatever pieces, is what is told.
    #[test]
    fn all_bytes_come_back() {
        let output = kept(5000, WhenFull::Wait);
        output.attach(1, None);
        let (mut printed, mut told) = (Vec::new(), Vec::new());
        let mut random = 1_u64;
        for _ in 0..3000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let kind = (random >> 33) % 4;
            let length = ((random >> 40) % 400) as usize;
            let bytes: Vec<u8> = (0..length)
                .map(|at| match kind {
                    0 => (at % 256) as u8,
                    1 => b"text \"quoted\" \\ \n\t"[at % 18],
                    2 => "€ü𝄞".as_bytes()[at % 9],
                    _ => 0,
                })
                .collect();
            output.push(&bytes);
            printed.extend(bytes);
            while let Some(piece) = output.take(1) {
                told.extend(bytes_of(piece.bytes.text, piece.bytes.base64).unwrap());
                assert_eq!(piece.next, told.len() as u64);
            }
        }
        output.finish();
        while let Some(piece) = output.take(1) {
            told.extend(bytes_of(piece.bytes.text, piece.bytes.base64).unwrap());
        }
        assert!(printed == told);
    }

    #[test]
    fn what_is_sent_is_one_of_the_two() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(bytes_of(some("a"), None).unwrap(), b"a");
        assert_eq!(bytes_of(None, some("/wA=")).unwrap(), b"\xff\0");
        assert!(bytes_of(some("a"), some("")).is_err());
        assert!(bytes_of(None, some("!")).is_err());
    }
}
