//! Running a prepared command to its end.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use ringfence_ledger::CommandEnded;
use ringfence_ops::linux::{Located, Op};
use ringfence_ops::{Availability, Shortfall};
use ringfence_plan::{Plan, RingMode};
use ringfence_policy::LinuxMode;
use ringfence_sys_linux::SysError;
use ringfence_sys_linux::signal::{self, Arrived, Signals};
use ringfence_sys_linux::terminal;
use ringfence_wire::{End, Failure, Note, Order, Report, Stage, decode, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::Error;
use crate::finished::{Ended, Finished};
use crate::late::Late;
use crate::launch::{
    self, Building, Launched, Waiting, can_be_written, hand_over, no_network, own_stdio,
};
use crate::look::{FIRST, Looks, look_now};
use crate::prepare::{Begun, Prepared};
use crate::relay::{Relay, Screen};
use crate::rules::Let;
use crate::site::{Made, index};
use crate::traced::{Noted, refusals};
use crate::unconfined;
use crate::unended::{Mark, Unended};

pub(crate) const SIGHUP: i32 = 1;
pub(crate) const SIGINT: i32 = 2;
pub(crate) const SIGQUIT: i32 = 3;
pub(crate) const SIGKILL: i32 = 9;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
pub(crate) const SIGTERM: i32 = 15;
pub(crate) const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;
const SIGTSTP: i32 = 20;
pub(crate) const SIGTTIN: i32 = 21;
pub(crate) const SIGTTOU: i32 = 22;
pub(crate) const SIGWINCH: i32 = 28;

/// So many refusals of a command are told and recorded, the latest: what comes after is what follows from them.
const REFUSALS_MAX: usize = 32;

/// After its time is up a command has this long to end by itself.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Makes the ring, runs the command in it, and waits until nothing of either is left.
///
/// The runner is started before the machine is looked at: it takes the kernel about as
/// long to start it as it takes the harness to plan.
///
/// # Errors
/// When the policy cannot be enforced here, the ring not be made, the program not be
/// executed, or the runner died.
pub fn run(mut begun: Begun) -> Result<Finished, Error> {
    if let Let::Ring(answer) = begun.may_start()? {
        begun.answer = Some(answer).filter(|answer| *answer > 0);
    }
    let refused = begun.refused();
    let recorder = begun.recorder.clone();
    let request = begun.traced.clone();
    // What only an offer needs costs nobody else.
    let ran = request.is_some().then(|| begun.ran());
    let program = begun.program.clone();
    let mut result = run_begun(begun);
    let traced = result
        .as_mut()
        .ok()
        .and_then(|finished| finished.traced.take());
    if let Some(errno) = traced.as_ref().and_then(|traced| traced.not_executed) {
        result = Err(not_executed(
            &program,
            std::io::Error::from_raw_os_error(errno),
        ));
    }
    if let (Some(request), Ok(finished), Some(traced)) = (request, &mut result, traced) {
        finished.refusals = refusals(&request, &traced, REFUSALS_MAX);
        finished.untraced = finished.untraced.take().or(traced.failed);
        recorder.refused_calls(&finished.refusals);
        finished.ran = ran;
    }
    match &result {
        Ok(finished) => {
            let changes = finished.changes.as_ref();
            recorder.all_ended(ended_so(finished), &finished.outcome, changes);
        }
        Err(error) => recorder.failed(error, refused),
    }
    let mut finished = result?;
    if let Some(less) = recorder.shortfall() {
        finished.outcome = finished.outcome.with(less);
    }
    // Also where this process exits right after: not every process 1 reaps what it is left, and in a
    // container nobody's runners would pile up.
    drop(finished.leaving.take());
    Ok(finished)
}

fn run_begun(mut begun: Begun) -> Result<Finished, Error> {
    let start = Instant::now();
    let ring_made = SystemTime::now();
    let Some(mode) = begun.likely_mode() else {
        return unconfined::run(&begun.finish()?, start);
    };
    let linux_mode = begun.policy.linux.mode.value;
    let early = std::mem::replace(&mut begun.early, launch::Early::none());
    let runner = begun.runner.clone();
    let waiting = early.take(mode, runner.clone(), &begun.policy, &begun.facts);
    // Until here a signal ends this process, as it would end any: what was started ends with
    // its socket. So it does again where the ring is not made.
    let mut prepared = match begun.finish() {
        Ok(prepared) => prepared,
        Err(error) => {
            if let Ok(waiting) = waiting {
                waiting.dismiss();
            }
            return Err(error);
        }
    };
    let signals = take_signals(&[SIGTSTP, SIGTTIN])?;
    let attempt = Attempt {
        signals: &signals,
        start,
        ring_made,
    };
    let first = waiting.and_then(|waiting| match prepared.settle() {
        Ok(()) => attempt.run(&prepared, waiting),
        Err(error) => {
            waiting.dismiss();
            Err(error)
        }
    });
    let mut result = match first {
        // Namespaces turned out not to be had: plan as if that had been known. The plan
        // for less refuses, unless the user has accepted what it cannot keep.
        Err(Error::Namespaces { error, remedy }) if linux_mode == LinuxMode::Auto => {
            let mut facts = prepared.facts.clone();
            facts.userns = Availability::No {
                why: error.to_string(),
                remedy,
            };
            prepared.replan(facts)?;
            prepared.settle()?;
            let mode = RingMode::LandlockOnly;
            let waiting = launch::start(mode, runner, &prepared.policy, &prepared.facts)?;
            attempt.run(&prepared, waiting)
        }
        other => other,
    };
    if matches!(&result, Err(error) if error.is_momentary()) {
        signals.give_back();
    }
    drop(prepared.temp_own.take());
    let locks = std::mem::take(&mut prepared.locks);
    if let Ok(finished) = &mut result
        && let Some(leaving) = &mut finished.leaving
    {
        leaving.hold(locks);
    }
    result
}

/// Reads from now on the signals that concern a command or its terminal.
pub(crate) fn take_signals(more: &[i32]) -> Result<Signals, Error> {
    let mut all = vec![
        SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGTTOU, SIGWINCH,
    ];
    all.extend(more);
    Signals::take(&all).map_err(|error| Error::System {
        what: "taking signals",
        error,
    })
}

/// Why a program that was found was not executed.
fn not_executed(program: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            name: crate::error::shown(program),
            hint: "it, or the interpreter its first line names, is not to be seen in the ring",
        },
        _ => Error::NotExecutable {
            path: program.to_owned(),
            why: error.to_string(),
        },
    }
}

