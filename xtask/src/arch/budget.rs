//! What the runner links: a snapshot of names, so that a new crate in the
//! binary that builds the ring is a line in a diff.

use super::Finding;
use crate::{dist, run, workspace};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;

const SNAPSHOT: &str = "xtask/budget.txt";
const PACKAGE: &str = "ringfence-runner";

pub(super) fn check(root: &Path, update: bool) -> Result<Vec<Finding>> {
    let mut ask = run::cargo(root);
    ask.args([
        "tree",
        "--package",
        PACKAGE,
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    ask.args([
        "--format",
        "{p}",
        "--target",
        &workspace::host_triple(root)?,
        // As it is installed.
        "--target",
        &dist::target(),
    ]);
    let now = names(&run::output(&mut ask)?);
    let path = root.join(SNAPSHOT);
    if update {
        std::fs::write(&path, render(&now))?;
        println!("arch: wrote {SNAPSHOT}: {} crates", now.len());
        return Ok(Vec::new());
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    Ok(compare(&names(&before), &now))
}

/// The first word of each line that is not a comment.
fn names(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn render(names: &BTreeSet<String>) -> String {
    let mut text = String::from(
        "# The crates linked into ringfence-runner. Each one runs before the ring is closed.\n\
         # Made by `cargo xtask arch --update`; `cargo xtask arch` compares.\n",
    );
    for name in names {
        text.push_str(name);
        text.push('\n');
    }
    text
}

fn compare(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<Finding> {
    let finding = |what: String| {
        let remedy = "if it must be so, review it and run `cargo xtask arch --update`";
        Finding::new(SNAPSHOT, what, remedy)
    };
    let grown = now
        .difference(before)
        .map(|name| finding(format!("{PACKAGE} now links {name}")));
    let gone = before
        .difference(now)
        .map(|name| finding(format!("{PACKAGE} links {name} no more")));
    grown.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_crate_and_a_lost_one_are_found() {
        let before = names("# words\nlibc\nserde\n");
        let now = names("libc v0.2.1\nlibc v0.2.1 (*)\ntokio v1.0.0\n");
        let findings = compare(&before, &now);
        assert_eq!(findings.len(), 2);
        assert!(findings[0].what.contains("tokio"));
        assert!(findings[1].what.contains("serde"));
    }

    #[test]
    fn the_snapshot_reads_back() {
        let now = names("a v1\nb v2\n");
        assert!(compare(&names(&render(&now)), &now).is_empty());
    }
}
