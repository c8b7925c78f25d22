//! Undoes what a plan says, and keeps what that takes away.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::below::{self, Root};
use crate::error::Error;
use crate::keeper::{Renames, path_before};
use crate::manifest::{Key, Manifest, RootSteps, Step};
use crate::plan::{Left, Plan, Verdict, holds_the_same, parked, tag};
use crate::put::Hands;
use crate::state::{Content, Kind, Stat, State};
use crate::store::{Locked, Store};
use crate::take::take;

/// What became of an undo.
#[derive(Debug)]
pub struct Done {
    /// The plan, and in it what became of each change: [`Verdict::Undo`] where it was undone.
    pub plan: Plan,
}

/// Does what a plan says. What it takes away is kept first, under `key`: with that the undo can be undone.
///
/// One change that cannot be undone never stops the others.
///
/// # Errors
/// [`Error`]: what would be taken away cannot be kept. Then nothing is done.
pub fn restore(store: &Store, mut plan: Plan, key: Key) -> Result<Done, Error> {
    let mut nows: Vec<Vec<Option<State>>> = Vec::new();
    let mut back = Manifest::new(key);
    back.undid = Some(plan.manifest.of.seq);
    {
        let locked = store.lock()?;
        for number in 0..plan.manifest.roots.len() {
            let now = keep_first(&mut plan, number, &locked);
            nows.push(now);
        }
        for (number, now) in nows.iter().enumerate() {
            back.roots.push(inverse(&plan, number, now, None));
        }
        // Should this be killed, what is done until then can be undone.
        locked.keep_manifest(back.clone())?;
    }
    for (number, now) in nows.iter().enumerate() {
        let Some(root) = &plan.roots[number] else {
            continue;
        };
        let steps = &plan.manifest.roots[number];
        let first = plan
            .planned
            .iter()
            .position(|planned| planned.root == number);
        let first = first.unwrap_or(plan.planned.len());
        let verdicts: Vec<Verdict> = plan.planned[first..]
            .iter()
            .take(steps.steps.len())
            .map(|planned| planned.verdict.clone())
            .collect();
        let work = Work {
            hands: Hands {
                root,
                store,
                tag: tag(&plan.manifest, number),
            },
            steps: &steps.steps,
            now,
            verdicts,
            renames: Renames::new(),
            made: HashMap::new(),
        };
        let verdicts = work.all(plan.force);
        for (planned, verdict) in plan.planned[first..].iter_mut().zip(verdicts) {
            planned.verdict = verdict;
        }
    }
    back.roots.clear();
    for (number, now) in nows.iter().enumerate() {
        let root = plan.roots[number].as_ref();
        back.roots.push(inverse(&plan, number, now, root));
    }
    let locked = store.lock()?;
    locked.keep_manifest(back)?;
    locked.collect()?;
    Ok(Done { plan })
}

/// Keeps what stands now where something is to be undone.
fn keep_first(plan: &mut Plan, number: usize, store: &Locked<'_>) -> Vec<Option<State>> {
    let tag = tag(&plan.manifest, number);
    let most = store.store.bounds.file;
    let steps = &plan.manifest.roots[number].steps;
    let its = plan
        .planned
        .iter_mut()
        .filter(|planned| planned.root == number);
    its.map(|planned| {
        let (root, step) = (plan.roots[number].as_ref()?, steps.get(planned.step)?);
        // What is in the place of something that was deleted is somebody else's, or another change.
        if planned.verdict != Verdict::Undo || step.after.is_none() && !plan.force {
            return None;
        }
        let there = |path: &Path| take(root, path, Some(store), most).ok().flatten();
        let taken = there(&step.path).or_else(|| {
            step.from.as_ref()?;
            there(&parked(&tag, planned.step))
        });
        let now = taken.map(|taken| taken.state);
        let as_seen = match (&planned.seen, &now) {
            (None, None) => true,
            (Some(seen), Some(now)) => seen.is_as(now) && seen.stat.mode == now.stat.mode,
            _ => false,
        };
        if !as_seen {
            planned.verdict = Verdict::Left(Left::Changed);
            return None;
        }
        // Nothing goes that could not come back, whoever says so.
        let goes = now.as_ref().is_some_and(|now| {
            let stays = step
                .before
                .as_ref()
                .is_some_and(|before| holds_the_same(before, now));
            // A FIFO of the command's own holds nothing.
            let own = step
                .after
                .as_ref()
                .is_some_and(|after| after.stat.is_same_object(&now.stat));
            let empty = own && now.stat.kind == Kind::Special;
            let kept = empty || matches!(now.content, Content::Kept(_) | Content::Link(_));
            now.stat.kind != Kind::Directory && !stays && !kept
        });
        if goes {
            planned.verdict = Verdict::Left(Left::CannotKeep);
            return None;
        }
        now
    })
    .collect()
}

