//! What a command must not take away meanwhile, although it may delete what lies in the user's directories: what Ringfence goes by
//! the next time.

use std::fs::{File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::grant;
use super::prepare::Prepared;
use crate::layers;

const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
/// Also a directory is opened.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// Holds the user's policy, the state, and the journals of the roots: as long as these are open nobody deletes or renames them
/// (`ERROR_SHARING_VIOLATION`). What is not there is not held.
pub(super) fn held(prepared: &Prepared) -> Vec<File> {
    let home = layers::home();
    let policy = layers::user_file(home.as_deref());
    let mut paths: Vec<PathBuf> = policy
        .iter()
        .flat_map(|file| [Some(file.clone()), file.parent().map(PathBuf::from)])
        .flatten()
        .collect();
    if let Some(state) = &prepared.state {
        paths.push(state.dir().to_owned());
        paths.push(grant::journals(state));
        let ids = prepared.plan.iter().flat_map(|plan| &plan.roots);
        paths.extend(ids.map(|root| ringfence_journal::path_of(&grant::journals(state), root.id)));
    }
    paths
        .iter()
        .filter_map(|path| {
            OpenOptions::new()
                .read(true)
                .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
                .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
                .open(path)
                .ok()
        })
        .collect()
}
