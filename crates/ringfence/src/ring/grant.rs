//! Grants to a ring that stands: it becomes wider, and nothing in it has to be run again.
//!
//! What is granted is planned as if the ring were made anew with it, by the same planner and under the
//! same bounds; what that plan has more is ordered. What cannot be had without making the ring anew is
//! refused, and said.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringfence_ops::Shortfall;
use ringfence_ops::linux::landlock::{Rule, Ruleset};
use ringfence_ops::linux::{Located, Mask, Op};
use ringfence_plan::Plan;
use ringfence_policy::Flags;
use ringfence_wire::{Failure, Names, Order, Widening};

use super::{Inner, Ring};
use crate::ask::Answer;
use crate::error::Error;
use crate::mounts;
use crate::prepare::{Preview, Request, preview};
use crate::why::{explain, place};

/// What a ring is to have more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// A path may be written, with all that is protected in a write root. A command that runs already is
    /// held to what it began with (Landlock); those that start from now on may.
    Write(PathBuf),
    /// What is hidden by default is seen, by its name (`hide.npm`), also by commands that run.
    Reveal(String),
    /// A Unix socket of a service outside may be connected to, also by commands that run. What listens there acts for whoever connects: docker's is as good as root's authority.
    Socket(PathBuf),
}

/// What has been granted.
#[derive(Debug, Default)]
pub(super) struct Granted {
    flags: Flags,
    pub(super) roots: Vec<Located>,
    revealed: Vec<Located>,
    /// Sockets as they were when they were let in.
    sockets: Vec<Located>,
    pub(super) less: Vec<Shortfall>,
    /// Rules that came with that.
    rules: Vec<Rule>,
}

/// A grant that has been planned, and not been made yet. It is of the very object it was planned for:
/// where another stands there when it is made, it fails.
#[derive(Debug, Clone)]
pub struct Planned {
    grant: Grant,
    /// Nothing, where the ring is that wide already.
    widening: Option<Widening>,
    rules: Vec<Rule>,
    less: Vec<Shortfall>,
    /// Sockets that are let in, as they are now.
    sockets: Vec<Located>,
}

impl Planned {
    /// What becomes writable, is seen, or is connected to, by canonical paths; nothing where the ring is that wide already.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        let widening = self.widening.iter();
        widening
            .flat_map(|widening| {
                let Widening {
                    write,
                    reveal,
                    sockets,
                    ..
                } = widening;
                write.iter().chain(reveal).chain(sockets)
            })
            .map(|at| at.path.as_path())
            .collect()
    }
}

impl Ring {
    /// Makes the ring wider. One that is that wide already is no error.
    ///
    /// ```
    /// use ringfence::ring::Grant;
    /// use ringfence::{Request, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let named = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    /// # let Some(runner) = named("RINGFENCE_DOC_RUNNER") else { return Ok(()) };
    /// # let workspace = named("RINGFENCE_DOC_WORKSPACE");
    /// # let request = Request { directory: workspace.clone(), workspace, runner: Some(runner), ..Request::default() };
    /// # let beside = request.workspace.as_ref().and_then(|path| path.parent()).expect("named").join("beside");
    /// # std::fs::create_dir_all(&beside)?;
    /// let ring = Ring::open(request)?;
    /// let file = beside.join("file");
    /// assert!(!ring.command("touch").arg(&file).status()?.success());
    /// ring.grant(&Grant::Write(beside))?;
    /// assert!(ring.command("touch").arg(&file).status()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the policy does not allow it, or [`Error::NeedsNewRing`]; then nothing has changed.
    pub fn grant(&self, grant: &Grant) -> Result<(), Error> {
        let planned = self.plan_grant(grant)?;
        self.inner().widen(&planned)
    }

    /// Plans a grant, so that a person can be shown what it is of ([`Planned::paths`]) before it is made.
    ///
    /// # Errors
    /// As [`grant`](Ring::grant).
    pub fn plan_grant(&self, grant: &Grant) -> Result<Planned, Error> {
        self.inner().plan_grant(grant)
    }

    /// A person was shown what was planned, and this is the answer, for the ledger.
    ///
    /// # Errors
    /// [`Error::Ledger`]: it is not recorded, and nothing is to be granted on its word.
    pub fn grant_answered(&self, planned: &Planned, answer: Answer) -> Result<(), Error> {
        let inner = self.inner();
        let paths: Vec<&Path> = planned.paths();
        let verb = match planned.grant {
            Grant::Write(_) => "write",
            Grant::Reveal(_) => "reveal",
            Grant::Socket(_) => "connect",
        };
        inner
            .prepared
            .recorder
            .grant_answered(verb, &paths, &inner.prepared.cwd.path, answer)
    }

