//! A directory and names of a test's own.

use std::ffi::OsString;
use std::path::PathBuf;

use ringfence_sys_windows::random;

/// A name that nobody else has.
pub(crate) fn unique(what: &str) -> OsString {
    let mut bytes = [0; 8];
    random::fill(&mut bytes).unwrap();
    OsString::from(format!(
        "ringfence-{what}-{:016x}",
        u64::from_le_bytes(bytes)
    ))
}

/// A directory that goes with the test.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        let path = std::env::temp_dir().join(unique("test"));
        std::fs::create_dir(&path).unwrap();
        Dir(std::path::absolute(path).unwrap())
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
