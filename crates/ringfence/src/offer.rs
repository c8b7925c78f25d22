//! What the ring refused a command, offered to a person: the smallest grant that would let it pass.
//!
//! Running a command outside is never offered. An offer is of the very object that stands there when it is shown; a yes makes a
//! ring with that, in which the command runs once more.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ringfence_ops::linux::Located;
use ringfence_policy::{Approval, Ask, Layer, Sourced, show_duration, show_size};

use crate::ask::{Answer, Heard};
use crate::error::Error;
use crate::finished::{Ended, Finished};
use crate::grants::{Grants, Held, Lasts, Object, Session, What};
use crate::prepare::Request;
use crate::record::Recorder;
use crate::ring::Grant;
use crate::rules::nobody_is_asked;
use crate::state::State;
use crate::sys;
use crate::traced::Refusal;

/// So many are offered after a command, what it was refused last first.
const MOST: usize = 3;

/// An offer.
#[derive(Debug, Clone)]
pub struct Offer {
    refusal: Refusal,
    what: What,
    /// That, as it is shown.
    shown: OsString,
    directory: bool,
    notes: Vec<String>,
    hidden: Vec<PathBuf>,
    argv: Vec<OsString>,
    cwd: PathBuf,
    /// Which directory that was.
    stands: Located,
    workspace: PathBuf,
    state: Option<State>,
    recorder: Arc<Recorder>,
}

/// What can be offered after a command that failed: what it was refused last comes first.
#[must_use]
pub fn offers(finished: &Finished) -> Vec<Offer> {
    let Some(ran) = &finished.ran else {
        return Vec::new();
    };
    if let Some((what, refusal)) = beyond(finished, ran) {
        return vec![Offer::new(refusal, what, ran)];
    }
    let mut offers: Vec<Offer> = Vec::new();
    for refusal in finished.refusals.iter().rev() {
        if offers.len() >= MOST {
            break;
        }
        let Some(what) = refusal.grant.as_ref().and_then(bound) else {
            continue;
        };
        // A file in a directory that is offered comes with it.
        let covered = offers.iter().any(|offer| match (&offer.what, &what) {
            (What::Write(outer), What::Write(inner)) => inner.path().starts_with(outer.path()),
            (one, other) => one == other,
        });
        if covered {
            continue;
        }
        if let What::Write(outer) = &what {
            offers.retain(|offer| match &offer.what {
                What::Write(inner) => !inner.path().starts_with(outer.path()),
                _ => true,
            });
        }
        offers.push(Offer::new(refusal.clone(), what, ran));
    }
    offers
}

/// A limit that ended the command, and twice as much; not one that its person named for this command.
fn beyond(finished: &Finished, ran: &Ran) -> Option<(What, Refusal)> {
    let (tried, of, origin, what, remedy) = match finished.ended {
        Ended::TimedOut => {
            let limit = ran.time.as_ref()?;
            let more = limit.value.as_secs().max(1).saturating_mul(2);
            let shown = show_duration(Duration::from_secs(more));
            (
                "run longer than",
                show_duration(limit.value),
                &limit.origin,
                What::Time(more),
                format!("[limits] time = \"{shown}\""),
            )
        }
        Ended::TooMuchOutput => {
            let limit = ran.output.as_ref()?;
            let more = limit.value.saturating_mul(2);
            (
                "print more than",
                show_size(limit.value),
                &limit.origin,
                What::Output(more),
                format!("[limits] output = \"{}\"", show_size(more)),
            )
        }
        _ => return None,
    };
    (origin.layer < Layer::Flags).then(|| {
        let refusal = Refusal {
            tried,
            of: of.into(),
            call: String::new(),
            errno: 0,
            because: format!("{origin} bounds it"),
            remedy,
            grant: None,
        };
        (what, refusal)
    })
}

