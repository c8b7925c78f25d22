//! The file that `policy init` writes.

/// A commented policy file: it changes nothing as it is, and every line of it is valid once its comment
/// marker (`#` without a blank) is removed.
pub fn init_text() -> &'static str {
    include_str!("starter.toml")
}
