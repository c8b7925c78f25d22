//! What `cargo metadata` says about this workspace.

use crate::run;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The workspace's directory.
pub(crate) fn root() -> Result<PathBuf> {
    // Cargo sets this for `cargo run`; it is the directory of xtask itself.
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    Ok(own
        .parent()
        .context("xtask lies in no workspace")?
        .to_owned())
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

/// The triple of this machine, as rustc names it.
pub(crate) fn host_triple(root: &Path) -> Result<String> {
    let mut rustc = std::process::Command::new("rustc");
    rustc.current_dir(root).arg("-vV");
    let said = run::output(&mut rustc)?;
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` names no host")
}

/// Where the binaries of `profile` (`debug` or `release`) lie: `.cargo/config.toml` names the
/// target, so cargo adds a directory with the triple's name.
pub(crate) fn binaries(root: &Path, profile: &str) -> Result<PathBuf> {
    Ok(target_dir(root).join(host_triple(root)?).join(profile))
}

/// One dependency as a manifest names it.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `normal`, `dev` or `build`.
    pub(crate) kind: String,
    /// The `cfg(…)` or triple it is limited to.
    pub(crate) target: Option<String>,
    /// Whether it is a crate of this workspace.
    pub(crate) local: bool,
}

/// One crate root.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `lib`, `bin`, `test`, `bench`, `example` or `custom-build`.
    pub(crate) kind: String,
    /// Relative to the workspace.
    pub(crate) file: String,
}

/// One package of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the workspace, e.g. `crates/plan`.
    pub(crate) dir: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

impl Package {
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.dir)
    }
}

/// Asks cargo for the packages.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let mut ask = run::cargo(root);
    ask.args(["metadata", "--no-deps", "--format-version", "1"]);
    parse(&run::output(&mut ask)?)
}

/// Reads the JSON of `cargo metadata --no-deps`.
pub(crate) fn parse(json: &str) -> Result<Vec<Package>> {
    let all: Value = serde_json::from_str(json).context("cargo metadata wrote no JSON")?;
    let root = text(&all, "workspace_root")?;
    let relative = |path: &str| -> String {
        path.strip_prefix(root.as_str())
            .unwrap_or(path)
            .trim_start_matches('/')
            .to_owned()
    };
    let mut packages = Vec::new();
    for package in list(&all, "packages")? {
        let manifest = relative(&text(package, "manifest_path")?);
        let mut dependencies = Vec::new();
        for dependency in list(package, "dependencies")? {
            dependencies.push(Dependency {
                name: text(dependency, "name")?,
                kind: dependency["kind"].as_str().unwrap_or("normal").to_owned(),
                target: dependency["target"].as_str().map(str::to_owned),
                local: dependency["path"].is_string(),
            });
        }
        let mut targets = Vec::new();
        for target in list(package, "targets")? {
            targets.push(Target {
                kind: target["kind"][0].as_str().unwrap_or_default().to_owned(),
                file: relative(&text(target, "src_path")?),
            });
        }
        packages.push(Package {
            name: text(package, "name")?,
            dir: manifest.trim_end_matches("/Cargo.toml").to_owned(),
            dependencies,
            targets,
        });
    }
    packages.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(packages)
}

fn text(value: &Value, key: &str) -> Result<String> {
    let found = value[key].as_str();
    Ok(found
        .with_context(|| format!("cargo metadata has no `{key}`"))?
        .to_owned())
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key]
        .as_array()
        .with_context(|| format!("cargo metadata has no `{key}`"))
}
