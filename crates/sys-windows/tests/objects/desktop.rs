//! Window stations and desktops.

use ringfence_sys_windows::acl::Parts;
use ringfence_sys_windows::desktop::{self, Desktop, WindowStation, access};
use ringfence_sys_windows::sddl;
use windows_sys::Win32::Foundation::ERROR_ACCESS_DENIED;

use crate::child::{Child, code};
use crate::needs;
use crate::support::unique;

#[test]
fn a_desktop_is_made_found_and_where_a_child_starts() {
    let name = unique("desktop");
    assert!(Desktop::open(&name, access::DESKTOP_ALL).is_err());
    let made = Desktop::create(&name, access::DESKTOP_ALL, None, None).unwrap();
    assert_eq!(made.name().unwrap(), name);
    Desktop::open(&name, access::DESKTOP_ALL).unwrap();
    assert_ne!(desktop::current_name().unwrap(), name);
    let mut place = WindowStation::current().unwrap().name().unwrap();
    place.push("\\");
    place.push(&name);
    let child = Child::new("desktop", &[]);
    let mut start = child.start();
    start.desktop = Some(&place);
    assert_eq!(child.answer(start).0, [name.to_str().unwrap()]);
}

#[test]
fn a_desktop_has_the_descriptor_it_was_made_with() {
    let name = unique("desktop");
    let text = "D:(A;;0xf01ff;;;SY)";
    let descriptor = sddl::parse(text).unwrap();
    let made = Desktop::create(&name, access::DESKTOP_ALL, None, Some(&descriptor)).unwrap();
    let read = made.descriptor(Parts::DACL);
    let again = Desktop::open(&name, access::DESKTOP_ALL);
    if !needs::real_windows("desktops have no descriptors") {
        let shown = read.and_then(|read| sddl::show(&read, Parts::DACL));
        assert_ne!(shown.unwrap_or_default(), text);
        return;
    }
    assert_eq!(sddl::show(&read.unwrap(), Parts::DACL).unwrap(), text);
    assert_eq!(code(&again), ERROR_ACCESS_DENIED);
    made.set_descriptor(Parts::DACL, &descriptor).unwrap();
    let small = unique("desktop");
    Desktop::create(&small, access::DESKTOP_ALL, Some(512), None).unwrap();
}

#[test]
fn the_window_station_of_the_process_has_a_name_and_others_are_made() {
    let own = WindowStation::current().unwrap();
    assert!(!own.name().unwrap().is_empty());
    let all = access::WINDOW_STATION_ALL;
    // Only an administrator may choose the name; Wine lets everybody.
    match WindowStation::create(Some(&unique("station")), all, None) {
        Ok(made) => assert_ne!(made.name().unwrap(), own.name().unwrap()),
        Err(error) => assert!(error.is(ERROR_ACCESS_DENIED), "{error}"),
    }
}
