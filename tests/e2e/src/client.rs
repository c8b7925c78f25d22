//! A client of `ringfence serve` and `ringfence mcp`: one JSON message a line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use serde_json::{Value, json};

use crate::command::{Done, Input, Live, deadline};
use crate::workspace::Workspace;

const PATIENCE: Duration = Duration::from_secs(60);

/// A client, of a server of its own or of one with a socket.
#[derive(Debug)]
pub struct Client {
    to: To,
    lines: Receiver<String>,
    /// Held by a client that does not read.
    reads: Arc<Mutex<()>>,
    /// Messages that were read while another was waited for.
    unread: VecDeque<Value>,
    last: u64,
}

#[derive(Debug)]
enum To {
    Own(Box<Live>),
    Socket(UnixStream),
}

impl Client {
    /// Starts a server with these words, and says nothing yet.
    pub fn start(ws: &Workspace, words: &[&str]) -> Client {
        let (read, write) = std::io::pipe().unwrap();
        let live = ws.ringfence(words).input(Input::Pipe).stdout(write).start();
        Client::new(To::Own(Box::new(live)), read)
    }

    /// Connects to a server's socket and says hello.
    pub fn connect(path: &Path) -> Client {
        let stream = UnixStream::connect(path).unwrap();
        let read = stream.try_clone().unwrap();
        let mut client = Client::new(To::Socket(stream), read);
        client.ok("initialize", json!({ "versions": [1], "client": "other" }));
        client
    }

    /// The same as the person themselves: only the very same user is let in.
    pub fn connect_as(ws: &Workspace, path: &Path) -> Client {
        if ws.person.uid == rustix::process::geteuid().as_raw() {
            return Client::connect(path);
        }
        const RELAY: &str = "import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
def back():
    while b := s.recv(65536): os.write(1, b)
    os._exit(0)
threading.Thread(target=back).start()
while b := os.read(0, 65536): s.sendall(b)
s.shutdown(socket.SHUT_RDWR)";
        let (read, write) = std::io::pipe().unwrap();
        let relay = ws.bare([
            "python3".as_ref(),
            "-c".as_ref(),
            RELAY.as_ref(),
            path.as_os_str(),
        ]);
        let live = relay.input(Input::Pipe).stdout(write).start();
        let mut client = Client::new(To::Own(Box::new(live)), read);
        client.ok("initialize", json!({ "versions": [1], "client": "other" }));
        client
    }

    fn new(to: To, from: impl Read + Send + 'static) -> Client {
        let (send, lines) = channel();
        let reads = Arc::new(Mutex::new(()));
        let may_read = Arc::clone(&reads);
        std::thread::spawn(move || {
            // Little is read ahead, so that a client that does not read does not.
            let mut from = BufReader::with_capacity(512, from);
            let mut line = Vec::new();
            loop {
                drop(may_read.lock());
                line.clear();
                match from.read_until(b'\n', &mut line) {
                    Ok(length) if length > 0 => {}
                    _ => break,
                }
                if send
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
        Client {
            to,
            lines,
            reads,
            unread: VecDeque::new(),
            last: 0,
        }
    }

    /// Reads nothing while this is held.
    pub fn reads(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.reads)
    }

    /// Its end of a server's socket.
    pub fn socket(&self) -> &UnixStream {
        match &self.to {
            To::Socket(stream) => stream,
            To::Own(_) => panic!("it speaks on stdin"),
        }
    }

    /// Starts `ringfence serve` and says hello.
    pub fn serve(ws: &Workspace, words: &[&str]) -> Client {
        let mut client = Client::start(ws, &[&["serve"], words].concat());
        client.ok("initialize", json!({ "versions": [1], "client": "test" }));
        client
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        match &self.to {
            To::Own(live) => live.pid(),
            To::Socket(_) => panic!("the server is not its own"),
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.to {
            To::Own(live) => live.stdin().write_all(bytes).unwrap(),
            To::Socket(stream) => stream.write_all(bytes).unwrap(),
        }
    }

    /// Sends a request and does not wait for its answer; its id.
    pub fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let id = self.last;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(format!("{request}\n").as_bytes());
        id
    }

    fn read(&mut self) -> Value {
        let left = deadline().saturating_duration_since(Instant::now());
        let line = self.lines.recv_timeout(left);
        let line =
            line.unwrap_or_else(|_| panic!("nothing more is said; unread: {:?}", self.unread));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    /// The next message that is wanted; others stay for later.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at).unwrap();
        }
        let mut others = 0;
        loop {
            let message = self.read();
            if wanted(&message) {
                return message;
            }
            others += 1;
            assert!(others < 100_000, "waited in vain: {what}");
            self.unread.push_back(message);
        }
    }

    /// The answer to a request.
    pub fn answer(&mut self, id: u64) -> Value {
        self.until("an answer", |message| {
            message.get("id") == Some(&json!(id))
                && (message.get("result").is_some() || message.get("error").is_some())
        })
    }

    /// The next answer that belongs to no request.
    pub fn error_without_id(&mut self) -> Value {
        let answer = self.until("an error", |m| m.get("id") == Some(&Value::Null));
        answer["error"].clone()
    }

    /// Asks and waits; what was answered.
    pub fn ok(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params.clone());
        let answer = self.answer(id);
        assert!(
            answer.get("error").is_none(),
            "{method} {params}: {}",
            answer["error"]
        );
        answer["result"].clone()
    }

