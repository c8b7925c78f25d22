//! Rules against segments, the strictest over all.

use std::ffi::OsStr;
use std::sync::OnceLock;

use ringfence_policy::{Decision, Layer, Placement, Rule, Sourced, Word as RuleWord, one_line};

use crate::error::RuleError;
use crate::line::{Kind, Line, Segment};
use crate::pattern::{Pattern, Sure};
use crate::read::Dialect;
use crate::starting::starting;
use crate::verdict::{Judged, MatchedRule, SegmentKind, Verdict};
use crate::word::Word;

/// Which shell reads a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shell {
    /// bash, zsh or ksh.
    #[default]
    Bash,
    /// `sh`, whichever that is.
    Posix,
    /// One whose language is another: only what is plain everywhere is read.
    Foreign,
}

/// Rules of all layers, their self-tests passed.
#[derive(Debug, Clone)]
pub struct RuleSet {
    rules: Vec<Known>,
    default: Decision,
    /// Built-in rules hold where they surely match, and not where they might.
    starting_surely: bool,
}

#[derive(Debug, Clone)]
struct Known {
    rule: Sourced<Rule>,
    pattern: Pattern,
}

impl Known {
    fn decision(&self) -> Decision {
        self.rule.value.decision
    }

    fn layer(&self) -> Layer {
        self.rule.origin.layer
    }

    fn of(rule: &Sourced<Rule>) -> Result<Self, RuleError> {
        let pattern = Pattern::of(&rule.value).map_err(|bad| RuleError::Pattern {
            at: Box::new(rule.origin.clone()),
            word: bad.0,
        })?;
        Ok(Self {
            rule: rule.clone(),
            pattern,
        })
    }
}

