//! What goes out to a client, in its order, bounded.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::fault::Fault;
use crate::protocol::CHUNK;
use crate::rings::lock;

/// Messages that wait to be written to a client, and as many that are being written. Long ones are bounded by
/// [`Rooms`] as well.
const OUTGOING: usize = 32;

/// Messages to the client, in their order.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    messages: mpsc::Sender<Message>,
    rooms: Arc<Rooms>,
}

/// A line, and the room it takes until it is written.
#[derive(Debug)]
struct Message {
    line: Vec<u8>,
    #[expect(dead_code, reason = "it is held")]
    room: Option<OwnedSemaphorePermit>,
    /// Its memory is used again.
    again: bool,
}

/// The room for long messages, until they are written.
#[derive(Debug)]
struct Rooms {
    /// For what tells of output, some 100 KiB each time (one that is escaped, four times that). Not more, and the
    /// same again and again: what is given back to the system is given out by it page by page, and what is
    /// written long after it was made has to be fetched from memory.
    free: Arc<Semaphore>,
    used: Mutex<Vec<Vec<u8>>>,
    /// For answers that are as long as somebody makes them: a client that asks for much and reads nothing waits,
    /// and not in memory.
    answers: Arc<Semaphore>,
}

impl Rooms {
    const NUMBER: usize = 4;

    fn give(&self, message: Message) {
        // One that was escaped to many times its length is not kept for others.
        if message.again && message.line.capacity() <= 4 * CHUNK {
            lock(&self.used).push(message.line);
        }
    }
}

impl Message {
    fn of(room: Room) -> Message {
        Message {
            line: room.line,
            room: Some(room.permit),
            again: true,
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

    /// Waits for room for an answer that may be long. It is held from before that is made.
    pub(super) async fn answer_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.rooms.answers).acquire_owned().await.ok()
    }

    /// Room for an answer that may be long, if there is some.
    pub(super) fn try_answer_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.rooms.answers).try_acquire_owned().ok()
    }

    /// It was not needed.
    pub(super) fn give_back(&self, room: Room) {
        self.rooms.give(Message::of(room));
    }

    /// Waits until the client is gone.
    pub(super) async fn closed(&self) {
        self.messages.closed().await;
    }

    /// `false` when the client is gone.
    pub(super) async fn send_line(&self, room: Room) -> bool {
        self.messages.send(Message::of(room)).await.is_ok()
    }
}

impl Outgoing {
    /// `false` when the client is gone.
    pub(super) async fn send(&self, message: &impl Serialize) -> bool {
        self.send_in(message, None).await
    }

    async fn send_in(&self, message: &impl Serialize, room: Option<OwnedSemaphorePermit>) -> bool {
        // What is sent has no part that could not be written as JSON.
        let Ok(mut line) = serde_json::to_vec(message) else {
            return false;
        };
        line.push(b'\n');
        let message = Message {
            line,
            room,
            again: false,
        };
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
        self.answer_in(id, answer, None).await
    }

    /// The same, in the room that was waited for.
    pub(super) async fn answer_in(
        &self,
        id: Option<&RawValue>,
        answer: Result<serde_json::Value, Fault>,
        room: Option<OwnedSemaphorePermit>,
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
        let response = Response {
            jsonrpc: "2.0",
            id,
            result,
            error,
        };
        self.send_in(&response, room).await
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
            answers: Arc::new(Semaphore::new(Rooms::NUMBER)),
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
