//! Bytes and words of descriptors, both ways.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Ace, AceFlags, Acl, Control, Guid, Malformed, Mask, SddlError, SecurityDescriptor, Sid,
    file_right, well_known,
};

const POOL: [Sid; 6] = [
    Sid::account([1, 2, 3, 1000]),
    Sid::account([1, 2, 3, 1001]),
    well_known::EVERYONE,
    well_known::USERS,
    well_known::SYSTEM,
    well_known::CREATOR_OWNER,
];

/// `O:BAG:SYD:PAI(A;OICI;FA;;;SY)(D;;FW;;;WD)` as Windows' own function lays it: each field by MS-DTYP 2.4.6.
const KNOWN: &[u8] = &[
    1, 0, 0x04, 0x94, // revision, Sbz1, control: SR, DACL present, protected, auto-inherited
    0x44, 0, 0, 0, // owner
    0x54, 0, 0, 0, // group
    0, 0, 0, 0, // no SACL
    0x14, 0, 0, 0, // DACL
    2, 0, 0x30, 0, 2, 0, 0, 0, // revision 2, 48 bytes, two ACEs
    0, 3, 0x14, 0, 0xff, 0x01, 0x1f, 0, 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, // allow
    1, 0, 0x14, 0, 0x16, 0x01, 0x12, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, // deny
    1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0, // BA
    1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, // SY
];

#[test]
fn bytes_of_a_descriptor_are_those_of_windows() {
    let text = "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(D;;FW;;;WD)";
    let sd = SecurityDescriptor::from_sddl(text).unwrap();
    assert_eq!(sd.to_bytes().unwrap(), KNOWN);
    assert_eq!(SecurityDescriptor::parse(KNOWN).unwrap(), sd);
    assert_eq!(sd.to_sddl().unwrap(), text);
    assert_eq!(sd.owner, Some(well_known::ADMINISTRATORS));
    assert!(sd.is_protected());
}

#[test]
fn a_sid_is_what_its_words_say() {
    for text in [
        "S-1-0-0",
        "S-1-5-21-4294967295-0-1-1000",
        "S-1-0x010000000000-5",
        "S-1-4294967295",
        "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15",
    ] {
        let sid: Sid = text.parse().unwrap();
        assert_eq!(sid.to_string(), text);
        assert_eq!(Sid::parse(&sid.to_bytes()), Ok(sid));
    }
    for text in [
        "",
        "S-1",
        "S-1-",
        "S-2-5-18",
        "S-1-5-",
        "S-1-5--1",
        "S-1-5-+1",
        "S-1-5-4294967296",
        "S-1-0x1000000000000-1",
        "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
        "S-1-5-18 ",
    ] {
        assert!(text.parse::<Sid>().is_err(), "{text}");
    }
    assert_eq!(well_known::TRUSTED_INSTALLER.subauthorities().len(), 6);
}

#[test]
fn what_is_cut_off_or_impossible_is_refused_with_its_place() {
    for length in 0..KNOWN.len() {
        assert!(
            SecurityDescriptor::parse(&KNOWN[..length]).is_err(),
            "{length}"
        );
    }
    let with = |at: usize, value: u8| {
        let mut bytes = KNOWN.to_vec();
        bytes[at] = value;
        SecurityDescriptor::parse(&bytes).unwrap_err()
    };
    let impossible = |part, at, what, value| Malformed::Impossible {
        part,
        at,
        what,
        value,
    };
    assert_eq!(
        with(0, 2),
        impossible("security descriptor", 0, "revision", 2)
    );
    assert_eq!(
        with(3, 0x14),
        impossible("security descriptor", 0, "control", 0x1404)
    );
    assert_eq!(
        with(16, 3),
        impossible("security descriptor", 0, "offset", 3)
    );
    assert_eq!(
        with(4, 0xff),
        Malformed::CutOff {
            part: "owner",
            at: 255
        }
    );
    assert_eq!(with(20, 9), impossible("DACL", 20, "revision", 9));
    assert_eq!(with(22, 7), impossible("DACL", 20, "size", 7));
    assert_eq!(
        with(24, 3),
        Malformed::CutOff {
            part: "ACE",
            at: 68
        }
    );
    assert_eq!(with(30, 0x13), impossible("ACE", 28, "size", 0x13));
    assert_eq!(with(36, 3), impossible("SID of an ACE", 36, "revision", 3));
    assert_eq!(with(37, 16), impossible("SID of an ACE", 36, "count", 16));
    assert_eq!(
        with(37, 9),
        Malformed::CutOff {
            part: "SID of an ACE",
            at: 36
        }
    );
}

#[test]
fn a_list_too_long_is_not_written() {
    let ace = Ace::allow(POOL[0], file_right::ALL, AceFlags::NONE);
    let acl: Acl = std::iter::repeat_n(ace, 3000).collect();
    assert_eq!(acl.to_bytes(), Err(Malformed::TooLong(3000 * 36 + 8)));
}

