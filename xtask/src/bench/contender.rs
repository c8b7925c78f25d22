//! Who is measured: the bare command, bubblewrap with a like policy, Ringfence.

use crate::run;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One way to run a command in a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    /// What stands before the command.
    prefix: Vec<OsString>,
    /// Variables it gets beside ours.
    variables: Vec<(&'static str, OsString)>,
    workspace: PathBuf,
}

impl Contender {
    pub(crate) fn bare(workspace: &Path) -> Contender {
        Contender::new("bare", workspace, Vec::new())
    }

    /// `ringfence run` with its defaults, and `roots` more write roots.
    pub(crate) fn ringfence(binaries: &Path, workspace: &Path, roots: &[PathBuf]) -> Contender {
        let mut prefix = vec![binaries.join("ringfence").into_os_string(), "run".into()];
        for root in roots {
            prefix.extend(["--write".into(), root.clone().into_os_string()]);
        }
        prefix.push("--".into());
        Contender::new("ringfence", workspace, prefix)
    }

    /// The same, with its calls looked at.
    pub(crate) fn traced(binaries: &Path, workspace: &Path) -> Contender {
        let own = binaries.join("ringfence").into_os_string();
        let prefix = vec![own, "run".into(), "--trace".into(), "--".into()];
        Contender::new("ringfence, looked at", workspace, prefix)
    }

    /// bubblewrap, where it is installed: all readable, the workspace and `roots` writable, git's
    /// hooks and configuration read-only, no network.
    pub(crate) fn bwrap(workspace: &Path, roots: &[PathBuf]) -> Option<Contender> {
        let mut prefix = vec![run::on_path("bwrap")?.into_os_string()];
        let words = "--ro-bind / / --dev /dev --proc /proc --tmpfs /tmp";
        prefix.extend(words.split(' ').map(OsString::from));
        let mut bind = |kind: &str, path: &Path| {
            prefix.extend([kind.into(), path.into(), path.into()]);
        };
        bind("--bind", workspace);
        for root in roots {
            bind("--bind", root);
        }
        for protected in [".git/hooks", ".git/config"] {
            let path = workspace.join(protected);
            if path.exists() {
                bind("--ro-bind", &path);
            }
        }
        let words = "--unshare-all --die-with-parent --cap-drop ALL --";
        prefix.extend(words.split(' ').map(OsString::from));
        Some(Contender::new("bwrap", workspace, prefix))
    }

    /// bubblewrap with each mask, hidden path, private directory and protected path of the very
    /// plan that Ringfence makes here (`run --explain`). Still without its seccomp filter,
    /// Landlock and limits.
    pub(crate) fn bwrap_alike(binaries: &Path, workspace: &Path) -> Option<Contender> {
        let explained = Command::new(binaries.join("ringfence"))
            .args(["run", "--explain", "--", "/bin/true"])
            .current_dir(workspace)
            .output()
            .ok()?;
        let plan = String::from_utf8(explained.stdout).ok()?;
        let mut prefix = vec![run::on_path("bwrap")?.into_os_string()];
        let words = "--ro-bind / / --dev /dev --proc /proc";
        prefix.extend(words.split(' ').map(OsString::from));
        for line in plan.lines() {
            // `  12 must protect /path  [promise]`
            let Some((step, _)) = line.rsplit_once("  [") else {
                continue;
            };
            let mut fields = step.split_whitespace().skip(2);
            let (Some(verb), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let words: Vec<&str> = match verb {
                "private" | "mask" if path.starts_with('/') => vec!["--tmpfs", path],
                "hide" if Path::new(path).is_dir() => vec!["--tmpfs", path],
                "hide" => vec!["--ro-bind", "/dev/null", path],
                "writable" | "pin" => vec!["--bind", path, path],
                "protect" => vec!["--ro-bind", path, path],
                _ => continue,
            };
            prefix.extend(words.into_iter().map(OsString::from));
        }
        let words = "--unshare-all --die-with-parent --cap-drop ALL --";
        prefix.extend(words.split(' ').map(OsString::from));
        Some(Contender::new("bwrap, the same plan", workspace, prefix))
    }

    /// util-linux's `unshare`: the same namespaces and nothing in them, as a floor. It execs the command
    /// from its own child, so that it starts one program fewer than a ring with a runner.
    pub(crate) fn unshare(workspace: &Path) -> Option<Contender> {
        let mut prefix = vec![run::on_path("unshare")?.into_os_string()];
        let words = "--user --map-root-user --pid --fork --mount --net --ipc --uts --";
        prefix.extend(words.split(' ').map(OsString::from));
        Some(Contender::new(
            "unshare, the namespaces alone",
            workspace,
            prefix,
        ))
    }

    /// The same, and a mount for each write root by the calls that a runner makes: what write roots
    /// cost before anything is looked for in one.
    pub(crate) fn mounts(churn: &Path, workspace: &Path, roots: &[PathBuf]) -> Option<Contender> {
        let mut mounts = Contender::unshare(workspace)?;
        mounts.prefix.extend([churn.into(), "mounts".into()]);
        mounts
            .prefix
            .extend(roots.iter().map(|root| root.clone().into_os_string()));
        mounts.prefix.push("--".into());
        Some(mounts)
    }

    /// All three, as far as they are installed.
    pub(crate) fn all(binaries: &Path, workspace: &Path, roots: &[PathBuf]) -> Vec<Contender> {
        let mut all = vec![Contender::bare(workspace)];
        all.extend(Contender::bwrap(workspace, roots));
        all.push(Contender::ringfence(binaries, workspace, roots));
        all
    }

    pub(crate) fn named(mut self, name: impl Into<String>) -> Contender {
        self.name = name.into();
        self
    }

    /// The same, ended after so many seconds.
    pub(crate) fn at_most(&self, seconds: u32) -> Contender {
        let mut limited = self.clone();
        let words = ["timeout".into(), seconds.to_string().into()];
        limited.prefix.splice(0..0, words);
        limited
    }

    /// The same, with a variable.
    pub(crate) fn with(mut self, variable: &'static str, value: impl Into<OsString>) -> Contender {
        self.variables.push((variable, value.into()));
        self
    }

    /// Whatever is started by `prefix` and the command behind it.
    pub(crate) fn new(name: &str, workspace: &Path, prefix: Vec<OsString>) -> Contender {
        Contender {
            name: name.to_owned(),
            prefix,
            variables: Vec::new(),
            workspace: workspace.to_owned(),
        }
    }

    /// The command line that runs `argv` this way, without input and output.
    pub(crate) fn command(&self, argv: &[OsString]) -> Command {
        let mut words = self.prefix.iter().chain(argv);
        let mut command = Command::new(words.next().map_or("true".as_ref(), OsString::as_os_str));
        command.args(words).current_dir(&self.workspace);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs `argv` once unmeasured. `None` when it works; else what it said.
    pub(crate) fn warm_up(&self, argv: &[OsString]) -> Option<String> {
        let output = self.command(argv).stderr(Stdio::piped()).output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let line = said.lines().next().unwrap_or("no word");
                Some(format!("{}: {line}", output.status))
            }
            Err(error) => Some(error.to_string()),
        }
    }
}
