//! Finding the program of a command: what Windows' own search does, but for what makes it unsafe.
//!
//! `CreateProcessW`, `SearchPathW` and `cmd.exe` look into the current directory first, which is the
//! agent's to write; they run whatever kind of file a registry key names; and a name can mean a device
//! or a stream of a file. So Ringfence finds the program itself and gives its full path as the
//! application's name. What is at a path is asked of the caller: nothing here looks.
//!
//! Source: "Naming Files, Paths, and Namespaces", "CreateProcessW", "File path formats on Windows systems"
//! (learn.microsoft.com).

mod path;

use std::error::Error;
use std::fmt;

use super::Wide;
use path::{Bad, absolute, components, join, text};

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// Nothing, or nothing that can be looked at.
    Nothing,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// An app execution alias of the Store (`IO_REPARSE_TAG_APPEXECLINK`, 0x8000001B): it cannot be
    /// started by another account or with a restricted token.
    Alias,
}

/// Who can say what is at a path.
pub trait Look {
    /// What is at this full path.
    fn at(&self, path: &Wide) -> At;
}

impl<F: Fn(&Wide) -> At> Look for F {
    fn at(&self, path: &Wide) -> At {
        self(path)
    }
}

/// How a program is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// By its own path (`.exe`, `.com`).
    Image,
    /// By `cmd.exe` (`.bat`, `.cmd`), see [`super::cmd::batch`].
    Batch,
}

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The child's `PATH`.
    pub path: &'a Wide,
    /// The child's `PATHEXT`; empty means `.COM;.EXE;.BAT;.CMD`.
    pub extensions: &'a Wide,
    /// The child's working directory, a full path.
    pub cwd: &'a Wide,
}

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its full path.
    pub path: Wide,
    /// How it is started.
    pub kind: Kind,
    /// What was passed over on the way.
    pub passed: Vec<Passed>,
}

/// Something that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// An entry of `PATH`, or a file.
    pub what: Wide,
    /// Why.
    pub why: Why,
}

/// Why something is not looked at, or not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// An entry of `PATH` that is relative, or has no drive: it means the current directory.
    Relative,
    /// `\\server\share`: looking at it sends the account's credentials there.
    Remote,
    /// `\\?\`, `\\.\`, `\??\`: names that Windows does not look through.
    Device,
    /// `C:name`: it means the current directory of that drive.
    DriveRelative,
    /// `\name`: it means the current drive.
    NoDrive,
    /// A colon behind the drive's: a stream of a file, not a file.
    Stream,
    /// A name that means a device in every directory (`NUL`, `COM1.exe`).
    Reserved,
    /// A name that ends in a dot or a blank, which Windows takes away: it means another.
    Trailing,
    /// A character that no file's name has.
    Character,
    /// An app execution alias.
    Alias,
    /// A directory.
    Directory,
    /// A file without an extension that Windows runs.
    NoExtension,
    /// A script, which a registry key would find a program for.
    Script(&'static str),
    /// Some other kind of file.
    OtherKind,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Relative => "it is relative, and would mean the directory the command runs in",
            Why::Remote => "it is on another machine; copy it to a local directory",
            Why::Device => "it is a device's path; write it with its drive",
            Why::DriveRelative => {
                "it has a drive and no directory, and would mean that drive's current directory"
            }
            Why::NoDrive => "it has no drive; write it with one",
            Why::Stream => "it names a stream of a file",
            Why::Reserved => "it is the name of a device in every directory",
            Why::Trailing => "it ends in a dot or a blank, and Windows would take another name",
            Why::Character => "it has a character that no file's name has",
            Why::Alias => {
                "it is an alias of the Microsoft Store, which runs for nobody but you; install the program itself"
            }
            Why::Directory => "it is a directory",
            Why::NoExtension => {
                "it has none of the extensions .com, .exe, .bat and .cmd; name its interpreter"
            }
            Why::Script(interpreter) => {
                return write!(f, "it is a script; name its interpreter ({interpreter})");
            }
            Why::OtherKind => "it is neither .com, .exe, .bat nor .cmd; name the program for it",
        })
    }
}