/// What every try to run a command has in common.
struct Attempt<'a> {
    signals: &'a Signals,
    start: Instant,
    ring_made: SystemTime,
}

impl Attempt<'_> {
    fn run(&self, prepared: &Prepared, waiting: Waiting) -> Result<Finished, Error> {
        let Some(plan) = prepared.plan.as_ref().filter(|p| p.mode == waiting.mode) else {
            return Err(Error::Planned);
        };
        let building = Building::begin(waiting, plan)?;
        let mut screen = Screen::save();
        let (mut relay, report) = match streams(prepared) {
            Ok(streams) => streams,
            Err(error) => {
                building.end();
                return Err(error);
            }
        };
        let keys = terminal::has_foreground() && !relay.new_session;
        let (launched, before) =
            hand_over(building, prepared, plan, &relay, report.as_ref(), keys)?;
        screen.lend(&relay);
        let started = relay.start();
        let result = match started {
            Ok(()) => Supervisor {
                prepared,
                plan,
                launched: &launched,
                signals: self.signals,
                relay: &mut relay,
                ring_made: self.ring_made,
                keys: keys.then(Vec::new),
                asleep: false,
                notes: Vec::new(),
                taken_away: Vec::new(),
                shortfalls: Vec::new(),
                late: Late::default(),
                walk_takes: None,
                mark: None,
                unended: Unended::default(),
            }
            .watch(self.start),
            Err(error) => Err(Error::System {
                what: "carrying the command's output",
                error,
            }),
        };
        let result = match result {
            // Who tells a command to end wants no second ring made for it.
            Err(Error::Replaced { what, call, error }) if relay.is_told_to_end(self.signals) => {
                Err(Error::Build { what, call, error })
            }
            other => other,
        };
        let mut leaving = Some(launched.leave());
        if relay.carries_output() {
            // Its reader may take any time.
            drop(leaving.take());
        }
        let deadline = prepared.time().and_then(|l| self.start.checked_add(l));
        let mut finished = relay.deliver(result, deadline, self.signals)?;
        finished.elapsed = self.start.elapsed();
        // Nothing of it lives any more.
        if let Some(before) = before {
            let (changes, unkept) = before.changes(prepared.recorder.only_key());
            (finished.changes, finished.unkept) = (Some(changes), unkept);
        }
        finished.traced = report.map(Noted::read);
        finished.untraced.clone_from(&prepared.untraced);
        finished.leaving = leaving;
        Ok(finished)
    }
}

