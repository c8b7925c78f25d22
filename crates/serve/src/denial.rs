//! What of a failed command's words is the ring's doing, and the smallest thing that would change it.
//!
//! The kernel does not tell yet which path was refused; a command's own words mostly do. Each path they
//! name is asked about as `ringfence why` asks: what is called a denial here is one by the plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ringfence::ring::Grant;
use ringfence::trials::Trials;
use ringfence::why::{Answer, explain, place};
use ringfence::{Preview, Request, layers, preview};
use ringfence_plan::Access;
use ringfence_policy::NetworkMode;
use schemars::JsonSchema;
use serde::Serialize;

/// Words with which programs say that the kernel refused a path.
const REFUSED: [&str; 8] = [
    "permission denied",
    "read-only file system",
    "operation not permitted",
    "eacces",
    "eperm",
    "erofs",
    "permissionerror",
    "os error 30",
];

/// Words with which they say that something could not be made or written, whatever the reason.
const FAILED: [&str; 7] = [
    "unable to create",
    "unable to write",
    "cannot create",
    "could not create",
    "couldn't create",
    "failed to create",
    "failed to write",
];

/// Words with which they say that there is no network.
const UNREACHABLE: [&str; 12] = [
    "could not resolve host",
    "temporary failure in name resolution",
    "name or service not known",
    "nodename nor servname",
    "network is unreachable",
    "network unreachable",
    "no address associated with hostname",
    "eai_again",
    "enetunreach",
    "enotfound",
    "failed to lookup address",
    "dns error",
];

/// Paths that are asked about, at most.
const PATHS_MAX: usize = 8;

/// Something the ring refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Denial {
    /// What was tried: `write`, `read`, `network`.
    pub tried: String,
    /// The path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What stopped it.
    pub because: String,
    /// What a person can do.
    pub remedy: String,
    /// The smallest grant that would let it pass, as `grant.request` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Wanted>,
}

/// What a grant is to be of: one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Wanted {
    /// This path, to be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    /// What is hidden under this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reveal: Option<String>,
}

impl Wanted {
    fn of(grant: Grant) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        match grant {
            // A name that is no text cannot be asked for.
            Grant::Write(path) => wanted.write = Some(path.into_os_string().into_string().ok()?),
            Grant::Reveal(name) => wanted.reveal = Some(name),
            _ => return None,
        }
        Some(wanted)
    }
}

/// The denials that a failed command's output tells of.
pub(crate) fn denials(
    request: &Request,
    seen: &Preview,
    directory: &Path,
    output: &str,
) -> Vec<Denial> {
    let mut found = Vec::new();
    let mut asked = BTreeSet::new();
    let mut network = false;
    let mut trials = Trials::of(request);
    let lines: Vec<&str> = output.lines().collect();
    let lines = lines
        .get(lines.len().saturating_sub(200)..)
        .unwrap_or_default();
    for (number, line) in lines.iter().enumerate() {
        let lower = line.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        network |= says(&UNREACHABLE);
        if !says(&REFUSED) && !says(&FAILED) {
            continue;
        }
        let mut ask = |path: PathBuf| {
            let new = asked.len() < PATHS_MAX && asked.insert(path.clone());
            new.then(|| of_path(&mut trials, seen, directory, &path))
                .flatten()
        };
        let own: Vec<Denial> = paths(line).into_iter().filter_map(&mut ask).collect();
        if own.is_empty() && paths(line).is_empty() {
            // It does not say what: its neighbours may.
            let around = number.saturating_sub(2)..(number + 3).min(lines.len());
            for near in lines.get(around).unwrap_or_default() {
                found.extend(paths(near).into_iter().filter_map(&mut ask));
            }
        }
        found.extend(own);
    }
    if network && seen.policy.network.mode.value != NetworkMode::On {
        found.push(Denial {
            tried: "network".to_owned(),
            path: None,
            because: "the ring has no network but its own localhost".to_owned(),
            remedy: "a person can open a ring with the network on (--network on, or [network] mode = \"on\")"
                .to_owned(),
            grant: None,
        });
    }
    found
}

/// What a line names that may be paths: words with a slash in them, without what quotes them.
fn paths(line: &str) -> Vec<PathBuf> {
    let quote = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '\'' | '"' | '`' | '‘' | '’' | '“' | '”' | '(' | ')' | ',' | '<' | '>' | '='
            )
    };
    line.split(quote)
        .map(|word| {
            word.trim_end_matches([':', '.', ';', ']'])
                .trim_start_matches('[')
        })
        .filter(|word| !word.is_empty() && !word.contains("://") && word.len() < 4096)
        .filter(|word| word.contains('/') || word.contains('.'))
        .map(PathBuf::from)
        .collect()
}

fn of_path(
    trials: &mut Trials<'_>,
    seen: &Preview,
    directory: &Path,
    path: &Path,
) -> Option<Denial> {
    let at = place(path, directory);
    let home = layers::home();
    let answer = explain(&seen.ground(home.as_deref()), &at);
    let Answer {
        access,
        because,
        remedy,
        ..
    } = &answer;
    let shown = at.path.to_string_lossy().into_owned();
    let (tried, grant) = match access {
        Access::Writable | Access::Private => return None,
        Access::ReadOnly => {
            // A word that is no path, and would stand beside the program: nobody wrote there.
            if !path.is_absolute()
                && at.kind.is_none()
                && !path
                    .components()
                    .any(|c| matches!(c, std::path::Component::ParentDir))
            {
                return None;
            }
            ("write", trials.writing(&at))
        }
        Access::Hidden => ("read", trials.revealing(&at, &answer)),
        Access::TakenAway => ("write", None),
    };
    Some(Denial {
        tried: tried.to_owned(),
        path: Some(shown),
        because: because.clone(),
        remedy: remedy.clone(),
        grant: grant.and_then(Wanted::of),
    })
}

/// The denials that an ended command tells of, in its ring as it is by now.
pub(crate) fn of_command(request: &Request, directory: &Path, output: &str) -> Vec<Denial> {
    let planned = Request {
        argv: vec!["/bin/sh".into()],
        ..request.clone()
    };
    preview(planned.clone()).map_or_else(
        |_| Vec::new(),
        |seen| denials(&planned, &seen, directory, output),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_what_programs_say() {
        for (line, path) in [
            (
                "sh: 1: cannot create /etc/x: Read-only file system",
                "/etc/x",
            ),
            (
                "touch: cannot touch '../out/file': Read-only file system",
                "../out/file",
            ),
            (
                "cat: /root/.ssh/id_ed25519: Permission denied",
                "/root/.ssh/id_ed25519",
            ),
            (
                "PermissionError: [Errno 13] Permission denied: '/opt/x y'",
                "/opt/x",
            ),
            (
                "error: could not lock config file .git/config: Read-only file system",
                ".git/config",
            ),
            (
                "Error: EROFS: read-only file system, open '/srv/a.js'",
                "/srv/a.js",
            ),
        ] {
            assert!(
                paths(line).contains(&PathBuf::from(path)),
                "{line}: {:?}",
                paths(line)
            );
        }
        assert!(
            !paths("see https://example.org/x for more")
                .iter()
                .any(|p| p.to_string_lossy().contains("example"))
        );
    }
}
