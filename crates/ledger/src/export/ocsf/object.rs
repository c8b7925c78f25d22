//! The objects of OCSF that events have in them: who, with what, on what.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Owner;
use super::class::{BASE, Class, FILE, PROCESS};
use super::rest::bounded;
use crate::export;
use crate::story::Story;
use crate::{CommandStarted, RingMade, Text};

/// What makes these events, and what they are about.
pub(super) const PRODUCT: &str = "Ringfence";

/// The fields of an object, without what is null: OCSF leaves out what is not known.
pub(super) fn fields(object: Value) -> Map<String, Value> {
    match known(object) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn known(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, known(value)))
            .collect(),
        Value::Array(values) => values.into_iter().map(known).collect(),
        value => value,
    }
}

/// What is known besides the record.
pub(super) struct Around<'a> {
    pub(super) story: &'a Story,
    pub(super) owner: &'a Owner,
}

impl<'a> Around<'a> {
    /// How a ring was made; also of none, which has the number 0.
    pub(super) fn ring(&self, number: Option<u64>) -> Option<&'a RingMade> {
        let ring = self.story.rings.get(&number?)?;
        ring.made.as_ref().map(|made| &made.what)
    }

    /// How a command was started, and its ring.
    pub(super) fn command(
        &self,
        number: u64,
    ) -> (Option<&'a CommandStarted>, Option<&'a RingMade>) {
        let command = self.story.commands.get(&number);
        let started = command.map(|command| &command.started.what);
        (started, self.ring(started.map(|started| started.ring)))
    }

    /// Who did it: Ringfence or its client, for a user.
    pub(super) fn actor(&self, made: Option<&RingMade>, process: Value) -> Value {
        let client = made.and_then(|made| made.client.as_deref());
        let of_ledger = || self.owner.uid.map(user);
        let user = made.and_then(whose).or_else(of_ledger);
        json!({
            "app_name": client.map_or_else(|| PRODUCT.to_owned(), bounded),
            "process": process,
            "user": user,
        })
    }

    /// The same, where it is the process that the ring is of.
    pub(super) fn harness(&self, made: Option<&RingMade>) -> Value {
        let process = made.map(|made| json!({ "pid": made.harness }));
        self.actor(made, json!(process))
    }
}

fn user(uid: u32) -> Value {
    json!({ "uid": uid.to_string() })
}

/// Whose a ring is; on Windows a SID (OCSF, object User, `uid`).
fn whose(made: &RingMade) -> Option<Value> {
    let sid = || made.sid.as_ref().map(|sid| json!({ "uid": sid }));
    made.uid.map(user).or_else(sid)
}

pub(super) fn product(feature: Option<Value>) -> Value {
    // Of the ring or the ledger it is not known which version it was.
    let version = feature.is_none().then_some(env!("CARGO_PKG_VERSION"));
    json!({ "feature": feature, "name": PRODUCT, "vendor_name": PRODUCT, "version": version })
}

pub(super) fn device(owner: &Owner, class: Class) -> Value {
    match &owner.hostname {
        _ if class == BASE => Value::Null,
        Some(name) => json!({
            "hostname": Some(name).filter(|name| is_hostname(name)),
            "name": bounded(name),
            "type_id": 0,
        }),
        // It is required there, and has to have some name.
        None if class == PROCESS || class == FILE => json!({ "name": "Unknown", "type_id": 0 }),
        None => Value::Null,
    }
}

/// Whether it is one by the rules of OCSF (`hostname_t`), which has no place for others.
fn is_hostname(name: &str) -> bool {
    name.split('.').all(|label| {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty()
            && label.chars().all(letters)
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// A file of which it is known that it is a folder, or nothing.
pub(super) fn file(path: &Text, folder: bool) -> Value {
    json!({
        "name": name(path),
        "path": bounded(&path.to_string()),
        "type_id": if folder { 2 } else { 0 },
    })
}

/// The last name of a path.
fn name(path: &Text) -> String {
    let name = Path::new(path.as_os_str()).file_name();
    bounded(&name.unwrap_or(path.as_os_str()).to_string_lossy())
}

/// A command as a process. Its number stands for it: nobody records which process it became.
pub(super) fn process(
    number: u64,
    started: Option<&CommandStarted>,
    made: Option<&RingMade>,
) -> Value {
    let program = started.and_then(|started| started.program.as_ref());
    let word = started.and_then(|started| started.argv.first());
    let sandbox = started
        .filter(|_| made.is_some_and(|made| made.ring.is_some()))
        .map(|started| format!("ring {}", started.ring));
    let runner = made.and_then(|made| made.runner);
    json!({
        // What OCSF has for a line that is not known.
        "cmd_line": started.map(|started| bounded(&export::line(&started.argv))).unwrap_or_default(),
        "file": program.map(|program| file(program, false)),
        "name": program.or(word).map(name),
        "parent_process": runner.map(|pid| json!({ "name": "ringfence-runner", "pid": pid })),
        "sandbox": sandbox,
        "uid": number.to_string(),
        "user": made.and_then(whose),
    })
}
