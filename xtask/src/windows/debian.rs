//! Packages of another release of Debian than this machine's, unpacked without being installed:
//! with lists of their own, so that what apt knows about this machine stays as it is.

use crate::run;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What signs all of Debian's releases.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One release of Debian, read into lists of its own.
pub(super) struct Release {
    dir: PathBuf,
}

impl Release {
    /// Reads the list of `release` from the mirror that this machine uses, into `dir`.
    pub(super) fn read(dir: &Path, release: &str) -> Result<Release> {
        ensure!(
            Path::new(KEYRING).is_file(),
            "{KEYRING} is missing, so Debian's packages cannot be verified; \
             install the package debian-archive-keyring"
        );
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = dir.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        let source = format!(
            "deb [arch=amd64 signed-by={KEYRING}] {} {release} main\n",
            mirror()?
        );
        fs::write(dir.join("sources.list"), source)?;
        fs::write(dir.join("status"), "")?;
        let read = Release {
            dir: dir.to_owned(),
        };
        run::must_pass(read.apt("apt-get").arg("update"))?;
        Ok(read)
    }

    /// The versions of `package` there are.
    pub(super) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let listed = run::output(self.apt("apt-cache").args(["madison", package]))?;
        Ok(versions(&listed))
    }

    /// Downloads packages (`name` or `name=version`) into `to`. Apt holds them against the
    /// hashes of the signed list.
    pub(super) fn download(&self, packages: &[&str], to: &Path) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        let mut download = self.apt("apt-get");
        download.arg("download").args(packages).current_dir(to);
        run::must_pass(&mut download)?;
        let mut files: Vec<PathBuf> = fs::read_dir(to)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect();
        files.sort();
        Ok(files)
    }

    /// A program of apt that knows only this release, and no machine.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-qq");
        let places = [
            ("Dir::Etc::SourceList", "sources.list"),
            ("Dir::State::Lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
        ];
        for (option, place) in places {
            let value = self.dir.join(place);
            command
                .arg("-o")
                .arg(format!("{option}={}", value.display()));
        }
        for option in [
            "Dir::Etc::SourceParts=/dev/null",
            "Acquire::Languages=none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "Acquire::Retries=3",
            // Apt's own account does not reach a build directory.
            "APT::Sandbox::User=root",
        ] {
            command.args(["-o", option]);
        }
        command
    }
}

/// Where this machine gets Debian from.
fn mirror() -> Result<String> {
    let ask = || {
        let mut ask = Command::new("apt-get");
        ask.args(["indextargets", "--format", "$(LABEL) $(REPO_URI)"]);
        run::output(&mut ask)
    };
    let here = |listed: &str| listed.lines().find_map(mirror_of);
    ensure!(
        run::on_path("apt-get").is_some(),
        "apt-get is missing: this machine is no Debian, whose packages would be used"
    );
    if let Some(mirror) = here(&ask()?) {
        return Ok(mirror);
    }
    // On a new machine nothing was read yet.
    if run::is_root() {
        run::must_pass(Command::new("apt-get").args(["update", "--quiet=2"]))?;
        if let Some(mirror) = here(&ask()?) {
            return Ok(mirror);
        }
    }
    bail!("apt knows no mirror of Debian here; on a Debian: sudo apt-get update")
}

/// The address in a line of `LABEL ADDRESS`, if the label is that of Debian itself (its security
/// updates lie elsewhere and are labelled otherwise).
fn mirror_of(line: &str) -> Option<String> {
    let (label, address) = line.split_once(' ')?;
    (label == "Debian").then(|| address.trim().trim_end_matches('/').to_owned())
}

/// The second column of what `apt-cache madison` prints.
fn versions(listed: &str) -> Vec<String> {
    listed
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(|version| version.trim().to_owned())
        .collect()
}

/// Unpacks the package `deb` into `to`. `tar` takes what is to be left out or stripped.
pub(super) fn unpack(deb: &Path, to: &Path, tar: &[&str]) -> Result<()> {
    let mut contents = Command::new("dpkg-deb");
    contents.arg("--fsys-tarfile").arg(deb);
    contents.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut contents = contents.spawn().context("cannot start dpkg-deb")?;
    let stream = contents.stdout.take().context("dpkg-deb has no output")?;
    let mut unpack = Command::new("tar");
    unpack.args(["--extract", "--no-same-owner", "--directory"]);
    unpack.arg(to).args(tar).stdin(stream);
    let unpacked = unpack.status().context("cannot start tar")?;
    // Without this end of the pipe a tar that failed early would leave dpkg-deb waiting.
    drop(unpack);
    let read = contents.wait()?;
    ensure!(
        read.success() && unpacked.success(),
        "cannot unpack {}: dpkg-deb {read}, tar {unpacked}",
        deb.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_debians_own_and_not_that_of_its_security_updates() {
        let security = "Debian-Security http://mirror.example/debian-security/";
        assert_eq!(mirror_of(security), None);
        assert_eq!(
            mirror_of("Debian http://mirror.example/debian/").as_deref(),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn versions_are_read_from_apts_table() {
        let listed = "  rust-src | 1.95.0+dfsg1-1~bpo13+1 | http://x trixie-backports/main amd64\n\
                      \x20 rust-src | 1.94.1-1 | http://x\n";
        assert_eq!(
            versions(listed),
            ["1.95.0+dfsg1-1~bpo13+1", "1.94.1-1"].map(str::to_owned)
        );
    }
}
