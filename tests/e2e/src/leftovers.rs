//! What a ring must not leave behind: processes, mounts, cgroups, temporary files, changes in the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use crate::command::{between_looks, deadline};
use crate::workspace::Workspace;

/// Makes this process the one to which orphans go, so that a process that outlives its ring is
/// still found below us whatever it did with its session.
pub(crate) fn adopt_orphans() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    });
}

/// The machine before a ring; asked afterwards what is left of it.
#[derive(Debug)]
pub struct Before {
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<PathBuf>,
    temp: BTreeSet<PathBuf>,
}

impl Before {
    /// Looks now.
    pub fn look() -> Self {
        Self {
            mounts: mounts(),
            cgroups: cgroups(),
            temp: temporary(),
        }
    }

    /// Fails when something of `ws`'s rings is still there after half a minute: what dies needs a moment.
    #[track_caller]
    pub fn nothing_left(&self, ws: &Workspace) {
        let end: Instant = deadline();
        loop {
            let left = self.left(ws);
            if left.is_empty() {
                return;
            }
            assert!(
                Instant::now() < end,
                "left behind:\n  {}",
                left.join("\n  ")
            );
            between_looks();
        }
    }

    fn left(&self, ws: &Workspace) -> Vec<String> {
        let mut left: Vec<String> = marked(&ws.mark)
            .into_iter()
            .map(|p| format!("process {p}"))
            .collect();
        let base = ws.base.display().to_string();
        left.extend(
            mounts()
                .difference(&self.mounts)
                .filter(|line| line.contains("ringfence") || line.contains(&base))
                .map(|line| format!("mount {line}")),
        );
        // Rings of other tests come and go; one without a process in it is nobody's.
        left.extend(
            cgroups()
                .difference(&self.cgroups)
                .filter(|dir| is_deserted(dir))
                .map(|dir| format!("cgroup {}", dir.display())),
        );
        left.extend(
            temporary()
                .difference(&self.temp)
                .map(|path| format!("temporary {}", path.display())),
        );
        for below in ["tmp", "run"] {
            let dir = ws.base.join(below);
            left.extend(
                fs::read_dir(dir)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|e| format!("in {below}: {}", e.path().display())),
            );
        }
        left
    }
}

/// `git status`, ignored files too: a ghost file would show.
pub fn git_status(ws: &Workspace, dir: &Path) -> String {
    ws.bare([
        "git",
        "status",
        "--porcelain=v2",
        "--branch",
        "--ignored",
        "--untracked-files=all",
    ])
    .dir(dir)
    .ok()
}

#[derive(Debug, Clone)]
struct Process {
    parent: u32,
    zombie: bool,
    name: String,
}

fn processes() -> BTreeMap<u32, Process> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name stands in brackets and may hold any byte, brackets too.
            let name = stat.get(stat.find('(')? + 1..stat.rfind(')')?)?.to_owned();
            let rest: Vec<&str> = stat
                .get(stat.rfind(')')? + 1..)?
                .split_whitespace()
                .collect();
            Some((
                pid,
                Process {
                    parent: rest.get(1)?.parse().ok()?,
                    zombie: *rest.first()? == "Z",
                    name,
                },
            ))
        })
        .collect()
}

/// The living processes below `ancestor`, with their names.
pub fn descendants(ancestor: u32) -> Vec<(u32, String)> {
    let all = processes();
    let mut found = Vec::new();
    let mut todo = vec![ancestor];
    while let Some(up) = todo.pop() {
        for (pid, process) in all.iter().filter(|(_, process)| process.parent == up) {
            todo.push(*pid);
            if !process.zombie {
                found.push((*pid, process.name.clone()));
            }
        }
    }
    found
}

/// Living processes of a workspace: those that carry its mark, and, where each test is a process of
/// its own, every one below us.
fn marked(mark: &str) -> Vec<String> {
    let alone = std::env::var_os("NEXTEST").is_some();
    let ours: BTreeSet<u32> = descendants(std::process::id())
        .into_iter()
        .map(|(pid, _)| pid)
        .collect();
    let needle = format!("RINGFENCE_E2E_MARK={mark}\0");
    processes()
        .into_iter()
        .filter(|(pid, process)| {
            if process.zombie || *pid == std::process::id() {
                return false;
            }
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            contains(&environment, needle.as_bytes()) || (alone && ours.contains(pid))
        })
        .map(|(pid, process)| format!("{pid} {}", process.name))
        .collect()
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|at| at == needle)
}

fn mounts() -> BTreeSet<String> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn cgroups() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut todo = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().contains("ringfence") {
                    found.insert(entry.path());
                }
                todo.push(entry.path());
            }
        }
    }
    found
}

fn is_deserted(cgroup: &Path) -> bool {
    let procs = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let below = fs::read_dir(cgroup).into_iter().flatten().flatten();
    cgroup.exists()
        && procs.is_empty()
        && below
            .filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()))
            .all(|e| is_deserted(&e.path()))
}

/// What a ring could leave where temporary files go.
fn temporary() -> BTreeSet<PathBuf> {
    ["/tmp", "/var/tmp", "/dev/shm", "/run"]
        .iter()
        .flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten())
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().to_lowercase();
            // A virtual machine of Java keeps what it measures in a directory with its user's name, for ever.
            let java = name.starts_with("hsperfdata_");
            name.contains("ringfence") && !name.contains("e2e") && !java
        })
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests"
    )]

    use super::Before;
    use crate::{Tree, Who, Workspace, needs, until};

    /// What looks for leftovers must find them, or every test that asks it proves nothing.
    #[test]
    fn what_is_left_is_found() {
        let person = needs(Who::User, &[]).unwrap();
        let before = Before::look();
        let ws = Workspace::new(&person, "left");
        assert_eq!(before.left(&ws), Vec::<String>::new());

        let daemon =
            "setsid sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 1000' >/dev/null 2>&1 &";
        ws.bare_sh(daemon).run().ok();
        until("the daemon runs", || ws.has("pid"));
        ws.file("../tmp/forgotten", "");
        ws.file("../run/socket", "");
        let left = before.left(&ws).join("\n");
        for what in ["process ", "in tmp: ", "in run: "] {
            assert!(left.contains(what), "{what} was not found in: {left}");
        }
        ws.bare_sh("kill $(cat pid)").run().ok();
        for below in ["../tmp/forgotten", "../run/socket"] {
            std::fs::remove_file(ws.at(below)).unwrap();
        }
        before.nothing_left(&ws);
    }

    #[test]
    fn a_changed_tree_is_seen() {
        let person = needs(Who::User, &[]).unwrap();
        let ws = Workspace::new(&person, "tree");
        ws.file("a", "one");
        let before = Tree::of(&[ws.path()]);
        assert_eq!(
            before.changes(&Tree::of(&[ws.path()])),
            Vec::<String>::new()
        );
        // Made and taken away again: the directory's own time tells.
        std::fs::remove_file(ws.file("ghost", "")).unwrap();
        assert_eq!(before.changes(&Tree::of(&[ws.path()])).len(), 1);
        ws.file("b", "");
        std::fs::remove_file(ws.at("a")).unwrap();
        let changes = before.changes(&Tree::of(&[ws.path()])).join("\n");
        assert!(
            changes.contains("new ") && changes.contains("gone "),
            "{changes}"
        );
    }
}
