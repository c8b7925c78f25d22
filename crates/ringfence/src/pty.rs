//! Which terminal a command gets, as it is asked for.

/// How a command's terminal is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PtyMode {
    /// The caller's descriptors as they are: a terminal is a terminal, a pipe a pipe.
    #[default]
    Auto,
    /// A terminal of the ring's own, whatever the caller has.
    Always,
    /// No terminal, and no way to one: what is a terminal outside is a pipe inside.
    Never,
}

impl std::str::FromStr for PtyMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<PtyMode, &'static str> {
        match text {
            "auto" => Ok(PtyMode::Auto),
            "always" => Ok(PtyMode::Always),
            "never" => Ok(PtyMode::Never),
            _ => Err("one of auto, always, never"),
        }
    }
}
