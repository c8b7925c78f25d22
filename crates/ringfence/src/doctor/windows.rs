//! What there is of Ringfence on this machine, and what is not.
//!
//! No ring is made on Windows yet, so there is nothing to try: [`examine`] looks where files are, and [`findings`] says so.

mod finding;
mod place;

use finding::{have, row};

pub use finding::{Finding, Status};
pub use place::{PolicyFile, StateDir};

use crate::environment::inside;
use crate::layers::{self, TO_HAVE_STATE};
use crate::state::State;

/// What was found out about a machine.
#[derive(Debug)]
pub struct Machine {
    /// The ring this runs in itself: what `RINGFENCE` says.
    pub inside: Option<String>,
    /// The state directory.
    pub state: StateDir,
    /// The policy files of this place.
    pub policies: Vec<PolicyFile>,
    /// What the files are together invalid for; one error a line.
    pub policy_error: Option<String>,
}

impl Machine {
    /// Whether the policy that holds by default can be enforced here: not without a ring.
    #[must_use]
    pub fn can_enforce(&self) -> bool {
        false
    }
}

/// Finds out what is there. Nothing is made.
#[must_use]
pub fn examine() -> Machine {
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    let (policies, policy_error) = place::policies(home.as_deref(), state.as_ref());
    Machine {
        inside: inside(),
        state: place::state_dir(state.as_ref()),
        policies,
        policy_error,
    }
}

/// Everything about a machine, in the order a person reads it.
#[must_use]
pub fn findings(machine: &Machine) -> Vec<Finding> {
    let mut rows = vec![row(
        "system",
        Status::Note,
        format!("Windows, {}", std::env::consts::ARCH),
        "",
    )];
    if let Some(mode) = &machine.inside {
        rows.push(row(
            "inside",
            Status::Note,
            format!("RINGFENCE says that this runs in a ring ({mode})"),
            "",
        ));
    }
    rows.push(row(
        "ring",
        Status::Lack,
        "no ring is made on Windows yet: no command is run, since none would be confined",
        "run Ringfence on Linux, or in WSL2",
    ));
    rows.push(match &machine.state {
        StateDir::Writable(path) => have("state", path.display().to_string()),
        StateDir::ReadOnly(path, why) => row(
            "state",
            Status::Less,
            format!("{}: {why}: no project file can be trusted", path.display()),
            format!("make it writable, or {TO_HAVE_STATE}"),
        ),
        StateDir::None => row(
            "state",
            Status::Less,
            "no home directory: no project file can be trusted",
            TO_HAVE_STATE,
        ),
    });
    rows.push(row(
        "folders",
        Status::Note,
        "your folders are where USERPROFILE, APPDATA and LOCALAPPDATA say: who starts Ringfence can say another place",
        "",
    ));
    rows.extend(place::rows(
        &machine.policies,
        machine.policy_error.as_deref(),
    ));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_to_be_enforced() {
        let machine = Machine {
            inside: None,
            state: StateDir::None,
            policies: Vec::new(),
            policy_error: None,
        };
        assert!(!machine.can_enforce());
        let rows = findings(&machine);
        let ring = rows
            .iter()
            .find(|row| row.name == "ring")
            .map(|row| row.status);
        assert_eq!(ring, Some(Status::Lack));
    }
}