impl Offer {
    fn new(refusal: Refusal, what: What, ran: &Ran) -> Offer {
        let directory = matches!(&what, What::Write(object) if object.path().is_dir());
        let shown = match &what {
            What::Write(object) | What::Socket(object) => object.path().as_os_str().to_owned(),
            What::Reveal(name) => name.into(),
            What::Time(seconds) => show_duration(Duration::from_secs(*seconds)).into(),
            What::Output(bytes) => show_size(*bytes).into(),
            What::Command(_) => OsString::new(),
        };
        Offer {
            refusal,
            shown,
            notes: notes(&what, ran.home.as_deref(), &ran.path),
            hidden: match &what {
                What::Reveal(name) => {
                    let hidden = ran.hidden.iter().filter(|(of, _)| of == name);
                    hidden.map(|(_, path)| path.clone()).collect()
                }
                _ => Vec::new(),
            },
            what,
            directory,
            argv: ran.argv.clone(),
            cwd: ran.cwd.clone(),
            stands: ran.stands.clone(),
            workspace: ran.workspace.clone(),
            state: ran.state.clone(),
            recorder: Arc::clone(&ran.recorder),
        }
    }
}

/// Variables by which what programs obey lies elsewhere in a home, and by another name (XDG Base Directory Specification).
const MOVED: [&str; 4] = [
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "ZDOTDIR",
];

/// What a person should mind about a grant.
fn notes(what: &What, home: Option<&Path>, search: &[PathBuf]) -> Vec<String> {
    let mut notes = Vec::new();
    match what {
        What::Socket(_) => notes.push(
            "what listens there acts for whoever connects: with some (docker) that is all you may yourself, and more".to_owned(),
        ),
        What::Write(object) => {
            let path = object.path();
            let real = |dir: PathBuf| dir.canonicalize().unwrap_or(dir);
            // Root may write in every home, and what HOME says is not always whose it is.
            let homes = sys::homes().into_iter().chain(home.map(Path::to_owned));
            let dotted = homes.map(real).any(|home| {
                let below = path.strip_prefix(home).ok();
                let first = below.and_then(|below| below.components().next());
                first.is_some_and(|first| first.as_os_str().as_encoded_bytes().first() == Some(&b'.'))
            });
            let moved = MOVED.iter().filter_map(std::env::var_os).map(PathBuf::from);
            let mut moved = moved.filter(|dir| dir.is_absolute()).map(real);
            let in_moved = moved.any(|dir| path.starts_with(&dir) || dir.starts_with(path));
            if dotted || in_moved || path.starts_with("/etc") {
                notes.push("programs outside of rings obey what is written there: your shell, git, an editor".to_owned());
            }
            if search.iter().any(|dir| path.starts_with(dir) || dir.starts_with(path)) {
                notes.push("programs are found there (PATH), and run outside of rings".to_owned());
            }
        }
        What::Reveal(_) | What::Time(_) | What::Output(_) | What::Command(_) => {}
    }
    notes
}

/// The object itself, as it stands now.
fn bound(grant: &Grant) -> Option<What> {
    match grant {
        Grant::Write(path) => Object::at(path).ok().map(What::Write),
        Grant::Socket(path) => Object::at(path).ok().map(What::Socket),
        Grant::Reveal(name) => Some(What::Reveal(name.clone())),
    }
}

impl Offer {
    /// What the ring refused.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// The command's words.
    #[must_use]
    pub fn argv(&self) -> &[OsString] {
        &self.argv
    }

