//! What is refused on each operating system alike.

use ringfence_ops::Shortfall;
use ringfence_plan::{Refusal, promise};
use ringfence_policy::{CacheMode, Effective, Layer, NetworkMode, Origin, Read};

/// What a policy asks for that nothing keeps without a ring: limits, whoever set them, and what the same command line that says
/// full-access, or is run where a file does, asks for. (What files say of a ring is what that mode puts out of force.)
///
/// # Errors
/// [`Refusal`] of what the user has not accepted to do without.
pub(crate) fn without_ring(policy: &Effective) -> Result<Vec<Shortfall>, Refusal> {
    let limits = &policy.limits;
    let typed = |origin: &Origin| origin.layer == Layer::Flags;
    let network = &policy.network.mode;
    let asked = [
        (
            promise::HIDE,
            policy.hide.iter().any(|hide| typed(&hide.origin)),
            "without a ring nothing is hidden (--hide)",
        ),
        (
            promise::READ,
            policy.read.value != Read::All && typed(&policy.read.origin),
            "without a ring everything can be read (--read)",
        ),
        (
            promise::PROTECT_PATHS,
            policy.protect.iter().any(|path| typed(&path.origin)),
            "without a ring nothing is protected (--protect)",
        ),
        (
            promise::NETWORK,
            network.value != NetworkMode::On && typed(&network.origin)
                || policy.network.allow.iter().any(|host| typed(&host.origin)),
            "without a ring every network is reached (--network, --allow)",
        ),
        (
            promise::CACHES,
            policy.caches.mode.value != CacheMode::Shared && typed(&policy.caches.mode.origin),
            "without a ring caches are written as they are (--caches)",
        ),
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
