//! Records as events of the Open Cybersecurity Schema Framework (OCSF), for programs that gather security events.
//!
//! Version 1.3.0, the oldest that has all of these classes: what 1.8.0 requires of them is no more. The definitions that are used are
//! restated in `docs/reference/ocsf.schema.json`, which a test holds each kind of record against.
//!
//! | record | class | activity | status |
//! |---|---|---|---|
//! | `command.started` | Process Activity 1007 | Launch | unknown: it is about to start |
//! | `command.ended` | Process Activity 1007 | Terminate; Launch where it did not start | success; failure where it did not start |
//! | `command.refused`, `ring.refused`, `denial` | Detection Finding 2004 | Create | new |
//! | `approval.asked` | Entity Management 3004 | Create | success |
//! | `approval.answered` | Entity Management 3004 | Activate | success; failure where it was not allowed |
//! | `policy.kept` | Entity Management 3004 | Create | success |
//! | `files.changed` | File System Activity 1001, for each file | Create, Update, Delete, Rename, Set Attributes, Other | success |
//! | `host.changed` | Entity Management 3004 | Enable, Disable | success |
//! | `ring.made`, `ring.widened`, `ring.ended` | Application Lifecycle 6002 | Start, Update, Stop | unknown: it is being made; success |
//! | `ledger.opened` | Event Log Activity 1008 | Start, Rotate; Restart where the chain was broken | success |
//! | `ledger.mended`, `ledger.removed` | Event Log Activity 1008 | Other (99, Mend), Delete | success |
//! | of a later version | Base Event 0 | unknown | unknown |
//!
//! Why these classes:
//!
//! - **Approvals** are things that are made and then let take effect or not: Entity Management. User Access Management (3005) tells
//!   of privileges that a user has from then on; an answer gives the user none, a question even less, and 1.9.0 deprecates it. Authorize
//!   Session (3003) is about what a user gets when logging in.
//! - **Trust** makes a policy file take effect, for good: Entity Management of a policy. Device Config State Change (5019) tells how secure
//!   a whole device is.
//! - **The ledger** is a log, so what befalls it is looked for where logs are cleared and deleted (1008), not among applications.
//! - What is **denied** is a finding, and not a Process Activity that failed: of a command that was refused there never was a process, and
//!   the process that was denied something goes on.
//! - **Files that a command changed** are an event each, of which the record's number (`metadata.sequence`) is one. A generated directory is
//!   one event for all that changed in it.
//!
//! What is not known is left out, or is `0` (Unknown) where OCSF requires it. What OCSF has no place for stands in `unmapped`, with the names that it has in
//! the ledger; there is also what a string of OCSF cannot hold: bytes that are not UTF-8, and more than 65,535 of them.

mod class;
mod files;
mod object;
mod rest;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::story::Story;
use crate::{
    Beginning, CommandEnded, CommandRefused, Denial, Event, HostChanged, Record, RingMade,
    RingRefused,
};
use class::*;
use object::{Around, PRODUCT, device, fields, file, process, product};
use rest::{Rest, bounded};

/// The version of OCSF.
pub const VERSION: &str = "1.3.0";

/// What no record says: whose ledger it is, and on which machine. Nothing of it is known of a ledger that was brought from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Owner {
    /// The machine's name.
    pub hostname: Option<String>,
    /// The user's number.
    pub uid: Option<u32>,
}

/// A record as events: one, or one for each file that changed. `story` is what the records before it tell: the end of a command
/// names its start, and no more.
#[must_use]
pub fn events(record: &Record, story: &Story, owner: &Owner) -> Vec<Value> {
    let around = Around { story, owner };
    if let Event::FilesChanged(changed) = &record.event {
        return files::events(record, changed, &around);
    }
    let mut rest = Rest::of(record);
    let telling = Telling::of(record, &around, &mut rest);
    vec![telling.event(record, record.hash.to_string(), rest, owner)]
}

/// What an event has beyond what each has.
struct Telling<'a> {
    class: Class,
    activity: (u32, &'a str),
    severity: u32,
    status: u32,
    message: String,
    more: Map<String, Value>,
}

