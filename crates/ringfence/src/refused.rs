//! What is refused on each operating system alike.

use ringfence_ops::Shortfall;
use ringfence_plan::{Refusal, promise};
use ringfence_policy::Effective;

/// What a policy asks for that nothing keeps without a ring.
///
/// # Errors
/// [`Refusal`] of what the user has not accepted to do without.
pub(crate) fn without_ring(policy: &Effective) -> Result<Vec<Shortfall>, Refusal> {
    let limits = &policy.limits;
    let asked = [
        (
            promise::LIMIT_MEMORY,
            limits.memory.is_some(),
            "without a ring nothing bounds a command's memory",
        ),
        (
            promise::LIMIT_PROCESSES,
            limits.processes.is_some(),
            "without a ring nothing counts a command's processes",
        ),
    ];
    let (accepted, lacking): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .filter(|(_, asked, _)| *asked)
        .map(|(promise, _, what)| Shortfall {
            promise: promise.to_owned(),
            what: what.to_owned(),
            remedy: "use a mode with a ring (workspace-write, read-only)".to_owned(),
            accepted: ringfence_plan::accepts(policy, promise),
        })
        .partition(|shortfall| shortfall.accepted);
    if lacking.is_empty() {
        Ok(accepted)
    } else {
        Err(Refusal { lacking })
    }
}
