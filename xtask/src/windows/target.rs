//! Rust's standard library for Windows: from rustup, or, where rustup's server cannot be
//! reached, built once from the source that Debian has of the very version.

use super::{cache, debian};
use crate::{run, tools};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is linked and run.
pub(super) const GNU: &str = "x86_64-pc-windows-gnu";
/// What Windows' own tools link. Nothing here does; clippy reads for it all the same.
pub(super) const MSVC: &str = "x86_64-pc-windows-msvc";

/// The releases of Debian in which the source of a Rust that was current lately lies.
const RELEASES: [&str; 4] = ["trixie-backports", "trixie", "forky", "sid"];

/// The crates of std that programs and their tests link.
const CRATES: &str = "-Zbuild-std=std,panic_unwind,panic_abort,test,proc_macro";

/// The toolchain with std for [`GNU`] and [`MSVC`].
pub(super) struct Toolchain {
    /// Where std lies, if not beside the compiler.
    sysroot: Option<PathBuf>,
}

impl Toolchain {
    /// Finds it, or makes it.
    pub(super) fn setup(root: &Path, seed: bool) -> Result<Toolchain> {
        if !seed && tools::std_for(root, &[GNU, MSVC])? {
            return Ok(Toolchain { sysroot: None });
        }
        let version = Version::of(root)?;
        let sysroot = cache::dir(root).join(format!("std-{}", version.key()));
        cache::made(&sysroot, |part| build(root, &version, part))?;
        Ok(Toolchain {
            sysroot: Some(sysroot),
        })
    }

    /// Has `command`, which is cargo or starts it, find std.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some(sysroot) = &self.sysroot {
            // The encoded form takes a path with spaces. Cargo keeps it from build scripts and
            // macros, since a target is named.
            let mut flags = OsString::from("--sysroot\x1f");
            flags.push(sysroot);
            command.env("CARGO_ENCODED_RUSTFLAGS", flags);
        }
    }

    /// A cargo that finds it.
    pub(super) fn cargo(&self, root: &Path) -> Command {
        let mut command = run::cargo(root);
        self.apply(&mut command);
        command
    }
}

/// Which compiler this is.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    /// E.g. `1.95.0`.
    release: String,
    /// The beginning of the commit it was made from.
    commit: String,
}

impl Version {
    fn of(root: &Path) -> Result<Version> {
        let mut ask = Command::new("rustc");
        ask.current_dir(root).arg("-vV");
        Version::parse(&run::output(&mut ask)?)
    }

    fn parse(said: &str) -> Result<Version> {
        let field = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(name))
                .with_context(|| format!("`rustc -vV` says no `{name}`"))
        };
        let commit = field("commit-hash: ")?;
        Ok(Version {
            release: field("release: ")?.to_owned(),
            commit: commit.chars().take(9).collect(),
        })
    }

    /// What std is for this compiler and no other: its metadata is of one version.
    fn key(&self) -> String {
        format!("{}-{}", self.release, self.commit)
    }
}

/// The version among `versions` that is the source of this release. Debian appends its own mark.
fn source_of<'a>(release: &str, versions: &'a [String]) -> Option<&'a String> {
    versions.iter().find(|version| {
        version
            .strip_prefix(release)
            .is_some_and(|rest| rest.starts_with(['+', '-', '~']))
    })
}

/// Builds std into `part`, laid out as a sysroot.
fn build(root: &Path, version: &Version, part: &Path) -> Result<()> {
    println!(
        "xtask: building std {} for {GNU} (about a minute, once)",
        version.release
    );
    let work = part.join("work");
    let source = work.join("source");
    fs::create_dir_all(&source)?;
    fetch_source(version, &work, &source)?;
    seed(root, &work, &source, part, GNU)?;
    seed(root, &work, &source, part, MSVC)?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
}

fn fetch_source(version: &Version, work: &Path, source: &Path) -> Result<()> {
    for release in RELEASES {
        // A release may have gone from the mirror: the next may still have it.
        let Ok(read) = debian::Release::read(&work.join("apt").join(release), release) else {
            continue;
        };
        let versions = read.versions("rust-src")?;
        let Some(found) = source_of(&version.release, &versions) else {
            continue;
        };
        let debs = read.download(&[&format!("rust-src={found}")], &work.join("debs"))?;
        let deb = debs.first().context("apt downloaded no rust-src")?;
        // Only std: the compiler's own source is twenty times as much.
        let only = [
            "--strip-components=4",
            "--wildcards",
            "./usr/src/rustc-*/library",
        ];
        return debian::unpack(deb, source, &only);
    }
    bail!(
        "no std for Windows: rustup could not download it, and Debian has no source of Rust {} in {}; \
         `rustup target add {GNU} {MSVC}` where rustup's server can be reached",
        version.release,
        RELEASES.join(", ")
    )
}

/// Builds std for `target` and puts it into `sysroot`. For [`MSVC`] only what checking reads.
fn seed(root: &Path, work: &Path, source: &Path, sysroot: &Path, target: &str) -> Result<()> {
    let (verb, suffix) = if target == MSVC {
        ("check", "rmeta")
    } else {
        ("build", "rlib")
    };
    let dir = work.join("seed");
    fs::create_dir_all(dir.join("src"))?;
    fs::write(dir.join("src/lib.rs"), "")?;
    // A workspace of its own, or it would be taken for a part of the one around it.
    fs::write(
        dir.join("Cargo.toml"),
        "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [profile.dev]\ndebug = 0\nincremental = false\nopt-level = 0\n",
    )?;
    let built = work.join("built");
    let mut cargo = run::cargo(root);
    cargo
        .current_dir(&dir)
        .args([verb, "--quiet", CRATES, "--target", target]);
    cargo.arg("--target-dir").arg(&built);
    // Building std is not a part of stable Rust, so this one call says that it knows; what is
    // built with the result is built by a plain stable cargo.
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", source.join("library"))
        .env_remove("RUSTFLAGS");
    run::must_pass(&mut cargo)?;
    let to = sysroot.join("lib/rustlib").join(target).join("lib");
    fs::create_dir_all(&to)?;
    let mut count = 0;
    for entry in fs::read_dir(built.join(target).join("debug/deps"))? {
        let from = entry?.path();
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        let wanted = from.extension().is_some_and(|found| found == suffix);
        if wanted && !name.starts_with("libseed-") {
            fs::copy(&from, to.join(&*name))
                .with_context(|| format!("cannot copy {}", from.display()))?;
            count += 1;
        }
    }
    if count == 0 {
        bail!("cargo built no std for {target} into {}", built.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_told_apart_by_release_and_commit() {
        let said = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\n\
                    commit-hash: 59807616e1d2\nhost: x\nrelease: 1.95.0\n";
        assert_eq!(Version::parse(said).unwrap().key(), "1.95.0-59807616e");
        assert!(Version::parse("release: 1.95.0\n").is_err());
    }

    #[test]
    fn only_the_very_release_is_its_source() {
        let versions = ["1.95.1+dfsg1-1", "1.95.0+dfsg1-1~bpo13+1"].map(str::to_owned);
        assert_eq!(source_of("1.95.0", &versions), Some(&versions[1]));
        assert_eq!(source_of("1.95", &versions), None);
        assert_eq!(source_of("1.9", &versions), None);
    }
}