    /// Counts a question that a person is about to be asked; nothing where one may be, else why not. How long there is
    /// to answer.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn may_ask(&self) -> Result<(Option<String>, Duration), Error> {
        let prepared = &self.inner().prepared;
        let approval = &prepared.policy.approval;
        let why = crate::offer::may_ask(approval, prepared.state.as_ref())?;
        Ok((why, approval.within.value))
    }

    /// What the ring was asked for, with what has been granted to it since: what it does with a path is what
    /// [`preview`] of this says.
    #[must_use]
    pub fn as_granted(&self) -> Request {
        self.inner().as_granted()
    }

    /// Makes a grant that was planned.
    ///
    /// # Errors
    /// As [`grant`](Ring::grant).
    pub fn make(&self, planned: &Planned) -> Result<(), Error> {
        self.inner().make(planned)
    }
}

impl Grant {
    fn shown(&self) -> String {
        match self {
            Grant::Write(path) | Grant::Socket(path) => crate::error::shown(path),
            Grant::Reveal(name) => name.clone(),
        }
    }

    fn needs(&self, why: String) -> Error {
        Error::NeedsNewRing {
            what: self.shown(),
            why,
        }
    }

    fn add_to(&self, flags: &mut Flags, directory: &Path) {
        match self {
            Grant::Write(path) => flags.write.push(directory.join(path)),
            Grant::Reveal(name) => flags.reveal.push(name.clone()),
            Grant::Socket(path) => flags.sockets.push(directory.join(path)),
        }
    }
}

impl Inner {
    fn as_granted(&self) -> Request {
        let granted = self.granted();
        let mut request = self.request.clone();
        let flags = &mut request.flags;
        flags.write.extend(granted.flags.write.iter().cloned());
        flags.reveal.extend(granted.flags.reveal.iter().cloned());
        flags.sockets.extend(granted.flags.sockets.iter().cloned());
        request
    }

    fn plan_grant(&self, grant: &Grant) -> Result<Planned, Error> {
        let mut request = self.as_granted();
        let granted = self.granted();
        // What has changed elsewhere since the ring was made, in policies or on disk, is in both plans, and
        // none of this grant's.
        let before = preview(request.clone())?;
        grant.add_to(&mut request.flags, &self.prepared.cwd.path);
        let after = preview(request)?;
        let wider = after.plan.as_ref().ok_or(Error::Planned)?;
        let (widening, rules) = match grant {
            Grant::Write(path) => self.write(&granted, &before, &after, wider, path),
            Grant::Reveal(_) => self.reveal(&granted, &before, wider),
            Grant::Socket(_) => self.connect(&granted, &before, &after, wider),
        }
        .map_err(|why| grant.needs(why))?;
        let known = &self.plan.shortfalls;
        let less = wider.shortfalls.iter().filter(|s| !known.contains(s));
        let sockets = match (grant, &widening) {
            (Grant::Socket(_), Some(widening)) => {
                let of = widening.sockets.iter().chain(&widening.reveal);
                let of: Vec<&Path> = of.map(|at| at.path.as_path()).collect();
                let all = after.site.granted_sockets.iter();
                all.filter(|at| of.contains(&at.path.as_path()))
                    .cloned()
                    .collect()
            }
            _ => Vec::new(),
        };
        Ok(Planned {
            grant: grant.clone(),
            less: less.cloned().collect(),
            widening,
            rules,
            sockets,
        })
    }

    /// Planned once more, since a person may have thought for minutes: what is to be protected in it is
    /// what is there now, and what it is of has to be the same still.
    fn make(&self, planned: &Planned) -> Result<(), Error> {
        let Some(of) = &planned.widening else {
            return Ok(());
        };
        let by_what_it_is = match (&planned.grant, planned.paths().first()) {
            (Grant::Write(_), Some(path)) => Grant::Write(path.to_path_buf()),
            (Grant::Socket(_), Some(path)) => Grant::Socket(path.to_path_buf()),
            (grant, _) => grant.clone(),
        };
        let now = self.plan_grant(&by_what_it_is)?;
        let all = |one: &Widening| (one.write.clone(), one.reveal.clone(), one.sockets.clone());
        let same = |now: &Widening| all(now) == all(of);
        match now.widening.as_ref() {
            Some(widening) if same(widening) => self.widen(&now),
            Some(_) => Err(planned
                .grant
                .needs("another object stands there by now".to_owned())),
            // Somebody else was granted the same.
            None => Ok(()),
        }
    }

