//! The files that a command changed, an event each.

use serde_json::{Value, json};

use super::Telling;
use super::class::*;
use super::object::{Around, fields, file, process};
use super::rest::{Rest, bounded};
use crate::{FileChanged, FilesChanged, GeneratedChanged, Record, RootChanged, Text};

pub(super) fn events(record: &Record, changed: &FilesChanged, around: &Around<'_>) -> Vec<Value> {
    let (started, made) = around.command(changed.command);
    let actor = around.actor(made, process(changed.command, started, made));
    let actor = Value::Object(fields(actor));
    let mut all = Vec::new();
    for root in &changed.roots {
        let files = root.files.iter().map(|one| of_file(root, one));
        let generated = root.generated.iter().map(|one| of_generated(root, one));
        for (activity, message, more) in files.chain(generated) {
            let mut more = fields(more);
            more.insert("actor".to_owned(), actor.clone());
            let telling = Telling {
                class: FILE,
                activity,
                severity: INFORMATIONAL,
                status: SUCCESS,
                message,
                more,
            };
            all.push((telling, rest(record, changed)));
        }
    }
    // One that lists nothing says that something was not seen.
    if all.is_empty() {
        let place = made.map_or_else(|| Text::from("/"), |made| made.workspace.clone());
        let mut more = fields(json!({ "file": file(&place, true) }));
        more.insert("actor".to_owned(), actor);
        let telling = Telling {
            class: FILE,
            activity: (0, "Unknown"),
            severity: INFORMATIONAL,
            status: UNKNOWN,
            message: "it is not known which files changed".to_owned(),
            more,
        };
        all.push((telling, rest(record, changed)));
    }
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(index, (telling, rest))| {
            let uid = format!("{}/{index}", record.hash);
            telling.event(record, uid, rest, around.owner)
        })
        .collect()
}

/// What of the record is of no file alone.
fn rest(record: &Record, changed: &FilesChanged) -> Rest {
    let mut rest = Rest(fields(json!({
        "command": changed.command,
        "shared": changed.shared,
        "unlisted": changed.unlisted,
        "incomplete": changed.incomplete,
    })));
    rest.0
        .insert("previous".to_owned(), json!(record.previous.to_string()));
    rest
}

fn of_file<'a>(root: &RootChanged, one: &'a FileChanged) -> ((u32, &'a str), String, Value) {
    let activity = match one.how.as_str() {
        "added" => (1, "Create"),
        "modified" => (3, "Update"),
        "deleted" => (4, "Delete"),
        "renamed" => (5, "Rename"),
        "mode" | "touched" => (6, "Set Attributes"),
        how => (99, how),
    };
    let at = |path: &Text, size: Option<u64>| {
        let mut file = file(&below(root, path), one.kind == "directory");
        file["size"] = json!(size);
        file["type_id"] = json!(match one.kind.as_str() {
            "file" => 1,
            "directory" => 2,
            "symlink" => 7,
            _ => 0,
        });
        file
    };
    let now = at(&one.path, one.after);
    let more = match &one.from {
        Some(from) => json!({ "file": at(from, one.before), "file_result": now }),
        None if one.how == "deleted" => json!({ "file": at(&one.path, one.before) }),
        None => json!({ "file": now }),
    };
    let message = bounded(&format!("{}: {}", one.how, one.path));
    (activity, message, more)
}

fn of_generated<'a>(root: &RootChanged, one: &GeneratedChanged) -> ((u32, &'a str), String, Value) {
    let counts: Vec<String> = one
        .counts
        .iter()
        .map(|(how, count)| format!("{count} {how}"))
        .collect();
    let message = bounded(&format!(
        "in {}: {}, {} bytes written",
        one.path,
        counts.join(", "),
        one.written
    ));
    let folder = file(&below(root, &one.path), true);
    ((3, "Update"), message, json!({ "file": folder }))
}

fn below(root: &RootChanged, path: &Text) -> Text {
    Text::from(&root.root.as_path().join(path.as_path()))
}
