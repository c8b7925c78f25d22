//! What this machine is, and does of what a ring is made of.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use ringfence_ops::Availability;
use ringfence_plan::windows::{Facts, Place};
use ringfence_runner::windows::trial;
use ringfence_sys_windows::SysError;
use ringfence_sys_windows::registry::{Root, access};
use ringfence_sys_windows::token::{Token, access as token_access};

use super::convert;
use crate::error::Error;
use crate::state::State;
use crate::sys;

/// Looks at this machine. Nothing is made that stays.
///
/// # Errors
/// [`Error::System`]: this process does not learn who it is.
pub fn facts(home: Option<&Path>) -> Result<Facts, Error> {
    let asked = |error| Error::System {
        what: "asking who this is",
        error: sys::from_windows(error),
    };
    let process = ringfence_sys_windows::process::current();
    let own = Token::of_process(process, token_access::QUERY).map_err(asked)?;
    let user = convert::token(&own).map_err(asked)?;
    let tried = trial();
    let none = Availability::No {
        why: "there is no account for commands".to_owned(),
        remedy: String::new(),
    };
    Ok(Facts {
        version: version(),
        places: places(home, &user.user.to_string()),
        user,
        restricted_tokens: availability(tried.restricts),
        jobs: availability(tried.ends),
        job_limits: availability(tried.limits),
        desktop: availability(tried.desktop),
        fence: none,
        principals: None,
    })
}

fn availability<E: std::fmt::Display>(found: Result<(), E>) -> Availability {
    match found {
        Ok(()) => Availability::Yes,
        Err(error) => Availability::No {
            why: error.to_string(),
            remedy: String::new(),
        },
    }
}

fn value(
    key: &str,
    name: &str,
) -> Result<Option<ringfence_sys_windows::registry::Value>, SysError> {
    match Root::LocalMachine.open(OsStr::new(key), access::READ)? {
        Some(key) => key.get(OsStr::new(name)),
        None => Ok(None),
    }
}

/// Major, minor, build; what is not said is 0.
fn version() -> (u32, u32, u32) {
    const KEY: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
    let found = |name| value(KEY, name).ok().flatten();
    let number = |name| found(name).and_then(|value| value.as_number());
    let build = found("CurrentBuildNumber")
        .and_then(|value| value.as_text())
        .and_then(|text| text.to_str().and_then(|text| text.parse().ok()));
    (
        number("CurrentMajorVersionNumber").unwrap_or_default(),
        number("CurrentMinorVersionNumber").unwrap_or_default(),
        build.unwrap_or_default(),
    )
}

/// Where everybody's places are: as the environment says, and of the profile as the machine does, too.
fn places(home: Option<&Path>, user: &str) -> Vec<(Place, String)> {
    let said = |name: &str| env::var_os(name).map(PathBuf::from);
    let profiles = format!(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\{user}");
    let profile = value(&profiles, "ProfileImagePath").ok().flatten();
    let profile = profile.and_then(|value| value.as_text()).map(PathBuf::from);
    let all = [
        (Place::Profile, home.map(Path::to_owned)),
        (Place::Profile, profile),
        (Place::Temp, said("TEMP")),
        (Place::Temp, said("TMP")),
        (Place::Windows, said("SystemRoot")),
        (Place::Programs, said("ProgramFiles")),
        (Place::Programs, said("ProgramFiles(x86)")),
        (Place::Programs, said("ProgramW6432")),
        (Place::ProgramData, said("ProgramData")),
        (
            Place::State,
            State::of_user(home).map(|state| state.dir().to_owned()),
        ),
    ];
    let mut places = Vec::new();
    for (place, path) in all {
        let Some(path) = path.filter(|path| path.is_absolute()) else {
            continue;
        };
        let path = sys::canonical(&path).unwrap_or(path);
        let known = (place, path.to_string_lossy().into_owned());
        if !places.contains(&known) {
            places.push(known);
        }
    }
    places
}
