//! Descriptors of objects.

use std::os::windows::io::AsHandle;

use ringfence_sys_windows::acl::{self, Inheritance, Kind, Parts};
use ringfence_sys_windows::counters::counters;
use ringfence_sys_windows::descriptor::Dacl;
use ringfence_sys_windows::sync::{Event, EventOptions, access};
use ringfence_sys_windows::token::{self, Token};
use ringfence_sys_windows::{Acl, Sid, file, sddl};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_INVALID_OWNER};

use crate::child::{Child, code};
use crate::needs;
use crate::support::{Dir, unique};

fn list(text: &str) -> Acl {
    match sddl::parse(text).unwrap().dacl() {
        Dacl::List(list) => list,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_stored_on_an_event_is_read_back_and_enforced() {
    let name = unique("event");
    let open = sddl::parse("D:(A;;0x1f0003;;;WD)").unwrap();
    let options = EventOptions {
        name: Some(&name),
        descriptor: Some(&open),
        ..EventOptions::default()
    };
    let (event, _) = Event::create(options).unwrap();
    let asked = access::EVENT_MODIFY_STATE.to_string();
    let child = Child::new("open-event", &[name.to_str().unwrap(), &asked]);
    assert_eq!(child.answer(child.start()).0, ["0"]);

    let before = counters().descriptor_writes;
    let closed = "D:(A;;0x1f0003;;;SY)";
    let descriptor = sddl::parse(closed).unwrap();
    acl::store(event.as_handle(), Parts::DACL, &descriptor).unwrap();
    assert!(counters().descriptor_writes > before);
    let read = acl::read(event.as_handle(), Parts::ACCESS).unwrap();
    assert_eq!(sddl::show(&read, Parts::DACL).unwrap(), closed);
    assert!(read.owner().is_some() && read.group().is_some());
    let denied = [ERROR_ACCESS_DENIED.to_string()];
    assert_eq!(child.answer(child.start()).0, denied);

    let open = list("D:(A;;0x1f0003;;;WD)");
    acl::propagate(event.as_handle(), Kind::Kernel, &open, Inheritance::Kept).unwrap();
    assert_eq!(child.answer(child.start()).0, ["0"]);
}

#[test]
fn a_handle_without_write_dac_stores_nothing() {
    let name = unique("event");
    let open = sddl::parse("D:(A;;0x1f0003;;;WD)").unwrap();
    let options = EventOptions {
        name: Some(&name),
        descriptor: Some(&open),
        ..EventOptions::default()
    };
    let (_event, _) = Event::create(options).unwrap();
    let rights = access::EVENT_MODIFY_STATE | access::READ_CONTROL;
    let less = Event::open(&name, rights).unwrap();
    let stored = acl::store(less.as_handle(), Parts::DACL, &open);
    assert_eq!(code(&stored), ERROR_ACCESS_DENIED);
    acl::read(less.as_handle(), Parts::DACL).unwrap();
}

#[test]
fn a_token_and_a_process_have_descriptors_too() {
    let token = Token::own(token::access::ALL).unwrap();
    acl::read(token.as_handle(), Parts::ACCESS).unwrap();
    acl::read(ringfence_sys_windows::process::current(), Parts::ACCESS).unwrap();
}

#[test]
fn a_files_list_is_what_was_stored() {
    let dir = Dir::new();
    let path = dir.file("file", "x");
    let rights = file::access::READ_CONTROL | file::access::WRITE_DAC;
    let opened = file::open(&path, rights).unwrap();
    let user = Token::own(token::access::QUERY).unwrap().user().unwrap();
    let before = acl::read(opened.as_handle(), Parts::ACCESS).unwrap();
    assert_eq!(before.owner(), Some(user.clone()));
    let text = format!("D:P(A;;FA;;;{user})(A;;FR;;;S-1-5-21-1-2-3-4)");
    let descriptor = sddl::parse(&text).unwrap();
    acl::store(opened.as_handle(), Parts::DACL, &descriptor).unwrap();
    let read = acl::read(opened.as_handle(), Parts::DACL).unwrap();
    let shown = sddl::show(&read, Parts::DACL).unwrap();
    if !needs::real_windows("a file keeps only its owner's and everybody's rights") {
        // Whoever reads it back sees that.
        assert!(!shown.contains("S-1-5-21-1-2-3-4"), "{shown}");
        return;
    }
    assert_eq!(shown, text);
}

#[test]
fn somebody_else_is_not_made_the_owner() {
    let dir = Dir::new();
    let rights = file::access::READ_CONTROL | file::access::WRITE_OWNER;
    let opened = file::open(&dir.file("file", ""), rights).unwrap();
    let owner = || acl::read(opened.as_handle(), Parts::OWNER).unwrap().owner();
    let before = owner();
    let stranger = Sid::parse("S-1-5-21-1-2-3-4").unwrap();
    let set = acl::set_owner(opened.as_handle(), Kind::File, &stranger);
    // Whatever was answered, whoever reads it back sees it.
    assert_eq!(owner(), before);
    if needs::real_windows("the owner of a file is taken and not kept") {
        assert_eq!(code(&set), ERROR_INVALID_OWNER);
    }
}

#[test]
fn a_list_is_brought_to_what_lies_below_and_an_owner_stays_allowed() {
    if !needs::real_windows("files inherit nothing") {
        return;
    }
    let dir = Dir::new();
    let path = dir.file("below/file", "x");
    let rights = file::access::READ_CONTROL | file::access::WRITE_DAC | file::access::WRITE_OWNER;
    let top = file::open(&dir.0, rights).unwrap();
    let user = Token::own(token::access::QUERY).unwrap().user().unwrap();
    let ring = "S-1-5-21-1-2-3-4";
    let wanted = list(&format!("D:(A;OICI;FA;;;{user})(A;OICI;FR;;;{ring})"));
    acl::propagate(top.as_handle(), Kind::File, &wanted, Inheritance::Protected).unwrap();
    acl::set_owner(top.as_handle(), Kind::File, &user).unwrap();
    let below = file::open(&path, file::access::READ_CONTROL).unwrap();
    let read = acl::read(below.as_handle(), Parts::DACL).unwrap();
    let shown = sddl::show(&read, Parts::DACL).unwrap();
    assert!(shown.contains(&format!("(A;ID;FR;;;{ring})")), "{shown}");
    // Stored low, it stays on the one object.
    let low = sddl::parse(&format!("D:P(A;OICI;FA;;;{user})")).unwrap();
    acl::store(top.as_handle(), Parts::DACL, &low).unwrap();
    let after = acl::read(below.as_handle(), Parts::DACL).unwrap();
    assert_eq!(after, read);
}
