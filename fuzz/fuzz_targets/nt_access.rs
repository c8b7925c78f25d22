//! Security descriptors in bytes and in words: what is read is written to the same again, and the check answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_nt_access::{
    Doubt, SecurityDescriptor, Sid, Token, maximum_allowed, object, well_known,
};

fuzz_target!(|bytes: &[u8]| {
    let token = Token::of(Sid::account([1, 2, 3, 1000]), &[well_known::EVERYONE]);
    let bounds = |sd: &SecurityDescriptor| {
        let low = maximum_allowed(sd, &token, &object::FILE, Doubt::Denies);
        let high = maximum_allowed(sd, &token, &object::FILE, Doubt::Grants);
        assert!(high.has(low));
    };
    if let Ok(sd) = SecurityDescriptor::parse(bytes) {
        bounds(&sd);
        // One whose lists share bytes can be longer than a list may be.
        if let Ok(again) = sd.to_bytes() {
            let read = SecurityDescriptor::parse(&again).expect("what is written is read");
            assert_eq!(read.to_bytes().as_ref(), Ok(&again));
        }
        if let Ok(words) = sd.to_sddl() {
            SecurityDescriptor::from_sddl(&words).expect("what is written is read");
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(sd) = SecurityDescriptor::from_sddl(text)
    {
        bounds(&sd);
        let words = sd.to_sddl().expect("what has words keeps them");
        assert_eq!(SecurityDescriptor::from_sddl(&words), Ok(sd));
    }
});
