use std::fmt::Write as _;

use super::action::{Action, ENOSYS};
use super::check::{Rule, Verdict};
use super::rules;
use super::table::SYSCALLS;

const WIDTH: usize = 96;

/// Every rule with its reason and the calls that follow it, for a reader: the document that
/// is reviewed when a rule changes.
#[must_use]
pub fn rules_table() -> String {
    let mut text = String::with_capacity(16 * 1024);
    for rule in rules::ALL {
        write_rule(&mut text, rule);
    }
    let no_such_call = Action::Errno(ENOSYS);
    // Writing to a string does not fail.
    let _ = writeln!(text, "-1: allow\n  {}", rules::SKIPPED_WHY);
    let _ = writeln!(
        text,
        "any other number: {no_such_call}\n  {}",
        rules::UNKNOWN_WHY
    );
    let _ = writeln!(
        text,
        "another architecture: {no_such_call}\n  {}",
        rules::FOREIGN_WHY
    );
    let _ = writeln!(
        text,
        "  but exit, exit_group: allow; {}",
        rules::FOREIGN_EXIT_WHY
    );
    text
}

fn write_rule(text: &mut String, rule: &Rule) {
    let verdict = match rule.verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Deny(errno) => Action::Errno(errno).to_string(),
        Verdict::Needs(switch, errno) => format!("{switch}, else {}", Action::Errno(errno)),
        Verdict::Checked(_) => "by argument".to_owned(),
    };
    let _ = writeln!(text, "{}: {verdict}\n  {}", rule.group, rule.why);
    if let Verdict::Checked(check) = rule.verdict {
        for clause in check.clauses {
            let switch = match clause.when {
                Some((switch, true)) => Some(format!("{switch}")),
                Some((switch, false)) => Some(format!("not {switch}")),
                None => None,
            };
            let labels = clause.tests.iter().map(|test| test.label.to_owned());
            let conditions: Vec<String> = switch.into_iter().chain(labels).collect();
            let _ = writeln!(text, "  - {} -> {}", conditions.join("; "), clause.then);
            let _ = writeln!(text, "      {}", clause.why);
        }
        let _ = writeln!(
            text,
            "  - otherwise -> {}\n      {}",
            check.otherwise, check.why
        );
    }
    let mut width = WIDTH;
    for call in SYSCALLS.iter().filter(|call| std::ptr::eq(call.rule, rule)) {
        if width + call.name.len() + 1 > WIDTH {
            text.push_str("\n    ");
            width = 4;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(call.name);
        width += call.name.len();
    }
    text.push_str("\n\n");
}
