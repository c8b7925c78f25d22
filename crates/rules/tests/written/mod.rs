//! Rules as they are written.
#![allow(dead_code, reason = "each test uses a part")]

use std::path::PathBuf;

use ringfence_policy::{Decision, FileText, Layer, Rule, Sourced, read_rules};
use ringfence_rules::{RuleSet, Shell, Verdict};

/// The rules of a text, of a layer.
pub(crate) fn of(layer: Layer, text: &str) -> Vec<Sourced<Rule>> {
    let file = FileText {
        path: PathBuf::from(format!("{}.toml", layer.name())),
        text: text.to_owned(),
    };
    read_rules(&file, layer).unwrap_or_else(|error| panic!("{error}"))
}

/// Rules one a line: `DECISION WORD WORD …`, alternatives between `|`.
pub(crate) fn short(layer: Layer, lines: &[&str]) -> Vec<Sourced<Rule>> {
    let rule = |line: &&str| {
        let (decision, words) = line.split_once(' ').unwrap();
        let words: Vec<String> = words
            .split(' ')
            .map(|word| match word.split_once('|') {
                Some(_) => format!("['{}']", word.split('|').collect::<Vec<_>>().join("','")),
                None => format!("'{word}'"),
            })
            .collect();
        format!(
            "[[rule]]\nprefix = [{}]\ndecision = \"{decision}\"\n",
            words.join(",")
        )
    };
    of(layer, &lines.iter().map(rule).collect::<String>())
}

pub(crate) fn set(rules: &[Sourced<Rule>]) -> RuleSet {
    RuleSet::new(rules).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn shell(rules: &RuleSet, text: &str) -> Verdict {
    rules.judge_shell(text, Shell::Bash)
}

pub(crate) fn decision(rules: &RuleSet, text: &str) -> Decision {
    shell(rules, text).decision
}
