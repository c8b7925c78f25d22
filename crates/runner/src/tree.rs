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
/// escape its end. Each look takes the longer the more have come and gone.
const ROUNDS: u32 = 4;
const HASTE: Duration = Duration::from_millis(20);

/// A process that was killed has this long to be gone. After that one that the kernel does not let go
/// (of a disk that does not answer) keeps nobody waiting; it never comes back to the ring.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is not known to be kept and is not gone by then, while all hold still, is given up as well.
const LAST: Duration = Duration::from_secs(20);

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
        signal_each(&look(&[self], &mut BTreeSet::new(), false)?.found, signal);
        Ok(())
    }
}

/// The processes of every tree, but for the one that stands ready: it may have been given the number of a tree that is gone, and
/// would keep that alive. One that hides is nobody's here.
pub(crate) fn processes(ready: Option<i32>) -> Result<HashMap<Tree, Vec<i32>>, SysError> {
    let mut all: HashMap<Tree, Vec<i32>> = HashMap::new();
    each(|pid, seen| {
        if let Seen::Of(tree) = seen
            && ready != Some(pid)
        {
            all.entry(tree).or_default().push(pid);
        }
    })?;
    Ok(all)
}

/// Looks at every process but this one, which has the mark of the last command started.
fn each(mut told: impl FnMut(i32, Seen)) -> Result<(), SysError> {
    let own = std::process::id();
    for entry in std::fs::read_dir("/proc").named("opendir")? {
        let name = entry.named("readdir")?.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid.filter(|pid| *pid != own) {
            let pid = pid.cast_signed();
            told(pid, seen(pid));
        }
    }
    Ok(())
}

/// What there is to see of a process.
enum Seen {
    /// It lives, in this tree.
    Of(Tree),
    /// It lives, or cannot be looked at, which is no sign of its end; whose it is cannot be known.
    Hides,
    /// It has given up its namespaces, and not yet closed all of its files; when it was started, in the kernel's ticks since
    /// boot.
    Leaves(u64),
    /// It waits for nothing but to be reaped; when it was started.
    Over(u64),
    /// Its first thread has ended, and of the others none was found that has not; when it was started.
    Between(u64),
    /// It has been reaped.
    Gone,
}

fn seen(pid: i32) -> Seen {
    let process = pid.to_string();
    let error = match mark(&process) {
        Ok(inode) => return Seen::Of(Tree { inode }),
        Err(error) => error,
    };
    let stat = match Stat::of(&process) {
        Ok(Some(stat)) => stat,
        Ok(None) => return Seen::Gone,
        // It is no more, and there is no descriptor left to see that with: later.
        Err(()) if error.errno == Errno::NOENT.raw_os_error() => return Seen::Gone,
        Err(()) => return Seen::Hides,
    };
    let over = matches!(stat.state, b'Z' | b'X');
    let leaves = error.errno == Errno::NOENT.raw_os_error();
    match (over || leaves, stat.threads) {
        // The first thread of a process may end alone: it looks as the process would at its end.
        (true, 2..) => of_threads(pid, stat.started),
        (true, _) if over => Seen::Over(stat.started),
        (true, _) => Seen::Leaves(stat.started),
        (false, _) => Seen::Hides,
    }
}

/// What there is to see of a process whose first thread has ended, and others not.
fn of_threads(pid: i32, started: u64) -> Seen {
    let mut all = Seen::Between(started);
    for thread in threads(pid) {
        match mark(&thread) {
            Ok(inode) => return Seen::Of(Tree { inode }),
            Err(e) if e.errno == Errno::ACCESS.raw_os_error() => all = Seen::Hides,
            Err(_) => {}
        }
    }
    all
}

/// Its threads, as `/proc` names them.
fn threads(pid: i32) -> impl Iterator<Item = String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    threads.map(move |thread| format!("{pid}/task/{}", thread.file_name().display()))
}

/// What a look at all processes has found.
struct Look {
    /// Those of the trees.
    found: Vec<i32>,
    /// Those that start no other, and may still hold what they wrote to open.
    leaving: Vec<i32>,
    /// There may be others: one of which the number was read, and nothing more before it was gone, may have started one that
    /// was not read.
    more: bool,
}

