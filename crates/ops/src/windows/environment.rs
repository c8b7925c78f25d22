//! The block of variables that a process is started with, and what goes into a ring's.
//!
//! Source: "CreateProcessW" and "Changing Environment Variables" (learn.microsoft.com): strings
//! `name=value`, each with a NUL at its end and one NUL more at the end of all, "sorted alphabetically by name.
//! The sort is case-insensitive, Unicode order, without regard to locale"; Wellons, "Everything you never
//! wanted to know about Win32 environment blocks" (2023), for what that leaves open.

mod ring;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use super::Wide;

pub use ring::{CURLRC, Change, Network, Profile, Ring, Settings, What, Why, for_ring};

/// A variable with its `=` and its NUL has so many units at most ("The maximum size of a user-defined
/// environment variable is 32,767 characters", `SetEnvironmentVariableW`). A block may be longer.
pub const MOST_UNITS: usize = 32_767;

const EQUALS: u16 = b'=' as u16;

/// Names and values.
pub type Pairs = Vec<(Wide, Wide)>;

/// Why pairs make no block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentError {
    /// A variable without a name.
    NoName {
        /// Which pair, from 0.
        index: usize,
    },
    /// A NUL in a name or a value.
    Nul {
        /// The variable.
        name: Wide,
        /// Which unit of `name=value`, from 0.
        at: usize,
    },
    /// A `=` in a name, behind its first character: the value would begin there.
    Equals {
        /// The variable.
        name: Wide,
        /// Which unit, from 0.
        at: usize,
    },
    /// More than [`MOST_UNITS`].
    TooLong {
        /// The variable.
        name: Wide,
        /// So many, its `=` and its NUL among them.
        units: usize,
    },
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvironmentError::NoName { index } => write!(f, "variable {index} has no name"),
            EnvironmentError::Nul { name, at } => {
                write!(f, "the variable {name} holds a NUL, at {at}")
            }
            EnvironmentError::Equals { name, at } => {
                write!(f, "the variable's name {name} holds a '=', at {at}")
            }
            EnvironmentError::TooLong { name, units } => write!(
                f,
                "the variable {name} has {units} units, and Windows takes {MOST_UNITS} at most"
            ),
        }
    }
}

impl Error for EnvironmentError {}

/// The block, for `CREATE_UNICODE_ENVIRONMENT`.
///
/// Names are one where they differ in case only ([`Wide::is_like`]): the last given wins, name and
/// value. They are ordered by their upper case, unit by unit; beyond ASCII that is near Windows'
/// order, not its table. A `=` may begin a name: the shell keeps the directory of each drive
/// under `=C:`.
///
/// # Errors
/// A name or a value that cannot be said.
pub fn block(pairs: &[(Wide, Wide)]) -> Result<Vec<u16>, EnvironmentError> {
    let mut sorted = BTreeMap::new();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if name.is_empty() {
            return Err(EnvironmentError::NoName { index });
        }
        if let Some(at) = name.units()[1..].iter().position(|unit| *unit == EQUALS) {
            let name = name.clone();
            return Err(EnvironmentError::Equals { name, at: at + 1 });
        }
        let mut entry = name.units().to_vec();
        entry.push(EQUALS);
        entry.extend_from_slice(value.units());
        if let Some(at) = entry.iter().position(|unit| *unit == 0) {
            let name = name.clone();
            return Err(EnvironmentError::Nul { name, at });
        }
        entry.push(0);
        if entry.len() > MOST_UNITS {
            return Err(EnvironmentError::TooLong {
                name: name.clone(),
                units: entry.len(),
            });
        }
        sorted.insert(name.folded(), entry);
    }
    let mut block: Vec<u16> = sorted.into_values().flatten().collect();
    if block.is_empty() {
        // Two NULs end a block, also one with nothing in it.
        block.push(0);
    }
    block.push(0);
    Ok(block)
}

/// Why units are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockError {
    /// It does not end in two NULs, or goes on behind them.
    End,
    /// A string without a `=` behind its first character.
    NoEquals {
        /// Where it begins.
        at: usize,
    },
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockError::End => f.write_str("the environment block does not end where it should"),
            BlockError::NoEquals { at } => {
                write!(f, "the environment's string at {at} is no variable")
            }
        }
    }
}

impl Error for BlockError {}

/// The variables of a block, in its order.
///
/// # Errors
/// What [`block`] never makes.
pub fn parse(block: &[u16]) -> Result<Pairs, BlockError> {
    let mut pairs = Vec::new();
    if block == [0, 0] {
        return Ok(pairs);
    }
    let mut at = 0;
    loop {
        let rest = block.get(at..).ok_or(BlockError::End)?;
        let length = rest.iter().position(|u| *u == 0).ok_or(BlockError::End)?;
        if length == 0 {
            let whole = at > 0 && at + 1 == block.len();
            return if whole {
                Ok(pairs)
            } else {
                Err(BlockError::End)
            };
        }
        let entry = &rest[..length];
        let equals = entry[1..].iter().position(|unit| *unit == EQUALS);
        let equals = equals.ok_or(BlockError::NoEquals { at })? + 1;
        pairs.push((
            Wide::from(&entry[..equals]),
            Wide::from(&entry[equals + 1..]),
        ));
        at += length + 1;
    }
}

#[cfg(test)]
mod tests;
