//! What `ringfence why`, `policy show` and `doctor` say, as data: for their `--json`, and for clients.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ringfence::doctor::{Finding, Machine, examine, findings};
use ringfence::why::{Answer, explain, place};
use ringfence::{Error, Preview, Request, State, layers, preview};
use ringfence_ops::Shortfall;
use ringfence_ops::linux::{Op, Upper};
use ringfence_plan::{Access, Plan, promise};
use ringfence_policy::{Decision, EnvVerdict, Origin, show_json};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::protocol::{ShowPolicy, Why};
use crate::rings::{Rings, WORDS_MAX, path_of};

pub use ringfence::environment::inside;

pub(crate) fn why(rings: &Rings, asked: Why) -> Result<Value, Fault> {
    let Why {
        path,
        argv,
        workspace,
        directory,
        policy,
    } = asked;
    let mut request = rings.request(workspace, directory, policy)?;
    let command: Vec<OsString> = argv.iter().flatten().map(OsString::from).collect();
    if command.is_empty() == path.is_none() {
        return Err(Fault::Params("one of `path` and `argv`".to_owned()));
    }
    if command.len() > WORDS_MAX {
        return Err(Fault::Params(format!("argv: {WORDS_MAX} words at most")));
    }
    request.argv.clone_from(&command);
    let Some(path) = path else {
        let seen = preview(request)?;
        return Ok(command_json(&seen, &command, &inside()));
    };
    why_path(request, &path)
}

pub(crate) fn why_path(mut request: Request, path: &str) -> Result<Value, Fault> {
    let path = path_of(path)?;
    // A path is asked about for whatever might run: a shell gets what any command does.
    request.argv = vec![OsString::from("/bin/sh")];
    let cwd = match &request.directory {
        Some(directory) => directory.clone(),
        None => std::env::current_dir().map_err(|_| Error::NoCwd)?,
    };
    let seen = preview(request)?;
    let home = layers::home();
    let at = place(&path, &cwd);
    let answer = explain(&seen.ground(home.as_deref()), &at);
    let exists = at.kind.is_some();
    Ok(path_json(
        &seen,
        &path,
        &at.path,
        exists,
        &answer,
        &inside(),
    ))
}

pub(crate) fn policy(rings: &Rings, asked: ShowPolicy) -> Result<Value, Fault> {
    let ShowPolicy {
        workspace,
        directory,
        policy,
    } = asked;
    let request = rings.request(workspace, directory, policy)?;
    let cwd = match request.directory {
        Some(directory) => directory,
        None => std::env::current_dir().map_err(|_| Error::NoCwd)?,
    };
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    let named = request.workspace.as_deref();
    let granted = layers::holding(named, &cwd, home.as_deref(), state.as_ref());
    let effective = layers::effective(
        request.flags,
        named.unwrap_or(&cwd),
        &cwd,
        home.as_deref(),
        state.as_ref(),
        &granted,
    )?;
    Ok(show_json(&effective))
}

pub(crate) fn doctor() -> Value {
    let machine = examine();
    let rows = findings(&machine);
    machine_json(&machine, &rows)
}

/// What a ring does with a path.
#[must_use]
pub fn path_json(
    seen: &Preview,
    given: &Path,
    path: &Path,
    exists: bool,
    answer: &Answer,
    inside: &Option<String>,
) -> Value {
    let Answer {
        access,
        word,
        because,
        step,
        promise,
        origin,
        remedy,
        // The remedy says it.
        reveal: _,
        pinned,
    } = answer;
    let decision = |may: bool| if may { "allow" } else { "deny" };
    json!({
        "given": given.to_string_lossy(),
        "path": path.to_string_lossy(),
        "exists": exists,
        "access": word,
        "read": { "decision": decision(answer.may_read()) },
        "write": {
            "decision": decision(answer.may_write()),
            "kept_in_ring": *access == Access::Private,
        },
        "because": because,
        "step": step.as_ref().map(|(number, step)| json!({ "number": number, "text": step })),
        "promise": promise,
        "origin": origin_json(origin),
        "remedy": remedy,
        "pinned": pinned,
        "ring": seen.plan.as_ref().map(|plan| plan.mode.to_string()),
        "inside": inside,
    })
}

