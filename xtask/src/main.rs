//! Developer commands: `cargo xtask {setup,test,ci,windows,dist,arch,census,bench,soak}`.
//!
//! This program is for the people who work on Ringfence, and for CI, which
//! calls the same commands. It is not shipped, so unlike the library crates it
//! prints and it reports errors as text.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the program's own terminal"
)]

mod api;
mod arch;
mod bench;
mod census;
mod ci;
mod clients;
mod closing;
mod dist;
mod docs;
mod ordinary_user;
mod reference;
mod run;
mod soak;
mod source;
mod test;
mod tools;
mod windows;
mod workspace;

use anyhow::{Result, bail};
use pico_args::Arguments;
use std::process::ExitCode;

const USAGE: &str = "\
Developer commands for Ringfence.

usage: cargo xtask COMMAND [options]

  setup    install what the tests and checks need (as root), or name it
  test     build the real binaries and run every test that can run here
             --profile NAME     nextest profile: default, unit, os, e2e
             --user NAME        when root: the ordinary user of the second pass
             --no-user          when root: no second pass
             --only-user        when root: only the second pass
             --only-clients     only the tests of clients/
             --no-setup         install nothing
             -- ARGS            handed to cargo nextest
  ci       everything that must be green, as named checks
             --only NAME        only this check (can be repeated)
             --skip NAME        not this check (can be repeated)
             --fix              mend what can be mended mechanically
             --list             name the checks
  windows  [setup|clippy|build|test]: build for Windows, and run the tests under Wine; all of it if none is named
             --seed             build std from source, also where rustup has it
             -- ARGS            handed to cargo nextest
  dist     build the programs as they are installed, and say where they are
  arch     the rules between crates, and the rules about sources
             --update           rewrite xtask/budget.txt
  census   count `unsafe` per file against docs/reference/unsafe-census.txt
             --update           rewrite the snapshot
  bench    measure against the bare command and against bwrap
             --peers            one table with other sandboxes instead, which are installed into the build directory
             --quick            few rounds, small trees
             --rounds N         rounds of the start-up table
             --only NAME        only this table (can be repeated)
             --user NAME        when root: the ordinary user who measures too
             --write            put the tables into docs/performance.md
  soak     rings that stay, for long and many: hundreds of times what `test` does a few times, and what it takes
             --kills N          how often a program that has a ring is killed [default: 200]
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<ExitCode> {
    let mut raw: Vec<_> = std::env::args_os().skip(1).collect();
    let rest = match raw.iter().position(|arg| arg == "--") {
        Some(at) => {
            let rest = raw.split_off(at + 1);
            raw.pop();
            rest
        }
        None => Vec::new(),
    };
    let mut args = Arguments::from_vec(raw);
    if args.contains(["-h", "--help"]) {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let Some(command) = args.subcommand()? else {
        print!("{USAGE}");
        return Ok(ExitCode::FAILURE);
    };
    let root = workspace::root()?;
    let green = match command.as_str() {
        "setup" => {
            finish(args)?;
            tools::setup(&root)?
        }
        "test" => {
            let options = test::Options {
                profile: args.opt_value_from_str("--profile")?,
                user: args.opt_value_from_str("--user")?,
                no_user: args.contains("--no-user"),
                only_user: args.contains("--only-user"),
                only_clients: args.contains("--only-clients"),
                no_setup: args.contains("--no-setup"),
                rest,
            };
            finish(args)?;
            let counts = test::run(&root, &options)?;
            println!("{counts}");
            counts.green()
        }
        "ci" => {
            let options = ci::Options {
                only: args.values_from_str("--only")?,
                skip: args.values_from_str("--skip")?,
                fix: args.contains("--fix"),
                list: args.contains("--list"),
            };
            finish(args)?;
            ci::run(&root, &options)?
        }
        "windows" => {
            let step = args.subcommand()?;
            if step.as_deref() == Some("inside") {
                let options = windows::inside::Options {
                    account: args.opt_value_from_str("--account")?,
                    group: args.opt_value_from_str("--group")?,
                    wine: args.value_from_str("--wine")?,
                    server: args.value_from_str("--server")?,
                    prefix: args.value_from_str("--prefix")?,
                    dir: args.value_from_str("--dir")?,
                    command: rest,
                };
                finish(args)?;
                windows::inside::run(&options)?
            } else {
                let options = windows::Options {
                    only: step,
                    seed: args.contains("--seed"),
                    rest,
                };
                finish(args)?;
                match windows::run(&root, &options)? {
                    Some(counts) => {
                        println!("{counts}");
                        counts.green()
                    }
                    None => true,
                }
            }
        }
        "arch" => {
            let update = args.contains("--update");
            finish(args)?;
            arch::run(&root, update)?
        }
        "census" => {
            let update = args.contains("--update");
            finish(args)?;
            census::run(&root, update)?
        }
        "bench" => {
            let options = bench::Options {
                quick: args.contains("--quick"),
                rounds: args.opt_value_from_str("--rounds")?,
                only: args.values_from_str("--only")?,
                peers: args.contains("--peers"),
                user: args.opt_value_from_str("--user")?,
                write: args.contains("--write"),
                binaries: args.opt_value_from_str("--binaries")?,
                peers_in: args.opt_value_from_str("--peers-in")?,
                tables_to: args.opt_value_from_str("--tables-to")?,
            };
            finish(args)?;
            bench::run(&root, &options)?
        }
        "dist" => {
            finish(args)?;
            dist::run(&root)?
        }
        "soak" => {
            let options = soak::Options {
                kills: args.opt_value_from_str("--kills")?,
            };
            finish(args)?;
            soak::run(&root, &options)?
        }
        // What the table of many files runs inside.
        "churn" => {
            let count = args.free_from_str()?;
            finish(args)?;
            bench::churn(count)?;
            true
        }
        // A floor in the table of write roots.
        "mounts" => {
            bench::mounts(&std::env::args_os().skip(2).collect::<Vec<_>>())?;
            true
        }
        other => bail!("no command `{other}`; `cargo xtask --help` lists them"),
    };
    Ok(if green {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// An option nobody asked for is an error, not ignored.
fn finish(args: Arguments) -> Result<()> {
    let left = args.finish();
    if let Some(first) = left.first() {
        bail!("unexpected argument {first:?}; `cargo xtask --help` lists what there is");
    }
    Ok(())
}
