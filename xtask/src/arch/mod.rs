//! `cargo xtask arch`: the rules of ARCHITECTURE.md, checked.

mod budget;
mod edges;
mod sources;

use crate::source::Tree;
use crate::workspace;
use anyhow::{Context, Result};
use std::path::Path;

/// A broken rule: where, what, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Finding {
    fn new(file: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding {
            file: file.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

pub(crate) fn run(root: &Path, update: bool) -> Result<bool> {
    let packages = workspace::packages(root)?;
    let tree = read_tree(root)?;
    let mut findings = edges::check(&packages);
    findings.extend(edges::check_manifests(&packages, &tree));
    findings.extend(sources::check(&packages, &tree));
    findings.extend(budget::check(root, update)?);
    for finding in &findings {
        eprintln!(
            "{}: {}\n  remedy: {}",
            finding.file, finding.what, finding.remedy
        );
    }
    let files = tree.keys().filter(|file| file.ends_with(".rs")).count();
    let (crates, broken) = (packages.len(), findings.len());
    println!("arch: {crates} crates, {files} source files, {broken} findings");
    Ok(findings.is_empty())
}

/// Every Rust source and manifest of the workspace.
pub(crate) fn read_tree(root: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    for top in ["crates", "tests", "xtask", "from-source"] {
        let dir = root.join(top);
        if dir.is_dir() {
            read_dir(root, &dir, &mut tree)?;
        }
    }
    Ok(tree)
}

fn read_dir(root: &Path, dir: &Path, tree: &mut Tree) -> Result<()> {
    let shown = || format!("cannot read {}", dir.display());
    for entry in std::fs::read_dir(dir).with_context(shown)? {
        let entry = entry.with_context(shown)?;
        let path = entry.path();
        let kind = entry.file_type().with_context(shown)?;
        let name = entry.file_name();
        // `data` and `fixtures` hold projects that tests work on, not our sources.
        let skipped = ["target", "data", "fixtures", ".git"]
            .iter()
            .any(|skip| name == *skip);
        if kind.is_dir() && !skipped {
            read_dir(root, &path, tree)?;
        }
        let wanted = path.extension().is_some_and(|ext| ext == "rs") || name == "Cargo.toml";
        if kind.is_file() && wanted {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let relative = path.strip_prefix(root)?.to_string_lossy().into_owned();
            tree.insert(relative, text);
        }
    }
    Ok(())
}
