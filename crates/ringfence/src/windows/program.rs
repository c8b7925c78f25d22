//! Which program a command is, and the line that it is started with.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ringfence_ops::windows::program::{self, At, Found, Kind, ProgramError, Search};
use ringfence_ops::windows::{Wide, cmd, command_line};

use crate::environment::ChildEnvironment;
use crate::error::{Error, shown};

/// A program and its command line.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Its file.
    pub(super) path: PathBuf,
    /// The line, its first word with it.
    pub(super) line: OsString,
}

fn wide(text: &OsStr) -> Wide {
    let units: Vec<u16> = text.encode_wide().collect();
    Wide::from(units.as_slice())
}

fn native(text: &Wide) -> OsString {
    OsString::from_wide(text.units())
}

/// Finds the program, and writes the line that has all its words arrive as they are.
pub(super) fn find(
    argv: &[OsString],
    environment: &ChildEnvironment,
    cwd: &Path,
) -> Result<Program, Error> {
    let said = |name: &str| wide(environment.get(name).unwrap_or_default());
    let (path, extensions, cwd) = (said("PATH"), said("PATHEXT"), wide(cwd.as_os_str()));
    let search = Search {
        path: &path,
        extensions: &extensions,
        cwd: &cwd,
    };
    let name = argv.first().map(OsString::as_os_str).unwrap_or_default();
    let found = program::find(&wide(name), &search, &at).map_err(|error| not_run(name, &error))?;
    let line = line(&found, argv).map_err(|why| Error::NotExecutable {
        path: native(&found.path).into(),
        why,
    })?;
    let path = match found.kind {
        Kind::Image => native(&found.path).into(),
        Kind::Batch => shell(environment),
    };
    let line = OsString::from_wide(&line);
    Ok(Program { path, line })
}

fn not_run(name: &OsStr, error: &ProgramError) -> Error {
    match error {
        ProgramError::NotFound { .. } => Error::NotFound {
            name: shown(name),
            hint: "it is in no directory of PATH, with no extension of PATHEXT",
        },
        ProgramError::NotExecutable { path, why, .. } => Error::NotExecutable {
            path: native(path).into(),
            why: why.to_string(),
        },
        ProgramError::Refused { why, .. } => Error::NotExecutable {
            path: name.into(),
            why: why.to_string(),
        },
        ProgramError::Cwd { cwd, why } => Error::NotExecutable {
            path: native(cwd).into(),
            why: why.to_string(),
        },
    }
}

fn line(found: &Found, argv: &[OsString]) -> Result<Vec<u16>, String> {
    let words: Vec<Wide> = argv.iter().map(|word| wide(word)).collect();
    let arguments = words.get(1..).unwrap_or_default();
    match (found.kind, arguments) {
        (Kind::Batch, _) => {
            // Whether the file reads its words itself is not known.
            let line = cmd::batch(&found.path, arguments, cmd::Reader::Either);
            line.map_err(|error| error.to_string())
        }
        // A text for cmd.exe is meant as it is: quoted as words are it would be another.
        (Kind::Image, [option, text]) if is_shell(&found.path) && option.is_like(&"/c".into()) => {
            cmd::text(text).map_err(|error| error.to_string())
        }
        (Kind::Image, _) => command_line::join(&words).map_err(|error| error.to_string()),
    }
}

fn is_shell(path: &Wide) -> bool {
    let path = PathBuf::from(native(path));
    path.file_name()
        .is_some_and(|name| name.eq_ignore_ascii_case("cmd.exe"))
}

/// `cmd.exe`, where Windows has it.
fn shell(environment: &ChildEnvironment) -> PathBuf {
    let root = environment
        .get("SystemRoot")
        .unwrap_or(OsStr::new(r"C:\Windows"));
    Path::new(root).join(r"System32\cmd.exe")
}

/// What is at a path. An alias of the Store is a reparse point that cannot be followed.
fn at(path: &Wide) -> At {
    const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
    let path = PathBuf::from(native(path));
    let Ok(itself) = std::fs::symlink_metadata(&path) else {
        return At::Nothing;
    };
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => At::Directory,
        Ok(meta) if meta.is_file() => At::File,
        _ if itself.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 => At::Alias,
        _ => At::Nothing,
    }
}