/// What carries the command's streams, and what its calls are noted in, where they are.
fn streams(prepared: &Prepared) -> Result<(Relay, Option<Noted>), Error> {
    let output_max = prepared.policy.limits.output.as_ref().map(|o| o.value);
    let relay =
        Relay::new(prepared.pty, own_stdio()?, output_max).map_err(|error| Error::System {
            what: "making the command's terminal",
            error,
        })?;
    if prepared.plan.is_some() {
        no_network(prepared.policy.network.mode.value, &relay.stdio())?;
    }
    can_be_written(&relay.stdio())?;
    let report = match &prepared.trace {
        Some(_) => Some(Noted::new().map_err(|error| Error::System {
            what: "making what the command's calls are written to",
            error: SysError::new("memfd_create", error.raw_os_error().unwrap_or(0)),
        })?),
        None => None,
    };
    Ok((relay, report))
}

struct Supervisor<'a> {
    prepared: &'a Prepared,
    plan: &'a Plan,
    launched: &'a Launched,
    signals: &'a Signals,
    relay: &'a mut Relay,
    ring_made: SystemTime,
    /// What was typed at the terminal while there was no command yet, for which it is meant.
    keys: Option<Vec<i32>>,
    /// The command is stopped for want of the terminal's foreground, and this process is not.
    asleep: bool,
    notes: Vec<Note>,
    taken_away: Vec<(PathBuf, Option<i32>)>,
    shortfalls: Vec<Shortfall>,
    /// What has been found since the ring was made.
    late: Late,
    /// How long a walk through the write roots takes.
    walk_takes: Option<Duration>,
    /// Says that this ring is not looked at yet, in a command of more than a moment.
    mark: Option<Mark>,
    /// Others that nobody has looked at.
    unended: Unended,
}

/// The least and the most time for the walk at the end.
const LAST_LOOK: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Why the command is being ended by us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Time,
    Output,
    Names,
}