    fn widen(&self, planned: &Planned) -> Result<(), Error> {
        let mut granted = self.granted();
        let Some(mut widening) = planned.widening.clone() else {
            return Ok(());
        };
        let mut rules = granted.rules.clone();
        rules.extend(planned.rules.iter().cloned());
        widening.landlock = self.ruleset(&rules);
        self.prepared.recorder.widened(&widening)?;
        self.order(&Order::Widen(widening.clone()), &[])?;
        let done =
            self.wait_for(|state| (!state.widened.is_empty()).then(|| state.widened.remove(0)))?;
        done.map_err(|failure: Failure| {
            let error = std::io::Error::from_raw_os_error(failure.errno);
            planned.grant.needs(format!("{}: {error}", failure.call))
        })?;
        match (&planned.grant, planned.paths().first()) {
            // By what it was, and not by a name that may lead elsewhere tomorrow.
            (Grant::Write(_), Some(path)) => granted.flags.write.push(path.to_path_buf()),
            (Grant::Socket(_), Some(path)) => granted.flags.sockets.push(path.to_path_buf()),
            (grant, _) => grant.add_to(&mut granted.flags, &self.prepared.cwd.path),
        }
        let root = widening.write.iter().map(|root| root.path.clone());
        self.prepared.recorder.follow_also(root.collect());
        granted.roots.extend(widening.write);
        granted.revealed.extend(widening.reveal);
        granted.sockets.extend(planned.sockets.iter().cloned());
        granted.rules = rules;
        granted.less.clone_from(&planned.less);
        Ok(())
    }

