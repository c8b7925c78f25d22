//! Peak memory of all that a command takes to run.

use super::contender::Contender;
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

/// Who has not given a byte back by then keeps it until the end.
const BACK: Duration = Duration::from_secs(10);

/// The sum of the peak resident sizes of all processes of a run of `cat`, while it waits, in bytes.
pub(super) fn peak(one: &Contender) -> Result<f64> {
    let mut command = one.command(&["/bin/cat".into()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no pipe")?;
    let mut output = child.stdout.take().context("no pipe")?;
    // When the byte is back, everything is up and in its place.
    input.write_all(b"x")?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(output.read_exact(&mut [0])));
    let back = told.recv_timeout(BACK);
    let peak = peak_of_tree(child.id());
    drop(input);
    if back.is_err() {
        child.kill()?;
    }
    child.wait()?;
    back.context("the byte does not come back")??;
    peak
}

/// The sum of `VmHWM` over `root` and its descendants, in bytes.
pub(super) fn peak_of_tree(root: u32) -> Result<f64> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
            continue;
        };
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let parent = field("PPid:").unwrap_or(0);
        parents.push((pid, parent, field("VmHWM:").unwrap_or(0) * 1024));
    }
    let mut tree = vec![u64::from(root)];
    let mut at = 0;
    while at < tree.len() {
        let children = parents.iter().filter(|(_, parent, _)| *parent == tree[at]);
        tree.extend(
            children
                .map(|(pid, ..)| u64::from(*pid))
                .collect::<Vec<_>>(),
        );
        at += 1;
    }
    let inside = parents
        .iter()
        .filter(|(pid, ..)| tree.contains(&u64::from(*pid)));
    let sum: u64 = inside.map(|(.., peak)| peak).sum();
    ensure!(sum > 0, "the process has ended");
    #[expect(clippy::cast_precision_loss, reason = "a gigabyte fits")]
    Ok(sum as f64)
}
