//! A command outside of every ring: which program that is, as a person is shown it before they are asked, and that it is
//! still the same when it is run.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ringfence_plan::Access;
use ringfence_policy::Mode;
use ringfence_rules::SegmentKind;
use rustix::fs::FileType;

use super::{Begun, Preview, Request, begin_with, preview};
use crate::error::Error;
use crate::launch::Early;
use crate::locate::{Trail, trail};
use crate::rules::Question;
use crate::why::{Place, explain};
use crate::{environment, program};

/// What would be run outside of every ring, and by which program: one that no command in a ring can write, or have
/// another found in place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    program: PathBuf,
    /// How the name leads there.
    trail: Trail,
    is: Version,
    path: OsString,
    left_out: Vec<PathBuf>,
    unset: Vec<OsString>,
}

/// A file, and what is in it: no content is changed without the kernel dating that (`inode(7)`, ctime), which no command
/// can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Version {
    fn of(path: &Path) -> Option<Version> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Version {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

impl Outside {
    /// The program, as it was found.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The file that is.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.trail.end
    }

    /// Directories of `PATH` that it does not get: commands in a ring can write them, or they are relative to where it stands.
    #[must_use]
    pub fn left_out(&self) -> &[PathBuf] {
        &self.left_out
    }

    /// Variables that it does not get: they name what programs load, and where commands in a ring can write.
    #[must_use]
    pub fn unset(&self) -> &[OsString] {
        &self.unset
    }
}

impl Begun {
    /// What a rule would have run outside of every ring, to be shown with the question.
    ///
    /// # Errors
    /// [`Error::KeptInside`]: the command is more than what the rule is about, or commands in a ring can say which program it is.
    pub fn placed_outside(&self, question: &Question, request: &Request) -> Result<Outside, Error> {
        by_itself(question)?;
        let inside = inside(request)?;
        let program = self.program.clone();
        let refuse =
            |why: &str| Error::KeptInside(format!("{}: {why}", crate::error::shown(&program)));
        let leads = trail(&program).map_err(|_| refuse("where it leads cannot be seen"))?;
        if is_written(&inside, &program, &leads) {
            return Err(refuse("commands in a ring can write this program"));
        }
        let named = self.environment.get("PATH");
        let named = named.unwrap_or(OsStr::new(program::DEFAULT_PATH));
        let is_safe = |dir: &Path| {
            dir.is_absolute() && trail(dir).is_ok_and(|leads| !is_written(&inside, dir, &leads))
        };
        let (kept, mut left_out): (Vec<PathBuf>, Vec<PathBuf>) =
            std::env::split_paths(named).partition(|dir| is_safe(dir));
        left_out.retain(|dir| !dir.as_os_str().is_empty());
        // What has a colon in it was no directory of a PATH.
        let path = std::env::join_paths(kept).unwrap_or_default();
        let variables = self.environment.variables.iter();
        let unset = variables
            .filter(|(name, value)| {
                environment::leads(name) && !std::env::split_paths(value).all(|dir| is_safe(&dir))
            })
            .map(|(name, _)| name.clone());
        let outside = Outside {
            is: Version::of(&program).ok_or_else(|| refuse("it is gone"))?,
            trail: leads,
            program: program.clone(),
            path,
            left_out,
            unset: unset.collect(),
        };
        // What is tried in vain before it is found could be there the next time.
        if self.found(&outside.path)? != program {
            return Err(refuse("commands in a ring can have another program found"));
        }
        Ok(outside)
    }

    /// The same command without a ring: a rule says so, and a person was asked about that and nothing else, and allowed it
    /// ([`answered`](Begun::answered)). `request` is what it was begun with.
    ///
    /// # Errors
    /// [`Error::KeptInside`]: an administrator has every command in a ring, or another program is there than was shown.
    pub fn outside(self, request: &Request, shown: &Outside) -> Result<Begun, Error> {
        let home = self.home.as_deref();
        let mut wider = request.clone();
        wider.flags.mode = Some(Mode::FullAccess);
        // By its name, as it was shown, and the one that was there.
        wider.directory = Some(self.cwd.clone());
        wider.stands = Some(self.stands.clone());
        let mut begun = begin_with(wider, Early::none())?;
        let mode = &begun.policy.mode;
        if mode.value != Mode::FullAccess {
            let by = mode.origin.display(home);
            return Err(Error::KeptInside(format!(
                "{by} says mode = \"{}\"",
                mode.value
            )));
        }
        let found = begun.found(&shown.path)?;
        let same = found == shown.program
            && trail(&found).is_ok_and(|leads| leads == shown.trail)
            && Version::of(&found) == Some(shown.is);
        if !same {
            let found = crate::error::shown(&found);
            return Err(Error::KeptInside(format!(
                "{found}: this is not the program any more that was shown"
            )));
        }
        begun.program = found;
        let variables = &mut begun.environment.variables;
        variables.retain(|(name, _)| !shown.unset.contains(name));
        begun.environment.set("PATH", &shown.path);
        begun.approval = self.approval;
        begun.answer = self.answer;
        begun.recorder = self.recorder;
        Ok(begun)
    }

    /// The program, found on this path.
    fn found(&self, path: &OsStr) -> Result<PathBuf, Error> {
        let name = self.argv.first().map(OsString::as_os_str);
        program::find(name.unwrap_or_default(), Some(path), &self.cwd)
    }
}

/// Whether all that is run is what a rule is about, by its own words: what wraps it, or a shell that reads it, would look for
/// programs by itself, and nobody could say which those are.
fn by_itself(question: &Question) -> Result<(), Error> {
    let words = |argv: &[String]| argv.iter().map(OsStr::new).eq(question.argv());
    match question.verdict().segments.as_slice() {
        [one] if one.kind == SegmentKind::Command && one.argv.as_deref().is_some_and(words) => {
            Ok(())
        }
        segments => {
            let last = segments.last().map_or("it", |one| one.command.as_str());
            Err(Error::KeptInside(format!(
                "what a rule places outside is run by itself, and not by another program or a shell: ringfence run -- {last}"
            )))
        }
    }
}

/// A ring as commands had it that could have left something behind: one that can write, whatever this one was to be.
fn inside(request: &Request) -> Result<Preview, Error> {
    let mut request = request.clone();
    request.flags.mode = Some(Mode::WorkspaceWrite);
    preview(request)
}

/// Whether commands in a ring can write what stands there, or a link by which it is found. What is protected in a write root
/// counts: a command that made the repository around it wrote that, too.
fn is_written(inside: &Preview, path: &Path, leads: &Trail) -> bool {
    let ground = inside.ground(None);
    let written = |path: &Path| {
        let place = Place {
            path: path.to_owned(),
            kind: Some(FileType::RegularFile),
            existing: path.to_owned(),
        };
        let mut roots = inside.site.roots.iter();
        roots.any(|root| path.starts_with(&root.at.path))
            || explain(&ground, &place).access != Access::ReadOnly
    };
    written(path) || written(&leads.end) || leads.links.iter().any(|link| written(link))
}
