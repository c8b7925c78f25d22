//! What is known of the machine.

use ringfence_nt_access::{Sid, Token};
use ringfence_ops::Availability;

/// A directory that everybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The user's profile.
    Profile,
    /// Where temporary files go.
    Temp,
    /// Windows itself.
    Windows,
    /// Programs that were installed for all.
    Programs,
    /// What programs keep for all users.
    ProgramData,
    /// Ringfence's own state.
    State,
}

/// The accounts that setup made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principals {
    /// Their group.
    pub group: Sid,
    /// Who has no network.
    pub offline: Sid,
    /// Who has.
    pub online: Sid,
}

/// What this machine is. Plain data: tests build pretend machines from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Major and minor version, and the build.
    pub version: (u32, u32, u32),
    /// The token of the harness: the real user's.
    pub user: Token,
    /// Whether restricting SIDs hold: one was made, read back, and refused what it must be.
    pub restricted_tokens: Availability,
    /// Whether jobs end what is in them.
    pub jobs: Availability,
    /// Whether a job's limits hold.
    pub job_limits: Availability,
    /// Whether a job keeps its processes from the desktop: the clipboard, windows of others.
    pub desktop: Availability,
    /// Whether the account without network has none: its fence was read back, and kept a connection from being made.
    pub fence: Availability,
    /// The accounts, where setup has made them.
    pub principals: Option<Principals>,
    /// Where the places are.
    pub places: Vec<(Place, String)>,
}

impl Facts {
    /// A pretend machine: Windows 11, as a standard user, without setup.
    #[must_use]
    pub fn windows_11_standard_user() -> Facts {
        use ringfence_nt_access::well_known as known;
        let user = Sid::account([1_004_336_348, 1_177_238_915, 682_003_330, 1001]);
        let groups = [
            known::EVERYONE,
            known::LOCAL_ACCOUNT,
            known::USERS,
            known::INTERACTIVE,
            known::AUTHENTICATED_USERS,
        ];
        let at = |place, path: &str| (place, path.to_owned());
        Facts {
            version: (10, 0, 26100),
            user: Token::of(user, &groups),
            restricted_tokens: Availability::Yes,
            jobs: Availability::Yes,
            job_limits: Availability::Yes,
            desktop: Availability::Yes,
            fence: Availability::No {
                why: "there is no fence".to_owned(),
                remedy: String::new(),
            },
            principals: None,
            places: vec![
                at(Place::Profile, r"C:\Users\dev"),
                at(Place::Temp, r"C:\Users\dev\AppData\Local\Temp"),
                at(Place::Windows, r"C:\Windows"),
                at(Place::Programs, r"C:\Program Files"),
                at(Place::Programs, r"C:\Program Files (x86)"),
                at(Place::ProgramData, r"C:\ProgramData"),
                at(Place::State, r"C:\Users\dev\AppData\Local\Ringfence"),
            ],
        }
    }
}