impl<'a> Telling<'a> {
    /// All of it. `uid` is no other event's.
    fn event(self, record: &Record, uid: String, rest: Rest, owner: &Owner) -> Value {
        let (activity, activity_name) = self.activity;
        let class = self.class;
        let mut profiles = Vec::new();
        for (attribute, profile) in [("actor", "host"), ("action_id", "security_control")] {
            if self.more.contains_key(attribute) {
                profiles.push(profile);
            }
        }
        let base = json!({
            "activity_id": activity,
            "activity_name": activity_name,
            "category_name": class.category,
            "category_uid": class.uid / 1000,
            "class_name": class.name,
            "class_uid": class.uid,
            "device": device(owner, class),
            "message": self.message,
            "metadata": {
                "event_code": record.event.name(),
                "log_name": "ledger",
                "log_provider": PRODUCT,
                "original_time": format!("{:.6}", record.time),
                "product": product(None),
                "profiles": profiles,
                "sequence": record.seq,
                "uid": uid,
                "version": VERSION,
            },
            "severity_id": self.severity,
            "status_id": self.status,
            "time": record.time.as_millisecond(),
            "type_uid": class.uid * 100 + activity,
        });
        let mut event = fields(base);
        event.extend(self.more);
        // Behind this: a null among what was recorded is one.
        event.insert("unmapped".to_owned(), Value::Object(rest.0));
        Value::Object(event)
    }

