//! Children and what becomes of them. One test: it reaps every child of its process.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::fd::AsFd;

use ringfence_sys_linux::process::{self, Change, Changed};
use ringfence_sys_linux::signal;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use support::{Start, open};

/// Waits until some child has changed, and asks how.
fn next(options: WaitIdOptions) -> Changed {
    rustix::process::waitid(WaitId::All, options | WaitIdOptions::NOWAIT).unwrap();
    process::next_change().unwrap()
}

#[test]
fn each_change_of_a_child_is_told_once() {
    let null = open("/dev/null");
    assert!(process::next_change().is_none());
    let start = |script: &str| Start::sh(script).start(null.as_fd()).unwrap();
    let told = |pid, changed: &Changed| (changed.pid == pid).then_some(changed.change);

    let pid = start("exit 7");
    let changed = next(WaitIdOptions::EXITED);
    assert_eq!(told(pid, &changed), Some(Change::Exited(7)));
    assert!(changed.max_rss_kib > 0);
    assert!(process::next_change().is_none());

    let pid = start("kill -STOP $$; exit 3");
    assert_eq!(
        told(pid, &next(WaitIdOptions::STOPPED)),
        Some(Change::Stopped(19))
    );
    process::kill(pid, 18).unwrap();
    // It may have ended already; then that is all there is to tell.
    let mut seen = Vec::new();
    while !seen.contains(&Change::Exited(3)) {
        seen.push(next(WaitIdOptions::EXITED | WaitIdOptions::CONTINUED).change);
    }
    assert!(seen.len() == 1 || seen[0] == Change::Continued, "{seen:?}");

    let pid = start("exec sleep 1000");
    let pidfd =
        rustix::process::pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    signal::send(pidfd.as_fd(), 15).unwrap();
    assert_eq!(
        told(pid, &next(WaitIdOptions::EXITED)),
        Some(Change::Signalled(15))
    );
    let gone = signal::send(pidfd.as_fd(), 15).unwrap_err();
    assert_eq!(gone.errno, rustix::io::Errno::SRCH.raw_os_error());

    // An orphan comes to its subreaper.
    process::subreaper().unwrap();
    let pid = start("(sleep 1000 & echo) ; exit 0");
    assert_eq!(
        told(pid, &next(WaitIdOptions::EXITED)),
        Some(Change::Exited(0))
    );
    let own = std::process::id();
    let orphan = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .flat_map(|task| {
            let children =
                std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            children
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .next()
        .unwrap_or_else(|| panic!("nothing came to {own}"));
    let orphan: i32 = orphan.parse().unwrap();
    assert_ne!(orphan, pid);
    process::kill(orphan, 9).unwrap();
    assert_eq!(
        told(orphan, &next(WaitIdOptions::EXITED)),
        Some(Change::Signalled(9))
    );
}
