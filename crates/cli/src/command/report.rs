//! `--json`: what a run on Linux was, as one line.

use ringfence::Finished;
use ringfence::ring::Grant;
use ringfence::traced::Refusal;
use ringfence_plan::Plan;
use serde_json::{Value, json};

use super::told::shortfalls;

/// How a command ended, and what was enforced.
pub(super) fn finished(finished: &Finished, code: u8) -> Value {
    let (how, value) = finished.ended.named();
    json!({
        "ended": { "how": how, "value": value },
        "exit_code": code,
        "ring": finished.mode.map(|mode| mode.to_string()),
        "enforcement": finished.outcome.enforcement.to_string(),
        "shortfalls": shortfalls(&finished.outcome.shortfalls),
        "taken_away": finished
            .taken_away
            .iter()
            .filter(|(_, errno)| errno.is_none())
            .map(|(path, _)| path.to_string_lossy())
            .collect::<Vec<_>>(),
        "left_in_place": finished
            .taken_away
            .iter()
            .filter_map(|(path, errno)| {
                let errno = (*errno)?;
                let error = std::io::Error::from_raw_os_error(errno).to_string();
                Some(json!({ "path": path.to_string_lossy(), "errno": errno, "error": error }))
            })
            .collect::<Vec<_>>(),
        "made": finished
            .made
            .iter()
            .map(|made| json!({ "path": made.path.to_string_lossy(), "runs": made.runs }))
            .collect::<Vec<_>>(),
        "changes": finished.changes,
        "refused": finished.refusals.iter().map(refusal).collect::<Vec<_>>(),
        "untraced": finished.untraced,
        "unkept": finished.unkept,
        "usage": {
            "max_rss_kib": finished.max_rss_kib,
            "cpu_us": finished.cpu_us,
            "elapsed_us": finished.elapsed.as_micros() as u64,
        },
    })
}

/// What the ring refused, and the smallest grant that would let it pass.
fn refusal(refusal: &Refusal) -> Value {
    let Refusal {
        tried,
        of,
        call,
        errno,
        because,
        remedy,
        grant,
    } = refusal;
    let mut data = json!({
        "tried": tried,
        "of": of.to_string_lossy(),
        "call": call,
        "errno": errno,
        "because": because,
        "remedy": remedy,
    });
    if let Some(grant) = grant {
        data["grant"] = match grant {
            Grant::Write(path) => json!({ "write": path.to_string_lossy() }),
            Grant::Socket(path) => json!({ "socket": path.to_string_lossy() }),
            Grant::Reveal(name) => json!({ "reveal": name }),
            _ => Value::Null,
        };
    }
    data
}

/// What `--explain` prints.
pub(super) fn plan(plan: Option<&Plan>) -> Value {
    let Some(plan) = plan else {
        return json!({ "ring": null, "steps": [], "shortfalls": [] });
    };
    json!({
        "ring": plan.mode.to_string(),
        "steps": plan
            .steps
            .iter()
            .map(|step| json!({
                "need": step.need.to_string(),
                "op": step.op.to_string(),
                "promise": step.promise,
            }))
            .collect::<Vec<_>>(),
        "shortfalls": shortfalls(&plan.shortfalls),
    })
}
