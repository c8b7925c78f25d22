//! The access check, by cases of the documentation and of what is known of the kernel.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use ringfence_nt_access::{
    Ace, AceFlags, Acl, Cause, Control, Doubt, FileObject, Group, Integrity, Mask, Membership,
    Privilege, Restriction, SecurityDescriptor, Sid, Token, access_check, file_access, file_right,
    maximum_allowed, object, well_known,
};

const ALICE: Sid = Sid::account([1, 2, 3, 1000]);
const BOB: Sid = Sid::account([1, 2, 3, 1001]);
const RING: Sid = Sid::account([9, 9, 9, 9]);
const USERS: Sid = well_known::USERS;

fn sd(text: &str) -> SecurityDescriptor {
    let text = text
        .replace("ALICE", &ALICE.to_string())
        .replace("BOB", &BOB.to_string())
        .replace("RING", &RING.to_string());
    SecurityDescriptor::from_sddl(&text).unwrap()
}

fn alice() -> Token {
    Token::of(ALICE, &[USERS, well_known::EVERYONE])
}

fn restricted(to: &[Sid], write_restricted: bool) -> Token {
    alice().restricted(&Restriction {
        restrict: to.to_vec(),
        disable_max_privilege: true,
        lua: true,
        write_restricted,
        ..Restriction::default()
    })
}

#[track_caller]
fn gets(token: &Token, descriptor: &str, rights: Mask) {
    let sd = sd(descriptor);
    for doubt in [Doubt::Grants, Doubt::Denies] {
        let granted = maximum_allowed(&sd, token, &object::FILE, doubt);
        assert_eq!(granted, rights, "{descriptor} {doubt:?}");
        // One by one it is the same.
        for bit in 0..25 {
            let right = Mask(1 << bit);
            let alone = access_check(&sd, token, right, &object::FILE, doubt).is_ok();
            let null = sd.dacl.is_none() && !object::FILE.all.has(right);
            assert!(
                alone == granted.has(right) || null,
                "{descriptor} {right:?} {doubt:?}"
            );
        }
    }
}

#[track_caller]
fn why(token: &Token, descriptor: &str, right: Mask) -> Cause {
    let denied = access_check(&sd(descriptor), token, right, &object::FILE, Doubt::Denies);
    denied.unwrap_err().cause
}

const ALL: Mask = file_right::ALL;
const OWNERS: Mask = Mask::READ_CONTROL.or(Mask::WRITE_DAC);

#[test]
fn the_first_that_speaks_of_a_right_has_the_word() {
    gets(&alice(), "O:SYG:SYD:(A;;FA;;;ALICE)", ALL);
    gets(
        &alice(),
        "O:SYG:SYD:(D;;FW;;;BU)(A;;FA;;;ALICE)",
        ALL.without(file_right::GENERIC_WRITE),
    );
    gets(&alice(), "O:SYG:SYD:(A;;FA;;;ALICE)(D;;FW;;;BU)", ALL);
    gets(&alice(), "O:SYG:SYD:(A;;FA;;;BOB)", Mask::NONE);
    gets(&alice(), "O:SYG:SYD:", Mask::NONE);
    gets(&alice(), "O:SYG:SYD:NO_ACCESS_CONTROL", ALL);
    gets(&alice(), "O:SYG:SY", ALL);
    // What is inherited only means nothing here.
    gets(
        &alice(),
        "O:SYG:SYD:(D;OICIIO;FA;;;WD)(A;;FR;;;WD)",
        file_right::GENERIC_READ,
    );
}

#[test]
fn owners_may_read_and_change_the_descriptor_unless_it_says_what_they_may() {
    gets(&alice(), "O:ALICEG:SYD:", OWNERS);
    gets(&alice(), "O:ALICEG:SYD:(D;;FA;;;WD)", OWNERS);
    gets(&alice(), "O:BUG:SYD:", OWNERS);
    gets(
        &alice(),
        "O:ALICEG:SYD:(A;;FR;;;OW)",
        file_right::GENERIC_READ,
    );
    gets(
        &alice(),
        "O:ALICEG:SYD:(D;;WD;;;OW)(A;;FA;;;WD)",
        ALL.without(Mask::WRITE_DAC),
    );
    gets(&alice(), "O:SYG:SYD:(A;;FA;;;OW)", Mask::NONE);
    // One that is only inherited does not say it.
    gets(&alice(), "O:ALICEG:SYD:(A;OICIIO;FR;;;OW)", OWNERS);
    // Nor does a group for denials make an owner.
    let mut token = alice();
    token.groups = vec![Group {
        sid: USERS,
        membership: Membership::DenyOnly,
    }];
    gets(&token, "O:BUG:SYD:", Mask::NONE);
}

