//! Tokens.

use std::os::windows::io::AsHandle;

use ringfence_sys_windows::descriptor::Dacl;
use ringfence_sys_windows::sid::WellKnown;
use ringfence_sys_windows::token::{
    Change, Elevation, Granted, Level, Luid, Mapping, Restriction, Token, access,
};
use ringfence_sys_windows::{Acl, Sid, process, sddl};
use windows_sys::Win32::Foundation::{ERROR_NO_IMPERSONATION_TOKEN, ERROR_NOT_ALL_ASSIGNED};
use windows_sys::Win32::System::SystemServices::{
    MAXIMUM_ALLOWED, SE_GROUP_ENABLED, SE_GROUP_USE_FOR_DENY_ONLY,
};

use crate::child::{Child, code};
use crate::needs;

const LESSEN: u32 =
    access::QUERY | access::DUPLICATE | access::ASSIGN_PRIMARY | access::ADJUST_DEFAULT;

fn own() -> Token {
    Token::own(LESSEN | access::ADJUST_PRIVILEGES | access::IMPERSONATE).unwrap()
}

/// A group that it has enabled and can do without.
fn a_group(token: &Token) -> Sid {
    let user = token.user().unwrap();
    let groups = token.groups().unwrap();
    let usable = |sid: &Sid| *sid != user && token.logon_sid().unwrap().as_ref() != Some(sid);
    let enabled = SE_GROUP_ENABLED.cast_unsigned();
    let mut groups = groups
        .into_iter()
        .filter(|group| group.attributes & enabled != 0)
        .map(|group| group.sid);
    let everyone = Sid::well_known(WellKnown::Everyone).unwrap();
    groups.find(|sid| usable(sid) && *sid != everyone).unwrap()
}

#[test]
fn the_own_token_says_who_this_is() {
    let token = own();
    let of_process = Token::of_process(process::current(), access::QUERY).unwrap();
    assert_eq!(token.user().unwrap(), of_process.user().unwrap());
    let groups = token.groups().unwrap();
    let everyone = Sid::well_known(WellKnown::Everyone).unwrap();
    assert!(groups.iter().any(|group| group.sid == everyone));
    assert!(
        !groups
            .iter()
            .any(|group| group.sid == token.user().unwrap())
    );
    let logon = token.logon_sid().unwrap().unwrap();
    assert!(logon.to_string().starts_with("S-1-5-5-"), "{logon}");
    assert!(
        token
            .integrity()
            .unwrap()
            .to_string()
            .starts_with("S-1-16-")
    );
    token.owner().unwrap();
    token.primary_group().unwrap();
    token.session().unwrap();
    token.is_elevated().unwrap();
    assert!(!matches!(token.elevation().unwrap(), Elevation::Unknown(_)));
    let statistics = token.statistics().unwrap();
    assert!(statistics.primary);
    let privileges = token.privileges().unwrap();
    assert_eq!(privileges.len(), statistics.privileges as usize);
    assert_eq!(groups.len(), statistics.groups as usize);
}

#[test]
fn privileges_are_enabled_disabled_and_removed() {
    let token = own().duplicate_primary(access::ALL).unwrap();
    let name = "SeChangeNotifyPrivilege";
    let notify = Luid::of_privilege(name).unwrap();
    assert_eq!(notify.privilege_name().unwrap(), name);
    let enabled = || {
        let held = token.privileges().unwrap();
        let held = held.iter().find(|held| held.luid == notify);
        held.map(|held| held.attributes & 2 != 0)
    };
    assert_eq!(enabled(), Some(true));
    token.set_privilege(notify, Change::Disabled).unwrap();
    assert_eq!(enabled(), Some(false));
    token.set_privilege(notify, Change::Enabled).unwrap();
    assert_eq!(enabled(), Some(true));
    token.set_privilege(notify, Change::Removed).unwrap();
    let again = token.set_privilege(notify, Change::Enabled);
    assert_eq!(code(&again), ERROR_NOT_ALL_ASSIGNED);
    assert!(Luid::of_privilege("SeNonsensePrivilege").is_err());
}

#[test]
fn a_group_for_denying_only_counts_no_more_also_in_a_child() {
    let token = own();
    let group = a_group(&token);
    let restriction = Restriction {
        deny_only: vec![group.clone()],
        ..Restriction::default()
    };
    let less = token.restricted(&restriction).unwrap();
    let attributes = |token: &Token| {
        let groups = token.groups().unwrap();
        groups
            .iter()
            .find(|held| held.sid == group)
            .unwrap()
            .attributes
    };
    let deny_only = SE_GROUP_USE_FOR_DENY_ONLY.cast_unsigned();
    assert_eq!(attributes(&token) & deny_only, 0);
    assert_eq!(attributes(&less) & deny_only, deny_only);
    let acting = |token: &Token| token.duplicate(Level::Impersonation, access::ALL).unwrap();
    assert!(acting(&token).is_member(&group).unwrap());
    assert!(!acting(&less).is_member(&group).unwrap());

    let child = Child::new("groups", &[]);
    let mut start = child.start();
    start.token = Some(&less);
    let (said, _) = child.answer(start);
    let line = format!("{group} {:#x}", attributes(&less));
    assert!(said.contains(&line), "{line} in {said:?}");
}

