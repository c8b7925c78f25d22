//! Tables of command lines with what is said of them.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::path::PathBuf;

use ringfence_policy::{Decision, FileText, Layer, Rule, Sourced, read_rules};
use ringfence_rules::{RuleSet, SegmentKind, Shell, starting};

const RULES: &str = r#"
[[rule]]
prefix = ["git", "push"]
decision = "ask"
[[rule]]
prefix = ["danger"]
decision = "forbid"
[[rule]]
prefix = [["ls", "echo", "cat", "set"]]
decision = "allow"
[[rule]]
prefix = ["git", "status"]
decision = "allow"
[[rule]]
prefix = ["cargo", "test"]
decision = "allow"
[[rule]]
prefix = ['eval "$x"']
decision = "allow"
"#;

fn rules(text: &str) -> Vec<Sourced<Rule>> {
    let file = FileText {
        path: PathBuf::from("rules.toml"),
        text: text.to_owned(),
    };
    read_rules(&file, Layer::User).unwrap()
}

/// The lines of a table that are no comments, with their numbers.
fn lines(table: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = table.lines().enumerate().map(|(at, line)| (at + 1, line));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// `\n`, `\t`, `\r`, `\\` and `\u{…}`.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some('u') => {
                let digits = characters.by_ref().skip(1).take_while(|c| *c != '}');
                let code = u32::from_str_radix(&digits.collect::<String>(), 16).unwrap();
                out.push(char::from_u32(code).unwrap());
            }
            other => panic!("what is \\{other:?} in {text:?}?"),
        }
    }
    out
}

#[test]
fn adversarial_strings_have_their_verdicts() {
    let rules = RuleSet::new(&rules(RULES)).unwrap();
    let asking = rules.clone().with_default(Decision::Ask);
    let mut failed = Vec::new();
    let mut count = 0;
    for (line, row) in lines(include_str!("corpus/adversarial.txt")) {
        let (expected, rest) = row
            .split_once(" :: ")
            .unwrap_or_else(|| panic!("line {line}"));
        let (text, why) = rest
            .rsplit_once(" :: ")
            .unwrap_or_else(|| panic!("line {line}"));
        let text = unescaped(text);
        let (free, asked) = (
            rules.judge_shell(&text, Shell::Bash),
            asking.judge_shell(&text, Shell::Bash),
        );
        let found = format!("{} {}", free.decision, asked.decision);
        if found != expected {
            failed.push(format!(
                "line {line}: {text:?} ({why})\n  expected {expected}, found {found}\n  {}\n  {}",
                free.line(),
                asked.line()
            ));
        }
        count += 1;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(count >= 600, "{count}");
}

#[test]
fn everyday_commands_are_not_asked_for() {
    let rules = RuleSet::new(&starting().unwrap()).unwrap();
    let mut failed = Vec::new();
    let mut count = 0;
    for (line, text) in lines(include_str!("corpus/everyday.txt")) {
        let text = text.replace("\\n", "\n");
        for shell in [Shell::Bash, Shell::Posix] {
            let verdict = rules.judge_shell(&text, shell);
            if verdict.decision != Decision::Allow {
                failed.push(format!("line {line}: {text:?}\n  {}", verdict.line()));
            }
        }
        count += 1;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(count > 300, "{count}");
}

#[test]
fn everyday_commands_are_read_by_both_readers_alike() {
    let rules = RuleSet::new(&[]).unwrap();
    let mut opaque = Vec::new();
    for (line, text) in lines(include_str!("corpus/everyday.txt")) {
        let verdict = rules.judge_shell(text.replace("\\n", "\n"), Shell::Bash);
        if verdict
            .segments
            .iter()
            .any(|segment| segment.kind == SegmentKind::Opaque)
        {
            opaque.push(format!("line {line}: {text}"));
        }
    }
    assert!(opaque.is_empty(), "{}", opaque.join("\n"));
}
