//! What is written on the machine so that a ring can work: once for each write root, noted in the journal before, to be taken
//! back.

use std::path::{Path, PathBuf};

use ringfence_journal::windows::Files;
use ringfence_journal::{Grant, Granted, JournalError, Part, Way};
use ringfence_nt_access::Sid;
use ringfence_ops::Shortfall;
use ringfence_plan::Refusal;
use ringfence_plan::windows::{FileId, RootPlan};
use ringfence_sys_windows::file::{self, access};

use std::os::windows::io::AsHandle;

pub use ringfence_journal::{Control, Place, Progress, Root, State as Stage, Undone};

use super::convert;
use super::prepare::Prepared;
use crate::error::Error;
use crate::state::State;
use crate::{layers, sys};

/// Where the journals are.
pub(super) fn journals(state: &State) -> PathBuf {
    state.dir().join("journal")
}

/// Has all write roots granted to the ring's SIDs, where a token is held to them at all.
///
/// The workspace has to be; another root that cannot is left out. What is protected and cannot be guarded is refused until it is
/// accepted by its name.
pub(super) fn ready(prepared: &mut Prepared, control: &dyn Control) -> Result<(), Error> {
    let Some(plan) = &prepared.plan else {
        return Ok(());
    };
    let refused = plan.refused.iter().map(ToString::to_string);
    prepared.left_out.extend(refused);
    if !plan.confined || plan.roots.is_empty() {
        return Ok(());
    }
    let state = prepared.state.as_ref().ok_or(Error::NoJournal)?;
    let dir = journals(state);
    state.make_dir(&dir)?;
    let mut less = Vec::new();
    let mut left_out = Vec::new();
    let mut without = Vec::new();
    for (n, root) in plan.roots.iter().enumerate() {
        match granted(prepared, &dir, root, control) {
            Ok(done) => {
                let (guards, told) = left(prepared, root, &done);
                left_out.extend(told);
                less.extend(guards);
            }
            Err(why) if n == 0 => return Err(Error::NotGranted { why }),
            Err(why) => {
                left_out.push(why);
                without.push(root.sid);
            }
        }
    }
    // What was granted of one that is left out, and guarded or not, no token of this ring is let write.
    if let Some(plan) = &mut prepared.plan {
        plan.roots.retain(|root| !without.contains(&root.sid));
        let kept = |sid: &Sid| !without.contains(sid);
        plan.token.restrict.retain(kept);
    }
    prepared.left_out.extend(left_out);
    let (noted, lacking): (Vec<_>, Vec<_>) = less.into_iter().partition(|short| short.accepted);
    prepared.noted.extend(noted);
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(Refusal { lacking }.into())
    }
}

fn granted(
    prepared: &Prepared,
    dir: &Path,
    root: &RootPlan,
    control: &dyn Control,
) -> Result<Granted, String> {
    let ask = Grant {
        user: &prepared.facts.user,
        principals: &[],
        root,
    };
    let done = ringfence_journal::grant(&Files, dir, &ask, control);
    let done = done.map_err(|error| error.to_string())?;
    let of_root = done.left.iter().find(|left| left.part == Part::Root);
    match (done.way, of_root) {
        (Way::Cancelled, _) => Err(format!(
            "{}: granting it was broken off; it goes on with the next command",
            root.path
        )),
        (_, Some(left)) => Err(format!("{}: {left}", root.path)),
        (Way::NotTheRoot, None) => Err(format!("{}: it could not be granted", root.path)),
        (Way::Stood | Way::Walked, None) => Ok(done),
    }
}

/// What was left in a root: what is protected by the promise that is not kept there; of the rest, that commands cannot write it.
fn left(prepared: &Prepared, root: &RootPlan, done: &Granted) -> (Vec<Shortfall>, Option<String>) {
    let guards = done.left.iter().filter_map(|left| match left.part {
        Part::Guard(promise) => Some(Shortfall {
            promise: promise.to_owned(),
            what: format!("in {}: {left}", root.path),
            remedy: String::new(),
            accepted: prepared.accepts(promise),
        }),
        Part::Root | Part::Other => None,
    });
    let guards: Vec<Shortfall> = guards.collect();
    let others = done.left_in_all.saturating_sub(guards.len() as u64);
    let first = done.left.iter().find(|left| left.part == Part::Other);
    let told = (others > 0).then(|| {
        let first = first.map(|left| format!(", {left}")).unwrap_or_default();
        format!(
            "{} objects in {} could not be granted: commands write them only as far as they are the ring's already{first}",
            others, root.path
        )
    });
    (guards, told)
}

/// A journal that cannot be read.
pub type Unreadable = JournalError;

/// The write roots that were granted and not taken back.
///
/// # Errors
/// [`Error::State`]: the journals cannot be listed.
pub fn roots() -> Result<Vec<Result<Root, Unreadable>>, Error> {
    let Some(dir) = dir() else {
        return Ok(Vec::new());
    };
    if !dir.exists() {
        return Ok(Vec::new());
    }
    ringfence_journal::list(&dir).map_err(|error| Error::State {
        path: dir,
        error: std::io::Error::other(error),
    })
}

fn dir() -> Option<PathBuf> {
    let home = layers::home();
    State::of_user(home.as_deref()).map(|state| journals(&state))
}

/// Takes back all that was written in a root, and in what was moved out of it.
///
/// # Errors
/// [`Error::NotTakenBack`]. What of it could not be is in [`Undone::left`].
pub fn undo(root: &Root, control: &dyn Control) -> Result<Undone, Error> {
    let dir = dir().ok_or(Error::NoJournal)?;
    let undone = ringfence_journal::undo(&Files, &dir, root.id, control);
    undone.map_err(|error| Error::NotTakenBack {
        why: error.to_string(),
    })
}

/// Which directory a path is; none where there is none.
#[must_use]
pub fn which(path: &Path) -> Option<FileId> {
    let path = sys::canonical(path).ok()?;
    let opened = file::open(&path, access::READ_ATTRIBUTES).ok()?;
    convert::file_id(opened.as_handle()).ok()
}