#[test]
fn groups_for_denials_deny_and_grant_nothing() {
    let token = alice().restricted(&Restriction {
        disable: vec![USERS],
        ..Restriction::default()
    });
    gets(&token, "O:SYG:SYD:(A;;FA;;;BU)", Mask::NONE);
    gets(
        &token,
        "O:SYG:SYD:(D;;FW;;;BU)(A;;FA;;;WD)",
        ALL.without(file_right::GENERIC_WRITE),
    );
    let mut token = alice();
    for group in &mut token.groups {
        group.membership = Membership::Disabled;
    }
    gets(&token, "O:SYG:SYD:(D;;FA;;;WD)(A;;FA;;;ALICE)", ALL);
    token.user_deny_only = true;
    gets(&token, "O:ALICEG:SYD:(A;;FA;;;ALICE)", Mask::NONE);
}

#[test]
fn a_restricted_token_is_asked_twice() {
    let token = restricted(&[RING], false);
    gets(&token, "O:SYG:SYD:(A;;FA;;;ALICE)", Mask::NONE);
    gets(&token, "O:SYG:SYD:(A;;FA;;;RING)", Mask::NONE);
    gets(
        &token,
        "O:SYG:SYD:(A;;FA;;;ALICE)(A;;FR;;;RING)",
        file_right::GENERIC_READ,
    );
    gets(
        &token,
        "O:SYG:SYD:(D;;FW;;;RING)(A;;FA;;;ALICE)(A;;FA;;;RING)",
        ALL.without(file_right::GENERIC_WRITE),
    );
    gets(&token, "O:ALICEG:SYD:", Mask::NONE);
    let owner_too = restricted(&[RING, ALICE], false);
    gets(&owner_too, "O:ALICEG:SYD:", OWNERS);
    // No list at all grants to anybody, whatever they are restricted to.
    gets(&token, "O:SYG:SYD:NO_ACCESS_CONTROL", ALL);
    // And an empty list restricts to nothing.
    let nobody = Token {
        restricting: Some(Vec::new()),
        ..alice()
    };
    gets(&nobody, "O:SYG:SYD:(A;;FA;;;WD)", Mask::NONE);
}

#[test]
fn a_write_restricted_token_is_asked_twice_about_writing_alone() {
    let token = restricted(&[RING], true);
    let writes = Mask(0x116) | Mask::DELETE | Mask::WRITE_DAC | Mask::WRITE_OWNER;
    gets(&token, "O:SYG:SYD:(A;;FA;;;ALICE)", ALL.without(writes));
    gets(&token, "O:SYG:SYD:(A;;FA;;;ALICE)(A;;FA;;;RING)", ALL);
    gets(
        &token,
        "O:SYG:SYD:(A;;FA;;;ALICE)(A;;FW;;;RING)",
        ALL.without(writes) | Mask(0x116),
    );
    // A denial for the ring does not stop it from reading.
    gets(
        &token,
        "O:SYG:SYD:(D;;FA;;;RING)(A;;FA;;;ALICE)",
        ALL.without(writes),
    );
    // What the user owns can be read, and its DACL not changed.
    gets(&token, "O:ALICEG:SYD:", Mask::READ_CONTROL);
}

/// codex#32915: in one's own directories `FILE_DELETE_CHILD` is asked of the user alone.
#[test]
fn a_write_restricted_token_deletes_what_the_user_may_delete_children_of() {
    let token = restricted(&[RING], true);
    let dir = sd("O:ALICEG:SYD:(A;OICI;FA;;;ALICE)");
    let file = sd("O:ALICEG:SYD:(A;;FA;;;ALICE)");
    let alone = FileObject {
        own: &file,
        parent: None,
    };
    let within = FileObject {
        parent: Some(&dir),
        ..alone
    };
    for doubt in [Doubt::Grants, Doubt::Denies] {
        assert!(!file_access(&token, alone, doubt).has(Mask::DELETE));
        assert!(file_access(&token, within, doubt).has(Mask::DELETE));
        assert!(!file_access(&token, within, doubt).has(file_right::WRITE_DATA));
    }
    // Who is another user may not.
    let other = Token::of(BOB, &[well_known::EVERYONE]);
    assert!(!file_access(&other, within, Doubt::Grants).has(Mask::DELETE));
}

