//! Where state and policies are.

use std::path::{Path, PathBuf};

use ringfence_policy::{Flags, Trust};

use super::finding::{Finding, Status, have, row};
use crate::error::Error;
use crate::state::State;
use crate::{layers, sys};

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDir {
    /// Here, and it can be written.
    Writable(PathBuf),
    /// It cannot be written.
    ReadOnly(PathBuf, String),
    /// The user has no home directory.
    None,
}

/// A policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// managed, user or project.
    pub layer: &'static str,
    /// Where it is or would be.
    pub path: PathBuf,
    /// It exists.
    pub exists: bool,
    /// A project's file that a person trusted.
    pub trusted: bool,
}

/// Whether state can be kept: asked of the deepest directory that exists, since nothing
/// is made.
pub(crate) fn state_dir(state: Option<&State>) -> StateDir {
    let Some(state) = state else {
        return StateDir::None;
    };
    let dir = state.dir().to_owned();
    let existing = dir
        .ancestors()
        .find(|path| std::fs::symlink_metadata(path).is_ok())
        .unwrap_or(Path::new("/"));
    match sys::may_write(existing) {
        Ok(()) => StateDir::Writable(dir),
        Err(error) => StateDir::ReadOnly(dir, error.to_string()),
    }
}

pub(crate) fn policies(
    home: Option<&Path>,
    state: Option<&State>,
) -> (Vec<PolicyFile>, Option<String>) {
    let exists = |path: &Path| std::fs::symlink_metadata(path).is_ok();
    let mut files = Vec::new();
    files.push(PolicyFile {
        layer: "managed",
        exists: match layers::managed_file() {
            Some(file) => exists(file),
            // One that cannot be used is there.
            None => !matches!(layers::managed(), Ok(None)),
        },
        path: PathBuf::from(layers::MANAGED),
        trusted: false,
    });
    if let Some(path) = layers::user_file(home) {
        files.push(PolicyFile {
            layer: "user",
            exists: exists(&path),
            path,
            trusted: false,
        });
    }
    let Ok(cwd) = std::env::current_dir() else {
        return (files, Some(Error::NoCwd.to_string()));
    };
    let merged = layers::sources(Flags::default(), &cwd, home, state, &[]).and_then(|sources| {
        for (file, trust) in &sources.projects {
            files.push(PolicyFile {
                layer: "project",
                path: file.path.clone(),
                exists: true,
                trusted: *trust == Trust::Trusted,
            });
        }
        layers::merge(&sources, &cwd, home)
    });
    let error = match merged {
        Ok(policy) => {
            let lacking = layers::lacking(&policy, home);
            let lines: Vec<String> = layers::unusable(&policy)
                .iter()
                .chain(&lacking)
                .map(ToString::to_string)
                .collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        Err(error) => Some(error.to_string()),
    };
    (files, error)
}

/// What is told of the policy files.
pub(crate) fn rows(files: &[PolicyFile], error: Option<&str>) -> Vec<Finding> {
    const NAME: &str = "policy";
    let mut rows: Vec<Finding> = files
        .iter()
        .map(|file| {
            let path = file.path.display();
            let layer = file.layer;
            row(
                NAME,
                Status::Note,
                match (file.exists, file.trusted, layer) {
                    (false, _, _) => format!("{layer}: none ({path})"),
                    (true, true, _) => format!("{layer}: {path}, trusted"),
                    (true, false, "project") => format!("{layer}: {path}, not trusted"),
                    (true, false, _) => format!("{layer}: {path}"),
                },
                "",
            )
        })
        .collect();
    match error {
        Some(error) => {
            rows.extend(
                error
                    .lines()
                    .map(|line| row(NAME, Status::Lack, line.trim(), "")),
            );
        }
        None => rows.push(have(NAME, "valid")),
    }
    rows
}