/// Looks for the processes of these trees. `dead` are those that start no other and were seen before, each with the time it
/// was started: what its parent has reaped leaves its number to another. `frozen`: nobody goes on meanwhile.
fn look(trees: &[Tree], dead: &mut BTreeSet<(i32, u64)>, frozen: bool) -> Result<Look, SysError> {
    let (mut found, mut leaving, mut more) = (Vec::new(), Vec::new(), false);
    each(|pid, seen| match seen {
        Seen::Of(tree) if trees.contains(&tree) => found.push(pid),
        Seen::Of(_) => {}
        // It had better not be one of these's.
        Seen::Hides => found.push(pid),
        Seen::Leaves(started) => {
            leaving.push(pid);
            more |= dead.insert((pid, started));
        }
        Seen::Over(started) => more |= dead.insert((pid, started)),
        Seen::Between(started) => {
            leaving.push(pid);
            // One of its threads may have started another, and that a third, each behind what was read.
            more |= dead.insert((pid, started)) || !frozen;
        }
        Seen::Gone => more = true,
    })?;
    Ok(Look {
        found,
        leaving,
        more,
    })
}

/// Ends all processes of these trees. First they are stopped, until none is found that was not
/// found before: what is stopped starts no other, and what is killed makes room for one.
pub(crate) fn end(trees: &[Tree]) -> Result<(), SysError> {
    let begun = Instant::now();
    let mut seen: BTreeSet<i32> = BTreeSet::new();
    let mut killed: BTreeSet<i32> = BTreeSet::new();
    let mut killed_at = begun;
    let mut dead: BTreeSet<(i32, u64)> = BTreeSet::new();
    let (mut frozen, mut rounds) = (false, 0_u32);
    let done = loop {
        if trees.is_empty() || is_alone() {
            break Ok(());
        }
        rounds += 1;
        frozen |= rounds > ROUNDS && begun.elapsed() > HASTE;
        if frozen {
            // They come and go faster than they can be looked at one by one: all in the ring
            // hold still, in one call, until these are dead. Others go on then. Once more each time: who loses what kept
            // their group together is let go on by the kernel (`setpgid(2)`, orphaned process groups).
            let _nobody = process::kill(-1, SIGSTOP);
        }
        let Look {
            found,
            leaving,
            more,
        } = match look(trees, &mut dead, frozen) {
            Ok(looked) => looked,
            Err(error) => break Err(error),
        };
        if found.iter().all(|pid| killed.contains(pid)) {
            // What was killed starts no other. Who is on the way is waited for: on a machine that has much to do many take longer
            // to go than one that is kept may.
            let mut left = found.iter().chain(&leaving);
            let since = killed_at.elapsed();
            let given_up = since > PATIENCE && left.clone().all(|pid| is_kept(*pid));
            if (!more && (left.next().is_none() || given_up)) || (frozen && since > LAST) {
                break Ok(());
            }
            std::thread::yield_now();
            continue;
        }
        if frozen || (!more && found.iter().all(|pid| seen.contains(pid))) {
            signal_each(&found, SIGKILL);
            killed.extend(found);
            killed_at = Instant::now();
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

/// Whether a thread of it waits in the kernel, for what no signal interrupts.
fn is_kept(pid: i32) -> bool {
    let waits = |thread: String| {
        Stat::of(&thread).is_ok_and(|stat| stat.is_some_and(|stat| stat.state == b'D'))
    };
    threads(pid).any(waits)
}

/// What `stat` tells of a process or a thread (`proc_pid_stat(5)`).
struct Stat {
    state: u8,
    /// How many threads are not gone, with the first, which stays until it is reaped.
    threads: u64,
    /// When it was started, in the kernel's ticks since boot.
    started: u64,
}

impl Stat {
    /// `None` where it has been reaped.
    fn of(process: &str) -> Result<Option<Stat>, ()> {
        let text = match std::fs::read(format!("/proc/{process}/stat")) {
            Ok(text) => text,
            Err(e)
                if e.kind() == std::io::ErrorKind::NotFound
                    || e.raw_os_error() == Some(Errno::SRCH.raw_os_error()) =>
            {
                return Ok(None);
            }
            Err(_) => return Err(()),
        };
        // Fields 3, 20 and 22. The second, the program's name, may have anything in it.
        let after = text.rsplit(|b| *b == b')').next().unwrap_or_default();
        let fields: Vec<&str> = str::from_utf8(after)
            .map_err(|_| ())?
            .split_ascii_whitespace()
            .collect();
        let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse().ok());
        let state = fields.first().and_then(|state| state.bytes().next());
        Ok(Some(Stat {
            state: state.ok_or(())?,
            threads: number(20).ok_or(())?,
            started: number(22).ok_or(())?,
        }))
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
