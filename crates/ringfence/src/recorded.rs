//! What is recorded of a ring and of a command, in the ledger's words: the same on each operating system.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ringfence_ledger::{CommandStarted, Text, words};
use ringfence_ops::Shortfall;

use crate::state::State;
use crate::sys;

pub(crate) mod shown;

/// Who asks for a ring, as the ledger names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct By {
    /// What asks: `run`, `serve`, `mcp`; where it is not named, the program that this is.
    pub what: Option<String>,
    /// What a client said of itself.
    pub client: Option<String>,
}

impl By {
    /// Ringfence's own commands name themselves.
    #[must_use]
    pub fn named(what: &str) -> By {
        By {
            what: Some(what.to_owned()),
            client: None,
        }
    }

    pub(crate) fn name(&self) -> String {
        self.what.clone().unwrap_or_else(|| {
            let own = std::env::current_exe().ok();
            let name = own.as_deref().and_then(Path::file_name);
            name.map_or_else(
                || "a program".to_owned(),
                |n| n.to_string_lossy().into_owned(),
            )
        })
    }
}

/// Words of a command are recorded up to so many bytes in all, and each up to a quarter of it.
const WORDS_MAX: usize = 64 << 10;

/// A command, as it is recorded before it starts.
pub(crate) fn command(
    argv: &[OsString],
    cwd: &Path,
    program: &Path,
    env: &[(OsString, Option<OsString>)],
) -> CommandStarted {
    let (argv, left_out, redacted) = recorded(argv);
    let mut room = WORDS_MAX / 4;
    let mut names: Vec<Text> = env
        .iter()
        .filter(|(_, value)| value.is_some())
        .take_while(|(name, _)| {
            let fits = name.len() < room;
            room = room.saturating_sub(name.len() + 1);
            fits
        })
        .map(|(name, _)| Text::from(name))
        .collect();
    names.dedup();
    CommandStarted {
        argv,
        left_out,
        cwd: Text::from(cwd),
        program: Some(Text::from(program)),
        env: names,
        redacted,
        ..CommandStarted::default()
    }
}

/// The words as they are recorded; how many are left out, and how many secrets were.
pub(crate) fn recorded(argv: &[OsString]) -> (Vec<Text>, u32, u32) {
    let mut room = WORDS_MAX;
    let mut cut: Vec<OsString> = Vec::new();
    for word in argv {
        let bytes = word.as_encoded_bytes();
        let Some(left) = room.checked_sub(bytes.len().min(WORDS_MAX / 4) + 1) else {
            break;
        };
        room = left;
        if bytes.len() > WORDS_MAX / 4 {
            let mut end = WORDS_MAX / 4;
            // Within a character there is no end.
            while end > 0 && bytes[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            let mut begins = sys::begins(word, end);
            begins.push(format!("… ({} bytes)", bytes.len()));
            cut.push(begins);
        } else {
            cut.push(word.clone());
        }
    }
    let left_out = u32::try_from(argv.len() - cut.len()).unwrap_or(u32::MAX);
    let (texts, redacted) = words(cut.iter().map(OsString::as_os_str));
    (texts, left_out, redacted)
}

/// In the ledger's words.
pub(crate) fn shortfalls<'a>(
    all: impl IntoIterator<Item = &'a Shortfall>,
) -> Vec<ringfence_ledger::Shortfall> {
    all.into_iter()
        .map(|short| ringfence_ledger::Shortfall {
            promise: short.promise.clone(),
            what: short.what.clone(),
            accepted: short.accepted,
        })
        .collect()
}

/// Where a user's ledger is, if there is a place for one.
#[must_use]
pub fn directory() -> Option<PathBuf> {
    let home = crate::layers::home();
    State::of_user(home.as_deref()).map(|state| state.ledger())
}
