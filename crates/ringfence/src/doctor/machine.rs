//! Asking the machine.

use std::path::PathBuf;

use ringfence_ops::Outcome;
use ringfence_sys_linux::probe;
use rustix::fs::Access;

use super::place::{policies, state_dir};
use super::{Binary, Machine, NoRing, Trial};
use crate::error::Error;
use crate::layers;
use crate::prepare::{Request, begin};
use crate::state::State;
use crate::supervise::run;
use crate::{facts, launch};

/// Finds out what this machine can enforce. Makes a ring, in a temporary directory that
/// is removed again, and runs `true` in it.
#[must_use]
pub fn examine() -> Machine {
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    let (policies, policy_error) = policies(home.as_deref(), state.as_ref());
    let trial = trial();
    let runner = match (binary("ringfence-runner"), &trial) {
        (Binary::Present(path), Err(Error::Protocol(_))) => Binary::Other(path),
        (found, _) => found,
    };
    Machine {
        release: probe::release(),
        facts: facts::full(),
        apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
            == Some(1),
        userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
        userns_max: number("/proc/sys/user/max_user_namespaces"),
        inotify_watches: number("/proc/sys/fs/inotify/max_user_watches"),
        inotify_instances: number("/proc/sys/fs/inotify/max_user_instances"),
        inside: std::env::var_os("RINGFENCE").map(|mode| mode.to_string_lossy().into_owned()),
        runner,
        probe: binary("ringfence-probe"),
        state: state_dir(state.as_ref()),
        policies,
        policy_error,
        ring: trial.map_err(|error| match error {
            Error::Refused(refusal) => NoRing {
                why: "this machine cannot enforce the policy".to_owned(),
                lacking: refusal.lacking,
                before: false,
            },
            error => NoRing {
                why: error.to_string().replace("\n  ", "; "),
                lacking: Vec::new(),
                before: matches!(
                    error,
                    Error::Ledger(_) | Error::NoLedger | Error::NoCwd | Error::State { .. }
                ),
            },
        }),
    }
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn binary(name: &str) -> Binary {
    match launch::runner_program() {
        Err(_) => Binary::Missing(PathBuf::from(name)),
        Ok(runner) => {
            let path = runner.with_file_name(name);
            if rustix::fs::access(&path, Access::EXEC_OK).is_ok() {
                Binary::Present(path)
            } else {
                Binary::Missing(path)
            }
        }
    }
}

/// A directory that is gone when dropped.
struct Workspace(PathBuf);

impl Drop for Workspace {
    fn drop(&mut self) {
        // Empty but for what a stranger with the same user put there.
        let _left = std::fs::remove_dir(&self.0);
    }
}

/// Makes a ring with the policy of the managed and the user's file, and runs `true`.
fn trial() -> Result<Trial, Error> {
    let workspace =
        Workspace(std::env::temp_dir().join(format!("ringfence-doctor-{}", std::process::id())));
    std::fs::create_dir(&workspace.0).map_err(|error| Error::State {
        path: workspace.0.clone(),
        error,
    })?;
    let begun = begin(Request {
        argv: vec!["true".into()],
        workspace: Some(workspace.0.clone()),
        ..Request::default()
    })?;
    if begun.policy.mode.value == ringfence_policy::Mode::FullAccess {
        return Ok(Trial {
            mode: None,
            outcome: Outcome::none(),
        });
    }
    let state = begun
        .state
        .as_ref()
        .map(|state| state.workspace(&workspace.0));
    let finished = run(begun);
    // What is kept of a workspace is of no use for one that is gone.
    let _nothing = state.map(std::fs::remove_dir_all);
    let finished = finished?;
    Ok(Trial {
        mode: finished.mode,
        outcome: finished.outcome,
    })
}
