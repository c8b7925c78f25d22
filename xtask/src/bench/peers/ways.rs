//! Ways to run commands: a sandbox for each, or one program that stays and is asked.

use crate::bench::contender::Contender;
use crate::bench::conversation::Conversation;
use crate::bench::memory::{peak, peak_of_tree};
use crate::bench::serving::Serving;
use crate::bench::tables::whole;
use crate::bench::warm::Warm;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

pub(super) trait Way {
    /// Seconds that `argv` takes. An error where it cannot be run, and where it fails.
    fn once(&mut self, argv: &[&str]) -> Result<f64>;

    /// The sum of the peak resident sizes of all processes, in bytes.
    fn memory(&self) -> Result<f64>;
}

/// It is started for each command.
pub(super) struct Cold(pub(super) Contender);

impl Way for Cold {
    fn once(&mut self, argv: &[&str]) -> Result<f64> {
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        whole(&self.0, &argv)
    }

    /// While `cat` waits in it.
    fn memory(&self) -> Result<f64> {
        peak(&self.0)
    }
}

/// A program that keeps it by its library.
pub(super) struct Library {
    pub(super) program: Warm,
    /// What is said before the command.
    pub(super) first: &'static [&'static str],
}

impl Way for Library {
    fn once(&mut self, argv: &[&str]) -> Result<f64> {
        self.program.once(&[self.first, argv].concat())
    }

    fn memory(&self) -> Result<f64> {
        peak_of_tree(self.program.process())
    }
}

impl Way for Serving {
    fn once(&mut self, argv: &[&str]) -> Result<f64> {
        Serving::once(self, argv)
    }

    fn memory(&self) -> Result<f64> {
        peak_of_tree(self.process())
    }
}

/// `codex app-server`, and its request `command/exec`.
pub(super) struct AppServer {
    server: Conversation,
    workspace: PathBuf,
    asked: u64,
}

impl AppServer {
    pub(super) fn start(mut program: Command, workspace: &Path) -> Result<AppServer> {
        program.stderr(Stdio::null());
        let mut server = AppServer {
            server: Conversation::start(program)?,
            workspace: workspace.to_owned(),
            asked: 0,
        };
        let who = json!({ "clientInfo": { "name": "bench", "title": "bench", "version": "1" } });
        server.ask("initialize", &who)?;
        server.server.say(r#"{"method":"initialized"}"#)?;
        Ok(server)
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.asked += 1;
        let request = json!({ "id": self.asked, "method": method, "params": params });
        self.server.say(&request.to_string())?;
        loop {
            let mut answer: Value = serde_json::from_slice(self.server.hear()?)?;
            if answer["id"] == self.asked {
                let error = &answer["error"];
                ensure!(error.is_null(), "{method}: {error}");
                return Ok(answer["result"].take());
            }
        }
    }
}

impl Way for AppServer {
    fn once(&mut self, argv: &[&str]) -> Result<f64> {
        let params = json!({ "command": argv, "cwd": self.workspace, "sandboxPolicy": {
            "type": "workspaceWrite", "networkAccess": false,
            "excludeSlashTmp": true, "excludeTmpdirEnvVar": true } });
        let start = Instant::now();
        let ended = self.ask("command/exec", &params)?;
        let time = start.elapsed();
        let code = ended["exitCode"].as_i64().context("no exit code")?;
        ensure!(code == 0, "it ended with {ended}");
        Ok(time.as_secs_f64())
    }

    fn memory(&self) -> Result<f64> {
        peak_of_tree(self.server.process())
    }
}
