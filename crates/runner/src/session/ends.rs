//! How commands end: by themselves, when their time is up, and with all that they left.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ringfence_sys_linux::process::{self, Change, Changed};
use ringfence_sys_linux::{SysError, object};
use ringfence_wire::{End, Report};
use rustix::event::{Timespec, poll};

use super::{Running, SIGCONT, SIGKILL, SIGTERM, Session};
use crate::tree::{self, Tree};

/// After its time is up a command has this long to end by itself.
const GRACE: Duration = Duration::from_secs(2);

impl Session {
    /// Tells commands whose time is up to end, and ends those that were told.
    pub(super) fn look_at_the_clock(&mut self) -> Result<(), SysError> {
        let due = |running: &Running, now| running.until.is_some_and(|until| until <= now);
        // Most commands have all the time there is: no clock is read for them.
        if self.running.values().all(|running| running.until.is_none()) {
            return Ok(());
        }
        let now = Instant::now();
        for running in self.running.values_mut().filter(|r| due(r, now)) {
            // Again and again: it may be in a call that nothing interrupts, and fork meanwhile.
            running.until = now.checked_add(GRACE);
            if running.timed_out {
                match running.tree {
                    Some(tree) => tree::end(&[tree])?,
                    None => drop(process::kill(running.pid, SIGKILL)),
                }
            } else {
                running.timed_out = true;
                let _ended = process::kill(running.pid, SIGTERM);
                // One that is stopped hears nothing else.
                let _ended = process::kill(running.pid, SIGCONT);
            }
        }
        Ok(())
    }

    pub(super) fn children_changed(&mut self) -> Result<(), SysError> {
        // Many may end at once, and to look for what they left takes the longer the more there is.
        let mut ended: Vec<(u32, Running, End, Changed)> = Vec::new();
        while let Some(changed) = process::next_change() {
            let of = |(id, running): (&u32, &Running)| (running.pid == changed.pid).then_some(*id);
            let Some(id) = self.running.iter().find_map(of) else {
                // An orphan this process adopted, reaped by the asking.
                continue;
            };
            let end = match changed.change {
                Change::Exited(status) => End::Exited(status),
                Change::Signalled(signal) => End::Signalled(signal),
                // Of interest to who waits at a terminal for the one command there is. In a ring that stays
                // nobody hears it, and a command that is stopped over and over would fill this memory.
                Change::Stopped(signal) if self.last => {
                    self.send(&Report::Stopped { id, signal })?;
                    continue;
                }
                Change::Stopped(_) | Change::Continued => continue,
            };
            if let Some(running) = self.running.remove(&id) {
                ended.push((id, running, end, changed));
            }
        }
        if !ended.is_empty() {
            self.ended(ended)?;
        }
        self.forget_the_dead();
        Ok(())
    }

    fn ended(&mut self, ended: Vec<(u32, Running, End, Changed)>) -> Result<(), SysError> {
        let mut left: Vec<Tree> = Vec::new();
        for (id, running, ..) in &ended {
            match running.tree {
                None => self.end_all(),
                Some(tree) if running.keeps => {
                    self.kept.insert(*id, tree);
                }
                Some(tree) => left.push(tree),
            }
        }
        tree::end(&left)?;
        if let Some(ring) = &mut self.ring {
            let taken = ring.keeper.sweep();
            self.tell(taken)?;
        }
        if self.running.is_empty() {
            self.arm_at = None;
        }
        // Each command has the whole bound: what was taken away by now is held against none that
        // goes on, or comes later.
        if !self.last {
            self.taken = 0;
        }
        for (id, running, end, changed) in ended {
            if let Some((callers, inside)) = &running.stdin
                && let Some(offset) = object::offset(inside.as_fd())
            {
                // What reads on after the command goes on where the command left off. A
                // directory has no such place.
                let _unseekable = rustix::fs::seek(callers, rustix::fs::SeekFrom::Start(offset));
            }
            self.send(&Report::Ended {
                id,
                end,
                max_rss_kib: changed.max_rss_kib,
                cpu_us: changed.cpu_us,
                timed_out: running.timed_out,
            })?;
        }
        Ok(())
    }

    /// Kills and reaps whatever the command left.
    pub(super) fn end_all(&self) {
        if self.init {
            self.end_namespace();
            return;
        }
        // Without a pid namespace: children adopted as subreaper, again and again, since
        // killing one hands its children over.
        loop {
            let children = children_of_self();
            if children.is_empty() {
                return;
            }
            for child in &children {
                let _gone = process::kill(*child, SIGKILL);
            }
            // These and no others: what they leave comes to this process alive.
            for child in children {
                let _gone = rustix::process::waitpid(
                    rustix::process::Pid::from_raw(child),
                    rustix::process::WaitOptions::empty(),
                );
            }
        }
    }
}

impl Session {
    /// Process 1 reaches everything in its pid namespace but itself.
    fn end_namespace(&self) {
        use rustix::process::{WaitOptions, wait};
        if !self.ready.makes() {
            let _nobody = process::kill(-1, SIGKILL);
            while wait(WaitOptions::empty()).is_ok_and(|w| w.is_some()) {}
            return;
        }
        // A spare that was asked for may be made only now, after the signal: it would wait for a command, and this process
        // for it, for ever.
        loop {
            let _nobody = process::kill(-1, SIGKILL);
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let _later = poll(&mut [], Some(&AGAIN));
                }
                Err(_) => return,
            }
        }
    }
}

/// What was just killed has ended by then.
const AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000,
};

/// This process' children, from /proc.
fn children_of_self() -> Vec<i32> {
    let own = std::process::id();
    std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
