//! What `cmd.exe` makes of a line: the first phases of its reading, as a model.
//!
//! Source: dbenham and jeb, "How does the Windows Command Interpreter (CMD.EXE) parse scripts?"
//! (stackoverflow.com/a/4095133), found by experiment on Windows; `set /?` for the forms of `%NAME%`.
//! The model is of a line given by `/c` with extensions on, and of the `%*` and `%1` of a batch file.
//! Where it is coarser than the experiments it says so and takes the side of danger: what could
//! have an effect is told as one.

use crate::windows::Wide;

const QUOTE: u16 = b'"' as u16;
const PERCENT: u16 = b'%' as u16;
const COLON: u16 = b':' as u16;
const CARET: u16 = b'^' as u16;

/// Names that have a value without being in the environment (`set /?`).
const DYNAMIC: [&str; 8] = [
    "CD",
    "DATE",
    "TIME",
    "RANDOM",
    "ERRORLEVEL",
    "CMDEXTVERSION",
    "CMDCMDLINE",
    "HIGHESTNUMANODENUMBER",
];

/// A line after its variables were put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// What it is now.
    pub text: Vec<u16>,
    /// Variables that something was put in from, in order.
    pub used: Vec<Wide>,
}

/// Puts in variables, as on a command line (phase 1): a `%` that begins no known variable stays,
/// and reading goes on behind it. `%NAME:old=new%` is taken as the whole value of NAME.
#[must_use]
pub fn expand(text: &[u16], variables: &[(Wide, Wide)]) -> Expanded {
    let mut out = Vec::new();
    let mut used = Vec::new();
    let mut at = 0;
    while let Some(unit) = text.get(at) {
        if *unit != PERCENT {
            out.push(*unit);
            at += 1;
            continue;
        }
        match variable(&text[at + 1..], variables) {
            Some((name, value, taken)) => {
                if !value.is_empty() {
                    used.push(name);
                }
                out.extend(value);
                at += 1 + taken;
            }
            None => {
                out.push(PERCENT);
                at += 1;
            }
        }
    }
    Expanded { text: out, used }
}

/// The variable that begins behind a `%`: its name, what is put in, and how many units it took.
fn variable(rest: &[u16], variables: &[(Wide, Wide)]) -> Option<(Wide, Vec<u16>, usize)> {
    let mut end = rest.iter().position(|u| *u == PERCENT || *u == COLON)?;
    // `%NAME:%`: then the colon is the name's.
    if rest[end] == COLON && rest.get(end + 1) == Some(&PERCENT) {
        end += 1;
    }
    let name = Wide::from(&rest[..end]);
    let value = value(&name, variables)?;
    if rest[end] == PERCENT {
        return Some((name, value, end + 1));
    }
    let form = &rest[end + 1..];
    let close = form.iter().position(|u| *u == PERCENT)?;
    let put_in = match form[..close].split_first() {
        Some((tilde, part)) if *tilde == u16::from(b'~') => substring(&value, part)?,
        Some(_) if form[..close].contains(&u16::from(b'=')) => value,
        _ => return None,
    };
    Some((name, put_in, end + 1 + close + 1))
}

fn value(name: &Wide, variables: &[(Wide, Wide)]) -> Option<Vec<u16>> {
    if let Some((_, value)) = variables.iter().find(|(known, _)| known.is_like(name)) {
        return Some(value.units().to_vec());
    }
    let dynamic = DYNAMIC.iter().any(|known| Wide::from(*known).is_like(name));
    dynamic.then(|| r"C:\here".encode_utf16().collect())
}

