//! A client of `ringfence serve` that does as little as one can, so that what is measured is the server.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A server, with a ring.
pub(super) struct Serving {
    child: Child,
    lines: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Serving {
    pub(super) fn start(binaries: &Path, workspace: &Path) -> Result<Serving> {
        let program = binaries.join("ringfence");
        let mut child = Command::new(&program)
            .args(["serve", "--no-socket"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let lines = BufReader::with_capacity(1 << 20, child.stdout.take().context("no pipe")?);
        let mut serving = Serving {
            child,
            lines,
            line: Vec::new(),
        };
        serving
            .say(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"versions":[1]}}"#)?;
        serving.hear()?;
        let open = serde_json::json!({ "jsonrpc": "2.0", "id": 2, "method": "ring.open",
            "params": { "workspace": workspace } });
        serving.say(&open.to_string())?;
        ensure!(
            serving
                .hear()?
                .starts_with(br#"{"jsonrpc":"2.0","id":2,"result""#),
            "no ring: {}",
            String::from_utf8_lossy(&serving.line)
        );
        Ok(serving)
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("no pipe")?;
        stdin.write_all(format!("{line}\n").as_bytes())?;
        Ok(())
    }

    fn hear(&mut self) -> Result<&[u8]> {
        self.line.clear();
        ensure!(
            self.lines.read_until(b'\n', &mut self.line)? > 0,
            "the server is gone"
        );
        Ok(&self.line)
    }

    /// Seconds from asking for a command until its end is told.
    pub(super) fn once(&mut self, argv: &[&str]) -> Result<f64> {
        let start = Instant::now();
        self.begin(argv)?;
        while !is_end(self.hear()?) {}
        Ok(start.elapsed().as_secs_f64())
    }

    fn begin(&mut self, argv: &[&str]) -> Result<()> {
        let words = serde_json::to_string(argv)?;
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":3,"method":"command.start","params":{{"ring":1,"argv":{words}}}}}"#
        ))
    }

    /// Bytes of a command's output a second, from the first one on. They are not decoded: what is measured
    /// is how fast they come.
    pub(super) fn bytes(&mut self, argv: &[&str], size: u64) -> Result<f64> {
        self.begin(argv)?;
        let mut first = 0;
        let mut start = None;
        let mut next = 0;
        while !is_end(self.hear()?) {
            if let Some(offset) = offset(&self.line) {
                next = offset;
                if start.is_none() {
                    start = Some(Instant::now());
                }
                if first == 0 && offset > 0 {
                    first = offset;
                    start = Some(Instant::now());
                }
            }
        }
        let time = start.context("nothing was printed")?.elapsed();
        ensure!(
            next < size && size - next <= 1 << 20,
            "{next} of {size} bytes"
        );
        #[expect(clippy::cast_precision_loss, reason = "a gigabyte fits")]
        Ok((size - first) as f64 / time.as_secs_f64())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let mut rest = Vec::new();
        let _ = self.lines.read_to_end(&mut rest);
        let _ = self.child.wait();
    }
}

fn is_end(line: &[u8]) -> bool {
    line.starts_with(br#"{"jsonrpc":"2.0","method":"command.ended""#)
}

/// Where a piece of output begins.
fn offset(line: &[u8]) -> Option<u64> {
    const MARK: &[u8] = br#""offset":"#;
    let head = line.get(..line.len().min(160))?;
    let at = head.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits = head.get(at..)?;
    let end = digits.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}
