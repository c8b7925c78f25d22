//! What goes out to a client, in its order, bounded.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::fault::Fault;
use crate::protocol::CHUNK;
use crate::rings::lock;

/// Messages that wait to be written to a client, and as many that are being written. What tells of output is
/// bounded by [`Rooms`] as well.
const OUTGOING: usize = 32;

/// Messages to the client, in their order.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    messages: mpsc::Sender<Message>,
    rooms: Arc<Rooms>,
}

/// A line, and what it goes back to.
#[derive(Debug)]
struct Message {
    line: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// The room for what tells of output, some 100 KiB each time, until it is written. Not more, and the same
/// again and again: what is given back to the system is given out by it page by page, and what is
/// written long after it was made has to be fetched from memory.
#[derive(Debug)]
struct Rooms {
    free: Arc<Semaphore>,
    used: Mutex<Vec<Vec<u8>>>,
}

impl Rooms {
    const NUMBER: usize = 4;

    fn give(&self, message: Message) {
        // One that was escaped to many times its length is not kept for others.
        if message.room.is_some() && message.line.capacity() <= 4 * CHUNK {
            lock(&self.used).push(message.line);
        }
    }
}

/// Room for a line.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) line: Vec<u8>,
    permit: OwnedSemaphorePermit,
}

impl Outgoing {
    /// Waits for room for a line.
    pub(super) async fn room(&self) -> Option<Room> {
        // It is never closed.
        let permit = Arc::clone(&self.rooms.free).acquire_owned().await.ok()?;
        let line = lock(&self.rooms.used).pop().unwrap_or_default();
        Some(Room { line, permit })
    }

    /// It was not needed.
    pub(super) fn give_back(&self, room: Room) {
        self.rooms.give(Message {
            line: room.line,
            room: Some(room.permit),
        });
    }

    /// Waits until the client is gone.
    pub(super) async fn closed(&self) {
        self.messages.closed().await;
    }

    /// `false` when the client is gone.
    pub(super) async fn send_line(&self, room: Room) -> bool {
        let message = Message {
            line: room.line,
            room: Some(room.permit),
        };
        self.messages.send(message).await.is_ok()
    }
}

impl Outgoing {
    /// `false` when the client is gone.
    pub(super) async fn send(&self, message: &impl Serialize) -> bool {
        // What is sent has no part that could not be written as JSON.
        let Ok(mut line) = serde_json::to_vec(message) else {
            return false;
        };
        line.push(b'\n');
        let message = Message { line, room: None };
        self.messages.send(message).await.is_ok()
    }

    pub(super) async fn notify(&self, method: &str, params: &impl Serialize) -> bool {
        #[derive(Serialize)]
        struct Notification<'a, T> {
            jsonrpc: &'a str,
            method: &'a str,
            params: &'a T,
        }
        self.send(&Notification {
            jsonrpc: "2.0",
            method,
            params,
        })
        .await
    }

    pub(super) async fn answer(
        &self,
        id: Option<&RawValue>,
        answer: Result<serde_json::Value, Fault>,
    ) -> bool {
        #[derive(Serialize)]
        struct Response<'a> {
            jsonrpc: &'a str,
            id: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<serde_json::Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<serde_json::Value>,
        }
        let (result, error) = match answer {
            Ok(result) => (Some(result), None),
            Err(fault) => (None, Some(fault.to_json())),
        };
        self.send(&Response {
            jsonrpc: "2.0",
            id,
            result,
            error,
        })
        .await
    }
}

impl Outgoing {
    /// To a client that is written to by the task that is given as well.
    pub(super) fn new(
        to: impl AsyncWrite + Send + Unpin + 'static,
    ) -> (Outgoing, tokio::task::JoinHandle<()>) {
        let (messages, outgoing) = mpsc::channel(OUTGOING);
        let rooms = Arc::new(Rooms {
            free: Arc::new(Semaphore::new(Rooms::NUMBER)),
            used: Mutex::default(),
        });
        let writing = tokio::spawn(write(outgoing, to, Arc::clone(&rooms)));
        (Outgoing { messages, rooms }, writing)
    }
}

/// Writes what goes out, as many messages at once as there are.
async fn write(
    mut outgoing: mpsc::Receiver<Message>,
    mut to: impl AsyncWrite + Unpin,
    rooms: Arc<Rooms>,
) {
    let mut messages: Vec<Message> = Vec::with_capacity(OUTGOING);
    let mut together = Vec::new();
    while outgoing.recv_many(&mut messages, OUTGOING).await > 0 {
        // Where they are long, copying costs more than a call.
        let short = messages.len() > 1 && messages.iter().all(|m| m.line.len() <= 16 * 1024);
        let written = if short {
            together.clear();
            for message in messages.drain(..) {
                together.extend_from_slice(&message.line);
                rooms.give(message);
            }
            to.write_all(&together).await
        } else {
            async {
                for message in messages.drain(..) {
                    to.write_all(&message.line).await?;
                    rooms.give(message);
                }
                Ok(())
            }
            .await
        };
        if written.and(to.flush().await).is_err() {
            return;
        }
    }
}
