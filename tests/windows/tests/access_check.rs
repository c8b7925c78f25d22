//! The model beside the system's own `AccessCheck`: the same answers in random cases.
//!
//! Under Wine that is an implementation of its own, with tokens of its own. What it does not know (restricting
//! SIDs, labels, `OWNER RIGHTS`) or has otherwise (generic rights in an ACE, what an owner may, the order of denials in the
//! most that is granted, what a group for denials denies) is left out, and asserted to be so below: the day that changes, the cases can have it.
#![cfg(windows)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use ringfence_nt_access as model;
use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Ace, AceFlags, Acl, Doubt, Effect, Group, Mask, Membership, Privilege, SecurityDescriptor,
    file_right, generic, object, well_known,
};
use ringfence_sys_windows as sys;
use ringfence_sys_windows::token::{Granted, Level, Mapping, Restriction, Token, access};

const CASES: u64 = 20_000;
/// Each token is asked so many times.
const EACH: u64 = 100;

fn sid(sid: &sys::Sid) -> model::Sid {
    model::Sid::parse(sid.as_bytes()).unwrap()
}

/// This token as the model has it.
fn modelled(token: &Token) -> model::Token {
    const ENABLED: u32 = 0x4;
    const DENY_ONLY: u32 = 0x10;
    let mut made = model::Token::of(sid(&token.user().unwrap()), &[]);
    for group in token.groups().unwrap() {
        let membership = if group.attributes & DENY_ONLY != 0 && is_wine() {
            // It grants nothing there, and denies nothing either: see below.
            Membership::Disabled
        } else if group.attributes & DENY_ONLY != 0 {
            Membership::DenyOnly
        } else if group.attributes & ENABLED != 0 {
            Membership::Enabled
        } else {
            Membership::Disabled
        };
        made.groups.push(Group {
            sid: sid(&group.sid),
            membership,
        });
    }
    let privileges = token.privileges().unwrap();
    let names: Vec<_> = privileges
        .iter()
        // Only one that is enabled counts in a check.
        .filter(|privilege| privilege.attributes & 0x2 != 0)
        .filter_map(|privilege| privilege.luid.privilege_name().ok())
        .collect();
    made.privileges = Privilege::ALL
        .into_iter()
        .filter(|privilege| names.iter().any(|name| name == privilege.name()))
        .collect();
    made.integrity = sid(&token.integrity().unwrap())
        .integrity()
        .map_or(model::Integrity::MEDIUM, model::Integrity);
    made
}

/// What the system grants.
fn asked(token: &Token, sd: &SecurityDescriptor, desired: Mask) -> Option<Mask> {
    let bytes = sd.to_bytes().unwrap();
    let sd = sys::SecurityDescriptor::from_bytes(&bytes).unwrap();
    match token.check(&sd, Mapping::FILE, desired.0).unwrap() {
        Granted::Yes(mask) => Some(Mask(mask)),
        Granted::No => None,
    }
}

fn own() -> Token {
    Token::own(access::QUERY | access::DUPLICATE | access::ASSIGN_PRIMARY).unwrap()
}

fn to_act_with(token: &Token) -> Token {
    token.duplicate(Level::Impersonation, access::ALL).unwrap()
}

#[test]
fn the_system_answers_the_same() {
    let first = std::env::var("RINGFENCE_SEED").map_or(0, |seed| seed.parse().unwrap());
    println!("seeds {first} to {}", first + CASES);
    let groups: Vec<sys::Sid> = own().groups().unwrap().into_iter().map(|g| g.sid).collect();
    let mut pool: Vec<model::Sid> = groups.iter().map(sid).collect();
    // Levels of integrity are no groups that an ACE of a DACL is of.
    pool.retain(|sid| sid.integrity().is_none());
    pool.push(sid(&own().user().unwrap()));
    pool.extend([model::Sid::account([6, 6, 6, 1001]), well_known::GUESTS]);
    let (mut granted, mut refused) = (0, 0);
    for round in 0..CASES / EACH {
        let mut random = Random::new(first + round * EACH);
        let deny_only = groups
            .iter()
            .filter(|_| random.one_in(3))
            .cloned()
            .collect();
        let restriction = Restriction {
            deny_only,
            ..Restriction::default()
        };
        let token = to_act_with(&own().restricted(&restriction).unwrap());
        let modelled = modelled(&token);
        for _ in 0..EACH {
            let wild = Wild {
                no_dacl: true,
                inheritance: true,
                ..Wild::default()
            };
            let mut sd = random.descriptor(&pool, wild);
            let mut desired = match random.below(3) {
                0 => Mask::MAXIMUM_ALLOWED,
                1 => Mask(1 << random.below(9)),
                _ => random.mask(false),
            };
            let owns = sd.owner.is_some_and(|owner| modelled.is(&owner));
            if is_wine() {
                // In the order that Windows' own tools make: see below.
                if let Some(dacl) = &mut sd.dacl {
                    let grants = |ace: &Ace| ace.kind.effect() != Some(Effect::Deny);
                    dacl.aces.sort_by_key(grants);
                }
                if owns {
                    desired = Mask(1 << random.below(9));
                }
            }
            let system = asked(&token, &sd, desired);
            let ours =
                model::access_check(&sd, &modelled, desired, &object::FILE, Doubt::Denies).ok();
            let alike = match (system, ours) {
                // Where the most that is granted is nothing, one has it as granted and the other as refused.
                (None, Some(mask)) => desired == Mask::MAXIMUM_ALLOWED && mask.is_none(),
                (system, ours) => system == ours,
            };
            assert!(
                alike,
                "round {round}: {} {desired:?}: the system {system:?}, the model {ours:?}\n{modelled:?}",
                sd.to_sddl().unwrap()
            );
            if system.is_some() {
                granted += 1;
            } else {
                refused += 1;
            }
        }
    }
    println!("{granted} granted, {refused} refused");
    assert!(granted > CASES / 5 && refused > CASES / 5);
}

