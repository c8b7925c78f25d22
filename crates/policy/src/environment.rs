//! Which of the caller's variables reach a command.

mod secrets;

use std::ffi::OsStr;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::model::Sourced;

/// A variable's name, or a pattern of names: `*` stands for any run of characters.
///
/// Letter case counts as the system has it: not on Windows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

/// A text that is no variable's name and no pattern of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidNamePattern;

impl fmt::Display for InvalidNamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no name of a variable; write a name such as `RUST_LOG` or a pattern such as `MY_*`",
        )
    }
}

impl std::error::Error for InvalidNamePattern {}

impl FromStr for NamePattern {
    type Err = InvalidNamePattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // npm's own names hold `/:.@-`; a name can hold anything but `=`, but a blank is a slip.
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'=';
        if text.is_empty() || text.len() > 256 || !text.bytes().all(fits) {
            return Err(InvalidNamePattern);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NamePattern {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for this name.
    pub fn matches(&self, name: &OsStr) -> bool {
        matches(self.0.as_bytes(), name.as_encoded_bytes())
    }

    /// Whether it stands for every name that `other` stands for. May say no for two patterns with several
    /// `*` where the answer is yes, never the other way round.
    pub fn covers(&self, other: &Self) -> bool {
        // A `*` of the other can only be taken up by a `*` of this one, since `*` equals no other byte.
        matches(self.0.as_bytes(), other.0.as_bytes())
    }
}

fn same(a: u8, b: u8) -> bool {
    if cfg!(windows) {
        a.eq_ignore_ascii_case(&b)
    } else {
        a == b
    }
}

/// Whether `text` is an instance of `pattern`; linear but for going back to the last `*`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(&byte) if same(byte, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = back else {
                    return false;
                };
                back = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Where secrets stand in a text, by their own shape and by the names that stand before them: ranges of
/// bytes, in order; they may overlap. For what is written down about a command.
pub fn secrets_in(text: &[u8]) -> Vec<Range<usize>> {
    secrets::find(text)
}

/// Whether the word that follows this one is a secret: `--password`.
pub fn is_secret_flag(word: &[u8]) -> bool {
    secrets::is_secret_flag(word)
}

/// Whether a setting of this name is a secret, as the word behind `set` names it: `aws configure set aws_secret_access_key X`.
pub fn is_secret_setting(name: &[u8]) -> bool {
    secrets::is_secret_setting(name, b"some value")
}

/// What becomes of a variable, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnvVerdict {
    /// It reaches the command.
    Pass,
    /// Its name is a secret's, for example `GITHUB_TOKEN`.
    DropSecretName,
    /// Its value is a secret's, for example a private key.
    DropSecretShape,
    /// It names a socket, a display or a program that acts outside the ring, for example
    /// `SSH_AUTH_SOCK`.
    DropSocket,
    /// A policy drops it.
    DropListed,
}

/// Which variables reach a command: all but secrets and ways out, unless a policy says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Environment {
    /// Passed although they look like a secret or a way out.
    pub pass: Vec<Sourced<NamePattern>>,
    /// Dropped; stronger than `pass`.
    pub drop: Vec<Sourced<NamePattern>>,
}

impl Environment {
    /// What becomes of a variable. Allocates nothing.
    pub fn judge(&self, name: &OsStr, value: &OsStr) -> EnvVerdict {
        let listed = |list: &[Sourced<NamePattern>]| list.iter().any(|p| p.value.matches(name));
        if listed(&self.drop) {
            return EnvVerdict::DropListed;
        }
        if listed(&self.pass) {
            return EnvVerdict::Pass;
        }
        secrets::judge(name.as_encoded_bytes(), value.as_encoded_bytes())
    }
}
