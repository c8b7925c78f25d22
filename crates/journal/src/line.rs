//! The lines of a journal.
//!
//! Each is a JSON object with what it says and a digest of that, so that one that was changed, cut or mixed with another is
//! found: `{"sum":"…","is":{…}}`.

use ringfence_nt_access::{Ace, Acl, Control, SecurityDescriptor, Sid};
use ringfence_plan::windows::FileId;
use serde::{Deserialize, Serialize};

/// The version of the form.
pub(crate) const VERSION: u32 = 1;

const SUM: usize = 16;
const BEFORE: &str = r#"{"sum":""#;
const BETWEEN: &str = r#"","is":"#;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first: whose journal it is, and of which directory.
    Journal(Header),
    /// These ACEs are put from now on.
    Plan(Planned),
    /// A descriptor that objects had; lines that follow name it by its digest.
    Descriptor(Kept),
    /// An object, before it is changed the first time.
    Object(Object),
    /// All of the tree was walked with the last plan.
    Walked(Walked),
    /// All is being taken back.
    Undoing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) user: String,
    /// The root's own SID.
    pub(crate) sid: String,
    pub(crate) id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Of `aces`.
    pub(crate) digest: String,
    /// Where the root was then.
    pub(crate) root: String,
    pub(crate) aces: Aces,
}

/// The ACEs of a plan, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aces {
    pub(crate) principals: Vec<String>,
    pub(crate) own: String,
    pub(crate) guards: Vec<Guard>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Guard {
    pub(crate) path: String,
    pub(crate) aces: String,
    pub(crate) promise: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) digest: String,
    /// Self-relative, in Base64.
    pub(crate) bytes: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) path: String,
    pub(crate) id: String,
    /// The digest of its descriptor.
    pub(crate) before: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Walked {
    /// The plan's.
    pub(crate) digest: String,
    pub(crate) seen: u64,
    pub(crate) left: u64,
}

fn sum(body: &[u8]) -> String {
    let hex = blake3::hash(body).to_hex();
    hex.chars().take(SUM).collect()
}

impl Line {
    /// With the end of line.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Structures of words and numbers: there is nothing in them that JSON has not.
        let body = serde_json::to_string(self).unwrap_or_default();
        format!("{BEFORE}{}{BETWEEN}{body}}}\n", sum(body.as_bytes())).into_bytes()
    }

    /// From its bytes without the end of line; none where they are not as they were written.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Line> {
        serde_json::from_slice(body(bytes)?).ok()
    }

    /// The version that a first line names, also one whose form is not known.
    pub(crate) fn version(bytes: &[u8]) -> Option<u32> {
        #[derive(Deserialize)]
        struct Any {
            journal: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let any: Any = serde_json::from_slice(body(bytes)?).ok()?;
        Some(any.journal.version)
    }
}

fn body(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(BEFORE.as_bytes())?;
    let (found, rest) = rest.split_at_checked(SUM)?;
    rest.strip_prefix(BETWEEN.as_bytes())?
        .strip_suffix(b"}")
        .filter(|body| sum(body).as_bytes() == found)
}

impl Kept {
    pub(crate) fn of(descriptor: &[u8]) -> Kept {
        Kept {
            digest: digest(descriptor),
            bytes: base64_simd::STANDARD.encode_to_string(descriptor),
        }
    }

    /// The bytes, where they are those of the digest.
    pub(crate) fn descriptor(&self) -> Option<SecurityDescriptor> {
        let bytes = base64_simd::STANDARD
            .decode_to_vec(self.bytes.as_bytes())
            .ok()?;
        let parsed = SecurityDescriptor::parse(&bytes).ok()?;
        (digest(&bytes) == self.digest).then_some(parsed)
    }
}

/// 128 bits of it: nobody but us writes there, and two of one file's are never the same by chance.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex = blake3::hash(bytes).to_hex();
    hex.chars().take(32).collect()
}

/// A directory or file as the journals name it.
pub(crate) fn key(id: FileId) -> String {
    format!("{:016x}-{:032x}", id.volume, id.file)
}

/// What [`key`] wrote.
pub(crate) fn of_key(text: &str) -> Option<FileId> {
    let (volume, file) = text.split_once('-')?;
    let id = FileId {
        volume: u64::from_str_radix(volume, 16).ok()?,
        file: u128::from_str_radix(file, 16).ok()?,
    };
    (key(id) == text).then_some(id)
}

/// ACEs in SDDL; none where that would not be read as these again.
pub(crate) fn words(aces: &[Ace]) -> Option<String> {
    let list = SecurityDescriptor {
        control: Control::DACL_PRESENT,
        dacl: Some(aces.iter().cloned().collect::<Acl>()),
        ..SecurityDescriptor::default()
    };
    let text = list.to_sddl().ok()?;
    (of_words(&text)? == aces).then_some(text)
}

/// What [`words`] wrote.
pub(crate) fn of_words(text: &str) -> Option<Vec<Ace>> {
    let list = SecurityDescriptor::from_sddl(text).ok()?;
    list.dacl.map(|dacl| dacl.aces)
}

/// A SID in words.
pub(crate) fn sid(text: &str) -> Option<Sid> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_changed_is_none() {
        let line = Line::Walked(Walked {
            digest: "ab".to_owned(),
            seen: 7,
            left: 0,
        });
        let mut bytes = line.to_bytes();
        assert_eq!(bytes.pop(), Some(b'\n'));
        assert_eq!(Line::parse(&bytes), Some(line));
        // It is JSON, for whoever reads it otherwise.
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(Line::parse(&other), None, "{at}");
            assert_eq!(Line::parse(&bytes[..at]), None, "{at}");
        }
    }

    #[test]
    fn keys_come_back() {
        let id = FileId {
            volume: 7,
            file: u128::MAX,
        };
        assert_eq!(of_key(&key(id)), Some(id));
        for text in [
            "",
            "7-7",
            "+000000000000007-00000000000000000000000000000001",
        ] {
            assert_eq!(of_key(text), None);
        }
    }
}
