//! `ringfence shim`.

mod file;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use ringfence::why::{explain, place};
use ringfence::{Error as RingError, Request, layers, preview};
use ringfence_plan::Access;
use thiserror::Error;

use crate::command::shim::file::{Shim, Unwritable};
use crate::exit::ExitCode;
use crate::flags::Kept;
use crate::own::{self, NoSelf};
use crate::say;

pub(crate) use crate::command::shim::file::followed;

/// Makes shells for an agent that takes one: DIR/bash is bash, in a ring. Start the agent with
/// SHELL=DIR/bash, or name it in the agent's settings.
#[derive(Debug, Args)]
pub(crate) struct ShimArgs {
    /// The directory to put them in; made if it does not exist
    dir: PathBuf,
    /// The shells to make [default: bash and sh]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = shell_name)]
    shell: Vec<String>,
    /// Take away what was made in DIR
    #[arg(long, conflicts_with = "shell")]
    remove: bool,
    #[command(flatten)]
    kept: Kept,
}

/// Why shims were not made, or not taken away.
#[derive(Debug, Error)]
enum Refused {
    #[error("this runs in a ring, where no shim can be made; do it outside")]
    InRing,
    #[error("{}: {error}", say::Plain(.path))]
    Path {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: a command in a ring could rewrite the shims there: {because}; name a directory outside, such as ~/.local/lib/ringfence", say::Plain(.dir))]
    Writable { dir: PathBuf, because: String },
    #[error("{name}: no such shell in /bin or on your PATH")]
    NoShell { name: String },
    #[error("{}: exists, and was not made by `ringfence shim`; name another directory, or remove it yourself", say::Plain(.0))]
    NotOurs(PathBuf),
    #[error("{}: no such directory; make it first: mkdir -p {}", say::Plain(.0), say::Plain(.0))]
    NoParent(PathBuf),
    #[error("--remove takes no flags of a ring")]
    TooMuch,
    #[error("{}: no shims there", say::Plain(.0))]
    NoShims(PathBuf),
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    #[error(transparent)]
    NoSelf(#[from] NoSelf),
    #[error(transparent)]
    Ring(#[from] RingError),
}

fn shell_name(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits) {
        Ok(name.to_owned())
    } else {
        Err("it must be the name of a shell, as bash".to_owned())
    }
}

pub(crate) fn shim(args: ShimArgs) -> ExitCode {
    let ShimArgs {
        dir,
        shell,
        remove,
        kept,
    } = args;
    let done = if ringfence_serve::report::inside().is_some() {
        Err(Refused::InRing)
    } else if remove && !kept.is_empty() {
        Err(Refused::TooMuch)
    } else if remove {
        removed(&dir)
    } else {
        made(&dir, shell, kept)
    };
    match done {
        Ok(text) => say::out(text),
        Err(Refused::Ring(error)) => say::error(&error).into(),
        Err(refused) => say::refuse(format_args!("shim: {refused}")),
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Refused {
    let path = path.to_owned();
    move |error| Refused::Path {
        path: path.clone(),
        error,
    }
}

fn made(dir: &Path, shells: Vec<String>, kept: Kept) -> Result<String, Refused> {
    let cwd = std::env::current_dir().map_err(|_| RingError::NoCwd)?;
    let program = own::program()?;
    let place = place(dir, &cwd);
    let dir = place.path.clone();
    let flags = kept.words(&cwd);
    // The ring a command gets here is asked itself, not a rule about what it might be.
    let Kept {
        policy, workspace, ..
    } = kept;
    let seen = preview(Request {
        argv: vec![OsString::from("/bin/sh")],
        workspace,
        flags: policy.into(),
        ..Request::default()
    })?;
    let home = layers::home();
    let answer = explain(&seen.ground(home.as_deref()), &place);
    if answer.access == Access::Writable {
        return Err(Refused::Writable {
            dir,
            because: say::Plain(&answer.because).to_string(),
        });
    }
    let defaults = shells.is_empty();
    let names = if defaults {
        vec!["bash".to_owned(), "sh".to_owned()]
    } else {
        shells
    };
    let mut found = Vec::new();
    for name in names {
        match real(&name, &dir) {
            Some(shell) => found.push((dir.join(&name), shell)),
            // Not every system has bash.
            None if defaults && name != "sh" => {}
            None => return Err(Refused::NoShell { name }),
        }
    }
    // All that stands in the way is found before anything is made.
    for (path, _) in &found {
        if fs::symlink_metadata(path).is_ok() && !Shim::is_at(path) {
            return Err(Refused::NotOurs(path.clone()));
        }
    }
    let made_directory = match fs::create_dir(&dir) {
        Ok(()) => true,
        Err(_) if dir.is_dir() => made_before(&dir),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Refused::NoParent(dir.parent().unwrap_or(&dir).to_owned()));
        }
        Err(error) => return Err(at(&dir)(error)),
    };
    let mut text = String::new();
    for (path, shell) in &found {
        let words = words(&dir, &flags, shell)?;
        let shim = Shim {
            words,
            made_directory,
        };
        write(path, &shim.text(&program)?)?;
        let _ = writeln!(
            text,
            "{}: {} in a ring",
            say::Plain(path),
            say::Plain(shell)
        );
    }
    Ok(text)
}

/// What a shim stands for.
fn words(dir: &Path, flags: &[OsString], shell: &Path) -> Result<Vec<String>, Refused> {
    // Whatever directory a command is started in becomes its workspace, perhaps the one the shims
    // lie in: they protect themselves.
    let mut protect = OsString::from("--protect=");
    protect.push(dir);
    let mut words = vec![OsString::from("run"), protect];
    // What asks for $SHELL in the ring would start a ring in the ring, which is refused.
    words.push("--drop-env=SHELL".into());
    // An agent chooses what its shell runs.
    words.push("--starting-rules".into());
    words.extend(flags.iter().cloned());
    words.push("--".into());
    words.push(shell.into());
    words
        .into_iter()
        .map(|word| word.into_string().map_err(|_| Unwritable::NotText.into()))
        .collect()
}

/// Where a shell is, other than in the directory of the shims.
fn real(name: &str, dir: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["/bin", "/usr/bin"]
        .into_iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&path).filter(|dir| dir.is_absolute()))
        .filter(|from| from.canonicalize().is_ok_and(|from| from != dir))
        .map(|from| from.join(name))
        .find(|shell| shell.is_file() && !Shim::is_at(shell))
}

