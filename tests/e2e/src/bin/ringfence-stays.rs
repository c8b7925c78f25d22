//! A program that makes rings that stay, by way of the library, in the current directory: for
//! `ringfence-probe verify --stays`, which says what is asked of it; and one to be killed (`steps`).
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the test's other end"
)]

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use ringfence::ring::{ExitStatus, Stdio};
use ringfence::{Request, Ring};
use ringfence_policy::{Flags, parse_duration, parse_size};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What tells the probe of its arena; the only variable that is not the ring's own.
const TOLD: &str = "RINGFENCE_ARENA";
/// Between the words of a request, which ends with [`END`]. No word has either in it.
const BETWEEN: u8 = 0;
const END: u8 = 1;
/// The first word of a request to run commands until there were so many.
const FILL: &str = "fill";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("ringfence-stays: {error}");
            ExitCode::from(125)
        }
    }
}

fn run(words: &[OsString]) -> Result<u8> {
    match words {
        [verb, socket, flags @ ..] if verb == "hold" => hold(socket, flags),
        [verb, socket, number] if verb == FILL => ask(socket, &[FILL.into(), number.clone()]),
        [verb, socket, argv @ ..] if verb == "in" => {
            let told = std::env::var_os(TOLD).unwrap_or_default();
            let mut request = vec!["in".into(), told];
            request.extend_from_slice(argv);
            ask(socket, &request)
        }
        [verb, number, rest @ ..] if verb == "one" => {
            let before = number.to_str().ok_or("no number")?.parse()?;
            let at = rest.iter().position(|word| word == "--");
            let (flags, argv) = rest.split_at(at.ok_or("no command")?);
            one(before, flags, argv.get(1..).unwrap_or_default())
        }
        [verb, hold @ ..] if verb == "steps" => steps(!hold.is_empty()),
        _ => Err("usage: hold, fill, in, one, steps; see ringfence-probe".into()),
    }
}

fn open(words: &[OsString]) -> Result<Ring> {
    let here = std::env::current_dir()?;
    let mut flags = Flags::default();
    for pair in words.chunks(2) {
        let [name, value] = pair else {
            return Err("a flag without a value".into());
        };
        let text = value.to_str().ok_or("a flag that is no text")?;
        match name.to_str() {
            Some("--hide") => flags.hide.push(PathBuf::from(value)),
            Some("--protect") => flags.protect.push(PathBuf::from(value)),
            Some("--processes") => flags.processes = Some(text.parse()?),
            Some("--memory") => flags.memory = Some(parse_size(text)?),
            Some("--timeout") => flags.time = Some(parse_duration(text)?),
            _ => return Err(format!("a flag that is not known here: {}", name.display()).into()),
        }
    }
    Ok(Ring::open(Request {
        workspace: Some(here.clone()),
        directory: Some(here),
        flags,
        ..Request::default()
    })?)
}

fn fill(ring: &Ring, commands: u32) -> Result<()> {
    for number in 0..commands {
        let status = ring.command("/bin/true").stdin(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("command {number}: {status}").into());
        }
    }
    Ok(())
}

/// As the command line has it.
fn code(status: ExitStatus) -> u8 {
    if status.timed_out {
        return 124;
    }
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    u8::try_from(code.unwrap_or(125)).unwrap_or(125)
}

fn one(before: u32, flags: &[OsString], argv: &[OsString]) -> Result<u8> {
    let ring = open(flags)?;
    fill(&ring, before)?;
    let (program, arguments) = argv.split_first().ok_or("no command")?;
    Ok(code(ring.command(program).args(arguments).status()?))
}

/// Goes through all a ring that stays does, and says at each step a byte: to be killed at any of them. Or it
/// holds when all of its commands run.
fn steps(hold: bool) -> Result<u8> {
    let step = || {
        let mut out = std::io::stdout().lock();
        out.write_all(b".").and_then(|()| out.flush())
    };
    step()?;
    let ring = open(&[])?;
    step()?;
    // They start, four at a time: each has a process in a session of its own beside it.
    let start = || -> Result<ringfence::ring::Child> {
        let mut command = ring.command("sh");
        command.args(["-c", "setsid sleep 1000 & read line"]);
        let child = command.stdin(Stdio::piped()).spawn()?;
        step()?;
        Ok(child)
    };
    let started: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..5).map(|_| start()).collect()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread".into())))
            .collect()
    });
    let mut children = Vec::new();
    for some in started {
        children.extend(some?);
    }
    step()?;
    if hold {
        loop {
            std::thread::park();
        }
    }
    // Half of them end, with what they left; the others run on.
    for child in children.iter_mut().take(10) {
        drop(child.stdin.take());
    }
    for child in children.iter_mut().take(10) {
        child.wait()?;
        step()?;
    }
    // Output flows.
    let mut yes = ring
        .command("yes")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = yes.stdout.take().ok_or("no output")?;
    for _ in 0..20 {
        output.read_exact(&mut [0; 64 * 1024])?;
        step()?;
    }
    drop(ring);
    drop(children);
    step()?;
    Ok(0)
}