#[test]
fn restricting_again_is_never_less() {
    let once = restricted(&[RING, BOB], true);
    let twice = once.restricted(&Restriction {
        restrict: vec![RING, ALICE],
        write_restricted: true,
        ..Restriction::default()
    });
    assert_eq!(twice.restricting, Some(vec![RING]));
    assert!(twice.write_restricted);
    // Restricted for everything it stays so.
    let whole = restricted(&[RING], false).restricted(&Restriction {
        restrict: vec![RING],
        write_restricted: true,
        ..Restriction::default()
    });
    assert!(!whole.write_restricted);
    let whole = once.restricted(&Restriction {
        restrict: vec![RING],
        ..Restriction::default()
    });
    assert!(!whole.write_restricted);
    // To ask for it without anybody to restrict to does nothing.
    let none = alice().restricted(&Restriction {
        write_restricted: true,
        ..Restriction::default()
    });
    assert!(!none.is_restricted() && !none.write_restricted);
}

#[test]
fn administrators_are_none_in_a_lua_token() {
    let mut admin = Token::of(ALICE, &[well_known::ADMINISTRATORS, USERS]);
    admin.integrity = Integrity::HIGH;
    admin.privileges = Privilege::ALL.into_iter().collect();
    let token = admin.restricted(&Restriction {
        lua: true,
        ..Restriction::default()
    });
    gets(&token, "O:SYG:SYD:(A;;FA;;;BA)", Mask::NONE);
    gets(&token, "O:BAG:SYD:(A;;FR;;;BU)", file_right::GENERIC_READ);
    assert_eq!(token.integrity, Integrity::MEDIUM);
    for privilege in Privilege::ALL {
        assert_eq!(
            token.privileges.has(privilege),
            privilege == Privilege::ChangeNotify,
            "{}",
            privilege.name()
        );
    }
}

#[test]
fn labels_are_above_dacls() {
    let mut low = alice();
    low.integrity = Integrity::LOW;
    let reads = file_right::GENERIC_READ | file_right::GENERIC_EXECUTE;
    gets(&low, "O:ALICEG:SYD:(A;;FA;;;WD)", reads);
    gets(&low, "O:ALICEG:SYD:(A;;FA;;;WD)S:(ML;;NW;;;LW)", ALL);
    gets(&low, "O:ALICEG:SYD:NO_ACCESS_CONTROL", reads);
    gets(
        &alice(),
        "O:ALICEG:SYD:(A;;FA;;;WD)S:(ML;;NWNRNX;;;HI)",
        Mask::NONE,
    );
    gets(
        &alice(),
        "O:ALICEG:SYD:(A;;FA;;;WD)S:(ML;;NWNR;;;HI)",
        file_right::GENERIC_EXECUTE,
    );
    gets(
        &alice(),
        "O:ALICEG:SYD:(A;;FA;;;WD)S:(ML;OICIIO;NWNRNX;;;HI)",
        ALL,
    );
    assert_eq!(
        why(&low, "O:ALICEG:SYD:(A;;FA;;;WD)", Mask::DELETE),
        Cause::Integrity
    );
}

#[test]
fn privileges_are_above_dacls_and_restrictions() {
    let mut token = alice();
    token.privileges = token.privileges.with(Privilege::TakeOwnership);
    gets(&token, "O:SYG:SYD:", Mask::WRITE_OWNER);
    token.privileges = token.privileges.with(Privilege::Security);
    gets(
        &token,
        "O:SYG:SYD:",
        Mask::WRITE_OWNER | Mask::ACCESS_SYSTEM_SECURITY,
    );
    token.restricting = Some(vec![RING]);
    gets(
        &token,
        "O:SYG:SYD:",
        Mask::WRITE_OWNER | Mask::ACCESS_SYSTEM_SECURITY,
    );
    assert_eq!(
        why(
            &alice(),
            "O:SYG:SYD:(A;;0x1000000;;;WD)",
            Mask::ACCESS_SYSTEM_SECURITY
        ),
        Cause::Privilege
    );
    let file = sd("O:SYG:SYD:");
    let object = FileObject {
        own: &file,
        parent: None,
    };
    let mut backup = alice();
    backup.privileges = backup.privileges.with(Privilege::Backup);
    assert!(file_access(&backup, object, Doubt::Denies).has(file_right::GENERIC_READ));
    let mut restore = alice();
    restore.privileges = restore.privileges.with(Privilege::Restore);
    let writes = file_right::GENERIC_WRITE | Mask::DELETE | Mask::WRITE_DAC;
    assert!(file_access(&restore, object, Doubt::Denies).has(writes));
}

