//! A program that is told lines, and answers with lines.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// It ends when nothing more is said.
pub(super) struct Conversation {
    child: Child,
    lines: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Conversation {
    pub(super) fn start(mut program: Command) -> Result<Conversation> {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.get_program().display()))?;
        let lines = BufReader::with_capacity(1 << 20, child.stdout.take().context("no pipe")?);
        Ok(Conversation {
            child,
            lines,
            line: Vec::new(),
        })
    }

    pub(super) fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("no pipe")?;
        stdin.write_all(format!("{line}\n").as_bytes())?;
        Ok(())
    }

    /// The next line, with its end.
    pub(super) fn hear(&mut self) -> Result<&[u8]> {
        self.line.clear();
        ensure!(
            self.lines.read_until(b'\n', &mut self.line)? > 0,
            "the program is gone"
        );
        Ok(&self.line)
    }

    /// What was heard last.
    pub(super) fn heard(&self) -> &[u8] {
        &self.line
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let mut rest = Vec::new();
        let _ = self.lines.read_to_end(&mut rest);
        let _ = self.child.wait();
    }
}
