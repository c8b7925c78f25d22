//! A real machine is examined. In a process of its own: a ring's runner is cloned from it,
//! and for that moment shares every lock it holds.
#![cfg(target_os = "linux")] // where rings are

use ringfence::doctor::{Binary, Status, examine, findings};

#[test]
fn a_machine_without_a_runner_is_told_so() {
    // Beside the test's own binary there is no runner, so no ring.
    let machine = examine();
    assert!(machine.facts.kernel > (4, 0));
    assert!(matches!(machine.runner, Binary::Missing(_)));
    assert!(machine.ring.is_err() && !machine.can_enforce());
    assert!(
        findings(&machine)
            .iter()
            .any(|row| row.name == "runner" && row.status == Status::Lack)
    );
}
