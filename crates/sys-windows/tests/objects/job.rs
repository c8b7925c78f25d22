//! Jobs.

use std::os::windows::io::AsHandle;

use ringfence_sys_windows::job::{self, Job, Limits, Message, UiLimits};
use ringfence_sys_windows::process::{Process, access};

use crate::child::Child;
use crate::needs;
use crate::support::unique;

/// A child and its child, both in the job, and both alive.
fn a_tree(job: &Job) -> (Process, Process) {
    let child = Child::new("wait-with-child", &[]);
    let mut start = child.start();
    let jobs = [job.as_handle()];
    start.jobs = &jobs;
    let mut running = child.run(start);
    let grandchild: u32 = running.next_word().unwrap().parse().unwrap();
    let rights = access::SYNCHRONIZE | access::QUERY;
    let grandchild = Process::open(grandchild, rights).unwrap();
    assert_eq!(grandchild.exit_code().unwrap(), None);
    assert_eq!(running.started.process.exit_code().unwrap(), None);
    (running.started.process, grandchild)
}

#[test]
fn ending_a_job_ends_grandchildren_and_says_so() {
    let job = Job::create(None, None).unwrap();
    let port = job.watch().unwrap();
    let (child, grandchild) = a_tree(&job);
    assert!(job.contains(child.as_handle()).unwrap());
    assert!(job.contains(grandchild.as_handle()).unwrap());
    let own = ringfence_sys_windows::process::current();
    assert!(!job.contains(own).unwrap());
    let ids = [child.id().unwrap(), grandchild.id().unwrap()];
    let mut listed = job.processes().unwrap();
    listed.sort_unstable();
    let mut wanted = ids;
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    let accounting = job.accounting().unwrap();
    assert_eq!((accounting.active, accounting.total), (2, 2));

    job.terminate(77).unwrap();
    assert_eq!(child.wait(None).unwrap(), Some(77));
    assert_eq!(grandchild.wait(None).unwrap(), Some(77));
    let mut told = Vec::new();
    while told.last() != Some(&Message::Empty) {
        told.push(port.next(None).unwrap().unwrap());
    }
    for id in ids {
        assert!(told.contains(&Message::Started(id)), "{told:?}");
    }
    assert_eq!(job.processes().unwrap(), []);
    assert_eq!(job.accounting().unwrap().active, 0);
    let now = Some(std::time::Duration::ZERO);
    while port.next(now).unwrap().is_some() {}
    port.wake().unwrap();
    assert_eq!(port.next(None).unwrap(), Some(Message::Woken));
}

#[test]
fn the_last_handle_takes_the_tree_with_it_where_that_was_set() {
    for kill_on_close in [true, false] {
        let job = Job::create(None, None).unwrap();
        let limits = Limits {
            kill_on_close,
            ..Limits::default()
        };
        job.set_limits(&limits).unwrap();
        let (child, grandchild) = a_tree(&job);
        if kill_on_close {
            drop(job);
            child.wait(None).unwrap().unwrap();
            grandchild.wait(None).unwrap().unwrap();
        } else {
            // The control: kept alive by nothing, it still lives.
            let id = child.id().unwrap();
            drop(job);
            let still = Process::open(id, access::TERMINATE | access::SYNCHRONIZE).unwrap();
            assert_eq!(grandchild.exit_code().unwrap(), None);
            still.terminate(1).unwrap();
            let id = grandchild.id().unwrap();
            let still = Process::open(id, access::TERMINATE).unwrap();
            still.terminate(1).unwrap();
            grandchild.wait(None).unwrap().unwrap();
        }
    }
}

#[test]
fn a_job_in_a_job_ends_alone() {
    let (outer, inner) = (
        Job::create(None, None).unwrap(),
        Job::create(None, None).unwrap(),
    );
    let (other, _) = a_tree(&outer);
    let child = Child::new("wait", &[]);
    let mut start = child.start();
    let jobs = [outer.as_handle(), inner.as_handle()];
    start.jobs = &jobs;
    let mut running = child.run(start);
    running.next_word().unwrap();
    let process = &running.started.process;
    assert!(inner.contains(process.as_handle()).unwrap());
    assert!(outer.contains(process.as_handle()).unwrap());
    inner.terminate(5).unwrap();
    assert_eq!(process.wait(None).unwrap(), Some(5));
    assert_eq!(other.exit_code().unwrap(), None);
    outer.terminate(6).unwrap();
    assert_eq!(other.wait(None).unwrap(), Some(6));
}

#[test]
fn a_process_is_put_into_a_job_and_cannot_leave_it() {
    let job = Job::create(Some(&unique("job")), None).unwrap();
    let child = Child::new("exit", &["0"]);
    let mut start = child.start();
    start.suspended = true;
    let started = start.start().unwrap();
    assert!(!job.contains(started.process.as_handle()).unwrap());
    // A tester may be in a job itself, and what it starts then is too.
    let own = job::is_in_any(ringfence_sys_windows::process::current()).unwrap();
    let is_in_any = || job::is_in_any(started.process.as_handle()).unwrap();
    assert_eq!(is_in_any(), own);
    job.assign(started.process.as_handle()).unwrap();
    assert!(job.contains(started.process.as_handle()).unwrap());
    assert!(is_in_any());
    job.terminate(3).unwrap();
    assert_eq!(started.process.wait(None).unwrap(), Some(3));
}

#[test]
fn limits_are_read_back_as_they_were_set() {
    let job = Job::create(None, None).unwrap();
    let limits = Limits {
        kill_on_close: true,
        die_on_crash: true,
        breakaway: false,
        process_memory: Some(64 << 20),
        job_memory: Some(128 << 20),
        processes: Some(3),
    };
    job.set_limits(&limits).unwrap();
    let desktop = job.set_ui_limits(UiLimits::ALL);
    if !needs::real_windows("limits of a job are taken and not kept") {
        // Whoever asks sees that.
        assert_ne!(job.limits().unwrap(), limits);
        assert_ne!(job.ui_limits().unwrap_or_default(), UiLimits::ALL);
        return;
    }
    desktop.unwrap();
    assert_eq!(job.limits().unwrap(), limits);
    assert_eq!(job.ui_limits().unwrap(), UiLimits::ALL);
}

#[test]
fn no_more_processes_start_than_may() {
    if !needs::real_windows("the number of processes is not limited") {
        return;
    }
    let job = Job::create(None, None).unwrap();
    let port = job.watch().unwrap();
    let limits = Limits {
        processes: Some(1),
        kill_on_close: true,
        ..Limits::default()
    };
    job.set_limits(&limits).unwrap();
    let child = Child::new("wait-with-child", &[]);
    let mut start = child.start();
    let jobs = [job.as_handle()];
    start.jobs = &jobs;
    let mut running = child.run(start);
    assert_eq!(running.next_word(), None);
    let mut told = Vec::new();
    while told.last() != Some(&Message::Empty) {
        told.push(port.next(None).unwrap().unwrap());
    }
    assert!(told.contains(&Message::ProcessLimit), "{told:?}");
}
