//! `cargo xtask dist`: the programs as they are installed.
//!
//! `ringfence` and `ringfence-runner` are started for every command, and link musl where it can be had: glibc asks the
//! processor what it can before `main`, which a hypervisor answers at a price (docs/performance.md, "Where it goes").
//! What is started by hand links what the machine has.

use crate::closing::Counts;
use crate::{run, test, tools, workspace};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is started for every command, and the packages it comes from.
const STARTED: [(&str, &str); 2] = [
    ("ringfence-cli", "ringfence"),
    ("ringfence-runner", "ringfence-runner"),
];

/// What is compiled with them, for `ringfence-tools`, and of which nothing is linked into them: it need not be optimized.
const NOT_LINKED: [&str; 6] = [
    "clap_builder",
    "ratatui-widgets",
    "regex-automata",
    "ringfence-serve",
    "rmcp",
    "tokio",
];

/// What compiles C for musl.
const COMPILER: &str = "musl-gcc";

/// The end-to-end tests that see what the C library has a part in: starting and ending, signals, streams, and the probes.
const TESTS: &str = "package(ringfence-e2e) & ((binary(probes) - test(landlock_only)) | binary(streams) | binary(signals) | binary(killed) \
    | binary(programs) | binary(bad_input) | binary(hook) | binary(apart) | binary(degraded))";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    /// Where cargo puts what it builds by it.
    fn dir(self) -> &'static str {
        match self {
            Profile::Dev => "debug",
            Profile::Release => "release",
        }
    }
}

/// What was built.
pub(crate) struct Built {
    /// Where the programs lie, beside each other and nothing else.
    pub(crate) dir: PathBuf,
    /// They link musl.
    pub(crate) musl: bool,
}

/// Builds them and says where they are.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let built = build(root, Profile::Release)?;
    println!("{}", built.dir.display());
    Ok(true)
}

/// Builds the programs, and lays them into a directory of their own: those that are started for every command as they are
/// installed, the others by `profile`. They are copies, as an installation makes them: what a linker has just written lies in
/// the page cache in single pages, of which each is mapped by itself.
pub(crate) fn build(root: &Path, profile: Profile) -> Result<Built> {
    match profile {
        // As `test` builds them, so that nothing is compiled again.
        Profile::Dev => test::build(root)?,
        Profile::Release => {
            let mut build = run::cargo(root);
            build.args(["build", "--release"]);
            for package in test::PACKAGES {
                build.args(["--package", package]);
            }
            run::must_pass(&mut build)?;
        }
    }
    let lacks = lacks(root)?;
    let started = match &lacks {
        None => Some(with_musl(root)?),
        Some(why) => {
            println!("xtask: {why}: `ringfence` links glibc, and starts more slowly");
            None
        }
    };
    let all = workspace::binaries(root, profile.dir())?;
    let name = match profile {
        Profile::Dev => "dist-debug",
        Profile::Release => "dist",
    };
    let dir = workspace::target_dir(root).join(name);
    // What may be in somebody's PATH is there whole, but for a moment.
    let new = dir.with_extension("new");
    if new.exists() {
        std::fs::remove_dir_all(&new)?;
    }
    std::fs::create_dir_all(&new)?;
    for name in test::BINARIES {
        let is_started = STARTED.iter().any(|(_, program)| *program == name);
        let from = started.as_ref().filter(|_| is_started).unwrap_or(&all);
        lay(from, &new, name)?;
    }
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::rename(&new, &dir)?;
    let musl = lacks.is_none();
    Ok(Built { dir, musl })
}

/// Builds what is started for every command, with musl. Says where it lies.
fn with_musl(root: &Path) -> Result<PathBuf> {
    let target = target();
    let mut build = run::cargo(root);
    build.args(["build", "--release", "--target", &target]);
    // Not every target's compiler is sought by this name.
    build.env(format!("CC_{}", target.replace('-', "_")), COMPILER);
    for (package, program) in STARTED {
        build.args(["--package", package, "--bin", program]);
    }
    for package in NOT_LINKED {
        build.arg("--config");
        build.arg(format!("profile.release.package.{package}.opt-level=0"));
    }
    run::must_pass(&mut build)?;
    Ok(workspace::target_dir(root).join(target).join("release"))
}

fn lay(from: &Path, to: &Path, name: &str) -> Result<()> {
    std::fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy {name}"))?;
    Ok(())
}

/// The target that links musl.
pub(crate) fn target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// Why nothing can be linked with it here, if so.
fn lacks(root: &Path) -> Result<Option<String>> {
    if run::on_path(COMPILER).is_none() {
        let remedy = "on Debian and Ubuntu: apt-get install musl-tools";
        return Ok(Some(format!("{COMPILER} is missing ({remedy})")));
    }
    let target = target();
    let there = tools::std_for(root, &[&target])?;
    Ok((!there).then(|| {
        format!("Rust's standard library for {target} is not here, and could not be had by rustup")
    }))
}

/// The tests again, of the programs as they are installed. What glibc links `test` has tested.
pub(crate) fn check(root: &Path) -> Result<Counts> {
    tools::setup(root)?;
    if let Some(why) = lacks(root)? {
        println!(
            "skipped: {why}; without musl the programs are those that `cargo xtask test` tests"
        );
        // Where much was promised that is a failure, as in the tests themselves.
        let failed = usize::from(test::promised(run::is_root()).is_some());
        return Ok(Counts {
            failed,
            skipped: 1 - failed,
            ..Counts::default()
        });
    }
    let built = build(root, Profile::Dev)?;
    let nextest = tools::nextest(root)?;
    // What the tests have of their own stands beside the programs.
    lay(
        &workspace::binaries(root, "debug")?,
        &built.dir,
        "ringfence-stays",
    )?;
    let mut tests = Command::new(&nextest);
    tests.current_dir(root);
    // As `test` runs them, so that nothing is compiled again.
    tests.args(["nextest", "run", "--workspace", "-E", TESTS]);
    test::prepare(&mut tests, &built.dir);
    let junit = workspace::target_dir(root).join("nextest/default/junit.xml");
    let mut counts = test::pass("tests of the programs with musl", &mut tests, &junit, true)?;
    let target = target();
    let mut tests = Command::new(&nextest);
    tests.current_dir(root);
    tests.args(["nextest", "run", "--package", "ringfence-sys-linux"]);
    tests.args(["--features", "trace", "--target", &target]);
    test::prepare(&mut tests, &built.dir);
    let what = "tests of the kernel's objects with musl";
    counts.add(test::pass(what, &mut tests, &junit, true)?);
    // What is compiled for musl alone.
    let mut clippy = run::cargo(root);
    clippy.args([
        "clippy",
        "--package",
        "ringfence-sys-linux",
        "--all-targets",
    ]);
    clippy.args([
        "--features",
        "trace",
        "--target",
        &target,
        "--",
        "-D",
        "warnings",
    ]);
    counts.failed += usize::from(!run::passes(&mut clippy)?);
    Ok(counts)
}
