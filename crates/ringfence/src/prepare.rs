//! From a request to a plan: everything that can be decided before anything is made.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringfence_ops::linux::Located;
use ringfence_ops::{Availability, Facts};
use ringfence_plan::{Access, Plan, RingMode, Site, plan};
use ringfence_policy::{Effective, Flags, Mode};

use crate::environment::{self, ChildEnvironment};
use crate::error::Error;
use crate::grants::{self, Held, Holding, What};
use crate::keeping::Stands;
use crate::launch::Early;
use crate::locate::{follow, no_cwd};
use crate::record::Recorder;
use crate::recorded::{self, By};
use crate::relay::{self, PtyMode};
use crate::rules::{Question, Rules, Subject, Verdict};
use crate::site::{After, Asked, Made, Noted, Person, Survey, survey};
use crate::state::State;
use crate::why::{Ground, explain, place};
use crate::{adapt, caches, facts, layers, program, refused, workspace};

mod asking;
mod outside;

pub use outside::Outside;

/// What a person asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The command: program and arguments.
    pub argv: Vec<OsString>,
    /// The workspace; where it is not named, the repository around the current directory, or that.
    pub workspace: Option<PathBuf>,
    /// Where the command starts, and from where policies are looked for; where it is not named, the
    /// current directory.
    pub directory: Option<PathBuf>,
    /// What the flags say of the policy.
    pub flags: Flags,
    /// How the command's terminal is made.
    pub pty: PtyMode,
    /// The runner's binary; where it is not named, the one beside this program's.
    pub runner: Option<PathBuf>,
    /// The built-in rules about commands hold too, below those of the policy: for commands that an agent
    /// chose, and no person.
    pub starting_rules: bool,
    /// Who asks, as the ledger names it.
    pub by: By,
    /// Which files the command changes is to be told and recorded, although that costs a walk of the write roots before it
    /// and one after. In a ring that stays it is recorded in each case, and costs what is changed.
    pub changes: bool,
    /// What the ring refuses the command is to be told ([`Finished::refusals`](crate::Finished::refusals)), path by path:
    /// this program, which has to be seen in the ring, is started there as `PROGRAM traced -- COMMAND WORD…`, and has
    /// [`traced::within`](crate::traced::within) run it. It takes such a command longer, and no debugger can be attached to it.
    /// For [`run`](crate::run).
    pub trace: Option<PathBuf>,
    /// What a person granted for this once, beside what is kept ([`grants`]). Where another object stands there
    /// by now there is no ring.
    pub granted: Vec<Held>,
    /// The directory that a person was asked about, where they were: where another stands by that name by now, nothing is
    /// run.
    pub stands: Option<Located>,
}

