//! Holds what a command left against what is there now.

use std::collections::{HashMap, HashSet};
use std::ffi::{CString, OsStr};
use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_changes::{Lister, path};
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::Serialize;

use crate::below::Root;
use crate::error::Error;
use crate::keeper::{Renames, path_before};
use crate::manifest::{Manifest, RootSteps, Step};
use crate::obeyed::{Obeyed, Repositories};
use crate::state::{Content, Kind, State, Why};
use crate::store::Store;
use crate::take::take;

/// What undoing a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// What was added is removed.
    Remove,
    /// What was deleted is made anew.
    Create,
    /// What it held before is put back.
    PutBack,
    /// It is given the permissions that it had.
    Mode,
    /// It is given the name that it had, and what it held where that is another.
    Rename,
    /// What stood there before takes the place of something of another kind.
    Replace,
}

impl What {
    fn of(step: &Step) -> What {
        match (&step.before, &step.after) {
            (None, _) => What::Remove,
            (_, None) => What::Create,
            _ if step.from.is_some() => What::Rename,
            (Some(before), Some(after)) if before.stat.kind != after.stat.kind => What::Replace,
            (Some(before), Some(after)) if holds_the_same(before, after) => What::Mode,
            _ => What::PutBack,
        }
    }
}

/// Only the permissions are others.
pub(crate) fn holds_the_same(before: &State, after: &State) -> bool {
    match (&before.content, &after.content) {
        (Content::Kept(a), Content::Kept(b)) => a == b,
        (Content::Link(a), Content::Link(b)) => a == b,
        (Content::None, Content::None) => true,
        // What it holds is not known; that nobody wrote to it is.
        (Content::Not(_), _) | (_, Content::Not(_)) => {
            let (a, b) = (&before.stat, &after.stat);
            (a.kind, a.size, a.modified) == (b.kind, b.size, b.modified)
        }
        _ => false,
    }
}

/// Why a change is not undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// It is not as the command left it.
    Changed,
    /// It is not there any more.
    Gone,
    /// Something else stands where it was.
    InTheWay,
    /// What was there is not kept.
    NotKept(Why),
    /// There is something in the directory.
    NotEmpty,
    /// The directory that may be written is not there, or another.
    Root,
    /// The system refused.
    Failed(i32),
    /// What is kept is damaged, or gone.
    Damaged,
    /// What stands there now would be lost.
    CannotKeep,
    /// Programs outside of rings obey what has this name, and no command in a ring writes there.
    Obeyed,
    /// It was moved aside from a name that programs outside of rings obey: a person may have made it there.
    FromObeyed,
    /// Somebody was in the way at every place that it could have: now it is here.
    Aside(#[serde(with = "path")] PathBuf),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Left::Changed => f.write_str("changed since"),
            Left::Gone => f.write_str("gone since"),
            Left::InTheWay => f.write_str("something else stands where it was"),
            Left::NotKept(why) => write!(f, "not kept: {}", why.words()),
            Left::NotEmpty => f.write_str("something is in it"),
            Left::Root => f.write_str("its root is gone, or another directory stands there"),
            Left::Failed(errno) => std::io::Error::from_raw_os_error(*errno).fmt(f),
            Left::Damaged => f.write_str("what was kept of it is damaged"),
            Left::Aside(path) => {
                write!(f, "it could be put nowhere, and is now {}", path.display())
            }
            Left::Obeyed => f.write_str(
                "programs outside obey what has this name; no command could write there, and what comes there is for you to look at",
            ),
            Left::FromObeyed => f.write_str(
                "it appeared under a name that programs outside obey, and was moved aside: it may be a person's; remove it if it is not",
            ),
            Left::CannotKeep => f.write_str("what stands there now cannot be kept first"),
        }
    }
}

impl From<Errno> for Left {
    fn from(errno: Errno) -> Left {
        match errno {
            Errno::EXIST => Left::InTheWay,
            Errno::NOENT => Left::Gone,
            Errno::NOTEMPTY => Left::NotEmpty,
            errno => Left::Failed(errno.raw_os_error()),
        }
    }
}

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is undone.
    Undo,
    /// It is as it was already.
    Already,
    /// It is left alone.
    Left(Left),
}

/// A change, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its root: which of the manifest's.
    pub root: usize,
    /// Which of the root's steps.
    pub step: usize,
    /// What undoing it takes.
    pub what: What,
    /// Whether it is undone.
    pub verdict: Verdict,
    /// What was seen there.
    pub(crate) seen: Option<State>,
}

