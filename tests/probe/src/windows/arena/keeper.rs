//! Who tidies up: a process that waits for the end of the tester, however that comes, and takes away what is left.

use ringfence_sys_windows::registry::{self, Root};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::windows::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It has no console, whose end would be its own.
const DETACHED_PROCESS: u32 = 0x8;
/// Nobody's Ctrl-C is meant for it.
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
/// How long files may be held open by what is ending.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keys in which rows set values of the arena's name.
pub(crate) const VALUES_IN: [&str; 2] = [
    r"Software\Microsoft\Windows\CurrentVersion\Run",
    "Environment",
];

/// The process; when this is dropped it has tidied up.
#[derive(Debug)]
pub(super) struct Keeper(Child);

impl Keeper {
    /// Starts one. It is the probe itself and no copy, which could not be removed while it runs.
    pub(super) fn start(probe: &Path, root: &Path, nonce: &str, user: &str) -> io::Result<Self> {
        let mut command = Command::new(probe);
        command.arg("keep").arg(root).arg(nonce).arg(user);
        command
            .creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP)
            .current_dir(probe.parent().unwrap_or(Path::new(r"\")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().map(Self)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// `keep ROOT NONCE USER`: waits for the end of its input, and takes away what an arena made.
pub fn keep(arguments: &[String]) -> io::Result<()> {
    let [root, nonce, user] = arguments else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    // Nothing is removed by a name that no arena has.
    let root = Path::new(root);
    if root.file_name() != Some(OsStr::new(&format!("rf-verify-{nonce}"))) || nonce.len() != 8 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    registry(nonce, user);
    let end = Instant::now() + PATIENCE;
    loop {
        match fs::remove_dir_all(root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound && Instant::now() < end => {
                crate::moment::pass(Duration::from_millis(50));
            }
            _ => return Ok(()),
        }
    }
}

/// What is not there need not be removed.
fn registry(nonce: &str, user: &str) {
    let own = format!("ringfence-probe-{nonce}");
    let open = |key: &str| {
        let key = format!(r"{user}\{key}");
        let opened = Root::Users.open(OsStr::new(&key), registry::access::ALL);
        opened.ok().flatten()
    };
    if let Some(software) = open("Software") {
        let _ = software.delete_tree(OsStr::new(&own));
    }
    for key in VALUES_IN {
        if let Some(key) = open(key) {
            let _ = key.delete_value(OsStr::new(&own));
        }
    }
}
