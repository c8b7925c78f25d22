//! Where what is fetched and built for Windows is kept, and how it gets there whole.

use crate::workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Names another place than the build directory, so that several checkouts share it.
const CACHE: &str = "RINGFENCE_WINDOWS_CACHE";

/// The directory of the cache. Each thing in it has the version it depends on in its name.
pub(super) fn dir(root: &Path) -> PathBuf {
    match std::env::var_os(CACHE) {
        Some(dir) => root.join(dir),
        None => workspace::target_dir(root).join("windows"),
    }
}

/// Makes the directory `dir` by `make`, if it is not there. `make` works beside it, and what it
/// made gets its name at the end: an interrupted one leaves nothing that looks finished.
pub(super) fn made(dir: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = dir.parent().context("a place without a directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    clear_abandoned(dir, parent)?;
    if dir.is_dir() {
        return Ok(());
    }
    let part = dir.with_file_name(format!("{}{}", part_prefix(dir), std::process::id()));
    fs::create_dir(&part).with_context(|| format!("cannot make {}", part.display()))?;
    let done = make(&part).and_then(|()| {
        // Whoever was as fast made the same.
        if dir.is_dir() {
            fs::remove_dir_all(&part)?;
            return Ok(());
        }
        fs::rename(&part, dir).with_context(|| format!("cannot rename to {}", dir.display()))
    });
    if done.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    done
}

/// What names of unfinished makings of `dir` begin with; the maker's pid follows.
fn part_prefix(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.part-")
}

/// Removes what makers left that run no more.
fn clear_abandoned(dir: &Path, parent: &Path) -> Result<()> {
    let prefix = part_prefix(dir);
    for entry in fs::read_dir(parent)?.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix(&prefix) else {
            continue;
        };
        if !Path::new("/proc").join(pid).exists() {
            let path = entry.path();
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir.join("thing")
    }

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_failed_leaves_nothing_and_is_made_by_the_next() {
        let dir = place("failed");
        let failed = made(&dir, |part| {
            fs::write(part.join("half"), "")?;
            anyhow::bail!("interrupted")
        });
        assert!(failed.is_err());
        assert_eq!(names(&dir), [""; 0]);
        made(&dir, |part| Ok(fs::write(part.join("whole"), "")?)).unwrap();
        assert!(dir.join("whole").is_file());
        assert_eq!(names(&dir), ["thing"]);
        fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_is_there_is_not_made_again() {
        let dir = place("there");
        made(&dir, |_| Ok(())).unwrap();
        made(&dir, |_| anyhow::bail!("made twice")).unwrap();
        fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_a_dead_maker_left_is_removed_and_a_living_ones_stays() {
        let dir = place("abandoned");
        let own = dir.with_file_name(format!("{}{}", part_prefix(&dir), std::process::id()));
        // No process has this number: it is above what the kernel gives out.
        let dead = dir.with_file_name(format!("{}99999999", part_prefix(&dir)));
        fs::create_dir_all(&own).unwrap();
        fs::create_dir_all(&dead).unwrap();
        clear_abandoned(&dir, dir.parent().unwrap()).unwrap();
        assert!(own.exists() && !dead.exists());
        fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }
}
