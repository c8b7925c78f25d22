//! What goes out to a client, in its order, bounded.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::fault::Fault;
use crate::protocol::CHUNK;
use crate::rings::lock;

/// Messages that wait to be written to a client, and as many that are being written. One is some 100 KiB long
/// at most, but for what `command.read` asks for.
const OUTGOING: usize = 32;

/// Messages to the client, in their order.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) messages: mpsc::Sender<Vec<u8>>,
    pub(super) used: Arc<Used>,
}

/// Room of messages that have been written, for those that come: what is given back to the system is
/// given out by it page by page.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<Vec<Vec<u8>>>);

impl Used {
    /// Kept, at most.
    const MOST: usize = 4;

    pub(super) fn take(&self) -> Vec<u8> {
        lock(&self.0).pop().unwrap_or_default()
    }

    pub(super) fn give(&self, message: Vec<u8>) {
        let mut kept = lock(&self.0);
        if kept.len() < Used::MOST && (CHUNK..8 * CHUNK).contains(&message.capacity()) {
            kept.push(message);
        }
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
        self.messages.send(line).await.is_ok()
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
        let used = Arc::new(Used::default());
        let writing = tokio::spawn(write(outgoing, to, Arc::clone(&used)));
        (Outgoing { messages, used }, writing)
    }
}

/// Writes what goes out, as many messages at once as there are.
async fn write(
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    mut to: impl AsyncWrite + Unpin,
    used: Arc<Used>,
) {
    let mut messages = Vec::with_capacity(OUTGOING);
    let mut together = Vec::new();
    while outgoing.recv_many(&mut messages, OUTGOING).await > 0 {
        let written = match messages.as_slice() {
            [one] => to.write_all(one).await,
            // Where they are long, copying costs more than a call.
            [first, ..] if first.len() > 16 * 1024 => {
                async {
                    for message in &messages {
                        to.write_all(message).await?;
                    }
                    Ok(())
                }
                .await
            }
            all => {
                together.clear();
                all.iter()
                    .for_each(|message| together.extend_from_slice(message));
                to.write_all(&together).await
            }
        };
        messages.drain(..).for_each(|message| used.give(message));
        if written.and(to.flush().await).is_err() {
            return;
        }
    }
}
