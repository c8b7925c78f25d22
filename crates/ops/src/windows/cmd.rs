//! Batch files, and lines for `cmd.exe`.
//!
//! A `.bat` or `.cmd` file is run by `cmd.exe`, which reads the whole line as a script before it cuts
//! any word: `&`, `|`, `<`, `>` start commands and redirections, `%NAME%` is replaced even inside
//! quotation marks, and `\"` is no escape there. A program that writes such a line as it would for the C
//! runtime lets its arguments run commands (CVE-2024-24576, "BatBadBut"; RyotaK, 2024).
//!
//! [`batch`] writes lines in which no argument can do that: each is put in quotation marks,
//! unless it is made of harmless characters only, and each `%` is written so that it cannot begin a
//! name. What cannot be handed over exactly is refused, with the character and its place. [`read`] is
//! the way back: what `cmd.exe` makes of a line, by which the tests prove it.
//!
//! What a batch file does with its arguments then is its own: `call`, `setlocal
//! enabledelayedexpansion` and `%~1` outside of quotation marks read them as script once more.
//!
//! The switches: `/d` no AutoRun command of the registry, `/e:on` with extensions (the way `%` is
//! written needs them), `/v:off` so that `!` is itself, `/s` so that exactly the first and the last
//! quotation mark of the text are taken away, `/c` run and end. Source: `cmd /?`.

pub mod read;

use std::error::Error;
use std::fmt;

use super::Wide;

/// `cmd.exe` takes lines of 8,191 units (learn.microsoft.com, "Command prompt line string
/// limitation", KB 830473).
pub const MOST_UNITS: usize = 8_191;

/// What stands before the text. The program's name is bare: who starts it gives the full path as
/// the application's name, and `cmd.exe` does not look at this word.
const START: &str = "cmd.exe /d /e:on /v:off /s /c \"";

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const PERCENT: u16 = b'%' as u16;

/// Written for a `%`. The first has no name before the second, which on a command line (not in a file)
/// leaves it as it is; then comes the empty part of the variable `cd`, which is always
/// there. So whatever variables there are, a `%` is left and nothing is expanded.
/// Source: RyotaK, "BatBadBut"; Rust's standard library does the same since 1.77.2.
const PERCENT_WRITTEN: &str = "%%cd:~,%";

/// Who reads a batch file's arguments in the end. It makes a difference for quotation marks, and for
/// backslashes before one: a batch file knows no escape for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reader {
    /// The batch file itself (`%~1`), or a program it hands `%*` to; what the two read
    /// differently is refused.
    Either,
    /// The batch file itself, by `%~1`. A quotation mark is refused.
    File,
    /// A program with the C runtime's rules of 2008 that gets `%*`: the small files that npm and
    /// its like put into PATH. A quotation mark is doubled, backslashes before one are too.
    Ucrt,
}

/// A part of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The batch file's path.
    Script,
    /// An argument, from 0.
    Argument(usize),
    /// The text of a `cmd /c`.
    Text,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Script => f.write_str("the batch file's path"),
            Part::Argument(index) => write!(f, "argument {}", index + 1),
            Part::Text => f.write_str("the text for cmd"),
        }
    }
}

/// Why a character cannot be handed over exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inexact {
    /// The line would end there.
    EndsLine,
    /// `cmd.exe` takes it away.
    Vanishes,
    /// A batch file has no way to have a quotation mark inside quotation marks.
    NoEscape,
    /// The batch file and a program behind it read it differently.
    Ambiguous,
    /// No file's path has it.
    NotInPath,
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Inexact::EndsLine => "cmd.exe ends the line there",
            Inexact::Vanishes => "cmd.exe takes it away",
            Inexact::NoEscape => "a batch file has no way to be given one",
            Inexact::Ambiguous => {
                "a batch file and a program that it hands its arguments to read it differently"
            }
            Inexact::NotInPath => "no file's path has one",
        })
    }
}

/// Why a line for `cmd.exe` cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmdError {
    /// A character cannot be handed over exactly.
    Character {
        /// Where.
        part: Part,
        /// Which unit of it, from 0.
        at: usize,
        /// The unit.
        unit: u16,
        /// Why.
        why: Inexact,
    },
    /// More than [`MOST_UNITS`].
    TooLong {
        /// So many.
        units: usize,
    },
}

impl fmt::Display for CmdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CmdError::Character {
                part,
                at,
                unit,
                why,
            } => {
                let shown = match char::from_u32(u32::from(*unit)) {
                    Some(c) if !c.is_control() => format!("'{c}'"),
                    _ => format!("U+{unit:04X}"),
                };
                write!(f, "{part} holds {shown}, at {at}: {why}")
            }
            CmdError::TooLong { units } => write!(
                f,
                "the line for cmd.exe has {units} units, and it takes {MOST_UNITS} at most"
            ),
        }
    }
}

impl Error for CmdError {}

