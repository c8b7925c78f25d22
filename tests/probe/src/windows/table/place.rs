//! Where a row's argument points, and in which form: `outside:dir\file`, or with a form before it, `verbatim|outside:dir\file`.

use crate::answer::Tried;
use crate::facts::Facts;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The path an argument stands for; `{nonce}` in it is the arena's.
pub(super) fn path(facts: &Facts, argument: &str) -> PathBuf {
    let (base, rest) = argument.split_once(':').unwrap_or(("", argument));
    let base: &Path = match base {
        "outside" => &facts.outside,
        "home" => &facts.home,
        "ws" => &facts.workspace,
        "windows" => &facts.windows,
        "public" => &facts.public,
        "data" => &facts.data,
        // What it stands on: `C:\`.
        _ => facts.windows.parent().unwrap_or(Path::new(r"C:\")),
    };
    base.join(rest.replace("{nonce}", &facts.nonce))
}

/// Another way to write the same path.
pub(super) fn formed(facts: &Facts, argument: &str) -> Result<PathBuf, Tried> {
    let Some((form, place)) = argument.split_once('|') else {
        return Ok(path(facts, argument));
    };
    let path = path(facts, place);
    let text = path.to_string_lossy().into_owned();
    let with = |prefix: &str| Ok(PathBuf::from(format!("{prefix}{text}")));
    match form {
        "verbatim" => with(r"\\?\"),
        "device" => with(r"\\.\"),
        "nt" => with(r"\??\"),
        "root" => with(r"\\?\GLOBALROOT\??\"),
        "unc" => match text.split_once(':') {
            Some((drive, rest)) => Ok(PathBuf::from(format!(r"\\localhost\{drive}${rest}"))),
            None => Err(Tried::could_not("no drive to name")),
        },
        "volume" => {
            let below = path.strip_prefix(&facts.root);
            match (&facts.volume, below) {
                (Some(volume), Ok(below)) => Ok(volume.join(below)),
                _ => Err(Tried::could_not("the volume's name is not known")),
            }
        }
        "short" => match facts.short_of(&path) {
            Some(short) => Ok(short.to_owned()),
            None => Err(Tried::could_not("it has no short name")),
        },
        "case" => Ok(PathBuf::from(other_case(&text))),
        "slash" => Ok(PathBuf::from(text.replace('\\', "/"))),
        "dot" => Ok(PathBuf::from(format!("{text}."))),
        "blank" => Ok(PathBuf::from(format!("{text} "))),
        "data" => Ok(PathBuf::from(format!("{text}::$DATA"))),
        "beside" => Ok(PathBuf::from(format!("{text}:ringfence"))),
        "index" => match (path.parent(), path.file_name()) {
            (Some(dir), Some(name)) => {
                let mut dir = dir.as_os_str().to_owned();
                dir.push("::$INDEX_ALLOCATION");
                Ok(PathBuf::from(dir).join(name))
            }
            _ => Err(Tried::could_not("no directory to name")),
        },
        _ => Err(Tried::could_not("no such form in this table")),
    }
}

fn other_case(text: &str) -> String {
    let other = |letter: char| {
        if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        }
    };
    text.chars().map(other).collect()
}

/// A sibling of the path that is not there.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ringfence-moved");
    PathBuf::from(name)
}

/// Opens an existing file for writing and writes a little.
pub(super) fn write(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(b"# ringfence probe was here\n")
}

/// Makes a file that is not there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Reads a file and looks for the arena's secret in it. Only the secret itself counts as allowed.
pub(super) fn reveal(facts: &Facts, path: &Path) -> Tried {
    let secret = facts.secret();
    match std::fs::read(path) {
        Ok(bytes)
            if bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes()) =>
        {
            Tried::allowed("the secret was read")
        }
        Ok(bytes) => Tried::denied(format!(
            "{} bytes without the secret were read",
            bytes.len()
        )),
        Err(error) => hidden(facts, &error),
    }
}

/// What a failure to reach a hidden thing means. That it is gone counts, but only where the profile around it is there:
/// a ring without that profile would prove nothing.
pub(super) fn hidden(facts: &Facts, error: &io::Error) -> Tried {
    let stops: &[i32] = if facts.home.join("visible.txt").exists() {
        &[2, 3]
    } else {
        &[]
    };
    Tried::failed(error, stops)
}
