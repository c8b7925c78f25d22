//! Names of the operating system as JSON: nothing is lost of what is not UTF-8, and secrets are.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sys;

/// A word, a path: a string in JSON, or `{"base64": "…"}` where it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text(OsString);

impl Text {
    /// What it is.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }

    /// The same, as a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl<T: AsRef<OsStr> + ?Sized> From<&T> for Text {
    fn from(text: &T) -> Text {
        Text(text.as_ref().to_owned())
    }
}

/// For people: what is not UTF-8 is replaced. What could move a cursor is for who prints it to escape.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string_lossy())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => to.serialize_str(text),
            None => {
                let mut map = to.serialize_map(Some(1))?;
                let bytes = base64_simd::STANDARD.encode_to_string(sys::bytes(&self.0));
                map.serialize_entry("base64", &bytes)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Plain(String),
            Bytes { base64: String },
        }
        match Either::deserialize(from)? {
            Either::Plain(text) => Ok(Text(text.into())),
            Either::Bytes { base64 } => {
                let bytes = base64_simd::STANDARD.decode_to_vec(base64);
                let name = sys::of_bytes(bytes.map_err(D::Error::custom)?);
                name.map(Text)
                    .ok_or_else(|| D::Error::custom("no name of this system has these bytes"))
            }
        }
    }
}

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// The words of a command without the secrets in them, and how many those were. A word's secret is taken
/// out, and the rest of it stays: what was run must be seen.
pub fn words<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> (Vec<Text>, u32) {
    let mut count = 0;
    let mut secret_next = false;
    let mut set = false;
    let words = words.into_iter().map(|word| {
        let bytes = sys::bytes(word);
        // `--password --verbose`: then it has no value.
        if std::mem::take(&mut secret_next) && !bytes.starts_with(b"-") && !bytes.is_empty() {
            count += 1;
            return Text(REDACTED.into());
        }
        let named = std::mem::replace(&mut set, *bytes == *b"set");
        secret_next = ringfence_policy::is_secret_flag(&bytes)
            || named && ringfence_policy::is_secret_setting(&bytes);
        let (word, more) = without_secrets(word);
        count += more;
        word
    });
    (words.collect(), count)
}

/// A text without the secrets in it, and how many those were.
pub fn without_secrets(text: &OsStr) -> (Text, u32) {
    let bytes = sys::bytes(text);
    let secrets = ringfence_policy::secrets_in(&bytes);
    if secrets.is_empty() {
        return (Text(text.to_owned()), 0);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let (mut done, mut count) = (0, 0);
    for secret in secrets {
        if secret.end <= done {
            continue;
        }
        if secret.start >= done {
            out.extend_from_slice(&bytes[done..secret.start]);
            out.extend_from_slice(REDACTED.as_bytes());
            count += 1;
        }
        done = secret.end;
    }
    out.extend_from_slice(&bytes[done..]);
    // A secret that begins within a character leaves what is no name on every system.
    let left = sys::of_bytes(out).unwrap_or_else(|| REDACTED.into());
    (Text(left), count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &[&str]) -> String {
        let (words, count) = words(line.iter().map(OsStr::new));
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        format!("{count}: {}", words.join(" | "))
    }

    #[test]
    fn secrets_are_taken_out_and_nothing_else() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        let table = [
            shown(&["git", "push", "origin", "main"]),
            shown(&[
                "curl",
                "-H",
                "Authorization: Bearer abc.def",
                "https://example.com/x",
            ]),
            shown(&[
                "git",
                "clone",
                "https://ada:hunter2@example.com/r.git",
                "there",
            ]),
            shown(&[
                "sh",
                "-c",
                &format!("GH_TOKEN={token} gh pr create --title 'a b'"),
            ]),
            shown(&["deploy", "--password", "hunter2", "--verbose"]),
            shown(&["deploy", "--password=hunter2", "--token", "-x", "y"]),
            shown(&["bash", "-lc", "deploy --api-key 'a b c' now"]),
            shown(&["bash", "-lc", "echo \"$API_TOKEN\" --password \"$PW\""]),
            shown(&[
                "curl",
                "-d",
                "{\"password\": \"hunter2hunter2\", \"user\": \"ada\"}",
            ]),
            shown(&["curl", "https://example.com/?access_token=abc&x=1"]),
            shown(&["grep", "-rn", "password", "src"]),
            shown(&["cargo", "test", "token::tests::parses", "--", "--nocapture"]),
            shown(&["make", "MAX_TOKENS=4096", "NO_PASSWORD=1"]),
            shown(&[
                "printf",
                "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END",
            ]),
            shown(&["echo", "", "token: parse it"]),
            shown(&[
                "aws",
                "configure",
                "set",
                "aws_secret_access_key",
                "X9",
                "--profile",
                "p",
            ]),
            shown(&[
                "sh",
                "-c",
                "aws configure set default.aws_secret_access_key 'X9 8' && aws configure set region eu",
            ]),
            shown(&["npm", "config", "set", "//r/:_authToken", "X9"]),
            shown(&[
                "sh",
                "-c",
                "cd a; npm config set //r/:_authToken X9; npm ci",
            ]),
            shown(&["git", "config", "set", "user.name", "ada"]),
        ];
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn what_is_not_utf8_comes_back() {
        let name = crate::sys::odd("a", "\n\"b");
        for name in [&*name, OsStr::new("plain \u{1f980}"), OsStr::new("")] {
            let text = Text::from(name);
            let json = serde_json::to_string(&text).expect("json");
            let back: Text = serde_json::from_str(&json).expect("text");
            assert_eq!(back.as_os_str(), name, "{json}");
        }
    }
}
