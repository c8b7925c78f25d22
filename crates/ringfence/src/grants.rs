//! What a person granted for longer than one command: for a project, or for the session of a terminal.
//!
//! Kept in Ringfence's own state (`grants.json`), which is hidden in every ring. A grant of a path is of the very object that
//! stood there when it was given: where another stands there, it holds no more. A grant of a command is for the same words in
//! the same directory with the same variables.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringfence_ledger::{Digest, Event, HostChanged, Keep, Ledger, Text};
use ringfence_policy::{Effective, Granted};
use serde::{Deserialize, Serialize};

use crate::careful;
use crate::error::Error;
use crate::rules::Subject;
use crate::state::State;
use crate::sys;
pub use crate::sys::Session;

/// The file's form. One of a form that is not known grants nothing, and is left as it is.
const FORMAT: u32 = 1;
/// So many are kept; of more the oldest goes.
const MOST: usize = 1_000;
/// Questions are counted over this time.
const COUNTED: u64 = 10 * 60;

/// An object on disk, by what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    path: Text,
    device: u64,
    inode: u64,
    /// When it was made, where the file system knows: the number of one that is gone is another's later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    born: Option<(i64, u32)>,
}

impl Object {
    /// What stands at this path, which is canonical.
    ///
    /// # Errors
    /// Nothing does, or a link.
    pub fn at(path: &Path) -> io::Result<Object> {
        let meta = std::fs::symlink_metadata(path)?;
        if meta.file_type().is_symlink() {
            return Err(io::Error::other("a link"));
        }
        let (device, inode, born) = sys::identity(path, &meta)?;
        Ok(Object {
            path: Text::from(path),
            device,
            inode,
            born,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.path.as_path()
    }

    /// Whether it still stands there, and no link leads to it.
    #[must_use]
    pub fn stands(&self) -> bool {
        let same = Object::at(self.path()).is_ok_and(|now| now == *self);
        same && sys::canonical(self.path()).is_ok_and(|real| real == self.path())
    }

    pub(crate) fn is(&self, at: &ringfence_ops::linux::Located) -> bool {
        at.path == self.path() && at.device == self.device && at.inode == self.inode
    }
}

/// What is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// This may be written, with all that is protected in a write root.
    Write(Object),
    /// What is hidden under this name is seen.
    Reveal(String),
    /// This socket may be connected to.
    Socket(Object),
    /// A command may run so long, in seconds.
    Time(u64),
    /// And print so much, in bytes.
    Output(u64),
    /// This command may run.
    Command(CommandGranted),
}

/// A command that a person allowed: nothing else is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandGranted {
    argv: Vec<Text>,
    cwd: Text,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    env: Vec<(Text, Option<Text>)>,
    #[serde(default)]
    bare: bool,
    /// In which ring, as the question says it: the mode, the network.
    ring: [String; 2],
}

impl CommandGranted {
    pub(crate) fn of(subject: &Subject, policy: &Effective) -> CommandGranted {
        CommandGranted::in_ring(subject, &ring_of(policy))
    }

    pub(crate) fn in_ring(subject: &Subject, ring: &[String; 2]) -> CommandGranted {
        let env = subject.env.iter();
        CommandGranted {
            argv: subject.argv.iter().map(Text::from).collect(),
            cwd: Text::from(&subject.directory),
            env: env
                .map(|(name, value)| (Text::from(name), value.as_ref().map(Text::from)))
                .collect(),
            bare: subject.bare,
            ring: ring.clone(),
        }
    }

    /// Whether it is this one, in this ring.
    pub(crate) fn is(&self, subject: &Subject, ring: &[String; 2]) -> bool {
        *self == CommandGranted::in_ring(subject, ring)
    }

    /// Its words.
    #[must_use]
    pub fn argv(&self) -> Vec<OsString> {
        let words = self.argv.iter();
        words.map(|word| word.as_os_str().to_owned()).collect()
    }

    /// Where it may start.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.cwd.as_path()
    }
}

/// What a question about a command says of its ring.
pub(crate) fn ring_of(policy: &Effective) -> [String; 2] {
    let network = policy.network.mode.value.name();
    [policy.mode.value.name().to_owned(), network.to_owned()]
}

/// How long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasts {
    /// As long as the session of a terminal.
    Session(Session),
    /// Until it is taken back.
    Project,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its number.
    pub number: u32,
    /// Of what.
    pub what: What,
    /// In which workspace: canonical.
    pub workspace: Text,
    /// How long.
    pub lasts: Lasts,
    /// When it was given, in seconds since 1970.
    pub made: u64,
    /// The ledger's record of the answer that gave it; 0 where it could not be recorded.
    pub answer: u64,
}