    /// Asks and waits; the error.
    pub fn refused(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params.clone());
        let answer = self.answer(id);
        assert!(
            answer.get("result").is_none(),
            "{method} {params}: {}",
            answer["result"]
        );
        answer["error"].clone()
    }

    /// Opens a ring in the workspace; its number.
    pub fn ring(&mut self, ws: &Workspace) -> u64 {
        let opened = self.ok("ring.open", json!({ "workspace": ws.path() }));
        opened["ring"].as_u64().unwrap()
    }

    /// Starts a command; its number.
    pub fn command(&mut self, params: Value) -> u64 {
        let started = self.ok("command.start", params);
        started["command"].as_u64().unwrap()
    }

    /// Waits until a command's end is told; that, and all that was told of one of its streams.
    pub fn ended(&mut self, command: u64, stream: &str) -> (Value, Vec<u8>) {
        let mut printed = Vec::new();
        loop {
            let message = self.until("a command's end", |m| {
                m["params"]["command"] == json!(command) && m.get("method").is_some()
            });
            let params = &message["params"];
            if message["method"] == "command.ended" {
                return (params.clone(), printed);
            }
            if params["stream"] == stream {
                assert_eq!(params["offset"], json!(printed.len()), "an offset");
                printed.extend(bytes(params));
            }
        }
    }

    /// The end of all that is said; how much was.
    pub fn ends(&mut self) -> usize {
        let mut read = 0;
        while self.lines.recv_timeout(PATIENCE).is_ok() {
            read += 1;
        }
        read
    }

    /// Leaves a server's socket.
    pub fn leave(self) {
        match self.to {
            To::Socket(stream) => stream.shutdown(std::net::Shutdown::Both).unwrap(),
            // The relay, at once, whatever it has not passed on.
            To::Own(live) => {
                live.signal(Signal::KILL);
                drop(live.wait());
            }
        }
    }

    fn own(self) -> Live {
        match self.to {
            To::Own(live) => *live,
            To::Socket(_) => panic!("the server is not its own"),
        }
    }

    /// Says no more, and waits for the server's end.
    pub fn wait(self) -> Done {
        self.own().wait()
    }

    /// Sends the server a signal, and waits for its end.
    pub fn signal(self, signal: Signal) -> Done {
        let live = self.own();
        live.signal(signal);
        live.wait()
    }
}

/// The bytes of a message.
pub fn bytes(params: &Value) -> Vec<u8> {
    match (params.get("text"), params.get("base64")) {
        (Some(text), None) => text.as_str().unwrap().into(),
        (None, Some(base64)) => unbase64(base64.as_str().unwrap()),
        other => panic!("one of text and base64: {other:?}"),
    }
}

/// RFC 4648 §4, by a second hand: not by what wrote it.
fn unbase64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let digits: Vec<u32> = four
            .iter()
            .filter(|c| **c != b'=')
            .map(|c| u32::try_from(ALPHABET.iter().position(|a| a == c).unwrap()).unwrap())
            .collect();
        let value = digits.iter().fold(0_u32, |sum, digit| sum << 6 | digit);
        let value = value << (6 * (4 - digits.len()));
        bytes.extend(&value.to_be_bytes()[1..digits.len()]);
    }
    bytes
}

/// The parameters of a shell's script in a ring.
pub fn sh(ring: u64, script: &str) -> Value {
    json!({ "ring": ring, "argv": ["sh", "-c", script] })
}

/// Parameters, and more of them.
///
/// # Panics
/// Where either is no object.
pub fn with(mut params: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    params.as_object_mut().unwrap().extend(more);
    params
}
