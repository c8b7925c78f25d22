//! What is asked, all of it.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use ringfence_ledger::{Digest, Text};
use ringfence_policy::{Decision, Layer, plain};
use ringfence_rules::{Judged, MatchedRule, SegmentKind};
use serde_json::{Map, Value, json};

use crate::offer::Offer;
use crate::prepare::Outside;
use crate::rules::Question;

/// So many hidden paths are named with the question.
const SHOWN_HIDDEN: usize = 6;
/// More than this no person reads.
pub(super) const SHOWN_MAX: usize = 16 * 1024;

/// A question, as it is shown to a person and told to a program.
#[derive(Debug, Clone)]
pub struct Page {
    text: String,
    more: String,
    /// What would be kept for a project.
    kept: String,
    once: Option<&'static str>,
    /// What is to be typed in place of `y`.
    word: Option<&'static str>,
    session: bool,
    project: bool,
    data: Map<String, Value>,
    id: String,
}

impl Page {
    /// Whether a command may run. `about`: a line on what it may do where it would run. `lasting`: an answer can be kept for the
    /// session, and for the project.
    #[must_use]
    pub fn of_command(question: &Question, about: &str, lasting: [bool; 2]) -> Page {
        let [session, project] = lasting;
        let words = question.argv().iter();
        let words: Vec<Text> = words.map(Text::from).collect();
        let env = question.env().iter();
        let env: Vec<Value> = env
            .map(|(name, value)| json!([Text::from(name), value.as_ref().map(Text::from)]))
            .collect();
        let data = json!({
            "ask": "command",
            "argv": words,
            "cwd": Text::from(question.directory()),
            "env": env,
            "bare": question.is_bare(),
            "because": question.verdict().line(),
            "where": about,
        });
        let kept = format!(
            "\n  This command, in this directory, without being asked, until you take it back\n  (ringfence grants revoke):\n\n      {}\n\n",
            self::words(question.argv())
        );
        Page::of(data, command(question, about, None), more(question), kept)
            .lasting(session, project)
    }

    /// Whether a command may run outside of every ring, as a rule has it: the loudest there is, and never kept.
    #[must_use]
    pub fn outside(question: &Question, outside: &Outside) -> Page {
        let about = "OUTSIDE OF EVERY RING: with your keys, all your files, the network";
        let page = Page::of_command(question, about, [false, false]);
        let text = command(question, about, Some(outside)).replacen(
            "ringfence: may this run?",
            "ringfence: MAY THIS RUN OUTSIDE OF EVERY RING, with all that you may yourself?",
            1,
        );
        let mut data = page.data.clone();
        data.insert("ask".to_owned(), json!("outside"));
        data.insert("program".to_owned(), json!(Text::from(outside.program())));
        data.insert("file".to_owned(), json!(Text::from(outside.file())));
        Page {
            word: Some("outside"),
            ..Page::of(
                Value::Object(data),
                text,
                page.more.clone(),
                page.kept.clone(),
            )
        }
    }

    /// Whether what the ring refused a command is to be granted.
    ///
    /// `again`: the command can run once more, so that once is something. Without that, and where nothing lasts, there is
    /// nothing to ask.
    #[must_use]
    pub fn of_offer(offer: &Offer, lasting: [bool; 2], again: bool) -> Option<Page> {
        let [session, project] = lasting;
        if !(again || session || project) {
            return None;
        }
        let refusal = offer.refusal();
        let argv: Vec<Text> = offer.argv().iter().map(Text::from).collect();
        let (verb, of) = offer.wanted();
        let data = json!({
            "ask": "grant",
            "argv": argv,
            "cwd": Text::from(offer.directory()),
            "tried": refusal.tried,
            "of": Text::from(&refusal.of),
            "because": refusal.because,
            "grant": { verb: Text::from(of) },
            "workspace": Text::from(offer.workspace()),
        });
        let mut text = String::from("ringfence: the ring refused this command something\n\n");
        let _ = writeln!(text, "  {}\n", words(offer.argv()));
        let _ = writeln!(
            text,
            "  tried    to {} {}",
            refusal.tried,
            plain(&refusal.of.to_string_lossy())
        );
        let _ = writeln!(text, "  because  {}\n", plain(&refusal.because));
        let shown = plain(&of.to_string_lossy()).to_string();
        let what = match verb {
            "write" if offer.is_directory() => format!("write in {shown}, with all below it"),
            "write" => format!("write {shown}"),
            "connect" => format!("connect to {shown}"),
            "time" => format!("run for {shown}"),
            "output" => format!("print {shown}"),
            _ => format!("see what is hidden as {shown}"),
        };
        for note in offer.notes() {
            let _ = writeln!(text, "  mind     {}\n", plain(note));
        }
        let _ = writeln!(text, "  May commands of this workspace {what}?\n");
        let hidden = offer.hidden();
        for path in hidden.iter().take(SHOWN_HIDDEN) {
            let _ = writeln!(text, "      {}", plain(&path.to_string_lossy()));
        }
        match hidden.len().checked_sub(SHOWN_HIDDEN) {
            None | Some(0) if hidden.is_empty() => {}
            None | Some(0) => text.push('\n'),
            Some(more) => {
                let _ = writeln!(text, "      and {more} more, which [?] lists\n");
            }
        }
        let mut more = String::from("\n");
        for path in &hidden {
            let _ = writeln!(more, "      {}", plain(&path.to_string_lossy()));
        }
        if !refusal.call.is_empty() {
            let call = plain(&refusal.call);
            let _ = writeln!(more, "  The call was {call}: {}.", refusal.said());
        }
        let _ = writeln!(
            more,
            "  What is protected in a write root (hooks and configuration of git, settings of editors and agents) stays so."
        );
        let _ = writeln!(
            more,
            "  Each yes has the command run again, in its ring; once is for that alone. Your policy can say it too: {}\n",
            plain(&refusal.remedy)
        );
        let kept = format!(
            "\n  For commands of {}, until you take it back (ringfence grants revoke):\n\n      {what}\n\n",
            plain(&offer.workspace().to_string_lossy())
        );
        let once = again.then_some("once, and run it again");
        let page = Page::of(data, text, more, kept);
        Some(Page {
            once,
            session,
            project,
            ..page
        })
    }

