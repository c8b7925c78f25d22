//! The library's interface, kept as a file: what is taken away or changed is a line in a diff, and needs a
//! new version (<https://doc.rust-lang.org/cargo/reference/semver.html>).

use crate::{reference, run, workspace};
use anyhow::{Context, Result};
use std::path::Path;

/// The one library that others link, with all that it can have.
const LIBRARY: &str = "ringfence";
const FEATURES: &str = "tokio";
const FILE: &str = "docs/reference/api.txt";

const HEAD: &str = "# What a program that links `ringfence` (with the feature `tokio`) can name.\n\
    # Made by `cargo xtask ci --only api --fix`; `cargo xtask ci --only api` compares.\n\
    # A line that goes or changes breaks who used it: a new minor version before 1.0, a new major after.\n";

/// Traits that every type has or has not by itself, and on which nobody builds. `Send` and `Sync` are not among
/// them: threads are welcome.
const OF_NO_CONCERN: [&str; 4] = [
    "core::marker::Freeze",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe",
];

/// Compares the file with what the source says; `update` rewrites it.
pub(crate) fn run(root: &Path, update: bool) -> Result<bool> {
    let mut document = run::cargo(root);
    document.args(["rustdoc", "--quiet", "--package", LIBRARY, "--lib"]);
    document.args(["--features", FEATURES]);
    document.args(["--", "-Z", "unstable-options", "--output-format", "json"]);
    // The toolchain is pinned, and with it the form of what is printed: that it is unstable does no harm.
    run::must_pass(document.env("RUSTC_BOOTSTRAP", "1"))?;
    let printed = workspace::binaries(root, "doc")?.join(format!("{LIBRARY}.json"));
    let api = public_api::Builder::from_rustdoc_json(&printed)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(false)
        .omit_auto_derived_impls(true)
        .build()
        .with_context(|| format!("cannot read {}", printed.display()))?;
    let mut now = HEAD.to_owned();
    for line in api.items().map(ToString::to_string) {
        if !OF_NO_CONCERN.iter().any(|name| line.contains(name)) {
            now.push_str(&line);
            now.push('\n');
        }
    }
    let before = std::fs::read_to_string(root.join(FILE)).unwrap_or_default();
    let missing = |from: &str, of: &str| -> Vec<String> {
        let known: Vec<&str> = of.lines().collect();
        let lines = from.lines().filter(|line| !known.contains(line));
        lines.map(str::to_owned).collect()
    };
    if !update {
        missing(&before, &now)
            .iter()
            .for_each(|line| eprintln!("-{line}"));
        missing(&now, &before)
            .iter()
            .for_each(|line| eprintln!("+{line}"));
    }
    let remedy = "cargo xtask ci --only api --fix; where a line went, a new version and a word in CHANGELOG.md";
    reference::kept(root, FILE, &now, update, remedy)
}
