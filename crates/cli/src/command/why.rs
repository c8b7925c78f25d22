//! `ringfence why`.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use ringfence::why::{Answer, explain, place};
use ringfence::{Preview, Request, layers, preview};
use ringfence_ops::Shortfall;
use ringfence_ops::linux::{Op, Upper};
use ringfence_plan::{Access, Plan, RingMode};
use ringfence_policy::{EnvVerdict, Layer, NetworkMode, Origin};
use serde_json::{Value, json};

use crate::flags::PolicyFlags;
use crate::say;

/// The answer comes from the very plan that `ringfence run` builds its ring by.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("about").args(["paths", "command"]).required(true).multiple(true))]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    policy: PolicyFlags,
    /// The workspace of the ring [default: the repository you are in, else the current directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one line of JSON for each answer
    #[arg(long)]
    json: bool,
    /// Paths; they need not exist
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A command: where it is found, what it gets, what is kept from it
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn why(args: WhyArgs) -> ExitCode {
    let WhyArgs {
        policy,
        workspace,
        json,
        paths,
        command,
    } = args;
    let cwd = match std::env::current_dir() {
        Ok(cwd) => cwd,
        Err(_) => return say::error(&ringfence::Error::NoCwd).into(),
    };
    let inside = super::inside();
    if let (Some(mode), false) = (&inside, json) {
        say::line(format_args!(
            "this runs in a ring ({}); the answer is about one started here, with what can be seen \
             from here",
            say::Plain(mode)
        ));
    }
    // A path is asked about for whatever might run: a shell gets what any command does.
    let argv = if command.is_empty() {
        vec![OsString::from("/bin/sh")]
    } else {
        command.clone()
    };
    let seen = match preview(Request {
        argv,
        workspace,
        flags: policy.into(),
        ..Request::default()
    }) {
        Ok(seen) => seen,
        Err(error) => return say::error(&error).into(),
    };
    let home = layers::home();
    let ground = seen.ground(home.as_deref());
    let mut text = String::new();
    for given in &paths {
        let place = place(given, &cwd);
        let answer = explain(&ground, &place);
        if json {
            let line = path_json(
                &seen,
                given,
                &place.path,
                place.kind.is_some(),
                &answer,
                &inside,
            );
            let _ = writeln!(text, "{line}");
        } else {
            path_page(
                &mut text,
                given,
                &place.path,
                place.kind.is_some(),
                &answer,
                home.as_deref(),
            );
        }
    }
    if !command.is_empty() {
        if json {
            let _ = writeln!(text, "{}", command_json(&seen, &command, &inside));
        } else {
            command_page(&mut text, &seen, &command, home.as_deref());
        }
    }
    say::out(text)
}

fn path_page(
    text: &mut String,
    given: &Path,
    path: &Path,
    exists: bool,
    answer: &Answer,
    home: Option<&Path>,
) {
    let Answer {
        access,
        word,
        because,
        step,
        promise,
        origin,
        remedy,
        pinned,
    } = answer;
    let does = match access {
        Access::Writable if *word == "unbounded" => "as without Ringfence",
        Access::Writable => "can be read and written",
        Access::Private => "can be read and written, for the ring alone",
        Access::ReadOnly => "can be read, not written",
        Access::Hidden => "can be neither read nor written",
        Access::TakenAway => "can be made, and is taken away at once",
    };
    let shown = if given == path {
        say::Plain(path).to_string()
    } else {
        format!("{} ({})", say::Plain(given), say::Plain(path))
    };
    let missing = if exists { "" } else { " (does not exist)" };
    let _ = writeln!(text, "{shown}{missing}: {word}: {does}");
    let _ = writeln!(text, "  why     {}", say::Plain(because));
    let _ = writeln!(text, "  said by {}", origin.display(home));
    if let Some((number, step)) = step {
        let promise = promise.unwrap_or_default();
        let _ = writeln!(text, "  step    {number}: {} [{promise}]", say::Plain(step));
    }
    if *pinned {
        text.push_str(
            "  note    it cannot be renamed or removed: something below it is protected\n",
        );
    }
    if !remedy.is_empty() {
        let _ = writeln!(text, "  remedy  {}", say::Plain(remedy));
    }
}

