//! Words a person chooses from: exact spelling, and the nearest one when it is missed.

use std::fmt;

/// A word that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// What was written.
    pub given: String,
    /// The words that would do.
    pub known: &'static [&'static str],
}

impl UnknownName {
    /// The known word that was probably meant.
    pub fn nearest(&self) -> Option<&'static str> {
        nearest(&self.given, self.known)
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown value {}; ", quoted(&self.given))?;
        remedy(f, &self.given, self.known)
    }
}

impl std::error::Error for UnknownName {}

/// Writes "did you mean `x`?" or, where nothing is near, what there is to choose from.
pub(crate) fn remedy(
    f: &mut fmt::Formatter<'_>,
    given: &str,
    known: &[&'static str],
) -> fmt::Result {
    if let Some(near) = nearest(given, known) {
        return write!(f, "did you mean `{near}`?");
    }
    if known.len() > 12 {
        return f.write_str("`ringfence policy show` lists the names");
    }
    f.write_str("it must be one of ")?;
    for (index, name) in known.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}`{name}`")?;
    }
    Ok(())
}

/// The known word closest to `given`, if it is close enough to be a slip.
pub(crate) fn nearest(given: &str, known: &[&'static str]) -> Option<&'static str> {
    // A long text is no slip of a short word, and the distance is quadratic.
    if given.is_empty() || given.len() > 64 {
        return None;
    }
    let given = given.to_ascii_lowercase();
    // `ssh` for `hide.ssh`.
    let last = |name: &str| name.rsplit_once('.').is_some_and(|(_, last)| last == given);
    if let Some(name) = known.iter().find(|name| last(name)) {
        return Some(name);
    }
    known
        .iter()
        .map(|name| (distance(&given, name), *name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replace = last[j] + usize::from(x != y);
            let mut best = replace.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// A value as it may stand in a one-line message: escaped, and cut where it is long.
pub(crate) fn quoted(value: &str) -> String {
    format!("`{}`", one_line(value, 60))
}

/// A text as it may stand in one line: what would break it, or look like something else, is escaped ([`plain`](crate::plain())), and past
/// `longest` characters it is cut.
pub fn one_line(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", crate::plain(&text[..at])),
        None => crate::plain(text),
    }
}

/// Implements spelling, parsing and display of an enum of words, narrowest meaning first.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every spelling, as the policy file has it.
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            /// The spelling in a policy file.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownName { given: text.to_owned(), known: Self::NAMES }),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = &["write", "protect", "hide", "read", "reveal"];
        assert_eq!(nearest("wrtie", known), Some("write"));
        assert_eq!(nearest("writes", known), Some("write"));
        assert_eq!(nearest("Hide", known), Some("hide"));
        assert_eq!(nearest("protected", known), Some("protect"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn a_quoted_value_is_one_short_line() {
        assert_eq!(quoted("a\nb\0"), "`a\\nb\\u{0}`");
        assert!(quoted(&"x".repeat(500)).chars().count() < 70);
    }
}
