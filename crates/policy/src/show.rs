//! The effective policy for people and for programs, each value with where it came from.

mod json;

use std::fmt::Write as _;
use std::path::Path;

use crate::defaults::{self, REPOSITORY_PROTECTED};
use crate::model::{Effective, Layer, Origin, Protect, Read, Sourced, one_line, short};
use crate::quantity::{show_duration, show_size};
use crate::rule::{Rule, Word};

pub use json::show_json;

/// The effective policy as TOML, each value with a comment that names its layer and line; `home` is
/// written as `~`. It reads as a policy file but for the built-in entries of `hide` and `protect`, which it
/// lists as well.
pub fn show(effective: &Effective, home: Option<&Path>) -> String {
    let page = Page {
        home,
        out: Vec::new(),
    };
    page.write(effective)
}

/// One line of the page: what is written, and the comment behind it.
struct Line {
    text: String,
    comment: String,
}

struct Page<'a> {
    home: Option<&'a Path>,
    out: Vec<Line>,
}

impl Page<'_> {
    fn write(mut self, policy: &Effective) -> String {
        self.value("mode", &text(policy.mode.value.name()), &policy.mode.origin);

        self.table("filesystem");
        self.list("write", &policy.write, |page, path| {
            (page.path(path), String::new())
        });
        self.list("protect", &policy.protect, |page, protect| match protect {
            Protect::Relative(path) => (text(&path.to_string_lossy()), String::new()),
            Protect::Absolute(path) => (page.path(path), String::new()),
        });
        let git = REPOSITORY_PROTECTED.join(", ");
        self.comment(&format!(
            "protected too, in the git directory of every repository: {git}"
        ));
        self.list("hide", &policy.hide, |page, hide| {
            let mut why = match hide.name.as_str() {
                "hide" => String::new(),
                name => format!("{name}: {}", hide.why),
            };
            if !hide.except.is_empty() {
                let except: Vec<_> = hide
                    .except
                    .iter()
                    .map(|name| name.to_string_lossy())
                    .collect();
                let _ = write!(why, "; all but {}", one_line(&except.join(", ")));
            }
            (page.path(&hide.path), why)
        });
        self.list("reveal", &policy.reveal, |_, name| {
            (text(name), String::new())
        });
        match &policy.read.value {
            Read::All => self.value("read", &text("all"), &policy.read.origin),
            Read::Minimal => self.value("read", &text("minimal"), &policy.read.origin),
            Read::Paths(paths) => {
                let paths: Vec<String> = paths.iter().map(|path| self.path(path)).collect();
                self.value(
                    "read",
                    &format!("[{}]", paths.join(", ")),
                    &policy.read.origin,
                );
            }
        }

        let snapshot = &policy.snapshot;
        self.value("snapshot", snapshot.value.written(), &snapshot.origin);

        self.table("network");
        let mode = &policy.network.mode;
        self.value("mode", &text(mode.value.name()), &mode.origin);
        self.list("allow", &policy.network.allow, |_, host| {
            (text(host), String::new())
        });

        self.table("caches");
        let mode = &policy.caches.mode;
        self.value("mode", &text(mode.value.name()), &mode.origin);
        match &policy.caches.tools {
            Some(tools) => self.value("tools", &texts(&tools.value), &tools.origin),
            None => self.comment("tools: detected from the workspace"),
        }

        self.table("environment");
        self.list("pass", &policy.environment.pass, |_, name| {
            (text(name.as_str()), String::new())
        });
        self.list("drop", &policy.environment.drop, |_, name| {
            (text(name.as_str()), String::new())
        });
        self.comment("all other variables pass, but for secrets (by name and by shape), sockets and displays");

        self.table("limits");
        let limits = &policy.limits;
        self.limit("time", limits.time.as_ref(), |time| {
            text(&show_duration(*time))
        });
        self.limit("memory", limits.memory.as_ref(), |size| {
            text(&show_size(*size))
        });
        match &limits.processes {
            Some(most) => self.value("processes", &most.value.to_string(), &most.origin),
            None => self.comment(&format!(
                "processes: {}, where nothing is said",
                defaults::PROCESSES
            )),
        }
        self.limit("output", limits.output.as_ref(), |size| {
            text(&show_size(*size))
        });

        self.table("enforcement");
        self.list("accept", &policy.accept, |_, name| {
            (text(name), String::new())
        });

        self.table("approval");
        let approval = &policy.approval;
        let ask = &approval.ask;
        self.value("ask", &text(ask.value.name()), &ask.origin);
        let within = &approval.within;
        self.value(
            "within",
            &text(&show_duration(within.value)),
            &within.origin,
        );
        let most = &approval.most;
        self.value("most", &most.value.to_string(), &most.origin);
        let program = &approval.program;
        self.value("program", &texts(&program.value), &program.origin);

        self.table("ledger");
        let keep = &policy.ledger.keep;
        self.value("keep", &text(&show_duration(keep.value)), &keep.origin);
        let size = &policy.ledger.size;
        self.value("size", &text(&show_size(size.value)), &size.origin);

        self.table("linux");
        let linux = &policy.linux;
        self.value("mode", &text(linux.mode.value.name()), &linux.mode.origin);
        self.list("sockets", &linux.sockets, |page, path| {
            (page.path(path), String::new())
        });
        self.value(
            "nested",
            &linux.nested.value.to_string(),
            &linux.nested.origin,
        );

        for rule in &policy.rules {
            self.rule(rule);
        }
        self.finish()
    }

    fn path(&self, path: &Path) -> String {
        text(&short(path, self.home))
    }

    fn line(&mut self, text: String, comment: String) {
        self.out.push(Line { text, comment });
    }

    fn value(&mut self, key: &str, value: &str, origin: &Origin) {
        let comment = origin.display(self.home).to_string();
        self.line(format!("{key} = {value}"), comment);
    }

    fn comment(&mut self, comment: &str) {
        self.line(format!("# {comment}"), String::new());
    }

    fn table(&mut self, name: &str) {
        self.line(String::new(), String::new());
        self.line(format!("[{name}]"), String::new());
    }

    fn limit<T>(&mut self, key: &str, limit: Option<&Sourced<T>>, show: impl Fn(&T) -> String) {
        match limit {
            Some(limit) => self.value(key, &show(&limit.value), &limit.origin),
            None => self.comment(&format!("{key}: no limit")),
        }
    }

    fn list<T>(
        &mut self,
        key: &str,
        entries: &[Sourced<T>],
        show: impl Fn(&Self, &T) -> (String, String),
    ) {
        if entries.is_empty() {
            self.line(format!("{key} = []"), Layer::Builtin.name().to_owned());
            return;
        }
        self.line(format!("{key} = ["), String::new());
        for entry in entries {
            let (value, more) = show(self, &entry.value);
            let mut comment = entry.origin.display(self.home).to_string();
            if !more.is_empty() {
                let _ = write!(comment, ", {more}");
            }
            self.line(format!("  {value},"), comment);
        }
        self.line("]".to_owned(), String::new());
    }

    fn rule(&mut self, rule: &Sourced<Rule>) {
        let Sourced {
            value: rule,
            origin,
        } = rule;
        self.line(String::new(), String::new());
        self.line("[[rule]]".to_owned(), origin.display(self.home).to_string());
        let words: Vec<String> = rule
            .prefix
            .iter()
            .map(|word| match word {
                Word::One(word) => text(word),
                Word::AnyOf(words) => texts(words),
            })
            .collect();
        self.line(format!("prefix = [{}]", words.join(", ")), String::new());
        self.line(
            format!("decision = {}", text(rule.decision.name())),
            String::new(),
        );
        self.line(format!("ring = {}", text(rule.ring.name())), String::new());
        if let Some(why) = &rule.why {
            self.line(format!("why = {}", text(why)), String::new());
        }
        for (key, commands) in [("match", &rule.match_), ("not_match", &rule.not_match)] {
            if !commands.is_empty() {
                self.line(format!("{key} = {}", texts(commands)), String::new());
            }
        }
    }

    /// Sets the comments in one column, but for lines that are too long for it.
    fn finish(self) -> String {
        const WIDEST: usize = 44;
        let widths = self.out.iter().filter(|line| !line.comment.is_empty());
        let widths = widths
            .map(|line| line.text.chars().count())
            .filter(|width| *width <= WIDEST);
        let column = widths.max().unwrap_or(0);
        let mut page = String::new();
        for line in &self.out {
            page.push_str(&line.text);
            if !line.comment.is_empty() {
                let blanks = column.saturating_sub(line.text.chars().count()) + 2;
                page.extend(std::iter::repeat_n(' ', blanks));
                page.push_str("# ");
                page.push_str(&line.comment);
            }
            page.push('\n');
        }
        page
    }
}

/// A TOML string.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn texts(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| text(value)).collect();
    format!("[{}]", values.join(", "))
}
