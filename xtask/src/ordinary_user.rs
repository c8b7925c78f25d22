//! As root: an ordinary account made for the tests, and a place where it finds
//! the tests and their sources, wherever the checkout lies.

use crate::run::{self, Account};
use crate::tools::SYSTEM_PATH;
use crate::workspace;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The account of the second pass, unless another is named.
pub(crate) const NAME: &str = "ringfence-test";

/// The account `name`; [`NAME`] is made where it is missing.
pub(crate) fn account(name: Option<&str>) -> Result<Account> {
    let name = name.unwrap_or(NAME);
    if let Some(found) = Account::find(name)? {
        return Ok(found);
    }
    anyhow::ensure!(name == NAME, "there is no user `{name}`");
    let mut add = Command::new("useradd");
    run::must_pass(add.args(["--create-home", "--shell", "/bin/sh", NAME]))?;
    Account::find(NAME)?.with_context(|| format!("useradd made no `{NAME}`"))
}

/// What was laid out for the account.
pub(crate) struct Stage {
    pub(crate) account: Account,
    /// The sources, the account's own.
    pub(crate) source: PathBuf,
    /// Where nextest unpacks the test binaries; `target/<triple>/debug` in it holds the real ones.
    pub(crate) unpacked: PathBuf,
    /// The directory of the real binaries.
    pub(crate) binaries: PathBuf,
    /// The archive of test binaries.
    pub(crate) archive: PathBuf,
    path: OsString,
    pub(crate) cargo_nextest: PathBuf,
}

impl Stage {
    /// Lays everything out in the directory `place` of the account's home: the sources, and
    /// the real binaries that are named.
    pub(crate) fn lay(
        root: &Path,
        account: Account,
        nextest: &Path,
        place: &str,
        names: &[&str],
    ) -> Result<Stage> {
        let base = account.home.join(place);
        let source = base.join("source");
        let unpacked = base.join("unpacked");
        let triple = workspace::host_triple(root)?;
        let binaries = unpacked.join("target").join(&triple).join("debug");
        for old in [&source, &unpacked] {
            if old.exists() {
                std::fs::remove_dir_all(old)
                    .with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        std::fs::create_dir_all(&binaries)
            .with_context(|| format!("cannot make {}", binaries.display()))?;
        copy_sources(root, &source)?;
        for name in names {
            copy(
                &workspace::binaries(root, "debug")?.join(name),
                &binaries.join(name),
            )?;
        }
        let archive = base.join("tests.tar.zst");
        let cargo_nextest = reachable(&account, nextest, &base)?;
        let mut path = account.home.join(".cargo/bin").into_os_string();
        path.push(":");
        path.push(SYSTEM_PATH);
        let stage = Stage {
            account,
            source,
            unpacked,
            binaries,
            archive,
            path,
            cargo_nextest,
        };
        stage.own(&[&base, &stage.source, &stage.unpacked])?;
        Ok(stage)
    }

    /// Gives the account the first of `paths`, and the others with all that is in them.
    fn own(&self, paths: &[&Path]) -> Result<()> {
        let owner = format!("{}:{}", self.account.uid, self.account.gid);
        for (number, path) in paths.iter().enumerate() {
            let mut chown = Command::new("chown");
            if number > 0 {
                chown.arg("--recursive");
            }
            run::must_pass(chown.arg("--no-dereference").arg(&owner).arg(path))?;
        }
        Ok(())
    }

    /// `cargo nextest run` on the archive, as the account.
    pub(crate) fn nextest(&self) -> Command {
        let mut command = Command::new(&self.cargo_nextest);
        self.account.become_in(&mut command);
        command.current_dir(&self.source);
        command.env("PATH", &self.path);
        command
            .args(["nextest", "run", "--archive-file"])
            .arg(&self.archive);
        command
            .arg("--extract-to")
            .arg(&self.unpacked)
            .arg("--extract-overwrite");
        command.arg("--workspace-remap").arg(&self.source);
        command
    }

    /// What nextest counted: it writes below the workspace that the archive is mapped to.
    pub(crate) fn junit(&self, profile: &str) -> PathBuf {
        self.source
            .join("target/nextest")
            .join(profile)
            .join("junit.xml")
    }
}

/// Whether `account` can run `file`.
pub(crate) fn can_run(account: &Account, file: &Path) -> bool {
    let mut test = Command::new("/usr/bin/test");
    account.become_in(&mut test);
    test.arg("-x")
        .arg(file)
        .current_dir("/")
        .stdin(Stdio::null());
    test.status().is_ok_and(|status| status.success())
}

/// `program`, or a copy of it where the account reaches it.
fn reachable(account: &Account, program: &Path, base: &Path) -> Result<PathBuf> {
    if can_run(account, program) {
        return Ok(program.to_owned());
    }
    let name = program.file_name().context("a program without a name")?;
    let there = base.join(name);
    copy(program, &there)?;
    Ok(there)
}

/// Copies what git knows, and what it would take: never the build directory.
fn copy_sources(root: &Path, to: &Path) -> Result<()> {
    let mut list = Command::new("git");
    list.current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listed = list
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start git")?;
    anyhow::ensure!(
        listed.status.success(),
        "git ls-files failed in {}",
        root.display()
    );
    for name in listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = PathBuf::from(OsString::from_vec(name.to_vec()));
        let from = root.join(&name);
        // A file may be deleted and not yet committed so.
        if from.is_file() {
            copy(&from, &to.join(&name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
