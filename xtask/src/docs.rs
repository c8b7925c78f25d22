//! `cargo xtask ci --only docs`: what the documents point at is there.

use crate::arch;
use crate::source::Tree;
use anyhow::{Context, Result};
use std::path::Path;

/// The document whose last column names tests.
const THREATS: &str = "docs/threat-model.md";

pub(crate) fn run(root: &Path) -> Result<bool> {
    let mut broken = Vec::new();
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    for file in &files {
        let text = std::fs::read_to_string(root.join(file))
            .with_context(|| format!("cannot read {file}"))?;
        let dir = Path::new(file).parent().unwrap_or(Path::new(""));
        for (line, target) in links(&text) {
            if !root.join(dir).join(&target).exists() {
                broken.push(format!("{file}:{line}: nothing lies at `{target}`"));
            }
        }
        if file == THREATS {
            let tree = arch::read_tree(root)?;
            for (line, name) in cited_tests(&text) {
                if !is_known(&tree, &name) {
                    broken.push(format!(
                        "{file}:{line}: no test or probe is called `{name}`"
                    ));
                }
            }
        }
    }
    for what in &broken {
        eprintln!("{what}\n  remedy: mend the document, or what it points at");
    }
    println!("docs: {} documents, {} findings", files.len(), broken.len());
    Ok(broken.is_empty())
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What was built or installed is not ours to mend.
        let built = name.starts_with('.') || name == "target" || name == "node_modules";
        if path.is_dir() && !built {
            collect(root, &path, files)?;
        } else if name.ends_with(".md") {
            files.push(path.strip_prefix(root)?.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// The relative targets of `[words](target)`, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for after in line.split("](").skip(1) {
            let target = after.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                found.push((number + 1, target.to_owned()));
            }
        }
    }
    found
}

/// The names between backticks in the last column of each table row that starts with a number.
fn cited_tests(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').collect();
        // One that came between two has a letter: 34a.
        let row = cells[0]
            .trim()
            .trim_end_matches(|c: char| c.is_ascii_lowercase());
        if cells.len() < 2 || row.parse::<u32>().is_err() {
            continue;
        }
        let last = cells[cells.len() - 1];
        let names = last.split('`').skip(1).step_by(2);
        found.extend(names.map(|name| (number + 1, name.to_owned())));
    }
    found
}

/// Whether a function, a flow of the end-to-end tests, or a probe (a string literal) of that name
/// is in the sources.
fn is_known(tree: &Tree, name: &str) -> bool {
    let shapes = [
        format!("fn {name}("),
        format!("\"{name}\""),
        format!(" {name} needs ["),
    ];
    tree.values()
        .any(|source| shapes.iter().any(|shape| source.contains(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_are_found_without_their_anchor() {
        let text = "see [a](b/c.md#d) and [e](https://example.com)\n[f](#g) [h](i)";
        assert_eq!(links(text), [(1, "b/c.md".to_owned()), (2, "i".to_owned())]);
    }

    #[test]
    fn tests_are_cited_in_the_last_column_of_numbered_rows() {
        let text =
            "| # | attack | test |\n|---|---|---|\n| 1 | `no` | `one`, `two` |\n| x | | `no` |";
        let names: Vec<String> = cited_tests(text)
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, ["one", "two"]);
    }

    #[test]
    fn functions_and_probes_are_known_and_others_are_not() {
        let mut tree = Tree::new();
        tree.insert(
            "a.rs".to_owned(),
            "fn one() {} row(\"write-home\")".to_owned(),
        );
        assert!(is_known(&tree, "one") && is_known(&tree, "write-home"));
        assert!(!is_known(&tree, "on"));
    }
}
