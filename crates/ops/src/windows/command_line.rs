//! One string for `CreateProcessW` from a list of words, and what programs make of it.
//!
//! Windows hands a program its command line as one string; the program's own runtime cuts it.
//! Nearly all follow one of two readers: the C runtime's (C and C++ programs, Python, Node,
//! Rust, .NET), or `CommandLineToArgvW`. They differ in how they read two quotation marks
//! together, so [`join`] never writes those inside a word: what it writes both read alike.
//! Programs with rules of their own (`cmd.exe`, `msiexec`) are not reached by this; for
//! the first see [`super::cmd`].
//!
//! A program that asks for its command line in a code page (`GetCommandLineA`) sees other
//! characters than were written: a fullwidth quotation mark can arrive there as a plain one.
//! No way of writing helps against that.

use std::error::Error;
use std::fmt;

use super::Wide;

/// `CreateProcessW` takes 32,767 units, the final NUL among them ("The maximum length of this
/// string is 32,767 characters, including the Unicode terminating null character").
pub const MOST_UNITS: usize = 32_767;

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const SPACE: u16 = b' ' as u16;
const TAB: u16 = b'\t' as u16;

/// Why a list of words has no command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandLineError {
    /// There is no word: the first names the program.
    Empty,
    /// A word holds a NUL, which would end the line.
    Nul {
        /// Which word, from 0.
        word: usize,
        /// Which unit of it, from 0.
        at: usize,
    },
    /// The first word holds a quotation mark: both readers know no escape there.
    QuoteInProgram {
        /// Which unit, from 0.
        at: usize,
    },
    /// More than [`MOST_UNITS`].
    TooLong {
        /// So many, the final NUL among them.
        units: usize,
    },
}

impl fmt::Display for CommandLineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandLineError::Empty => f.write_str("a command line without a program"),
            CommandLineError::Nul { word, at } => {
                write!(f, "word {word} of the command holds a NUL, at {at}")
            }
            CommandLineError::QuoteInProgram { at } => write!(
                f,
                "the program's name holds a quotation mark, at {at}, and Windows has no way to write one there"
            ),
            CommandLineError::TooLong { units } => write!(
                f,
                "the command line has {units} units with its end, and Windows takes {MOST_UNITS} at most"
            ),
        }
    }
}

impl Error for CommandLineError {}

/// The command line that both readers cut into these words. Without its final NUL.
///
/// The first word is always put in quotation marks: there a backslash is itself, and what
/// stands between the marks is taken as it is. In every other word a quotation mark is
/// written `\"`, backslashes before one (or before the closing one) are doubled, and the word is
/// quoted where it is empty or holds a blank, a control character or a quotation mark.
///
/// Source: "Parsing C command-line arguments" (learn.microsoft.com/cpp/c-language); Colascione,
/// "Everyone quotes command line arguments the wrong way" (2011).
///
/// # Errors
/// Words that cannot be said, and too many of them.
pub fn join(argv: &[Wide]) -> Result<Vec<u16>, CommandLineError> {
    let (program, words) = argv.split_first().ok_or(CommandLineError::Empty)?;
    for (word, text) in argv.iter().enumerate() {
        if let Some(at) = text.units().iter().position(|unit| *unit == 0) {
            return Err(CommandLineError::Nul { word, at });
        }
    }
    if let Some(at) = program.units().iter().position(|unit| *unit == QUOTE) {
        return Err(CommandLineError::QuoteInProgram { at });
    }
    let mut line = vec![QUOTE];
    line.extend_from_slice(program.units());
    line.push(QUOTE);
    for word in words {
        line.push(SPACE);
        append(&mut line, word.units());
    }
    let units = line.len() + 1;
    if units > MOST_UNITS {
        return Err(CommandLineError::TooLong { units });
    }
    Ok(line)
}

