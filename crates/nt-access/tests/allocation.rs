//! A check takes no memory: it runs for each object of a tree.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Doubt, FileObject, Mask, Restriction, Sid, access_check, file_access, maximum_allowed, object,
    well_known,
};

const POOL: [Sid; 5] = [
    Sid::account([1, 2, 3, 1000]),
    well_known::EVERYONE,
    well_known::USERS,
    well_known::SYSTEM,
    well_known::ADMINISTRATORS,
];

#[test]
fn a_check_allocates_nothing() {
    let mut random = Random::new(1);
    for _ in 0..500 {
        let own = random.descriptor(&POOL, Wild::ALL);
        let parent = random.descriptor(&POOL, Wild::ALL);
        let token = random.token(&POOL, Wild::ALL).restricted(&Restriction {
            restrict: vec![random.sid(&POOL)],
            write_restricted: random.one_in(2),
            ..Restriction::default()
        });
        let object = FileObject {
            own: &own,
            parent: Some(&parent),
        };
        let counted = allocation_counter::measure(|| {
            for doubt in [Doubt::Grants, Doubt::Denies] {
                let all = maximum_allowed(&own, &token, &object::FILE, doubt);
                let _answer = access_check(&own, &token, !all, &object::FILE, doubt);
                let _answer =
                    access_check(&own, &token, Mask::MAXIMUM_ALLOWED, &object::FILE, doubt);
                let _rights = file_access(&token, object, doubt);
            }
        });
        assert_eq!(counted.count_total, 0);
    }
    // What counts does count.
    let counted = allocation_counter::measure(|| drop(random.descriptor(&POOL, Wild::ALL)));
    assert!(counted.count_total > 0);
}
