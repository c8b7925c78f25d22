//! Asking a person at the terminal whether a command may run.
//!
//! What is shown is all of what is asked: every word, so written that none of it can look like
//! Ringfence's own. What was typed before the question stood there is no answer to it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};

use ringfence_policy::{Decision, Layer, plain};
use ringfence_rules::{Judged, MatchedRule, SegmentKind};
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};

use crate::rules::Question;

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may run, this once.
    Once,
    /// It may run, as often as it comes until its ring ends.
    Ring,
    /// It may not.
    No,
    /// There is no terminal, or it is another program's at the moment, or the command is too long to be
    /// shown on one.
    Nobody,
}

impl Answer {
    /// Its name in the ledger.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Answer::Once => "once",
            Answer::Ring => "ring",
            Answer::No => "no",
            Answer::Nobody => "nobody",
        }
    }
}

/// More than this no person reads.
const SHOWN_MAX: usize = 16 * 1024;
/// Answers that are none, until it is no.
const TRIES: usize = 5;

/// Asks at the terminal of this process, if this process is in its foreground. `about`: a line on what
/// the command may do where it would run.
///
/// # Errors
/// When the terminal cannot be read or written.
pub fn at_terminal(question: &Question, about: &str) -> io::Result<Answer> {
    let Ok(terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        return Ok(Answer::Nobody);
    };
    // Another program's screen is nothing to write on, and a read would stop this one.
    if tcgetpgrp(&terminal).ok() != Some(rustix::process::getpgrp()) {
        return Ok(Answer::Nobody);
    }
    let Some(page) = page(question, about) else {
        return Ok(Answer::Nobody);
    };
    tcflush(&terminal, QueueSelector::IFlush)?;
    talk(&terminal, &terminal, &page, &more(question))
}

fn talk(mut from: impl Read, mut to: impl Write, page: &str, more: &str) -> io::Result<Answer> {
    to.write_all(page.as_bytes())?;
    for _ in 0..TRIES {
        to.write_all(b"[y] once  [n] no  [?] more: ")?;
        to.flush()?;
        let mut line = [0; 256];
        // A terminal gives a line at a time.
        let length = from.read(&mut line)?;
        let line = line.get(..length).unwrap_or_default();
        if line.is_empty() {
            // Ctrl-D.
            to.write_all(b"\n")?;
            return Ok(Answer::No);
        }
        match line.trim_ascii() {
            b"y" | b"Y" | b"yes" => return Ok(Answer::Once),
            b"n" | b"N" | b"no" | b"" => return Ok(Answer::No),
            b"?" => to.write_all(more.as_bytes())?,
            _ => {}
        }
    }
    Ok(Answer::No)
}

/// The question, without what can be answered. `None` where it is too long to be read.
fn page(question: &Question, about: &str) -> Option<String> {
    let command = words(question.argv());
    let mut text = format!("ringfence: may this run?\n\n  {command}\n\n");
    let verdict = question.verdict();
    if let Some((judged, rule)) = verdict.because() {
        let whole = verdict.segments.len() == 1;
        if !whole {
            let _ = writeln!(text, "  of it    {}", plain(&judged.command));
        }
        match rule {
            Some(rule) => {
                if let Some(why) = &rule.why {
                    let _ = writeln!(text, "  because  {}", plain(why));
                }
                let _ = writeln!(text, "  rule     {}", named(rule));
                if !rule.sure {
                    let inexact = judged.inexact.unwrap_or("a word of it is not known");
                    let _ = writeln!(text, "           it might be that: {inexact}");
                }
            }
            None => {
                let _ = writeln!(text, "  because  no rule allows it");
            }
        }
    }
    for (name, value) in question.env() {
        let shown = match value {
            Some(value) => format!("{}={}", plain(&name.to_string_lossy()), word(value)),
            None => format!("{} taken out", plain(&name.to_string_lossy())),
        };
        let _ = writeln!(text, "  with     {shown}");
    }
    if question.is_bare() {
        text.push_str("  with     no variables but those\n");
    }
    let directory = question.directory().to_string_lossy();
    let _ = writeln!(text, "  in       {}", plain(&directory));
    let _ = writeln!(text, "  where    {}\n", plain(about));
    (text.len() <= SHOWN_MAX).then_some(text)
}

/// Every part that is not simply allowed, and how to be asked no more.
fn more(question: &Question) -> String {
    let mut text = String::from("\n");
    for judged in &question.verdict().segments {
        if judged.decision == Decision::Allow {
            continue;
        }
        let kind = match judged.kind {
            SegmentKind::Command => "runs",
            SegmentKind::Wrapper => "runs what is in it",
            SegmentKind::Found => "may run",
            SegmentKind::Opaque => "cannot be read",
        };
        let _ = writeln!(text, "  {}: {kind}", plain(&judged.command));
        for rule in judged.rules.iter().take(4) {
            let why = rule.why.as_deref().map(plain).unwrap_or_default();
            let _ = writeln!(text, "      {}  {why}", named(rule));
        }
    }
    text.push_str("  Once is for this very command, now. To be asked no more ");
    let built_in = asked_because(question).filter(|(_, rule)| rule.origin.layer == Layer::Builtin);
    // One's own allow lifts what is built in, and nothing else.
    match built_in.map(|(judged, _)| judged.argv.as_deref()) {
        Some(Some(argv)) if argv.iter().all(|word| is_plain(word)) => {
            let words: Vec<String> = argv.iter().map(|word| in_a_rule(word)).collect();
            let _ = writeln!(
                text,
                "about what begins so, write into your policy:\n\n      [[rule]]\n      prefix = [{}]\n      decision = \"allow\"\n",
                words.join(", ")
            );
        }
        Some(_) => text.push_str("write a rule into your policy that allows it.\n\n"),
        None => text.push_str("change that rule.\n\n"),
    }
    text
}

fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

/// A word as it stands in the prefix of a rule, in TOML.
fn in_a_rule(word: &str) -> String {
    format!("{:?}", word.replace('\\', "\\\\").replace('*', "\\*"))
}

fn asked_because(question: &Question) -> Option<(&Judged, &MatchedRule)> {
    let (judged, rule) = question.verdict().because()?;
    Some((judged, rule?))
}

fn named(rule: &MatchedRule) -> String {
    let decision = rule.decision;
    format!(
        "{decision} {}, {}",
        plain(&rule.prefix),
        plain(&rule.origin.to_string())
    )
}

/// Words as a shell would be given them.
fn words(argv: &[OsString]) -> String {
    let words: Vec<String> = argv.iter().map(|one| word(one)).collect();
    words.join(" ")
}

fn word(one: &std::ffi::OsStr) -> String {
    let text = one.to_string_lossy();
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(bare) {
        return text.into_owned();
    }
    format!("'{}'", plain(&text).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use ringfence_policy::{FileText, Layer, read_rules};
    use ringfence_rules::RuleSet;

    use super::*;
    use crate::rules::Subject;

    fn question(argv: &[&str]) -> Question {
        let text =
            "[[rule]]\nprefix = [\"git\", \"push\"]\ndecision = \"ask\"\nwhy = \"publishes\"\n";
        let file = FileText {
            path: "rules.toml".into(),
            text: text.to_owned(),
        };
        let rules = RuleSet::new(&read_rules(&file, Layer::User).unwrap()).unwrap();
        Question::new(rules.judge_argv(argv), subject(argv))
    }

    fn subject(argv: &[&str]) -> Subject {
        Subject {
            argv: argv.iter().map(OsString::from).collect(),
            directory: "/w".into(),
            env: Vec::new(),
            bare: false,
        }
    }

    /// A terminal: each read gives one line.
    struct Typed<'a>(std::iter::Copied<std::slice::Iter<'a, &'a str>>);

    impl Read for Typed<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let line = self.0.next().unwrap_or_default().as_bytes();
            to[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }

    fn answer(lines: &[&str]) -> (Answer, String) {
        let one = question(&["git", "push"]);
        let mut shown = Vec::new();
        let typed = Typed(lines.iter().copied());
        let answer = talk(
            typed,
            &mut shown,
            &page(&one, "a ring").unwrap(),
            &more(&one),
        )
        .unwrap();
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (lines, expected) in [
            (&["y\n"][..], Answer::Once),
            (&["yes\n"], Answer::Once),
            (&["n\n"], Answer::No),
            (&["\n"], Answer::No),
            (&[], Answer::No),
            (&["?\n", "y\n"], Answer::Once),
            (&["what\n", "?\n"], Answer::No),
            (
                &["yy\n", "y y\n", "sure\n", "ok\n", "si\n", "y\n"],
                Answer::No,
            ),
        ] {
            assert_eq!(answer(lines).0, expected, "{lines:?}");
        }
    }

    #[test]
    fn it_shows_what_is_asked_and_why() {
        insta::assert_snapshot!(answer(&["?\n", "n\n"]).1);
        let rules = RuleSet::new([]).unwrap().with_starting().unwrap();
        let argv = ["env", "A=b", "git", "push", "a \"b*\\"];
        let built_in = Question::new(rules.judge_argv(&argv), subject(&argv));
        insta::assert_snapshot!(more(&built_in));
        // Nobody changes a built-in rule, nor can say how a word that is not known is allowed.
        let found = ["eval", "git push \"$(x)\""];
        let found = Question::new(rules.judge_argv(&found), subject(&found));
        assert!(
            more(&found).contains("a rule into your policy"),
            "{}",
            more(&found)
        );
        let mut alone = subject(&argv);
        alone.bare = true;
        let alone = page(&Question::new(rules.judge_argv(&argv), alone), "a ring").unwrap();
        assert!(alone.contains("no variables but those"), "{alone}");
        let inner = page(&question(&["bash", "-c", "ls; git push 'a b'"]), "a ring").unwrap();
        insta::assert_snapshot!(inner);
    }

    #[test]
    fn no_word_can_look_like_ours() {
        let odd = "x\n\u{1b}[2J\u{202e}\u{200b}\u{3164}'y";
        let page = page(&question(&["git", "push", odd]), "a ring").unwrap();
        let line = page.lines().nth(2).unwrap();
        let expected = r"  git push 'x\n\u{1b}[2J\u{202e}\u{200b}\u{3164}'\''y'";
        assert_eq!(line, expected);
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
        let long = "x".repeat(SHOWN_MAX);
        assert_eq!(
            super::page(&question(&["git", "push", &long]), "a ring"),
            None
        );
    }
}