impl Grant {
    /// Whether it would hold still, in its workspace: its session lives, and what it is of stands where it stood.
    #[must_use]
    pub fn holds(&self) -> bool {
        let lives = match &self.lasts {
            Lasts::Session(session) => session.lives(),
            Lasts::Project => true,
        };
        lives
            && match &self.what {
                What::Write(object) | What::Socket(object) => object.stands(),
                What::Reveal(_) | What::Time(_) | What::Output(_) | What::Command(_) => true,
            }
    }

    /// Whether it holds for this workspace and session.
    fn is_for(&self, workspace: &Path, session: Option<&Session>) -> bool {
        let here = match &self.lasts {
            Lasts::Session(of) => session == Some(of),
            Lasts::Project => true,
        };
        here && self.workspace.as_path() == workspace
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    format: u32,
    last: u32,
    grants: Vec<Grant>,
    /// When questions were asked, in seconds since 1970.
    #[serde(default)]
    asked: Vec<u64>,
}

impl Kept {
    fn new() -> Kept {
        Kept {
            format: FORMAT,
            ..Kept::default()
        }
    }
}

/// What is kept of a person's answers.
#[derive(Debug, Clone)]
pub struct Grants {
    state: State,
    path: PathBuf,
}

impl Grants {
    /// Those in this state.
    #[must_use]
    pub fn of(state: &State) -> Grants {
        Grants {
            state: state.clone(),
            path: state.dir().join("grants.json"),
        }
    }

    /// Reads them. What cannot be read grants nothing, and says so to who lists it.
    ///
    /// # Errors
    /// [`Error::State`]: it is there, and cannot be read or understood.
    pub fn all(&self) -> Result<Vec<Grant>, Error> {
        Ok(self.read()?.grants)
    }

    fn read(&self) -> Result<Kept, Error> {
        let kept = match self.parse()? {
            Ok(kept) => kept,
            Err(error) => {
                return Err(self.fail(io::Error::other(format!(
                    "not understood ({error}); nothing in it holds. The next grant moves it aside"
                ))));
            }
        };
        if kept.format != FORMAT {
            return Err(self.fail(io::Error::other(format!(
                "written by another version (form {}); nothing in it holds here",
                kept.format
            ))));
        }
        Ok(kept)
    }

    /// As it is written; in `Err` why it cannot be understood.
    fn parse(&self) -> Result<Result<Kept, String>, Error> {
        let text = match careful::text(&self.path, 16 << 20) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Ok(Kept::new()));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(self.fail(error)),
        };
        Ok(serde_json::from_str(&text).map_err(|error| error.to_string()))
    }

    fn fail(&self, error: io::Error) -> Error {
        Error::State {
            path: self.path.clone(),
            error,
        }
    }

    /// Changes them, alone.
    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> Result<T, Error> {
        self.state.make_dir(self.state.dir())?;
        let lock: File = sys::private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.with_extension("lock"))
            .map_err(|error| self.fail(error))?;
        lock.lock().map_err(|error| self.fail(error))?;
        if self.parse()?.is_err() {
            // Nothing in it held; it is not lost, and stands in nobody's way.
            let aside = self.path.with_extension(format!("{}.broken", now()));
            std::fs::rename(&self.path, aside).map_err(|error| self.fail(error))?;
        }
        let mut kept = self.read()?;
        let done = change(&mut kept);
        // Those of sessions that are over are nobody's any more.
        kept.grants.retain(|grant| match &grant.lasts {
            Lasts::Session(session) => session.lives(),
            Lasts::Project => true,
        });
        if kept.grants.len() > MOST {
            let over = kept.grants.len() - MOST;
            kept.grants.drain(..over);
        }
        let bytes = serde_json::to_vec_pretty(&kept).map_err(|error| self.fail(error.into()))?;
        self.state.write(&self.path, &bytes)?;
        Ok(done)
    }

    /// Keeps an answer: its number. The same for the same twice is one.
    ///
    /// # Errors
    /// [`Error::State`], and [`Error::Ledger`]: it is not kept then.
    pub fn keep(
        &self,
        what: What,
        workspace: &Path,
        lasts: Lasts,
        answer: u64,
    ) -> Result<u32, Error> {
        self.record("granted", &what)?;
        self.change(|kept| {
            let workspace = Text::from(workspace);
            let same = |grant: &&Grant| {
                grant.what == what && grant.workspace == workspace && grant.lasts == lasts
            };
            if let Some(grant) = kept.grants.iter().find(same) {
                return grant.number;
            }
            kept.last = kept.last.wrapping_add(1).max(1);
            kept.grants.push(Grant {
                number: kept.last,
                what,
                workspace,
                lasts,
                made: now(),
                answer,
            });
            kept.last
        })
    }

    /// Takes one back: what it was; `None` where there is none of that number.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Ledger`].
    pub fn revoke(&self, number: u32) -> Result<Option<Grant>, Error> {
        let Some(grant) = self.all()?.into_iter().find(|grant| grant.number == number) else {
            return Ok(None);
        };
        self.record("revoked", &grant.what)?;
        self.change(|kept| kept.grants.retain(|grant| grant.number != number))?;
        Ok(Some(grant))
    }

    fn record(&self, how: &str, what: &What) -> Result<(), Error> {
        let path = match what {
            What::Write(object) | What::Socket(object) => object.path.clone(),
            What::Reveal(name) => Text::from(name),
            What::Time(_) => Text::from("limits.time"),
            What::Output(_) => Text::from("limits.output"),
            What::Command(command) => command.argv.first().cloned().unwrap_or_default(),
        };
        let content = serde_json::to_vec(what).ok().map(|json| Digest::of(&json));
        let changed = HostChanged {
            what: how.to_owned(),
            path,
            content,
        };
        // How much is kept is for policies to say.
        Ledger::new(self.state.ledger(), Keep::ALL)
            .append(|_| vec![Event::HostChanged(changed)])?;
        Ok(())
    }

    /// Counts a question, if there were fewer than `most` in the last ten minutes; else how many seconds it takes until one
    /// may be asked again.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn count_question(&self, most: u32) -> Result<Result<(), u64>, Error> {
        let now = now();
        self.change(|kept| {
            // A clock that was set back asks nobody to wait for it.
            kept.asked
                .retain(|at| *at <= now && now.saturating_sub(*at) < COUNTED);
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            if let Some(over) = kept.asked.len().checked_sub(most) {
                let until = kept.asked.get(over).map_or(now, |at| at + COUNTED);
                return Err(until.saturating_sub(now));
            }
            kept.asked.push(now);
            Ok(())
        })
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// A grant of a path that a ring is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its number; 0 for one that is for this once.
    pub number: u32,
    /// Of what.
    pub what: What,
    /// The ledger's record of the answer that gave it; 0 where there is none.
    pub answer: u64,
}