#[test]
fn why_a_right_is_missing_is_said() {
    let token = restricted(&[RING], true);
    let write = file_right::WRITE_DATA;
    assert_eq!(why(&token, "O:SYG:SYD:(A;;FR;;;WD)", write), Cause::Nothing);
    assert_eq!(
        why(
            &token,
            "O:SYG:SYD:(A;;FR;;;WD)(D;;FW;;;BU)(A;;FA;;;WD)",
            write
        ),
        Cause::Ace(1)
    );
    assert_eq!(
        why(&token, "O:SYG:SYD:(A;;FA;;;WD)", write),
        Cause::Restricting(None)
    );
    assert_eq!(
        why(
            &token,
            "O:SYG:SYD:(D;;FW;;;RING)(A;;FA;;;WD)(A;;FA;;;RING)",
            write
        ),
        Cause::Restricting(Some(0))
    );
    let sd = sd("O:SYG:SYD:(A;;FR;;;WD)");
    let denied = access_check(&sd, &alice(), ALL, &object::FILE, Doubt::Denies).unwrap_err();
    assert_eq!(denied.missing, ALL.without(file_right::GENERIC_READ));
}

#[test]
fn generic_rights_and_the_maximum_can_be_asked_for() {
    use ringfence_nt_access::generic;
    let sd = sd("O:SYG:SYD:(A;;FRFX;;;WD)");
    let check = |desired| access_check(&sd, &alice(), desired, &object::FILE, Doubt::Denies);
    assert_eq!(check(generic::READ), Ok(file_right::GENERIC_READ));
    assert!(check(generic::WRITE).is_err());
    let both = file_right::GENERIC_READ | file_right::GENERIC_EXECUTE;
    assert_eq!(check(Mask::MAXIMUM_ALLOWED), Ok(both));
    assert_eq!(
        check(Mask::MAXIMUM_ALLOWED | file_right::READ_DATA),
        Ok(both)
    );
    assert!(check(Mask::MAXIMUM_ALLOWED | file_right::WRITE_DATA).is_err());
}

/// What is not known is between the bounds, and never outside.
#[test]
fn doubt_has_two_ends() {
    let condition = |mut ace: Ace| {
        ace.kind = match ace.kind {
            ringfence_nt_access::Kind::Basic(effect) => ringfence_nt_access::Kind::Callback(effect),
            other => other,
        };
        ace
    };
    let of = |ace: Ace, then: Option<Ace>| {
        let acl: Acl = [Some(condition(ace)), then].into_iter().flatten().collect();
        let sd = SecurityDescriptor::new(well_known::SYSTEM, well_known::SYSTEM, acl);
        [Doubt::Denies, Doubt::Grants]
            .map(|doubt| maximum_allowed(&sd, &alice(), &object::FILE, doubt))
    };
    let allow = Ace::allow(ALICE, ALL, AceFlags::NONE);
    let deny = Ace::deny(ALICE, ALL, AceFlags::NONE);
    assert_eq!(of(allow.clone(), None), [Mask::NONE, ALL]);
    assert_eq!(of(deny, Some(allow)), [Mask::NONE, ALL]);
    // S-1-5-33 may be among the restricting SIDs of a write-restricted token.
    let sd = sd("O:SYG:SYD:(A;;FA;;;ALICE)(A;;FA;;;WR)");
    let token = restricted(&[RING], true);
    let bounds = [Doubt::Denies, Doubt::Grants].map(|doubt| {
        maximum_allowed(&sd, &token, &object::FILE, doubt).has(file_right::WRITE_DATA)
    });
    assert_eq!(bounds, [false, true]);
    assert!(!sd.control.has(Control::DACL_PROTECTED));
}
