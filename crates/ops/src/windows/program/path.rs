//! Paths on Windows, by their text.

use super::Why;
use crate::windows::Wide;

pub(super) const SEPARATOR: u16 = b'\\' as u16;
pub(super) const COLON: u16 = b':' as u16;
pub(super) const DOT: u16 = b'.' as u16;
const SPACE: u16 = b' ' as u16;
const QUOTE: u16 = b'"' as u16;

/// A path that is not looked at.
pub(super) struct Bad(pub(super) Why);

/// Slashes as backslashes: Windows takes both.
pub(super) fn slashed(path: &Wide) -> Vec<u16> {
    let slash = u16::from(b'/');
    let units = path.units().iter();
    units
        .map(|unit| if *unit == slash { SEPARATOR } else { *unit })
        .collect()
}

/// The entries of a `PATH`, in its order. A quotation mark switches quoting on and off and is no part
/// of the entry; a `;` inside is. So `cmd.exe` reads it, and Rust's `split_paths`. An entry that is
/// empty is kept, to be told.
pub(super) fn entries(path: &Wide) -> Vec<Wide> {
    if path.is_empty() {
        return Vec::new();
    }
    let mut entries = Vec::new();
    let mut entry = Vec::new();
    let mut quoted = false;
    for unit in path.units() {
        match *unit {
            QUOTE => quoted = !quoted,
            0x3b if !quoted => entries.push(Wide::from(std::mem::take(&mut entry))),
            other => entry.push(other),
        }
    }
    entries.push(Wide::from(entry));
    entries
}

/// It begins with a separator or a drive.
pub(super) fn is_rooted(slashed: &[u16]) -> bool {
    slashed.first() == Some(&SEPARATOR) || has_drive(slashed)
}

fn has_drive(slashed: &[u16]) -> bool {
    let letter = |unit: u16| u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphabetic());
    matches!(slashed, [drive, COLON, ..] if letter(*drive))
}

/// The parts of a full path with a drive, the drive first; `.` and `..` are worked out, as Windows does
/// by the text alone.
pub(super) fn absolute(slashed: &[u16]) -> Result<Vec<Vec<u16>>, Bad> {
    match slashed {
        [SEPARATOR, SEPARATOR, 0x3f | DOT, SEPARATOR, ..] => Err(Bad(Why::Device)),
        [SEPARATOR, 0x3f, 0x3f, SEPARATOR, ..] => Err(Bad(Why::Device)),
        [SEPARATOR, SEPARATOR, ..] => Err(Bad(Why::Remote)),
        [SEPARATOR, ..] => Err(Bad(Why::NoDrive)),
        path if !has_drive(path) => Err(Bad(Why::Relative)),
        [_, COLON, SEPARATOR, rest @ ..] => {
            let parts = components(rest)?;
            Ok(join(&[slashed[..2].to_vec()], &parts))
        }
        _ => Err(Bad(Why::DriveRelative)),
    }
}

/// The parts of a relative path, each looked at.
pub(super) fn components(slashed: &[u16]) -> Result<Vec<Vec<u16>>, Bad> {
    let parts = slashed.split(|unit| *unit == SEPARATOR);
    let mut components = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if part != [DOT] && part != [DOT, DOT] {
            checked(part)?;
        }
        components.push(part.to_vec());
    }
    Ok(components)
}

/// A name that means a file of that name and nothing else.
fn checked(name: &[u16]) -> Result<(), Bad> {
    for unit in name {
        match *unit {
            COLON => return Err(Bad(Why::Stream)),
            ..0x20 | 0x22 | 0x2a | 0x3c | 0x3e | 0x3f | 0x7c => return Err(Bad(Why::Character)),
            _ => {}
        }
    }
    if matches!(name.last(), Some(&(DOT | SPACE))) {
        return Err(Bad(Why::Trailing));
    }
    if is_reserved(name) {
        return Err(Bad(Why::Reserved));
    }
    Ok(())
}

/// A device of DOS, with any extension, blanks before that too ("Naming Files": "avoid these names followed
/// immediately by an extension"). Newer versions of Windows let some pass; this does not.
fn is_reserved(name: &[u16]) -> bool {
    let stem = name.split(|unit| *unit == DOT).next().unwrap_or(name);
    let stem = String::from_utf16_lossy(stem).to_ascii_uppercase();
    let stem = stem.trim_end_matches(' ');
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem) {
        return true;
    }
    let port = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"));
    // The superscripts are digits there (ISO 8859-1).
    port.is_some_and(|number| {
        let mut digits = number.chars();
        let digit = digits.next().is_some_and(|c| "0123456789¹²³".contains(c));
        digit && digits.next().is_none()
    })
}

/// The parts of a path from a directory's; above the drive there is nothing.
pub(super) fn join(dir: &[Vec<u16>], parts: &[Vec<u16>]) -> Vec<Vec<u16>> {
    let mut whole = dir.to_vec();
    for part in parts {
        if *part == [DOT, DOT] {
            whole.truncate((whole.len() - 1).max(1));
        } else if *part != [DOT] && !part.is_empty() {
            whole.push(part.clone());
        }
    }
    whole
}

/// The directory and the last name, which is empty for a drive.
pub(super) fn split_last(whole: &[Vec<u16>]) -> (Vec<Vec<u16>>, Vec<u16>) {
    match whole {
        [dir @ .., name] if !dir.is_empty() => (dir.to_vec(), name.clone()),
        drive => (drive.to_vec(), Vec::new()),
    }
}

/// The path in one.
pub(super) fn text(whole: &[Vec<u16>]) -> Wide {
    let mut path = whole.join(&SEPARATOR);
    if whole.len() == 1 {
        path.push(SEPARATOR);
    }
    Wide::from(path)
}
