//! Running a prepared command to its end.

use std::os::windows::io::AsHandle;
use std::path::Path;
use std::time::{Duration, Instant};

use ringfence_ops::Shortfall;
use ringfence_plan::promise;
use ringfence_plan::windows::Plan;
use ringfence_runner::windows::{BuildError, Command, Hold, Ring, Running, Spec, harden};
use ringfence_sys_windows::console::{Signal, Signals, signals};
use ringfence_sys_windows::counters::counters;
use ringfence_sys_windows::error::SysError;
use ringfence_sys_windows::process::Environment;
use ringfence_sys_windows::wait::{self, Waited};

use super::console::{Lent, Stream, own, own_size};
use super::grant::Control;
use super::prepare::{Begun, Prepared};
use super::relay::{Carried, Relay};
use super::temp::Temp;
use super::{Done, Ended, Finished, Taken, advice, convert, grant, hold, not_started, sweep};
use crate::error::Error;
use crate::sys;

/// After its time is up a command has this long to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// So often the size of the caller's window is looked at: Windows tells it only to who reads keys as records.
const LOOK: Duration = Duration::from_millis(250);
/// `STATUS_CONTROL_C_EXIT`: as a program ends that does not take Ctrl-C.
const CONTROL_C_EXIT: u32 = 0xc000_013a;
/// What a command leaves behind ends so.
const LEFT_BEHIND: u32 = 1;

fn system(what: &'static str) -> impl Fn(SysError) -> Error {
    move |error| Error::System {
        what,
        error: sys::from_windows(error),
    }
}

/// Makes the ring, runs the command in it, and waits until nothing of either is left.
///
/// # Errors
/// When the policy cannot be enforced here, the ring not be made, or the program not be started.
pub fn run(begun: Begun) -> Result<Finished, Error> {
    run_watched(begun, &())
}

/// As [`run`], with somebody who is told how far the first walk through a write root is.
///
/// # Errors
/// As [`run`].
pub fn run_watched(mut begun: Begun, control: &dyn Control) -> Result<Finished, Error> {
    let start = Instant::now();
    let (argv, cwd) = begun.asked();
    let mut finished = match recorded(&mut begun, control) {
        Ok(finished) => finished,
        Err(error) => {
            begun.recorder.failed(&argv, &cwd, &error);
            return Err(error);
        }
    };
    finished.elapsed = start.elapsed();
    begun.recorder.ended(&finished);
    if let Some(less) = begun.recorder.shortfall() {
        finished.outcome = finished.outcome.with(less);
    }
    Ok(finished)
}

/// Nothing is started that is not recorded.
fn recorded(begun: &mut Begun, control: &dyn Control) -> Result<Finished, Error> {
    let before = counters();
    let mut prepared = begun.finish()?;
    grant::ready(&mut prepared, control)?;
    let granted = counters();
    let outcome = prepared.outcome(Vec::new());
    begun.recorder.starts(&prepared, &outcome)?;
    if prepared.plan.is_some() {
        harden().map_err(not_built)?;
    }
    // That this process is kept from its commands goes with it.
    let hardened = counters();
    let mut finished = one(&prepared)?;
    let after = counters();
    let lasting = granted.descriptor_writes - before.descriptor_writes;
    finished.done = Done {
        descriptors: lasting + after.descriptor_writes - hardened.descriptor_writes,
        processes: after.process_starts - before.process_starts,
    };
    Ok(finished)
}

/// What of a ring this machine was found to do.
fn wanted(prepared: &Prepared) -> Hold {
    let facts = &prepared.facts;
    if prepared.plan.is_none() {
        return Hold {
            ends: facts.jobs.is_yes(),
            ..Hold::NONE
        };
    }
    Hold {
        token: facts.restricted_tokens.is_yes(),
        ends: facts.jobs.is_yes(),
        limits: facts.job_limits.is_yes(),
        desktop: facts.desktop.is_yes(),
    }
}

