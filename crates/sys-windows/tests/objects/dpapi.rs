//! Data of the user alone.

use std::ffi::OsStr;

use ringfence_sys_windows::dpapi;
use windows_sys::Win32::Foundation::ERROR_INVALID_DATA;

use crate::child::code;

#[test]
fn what_was_protected_is_opened_with_its_entropy_only() {
    let (secret, entropy) = (b"a secret", b"ring");
    let mut protected = dpapi::protect(secret, entropy, OsStr::new("what")).unwrap();
    assert!(!protected.windows(secret.len()).any(|part| part == secret));
    let opened = dpapi::open(&protected, entropy).unwrap();
    assert_eq!(opened.data, secret);
    assert_eq!(opened.description, "what");
    for wrong in [&b"rinh"[..], b""] {
        assert_eq!(code(&dpapi::open(&protected, wrong)), ERROR_INVALID_DATA);
    }
    let last = protected.len() - 1;
    protected[last] ^= 1;
    assert_eq!(code(&dpapi::open(&protected, entropy)), ERROR_INVALID_DATA);
    let none = dpapi::protect(b"", b"", OsStr::new("")).unwrap();
    assert_eq!(dpapi::open(&none, b"").unwrap().data, b"");
}