/// What undoing a command would do.
#[derive(Debug)]
pub struct Plan {
    /// What it undoes.
    pub manifest: Manifest,
    /// Each of its changes, in their order.
    pub planned: Vec<Planned>,
    pub(crate) roots: Vec<Option<Root>>,
    pub(crate) force: bool,
}

impl Plan {
    /// The change that something was planned for.
    #[must_use]
    pub fn step(&self, planned: &Planned) -> Option<(&Path, &Step)> {
        let root = self.manifest.roots.get(planned.root)?;
        Some((&root.root, root.steps.get(planned.step)?))
    }

    /// How many changes are to be undone.
    #[must_use]
    pub fn undone(&self) -> usize {
        let undo = |planned: &&Planned| planned.verdict == Verdict::Undo;
        self.planned.iter().filter(undo).count()
    }

    /// How many are left alone.
    #[must_use]
    pub fn left(&self) -> usize {
        let left = |planned: &&Planned| matches!(planned.verdict, Verdict::Left(_));
        self.planned.iter().filter(left).count()
    }
}

/// Looks at all that a command changed. Nothing is written. With `force` what changed since is undone as well.
///
/// # Errors
/// [`Error::Root`] and [`Error::OtherRoot`], where there is no root in which anything could be undone.
pub fn plan(
    store: &Store,
    mut manifest: Manifest,
    force: bool,
    obeyed: &Obeyed,
) -> Result<Plan, Error> {
    manifest.forget(|hash| !store.has(hash));
    let mut roots = Vec::new();
    let mut failed = None;
    for steps in &manifest.roots {
        let root = Root::open(&steps.root).and_then(|root| {
            if (root.stat.dev, root.stat.ino) == (steps.dev, steps.ino) {
                Ok(root)
            } else {
                Err(Error::OtherRoot {
                    path: steps.root.clone(),
                })
            }
        });
        roots.push(match root {
            Ok(root) => Some(root),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
    }
    if let Some(error) = failed
        && roots.iter().all(Option::is_none)
    {
        return Err(error);
    }
    let mut planned = Vec::new();
    for (number, (steps, root)) in manifest.roots.iter().zip(&roots).enumerate() {
        let verdicts = match root {
            Some(root) => {
                let look = Look {
                    store,
                    root,
                    tag: tag(&manifest, number),
                    force,
                    obeyed,
                };
                look.all(steps)
            }
            None => vec![(Verdict::Left(Left::Root), None); steps.steps.len()],
        };
        let its = steps.steps.iter().zip(verdicts).enumerate();
        planned.extend(its.map(|(step, (change, (verdict, seen)))| Planned {
            root: number,
            step,
            what: What::of(change),
            verdict,
            seen,
        }));
    }
    Ok(Plan {
        manifest,
        planned,
        roots,
        force,
    })
}

/// How names of Ringfence's own begin in a root while a command is undone.
pub(crate) fn tag(manifest: &Manifest, root: usize) -> String {
    // No command knows the hash, and so none is in the way.
    let hash: String = manifest.of.hash.chars().take(16).collect();
    format!(".ringfence-undo-{}-{hash}-{root}", manifest.of.seq)
}

/// Where something is put that changes its place.
pub(crate) fn parked(tag: &str, step: usize) -> PathBuf {
    PathBuf::from(format!("{tag}-{step}.moved"))
}

/// Rounds in which it is found out what stands in the way of what.
const ROUNDS: usize = 256;

struct Look<'a> {
    store: &'a Store,
    root: &'a Root,
    tag: String,
    force: bool,
    obeyed: &'a Obeyed,
}

impl Look<'_> {
    fn all(&self, steps: &RootSteps) -> Vec<(Verdict, Option<State>)> {
        let steps = &steps.steps;
        let mut verdicts = Vec::with_capacity(steps.len());
        let mut seen = Vec::with_capacity(steps.len());
        for (number, step) in steps.iter().enumerate() {
            let looked = self.there(number, step).and_then(|now| {
                let verdict = self.step(step, now.as_ref())?;
                Ok((verdict, now))
            });
            let (verdict, now) = looked.unwrap_or_else(|errno| (Verdict::Left(errno.into()), None));
            verdicts.push(verdict);
            seen.push(now);
        }
        self.again(steps, &mut verdicts, &seen);
        let repositories = Repositories::of(steps, self.root);
        let forbids = |step| self.obeyed.forbids(step, &repositories);
        let forbidden: Vec<Option<Left>> = steps.iter().map(forbids).collect();
        let forbid = |verdicts: &mut [Verdict]| {
            for (verdict, forbidden) in verdicts.iter_mut().zip(&forbidden) {
                if let Some(why) = forbidden
                    && *verdict != Verdict::Already
                {
                    *verdict = Verdict::Left(why.clone());
                }
            }
        };
        forbid(&mut verdicts);
        self.in_the_way(steps, &mut verdicts);
        forbid(&mut verdicts);
        verdicts.into_iter().zip(seen).collect()
    }

    /// Finds what stands in the way. That may be what goes away itself; and what does not go away stands in the way of more.
    fn in_the_way(&self, steps: &[Step], verdicts: &mut [Verdict]) {
        let first = verdicts.to_vec();
        let renames: Renames = steps
            .iter()
            .filter_map(|step| Some((step.path.clone(), step.from.clone()?)))
            .collect();
        let dirs: HashMap<PathBuf, usize> = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| is_dir(step.before.as_ref()))
            .filter(|(_, step)| step.from.is_some() || !is_dir(step.after.as_ref()))
            .map(|(number, step)| match step.after {
                Some(_) if step.from.is_none() => (path_before(&step.path, &renames), number),
                _ => (step.was_at().to_owned(), number),
            })
            .collect();
        // Each round finds one thing more at least; who nests ever so many is told in the end, when it is tried.
        for _ in 0..ROUNDS {
            let goes: HashSet<&Path> = steps
                .iter()
                .zip(verdicts.iter())
                .filter(|(step, verdict)| **verdict == Verdict::Undo && leaves(step))
                .map(|(step, _)| step.path.as_path())
                .collect();
            let was = verdicts.to_vec();
            // What is in a directory before the directory.
            for (number, step) in steps.iter().enumerate().rev() {
                if let (Some(before), None) = (&step.before, &step.after) {
                    // Where it was there is nothing, once that is gone with what is in it.
                    let free = step.path.ancestors().any(|above| goes.contains(above));
                    verdicts[number] = if free {
                        kept(before)
                    } else {
                        first[number].clone()
                    };
                    if !free && verdicts[number] == Verdict::Undo {
                        verdicts[number] = self.comes(step);
                    }
                    let to = step.was_at();
                    if verdicts[number] == Verdict::Undo
                        && (!self.has_parent(to, steps, &dirs, verdicts)
                            || self.is_brought(to, steps, &dirs, verdicts, &goes))
                    {
                        verdicts[number] = Verdict::Left(Left::InTheWay);
                    }
                    continue;
                }
                if verdicts[number] != Verdict::Undo {
                    continue;
                }
                let to = step.was_at();
                if step.from.is_some()
                    && (!self.has_parent(to, steps, &dirs, verdicts)
                        || self.is_brought(to, steps, &dirs, verdicts, &goes))
                {
                    verdicts[number] = Verdict::Left(Left::InTheWay);
                } else if step.from.is_some() && !to.ancestors().any(|above| goes.contains(above)) {
                    verdicts[number] = self.comes(step);
                } else if leaves(step) && is_dir(step.after.as_ref()) && step.from.is_none() {
                    verdicts[number] = self.is_emptied(&step.path, &goes);
                }
            }
            if was == verdicts {
                return;
            }
        }
    }

    /// Whether there will be a directory for something to come to.
    fn has_parent(
        &self,
        was_at: &Path,
        steps: &[Step],
        dirs: &HashMap<PathBuf, usize>,
        verdicts: &[Verdict],
    ) -> bool {
        for above in was_at.ancestors().skip(1) {
            let Some(number) = dirs.get(above) else {
                continue;
            };
            // It comes with this one, or is in it.
            let comes = matches!(verdicts[*number], Verdict::Undo | Verdict::Already);
            let step = &steps[*number];
            let parent = was_at.parent().unwrap_or(Path::new(""));
            if !comes || parent == above || step.from.is_none() {
                return comes;
            }
            let below = parent.strip_prefix(above).unwrap_or(Path::new(""));
            let now = if verdicts[*number] == Verdict::Undo {
                &step.path
            } else {
                above
            };
            return self.is_dir(&now.join(below));
        }
        self.is_dir(was_at.parent().unwrap_or(Path::new("")))
    }

    /// Whether a directory that gets its place back brings something along to this place.
    fn is_brought(
        &self,
        was_at: &Path,
        steps: &[Step],
        dirs: &HashMap<PathBuf, usize>,
        verdicts: &[Verdict],
        goes: &HashSet<&Path>,
    ) -> bool {
        let above = was_at.ancestors().skip(1).find(|a| dirs.contains_key(*a));
        let Some((above, number)) = above.and_then(|a| Some((a, *dirs.get(a)?))) else {
            return false;
        };
        let step = &steps[number];
        if step.from.is_none() || verdicts[number] != Verdict::Undo {
            return false;
        }
        let now = step
            .path
            .join(was_at.strip_prefix(above).unwrap_or(Path::new("")));
        !goes.contains(now.as_path()) && !matches!(self.root.stat(&now), Ok(None))
    }

    fn is_dir(&self, path: &Path) -> bool {
        let stat = self.root.stat(path).ok().flatten();
        stat.is_some_and(|stat| stat.kind == Kind::Directory)
    }

    /// Whether something may come to its place.
    fn comes(&self, step: &Step) -> Verdict {
        let now = match self.now(step.was_at()) {
            Ok(None) => return Verdict::Undo,
            Ok(Some(now)) => now,
            Err(errno) => return Verdict::Left(errno.into()),
        };
        let Some(before) = step.before.as_ref().filter(|_| step.after.is_none()) else {
            return Verdict::Left(Left::InTheWay);
        };
        let files = ![before, &now].iter().any(|state| is_dir(Some(state)));
        if is_half_made(before, &now) || self.force && files {
            Verdict::Undo
        } else {
            Verdict::Left(Left::InTheWay)
        }
    }

    /// Whether all in a directory goes away.
    fn is_emptied(&self, path: &Path, goes: &HashSet<&Path>) -> Verdict {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let names = self
            .root
            .open_at(path, flags)
            .and_then(|dir| Lister::new().names(dir.as_fd()));
        let stays = |name: &CString| {
            let here = path.join(OsStr::from_bytes(name.to_bytes()));
            !goes.contains(here.as_path())
        };
        match names {
            Ok(names) if names.iter().any(stays) => Verdict::Left(Left::NotEmpty),
            // What cannot be looked into is opened first.
            _ => Verdict::Undo,
        }
    }

    /// What was undone before is told so, where something else stands now at the place of what the command left.
    fn again(&self, steps: &[Step], verdicts: &mut [Verdict], seen: &[Option<State>]) {
        let befores: HashMap<&Path, &State> = steps
            .iter()
            .filter_map(|step| Some((step.was_at(), step.before.as_ref()?)))
            .collect();
        let renames: Renames = steps
            .iter()
            .filter_map(|step| Some((step.path.clone(), step.from.clone()?)))
            .collect();
        let gone: HashSet<&Path> = steps
            .iter()
            .zip(verdicts.iter())
            .filter(|(step, verdict)| step.before.is_none() && **verdict == Verdict::Already)
            .map(|(step, _)| step.path.as_path())
            .collect();
        for ((step, verdict), now) in steps.iter().zip(verdicts).zip(seen) {
            if !matches!(verdict, Verdict::Left(Left::Changed | Left::Gone)) {
                continue;
            }
            let again = match &step.before {
                // What stood there before stands there again, or what it was in.
                None => {
                    let was_at = path_before(&step.path, &renames);
                    let before = befores.get(step.path.as_path());
                    now.as_ref()
                        .is_some_and(|now| before.is_some_and(|before| is_again(before, now)))
                        || step.path.ancestors().any(|above| gone.contains(above))
                        || was_at != step.path && matches!(self.now(&was_at), Ok(None))
                }
                Some(before) => {
                    let was_at = path_before(&step.path, &renames);
                    let there = || self.now(&was_at).ok().flatten();
                    step.from.is_none()
                        && was_at != step.path
                        && there().is_some_and(|now| {
                            is_again(before, &now) && before.stat.mode == now.stat.mode
                        })
                }
            };
            if again {
                *verdict = Verdict::Already;
            }
        }
    }

    /// What stands where the command left something; of what was renamed also where an undo that was killed put it.
    fn there(&self, number: usize, step: &Step) -> Result<Option<State>, Errno> {
        match self.now(&step.path)? {
            None if step.from.is_some() => self.now(&parked(&self.tag, number)),
            now => Ok(now),
        }
    }

    fn now(&self, path: &Path) -> Result<Option<State>, Errno> {
        let taken = take(self.root, path, None, self.store.bounds.file)?;
        Ok(taken.map(|taken| taken.state))
    }

    fn step(&self, step: &Step, now: Option<&State>) -> Result<Verdict, Errno> {
        let left = |why| Ok(Verdict::Left(why));
        match (&step.before, &step.after) {
            (None, None) => Ok(Verdict::Already),
            (None, Some(after)) => match now {
                None => Ok(Verdict::Already),
                // Another directory: that which the command made is gone.
                Some(now) if is_another(after, now) => Ok(Verdict::Already),
                Some(now) if is_left(after, now) => Ok(Verdict::Undo),
                Some(now) if self.may_force(now) => Ok(Verdict::Undo),
                Some(_) => left(Left::Changed),
            },
            (Some(before), None) => match now {
                // One that an undo made that was killed has not its permissions yet.
                Some(now) if is_again(before, now) && !is_half_made(before, now) => {
                    Ok(Verdict::Already)
                }
                _ => Ok(kept(before)),
            },
            (Some(before), Some(after)) if step.from.is_some() => {
                let is_it = now.is_some_and(|now| {
                    if after.stat.kind == Kind::Directory {
                        now.stat.kind == Kind::Directory
                            && (after.stat.ino == 0 || now.stat.is_same_object(&after.stat))
                    } else {
                        is_left(after, now) || is_again(before, now)
                    }
                });
                if !is_it {
                    let again = self.now(step.was_at())?;
                    match (again, now) {
                        (Some(again), _) if is_same_thing(after, &again, before) => {
                            return Ok(Verdict::Already);
                        }
                        (_, Some(now)) if self.may_force(now) => {}
                        (_, Some(_)) => return left(Left::Changed),
                        (_, None) => return left(Left::Gone),
                    }
                }
                if holds_the_same(before, after) {
                    Ok(Verdict::Undo)
                } else {
                    Ok(kept(before))
                }
            }
            (Some(before), Some(after)) => {
                let Some(now) = now else {
                    return left(Left::Gone);
                };
                if is_again(before, now) && before.stat.mode == now.stat.mode {
                    return Ok(Verdict::Already);
                }
                if !is_left(after, now) && !self.may_force(now) {
                    return left(Left::Changed);
                }
                if before.stat.kind == after.stat.kind && holds_the_same(before, after) {
                    Ok(Verdict::Undo)
                } else {
                    Ok(kept(before))
                }
            }
        }
    }

    /// A person said that what changed since is undone as well. Directories are never removed with what is in them.
    fn may_force(&self, now: &State) -> bool {
        self.force && matches!(now.stat.kind, Kind::File | Kind::Symlink)
    }
}

