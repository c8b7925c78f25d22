//! `ringfence doctor`.

use std::fmt::Write;

use clap::Args;
use ringfence::doctor::{Finding, Machine, Status, examine, findings};
use ringfence_plan::promise;

use super::machine_json;
use crate::exit::ExitCode;
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
        say::out_with(format_args!("{}\n", machine_json(&machine, &rows)), code)
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