/// Why no program is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramError {
    /// There is none (127).
    NotFound {
        /// What was asked for.
        word: Wide,
        /// What was passed over.
        passed: Vec<Passed>,
    },
    /// There is something, and it cannot be run (126).
    NotExecutable {
        /// Its full path.
        path: Wide,
        /// Why.
        why: Why,
        /// What was passed over.
        passed: Vec<Passed>,
    },
    /// The word is no name of a program (126).
    Refused {
        /// What was asked for.
        word: Wide,
        /// Why.
        why: Why,
    },
    /// The working directory is none that a word can be relative to (126).
    Cwd {
        /// It.
        cwd: Wide,
        /// Why.
        why: Why,
    },
}

impl ProgramError {
    /// The exit code, as shells have it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            ProgramError::NotFound { .. } => 127,
            ProgramError::NotExecutable { .. }
            | ProgramError::Refused { .. }
            | ProgramError::Cwd { .. } => 126,
        }
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::NotFound { word, passed } => {
                write!(f, "{word} is not found")?;
                match passed.first() {
                    None => Ok(()),
                    Some(Passed { what, why }) => write!(f, " ({what} was passed over: {why})"),
                }
            }
            ProgramError::NotExecutable { path, why, .. } => {
                write!(f, "{path} is not run: {why}")
            }
            ProgramError::Refused { word, why } => write!(f, "{word} is not run: {why}"),
            ProgramError::Cwd { cwd, why } => {
                write!(f, "nothing is looked for from {cwd}: {why}")
            }
        }
    }
}

impl Error for ProgramError {}

/// What Windows runs by itself, and in the order it is looked for where `PATHEXT` does not say.
const RUN: [(&str, Kind); 4] = [
    (".com", Kind::Image),
    (".exe", Kind::Image),
    (".bat", Kind::Batch),
    (".cmd", Kind::Batch),
];

/// Scripts and what reads them.
const SCRIPTS: [(&str, &str); 14] = [
    (".js", "node or cscript"),
    (".mjs", "node"),
    (".cjs", "node"),
    (".jse", "cscript"),
    (".vbs", "cscript"),
    (".vbe", "cscript"),
    (".wsf", "cscript"),
    (".wsh", "cscript"),
    (".ps1", "powershell -File or pwsh -File"),
    (".py", "python"),
    (".pyw", "pythonw"),
    (".rb", "ruby"),
    (".pl", "perl"),
    (".sh", "bash"),
];

/// Finds the program that a command's first word means.
///
/// A word with a separator is a path, a relative one from the child's working directory; any other
/// is looked for in the directories of `PATH` and nowhere else. In a directory the word as it is comes
/// first, if it has an extension that Windows runs, then the word with each extension of `PATHEXT` that
/// is one of those.
///
/// # Errors
/// [`ProgramError`]; its exit code tells not found from not run.
pub fn find(word: &Wide, search: &Search<'_>, look: &dyn Look) -> Result<Found, ProgramError> {
    let mut passed = Vec::new();
    if word.is_empty() {
        let word = word.clone();
        return Err(ProgramError::NotFound { word, passed });
    }
    let refused = |Bad(why)| ProgramError::Refused {
        word: word.clone(),
        why,
    };
    let extensions = extensions(search.extensions);
    let slashed = path::slashed(word);
    let mut at_hand = None;
    if slashed.contains(&path::SEPARATOR) || slashed.contains(&path::COLON) {
        let (dir, name) = if path::is_rooted(&slashed) {
            let whole = absolute(&slashed).map_err(refused)?;
            path::split_last(&whole)
        } else {
            let parts = components(&slashed).map_err(refused)?;
            let cwd = absolute(&path::slashed(search.cwd)).map_err(|Bad(why)| {
                let cwd = search.cwd.clone();
                ProgramError::Cwd { cwd, why }
            })?;
            path::split_last(&join(&cwd, &parts))
        };
        // `dir\` and `..` name no file, whatever extension could be put behind them.
        let no_name = slashed.last() == Some(&path::SEPARATOR) || name.is_empty();
        if no_name {
            return Err(match look.at(&text(&join(&dir, &[name]))) {
                At::Nothing => ProgramError::NotFound {
                    word: word.clone(),
                    passed,
                },
                _ => refused(Bad(Why::Directory)),
            });
        }
        if let Some(found) = in_directory(&dir, &name, &extensions, look, &mut at_hand) {
            return Ok(Found {
                passed: at_hand.into_iter().collect(),
                ..found
            });
        }
    } else {
        if slashed == [path::DOT] || slashed == [path::DOT, path::DOT] {
            return Err(refused(Bad(Why::Directory)));
        }
        components(&slashed).map_err(refused)?;
        for entry in path::entries(search.path) {
            let dir = match absolute(&path::slashed(&entry)) {
                Ok(dir) => dir,
                Err(Bad(why)) => {
                    passed.push(Passed { what: entry, why });
                    continue;
                }
            };
            let mut beside = None;
            let found = in_directory(&dir, &slashed, &extensions, look, &mut beside);
            if let Some(beside) = beside {
                passed.push(beside.clone());
                at_hand.get_or_insert(beside);
            }
            if let Some(found) = found {
                return Ok(Found { passed, ..found });
            }
        }
    }
    Err(match at_hand {
        Some(Passed { what, why }) => ProgramError::NotExecutable {
            path: what,
            why,
            passed,
        },
        None => ProgramError::NotFound {
            word: word.clone(),
            passed,
        },
    })
}