/// A command that is ready to be run.
#[derive(Debug)]
pub struct Prepared {
    /// The policy in force.
    pub policy: Effective,
    /// What this machine can enforce.
    pub facts: Facts,
    /// The plan; `None` for `mode = "full-access"`.
    pub plan: Option<Plan>,
    /// The program, found.
    pub program: PathBuf,
    /// The command.
    pub argv: Vec<OsString>,
    /// Its environment.
    pub environment: ChildEnvironment,
    /// Write roots that follow from the workspace and not from the policy, and why.
    pub derived: Vec<(PathBuf, &'static str)>,
    pub(crate) pty: PtyMode,
    pub(crate) cwd: Located,
    pub(crate) roots: Vec<Located>,
    pub(crate) state: Option<State>,
    pub(crate) workspace: PathBuf,
    pub(crate) home: Option<PathBuf>,
    /// Variables to set for what stands in for caches.
    set: Vec<(&'static str, OsString)>,
    /// Roots that were walked for want of an index, with what was found.
    pub(crate) walked: Vec<(PathBuf, crate::site::index::Walked)>,
    pub(crate) site: Site,
    /// Whoever runs git.
    person: Person,
    noted: Noted,
    /// Held as long as the ring lives.
    pub(crate) locks: Vec<File>,
    pub(crate) temp_own: Option<OwnTemp>,
    pub(crate) rules: Rules,
    pub(crate) recorder: Arc<Recorder>,
    /// Which files change is to be told.
    pub(crate) changes: bool,
    /// The answer that lets the command, if it is one for this once.
    pub(crate) answer: Option<u64>,
    /// What is to look at its calls.
    pub(crate) trace: Option<PathBuf>,
    /// Why it is not, although that was asked for.
    pub(crate) untraced: Option<String>,
    /// What a person granted that the ring has: the records of the answers.
    pub(crate) granted: Vec<u64>,
}

impl Prepared {
    /// The time limit.
    #[must_use]
    pub fn time(&self) -> Option<Duration> {
        self.policy.limits.time.as_ref().map(|t| t.value)
    }

    /// Looks at the repositories that commands made since a time, also that of a ring before this: those that were `found`, and those that git goes into from the ones that are
    /// known.
    pub(crate) fn made(
        &self,
        roots: &[Located],
        found: &BTreeSet<PathBuf>,
        since: SystemTime,
        looks_back: bool,
    ) -> Vec<Made> {
        let roots = roots.iter().filter(|root| root.dir);
        let roots: Vec<&Path> = roots.map(|root| root.path.as_path()).collect();
        let after = After {
            roots: &roots,
            known: &crate::site::known(&self.site),
            guarded: &crate::site::guarded(&self.site),
            person: &self.person,
            programs: &self.noted.programs,
            submodules: &self.noted.submodules,
            since,
            looks_back,
            plans: self
                .plan
                .as_ref()
                .is_some_and(|plan| plan.mode == RingMode::Namespaces),
        };
        after.made(found.iter().chain(&self.noted.vacant).cloned())
    }

    /// How what may be written stands before the command, where that is asked for.
    pub(crate) fn snapshot(&self) -> Option<Stands> {
        let kept = self.recorder.keeps_alone();
        if !self.changes && kept.is_none() {
            return None;
        }
        let mut roots: Vec<&Path> = self.roots.iter().map(|root| root.path.as_path()).collect();
        // Without a ring all may be written; what is asked about is the workspace.
        if self.plan.is_none() {
            roots = vec![&self.workspace];
        }
        Some(Stands::now(&roots, kept))
    }

    /// The command, as it is recorded.
    pub(crate) fn recorded(&self) -> ringfence_ledger::CommandStarted {
        let command = recorded::command(&self.argv, &self.cwd.path, &self.program, &[]);
        ringfence_ledger::CommandStarted {
            approval: self.answer,
            ..command
        }
    }

    /// Whether the user accepted to do without a promise.
    pub(crate) fn accepts(&self, promise: &str) -> bool {
        ringfence_plan::accepts(&self.policy, promise)
    }

    /// Plans again for a machine that turned out to have less.
    pub(crate) fn replan(&mut self, facts: Facts) -> Result<(), Error> {
        self.plan = Some(plan(&self.policy, &self.site, &facts)?);
        self.facts = facts;
        Ok(())
    }
}

/// What a command would get, with nothing made for it.
#[derive(Debug)]
pub struct Preview {
    /// The policy in force.
    pub policy: Effective,
    /// What this machine can enforce.
    pub facts: Facts,
    /// The plan; `None` for `mode = "full-access"`.
    pub plan: Option<Plan>,
    /// What the policy's paths are on disk.
    pub site: Site,
    /// The program, found.
    pub program: PathBuf,
    /// Its environment.
    pub environment: ChildEnvironment,
    /// Write roots that follow from the workspace and not from the policy, and why.
    pub derived: Vec<(PathBuf, &'static str)>,
    /// What the rules say of the command.
    pub verdict: Verdict,
}

/// Whether what is prepared will be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It will: what it needs is made.
    Run,
    /// It will not: nothing is made.
    Look,
}

/// A request whose policy is known, and nothing else yet.
#[derive(Debug)]
pub struct Begun {
    /// The policy in force.
    pub policy: Effective,
    /// What this machine can enforce.
    pub facts: Facts,
    /// The program, found.
    pub program: PathBuf,
    /// The environment, secrets taken out.
    pub environment: ChildEnvironment,
    argv: Vec<OsString>,
    pty: PtyMode,
    pub(crate) runner: Option<PathBuf>,
    cwd: PathBuf,
    /// Which directory that was when it was begun.
    stands: Located,
    pub(crate) workspace: PathBuf,
    home: Option<PathBuf>,
    pub(crate) state: Option<State>,
    pub(crate) early: Early,
    rules: Rules,
    approval: Option<Question>,
    pub(crate) recorder: Arc<Recorder>,
    changes: bool,
    pub(crate) answer: Option<u64>,
    /// What was asked for, where the command is traced: what it is refused is held against that.
    pub(crate) traced: Option<Box<Request>>,
    granted: Vec<Held>,
}

/// Reads the policies and finds the program. Nothing is made.
///
/// # Errors
/// Each [`Error`] of a policy, a program or the current directory.
pub fn begin(request: Request) -> Result<Begun, Error> {
    begin_with(request, Early::none())
}

/// As [`begin`], with a runner that was started before.
///
/// # Errors
/// As [`begin`].
pub fn begin_with(request: Request, mut early: Early) -> Result<Begun, Error> {
    let traced = request.trace.is_some().then(|| Box::new(request.clone()));
    let cwd = match &request.directory {
        Some(directory) => std::path::absolute(directory).map_err(|_| Error::NoCwd)?,
        None => std::env::current_dir().map_err(|_| Error::NoCwd)?,
    };
    let stands = follow(&cwd).map_err(no_cwd)?.at;
    if let Some(was) = &request.stands {
        is_still(was, &stands)?;
    }
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    // Policies are looked for from where the caller stands, up.
    let (workspace, policies) = match &request.workspace {
        Some(named) => {
            let named = cwd.join(named);
            // Not what its name says lies above, but what does.
            let real = std::fs::canonicalize(&named).unwrap_or_else(|_| named.clone());
            (named, real)
        }
        None => (workspace::around(&cwd, home.as_deref()), cwd.clone()),
    };
    let Holding {
        paths: mut granted,
        commands,
    } = grants::holding(state.as_ref(), &workspace);
    granted.extend(request.granted);
    let policy = layers::effective(
        request.flags,
        &policies,
        &cwd,
        home.as_deref(),
        state.as_ref(),
        &granted,
    )?;
    if let Some(first) = layers::unusable(&policy).into_iter().next() {
        return Err(first);
    }
    let environment = environment::filter(std::env::vars_os(), &policy.environment);
    let name = request.argv.first().cloned().unwrap_or_default();
    let program = program::find(&name, environment.get("PATH"), &cwd)?;
    let rules = Rules::of(&policy, request.starting_rules)?.with_granted(commands, state.as_ref());
    let facts = if policy.limits.memory.is_some() || policy.limits.processes.is_some() {
        facts::full()
    } else if early.stands() {
        facts::quick_where(Availability::Yes)
    } else {
        facts::quick()
    };
    let recorder = Arc::new(Recorder::new(&policy, state.as_ref(), request.by));
    Ok(Begun {
        policy,
        facts,
        program,
        environment,
        argv: request.argv,
        pty: request.pty,
        runner: request.runner,
        cwd,
        stands,
        workspace,
        home,
        state,
        early,
        rules,
        approval: None,
        recorder,
        changes: request.changes,
        answer: None,
        traced,
        granted,
    })
}

impl Begun {
    /// The way the ring will be built, as far as the facts tell.
    pub(crate) fn likely_mode(&self) -> Option<RingMode> {
        (self.policy.mode.value != Mode::FullAccess)
            .then(|| ringfence_plan::mode(&self.policy, &self.facts))
    }

    /// Records that nothing came of it.
    pub(crate) fn refused(&self) -> impl Fn(&Error) + use<> {
        let (recorder, argv, cwd) = (self.recorder.clone(), self.argv.clone(), self.cwd.clone());
        let (state, workspace) = (self.state.clone(), self.workspace.clone());
        let writes = self.policy.mode.value == Mode::WorkspaceWrite;
        move |error| {
            // What is refused leaves nothing where the command would have worked.
            let in_workspace = || {
                let state = state.as_ref().map(State::canonical);
                let workspace = follow(&workspace).map(|found| found.at.path);
                matches!((state, workspace), (Some(state), Ok(workspace)) if state.starts_with(&workspace))
            };
            if !(matches!(error, Error::StateInRoot { .. }) || writes && in_workspace()) {
                recorder.refused(&argv, &cwd, error);
            }
        }
    }

    /// Looks at the machine and plans. Nothing is made.
    ///
    /// # Errors
    /// Each [`Error`] of a path, and the refusal of what cannot be enforced here.
    pub fn finish(self) -> Result<Prepared, Error> {
        let Begun {
            policy,
            facts,
            program,
            mut environment,
            argv,
            pty,
            runner: _,
            cwd,
            stands,
            workspace,
            home,
            state,
            early: _,
            rules,
            approval: _,
            recorder,
            changes,
            answer,
            traced,
            granted,
        } = self;
        let mut survey = survey(&Asked {
            policy: &policy,
            workspace: &workspace,
            cwd: &cwd,
            program: &program,
            home: home.as_deref(),
            state: state.as_ref(),
            path: environment.get("PATH"),
            handed: relay::handed(pty, policy.limits.output.is_some()),
        })?;
        let workspace = survey.site.workspace.clone();
        is_still(&stands, &survey.site.cwd)?;
        still_stands(&granted, &survey, policy.mode.value)?;
        if let Some(state) = &state {
            // What a command could write there, the next harness would believe.
            let dir = state.canonical();
            if let Some(root) = survey.roots.iter().find(|r| dir.starts_with(&r.path)) {
                return Err(Error::StateInRoot {
                    state: dir,
                    root: root.path.clone(),
                });
            }
        }
        let full = policy.mode.value == Mode::FullAccess;
        let layered = if full {
            caches::Layers::default()
        } else {
            caches::layers(
                &policy,
                &workspace,
                (&program, &argv),
                &environment,
                home.as_deref(),
                state.as_ref(),
                Purpose::Look,
            )?
        };
        survey.site.caches = layered.overlays;
        survey.site.kept = layered.kept;
        survey.site.shared = layered.shared;
        survey.site.doubts.extend(layered.doubts);
        let plan = if full {
            let _accepted = refused::without_ring(&policy)?;
            None
        } else {
            let planned = plan(&policy, &survey.site, &facts)?;
            adapt::adapt(
                &mut environment,
                planned.mode,
                policy.network.mode.value,
                Path::new("/tmp"),
                &cwd,
            );
            Some(planned)
        };
        let mut tracer = traced.and_then(|request| request.trace);
        let mut untraced = None;
        if let Some(program) = &tracer {
            let ground = Ground {
                policy: &policy,
                plan: plan.as_ref(),
                site: &survey.site,
                derived: &survey.derived,
                home: home.as_deref(),
            };
            let answer = explain(&ground, &place(program, Path::new("/")));
            if plan.is_none() {
                untraced = Some("there is no ring that would refuse it anything".to_owned());
                tracer = None;
            } else if answer.access == Access::Hidden {
                let program = crate::error::shown(program);
                untraced = Some(format!(
                    "{program} is not seen in the ring: {}",
                    answer.because
                ));
                tracer = None;
            }
        }
        Ok(Prepared {
            facts,
            plan,
            program,
            argv,
            environment,
            derived: survey.derived,
            pty,
            cwd: survey.site.cwd.clone(),
            roots: survey.roots,
            state,
            workspace,
            home,
            set: layered.set,
            walked: survey.walked,
            person: survey.person,
            noted: survey.noted,
            site: survey.site,
            locks: Vec::new(),
            policy,
            temp_own: None,
            rules,
            recorder,
            changes,
            answer,
            trace: tracer,
            untraced,
            granted: granted
                .iter()
                .map(|held| held.answer)
                .filter(|answer| *answer > 0)
                .collect(),
        })
    }
}

/// Whether the directory that a person was shown is the one where the command would start.
fn is_still(was: &Located, now: &Located) -> Result<(), Error> {
    if (was.device, was.inode) == (now.device, now.inode) {
        return Ok(());
    }
    Err(Error::AnotherDirectory {
        path: was.path.clone(),
    })
}

/// What was granted is what was surveyed: a name may lead elsewhere since a person was shown it.
fn still_stands(granted: &[Held], survey: &Survey, mode: Mode) -> Result<(), Error> {
    if mode == Mode::FullAccess {
        return Ok(());
    }
    let is_root = |is: &dyn Fn(&Located) -> bool| survey.site.roots.iter().any(|root| is(&root.at));
    for held in granted {
        let stands = match &held.what {
            What::Write(_) if mode == Mode::ReadOnly => true,
            // One that lies in another is not a root of its own; that one is surveyed as what it is.
            What::Write(object) => {
                let surveyed = is_root(&|at| object.is(at))
                    || is_root(&|at| object.path().starts_with(&at.path));
                surveyed && object.stands()
            }
            What::Socket(object) => {
                let mut sockets = survey.site.granted_sockets.iter();
                sockets.any(|at| object.is(at)) && object.stands()
            }
            What::Reveal(_) | What::Time(_) | What::Output(_) | What::Command(_) => true,
        };
        if !stands {
            return Err(Error::GrantMoved {
                what: held.shown(),
                number: held.number,
            });
        }
    }
    Ok(())
}

fn subject(argv: &[OsString], directory: &Path, stands: &Located) -> Subject {
    Subject {
        argv: argv.to_vec(),
        directory: directory.to_owned(),
        stands: (stands.device, stands.inode),
        env: Vec::new(),
        bare: false,
    }
}

/// What a request would come to, with nothing made for it.
///
/// # Errors
/// As [`prepare`].
pub fn preview(request: Request) -> Result<Preview, Error> {
    let mut prepared = prepare(request)?;
    prepared.set_variables();
    let subject = subject(&prepared.argv, &prepared.cwd.path, &prepared.cwd);
    Ok(Preview {
        verdict: prepared.rules.verdict(&subject),
        policy: prepared.policy,
        facts: prepared.facts,
        plan: prepared.plan,
        site: prepared.site,
        program: prepared.program,
        environment: prepared.environment,
        derived: prepared.derived,
    })
}

/// Does everything short of making the ring.
///
/// # Errors
/// Each [`Error`] that can be known before: nothing has been made then.
pub fn prepare(request: Request) -> Result<Prepared, Error> {
    begin(request)?.finish()
}

impl Prepared {
    /// Makes what the ring needs on disk, in Ringfence's own state: the index of
    /// repositories, and directories for what tools write to their caches.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let Some(planned) = &self.plan else {
            return Ok(());
        };
        let mode = planned.mode;
        if let Some(state) = &self.state {
            for (root, found) in self.walked.drain(..) {
                // An index that cannot be kept costs the next command a walk, no more.
                let _unkept = crate::site::index::save(state, &root, &found);
            }
        }
        let mut changed = false;
        if mode == RingMode::LandlockOnly {
            let own = OwnTemp::new()?;
            environment::temporary(&mut self.environment, &own.at.path);
            self.site.temp_own = Some(own.at.clone());
            self.temp_own = Some(own);
            changed = true;
        } else if let Some(state) = &self.state
            && !(self.site.caches.is_empty() && self.site.kept.is_empty())
        {
            let layered = caches::layers(
                &self.policy,
                &self.workspace,
                (&self.program, &self.argv),
                &self.environment,
                self.home.as_deref(),
                Some(state),
                Purpose::Run,
            )?;
            self.site.caches = layered.overlays;
            self.site.kept = layered.kept;
            self.locks = layered.locks;
            self.set = layered.set;
            changed = true;
        }
        self.set_variables();
        if changed {
            self.plan = Some(plan(&self.policy, &self.site, &self.facts)?);
        }
        Ok(())
    }

