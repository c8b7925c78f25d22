//! `cargo xtask windows`: builds for Windows on Linux, and runs the result under Wine.

mod cache;
mod cap;
mod debian;
pub(crate) mod inside;
mod linker;
mod resources;
mod suite;
mod target;
mod wine;

use crate::closing::Counts;
use crate::{run, workspace};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::Path;
use target::{GNU, MSVC, Toolchain};
use wine::Wine;

/// A package that compiles for Windows.
struct Package {
    name: &'static str,
    /// Its programs, without `.exe`.
    programs: &'static [&'static str],
    /// Whether it compiles C, for which a target of Microsoft's takes Microsoft's compiler.
    c: bool,
}

const fn package(name: &'static str) -> Package {
    Package {
        name,
        programs: &[],
        c: false,
    }
}

/// The one list: what is linted, built and tested for Windows.
const PACKAGES: &[Package] = &[
    package("ringfence-policy"),
    package("ringfence-ops"),
    package("ringfence-nt-access"),
    package("ringfence-sys-windows"),
    package("ringfence-plan"),
    Package {
        c: true,
        ..package("ringfence-rules")
    },
    package("ringfence-wire"),
    Package {
        programs: &["ringfence-runner"],
        ..package("ringfence-runner")
    },
    package("ringfence-ledger"),
    package("ringfence-journal"),
    Package {
        c: true,
        ..package("ringfence")
    },
    Package {
        programs: &["ringfence"],
        c: true,
        ..package("ringfence-cli")
    },
    Package {
        programs: &["ringfence-probe"],
        ..package("ringfence-probe")
    },
    package("ringfence-windows-tests"),
];

/// As root: the directory in the home of the account that runs the tests.
const PLACE: &str = "ringfence-windows";

/// Nobody steps through what is built.
const LIGHTER: [&str; 2] = ["--config", "profile.dev.debug=0"];

pub(crate) struct Options {
    /// `setup`, `clippy`, `build` or `test`; all of them if none is named.
    pub(crate) only: Option<String>,
    /// Build std, also where rustup has it.
    pub(crate) seed: bool,
    /// Handed to nextest.
    pub(crate) rest: Vec<OsString>,
}

/// Runs what is asked for. What the tests counted, if they ran; an error if something failed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<Option<Counts>> {
    let steps = ["setup", "clippy", "build", "test"];
    if let Some(only) = &options.only
        && !steps.contains(&only.as_str())
    {
        bail!("no `windows {only}`; there are {}", steps.join(", "));
    }
    let wanted = |step: &str| options.only.as_deref().is_none_or(|only| only == step);
    linker::setup()?;
    let toolchain = Toolchain::setup(root, options.seed)?;
    let account = if wanted("setup") || wanted("test") {
        suite::account()?
    } else {
        None
    };
    if wanted("setup") {
        Wine::setup(root, account.as_ref())?;
    }
    if wanted("clippy") {
        clippy(root, &toolchain)?;
    }
    // Where there are tests it is built with what they need, and its programs are looked at then.
    if options.only.as_deref() == Some("build") {
        build(root, &toolchain)?;
    }
    let mut counts = None;
    if wanted("test") {
        let wine = Wine::setup(root, account.as_ref())?;
        counts = Some(suite::run(root, &toolchain, &wine, account, &options.rest)?);
    }
    if wanted("build") {
        built(root)?;
    }
    Ok(counts)
}

/// The packages as arguments of cargo.
fn packages() -> Vec<&'static str> {
    named(|_| true)
}

fn named(wanted: impl Fn(&Package) -> bool) -> Vec<&'static str> {
    PACKAGES
        .iter()
        .filter(|package| wanted(package))
        .flat_map(|package| ["--package", package.name])
        .collect()
}

/// No warning, in code for either of Windows' targets: with what the tests need, and without, as it is installed. The tests
/// are the same for both, and none looks at which it is.
fn clippy(root: &Path, toolchain: &Toolchain) -> Result<()> {
    let targets: [(_, &[_], _); 3] = [
        (GNU, &["--lib", "--bins", "--tests"], packages()),
        (GNU, &["--lib", "--bins"], packages()),
        (MSVC, &["--lib", "--bins"], named(|package| !package.c)),
    ];
    for (target, parts, packages) in targets {
        println!("== clippy for {target}, {}", parts.join(" "));
        let mut command = toolchain.cargo(root);
        // Without examples: they are of rings that stay, which are Linux's.
        command.args(["clippy", "--target", target]).args(parts);
        command
            .args(LIGHTER)
            .args(packages)
            .args(["--", "-D", "warnings"]);
        run::must_pass(&mut command)?;
    }
    Ok(())
}

fn build(root: &Path, toolchain: &Toolchain) -> Result<()> {
    println!("== build for {GNU}");
    let mut command = toolchain.cargo(root);
    command.args(["build", "--target", GNU]).args(LIGHTER);
    command.args(packages());
    run::must_pass(&mut command)
}

/// Looks at the programs that were built.
fn built(root: &Path) -> Result<()> {
    resources::check_compiled(root)?;
    let built = workspace::target_dir(root).join(GNU).join("debug");
    for program in PACKAGES.iter().flat_map(|package| package.programs) {
        resources::check(&built.join(format!("{program}.exe")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::PACKAGES;

    /// What runs on real Windows has no xtask to ask.
    #[test]
    fn the_workflow_names_the_same_packages() {
        let workflow = include_str!("../../../.github/workflows/windows.yml");
        let mut words = workflow.split_whitespace();
        let mut named = Vec::new();
        while let Some(word) = words.next() {
            if word == "--package" {
                named.extend(words.next());
            }
        }
        named.sort_unstable();
        named.dedup();
        let mut ours: Vec<_> = PACKAGES.iter().map(|package| package.name).collect();
        ours.sort_unstable();
        assert_eq!(named, ours);
    }
}
