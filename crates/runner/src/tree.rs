//! The processes of one command, told from those of others in the same ring.
//!
//! What a command starts may leave its parent, its process group and its session; a namespace it
//! cannot leave: a command has no capability to enter another, and may make none. So each command
//! is started in a uts namespace of its own, the cheapest there is, and that is its mark. (In a
//! ring that allows nested namespaces what enters one is nobody's, and ends with the ring.)

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::{SysError, namespaces, process};
use rustix::io::Errno;

const SIGKILL: i32 = 9;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

/// A command whose processes are not all found after so many looks and so long starts others to
/// escape its end.
const ROUNDS: u32 = 16;
const HASTE: Duration = Duration::from_millis(20);

/// A process that was killed has this long to be gone. One that the kernel does not let go (of a
/// disk that does not answer) must not keep others waiting; it never comes back to the ring.
const PATIENCE: Duration = Duration::from_secs(1);

/// A command's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tree {
    inode: u64,
}

impl Tree {
    /// A new one, which this process has itself from now on and the next command is born with.
    /// While that is so no other has its number.
    pub(crate) fn begin() -> Result<Tree, SysError> {
        let own = std::fs::read_link("/proc/self").named("readlink")?;
        if own.as_os_str() != std::process::id().to_string().as_str() {
            // The numbers it has are those of another pid namespace.
            return Err(SysError::new(
                "/proc of the ring",
                Errno::NOTSUP.raw_os_error(),
            ));
        }
        namespaces::unshare_uts()?;
        Ok(Tree {
            inode: mark("self")?,
        })
    }

    /// Of a process that was born in a uts namespace of its own, with this inode.
    pub(crate) fn of(uts: u64) -> Tree {
        Tree { inode: uts }
    }

    /// Keeps the number of the mark that this process has from being given again.
    pub(crate) fn hold() -> Result<File, SysError> {
        File::open("/proc/self/ns/uts").named("open")
    }

    /// Signals each of its processes that live.
    pub(crate) fn signal(self, signal: i32) -> Result<(), SysError> {
        let (found, _) = look(&[self], &mut BTreeSet::new())?;
        signal_each(&found, signal);
        Ok(())
    }
}

/// The processes of every tree, but for the one that stands ready: it may have been given the number of a tree that is gone, and
/// would keep that alive. One that hides is nobody's here.
pub(crate) fn processes(ready: Option<i32>) -> Result<HashMap<Tree, Vec<i32>>, SysError> {
    let mut all: HashMap<Tree, Vec<i32>> = HashMap::new();
    each(|pid, mark| {
        if let Ok(inode) = mark
            && ready != Some(pid)
        {
            all.entry(Tree { inode }).or_default().push(pid);
        }
    })?;
    Ok(all)
}

/// Reads the mark of every process but this one, which has that of the last command started.
fn each(mut told: impl FnMut(i32, Result<u64, SysError>)) -> Result<(), SysError> {
    let own = std::process::id();
    for entry in std::fs::read_dir("/proc").named("opendir")? {
        let name = entry.named("readdir")?.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid.filter(|pid| *pid != own) {
            told(pid.cast_signed(), mark(&pid.to_string()));
        }
    }
    Ok(())
}

/// The processes of these trees, and whether there may be others: one of which the number was
/// read, and nothing more before it was gone, may have started one that was not read. `dead` are
/// those that were gone before, each with the time it was started: what its parent has reaped leaves
/// its number to another.
fn look(trees: &[Tree], dead: &mut BTreeSet<(i32, u64)>) -> Result<(Vec<i32>, bool), SysError> {
    let (mut found, mut more) = (Vec::new(), false);
    each(|pid, mark| match mark {
        Ok(inode) if trees.contains(&Tree { inode }) => found.push(pid),
        Ok(_) => {}
        Err(error) => match life(pid) {
            Life::Over(started) => more |= dead.insert((pid, started)),
            Life::Forgotten => more = true,
            // It has given up its namespaces already, and not yet closed all of its files.
            Life::Unknown if error.errno == Errno::NOENT.raw_os_error() => more = true,
            // It hides, and whose it is cannot be known: it had better not be one of these's.
            Life::Unknown => found.push(pid),
        },
    })?;
    Ok((found, more))
}

