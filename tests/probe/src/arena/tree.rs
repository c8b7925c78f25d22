//! The files of the arena, kept in memory and laid out anew before each run.

use crate::facts::Facts;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Ringfence's state, below the home.
const STATE: &str = ".local/state/ringfence";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Dir,
    File { mode: u32, bytes: Vec<u8> },
}

/// Every file and directory below the arena's `home` and `outside`, by path from its root.
#[derive(Debug)]
pub(super) struct Tree(BTreeMap<PathBuf, Entry>);

impl Tree {
    /// What every arena has.
    pub(super) fn of(facts: &Facts, terminal: &File) -> Self {
        let mut tree = Self(BTreeMap::new());
        tree.outside(facts, terminal);
        tree.home(facts);
        tree.workspace(facts);
        tree
    }

    fn dir(&mut self, path: &str) {
        let mut path = Path::new(path);
        while !path.as_os_str().is_empty() && self.0.insert(path.to_owned(), Entry::Dir).is_none() {
            path = path.parent().unwrap_or(Path::new(""));
        }
    }

    fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
        if let Some((dir, _)) = path.rsplit_once('/') {
            self.dir(dir);
        }
        self.0.insert(
            PathBuf::from(path),
            Entry::File {
                mode,
                bytes: bytes.into(),
            },
        );
    }

    fn outside(&mut self, facts: &Facts, terminal: &File) {
        self.file(
            "outside/file.txt",
            0o644,
            format!("outside {}\n", facts.nonce),
        );
        self.file("outside/dir/inner.txt", 0o644, "inner\n");
        self.dir("outside/empty");
        self.dir("outside/mnt");
        self.file("outside/tester.pid", 0o644, std::process::id().to_string());
        self.file(
            "outside/tester.cmdline",
            0o644,
            fs::read("/proc/self/cmdline").unwrap_or_default(),
        );
        let name =
            fs::read_link(format!("/proc/self/fd/{}", terminal.as_raw_fd())).unwrap_or_default();
        self.file("outside/terminal.txt", 0o644, name.display().to_string());
    }

    fn home(&mut self, facts: &Facts) {
        for (path, bytes) in [
            (".bashrc", "# interactive\n"),
            (".ssh/known_hosts", "example.com ssh-ed25519 AAAA\n"),
            (".ssh/config", "Host *\n"),
            (".local/bin/tool", "#!/bin/sh\n"),
            (".config/ringfence/ringfence.toml", "# the user's policy\n"),
        ] {
            self.file(&format!("home/{path}"), 0o644, bytes);
        }
        for path in [
            ".ssh/id_ed25519",
            ".ssh/work_key",
            ".gnupg/private-keys-v1.d/key.key",
            ".aws/credentials",
            ".azure/msal_token_cache.json",
            ".config/gcloud/credentials.db",
            ".kube/config",
            ".docker/config.json",
            ".netrc",
            ".git-credentials",
            ".config/gh/hosts.yml",
            ".npmrc",
            ".pypirc",
            ".cargo/credentials.toml",
            ".terraform.d/credentials.tfrc.json",
            ".bash_history",
            ".codex/auth.json",
            ".claude/.credentials.json",
            ".mozilla/firefox/x.default/logins.json",
            ".local/share/keyrings/login.keyring",
            ".password-store/site.gpg",
            ".local/state/ringfence/ledger.db",
            "company/plan.txt",
        ] {
            self.file(&format!("home/{path}"), 0o600, facts.secret());
        }
        self.dir("home/.docker/run");
    }

    /// A repository as git lays it out, made by hand so that no git is needed.
    fn repository(&mut self, at: &str, config: &str) {
        self.file(&format!("{at}/HEAD"), 0o644, "ref: refs/heads/main\n");
        self.file(
            &format!("{at}/config"),
            0o644,
            format!("[core]\n\trepositoryformatversion = 0\n{config}"),
        );
        self.file(&format!("{at}/hooks/pre-commit"), 0o755, "#!/bin/sh\n");
        self.file(&format!("{at}/info/attributes"), 0o644, "* text=auto\n");
        for dir in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
            self.dir(&format!("{at}/{dir}"));
        }
    }

    fn workspace(&mut self, facts: &Facts) {
        let ws = "home/src/ws";
        self.repository(
            &format!("{ws}/.git"),
            "\tbare = false\n\thooksPath = .githooks\n[submodule \"sub\"]\n\tactive = true\n\turl = ../sub\n",
        );
        self.repository(
            &format!("{ws}/.git/modules/sub"),
            "\tbare = false\n\tworktree = ../../../sub\n",
        );
        self.repository(&format!("{ws}/a/b/.git"), "\tbare = false\n");
        self.file(
            &format!("{ws}/.gitmodules"),
            0o644,
            "[submodule \"sub\"]\n\tpath = sub\n\turl = ../sub\n",
        );
        self.file(
            &format!("{ws}/sub/.git"),
            0o644,
            "gitdir: ../.git/modules/sub\n",
        );
        let tree = format!("{ws}/.git/worktrees/tree");
        self.file(&format!("{tree}/HEAD"), 0o644, "ref: refs/heads/side\n");
        self.file(&format!("{tree}/commondir"), 0o644, "../..\n");
        self.file(
            &format!("{tree}/gitdir"),
            0o644,
            format!("{}/tree/.git\n", facts.workspace.display()),
        );
        self.file(
            &format!("{tree}/config.worktree"),
            0o644,
            "[core]\n\tbare = false\n",
        );
        self.file(
            &format!("{ws}/tree/.git"),
            0o644,
            format!(
                "gitdir: {}/.git/worktrees/tree\n",
                facts.workspace.display()
            ),
        );
        for (path, mode) in [
            ("file.txt", 0o644),
            (".githooks/pre-push", 0o755),
            (".vscode/settings.json", 0o644),
            (".claude/settings.json", 0o644),
            (".envrc", 0o644),
            ("deploy/run.sh", 0o755),
            ("shelf/file.txt", 0o644),
            ("a/b/file.txt", 0o644),
            ("a/b/.claude/settings.json", 0o644),
            ("a/b/.envrc", 0o644),
        ] {
            self.file(&format!("{ws}/{path}"), mode, format!("{path}\n"));
        }
        self.file(&format!("{ws}/private/key.pem"), 0o600, facts.secret());
    }

    /// Makes what is missing, puts back what differs, removes what is too much. Sockets stay: somebody listens there.
    /// While a ring stands so do the directories in Ringfence's state, which it has mounted.
    pub(super) fn mend(&self, root: &Path, has_ring: bool) -> io::Result<()> {
        for (path, entry) in &self.0 {
            lay(&root.join(path), entry)?;
        }
        for top in ["home", "outside"] {
            self.clear(root, Path::new(top), has_ring)?;
        }
        Ok(())
    }

    fn clear(&self, root: &Path, dir: &Path, has_ring: bool) -> io::Result<()> {
        let is_state = has_ring && dir == Path::new("home").join(STATE);
        for entry in fs::read_dir(root.join(dir))? {
            let entry = entry?;
            let path = dir.join(entry.file_name());
            let kind = entry.file_type()?;
            match self.0.get(&path) {
                Some(Entry::Dir) => self.clear(root, &path, has_ring)?,
                Some(Entry::File { .. }) => {}
                None if kind.is_socket() && entry.metadata()?.nlink() == 1 => {}
                None if kind.is_dir() && is_state => {}
                None if kind.is_dir() => remove_all(&root.join(path))?,
                None => fs::remove_file(root.join(path))?,
            }
        }
        Ok(())
    }
}

