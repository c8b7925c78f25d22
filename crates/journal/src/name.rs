//! Names of files as Windows has them, and paths below a root.

use std::fmt;
use std::sync::Arc;

/// A name in a directory: 16-bit units, which need not be text. On every operating system the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub Box<[u16]>);

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name(text.encode_utf16().collect())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.0))
    }
}

/// Where something lies below a root; the root itself has no names. What lies in one directory shares the way to it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Below(Option<Arc<Link>>);

#[derive(PartialEq, Eq)]
struct Link {
    up: Below,
    name: Name,
}

impl Below {
    /// This name in it.
    #[must_use]
    pub fn join(&self, name: Name) -> Below {
        Below(Some(Arc::new(Link {
            up: self.clone(),
            name,
        })))
    }

    /// Whether it is the root.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0.is_none()
    }

    /// Its own name in its directory.
    #[must_use]
    pub fn last(&self) -> Option<&Name> {
        self.0.as_ref().map(|link| &link.name)
    }

    /// Its names, the outermost first.
    #[must_use]
    pub fn names(&self) -> Vec<&Name> {
        let mut names = Vec::new();
        let mut at = self;
        while let Some(link) = &at.0 {
            names.push(&link.name);
            at = &link.up;
        }
        names.reverse();
        names
    }

    /// In characters, from which exactly these names are read again.
    ///
    /// Between names stands `\`. A unit that is no character (half of a surrogate pair), and `/` and `\`, which no file system
    /// of Windows has in a name, is `/` and its four hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, name) in self.names().into_iter().enumerate() {
            if index > 0 {
                text.push('\\');
            }
            for unit in char::decode_utf16(name.0.iter().copied()) {
                match unit {
                    Ok(c @ ('/' | '\\')) => text.push_str(&format!("/{:04x}", u32::from(c))),
                    Ok(c) => text.push(c),
                    Err(half) => text.push_str(&format!("/{:04x}", half.unpaired_surrogate())),
                }
            }
        }
        text
    }

    /// What [`Below::to_text`] wrote; none where that did not.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Below> {
        let mut below = Below::default();
        if text.is_empty() {
            return Some(below);
        }
        for part in text.split('\\') {
            let mut units = Vec::with_capacity(part.len());
            let mut rest = part.chars();
            while let Some(c) = rest.next() {
                if c == '/' {
                    let (digits, after) = rest.as_str().split_at_checked(4)?;
                    if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
                        return None;
                    }
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    rest = after.chars();
                } else {
                    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                }
            }
            if units.is_empty() {
                return None;
            }
            below = below.join(Name(units.into()));
        }
        Some(below)
    }
}

// A long way is let go name by name, not one call in another.
impl Drop for Below {
    fn drop(&mut self) {
        let mut at = self.0.take();
        while let Some(mut link) = at.and_then(Arc::into_inner) {
            at = link.up.0.take();
        }
    }
}

impl fmt::Display for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().into_iter().enumerate() {
            if index > 0 {
                f.write_str("\\")?;
            }
            name.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_nt_access::random::Random;

    #[test]
    fn every_path_comes_back_whatever_its_units() {
        let mut random = Random::new(1);
        let odd = [
            0xd800, 0xdfff, 0xd83e, 0xdd80, 0x2f, 0x5c, 0x61, 0x64, 0x30, 0,
        ];
        for _ in 0..20_000 {
            let mut below = Below::default();
            for _ in 0..random.below(4) {
                let name: Box<[u16]> = (0..=random.below(6))
                    .map(|_| match random.one_in(3) {
                        true => (random.word() & 0xffff) as u16,
                        false => odd[random.below(odd.len())],
                    })
                    .collect();
                below = below.join(Name(name));
            }
            let text = below.to_text();
            assert_eq!(Below::from_text(&text).as_ref(), Some(&below), "{text}");
        }
    }

    #[test]
    fn what_was_not_written_so_is_no_path() {
        for text in ["\\", "a\\\\b", "a\\", "/", "/d8", "/zzzz", "/+123"] {
            assert_eq!(Below::from_text(text), None, "{text}");
        }
        assert!(Below::from_text("").unwrap().is_root());
    }

    #[test]
    fn a_long_way_is_let_go() {
        let mut below = Below::default();
        for _ in 0..200_000 {
            below = below.join(Name::from("a"));
        }
        drop(below);
    }
}
