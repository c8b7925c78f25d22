//! A client of `ringfence serve` that does as little as one can, so that what is measured is the server.

use super::conversation::Conversation;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A server, with a ring.
pub(super) struct Serving(Conversation);

impl Serving {
    pub(super) fn start(binaries: &Path, workspace: &Path) -> Result<Serving> {
        let mut program = Command::new(binaries.join("ringfence"));
        program.args(["serve", "--no-socket"]);
        let mut server = Conversation::start(program)?;
        server
            .say(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"versions":[1]}}"#)?;
        server.hear()?;
        let open = serde_json::json!({ "jsonrpc": "2.0", "id": 2, "method": "ring.open",
            "params": { "workspace": workspace } });
        server.say(&open.to_string())?;
        ensure!(
            server
                .hear()?
                .starts_with(br#"{"jsonrpc":"2.0","id":2,"result""#),
            "no ring: {}",
            String::from_utf8_lossy(server.heard())
        );
        Ok(Serving(server))
    }

    pub(super) fn process(&self) -> u32 {
        self.0.process()
    }

    /// Seconds from asking for a command until its end is told.
    pub(super) fn once(&mut self, argv: &[&str]) -> Result<f64> {
        let start = Instant::now();
        self.begin(argv)?;
        while !self.is_end()? {}
        let time = start.elapsed();
        let end = String::from_utf8_lossy(self.0.heard());
        ensure!(end.contains(r#""code":0,"#), "it ended with {end}");
        Ok(time.as_secs_f64())
    }

    /// Whether what is said next is a command's end. A refusal would be followed by none.
    fn is_end(&mut self) -> Result<bool> {
        let line = self.0.hear()?;
        ensure!(
            !line.starts_with(br#"{"jsonrpc":"2.0","id":3,"error""#),
            "refused: {}",
            String::from_utf8_lossy(line)
        );
        Ok(is_end(line))
    }

    fn begin(&mut self, argv: &[&str]) -> Result<()> {
        let words = serde_json::to_string(argv)?;
        self.0.say(&format!(
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
        while !self.is_end()? {
            if let Some(offset) = offset(self.0.heard()) {
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