impl RuleSet {
    /// Takes rules, and tests each by its own examples.
    ///
    /// # Errors
    /// Every rule that is no pattern or fails an example, at once. With any error there is no set.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Sourced<Rule>>) -> Result<Self, RuleError> {
        let mut known = Vec::new();
        let mut errors = Vec::new();
        for rule in rules {
            match Known::of(rule) {
                Ok(rule) => {
                    errors.extend(rule.failing());
                    known.push(rule);
                }
                Err(error) => errors.push(error),
            }
        }
        match RuleError::of(errors) {
            Some(error) => Err(error),
            None => Ok(Self {
                rules: known,
                default: Decision::Allow,
                starting_surely: false,
            }),
        }
    }

    /// Adds the built-in rules, the weakest layer. Our own tests try their examples.
    ///
    /// # Errors
    /// None; see [`starting`](crate::starting()).
    pub fn with_starting(mut self) -> Result<Self, RuleError> {
        // They are the same each time: who has many sets reads them once.
        static STARTING: OnceLock<Vec<Known>> = OnceLock::new();
        if let Some(known) = STARTING.get() {
            self.rules.extend_from_slice(known);
            return Ok(self);
        }
        let known: Vec<Known> = starting()?
            .iter()
            .map(Known::of)
            .collect::<Result<_, _>>()?;
        self.rules.extend_from_slice(STARTING.get_or_init(|| known));
        Ok(self)
    }

    /// The built-in rules hold for what surely is what they name, and no more for what might be: a script that cannot
    /// be read whole is nobody's reason to ask a person about. What a person wrote holds for both.
    #[must_use]
    pub fn starting_surely(mut self) -> Self {
        self.starting_surely = true;
        self
    }

    /// What holds for a command of which no rule speaks: allow, unless this says that each is asked for.
    #[must_use]
    pub fn with_default(mut self, default: Decision) -> Self {
        self.default = default;
        self
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Judges a program and its arguments.
    pub fn judge_argv<S: AsRef<OsStr>>(&self, argv: &[S]) -> Verdict {
        self.judge_argv_with::<S, &OsStr>(argv, &[])
    }

    /// Judges a program and its arguments, with variables that are set for it.
    pub fn judge_argv_with<S: AsRef<OsStr>, V: AsRef<OsStr>>(
        &self,
        argv: &[S],
        set: &[(V, V)],
    ) -> Verdict {
        self.judge(&Line::of_argv(argv, set), None)
    }

    /// Judges a text that a shell reads.
    pub fn judge_shell(&self, text: impl AsRef<OsStr>, shell: Shell) -> Verdict {
        let text = text.as_ref();
        let dialect = match shell {
            Shell::Bash => Dialect::Bash,
            Shell::Posix => Dialect::Posix,
            Shell::Foreign => Dialect::Foreign,
        };
        self.judge(&Line::of_shell(text, dialect), text.to_str())
    }

    fn judge(&self, line: &Line, text: Option<&str>) -> Verdict {
        let mut segments: Vec<Judged> = Vec::new();
        let mut outside = true;
        let mut commands = 0;
        for (index, segment) in line.segments.iter().enumerate() {
            let judged = self.segment(line, index, text);
            let runs = matches!(segment.kind, Kind::Command | Kind::Opaque);
            commands += usize::from(runs);
            if runs && !placed_outside(&judged) {
                outside = false;
            }
            segments.push(judged);
        }
        let strictest = segments.iter().map(|judged| judged.decision).max();
        let mut decision = strictest.unwrap_or(Decision::Allow);
        let ring = if outside && commands > 0 {
            // The policy refuses a rule that says otherwise; a rule made by hand may.
            decision = decision.max(Decision::Ask);
            Placement::Outside
        } else {
            Placement::Inside
        };
        Verdict {
            decision,
            ring,
            segments,
        }
    }

    fn segment(&self, line: &Line, index: usize, text: Option<&str>) -> Judged {
        let segment = &line.segments[index];
        let allowing: Vec<(&Known, Allowed)> = self
            .rules
            .iter()
            .filter(|rule| rule.decision() == Decision::Allow)
            .filter_map(|rule| Some((rule, allows(rule, line, index, text)?)))
            .collect();
        // What a person allowed by its whole text was looked at.
        let exactly = allowing.iter().any(|(_, how)| *how == Allowed::Text);
        let allowed = exactly || segment.inexact.is_none() && !allowing.is_empty();
        let mut matched = Vec::new();
        for rule in &self.rules {
            if rule.decision() == Decision::Allow {
                continue;
            }
            let sure = match segment.kind {
                Kind::Opaque => Sure::Might,
                _ => rule.pattern.occurs(&segment.words),
            };
            let lifted = rule.layer() == Layer::Builtin && allowed
                || sure == Sure::Might && exactly && rule.layer() != Layer::Managed
                || sure == Sure::Might && self.starting_surely && rule.layer() == Layer::Builtin;
            if sure != Sure::No && !lifted {
                matched.push((rule, sure));
            }
        }
        let base = match segment.kind {
            Kind::Command | Kind::Opaque if !allowed => self.default,
            _ => Decision::Allow,
        };
        let weight = |rule: &Known, sure: Sure| match sure {
            // A person can see what it is; nobody can here.
            Sure::Might | Sure::No => Decision::Ask,
            Sure::Yes => rule.decision(),
        };
        let strictest = matched.iter().map(|(rule, sure)| weight(rule, *sure)).max();
        let mut rules: Vec<MatchedRule> = matched
            .iter()
            .map(|(rule, sure)| shown(rule, *sure == Sure::Yes))
            .collect();
        if segment.kind != Kind::Found {
            rules.extend(allowing.iter().map(|(rule, _)| shown(rule, true)));
        }
        // Sure before unsure, strict before lenient, and of equals the stronger layer first.
        rules.sort_by_key(|rule| std::cmp::Reverse((rule.sure, rule.decision, rule.origin.layer)));
        if segment.kind == Kind::Opaque {
            // It might be any of them: the first says enough.
            rules.truncate(1);
        }
        Judged {
            command: command(segment),
            argv: (segment.kind != Kind::Found)
                .then(|| {
                    let words = segment.words.iter().map(Word::known);
                    words.map(|word| word.map(str::to_owned)).collect()
                })
                .flatten(),
            kind: match segment.kind {
                Kind::Command => SegmentKind::Command,
                Kind::Wrapper => SegmentKind::Wrapper,
                Kind::Found => SegmentKind::Found,
                Kind::Opaque => SegmentKind::Opaque,
            },
            decision: strictest.map_or(base, |strictest| strictest.max(base)),
            inexact: segment.inexact.map(crate::read::Why::text),
            inside_of: segment.parent,
            writes: segment.writes.clone(),
            rules,
        }
    }
}

/// How a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// The command begins with its prefix.
    Prefix,
    /// It holds the whole text that the command stands in.
    Text,
}

