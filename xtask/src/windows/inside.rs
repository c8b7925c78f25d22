//! What runs within the bounds: Wine is started, the tests run, Wine is ended, and nothing of it
//! may be left.

use super::cap;
use super::target::GNU;
use crate::run::{self, Account};
use crate::tools::SYSTEM_PATH;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for one call of Wine that prepares or ends it. Making a prefix takes about three.
const CALL: &str = "120";

/// What each of Wine's processes is told. Its own diagnostics are thousands of lines.
const SETTINGS: [(&str, &str); 2] = [
    ("WINEDEBUG", "-all"),
    // No browser, no .NET, no menu entries on this machine's desktop; and no debugger, which is
    // started for each program that crashes, crashes itself, and is started for that.
    (
        "WINEDLLOVERRIDES",
        "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=",
    ),
];

/// What a prefix is changed by: no window is drawn, and a program that crashes ends at once
/// instead of waiting for a debugger.
const REGISTRY: [&[&str]; 2] = [
    &[
        "add",
        r"HKCU\Software\Wine\Drivers",
        "/v",
        "Graphics",
        "/d",
        "null",
        "/f",
    ],
    &[
        "delete",
        r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug",
        "/v",
        "Debugger",
        "/f",
    ],
];

/// What the outer process tells this one.
pub(crate) struct Options {
    /// Who runs Wine, when root does not.
    pub(crate) account: Option<String>,
    /// The control group to join.
    pub(crate) group: Option<PathBuf>,
    pub(crate) wine: PathBuf,
    pub(crate) server: PathBuf,
    /// Where Wine keeps what Windows would have on `C:`, and the registry. It is made here.
    pub(crate) prefix: PathBuf,
    /// The directory of the tests' sources.
    pub(crate) dir: PathBuf,
    /// The tests: a program and its arguments.
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// Appends them to the command line of this program.
    pub(super) fn put(&self, command: &mut Command) {
        command.args(["windows", "inside"]);
        if let Some(account) = &self.account {
            command.args(["--account", account]);
        }
        if let Some(group) = &self.group {
            command.arg("--group").arg(group);
        }
        command.arg("--wine").arg(&self.wine);
        command.arg("--server").arg(&self.server);
        command.arg("--prefix").arg(&self.prefix);
        command.arg("--dir").arg(&self.dir);
        command.arg("--").args(&self.command);
    }
}

/// Whether the tests passed. An error if Wine could not be started, or did not end.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if let Some(group) = &options.group {
        cap::join(group)?;
    }
    let account = match &options.account {
        Some(name) => {
            Some(Account::find(name)?.with_context(|| format!("there is no user `{name}`"))?)
        }
        None => None,
    };
    let inside = Inside { options, account };
    let passed = inside.start().and_then(|()| inside.tests());
    let ended = inside.end();
    let passed = passed?;
    ended?;
    Ok(passed)
}

struct Inside<'a> {
    options: &'a Options,
    account: Option<Account>,
}

impl Inside<'_> {
    /// `program` as the account and under its limit, with Wine's variables and nothing of a
    /// desktop around it.
    fn command(&self, program: &Path) -> Command {
        let mut command = cap::limited_account(program);
        if let Some(account) = &self.account {
            account.become_in(&mut command);
            command.env("PATH", SYSTEM_PATH);
        }
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "WINEARCH", "WINELOADER"] {
            command.env_remove(name);
        }
        command.env("WINEPREFIX", &self.options.prefix);
        command.envs(SETTINGS).current_dir(&self.options.dir);
        command
    }

    /// One call that prepares or ends, with a limit of its own. The daemons that it starts
    /// inherit its descriptors: they must not hold those of the tests, nor a pipe.
    fn call(&self, program: &Path, words: &[&OsStr]) -> Result<()> {
        let mut command = self.command(Path::new("timeout"));
        command
            .args(["--signal=KILL", CALL])
            .arg(program)
            .args(words);
        let said = std::env::temp_dir().join(format!("ringfence-wine-{}.log", std::process::id()));
        let file =
            File::create(&said).with_context(|| format!("cannot make {}", said.display()))?;
        command.stdin(Stdio::null());
        command.stdout(file.try_clone()?).stderr(file);
        let status = command.status().context("cannot start prlimit")?;
        let text = fs::read_to_string(&said).unwrap_or_default();
        fs::remove_file(&said)?;
        let shown = run::shown(&command);
        ensure!(status.success(), "{shown}: {status}\n{}", text.trim_end());
        Ok(())
    }

    /// A new prefix, and a server that stays, with the services of Windows: were they started by
    /// the first test, they would hold its output open.
    fn start(&self) -> Result<()> {
        self.call(Path::new("mkdir"), &[self.options.prefix.as_os_str()])?;
        self.server("--persistent")?;
        self.wine(&["wineboot", "--init"])?;
        for words in REGISTRY {
            let words: Vec<&str> = ["reg"].iter().chain(words).copied().collect();
            self.wine(&words)?;
        }
        self.wine(&["cmd", "/c", "exit"])
    }

    fn wine(&self, words: &[&str]) -> Result<()> {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        self.call(&self.options.wine, &words)
    }

    fn server(&self, word: &str) -> Result<()> {
        self.call(&self.options.server, &[OsStr::new(word)])
    }

    fn tests(&self) -> Result<bool> {
        let (program, words) = self
            .options
            .command
            .split_first()
            .context("no tests named")?;
        let mut tests = self.command(Path::new(program));
        tests.args(words);
        let runner = format!(
            "CARGO_TARGET_{}_RUNNER",
            GNU.to_uppercase().replace('-', "_")
        );
        tests.env(runner, &self.options.wine);
        // It would ask cargo, which does not run in Wine.
        tests.env("INSTA_WORKSPACE_ROOT", &self.options.dir);
        run::passes(&mut tests)
    }

    /// Ends the server, and with it what is connected to it; and holds that it did.
    fn end(&self) -> Result<()> {
        // Without a server, as after a failed start, there is none to end: what counts is below.
        let _ = self.server("--kill");
        let _ = self.server("--wait");
        for (pid, _) in left()? {
            cap::gone(pid);
        }
        let left = left()?;
        if !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|(_, name)| name.as_str()).collect();
            bail!("of Wine these did not end: {}", names.join(", "));
        }
        Ok(())
    }
}

/// The processes of this namespace that are neither its first one nor this.
fn left() -> Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")
        .context("cannot read /proc")?
        .filter_map(Result::ok)
    {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if pid == 1 || pid == std::process::id() {
            continue;
        }
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        // One that has ended and waits to be taken has none.
        if !line.is_empty() {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            found.push((pid, line.trim_end().to_owned()));
        }
    }
    Ok(found)
}