impl Supervisor<'_> {
    fn watch(mut self, start: Instant) -> Result<Finished, Error> {
        let mut deadline = self.prepared.time().map(|limit| start + limit);
        let mut ending: Option<Ending> = None;
        // What has been done to end it: nothing, asked, killed.
        let mut steps_taken = 0_u8;
        let mut looks = Looks::new(&self.prepared.roots, start);
        let mut note_at = self.prepared.state.is_some().then(|| start + FIRST);
        loop {
            let now = Instant::now();
            if let Some(at) = deadline
                && now >= at
            {
                deadline = Some(now + GRACE);
                match steps_taken {
                    0 if ending.is_none() => {
                        ending = Some(Ending::Time);
                        self.signal(SIGTERM);
                        self.signal(SIGCONT);
                    }
                    // The runner ends what the command left, and looks for what it made
                    // under protected names.
                    0 | 1 => self.signal(SIGKILL),
                    // A runner that does not, in all that time: the kernel ends it, and all of
                    // its ring with it.
                    _ => {
                        let _gone = signal::send(self.launched.runner.pidfd.as_fd(), SIGKILL);
                        deadline = None;
                    }
                }
                steps_taken += 1;
            }
            if ending.is_none() && self.relay.too_much.load(Ordering::Relaxed) {
                ending = Some(Ending::Output);
            }
            if matches!(ending, Some(Ending::Output | Ending::Names)) && steps_taken == 0 {
                self.signal(SIGKILL);
                steps_taken = 2;
                deadline = Some(now + GRACE);
            }
            if let Some(state) = &self.prepared.state
                && note_at.take_if(|at| now >= *at).is_some()
            {
                self.mark = Mark::note(state, &self.prepared.roots, self.ring_made);
            }
            if let Some(found) = looks.take(now) {
                self.protect_new(&found);
                self.walk_takes = looks.last().map(|(_, took)| took);
            }
            let mut wake: Vec<Instant> = deadline.into_iter().collect();
            wake.extend(looks.wake(now));
            wake.extend(note_at);
            if self.prepared.policy.limits.output.is_some() {
                wake.push(now + Duration::from_millis(50));
            }
            if self.asleep {
                if terminal::has_foreground() {
                    self.asleep = false;
                    self.signal(SIGCONT);
                } else {
                    wake.push(now + Duration::from_millis(100));
                }
            }
            let ready = self.wait(wake.into_iter().min())?;
            if ready.signal {
                while let Some(arrived) = self.signals.next() {
                    self.arrived(arrived);
                }
            }
            if ready.report {
                match self.launched.socket.receive() {
                    Ok(Some(received)) => {
                        let report = decode::<Report>(&received.bytes).map_err(Error::Protocol)?;
                        if let Report::Insists { .. } = report {
                            ending = ending.or(Some(Ending::Names));
                            continue;
                        }
                        if let Some(finished) = self.report(report, ending)? {
                            return Ok(finished);
                        }
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        return Err(Error::System {
                            what: "hearing from the runner",
                            error,
                        });
                    }
                }
            }
            if ready.gone || ready.report {
                // Its socket is closed before the kernel has ended the last of its ring.
                let _gone = poll(
                    &mut [PollFd::from_borrowed_fd(
                        self.launched.runner.pidfd.as_fd(),
                        PollFlags::IN,
                    )],
                    None,
                );
                self.sweep();
                return match ending {
                    Some(ending) => Ok(self.finished(ended_by(ending), 0, 0)),
                    None => Err(Error::RunnerDied {
                        how: self.how_it_died(),
                        // Without a pid namespace only the command itself is tied to it.
                        left: self.left(),
                    }),
                };
            }
        }
    }

    /// What became of the command, and of what it made, when the runner died.
    fn left(&self) -> String {
        let mut left = match self.plan.mode {
            RingMode::Namespaces => "every process of the ring died with it",
            RingMode::LandlockOnly => {
                "the command died with it; what that had started may run on, \
                 confined as before: look for it with ps"
            }
        }
        .to_owned();
        let moved = self.taken_away.iter().filter(|(_, error)| error.is_none());
        let moved: Vec<String> = moved.map(|(path, _)| crate::error::shown(path)).collect();
        if !moved.is_empty() {
            left += &format!(
                "; made under protected names, and moved aside: {}",
                moved.join(", ")
            );
        }
        left
    }

    fn wait(&self, until: Option<Instant>) -> Result<Ready, Error> {
        // poll(2) looks at them in this order: a runner that is seen to be gone has said its
        // last word before the socket is looked at.
        let mut fds = [
            PollFd::from_borrowed_fd(self.launched.runner.pidfd.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.launched.socket.fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.fd(), PollFlags::IN),
        ];
        let timeout = until.map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => {
                return Err(Error::System {
                    what: "waiting for the command",
                    error: SysError::new("poll", e.raw_os_error()),
                });
            }
        }
        let ready = |i: usize| !fds[i].revents().is_empty();
        Ok(Ready {
            report: ready(1),
            signal: ready(2),
            // What it said before it died is read first.
            gone: ready(0) && !ready(1),
        })
    }

    fn order(&self, order: &Order) {
        // A runner that is gone is noticed by the loop, with its last words.
        let _gone = self.launched.socket.send(&encode(order), &[]);
    }

    fn signal(&self, signal: i32) {
        self.order(&Order::Signal {
            id: 1,
            signal,
            all: false,
        });
    }

    fn arrived(&mut self, arrived: Arrived) {
        if let (Some(keys), false) = (&mut self.keys, arrived.sent)
            && [SIGINT, SIGQUIT, SIGTSTP].contains(&arrived.signal)
        {
            keys.push(arrived.signal);
        }
        if let Some(signal) = self.relay.passes_on(arrived) {
            self.signal(signal);
        }
    }

    fn report(
        &mut self,
        report: Report,
        ending: Option<Ending>,
    ) -> Result<Option<Finished>, Error> {
        match report {
            Report::Built { notes } => self.notes = notes,
            Report::Started { .. } => {
                for key in self.keys.take().unwrap_or_default() {
                    self.signal(key);
                }
                self.relay.start_input().map_err(|error| Error::System {
                    what: "carrying the command's input",
                    error,
                })?;
            }
            // Nobody asked.
            Report::Insists { .. } | Report::Listed { .. } | Report::Widened => {}
            Report::Stopped { signal, .. } => {
                // Not before the command has: what reads the terminal until it is stopped
                // would take what is typed to the shell that saw us stop.
                let unlimited = self.prepared.time().is_none();
                let stops = match signal {
                    // A limit of ours would stop with us: only where a shell has us in the foreground, to take us up again.
                    SIGTSTP | SIGTTIN | SIGTTOU => unlimited || terminal::has_foreground(),
                    // Sent to the command alone.
                    SIGSTOP => unlimited && terminal::has_foreground(),
                    _ => false,
                };
                // A shell that takes us for running continues nobody when it gives us the foreground.
                self.asleep = !stops && [SIGTSTP, SIGTTIN, SIGTTOU].contains(&signal);
                if stops {
                    // Where it fails we go on beside a stopped command, which is no harm.
                    let _stopped = signal::stop_by(signal);
                    self.signal(SIGCONT);
                }
            }
            Report::StdinAsIs { errno } => {
                let error = std::io::Error::from_raw_os_error(errno);
                self.shortfalls.push(Shortfall {
                    promise: ringfence_plan::promise::WRITE_METADATA.to_owned(),
                    what: format!(
                        "stdin's file cannot be seen in the ring ({error}): through its \
                         descriptor the command can change its mode, times and attributes"
                    ),
                    remedy: "hand it over through a pipe: cat FILE | ringfence run ...".to_owned(),
                    accepted: false,
                });
            }
            Report::Unwatched { call, errno } => {
                let error = std::io::Error::from_raw_os_error(errno);
                self.shortfalls.push(Shortfall {
                    promise: ringfence_plan::promise::PROTECT_MISSING.to_owned(),
                    what: format!(
                        "protected names that do not exist are looked at only when the command \
                         ends: {call}: {error}"
                    ),
                    remedy: "raise fs.inotify.max_user_instances and fs.inotify.max_user_watches"
                        .to_owned(),
                    accepted: false,
                });
            }
            Report::TakenAway { path, errno } => {
                self.prepared.recorder.taken_away(&path, errno);
                self.taken_away.push((path, errno));
            }
            Report::Failed {
                id: None,
                failure:
                    Failure {
                        stage: Stage::Protect,
                        call,
                        errno,
                        ..
                    },
            } => {
                self.late_protection_failed(&call, errno);
            }
            Report::Failed { failure, .. } if failure.stage == Stage::Namespaces => {
                return Err(launch::no_namespaces(&failure));
            }
            Report::Failed { id, failure } => return Err(self.failed(id, &failure)),
            Report::Ended {
                end,
                max_rss_kib,
                cpu_us,
                ..
            } => {
                // A command that printed too much may have ended by the closed pipe before
                // it could be ended by us.
                let ending = ending.or_else(|| {
                    let too_much = self.relay.too_much.load(Ordering::Relaxed);
                    too_much.then_some(Ending::Output)
                });
                let ended = match (ending, end) {
                    (Some(ending), _) => ended_by(ending),
                    (None, End::Exited(status)) => Ended::Exited(status),
                    (None, End::Signalled(signal)) => Ended::Signalled(signal),
                };
                return Ok(Some(self.finished(ended, max_rss_kib, cpu_us)));
            }
        }
        Ok(None)
    }

    fn finished(&mut self, ended: Ended, max_rss_kib: u64, cpu_us: u64) -> Finished {
        let mut noted = launch::shortfalls(self.plan, &self.notes, |promise| {
            self.prepared.accepts(promise)
        });
        if let Some(what) = not_taken_away(&self.taken_away) {
            noted.push(self.shortfall(ringfence_plan::promise::PROTECT_MISSING, what));
        }
        noted.append(&mut self.shortfalls);
        self.look_at_the_end();
        let made = self.made();
        self.prepared.recorder.planted(&made);
        self.unended.told();
        if let Some(mark) = self.mark.take() {
            mark.ended();
        }
        noted.extend(made.iter().map(|made| Shortfall {
            promise: ringfence_plan::promise::PROTECT_GIT.to_owned(),
            what: made.to_string(),
            remedy: "look at it before you use git in it or around it, or remove it".to_owned(),
            accepted: self.prepared.accepts(ringfence_plan::promise::PROTECT_GIT),
        }));
        Finished {
            ended,
            mode: Some(self.plan.mode),
            outcome: self.plan.outcome(noted),
            taken_away: std::mem::take(&mut self.taken_away),
            changes: None,
            refusals: Vec::new(),
            untraced: None,
            unkept: None,
            traced: None,
            leaving: None,
            ran: None,
            made,
            max_rss_kib,
            cpu_us,
            elapsed: Duration::ZERO,
        }
    }

    /// A promise that turned out to be kept less than whole.
    fn shortfall(&self, promise: &str, what: String) -> Shortfall {
        Shortfall {
            promise: promise.to_owned(),
            what,
            remedy: String::new(),
            accepted: self.prepared.accepts(promise),
        }
    }

    /// What a command of more than a moment made last no walk alongside has seen: once more, for a tenth of the time
    /// that it took.
    fn look_at_the_end(&mut self) {
        let took = self.ring_made.elapsed().unwrap_or_default();
        let most = (took / 10).clamp(LAST_LOOK[0], LAST_LOOK[1]);
        if took < FIRST || self.walk_takes.is_some_and(|walk| walk > most) {
            return;
        }
        if let Some(found) = look_now(&self.prepared.roots, most) {
            self.late.know(&found, self.prepared.state.as_ref());
        }
    }

    /// Looks at the repositories the command made.
    fn made(&mut self) -> Vec<Made> {
        let roots = &self.prepared.roots;
        if let Some(state) = &self.prepared.state {
            self.unended = Unended::of(state, roots);
        }
        let since = self.unended.since(self.ring_made);
        let looks_back = since < self.ring_made;
        self.prepared
            .made(roots, &self.late.found, since, looks_back)
    }

    fn failed(&self, id: Option<u32>, failure: &Failure) -> Error {
        let error = std::io::Error::from_raw_os_error(failure.errno);
        if failure.stage == Stage::Exec {
            return not_executed(&self.prepared.program, error);
        }
        if (failure.stage, id.is_some()) == (Stage::Cwd, true) {
            return Error::Build {
                what: format!("entering {}", self.prepared.cwd.path.display()),
                call: failure.call.clone(),
                error,
            };
        }
        launch::not_built(self.plan, failure)
    }

    fn how_it_died(&self) -> String {
        let status = rustix::process::waitid(
            rustix::process::WaitId::PidFd(self.launched.runner.pidfd.as_fd()),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        );
        match status {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (_, Some(signal)) => format!("signal {signal}"),
                _ => "no status".to_owned(),
            },
            _ => "no status".to_owned(),
        }
    }

    /// Takes away, for a runner that died, what appeared under protected names.
    fn sweep(&mut self) {
        let names = self.plan.steps.iter().filter_map(|step| match &step.op {
            Op::Watch { dir, names } => Some((dir, &names[..])),
            _ => None,
        });
        let taken = ringfence_runner::take_away(names);
        for taken in taken {
            self.prepared.recorder.taken_away(&taken.path, taken.errno);
            self.taken_away.push((taken.path, taken.errno));
        }
    }

    /// Protects repositories that were found while the command runs.
    fn protect_new(&mut self, found: &[(Located, index::Walked)]) {
        let prepared = self.prepared;
        let orders = self.late.orders(
            found,
            prepared.state.as_ref(),
            &prepared.site,
            self.ring_made,
        );
        for order in orders {
            self.order(&order);
        }
    }

    fn late_protection_failed(&mut self, call: &str, errno: i32) {
        let error = std::io::Error::from_raw_os_error(errno);
        self.shortfalls.push(Shortfall {
            promise: ringfence_plan::promise::PROTECT_GIT.to_owned(),
            what: format!("a repository found while the command ran: {call}: {error}"),
            remedy: String::new(),
            accepted: false,
        });
    }
}

