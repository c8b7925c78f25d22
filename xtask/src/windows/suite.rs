//! The tests, built here and run under Wine as somebody who is not root: root passes each of the
//! checks of file modes that stand for Windows' own.

use super::cap::Cap;
use super::inside;
use super::target::{GNU, Toolchain};
use super::wine::Wine;
use super::{LIGHTER, PLACE, cache, packages};
use crate::closing::Counts;
use crate::ordinary_user::{self, Stage};
use crate::run::{self, Account};
use crate::{test, tools};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The profile of nextest.
const PROFILE: &str = "windows";

/// As root: the account that runs the tests.
pub(super) fn account() -> Result<Option<Account>> {
    if run::is_root() {
        return ordinary_user::account(None).map(Some);
    }
    Ok(None)
}

/// Where the tests run, and as whom.
struct Place {
    account: Option<Account>,
    /// Their sources.
    source: PathBuf,
    archive: PathBuf,
    unpacked: PathBuf,
    /// What Wine has on `C:`; new for each run, so that none sees what another left.
    prefix: PathBuf,
    junit: PathBuf,
    nextest: PathBuf,
}

impl Place {
    fn make(root: &Path, account: Option<Account>, nextest: &Path) -> Result<Place> {
        let Some(account) = account else {
            let base = cache::dir(root).join("run");
            fs::create_dir_all(&base).with_context(|| format!("cannot make {}", base.display()))?;
            return Ok(Place {
                account: None,
                source: root.to_owned(),
                archive: base.join("tests.tar.zst"),
                unpacked: base.join("unpacked"),
                prefix: base.join("prefix"),
                junit: root.join("target/nextest").join(PROFILE).join("junit.xml"),
                nextest: nextest.to_owned(),
            });
        };
        let stage = Stage::lay(root, account, nextest, PLACE, &[])?;
        let base = stage.account.home.join(PLACE);
        Ok(Place {
            source: stage.source.clone(),
            archive: stage.archive.clone(),
            unpacked: stage.unpacked.clone(),
            prefix: base.join("prefix"),
            junit: stage.junit(PROFILE),
            nextest: stage.cargo_nextest.clone(),
            account: Some(stage.account),
        })
    }

    /// Nextest on the archive.
    fn command(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.nextest.clone().into()];
        words.extend(["nextest", "run", "--archive-file"].map(OsString::from));
        words.push(self.archive.clone().into());
        words.push("--extract-to".into());
        words.push(self.unpacked.clone().into());
        words.push("--extract-overwrite".into());
        words.push("--workspace-remap".into());
        words.push(self.source.clone().into());
        words.extend(["--profile", PROFILE].map(OsString::from));
        words
    }
}

/// Held as long as the place is used.
fn alone(root: &Path, account: Option<&Account>) -> Result<fs::File> {
    let dir = account.map_or_else(|| cache::dir(root), |account| account.home.clone());
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join("ringfence-windows.lock");
    let file =
        fs::File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Builds the tests and runs them.
pub(super) fn run(
    root: &Path,
    toolchain: &Toolchain,
    wine: &Wine,
    account: Option<Account>,
    rest: &[OsString],
) -> Result<Counts> {
    let nextest = tools::nextest(root)?;
    // Another checkout's tests are laid in the same place: one after the other.
    let _alone = alone(root, account.as_ref())?;
    let place = Place::make(root, account, &nextest)?;
    // What the ledger's tests write with (`.config/nextest.toml` has it archived), and with it all that the tests are
    // made of. The other examples are of rings that stay, which are Linux's.
    let mut writer = toolchain.cargo(root);
    writer.args(["build", "--target", GNU]).args(LIGHTER);
    writer.args(packages()).args(["--example", "append"]);
    run::must_pass(&mut writer)?;
    let mut archive = std::process::Command::new(&nextest);
    toolchain.apply(&mut archive);
    archive.current_dir(root);
    archive.args(["nextest", "archive", "--lib", "--bins", "--tests"]);
    archive.args(["--target", GNU]);
    archive.args(LIGHTER).args(packages());
    archive.arg("--archive-file").arg(&place.archive);
    run::must_pass(&mut archive)?;

    fs::create_dir_all(&place.unpacked)?;
    if place.prefix.exists() {
        fs::remove_dir_all(&place.prefix)
            .with_context(|| format!("cannot remove {}", place.prefix.display()))?;
    }
    let own = std::env::current_exe().context("this program has no path")?;
    let cap = Cap::make();
    let mut tests = cap.contained(&own);
    let mut command = place.command();
    if rest.is_empty() && std::env::var_os(test::THREADS).is_none() {
        // Wine's processes wait for its server, and that for them.
        let threads = test::at_once(1).to_string();
        command.extend(["--test-threads".into(), threads.into()]);
    }
    command.extend(rest.iter().cloned());
    let options = inside::Options {
        account: place.account.as_ref().map(|account| account.name.clone()),
        group: cap.group().map(Path::to_owned),
        wine: wine.program.clone(),
        server: wine.server.clone(),
        prefix: place.prefix.clone(),
        dir: place.source.clone(),
        command,
    };
    options.put(&mut tests);
    let who = options.account.as_deref().unwrap_or("this user");
    let counts = test::pass(
        &format!("Windows tests under Wine as {who}"),
        &mut tests,
        &place.junit,
        rest.is_empty(),
    );
    // Also where the tests could not be started.
    cap.finish()?;
    // Some hundred megabytes that the next run makes anew.
    let _ = fs::remove_dir_all(&place.prefix);
    counts
}
