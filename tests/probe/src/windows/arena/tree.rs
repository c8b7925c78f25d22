//! The files of the arena, kept in memory and laid out anew before each run.

use crate::facts::Facts;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// In the workspace: where the probe is.
pub(crate) const BIN: &str = "bin";
/// In the workspace: a junction that leads to `outside`.
pub(crate) const JUNCTION: &str = "junction";
/// In the workspace: a symbolic link that leads to a file outside.
pub(crate) const SYMLINK: &str = "symlink";

/// Every file and directory below the arena's `home` and `outside`, by path from its root; `None` is a directory.
#[derive(Debug)]
pub(super) struct Tree {
    entries: BTreeMap<PathBuf, Option<Vec<u8>>>,
    workspace: PathBuf,
    outside: PathBuf,
}

/// Paths that some row reaches by its short name.
pub(super) fn shortened(facts: &Facts) -> impl Iterator<Item = PathBuf> + use<> {
    [
        facts.outside.join("a file with a long name.txt"),
        facts.workspace.join(r".git\config"),
        facts.workspace.join(".ringfence.toml"),
        facts.home.join(r".ssh\id_ed25519"),
    ]
    .into_iter()
}

impl Tree {
    /// What every arena has.
    pub(super) fn of(facts: &Facts) -> Self {
        let mut tree = Self {
            entries: BTreeMap::new(),
            workspace: facts.workspace.clone(),
            outside: facts.outside.clone(),
        };
        let outside = format!("outside {}\n", facts.nonce);
        for file in [
            r"outside\file.txt",
            r"outside\a file with a long name.txt",
            r"outside\dir\inner.txt",
        ] {
            tree.file(file, outside.as_bytes());
        }
        tree.dir(r"outside\empty");
        for (path, text) in [
            ("visible.txt", "not hidden\n"),
            (r"AppData\Roaming\Ringfence\policy.toml", "# yours\n"),
            (
                r"AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup\desktop.ini",
                "",
            ),
            (r"src\beside.txt", "beside the workspace\n"),
            (r"src\ws\file.txt", "workspace\n"),
            (r"src\ws\.ringfence.toml", "# this project's\n"),
            (r"src\ws\.git\HEAD", "ref: refs/heads/main\n"),
            (
                r"src\ws\.git\config",
                "[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
            ),
            (r"src\ws\.git\hooks\pre-commit", "#!/bin/sh\n"),
            (r"src\ws\.git\info\attributes", "* text=auto\n"),
        ] {
            tree.file(&format!(r"home\{path}"), text.as_bytes());
        }
        for path in [
            r".ssh\id_ed25519",
            r".aws\credentials",
            ".git-credentials",
            ".netrc",
            r".docker\config.json",
            r"AppData\Roaming\gnupg\private.key",
            r"AppData\Roaming\GitHub CLI\hosts.yml",
            r"AppData\Local\Ringfence\ledger\00000001.jsonl",
        ] {
            tree.file(&format!(r"home\{path}"), facts.secret().as_bytes());
        }
        for dir in ["objects", r"refs\heads", r"refs\tags"] {
            tree.dir(&format!(r"home\src\ws\.git\{dir}"));
        }
        tree
    }

    fn dir(&mut self, path: &str) {
        let path = Path::new(path);
        for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
            self.entries.insert(dir.to_owned(), None);
        }
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        if let Some((dir, _)) = path.rsplit_once('\\') {
            self.dir(dir);
        }
        self.entries
            .insert(PathBuf::from(path), Some(bytes.to_owned()));
    }

    /// Lays out what is missing or changed, and removes what is not of the arena. What is as it was is not touched: it keeps what
    /// a ring granted on it.
    pub(super) fn mend(&self, root: &Path) -> io::Result<()> {
        for below in ["home", "outside"] {
            self.clear(root, Path::new(below))?;
        }
        for (path, entry) in &self.entries {
            let path = root.join(path);
            if entry.is_some() {
                writable(&path);
            }
            match entry {
                None if path.is_dir() => {}
                None => fs::create_dir_all(&path)?,
                Some(bytes) if fs::read(&path).is_ok_and(|found| found == *bytes) => {}
                Some(bytes) => fs::write(&path, bytes)?,
            }
        }
        self.links();
        Ok(())
    }

    /// Removes what is in a directory and not of the arena.
    fn clear(&self, root: &Path, dir: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(root.join(dir)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let path = dir.join(entry.file_name());
            let kind = entry.file_type()?;
            let whole = entry.path();
            // Some names mean another thing, or nothing, without this.
            let exact = PathBuf::from(format!(r"\\?\{}", whole.display()));
            // What Ringfence keeps, the probe and the links stay.
            let kept = path.starts_with(r"home\AppData\Local\Ringfence")
                || [BIN, JUNCTION, SYMLINK]
                    .iter()
                    .any(|name| whole == self.workspace.join(name));
            match self.entries.get(&path) {
                Some(None) if kind.is_dir() => self.clear(root, &path)?,
                Some(Some(_)) if kind.is_file() => {}
                None if kept => {}
                _ if kind.is_dir() => fs::remove_dir_all(&exact)?,
                // A junction is removed as a directory, and what it leads to stays.
                _ if kind.is_symlink() && fs::remove_dir(&exact).is_ok() => {}
                _ => {
                    writable(&exact);
                    fs::remove_file(&exact)?;
                }
            }
        }
        Ok(())
    }

    /// Makes the links, where that can be done. Whether it was done is looked at where it matters.
    fn links(&self) {
        let junction = self.workspace.join(JUNCTION);
        if !junction.exists() {
            let _ = make_junction(&junction, &self.outside);
        }
        let link = self.workspace.join(SYMLINK);
        if !link.exists() {
            let _ = std::os::windows::fs::symlink_file(self.outside.join("file.txt"), &link);
        }
    }
}

/// Has `cmd` make a junction: the standard library has no call for it.
pub(crate) fn make_junction(at: &Path, to: &Path) -> io::Result<()> {
    let mut command = Command::new("cmd.exe");
    command.args(["/d", "/c", "mklink", "/J"]).arg(at).arg(to);
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() && at.exists() {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

/// Takes the attribute away that one row sets.
#[expect(
    clippy::permissions_set_readonly_false,
    reason = "on Windows it is an attribute, and nobody's right"
)]
fn writable(path: &Path) {
    if let Ok(meta) = fs::symlink_metadata(path)
        && meta.permissions().readonly()
    {
        let mut open = meta.permissions();
        open.set_readonly(false);
        let _ = fs::set_permissions(path, open);
    }
}