/// What appeared under protected names and stayed there, in words.
fn not_taken_away(appeared: &[(PathBuf, Option<i32>)]) -> Option<String> {
    let left: Vec<String> = appeared
        .iter()
        .filter_map(|(path, errno)| {
            let error = std::io::Error::from_raw_os_error((*errno)?);
            Some(format!("{} ({error})", crate::error::shown(path)))
        })
        .collect();
    (!left.is_empty()).then(|| {
        format!(
            "what appeared under a protected name could not be taken away: {}",
            left.join(" ")
        )
    })
}

/// How it ended, as it is recorded.
fn ended_so(finished: &Finished) -> CommandEnded {
    let (how, value) = finished.ended.named();
    CommandEnded {
        how: how.to_owned(),
        value,
        cpu_us: finished.cpu_us,
        max_rss_kib: finished.max_rss_kib,
        ..CommandEnded::default()
    }
}

fn ended_by(ending: Ending) -> Ended {
    match ending {
        Ending::Time => Ended::TimedOut,
        Ending::Output => Ended::TooMuchOutput,
        Ending::Names => Ended::Insisted,
    }
}

struct Ready {
    report: bool,
    signal: bool,
    gone: bool,
}

#[cfg(test)]
mod tests {
    use super::not_taken_away;

    #[test]
    fn only_what_stayed_is_less_than_was_promised() {
        let gone = ("/w/.envrc".into(), None);
        assert_eq!(not_taken_away(std::slice::from_ref(&gone)), None);
        assert_eq!(
            not_taken_away(&[gone, ("/w/.claude".into(), Some(24))]).as_deref(),
            Some(
                "what appeared under a protected name could not be taken away: /w/.claude (Too \
                 many open files (os error 24))"
            )
        );
    }
}
