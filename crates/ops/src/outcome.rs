use std::fmt;

/// How much of a policy a ring really enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// Every promise of the policy.
    Full,
    /// Some promise is kept less than whole; [`Outcome::shortfalls`] names it.
    Partial,
    /// No boundary at all (`mode = "full-access"`).
    None,
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Enforcement::Full => "full",
            Enforcement::Partial => "partial",
            Enforcement::None => "none",
        })
    }
}

/// One promise that is kept less than whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The promise's name, as `[enforcement] accept` takes it (`protect.missing`).
    pub promise: String,
    /// What is not enforced, for a person.
    pub what: String,
    /// What a user could do to have it whole; empty where nothing can be done.
    pub remedy: String,
    /// The user accepted this by name.
    pub accepted: bool,
}

/// What a ring really enforces. Look at it: a ring can be less than its policy.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Full, partial or none.
    pub enforcement: Enforcement,
    /// Why it is not full.
    pub shortfalls: Vec<Shortfall>,
}

impl Outcome {
    /// The same, with one shortfall more.
    pub fn with(mut self, shortfall: Shortfall) -> Outcome {
        self.shortfalls.push(shortfall);
        if self.enforcement == Enforcement::Full {
            self.enforcement = Enforcement::Partial;
        }
        self
    }

    /// The outcome that these shortfalls make.
    pub fn of(shortfalls: Vec<Shortfall>) -> Outcome {
        let enforcement = if shortfalls.is_empty() {
            Enforcement::Full
        } else {
            Enforcement::Partial
        };
        Outcome {
            enforcement,
            shortfalls,
        }
    }

    /// The outcome of a command that runs without a ring.
    pub fn none() -> Outcome {
        Outcome {
            enforcement: Enforcement::None,
            shortfalls: Vec::new(),
        }
    }
}
