//! What was typed and has no effect, or another than its words say.

use std::io::ErrorKind;
use std::path::Path;

use ringfence_policy::{Effective, Layer, Mode, NamePattern, Origin, Read, Sourced};

use crate::say;

/// Tells of flags that do nothing: a word that was mistyped, or one that another beats.
pub(super) fn told(policy: &Effective) {
    for line in without_effect(policy) {
        say::line(line);
    }
}

fn without_effect(policy: &Effective) -> Vec<String> {
    let mut lines = Vec::new();
    let typed = |origin: &Origin| origin.layer == Layer::Flags;
    // What was meant stays readable.
    for hide in policy.hide.iter().filter(|hide| typed(&hide.origin)) {
        if missing(&hide.value.path) {
            let path = say::Plain(&hide.value.path);
            lines.push(format!("--hide {path}: nothing is there to be hidden"));
        }
    }
    // What was meant is left out, with all else.
    if let Read::Paths(paths) = &policy.read.value
        && typed(&policy.read.origin)
    {
        for path in paths.iter().filter(|path| missing(path)) {
            let path = say::Plain(path);
            lines.push(format!(
                "--read {path}: nothing is there to be read (--read takes all, minimal, or paths)"
            ));
        }
    }
    for root in policy.write.iter().filter(|root| typed(&root.origin)) {
        let path = say::Plain(&root.value);
        if policy.mode.value == Mode::ReadOnly {
            lines.push(format!(
                "--write {path}: nothing can be written, the mode is read-only ({})",
                policy.mode.origin
            ));
        } else if policy.mode.value == Mode::WorkspaceWrite
            && let Some(hide) = policy.hide.iter().find(|hide| {
                let hidden = &hide.value;
                let shown = |name| root.value.starts_with(hidden.path.join(name));
                root.value.starts_with(&hidden.path) && !hidden.except.iter().any(shown)
            })
        {
            let remedy = match hide.origin.layer {
                Layer::Builtin => format!("; --reveal {} shows it", hide.value.name),
                _ => format!(" ({})", hide.origin),
            };
            lines.push(format!(
                "--write {path}: it is hidden, and can be neither read nor written{remedy}"
            ));
        }
    }
    let environment = &policy.environment;
    for pass in environment.pass.iter().filter(|pass| typed(&pass.origin)) {
        let beats = |drop: &&Sourced<NamePattern>| drop.value.covers(&pass.value);
        if let Some(drop) = environment.drop.iter().find(beats) {
            let name = say::Plain(pass.value.as_str());
            lines.push(format!(
                "--pass-env {name}: it is dropped ({}), which is stronger",
                drop.origin
            ));
        }
    }
    lines
}

fn missing(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|e| e.kind() == ErrorKind::NotFound)
}
