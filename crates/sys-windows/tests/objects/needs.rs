//! What a test needs of the machine. At a desk one that cannot run says why and passes; where
//! `RINGFENCE_EXPECT` (`real_windows`) promised it, it fails.

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

/// This is Wine.
pub(crate) fn is_wine() -> bool {
    let name: Vec<u16> = "ntdll.dll\0".encode_utf16().collect();
    // SAFETY: a NUL-terminated name.
    let ntdll = unsafe { GetModuleHandleW(name.as_ptr()) };
    // SAFETY: a module that every program has, and a NUL-terminated name.
    unsafe { GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()) }.is_some()
}

/// Whether this is Windows itself; `what` is what Wine has not.
pub(crate) fn real_windows(what: &str) -> bool {
    if !is_wine() {
        return true;
    }
    let expect = std::env::var("RINGFENCE_EXPECT").unwrap_or_default();
    let promised = expect.split(',').any(|promise| promise == "real_windows");
    assert!(
        !promised,
        "RINGFENCE_EXPECT promised Windows, but this is Wine"
    );
    println!("skipped: needs real_windows: {what}");
    false
}
