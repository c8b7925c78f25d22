//! `ringfence why`.

mod last;

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use ringfence::why::{Answer, explain, place};
use ringfence::{Preview, Request, layers, preview};
use ringfence_plan::{Access, RingMode};
use ringfence_policy::{Layer, NetworkMode};
use rustix::fs::{Access as Asked, AtFlags, CWD, accessat};
use rustix::process::geteuid;

use ringfence_serve::report::{
    caches, command_json, decision, dropped, every_root, inside, path_json, shortfalls,
};

use crate::exit::ExitCode;
use crate::flags::PolicyFlags;
use crate::say;

/// The answer comes from the very plan that `ringfence run` builds its ring by.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("about").args(["paths", "command", "last"]).required(true).multiple(true))]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    policy: PolicyFlags,
    /// The workspace of the ring [default: the repository you are in, else the current directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one line of JSON for each answer
    #[arg(long)]
    json: bool,
    /// The last command that failed here: run it once more, in the ring it had (if that had flags, say the same), and say what
    /// that refuses; at a terminal it is offered. In no other ring, and never outside
    #[arg(long, conflicts_with_all = ["paths", "command"])]
    last: bool,
    /// Do not ask whether to run it
    #[arg(long, requires = "last")]
    yes: bool,
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
        last,
        yes,
        paths,
        command,
    } = args;
    if last {
        return last::last(policy, workspace, json, yes);
    }
    let cwd = match std::env::current_dir() {
        Ok(cwd) => cwd,
        Err(_) => return say::error(&ringfence::Error::NoCwd).into(),
    };
    let inside = inside();
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
        reveal: _,
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
    let denied = denied(path, *access);
    let missing = match (exists, denied) {
        (true, _) => "",
        // Nobody without permission can tell.
        (false, Some(_)) => " (cannot be looked at)",
        (false, None) => " (does not exist)",
    };
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
    if let Some(denied) = denied {
        let _ = writeln!(
            text,
            "  note    {denied} by its own permissions or those of a directory above it, whatever the ring allows"
        );
    }
    if !remedy.is_empty() {
        let _ = writeln!(text, "  remedy  {}", say::Plain(remedy));
    }
}

/// What the file's permissions keep a command from that the ring does not.
fn denied(path: &Path, access: Access) -> Option<&'static str> {
    let (reads, writes) = match access {
        Access::Writable | Access::Private => (true, true),
        Access::ReadOnly => (true, false),
        Access::Hidden | Access::TakenAway => (false, false),
    };
    if reads && !permitted(path, Asked::READ_OK) {
        Some("it cannot be read")
    } else if writes && !permitted(path, Asked::WRITE_OK) {
        Some("it cannot be written")
    } else {
        None
    }
}

/// Root is asked about as it is in a ring, without the capabilities that go around permissions.
fn permitted(path: &Path, asked: Asked) -> bool {
    if !geteuid().is_root() {
        // What fails for another reason is not told of as a lack of permission.
        return accessat(CWD, path, asked, AtFlags::EACCESS) != Err(rustix::io::Errno::ACCESS);
    }
    let may = |path: &Path, bit: u32| {
        std::fs::metadata(path).map_or(true, |meta| {
            let shift = match (meta.uid(), meta.gid()) {
                (0, _) => 6,
                (_, 0) => 3,
                _ => 0,
            };
            meta.mode() >> shift & bit != 0
        })
    };
    let bit = if asked == Asked::READ_OK { 4 } else { 2 };
    may(path, bit) && path.ancestors().skip(1).all(|above| may(above, 1))
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
    let spoken_of = seen
        .verdict
        .segments
        .iter()
        .any(|one| !one.rules.is_empty());
    if spoken_of {
        row("rule", say::Plain(seen.verdict.line()).to_string());
    }
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
