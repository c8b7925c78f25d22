//! Windows: entries in the permissions of write roots, and of all in them.

use std::path::Path;

use ringfence::windows::{self, Place, Root, Stage, Undone, Unreadable};
use ringfence_policy::plain;
use serde_json::{Value, json};

use super::run::Shown;
use crate::exit::ExitCode;
use crate::say;

pub(super) fn undo(root: Option<&Path>, list: bool, as_json: bool) -> ExitCode {
    let all = match windows::roots() {
        Ok(all) => all,
        Err(error) => return ExitCode::from(say::error(&error)),
    };
    let mut whole = true;
    let mut any = false;
    for one in all {
        let found = match one {
            Ok(found) => found,
            Err(error) => {
                // Which root that is of is not known: it is not passed over.
                whole = false;
                unreadable(&error, as_json);
                continue;
            }
        };
        if !root.is_none_or(|wanted| is(&found, wanted)) {
            continue;
        }
        any = true;
        whole &= match list {
            true => listed(&found, as_json),
            false => taken_back(&found, as_json),
        };
    }
    if !any && let Some(wanted) = root {
        let wanted = say::Plain(wanted);
        return say::refuse(format_args!(
            "undo: nothing was granted in {wanted}; `ringfence undo --list` says where"
        ));
    }
    if !any && !as_json {
        say::line("nothing was granted, or all is taken back");
    }
    match whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(say::NO),
    }
}

/// Whether this is the root that was named: the same directory, or where that was.
fn is(root: &Root, wanted: &Path) -> bool {
    let named = || {
        std::path::absolute(wanted)
            .is_ok_and(|path| path.to_string_lossy().eq_ignore_ascii_case(&root.path))
    };
    windows::which(wanted) == Some(root.id) || named()
}

fn unreadable(error: &Unreadable, as_json: bool) {
    let what = plain(&error.to_string());
    if as_json {
        say::stream(json!({ "error": what }));
    }
    say::line(what);
}

fn stage(root: &Root) -> &'static str {
    match root.state {
        Stage::Walked => "granted",
        Stage::BrokenOff => "granted in part",
        Stage::Undoing => "taken back in part",
    }
}

fn listed(root: &Root, as_json: bool) -> bool {
    let path = plain(&root.path);
    if as_json {
        return say::stream(
            json!({ "root": root.path, "state": stage(root), "objects": root.objects }),
        );
    }
    say::stream(format_args!(
        "{path}: {}, {} objects",
        stage(root),
        root.objects
    ))
}

fn taken_back(root: &Root, as_json: bool) -> bool {
    let path = plain(&root.path);
    match windows::undo(root, &Shown::new()) {
        Ok(undone) => {
            if as_json {
                say::stream(report(root, &undone));
            } else {
                told(&path, &undone);
            }
            undone.closed
        }
        Err(error) => {
            let error = plain(&error.to_string());
            if as_json {
                say::stream(json!({ "root": root.path, "error": error }));
            }
            say::line(error);
            false
        }
    }
}

fn told(path: &str, undone: &Undone) {
    let place = match undone.root {
        Place::There | Place::NoJournal => "",
        Place::Moved => ", which was moved",
        Place::Gone => ", which is gone",
    };
    say::stream(format_args!(
        "{path}{place}: {} permissions written, {} objects looked at",
        undone.written, undone.seen
    ));
    if !undone.searched && undone.gone > 0 {
        say::line(format_args!(
            "{} objects are not in {path} any more, and this volume cannot be asked where they are",
            undone.gone
        ));
    }
    for left in &undone.left {
        say::line(format_args!("left: {}", plain(&left.to_string())));
    }
    if undone.left_in_all > undone.left.len() as u64 {
        let more = undone.left_in_all - undone.left.len() as u64;
        say::line(format_args!("and {more} more"));
    }
    if !undone.closed {
        say::line(format_args!(
            "{path}: not all is taken back; what is left stays noted: mend it, and do this again"
        ));
    }
}

fn report(root: &Root, undone: &Undone) -> Value {
    json!({
        "root": root.path,
        "place": match undone.root {
            Place::There => "there",
            Place::Moved => "moved",
            Place::Gone => "gone",
            Place::NoJournal => "no-journal",
        },
        "seen": undone.seen,
        "descriptors_written": undone.written,
        "moved": undone.moved,
        "gone": undone.gone,
        "searched": undone.searched,
        "left": undone.left.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "left_in_all": undone.left_in_all,
        "closed": undone.closed,
    })
}
