//! What a fuzzer drives: the ways by which a client's bytes come in, without a process or a socket.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection;
use crate::lines::{Line, Lines, Source};
use crate::rings::{Rings, lock};

pub use crate::output::bytes_of;

/// Bytes that come in pieces.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    piece: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.len().min(self.piece.max(1)).min(to.remaining());
        to.put_slice(rest.get(..length).unwrap_or_default());
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

/// Where answers go.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Said {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        lock(&self.0).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn source(bytes: &[u8], piece: usize) -> Source {
    Source::Any(Box::new(Pieces {
        bytes: bytes.to_vec(),
        at: 0,
        piece,
    }))
}

/// The lines in these bytes, which come in pieces; `None` for one that is longer than `max`. What is left
/// without an end is not among them.
///
/// # Errors
/// None: memory can be read.
pub async fn lines(
    bytes: &[u8],
    piece: usize,
    max: usize,
) -> std::io::Result<Vec<Option<Vec<u8>>>> {
    let mut lines = Lines::new(source(bytes, piece), max);
    let mut all = Vec::new();
    while let Some(line) = lines.next().await? {
        match line {
            Line::Whole(line) => all.push(Some(line)),
            Line::TooLong => all.push(None),
            Line::Cut => {}
        }
    }
    Ok(all)
}

/// All that a connection says to a client that says this, in pieces.
pub async fn converse(rings: Arc<Rings>, bytes: &[u8], piece: usize) -> Vec<u8> {
    let said = Said::default();
    connection::serve(rings, source(bytes, piece), said.clone()).await;
    std::mem::take(&mut *lock(&said.0))
}
