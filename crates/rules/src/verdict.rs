//! What comes out: a decision, a placement, and everything that was found on the way.

use std::path::PathBuf;

use ringfence_policy::{Decision, Origin, Placement};
use serde::{Serialize, Serializer};

/// May it run, where, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// May it run? The strictest over all segments.
    #[serde(serialize_with = "decision")]
    pub decision: Decision,
    /// Inside which ring? Never follows from the decision: only a rule that says so places a command outside, and
    /// then a person is asked.
    #[serde(serialize_with = "placement")]
    pub ring: Placement,
    /// Each command that was found, in the order in which it was; wrappers before what stands inside them.
    pub segments: Vec<Judged>,
}

/// One command of what was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Its words, `…` where they are not known.
    pub command: String,
    /// Its words, where each is known and it surely is a command of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// What it is to the whole.
    pub kind: SegmentKind,
    /// May it run?
    #[serde(serialize_with = "decision")]
    pub decision: Decision,
    /// Why it is not known exactly; follows on "because".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inexact: Option<&'static str>,
    /// The number of the segment it stands inside of, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_of: Option<usize>,
    /// Files that redirections write: the ring says which of them can be written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
    /// Every rule that matches or might match, the strictest first. Empty where the default holds.
    pub rules: Vec<MatchedRule>,
}

/// What a segment is to the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentKind {
    /// It is run.
    Command,
    /// It runs what stands inside it.
    Wrapper,
    /// It may be run: it can ask and forbid, and allows nothing.
    Found,
    /// It cannot be read: anything may run.
    Opaque,
}

/// A rule that has a say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatchedRule {
    /// Its prefix, alternatives between `|`.
    pub prefix: String,
    /// What it decides.
    #[serde(serialize_with = "decision")]
    pub decision: Decision,
    /// Where it places.
    #[serde(serialize_with = "placement")]
    pub ring: Placement,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether it matches whatever is not known. If not it might, and asks.
    pub sure: bool,
    /// The layer it was written in.
    #[serde(serialize_with = "layer", rename = "layer")]
    pub origin: Origin,
    /// Its file. In JSON what is not UTF-8 in its path is replaced.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "path")]
    pub file: Option<PathBuf>,
    /// The line where it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl Verdict {
    /// The segment that decided, and its rule; no rule where the default did.
    pub fn because(&self) -> Option<(&Judged, Option<&MatchedRule>)> {
        let judged = self
            .segments
            .iter()
            .filter(|judged| judged.decision == self.decision);
        // What a rule decided says more than what the default did.
        judged
            .clone()
            .find(|judged| judged.decides().is_some())
            .or_else(|| judged.clone().next())
            .map(|judged| (judged, judged.decides()))
    }

    /// One line: the decision, the rule and where it stands.
    pub fn line(&self) -> String {
        let decision = self.decision;
        let Some((judged, rule)) = self.because() else {
            return format!("{decision}: nothing in it is run");
        };
        let command = &judged.command;
        let Some(rule) = rule else {
            return match judged.inexact {
                Some(why) if decision != Decision::Allow => {
                    format!("{decision}: `{command}`: no rule allows it exactly, and {why}")
                }
                _ => format!("{decision}: `{command}`: no rule speaks of it"),
            };
        };
        let mut line = format!("{decision}: `{command}`");
        if rule.sure {
            line.push_str(": ");
        } else {
            let inexact = judged.inexact.unwrap_or("a word of it is not known");
            line.push_str(&format!(" might be `{}` ({inexact}): ", rule.prefix));
        }
        if let Some(why) = &rule.why {
            line.push_str(why);
            line.push_str("; ");
        }
        line.push_str(&format!("says {}", rule.origin));
        line
    }
}

impl Judged {
    /// The rule that decided: the first of those that are as strict as the decision.
    fn decides(&self) -> Option<&MatchedRule> {
        let weight = |rule: &&MatchedRule| {
            if rule.sure {
                rule.decision
            } else {
                Decision::Ask
            }
        };
        let mut fitting = self
            .rules
            .iter()
            .filter(|rule| weight(rule) == self.decision);
        let first = fitting.clone().next();
        fitting.find(|rule| rule.sure).or(first)
    }
}

fn decision<S: Serializer>(decision: &Decision, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(decision.name())
}

fn placement<S: Serializer>(placement: &Placement, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(placement.name())
}

fn path<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_some(&path.as_ref().map(|path| path.to_string_lossy()))
}

fn layer<S: Serializer>(origin: &Origin, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(origin.layer.name())
}
