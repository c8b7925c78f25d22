//! Handles.

use std::os::windows::io::AsHandle;

use ringfence_sys_windows::handle::{self, Access};
use ringfence_sys_windows::process;
use ringfence_sys_windows::sync::{Event, access};
use ringfence_sys_windows::wait::{self, Waited};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE};

use crate::child::code;

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
    let event = Event::own().unwrap();
    let here = process::current();
    let placed = handle::duplicate_into(here, event.as_handle(), Access::Same, false).unwrap();
    let taken = handle::take_from(here, placed).unwrap();
    Event::from(taken).set().unwrap();
    assert!(is_set(&event));
    let placed = handle::duplicate_into(here, event.as_handle(), Access::Same, false).unwrap();
    handle::close_in(here, placed).unwrap();
}

#[test]
fn a_number_that_is_no_handle_is_an_error_with_words() {
    let no_handle = handle::Foreign(0x00ff_fff0);
    let error = handle::take_from(process::current(), no_handle).unwrap_err();
    assert!(error.is(ERROR_INVALID_HANDLE));
    let shown = error.to_string();
    assert!(shown.starts_with("DuplicateHandle: "), "{shown}");
    assert!(shown.ends_with(" (6)"), "{shown}");
    assert!(!shown.contains("without words"), "{shown}");
}