/// The command line that runs a batch file with these arguments, as `CreateProcessW` takes it,
/// without its final NUL. The application's name is `cmd.exe` of the system's directory, in full.
///
/// # Errors
/// What cannot be handed over exactly, and lines that are too long.
pub fn batch(script: &Wide, arguments: &[Wide], reader: Reader) -> Result<Vec<u16>, CmdError> {
    let mut line: Vec<u16> = START.encode_utf16().collect();
    append_script(&mut line, script.units())?;
    for (index, argument) in arguments.iter().enumerate() {
        line.push(u16::from(b' '));
        append(&mut line, index, argument.units(), reader)?;
    }
    line.push(QUOTE);
    measured(line)
}

/// The command line that runs a text which was written for `cmd.exe`. It is handed over as it
/// is: all that it says is meant.
///
/// # Errors
/// A text of more than one line (only the first would run), with a NUL or a control-Z, or too long.
pub fn text(text: &Wide) -> Result<Vec<u16>, CmdError> {
    for (at, unit) in text.units().iter().enumerate() {
        if let Some(why) = lost(*unit) {
            return Err(CmdError::Character {
                part: Part::Text,
                at,
                unit: *unit,
                why,
            });
        }
    }
    let mut line: Vec<u16> = START.encode_utf16().collect();
    line.extend_from_slice(text.units());
    line.push(QUOTE);
    measured(line)
}

/// The text that [`batch`] and [`text`](fn@text) wrapped: as `cmd.exe` takes it with `/s`, without the
/// first and the last quotation mark. None where the line is not of that form.
#[must_use]
pub fn unwrap(line: &[u16]) -> Option<Wide> {
    let start: Vec<u16> = START.encode_utf16().collect();
    let inside = line.strip_prefix(start.as_slice())?;
    Some(Wide::from(inside.strip_suffix(&[QUOTE])?))
}

fn measured(line: Vec<u16>) -> Result<Vec<u16>, CmdError> {
    if line.len() > MOST_UNITS {
        return Err(CmdError::TooLong { units: line.len() });
    }
    Ok(line)
}

/// What no form of writing brings through. Control-Z ends a file that is read; whether it ends a
/// line too is said nowhere, so it is not tried.
fn lost(unit: u16) -> Option<Inexact> {
    match unit {
        0 | 0x0a | 0x1a => Some(Inexact::EndsLine),
        0x0d => Some(Inexact::Vanishes),
        _ => None,
    }
}

fn append_script(line: &mut Vec<u16>, script: &[u16]) -> Result<(), CmdError> {
    line.push(QUOTE);
    for (at, unit) in script.iter().enumerate() {
        let last = at + 1 == script.len();
        let why = match *unit {
            QUOTE => Some(Inexact::NotInPath),
            BACKSLASH if last => Some(Inexact::NotInPath),
            other => lost(other),
        };
        if let Some(why) = why {
            return Err(CmdError::Character {
                part: Part::Script,
                at,
                unit: *unit,
                why,
            });
        }
        push(line, *unit);
    }
    line.push(QUOTE);
    Ok(())
}

fn append(
    line: &mut Vec<u16>,
    index: usize,
    argument: &[u16],
    reader: Reader,
) -> Result<(), CmdError> {
    let refused = |at: usize, why| CmdError::Character {
        part: Part::Argument(index),
        at,
        unit: argument[at],
        why,
    };
    // A file often writes "%~1" around what it got: without quotation marks of its own, and its
    // backslashes doubled, a last backslash would escape the file's.
    let ends_in_backslash = argument.last() == Some(&BACKSLASH);
    let quoted = argument.is_empty()
        || !argument.iter().copied().all(is_harmless)
        || (reader == Reader::Ucrt && ends_in_backslash);
    if quoted {
        line.push(QUOTE);
    }
    let mut backslashes = 0;
    for (at, unit) in argument.iter().enumerate() {
        match *unit {
            BACKSLASH => backslashes += 1,
            QUOTE => {
                match reader {
                    Reader::Either => return Err(refused(at, Inexact::Ambiguous)),
                    Reader::File => return Err(refused(at, Inexact::NoEscape)),
                    Reader::Ucrt => {}
                }
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
                line.push(QUOTE);
                backslashes = 0;
            }
            other => {
                if let Some(why) = lost(other) {
                    return Err(refused(at, why));
                }
                backslashes = 0;
            }
        }
        push(line, *unit);
    }
    if quoted {
        match reader {
            Reader::Either if backslashes > 0 => {
                return Err(refused(argument.len() - 1, Inexact::Ambiguous));
            }
            Reader::Ucrt => line.extend(std::iter::repeat_n(BACKSLASH, backslashes)),
            Reader::Either | Reader::File => {}
        }
        line.push(QUOTE);
    }
    Ok(())
}

fn push(line: &mut Vec<u16>, unit: u16) {
    if unit == PERCENT {
        line.extend(PERCENT_WRITTEN.encode_utf16());
    } else {
        line.push(unit);
    }
}

/// Means nothing to `cmd.exe` and parts no words of a batch file. A list of what is known to be
/// harmless, never of what is known to be harmful.
fn is_harmless(unit: u16) -> bool {
    u8::try_from(unit)
        .is_ok_and(|byte| byte.is_ascii_alphanumeric() || br"#$*+-./:?@\_".contains(&byte))
}

#[cfg(test)]
mod tests;