fn spec(prepared: &Prepared) -> Result<Spec, Error> {
    let making = system("making the ring");
    let planned = |plan: &Plan| -> Result<Spec, SysError> {
        Ok(Spec {
            restrict: plan
                .token
                .restrict
                .iter()
                .map(convert::sys_sid)
                .collect::<Result<_, _>>()?,
            default_dacl: Some(convert::sys_acl(&plan.default_dacl)?),
            processes: Some(plan.job.processes),
            memory: plan.job.memory,
            hold: wanted(prepared),
        })
    };
    match &prepared.plan {
        Some(plan) => planned(plan).map_err(making),
        None => Ok(Spec {
            hold: wanted(prepared),
            ..Spec::free()
        }),
    }
}

fn not_built(error: BuildError) -> Error {
    match error {
        BuildError::Call { what, error } => Error::System {
            what,
            error: sys::from_windows(error),
        },
        BuildError::NotDone(what) => Error::Build {
            what: what.to_string(),
            call: "read back".to_owned(),
            error: std::io::ErrorKind::Unsupported.into(),
        },
    }
}

/// One command in its ring.
fn one(prepared: &Prepared) -> Result<Finished, Error> {
    let ring = Ring::build(&spec(prepared)?).map_err(not_built)?;
    let (_kept, unheld) = match prepared.plan {
        Some(_) => hold::held(prepared),
        None => (Vec::new(), None),
    };
    let temp = match &prepared.plan {
        Some(plan) => Some(Temp::make(
            prepared.number,
            prepared.facts.user.user,
            plan.ring,
        )?),
        None => None,
    };
    let mut environment = prepared.environment.clone();
    advice::adapt(
        &mut environment,
        prepared.ring_name(),
        prepared.policy.network.mode.value,
        temp.as_ref().map(Temp::path),
    );
    let environment = Environment::of(environment.variables)
        .map_err(system("making the command's environment"))?;
    let signals = signals().map_err(system("taking the console's signals"))?;
    let streams = own()?;
    let most = prepared
        .policy
        .limits
        .output
        .as_ref()
        .map(|most| most.value);
    let mut relay =
        Relay::new(prepared.pty, &streams, most).map_err(system("making the command's console"))?;
    let running = started(prepared, &ring, &relay, &environment)?;
    let lent = relay.is_terminal().then(|| Lent::of(&streams));
    let carried = relay.start().map_err(|error| Error::System {
        what: "carrying the command's output",
        error,
    });
    // What was granted before, once for a workspace, is not the command's time.
    let limit = prepared.policy.limits.time.as_ref();
    let deadline = limit.and_then(|time| Instant::now().checked_add(time.value));
    let watched = carried.and_then(|()| {
        Watch {
            ring: &ring,
            running: &running,
            signals: &signals,
            streams: &streams,
        }
        .to_the_end(&mut relay, deadline)
    });
    // Whatever became of it: nothing of the ring lives on.
    ring.end(LEFT_BEHIND)
        .map_err(system("ending what the command left"))?;
    let ended = watched?;
    let too_much = relay.was_too_much();
    let carried = relay.finish(deadline.map(|at| at + GRACE), &signals);
    drop(lent);
    let ended = match (ended, carried) {
        (Ended::Exited(_), _) if too_much => Ended::TooMuchOutput,
        (Ended::Exited(_), Carried::TimeUp) => Ended::TimedOut,
        // Who reads it did not take it all, and was told to go.
        (Ended::Exited(_), Carried::Signalled) => Ended::Exited(CONTROL_C_EXIT),
        (ended, _) => ended,
    };
    let (taken_away, mut less) = swept(prepared);
    less.extend(unheld);
    Ok(Finished {
        ended,
        ring: prepared.ring_name(),
        outcome: prepared.outcome(less),
        taken_away,
        left_out: prepared.left_out.clone(),
        cpu_us: ring.cpu_us().unwrap_or_default(),
        elapsed: Duration::ZERO,
        done: Done {
            descriptors: 0,
            processes: 0,
        },
    })
}

