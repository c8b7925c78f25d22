//! What of the harness is another thing on each operating system: where files are, who may read them, what an object on disk is.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::Session;
#[cfg(all(test, target_os = "linux"))]
pub(crate) use linux::kept_in_of;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    MANAGED, SysError, TO_HAVE_CONFIG, TO_HAVE_STATE, account_home, begins, canonical, config,
    home, homes, identity, lacking, make_dir, managed, managed_file, may_write, name_bytes, open,
    private, state,
};
#[cfg(windows)]
pub use windows::Session;
#[cfg(windows)]
pub(crate) use windows::{
    MANAGED, SysError, TO_HAVE_CONFIG, TO_HAVE_STATE, account_home, begins, canonical, config,
    from_windows, home, identity, lacking, make_dir, managed, managed_file, may_write, name_bytes,
    open, plain, private, state,
};

/// What an object is: its device, its number there, and when it was made, where the file system knows.
pub(crate) type Identity = (u64, u64, Option<(i64, u32)>);
