//! `cargo xtask test`: the README's test command.

use crate::closing::{self, Counts};
use crate::ordinary_user::{self, Stage};
use crate::{clients, run, tools, workspace};
use anyhow::Result;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The packages and the binaries that the end-to-end tests start.
pub(crate) const PACKAGES: [&str; 3] = ["ringfence-cli", "ringfence-runner", "ringfence-probe"];
pub(crate) const BINARIES: [&str; 4] = [
    "ringfence",
    "ringfence-tools",
    "ringfence-runner",
    "ringfence-probe",
];

/// What the project's own kind of machine can do. In CI a test that lacks one of these fails
/// instead of skipping, so a machine that got weaker cannot turn tests into nothing.
const PROMISED: &str = "userns,landlock=4,tools";
/// What it promises more where the tests run as root.
const PROMISED_ROOT: &str = ",root";

/// How many tests nextest runs at once, where no flag of its says that.
pub(crate) const THREADS: &str = "NEXTEST_TEST_THREADS";

/// The variable that says so.
const EXPECT: &str = "RINGFENCE_EXPECT";
/// Where the end-to-end tests find the harness, and beside it the others.
pub(crate) const HARNESS: &str = "RINGFENCE_BIN";

pub(crate) struct Options {
    pub(crate) profile: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) no_user: bool,
    pub(crate) only_user: bool,
    pub(crate) only_clients: bool,
    pub(crate) no_setup: bool,
    /// Handed to nextest.
    pub(crate) rest: Vec<OsString>,
}

/// Runs everything that can run here.
pub(crate) fn run(root: &Path, options: &Options) -> Result<Counts> {
    if !options.no_setup {
        tools::setup(root)?;
    }
    if options.only_clients {
        build_programs(root)?;
        return clients::test(root);
    }
    build(root)?;
    let nextest = tools::nextest(root)?;
    let profile = options.profile.as_deref().unwrap_or("default");
    let mut counts = Counts::default();
    if !options.only_user {
        let binaries = workspace::binaries(root, "debug")?;
        let mut tests = Command::new(&nextest);
        tests.current_dir(root);
        tests.args(["nextest", "run", "--workspace", "--profile", profile]);
        tests.args(["--no-tests", "pass"]).args(&options.rest);
        prepare(&mut tests, &binaries);
        let junit = workspace::target_dir(root)
            .join("nextest")
            .join(profile)
            .join("junit.xml");
        let who = if run::is_root() { "root" } else { "this user" };
        counts.add(pass(
            &format!("{profile} tests as {who}"),
            &mut tests,
            &junit,
            options.rest.is_empty(),
        )?);
        if matches!(profile, "default" | "unit") && options.rest.is_empty() {
            counts.add(doc_tests(root)?);
        }
        if matches!(profile, "default" | "e2e") && options.rest.is_empty() {
            counts.add(clients::test(root)?);
        }
    }
    // The end-to-end tests have taken both parts.
    let again = options.only_user || !matches!(profile, "unit" | "e2e");
    if run::is_root() && !options.no_user && again {
        counts.add(as_ordinary_user(root, options, &nextest)?);
    }
    Ok(counts)
}

/// Builds all tests, and with them the programs: what they share has the features that the tests want. Whoever needs the
/// programs and runs the tests as well has it compiled once by this, and twice by [`build_programs`]. Cargo builds a program
/// with the tests where its package has some under `tests/`.
pub(crate) fn build(root: &Path) -> Result<()> {
    let mut build = Command::new(tools::nextest(root)?);
    build.current_dir(root);
    run::must_pass(build.args(["nextest", "run", "--workspace", "--no-run"]))
}

/// Builds the programs alone, as a checkout does, all at once: the features of what they share are then the same each time.
pub(crate) fn build_programs(root: &Path) -> Result<()> {
    let mut build = run::cargo(root);
    build.arg("build");
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    run::must_pass(&mut build)
}

/// How many tests run at once that wait much of their time: so many more than there are processors.
pub(crate) fn at_once(more: usize) -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) + more
}

