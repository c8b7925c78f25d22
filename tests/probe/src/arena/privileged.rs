//! Programs that give more privilege than one has; only root can make them.

use super::{ArenaError, making};
use crate::facts::Facts;
use ringfence_sys_linux::attempt::files;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

/// Makes a set-user-id program of nobody's and one with a file capability.
pub(super) fn prepare(facts: &mut Facts) -> Result<(), ArenaError> {
    let dir = facts.root.join("privileged");
    fs::create_dir(&dir).map_err(making("make a directory", &dir))?;
    let copy = |name: &str| -> Result<PathBuf, ArenaError> {
        let path = dir.join(name);
        fs::copy(&facts.probe, &path).map_err(making("copy the probe", &path))?;
        Ok(path)
    };
    let setuid = copy("setuid")?;
    let nobody = 65_534;
    chown(&setuid, Some(nobody), Some(nobody)).map_err(making("give away", &setuid))?;
    // After the change of owner, which takes the bit away.
    fs::set_permissions(&setuid, Permissions::from_mode(0o4755))
        .map_err(making("set the set-user-id bit", &setuid))?;
    let capable = copy("capable")?;
    // struct vfs_cap_data, version 2, effective: CAP_NET_RAW (13) permitted.
    let mut words = [0_u32; 5];
    words[0] = 0x0200_0001;
    words[1] = 1 << 13;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let given = files::set_attribute(&capable, "security.capability", &bytes);
    facts.setuid = Some(setuid);
    // Not every filesystem keeps capabilities; then there is nothing to try.
    facts.capable = given.is_ok().then_some(capable);
    Ok(())
}