/// Whether the directory was made for shims that are in it.
fn made_before(dir: &Path) -> bool {
    shims(dir).is_ok_and(|shims| shims.iter().any(|(_, shim)| shim.made_directory))
}

/// Every shim in a directory.
fn shims(dir: &Path) -> Result<Vec<(PathBuf, Shim)>, Refused> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        if Shim::is_at(&path)
            && let Ok(shim) = Shim::read(&path)
        {
            found.push((path, shim));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Writes a shim whole or not at all: an agent may start it at any moment. What is not a shim is
/// never written over, be it made just now.
fn write(path: &Path, text: &str) -> Result<(), Refused> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_data()
        })
        .and_then(|()| {
            if Shim::is_at(path) {
                fs::rename(&temporary, path)
            } else {
                // Unlike a rename, this fails where something stands.
                fs::hard_link(&temporary, path).and_then(|()| fs::remove_file(&temporary))
            }
        });
    written.map_err(|error| {
        // What is left of a failed try; if it was never made there is nothing.
        let _none = fs::remove_file(&temporary);
        at(path)(error)
    })
}

fn removed(dir: &Path) -> Result<String, Refused> {
    let dir = dir.canonicalize().map_err(at(dir))?;
    let shims = shims(&dir)?;
    if shims.is_empty() {
        return Err(Refused::NoShims(dir));
    }
    let mut text = String::new();
    for (path, _) in &shims {
        fs::remove_file(path).map_err(at(path))?;
        let _ = writeln!(text, "{}: removed", say::Plain(path));
    }
    let ours = shims.iter().any(|(_, shim)| shim.made_directory);
    // One that somebody put something into since is theirs.
    if ours && fs::remove_dir(&dir).is_ok() {
        let _ = writeln!(text, "{}: removed", say::Plain(&dir));
    }
    Ok(text)
}