    /// Where it started.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.cwd
    }

    /// For which workspace it is.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The verb (`write`, `connect`, `read`, `time`, `output`), and of what: a path, or the name of what is hidden.
    #[must_use]
    pub fn wanted(&self) -> (&'static str, &OsStr) {
        let verb = match &self.what {
            What::Write(_) => "write",
            What::Socket(_) => "connect",
            What::Reveal(_) => "read",
            What::Time(_) => "time",
            What::Output(_) => "output",
            // Not what a ring refuses.
            What::Command(_) => "run",
        };
        (verb, &self.shown)
    }

    /// What a person should mind.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What is seen with it, where it is a name for what is hidden.
    #[must_use]
    pub fn hidden(&self) -> Vec<&Path> {
        self.hidden.iter().map(PathBuf::as_path).collect()
    }

    /// Whether it is of a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// Whether an answer can be kept: for the session, and for the project. What is hidden, and what acts for others, is
    /// granted for a project in a policy alone, where it is read again.
    #[must_use]
    pub fn lasting(&self) -> [bool; 2] {
        let kept = self.state.is_some();
        // Nor what is obeyed outside of rings.
        let of_path = matches!(self.what, What::Write(_) | What::Time(_) | What::Output(_))
            && self.notes.is_empty();
        [kept && Session::own().is_some(), kept && of_path]
    }

    /// Counts a question; nothing where one may be asked, else why not.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn may_ask(&self, approval: &Approval) -> Result<Option<String>, Error> {
        may_ask(approval, self.state.as_ref())
    }

    /// A person was shown this ([`Page::of_offer`](crate::ask::Page::of_offer)), and this is the answer: it is recorded, kept if it
    /// is to last, and the next ring made with this request has it. Whether it is a yes.
    ///
    /// # Errors
    /// [`Error::Ledger`], [`Error::State`]: it does not hold. [`Error::GrantMoved`]: another object stands there by now.
    pub fn answered(&self, heard: &Heard, request: &mut Request) -> Result<bool, Error> {
        let (verb, of) = self.wanted();
        let answer = heard.answer;
        let record =
            self.recorder
                .offer_answered(verb, Path::new(of), &self.cwd, answer, &heard.from)?;
        if !answer.is_yes() {
            return Ok(false);
        }
        if let What::Write(object) | What::Socket(object) = &self.what
            && !object.stands()
        {
            return Err(Error::GrantMoved {
                what: crate::error::shown(object.path()),
                number: 0,
            });
        }
        request.directory = Some(self.cwd.clone());
        request.stands = Some(self.stands.clone());
        let lasts = match answer {
            Answer::Session => Session::own().map(Lasts::Session),
            Answer::Project => Some(Lasts::Project),
            _ => None,
        };
        match (lasts, &self.state) {
            (Some(lasts), Some(state)) => {
                Grants::of(state).keep(self.what.clone(), &self.workspace, lasts, record)?;
            }
            _ => request.granted.push(Held {
                number: 0,
                what: self.what.clone(),
                answer: record,
            }),
        }
        Ok(true)
    }
}

/// Counts a question; nothing where one may be asked, else why not.
pub(crate) fn may_ask(approval: &Approval, state: Option<&State>) -> Result<Option<String>, Error> {
    if approval.ask.value == Ask::Never {
        return Ok(Some(nobody_is_asked(&approval.ask.origin)));
    }
    let Some(state) = state else {
        return Ok(None);
    };
    let most = approval.most.value;
    let counted = Grants::of(state).count_question(most)?;
    Ok(counted.err().map(|seconds| {
        format!(
            "{most} questions were asked in the last ten minutes ([approval] most); the next may be in {} min",
            seconds.div_ceil(60).max(1)
        )
    }))
}

/// Whether this session has been told how a command that failed is looked at; from now on it has.
#[must_use]
pub fn first_in_session(state: &State) -> bool {
    let Some(session) = Session::own() else {
        return false;
    };
    let path = state.dir().join("told");
    let own = session.to_string();
    // What cannot be kept is not said over and over.
    let told = crate::careful::text(&path, 4096).unwrap_or_default();
    told.trim() != own && state.write(&path, own.as_bytes()).is_ok()
}

/// What an offer has to know of the command that ran.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) argv: Vec<OsString>,
    pub(crate) cwd: PathBuf,
    pub(crate) stands: Located,
    pub(crate) workspace: PathBuf,
    pub(crate) home: Option<PathBuf>,
    /// Where programs are looked for.
    pub(crate) path: Vec<PathBuf>,
    /// How long it may run, and how much print.
    pub(crate) time: Option<Sourced<Duration>>,
    pub(crate) output: Option<Sourced<u64>>,
    /// What is hidden, by its names.
    pub(crate) hidden: Vec<(String, PathBuf)>,
    pub(crate) state: Option<State>,
    pub(crate) recorder: Arc<Recorder>,
}
