//! Running other programs.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The cargo that runs this program, so that the pinned toolchain is kept.
pub(crate) fn cargo(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root);
    command
}

/// Runs `command` with our own stdout and stderr. Whether it exited with 0.
pub(crate) fn passes(command: &mut Command) -> Result<bool> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    Ok(status.success())
}

/// Like [`passes`], with what it wrote in `said` instead of ours: for what runs beside something else.
pub(crate) fn passes_and_says(command: &mut Command, said: &mut String) -> Result<bool> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    for written in [&output.stdout, &output.stderr] {
        said.push_str(&String::from_utf8_lossy(written));
    }
    Ok(output.status.success())
}

/// Like [`passes`], but anything other than 0 is an error that names the command.
pub(crate) fn must_pass(command: &mut Command) -> Result<()> {
    if !passes(command)? {
        bail!("{} failed", shown(command));
    }
    Ok(())
}

/// What `command` writes to stdout. Its stderr is ours.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} wrote no UTF-8", shown(command)))
}

/// The command line, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where `program` lies on this process's `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    on_path_of(program, &path)
}

/// Where `program` lies on `path`.
pub(crate) fn on_path_of(program: &str, path: &OsStr) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(path)
        .map(|dir| dir.join(program))
        .find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of one's own entry in /proc is one's effective user.
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// A user to run tests as.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: PathBuf,
}

impl Account {
    /// The account called `name`, if there is one.
    pub(crate) fn find(name: &str) -> Result<Option<Account>> {
        let mut ask = Command::new("getent");
        ask.args(["passwd", name]).stdin(Stdio::null());
        let answer = ask.output().context("cannot start getent")?;
        let line = String::from_utf8_lossy(&answer.stdout).into_owned();
        let fields: Vec<&str> = line.trim_end().split(':').collect();
        if let [name, _, uid, gid, _, home, ..] = fields[..] {
            return Ok(Some(Account {
                name: name.to_owned(),
                uid: uid.parse()?,
                gid: gid.parse()?,
                home: home.into(),
            }));
        }
        Ok(None)
    }

    /// Makes `command` run as this account, with an environment of its own.
    pub(crate) fn become_in(&self, command: &mut Command) {
        // Setting the uid as root also empties the supplementary groups.
        command.uid(self.uid).gid(self.gid);
        command.env_clear();
        for kept in ["CI", "LANG", "TERM", "RUST_BACKTRACE", "RUSTUP_TOOLCHAIN"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("HOME", &self.home);
        command.env("USER", &self.name);
        command.env("LOGNAME", &self.name);
        command.env("SHELL", "/bin/sh");
    }
}