fn append(line: &mut Vec<u16>, word: &[u16]) {
    let quoted = word.is_empty() || word.iter().any(|unit| *unit <= SPACE || *unit == QUOTE);
    if !quoted {
        // Backslashes that no quotation mark follows are themselves.
        line.extend_from_slice(word);
        return;
    }
    line.push(QUOTE);
    let mut backslashes = 0;
    for unit in word {
        match *unit {
            BACKSLASH => backslashes += 1,
            QUOTE => {
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(*unit);
    }
    line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    line.push(QUOTE);
}

/// What two quotation marks together mean inside a quoted part: one, and then?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubled {
    Stays,
    Ends,
}

/// The words as the C runtime cuts them: the Universal CRT, and Visual C++ since 2008.
/// An empty line has no words here (the runtime puts the program's path).
///
/// In the first word a quotation mark only switches quoting on and off, and nothing is
/// escaped. In the others 2n backslashes and a mark are n backslashes and a switch, 2n+1 and
/// a mark are n backslashes and the mark; two marks inside a quoted part are one mark, **and
/// quoting goes on**.
///
/// Source: "Parsing C command-line arguments"; Deley, "How Command Line Parameters Are
/// Parsed", §5.10 (post 2008).
#[must_use]
pub fn split_ucrt(line: &[u16]) -> Vec<Wide> {
    if line.is_empty() {
        return Vec::new();
    }
    let mut program = Vec::new();
    let mut quoted = false;
    let mut at = 0;
    while let Some(unit) = line.get(at) {
        match *unit {
            QUOTE => quoted = !quoted,
            SPACE | TAB if !quoted => break,
            other => program.push(other),
        }
        at += 1;
    }
    let mut words = vec![Wide::from(program)];
    split_rest(&line[at..], Doubled::Stays, &mut words);
    words
}

/// The words as `CommandLineToArgvW` (shell32) cuts them; as [`split_ucrt`] but in two
/// things. The first word ends at the next quotation mark if it begins with one, whatever
/// follows, and otherwise at the next blank, marks being themselves. Two marks inside a
/// quoted part are one mark, **and quoting ends**.
///
/// Source: "CommandLineToArgvW function" (learn.microsoft.com); Chen, "What's up with the
/// strange treatment of quotation marks and backslashes by CommandLineToArgvW" (2010); the
/// undocumented part from Deley §5.4 and from Wine's function, which its tests hold against Windows.
#[must_use]
pub fn split_shell32(line: &[u16]) -> Vec<Wide> {
    let blank = |unit: &u16| *unit == SPACE || *unit == TAB;
    let (program, rest) = match line {
        [] => return Vec::new(),
        [QUOTE, inside @ ..] => {
            let end = inside.iter().position(|unit| *unit == QUOTE);
            let end = end.unwrap_or(inside.len());
            (&inside[..end], inside.get(end + 1..).unwrap_or(&[]))
        }
        _ => line.split_at(line.iter().position(blank).unwrap_or(line.len())),
    };
    let mut words = vec![Wide::from(program)];
    split_rest(rest, Doubled::Ends, &mut words);
    words
}

fn split_rest(line: &[u16], doubled: Doubled, words: &mut Vec<Wide>) {
    let mut at = 0;
    loop {
        while matches!(line.get(at), Some(&(SPACE | TAB))) {
            at += 1;
        }
        if at == line.len() {
            return;
        }
        let mut word = Vec::new();
        let mut quoted = false;
        while let Some(unit) = line.get(at) {
            match *unit {
                SPACE | TAB if !quoted => break,
                BACKSLASH => {
                    let run = line[at..].iter().take_while(|u| **u == BACKSLASH).count();
                    at += run;
                    if line.get(at) == Some(&QUOTE) {
                        word.extend(std::iter::repeat_n(BACKSLASH, run / 2));
                        if run % 2 == 1 {
                            word.push(QUOTE);
                            at += 1;
                        }
                    } else {
                        word.extend(std::iter::repeat_n(BACKSLASH, run));
                    }
                    continue;
                }
                QUOTE if quoted && line.get(at + 1) == Some(&QUOTE) => {
                    word.push(QUOTE);
                    quoted = doubled == Doubled::Stays;
                    at += 1;
                }
                QUOTE => quoted = !quoted,
                other => word.push(other),
            }
            at += 1;
        }
        words.push(Wide::from(word));
    }
}

#[cfg(test)]
mod tests;