    fn of(data: Value, text: String, more: String, kept: String) -> Page {
        let id = Digest::of(data.to_string().as_bytes()).to_string();
        let data = match data {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        Page {
            text,
            more,
            kept,
            once: Some("once"),
            word: None,
            session: false,
            project: false,
            data,
            id,
        }
    }

    fn lasting(self, session: bool, project: bool) -> Page {
        Page {
            session,
            project,
            ..self
        }
    }

    /// What is shown of it before it can be answered.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a person would read all of it.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.text.len() + self.more.len() + self.kept.len() <= 2 * SHOWN_MAX
            && self.text.len() <= SHOWN_MAX
    }

    /// The hash of all that is asked.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn more(&self) -> &str {
        &self.more
    }

    pub(super) fn kept(&self) -> &str {
        &self.kept
    }

    pub(super) fn once(&self) -> bool {
        self.once.is_some()
    }

    pub(super) fn session(&self) -> bool {
        self.session
    }

    pub(super) fn project(&self) -> bool {
        self.project
    }

    /// Whether this is a yes.
    pub(super) fn is_once(&self, said: &[u8]) -> bool {
        match self.word {
            Some(word) => said == word.as_bytes(),
            None => self.once.is_some() && matches!(said, b"y" | b"Y" | b"yes"),
        }
    }

    pub(super) fn prompt(&self) -> String {
        if let Some(word) = self.word {
            return format!("[{word}] typed whole: once  [n] no  [?] more: ");
        }
        let mut keys: Vec<String> = self.once.iter().map(|once| format!("[y] {once}")).collect();
        keys.extend(self.session.then(|| "[s] this session".to_owned()));
        keys.extend(self.project.then(|| "[p] this project".to_owned()));
        keys.push("[n] no".to_owned());
        keys.push("[?] more: ".to_owned());
        keys.join("  ")
    }

    /// The question as a program is told it, and how long there is to answer.
    pub(super) fn json(&self, within: Duration) -> Value {
        let mut answers: Vec<&str> = self.once.iter().map(|_| "once").collect();
        answers.extend(self.session.then_some("session"));
        answers.extend(self.project.then_some("project"));
        answers.push("no");
        let mut data = self.data.clone();
        data.insert("version".to_owned(), json!(1));
        data.insert("id".to_owned(), json!(self.id));
        data.insert("answers".to_owned(), json!(answers));
        data.insert("within".to_owned(), json!(within.as_secs()));
        Value::Object(data)
    }
}

/// The question about a command, without what can be answered.
fn command(question: &Question, about: &str, outside: Option<&Outside>) -> String {
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
    } else {
        text.push_str("  because  each command is asked about ([approval] ask)\n");
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
    let path = |path: &Path| plain(&path.to_string_lossy()).to_string();
    if let Some(outside) = outside {
        let (program, file) = (outside.program(), outside.file());
        let leads = match program == file {
            true => String::new(),
            false => format!(", which is {}", path(file)),
        };
        let _ = writeln!(text, "  program  {}{leads}", path(program));
        for dir in outside.left_out() {
            let _ = writeln!(
                text,
                "  without  {} (PATH): commands in a ring can write it",
                path(dir)
            );
        }
        for name in outside.unset() {
            let _ = writeln!(
                text,
                "  without  {}: commands in a ring may write what it names",
                path(Path::new(name))
            );
        }
    }
    let _ = writeln!(text, "  in       {}", path(question.directory()));
    let _ = writeln!(text, "  where    {}\n", plain(about));
    text
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

fn word(one: &OsStr) -> String {
    let text = one.to_string_lossy();
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(bare) {
        return text.into_owned();
    }
    format!("'{}'", plain(&text).replace('\'', "'\\''"))
}