/// Ends all processes of these trees. First they are stopped, until none is found that was not
/// found before: what is stopped starts no other, and what is killed makes room for one.
pub(crate) fn end(trees: &[Tree]) -> Result<(), SysError> {
    let begun = Instant::now();
    let mut seen: BTreeSet<i32> = BTreeSet::new();
    let mut killed: BTreeSet<i32> = BTreeSet::new();
    let mut dead: BTreeSet<(i32, u64)> = BTreeSet::new();
    let (mut frozen, mut rounds) = (false, 0_u32);
    let done = loop {
        if trees.is_empty() || is_alone() {
            break Ok(());
        }
        rounds += 1;
        if !frozen && rounds > ROUNDS && begun.elapsed() > HASTE {
            // They come and go faster than they can be looked at one by one: all in the ring
            // hold still, in one call, until these are dead. Nobody else is harmed.
            let _nobody = process::kill(-1, SIGSTOP);
            frozen = true;
        }
        let (found, more) = match look(trees, &mut dead) {
            Ok(looked) => looked,
            Err(error) => break Err(error),
        };
        if found.iter().all(|pid| killed.contains(pid)) {
            // One that is frozen and was killed is on its way out.
            let late = frozen && begun.elapsed() > PATIENCE;
            if (found.is_empty() && !more) || late {
                break Ok(());
            }
            std::thread::yield_now();
            continue;
        }
        if frozen || (!more && found.iter().all(|pid| seen.contains(pid))) {
            signal_each(&found, SIGKILL);
            killed.extend(found);
        } else {
            signal_each(&found, SIGSTOP);
            seen.extend(found);
        }
    };
    if frozen {
        let _nobody = process::kill(-1, SIGCONT);
    }
    done
}

/// Nobody but this process reaps in its pid namespace, and it does not meanwhile: no number is
/// another's by now.
fn signal_each(processes: &[i32], signal: i32) {
    for pid in processes {
        let _ended = process::kill(*pid, signal);
    }
}

/// Whether nothing else lives, or waits to be reaped, in this pid namespace.
fn is_alone() -> bool {
    process::kill(-1, 0).is_err_and(|e| e.errno == Errno::SRCH.raw_os_error())
}

/// Whether a process lives.
enum Life {
    /// It waits for nothing but to be reaped; when it was started, in the kernel's ticks since boot.
    Over(u64),
    /// It has been reaped.
    Forgotten,
    /// It lives, or cannot be looked at, which is no sign of its end.
    Unknown,
}

fn life(pid: i32) -> Life {
    let text = match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(text) => text,
        Err(e)
            if e.kind() == std::io::ErrorKind::NotFound
                || e.raw_os_error() == Some(Errno::SRCH.raw_os_error()) =>
        {
            return Life::Forgotten;
        }
        Err(_) => return Life::Unknown,
    };
    // Fields 3 and 22 of `proc_pid_stat(5)`. The second, the program's name, may have anything in it.
    let after = text.rsplit(|b| *b == b')').next().unwrap_or_default();
    let mut fields = after.split(u8::is_ascii_whitespace).skip(1);
    match fields.next() {
        Some(b"Z" | b"X") => {
            let started = fields.nth(18).and_then(|text| str::from_utf8(text).ok());
            Life::Over(started.and_then(|text| text.parse().ok()).unwrap_or(0))
        }
        _ => Life::Unknown,
    }
}

fn mark(process: &str) -> Result<u64, SysError> {
    std::fs::metadata(format!("/proc/{process}/ns/uts"))
        .map(|meta| meta.ino())
        .named("stat")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Tree, mark, processes};

    /// As the kernel gives a number again: this process' own mark stands for that of a tree of which only what stands ready is left.
    #[test]
    fn what_stands_ready_is_no_tree_s() {
        let mut ready = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let pid = ready.id().cast_signed();
        let tree = Tree::of(mark(&pid.to_string()).unwrap());
        let of_it = |except| {
            let all = processes(except).unwrap();
            all.get(&tree).is_some_and(|pids| pids.contains(&pid))
        };
        let found = (of_it(None), of_it(Some(pid)));
        ready.kill().unwrap();
        ready.wait().unwrap();
        assert_eq!(found, (true, false));
    }
}
