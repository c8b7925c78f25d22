//! What the files of a ledger take of the operating system.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(all(test, unix))]
pub(crate) use unix::odd;
#[cfg(unix)]
pub(crate) use unix::{
    beside_to_lock, bytes, holder_of, is_link, is_named, is_own, make_dir, of_bytes, of_units,
    options, read_at, reading, sync_dir, unit, units, write_all_at,
};
#[cfg(all(test, windows))]
pub(crate) use windows::odd;
#[cfg(windows)]
pub(crate) use windows::{
    beside_to_lock, bytes, holder_of, is_link, is_named, is_own, make_dir, of_bytes, of_units,
    options, read_at, reading, sync_dir, unit, units, write_all_at,
};