fn ask(socket: &OsStr, request: &[OsString]) -> Result<u8> {
    let stream = UnixStream::connect(socket)?;
    let mut bytes = request.join(OsStr::from_bytes(&[BETWEEN])).into_vec();
    bytes.push(END);
    let own = [
        std::io::stdin().as_fd().try_clone_to_owned()?,
        std::io::stdout().as_fd().try_clone_to_owned()?,
        std::io::stderr().as_fd().try_clone_to_owned()?,
    ];
    let fds = own.each_ref().map(AsFd::as_fd);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = sendmsg(
        &stream,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    (&stream).write_all(bytes.get(sent..).unwrap_or_default())?;
    drop(own);
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer)?;
    match answer.trim_end().split_once(' ') {
        Some(("code", number)) => Ok(number.parse()?),
        _ => Err(format!("the ring's program said {answer:?}").into()),
    }
}

fn hold(socket: &OsStr, flags: &[OsString]) -> Result<u8> {
    // Before there is a ring, which covers the sockets that there are.
    let listener = UnixListener::bind(socket)?;
    let ring = open(flags)?;
    println!("held");
    let ran = std::sync::Arc::new(AtomicU32::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (ring, ran) = (ring.clone(), std::sync::Arc::clone(&ran));
            std::thread::spawn(move || {
                let answer = match answered(&ring, &ran, &stream) {
                    Ok(code) => format!("code {code}\n"),
                    Err(error) => format!("{error}\n").replace('\n', " ") + "\n",
                };
                let _gone = (&stream).write_all(answer.as_bytes());
                let _gone = stream.shutdown(Shutdown::Both);
            });
        }
    });
    // Until whoever holds it lets go, or is gone.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(0)
}

fn answered(ring: &Ring, ran: &AtomicU32, stream: &UnixStream) -> Result<u8> {
    let (words, fds) = received(stream)?;
    match words.as_slice() {
        [verb, number] if verb == FILL => {
            let number: u32 = number.to_str().ok_or("no number")?.parse()?;
            let more = number.saturating_sub(ran.load(Ordering::SeqCst));
            fill(ring, more)?;
            ran.fetch_add(more, Ordering::SeqCst);
            Ok(0)
        }
        [_, told, program, arguments @ ..] => {
            let [stdin, stdout, stderr]: [OwnedFd; 3] =
                fds.try_into().map_err(|_| "three streams are needed")?;
            let mut child = {
                // Dropped at once: what it holds open is the command's alone.
                let mut command = ring.command(program);
                command.args(arguments).env(TOLD, told);
                command.stdin(File::from(stdin)).stdout(File::from(stdout));
                command.stderr(File::from(stderr)).spawn()?
            };
            ran.fetch_add(1, Ordering::SeqCst);
            let (id, watched) = (child.id(), stream.try_clone()?);
            let ring = ring.clone();
            std::thread::spawn(move || {
                // Whoever asked is gone, or has its answer.
                let _end = (&watched).read(&mut [0]);
                let _ended = ring.stop(id);
            });
            Ok(code(child.wait()?))
        }
        _ => Err("a request that is none".into()),
    }
}

fn received(stream: &UnixStream) -> Result<(Vec<OsString>, Vec<OwnedFd>)> {
    let (mut bytes, mut fds) = (Vec::new(), Vec::new());
    while bytes.last() != Some(&END) {
        let mut piece = [0; 64 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let length = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut piece)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?
        .bytes;
        if length == 0 {
            return Err("a request without an end".into());
        }
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(sent) = message {
                fds.extend(sent);
            }
        }
    }
    bytes.pop();
    let words = bytes.split(|byte| *byte == BETWEEN);
    Ok((
        words
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect(),
        fds,
    ))
}
