//! What was found, as it is told.

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// To be had.
    Have,
    /// Not to be had; what is lost is small or has a substitute.
    Less,
    /// Not to be had, and the default policy needs it.
    Lack,
    /// Neither good nor bad.
    Note,
}

impl Status {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Have => "have",
            Status::Less => "less",
            Status::Lack => "lack",
            Status::Note => "note",
        }
    }
}

/// One thing about a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name (`landlock`).
    pub name: &'static str,
    /// How good it is.
    pub status: Status,
    /// What was found.
    pub what: String,
    /// How to get it; empty where it is there, or nothing can be done.
    pub remedy: String,
}

impl Finding {
    /// As data.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let Finding {
            name,
            status,
            what,
            remedy,
        } = self;
        serde_json::json!({ "name": name, "status": status.name(), "what": what, "remedy": remedy })
    }
}

pub(crate) fn row(
    name: &'static str,
    status: Status,
    what: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        name,
        status,
        what: what.into(),
        remedy: remedy.into(),
    }
}

pub(crate) fn have(name: &'static str, what: impl Into<String>) -> Finding {
    row(name, Status::Have, what, "")
}
