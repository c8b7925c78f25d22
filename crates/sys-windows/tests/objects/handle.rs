//! Handles.

use std::os::windows::io::{AsHandle, AsRawHandle};

use ringfence_sys_windows::error::{Code, Refusal};
use ringfence_sys_windows::handle::{self, Access, Foreign};
use ringfence_sys_windows::process;
use ringfence_sys_windows::sync::{Event, EventOptions, access};
use ringfence_sys_windows::wait::{self, Waited};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE,
};

use crate::child::{Child, code};
use crate::support::unique;

fn is_set(event: &Event) -> bool {
    let now = Some(std::time::Duration::ZERO);
    wait::one(event.as_handle(), now).unwrap() == Waited::Signalled(0)
}

#[test]
fn a_duplicate_is_the_same_object_with_the_access_that_was_asked() {
    let event = Event::own().unwrap();
    let same = handle::duplicate(event.as_handle(), Access::Same, false).unwrap();
    Event::from(same).set().unwrap();
    assert!(is_set(&event));
    let mask = Access::Mask(access::SYNCHRONIZE);
    let less = handle::duplicate(event.as_handle(), mask, false).unwrap();
    assert_eq!(code(&Event::from(less).set()), ERROR_ACCESS_DENIED);
    assert!(!is_set(&event));
}

#[test]
fn inheritance_is_as_it_was_set() {
    let event = Event::own().unwrap();
    assert!(!handle::is_inherited(event.as_handle()).unwrap());
    handle::set_inherited(event.as_handle(), true).unwrap();
    assert!(handle::is_inherited(event.as_handle()).unwrap());
    let other = handle::duplicate(event.as_handle(), Access::Same, false).unwrap();
    assert!(!handle::is_inherited(other.as_handle()).unwrap());
}

#[test]
fn a_handle_placed_in_a_process_is_taken_out_or_closed_there() {
    let name = unique("event");
    let options = EventOptions {
        name: Some(&name),
        ..EventOptions::default()
    };
    let (event, _) = Event::create(options).unwrap();
    let other = Child::new("wait", &[]);
    let mut other = other.run(other.start());
    other.next_word().unwrap();
    let there = other.started.process.as_handle();
    let place = || handle::duplicate_into(there, event.as_handle(), Access::Same, false).unwrap();
    let taken = handle::take_from(there, place()).unwrap();
    Event::from(taken).set().unwrap();
    assert!(is_set(&event));
    let nothing = handle::take_from(there, Foreign(0x00ff_fff0));
    assert_eq!(code(&nothing), ERROR_INVALID_HANDLE);
    // The event is there as long as somebody has it.
    let placed = place();
    drop(event);
    let open = || Event::open(&name, access::SYNCHRONIZE);
    drop(open().unwrap());
    handle::close_in(there, placed).unwrap();
    assert_eq!(code(&open()), ERROR_FILE_NOT_FOUND);
    other.started.process.terminate(0).unwrap();
    other.started.process.wait(None).unwrap();
}

#[test]
fn a_number_is_adopted_once_and_no_handle_of_this_process_is() {
    let here = process::current();
    let event = Event::own().unwrap();
    let conflict = Code::Refused(Refusal::Conflict);
    let own = Foreign(event.as_handle().as_raw_handle().addr());
    assert_eq!(handle::adopt(own).unwrap_err().code, conflict);
    assert_eq!(handle::take_from(here, own).unwrap_err().code, conflict);
    assert_eq!(handle::close_in(here, own).unwrap_err().code, conflict);
    event.set().unwrap();
    // As another process would place it here.
    let placed = handle::duplicate_into(here, event.as_handle(), Access::Same, true).unwrap();
    let adopted = handle::adopt(placed).unwrap();
    assert!(!handle::is_inherited(adopted.as_handle()).unwrap());
    assert_eq!(handle::adopt(placed).unwrap_err().code, conflict);
    Event::from(adopted).reset().unwrap();
    assert!(!is_set(&event));
    assert!(handle::adopt(Foreign(0)).is_err());
}

#[test]
fn a_number_that_is_no_handle_is_an_error_with_words() {
    let error = handle::adopt(Foreign(0x00ff_fff0)).unwrap_err();
    assert!(error.is(ERROR_INVALID_HANDLE));
    let shown = error.to_string();
    assert!(shown.starts_with("GetHandleInformation: "), "{shown}");
    assert!(shown.ends_with(" (6)"), "{shown}");
    assert!(!shown.contains("without words"), "{shown}");
}
