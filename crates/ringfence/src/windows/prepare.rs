//! From a request to a plan: everything that can be decided before anything is made.

use std::ffi::OsString;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};

use ringfence_ops::{Outcome, Shortfall};
use ringfence_plan::windows::{Facts, FileId, Plan, plan};
use ringfence_plan::{Refusal, promise};
use ringfence_policy::{Effective, Mode, Snapshot};
use ringfence_sys_windows::file::{self, access};

use super::program::{self, Program};
use super::record::Recorder;
use super::survey::{Asked, Stood, Survey, is_in, survey};
use super::{Request, convert, machine};
use crate::environment::{self, ChildEnvironment};
use crate::error::Error;
use crate::grants;
use crate::pty::PtyMode;
use crate::rules::{Let, Rules, Subject};
use crate::state::State;
use crate::{layers, sys, workspace};

/// A request whose policy is known, and nothing else yet.
#[derive(Debug)]
pub struct Begun {
    /// The policy in force.
    pub policy: Effective,
    /// What this machine is.
    pub facts: Facts,
    request: Request,
    environment: ChildEnvironment,
    program: Program,
    cwd: PathBuf,
    workspace: PathBuf,
    home: Option<PathBuf>,
    state: Option<State>,
    rules: Rules,
    /// The answers that made grants which it has.
    granted: Vec<u64>,
    pub(super) recorder: Recorder,
}

/// A command that is ready to be run.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) policy: Effective,
    pub(super) facts: Facts,
    /// None for `mode = "full-access"`.
    pub(super) plan: Option<Plan>,
    pub(super) program: Program,
    pub(super) argv: Vec<OsString>,
    pub(super) environment: ChildEnvironment,
    pub(super) pty: PtyMode,
    pub(super) cwd: PathBuf,
    pub(super) workspace: PathBuf,
    pub(super) state: Option<State>,
    /// The number of the ring.
    pub(super) number: u128,
    /// What is protected, and which object stood there.
    pub(super) stood: Vec<Stood>,
    /// The answer that lets the command.
    pub(super) answer: Option<u64>,
    pub(super) granted: Vec<u64>,
    /// What is known to be kept less than whole beside the plan.
    pub(super) noted: Vec<Shortfall>,
    /// What commands cannot write although it was asked for, and why.
    pub(super) left_out: Vec<String>,
}

impl Prepared {
    pub(super) fn ring_name(&self) -> Option<&'static str> {
        self.plan.as_ref().map(|_| "unelevated")
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        let plans = self.plan.iter().flat_map(|plan| &plan.roots);
        plans.map(|root| Path::new(&root.path))
    }

    pub(super) fn outcome(&self, more: Vec<Shortfall>) -> Outcome {
        let noted = self.noted.iter().cloned().chain(more).collect();
        match &self.plan {
            Some(plan) => plan.outcome(noted),
            None => Outcome {
                shortfalls: noted,
                ..Outcome::none()
            },
        }
    }

    /// Whether the user accepted to do without a promise.
    pub(super) fn accepts(&self, promise: &str) -> bool {
        ringfence_plan::accepts(&self.policy, promise)
    }
}

/// Reads the policies, finds the program, and looks at the machine. Nothing is made.
///
/// # Errors
/// Each [`Error`] of a policy, a program or the current directory.
pub fn begin(request: Request) -> Result<Begun, Error> {
    let cwd = match &request.directory {
        Some(directory) => std::path::absolute(directory).map_err(|_| Error::NoCwd)?,
        None => std::env::current_dir().map_err(|_| Error::NoCwd)?,
    };
    // Whether a directory on the way leads elsewhere is seen by the path as it is written.
    let written = cwd;
    let cwd = sys::canonical(&written).map_err(|_| Error::NoCwd)?;
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    let (workspace, policies) = match &request.workspace {
        Some(named) => {
            let named = written.join(named);
            // Not what its name says lies above, but what does.
            let real = sys::canonical(&named).unwrap_or_else(|_| named.clone());
            (named, real)
        }
        None => (workspace::around(&written, home.as_deref()), cwd.clone()),
    };
    let held = grants::holding(state.as_ref(), &workspace);
    let policy = layers::effective(
        request.flags.clone(),
        &policies,
        &cwd,
        home.as_deref(),
        state.as_ref(),
        &held.paths,
    )?;
    if let Some(first) = layers::unusable(&policy).into_iter().next() {
        return Err(first);
    }
    let environment = environment::filter(std::env::vars_os(), &policy.environment);
    let program = program::find(&request.argv, &environment, &cwd)?;
    let rules =
        Rules::of(&policy, request.starting_rules)?.with_granted(held.commands, state.as_ref());
    Ok(Begun {
        facts: machine::facts(home.as_deref())?,
        recorder: Recorder::new(&policy, state.as_ref(), &request),
        policy,
        environment,
        program,
        cwd,
        workspace,
        home,
        state,
        rules,
        granted: held
            .paths
            .iter()
            .map(|held| held.answer)
            .filter(|answer| *answer > 0)
            .collect(),
        request,
    })
}

impl Begun {
    /// Looks at the paths and plans. Nothing is made; none where the policy wants no ring.
    ///
    /// # Errors
    /// Each [`Error`] of a path, and the refusal of what cannot be enforced here.
    pub fn plan(&self) -> Result<Option<Plan>, Error> {
        Ok(self.planned()?.map(|(plan, _)| plan))
    }

