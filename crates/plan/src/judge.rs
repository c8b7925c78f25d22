//! What a ring will do with a path, read from the plan that builds it.

use std::path::Path;

use ringfence_ops::linux::landlock::READ_FILE;
use ringfence_ops::linux::{DEVICES, Op, PROC_HIDDEN, Step};

use crate::{Plan, RingMode};

/// What may be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its contents cannot be read, and it cannot be written.
    Hidden,
    /// It can be read only.
    ReadOnly,
    /// It can be read and written; writes stay in the ring.
    Private,
    /// It does not exist, and what is made under this name is taken away.
    TakenAway,
    /// It can be read and written.
    Writable,
}

/// A path's access, and the step that decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// What may be done.
    pub access: Access,
    /// The step that says so, with its number; `None` where nothing grants anything.
    pub step: Option<(usize, &'a Step)>,
}

/// Judges an absolute, canonical path by the steps of a plan.
#[must_use]
pub fn judge<'a>(plan: &'a Plan, path: &Path) -> Judgement<'a> {
    let mut verdict = Judgement {
        access: if plan.mode == RingMode::Namespaces {
            Access::Writable
        } else {
            Access::ReadOnly
        },
        step: None,
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let here = Some((index, step));
        let access = match &step.op {
            Op::ReadOnlyRoot => Access::ReadOnly,
            Op::PrivateDir { at, .. } if path.starts_with(&at.path) => Access::Private,
            Op::Devices { console } if path.starts_with("/dev") => device(path, console.is_some()),
            Op::Proc { .. } if path.starts_with("/proc") => of_proc(path),
            Op::MaskDir(mask) | Op::Hide(mask) if path.starts_with(&mask.at.path) => {
                match mask.keep.iter().find(|k| path.starts_with(&k.path)) {
                    Some(_) => Access::ReadOnly,
                    None if path == mask.at.path && !mask.keep.is_empty() => Access::ReadOnly,
                    None => Access::Hidden,
                }
            }
            Op::MaskSocket(at) if path == at.path => Access::Hidden,
            Op::Place(at) if path.starts_with(&at.path) => {
                if is_private(plan, &at.path) {
                    Access::Private
                } else {
                    Access::Writable
                }
            }
            Op::Protect(at) if path.starts_with(&at.path) => Access::ReadOnly,
            Op::Watch { dir, names }
                if path
                    .strip_prefix(&dir.path)
                    .is_ok_and(|below| names.iter().any(|name| below.starts_with(name))) =>
            {
                Access::TakenAway
            }
            Op::Landlock(ruleset) => {
                let granted = ruleset
                    .rules
                    .iter()
                    .filter(|rule| path.starts_with(&rule.at.path))
                    .fold(0, |rights, rule| rights | rule.rights);
                if granted & READ_FILE == 0 {
                    Access::Hidden
                } else if plan.mode == RingMode::LandlockOnly
                    && granted & ringfence_ops::linux::landlock::MAKE_REG != 0
                {
                    Access::Writable
                } else {
                    continue;
                }
            }
            _ => continue,
        };
        verdict = Judgement { access, step: here };
    }
    verdict
}

/// The ring's `/dev` has little in it, and nothing more can be made there.
fn device(path: &Path, console: bool) -> Access {
    const OWN: [&str; 7] = ["fd", "stdin", "stdout", "stderr", "pts", "ptmx", "shm"];
    let name = path.iter().nth(2).and_then(|name| name.to_str());
    match name {
        None => Access::ReadOnly,
        Some(name) if DEVICES.contains(&name) || OWN.contains(&name) => Access::Private,
        Some("console") if console => Access::Private,
        Some(_) => Access::Hidden,
    }
}

/// Processes of the ring; what is the kernel's is the host's, and read-only.
fn of_proc(path: &Path) -> Access {
    let name = path.iter().nth(2).and_then(|name| name.to_str());
    match name {
        Some(name) if PROC_HIDDEN.contains(&name) => Access::Hidden,
        Some("self" | "thread-self") => Access::Private,
        Some(name) if name.bytes().all(|byte| byte.is_ascii_digit()) => Access::Private,
        _ => Access::ReadOnly,
    }
}

fn is_private(plan: &Plan, path: &Path) -> bool {
    plan.steps.iter().any(|step| match &step.op {
        Op::PrivateCache(cache) => cache.at.path == path,
        Op::KeepDir { at, .. } => at == path,
        _ => false,
    })
}
