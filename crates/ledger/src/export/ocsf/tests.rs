#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

use super::{Owner, events as events_of};
use crate::story::Story;
use crate::{
    ApprovalAnswered, ApprovalAsked, Beginning, CommandEnded, CommandRefused, CommandStarted,
    Denial, Digest, Event, FileChanged, FilesChanged, GeneratedChanged, HostChanged, Known, Opened,
    PolicyKept, Record, Removed, RingEnded, RingMade, RingRefused, RingWidened, RootChanged,
    Shortfall, Text, UndoEnded, UndoStarted,
};

const SCHEMA: &str = include_str!("../../../../../docs/reference/ocsf.schema.json");

/// What is published of OCSF, of what is used of it.
struct Published {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Published {
    fn new() -> Published {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        let schema = serde_json::from_str(SCHEMA).unwrap();
        compiler.add_resource("ocsf.json", schema).unwrap();
        let index = compiler.compile("ocsf.json", &mut schemas).unwrap();
        Published { schemas, index }
    }

    fn has(&self, event: &Value) -> Result<(), String> {
        let checked = self.schemas.validate(event, self.index);
        checked.map_err(|error| format!("{error:#}\n{event:#}"))
    }
}

fn text(text: &str) -> Text {
    Text::from(text)
}

fn texts(words: &[&str]) -> Vec<Text> {
    words.iter().map(|word| text(word)).collect()
}

fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

/// As the ledger would have it.
fn record(seq: u64, event: Event) -> Record {
    Record {
        seq,
        time: "2026-11-28T14:36:42.123456Z".parse().unwrap(),
        previous: digest("before"),
        event,
        hash: digest(&format!("record {seq}")),
    }
}

fn opened(why: Beginning, after: Option<Known>) -> Event {
    Event::Opened(Opened {
        format: 1,
        version: "0.1.0".to_owned(),
        why,
        after,
    })
}

fn made() -> RingMade {
    let shortfall = Shortfall {
        promise: "limits.memory".to_owned(),
        what: "no cgroup".to_owned(),
        accepted: true,
    };
    RingMade {
        by: "mcp".to_owned(),
        client: Some("an editor 1.2".to_owned()),
        harness: 4100,
        runner: Some(4101),
        uid: Some(1000),
        gid: Some(1000),
        sid: None,
        ring: Some("namespaces".to_owned()),
        mode: "workspace-write".to_owned(),
        network: "off".to_owned(),
        workspace: text("/w"),
        write: texts(&["/w"]),
        accept: vec!["limits.memory".to_owned()],
        policy: digest("policy"),
        plan: Some(digest("plan")),
        facts: vec!["landlock 7".to_owned()],
        enforcement: "partial".to_owned(),
        shortfalls: vec![shortfall],
        granted: vec![4],
    }
}

fn started() -> CommandStarted {
    CommandStarted {
        ring: 5,
        argv: texts(&["sh", "-c", "exit 3"]),
        left_out: 2,
        cwd: text("/w"),
        program: Some(text("/usr/bin/sh")),
        env: texts(&["CI"]),
        redacted: 1,
        approval: Some(10),
    }
}

fn ended(how: &str, value: Option<i32>) -> Event {
    Event::CommandEnded(CommandEnded {
        command: 11,
        how: how.to_owned(),
        value,
        error: (how == "not-started").then(|| "no such program".to_owned()),
        elapsed_us: 1_234_567,
        cpu_us: 1000,
        max_rss_kib: 4096,
    })
}

fn answered(asked: Option<u64>, answer: &str) -> Event {
    Event::ApprovalAnswered(ApprovalAnswered {
        asked,
        subject: digest("subject"),
        answer: answer.to_owned(),
        from: "terminal".to_owned(),
    })
}

fn asked(ring: Option<u64>) -> Event {
    Event::ApprovalAsked(ApprovalAsked {
        ring,
        subject: digest("subject"),
        argv: texts(&["sh", "-c", "exit 3"]),
        cwd: text("/w"),
        verdict: "asks: a rule".to_owned(),
        command: Some(6),
    })
}

fn refused(ring: Option<u64>, decision: &str) -> Event {
    Event::CommandRefused(CommandRefused {
        ring,
        argv: texts(&["rm", "-r", "x y"]),
        cwd: text("/w"),
        decision: decision.to_owned(),
        verdict: "forbidden: removes them".to_owned(),
    })
}

fn ring_refused(argv: &[&str]) -> Event {
    Event::RingRefused(RingRefused {
        by: "run".to_owned(),
        argv: texts(argv),
        cwd: text("/w"),
        error: "limits.memory cannot be kept".to_owned(),
    })
}

fn denial(command: Option<u64>, what: &str, why: Option<&str>) -> Event {
    Event::Denial(Denial {
        ring: 5,
        command,
        what: what.to_owned(),
        path: text("/w/.envrc"),
        why: why.map(str::to_owned),
    })
}

fn host(what: &str, content: Option<Digest>) -> Event {
    Event::HostChanged(HostChanged {
        what: what.to_owned(),
        path: text("/w/.ringfence.toml"),
        content,
    })
}

/// A change of each kind.
fn changed() -> Event {
    let file = |how: &str, kind: &str, from: Option<&str>| FileChanged {
        path: text("src/a b"),
        kind: kind.to_owned(),
        how: how.to_owned(),
        from: from.map(text),
        before: Some(1).filter(|_| how != "added"),
        after: Some(2).filter(|_| how != "deleted"),
    };
    let counts = [("added".to_owned(), 1)];
    Event::FilesChanged(Box::new(FilesChanged {
        command: 11,
        shared: true,
        roots: vec![RootChanged {
            root: text("/w"),
            counts: counts.clone().into(),
            files: vec![
                file("added", "file", None),
                file("modified", "symlink", None),
                file("deleted", "directory", None),
                file("renamed", "file", Some("was")),
                file("mode", "special", None),
                file("replaced", "file", None),
            ],
            generated: vec![GeneratedChanged {
                path: text("target"),
                counts: counts.into(),
                written: 12,
                deleted: 0,
            }],
        }],
        unlisted: 3,
        incomplete: Vec::new(),
    }))
}

/// One record of each kind and more, with all that a record may have and with the least of it. The numbers are those
/// that they name each other by.
fn records() -> Vec<Record> {
    let known = Known {
        seq: 3,
        hash: digest("record 3"),
    };
    let least = RingMade {
        by: "run".to_owned(),
        mode: "full-access".to_owned(),
        network: "on".to_owned(),
        enforcement: "none".to_owned(),
        uid: Some(0),
        ..RingMade::default()
    };
    let removed = Removed {
        first: 1,
        last: known,
        why: "age".to_owned(),
    };
    let widened = RingWidened {
        ring: 5,
        read: texts(&["/r"]),
        write: texts(&["/more"]),
        sockets: texts(&["/run/s"]),
    };
    let gone = RingEnded {
        ring: 5,
        enforcement: "partial".to_owned(),
        more: made().shortfalls,
        unwritten: 1,
    };
    let bare = CommandStarted {
        ring: 6,
        argv: texts(&["true"]),
        cwd: text("/"),
        ..CommandStarted::default()
    };
    let unheard = CommandEnded {
        command: 999,
        how: "exited".to_owned(),
        value: Some(0),
        ..CommandEnded::default()
    };
    let events = [
        opened(Beginning::New, None),
        opened(Beginning::Continues, None),
        opened(
            Beginning::Broken("the head is damaged".to_owned()),
            Some(known),
        ),
        Event::Mended { bytes: 12 },
        Event::RingMade(Box::new(made())),
        Event::RingMade(Box::new(least)),
        asked(Some(5)),
        asked(None),
        answered(Some(7), "no"),
        answered(Some(7), "ring"),
        Event::CommandStarted(started()),
        Event::CommandStarted(bare),
        ended("exited", Some(3)),
        ended("signalled", Some(9)),
        ended("timed-out", None),
        ended("not-started", None),
        Event::CommandEnded(unheard),
        answered(None, "nobody"),
        refused(Some(5), "forbid"),
        refused(None, "ask"),
        ring_refused(&["make"]),
        ring_refused(&[]),
        denial(Some(11), "moved-aside", None),
        denial(None, "left-in-place", Some("read-only")),
        denial(Some(11), "planted-repository", Some("core.fsmonitor")),
        denial(None, "of a later version", None),
        host("trusted", Some(digest("file"))),
        host("distrusted", None),
        host("of a later version", None),
        Event::RingWidened(widened),
        Event::RingEnded(gone),
        Event::Removed(removed),
        Event::PolicyKept(PolicyKept {
            policy: digest("policy"),
            content: digest("text"),
        }),
        changed(),
        Event::FilesChanged(Box::new(FilesChanged {
            command: 999,
            incomplete: vec!["not walked yet".to_owned()],
            ..FilesChanged::default()
        })),
        Event::UndoStarted(UndoStarted {
            command: 11,
            roots: texts(&["/w"]),
            changes: 3,
            left: 1,
            forced: true,
        }),
        Event::UndoEnded(UndoEnded {
            undo: 40,
            undone: 2,
            left: 2,
            error: Some("the store is locked".to_owned()),
        }),
        Event::UndoEnded(UndoEnded {
            undo: 999,
            undone: 2,
            ..UndoEnded::default()
        }),
        Event::Unknown,
    ];
    (1..)
        .zip(events)
        .map(|(seq, event)| record(seq, event))
        .collect()
}

fn here() -> Owner {
    Owner {
        hostname: Some("host-1.example".to_owned()),
        uid: Some(1000),
    }
}

/// Each as it is told with those before it.
fn events(records: &[Record], owner: &Owner) -> Vec<Value> {
    let mut story = Story::default();
    let tell = |record: &Record| {
        let events = events_of(record, &story, owner);
        story.tell(record.clone());
        events
    };
    records.iter().flat_map(tell).collect()
}

/// The only event of a record.
fn event(record: &Record, story: &Story, owner: &Owner) -> Value {
    let mut events = events_of(record, story, owner);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// A kind that is new has no number here, and belongs among `records` too.
fn kind(event: &Event) -> u32 {
    match event {
        Event::Opened(_) => 1,
        Event::Mended { .. } => 2,
        Event::Removed(_) => 3,
        Event::RingMade(_) => 4,
        Event::RingRefused(_) => 5,
        Event::RingWidened(_) => 6,
        Event::RingEnded(_) => 7,
        Event::CommandStarted(_) => 8,
        Event::CommandRefused(_) => 9,
        Event::CommandEnded(_) => 10,
        Event::ApprovalAsked(_) => 11,
        Event::ApprovalAnswered(_) => 12,
        Event::Denial(_) => 13,
        Event::HostChanged(_) => 14,
        Event::PolicyKept(_) => 15,
        Event::FilesChanged(_) => 16,
        Event::UndoStarted(_) => 17,
        Event::UndoEnded(_) => 18,
        Event::Unknown => 19,
    }
}

#[test]
fn each_kind_of_record_is_an_event_as_published() {
    let published = Published::new();
    let records = records();
    let kinds: BTreeSet<u32> = records.iter().map(|record| kind(&record.event)).collect();
    assert_eq!(kinds, (1..=19).collect());
    for owner in [here(), Owner::default()] {
        for event in events(&records, &owner) {
            published.has(&event).unwrap();
            let number = |name: &str| event[name].as_u64().unwrap();
            assert_eq!(
                number("type_uid"),
                number("class_uid") * 100 + number("activity_id")
            );
            assert_eq!(number("category_uid"), number("class_uid") / 1000);
        }
        // Each alone: what it refers to is kept no more.
        for record in &records {
            for event in events_of(record, &Story::default(), &owner) {
                published.has(&event).unwrap();
            }
        }
    }
    let rows: Vec<String> = events(&records, &here())
        .iter()
        .map(|event| {
            format!(
                "{} {} {}: {} | severity {} status {} | {}",
                event["metadata"]["event_code"].as_str().unwrap(),
                event["type_uid"],
                event["class_name"].as_str().unwrap(),
                event["activity_name"].as_str().unwrap(),
                event["severity_id"],
                event["status_id"],
                event["message"].as_str().unwrap()
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
}

/// The schema refuses: without an attribute that is required, with one that OCSF does not know, with a number that is none
/// of the enumeration.
#[test]
fn what_is_not_as_published_is_refused() {
    let published = Published::new();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let events = events(&records(), &here());
    let mut refused = 0;
    for event in &events {
        let class =
            schema["$defs"].as_object().unwrap().values().find(|class| {
                class["properties"]["class_uid"]["enum"] == json!([event["class_uid"]])
            });
        for required in class.unwrap()["required"].as_array().unwrap() {
            let mut without = event.clone();
            without
                .as_object_mut()
                .unwrap()
                .remove(required.as_str().unwrap())
                .unwrap();
            published.has(&without).unwrap_err();
            refused += 1;
        }
        for (pointer, name, value) in [
            ("", "severity_id", json!(7)),
            (
                "",
                "type_uid",
                json!(event["type_uid"].as_u64().unwrap() + 1),
            ),
            ("", "time", json!("2026-11-28T14:36:42Z")),
            ("", "invented", json!(1)),
            ("", "message", Value::Null),
            ("/metadata", "version", json!("1.2.0")),
            ("/metadata", "product", json!({ "name": "no vendor" })),
            ("/metadata/product", "name", Value::Null),
            ("/metadata", "profiles", json!(["cloud"])),
        ] {
            let mut changed = event.clone();
            changed.pointer_mut(pointer).unwrap()[name] = value;
            let what = published.has(&changed);
            assert!(what.is_err(), "{pointer}/{name}: {changed:#}");
            refused += 1;
        }
    }
    assert!(refused > events.len() * 15, "{refused}");
    let of = |class: u64| {
        events
            .iter()
            .find(|event| event["class_uid"] == class)
            .unwrap()
    };
    for (class, pointer, name) in [
        (1007, "/process", "uid"),
        (1007, "/device", "type_id"),
        (2004, "/finding_info", "title"),
        (2004, "/evidences/0/file", "type_id"),
        (2004, "", "action_id"),
        (6002, "/app/feature", "uid"),
    ] {
        let of = if pointer.starts_with("/evidences") {
            &events[22]
        } else {
            of(class)
        };
        let mut without = of.clone();
        let object = without
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap();
        object.remove(name).unwrap();
        if name == "uid" {
            object.remove("name");
        }
        assert!(
            published.has(&without).is_err(),
            "{pointer}/{name}: {without:#}"
        );
    }
}

#[test]
fn the_end_of_a_command_tells_what_was_started() {
    let events = events(&records(), &here());
    let (launch, end) = (&events[10], &events[12]);
    let process = json!({
        "cmd_line": "sh -c 'exit 3'",
        "file": { "name": "sh", "path": "/usr/bin/sh", "type_id": 0 },
        "name": "sh",
        "parent_process": { "name": "ringfence-runner", "pid": 4101 },
        "sandbox": "ring 5",
        "uid": "11",
        "user": { "uid": "1000" },
    });
    assert_eq!((&launch["process"], &end["process"]), (&process, &process));
    assert_eq!(launch["actor"]["process"], json!({ "pid": 4100 }));
    assert_eq!(
        (&end["exit_code"], &end["duration"]),
        (&json!(3), &json!(1234))
    );
    assert_eq!(end["start_time"], 1_795_876_602_123_i64);
    let left = json!({
        "cpu_us": 1000,
        "elapsed_us": 1_234_567,
        "max_rss_kib": 4096,
        "previous": digest("before"),
    });
    assert_eq!(end["unmapped"], left);
    // Of one that is kept no more there is the number.
    let process = json!({ "cmd_line": "", "uid": "999" });
    assert_eq!(events[16]["process"], process);
    assert_eq!(
        events[13]["exit_code"],
        Value::Null,
        "a signal is no exit code"
    );
}

/// Nothing that was recorded is lost where OCSF cannot hold it.
#[test]
fn what_a_string_cannot_hold_stands_as_it_was() {
    let published = Published::new();
    let name = Text::from(&crate::sys::odd("/w/a", ""));
    let long = text(&"\u{e9}".repeat(40_000));
    let start = |argv: Vec<Text>| Event::CommandStarted(CommandStarted { argv, ..started() });
    let moved = Event::Denial(Denial {
        ring: 5,
        command: None,
        what: "moved-aside".to_owned(),
        path: name.clone(),
        why: None,
    });
    let told = |what: Event| {
        let event = event(&record(5, what), &Story::default(), &here());
        published.has(&event).unwrap();
        event
    };
    let event = told(moved);
    assert_eq!(event["evidences"][0]["file"]["path"], "/w/a\u{fffd}");
    assert_eq!(event["unmapped"]["path"], json!(name));
    let event = told(start(vec![text("echo"), long.clone()]));
    assert_eq!(event["unmapped"]["argv"], json!(["echo", long]));
    assert!(event["process"]["cmd_line"].as_str().unwrap().len() <= 65_535);
    let event = told(start(vec![text("echo"), name.clone()]));
    assert_eq!(event["unmapped"]["argv"], json!(["echo", name]));
    // One that can be held stands once.
    let event = told(start(texts(&["echo", "a b"])));
    assert_eq!(event["process"]["cmd_line"], "echo 'a b'");
    assert_eq!(event["unmapped"]["argv"], Value::Null);
}

/// A machine may have a name that is none by the rules of OCSF.
#[test]
fn a_machine_is_named_as_far_as_it_is_known() {
    let published = Published::new();
    let device = |hostname: Option<&str>| {
        let owner = Owner {
            hostname: hostname.map(str::to_owned),
            uid: None,
        };
        let event = event(
            &record(5, Event::CommandStarted(started())),
            &Story::default(),
            &owner,
        );
        published.has(&event).unwrap();
        event["device"].clone()
    };
    let named = json!({ "hostname": "host", "name": "host", "type_id": 0 });
    assert_eq!(device(Some("host")), named);
    for odd in ["my_host", "a..b", "-a", "(none)"] {
        assert_eq!(device(Some(odd)), json!({ "name": odd, "type_id": 0 }));
    }
    assert_eq!(device(None), json!({ "name": "Unknown", "type_id": 0 }));
}
