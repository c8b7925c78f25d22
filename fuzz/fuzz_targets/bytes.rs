//! Input of commands, as text or base64: what is taken is what is meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_serve::fuzzing::bytes_of;

/// RFC 4648 §4 with padding, by a second hand.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=three.len()].copy_from_slice(three);
        let value = u32::from_be_bytes(padded);
        for at in 0..4 {
            let digit = DIGITS[(value >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { digit.into() } else { '=' });
        }
    }
    text
}

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(bytes_of(None, Some(base64(bytes))).as_deref(), Ok(bytes));
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    assert_eq!(bytes_of(Some(text.to_owned()), None).as_deref(), Ok(bytes));
    assert!(bytes_of(Some(text.to_owned()), Some(text.to_owned())).is_err());
    // What is taken has one form.
    if let Ok(taken) = bytes_of(None, Some(text.to_owned())) {
        assert_eq!(base64(&taken), text);
    }
});
