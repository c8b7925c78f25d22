use std::fmt;

/// How much a step matters when a machine cannot do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Without it the ring is not made (exit 125).
    Must,
    /// Without it the ring is made, and the outcome says what is missing.
    Should,
    /// Without it nothing a policy promises is lost.
    May,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Need::Must => "must",
            Need::Should => "should",
            Need::May => "may",
        })
    }
}
