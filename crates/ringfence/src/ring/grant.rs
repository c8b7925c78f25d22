//! Grants to a ring that stands: it becomes wider, and nothing in it has to be run again.
//!
//! What is granted is planned as if the ring were made anew with it, by the same planner and under the
//! same bounds; what that plan has more is ordered. What cannot be had without making the ring anew is
//! refused, and said.

use std::path::{Path, PathBuf};

use ringfence_ops::Shortfall;
use ringfence_ops::linux::landlock::Ruleset;
use ringfence_ops::linux::{Located, Op};
use ringfence_plan::Plan;
use ringfence_policy::Flags;
use ringfence_wire::{Failure, Names, Order, Widening};

use super::{Inner, Ring};
use crate::careful;
use crate::error::Error;
use crate::prepare::{Preview, preview};

/// What a ring is to have more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// A path may be written, with all that is protected in a write root. A command that runs already is
    /// held to what it began with (Landlock); those that start from now on may.
    Write(PathBuf),
    /// What is hidden by default is seen, by its name (`hide.npm`), also by commands that run.
    Reveal(String),
}

/// What has been granted.
#[derive(Debug, Default)]
pub(super) struct Granted {
    flags: Flags,
    pub(super) roots: Vec<Located>,
    revealed: Vec<Located>,
    pub(super) less: Vec<Shortfall>,
    /// What commands are held to by now.
    ruleset: Option<Ruleset>,
}

impl Ring {
    /// Makes the ring wider. One that is that wide already is no error.
    ///
    /// # Errors
    /// When the policy does not allow it, or [`Error::NeedsNewRing`]; then nothing has changed.
    pub fn grant(&self, grant: &Grant) -> Result<(), Error> {
        self.inner().grant(grant)
    }
}

impl Inner {
    fn grant(&self, grant: &Grant) -> Result<(), Error> {
        let mut granted = self.granted();
        let mut request = self.request.clone();
        let mut flags = granted.flags.clone();
        let what = match grant {
            Grant::Write(path) => {
                let path = self.prepared.cwd.path.join(path);
                flags.write.push(path.clone());
                crate::error::shown(&path)
            }
            Grant::Reveal(name) => {
                flags.reveal.push(name.clone());
                name.clone()
            }
        };
        request.flags.write.extend(flags.write.iter().cloned());
        request.flags.reveal.extend(flags.reveal.iter().cloned());
        let seen = preview(request)?;
        let wider = seen.plan.as_ref().ok_or(Error::Planned)?;
        let needs = |why: String| Error::NeedsNewRing {
            what: what.clone(),
            why,
        };
        let widening = match grant {
            Grant::Write(_) => self.write(&granted, &seen, wider).map_err(needs)?,
            Grant::Reveal(_) => self.reveal(&granted, wider).map_err(needs)?,
        };
        let Some(widening) = widening else {
            return Ok(());
        };
        self.order(&Order::Widen(widening.clone()), &[])?;
        let done =
            self.wait_for(|state| (!state.widened.is_empty()).then(|| state.widened.remove(0)))?;
        done.map_err(|failure: Failure| {
            let error = std::io::Error::from_raw_os_error(failure.errno);
            needs(format!("{}: {error}", failure.call))
        })?;
        granted.flags = flags;
        granted.roots.extend(widening.write);
        granted.revealed.extend(widening.reveal);
        if widening.landlock.is_some() {
            granted.ruleset = widening.landlock;
        }
        let known = &self.plan.shortfalls;
        let more = wider.shortfalls.iter().filter(|s| !known.contains(s));
        granted.less = more.cloned().collect();
        Ok(())
    }

