//! A process outside that minds its own business.

use crate::facts::Facts;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// The victim; it ends when its input does, so it never outlives the tester.
#[derive(Debug)]
pub(super) struct Victim {
    child: Child,
    secret: (usize, usize),
}

impl Victim {
    /// Starts one and learns where its secret is.
    pub(super) fn start(facts: &Facts) -> io::Result<Self> {
        let mut command = Command::new(&facts.probe);
        command
            .arg("victim")
            .arg(facts.marker("victim"))
            .arg(facts.secret());
        command
            .current_dir(&facts.outside)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
        let (Some(at), Some(len)) = (numbers.next(), numbers.next()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        };
        Ok(Self {
            child,
            secret: (at, len),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap_or(0)
    }

    pub(super) const fn secret(&self) -> (usize, usize) {
        self.secret
    }

    pub(super) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(super) fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.end();
    }
}
