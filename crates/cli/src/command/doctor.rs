//! `ringfence doctor`.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use ringfence::doctor::{Finding, Machine, Status, examine, findings};
use ringfence_plan::promise;
use serde_json::json;

use crate::say;

/// Asks the kernel, and makes a real ring in a temporary directory. Exit code 0 when the
/// policy that holds here by default can be enforced, 1 when not.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn doctor(args: DoctorArgs) -> ExitCode {
    let DoctorArgs { json } = args;
    let machine = examine();
    let rows = findings(&machine);
    let code = if machine.can_enforce() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(say::NO)
    };
    if json {
        say::out_with(format_args!("{}\n", as_json(&machine, &rows)), code)
    } else {
        say::out_with(page(&machine, &rows), code)
    }
}

fn page(machine: &Machine, rows: &[Finding]) -> String {
    let mut text = String::new();
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut before = "";
    for Finding {
        name,
        status,
        what,
        remedy,
    } in rows
    {
        let shown = if *name == before { "" } else { *name };
        before = name;
        let _ = writeln!(
            text,
            "{}  {shown:width$}  {}",
            status.name(),
            say::Plain(what)
        );
        if !remedy.is_empty() && *status != Status::Have {
            let _ = writeln!(
                text,
                "      {:width$}  to get it: {}",
                "",
                say::Plain(remedy)
            );
        }
    }
    let names = promise::ALL.join(" ");
    let _ = writeln!(
        text,
        "\nPromises, as --accept and [enforcement] accept name them (a name stands for all below \
         it):\n  {names}"
    );
    let _ = writeln!(
        text,
        "\n{}",
        if machine.can_enforce() {
            "The policy that holds by default can be enforced here."
        } else {
            "The policy that holds by default can NOT be enforced here: see `lack` above."
        }
    );
    text
}

fn as_json(machine: &Machine, rows: &[Finding]) -> serde_json::Value {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let Finding {
                name,
                status,
                what,
                remedy,
            } = row;
            json!({ "name": name, "status": status.name(), "what": what, "remedy": remedy })
        })
        .collect();
    let trial = machine.ring.as_ref().ok();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": machine.release,
        "arch": std::env::consts::ARCH,
        "landlock_abi": machine.facts.landlock,
        "root": machine.facts.root,
        "container": machine.facts.container.map(|container| container.to_string()),
        "wsl": machine.facts.wsl,
        "inside": machine.inside,
        "can_enforce": machine.can_enforce(),
        "ring": trial.and_then(|trial| trial.mode).map(|mode| mode.to_string()),
        "enforcement": trial.map(|trial| trial.outcome.enforcement.to_string()),
        "findings": rows,
        "promises": promise::ALL,
    })
}
