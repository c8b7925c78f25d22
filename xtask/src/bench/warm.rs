//! A program that keeps a sandbox, and is told one command after the other.

use super::conversation::Conversation;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// It reads a line for each command, its words with tabs between them, and answers with the microseconds that
/// took, or with another word when it failed.
pub(super) struct Warm(Conversation);

impl Warm {
    /// Ours: the library's example. The first word is `bare` or `ring`; nothing more is `/bin/true`.
    pub(super) fn ring(binaries: &Path, workspace: &Path) -> Result<Warm> {
        let mut program = Command::new(binaries.join("examples/warm"));
        program
            .arg(workspace)
            .arg(binaries.join("ringfence-runner"));
        Warm::start(program)
    }

    /// The same, where nothing is recorded: there is no place for it, and that is accepted.
    pub(super) fn unrecorded(binaries: &Path, workspace: &Path, state: &Path) -> Result<Warm> {
        // Something else stands where the ledger would be.
        std::fs::create_dir(state.join("ringfence"))?;
        std::fs::write(state.join("ringfence/ledger"), "")?;
        let mut program = Command::new(binaries.join("examples/warm"));
        program
            .arg(workspace)
            .arg(binaries.join("ringfence-runner"))
            .env("WARM_UNRECORDED", "1")
            .env("XDG_STATE_HOME", state);
        Warm::start(program)
    }

    pub(super) fn start(program: Command) -> Result<Warm> {
        Ok(Warm(Conversation::start(program)?))
    }

    /// Seconds it took.
    pub(super) fn once(&mut self, words: &[&str]) -> Result<f64> {
        self.0.say(&words.join("\t"))?;
        let answer = String::from_utf8_lossy(self.0.hear()?);
        let micros: u32 = answer
            .trim()
            .parse()
            .with_context(|| format!("it answered {answer:?}"))?;
        Ok(f64::from(micros) / 1e6)
    }

    pub(super) fn process(&self) -> u32 {
        self.0.process()
    }
}
