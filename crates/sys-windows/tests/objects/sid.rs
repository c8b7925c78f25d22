//! Identifiers and descriptors.

use std::ffi::OsStr;

use ringfence_sys_windows::acl::Parts;
use ringfence_sys_windows::descriptor::Dacl;
use ringfence_sys_windows::sid::WellKnown;
use ringfence_sys_windows::token::{Token, access};
use ringfence_sys_windows::{SecurityDescriptor, Sid, sddl};

#[test]
fn well_known_ones_are_what_their_names_say() {
    let text = |which| Sid::well_known(which).unwrap().to_string();
    assert_eq!(text(WellKnown::Everyone), "S-1-1-0");
    assert_eq!(text(WellKnown::CreatorOwner), "S-1-3-0");
    assert_eq!(text(WellKnown::OwnerRights), "S-1-3-4");
    assert_eq!(text(WellKnown::AuthenticatedUsers), "S-1-5-11");
    assert_eq!(text(WellKnown::Interactive), "S-1-5-4");
    assert_eq!(text(WellKnown::Restricted), "S-1-5-12");
    assert_eq!(text(WellKnown::LocalSystem), "S-1-5-18");
    assert_eq!(text(WellKnown::Administrators), "S-1-5-32-544");
    assert_eq!(text(WellKnown::Users), "S-1-5-32-545");
    assert_eq!(text(WellKnown::LowLabel), "S-1-16-4096");
    assert_eq!(text(WellKnown::MediumLabel), "S-1-16-8192");
    assert_eq!(text(WellKnown::HighLabel), "S-1-16-12288");
}

#[test]
fn text_and_bytes_are_the_same_identifier() {
    let text = "S-1-5-21-1-2-3-4294967295";
    let sid = Sid::parse(text).unwrap();
    assert_eq!(sid.as_bytes().len(), 28);
    assert_eq!(sid.to_string(), text);
    assert_eq!(Sid::from_bytes(sid.as_bytes()).unwrap(), sid);
    assert!(Sid::parse("S-1").is_err());
    assert!(Sid::parse("S-1-1-0\0").is_err());
}

#[test]
fn the_users_account_is_found_by_identifier_and_by_name() {
    let user = Token::own(access::QUERY).unwrap().user().unwrap();
    let account = user.account().unwrap().unwrap();
    assert_eq!(account.kind, 1);
    let (found, _domain) = Sid::of_account(&account.name).unwrap().unwrap();
    assert_eq!(found, user);
}

#[test]
fn an_account_that_nobody_has_is_none() {
    let made_up = Sid::parse("S-1-5-21-11-22-33-44").unwrap();
    assert_eq!(made_up.account().unwrap(), None);
    let none = Sid::of_account(OsStr::new("ringfence nobody")).unwrap();
    assert_eq!(none, None);
}

#[test]
fn a_descriptor_of_text_says_the_same_again() {
    let text = "O:SYG:SYD:PAI(D;;FW;;;WD)(A;OICI;FA;;;SY)";
    let descriptor = sddl::parse(text).unwrap();
    assert_eq!(sddl::show(&descriptor, Parts::ACCESS).unwrap(), text);
    let system = Sid::well_known(WellKnown::LocalSystem).unwrap();
    assert_eq!(descriptor.owner(), Some(system));
    let Dacl::List(list) = descriptor.dacl() else {
        panic!("{:?}", descriptor.dacl())
    };
    // The parts alone make the same descriptor, which the system's own reader takes.
    let made = SecurityDescriptor::of(
        descriptor.control(),
        descriptor.owner().as_ref(),
        descriptor.group().as_ref(),
        Some(&list),
    );
    assert_eq!(sddl::show(&made, Parts::ACCESS).unwrap(), text);
    assert!(sddl::parse("D:(A;;nonsense;;;WD)").is_err());
}
