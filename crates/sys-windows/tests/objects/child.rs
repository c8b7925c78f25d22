//! The other process of a test: this program, told by its environment what to do.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::path::PathBuf;

use ringfence_sys_windows::SysError;
use ringfence_sys_windows::handle::{self, Foreign};
use ringfence_sys_windows::mitigation::{self, Policy};
use ringfence_sys_windows::pipe;
use ringfence_sys_windows::process::{self, Environment, Process, Start, Started, Stdio};
use ringfence_sys_windows::sync::Event;
use ringfence_sys_windows::token::{Token, access};
use ringfence_sys_windows::wait;

const ROLE: &str = "RINGFENCE_TEST_ROLE";
const WORDS: &str = "RINGFENCE_TEST_WORDS";

/// How a child that is this program is started.
pub(crate) struct Child {
    program: PathBuf,
    line: OsString,
    environment: Environment,
}

impl Child {
    pub(crate) fn new(role: &str, words: &[&str]) -> Child {
        Child::with(role, words, &[])
    }

    /// With variables of its own.
    pub(crate) fn with(role: &str, words: &[&str], more: &[(&str, &str)]) -> Child {
        let program = std::env::current_exe().unwrap();
        let mut line = OsString::from("\"");
        line.push(&program);
        line.push("\" child::role --exact --nocapture --test-threads=1");
        let own = [(ROLE, role), (WORDS, &words.join("|"))];
        let own = own.iter().chain(more);
        let own = own.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let environment = Environment::of(std::env::vars_os().chain(own)).unwrap();
        Child {
            program,
            line,
            environment,
        }
    }

    /// To be changed and started.
    pub(crate) fn start(&self) -> Start<'_> {
        Start {
            environment: Some(&self.environment),
            ..Start::new(&self.program, &self.line)
        }
    }

    /// Starts it with its output in a pipe.
    pub(crate) fn run(&self, start: Start<'_>) -> Running {
        let (read, write) = pipe::anonymous().unwrap();
        let nul = File::options().read(true).open("NUL").unwrap();
        let stdio = Stdio {
            input: Some(nul.as_handle()),
            output: Some(write.as_handle()),
            error: None,
        };
        let start = Start {
            stdio: Some(stdio),
            ..start
        };
        Running::of(start.start().unwrap(), read)
    }

    /// Starts it, and reads all that it says.
    pub(crate) fn answer(&self, start: Start<'_>) -> (Vec<String>, u32) {
        let mut running = self.run(start);
        let said = std::iter::from_fn(|| running.next_word()).collect();
        (said, running.started.process.wait(None).unwrap().unwrap())
    }
}

pub(crate) struct Running {
    pub(crate) started: Started,
    output: BufReader<File>,
}

impl Running {
    fn of(started: Started, output: OwnedHandle) -> Running {
        let output = BufReader::new(File::from(output));
        Running { started, output }
    }

    /// The next thing it says, among what the test harness in it says.
    pub(crate) fn next_word(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, said)) = line.trim_end().split_once("> ") {
                return Some(said.to_owned());
            }
        }
    }
}

/// What a call failed with, for the other side.
pub(crate) fn code<T>(result: &Result<T, SysError>) -> u32 {
    match result {
        Ok(_) => 0,
        Err(error) => error.as_win32().unwrap(),
    }
}

fn say(word: impl std::fmt::Display) {
    println!("> {word}");
    std::io::stdout().flush().unwrap();
}

/// Not a test but what each child of one is.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words = std::env::var(WORDS).unwrap_or_default();
    let words: Vec<&str> = words.split('|').filter(|word| !word.is_empty()).collect();
    std::process::exit(act(&role, &words));
}

