//! Pipes.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::pipe::{self, Listen, Pipe, Read};
use ringfence_sys_windows::sddl;
use std::os::windows::io::AsHandle;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, ERROR_SEM_TIMEOUT,
};

use crate::child::{Child, code};
use crate::needs;
use crate::support::unique;

const MOMENT: Option<Duration> = Some(Duration::from_millis(50));

fn name() -> std::ffi::OsString {
    let mut name = std::ffi::OsString::from("\\\\.\\pipe\\");
    name.push(unique("pipe"));
    name
}

fn listen(name: &std::ffi::OsStr) -> Listen<'_> {
    Listen {
        name,
        first: true,
        messages: false,
        instances: 1,
        buffer: 4096,
        descriptor: None,
    }
}

#[test]
fn what_is_written_into_a_pipe_comes_out_until_it_is_closed() {
    let (read, write) = pipe::anonymous().unwrap();
    let (mut read, mut write) = (File::from(read), File::from(write));
    write.write_all(b"bytes").unwrap();
    drop(write);
    let mut all = Vec::new();
    read.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"bytes");
}

#[test]
fn two_processes_talk_and_each_knows_the_other() {
    let name = name();
    let server = listen(&name).create().unwrap();
    assert!(!server.connect(MOMENT).unwrap());
    let child = Child::new("pipe", &[name.to_str().unwrap()]);
    let mut running = child.run(child.start());
    assert!(server.connect(None).unwrap());
    assert_eq!(server.client().unwrap(), running.started.id);
    assert_eq!(running.next_word().unwrap(), std::process::id().to_string());
    let mut buffer = [0; 64];
    let Read::Bytes(len) = server.read_within(&mut buffer, None).unwrap() else {
        panic!("no bytes")
    };
    assert_eq!(&buffer[..len], b"from the client");
    assert_eq!(
        server.read_within(&mut buffer, MOMENT).unwrap(),
        Read::TimedOut
    );
    let written = server.write_within(b"from the server", None).unwrap();
    assert_eq!(written, Some(15));
    assert_eq!(running.next_word().unwrap(), "from the server");
    assert_eq!(running.started.process.wait(None).unwrap(), Some(0));
    assert_eq!(server.read_within(&mut buffer, None).unwrap(), Read::End);
    server.disconnect().unwrap();
}

#[test]
fn messages_keep_their_ends_and_both_ends_work_at_once() {
    let name = name();
    let listening = Listen {
        messages: true,
        ..listen(&name)
    };
    let server = listening.create().unwrap();
    let client = Pipe::open(&name).unwrap();
    client.read_messages().unwrap();
    assert!(server.connect(None).unwrap());
    std::thread::scope(|scope| {
        // One thread waits to read what another writes through the same end.
        let reading = scope.spawn(|| {
            let mut buffer = [0; 4];
            let part = client.read_within(&mut buffer, None).unwrap();
            let rest = client.read_within(&mut buffer, None).unwrap();
            (part, rest)
        });
        (&client).write_all(b"up").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(
            server.read_within(&mut buffer, None).unwrap(),
            Read::Bytes(2)
        );
        (&server).write_all(b"sixsix").unwrap();
        assert_eq!(reading.join().unwrap(), (Read::Part(4), Read::Bytes(2)));
    });
    assert_eq!(code(&Pipe::open(&name)), ERROR_PIPE_BUSY);
    assert_eq!(
        code(&pipe::wait_for_server(&name, MOMENT)),
        ERROR_SEM_TIMEOUT
    );
}

#[test]
fn a_pipe_that_is_full_is_not_waited_for_longer_than_asked() {
    let name = name();
    let server = listen(&name).create().unwrap();
    let _client = Pipe::open(&name).unwrap();
    server.connect(None).unwrap();
    let much = vec![0; 1 << 20];
    assert_eq!(server.write_within(&much, MOMENT).unwrap(), None);
}

#[test]
fn a_name_without_a_server_is_not_found() {
    let name = name();
    assert_eq!(code(&Pipe::open(&name)), ERROR_FILE_NOT_FOUND);
}

#[test]
fn a_pipe_has_the_descriptor_it_was_made_with() {
    let name = name();
    let text = "D:P(A;;FA;;;SY)";
    let descriptor = sddl::parse(text).unwrap();
    let listening = Listen {
        descriptor: Some(&descriptor),
        ..listen(&name)
    };
    let server = listening.create().unwrap();
    let read = acl::read(server.as_handle(), Parts::DACL).unwrap();
    assert_eq!(sddl::show(&read, Parts::DACL).unwrap(), text);
    let opened = Pipe::open(&name);
    if !needs::real_windows("the list of a pipe lets everybody") {
        assert!(opened.is_ok());
        return;
    }
    assert_eq!(code(&opened), ERROR_ACCESS_DENIED);
}

#[test]
fn a_name_that_is_taken_is_refused_to_a_first_server() {
    let name = name();
    let listening = Listen {
        instances: 2,
        ..listen(&name)
    };
    let _first = listening.create().unwrap();
    let second = listening.create();
    if !needs::real_windows("a second server passes for the first") {
        assert!(second.is_ok());
        return;
    }
    assert_eq!(code(&second), ERROR_ACCESS_DENIED);
}
