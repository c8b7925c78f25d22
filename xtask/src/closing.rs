//! How many tests passed: read from the test runners, said in one last line.

use std::fmt;
use std::path::Path;

/// What the runners counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Tests that said why they could not run here.
    pub(crate) skipped: usize,
}

impl Counts {
    pub(crate) fn green(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    pub(crate) fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// A test that cannot run here prints a line that starts with this, and passes.
const SKIP: &str = "skipped: ";

/// Reads what nextest left in `junit`. Also gives, for each test that skipped, its reason.
pub(crate) fn read_junit(junit: &Path) -> (Counts, Vec<String>) {
    parse_junit(&std::fs::read_to_string(junit).unwrap_or_default())
}

fn parse_junit(text: &str) -> (Counts, Vec<String>) {
    let mut counts = Counts::default();
    let mut reasons = Vec::new();
    for case in text.split("<testcase ").skip(1) {
        let case = case.split("</testcase>").next().unwrap_or(case);
        let reason = case
            .split(['\n', '>'])
            .find_map(|line| line.trim_start().strip_prefix(SKIP))
            .map(|reason| reason.split('<').next().unwrap_or(reason).trim());
        if case.contains("<failure") || case.contains("<error") {
            counts.failed += 1;
        } else if let Some(reason) = reason {
            counts.skipped += 1;
            let name = case
                .split("name=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            reasons.push(format!("{}: {reason}", name.unwrap_or("?")));
        } else {
            counts.passed += 1;
        }
    }
    (counts, reasons)
}

/// Adds up the `test result:` lines of `cargo test`.
pub(crate) fn parse_cargo_test(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output
        .lines()
        .filter(|line| line.starts_with("test result:"))
    {
        let number = |word: &str| -> usize {
            let words: Vec<&str> = line.split([' ', ';']).collect();
            let at = words.iter().position(|found| *found == word);
            at.and_then(|at| words.get(at.wrapping_sub(1))?.parse().ok())
                .unwrap_or(0)
        };
        counts.passed += number("passed");
        counts.failed += number("failed");
        counts.skipped += number("ignored");
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_cases_are_counted_and_skips_keep_their_reason() {
        let text = r#"<testsuites tests="3"><testsuite>
            <testcase name="a" classname="x"></testcase>
            <testcase name="b" classname="x"><failure type="t"/></testcase>
            <testcase name="c::d" classname="x"><system-err>
skipped: no gdb here</system-err></testcase>
            <testcase name="e" classname="x"><system-out>skipped: no root</system-out></testcase>
            </testsuite></testsuites>"#;
        let (counts, reasons) = parse_junit(text);
        assert_eq!(
            counts,
            Counts {
                passed: 1,
                failed: 1,
                skipped: 2
            }
        );
        assert_eq!(reasons, ["c::d: no gdb here", "e: no root"]);
    }

    #[test]
    fn doc_tests_are_added_up() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured;\n\
                    words\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured;";
        assert_eq!(
            parse_cargo_test(text),
            Counts {
                passed: 4,
                failed: 2,
                skipped: 1
            }
        );
    }

    #[test]
    fn no_test_at_all_is_not_green() {
        assert!(!Counts::default().green());
        assert!(
            !Counts {
                passed: 1,
                failed: 1,
                skipped: 0
            }
            .green()
        );
        assert!(
            Counts {
                passed: 1,
                failed: 0,
                skipped: 9
            }
            .green()
        );
    }
}
