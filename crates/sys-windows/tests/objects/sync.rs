//! Events, mutexes and waiting.

use std::os::windows::io::AsHandle;
use std::time::Duration;

use ringfence_sys_windows::sync::{Event, EventOptions, Mutex, access};
use ringfence_sys_windows::wait::{self, Waited};
use ringfence_sys_windows::{random, sddl};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND};

use crate::child::{Child, code};
use crate::support::unique;

const NOW: Option<Duration> = Some(Duration::ZERO);

#[test]
fn an_event_is_one_object_by_its_name_and_the_list_decides_who_opens_it() {
    let name = unique("event");
    let descriptor = sddl::parse("D:(A;;0x1f0003;;;SY)").unwrap();
    let options = EventOptions {
        name: Some(&name),
        descriptor: Some(&descriptor),
        ..EventOptions::default()
    };
    let (_closed, new) = Event::create(options).unwrap();
    assert!(new);
    let other = unique("event");
    let options = EventOptions {
        name: Some(&other),
        ..options
    };
    let open = sddl::parse("D:(A;;0x1f0003;;;WD)").unwrap();
    let options = EventOptions {
        descriptor: Some(&open),
        ..options
    };
    let (first, _) = Event::create(options).unwrap();
    let (_second, new) = Event::create(options).unwrap();
    assert!(!new);
    let access = access::EVENT_MODIFY_STATE.to_string();
    let asked = |name: &std::ffi::OsStr| {
        let child = Child::new("open-event", &[name.to_str().unwrap(), &access]);
        child.answer(child.start()).0
    };
    assert_eq!(asked(&name), [ERROR_ACCESS_DENIED.to_string()]);
    assert_eq!(asked(&other), ["0"]);
    let nobody = Event::open(&unique("event"), access::EVENT_ALL);
    assert_eq!(code(&nobody), ERROR_FILE_NOT_FOUND);
    Event::open(&other, access::EVENT_ALL)
        .unwrap()
        .set()
        .unwrap();
    assert_eq!(
        wait::one(first.as_handle(), NOW).unwrap(),
        Waited::Signalled(0)
    );
}

#[test]
fn the_first_of_several_is_told_and_no_more_than_fit_are_waited_for() {
    let manual = EventOptions {
        manual: true,
        ..EventOptions::default()
    };
    let events: Vec<Event> = (0..3).map(|_| Event::create(manual).unwrap().0).collect();
    let handles: Vec<_> = events.iter().map(AsHandle::as_handle).collect();
    assert_eq!(wait::any(&handles, NOW).unwrap(), Waited::TimedOut);
    events[2].set().unwrap();
    assert_eq!(wait::any(&handles, None).unwrap(), Waited::Signalled(2));
    events[1].set().unwrap();
    assert_eq!(wait::any(&handles, None).unwrap(), Waited::Signalled(1));
    events[1].reset().unwrap();
    assert_eq!(wait::any(&handles, None).unwrap(), Waited::Signalled(2));
    assert!(wait::any(&[], NOW).is_err());
    assert!(wait::any(&[handles[0]; 65], NOW).is_err());
}

#[test]
fn a_mutex_is_one_threads_and_abandoned_when_that_ends() {
    let name = unique("mutex");
    let (mutex, new) = Mutex::create(Some(&name), None).unwrap();
    assert!(new);
    let held = mutex.take(NOW).unwrap().unwrap();
    assert!(!held.abandoned);
    let elsewhere = || mutex.take(NOW).unwrap().is_some();
    assert!(!std::thread::scope(|scope| scope
        .spawn(elsewhere)
        .join()
        .unwrap()));
    drop(held);
    assert!(std::thread::scope(|scope| scope
        .spawn(elsewhere)
        .join()
        .unwrap()));
    std::thread::scope(|scope| {
        let leave = || std::mem::forget(mutex.take(NOW).unwrap());
        scope.spawn(leave).join().unwrap();
    });
    assert!(mutex.take(NOW).unwrap().unwrap().abandoned);
}

#[test]
fn random_bytes_are_not_the_same_twice() {
    let [mut one, mut other] = [[0; 32]; 2];
    random::fill(&mut one).unwrap();
    random::fill(&mut other).unwrap();
    assert_ne!(one, other);
    assert_ne!(one, [0; 32]);
    random::fill(&mut []).unwrap();
}
