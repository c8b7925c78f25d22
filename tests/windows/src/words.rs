//! Prints the words it was started with, each on a line: its UTF-16 units in hexadecimal.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it is all that it does")]

#[cfg(windows)]
fn main() {
    use std::os::windows::ffi::OsStrExt;

    for word in std::env::args_os().skip(1) {
        let units: Vec<String> = word.encode_wide().map(|u| format!("{u:04x}")).collect();
        println!("[{}]", units.join(""));
    }
}

#[cfg(not(windows))]
fn main() {}
