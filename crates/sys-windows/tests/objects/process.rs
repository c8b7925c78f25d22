//! Starting processes.

use std::ffi::{OsStr, OsString};
use std::os::windows::io::AsHandle;
use std::path::Path;
use std::time::Duration;

use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::counters::counters;
use ringfence_sys_windows::error::{Code, Refusal};
use ringfence_sys_windows::handle;
use ringfence_sys_windows::process::{Environment, Process, Start, access, arguments};
use ringfence_sys_windows::sync::Event;
use ringfence_sys_windows::wait::{self, Waited};
use ringfence_sys_windows::{sddl, token::Token};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND};

use crate::child::{Child, code, number};
use crate::needs;

#[test]
fn every_bit_of_an_exit_code_arrives() {
    for wanted in [0, 1, 256, 259, 0x8000_0100, u32::MAX] {
        let child = Child::new("exit", &[&wanted.to_string()]);
        let before = counters().process_starts;
        let started = child.start().start().unwrap();
        assert!(counters().process_starts > before);
        assert_eq!(started.process.wait(None).unwrap(), Some(wanted));
        assert_eq!(started.process.exit_code().unwrap(), Some(wanted));
    }
}

#[test]
fn a_child_gets_the_handles_that_are_listed_and_no_other() {
    let [listed, unlisted] = [(); 2].map(|()| Event::own().unwrap());
    for event in [&listed, &unlisted] {
        handle::set_inherited(event.as_handle(), true).unwrap();
    }
    let words = [number(listed.as_handle()), number(unlisted.as_handle())];
    let child = Child::new("handles", &[&words[0], &words[1]]);
    let mut start = child.start();
    let handles = [listed.as_handle()];
    start.handles = &handles;
    let (said, _) = child.answer(start);
    assert_eq!(said, ["set", "not set"]);
    let set = |event: &Event| {
        let now = Some(Duration::ZERO);
        wait::one(event.as_handle(), now).unwrap() == Waited::Signalled(0)
    };
    assert!(set(&listed) && !set(&unlisted));
}

#[test]
fn a_suspended_child_runs_when_it_is_resumed() {
    let child = Child::new("exit", &["4"]);
    let mut start = child.start();
    start.suspended = true;
    start.no_window = true;
    let started = start.start().unwrap();
    assert!(started.resume().unwrap());
    assert!(!started.resume().unwrap_or_default());
    assert_eq!(started.process.wait(None).unwrap(), Some(4));
}

#[test]
fn a_child_has_the_environment_and_the_directory_it_was_given() {
    let more = [("RINGFENCE_ONE", "a value"), ("ringfence_two", "=x y")];
    let words = ["RINGFENCE_ONE", "RINGFENCE_TWO", "RINGFENCE_THREE"];
    let child = Child::with("environment", &words, &more);
    let windows = Path::new("C:\\windows");
    let mut start = child.start();
    start.directory = Some(windows);
    let (said, _) = child.answer(start);
    assert_eq!(said[..3], ["a value", "=x y", "none"]);
    assert!(said[3].eq_ignore_ascii_case("c:\\windows"), "{}", said[3]);
}

#[test]
fn a_process_is_told_by_number_start_and_program() {
    let child = Child::new("wait", &[]);
    let mut running = child.run(child.start());
    let said: u32 = running.next_word().unwrap().parse().unwrap();
    let started = &running.started;
    assert_eq!((started.id, started.process.id().unwrap()), (said, said));
    let image = started.process.image().unwrap();
    let own = std::env::current_exe().unwrap();
    assert_eq!(image.file_name(), own.file_name());
    let again = Process::open(said, access::QUERY_LIMITED).unwrap();
    assert_eq!(again.created().unwrap(), started.process.created().unwrap());
    assert_ne!(again.created().unwrap(), 0);
    assert_eq!(code(&again.terminate(1)), ERROR_ACCESS_DENIED);
    assert_eq!(started.process.exit_code().unwrap(), None);
    started.process.terminate(9).unwrap();
    assert_eq!(started.process.wait(None).unwrap(), Some(9));
}

#[test]
fn a_child_passes_for_anothers() {
    let other = Child::new("wait", &[]);
    let mut other = other.run(other.start());
    other.next_word().unwrap();
    let child = Child::new("wait", &[]);
    let mut start = child.start();
    start.parent = Some(other.started.process.as_handle());
    let started = start.start().unwrap();
    assert_eq!(parent_of(started.id), other.started.id);
    let own = child.start().start().unwrap();
    assert_eq!(parent_of(own.id), std::process::id());
    for process in [&started.process, &own.process, &other.started.process] {
        process.terminate(0).unwrap();
        process.wait(None).unwrap();
    }
    let event = Event::own().unwrap();
    let handles = [event.as_handle()];
    start.handles = &handles;
    let refused = start.start().unwrap_err().code;
    assert_eq!(refused, Code::Refused(Refusal::Conflict));
}

/// By a snapshot of all processes.
fn parent_of(id: u32) -> u32 {
    use std::os::windows::io::{FromRawHandle, OwnedHandle};
    use windows_sys::Win32::System::Diagnostics::ToolHelp as help;
    // SAFETY: integers only.
    let snapshot = unsafe { help::CreateToolhelp32Snapshot(help::TH32CS_SNAPPROCESS, 0) };
    // SAFETY: just made.
    let _close = unsafe { OwnedHandle::from_raw_handle(snapshot) };
    let mut entry = help::PROCESSENTRY32W {
        dwSize: size_of::<help::PROCESSENTRY32W>() as u32,
        ..Default::default()
    };
    // SAFETY: a live snapshot and an entry that says its size.
    let mut more = unsafe { help::Process32FirstW(snapshot, &raw mut entry) };
    while more != 0 {
        if entry.th32ProcessID == id {
            return entry.th32ParentProcessID;
        }
        // SAFETY: as above.
        more = unsafe { help::Process32NextW(snapshot, &raw mut entry) };
    }
    panic!("no process {id}")
}

