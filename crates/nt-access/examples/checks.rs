//! How many access checks one core makes in a second.
//!
//!     cargo run --release -p ringfence-nt-access --example checks
#![allow(clippy::print_stdout, reason = "it says what it measured")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringfence_nt_access::{
    Ace, AceFlags, Acl, Doubt, Restriction, SecurityDescriptor, Sid, Token, access_check,
    file_right, maximum_allowed, object, well_known,
};

const USER: Sid = Sid::account([1, 2, 3, 1000]);
const RING: Sid = Sid::account([4, 5, 6, 7]);

/// Ten ACEs, as a workspace on a machine of a domain has them; the user's is the last.
fn descriptor() -> SecurityDescriptor {
    let mut aces: Vec<Ace> = (0..7)
        .map(|n| {
            let group = Sid::account([1, 2, 3, 2000 + n]);
            Ace::allow(group, file_right::GENERIC_READ, AceFlags::NONE)
        })
        .collect();
    aces.push(Ace::allow(RING, file_right::ALL, AceFlags::NONE));
    aces.push(Ace::allow(
        well_known::SYSTEM,
        file_right::ALL,
        AceFlags::NONE,
    ));
    aces.push(Ace::allow(USER, file_right::ALL, AceFlags::NONE));
    SecurityDescriptor::new(USER, USER, aces.into_iter().collect::<Acl>())
}

/// A user in twelve groups.
fn token() -> Token {
    let groups: Vec<Sid> = (0..9)
        .map(|n| Sid::account([1, 2, 3, 3000 + n]))
        .chain([
            well_known::EVERYONE,
            well_known::USERS,
            well_known::AUTHENTICATED_USERS,
        ])
        .collect();
    Token::of(USER, &groups)
}

fn measure(name: &str, mut check: impl FnMut()) {
    let mut rates: Vec<f64> = (0..11)
        .map(|_| {
            let (began, mut count) = (Instant::now(), 0_u32);
            while began.elapsed() < Duration::from_millis(100) {
                for _ in 0..1000 {
                    check();
                }
                count += 1000;
            }
            f64::from(count) / began.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    println!(
        "{name:44} {:6.1} million checks/s (median of 11; {:.1} to {:.1})",
        rates[5], rates[0], rates[10]
    );
}

fn main() {
    let (sd, token) = (descriptor(), token());
    let restricted = token.restricted(&Restriction {
        restrict: vec![RING],
        disable_max_privilege: true,
        lua: true,
        write_restricted: true,
        ..Restriction::default()
    });
    let file = &object::FILE;
    for (name, token) in [("a user", &token), ("a write-restricted one", &restricted)] {
        measure(&format!("{name}, to write"), || {
            let desired = file_right::GENERIC_WRITE;
            let _answer = black_box(access_check(
                black_box(&sd),
                token,
                desired,
                file,
                Doubt::Denies,
            ));
        });
        measure(&format!("{name}, all that it gets"), || {
            black_box(maximum_allowed(black_box(&sd), token, file, Doubt::Grants));
        });
    }
}