/// Something is as the command left it.
fn is_left(after: &State, now: &State) -> bool {
    if after.stat.kind == Kind::Directory && now.stat.kind == Kind::Directory {
        if is_another(after, now) {
            return false;
        }
        // An undo that was killed may have made it writable.
        return after.stat.mode == now.stat.mode || after.stat.mode | 0o700 == now.stat.mode;
    }
    after.is_as(now)
}

/// Undoing it takes something away from where it is.
fn leaves(step: &Step) -> bool {
    let is_other_kind = is_dir(step.before.as_ref()) != is_dir(step.after.as_ref());
    step.after.is_some() && (step.before.is_none() || step.from.is_some() || is_other_kind)
}

fn is_dir(state: Option<&State>) -> bool {
    state.is_some_and(|state| state.stat.kind == Kind::Directory)
}

/// A directory at the place of another.
fn is_another(after: &State, now: &State) -> bool {
    let dirs = [after, now].map(|state| state.stat.kind) == [Kind::Directory; 2];
    dirs && after.stat.ino != 0 && !after.stat.is_same_object(&now.stat)
}

/// Something is as it was before.
fn is_again(before: &State, now: &State) -> bool {
    before.is_as(now) && !matches!(before.content, Content::Not(_))
}

/// A directory that an undo made that was killed.
fn is_half_made(before: &State, now: &State) -> bool {
    let dirs = [before, now].map(|state| state.stat.kind) == [Kind::Directory; 2];
    dirs && now.stat.mode == 0o700 && before.stat.mode != 0o700
}

/// What was renamed is back at its place.
fn is_same_thing(after: &State, now: &State, before: &State) -> bool {
    now.stat.is_same_object(&after.stat) || is_again(before, now)
}

fn kept(before: &State) -> Verdict {
    match before.content {
        Content::Not(why) => Verdict::Left(Left::NotKept(why)),
        _ => Verdict::Undo,
    }
}