    fn of(record: &'a Record, around: &Around<'_>, rest: &mut Rest) -> Telling<'a> {
        match &record.event {
            Event::Opened(opened) => {
                let (activity, severity, message) = match &opened.why {
                    Beginning::New => ((6, "Start"), INFORMATIONAL, "the ledger begins"),
                    Beginning::Continues => {
                        let message = "the ledger goes on in another file";
                        ((5, "Rotate"), INFORMATIONAL, message)
                    }
                    Beginning::Broken(why) => ((8, "Restart"), HIGH, why.as_str()),
                };
                Telling::log(activity, severity, bounded(message), around)
            }
            Event::Mended { bytes } => {
                let message = format!("{bytes} bytes that somebody died at writing were cut off");
                Telling::log((99, "Mend"), INFORMATIONAL, message, around)
            }
            Event::Removed(removed) => {
                let (first, last, why) = (removed.first, removed.last.seq, &removed.why);
                let message = format!("records {first} to {last} were removed for their {why}");
                Telling::log((2, "Delete"), INFORMATIONAL, message, around)
            }
            Event::RingMade(made) => {
                for field in ["client", "harness", "uid"] {
                    rest.placed(field);
                }
                let message = format!("a ring is made: {}, network {}", made.mode, made.network);
                let started = ((3, "Start"), UNKNOWN);
                Telling::ring(started, message, record.seq, Some(&**made), around)
            }
            Event::RingWidened(widened) => {
                let made = around.ring(Some(widened.ring));
                let message = "the ring was made wider".to_owned();
                Telling::ring(
                    ((8, "Update"), SUCCESS),
                    message,
                    widened.ring,
                    made,
                    around,
                )
            }
            Event::RingEnded(ended) => {
                let made = around.ring(Some(ended.ring));
                let message = format!("the ring is gone; enforcement was {}", ended.enforcement);
                Telling::ring(((4, "Stop"), SUCCESS), message, ended.ring, made, around)
            }
            Event::CommandStarted(started) => {
                let made = around.ring(Some(started.ring));
                if let Some(program) = &started.program {
                    rest.text("program", program);
                }
                Telling {
                    class: PROCESS,
                    activity: (1, "Launch"),
                    severity: INFORMATIONAL,
                    status: UNKNOWN,
                    message: rest.words("argv", &started.argv),
                    more: fields(json!({
                        "actor": around.harness(made),
                        "process": process(record.seq, Some(started), made),
                    })),
                }
            }
            Event::CommandEnded(ended) => Telling::end(record, ended, around, rest),
            Event::CommandRefused(refused) => Telling::refused(record, refused, around, rest),
            Event::RingRefused(refused) => Telling::ring_refused(record, refused, around, rest),
            Event::Denial(denial) => Telling::denial(record, denial, around, rest),
            Event::ApprovalAsked(asked) => {
                rest.placed("subject");
                let entity = json!({
                    "name": rest.words("argv", &asked.argv),
                    "type": "Approval",
                    "type_id": 99,
                    "uid": asked.subject.to_string(),
                });
                let message = rest.string("verdict", &asked.verdict);
                let created = ((1, "Create"), SUCCESS);
                Telling::entity(
                    created,
                    message,
                    entity,
                    around.harness(around.ring(asked.ring)),
                )
            }
            Event::ApprovalAnswered(answered) => {
                let question = answered
                    .asked
                    .and_then(|asked| around.story.questions.get(&asked));
                let asked = question.map(|question| &question.asked.what);
                rest.placed("subject");
                let entity = json!({
                    "name": asked.map(|asked| bounded(&super::line(&asked.argv))),
                    "type": "Approval",
                    "type_id": 99,
                    "uid": answered.subject.to_string(),
                });
                let status = match answered.allows() {
                    Some(true) => SUCCESS,
                    Some(false) => FAILURE,
                    None => UNKNOWN,
                };
                let message = format!("answered from {}: {}", answered.from, answered.answer);
                let made = around.ring(asked.and_then(|asked| asked.ring));
                let activated = ((10, "Activate"), status);
                let mut telling =
                    Telling::entity(activated, bounded(&message), entity, around.harness(made));
                telling.put("status_code", rest.string("answer", &answered.answer));
                telling
            }
            Event::HostChanged(changed) => Telling::host_changed(changed, around, rest),
            Event::UndoStarted(started) => Telling::undo(
                started.command,
                SUCCESS,
                format!(
                    "undoes command {}: {} changes",
                    started.command, started.changes
                ),
                around,
            ),
            Event::UndoEnded(ended) => {
                let undo = around.story.undos.get(&ended.undo);
                let command = undo.map_or(ended.undo, |undo| undo.started.what.command);
                let well = ended.left == 0 && ended.error.is_none();
                Telling::undo(
                    command,
                    if well { SUCCESS } else { FAILURE },
                    format!("undone: {} changes, {} left", ended.undone, ended.left),
                    around,
                )
            }
            Event::PolicyKept(kept) => {
                rest.placed("policy");
                rest.placed("content");
                let entity = json!({
                    "name": "a policy in force",
                    "policy": { "uid": kept.policy.to_string(), "version": kept.content.to_string() },
                    "type": "Policy",
                    "type_id": 5,
                    "uid": kept.policy.to_string(),
                });
                let message = "the text of a policy is kept".to_owned();
                let created = ((1, "Create"), SUCCESS);
                Telling::entity(created, message, entity, around.actor(None, Value::Null))
            }
            Event::FilesChanged(_) | Event::Unknown => Telling {
                class: BASE,
                activity: (0, "Unknown"),
                severity: UNKNOWN,
                status: UNKNOWN,
                message: "a record of a later version of Ringfence".to_owned(),
                more: Map::new(),
            },
        }
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.more.insert(name.to_owned(), value.into());
    }

    /// What befell the ledger.
    fn log(
        activity: (u32, &'a str),
        severity: u32,
        message: String,
        around: &Around<'_>,
    ) -> Telling<'a> {
        Telling {
            class: LOG,
            activity,
            severity,
            status: SUCCESS,
            message,
            more: fields(json!({
                "actor": around.actor(None, Value::Null),
                "log_name": "ledger",
                "log_provider": PRODUCT,
                "log_type": "Application",
                "log_type_id": 2,
            })),
        }
    }

    /// What befell a ring.
    fn ring(
        (activity, status): ((u32, &'a str), u32),
        message: String,
        number: u64,
        made: Option<&RingMade>,
        around: &Around<'_>,
    ) -> Telling<'a> {
        let ring = json!({ "name": "ring", "uid": number.to_string() });
        Telling {
            class: LIFECYCLE,
            activity,
            severity: INFORMATIONAL,
            status,
            message: bounded(&message),
            more: fields(json!({ "actor": around.harness(made), "app": product(Some(ring)) })),
        }
    }

    /// What befell an approval or a file that is trusted.
    fn entity(
        (activity, status): ((u32, &'a str), u32),
        message: String,
        entity: Value,
        actor: Value,
    ) -> Telling<'a> {
        Telling {
            class: ENTITY,
            activity,
            severity: INFORMATIONAL,
            status,
            message,
            more: fields(json!({ "actor": actor, "entity": entity })),
        }
    }

    fn end(
        record: &Record,
        ended: &CommandEnded,
        around: &Around<'_>,
        rest: &mut Rest,
    ) -> Telling<'a> {
        let (started, made) = around.command(ended.command);
        let began = ended.how != "not-started";
        let actor = match ended.how.as_str() {
            // OCSF has a process that ends by itself for its own actor.
            "exited" => around.actor(made, json!({ "uid": ended.command.to_string() })),
            // Nobody records who sent a signal.
            "signalled" => around.actor(made, Value::Null),
            _ => around.harness(made),
        };
        let exit = ended.value.filter(|_| ended.how == "exited");
        if exit.is_some() {
            rest.placed("value");
        }
        rest.placed("command");
        let start = around.story.commands.get(&ended.command);
        Telling {
            class: PROCESS,
            activity: if began {
                (2, "Terminate")
            } else {
                (1, "Launch")
            },
            severity: INFORMATIONAL,
            status: if began { SUCCESS } else { FAILURE },
            message: bounded(&match (ended.value, &ended.error) {
                (Some(value), _) => format!("{} {value}", ended.how),
                (None, Some(error)) => format!("{}: {error}", ended.how),
                (None, None) => ended.how.clone(),
            }),
            more: fields(json!({
                "actor": actor,
                "duration": ended.elapsed_us / 1000,
                "end_time": record.time.as_millisecond(),
                "exit_code": exit,
                "process": process(ended.command, started, made),
                "start_time": start.map(|command| command.started.time.as_millisecond()),
                "status_code": rest.string("how", &ended.how),
                "status_detail": ended.error.as_ref().map(|error| rest.string("error", error)),
            })),
        }
    }

    /// Something that was found. What was done about it has an action and a disposition.
    fn finding(
        record: &Record,
        (title, severity): (&str, u32),
        (action, disposition): (u32, u32),
        why: Option<String>,
        (evidence, actor): (Value, Value),
    ) -> Telling<'a> {
        Telling {
            class: FINDING,
            activity: (1, "Create"),
            severity,
            status: NEW,
            message: match &why {
                Some(why) => bounded(&format!("{title}: {why}")),
                None => title.to_owned(),
            },
            more: fields(json!({
                "action_id": action,
                "actor": actor,
                "disposition_id": disposition,
                "evidences": [evidence],
                "finding_info": {
                    "created_time": record.time.as_millisecond(),
                    "desc": why,
                    "title": title,
                    "types": [record.event.name()],
                    "uid": record.hash.to_string(),
                },
            })),
        }
    }

    fn refused(
        record: &Record,
        refused: &CommandRefused,
        around: &Around<'_>,
        rest: &mut Rest,
    ) -> Telling<'a> {
        let found = match refused.decision.as_str() {
            "forbid" => ("a rule forbids the command", MEDIUM),
            "ask" => ("a rule asks about the command, and nobody allowed it", LOW),
            _ => ("the command was not let run", LOW),
        };
        let evidence = json!({ "data": { "argv": rest.take("argv"), "cwd": rest.take("cwd") } });
        let why = rest.string("verdict", &refused.verdict);
        let actor = around.harness(around.ring(refused.ring));
        Telling::finding(record, found, BLOCKED, Some(why), (evidence, actor))
    }

    fn ring_refused(
        record: &Record,
        refused: &RingRefused,
        around: &Around<'_>,
        rest: &mut Rest,
    ) -> Telling<'a> {
        let found = (
            "a ring could not be made, and what it was for was not run",
            LOW,
        );
        let evidence = json!({ "data": { "argv": rest.take("argv"), "cwd": rest.take("cwd") } });
        let why = rest.string("error", &refused.error);
        let actor = around.harness(None);
        Telling::finding(record, found, BLOCKED, Some(why), (evidence, actor))
    }

    fn denial(
        record: &Record,
        denial: &Denial,
        around: &Around<'_>,
        rest: &mut Rest,
    ) -> Telling<'a> {
        let (found, done) = match denial.what.as_str() {
            "moved-aside" => {
                let title = "a file was made under a protected name, and moved aside";
                ((title, MEDIUM), QUARANTINED)
            }
            "left-in-place" => {
                let title = "a file was made under a protected name, and could not be moved aside";
                ((title, HIGH), UNCORRECTED)
            }
            "planted-repository" => {
                let title = "a repository was made in which git would run programs";
                ((title, HIGH), DETECTED)
            }
            _ => (
                ("the ring kept a command from something", UNKNOWN),
                (UNKNOWN, UNKNOWN),
            ),
        };
        // All of it stands in the file.
        rest.text("path", &denial.path);
        let folder = denial.what == "planted-repository";
        let evidence = json!({ "file": file(&denial.path, folder) });
        let of_ring = around.ring(Some(denial.ring));
        let actor = match denial.command {
            Some(number) => {
                rest.placed("command");
                let (started, made) = around.command(number);
                around.actor(made.or(of_ring), process(number, started, made))
            }
            None => around.actor(of_ring, Value::Null),
        };
        let why = denial.why.as_ref().map(|why| rest.string("why", why));
        Telling::finding(record, found, done, why, (evidence, actor))
    }

    fn undo(command: u64, status: u32, message: String, around: &Around<'_>) -> Telling<'a> {
        let entity = json!({
            "name": "what a command changed",
            "type": "Undo",
            "type_id": 99,
            "uid": command.to_string(),
        });
        let updated = ((3, "Update"), status);
        Telling::entity(updated, message, entity, around.actor(None, Value::Null))
    }

    fn host_changed(changed: &'a HostChanged, around: &Around<'_>, rest: &mut Rest) -> Telling<'a> {
        let activity = match changed.what.as_str() {
            "trusted" => (8, "Enable"),
            "distrusted" => (9, "Disable"),
            what => (99, what),
        };
        rest.placed("content");
        let path = rest.text("path", &changed.path);
        let content = changed.content.map(|content| content.to_string());
        let entity = json!({
            "name": path,
            "policy": { "name": path, "version": content },
            "type": "Policy",
            "type_id": 5,
        });
        let message = bounded(&format!("{}: {path}", changed.what));
        Telling::entity(
            (activity, SUCCESS),
            message,
            entity,
            around.actor(None, Value::Null),
        )
    }
}
