//! The control group of one ring (`cgroups(7)`), where version 2 is delegated to the user.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// A control group of one ring, removed with it.
#[derive(Debug)]
pub(crate) struct Group {
    dir: PathBuf,
}

/// Names tried for one group: more than rings that one process has at a time.
const NAMES: u32 = 1024;

impl Group {
    /// Makes a group below `parent`, and takes away those of harnesses that were killed
    /// before they could.
    pub(crate) fn new(parent: &Path) -> Result<Group> {
        let namespace = pid_namespace();
        let ours = format!("ringfence-{}-", namespace.as_deref().unwrap_or("0"));
        // Without /proc nobody's process could be seen to live.
        if namespace.is_some() {
            remove_left_over(parent, &ours);
        }
        let own = std::process::id();
        for number in 0..NAMES {
            let dir = parent.join(format!("{ours}{own}-{number}"));
            match std::fs::create_dir(&dir) {
                Ok(()) => return Ok(Group { dir }),
                // Another ring of this process, or one that a process of this number left.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::from(ErrorKind::AlreadyExists))
    }

    /// Sets limits and moves a process in.
    pub(crate) fn take(&self, memory: Option<u64>, processes: Option<u32>, pid: i32) -> Result<()> {
        if let Some(bytes) = memory {
            self.write("memory.max", &bytes.to_string())?;
            // Without swap the limit is what it says; not every kernel has the file.
            match self.write("memory.swap.max", "0") {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        if let Some(n) = processes {
            self.write("pids.max", &n.to_string())?;
        }
        self.write("cgroup.procs", &pid.to_string())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        std::fs::write(self.dir.join(file), text)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty by then: the runner has been waited for. A race with the last task's exit is
        // the kernel's to finish; the next ring with a group removes it then.
        for _ in 0..100 {
            match std::fs::remove_dir(&self.dir) {
                Err(e) if e.kind() == ErrorKind::ResourceBusy => {
                    let _killed = self.write("cgroup.kill", "1");
                    std::thread::yield_now();
                }
                _ => return,
            }
        }
    }
}

/// Process ids mean something in one pid namespace only, and containers may share groups.
fn pid_namespace() -> Option<String> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let link = link.to_string_lossy();
    Some(link.chars().filter(char::is_ascii_digit).collect())
}

/// Removes groups that are empty (the kernel removes no other) and whose process is gone.
fn remove_left_over(parent: &Path, ours: &str) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((pid, _)) = name
            .to_str()
            .and_then(|name| name.strip_prefix(ours))
            .and_then(|rest| rest.split_once('-'))
        else {
            continue;
        };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            let _busy = std::fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Group, pid_namespace};

    #[test]
    fn names_that_are_taken_and_groups_that_were_left() {
        let parent = std::env::temp_dir().join(format!("rf-group-{}", std::process::id()));
        std::fs::create_dir(&parent).unwrap();
        let (ours, own) = (pid_namespace().unwrap(), std::process::id());
        // No pid is as high (`PID_MAX_LIMIT`, proc_sys_kernel(5)).
        let left = parent.join(format!("ringfence-{ours}-99999999-0"));
        let busy = parent.join(format!("ringfence-{ours}-99999998-0"));
        let foreign = parent.join("ringfence-1-99999999-0");
        let other = parent.join("user.slice");
        for dir in [&left, &busy, &foreign, &other] {
            std::fs::create_dir(dir).unwrap();
        }
        std::fs::write(busy.join("task"), "").unwrap();
        let one = Group::new(&parent).unwrap();
        let two = Group::new(&parent).unwrap();
        assert_eq!(one.dir(), parent.join(format!("ringfence-{ours}-{own}-0")));
        assert_eq!(two.dir(), parent.join(format!("ringfence-{ours}-{own}-1")));
        assert!(!left.exists() && busy.exists() && foreign.exists() && other.exists());
        one.take(Some(1 << 20), Some(7), 1).unwrap();
        for (file, text) in [
            ("memory.max", "1048576"),
            ("pids.max", "7"),
            ("cgroup.procs", "1"),
        ] {
            assert_eq!(std::fs::read_to_string(one.dir().join(file)).unwrap(), text);
        }
        let gone = two.dir().to_owned();
        drop(two);
        assert!(!gone.exists());
        std::fs::remove_dir_all(&parent).unwrap();
    }
}