    fn planned(&self) -> Result<Option<(Plan, Survey)>, Error> {
        if self.policy.mode.value == Mode::FullAccess {
            return Ok(None);
        }
        let survey = survey(&Asked {
            policy: &self.policy,
            workspace: &self.workspace,
            home: self.home.as_deref(),
        })?;
        Ok(Some((
            plan(&self.policy, &survey.site, &self.facts)?,
            survey,
        )))
    }

    /// Whether the rules let the command start.
    fn may_start(&self) -> Result<Option<u64>, Error> {
        let handle = file::open(&self.cwd, access::READ_ATTRIBUTES).map_err(|_| Error::NoCwd)?;
        // Not each file system has such numbers; where none has, an answer holds for the path.
        let id = convert::file_id(handle.as_handle()).unwrap_or(FileId { volume: 0, file: 0 });
        let (low, high) = (id.file & u128::from(u64::MAX), id.file >> 64);
        let half = |half: u128| u64::try_from(half).unwrap_or_default();
        let subject = Subject {
            argv: self.request.argv.clone(),
            directory: self.cwd.clone(),
            stands: (id.volume ^ half(high), half(low)),
            env: Vec::new(),
            bare: false,
        };
        match self.rules.may_start(&subject, None) {
            Ok(Let::Ring(answer)) => Ok(Some(answer).filter(|answer| *answer > 0)),
            Ok(Let::Free | Let::Once) => Ok(None),
            // There is no terminal to ask at yet that the command could not write into.
            Err(Error::Asks(question)) => Err(Error::Unasked {
                question,
                why: "nobody can be asked on Windows yet".to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// What it was asked to run, and where.
    pub(super) fn asked(&self) -> (Vec<OsString>, PathBuf) {
        (self.request.argv.clone(), self.cwd.clone())
    }

    /// Decides all that can be decided before anything is made.
    pub(super) fn finish(&self) -> Result<Prepared, Error> {
        let answer = self.may_start()?;
        let planned = self.planned()?;
        let mut noted = noted(&self.policy, planned.is_some())?;
        if let Some((plan, _)) = &planned {
            self.state_is_apart(plan)?;
            noted.extend(own_program(&self.policy, plan)?);
        }
        let (plan, survey) = planned.unzip();
        let (number, stood) = survey.map_or((0, Vec::new()), |s| (s.site.ring, s.stood));
        Ok(Prepared {
            noted,
            number,
            stood,
            plan,
            policy: self.policy.clone(),
            facts: self.facts.clone(),
            program: self.program.clone(),
            argv: self.request.argv.clone(),
            environment: self.environment.clone(),
            pty: self.request.pty,
            cwd: self.cwd.clone(),
            workspace: self.workspace.clone(),
            state: self.state.clone(),
            answer,
            granted: self.granted.clone(),
            left_out: Vec::new(),
        })
    }

    /// What a command could write there, the next harness would believe.
    fn state_is_apart(&self, plan: &Plan) -> Result<(), Error> {
        let state = self.state.as_ref().map(State::canonical);
        let config = sys::config(self.home.as_deref());
        let config = config.map(|config| sys::canonical(&config).unwrap_or(config));
        for own in state.into_iter().chain(config) {
            let own = sys::plain(own);
            let mut roots = plan.roots.iter().map(|root| PathBuf::from(&root.path));
            if let Some(root) = roots.find(|root| is_in(&own, root)) {
                return Err(Error::StateInRoot { state: own, root });
            }
        }
        Ok(())
    }
}

/// Ringfence itself in a write root: a command puts another in its place, or a library beside it, and that runs in no ring.
fn own_program(policy: &Effective, plan: &Plan) -> Result<Option<Shortfall>, Error> {
    let own = std::env::current_exe().and_then(|own| sys::canonical(&own));
    let mut roots = plan.roots.iter().map(|root| Path::new(&root.path));
    let what = match own {
        Err(error) => format!("where Ringfence itself lies cannot be told: {error}"),
        Ok(own) => match roots.find(|root| is_in(&own, root)) {
            None => return Ok(None),
            Some(root) => format!(
                "{} lies in the write root {}: commands can put another in its place, or a library beside it",
                own.display(),
                root.display()
            ),
        },
    };
    let short = Shortfall {
        promise: promise::PROTECT_OWN.to_owned(),
        what,
        remedy: "install Ringfence where commands do not write".to_owned(),
        accepted: ringfence_plan::accepts(policy, promise::PROTECT_OWN),
    };
    if short.accepted {
        return Ok(Some(short));
    }
    let lacking = vec![short];
    Err(Refusal { lacking }.into())
}

/// What is asked for and not there on Windows: refused where it was asked for, told where it is how things are by default.
fn noted(policy: &Effective, ring: bool) -> Result<Vec<Shortfall>, Error> {
    let mut all = Vec::new();
    if !ring {
        return crate::refused::without_ring(policy).map_err(Error::from);
    }
    let mut tell = |promise: &str, what: &str| {
        all.push(Shortfall {
            promise: promise.to_owned(),
            what: what.to_owned(),
            remedy: String::new(),
            accepted: ringfence_plan::accepts(policy, promise),
        });
    };
    tell(
        promise::CACHES,
        "what tools keep in their caches is read and not written on Windows yet",
    );
    if policy.snapshot.value == Snapshot::On {
        tell(
            promise::LEDGER,
            "what files held before the command is not kept on Windows yet",
        );
    }
    Ok(all)
}
