//! What may be read where not all may.

use std::path::PathBuf;

use ringfence_ops::linux::Located;
use ringfence_policy::{Effective, Read};

use super::Asked;
use crate::locate::follow;

/// What `read = "minimal"` makes readable: the system, the toolchains, the workspace.
pub(super) fn readable(
    policy: &Effective,
    asked: &Asked<'_>,
    roots: &[PathBuf],
) -> Option<Vec<Located>> {
    const SYSTEM: [&str; 14] = [
        "/bin",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/nix",
        "/opt",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/lib/dpkg",
    ];
    const TOOLCHAINS: [&str; 18] = [
        ".cargo",
        ".rustup",
        ".pyenv",
        ".nvm",
        ".volta",
        ".asdf",
        ".local/bin",
        ".local/lib",
        ".local/share/uv",
        ".local/share/mise",
        ".deno",
        ".bun",
        ".sdkman",
        ".m2",
        ".gradle",
        "go",
        ".gitconfig",
        ".config/git",
    ];
    let extra: &[PathBuf] = match &policy.read.value {
        Read::All => return None,
        Read::Minimal => &[],
        Read::Paths(paths) => paths,
    };
    let mut paths: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    if let Some(home) = asked.home {
        paths.extend(TOOLCHAINS.iter().map(|t| home.join(t)));
    }
    paths.extend(std::env::split_paths(asked.path.unwrap_or_default()).filter(|p| p.is_absolute()));
    paths.push(asked.workspace.to_owned());
    paths.extend(roots.iter().cloned());
    paths.extend(extra.iter().cloned());
    Some(
        paths
            .iter()
            .filter_map(|p| follow(p).ok())
            .map(|f| f.at)
            .collect(),
    )
}