impl Held {
    pub(crate) fn for_policy(&self) -> Granted {
        let mut granted = Granted {
            number: self.number,
            write: None,
            reveal: None,
            socket: None,
            time: None,
            output: None,
        };
        match &self.what {
            What::Write(object) => granted.write = Some(object.path().to_owned()),
            What::Socket(object) => granted.socket = Some(object.path().to_owned()),
            What::Reveal(name) => granted.reveal = Some(name.clone()),
            What::Time(seconds) => granted.time = Some(Duration::from_secs(*seconds)),
            What::Output(bytes) => granted.output = Some(*bytes),
            What::Command(_) => {}
        }
        granted
    }

    pub(crate) fn shown(&self) -> String {
        match &self.what {
            What::Write(object) | What::Socket(object) => crate::error::shown(object.path()),
            What::Reveal(name) => name.clone(),
            What::Time(_) => "limits.time".to_owned(),
            What::Output(_) => "limits.output".to_owned(),
            What::Command(command) => crate::error::shown(Path::new(
                command.argv.first().map_or("".as_ref(), Text::as_os_str),
            )),
        }
    }
}

/// What holds for a workspace, in this session: paths, and commands with the record of the answer that allows them.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    pub(crate) paths: Vec<Held>,
    pub(crate) commands: Vec<(CommandGranted, Allowed)>,
}

/// Which grant a command is allowed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) number: u32,
    pub(crate) answer: u64,
}

/// What holds here. Where it cannot be read nothing does.
pub(crate) fn holding(state: Option<&State>, workspace: &Path) -> Holding {
    let mut holding = Holding::default();
    let Some(state) = state else { return holding };
    let grants = Grants::of(state);
    // Most people have none, and a command waits for this.
    let Ok(all) = grants.all() else {
        return holding;
    };
    if all.is_empty() {
        return holding;
    }
    let workspace = sys::canonical(workspace).unwrap_or_else(|_| workspace.to_owned());
    let session = Session::own();
    for grant in all {
        if !grant.is_for(&workspace, session.as_ref()) || !grant.holds() {
            continue;
        }
        let Grant {
            number,
            what,
            answer,
            ..
        } = grant;
        match what {
            What::Command(command) => holding.commands.push((command, Allowed { number, answer })),
            what => holding.paths.push(Held {
                number,
                what,
                answer,
            }),
        }
    }
    holding
}
