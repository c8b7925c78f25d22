//! What children inherit, by MS-DTYP 2.5.3.4 and what Windows' own tools show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Acl, Child, Control, Integrity, SecurityDescriptor, Sid, Token, create, inherited, object,
    propagate, well_known,
};

const ALICE: Sid = Sid::account([1, 2, 3, 1000]);
const STAFF: Sid = Sid::account([1, 2, 3, 513]);

fn sd(text: &str) -> SecurityDescriptor {
    SecurityDescriptor::from_sddl(text).unwrap()
}

fn words(acl: Acl) -> String {
    let sd = SecurityDescriptor {
        dacl: Some(acl),
        ..SecurityDescriptor::default()
    };
    let text = sd.to_sddl().unwrap();
    text.replace(&ALICE.to_string(), "ALICE")
        .replace(&STAFF.to_string(), "STAFF")
}

#[track_caller]
fn inherits(parent: &str, file: &str, dir: &str) {
    let acl = sd(parent).dacl.unwrap();
    let of = |child| {
        let aces = inherited(&acl, child, ALICE, STAFF, &object::FILE);
        words(aces.into_iter().collect())
    };
    assert_eq!(of(Child::Leaf), file, "{parent}, a file");
    assert_eq!(of(Child::Container), dir, "{parent}, a directory");
}

#[test]
fn each_flag_means_what_is_written() {
    inherits("D:(A;;FA;;;SY)", "D:", "D:");
    inherits(
        "D:(A;OICI;FA;;;SY)",
        "D:(A;ID;FA;;;SY)",
        "D:(A;OICIID;FA;;;SY)",
    );
    inherits(
        "D:(A;OI;FA;;;SY)",
        "D:(A;ID;FA;;;SY)",
        "D:(A;OIIOID;FA;;;SY)",
    );
    inherits("D:(A;CI;FA;;;SY)", "D:", "D:(A;CIID;FA;;;SY)");
    inherits(
        "D:(A;OICINP;FA;;;SY)",
        "D:(A;ID;FA;;;SY)",
        "D:(A;ID;FA;;;SY)",
    );
    inherits("D:(A;OINP;FA;;;SY)", "D:(A;ID;FA;;;SY)", "D:");
    inherits("D:(A;CINP;FA;;;SY)", "D:", "D:(A;ID;FA;;;SY)");
    inherits(
        "D:(A;OICIIO;FA;;;SY)",
        "D:(A;ID;FA;;;SY)",
        "D:(A;OICIID;FA;;;SY)",
    );
    inherits("D:(A;CIIONP;FA;;;SY)", "D:", "D:(A;ID;FA;;;SY)");
    // What came from above goes on below.
    inherits(
        "D:(D;OICIID;FW;;;SY)",
        "D:(D;ID;FW;;;SY)",
        "D:(D;OICIID;FW;;;SY)",
    );
}

#[test]
fn the_creator_is_whoever_makes_it() {
    inherits(
        "D:(A;OICIIO;GA;;;CO)",
        "D:(A;ID;FA;;;ALICE)",
        "D:(A;ID;FA;;;ALICE)(A;OICIIOID;GA;;;CO)",
    );
    inherits(
        "D:(A;CI;FA;;;CG)",
        "D:",
        "D:(A;ID;FA;;;STAFF)(A;CIIOID;FA;;;CG)",
    );
    inherits(
        "D:(A;OI;FA;;;CO)",
        "D:(A;ID;FA;;;ALICE)",
        "D:(A;OIIOID;FA;;;CO)",
    );
    inherits(
        "D:(A;OICINP;GR;;;CO)",
        "D:(A;ID;FR;;;ALICE)",
        "D:(A;ID;FR;;;ALICE)",
    );
    // Who an owner is decides the check, not the inheritance.
    inherits(
        "D:(A;OICI;RC;;;OW)",
        "D:(A;ID;RC;;;OW)",
        "D:(A;OICIID;RC;;;OW)",
    );
    // Generic rights are mapped where they hold, and kept for those below.
    inherits(
        "D:(A;OICI;GR;;;SY)",
        "D:(A;ID;FR;;;SY)",
        "D:(A;ID;FR;;;SY)(A;OICIIOID;GR;;;SY)",
    );
}

#[test]
fn what_another_type_of_child_inherits_is_passed_on_alone() {
    let guid = "bf967aba-0de6-11d0-a285-00aa003049e2";
    inherits(
        &format!("D:(OA;OICI;FA;;{guid};SY)"),
        "D:",
        &format!("D:(OA;OICIIOID;FA;;{guid};SY)"),
    );
    inherits(
        &format!("D:(OA;OICI;FA;{guid};;SY)"),
        &format!("D:(OA;ID;FA;{guid};;SY)"),
        &format!("D:(OA;OICIID;FA;{guid};;SY)"),
    );
}

fn token() -> Token {
    let mut token = Token::of(ALICE, &[STAFF]);
    token.default_dacl = sd("D:(A;;GA;;;SY)(A;;GR;;;CO)").dacl;
    token
}

#[track_caller]
fn made(parent: &str, said: Option<&str>, child: Child) -> String {
    let said = said.map(sd);
    let sd = create(
        Some(&sd(parent)),
        said.as_ref(),
        child,
        &token(),
        &object::FILE,
    );
    let text = sd.to_sddl().unwrap();
    text.replace(&ALICE.to_string(), "ALICE")
        .replace(&STAFF.to_string(), "STAFF")
}

