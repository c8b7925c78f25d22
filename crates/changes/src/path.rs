//! Paths in JSON: a string where the path is UTF-8, else `{"base64": "…"}`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes { base64: String },
}

/// As `serde(with = …)` has it.
///
/// # Errors
/// What is written to says.
pub fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    let form = match path.to_str() {
        Some(text) => Form::Text(text.to_owned()),
        None => Form::Bytes {
            base64: base64_simd::STANDARD.encode_to_string(path.as_os_str().as_bytes()),
        },
    };
    form.serialize(to)
}

/// As `serde(with = …)` has it.
///
/// # Errors
/// What is read from says, and what is no path.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    match Form::deserialize(from)? {
        Form::Text(text) => Ok(text.into()),
        Form::Bytes { base64 } => base64_simd::STANDARD
            .decode_to_vec(base64)
            .map(|bytes| OsString::from_vec(bytes).into())
            .map_err(serde::de::Error::custom),
    }
}

/// The same for a path that there may be.
pub mod perhaps {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct One(#[serde(with = "super")] PathBuf);

    /// As `serde(with = …)` has it.
    ///
    /// # Errors
    /// What is written to says.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        path.clone().map(One).serialize(to)
    }

    /// As `serde(with = …)` has it.
    ///
    /// # Errors
    /// What is read from says, and what is no path.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<One>::deserialize(from)?.map(|one| one.0))
    }
}
