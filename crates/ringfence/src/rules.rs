//! The rules about commands that hold here.

use ringfence_policy::Effective;
use ringfence_rules::RuleSet;

use crate::error::Error;

/// The rules that a policy has, their examples tried.
///
/// # Errors
/// [`Error::Rules`]: every rule that fails an example.
pub fn written(policy: &Effective) -> Result<RuleSet, Error> {
    Ok(RuleSet::new(&policy.rules)?)
}

/// All that a command is held against: the rules of a policy, and below them the built-in ones.
///
/// # Errors
/// [`Error::Rules`]: every rule that fails an example.
pub fn of(policy: &Effective) -> Result<RuleSet, Error> {
    Ok(written(policy)?.with_starting()?)
}
