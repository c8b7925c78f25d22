//! The bounds around all that Wine starts. Its daemons outlive the command that started them, and
//! it has been seen to start another process for each one that failed, until memory was full. So
//! it runs in a PID namespace, which ends as a whole; in a control group that counts its
//! processes, where one can be made; under a limit per account everywhere; and for a limited time.

use crate::run;
use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Processes and threads at once. Wine's own are some fifty; a test has a handful.
const MOST: &str = "512";
/// Seconds for a whole run of the tests.
const LONGEST: &str = "900";

/// The first process of the namespace: it waits for the command, and takes every orphan.
/// The last command of a shell would replace it, so there is one behind.
const FIRST: &str = r#""$@"; exit $?"#;

/// How many groups this process has made: each has a name of its own.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A control group for one run.
pub(super) struct Cap {
    /// Nothing where this machine lets us make none.
    group: Option<PathBuf>,
}

impl Cap {
    /// Makes the group, with either version of control groups.
    pub(super) fn make() -> Cap {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringfence-wine-{}-{number}", std::process::id());
        let group = places(&own)
            .into_iter()
            .find_map(|place| limited(&place.join(&name)));
        if group.is_none() {
            println!(
                "xtask: no control group for pids here; Wine is bounded by its account's limit"
            );
        }
        Cap { group }
    }

    /// A command within the bounds: as root in a PID namespace, as another in one of a user
    /// namespace of its own. What joins the group is the command itself ([`join`]).
    pub(super) fn contained(&self, program: &Path) -> Command {
        // Each of these ends with the one before, from this program on, however that ended; and
        // with `unshare` its child, the namespace's first process, and so all.
        let tied = ["setpriv", "--pdeathsig", "KILL"];
        let mut command = Command::new(tied[0]);
        command
            .args(&tied[1..])
            .args(["timeout", "--signal=KILL", LONGEST]);
        command.args(tied).arg("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !run::is_root() {
            command.args(["--user", "--map-current-user"]);
        }
        command.args(["--", "sh", "-c", FIRST, "sh"]).arg(program);
        command
    }

    pub(super) fn group(&self) -> Option<&Path> {
        self.group.as_deref()
    }

    /// Holds that nothing is left and that the bound was never met, and removes the group.
    pub(super) fn finish(self) -> Result<()> {
        let Some(group) = self.group else {
            // The namespace ended, and with it all that was in it.
            return Ok(());
        };
        for pid in pids(&group) {
            gone(pid);
        }
        let left = pids(&group);
        let met = events(&fs::read_to_string(group.join("pids.events")).unwrap_or_default());
        if !left.is_empty() {
            for pid in &left {
                let mut kill = Command::new("kill");
                run::passes(kill.args(["-KILL", &pid.to_string()]))?;
                gone(*pid);
            }
            let _ = fs::remove_dir(&group);
            bail!("Wine left processes behind, which are ended now: {left:?}");
        }
        fs::remove_dir(&group).with_context(|| format!("cannot remove {}", group.display()))?;
        if met > 0 {
            bail!(
                "Wine wanted more than {MOST} processes and was refused {met} times: \
                 it ran away, or the tests start more than they should"
            );
        }
        Ok(())
    }
}

/// `command` under the limit of processes of the account that runs it.
pub(super) fn limited_account(program: &Path) -> Command {
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--nproc={MOST}"))
        .arg("--")
        .arg(program);
    command
}

/// Moves this process, and so what it starts, into the group.
pub(super) fn join(group: &Path) -> Result<()> {
    set(&group.join("cgroup.procs"), "0")
        .with_context(|| format!("cannot join {}", group.display()))
}

/// Writes into a file that the kernel has made.
fn set(file: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(value.as_bytes())
}

/// Waits until the process has ended, at most ten seconds.
pub(super) fn gone(pid: u32) {
    let mut wait = Command::new("timeout");
    wait.args([
        "10",
        "tail",
        "--sleep-interval=0.1",
        "--follow",
        "/dev/null",
    ]);
    wait.arg(format!("--pid={pid}"));
    // That one took too long is seen by whoever lists what is left.
    let _ = run::passes(&mut wait);
}

/// Where a group may be made, from what `/proc/self/cgroup` says: below our own and at the top,
/// for the first version of control groups and for the second, mounted alone or beside it.
fn places(own: &str) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let path = path.trim_start_matches('/');
        let tops: &[&str] = if controllers.split(',').any(|name| name == "pids") {
            &["/sys/fs/cgroup/pids"]
        } else if controllers.is_empty() {
            &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        } else {
            continue;
        };
        for top in tops {
            places.push(Path::new(top).join(path));
            places.push(PathBuf::from(top));
        }
    }
    places
}

/// Makes the group with its limit; nothing, and no group, where that is not possible.
fn limited(group: &Path) -> Option<PathBuf> {
    fs::create_dir(group).ok()?;
    // Without the controller there is no such file. It must not be made: what lies around the
    // mounted hierarchies is an ordinary file system.
    if set(&group.join("pids.max"), MOST).is_err() {
        let _ = fs::remove_dir(group);
        return None;
    }
    Some(group.to_owned())
}

fn pids(group: &Path) -> Vec<u32> {
    fs::read_to_string(group.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect()
}

/// How often the limit refused a process, from the group's `pids.events`.
fn events(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("max ")?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions_are_tried() {
        let first = places("8:pids:/a\n4:memory:/b\n0::/\n");
        let expected = [
            "/sys/fs/cgroup/pids/a",
            "/sys/fs/cgroup/pids",
            "/sys/fs/cgroup/",
            "/sys/fs/cgroup",
            "/sys/fs/cgroup/unified/",
            "/sys/fs/cgroup/unified",
        ];
        assert_eq!(first, expected.map(PathBuf::from));
        assert!(places("").is_empty());
    }

    #[test]
    fn refusals_are_counted() {
        assert_eq!(events("max 3\n"), 3);
        assert_eq!(events("max 0\n"), 0);
        assert_eq!(events(""), 0);
    }

    #[test]
    fn where_no_group_can_be_made_none_is_left() {
        let dir = std::env::temp_dir().join(format!("xtask-cap-{}", std::process::id()));
        // The parent is missing.
        assert_eq!(limited(&dir.join("a/b")), None);
        assert!(!dir.exists());
    }

    /// What a run that starts `count` processes is told at its end; nothing where no group can be
    /// made.
    fn ending(count: u32) -> Option<Result<()>> {
        let cap = Cap::make();
        let Some(group) = cap.group().map(Path::to_owned) else {
            println!("skipped: needs a control group for pids: none can be made here");
            return None;
        };
        let mut command = cap.contained(Path::new("sh"));
        command.arg("-c").arg(format!(
            "echo 0 > $0/cgroup.procs; for n in $(seq {count}); do sleep 60 & done"
        ));
        command.arg(&group).stderr(std::process::Stdio::null());
        run::passes(&mut command).unwrap();
        let ending = cap.finish();
        assert!(!group.exists());
        Some(ending)
    }

    #[test]
    fn what_runs_away_meets_the_limit_and_leaves_nothing() {
        let Some(ending) = ending(600) else { return };
        let told = ending.unwrap_err().to_string();
        assert!(told.contains("ran away"), "{told}");
    }

    #[test]
    fn what_starts_a_few_is_told_nothing() {
        if let Some(ending) = ending(5) {
            ending.unwrap();
        }
    }
}
