//! The last bytes of an output, in a circle, into which they are read directly.

use std::io;

use crate::protocol::CHUNK;

/// What is there to read into at least, if there may be more.
const LEAST: usize = 4096;

/// The last `limit` bytes of what was read into it.
#[derive(Debug)]
pub(crate) struct Tape {
    /// As long as it was needed so far, and `limit` and [`CHUNK`] at most: where the last `limit` bytes are
    /// kept there is a piece more to read into. (While it grows there are two.)
    circle: Vec<u8>,
    /// Where the first kept byte is.
    head: usize,
    length: usize,
    limit: usize,
    /// All that was there to read into was used.
    filled: bool,
}

impl Tape {
    pub(crate) fn new(limit: usize) -> Tape {
        Tape {
            circle: Vec::new(),
            head: 0,
            length: 0,
            limit: limit.max(1),
            filled: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Both parts of what is kept, in order.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        let end = self.head + self.length;
        match end.checked_sub(self.circle.len()) {
            Some(over) => (&self.circle[self.head..], &self.circle[..over]),
            None => (&self.circle[self.head..end], &[]),
        }
    }

    /// Has up to `max` bytes read into it, with what tells how many they were; gives that, and how many of the
    /// oldest went for them.
    pub(crate) fn fill(
        &mut self,
        max: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<(usize, usize)> {
        let most = self.limit + CHUNK;
        let free = self.circle.len() - self.length;
        if (self.filled || free < LEAST) && self.circle.len() < most {
            self.grow((2 * self.circle.len()).clamp(LEAST, most.max(LEAST)));
        }
        if self.length == 0 {
            self.head = 0;
        }
        let from = self.head + self.length;
        let free = match from.checked_sub(self.circle.len()) {
            Some(from) => &mut self.circle[from..self.head],
            None => &mut self.circle[from..],
        };
        let offered = free.len().min(max);
        let length = read(&mut free[..offered])?.min(offered);
        self.filled = length == offered && offered < max;
        self.length += length;
        let over = self.length.saturating_sub(self.limit);
        self.length -= over;
        self.head += over;
        if self.head >= self.circle.len() {
            self.head -= self.circle.len();
        }
        Ok((length, over))
    }

    /// Nothing is read into it any more: it needs no more room than what is kept.
    pub(crate) fn finish(&mut self) {
        // Where that is little less than it has, the copy would cost more than it gives back.
        if self.circle.len() - self.length > self.length / 8 {
            self.grow(self.length);
        }
    }

    /// Puts what is kept into a circle of another size, from its beginning.
    fn grow(&mut self, size: usize) {
        let mut circle = Vec::with_capacity(size);
        let (front, back) = self.parts();
        circle.extend_from_slice(front);
        circle.extend_from_slice(back);
        circle.resize(size.max(self.length), 0);
        self.circle = circle;
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn kept(tape: &Tape) -> Vec<u8> {
        let (front, back) = tape.parts();
        [front, back].concat()
    }

    /// Against the same done plainly: any limit, any pieces, reads that give less than there was room for.
    #[test]
    fn it_keeps_the_last_bytes() {
        let mut random = 7_u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        for limit in [1, 2, 7, 4095, 4096, 4097, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let mut tape = Tape::new(limit);
            let mut plain: VecDeque<u8> = VecDeque::new();
            let (mut byte, mut dropped) = (0_u8, 0);
            for _ in 0..400 {
                let max = 1 + next(2 * limit.min(CHUNK));
                let (length, over) = tape
                    .fill(max, |to| {
                        assert!(!to.is_empty() && to.len() <= max);
                        let length = if next(3) == 0 {
                            to.len()
                        } else {
                            next(to.len() + 1)
                        };
                        for place in &mut to[..length] {
                            byte = byte.wrapping_mul(13).wrapping_add(1);
                            *place = byte;
                            plain.push_back(byte);
                        }
                        Ok(length)
                    })
                    .unwrap();
                assert!(length <= max);
                dropped += over;
                let much = plain.len().saturating_sub(limit);
                plain.drain(..much);
                assert_eq!(much, over);
                assert!(plain == kept(&tape), "limit {limit}");
                assert!(tape.circle.len() <= (limit + CHUNK).max(LEAST));
            }
            assert!(dropped > 0);
            tape.finish();
            let most = (plain.len() + plain.len() / 8).max(8);
            assert!(plain == kept(&tape) && tape.circle.capacity() <= most);
        }
    }

    #[test]
    fn an_error_changes_nothing() {
        let mut tape = Tape::new(4);
        tape.fill(3, |to| {
            to.copy_from_slice(b"abc");
            Ok(3)
        })
        .unwrap();
        let error = tape.fill(3, |_| Err(io::Error::other("no"))).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), kept(&tape)),
            ("no", b"abc".to_vec())
        );
    }

    /// A command that prints little takes little.
    #[test]
    fn it_is_as_long_as_it_was_needed() {
        let mut tape = Tape::new(1 << 20);
        for _ in 0..40 {
            tape.fill(CHUNK, |to| {
                to[..50].fill(1);
                Ok(50)
            })
            .unwrap();
        }
        assert!(tape.circle.len() <= 2 * LEAST, "{}", tape.circle.len());
    }
}