/// What would undo the undo: what is done is as it was, and before it was as it is now.
fn inverse(plan: &Plan, number: usize, now: &[Option<State>], root: Option<&Root>) -> RootSteps {
    let steps = &plan.manifest.roots[number];
    let its = plan.planned.iter().filter(|planned| planned.root == number);
    let done: Vec<(&Step, &Option<State>)> = its
        .zip(now)
        .filter(|(planned, _)| planned.verdict == Verdict::Undo)
        .filter_map(|(planned, now)| Some((steps.steps.get(planned.step)?, now)))
        .collect();
    let renames: Renames = done
        .iter()
        .filter_map(|(step, _)| Some((step.path.clone(), step.from.clone()?)))
        .collect();
    let back = done.into_iter().map(|(step, now)| {
        let (path, from) = match (&step.from, &step.before, &step.after) {
            (Some(from), ..) => (from.clone(), Some(step.path.clone())),
            (None, Some(_), Some(_)) => (path_before(&step.path, &renames), None),
            _ => (step.path.clone(), None),
        };
        let after = step.before.clone().map(|mut state| {
            // Before it is done, only its content is known.
            let is = root.and_then(|root| root.stat(&path).ok().flatten());
            state.stat = is.unwrap_or(Stat {
                ino: 0,
                modified: 0,
                changed: 0,
                ..state.stat
            });
            state
        });
        Step {
            path,
            from,
            before: now.clone(),
            after,
        }
    });
    RootSteps {
        root: steps.root.clone(),
        dev: steps.dev,
        ino: steps.ino,
        steps: back.collect(),
    }
}

/// Undoing in one root.
struct Work<'a> {
    hands: Hands<'a>,
    steps: &'a [Step],
    /// What stood where each change is, when it was kept.
    now: &'a [Option<State>],
    verdicts: Vec<Verdict>,
    /// What has been put aside to be renamed back.
    renames: Renames,
    /// Directories that were made: which they are.
    made: HashMap<usize, (u64, u64)>,
}

fn is_dir(state: Option<&State>) -> bool {
    state.is_some_and(|state| state.stat.kind == Kind::Directory)
}

fn is_other(state: Option<&State>) -> bool {
    state.is_some_and(|state| state.stat.kind != Kind::Directory)
}