/// What runs under a name in a directory; what is there and does not run is left in `beside`.
fn in_directory(
    dir: &[Vec<u16>],
    name: &[u16],
    extensions: &[(String, Option<Kind>)],
    look: &dyn Look,
    beside: &mut Option<Passed>,
) -> Option<Found> {
    let own = extension(name);
    let own_kind = own.as_deref().and_then(kind_of);
    let mut candidates = Vec::new();
    if let Some(kind) = own_kind {
        candidates.push((name.to_vec(), Ok(kind)));
    }
    for (extension, kind) in extensions {
        let mut longer = name.to_vec();
        longer.extend(extension.encode_utf16());
        candidates.push((longer, kind.ok_or_else(|| not_run(Some(extension)))));
    }
    if own_kind.is_none() {
        candidates.push((name.to_vec(), Err(not_run(own.as_deref()))));
    }
    let mut found = None;
    for (name, kind) in candidates {
        let path = text(&join(dir, &[name]));
        let why = match (look.at(&path), kind) {
            (At::Nothing, _) => continue,
            (At::File, Ok(kind)) => {
                found = Some(Found {
                    path,
                    kind,
                    passed: Vec::new(),
                });
                break;
            }
            (At::File, Err(why)) => why,
            (At::Directory, _) => Why::Directory,
            (At::Alias, _) => Why::Alias,
        };
        beside.get_or_insert(Passed { what: path, why });
    }
    found
}

fn not_run(extension: Option<&str>) -> Why {
    let Some(extension) = extension else {
        return Why::NoExtension;
    };
    let script = SCRIPTS.iter().find(|(known, _)| *known == extension);
    script.map_or(Why::OtherKind, |(_, interpreter)| Why::Script(interpreter))
}

fn kind_of(extension: &str) -> Option<Kind> {
    let known = RUN.iter().find(|(known, _)| *known == extension);
    known.map(|(_, kind)| *kind)
}

/// The extension of a name, its dot with it, in lower case.
fn extension(name: &[u16]) -> Option<String> {
    let dot = name.iter().rposition(|unit| *unit == path::DOT)?;
    Some(String::from_utf16_lossy(&name[dot..]).to_ascii_lowercase())
}

/// `PATHEXT`: what of it is run, and what is looked for only to say why it is not.
fn extensions(pathext: &Wide) -> Vec<(String, Option<Kind>)> {
    let mut list = Vec::new();
    for word in String::from_utf16_lossy(pathext.units()).split(';') {
        let word = word.trim().to_ascii_lowercase();
        let plain = word.strip_prefix('.').is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric())
        });
        if plain && !list.iter().any(|(known, _)| *known == word) {
            let kind = kind_of(&word);
            list.push((word, kind));
        }
    }
    if !list.iter().any(|(_, kind)| kind.is_some()) {
        list.extend(RUN.map(|(word, kind)| (word.to_owned(), Some(kind))));
    }
    list
}

#[cfg(test)]
mod tests;
