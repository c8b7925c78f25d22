//! The built-in rules.

use std::path::PathBuf;

use ringfence_policy::{FileText, Layer, PolicyError, Rule, Sourced, read_rules};

/// The text of the built-in rules, as a person would write them.
pub const STARTING: &str = include_str!("starting.toml");

/// The built-in rules, the weakest layer: a rule of a person that allows the same command lifts them.
///
/// # Errors
/// None; a test reads the very text.
pub fn starting() -> Result<Vec<Sourced<Rule>>, PolicyError> {
    let file = FileText {
        path: PathBuf::from("starting.toml"),
        text: STARTING.to_owned(),
    };
    read_rules(&file, Layer::Builtin)
}