impl Work<'_> {
    fn all(mut self, force: bool) -> Vec<Verdict> {
        for (number, step) in self.steps.iter().enumerate() {
            if self.verdicts[number] == Verdict::Already {
                self.hands.sweep(number, &step.path);
            }
        }
        self.open_directories();
        // Before its other names are written to: then it would not be what was looked at.
        self.remove_files();
        self.put_back();
        let aside = self.park();
        self.remove_directories(&aside);
        self.make_directories(aside);
        self.create(force);
        self.close_directories();
        self.verdicts
    }

    /// The changes that are undone, those that are chosen.
    fn chosen(&self, choose: impl Fn(&Step) -> bool) -> Vec<usize> {
        let numbers = 0..self.steps.len();
        numbers
            .filter(|n| self.verdicts[*n] == Verdict::Undo && choose(&self.steps[*n]))
            .collect()
    }

    fn told(&mut self, step: usize, done: Result<(), Left>) {
        if let Err(left) = done {
            self.verdicts[step] = Verdict::Left(left);
        }
    }

    /// Where something was before the command.
    fn place_before(&self, number: usize) -> PathBuf {
        let step = &self.steps[number];
        match (&step.from, &step.after) {
            (Some(from), _) => from.clone(),
            // Of what is gone it is its path.
            (None, None) => step.path.clone(),
            (None, Some(_)) => path_before(&step.path, &self.renames),
        }
    }

    fn deepest_first(&self, mut steps: Vec<usize>, at: impl Fn(&Step) -> &Path) -> Vec<usize> {
        steps.sort_by_key(|n| std::cmp::Reverse(at(&self.steps[*n]).components().count()));
        steps
    }

    /// Directories that a command closed are opened until all is done.
    fn open_directories(&mut self) {
        for step in self.chosen(|step| is_dir(step.after.as_ref())) {
            if let Some(now) = &self.now[step]
                && now.stat.kind == Kind::Directory
                && now.stat.mode & 0o700 != 0o700
            {
                // Where it cannot be, what is in it tells.
                let path = &self.steps[step].path;
                let _closed = self.hands.set_mode(path, &now.stat, now.stat.mode | 0o700);
            }
        }
    }

    /// What files held, where something still stands.
    fn put_back(&mut self) {
        let both = |step: &Step| is_other(step.before.as_ref()) && is_other(step.after.as_ref());
        // What is put in another's place first: it ends that they are one file, before that is written to.
        let mut all = self.chosen(both);
        all.sort_by_key(|number| {
            let step = &self.steps[*number];
            let [before, now] = [&step.before, &self.now[*number]].map(Option::as_ref);
            before
                .zip(now)
                .is_some_and(|(before, now)| before.stat.is_same_object(&now.stat))
        });
        for number in all {
            let step = &self.steps[number];
            let (Some(before), Some(now)) = (&step.before, &self.now[number]) else {
                self.told(number, Err(Left::Gone));
                continue;
            };
            // Its other name may have been put back already.
            let again = now.stat.links > 1 && self.is_again(&step.path, before);
            let done = if again || holds_the_same(before, now) && before.stat.kind == now.stat.kind
            {
                if before.stat.mode == now.stat.mode || before.stat.kind == Kind::Symlink {
                    Ok(())
                } else {
                    let path = self.place_of(number);
                    self.hands.set_mode(&path, &now.stat, before.stat.mode)
                }
            } else {
                let path = self.place_of(number);
                self.hands.put(number, &path, before, Some(&now.stat))
            };
            self.told(number, done);
        }
    }

    fn is_again(&self, path: &Path, before: &State) -> bool {
        let most = self.hands.store.bounds.file;
        let now = take(self.hands.root, path, None, most).ok().flatten();
        now.is_some_and(|now| now.state.content == before.content)
    }

    /// Where something is that was renamed: where the command left it, or where an undo that was killed put it.
    fn place_of(&self, number: usize) -> PathBuf {
        let step = &self.steps[number];
        let aside = parked(&self.hands.tag, number);
        let there = |path: &Path| matches!(self.hands.root.stat(path), Ok(Some(_)));
        if step.from.is_some() && !there(&step.path) && there(&aside) {
            aside
        } else {
            step.path.clone()
        }
    }

    fn remove_files(&mut self) {
        let added = |step: &Step| is_other(step.after.as_ref()) && !is_other(step.before.as_ref());
        for number in self.chosen(added) {
            let done = match &self.now[number] {
                Some(now) => self
                    .hands
                    .remove(number, &self.steps[number].path, &now.stat),
                None => Err(Left::Gone),
            };
            self.told(number, done);
        }
    }

    /// All that was renamed is put aside, so that none is in another's way.
    fn park(&mut self) -> Vec<(usize, PathBuf)> {
        let renamed = self.chosen(|step| step.from.is_some());
        let mut aside = Vec::new();
        for number in self.deepest_first(renamed, |step| &step.path) {
            let to = parked(&self.hands.tag, number);
            let from = self.place_of(number);
            let done = if from == to {
                Ok(())
            } else {
                self.hands.rename(&from, &to)
            };
            if done.is_ok() {
                let step = &self.steps[number];
                self.renames
                    .insert(step.path.clone(), step.was_at().to_owned());
                aside.push((number, to));
            }
            self.told(number, done);
        }
        aside
    }

    fn remove_directories(&mut self, aside: &[(usize, PathBuf)]) {
        // What was put aside took along what is in it.
        let moved: Renames = aside
            .iter()
            .map(|(number, to)| (self.steps[*number].path.clone(), to.clone()))
            .collect();
        let added =
            self.chosen(|step| is_dir(step.after.as_ref()) && !is_dir(step.before.as_ref()));
        for number in self.deepest_first(added, |step| &step.path) {
            let path = path_before(&self.steps[number].path, &moved);
            let done = self.hands.remove_dir(&path);
            self.told(number, done);
        }
    }

    /// Directories that were deleted are made, and what was renamed gets its place, from above downwards.
    fn make_directories(&mut self, aside: Vec<(usize, PathBuf)>) {
        let made = self.chosen(|step| {
            is_dir(step.before.as_ref()) && !is_dir(step.after.as_ref()) && step.from.is_none()
        });
        let mut all: Vec<(usize, Option<PathBuf>)> = made.into_iter().map(|n| (n, None)).collect();
        all.extend(aside.into_iter().map(|(n, path)| (n, Some(path))));
        all.sort_by_key(|(n, _)| self.place_before(*n).components().count());
        for (number, aside) in all {
            let step = &self.steps[number];
            let done = match (&aside, &step.before) {
                (Some(aside), _) => {
                    let back = self.hands.rename(aside, step.was_at());
                    match back {
                        // Then it stays where the command put it; where that is gone as well, where it is.
                        Err(why) => match self.hands.rename(aside, &step.path) {
                            Ok(()) => Err(why),
                            Err(_) => Err(Left::Aside(aside.clone())),
                        },
                        back => back,
                    }
                }
                (None, Some(before)) => {
                    let made = self.hands.make_dir(&self.place_before(number), before);
                    made.map(|made| {
                        self.made.insert(number, made);
                    })
                }
                (None, None) => Ok(()),
            };
            self.told(number, done);
        }
    }

    fn create(&mut self, force: bool) {
        let deleted =
            |step: &Step| is_other(step.before.as_ref()) && !is_other(step.after.as_ref());
        for number in self.chosen(deleted) {
            let step = &self.steps[number];
            let Some(before) = &step.before else { continue };
            let path = self.place_before(number);
            // Where a person said so, something is replaced that came since.
            let now = self.now[number].as_ref();
            let stands = matches!(self.hands.root.stat(&path), Ok(Some(_)));
            let now = now.filter(|now| force && stands && now.stat.kind != Kind::Directory);
            let done = self
                .hands
                .put(number, &path, before, now.map(|now| &now.stat));
            self.told(number, done);
        }
    }

    /// Directories get their permissions when all is in them.
    fn close_directories(&mut self) {
        let dirs = self.chosen(|step| is_dir(step.before.as_ref()));
        for number in self.deepest_first(dirs, Step::was_at) {
            let step = &self.steps[number];
            let path = self.place_before(number);
            let Some(before) = &step.before else { continue };
            let known = self.made.get(&number).copied();
            let known = known.or_else(|| {
                let now = self.now[number].as_ref()?;
                Some((now.stat.dev, now.stat.ino))
            });
            let done = self.close(&path, before, known);
            self.told(number, done);
        }
    }

    /// `known`: which it is, by device and inode; another may have come to its place.
    fn close(&self, path: &Path, before: &State, known: Option<(u64, u64)>) -> Result<(), Left> {
        let handle = self.hands.root.handle(path)?;
        let now = below::itself(handle.as_fd())?;
        if now.kind != Kind::Directory || known != Some((now.dev, now.ino)) {
            return Err(Left::Changed);
        }
        if now.mode != before.stat.mode {
            below::set_mode(handle.as_fd(), before.stat.mode)?;
        }
        Ok(())
    }
}
