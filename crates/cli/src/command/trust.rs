//! `ringfence trust` and `ringfence untrust`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use ringfence::{Error, State, layers, trust};
use ringfence_policy::{FileText, Flags, Trust, widens};

use crate::exit::ExitCode;
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// The file, or a directory it holds for [default: the current directory]
    path: Option<PathBuf>,
    /// Do not ask at a terminal
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UntrustArgs {
    /// The file, or a directory it holds for [default: the current directory]
    path: Option<PathBuf>,
}

pub(crate) fn trust(args: TrustArgs) -> ExitCode {
    let TrustArgs { path, yes } = args;
    if let Some(code) = refused_inside() {
        return code;
    }
    match trusted(path, yes) {
        Ok(code) | Err(Stop::Said(code)) => code,
        Err(Stop::Failed(error)) => say::error(&error).into(),
    }
}

pub(crate) fn untrust(args: UntrustArgs) -> ExitCode {
    let UntrustArgs { path } = args;
    if let Some(code) = refused_inside() {
        return code;
    }
    match untrusted(path) {
        Ok(code) | Err(Stop::Said(code)) => code,
        Err(Stop::Failed(error)) => say::error(&error).into(),
    }
}

/// Why it ended before its end.
enum Stop {
    Said(ExitCode),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

fn refused_inside() -> Option<ExitCode> {
    ringfence::environment::inside().map(|_| {
        say::refuse("trust: this runs in a ring, where nobody's trust counts; do it outside")
    })
}

/// What trust is about: the current directory, the home, the state and the file.
struct Scene {
    cwd: PathBuf,
    home: Option<PathBuf>,
    state: State,
    file: PathBuf,
}

fn scene(path: Option<PathBuf>) -> Result<Scene, Stop> {
    let cwd = std::env::current_dir().map_err(|_| Error::NoCwd)?;
    let home = layers::home();
    let Some(state) = State::of_user(home.as_deref()) else {
        return Err(Stop::Said(say::refuse(format_args!(
            "trust is kept in your state directory, and you have no home; {}",
            layers::TO_HAVE_STATE
        ))));
    };
    let named = path.map_or(cwd.clone(), |path| cwd.join(path));
    // The directory by its own name, so that what holds there is not found twice; the file
    // itself as it was named, link or not.
    let named = match (named.is_dir(), named.parent(), named.file_name()) {
        (true, _, _) => layers::canonical(&named).unwrap_or(named),
        (false, Some(dir), Some(name)) => match layers::canonical(dir) {
            Ok(dir) => dir.join(name),
            Err(_) => named,
        },
        _ => named,
    };
    let file = if named.is_dir() {
        layers::project_files(&named).next()
    } else {
        Some(named.clone())
    };
    let Some(file) = file else {
        return Err(Stop::Said(say::refuse(format_args!(
            "{}: no {} here or above; `ringfence policy init` writes one",
            say::Plain(&named),
            layers::PROJECT
        ))));
    };
    if file.file_name() != Some(layers::PROJECT.as_ref()) {
        return Err(Stop::Said(say::refuse(format_args!(
            "{}: only a project's {} takes trust; name that or its directory",
            say::Plain(&file),
            layers::PROJECT
        ))));
    }
    Ok(Scene {
        cwd,
        home,
        state,
        file,
    })
}

fn trusted(path: Option<PathBuf>, yes: bool) -> Result<ExitCode, Stop> {
    let Scene {
        cwd,
        home,
        state,
        file,
    } = scene(path)?;
    let Some(text) = layers::read(&file)? else {
        return Err(Stop::Said(say::refuse(format_args!(
            "{}: no such file; `ringfence policy init` writes one",
            say::Plain(&file)
        ))));
    };
    let dir = file.parent().unwrap_or(Path::new("/"));
    let mut sources = layers::sources(Flags::default(), dir, home.as_deref(), Some(&state), &[])?;
    // What holds further out holds as well.
    sources.projects.retain(|(outer, _)| outer.path != file);
    let without = layers::merge(&sources, &cwd, home.as_deref())?;
    sources.projects.push((text.clone(), Trust::Trusted));
    let with = layers::merge(&sources, &cwd, home.as_deref())?;
    let wider = widens(&without, &with);
    let mut page = format!("{}\n", say::Plain(&file));
    for line in settings(&text) {
        page.push_str(&format!("    {}\n", say::Plain(line)));
    }
    if wider.is_empty() {
        page.push_str("It allows nothing more than your own policy; trust adds nothing.\n");
    } else {
        page.push_str(&format!(
            "Trusted, it allows more than your own policy: {}\n",
            wider.join(", ")
        ));
    }
    say::out(&page);
    let lacking = layers::lacking(&with, home.as_deref());
    for unusable in layers::unusable(&with).iter().chain(&lacking) {
        say::line(format_args!("no command is run with this: {unusable}"));
    }
    if trust::of(Some(&state), &text) == Trust::Trusted {
        return Ok(say::out("It is trusted already.\n"));
    }
    if !yes && !std::io::stdin().is_terminal() {
        return Ok(say::refuse(
            "not trusted: there is no terminal to ask at; read the above, and say --yes",
        ));
    }
    if !yes && !agreed() {
        return Ok(say::refuse("not trusted"));
    }
    trust::trust(&state, &text)?;
    Ok(say::out(
        "Trusted, as it is written now; an edit ends it.\n",
    ))
}

/// The lines of a file that say something.
fn settings(file: &FileText) -> impl Iterator<Item = &str> {
    file.text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

/// Asks at the terminal.
fn agreed() -> bool {
    let mut stderr = std::io::stderr();
    let asked = write!(stderr, "Trust it? [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked.is_ok()
        && std::io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn untrusted(path: Option<PathBuf>) -> Result<ExitCode, Stop> {
    let Scene {
        cwd: _,
        home: _,
        state,
        file,
    } = scene(path)?;
    let shown = say::Plain(&file);
    Ok(if trust::untrust(&state, &file)? {
        say::out(format_args!("{shown}: not trusted any more\n"))
    } else {
        say::out(format_args!("{shown}: was not trusted\n"))
    })
}
