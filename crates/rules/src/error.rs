//! Why a set of rules is not taken: a rule that is not what its author thinks, with the place it stands.

use ringfence_policy::{Origin, PolicyError};

/// Rules that cannot be taken. Nothing is judged by a part of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A word of a prefix that is no pattern.
    #[error(
        "{}: rule.prefix: `{word}` has a backslash that stands before neither `*` nor another; write `\\\\` for a backslash",
        Place(at)
    )]
    Pattern {
        /// Where the rule begins.
        at: Box<Origin>,
        /// The word.
        word: String,
    },
    /// A `match` that the rule does not match.
    #[error(
        "{}: rule.match: `{example}` is not matched by the rule's prefix {prefix}: it runs {found}; mend the example or the prefix",
        Place(at)
    )]
    NotMatched {
        /// Where the rule begins.
        at: Box<Origin>,
        /// The rule's prefix.
        prefix: String,
        /// The example.
        example: String,
        /// What the example runs.
        found: String,
    },
    /// A `not_match` that the rule matches.
    #[error(
        "{}: rule.not_match: `{example}` {how} matched by the rule's prefix {prefix}, by its part {found}; mend the example or the prefix",
        Place(at)
    )]
    Matched {
        /// Where the rule begins.
        at: Box<Origin>,
        /// The rule's prefix.
        prefix: String,
        /// The example.
        example: String,
        /// Whether it surely is: "is" or "might be".
        how: &'static str,
        /// The part of it.
        found: String,
    },
    /// The built-in rules cannot be read. None of ours are so: a test reads them.
    #[error("{0}")]
    Starting(#[source] Box<PolicyError>),
    /// More than one of the above kinds, one a line.
    #[error("{}", Lines(.0))]
    Several(Vec<RuleError>),
}

impl From<PolicyError> for RuleError {
    fn from(error: PolicyError) -> Self {
        Self::Starting(Box::new(error))
    }
}

impl RuleError {
    pub(crate) fn of(mut errors: Vec<RuleError>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// Each error by itself.
    pub fn each(&self) -> &[RuleError] {
        match self {
            Self::Several(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// Where it stands; of several, the first.
    pub fn at(&self) -> Option<&Origin> {
        match self {
            Self::Pattern { at, .. } | Self::NotMatched { at, .. } | Self::Matched { at, .. } => {
                Some(at)
            }
            Self::Starting(_) => None,
            Self::Several(all) => all.first().and_then(Self::at),
        }
    }
}

struct Place<'a>(&'a Origin);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.0.file, self.0.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}", file.display()),
            (Some(file), None) => write!(f, "{}", file.display()),
            (None, _) => write!(f, "{}", self.0),
        }
    }
}

struct Lines<'a>(&'a [RuleError]);

impl std::fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}
