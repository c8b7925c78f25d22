//! What a ring on Linux changes of the child's environment.

use std::path::Path;

use ringfence_plan::RingMode;
use ringfence_policy::NetworkMode;

use crate::environment::{ChildEnvironment, TEMPORARY};

/// Sets what a ring changes: where temporary files go, and that there is a ring. Tools
/// may look at it; nothing is enforced by it.
pub(crate) fn adapt(
    child: &mut ChildEnvironment,
    mode: RingMode,
    network: NetworkMode,
    temp: &Path,
    cwd: &Path,
) {
    for name in TEMPORARY {
        if child.get(name).is_some() {
            child.set(name, temp.as_os_str());
        }
    }
    if child.get("PWD").is_some_and(|pwd| pwd != cwd.as_os_str()) {
        child.set("PWD", cwd.as_os_str());
    }
    child.variables.retain(|(n, _)| n != "XDG_RUNTIME_DIR");
    child.set("RINGFENCE", mode.to_string());
    child.set("RINGFENCE_NETWORK", network.to_string());
}