    fn write(
        &self,
        granted: &Granted,
        before: &Preview,
        after: &Preview,
        wider: &Plan,
        asked: &Path,
    ) -> Result<(Option<Widening>, Vec<Rule>), String> {
        let home = crate::layers::home();
        let place = place(asked, &self.prepared.cwd.path);
        let answer = explain(&after.ground(home.as_deref()), &place);
        if !answer.may_write() {
            return Err(answer.because);
        }
        let known = |at: &Located| {
            let before = self.prepared.site.roots.iter().map(|root| &root.at);
            before.chain(&granted.roots).any(|root| root == at)
        };
        let mut roots = after.site.roots.iter().filter(|root| !known(&root.at));
        let Some(root) = roots.clone().find(|root| root.at.path == place.path) else {
            let mut in_ring = after.site.roots.iter().filter(|root| known(&root.at));
            return if in_ring.any(|root| place.path.starts_with(&root.at.path)) {
                Ok((None, Vec::new()))
            } else {
                Err("the policy allows it since the ring was made".to_owned())
            };
        };
        let in_both = |at: &Located| before.site.roots.iter().any(|root| &root.at == at);
        if let Some(other) = roots.find(|other| other.at != root.at && !in_both(&other.at)) {
            let other = crate::error::shown(&other.at.path);
            return Err(format!("{other} would have to be writable with it"));
        }
        let at = &root.at.path;
        let mounts = mounts::points()
            .map_err(|error| format!("what is mounted in it cannot be read: {error}"))?;
        if let Some(mount) = mounts.iter().find(|m| *m != at && m.starts_with(at)) {
            return Err(format!(
                "another file system is mounted below it, at {}",
                crate::error::shown(mount)
            ));
        }
        let in_ring = |op: &Op| self.plan.steps.iter().any(|step| &step.op == op);
        let mut widening = empty();
        let mut rules = Vec::new();
        widening.write = Some(root.at.clone());
        for step in &wider.steps {
            if in_ring(&step.op) {
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
                    });
                }
                Op::Landlock(ruleset) => rules.extend(rules_of(ruleset, at)),
                Op::Hold(held) | Op::Place(held) if held.path == *at => {}
                other if place_of(other).is_some_and(|place| place.starts_with(at)) => {
                    return Err(format!("it takes another step in it: {other}"));
                }
                _ => {}
            }
        }
        Ok((Some(widening), rules))
    }

    fn reveal(
        &self,
        granted: &Granted,
        before: &Preview,
        wider: &Plan,
    ) -> Result<(Option<Widening>, Vec<Rule>), String> {
        let hides = |plan: &Plan, at: &Located| {
            let mut ops = plan.steps.iter().map(|step| &step.op);
            ops.any(|op| matches!(op, Op::Hide(mask) if mask.at.path == at.path))
        };
        let mut widening = empty();
        let mut rules = Vec::new();
        for step in &self.plan.steps {
            let Op::Hide(mask) = &step.op else { continue };
            let before = before.plan.as_ref();
            let is_of_this =
                before.is_some_and(|plan| hides(plan, &mask.at)) && !hides(wider, &mask.at);
            // Twice is once.
            if !is_of_this || granted.revealed.contains(&mask.at) {
                continue;
            }
            if !mask.keep.is_empty() {
                let path = crate::error::shown(&mask.at.path);
                return Err(format!("{path} is hidden but for some of what is in it"));
            }
            for step in &wider.steps {
                if let Op::Landlock(ruleset) = &step.op {
                    rules.extend(rules_of(ruleset, &mask.at.path));
                }
            }
            widening.reveal.push(mask.at.clone());
        }
        Ok(((!widening.reveal.is_empty()).then_some(widening), rules))
    }

    fn connect(
        &self,
        granted: &Granted,
        before: &Preview,
        after: &Preview,
        wider: &Plan,
    ) -> Result<(Option<Widening>, Vec<Rule>), String> {
        // By what they are, and not by where: a service that is started again has another socket there.
        let known = self
            .prepared
            .site
            .granted_sockets
            .iter()
            .chain(&granted.sockets);
        let known: Vec<&Located> = known.collect();
        // What the policy names by now is nobody's grant.
        let asked = |at: &&Located| {
            !before.site.granted_sockets.contains(at) || granted.flags.sockets.contains(&at.path)
        };
        let mut new = after.site.granted_sockets.iter().filter(asked);
        let Some(at) = new.find(|at| !known.contains(at)) else {
            return Ok((None, Vec::new()));
        };
        let mut widening = empty();
        let mut rules = Vec::new();
        for step in &wider.steps {
            if let Op::Landlock(ruleset) = &step.op {
                rules.extend(rules_of(ruleset, &at.path));
            }
        }
        let is_in = |mask: &Mask| {
            at.path.starts_with(&mask.at.path)
                && !mask.keep.iter().any(|kept| at.path.starts_with(&kept.path))
        };
        let mut covered = false;
        for step in &self.plan.steps {
            let shown = |path: &Path| crate::error::shown(path);
            match &step.op {
                Op::MaskSocket(socket) if socket.path == at.path => {
                    widening.reveal.push(socket.clone());
                }
                Op::Hide(mask) if is_in(mask) => {
                    return Err(format!("{} is hidden by the policy", shown(&mask.at.path)));
                }
                Op::Devices { .. } if at.path.starts_with("/dev") => {
                    return Err(
                        "the ring has a /dev of its own, with nothing in it of the host's"
                            .to_owned(),
                    );
                }
                Op::PrivateCache(cache) if at.path.starts_with(&cache.at.path) => {
                    return Err(format!("{} is a private cache", shown(&cache.at.path)));
                }
                Op::MaskDir(mask) => covered |= is_in(mask),
                Op::PrivateDir { at: own, .. } => covered |= at.path.starts_with(&own.path),
                _ => {}
            }
        }
        // A write root that lies in such a directory is the host's own.
        let mut roots = self.prepared.roots.iter().chain(&granted.roots);
        covered &= !roots.any(|root| at.path.starts_with(&root.path));
        if widening.reveal.is_empty() {
            // Where nothing covers it and no rule is needed, it could be connected to before.
            if !covered && rules.is_empty() {
                return Ok((None, Vec::new()));
            }
            widening.sockets.push(at.clone());
        }
        Ok((Some(widening), rules))
    }

    /// The ring's ruleset, with these rules more; `None` where it has none.
    fn ruleset(&self, more: &[Rule]) -> Option<Ruleset> {
        let mut ruleset = self.plan.steps.iter().find_map(|step| match &step.op {
            Op::Landlock(ruleset) => Some(ruleset.clone()),
            _ => None,
        })?;
        ruleset.rules.extend(more.iter().cloned());
        Some(ruleset)
    }
}

/// The rules for a path.
fn rules_of<'a>(ruleset: &'a Ruleset, path: &'a Path) -> impl Iterator<Item = Rule> + 'a {
    let of_path = ruleset
        .rules
        .iter()
        .filter(move |rule| rule.at.path == path);
    of_path.cloned()
}

fn empty() -> Widening {
    Widening {
        write: None,
        objects: Vec::new(),
        pins: Vec::new(),
        watch: Vec::new(),
        reveal: Vec::new(),
        sockets: Vec::new(),
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
