//! What several tests load from.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::ffi::OsString;
use std::path::PathBuf;

use ringfence_policy::{Context, Effective, FileText, Flags, PolicyError, Sources, Trust, load};

/// Loads with `/home/a` as the home and `/work` as the current directory.
pub fn load_from(sources: &Sources) -> Result<Effective, PolicyError> {
    let none = |_: &str| -> Option<OsString> { None };
    let context = Context {
        account_home: None,
        home: Some("/home/a".into()),
        cwd: "/work".into(),
        variable: &none,
    };
    load(sources, &context)
}

/// The person's file, in its usual place.
pub fn user(text: &str) -> Option<FileText> {
    Some(file("/home/a/.config/ringfence/policy.toml", text))
}

/// A project's file.
pub fn project(text: &str, trust: Trust) -> Option<(FileText, Trust)> {
    Some((file("/work/.ringfence.toml", text), trust))
}

/// The administrator's file.
pub fn managed(text: &str) -> Option<FileText> {
    Some(file("/etc/ringfence/managed.toml", text))
}

/// A file.
pub fn file(path: &str, text: &str) -> FileText {
    FileText {
        path: PathBuf::from(path),
        text: text.to_owned(),
    }
}

/// Layers from their texts; an empty text is no file.
pub fn layers(
    managed_text: &str,
    user_text: &str,
    project_text: &str,
    trust: Trust,
    flags: Flags,
) -> Sources {
    let some = |text: &str| !text.is_empty();
    Sources {
        grants: Vec::new(),
        managed: managed(managed_text).filter(|_| some(managed_text)),
        user: user(user_text).filter(|_| some(user_text)),
        projects: project(project_text, trust)
            .filter(|_| some(project_text))
            .into_iter()
            .collect(),
        flags,
    }
}