/// Removes a directory that may have been left without rights to do so, or (by the kernel, for an overlay) have one
/// such in it.
fn remove_all(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_all(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(path)
}

fn lay(path: &Path, entry: &Entry) -> io::Result<()> {
    let now = path.symlink_metadata().ok();
    match entry {
        Entry::Dir => match now {
            Some(meta) if meta.is_dir() => {
                if meta.mode() & 0o777 != 0o755 {
                    fs::set_permissions(path, Permissions::from_mode(0o755))?;
                }
                Ok(())
            }
            other => {
                if other.is_some() {
                    fs::remove_file(path)?;
                }
                fs::create_dir(path)?;
                fs::set_permissions(path, Permissions::from_mode(0o755))
            }
        },
        Entry::File { mode, bytes } => {
            let same = now.as_ref().is_some_and(|meta| {
                meta.is_file()
                    && meta.mode() & 0o7777 == *mode
                    && meta.nlink() == 1
                    && meta.len() == bytes.len() as u64
            }) && fs::read(path).is_ok_and(|now| now == *bytes);
            if same {
                return Ok(());
            }
            match now {
                Some(meta) if meta.is_dir() => remove_all(path)?,
                Some(_) => fs::remove_file(path)?,
                None => {}
            }
            fs::write(path, bytes)?;
            fs::set_permissions(path, Permissions::from_mode(*mode))
        }
    }
}