    fn write(
        &self,
        granted: &Granted,
        seen: &Preview,
        wider: &Plan,
    ) -> Result<Option<Widening>, String> {
        let known = |at: &Located| {
            let before = self.prepared.site.roots.iter().map(|root| &root.at);
            before.chain(&granted.roots).any(|root| root == at)
        };
        let mut new = seen.site.roots.iter().filter(|root| !known(&root.at));
        let Some(root) = new.next() else {
            return Ok(None);
        };
        if let Some(other) = new.next() {
            let other = crate::error::shown(&other.at.path);
            return Err(format!("{other} would have to be writable with it"));
        }
        let at = &root.at.path;
        if let Some(mount) = mounted_below(at) {
            return Err(format!(
                "another file system is mounted below it, at {}",
                crate::error::shown(mount)
            ));
        }
        let before = |op: &Op| self.plan.steps.iter().any(|step| &step.op == op);
        let mut widening = empty();
        widening.write = Some(root.at.clone());
        for step in &wider.steps {
            if before(&step.op) {
                continue;
            }
            match &step.op {
                Op::Pin(pin) if pin.path.starts_with(at) => widening.pins.push(pin.clone()),
                Op::Protect(object) if object.path.starts_with(at) => {
                    widening.objects.push(object.clone());
                }
                Op::Watch { dir, names } if dir.path.starts_with(at) => {
                    widening.watch.push(Names {
                        dir: dir.clone(),
                        names: names.clone(),
                    })
                }
                Op::Landlock(ruleset) => {
                    widening.landlock = self.ruleset(granted, ruleset, at);
                }
                Op::Hold(held) | Op::Place(held) if held.path == *at => {}
                other if place_of(other).is_some_and(|place| place.starts_with(at)) => {
                    return Err(format!("it takes another step in it: {other}"));
                }
                // What has changed elsewhere since the ring was made is none of this grant's.
                _ => {}
            }
        }
        Ok(Some(widening))
    }

    fn reveal(&self, granted: &Granted, wider: &Plan) -> Result<Option<Widening>, String> {
        let hidden = |plan: &Plan, path: &Path| {
            let mut ops = plan.steps.iter().map(|step| &step.op);
            ops.any(|op| matches!(op, Op::Hide(mask) if mask.at.path == path))
        };
        let mut widening = empty();
        for step in &self.plan.steps {
            let Op::Hide(mask) = &step.op else { continue };
            if hidden(wider, &mask.at.path) {
                continue;
            }
            if !mask.keep.is_empty() {
                let path = crate::error::shown(&mask.at.path);
                return Err(format!("{path} is hidden but for some of what is in it"));
            }
            widening.reveal.push(mask.at.clone());
        }
        // Twice is once.
        widening.reveal.retain(|at| !granted.revealed.contains(at));
        for at in &widening.reveal {
            for step in &wider.steps {
                if let Op::Landlock(ruleset) = &step.op {
                    widening.landlock = self.ruleset(granted, ruleset, &at.path);
                }
            }
        }
        Ok((!widening.reveal.is_empty()).then_some(widening))
    }

    /// The rules that hold, and those of another ruleset that are for this path; `None` where there are
    /// none.
    fn ruleset(&self, granted: &Granted, other: &Ruleset, path: &Path) -> Option<Ruleset> {
        let planned = || {
            self.plan.steps.iter().find_map(|step| match &step.op {
                Op::Landlock(ruleset) => Some(ruleset.clone()),
                _ => None,
            })
        };
        let mut ruleset = granted.ruleset.clone().or_else(planned)?;
        let more = other.rules.iter().filter(|rule| rule.at.path == path);
        ruleset.rules.extend(more.cloned());
        Some(ruleset)
    }
}

fn empty() -> Widening {
    Widening {
        write: None,
        objects: Vec::new(),
        pins: Vec::new(),
        watch: Vec::new(),
        reveal: Vec::new(),
        landlock: None,
    }
}

/// Where an op has its effect, if that is one place.
fn place_of(op: &Op) -> Option<&Path> {
    match op {
        Op::Hold(at)
        | Op::Place(at)
        | Op::Pin(at)
        | Op::Protect(at)
        | Op::MaskSocket(at)
        | Op::PrivateDir { at, .. } => Some(&at.path),
        Op::KeepDir { at, .. } => Some(at),
        Op::MaskDir(mask) | Op::Hide(mask) => Some(&mask.at.path),
        Op::PrivateCache(cache) => Some(&cache.at.path),
        Op::Watch { dir, .. } => Some(&dir.path),
        _ => None,
    }
}

/// A mount point below a path, as this process sees it (`proc_pid_mountinfo(5)`).
fn mounted_below(path: &Path) -> Option<PathBuf> {
    let mounts = careful::text(Path::new("/proc/self/mountinfo"), 16 * careful::SMALL).ok()?;
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(unescaped(point)))
        .find(|point| point != path && point.starts_with(path))
}

/// Spaces and the like are written in octal there.
fn unescaped(text: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .filter(|d| *first == b'\\' && d.iter().all(u8::is_ascii_digit));
        let value = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_they_are() {
        assert_eq!(unescaped(r"/a\040b\134c\9"), r"/a b\c\9");
        assert!(mounted_below(Path::new("/")).is_some());
        assert!(mounted_below(Path::new("/no/such")).is_none());
    }
}