/// The tests that meet the kernel, again as an account without privileges. The end-to-end tests
/// are not among them: run as root, they take both parts themselves.
fn as_ordinary_user(root: &Path, options: &Options, nextest: &Path) -> Result<Counts> {
    let account = ordinary_user::account(options.user.as_deref())?;
    let stage = Stage::lay(root, account, nextest, "ringfence", &BINARIES)?;
    let mut archive = Command::new(nextest);
    archive.current_dir(root);
    archive
        .args(["nextest", "archive", "--workspace", "--archive-file"])
        .arg(&stage.archive);
    run::must_pass(&mut archive)?;
    let profile = match options.profile.as_deref() {
        None | Some("default") => "user",
        Some(other) => other,
    };
    let mut tests = stage.nextest();
    tests
        .args(["--profile", profile, "--no-tests", "pass"])
        .args(&options.rest);
    tests.env(HARNESS, stage.binaries.join("ringfence"));
    expect(&mut tests, false);
    let name = &stage.account.name;
    pass(
        &format!("{profile} tests as {name}"),
        &mut tests,
        &stage.junit(profile),
        options.rest.is_empty(),
    )
}

/// Says in the tests' environment what this machine promised.
fn expect(tests: &mut Command, root: bool) {
    if let Some(promise) = promised(root) {
        tests.env(EXPECT, promise);
    }
}

/// How the tests are run here: at once, by these programs, with what the machine promised.
pub(crate) fn prepare(tests: &mut Command, binaries: &Path) {
    // The probes, and what is tried end to end, wait half of their time, for what must not happen.
    if std::env::var_os(THREADS).is_none() {
        tests.env(THREADS, at_once(2).to_string());
    }
    tests.env(HARNESS, binaries.join("ringfence"));
    expect(tests, run::is_root());
}

/// What this machine promised, if it did.
pub(crate) fn promised(root: bool) -> Option<OsString> {
    match std::env::var_os(EXPECT) {
        Some(promise) => Some(promise),
        None if std::env::var_os("CI").is_some_and(|value| value == "true") => {
            Some(format!("{PROMISED}{}", if root { PROMISED_ROOT } else { "" }).into())
        }
        None => None,
    }
}

/// One run of nextest, and what it counted.
pub(crate) fn pass(what: &str, tests: &mut Command, junit: &Path, whole: bool) -> Result<Counts> {
    println!("== {what}");
    // A file of an earlier run must not be counted for this one.
    let _ = std::fs::remove_file(junit);
    let green = run::passes(tests)?;
    let (mut counts, reasons) = closing::read_junit(junit);
    for reason in &reasons {
        println!("skipped {reason}");
    }
    // A run that broke off before it could count is a failure, and so is a whole one whose
    // count is nowhere to be found: green must mean that something ran.
    if !green || (whole && !junit.exists()) {
        counts.failed = counts.failed.max(1);
    }
    println!("== {what}: {counts}");
    Ok(counts)
}

/// The examples in the documentation: they run, in a workspace in the home (what is below `/tmp`, as a checkout
/// may be, is private to a ring, and all of it may be written) and by the runner built for the other tests.
fn doc_tests(root: &Path) -> Result<Counts> {
    println!("== doc tests");
    let home = std::env::var_os("HOME").map_or_else(|| workspace::target_dir(root), PathBuf::from);
    let place = home.join(format!(".ringfence-examples-{}", std::process::id()));
    let workspace = place.join("ws");
    fs::create_dir_all(&workspace)?;
    // One of them makes this: without the variables below they would do nothing, and pass.
    let made = workspace.with_file_name("beside").join("file");
    let runner = workspace::binaries(root, "debug")?.join("ringfence-runner");
    let mut tests = run::cargo(root);
    tests
        .args(["test", "--workspace", "--doc", "--quiet"])
        .env("RINGFENCE_DOC_WORKSPACE", &workspace)
        .env("RINGFENCE_DOC_RUNNER", &runner)
        .stdin(Stdio::null());
    tests.stderr(Stdio::inherit());
    let output = tests.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut counts = closing::parse_cargo_test(&text);
    let ran = made.exists();
    fs::remove_dir_all(&place)?;
    if !ran {
        eprintln!("the examples did nothing: {} was not made", made.display());
    }
    if !output.status.success() || !ran {
        print!("{text}");
        counts.failed = counts.failed.max(1);
    }
    println!("== doc tests: {counts}");
    Ok(counts)
}
