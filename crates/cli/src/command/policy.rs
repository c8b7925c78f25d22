//! `ringfence policy`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ringfence::{Error, State, layers, trust};
use ringfence_policy::{Flags, Sources, init_text, schema, show, show_json};

use crate::exit::ExitCode;
use crate::flags::PolicyFlags;
use crate::say;

#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print what holds here, and for each value who said so
    Show(Box<ShowArgs>),
    /// Check the files that hold here, or those named; exit code 1 if one is invalid
    Check(CheckArgs),
    /// Write a commented policy file to begin with
    Init(InitArgs),
    /// Print the JSON Schema of a policy file
    Schema,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    policy: PolicyFlags,
    /// The workspace it is asked for [default: the current directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Files; one that is called .ringfence.toml counts as a project's, any other as yours
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct InitArgs {
    /// Your own file, for all projects
    #[arg(long, conflicts_with = "project")]
    user: bool,
    /// .ringfence.toml in the current directory (default)
    #[arg(long)]
    project: bool,
    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn policy(args: PolicyArgs) -> ExitCode {
    let PolicyArgs { what } = args;
    let done = match what {
        What::Show(args) => show_effective(*args),
        What::Check(args) => check(args),
        What::Init(args) => init(args),
        What::Schema => Ok(say::out(format_args!("{:#}\n", schema()))),
    };
    done.unwrap_or_else(|error| say::error(&error).into())
}

fn show_effective(args: ShowArgs) -> Result<ExitCode, Error> {
    let ShowArgs {
        policy,
        workspace,
        json,
    } = args;
    let cwd = std::env::current_dir().map_err(|_| Error::NoCwd)?;
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    let granted = layers::holding(workspace.as_deref(), &cwd, home.as_deref(), state.as_ref());
    let effective = layers::effective(
        policy.into(),
        &cwd.join(workspace.unwrap_or_default()),
        &cwd,
        home.as_deref(),
        state.as_ref(),
        &granted,
    )?;
    let lacking = layers::lacking(&effective, home.as_deref());
    for unusable in layers::unusable(&effective).iter().chain(&lacking) {
        say::line(format_args!("no command is run with this: {unusable}"));
    }
    Ok(if json {
        say::out(format_args!("{:#}\n", show_json(&effective)))
    } else {
        say::out(show(&effective, home.as_deref()))
    })
}

/// Where checks are made.
struct Place {
    cwd: PathBuf,
    home: Option<PathBuf>,
    state: Option<State>,
}

fn check(args: CheckArgs) -> Result<ExitCode, Error> {
    let CheckArgs { files } = args;
    let home = layers::home();
    let place = Place {
        cwd: std::env::current_dir().map_err(|_| Error::NoCwd)?,
        state: State::of_user(home.as_deref()),
        home,
    };
    let mut valid = true;
    let mut text = String::new();
    if files.is_empty() {
        let found = place.layers().and_then(|sources| {
            text = named(&sources);
            place.lines(&sources)
        });
        valid = told(found);
    }
    for file in &files {
        let file = place.cwd.join(file);
        if told(place.one(&file)) {
            text.push_str(&format!("{}: valid\n", say::Plain(&file)));
        } else {
            valid = false;
        }
    }
    Ok(if valid {
        say::out(text)
    } else {
        ExitCode::from(say::NO)
    })
}

/// Says each error on a line of its own; `true` when there is none.
fn told(found: Result<Vec<String>, Error>) -> bool {
    let lines = found.unwrap_or_else(|error| lines_of(&error));
    for line in &lines {
        say::line(line);
    }
    lines.is_empty()
}

fn lines_of(error: &Error) -> Vec<String> {
    error.to_string().lines().map(str::to_owned).collect()
}

/// The files that were read and are valid, one a line.
fn named(sources: &Sources) -> String {
    let Sources {
        managed,
        user,
        projects,
        grants: _,
        flags: _,
    } = sources;
    let files: Vec<String> = managed
        .iter()
        .chain(user)
        .chain(projects.iter().map(|(file, _)| file))
        .map(|file| format!("{}: valid\n", say::Plain(&file.path)))
        .collect();
    if files.is_empty() {
        "no policy file here: the built-in policy holds\n".to_owned()
    } else {
        files.concat()
    }
}

impl Place {
    fn layers(&self) -> Result<Sources, Error> {
        let (home, state) = (self.home.as_deref(), self.state.as_ref());
        layers::sources(Flags::default(), &self.cwd, home, state, &[])
    }

    /// What is wrong with layers, one error a line.
    fn lines(&self, sources: &Sources) -> Result<Vec<String>, Error> {
        let effective = layers::merge(sources, &self.cwd, self.home.as_deref())?;
        let lacking = layers::lacking(&effective, self.home.as_deref());
        Ok(layers::unusable(&effective)
            .iter()
            .chain(&lacking)
            .flat_map(lines_of)
            .collect())
    }

    /// What is wrong with one file: a project's over the layers that hold here, any other
    /// for itself.
    fn one(&self, file: &Path) -> Result<Vec<String>, Error> {
        let Some(text) = layers::read(file)? else {
            return Ok(vec![format!(
                "{}: no such file; name another, or write one with `ringfence policy init`",
                say::Plain(file)
            )]);
        };
        let mut sources = Sources::default();
        if file == Path::new(layers::MANAGED) {
            sources.managed = Some(text);
        } else if file.file_name() == Some(layers::PROJECT.as_ref()) {
            sources = self.layers()?;
            let trust = trust::of(self.state.as_ref(), &text);
            sources.projects = vec![(text, trust)];
        } else {
            sources.user = Some(text);
        }
        self.lines(&sources)
    }
}

fn init(args: InitArgs) -> Result<ExitCode, Error> {
    let InitArgs {
        user,
        project: _,
        force,
    } = args;
    let file = if user {
        let home = layers::home();
        match layers::user_file(home.as_deref()) {
            Some(file) => file,
            None => {
                return Ok(say::refuse(format_args!(
                    "policy init: you have no home directory; {}",
                    layers::TO_HAVE_CONFIG
                )));
            }
        }
    } else {
        std::env::current_dir()
            .map_err(|_| Error::NoCwd)?
            .join(layers::PROJECT)
    };
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let parent = file.parent().unwrap_or(Path::new("/"));
    let written = std::fs::create_dir_all(parent)
        .and_then(|()| options.open(&file))
        .and_then(|mut file| file.write_all(init_text().as_bytes()));
    let shown = say::Plain(&file);
    Ok(match written {
        Ok(()) => say::out(format_args!("{shown}: written; nothing in it holds yet\n")),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => say::refuse(
            format_args!("{shown}: exists already; edit it, or overwrite it with --force"),
        ),
        Err(error) => say::refuse(format_args!(
            "{shown}: {error}; make its directory writable, or begin somewhere else"
        )),
    })
}