/// `%NAME:~start,length%`; a number that is left out behind a comma is 0. None where it is no such form.
fn substring(value: &[u16], form: &[u16]) -> Option<Vec<u16>> {
    let form = String::from_utf16(form).ok()?;
    let number = |text: &str| match text {
        "" => Some(0_i64),
        text => text.parse().ok(),
    };
    let (start, length) = match form.split_once(',') {
        Some((start, length)) => (number(start)?, Some(number(length)?)),
        None => (number(&form)?, None),
    };
    let from_end = |place: i64| {
        let place = if place < 0 {
            place.saturating_add(i64::try_from(value.len()).unwrap_or(i64::MAX))
        } else {
            place
        };
        usize::try_from(place).unwrap_or(0).min(value.len())
    };
    let start = from_end(start);
    let end = match length {
        None => value.len(),
        Some(length) if length < 0 => from_end(length),
        Some(length) => start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)),
    };
    Some(value[start..end.clamp(start, value.len())].to_vec())
}

/// What a line is made of once its special characters were heeded (phase 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The commands, without the characters that part them and without the carets that escaped.
    pub commands: Vec<Vec<u16>>,
    /// Every character outside of quotation marks that had a meaning, in order: `& | < > ( )`, a
    /// newline, a caret. Parentheses are told wherever they stand, though only some of them group.
    pub special: Vec<u16>,
    /// A quotation mark was left open.
    pub open: bool,
}

/// Heeds the special characters of a line.
#[must_use]
pub fn parse(text: &[u16]) -> Parsed {
    let mut commands = vec![Vec::new()];
    let mut special = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    for unit in text.iter().copied() {
        // A carriage return is taken away before anything else is looked at.
        if unit == u16::from(b'\r') {
            continue;
        }
        let acts = !escaped
            && match u8::try_from(unit) {
                Ok(b'\n') => true,
                Ok(b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'^') => !quoted,
                _ => false,
            };
        if acts {
            special.push(unit);
        }
        if acts && unit == CARET {
            escaped = true;
            continue;
        }
        if unit == QUOTE && !escaped {
            quoted = !quoted;
        }
        let parts = matches!(u8::try_from(unit), Ok(b'&' | b'|' | b'\n'));
        if acts && parts {
            commands.push(Vec::new());
        } else if let Some(command) = commands.last_mut() {
            command.push(unit);
        }
        escaped = false;
    }
    Parsed {
        commands,
        special,
        open: quoted,
    }
}

/// Parts the words of a batch file: blanks and `, ; =`, and what counts as a blank in places.
fn parts_words(unit: u16) -> bool {
    matches!(unit, 0x09 | 0x0b | 0x0c | 0x20 | 0x2c | 0x3b | 0x3d | 0xa0)
}

/// A command's first word, and the rest as `%*` has it.
#[must_use]
pub fn first_word(command: &[u16]) -> (Vec<u16>, Vec<u16>) {
    let start = command.iter().position(|unit| !parts_words(*unit));
    let command = &command[start.unwrap_or(command.len())..];
    let mut quoted = false;
    let end = command.iter().position(|unit| {
        quoted ^= *unit == QUOTE;
        !quoted && parts_words(*unit)
    });
    let (word, rest) = command.split_at(end.unwrap_or(command.len()));
    let blank = |unit: &u16| matches!(*unit, 0x09 | 0x20);
    let rest_at = rest.iter().position(|unit| !blank(unit));
    (
        word.to_vec(),
        rest[rest_at.unwrap_or(rest.len())..].to_vec(),
    )
}

/// `%1`, `%2` and on of a batch file, quotation marks with them.
#[must_use]
pub fn parameters(rest: &[u16]) -> Vec<Wide> {
    let mut found = Vec::new();
    let mut rest = rest.to_vec();
    loop {
        let (word, more) = first_word(&rest);
        if word.is_empty() {
            return found;
        }
        found.push(Wide::from(word));
        rest = more;
    }
}

/// `%~1` of `%1`: one quotation mark less at each end (`call /?`).
#[must_use]
pub fn bare(parameter: &Wide) -> Wide {
    let units = parameter.units();
    match units.strip_prefix(&[QUOTE]) {
        Some(inside) => Wide::from(inside.strip_suffix(&[QUOTE]).unwrap_or(inside)),
        None => parameter.clone(),
    }
}
