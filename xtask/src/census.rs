//! `cargo xtask census`: how much `unsafe` there is, per file, against a
//! committed snapshot, so that growth is a line in a diff.

use crate::arch;
use crate::source::{Tree, without_words};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const SNAPSHOT: &str = "docs/reference/unsafe-census.txt";
/// The only place where `unsafe` may stand.
const FENCE: &str = "crates/sys-";

/// The uses of `unsafe` in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) blocks: usize,
    pub(crate) functions: usize,
    pub(crate) others: usize,
}

pub(crate) fn run(root: &Path, update: bool) -> Result<bool> {
    let counts = census(&arch::read_tree(root)?);
    let outside: Vec<&String> = counts
        .keys()
        .filter(|file| !file.starts_with(FENCE))
        .collect();
    for file in &outside {
        eprintln!("{file}: `unsafe` outside {FENCE}*");
        eprintln!("  remedy: put the call behind a safe function of a crate under crates/sys-*");
    }
    let path = root.join(SNAPSHOT);
    let text = render(&counts);
    if update {
        std::fs::create_dir_all(path.parent().context("no parent")?)?;
        std::fs::write(&path, &text)?;
        println!("census: wrote {SNAPSHOT}");
        return Ok(outside.is_empty());
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let changes = compare(&before, &text);
    for change in &changes {
        eprintln!("{change}");
    }
    if !changes.is_empty() {
        eprintln!("  remedy: review each new block, then `cargo xtask census --update`");
    }
    let total: usize = counts.values().map(|count| count.blocks).sum();
    println!("census: {total} unsafe blocks in {} files", counts.len());
    Ok(outside.is_empty() && changes.is_empty())
}

fn census(tree: &Tree) -> BTreeMap<String, Count> {
    let mut counts = BTreeMap::new();
    for (file, source) in tree.iter().filter(|(file, _)| file.ends_with(".rs")) {
        let count = count(source);
        if count != Count::default() {
            counts.insert(file.clone(), count);
        }
    }
    counts
}

/// Counts by the word that follows `unsafe`.
fn count(source: &str) -> Count {
    let stripped = without_words(source);
    let mut count = Count::default();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in stripped.match_indices("unsafe") {
        let before = stripped[..at].chars().next_back();
        let rest = &stripped[at + "unsafe".len()..];
        if before.is_some_and(word) || rest.starts_with(word) {
            continue;
        }
        let rest = rest.trim_start();
        if rest.starts_with('{') {
            count.blocks += 1;
        } else if rest.starts_with("fn") || rest.starts_with("extern") {
            // `unsafe extern "C" { … }` declares functions of another language.
            count.functions += 1;
        } else {
            count.others += 1;
        }
    }
    count
}

fn render(counts: &BTreeMap<String, Count>) -> String {
    let mut text = String::from(
        "# Uses of `unsafe` per file: blocks, functions (or foreign blocks), others.\n\
         # Made by `cargo xtask census --update`; `cargo xtask census` compares.\n",
    );
    let mut total = Count::default();
    for (file, count) in counts {
        total.blocks += count.blocks;
        total.functions += count.functions;
        total.others += count.others;
        let _ = writeln!(
            text,
            "{file} {} {} {}",
            count.blocks, count.functions, count.others
        );
    }
    let _ = writeln!(
        text,
        "total {} {} {}",
        total.blocks, total.functions, total.others
    );
    text
}

/// One line per file whose line in the snapshot is not what it was.
fn compare(before: &str, after: &str) -> Vec<String> {
    let lines = |text: &str| -> BTreeMap<String, String> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(' '))
            .map(|(file, counts)| (file.to_owned(), counts.to_owned()))
            .collect()
    };
    let (before, after) = (lines(before), lines(after));
    let mut changes = Vec::new();
    for file in before
        .keys()
        .chain(after.keys().filter(|file| !before.contains_key(*file)))
    {
        let was = before.get(file).map_or("0 0 0", String::as_str);
        let is = after.get(file).map_or("0 0 0", String::as_str);
        if was != is && file != "total" {
            changes.push(format!(
                "{file}: unsafe (blocks functions others) was {was}, is {is}"
            ));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_strings_and_names_do_not_count() {
        let source = "// unsafe {\n#![forbid(unsafe_code)]\nlet a = \"unsafe {\";\nmore_unsafe {}";
        assert_eq!(count(source), Count::default());
    }

    #[test]
    fn blocks_functions_and_others_are_told_apart() {
        let source = "unsafe { a() }\nunsafe fn b() {}\nunsafe extern \"C\" {}\n\
                      unsafe impl Send for C {}\nlet d = unsafe {\n e() };";
        assert_eq!(
            count(source),
            Count {
                blocks: 2,
                functions: 2,
                others: 1
            }
        );
    }

    #[test]
    fn growth_in_a_file_is_a_change() {
        let mut counts = BTreeMap::new();
        counts.insert(
            "a.rs".to_owned(),
            Count {
                blocks: 1,
                ..Count::default()
            },
        );
        let before = render(&counts);
        assert!(compare(&before, &before).is_empty());
        counts.insert(
            "a.rs".to_owned(),
            Count {
                blocks: 2,
                ..Count::default()
            },
        );
        counts.insert(
            "b.rs".to_owned(),
            Count {
                blocks: 1,
                ..Count::default()
            },
        );
        assert_eq!(compare(&before, &render(&counts)).len(), 2);
    }

    #[test]
    fn a_removed_file_is_a_change() {
        let mut counts = BTreeMap::new();
        counts.insert(
            "a.rs".to_owned(),
            Count {
                blocks: 1,
                ..Count::default()
            },
        );
        assert_eq!(
            compare(&render(&counts), &render(&BTreeMap::new())).len(),
            1
        );
    }
}