/// What Wine has otherwise: a difference that is gone is one that the cases above can have.
#[test]
fn where_wine_differs_it_is_known() {
    if !is_wine() {
        println!("skipped: it is about Wine");
        return;
    }
    let token = to_act_with(&own());
    let user = sid(&own().user().unwrap());
    let all = file_right::ALL;
    // An owner gets all standard rights, not those to read and to change the descriptor alone (MS-DTYP 2.5.3.2).
    let none = SecurityDescriptor::new(user, user, Acl::default());
    let standard = Mask(0x001f_0000);
    assert_eq!(asked(&token, &none, Mask::MAXIMUM_ALLOWED), Some(standard));
    // In the most that is granted a denial holds wherever it stands, though the right alone is granted before it.
    let both = [
        Ace::allow(well_known::EVERYONE, all, AceFlags::NONE),
        Ace::deny(well_known::EVERYONE, file_right::READ_DATA, AceFlags::NONE),
    ];
    let system = well_known::SYSTEM;
    let sd = SecurityDescriptor::new(system, system, both.into_iter().collect());
    assert_eq!(
        asked(&token, &sd, file_right::READ_DATA),
        Some(file_right::READ_DATA)
    );
    let most = all.without(file_right::READ_DATA);
    assert_eq!(asked(&token, &sd, Mask::MAXIMUM_ALLOWED), Some(most));
    // And a denial of a right that was granted before it ends the search for the others.
    let three = [
        Ace::allow(well_known::EVERYONE, file_right::READ_DATA, AceFlags::NONE),
        Ace::deny(well_known::EVERYONE, file_right::READ_DATA, AceFlags::NONE),
        Ace::allow(well_known::EVERYONE, file_right::WRITE_DATA, AceFlags::NONE),
    ];
    let sd = SecurityDescriptor::new(system, system, three.into_iter().collect());
    let two = file_right::READ_DATA | file_right::WRITE_DATA;
    assert_eq!(asked(&token, &sd, two), None);
    assert_eq!(
        asked(&token, &sd, file_right::WRITE_DATA),
        Some(file_right::WRITE_DATA)
    );
    // A group for denials denies nothing.
    let restriction = Restriction {
        deny_only: vec![sys::Sid::parse("S-1-5-32-544").unwrap()],
        ..Restriction::default()
    };
    let less = to_act_with(&own().restricted(&restriction).unwrap());
    let denied = [
        Ace::deny(well_known::ADMINISTRATORS, all, AceFlags::NONE),
        Ace::allow(well_known::EVERYONE, all, AceFlags::NONE),
    ];
    let sd = SecurityDescriptor::new(system, system, denied.into_iter().collect());
    assert_eq!(asked(&less, &sd, all), Some(all));
    assert_eq!(asked(&token, &sd, all), None);
    // Generic rights that nobody mapped are mapped there.
    let unmapped = Ace::allow(well_known::EVERYONE, generic::READ, AceFlags::NONE);
    let sd = SecurityDescriptor::new(system, system, [unmapped].into_iter().collect());
    assert_eq!(
        asked(&token, &sd, file_right::READ_DATA),
        Some(file_right::READ_DATA)
    );
    // A label above the token's is not asked for.
    let words = "O:SYG:SYD:(A;;FA;;;WD)S:(ML;;NWNRNX;;;SI)";
    let sd = SecurityDescriptor::from_sddl(words).unwrap();
    assert_eq!(asked(&token, &sd, all), Some(all));
    // What owners may is said, and Wine does not read it.
    let of_owners = Ace::allow(
        well_known::OWNER_RIGHTS,
        file_right::READ_DATA,
        AceFlags::NONE,
    );
    let sd = SecurityDescriptor::new(user, user, [of_owners].into_iter().collect());
    assert_eq!(asked(&token, &sd, Mask::WRITE_DAC), Some(Mask::WRITE_DAC));
    // Restricting SIDs are accepted, and not there.
    let ring = sys::Sid::parse("S-1-5-21-1-2-3-4").unwrap();
    let restriction = Restriction {
        restricting: vec![ring],
        ..Restriction::default()
    };
    let restricted = own().restricted(&restriction).unwrap();
    assert!(!restricted.is_restricted().unwrap_or(false));
    let mine = Ace::allow(user, all, AceFlags::NONE);
    let sd = SecurityDescriptor::new(user, user, [mine].into_iter().collect());
    assert_eq!(asked(&to_act_with(&restricted), &sd, all), Some(all));
}

/// Wine has a mark of its own in the registry of each user.
fn is_wine() -> bool {
    std::env::var_os("WINEPREFIX").is_some() || std::path::Path::new(r"Z:\proc\self").exists()
}