fn path_json(
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

/// What becomes of a tool's cache: the tool, its directory, and how it is written.
fn caches(seen: &Preview) -> Vec<(String, PathBuf, &'static str)> {
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
fn dropped(verdict: EnvVerdict) -> Option<&'static str> {
    match verdict {
        EnvVerdict::Pass => None,
        EnvVerdict::DropSecretName => Some("its name is a secret's"),
        EnvVerdict::DropSecretShape => Some("its value looks like a secret"),
        EnvVerdict::DropSocket => Some("it leads outside: a socket, a display or a program"),
        EnvVerdict::DropListed => Some("the policy drops it"),
    }
}

/// Every write root, the workspace first.
fn every_root(seen: &Preview) -> impl Iterator<Item = &PathBuf> {
    let roots = &seen.site.roots;
    let workspace = (!roots.is_empty()).then_some(&seen.site.workspace);
    let others = roots
        .iter()
        .flat_map(|root| std::iter::once(&root.at.path).chain(&root.inner))
        .filter(|root| **root != seen.site.workspace);
    workspace.into_iter().chain(others)
}

/// The write roots beside the workspace, each with who said so.
fn write_roots(seen: &Preview, home: Option<&Path>) -> Vec<(PathBuf, String)> {
    let ground = seen.ground(home);
    every_root(seen)
        .filter(|root| **root != seen.site.workspace)
        .map(|root| {
            let place = place(root, Path::new("/"));
            let Answer {
                because, origin, ..
            } = explain(&ground, &place);
            let by = if origin.layer == Layer::Builtin {
                because
            } else {
                origin.display(home).to_string()
            };
            (root.clone(), by)
        })
        .collect()
}

fn shortfalls(plan: Option<&Plan>) -> &[Shortfall] {
    plan.map_or(&[], |plan| &plan.shortfalls)
}

fn command_page(text: &mut String, seen: &Preview, command: &[OsString], home: Option<&Path>) {
    let words: Vec<String> = command
        .iter()
        .map(|word| say::Plain(word).to_string())
        .collect();
    let _ = writeln!(text, "{}", words.join(" "));
    let mut row = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<12} {what}");
    };
    row("program", say::Plain(&seen.program).to_string());
    row("decision", decision(seen).to_owned());
    row(
        "mode",
        format!(
            "{} ({})",
            seen.policy.mode.value,
            seen.policy.mode.origin.display(home)
        ),
    );
    row(
        "ring",
        match &seen.plan {
            Some(plan) => plan.mode.to_string(),
            None => "none".to_owned(),
        },
    );
    if let Some(workspace) = every_root(seen).next() {
        row("workspace", format!("{}, writable", say::Plain(workspace)));
    }
    for (root, by) in write_roots(seen, home) {
        row("writable", format!("{} ({by})", say::Plain(root)));
    }
    let network = &seen.policy.network.mode;
    row(
        "network",
        format!(
            "{} ({}){}",
            network.value,
            network.origin.display(home),
            match (network.value, seen.plan.as_ref().map(|plan| plan.mode)) {
                (NetworkMode::Off | NetworkMode::Allow, Some(RingMode::Namespaces)) => {
                    "; localhost inside the ring works"
                }
                _ => "",
            }
        ),
    );
    for (tool, at, how) in caches(seen) {
        row("cache", format!("{tool} {}: {how}", say::Plain(at)));
    }
    for (name, verdict) in &seen.environment.dropped {
        if let Some(why) = dropped(*verdict) {
            row("dropped", format!("{}: {why}", say::Plain(name)));
        }
    }
    for short in shortfalls(seen.plan.as_ref()) {
        row(
            "less",
            format!("{}: {}", short.promise, say::Plain(&short.what)),
        );
    }
}

fn decision(seen: &Preview) -> &'static str {
    match seen.plan {
        Some(_) => "allowed inside; command rules are not enforced by this version",
        None => "allowed without any boundary: the mode is full-access",
    }
}

fn command_json(seen: &Preview, command: &[OsString], inside: &Option<String>) -> Value {
    let lossy = |path: &Path| path.to_string_lossy().into_owned();
    json!({
        "command": command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>(),
        "program": lossy(&seen.program),
        "decision": "allow",
        "placement": if seen.plan.is_some() { "inside" } else { "outside" },
        "rules_enforced": false,
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