    /// Sets the variables by which tools find what stands in for their caches. Not
    /// before the last look for those caches, which heeds the same variables.
    fn set_variables(&mut self) {
        for (variable, value) in self.set.drain(..) {
            self.environment.set(variable, value);
        }
    }
}

/// A temporary directory of one ring, removed with it.
#[derive(Debug)]
pub(crate) struct OwnTemp {
    at: Located,
}

impl OwnTemp {
    fn new() -> Result<OwnTemp, Error> {
        let base = std::env::temp_dir();
        let fail = |path: &Path, error| Error::State {
            path: path.to_owned(),
            error,
        };
        let mut n = 0_u32;
        let path = loop {
            let path = base.join(format!("ringfence-{}-{n}", std::process::id()));
            use std::os::unix::fs::DirBuilderExt;
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && n < 1000 => n += 1,
                Err(error) => return Err(fail(&path, error)),
            }
        };
        let at = crate::locate::follow(&path)
            .map_err(|error| Error::System {
                what: "opening the ring's temporary directory",
                error,
            })?
            .at;
        Ok(OwnTemp { at })
    }
}

impl Drop for OwnTemp {
    fn drop(&mut self) {
        // What cannot be removed (a mount the user made in it) is left for them to see.
        let _left = std::fs::remove_dir_all(&self.at.path);
    }
}
