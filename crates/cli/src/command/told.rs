//! `--json`: why nothing was run, and what is kept less than whole, on each operating system alike.

use ringfence::{Error, Kind};
use ringfence_ops::Shortfall;
use serde_json::{Value, json};

/// Why no command was run to its end.
pub(super) fn failed(error: &Error, code: u8) -> Value {
    let (how, lacking) = match error {
        Error::Refused(refusal) => ("refused", shortfalls(&refusal.lacking)),
        Error::Forbidden(_) => ("forbidden", Vec::new()),
        Error::Asks(_) | Error::Declined(_) | Error::Outside(_) | Error::Unasked { .. } => {
            ("asked", Vec::new())
        }
        error => match error.kind() {
            Kind::Ringfence => ("failed", Vec::new()),
            Kind::NotExecutable => ("not-executable", Vec::new()),
            Kind::NotFound => ("not-found", Vec::new()),
        },
    };
    json!({
        "ended": { "how": how, "value": null },
        "exit_code": code,
        "error": error.to_string(),
        "lacking": lacking,
        "verdict": error.verdict(),
    })
}

/// Why what was typed could not be understood.
pub(super) fn not_understood(message: &str, code: u8) -> Value {
    json!({
        "ended": { "how": "failed", "value": null },
        "exit_code": code,
        "error": message,
        "lacking": [],
        "verdict": null,
    })
}

/// What is kept less than whole.
pub(super) fn shortfalls(all: &[Shortfall]) -> Vec<Value> {
    all.iter()
        .map(|short| {
            json!({
                "promise": short.promise,
                "what": short.what,
                "remedy": short.remedy,
                "accepted": short.accepted,
            })
        })
        .collect()
}
