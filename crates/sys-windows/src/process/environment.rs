//! An environment as Windows hands it to a process.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStrExt;

use windows_sys::Win32::Globalization::{CSTR_EQUAL, CSTR_LESS_THAN, CompareStringOrdinal};

use crate::error::{Refusal, SysError};

const CALL: &str = "Environment";

/// Variables in one block: `NAME=value`, each ended by a NUL, and a NUL after the last, in the
/// order in which Windows looks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment(Vec<u16>);

impl Environment {
    /// The block of these variables. Names differ without regard to case; of two the same,
    /// the last one counts.
    ///
    /// # Errors
    /// [`Refusal::InteriorNul`]; [`Refusal::NotAName`]: a name that is empty or has a `=` in it,
    /// but as its first letter (`=C:`, where Windows keeps a drive's directory).
    pub fn of<I>(variables: I) -> Result<Environment, SysError>
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let mut sorted: Vec<(Vec<u16>, OsString)> = Vec::new();
        for (name, value) in variables {
            let name = units(&name)?;
            let equals = name.iter().skip(1).any(|unit| *unit == u16::from(b'='));
            if name.is_empty() || name == [u16::from(b'=')] || equals {
                return Err(SysError::refused(CALL, Refusal::NotAName));
            }
            sorted.push((name, value));
        }
        // Stable, so of two the same the later one comes later.
        sorted.sort_by(|one, other| order(&one.0, &other.0));
        let mut block = Vec::new();
        for (n, (name, value)) in sorted.iter().enumerate() {
            let next = sorted.get(n + 1);
            if next.is_some_and(|next| order(name, &next.0) == Ordering::Equal) {
                continue;
            }
            block.extend(name);
            block.push(u16::from(b'='));
            block.extend(units(value)?);
            block.push(0);
        }
        if block.is_empty() {
            block.push(0);
        }
        block.push(0);
        Ok(Environment(block))
    }

    pub(crate) fn as_units(&self) -> &[u16] {
        &self.0
    }
}

fn units(text: &OsStr) -> Result<Vec<u16>, SysError> {
    let units: Vec<u16> = text.encode_wide().collect();
    if units.contains(&0) {
        return Err(SysError::refused(CALL, Refusal::InteriorNul));
    }
    Ok(units)
}

/// As Windows compares names: by upper-case code units, whatever the language.
fn order(one: &[u16], other: &[u16]) -> Ordering {
    let len = |units: &[u16]| i32::try_from(units.len()).unwrap_or(i32::MAX);
    // SAFETY: two buffers of the lengths given.
    let answer =
        unsafe { CompareStringOrdinal(one.as_ptr(), len(one), other.as_ptr(), len(other), 1) };
    match answer {
        CSTR_LESS_THAN => Ordering::Less,
        CSTR_EQUAL => Ordering::Equal,
        _ => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(variables: &[(&str, &str)]) -> Result<String, SysError> {
        let pairs = variables.iter();
        let pairs = pairs.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Environment::of(pairs).map(|made| String::from_utf16_lossy(&made.0))
    }

    #[test]
    fn names_are_sorted_without_regard_to_case_and_the_last_of_two_counts() {
        let made = block(&[
            ("b", "1"),
            ("_", "4"),
            ("A", "2"),
            ("B", "3"),
            ("=C:", "C:\\"),
        ]);
        assert_eq!(made.unwrap(), "=C:=C:\\\0A=2\0B=3\0_=4\0\0");
    }

    #[test]
    fn an_empty_one_has_two_nuls() {
        assert_eq!(block(&[]).unwrap(), "\0\0");
    }

    #[test]
    fn what_would_become_another_variable_is_refused() {
        for (name, value) in [
            ("", "x"),
            ("=", "x"),
            ("a=b", "c"),
            ("a", "b\0c=d"),
            ("a\0", ""),
        ] {
            assert!(block(&[(name, value)]).is_err(), "{name:?}");
        }
    }
}