fn act(role: &str, words: &[&str]) -> i32 {
    match role {
        "exit" => return words[0].parse::<u32>().unwrap().cast_signed(),
        "wait" => {
            say(std::process::id());
            wait::one(process::current(), None).unwrap();
        }
        "wait-with-child" => {
            let child = Child::new("wait", &[]);
            let mut running = child.run(child.start());
            say(running.next_word().unwrap());
            wait::one(process::current(), None).unwrap();
        }
        "handles" => {
            for word in words {
                say(if set_event(word).is_ok() {
                    "set"
                } else {
                    "not set"
                });
            }
        }
        "open-event" => {
            let (name, access) = (OsString::from(words[0]), words[1].parse().unwrap());
            say(code(&Event::open(&name, access)));
        }
        "open-process" => {
            let (id, access) = (words[0].parse().unwrap(), words[1].parse().unwrap());
            say(code(&Process::open(id, access)));
        }
        "environment" => {
            for word in words {
                say(std::env::var(word).unwrap_or_else(|_| "none".to_owned()));
            }
            say(std::env::current_dir().unwrap().display());
        }
        "harden" => {
            let set = mitigation::set(Policy::ExtensionPoints, 1);
            let got = mitigation::get(process::current(), Policy::ExtensionPoints);
            say(code(&set));
            say(got.unwrap_or_default());
            say(code(&mitigation::load_from_system_only()));
        }
        "groups" => {
            for group in Token::own(access::QUERY).unwrap().groups().unwrap() {
                say(format!("{} {:#x}", group.sid, group.attributes));
            }
        }
        "desktop" => {
            let name = ringfence_sys_windows::desktop::current_name().unwrap();
            say(name.to_str().unwrap());
        }
        "pipe" => return on_a_pipe(words[0]),
        "console" => return on_a_console(),
        "lock" => {
            use ringfence_sys_windows::file::{Sharing, lock};
            let file = File::options().write(true).open(words[0]).unwrap();
            let locked = lock(file.as_handle(), Sharing::Exclusive, false).unwrap();
            say(if locked.is_some() { "locked" } else { "taken" });
        }
        "break" => return on_a_break(),
        other => panic!("no role {other}"),
    }
    0
}

/// Sets the event that a handle's number is of.
///
/// Of a child that has not the handle, the number may be of another of its handles: not an event,
/// or not inherited.
fn set_event(number: &str) -> Result<(), SysError> {
    let number: usize = number.parse().unwrap();
    Event::from(handle::adopt(Foreign(number))?).set()
}

fn on_a_pipe(name: &str) -> i32 {
    use std::io::Read as _;
    let pipe = pipe::Pipe::open(&OsString::from(name)).unwrap();
    say(pipe.server().unwrap());
    (&pipe).write_all(b"from the client").unwrap();
    let mut answer = [0; 64];
    let len = (&pipe).read(&mut answer).unwrap();
    say(String::from_utf8_lossy(&answer[..len]));
    0
}

/// Opens its console itself: Wine does not make it the standard handles.
fn on_a_console() -> i32 {
    use ringfence_sys_windows::console;
    let options = |name| File::options().read(true).write(true).open(name).unwrap();
    let (input, mut output) = (options("CONIN$"), options("CONOUT$"));
    assert_eq!(
        console::kind(input.as_handle()).unwrap(),
        console::Kind::Console
    );
    let before = console::mode(input.as_handle()).unwrap();
    {
        let _raw = console::Raw::input(input.as_handle()).unwrap();
        assert_ne!(console::mode(input.as_handle()).unwrap(), before);
    }
    assert_eq!(console::mode(input.as_handle()).unwrap(), before);
    let size = console::size(output.as_handle()).unwrap();
    write!(output, "size {}x{}\r\n", size.columns, size.rows).unwrap();
    let mut line = String::new();
    BufReader::new(input).read_line(&mut line).unwrap();
    write!(output, "read {}\r\n", line.trim_end()).unwrap();
    7
}

fn on_a_break() -> i32 {
    use ringfence_sys_windows::console;
    let signals = console::signals().unwrap();
    say("ready");
    wait::one(signals.as_handle(), None).unwrap();
    assert_eq!(signals.take(), Some(console::Signal::Break));
    9
}

/// A handle's number, as a child is told it.
pub(crate) fn number(handle: BorrowedHandle<'_>) -> String {
    use std::os::windows::io::AsRawHandle;
    handle.as_raw_handle().addr().to_string()
}
