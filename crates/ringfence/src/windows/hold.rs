//! What a command must not take away meanwhile, although it may delete what lies in the user's directories: what Ringfence goes by
//! the next time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::PathBuf;

use ringfence_ops::Shortfall;
use ringfence_plan::promise;

use super::grant;
use super::prepare::Prepared;
use crate::layers;

const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
/// Also a directory is opened.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// Holds the user's policy, the state, and the journals of the roots: as long as these are open nobody deletes or renames them
/// (`ERROR_SHARING_VIOLATION`). With what of that could not be held; what is not there need not be.
pub(super) fn held(prepared: &Prepared) -> (Vec<File>, Option<Shortfall>) {
    let home = layers::home();
    let policy = layers::user_file(home.as_deref());
    let mut paths: Vec<PathBuf> = policy
        .iter()
        .flat_map(|file| [Some(file.clone()), file.parent().map(PathBuf::from)])
        .flatten()
        .collect();
    if let Some(state) = &prepared.state {
        let journals = grant::journals(state);
        let roots = prepared.plan.iter().flat_map(|plan| &plan.roots);
        paths.extend(roots.map(|root| ringfence_journal::path_of(&journals, root.id)));
        paths.extend([state.dir().to_owned(), journals]);
    }
    let mut files = Vec::new();
    let mut not = Vec::new();
    for path in &paths {
        let opened = OpenOptions::new()
            .read(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
            .open(path);
        match opened {
            Ok(file) => files.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => not.push(format!("{} ({error})", path.display())),
        }
    }
    let less = (!not.is_empty()).then(|| Shortfall {
        promise: promise::PROTECT_OWN.to_owned(),
        what: format!(
            "what Ringfence goes by could be deleted meanwhile: {}",
            not.join(", ")
        ),
        remedy: "close the program that has it open".to_owned(),
        accepted: prepared.accepts(promise::PROTECT_OWN),
    });
    (files, less)
}
