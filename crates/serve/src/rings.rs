//! The rings and commands of one server. Whoever speaks a protocol (JSON-RPC, MCP) asks here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ringfence::ask::Answer;
use ringfence::ring::{Grant, Planned};
use ringfence::rules::Question;
use ringfence::tokio::Ring;
use ringfence::{By, Error, Request};
use ringfence_policy::{Flags, Problem, parse_duration, parse_size};
use tokio::sync::watch;

use crate::command::Running;
use crate::fault::{Fault, shortfalls};
use crate::noticed::{Noticed, repository};
use crate::protocol::{
    Approval, CommandListed, ENDED_BYTES_MAX, ENDED_MAX, Lasts, OpenRing, Policy, RequestGrant,
    RingListed, RingOpened, RingOutcome, StartCommand,
};

/// A ring that is kept, and in which nothing runs, is closed after this.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Entries of one list of a policy. It is planned by each of them.
const LIST_MAX: usize = 4096;
/// Words of a command, and variables that are set for it: more no program is started with.
pub(crate) const WORDS_MAX: usize = 100_000;

/// Questions that may wait for their answers, and how long a command may be that is asked about, in bytes.
const QUESTIONS_MAX: usize = 64;
const QUESTION_MAX: usize = 16 * 1024;

/// All that one server holds.
#[derive(Debug, Default)]
pub struct Rings {
    rings: Mutex<BTreeMap<u64, Arc<Open>>>,
    commands: Mutex<BTreeMap<u64, Arc<Running>>>,
    last: AtomicU64,
    questions: Mutex<BTreeMap<u64, (u64, Question)>>,
    /// The runner's binary; where it is not named, the one beside this program's.
    runner: Option<PathBuf>,
}

/// A ring that is open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) number: u64,
    pub(crate) ring: Ring,
    client: Option<String>,
    opened: Instant,
    pub(crate) keep: bool,
    /// When something was last begun or ended in it.
    used: Mutex<Instant>,
    /// Set when it is closed on purpose.
    closed: watch::Sender<bool>,
    pub(crate) noticed: Noticed,
}

impl Open {
    fn directory(&self) -> String {
        self.ring.directory().to_string_lossy().into_owned()
    }

    pub(crate) fn touch(&self) {
        *lock(&self.used) = Instant::now();
    }
}

/// A path as people and models write it: `~` is the home, since no shell has seen it yet, and another's home is none, as in a
/// policy. A file of that name is `./~`.
pub(crate) fn path_of(text: &str) -> Result<PathBuf, Fault> {
    let refused = |problem: Problem| Err(Fault::Params(problem.to_string()));
    let Some(rest) = text.strip_prefix('~') else {
        return Ok(text.into());
    };
    if !rest.is_empty() && !rest.starts_with('/') {
        return refused(Problem::OtherHome(text.to_owned()));
    }
    match ringfence::layers::home() {
        Some(home) if rest.is_empty() => Ok(home),
        Some(home) => Ok(home.join(rest.trim_start_matches('/'))),
        None => refused(Problem::NoHome(text.to_owned())),
    }
}

/// The one thing that is asked for.
pub(crate) fn one_grant(
    write: Option<String>,
    reveal: Option<String>,
    socket: Option<String>,
) -> Result<Grant, Fault> {
    match (write, reveal, socket) {
        (Some(path), None, None) => Ok(Grant::Write(path_of(&path)?)),
        (None, Some(name), None) => Ok(Grant::Reveal(name)),
        (None, None, Some(path)) => Ok(Grant::Socket(path_of(&path)?)),
        _ => Err(Fault::Params(
            "one of `write`, `reveal` and `socket`".to_owned(),
        )),
    }
}

pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rings {
    /// None yet; their runner is this one, or the one beside this program.
    #[must_use]
    pub fn new(runner: Option<PathBuf>) -> Arc<Rings> {
        Arc::new(Rings {
            runner,
            ..Rings::default()
        })
    }

    fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn ring(&self, number: u64) -> Result<Arc<Open>, Fault> {
        let found = lock(&self.rings).get(&number).cloned();
        found.ok_or(Fault::Ring(number))
    }

    pub(crate) fn command(&self, number: u64) -> Result<Arc<Running>, Fault> {
        let found = lock(&self.commands).get(&number).cloned();
        found.ok_or(Fault::Command(number))
    }

    /// Makes a ring.
    pub(crate) async fn open(
        self: &Arc<Rings>,
        asked: OpenRing,
        client: Option<String>,
    ) -> Result<(Arc<Open>, RingOpened), Fault> {
        let OpenRing {
            workspace,
            directory,
            policy,
            keep,
            idle_ms,
            starting_rules,
        } = asked;
        let idle = idle_ms.map(Duration::from_millis);
        let request = Request {
            starting_rules: starting_rules.unwrap_or(true),
            by: By {
                what: Some("serve".to_owned()),
                client: client.clone(),
            },
            ..self.request(workspace, directory, policy)?
        };
        self.open_by(request, client, keep, idle).await
    }

    /// The same, of what the library is asked for.
    pub(crate) async fn open_by(
        self: &Arc<Rings>,
        request: Request,
        client: Option<String>,
        keep: bool,
        idle: Option<Duration>,
    ) -> Result<(Arc<Open>, RingOpened), Fault> {
        let idle = idle.or(keep.then_some(IDLE));
        let ring = Ring::open(request).await?;
        let outcome = ring.outcome().await?;
        let open = Arc::new(Open {
            number: self.number(),
            ring,
            client,
            opened: Instant::now(),
            keep,
            used: Mutex::new(Instant::now()),
            closed: watch::Sender::new(false),
            noticed: Noticed::default(),
        });
        let opened = RingOpened {
            ring: open.number,
            directory: open.directory(),
            enforcement: outcome.enforcement.to_string(),
            shortfalls: shortfalls(&outcome.shortfalls),
        };
        lock(&self.rings).insert(open.number, Arc::clone(&open));
        tokio::spawn(look_after(Arc::clone(self), Arc::clone(&open), idle));
        Ok((open, opened))
    }

    /// What is asked of the library.
    pub(crate) fn request(
        &self,
        workspace: Option<String>,
        directory: Option<String>,
        policy: Option<Policy>,
    ) -> Result<Request, Fault> {
        let path = |text: Option<String>| text.map(|text| path_of(&text)).transpose();
        let workspace = path(workspace)?;
        let directory = path(directory)?.or_else(|| workspace.clone());
        for path in [&workspace, &directory].into_iter().flatten() {
            if !path.is_absolute() {
                return Err(Fault::Params(format!(
                    "{}: workspace and directory are absolute paths",
                    path.display()
                )));
            }
        }
        Ok(Request {
            workspace,
            directory,
            flags: flags(policy.unwrap_or_default())?,
            runner: self.runner.clone(),
            starting_rules: true,
            ..Request::default()
        })
    }

    /// Ends a ring and all that runs in it.
    pub(crate) async fn close(&self, number: u64) -> Result<(), Fault> {
        let found = lock(&self.rings).remove(&number);
        let open = found.ok_or(Fault::Ring(number))?;
        open.closed.send_replace(true);
        open.ring.close().await;
        // Its commands stay known for a while: their ends may still be asked for.
        self.make_room();
        Ok(())
    }

    /// Ends all.
    pub async fn close_all(&self) {
        let all: Vec<u64> = lock(&self.rings).keys().copied().collect();
        for number in all {
            // One that has just ended by itself is none.
            let _gone = self.close(number).await;
        }
    }

    /// The rings there are.
    pub(crate) fn list(&self) -> Vec<RingListed> {
        let open: Vec<Arc<Open>> = lock(&self.rings).values().cloned().collect();
        open.iter()
            .map(|open| RingListed {
                ring: open.number,
                directory: open.directory(),
                client: open.client.clone(),
                age_ms: millis(open.opened),
                running: self.running(open.number) as u64,
            })
            .collect()
    }

    fn running(&self, ring: u64) -> usize {
        lock(&self.commands)
            .values()
            .filter(|command| command.ring == ring && command.ended().is_none())
            .count()
    }

    /// What a ring kept until now.
    pub(crate) async fn outcome(&self, number: u64) -> Result<RingOutcome, Fault> {
        let open = self.ring(number)?;
        let outcome = open.ring.outcome().await?;
        let made = open.ring.made().await?;
        Ok(RingOutcome {
            enforcement: outcome.enforcement.to_string(),
            shortfalls: shortfalls(&outcome.shortfalls),
            made: made.iter().map(repository).collect(),
            taken_away: open.taken_away(),
        })
    }

    /// Makes a ring wider.
    pub(crate) async fn grant(&self, asked: RequestGrant) -> Result<(), Fault> {
        let RequestGrant {
            ring,
            write,
            reveal,
            socket,
        } = asked;
        let grant = one_grant(write, reveal, socket)?;
        Ok(self.ring(ring)?.ring.grant(grant).await?)
    }

    /// Plans a grant, to be shown before it is made.
    pub(crate) async fn plan_grant(&self, ring: u64, grant: Grant) -> Result<Planned, Fault> {
        let open = self.ring(ring)?;
        Ok(open.ring.plan_grant(grant).await?)
    }

    /// What a person said to what was planned.
    pub(crate) fn grant_answered(
        &self,
        ring: u64,
        planned: &Planned,
        answer: Answer,
    ) -> Result<(), Fault> {
        Ok(self.ring(ring)?.ring.grant_answered(planned, answer)?)
    }

    /// Makes what was planned, of the ring it was planned for.
    pub(crate) async fn make(&self, ring: u64, planned: Planned) -> Result<(), Fault> {
        let open = self.ring(ring)?;
        Ok(open.ring.make(planned).await?)
    }

    /// Starts a command.
    pub(crate) async fn start(
        &self,
        asked: StartCommand,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Arc<Running>, Fault> {
        let open = self.ring(asked.ring)?;
        open.touch();
        let approved = match asked.approval {
            None => None,
            Some(Approval { question, lasts }) => {
                let question = self.answered(open.number, question)?;
                if lasts == Lasts::Ring {
                    open.ring.approve(&question)?;
                    None
                } else {
                    Some(question)
                }
            }
        };
        let started = Running::start(self.number(), &open, asked, approved, descriptors).await;
        let running = match started {
            Err(Fault::Ringfence(Error::Asks(question))) => {
                let number = self.ask(open.number, &question);
                return Err(Fault::Asks(number, question));
            }
            started => started?,
        };
        lock(&self.commands).insert(running.number, Arc::clone(&running));
        self.make_room();
        Ok(running)
    }

    /// Remembers a question; none where it is more than a person reads. The oldest of many is not answered any more.
    fn ask(&self, ring: u64, question: &Question) -> Option<u64> {
        let words = question.argv().iter().map(|word| word.len());
        let set = question.env().iter();
        let set =
            set.map(|(name, value)| name.len() + value.as_ref().map_or(0, |value| value.len()));
        if words.chain(set).sum::<usize>() > QUESTION_MAX {
            return None;
        }
        let number = self.number();
        let mut questions = lock(&self.questions);
        while questions.len() >= QUESTIONS_MAX {
            questions.pop_first();
        }
        questions.insert(number, (ring, question.clone()));
        Some(number)
    }

    /// A question was not answered with yes: what becomes of it is only for the ledger.
    pub(crate) fn declined(&self, question: u64, answer: Answer) {
        let asked = lock(&self.questions).remove(&question);
        if let Some((ring, question)) = asked
            && let Ok(open) = self.ring(ring)
        {
            // What cannot be recorded is told with the ring's outcome.
            let _told = open.ring.answered(&question, answer);
        }
    }

    /// The question that was answered, once.
    fn answered(&self, ring: u64, number: u64) -> Result<Question, Fault> {
        let mut questions = lock(&self.questions);
        let its = questions.get(&number).is_some_and(|(of, _)| *of == ring);
        let question = its.then(|| questions.remove(&number)).flatten();
        question.map(|(_, question)| question).ok_or_else(|| {
            Fault::Params(
                "approval.question: it was answered, or is of another ring, or too long ago; without it you are \
                 asked anew"
                    .to_owned(),
            )
        })
    }

    /// Lets go of commands that have ended and are told to nobody: of the first that did, where they are too many in their
    /// ring, or too much is kept of them. Those of rings that are closed are as many as those of one.
    pub(crate) fn make_room(&self) {
        let there: BTreeSet<u64> = lock(&self.rings).keys().copied().collect();
        let mut commands = lock(&self.commands);
        let mut ended: Vec<_> = commands
            .values()
            .filter(|command| !command.is_attached())
            .filter_map(|command| Some((command.ended_at()?, Arc::clone(command))))
            .collect();
        ended.sort_by_key(|(at, command)| Reverse((*at, command.number)));
        let mut kept: BTreeMap<Option<u64>, (usize, u64)> = BTreeMap::new();
        for (_, command) in ended {
            let ring = there.contains(&command.ring).then_some(command.ring);
            let (number, bytes) = kept.entry(ring).or_default();
            *number += 1;
            *bytes += command.outputs.iter().map(|o| o.length()).sum::<u64>();
            if *number > ENDED_MAX || *bytes > ENDED_BYTES_MAX {
                commands.remove(&command.number);
            }
        }
    }

    /// The commands that are known.
    pub(crate) fn commands(&self, ring: Option<u64>) -> Vec<CommandListed> {
        self.make_room();
        lock(&self.commands)
            .values()
            .filter(|command| ring.is_none_or(|ring| command.ring == ring))
            .map(|command| command.listed())
            .collect()
    }

    /// Forgets a command that has ended.
    pub(crate) fn forget(&self, number: u64) -> Result<(), Fault> {
        let command = self.command(number)?;
        if command.ended().is_none() {
            return Err(Fault::Runs(number));
        }
        lock(&self.commands).remove(&number);
        Ok(())
    }
}

/// Closes a ring that nobody uses, and lets go of one that is gone.
async fn look_after(rings: Arc<Rings>, open: Arc<Open>, idle: Option<Duration>) {
    let mut closed = open.closed.subscribe();
    loop {
        let at = match idle {
            None => None,
            Some(idle) if rings.running(open.number) == 0 => {
                let at = *lock(&open.used) + idle;
                if at <= Instant::now() {
                    break;
                }
                Some(at)
            }
            // What runs has it begin anew when it ends.
            Some(idle) => Some(Instant::now() + idle),
        };
        let waited = async {
            match at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = waited => {}
            () = open.ring.gone() => break,
            _ = closed.changed() => return,
        }
    }
    // It may have been closed at this moment.
    let _gone = rings.close(open.number).await;
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The policy's keys as the flags that they are.
fn flags(policy: Policy) -> Result<Flags, Fault> {
    fn parsed<T, E: ToString>(
        key: &str,
        text: Option<String>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Fault> {
        let parsed = text.map(|text| parse(&text)).transpose();
        parsed.map_err(|error| Fault::Params(format!("policy.{key}: {}", error.to_string())))
    }
    // Every field by name: a new one does not compile until it is handed on.
    let Policy {
        mode,
        write,
        protect,
        hide,
        reveal,
        read,
        network,
        caches,
        cache_tools,
        pass_env,
        drop_env,
        time,
        memory,
        processes,
        accept,
        sockets,
        nested,
    } = policy;
    for (key, length) in [
        ("write", write.len()),
        ("protect", protect.len()),
        ("hide", hide.len()),
        ("reveal", reveal.len()),
        ("read", read.as_ref().map_or(0, Vec::len)),
        ("cache_tools", cache_tools.as_ref().map_or(0, Vec::len)),
        ("pass_env", pass_env.len()),
        ("drop_env", drop_env.len()),
        ("accept", accept.len()),
        ("sockets", sockets.len()),
    ] {
        if length > LIST_MAX {
            return Err(Fault::Params(format!(
                "policy.{key}: {length} entries, and {LIST_MAX} at most"
            )));
        }
    }
    let paths = |all: Vec<String>| all.into_iter().map(PathBuf::from).collect();
    Ok(Flags {
        mode: parsed("mode", mode, str::parse)?,
        write: paths(write),
        protect: paths(protect),
        hide: paths(hide),
        reveal,
        read,
        snapshot: None,
        network: parsed("network", network, str::parse)?,
        allow: Vec::new(),
        cache_mode: parsed("caches", caches, str::parse)?,
        cache_tools,
        pass_env,
        drop_env,
        time: parsed("time", time, parse_duration)?,
        memory: parsed("memory", memory, parse_size)?,
        processes,
        output: None,
        accept,
        linux_mode: None,
        sockets: paths(sockets),
        nested,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_written_as_in_a_shell() {
        let home = ringfence::layers::home().unwrap();
        for (text, path) in [
            ("~", home.clone()),
            ("~/.ssh", home.join(".ssh")),
            ("~//x", home.join("x")),
            ("./~", "./~".into()),
            ("/~", "/~".into()),
            ("", "".into()),
        ] {
            assert_eq!(path_of(text).unwrap(), path, "{text}");
        }
        for text in ["~bob", "~bob/x", "~~", "~ /x"] {
            let refused = path_of(text).unwrap_err().to_string();
            assert!(refused.contains("another person's home"), "{refused}");
        }
    }
}
