//! `cargo xtask soak`: rings that stay, for long and many. What the tests do a few times is done hundreds of
//! times, and what it takes is printed.

use crate::{run, test, tools, workspace};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What makes the tests take their time (`tests/e2e/tests/killed.rs`, `crates/ringfence/tests/sessions.rs`, `ends.rs`).
const KILLS: &str = "RINGFENCE_SOAK_KILLS";
const SOAK: &str = "RINGFENCE_SOAK";
const TESTS: &str = "test(/whose_program_is_killed/) + test(/at_once$/)";

/// Rings at once, commands at once in one, and commands one after the other.
const RINGS: &str = "200";
const AT_ONCE: &str = "1000";
const IN_TURN: &str = "24000";

pub(crate) struct Options {
    /// How often a program that has a ring is killed, as root and as an ordinary user.
    pub(crate) kills: Option<u32>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let nextest = tools::nextest(root)?;
    test::build_programs(root)?;
    let kills = options.kills.unwrap_or(200).to_string();
    let mut tests = Command::new(&nextest);
    tests.current_dir(root);
    tests.args(["nextest", "run", "--package", "ringfence", "--package"]);
    tests.args(["ringfence-e2e", "--test", "sessions", "--test", "ends"]);
    tests.args(["--test", "killed"]);
    // What others do beside it would be in what is measured.
    tests.args(["-E", TESTS, "--success-output", "final", "-j", "1"]);
    tests.env(KILLS, kills).env(SOAK, "1");
    let green = run::passes(&mut tests)?;
    measure(root)?;
    Ok(green)
}

/// By the library's examples, in a workspace of their own.
fn measure(root: &Path) -> Result<()> {
    let mut build = run::cargo(root);
    build.args(["build", "--release", "--package", "ringfence-runner"]);
    run::must_pass(&mut build)?;
    let mut build = run::cargo(root);
    build.args(["build", "--release", "--package", "ringfence"]);
    build.args(["--example", "many", "--example", "soak"]);
    run::must_pass(&mut build)?;
    let binaries = workspace::binaries(root, "release")?;
    let home = std::env::var_os("HOME").context("no HOME")?;
    let place = PathBuf::from(home).join(format!("ringfence-soak-{}", std::process::id()));
    std::fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let done = [("many", &[RINGS, AT_ONCE][..]), ("soak", &[IN_TURN])]
        .iter()
        .try_for_each(|(example, numbers)| {
            let mut command = Command::new(binaries.join("examples").join(example));
            command
                .arg(&place)
                .arg(binaries.join("ringfence-runner"))
                .args(*numbers);
            println!("== {example} {}", numbers.join(" "));
            run::must_pass(&mut command)
        });
    std::fs::remove_dir_all(&place)?;
    done
}
