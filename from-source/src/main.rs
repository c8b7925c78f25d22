//! `cargo run --release -- …` in a checkout: builds Ringfence's programs, then becomes `ringfence`.
//!
//! `cargo run` builds one binary, and a plain command needs two (they are four with the tools and the probe), so
//! this small program asks cargo for all of them in the profile it was itself
//! built in, and replaces itself with `ringfence`.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

const PACKAGES: [&str; 3] = ["ringfence-cli", "ringfence-runner", "ringfence-probe"];

fn main() -> ExitCode {
    let fail = |what: &str, why: &dyn std::fmt::Display| {
        #[allow(clippy::print_stderr, reason = "this is the program's own terminal")]
        {
            eprintln!("ringfence (from source): {what}: {why}");
        }
        ExitCode::from(125)
    };
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(e) => return fail("cannot find its own binary", &e),
    };
    let Some(dir) = own.parent() else {
        return fail("cannot find its own directory", &own.display());
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .arg("build")
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    let ringfence = dir.join("ringfence");
    // The first time takes minutes, and is to be seen; later there is nothing to say.
    if ringfence.exists() {
        build.arg("--quiet");
    }
    if dir.ends_with("release") {
        build.arg("--release");
    }
    for package in PACKAGES {
        build.arg("--package").arg(package);
    }
    // What is built must lie where this program lies, whatever the caller's
    // directory is; cargo's own variables would send it elsewhere.
    if let Some(target) = dir.parent().and_then(|host| host.parent()) {
        build.arg("--target-dir").arg(target);
    }
    match build.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return fail("cargo build failed", &status),
        Err(e) => return fail("cannot start cargo", &e),
    }
    let error = Command::new(&ringfence)
        .args(std::env::args_os().skip(1))
        .exec();
    fail(&ringfence.display().to_string(), &error)
}