fn started(
    prepared: &Prepared,
    ring: &Ring,
    relay: &Relay,
    environment: &Environment,
) -> Result<Running, Error> {
    let Some(console) = relay.console() else {
        return Err(Error::Planned);
    };
    let command = Command {
        program: &prepared.program.path,
        line: &prepared.program.line,
        environment,
        directory: &prepared.cwd,
        stdio: relay.stdio(),
        console,
    };
    ring.start(&command)
        .map_err(|error| not_started::error(&prepared.program.path, error))
}

/// Protected names that came to be, and protected objects that are others now; with what of that is a promise not kept.
fn swept(prepared: &Prepared) -> (Vec<Taken>, Vec<Shortfall>) {
    let roots = prepared.plan.iter().flat_map(|plan| &plan.roots);
    let made = roots.flat_map(|root| sweep::sweep(Path::new(&root.path), &root.missing));
    let made = made.map(|taken| (promise::PROTECT_MISSING, taken));
    let all: Vec<_> = made.chain(sweep::replaced(&prepared.stood)).collect();
    let less = all.iter().filter_map(|(promise, (path, why))| {
        Some(Shortfall {
            promise: (*promise).to_owned(),
            what: format!("{}: {}", path.display(), why.as_ref()?),
            remedy: "look at it before you use it".to_owned(),
            accepted: prepared.accepts(promise),
        })
    });
    let less = less.collect();
    (all.into_iter().map(|(_, taken)| taken).collect(), less)
}

/// What is waited for while a command runs.
struct Watch<'a> {
    ring: &'a Ring,
    running: &'a Running,
    signals: &'a Signals,
    streams: &'a [Option<Stream>; 3],
}

impl Watch<'_> {
    fn to_the_end(&self, relay: &mut Relay, deadline: Option<Instant>) -> Result<Ended, Error> {
        let mut deadline = deadline;
        let mut ending = None;
        let mut told = 0_u32;
        loop {
            let now = Instant::now();
            if let Some(at) = deadline
                && now >= at
            {
                if ending.is_none() {
                    ending = Some(Ended::TimedOut);
                    relay.interrupt();
                    deadline = Some(now + GRACE);
                } else {
                    self.end(CONTROL_C_EXIT)?;
                    deadline = None;
                }
            }
            match self.wait(relay, deadline)? {
                Waited::Signalled(0) => break,
                Waited::Signalled(1) => self.told(relay, &mut told)?,
                Waited::Signalled(_) => {
                    ending = ending.or(Some(Ended::TooMuchOutput));
                    self.end(LEFT_BEHIND)?;
                }
                Waited::TimedOut | Waited::Abandoned(_) => relay.resize(own_size(self.streams)),
            }
        }
        let code = self
            .running
            .wait(None)
            .map_err(system("asking how the command ended"))?;
        Ok(ending.unwrap_or(Ended::Exited(code.unwrap_or_default())))
    }

    fn wait(&self, relay: &Relay, deadline: Option<Instant>) -> Result<Waited, Error> {
        let until = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let look = relay.is_terminal().then_some(LOOK);
        let patience = [until, look].into_iter().flatten().min();
        let on = [
            self.running.as_handle(),
            self.signals.as_handle(),
            relay.too_much().as_handle(),
        ];
        wait::any(&on, patience).map_err(system("waiting for the command"))
    }

    /// What the caller's console says goes to the command; who says it again means it.
    fn told(&self, relay: &Relay, told: &mut u32) -> Result<(), Error> {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::CtrlC if *told == 0 => {
                    *told += 1;
                    relay.interrupt();
                }
                Signal::CtrlC
                | Signal::Break
                | Signal::Close
                | Signal::Logoff
                | Signal::Shutdown => self.end(CONTROL_C_EXIT)?,
            }
        }
        Ok(())
    }

    fn end(&self, code: u32) -> Result<(), Error> {
        self.ring.end(code).map_err(system("ending the command"))
    }
}
