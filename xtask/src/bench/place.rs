//! Where the benchmarks work: a directory below the user's home, since a ring
//! has a `/tmp` of its own.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Removed when dropped.
pub(crate) struct Place {
    base: PathBuf,
}

impl Place {
    pub(crate) fn make() -> Result<Place> {
        let home = std::env::var_os("HOME").context("no HOME")?;
        let base = PathBuf::from(home).join(format!("ringfence-bench-{}", std::process::id()));
        std::fs::create_dir_all(&base)
            .with_context(|| format!("cannot make {}", base.display()))?;
        Ok(Place { base })
    }

    /// An empty directory of this name.
    pub(crate) fn dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.base.join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// A file of `size` bytes of text, as a build prints it.
    pub(crate) fn text(&self, name: &str, size: u32) -> Result<PathBuf> {
        let file = self.base.join(name);
        let line = "   Compiling some-crate v1.2.3 (/home/person/work/some-crate)\n";
        let mut text = line.repeat(size as usize / line.len() + 1);
        text.truncate(size as usize);
        std::fs::write(&file, text)?;
        settle()?;
        Ok(file)
    }

    /// A git repository with `files` small files, all committed.
    pub(crate) fn repository(&self, name: &str, files: usize) -> Result<PathBuf> {
        let dir = self.dir(name)?;
        for number in 0..files {
            let below = dir.join(format!("d{:03}", number / 100));
            if number % 100 == 0 {
                std::fs::create_dir(&below)?;
            }
            std::fs::write(
                below.join(format!("f{number}.txt")),
                format!("file {number}\n"),
            )?;
        }
        for arguments in [
            &["init", "--quiet"][..],
            &["config", "user.email", "bench@example.com"],
            &["config", "user.name", "bench"],
            &["add", "--all"],
            &["commit", "--quiet", "--allow-empty", "--message", "all"],
        ] {
            git(&dir, arguments)?;
        }
        settle()?;
        Ok(dir)
    }
}

/// Waits until all that was written is on the disk: what is written out alongside would be counted to
/// whoever is measured then.
pub(crate) fn settle() -> Result<()> {
    crate::run::must_pass(&mut Command::new("sync"))
}

fn git(dir: &Path, arguments: &[&str]) -> Result<()> {
    crate::run::must_pass(Command::new("git").current_dir(dir).args(arguments))
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.base);
    }
}
