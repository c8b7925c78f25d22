//! `cargo xtask ci`: everything that must be green, as named checks.

use crate::closing::Counts;
use crate::{api, arch, census, dist, docs, reference, run, test, tools, windows};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) struct Options {
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
    pub(crate) fix: bool,
    pub(crate) list: bool,
}

/// What a check is given, and what the tests leave for the last line.
struct Context<'a> {
    root: &'a Path,
    fix: bool,
    /// A check that runs the tests, of which the programs are a part, is among them.
    tests: bool,
    counts: Option<Counts>,
}

impl Context<'_> {
    fn count(&mut self, counts: Counts) {
        self.counts.get_or_insert_default().add(counts);
    }
}

/// One named check.
struct Check {
    name: &'static str,
    what: &'static str,
    run: fn(&mut Context<'_>) -> Result<bool>,
}

/// In the order of cost.
const CHECKS: &[Check] = &[
    Check {
        name: "lock",
        what: "Cargo.lock is as the manifests say",
        run: lock,
    },
    Check {
        name: "fmt",
        what: "rustfmt has nothing to change",
        run: fmt,
    },
    Check {
        name: "arch",
        what: "the rules between crates and about sources",
        run: arch,
    },
    Check {
        name: "census",
        what: "unsafe per file is as reviewed",
        run: census,
    },
    Check {
        name: "docs",
        what: "links lead somewhere, cited tests exist",
        run: docs,
    },
    Check {
        name: "deny",
        what: "licences, bans and sources of dependencies",
        run: deny,
    },
    Check {
        name: "clippy",
        what: "no warning in any target",
        run: clippy,
    },
    Check {
        name: "doc",
        what: "rustdoc without warnings",
        run: doc,
    },
    Check {
        name: "api",
        what: "docs/reference/api.txt is the library's interface",
        run: interface,
    },
    Check {
        name: "reference",
        what: "docs/reference and the clients' types are what the program says",
        run: reference,
    },
    Check {
        name: "windows",
        what: "cargo xtask windows: clippy, build and tests for Windows, under Wine",
        run: for_windows,
    },
    Check {
        name: "test",
        what: "cargo xtask test",
        run: tests,
    },
    Check {
        name: "dist",
        what: "what starts a command, as cargo xtask dist builds it with musl, passes tests too",
        run: installed,
    },
];

pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    if options.list {
        for check in CHECKS {
            println!("{:<10} {}", check.name, check.what);
        }
        return Ok(true);
    }
    for name in options.only.iter().chain(&options.skip) {
        if !CHECKS.iter().any(|check| check.name == name) {
            bail!("no check `{name}`; `cargo xtask ci --list` names them");
        }
    }
    let wanted = |check: &&Check| {
        let named = |names: &[String]| names.iter().any(|name| name == check.name);
        (options.only.is_empty() || named(&options.only)) && !named(&options.skip)
    };
    let mut context = Context {
        root,
        fix: options.fix,
        tests: CHECKS
            .iter()
            .filter(wanted)
            .any(|check| ["test", "dist"].contains(&check.name)),
        counts: None,
    };
    let mut results = Vec::new();
    for check in CHECKS.iter().filter(wanted) {
        println!("\n==== {}: {}", check.name, check.what);
        let start = Instant::now();
        let green = (check.run)(&mut context).unwrap_or_else(|error| {
            eprintln!("{}: {error:#}", check.name);
            false
        });
        results.push((check.name, green, start.elapsed()));
    }
    println!();
    for (name, green, time) in &results {
        let word = if *green { "ok" } else { "FAILED" };
        println!("{name:<10} {word:<6} {:>6}", shown(*time));
    }
    let total: Duration = results.iter().map(|(_, _, time)| *time).sum();
    let red: Vec<&str> = results
        .iter()
        .filter(|(_, green, _)| !green)
        .map(|(name, ..)| *name)
        .collect();
    println!("{:<10} {:<6} {:>6}", "total", "", shown(total));
    if !red.is_empty() {
        println!("to see one alone: cargo xtask ci --only {}", red[0]);
    }
    if let Some(counts) = context.counts {
        println!("{counts}");
    }
    Ok(red.is_empty())
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn lock(context: &mut Context<'_>) -> Result<bool> {
    let mut command = run::cargo(context.root);
    command.args(["metadata", "--format-version", "1"]);
    if !context.fix {
        command.arg("--locked");
    }
    command.stdout(std::process::Stdio::null());
    run::passes(&mut command)
}

fn fmt(context: &mut Context<'_>) -> Result<bool> {
    let mut command = run::cargo(context.root);
    command.args(["fmt", "--all"]);
    if !context.fix {
        command.args(["--check", "--", "--color", "never"]);
    }
    run::passes(&mut command)
}

fn arch(context: &mut Context<'_>) -> Result<bool> {
    arch::run(context.root, context.fix)
}

fn census(context: &mut Context<'_>) -> Result<bool> {
    census::run(context.root, context.fix)
}

fn docs(context: &mut Context<'_>) -> Result<bool> {
    docs::run(context.root)
}

fn deny(context: &mut Context<'_>) -> Result<bool> {
    let mut command = Command::new(tools::deny(context.root)?);
    // Advisories need a database from the network; the other three need none.
    command
        .current_dir(context.root)
        .args(["check", "licenses", "bans", "sources"]);
    run::passes(&mut command)
}

fn clippy(context: &mut Context<'_>) -> Result<bool> {
    let mut command = run::cargo(context.root);
    command.args(["clippy", "--workspace", "--all-targets"]);
    if context.fix {
        command.args(["--fix", "--allow-dirty", "--allow-staged"]);
    }
    run::passes(command.args(["--", "-D", "warnings"]))
}

fn doc(context: &mut Context<'_>) -> Result<bool> {
    // The library and the program are both called `ringfence`, so what the program is made of is documented apart: together
    // with all other libraries, which are there by then.
    let mut green = true;
    for selected in [
        ["--workspace", "--exclude", "ringfence-cli"].as_slice(),
        &["--workspace", "--lib"],
    ] {
        let mut command = run::cargo(context.root);
        command.arg("doc").args(selected);
        command.args(["--no-deps", "--document-private-items"]);
        green &= run::passes(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(green)
}

fn interface(context: &mut Context<'_>) -> Result<bool> {
    api::run(context.root, context.fix)
}

fn reference(context: &mut Context<'_>) -> Result<bool> {
    reference::run(context.root, context.fix, context.tests)
}

fn tests(context: &mut Context<'_>) -> Result<bool> {
    let options = test::Options {
        profile: None,
        user: None,
        no_user: false,
        only_user: false,
        only_clients: false,
        no_setup: false,
        rest: Vec::new(),
    };
    let counts = test::run(context.root, &options)?;
    context.count(counts);
    Ok(counts.green())
}

fn installed(context: &mut Context<'_>) -> Result<bool> {
    let counts = dist::check(context.root)?;
    context.count(counts);
    Ok(counts.failed == 0)
}

fn for_windows(context: &mut Context<'_>) -> Result<bool> {
    let options = windows::Options {
        only: None,
        seed: false,
        rest: Vec::new(),
    };
    let counts = windows::run(context.root, &options)?.unwrap_or_default();
    context.count(counts);
    Ok(counts.green())
}