#[test]
fn a_child_has_what_is_said_of_it_before_what_it_inherits() {
    let parent = "O:SYG:SYD:(A;;FA;;;BA)(A;OICI;FA;;;SY)";
    assert_eq!(
        made(parent, None, Child::Leaf),
        "O:ALICEG:STAFFD:AI(A;ID;FA;;;SY)"
    );
    assert_eq!(
        made(parent, Some("D:(A;;GR;;;WD)"), Child::Leaf),
        "O:ALICEG:STAFFD:AI(A;;FR;;;WD)(A;ID;FA;;;SY)"
    );
    assert_eq!(
        made(
            parent,
            Some("O:BAG:BAD:P(A;OICI;GA;;;CO)"),
            Child::Container
        ),
        "O:BAG:BAD:P(A;;FA;;;BA)(A;OICIIO;GA;;;CO)"
    );
    // Where nobody says anything, the token does.
    assert_eq!(
        made("O:SYG:SYD:(A;;FA;;;BA)", None, Child::Leaf),
        "O:ALICEG:STAFFD:AI(A;;FA;;;SY)(A;;FR;;;ALICE)"
    );
    // An empty list is said.
    assert_eq!(made(parent, Some("D:P"), Child::Leaf), "O:ALICEG:STAFFD:P");
    let null = made(parent, Some("D:NO_ACCESS_CONTROL"), Child::Leaf);
    assert_eq!(null, "O:ALICEG:STAFFD:AINO_ACCESS_CONTROL");
}

#[test]
fn what_low_tokens_make_is_low() {
    let mut low = token();
    low.integrity = Integrity::LOW;
    let made = create(None, None, Child::Leaf, &low, &object::FILE);
    assert_eq!(made.label().unwrap().0, Integrity::LOW.0);
    let parent = sd("O:SYG:SYD:S:(ML;OICI;NW;;;HI)");
    let made = create(Some(&parent), None, Child::Leaf, &low, &object::FILE);
    assert_eq!(made.label().unwrap().0, Integrity::HIGH.0);
    assert_eq!(
        create(None, None, Child::Leaf, &token(), &object::FILE).sacl,
        None
    );
}

#[test]
fn a_parents_change_replaces_what_was_inherited_alone() {
    let parent = sd("O:SYG:SYD:(A;OICI;FA;;;SY)(A;OICIIO;FA;;;CO)");
    let after = |child: &str| {
        let mut child = sd(child);
        child.owner = Some(ALICE);
        child.group = Some(STAFF);
        propagate(&parent, &child, Child::Leaf, &object::FILE).map(words)
    };
    let both = Some("D:(A;;FR;;;WD)(A;ID;FA;;;SY)(A;ID;FA;;;ALICE)".to_owned());
    assert_eq!(after("D:AI(A;;FR;;;WD)(A;ID;FA;;;BA)"), both);
    assert_eq!(after("D:(A;;FR;;;WD)"), both);
    assert_eq!(
        after(&both.clone().unwrap().replace("ALICE", &ALICE.to_string())),
        None
    );
    assert_eq!(after("D:P(A;;FR;;;WD)"), None);
    assert_eq!(after("D:NO_ACCESS_CONTROL"), None);
}

const POOL: [Sid; 6] = [
    ALICE,
    STAFF,
    well_known::EVERYONE,
    well_known::CREATOR_OWNER,
    well_known::CREATOR_GROUP,
    well_known::SYSTEM,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What a child is made with is what it would inherit: nothing is left to propagate. And once propagated, nothing is.
    #[test]
    fn nothing_is_left_after_it_was_done(seed: u64, leaf: bool) {
        let mut random = Random::new(seed);
        let parent = random.descriptor(&POOL, Wild::ALL);
        let mut child = random.descriptor(&POOL, Wild::ALL);
        let kind = if leaf { Child::Leaf } else { Child::Container };
        let made = create(Some(&parent), Some(&child), kind, &token(), &object::FILE);
        prop_assert_eq!(propagate(&parent, &made, kind, &object::FILE), None);
        if let Some(acl) = propagate(&parent, &child, kind, &object::FILE) {
            prop_assert!(!child.control.has(Control::DACL_PROTECTED));
            child.dacl = Some(acl);
            prop_assert_eq!(propagate(&parent, &child, kind, &object::FILE), None);
        }
    }

    /// Nobody inherits what no ancestor gave: all that a child has of its parent is marked, and is of an ACE that is passed on.
    #[test]
    fn all_that_is_inherited_is_marked(seed: u64, leaf: bool) {
        let mut random = Random::new(seed);
        let parent = random.descriptor(&POOL, Wild::ALL);
        let kind = if leaf { Child::Leaf } else { Child::Container };
        let acl = parent.dacl.unwrap_or_default();
        for ace in inherited(&acl, kind, ALICE, STAFF, &object::FILE) {
            prop_assert!(ace.is_inherited());
            prop_assert!(acl.aces.iter().any(|from| from.kind == ace.kind && from.flags.0 & 3 != 0));
            if leaf {
                prop_assert!(ace.is_effective() && ace.flags.0 & 0xf == 0);
            }
        }
    }
}