/// What a command gets.
#[must_use]
pub fn command_json(seen: &Preview, command: &[OsString], inside: &Option<String>) -> Value {
    let lossy = |path: &Path| path.to_string_lossy().into_owned();
    json!({
        "command": command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>(),
        "program": lossy(&seen.program),
        "decision": seen.verdict.decision.name(),
        "placement": if seen.plan.is_some() { "inside" } else { "outside" },
        "rules": seen.verdict.line(),
        "mode": seen.policy.mode.value.name(),
        "ring": seen.plan.as_ref().map(|plan| plan.mode.to_string()),
        "write_roots": every_root(seen).map(|root| lossy(root)).collect::<Vec<_>>(),
        "network": {
            "mode": seen.policy.network.mode.value.name(),
            "origin": origin_json(&seen.policy.network.mode.origin),
        },
        "caches": caches(seen)
            .into_iter()
            .map(|(tool, at, how)| json!({ "tool": tool, "at": lossy(&at), "how": how }))
            .collect::<Vec<_>>(),
        "environment": {
            "passed": seen.environment.variables.len(),
            "dropped": seen
                .environment
                .dropped
                .iter()
                .filter_map(|(name, verdict)| {
                    let why = dropped(*verdict)?;
                    Some(json!({ "name": name.to_string_lossy(), "why": why }))
                })
                .collect::<Vec<_>>(),
        },
        "shortfalls": shortfalls(seen.plan.as_ref())
            .iter()
            .map(|short| {
                let Shortfall { promise, what, remedy, accepted } = short;
                json!({ "promise": promise, "what": what, "remedy": remedy, "accepted": accepted })
            })
            .collect::<Vec<_>>(),
        "inside": inside,
    })
}

/// What becomes of a tool's cache: the tool, its directory, and how it is written.
#[must_use]
pub fn caches(seen: &Preview) -> Vec<(String, PathBuf, &'static str)> {
    let steps = seen.plan.iter().flat_map(|plan| &plan.steps);
    let mut all: Vec<_> = steps
        .filter_map(|step| match &step.op {
            Op::PrivateCache(cache) => Some((
                cache.tool.clone(),
                cache.at.path.clone(),
                match cache.upper {
                    Upper::Ring => "layered; writes go with the ring",
                    Upper::Kept { .. } => "layered; writes stay with this workspace's rings",
                },
            )),
            _ => None,
        })
        .collect();
    all.extend(seen.site.kept.iter().map(|kept| {
        (
            kept.tool.clone(),
            kept.at.clone(),
            "this workspace's own, since you have none",
        )
    }));
    all.extend(
        seen.site
            .shared
            .iter()
            .map(|at| (String::from("a tool"), at.path.clone(), "shared")),
    );
    all
}

/// Why a variable does not reach the command; `None` for one that does.
#[must_use]
pub fn dropped(verdict: EnvVerdict) -> Option<&'static str> {
    match verdict {
        EnvVerdict::Pass => None,
        EnvVerdict::DropSecretName => Some("its name is a secret's"),
        EnvVerdict::DropSecretShape => Some("its value looks like a secret"),
        EnvVerdict::DropSocket => Some("it leads outside: a socket, a display or a program"),
        EnvVerdict::DropListed => Some("the policy drops it"),
    }
}

/// Every write root, the workspace first.
pub fn every_root(seen: &Preview) -> impl Iterator<Item = &PathBuf> {
    let roots = &seen.site.roots;
    let workspace = (!roots.is_empty()).then_some(&seen.site.workspace);
    let others = roots
        .iter()
        .flat_map(|root| std::iter::once(&root.at.path).chain(&root.inner))
        .filter(|root| **root != seen.site.workspace);
    workspace.into_iter().chain(others)
}

/// What a plan keeps less than whole.
#[must_use]
pub fn shortfalls(plan: Option<&Plan>) -> &[Shortfall] {
    plan.map_or(&[], |plan| &plan.shortfalls)
}

/// Whether a command is run.
#[must_use]
pub fn decision(seen: &Preview) -> &'static str {
    match (seen.verdict.decision, &seen.plan) {
        (Decision::Forbid, _) => "not run: a rule forbids it",
        (Decision::Ask, Some(_)) => "a person is asked first; then inside",
        (Decision::Ask, None) => {
            "a person is asked first; then without any boundary: the mode is full-access"
        }
        (Decision::Allow, Some(_)) => "allowed inside",
        (Decision::Allow, None) => "allowed without any boundary: the mode is full-access",
    }
}

fn origin_json(origin: &Origin) -> Value {
    let Origin {
        layer,
        file,
        line,
        flag,
    } = origin;
    json!({
        "layer": layer.name(),
        "file": file.as_deref().map(Path::to_string_lossy),
        "line": line,
        "flag": flag,
    })
}

/// What this machine can enforce.
#[must_use]
pub fn machine_json(machine: &Machine, rows: &[Finding]) -> serde_json::Value {
    let rows: Vec<_> = rows.iter().map(Finding::to_json).collect();
    let trial = machine.ring.as_ref().ok();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": machine.release,
        "arch": std::env::consts::ARCH,
        "landlock_abi": machine.facts.landlock,
        "root": machine.facts.root,
        "container": machine.facts.container.map(|container| container.to_string()),
        "wsl": machine.facts.wsl,
        "inside": machine.inside,
        "can_enforce": machine.can_enforce(),
        "ring": trial.and_then(|trial| trial.mode).map(|mode| mode.to_string()),
        "enforcement": trial.map(|trial| trial.outcome.enforcement.to_string()),
        "findings": rows,
        "promises": promise::ALL,
    })
}
