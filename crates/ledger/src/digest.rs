//! BLAKE3 digests, in hexadecimal where they are written.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A BLAKE3 hash of 256 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What stands before the first record of a chain.
    pub const NONE: Digest = Digest([0; 32]);
    /// Its length as text.
    pub const LENGTH: usize = 64;

    /// Of a value, by what it tells a hasher: quick to make, and the same for the same value in the same build of
    /// a program. For what any build has to agree on there are [bytes](Digest::of).
    #[must_use]
    pub fn of_value(value: &impl Hash) -> Digest {
        struct Feed(blake3::Hasher, Vec<u8>);
        impl Hasher for Feed {
            fn write(&mut self, bytes: &[u8]) {
                // A value tells a few bytes at a time.
                if self.1.len() + bytes.len() > 8 << 10 {
                    self.0.update(&self.1);
                    self.1.clear();
                }
                self.1.extend_from_slice(bytes);
            }

            fn finish(&self) -> u64 {
                0
            }
        }
        let mut feed = Feed(blake3::Hasher::new(), Vec::with_capacity(8 << 10));
        value.hash(&mut feed);
        feed.0.update(&feed.1);
        Digest(*feed.0.finalize().as_bytes())
    }

    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no digest: 64 hexadecimal digits, in lower case")]
pub struct NoDigest;

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Digest, NoDigest> {
        // One way to write each: what is written is what is compared.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NoDigest);
        }
        blake3::Hash::from_hex(text)
            .map(|hash| Digest(*hash.as_bytes()))
            .map_err(|_| NoDigest)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}