/// Whether a rule allows a segment, itself or through a wrapper around it.
fn allows(rule: &Known, line: &Line, index: usize, text: Option<&str>) -> Option<Allowed> {
    let pattern = &rule.pattern;
    let segment = &line.segments[index];
    if text.is_some_and(|text| pattern.is_text(text)) {
        return Some(Allowed::Text);
    }
    if segment.kind != Kind::Opaque && pattern.begins(&segment.words) {
        return Some(Allowed::Prefix);
    }
    // `timeout 60 cargo test` says something of `cargo test`; `bash -c 'TEXT'` of all in TEXT.
    let mut past = 0;
    let mut within = index;
    while let Some(parent) = line.segments[within].parent {
        let outer = &line.segments[parent];
        if outer.kind != Kind::Wrapper || outer.inexact.is_some() {
            return None;
        }
        let inner = &line.segments[within];
        let begins = outer.words.get(outer.inside_at..);
        let same = inner.kind != Kind::Opaque && begins == Some(inner.words.as_slice());
        if same {
            past += outer.inside_at;
            if pattern.len() > past && pattern.begins(&outer.words) {
                return Some(Allowed::Prefix);
            }
        } else {
            // The rule must hold the text itself.
            past = outer.inside_at;
            if pattern.len() > past && pattern.is_literal_from(past) && pattern.begins(&outer.words)
            {
                return Some(Allowed::Text);
            }
        }
        within = parent;
    }
    None
}

/// Whether a rule places it outside, surely.
fn placed_outside(judged: &Judged) -> bool {
    judged
        .rules
        .iter()
        .any(|rule| rule.sure && rule.ring == Placement::Outside)
        && judged.inexact.is_none()
}

fn shown(rule: &Known, sure: bool) -> MatchedRule {
    let Sourced { value, origin } = &rule.rule;
    MatchedRule {
        prefix: prefix(value),
        decision: value.decision,
        ring: value.ring,
        why: value.why.clone(),
        sure,
        origin: origin.clone(),
        file: origin.file.clone(),
        line: origin.line,
    }
}

/// A prefix for people: `git push|fetch`.
pub(crate) fn prefix(rule: &Rule) -> String {
    let words: Vec<String> = rule
        .prefix
        .iter()
        .map(|word| match word {
            RuleWord::One(word) => word.clone(),
            RuleWord::AnyOf(words) => words.join("|"),
        })
        .collect();
    words.join(" ")
}

/// A segment for people: one line, not too long.
fn command(segment: &Segment) -> String {
    const LONGEST: usize = 160;
    let whole = match &segment.text {
        Some(text) => text.clone(),
        None => {
            let words: Vec<String> = segment.words.iter().map(Word::shown).collect();
            words.join(" ")
        }
    };
    one_line(&whole, LONGEST)
}

impl Known {
    /// The examples that are not what they are said to be.
    fn failing(&self) -> Vec<RuleError> {
        let Sourced {
            value: rule,
            origin,
        } = &self.rule;
        let mut errors = Vec::new();
        for example in &rule.match_ {
            let line = Line::of_shell(OsStr::new(example), Dialect::Bash);
            let (sure, _) = self.over(&line, example);
            if sure != Sure::Yes {
                let found: Vec<String> = line
                    .segments
                    .iter()
                    .map(|segment| format!("`{}`", command(segment)))
                    .collect();
                errors.push(RuleError::NotMatched {
                    at: Box::new(origin.clone()),
                    prefix: format!("`{}`", prefix(rule)),
                    example: example.clone(),
                    found: if found.is_empty() {
                        "nothing".to_owned()
                    } else {
                        found.join(", ")
                    },
                });
            }
        }
        for example in &rule.not_match {
            let line = Line::of_shell(OsStr::new(example), Dialect::Bash);
            let (sure, found) = self.over(&line, example);
            if sure != Sure::No {
                errors.push(RuleError::Matched {
                    at: Box::new(origin.clone()),
                    prefix: format!("`{}`", prefix(rule)),
                    example: example.clone(),
                    how: if sure == Sure::Yes { "is" } else { "might be" },
                    found: format!("`{found}`"),
                });
            }
        }
        errors
    }

    /// How surely it matches some part of a line, and which.
    fn over(&self, line: &Line, text: &str) -> (Sure, String) {
        let mut best = (Sure::No, String::new());
        for (index, segment) in line.segments.iter().enumerate() {
            let sure = if self.decision() == Decision::Allow {
                let holds = allows(self, line, index, Some(text))
                    .is_some_and(|allowed| allowed == Allowed::Text || segment.inexact.is_none());
                if holds { Sure::Yes } else { Sure::No }
            } else if segment.kind == Kind::Opaque {
                Sure::Might
            } else {
                self.pattern.occurs(&segment.words)
            };
            if sure > best.0 {
                best = (sure, command(segment));
            }
        }
        best
    }
}
