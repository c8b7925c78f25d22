//! Where a row's argument points: `outside:dir/file`, or an absolute path as it is.

use crate::answer::Tried;
use crate::facts::Facts;
use ringfence_sys_linux::attempt::errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The path an argument stands for.
pub(super) fn path(facts: &Facts, argument: &str) -> PathBuf {
    let Some((base, rest)) = argument.split_once(':') else {
        return PathBuf::from(argument);
    };
    let base: &Path = match base {
        "outside" => &facts.outside,
        "home" => &facts.home,
        "ws" => &facts.workspace,
        "runtime" => &facts.runtime,
        "tmp" => &facts.tmp,
        "run" => facts.run.as_deref().unwrap_or(Path::new("/nonexistent")),
        _ => Path::new("/nonexistent"),
    };
    base.join(rest)
}

/// A sibling of the path that is not there.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ringfence-moved");
    PathBuf::from(name)
}

/// Opens an existing file for writing and writes a little.
pub(super) fn write(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(b"# ringfence probe was here\n")
}

/// Makes a file that is not there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Reads a file and looks for the arena's secret in it. Only the secret itself counts as allowed.
pub(super) fn reveal(facts: &Facts, path: &Path) -> Tried {
    match std::fs::read(path) {
        Ok(bytes) if contains(&bytes, facts.secret().as_bytes()) => {
            Tried::allowed("the secret was read")
        }
        Ok(bytes) => Tried::denied(format!(
            "{} bytes without the secret were read",
            bytes.len()
        )),
        Err(error) => hidden(facts, &error),
    }
}

/// What a failure to reach a hidden thing means. That it is gone counts, but only where the home around it is there:
/// a ring without that home would prove nothing.
pub(super) fn hidden(facts: &Facts, error: &io::Error) -> Tried {
    let stops: &[i32] = if facts.home.join(".bashrc").exists() {
        &[errno::ENOENT, errno::ENOTDIR]
    } else {
        &[]
    };
    Tried::failed(error, stops)
}

/// Whether the bytes have that part.
pub(super) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether a process has, or the first thread of one (`proc_pid_stat(5)`: the state follows the name in parentheses).
pub(super) fn has_ended(process: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else {
        return true;
    };
    let state = stat.rsplit(") ").next();
    state.is_some_and(|rest| rest.starts_with(['Z', 'X']))
}
