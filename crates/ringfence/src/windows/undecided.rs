//! Where no descriptor decides who writes, so that a token restricts nothing: other file systems, other machines, Linux.

use std::ffi::OsStr;
use std::path::Path;

use ringfence_plan::windows::{Open, Undecided};
use ringfence_sys_windows::SysError;
use ringfence_sys_windows::file::{self, DriveType};
use ringfence_sys_windows::registry::{Key, Root, access};

/// All of them that have a drive's letter, or a name of a Linux. Each disk is asked, and no other machine.
pub(super) fn places() -> Vec<Open> {
    let open = |path: &str, why| Open {
        path: path.to_owned(),
        why,
    };
    let mut places = match file::drives() {
        Ok(drives) => drives
            .iter()
            .filter_map(|root| Some(open(&root.to_string_lossy(), drive(root)?)))
            .collect(),
        Err(error) => vec![open("drives", Undecided::Unknown(error.to_string()))],
    };
    match distributions() {
        Ok(names) => places.extend(
            names
                .iter()
                .map(|name| open(&format!(r"\\wsl.localhost\{name}"), Undecided::Wsl)),
        ),
        Err(error) => {
            let why = Undecided::Unknown(error.to_string());
            places.push(open(r"\\wsl.localhost", why));
        }
    }
    places
}

/// Why no descriptor decides on a drive; none where one does, or nothing can be written.
fn drive(root: &Path) -> Option<Undecided> {
    match file::drive_type(root) {
        Ok(DriveType::None) => return None,
        // Not asked: a machine that is off answers after half a minute.
        Ok(DriveType::Remote) => return Some(Undecided::Machine),
        Ok(_) => (),
        Err(error) => return Some(Undecided::Unknown(error.to_string())),
    }
    let volume = match file::volume_of(root) {
        Ok(volume) => volume,
        // What the user cannot open, as a reader without a card, the command cannot either.
        Err(error) if error.call == "CreateFileW" => return None,
        Err(error) => return Some(Undecided::Unknown(error.to_string())),
    };
    let decides = volume.keeps_descriptors() || volume.is_read_only();
    let name = volume.file_system.to_string_lossy().into_owned();
    (!decides).then_some(Undecided::FileSystem(name))
}

/// The Linux distributions of the user's, by name.
fn distributions() -> Result<Vec<String>, SysError> {
    const KEY: &str = r"Software\Microsoft\Windows\CurrentVersion\Lxss";
    let Some(all) = Root::CurrentUser.open(OsStr::new(KEY), access::READ)? else {
        return Ok(Vec::new());
    };
    // What else there is below has no name: settings, and one that is being installed.
    let name = |key: &Key| key.get(OsStr::new("DistributionName")).ok().flatten();
    let mut names = Vec::new();
    for key in all.keys()? {
        let found = all.open(&key, access::READ)?;
        let name = found.and_then(|key| name(&key)?.as_text());
        names.extend(name.map(|name| name.to_string_lossy().into_owned()));
    }
    Ok(names)
}