#[test]
fn the_descriptor_of_a_process_decides_who_opens_it() {
    // All but to end it is everybody's: what is nobody's, Wine's program for devices cannot open, and ends; and with it all that
    // is known of volumes.
    let nobody = sddl::parse("D:(A;;0x1fffff;;;SY)(A;;0x1ffffe;;;WD)").unwrap();
    let child = Child::new("wait", &[]);
    let mut start = child.start();
    start.descriptor = Some(&nobody);
    let mut closed = child.run(start);
    closed.next_word().unwrap();
    let mut open = child.run(child.start());
    open.next_word().unwrap();
    let ask = |id: u32| {
        let words = [id.to_string(), access::TERMINATE.to_string()];
        let asking = Child::new("open-process", &[&words[0], &words[1]]);
        asking.answer(asking.start()).0
    };
    let denied = [ERROR_ACCESS_DENIED.to_string()];
    assert_eq!(ask(closed.started.id), denied);
    assert_eq!(ask(open.started.id), ["0"]);
    let process = open.started.process.as_handle();
    acl::store(process, Parts::DACL, &nobody).unwrap();
    let read = acl::read(process, Parts::DACL).unwrap();
    assert_eq!(
        sddl::show(&read, Parts::DACL),
        sddl::show(&nobody, Parts::DACL)
    );
    assert_eq!(ask(open.started.id), denied);
    for running in [closed, open] {
        running.started.process.terminate(0).unwrap();
        running.started.process.wait(None).unwrap();
    }
}

#[test]
fn a_program_is_not_searched_for_and_what_cannot_be_said_is_refused() {
    let line = OsStr::new("cmd.exe");
    let searched = Start::new(Path::new("cmd.exe"), line).start();
    assert_eq!(code(&searched), ERROR_FILE_NOT_FOUND);
    let program = Path::new("C:\\windows\\system32\\cmd.exe");
    let long = OsString::from("x".repeat(32_767));
    let refused = |line: &OsStr| Start::new(program, line).start().unwrap_err().code;
    assert_eq!(refused(&long), Code::Refused(Refusal::TooLong));
    let nul = OsStr::new("cmd\0 /c exit");
    assert_eq!(refused(nul), Code::Refused(Refusal::InteriorNul));
    let line = OsStr::new("cmd /c exit 5");
    let empty = Environment::of([]).unwrap();
    let mut start = Start::new(program, line);
    start.environment = Some(&empty);
    let started = start.start().unwrap();
    assert_eq!(started.process.wait(None).unwrap(), Some(5));
}

#[test]
fn a_line_is_taken_apart_as_windows_does() {
    let line = r#""C:\a b\p.exe" one "two three" fo\"ur "fi\\" si\x"#;
    let wanted = [
        "C:\\a b\\p.exe",
        "one",
        "two three",
        "fo\"ur",
        "fi\\",
        "si\\x",
    ];
    assert_eq!(arguments(OsStr::new(line)).unwrap(), wanted);
    assert!(arguments(OsStr::new("")).is_err());
}

#[test]
fn the_token_of_a_child_is_the_one_it_was_given() {
    use ringfence_sys_windows::token::access as rights;
    let own = Token::own(rights::QUERY | rights::DUPLICATE).unwrap();
    let made = own.duplicate_primary(rights::ALL).unwrap();
    let child = Child::new("wait", &[]);
    let mut start = child.start();
    start.token = Some(&made);
    start.new_group = true;
    let mut running = child.run(start);
    running.next_word().unwrap();
    let process = &running.started.process;
    let token = Token::of_process(process.as_handle(), rights::QUERY).unwrap();
    assert_eq!(token.user().unwrap(), own.user().unwrap());
    process.terminate(0).unwrap();
    process.wait(None).unwrap();
}

#[test]
fn mitigation_policies_are_those_asked_for() {
    use ringfence_sys_windows::mitigation::{self, Policy};
    /// `PROCESS_CREATION_MITIGATION_POLICY_EXTENSION_POINT_DISABLE_ALWAYS_ON`.
    const NO_EXTENSIONS: u64 = 1 << 32;
    let child = Child::new("wait", &[]);
    let mut start = child.start();
    start.mitigation = Some([NO_EXTENSIONS, 0]);
    let mut running = child.run(start);
    running.next_word().unwrap();
    let process = &running.started.process;
    let got = mitigation::get(process.as_handle(), Policy::ExtensionPoints);
    process.terminate(0).unwrap();
    process.wait(None).unwrap();
    if !needs::real_windows("mitigation policies are taken and not kept") {
        assert_eq!(got.unwrap_or_default(), 0);
        return;
    }
    assert_eq!(got.unwrap(), 1);
}

#[test]
fn a_process_that_hardens_itself_is_harder_or_sees_that_it_is_not() {
    let child = Child::new("harden", &[]);
    let (said, _) = child.answer(child.start());
    if !needs::real_windows("mitigation policies are taken and not kept") {
        assert_eq!(said, ["0", "0", "0"]);
        return;
    }
    assert_eq!(said, ["0", "1", "0"]);
}