#[test]
fn deleted_privileges_are_gone() {
    let token = own();
    let before = token.privileges().unwrap();
    let some = before.iter().map(|held| held.luid);
    let notify = Luid::of_privilege("SeChangeNotifyPrivilege").unwrap();
    let delete: Vec<Luid> = some.filter(|luid| *luid != notify).collect();
    assert!(!delete.is_empty());
    let restriction = Restriction {
        delete,
        ..Restriction::default()
    };
    let less = token.restricted(&restriction).unwrap();
    let left = less.privileges().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].luid, notify);
}

#[test]
fn a_write_restricted_token_has_its_identifiers_and_one_privilege() {
    let ring = Sid::parse("S-1-5-21-1-2-3-4").unwrap();
    let restriction = Restriction {
        no_privileges: true,
        least_user: true,
        write_restricted: true,
        restricting: vec![ring.clone()],
        ..Restriction::default()
    };
    let token = own();
    let made = token.restricted(&restriction).unwrap();
    let listed = |token: &Token| -> Vec<Sid> {
        let listed = token.restricting().unwrap_or_default();
        listed.into_iter().map(|group| group.sid).collect()
    };
    if !needs::real_windows("CreateRestrictedToken succeeds and restricts nothing") {
        // Whoever asks before using it sees that.
        assert!(!made.is_restricted().unwrap_or_default());
        assert_eq!(listed(&made), []);
        assert!(!made.has_restrictions().unwrap_or_default());
        let before = token.privileges().unwrap().len();
        assert_eq!(made.privileges().unwrap().len(), before);
        return;
    }
    assert_eq!(listed(&token), []);
    assert_eq!(listed(&made), [ring]);
    assert!(made.has_restrictions().unwrap());
    assert_eq!(made.privileges().unwrap().len(), 1);
    // What is the user's alone is not to be written to, only read.
    let text = format!("O:{0}G:{0}D:(A;;FA;;;{0})", token.user().unwrap());
    let descriptor = sddl::parse(&text).unwrap();
    let acting = made.duplicate(Level::Impersonation, access::ALL).unwrap();
    let check = |asked| acting.check(&descriptor, Mapping::FILE, asked).unwrap();
    assert_eq!(check(Mapping::FILE.read), Granted::Yes(Mapping::FILE.read));
    assert_eq!(check(Mapping::FILE.write), Granted::No);
}

#[test]
fn the_default_list_is_what_was_set() {
    let made = own().duplicate_primary(access::ALL).unwrap();
    let Dacl::List(list) = sddl::parse("D:(A;;GA;;;SY)(A;;RC;;;OW)").unwrap().dacl() else {
        panic!("no list")
    };
    assert_ne!(made.default_dacl().unwrap().as_ref(), Some(&list));
    made.set_default_dacl(&list).unwrap();
    let read = made.default_dacl().unwrap().unwrap();
    assert_eq!(read, list);
    assert_eq!(Acl::from_bytes(read.as_bytes()).unwrap(), list);
}

#[test]
fn a_check_grants_what_the_list_says_to_a_token_to_act_with_only() {
    let token = own();
    let acting = token
        .duplicate(Level::Identification, access::QUERY)
        .unwrap();
    let parse = |list: &str| sddl::parse(&format!("O:SYG:SYD:{list}")).unwrap();
    let check = |list: &str, asked: u32| acting.check(&parse(list), Mapping::FILE, asked).unwrap();
    let user = token.user().unwrap();
    let read = format!("(A;;FR;;;{user})");
    let file_read = Mapping::FILE.read;
    assert_eq!(check(&read, file_read), Granted::Yes(file_read));
    assert_eq!(check(&read, Mapping::FILE.write), Granted::No);
    assert_eq!(check(&read, MAXIMUM_ALLOWED), Granted::Yes(file_read));
    assert_eq!(check(&format!("(D;;0x1;;;WD){read}"), 1), Granted::No);
    assert_eq!(check("", 1), Granted::No);
    let primary = token.check(&parse(&read), Mapping::FILE, 1);
    assert_eq!(code(&primary), ERROR_NO_IMPERSONATION_TOKEN);
}

#[test]
fn a_thread_acts_as_another_for_one_call_and_no_longer() {
    let token = own();
    let group = a_group(&token);
    let restriction = Restriction {
        deny_only: vec![group],
        ..Restriction::default()
    };
    let less = token.restricted(&restriction).unwrap();
    let less = less.duplicate(Level::Impersonation, access::ALL).unwrap();
    assert!(Token::of_thread(access::QUERY).unwrap().is_none());
    let id = less.statistics().unwrap();
    assert!(!id.primary);
    let seen = less.acting(|| {
        let seen = Token::of_thread(access::QUERY).unwrap().unwrap();
        // Within, another again.
        let other = token.duplicate(Level::Impersonation, access::ALL).unwrap();
        other.acting(|| ()).unwrap();
        let after = Token::of_thread(access::QUERY).unwrap().unwrap();
        let id = |token: &Token| token.statistics().unwrap().modified;
        (id(&seen), id(&after))
    });
    assert_eq!(seen.unwrap(), (id.modified, id.modified));
    assert!(Token::of_thread(access::QUERY).unwrap().is_none());
    let unwound = std::panic::catch_unwind(|| less.acting(|| panic!("within")));
    assert!(unwound.is_err());
    assert!(Token::of_thread(access::QUERY).unwrap().is_none());
    let handle: std::os::windows::io::OwnedHandle = less.into();
    let again = Token::from_handle(handle);
    assert_eq!(again.statistics().unwrap().token, id.token);
    again.as_handle();
}
