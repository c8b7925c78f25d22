//! What this machine does of what a ring is made of, and what there is of Ringfence on it.
//!
//! [`examine`] makes a token and jobs, looks whether they are what was asked for, and throws them away; [`findings`] says so.

mod finding;
mod place;

use finding::{have, row};

pub use finding::{Finding, Status};
pub use place::{PolicyFile, StateDir};

use ringfence_ops::Availability;
use ringfence_plan::windows::Facts;
use ringfence_runner::windows::{Usable, usable};

use crate::environment::inside;
use crate::layers::{self, TO_HAVE_STATE};
use crate::state::State;
use crate::windows::facts;

/// What was found out about a machine.
#[derive(Debug)]
pub struct Machine {
    /// What it does of what a ring is made of; else why that cannot be said.
    pub facts: Result<Facts, String>,
    /// What programs are used to, and may not have in a ring.
    pub usable: Usable,
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
    /// Whether the policy that holds by default can be enforced here: not as the user, whose programs nothing tells from
    /// each other on the network.
    #[must_use]
    pub fn can_enforce(&self) -> bool {
        false
    }

    /// How a ring is made here, if it can be.
    #[must_use]
    pub fn ring(&self) -> Option<&'static str> {
        let restricts = |facts: &Facts| facts.restricted_tokens.is_yes();
        self.facts
            .as_ref()
            .is_ok_and(restricts)
            .then_some("unelevated")
    }
}

/// Finds out what is there. Nothing is made.
#[must_use]
pub fn examine() -> Machine {
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    let (policies, policy_error) = place::policies(home.as_deref(), state.as_ref());
    Machine {
        facts: facts(home.as_deref()).map_err(|error| error.to_string()),
        usable: usable(),
        inside: inside(),
        state: place::state_dir(state.as_ref()),
        policies,
        policy_error,
    }
}

/// Everything about a machine, in the order a person reads it.
#[must_use]
pub fn findings(machine: &Machine) -> Vec<Finding> {
    let mut rows = Vec::new();
    match &machine.facts {
        Ok(facts) => {
            of_machine(&mut rows, facts);
            of_programs(&mut rows, &machine.usable);
        }
        Err(why) => rows.push(row("ring", Status::Lack, why, "")),
    }
    if let Some(mode) = &machine.inside {
        rows.push(row(
            "inside",
            Status::Note,
            format!("RINGFENCE says that this runs in a ring ({mode})"),
            "",
        ));
    }
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

fn of_machine(rows: &mut Vec<Finding>, facts: &Facts) {
    let (major, minor, build) = facts.version;
    let arch = std::env::consts::ARCH;
    let system = format!("Windows {major}.{minor}.{build}, {arch}");
    rows.push(row("system", Status::Note, system, ""));
    let found = [
        (
            "tokens",
            &facts.restricted_tokens,
            "a token is asked twice before it writes",
        ),
        (
            "jobs",
            &facts.jobs,
            "all that a command starts ends with it",
        ),
        (
            "job limits",
            &facts.job_limits,
            "processes and memory can be limited",
        ),
        (
            "desktop",
            &facts.desktop,
            "the clipboard and others' windows can be kept from a command",
        ),
    ];
    for (name, found, what) in found {
        rows.push(match found {
            Availability::Yes => have(name, what),
            Availability::No { why, remedy } => row(name, Status::Lack, why, remedy),
        });
    }
    rows.push(if facts.restricted_tokens.is_yes() {
        row(
            "ring",
            Status::Less,
            "unelevated, as you: what may be written is kept; network, hide, processes, descendants, write.delete and what is protected are refused until you accept to do without each",
            "an account for commands alone keeps them; setting one up is not there yet",
        )
    } else {
        row(
            "ring",
            Status::Lack,
            "none: this system does not keep a token to its restrictions, and no command is run unless you accept that",
            "run Ringfence on Windows 10 1809 or later, on Linux, or in WSL2",
        )
    });
}

/// What no ring promises: that programs find what they are used to.
fn of_programs(rows: &mut Vec<Finding>, usable: &Usable) {
    let found = [
        (
            "nul",
            &usable.nul,
            "commands can write to NUL",
            "commands that write to it (`> NUL`) fail",
        ),
        (
            "named objects",
            &usable.named,
            "commands can make events, mutexes and shared memory by name",
            "programs that need them (those of msys, Git Bash, .NET) may not start",
        ),
    ];
    for (name, found, have_it, without) in found {
        rows.push(match found {
            Ok(()) => have(name, have_it),
            Err(why) => row(name, Status::Less, format!("{why}; {without}"), ""),
        });
    }
}

#[cfg(test)]
mod tests {
    use ringfence_runner::windows::{BuildError, NotDone};

    use super::*;

    #[test]
    fn a_ring_as_the_user_is_less_and_none_is_a_lack() {
        let machine = Machine {
            facts: Ok(Facts::windows_11_standard_user()),
            usable: Usable {
                nul: Ok(()),
                named: Err(BuildError::NotDone(NotDone::DefaultDacl)),
            },
            inside: None,
            state: StateDir::None,
            policies: Vec::new(),
            policy_error: None,
        };
        assert!(!machine.can_enforce());
        assert_eq!(machine.ring(), Some("unelevated"));
        let of = |machine: &Machine, name: &str| {
            let rows = findings(machine);
            let row = rows.iter().find(|row| row.name == name);
            row.map(|row| row.status)
        };
        assert_eq!(of(&machine, "ring"), Some(Status::Less));
        assert_eq!(of(&machine, "tokens"), Some(Status::Have));
        assert_eq!(of(&machine, "nul"), Some(Status::Have));
        assert_eq!(of(&machine, "named objects"), Some(Status::Less));
        let mut facts = Facts::windows_11_standard_user();
        facts.restricted_tokens = Availability::No {
            why: "none".to_owned(),
            remedy: String::new(),
        };
        let machine = Machine {
            facts: Ok(facts),
            ..machine
        };
        assert_eq!(machine.ring(), None);
        assert_eq!(of(&machine, "ring"), Some(Status::Lack));
    }
}
