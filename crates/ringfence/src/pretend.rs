//! The plan of a machine that this is not: what a ring of this policy and workspace would be there.

use std::path::{Component, Path};

use ringfence_nt_access::{SecurityDescriptor, Sid};
use ringfence_ops::Availability;
use ringfence_plan::windows::{
    Facts, FileId, Guarded, Outside, Plan, Principals, Root, Site, Volume, plan,
};
use ringfence_plan::{Refusal, promise};
use ringfence_policy::Mode;
use ringfence_policy::defaults::{REPOSITORY_PROTECTED, WORKSPACE_PROTECTED};

use crate::prepare::Begun;

/// A machine that this is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// Windows 11, a standard user, nothing set up.
    WindowsStandardUser,
    /// The same, with the accounts that setup will make.
    WindowsSetUp,
}

/// Where the work would be there.
const HOME: &str = r"C:\Users\dev";

/// What a user's profile is made with.
const PROFILE: &str = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;USER)";
/// What is made in one has of it.
const IN_PROFILE: &str = "D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;FA;;;USER)";

impl Begun {
    /// How the ring would be built on that machine. What is protected is looked for in the workspace as it is here; its
    /// permissions, and all that is around it, are those that Windows makes.
    ///
    /// # Errors
    /// [`Refusal`], where it would be refused there.
    pub fn pretend(&self, machine: Machine) -> Result<Plan, Refusal> {
        let mut facts = Facts::windows_11_standard_user();
        if machine == Machine::WindowsSetUp {
            let of = |rid| Sid::account([1_004_336_348, 1_177_238_915, 682_003_330, rid]);
            facts.fence = Availability::Yes;
            facts.principals = Some(Principals {
                group: of(1100),
                offline: of(1101),
                online: of(1102),
            });
        }
        let user = facts.user.user;
        let mut roots = Vec::new();
        if self.policy.mode.value == Mode::WorkspaceWrite {
            roots.push(&self.workspace);
            roots.extend(self.policy.write.iter().map(|root| &root.value));
        }
        let in_profile = |path: String| Outside {
            path,
            descriptor: described(IN_PROFILE, user),
            parent: Some(described(PROFILE, user)),
        };
        let site = Site {
            workspace: FileId { volume: 1, file: 1 },
            roots: roots
                .iter()
                .zip(1..)
                .map(|(root, file)| self.root(root, file, user))
                .collect(),
            hidden: self
                .policy
                .hide
                .iter()
                .filter(|hide| hide.value.path.exists())
                .map(|hide| in_profile(hide.value.path.display().to_string()))
                .collect(),
            outside: vec![in_profile(format!(r"{HOME}\Documents"))],
            open: Vec::new(),
            repositories: false,
            ring: 0,
        };
        plan(&self.policy, &site, &facts)
    }

    fn root(&self, root: &Path, file: u128, user: Sid) -> Root {
        let name = root.file_name().unwrap_or_default();
        let path = format!(r"{HOME}\{}", name.display());
        let (mut guarded, mut missing) = (Vec::new(), Vec::new());
        let git = root.join(".git").is_dir();
        let names = REPOSITORY_PROTECTED
            .iter()
            .filter(|_| git)
            .map(|name| (Path::new(".git").join(name), promise::PROTECT_GIT))
            .chain(
                WORKSPACE_PROTECTED
                    .iter()
                    .map(|name| (name.into(), promise::PROTECT_WORKSPACE)),
            );
        for (name, promise) in names {
            let parts: Vec<String> = name
                .components()
                .filter_map(|part| match part {
                    Component::Normal(part) => Some(part.display().to_string()),
                    _ => None,
                })
                .collect();
            let at = |count: usize| {
                let parts = parts.get(..count).unwrap_or_default();
                format!(r"{path}\{}", parts.join(r"\"))
            };
            if root.join(&name).symlink_metadata().is_ok() {
                guarded.push(Guarded {
                    path: at(parts.len()),
                    pins: (1..parts.len()).map(at).collect(),
                    promise,
                });
            } else {
                missing.push(at(parts.len()));
            }
        }
        Root {
            path,
            id: FileId { volume: 1, file },
            volume: Volume::ntfs(),
            leads_elsewhere: None,
            descriptor: described(IN_PROFILE, user),
            guarded,
            missing,
        }
    }
}

/// A descriptor in words, with the user's SID for `USER`. Words that are none give one that grants nothing.
fn described(words: &str, user: Sid) -> SecurityDescriptor {
    let words = words.replace("USER", &user.to_string());
    let read = SecurityDescriptor::from_sddl(&words);
    SecurityDescriptor {
        owner: Some(user),
        group: Some(user),
        ..read.unwrap_or_else(|_| SecurityDescriptor::new(user, user, Default::default()))
    }
}