#[test]
fn words_that_are_none_are_refused_with_their_place() {
    let at = |text: &str| match SecurityDescriptor::from_sddl(text).unwrap_err() {
        SddlError::Expected { at, .. } | SddlError::OfDomain { at, .. } => at,
        other => panic!("{other}"),
    };
    assert_eq!(at("X:SY"), 0);
    assert_eq!(at("O:SYO:SY"), 4);
    assert_eq!(at("O:"), 2);
    assert_eq!(at("O:ZZ"), 2);
    assert_eq!(at("O:DA"), 2);
    assert_eq!(at("O:S-1-5-"), 2);
    assert_eq!(at("D:(A;;FA;;;SY"), 13);
    assert_eq!(at("D:(Q;;FA;;;SY)"), 3);
    assert_eq!(at("D:(A;QQ;FA;;;SY)"), 5);
    assert_eq!(at("D:(A;OIC;FA;;;SY)"), 7);
    assert_eq!(at("D:(A;;FAX;;;SY)"), 8);
    assert_eq!(at("D:(A;;0x;;;SY)"), 6);
    assert_eq!(at("D:(A;;0x1ffffffff;;;SY)"), 6);
    assert_eq!(at("D:(A;;-1;;;SY)"), 6);
    assert_eq!(at("D:(OA;;FA;1;;SY)"), 10);
    assert_eq!(at("D:(XA;;FA;;;SY;(x))"), 14);
    assert_eq!(at("D:(A;;FA;;;ü)"), 11);
    assert_eq!(at("D:(A;;FA;;;SY)é"), 14);
}

#[test]
fn a_sid_whose_last_number_is_in_hexadecimal_ends_before_the_next_part() {
    let owner = Sid::new([0, 1, 0, 0, 0, 5], &[]).unwrap();
    let sd = SecurityDescriptor::new(owner, owner, Acl::default());
    let words = sd.to_sddl().unwrap();
    assert_eq!(words, "O:S-1-0x000100000005G:S-1-0x000100000005D:");
    assert_eq!(SecurityDescriptor::from_sddl(&words), Ok(sd));
}

#[test]
fn what_has_no_words_says_so() {
    let mut ace = Ace::allow(POOL[0], file_right::ALL, AceFlags::NONE);
    ace.data = [1, 2, 3, 4].into();
    let sd = SecurityDescriptor::new(POOL[0], POOL[0], Acl::from_iter([ace]));
    let words = sd.to_sddl();
    assert_eq!(
        words,
        Err(SddlError::NoWords {
            index: 0,
            kind: 0,
            data: 4
        })
    );
}

#[test]
fn guids_are_written_as_they_are_read() {
    let text = "bf967aba-0de6-11d0-a285-00aa003049e2";
    let guid = Guid::parse(text).unwrap();
    assert_eq!(guid.to_string(), text);
    assert_eq!(guid.0[..4], [0xba, 0x7a, 0x96, 0xbf]);
    for bad in [
        "",
        "bf967aba",
        "bf967aba-0de6-11d0-a285-00aa003049e",
        "+f967aba-0de6-11d0-a285-00aa003049e2",
    ] {
        assert_eq!(Guid::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_grant_is_added_after_denials_and_before_what_is_inherited() {
    let mut sd = SecurityDescriptor::from_sddl("D:(D;;FA;;;AN)(A;;FA;;;SY)(A;ID;FA;;;BA)").unwrap();
    let acl = sd.dacl.as_mut().unwrap();
    assert!(acl.is_canonical());
    let grant = Ace::allow(well_known::USERS, file_right::GENERIC_READ, AceFlags::NONE);
    let denial = Ace::deny(well_known::USERS, Mask::DELETE, AceFlags::NONE);
    for _ in 0..2 {
        acl.add(grant.clone());
        acl.add(denial.clone());
    }
    assert!(acl.is_canonical());
    assert_eq!(
        sd.to_sddl().unwrap(),
        "D:(D;;SD;;;BU)(D;;FA;;;AN)(A;;FR;;;BU)(A;;FA;;;SY)(A;ID;FA;;;BA)"
    );
    let odd = SecurityDescriptor::from_sddl("D:(A;;FA;;;SY)(D;;FA;;;AN)").unwrap();
    assert!(!odd.dacl.unwrap().is_canonical());
}

fn wild(seed: u64) -> SecurityDescriptor {
    Random::new(seed).descriptor(&POOL, Wild::ALL)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_is_read(seed: u64) {
        let sd = wild(seed);
        let bytes = sd.to_bytes().unwrap();
        let read = SecurityDescriptor::parse(&bytes).unwrap();
        prop_assert_eq!(&read.to_bytes().unwrap(), &bytes);
        match sd.to_sddl() {
            // Nothing but what it says of itself has changed.
            Ok(text) => prop_assert_eq!(SecurityDescriptor::from_sddl(&text).unwrap().to_sddl().unwrap(), text),
            Err(SddlError::NoWords { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn no_byte_brings_it_down(seed: u64, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = wild(seed).to_bytes().unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(sd) = SecurityDescriptor::parse(&bytes) {
            let again = sd.to_bytes().unwrap();
            prop_assert_eq!(SecurityDescriptor::parse(&again).unwrap().to_bytes().unwrap(), again);
            let _words = sd.to_sddl();
        }
    }

    #[test]
    fn no_word_brings_it_down(text in "([OGDS]:|\\(|\\)|;|A|D|OI|CI|FA|SY|S-1-5-18|P|AI|0x1|NO_ACCESS_CONTROL|é|.){0,24}") {
        if let Ok(sd) = SecurityDescriptor::from_sddl(&text) {
            let words = sd.to_sddl().unwrap();
            let again = SecurityDescriptor::from_sddl(&words).unwrap();
            prop_assert_eq!(again, sd);
        }
    }

    #[test]
    fn control_bits_stay(bits: u16) {
        let control = Control(bits).without(Control::SELF_RELATIVE).without(Control::DACL_PRESENT).without(Control::SACL_PRESENT);
        let sd = SecurityDescriptor { control, ..SecurityDescriptor::default() };
        prop_assert_eq!(SecurityDescriptor::parse(&sd.to_bytes().unwrap()).unwrap(), sd);
    }
}
