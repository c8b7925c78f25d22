//! Consoles.

use std::fs::File;
use std::io::{Read, Write};
use std::os::windows::io::AsHandle;
use std::sync::mpsc;

use ringfence_sys_windows::console::{self, Kind, PseudoConsole, Size, Standard};
use ringfence_sys_windows::pipe;
use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;

use crate::child::{Child, code};
use crate::needs;
use crate::support::Dir;

const SIZE: Size = Size {
    columns: 80,
    rows: 25,
};

#[test]
fn handles_are_told_apart() {
    let dir = Dir::new();
    let file = File::open(dir.file("file", "")).unwrap();
    assert_eq!(console::kind(file.as_handle()).unwrap(), Kind::Disk);
    let (read, _write) = pipe::anonymous().unwrap();
    assert_eq!(console::kind(read.as_handle()).unwrap(), Kind::Pipe);
    let nul = File::open("NUL").unwrap();
    assert_eq!(console::kind(nul.as_handle()).unwrap(), Kind::Character);
    assert_eq!(code(&console::mode(read.as_handle())), ERROR_INVALID_HANDLE);
    assert_eq!(code(&console::size(read.as_handle())), ERROR_INVALID_HANDLE);
    assert!(console::Raw::input(read.as_handle()).is_err());
    assert!(console::Raw::output(read.as_handle()).is_err());
    console::standard(Standard::Output).unwrap().unwrap();
}

#[test]
fn a_program_in_a_pseudo_console_reads_writes_and_ends() {
    let (made, ends) = PseudoConsole::create(SIZE).unwrap();
    let child = Child::new("console", &[]);
    let mut start = child.start();
    start.console = Some(&made);
    let started = start.start().unwrap();
    let (seen, sees) = mpsc::channel();
    let mut output = File::from(ends.output);
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = output.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if seen.send(text).is_err() {
                break;
            }
        }
    });
    let mut text = String::new();
    let mut until = |wanted: &str| {
        while !letters(&text).contains(wanted) {
            text.push_str(
                &sees
                    .recv()
                    .unwrap_or_else(|_| panic!("no {wanted} in {text:?}")),
            );
        }
    };
    until("size80x25");
    let mut input = File::from(ends.input);
    input.write_all(b"a line\r").unwrap();
    until("readaline");
    assert_eq!(started.process.wait(None).unwrap(), Some(7));
    // The reader goes on until the console is closed, and then ends by itself.
    drop(made);
    reader.join().unwrap();
}

/// What is printed, without the sequences between and without spaces, which a console may write
/// as moves of the cursor.
fn letters(text: &str) -> String {
    let mut letters = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '\u{1b}' => match rest.next() {
                Some('[') => {
                    let _end = rest.find(|c| ('@'..='~').contains(c));
                }
                Some(']') => {
                    let _end = rest.find(|c| *c == '\u{7}');
                }
                _ => {}
            },
            c if c.is_control() || c == ' ' => {}
            c => letters.push(c),
        }
    }
    letters
}

#[test]
fn a_pseudo_console_changes_its_size() {
    let (made, ends) = PseudoConsole::create(SIZE).unwrap();
    let resized = made.resize(Size {
        columns: 100,
        rows: 30,
    });
    drop(ends);
    drop(made);
    if !needs::real_windows("a pseudo console keeps its size") {
        assert!(resized.is_err());
        return;
    }
    resized.unwrap();
}

#[test]
fn a_break_reaches_the_group_it_is_for() {
    console::ignore_ctrl_c(true).unwrap();
    console::ignore_ctrl_c(false).unwrap();
    let signals = console::signals().unwrap();
    assert_eq!(signals.take(), None);
    let child = Child::new("break", &[]);
    let mut start = child.start();
    start.new_group = true;
    let mut running = child.run(start);
    assert_eq!(running.next_word().unwrap(), "ready");
    let sent = console::signal_group(running.started.id);
    let process = &running.started.process;
    if sent.is_err() || !needs::real_windows("no console signal reaches another process") {
        println!("skipped: needs a console: {sent:?}");
        process.terminate(0).unwrap();
        process.wait(None).unwrap();
        return;
    }
    assert_eq!(process.wait(None).unwrap(), Some(9));
}
